"""The audit report as one HTML page that loads nothing: to read, to print, or to attach to a paper.

The page is made of the templates in the folder `templates`. Jinja2 escapes everything that they show, since names of
layers, tokens and files may come from anyone.
"""

import math
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from maskscope.audit.html import scales
from maskscope.audit.html.axis import Axis, compared_with_tolerance, ratio_of, size_of
from maskscope.audit.html.definitions import Definition, definition_of
from maskscope.audit.html.evidence import evidence_figure
from maskscope.audit.html.numbers import number
from maskscope.audit.html.picture import inline_picture
from maskscope.audit.html.style import style_sheet
from maskscope.audit.html.summary import (
    ORDER,
    counts_sentence,
    how_it_was_run,
    mask_value_sentence,
    methods_paragraph,
    padding_sentence,
    targets_sentence,
    verdict_sentence,
    versions,
)
from maskscope.audit.html.svg import SvgFigure
from maskscope.audit.report import TOLERANCES, About, AuditReport, Finding
from maskscope.errors import MaskscopeError
from maskscope.files import write_durably

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""The page's Content-Security-Policy: a browser may load nothing for it."""

_UNSAFE_CHARACTERS = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u202a-\u202e\u2066-\u2069]"
)
"""What HTML does not allow, and what turns the writing direction of all that follows."""


@dataclass(frozen=True, slots=True)
class _Check:
    """A finding with what the templates show of it.

    Attributes:
        finding: of the check.
        definition: of the check.
        key: an identifier of the page that no other check has.
        size: the absolute deviation, None without one.
        ratio: deviation over tolerance, None without one.
        compared: the same as text.
        row: its place in the overview.
        scale: its deviation against its tolerance, None without a deviation.
        evidence: what it saw, None without evidence.
    """

    finding: Finding
    definition: Definition
    key: str
    size: float | None
    ratio: float | None
    compared: str
    row: SvgFigure
    scale: SvgFigure | None
    evidence: SvgFigure | None


def command_line(arguments: Sequence[str]) -> str:
    """Arguments as one types them in a shell of this system."""
    return subprocess.list2cmdline(arguments) if sys.platform == "win32" else shlex.join(arguments)


def html_page(report: AuditReport, picture_svg: str | None, command: str = "") -> str:
    """The report as one HTML page without scripts, light or dark as the reader's system is.

    Args:
        report: of the audit. Names in it may come from anyone's file: all are escaped.
        picture_svg: the model's picture, drawn in the window's light theme; None where there is none.
        command: the command line that made the report, with its arguments; "" when there was none.

    Returns:
        HTML, ending in a line feed; the same for the same report.
    """
    findings = sorted(report.findings, key=lambda finding: ORDER.index(finding.verdict))
    axis = scales.overview_axis(findings)
    page = (
        _environment()
        .get_template("page.html")
        .render(
            report=report,
            about=report.about,
            is_recorded=report.about != About(),
            checks=[_check(finding, f"check-{place}", axis) for place, finding in enumerate(findings, start=1)],
            order=ORDER,
            verdict_sentence=verdict_sentence(report),
            counts_sentence=counts_sentence(report),
            overview_head=scales.overview_head(axis),
            picture=None if picture_svg is None else inline_picture(picture_svg),
            mask_value=mask_value_sentence(report.about),
            padding=padding_sentence(report.about),
            run_as=how_it_was_run(report.about),
            targets=targets_sentence(report.about),
            versions=versions(report),
            command=command,
            tolerances=TOLERANCES,
            methods=methods_paragraph(report, findings),
            css_classes=scales.CSS_CLASSES,
            policy=POLICY,
            style_sheet=style_sheet(),
        )
    )
    return _UNSAFE_CHARACTERS.sub("\ufffd", page)


def write_page(page: str, file: Path) -> None:
    """Write a page to a file; a file of that name is replaced only when all of the page is written.

    Raises MaskscopeError when it can't be written.
    """
    try:
        write_durably(file, page.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise MaskscopeError(f"the report can't be written: {error.strerror or error}", file=file) from error


def _check(finding: Finding, key: str, axis: Axis) -> _Check:
    return _Check(
        finding,
        definition_of(finding),
        key,
        size_of(finding),
        ratio_of(finding),
        compared_with_tolerance(finding),
        scales.overview_row(finding, axis),
        scales.scale(finding),
        evidence_figure(finding),
    )


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("maskscope.audit.html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["number"] = number
    environment.filters["as_sentence"] = _as_sentence
    environment.globals["infinity"] = math.inf
    return environment


def _as_sentence(text: str) -> str:
    """A text with a capital letter at its beginning and a full stop at its end."""
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "?", ":")) else f"{text}."
