"""The audit: models that hold pass, and each check rejects its mutants."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from maskscope.audit import AuditReport, Finding, audit_arrays, audit_project
from maskscope.audit.checks.registry import CHECKS
from maskscope.audit.probes.context import SAMPLE, Padded, Ragged, choose_sample
from maskscope.errors import Cancelled, ModelError, ReadError
from maskscope.jobs import FlagJob
from maskscope.keras_io.compiled import of_file
from maskscope.project import Project, ProjectWriter
from maskscope.types import Floats, Sentence

pytestmark = pytest.mark.keras
keras = pytest.importorskip("keras")

DIM = 4
LENGTHS = np.array([3, 1, 5, 2], dtype=np.int64)


def padded_array() -> Floats:
    x: Floats = np.zeros((4, 6, DIM), dtype=np.float32)
    rng = np.random.default_rng(0)
    for row, n in enumerate(LENGTHS):
        x[row, :n] = rng.normal(size=(n, DIM))
    return x


def model_file(path: Path, masking: Callable[["keras.KerasTensor"], "keras.KerasTensor"]) -> Path:
    """Masking as given, BiLSTM, Dense, with fresh weights: zero biases, the case that passes falsely."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((None, DIM))
    lstm = keras.layers.LSTM(3, return_sequences=True, unit_forget_bias=False)
    hidden = keras.layers.Bidirectional(lstm)(masking(inputs))
    keras.Model(inputs, keras.layers.Dense(1, "sigmoid")(hidden)).save(path / "m.keras")
    return path / "m.keras"


@pytest.fixture(scope="module")
def p0(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model_file(tmp_path_factory.mktemp("p0"), keras.layers.Masking(0.0))


def one(x: Floats, lengths: np.ndarray | None, file: Path, check: str) -> Finding:
    """The finding of one check alone."""
    return finding(audit_arrays(x, lengths, file, checks=(check,)), check)


def finding(report: AuditReport, check: str) -> Finding:
    (found,) = [finding for finding in report.findings if finding.check == check]
    return found


def test_the_classic_stack_passes(p0: Path) -> None:
    report = audit_arrays(padded_array(), LENGTHS, p0)
    assert {finding.check: finding.verdict for finding in report.findings} == dict.fromkeys(CHECKS, "passed")
    assert report.verdict == "passed"
    assert report.sampled == (0, 1, 2, 3)
    found = finding(report, "LENGTH")
    assert found.tolerance == 1e-6
    record = json.loads(report.to_json())
    assert record["verdict"] == "passed"
    assert record["findings"][0]["check"] == "LENGTH"


def test_length_can_not_tell_of_a_model_of_fixed_length(tmp_path: Path) -> None:
    inputs = keras.Input((6, DIM))
    keras.Model(inputs, keras.layers.Dense(1)(inputs)).save(tmp_path / "m.keras")
    found = one(padded_array(), LENGTHS, tmp_path / "m.keras", "LENGTH")
    assert found.verdict == "could not tell"
    assert "Input((None, D))" in found.meaning
    inputs = keras.Input((None, DIM))
    keras.Model(inputs, keras.layers.GlobalMaxPooling1D()(inputs)).save(tmp_path / "m.keras")
    found = one(padded_array(), LENGTHS, tmp_path / "m.keras", "LENGTH")
    assert found.verdict == "could not tell"
    assert "not one prediction per position" in found.meaning


def test_a_token_that_the_masking_layers_own_type_flushes_to_zero_is_a_collision(tmp_path: Path) -> None:
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        file = model_file(tmp_path, keras.layers.Masking(0.0))
    finally:
        keras.config.set_dtype_policy(policy)
    x = padded_array()
    x[2, 3] = 1e-9
    collisions, dtype = audit_arrays(x, LENGTHS, file, checks=("COLLISIONS", "DTYPE")).findings
    assert (collisions.verdict, collisions.sentence, collisions.position) == ("failed", 2, 3)
    assert (dtype.verdict, dtype.sentence, dtype.position) == ("failed", 2, 3)
    # 0 is exact in float16 already, so another mask_value is no cure
    assert dtype.advice.endswith("with dtype='float32'")
    assert "mask_value" not in dtype.advice


def test_an_array_without_padding_is_padded_with_what_the_model_masks(tmp_path: Path) -> None:
    file = model_file(tmp_path, keras.layers.Masking(-1.0))
    x = np.random.default_rng(0).normal(size=(3, 4, DIM)).astype(np.float32)
    lengths = np.array([4, 4, 4])
    report = audit_arrays(x, lengths, file, checks=("LENGTH",))
    assert (report.verdict, report.about.padding) == ("passed", -1.0)
    # where something stands at padding, or a person says what does, that counts
    x[1, 3:] = 0
    assert audit_arrays(x, np.array([4, 3, 4]), file, checks=("LENGTH",)).verdict == "failed"
    assert audit_arrays(x[:1], lengths[:1], file, checks=("LENGTH",), padding=0.0).verdict == "failed"


def test_a_zero_row_in_a_sentence_is_a_collision(p0: Path) -> None:
    x = padded_array()
    x[2, 3] = 0
    found = one(x, LENGTHS, p0, "COLLISIONS")
    assert (found.verdict, found.sentence, found.position) == ("failed", 2, 3)
    assert "1 real token equals the mask value 0" in found.meaning
    assert "-5 is free in this data" in found.advice
    assert one(x, None, p0, "COLLISIONS").verdict == "failed"
    x[2, 4] = 0
    assert "2 real tokens in 1 sentence" in one(x, LENGTHS, p0, "COLLISIONS").meaning
    # without lengths, the zero rows at the end are nothing but padding
    found = one(x, None, p0, "COLLISIONS")
    assert found.verdict == "could not tell"
    assert one(x, None, p0, "DATA").verdict == "could not tell"


def front_padded(x: Floats) -> Floats:
    return np.stack([np.roll(row, 6 - n, axis=0) for row, n in zip(x, LENGTHS, strict=True)])


@pytest.mark.parametrize(
    ("change", "lengths", "words"),
    [
        (lambda x: x.astype(np.int32), LENGTHS, "whole numbers (int32)"),
        (front_padded, LENGTHS, "in front of the tokens"),
        (front_padded, None, "looks padded in front"),
        (lambda x: x[:, :4], LENGTHS, "it was cut"),
        (lambda x: np.where(x == 0, np.nan, x), LENGTHS, "NaN or infinity"),
        (lambda x: x, LENGTHS - 1, "numbers behind its end"),
    ],
)
def test_data_rejects_arrays_that_do_not_hold_what_the_lengths_say(
    p0: Path, change: Callable[[Floats], Floats], lengths: np.ndarray | None, words: str
) -> None:
    found = one(change(padded_array()), lengths, p0, "DATA")
    assert found.verdict == "failed"
    assert words in found.meaning


def test_what_can_not_be_audited_is_refused(p0: Path) -> None:
    with pytest.raises(ReadError, match=r"received \(4, 6\) float32"):
        audit_arrays(padded_array()[..., 0], None, p0)
    with pytest.raises(ReadError, match=r"\(4,\) whole numbers"):
        audit_arrays(padded_array(), np.array([1, 2]), p0)
    with pytest.raises(ModelError, match="expected 4 numbers a token; received 2"):
        audit_arrays(padded_array()[..., :2], LENGTHS, p0)
    job = FlagJob()
    job.cancel()
    with pytest.raises(Cancelled):
        audit_arrays(padded_array(), LENGTHS, p0, job)


@pytest.mark.parametrize(
    ("lengths_from", "verdicts"),
    [
        ("source", dict.fromkeys(CHECKS, "passed") | {"COLLISIONS": "failed"}),
        ("inferred", {"COLLISIONS": "failed", "DATA": "could not tell"}),
    ],
)
def test_a_project_is_audited_on_its_own_sentences(
    tmp_path: Path, p0: Path, lengths_from: str, verdicts: dict[str, str]
) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / "p.maskscope"
    with ProjectWriter(path, DIM, np.dtype(np.float16), classes=("O", "name"), kind="binary") as writer:
        for i in range(50):
            x = rng.normal(size=(1 + i % 7, DIM)).astype(np.float16)
            if i == 34:
                x[2] = 0
            writer.add(Sentence(("w",) * len(x), x))
        writer.finish(source="test", lengths_from=lengths_from)
    with Project.open(path) as project:
        report = audit_project(project, p0, checks=verdicts)
    assert {found.check: found.verdict for found in report.findings} == verdicts
    assert len(report.sampled) == SAMPLE
    assert {0, 34} <= set(report.sampled)
    found = finding(report, "COLLISIONS")
    assert (found.sentence, found.position) == (34, 2)


@pytest.mark.parametrize(
    ("loss", "metric"),
    [
        (keras.losses.mean_squared_error, keras.metrics.mean_absolute_error),
        (["mse"], [["mae"]]),
        (keras.losses.MeanSquaredError(dtype="float16"), keras.metrics.MeanAbsoluteError(dtype="float16")),
    ],
)
def test_losses_of_keras_are_known_from_a_file_however_they_were_given(
    tmp_path: Path, loss: object, metric: object
) -> None:
    model = keras.Sequential([keras.Input((None, DIM)), keras.layers.Dense(1)])
    model.compile(loss=loss, metrics=metric if isinstance(metric, list) else [metric])
    model.save(tmp_path / "m.keras")
    compiled = of_file(tmp_path / "m.keras")
    assert compiled is not None
    assert not compiled.unknown
    found = np.asarray(keras.losses.get(compiled.loss)(np.ones((1, 1)), np.full((1, 1), 3.0)))
    assert found.ravel() == pytest.approx([4.0])
    assert len(compiled.metrics) == 1


def test_a_loss_of_the_user_s_own_is_not_taken_for_another(tmp_path: Path) -> None:
    def own(y_true: "keras.KerasTensor", y_pred: "keras.KerasTensor") -> "keras.KerasTensor":
        return keras.ops.mean(y_true - y_pred)

    model = keras.Sequential([keras.Input((None, DIM)), keras.layers.Dense(1)])
    model.compile(loss=own)
    model.save(tmp_path / "m.keras")
    compiled = of_file(tmp_path / "m.keras")
    assert compiled is not None
    assert (compiled.loss, compiled.unknown, compiled.unknown_loss) == (None, ("own",), True)


def test_the_sample_leaves_out_empty_sentences() -> None:
    ragged = Ragged(np.ones((3, 2), np.float32), np.array([0, 0, 2, 2, 3]), "source")
    assert choose_sample(ragged) == (1, 3)
    assert choose_sample(Padded(np.ones((2, 2, 1), np.float32), np.array([0, 0]), "source")) == ()
