"""The audit pads as the data are padded: on their side, with their rows; without any, with the mask value or with 0."""

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from maskscope.audit import AuditReport, Finding, audit_model, audit_project
from maskscope.audit.checks.registry import CHECKS
from maskscope.padding import Padding, Side
from maskscope.project import Project, ProjectWriter
from maskscope.types import Floats, MaskValue, Sentence
from tests.core.audit.small_models import DIM, LENGTHS, build, head, padded, rnn, run

pytestmark = pytest.mark.keras

ROW = (0.5, -1.0, 2.0, 0.25)


def array(side: Side, value: MaskValue, n_positions: int = 6) -> Floats:
    """The small sentences, padded: (4, n_positions, 4)."""
    padding = Padding.of_value(value, DIM, side)
    rows = [row[:n] for row, n in zip(padded(), LENGTHS, strict=True)]
    return np.stack([padding.add(each, n_positions - len(each)) for each in rows])


def model(mask_value: MaskValue | None, n_positions: int | None = None) -> keras.Model:
    """An RNN with biases off zero, behind Masking where there is a mask value."""

    def recipe(x: object) -> object:
        masked = x if mask_value is None else layers.Masking(list(np.ravel(mask_value) * np.ones(DIM)))(x)
        return head(rnn()(masked))

    built = build(recipe, n_positions)
    rng = np.random.default_rng(0)
    built.set_weights([each + rng.normal(0, 0.3, each.shape) for each in built.get_weights()])
    return built


def by_check(report: AuditReport) -> dict[str, Finding]:
    return {finding.check: finding for finding in report.findings}


def test_a_masked_model_passes_every_check_on_sentences_padded_in_front_with_one_row() -> None:
    report = audit_model(model(ROW), array("front", ROW), LENGTHS, checks=[name for name in CHECKS if name != "DTYPE"])
    assert {finding.check: finding.verdict for finding in report.findings if finding.verdict != "passed"} == {}
    about = report.about
    assert (about.padding, about.padding_side, about.padding_from) == (None, "front", "data")
    assert about.padding_text == "one row of 4 numbers"


def test_the_side_decides_whether_a_model_without_a_mask_moves() -> None:
    """An RNN that reads forward carries what it reads of padding in front; padding behind comes too late."""
    checks = ("LENGTH", "BATCH")
    in_front, behind = (
        audit_model(model(None), array(side, -1.0), LENGTHS, checks=checks) for side in ("front", "back")
    )
    assert [finding.verdict for finding in in_front.findings] == ["failed", "failed"]
    assert [finding.verdict for finding in behind.findings] == ["passed", "passed"]
    # the change of an output is what Keras gives for the sentence alone and with more of its own padding
    (length, _) = in_front.findings
    tokens = padded()[length.sentence, : LENGTHS[length.sentence or 0]]
    assert length.deviation is not None
    assert length.deviation > 1e-3
    more = Padding.of_value(-1.0, DIM, "front").add(tokens, 64)
    built = model(None)
    change = np.abs(built(more[None])[0, 64:] - built(tokens[None])[0]).max()
    assert length.deviation >= change * 0.9


def test_what_is_given_comes_before_what_the_data_hold() -> None:
    given = audit_model(model(None), array("back", 0.0), LENGTHS, checks=("LENGTH", "DATA"), padding=-1.0)
    assert (given.about.padding, given.about.padding_from) == (-1.0, "given")
    assert "hold 0, not the given padding -1" in by_check(given)["DATA"].meaning
    on_side = audit_model(model(None), padded()[2:3, :5], LENGTHS[2:3], checks=("LENGTH",), padding_side="front")
    assert (on_side.about.padding_side, on_side.verdict) == ("front", "failed")


def test_no_repair_is_offered_on_padding_that_is_only_assumed() -> None:
    full = padded()[2:3, :5]
    assumed = audit_model(model(None), full, LENGTHS[2:3], checks=("TRACE",))
    assert (assumed.about.padding, assumed.about.padding_from, assumed.repairs) == (0.0, "assumed", ())
    assert assumed.advice
    assert run("TRACE", model(None)).repair == "mask_input"
    masked = audit_model(model(-1.0), full, LENGTHS[2:3], checks=("TRACE",))
    assert (masked.about.padding, masked.about.padding_from, masked.verdict) == (-1.0, "mask value", "passed")


def test_a_project_is_padded_as_its_source_was(tmp_path: Path) -> None:
    path = tmp_path / "p.maskscope"
    with ProjectWriter(path, DIM, np.dtype(np.float32), classes=("O", "name"), kind="binary") as writer:
        for row, n in zip(padded(), LENGTHS, strict=True):
            writer.add(Sentence(("w",) * int(n), row[:n]))
        writer.finish(source="test", padding=Padding.of_value(-1.0, DIM, "front"))
    model(None).save(tmp_path / "m.keras")
    with Project.open(path, read_only=True) as project:
        report = audit_project(project, tmp_path / "m.keras", checks=("LENGTH",))
        behind = audit_project(project, tmp_path / "m.keras", checks=("LENGTH",), padding_side="back")
    assert (report.about.padding, report.about.padding_side, report.about.padding_from) == (-1.0, "front", "data")
    assert report.verdict == "failed"
    assert (behind.about.padding_side, behind.about.padding_from, behind.verdict) == ("back", "given", "passed")
