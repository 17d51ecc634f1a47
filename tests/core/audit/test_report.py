"""The report: its verdict, and what JSON can hold."""

import json

import pytest

from maskscope.audit import AuditReport, Finding
from maskscope.audit.html.page import html_page
from maskscope.audit.report import About, Verdict


def report(*findings: Finding) -> AuditReport:
    return AuditReport("m.keras", 1, (0,), findings, About(mask_value=float("nan"), padding=None))


@pytest.mark.parametrize(
    ("about", "words"),
    [
        (About(mask_value=-1.0), "<td>-1</td>"),
        (About(mask_value=(1.0, 2.0)), "one row of 2 numbers"),
        (About(mask_value_text="nan"), "nan, which is no number"),
        (About(sha256="ab"), "none: the model has no Masking layer"),
    ],
)
def test_the_page_tells_the_mask_value(about: About, words: str) -> None:
    assert words in html_page(AuditReport("m.keras", 1, (0,), (), about), None).replace("−", "-")


@pytest.mark.parametrize(
    ("findings", "verdict"),
    [
        ([("passed", True), ("passed", False)], "passed"),
        ([("passed", True), ("could not tell", False)], "passed"),
        ([("passed", True), ("could not tell", True)], "could not tell"),
        ([("passed", True), ("could not tell", True), ("failed", True)], "failed"),
        ([("could not tell", False)], "could not tell"),
        ([], "could not tell"),
    ],
)
def test_the_verdict_hangs_on_the_checks_that_matter(findings: list[tuple[Verdict, bool]], verdict: Verdict) -> None:
    made = report(*(Finding("LOSS", each, "It is so.", matters=matters) for each, matters in findings))
    assert made.verdict == verdict


def test_a_check_that_does_not_apply_is_shown_as_one() -> None:
    words = [Finding("METRICS", "passed", "It is so.", matters=matters).verdict_in_words for matters in (True, False)]
    assert words == ["passed", "passed (does not apply)"]
    page = html_page(report(Finding("LENGTH", "could not tell", "It is so.", matters=False)), None)
    assert "could not tell (does not apply)" in page


def test_json_holds_null_for_nan_and_infinity() -> None:
    record = json.loads(report(Finding("LOSS", "failed", "It is so.", float("inf"), 1e-5)).to_json())
    assert record["findings"][0]["deviation"] is None
    assert record["findings"][0]["matters"] is True
    assert record["about"]["mask_value"] is None
    assert record["about"]["padding"] is None
