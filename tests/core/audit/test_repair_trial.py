"""Repairs are tried before they are offered: a copy must pass what failed."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from maskscope.audit import AuditReport, Finding, audit_arrays, audit_model
from maskscope.audit.prepare import array_sentences, model_context
from maskscope.audit.probes.audit_probes import AuditProbes
from maskscope.audit.repair_trial import offer_repairs
from maskscope.audit.runner import run_checks
from maskscope.jobs import NullJob
from tests.core.audit.small_models import LENGTHS, Recipe, build, head, masking, padded, residual, rnn

pytestmark = [pytest.mark.keras, pytest.mark.filterwarnings("ignore:Layer .*mask:UserWarning")]


class Progress(NullJob):
    """Keeps what a job says that it does."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def progress(self, done: int, total: int, text: str = "") -> None:
        """Keep the text."""
        self.texts.append(text)


def audit(tmp_path: Path, recipe: Recipe, x: np.ndarray | None = None, **given: object) -> tuple[AuditReport, Progress]:
    """An audit of the file of a model by the checks that take no time."""
    build(recipe).save(tmp_path / "m.keras")
    job, checks = Progress(), ("TRACE", "DTYPE")
    x = padded() if x is None else x
    lengths = np.minimum(LENGTHS, x.shape[1])
    return audit_arrays(x, lengths, tmp_path / "m.keras", job, checks, **given), job  # type: ignore[arg-type]


def test_a_repair_is_tried_and_offered_where_it_helps(tmp_path: Path) -> None:
    report, job = audit(tmp_path, residual)
    assert (report.repairs, report.about.no_repair) == (("copy_input",), "")
    assert [text for text in job.texts if "repair" in text] == [
        "trying to repair the model",
        "trying the repaired model: TRACE",
    ]


def test_a_repair_is_tried_on_few_sentences_with_those_that_showed_the_fault() -> None:
    lengths = np.tile(LENGTHS, 10)
    context = model_context(build(residual), array_sentences(np.tile(padded(), (10, 1, 1)), lengths))
    faulty = context.sample[-2]
    report = run_checks(AuditProbes(context), "m", checks=("TRACE",))
    report = replace(report, findings=tuple(replace(finding, sentence=faulty) for finding in report.findings))
    tried: list[tuple[int, ...]] = []

    def run_check(name: str, probes: AuditProbes, _: object) -> Finding:
        tried.append(probes.context.sample)
        return Finding(name, "passed", "")

    assert offer_repairs(report, context, run_check, NullJob()).repairs == ("copy_input",)
    (sample,) = tried
    assert len(sample) == 6 < len(context.sample)
    assert faulty in sample
    assert {lengths[list(sample)].min(), lengths[list(sample)].max()} == {lengths.min(), lengths.max()}


def test_no_repair_of_a_model_in_memory_is_named_since_none_is_tried() -> None:
    report = audit_model(build(residual), padded(), LENGTHS, checks=("TRACE",))
    assert (report.verdict, report.repairs) == ("failed", ())
    assert report.about.no_repair == "Automatic repairs are tried with a file: save the model, and audit that."
    assert "give attention a copy" in report.findings[0].advice


def test_a_repair_that_does_not_help_is_not_offered_and_the_report_says_so(tmp_path: Path) -> None:
    def in_time(x: object) -> object:
        # nothing puts a mask back on four axes
        hidden = layers.ConvLSTM1D(2, 3, padding="same", return_sequences=True)(layers.Reshape((-1, 4, 1))(x))
        return head(layers.Reshape((-1, 8))(hidden))

    report, _ = audit(tmp_path, in_time)
    assert report.verdict == "failed"
    assert report.repairs == ()
    assert report.about.no_repair == "An automatic repair was tried, but with it TRACE still fails, so none is offered."
    assert "begin the model with keras.layers.Masking(0.0)" in report.findings[0].advice


def test_a_repair_that_can_not_be_made_does_not_lose_the_audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> object:
        raise ValueError("no such layer")

    monkeypatch.setattr("maskscope.keras_io.rebuilding.with_copied_inputs", fails)
    report, _ = audit(tmp_path, residual)
    assert (report.verdict, report.repairs) == ("failed", ())
    assert "no such layer" in report.about.no_repair


def test_no_repair_is_offered_where_padding_is_only_assumed(tmp_path: Path) -> None:
    unpadded = padded(5)[2:3]
    build(lambda x: head(rnn()(x))).save(tmp_path / "m.keras")
    report = audit_arrays(unpadded, np.array([5]), tmp_path / "m.keras", checks=("TRACE",))
    assert (report.about.padding_from, report.repairs) == ("assumed", ())
    assert "it is not known what padded positions hold; give --padding" in report.about.no_repair
    given = audit_arrays(unpadded, np.array([5]), tmp_path / "m.keras", checks=("TRACE",), padding=0.0)
    assert given.repairs == ("mask_input",)


def test_padding_with_one_row_of_numbers_is_masked_by_the_repair(tmp_path: Path) -> None:
    x = padded()
    x[~x.any(axis=-1)] = (0.5, -1.0, 2.0, 0.25)
    report, _ = audit(tmp_path, lambda x: head(rnn()(x)), x)
    assert report.repairs == ("mask_input",)
    report, _ = audit(tmp_path, lambda x: head(rnn()(masking()(x))), x)
    assert (report.findings[0].layer, report.repairs) == ("masking", ("mask_input",))


def test_a_sound_model_is_not_repaired(tmp_path: Path) -> None:
    report, job = audit(tmp_path, lambda x: head(rnn()(masking()(x))))
    assert (report.verdict, report.about.no_repair) == ("passed", "")
    assert not any("repair" in text for text in job.texts)
    assert isinstance(keras.saving.load_model(tmp_path / "m.keras"), keras.Model)


def test_a_loss_in_own_code_does_not_keep_a_repair_from_being_offered(tmp_path: Path) -> None:
    def own(y_true: object, y_pred: object) -> object:
        return keras.ops.mean(keras.ops.square(keras.ops.subtract(y_pred, y_true)), axis=-1)

    model = build(residual)
    model.compile("sgd", own)
    model.save(tmp_path / "m.keras")
    report = audit_arrays(padded(), LENGTHS, tmp_path / "m.keras", checks=("LOSS", "TRACE"))
    assert [finding.verdict for finding in report.findings] == ["failed", "failed"]
    assert report.repairs == ("copy_input",)
