"""The gallery: the whole table of models by checks, cell by cell, with fresh weights and with perturbed ones."""

import pytest

from maskscope.audit import gallery
from maskscope.audit.checks.registry import CHECKS, rejected_by
from maskscope.audit.report import AuditReport

pytestmark = pytest.mark.keras
pytest.importorskip("keras")

# One letter a check, in the order of CHECKS: "." passed, "X" failed, "?" could not tell.
# LENGTH BATCH CONTENT GRADIENT LOSS WEIGHTS METRICS TRACE COLLISIONS GEOMETRY TIME DTYPE DATA RELOAD
TABLE = {
    "P0": "..............",
    "P1": "..............",
    "P2": "..............",
    "M1": "XXXXXX.X.X....",
    "M2": "XX.XXX.X.X....",
    "M3": "XXXXXX.X.X....",
    "M4": "XXXXXX.X.X....",
    "M5": "XXXXXX.X.X....",
    "M6": "XX.XXX.X.X....",
    "M7": "XX.XXX.X.X....",
    "M8": "XX.XXX.X.X....",
    "M9": "....XX.X......",
    "M10": "XXXXXX.X......",
    "M11": "???.??...?X..?",
    "M12": "XXXXXX.X.X....",
    "M13": "?...X?.X.X?...",
    "M14": "....XX........",
    "X1": "XXXXXX.X......",
    "X2": "....XX.X.X....",
    "X3": "XX..XX.X.X.X..",
    "X4": "......X.......",
    "X5": "..............",
    "X6": "........X.....",
    "X7": "........X...X.",
    "X8": ".............X",
    "X9": ".......X......",
}
FAULTY_LAYER = {
    "M2": "projection",
    "M3": "convolution",
    "M4": "multiply",
    "M5": "sum",
    "M6": "both",
    "M7": "masking",
    "M8": "normalization",
    "M9": "sigmoid",
    "M10": "sum",
    "M12": "flip",
    "M13": "repeat",
    "X1": "pooling",
    "X2": "sum",
    "X3": "masking",
    "X9": "noise",
}
"""The first layer that loses or alters the mask; M1 has none that could."""
LETTERS = {"passed": ".", "failed": "X", "could not tell": "?"}


def row(report: AuditReport) -> str:
    return "".join(LETTERS[finding.verdict] for finding in report.findings)


@pytest.mark.parametrize("name", [each.name for each in gallery.GALLERY])
@pytest.mark.filterwarnings("ignore:Layer .* was passed an input with a mask:UserWarning")
def test_every_cell_of_the_table_holds(name: str) -> None:
    model = gallery.gallery_model(name)
    assert model is not None
    fresh, perturbed = gallery.audit_gallery_model(model)
    assert [finding.check for finding in fresh.findings] == list(CHECKS)
    assert (row(fresh), row(perturbed)) == (TABLE[name], TABLE[name])
    for report in (fresh, perturbed):
        traced = report.findings[list(CHECKS).index("TRACE")]
        assert traced.layer is None if name not in FAULTY_LAYER else str(traced.layer).startswith(FAULTY_LAYER[name])
        for finding in report.findings:
            assert finding.meaning.endswith((".", ")")), finding.meaning
            if finding.verdict == "failed":
                assert finding.advice, finding.check
                assert not finding.advice.endswith("."), finding.advice
                assert finding.deviation is None or finding.deviation > (finding.tolerance or 0.0)
        assert AuditReport.from_json(report.to_json()).to_json() == report.to_json()


def test_every_check_has_an_exhibit_that_fails_it_and_the_must_fails_of_audit_md_are_in_the_table() -> None:
    assert {each.name for each in gallery.GALLERY} == set(TABLE)
    failing = {check for cells in TABLE.values() for check, cell in zip(CHECKS, cells, strict=True) if cell == "X"}
    assert failing == set(CHECKS)
    for each in gallery.GALLERY:
        failed = {check for check, cell in zip(CHECKS, TABLE[each.name], strict=True) if cell == "X"}
        assert rejected_by(each.name) <= failed
        assert bool(failed) == (each.kind == "mutant")
