"""How an audit's verdict, its details and its numbers are written."""

import math

from maskscope.audit.html.numbers import plain_number
from maskscope.audit.report import AuditReport, Finding
from maskscope.jobs import format_duration
from maskscope.padding import Origin
from maskscope_gui.background.audit_job import AuditSubject
from maskscope_gui.session.window_words import window_words
from maskscope_gui.widgets.base import Role

VERDICT_MARKS: dict[str, tuple[str, Role]] = {
    "passed": ("✓", "holds"),
    "failed": ("✗", "fails"),
    "could not tell": ("?", "collision"),
}
"""The mark of each verdict, and the role of its colour."""

_ORIGINS: dict[Origin, str] = {
    "data": "as in the source",
    "given": "as given",
    "mask value": "the model's mask value",
    "assumed": "assumed: nothing says what the data are padded with",
}
_VERBS = {"passed": "holds", "failed": "fails", "could not tell": "could not tell"}
_VERDICT_ORDER = ("failed", "could not tell", "passed")


def failed_first(report: AuditReport) -> list[Finding]:
    """Return the findings sorted by verdict: failed, could not tell, passed, and last what does not apply."""
    return sorted(report.findings, key=lambda finding: (does_not_apply(finding), _VERDICT_ORDER.index(finding.verdict)))


def does_not_apply(finding: Finding) -> bool:
    """True for a check that could not tell because there is nothing to check in this model or these data."""
    return finding.verdict == "could not tell" and not finding.matters


def mark_and_verb(finding: Finding) -> tuple[str, Role, str]:
    """Return the mark of a finding, the role of its colour, and the verb after the name of its check."""
    if does_not_apply(finding):
        return "–", "second", "does not apply"
    return *VERDICT_MARKS[finding.verdict], _VERBS[finding.verdict]


def _others(report: AuditReport, *, brief: bool = False) -> str:
    """What is to be said beside the checks that hold: ", 1 could not tell, 2 do not apply"; "" for nothing."""
    without = sum(does_not_apply(each) for each in report.findings)
    parts = [f"{report.open_questions} could not tell"] if report.open_questions else []
    parts += [f"{without} {'does' if without == 1 else 'do'} not apply"] if without and not brief else []
    return "".join(f", {part}" for part in parts)


def verdict_text(report: AuditReport, *, brief: bool = False) -> tuple[str, Role]:
    """Return the verdict in one line, and the role of its colour; `brief` leaves out what does not apply."""
    total = len(report.findings)
    passed, failed = report.count("passed"), report.count("failed")
    if failed:
        return f"✗ {failed} of {total} checks {'fails' if failed == 1 else 'fail'}", "fails"
    if report.verdict == "could not tell":
        return f"? {passed} of {total} checks hold{_others(report, brief=brief)}", "collision"
    return f"✓ Padding is ignored: {passed} of {total} checks hold{_others(report, brief=brief)}", "holds"


def short_verdict(report: AuditReport) -> str:
    """Return the verdict in a few words, such as "5 fail" or "14 of 14 hold"."""
    failed = report.count("failed")
    if failed:
        return f"{failed} {'fails' if failed == 1 else 'fail'}"
    return f"{report.count('passed')} of {len(report.findings)} hold{_others(report)}"


def audit_details(report: AuditReport, subject: AuditSubject | None) -> str:
    """Return how the audit was made, in one line."""
    about = report.about
    name = report.model
    if subject is not None and subject.model_id:
        name = f"{subject.name} ({subject.model_id})"
    sampled = f"{len(report.sampled):,} of {report.sentences:,} sentence{'s' if report.sentences != 1 else ''} sampled"
    side = ", in front" if about.padding_side == "front" else ""
    parts = [name, sampled, f"padded with {about.padding_text}{side} ({_ORIGINS[about.padding_from]})"]
    if about.loss:
        parts.append(f"{about.loss}, assumed" if about.loss_assumed else about.loss)
    if about.lengths_from != "source":
        parts.append(f"lengths {about.lengths_from} from the padding")
    parts.append(about.compute_dtype)
    if about.seconds >= 0.05:
        parts.append(f"{about.seconds:.1f} s" if about.seconds < 10 else format_duration(about.seconds))
    return " · ".join(parts)


def audit_remarks(report: AuditReport) -> str:
    """Return what is special about how the audit was made, a sentence a line; "" for nothing."""
    about = report.about
    done = " ".join(each.rstrip(".") + "." for each in about.copy)
    lines = [f"The checks ran on a copy: {done}"] if done else []
    if about.no_copy:
        lines.append(f"No copy for other lengths could be made: {about.no_copy}")
    if about.no_repair:
        lines.append(window_words(about.no_repair))
    if about.warning:
        lines.append(about.warning)
    return "\n".join(f"{line.rstrip('.')}." for line in lines)


def format_deviation(value: float | None) -> str:
    """Format a deviation or a tolerance as the report does, but short where it is missing or infinite."""
    if value is None:
        return "–"
    return "∞" if math.isinf(value) else plain_number(value)
