"""Mechanical repairs: the repaired model passes what the old one failed, and keeps its weights."""

from pathlib import Path

import keras
import numpy as np
import pytest

from maskscope.audit import audit_arrays, audit_model, gallery, repair
from maskscope.audit.probes.mask_trace import trace_mask
from maskscope.audit.probes.padded_sample import made_up_batch
from maskscope.audit.reference_models import parts
from maskscope.errors import ModelError
from maskscope.keras_io import compiled
from maskscope.keras_io.safety import inspect_keras_file
from tests.core.audit import small_models

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
    assert trace_mask(model, *made_up_batch(model.inputs, 0.0)).repair == "mask_input"
    after = audit_model(repair.repair_model(model, ["mask_input"]), x, lengths, checks=("LENGTH", "TRACE"))
    assert after.verdict == "passed"


def padded(model: keras.Model, x: np.ndarray, n: int, side: str) -> np.ndarray:
    """The model's outputs for the tokens of x, with n padded positions of zeros on a side."""
    width = (0, n) if side == "back" else (n, 0)
    outputs = np.asarray(model(np.pad(x, ((0, 0), width, (0, 0))), training=False))
    return outputs[:, : x.shape[1]] if side == "back" else outputs[:, n:]


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        pytest.param(small_models.with_state, "give_mask", id="initial_state"),
        pytest.param(small_models.residual, "copy_input", id="attention"),
        pytest.param(small_models.backward_round, "turn_back", id="go_backwards"),
        pytest.param(small_models.distributed, "carry_mask", id="TimeDistributed"),
    ],
)
def test_a_repair_cures_the_model_and_changes_nothing_else(
    tmp_path: Path, recipe: small_models.Recipe, expected: str
) -> None:
    model = small_models.build(recipe)
    rng = np.random.default_rng(0)
    model.set_weights([each + rng.normal(0, 0.5, each.shape) for each in model.get_weights()])
    model.save(tmp_path / "old.keras")
    found = trace_mask(model, *made_up_batch(model.inputs, 0.0))
    assert found.repair == expected
    repairs = [expected, *(["plain_dense"] if recipe is small_models.distributed else [])]
    repair.repair_file(tmp_path / "old.keras", repairs, tmp_path / "new.keras", 0.0)
    new = keras.saving.load_model(tmp_path / "new.keras", compile=False)
    assert trace_mask(new, *made_up_batch(new.inputs, 0.0)).why == ""
    x = rng.normal(size=(2, 4, small_models.DIM)).astype(np.float32)
    unpadded = np.asarray(new(x, training=False))
    for side in ("back", "front"):
        np.testing.assert_allclose(padded(new, x, 3, side), unpadded, atol=2e-5)
    if recipe is not small_models.backward_round:
        # without padding the model was right
        np.testing.assert_allclose(unpadded, np.asarray(model(x, training=False)), atol=2e-5)
    inspect_keras_file(tmp_path / "new.keras")


def test_masks_given_by_hand_and_causal_attention_are_kept_in_a_repair() -> None:
    def recipe(x: object) -> object:
        mask = keras.ops.any(keras.ops.not_equal(x, 0.0), axis=-1)
        attention = keras.layers.MultiHeadAttention(1, 2, name="attention")(x, x, use_causal_mask=True)
        return keras.layers.SimpleRNN(2, return_sequences=True, name="rnn")(attention, mask=mask)

    model = small_models.build(recipe)
    x = np.random.default_rng(0).normal(size=(2, 4, small_models.DIM)).astype(np.float32)
    before = np.asarray(model(x, training=False))
    new = repair.repair_model(model, ["mask_input"])
    np.testing.assert_allclose(np.asarray(new(x, training=False)), before, atol=1e-6)
    assert trace_mask(new, *made_up_batch(new.inputs, 0.0)).why == ""


def test_the_mask_is_carried_past_a_sum_of_tensors_that_have_lost_it() -> None:
    def recipe(x: object) -> object:
        attention = keras.layers.MultiHeadAttention(1, 2, name="attention")(x, x, use_causal_mask=True)
        return small_models.head(keras.ops.add(x, attention))

    new = repair.repair_model(small_models.build(recipe), ["mask_input"])
    assert trace_mask(new, *made_up_batch(new.inputs, 0.0)).why == ""


def test_a_row_of_numbers_is_masked_in_a_repaired_model_and_a_fixed_length_is_kept() -> None:
    row = (0.5, -1.0, 2.0, 0.0)
    model = small_models.build(lambda x: small_models.head(small_models.rnn()(x)), 6)
    new = repair.repair_model(model, ["mask_input"], row)
    assert new.input_shape == (None, 6, small_models.DIM)
    assert new.get_layer("masking").mask_value == list(row)
    assert trace_mask(new, *made_up_batch(new.inputs, row)).why == ""


def test_a_layer_inside_a_model_inside_the_model_is_repaired() -> None:
    within = keras.Input((None, small_models.DIM))
    hidden = keras.layers.Conv1D(3, 3, padding="same", name="convolution")(within)
    inner = keras.Model(within, small_models.rnn()(hidden), name="inner")
    model = small_models.build(lambda x: small_models.head(inner(small_models.masking()(x))))
    new = repair.repair_model(model, ["carry_mask"])
    assert trace_mask(new, *made_up_batch(new.inputs, 0.0)).why == ""


def test_what_can_not_be_repaired_is_refused(tmp_path: Path) -> None:
    old, _, _ = saved("M8", tmp_path)
    with pytest.raises(ModelError, match=r"no such repair.*expected plain_dense.*received magic"):
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
    optimizer = keras.optimizers.SGD(0.0125, momentum=0.5, nesterov=True, clipnorm=2.0)
    metrics = [keras.metrics.BinaryAccuracy(threshold=0.25)]
    old.compile(optimizer, loss="mse", metrics=["Precision"], weighted_metrics=metrics)
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
    kept = keras.saving.load_model(tmp_path / "new.keras").optimizer
    assert kept.get_config() == optimizer.get_config()
    assert int(kept.iterations) == 0


@pytest.mark.parametrize(
    "optimizer",
    [
        "adam",
        keras.optimizers.Adam(keras.optimizers.schedules.ExponentialDecay(0.03, 100, 0.9)),
        keras.optimizers.LossScaleOptimizer(keras.optimizers.RMSprop(0.02)),
    ],
    ids=["name", "schedule", "loss scale"],
)
def test_optimizers_of_keras_are_known_with_their_settings(tmp_path: Path, optimizer: object) -> None:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(optimizer, "mse")
    model.save(tmp_path / "m.keras")
    own = compiled.of_file(tmp_path / "m.keras")
    assert own is not None
    wanted = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    assert (type(own.optimizer), own.optimizer.get_config()) == (type(wanted), wanted.get_config())


def test_an_optimizer_in_own_code_is_never_loaded(tmp_path: Path) -> None:
    class Own(keras.optimizers.SGD):
        pass

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(Own(), "mse")
    model.save(tmp_path / "m.keras")
    own = compiled.of_file(tmp_path / "m.keras")
    assert own is not None
    assert own.optimizer is None


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
