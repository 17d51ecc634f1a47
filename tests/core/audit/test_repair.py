"""Mechanical repairs: the repaired model passes what the old one failed, and keeps its weights."""

from pathlib import Path

import keras
import numpy as np
import pytest

from maskscope.audit import audit_arrays, audit_model, gallery, repair
from maskscope.audit.reference_models import parts
from maskscope.errors import ModelError
from maskscope.keras_io import compiled
from maskscope.keras_io.safety import inspect_keras_file

pytestmark = [
    pytest.mark.keras,
    pytest.mark.filterwarnings("ignore:Layer .* was passed an input with a mask:UserWarning"),
]

QUICK = ("TRACE", "TIME", "DTYPE")
ALL = ("LENGTH", "CONTENT", "LOSS", "TRACE", "TIME", "DTYPE")


def saved(name: str, folder: Path) -> tuple[Path, np.ndarray, np.ndarray]:
    """A model of the gallery as a file, and its data."""
    model = gallery.gallery_model(name)
    assert model is not None
    model.build().save(folder / "old.keras")
    return folder / "old.keras", *model.data()


@pytest.mark.parametrize("checks", [QUICK, pytest.param(ALL, marks=pytest.mark.slow)], ids=["quick", "all"])
@pytest.mark.parametrize(
    ("name", "failing"),
    [
        ("M3", {"TRACE"}),
        ("M11", {"TIME"}),
        ("X3", {"TRACE", "DTYPE"}),
    ],
)
def test_a_repaired_model_passes_and_keeps_its_weights(
    tmp_path: Path, name: str, failing: set[str], checks: tuple[str, ...]
) -> None:
    old, x, lengths = saved(name, tmp_path)
    # the gallery's table has what else they fail
    before = audit_arrays(x, lengths, old, checks=QUICK)
    assert {each.check for each in before.findings if each.verdict == "failed"} == failing
    assert before.repairs
    new = tmp_path / "new.keras"
    repair.repair_file(old, before.repairs, new, before.about.padding)
    after = audit_arrays(x, lengths, new, checks=checks)
    assert [(each.check, each.verdict) for each in after.findings] == [(check, "passed") for check in checks]
    inspect_keras_file(new)
    weights = [keras.saving.load_model(file, compile=False).get_weights() for file in (old, new)]
    assert sorted(map(str, weights[0])) == sorted(map(str, weights[1]))
    with pytest.raises(ModelError, match="a file of that name already"):
        repair.repair_file(old, before.repairs, new)


def test_a_repair_also_carries_the_new_mask_past_layers_that_lose_it() -> None:
    inputs = keras.Input((None, parts.DIM))
    hidden = keras.layers.Conv1D(3, 3, padding="same", name="conv")(inputs)
    hidden = keras.layers.SimpleRNN(2, return_sequences=True)(hidden)
    model = keras.Model(inputs, keras.layers.Dense(1, "sigmoid")(hidden))
    x, lengths = parts.arrays()
    (before,) = audit_model(model, x, lengths, checks=("TRACE",)).findings
    assert (before.verdict, before.repair) == ("failed", "mask_input")
    after = audit_model(repair.repair_model(model, ["mask_input"]), x, lengths, checks=("LENGTH", "TRACE"))
    assert after.verdict == "passed"


def test_what_can_not_be_repaired_is_refused(tmp_path: Path) -> None:
    old, _, _ = saved("M8", tmp_path)
    with pytest.raises(ModelError, match=r"no such repair.*expected mask_input.*received magic"):
        repair.repair_file(old, ["magic"], tmp_path / "new.keras")
    inputs = keras.Input((None, 4))
    both = [keras.layers.Dense(1)(inputs), keras.layers.Dense(1)(inputs)]
    with pytest.raises(ModelError, match="can't be rebuilt"):
        repair.repair_model(keras.Model(inputs, both), ["mask_input"])
    assert not (tmp_path / "new.keras").exists()


def test_a_repaired_model_is_compiled_with_what_the_old_one_was(tmp_path: Path) -> None:
    inputs = keras.Input((None, 4))
    hidden = keras.layers.Masking()(keras.layers.Dense(4)(inputs))
    old = keras.Model(
        inputs, keras.layers.Dense(1, "sigmoid")(keras.layers.SimpleRNN(2, return_sequences=True)(hidden))
    )
    old.compile(loss="mse", metrics=["Precision"], weighted_metrics=[keras.metrics.BinaryAccuracy(threshold=0.25)])
    old.save(tmp_path / "old.keras")
    repair.repair_file(tmp_path / "old.keras", ["mask_input"], tmp_path / "new.keras")
    for file in ("old.keras", "new.keras"):
        own = compiled.of_file(tmp_path / file)
        assert own is not None
        assert own.unknown == ()
        assert keras.losses.get(own.loss) is keras.losses.mean_squared_error
        (metric,), (weighted,) = own.metrics, own.weighted_metrics
        assert isinstance(keras.metrics.get(metric), keras.metrics.Precision)
        assert (type(weighted).__name__, weighted.threshold) == ("BinaryAccuracy", 0.25)


def test_a_loss_that_is_code_is_never_loaded_and_the_audit_says_so(tmp_path: Path) -> None:
    def mean_of_all(y_true: object, y_pred: object) -> object:
        return keras.ops.mean(y_pred)

    sound = gallery.gallery_model("X5")
    assert sound is not None
    model = sound.build()
    model.compile(loss=mean_of_all, metrics=[mean_of_all])
    model.save(tmp_path / "own.keras")
    own = compiled.of_file(tmp_path / "own.keras")
    assert own is not None
    assert (own.loss, own.metrics, own.unknown_loss) == (None, [], True)
    x, lengths = sound.data()
    loss, metrics = audit_arrays(x, lengths, tmp_path / "own.keras", checks=("LOSS", "METRICS")).findings
    assert (loss.verdict, metrics.verdict) == ("could not tell", "could not tell")
    assert "'mean_of_all', is code" in loss.meaning
    assert "audit_model" in loss.advice
