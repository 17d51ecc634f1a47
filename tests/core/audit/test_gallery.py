"""The gallery: which checks reject which models, with fresh weights and with perturbed ones.

Tracing TensorFlow's functions takes a second for each model, so all checks of all models are run with the slow tests.
The others run all checks of one mutant, and for each model the checks that trace nothing, and for some mutants the
check that they alone fail.
"""

import re
from collections.abc import Collection
from pathlib import Path

import pytest

from maskscope.audit import gallery
from maskscope.audit.checks.registry import CHECKS, rejected_by
from maskscope.worker.protocol import Done, decode_from_worker, encode
from maskscope.worker.requests import AuditResult

pytestmark = [
    pytest.mark.keras,
    pytest.mark.filterwarnings("ignore:Layer .* was passed an input with a mask:UserWarning"),
]

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "audit.md"
LETTERS = {"passed": ".", "failed": "X", "could not tell": "?"}

# One letter a check, in the order of CHECKS: "." passed, "X" failed, "?" could not tell.
# LENGTH BATCH CONTENT GRADIENT LOSS WEIGHTS TRAINING METRICS TRACE COLLISIONS GEOMETRY TIME DTYPE DATA RELOAD
TABLE = {
    "P0": "...............",
    "P1": "...............",
    "P2": "...............",
    "P3": "...............",
    "P4": "...............",
    "P5": "...............",
    "P6": "...............",
    "P7": "...............",
    "P8": "...............",
    "P9": "...............",
    "P10": "...............",
    "P11": "...............",
    "P12": "...............",
    "P13": "...............",
    "P14": "...............",
    "P15": "...............",
    "M1": "XXXXXXX.X.X....",
    "M2": "XX.XXXX.X.X....",
    "M3": "XXXXXXX.X.X....",
    "M4": "XXXXXXX.X.X....",
    "M5": "XXXXXXX.X.X....",
    "M6": "XX.XXXX.X.X....",
    "M7": "XX.XXXX.X.X....",
    "M8": "XX.XXXX.X.X....",
    "M9": "....XXX.X......",
    "M10": "XXXXXXX.X......",
    "M11": "...........X...",
    "M12": "XXXXXXX.X.X....",
    "M13": "?...X??.X......",
    "M14": "....XXX........",
    "X1": "XXXXXXX.X......",
    "X2": "....XXX.X.X....",
    "X3": "XX..XXX.X.X.X..",
    "X4": ".......X.......",
    "X5": "...............",
    "X6": ".........X.....",
    "X7": ".........X...X.",
    "X8": "..............X",
    "X9": "........X......",
    "X10": "......X.X......",
    "X11": "XXXXXXX.X.X....",
    "X12": "XXXXXXX.X......",
    "X13": "XXXXXXX.X.X....",
    "X14": "XX..XXX.X.X....",
    "X15": "....XXX.X......",
    "X16": "XX..XXX.X.X....",
    "X17": "XXXXXX..X......",
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
    "X10": "normalization",
    "X11": "second",
    "X12": "multiply",
    "X14": "decoder",
    "X15": "attention",
    "X16": "backward",
    "X17": "pooling",
}
"""How the name of the first layer begins that loses or alters the mask; M1 has none that could."""

WITHOUT_TRACING = ("TRACE", "COLLISIONS", "DTYPE", "DATA")
"""Checks that trace no function, so that they are quick."""
ALWAYS_WHOLE = "M3"
"""A mutant that is audited with all checks among the quick tests."""
ALSO = {"M11": ["TIME"], "M14": ["LOSS"], "X2": ["GEOMETRY"], "X4": ["METRICS"], "X8": ["RELOAD"], "X10": ["TRAINING"]}
"""Checks that the quick tests run for some mutants besides those without tracing."""


def quick_checks(name: str) -> tuple[str, ...]:
    """The checks that the quick tests run for a model, in the order of the registry."""
    chosen = CHECKS if name == ALWAYS_WHOLE else (*WITHOUT_TRACING, *ALSO.get(name, []))
    return tuple(check for check in CHECKS if check in chosen)


def expected(name: str, checks: Collection[str]) -> str:
    return "".join(cell for check, cell in zip(CHECKS, TABLE[name], strict=True) if check in checks)


def audit(name: str, checks: Collection[str]) -> None:
    """Audit a model twice and compare the verdicts, and what each finding says, with the table."""
    model = gallery.gallery_model(name)
    assert model is not None
    for report in gallery.audit_gallery_model(model, checks=checks):
        assert [finding.check for finding in report.findings] == list(checks)
        assert "".join(LETTERS[finding.verdict] for finding in report.findings) == expected(name, checks)
        (trace,) = [finding for finding in report.findings if finding.check == "TRACE"]
        assert str(trace.layer).startswith(FAULTY_LAYER[name]) if name in FAULTY_LAYER else trace.layer is None
        for finding in report.findings:
            assert finding.meaning.endswith((".", ")")), finding.meaning
            if finding.verdict == "failed":
                assert finding.advice, finding.check
                assert not finding.advice.endswith("."), finding.advice
                assert finding.deviation is None or finding.deviation > (finding.tolerance or 0.0)
        received = decode_from_worker(encode(Done(1, AuditResult(report))))
        assert isinstance(received, Done)
        assert isinstance(received.result, AuditResult)
        assert received.result.report.to_json() == report.to_json()


@pytest.mark.parametrize("name", TABLE)
def test_quick_checks_find_what_the_table_says(name: str) -> None:
    audit(name, quick_checks(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", TABLE)
def test_every_check_finds_what_the_table_says(name: str) -> None:
    audit(name, tuple(CHECKS))


def test_every_check_rejects_the_mutants_that_it_names_and_sound_models_pass_all() -> None:
    assert [each.name for each in gallery.GALLERY] == list(TABLE)
    assert {name for check in CHECKS.values() for name in check.rejects} <= set(TABLE)
    for model in gallery.GALLERY:
        failed = {check for check, cell in zip(CHECKS, TABLE[model.name], strict=True) if cell == "X"}
        assert rejected_by(model.name) <= failed, model.name
        assert bool(rejected_by(model.name)) == bool(failed) == (model.kind == "mutant"), model.name
    for check in CHECKS.values():
        assert check.rejects, check.name


def test_the_quick_tests_see_every_check_fail() -> None:
    failed = {check for name in TABLE for check in quick_checks(name) if expected(name, [check]) == "X"}
    assert failed == set(CHECKS)


@pytest.mark.skipif(not GUIDE.exists(), reason="the docs are not next to these tests")
def test_the_tables_in_the_docs_are_those_of_the_registry_and_the_gallery() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    table = text[text.index("| check | what is done") :].partition("\n\n")[0]
    definitions = re.findall(r"^\| ([A-Z]+) \| (.*?) \| (.*?) \|$", table, re.MULTILINE)
    assert definitions == [
        (check.name, check.definition, " ".join(name for name in TABLE if name in check.rejects))
        for check in CHECKS.values()
    ]
    assert f"| · passed, X failed, ? could not tell | {' | '.join(CHECKS)} |" in text
    for model in gallery.GALLERY:
        cells = " | ".join(TABLE[model.name].replace(".", "·"))
        assert f"| {model.name} {model.title} | {cells} |" in text
