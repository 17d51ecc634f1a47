"""Tries the repairs that an audit's findings ask for: only those are offered that do what they are meant to do."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from maskscope.audit.prepare import repaired_context
from maskscope.audit.probes.audit_probes import AuditProbes
from maskscope.audit.probes.context import AuditContext
from maskscope.audit.repair import repair_model
from maskscope.audit.report import AuditReport, Finding
from maskscope.errors import ModelError
from maskscope.jobs import Job

RunCheck: TypeAlias = Callable[[str, AuditProbes, Job], Finding]

_QUICK = ("TRACE", "DTYPE", "TIME")
"""Checks that are made first, since they take no time and often show that a repair does not help."""

_TRIED = 6
"""Sentences that a repair is tried on; the repaired copy itself is audited like any model, once it is made."""


def offer_repairs(report: AuditReport, context: AuditContext, run_check: RunCheck, job: Job) -> AuditReport:
    """The report with only such repairs as cure a copy of the model; else the report says why none is offered.

    The repairs are made together, and the copy must pass every check that failed and asks for one of them.

    Args:
        report: of `context`, whose model is not used any more afterwards.
        context: what was audited.
        run_check: makes a check, by its name.
        job: gets the progress; it is asked before each check whether to stop.

    Raises Cancelled.
    """
    if not report.repairs:
        reason = _unknown_padding(context) if report.advice else ""
        return replace(report, about=replace(report.about, no_repair=reason))
    reason = _try_repairs(report, context, run_check, job)
    if not reason:
        return report
    return _without_repairs(report, reason)


def name_no_repairs(report: AuditReport) -> AuditReport:
    """The report of a model in memory, of which no repair is tried: it would call the layers of the user's model."""
    if not report.repairs:
        return report
    return _without_repairs(report, "Automatic repairs are tried with a file: save the model, and audit that.")


def _without_repairs(report: AuditReport, reason: str) -> AuditReport:
    findings = tuple(replace(finding, repair=None) for finding in report.findings)
    return replace(report, findings=findings, about=replace(report.about, no_repair=reason))


def _unknown_padding(context: AuditContext) -> str:
    """Why no finding may ask for a repair that masks padding; "" when it may."""
    if context.padding.origin == "assumed":
        return "No automatic repair is offered, since it is not known what padded positions hold; give --padding."
    if context.padding.mask_value is None:
        return f"No automatic repair is offered, since padded positions hold {context.padding.text}."
    return ""


def _try_repairs(report: AuditReport, context: AuditContext, run_check: RunCheck, job: Job) -> str:
    """Why the repairs that a report asks for do not help, one sentence; "" when they do."""
    job.progress(0, 0, "trying to repair the model")
    padding = context.padding.mask_value
    try:
        model = repair_model(context.given, report.repairs, 0.0 if padding is None else padding)
        probes = AuditProbes(replace(repaired_context(context, model), sample=_few_sentences(report, context)))
    except ModelError as error:
        return f"An automatic repair was tried: {str(error).rstrip('.')}."
    asked = [each.check for each in report.findings if each.verdict == "failed" and each.repair]
    for name in sorted(asked, key=lambda name: name not in _QUICK):
        job.progress(0, 0, f"trying the repaired model: {name}")
        found = run_check(name, probes, job)
        if found.verdict != "passed" and found.matters and not _is_good_measure(found):
            outcome = "still fails" if found.verdict == "failed" else "could not tell"
            return f"An automatic repair was tried, but with it {name} {outcome}, so none is offered."
    return ""


def _few_sentences(report: AuditReport, context: AuditContext) -> tuple[int, ...]:
    """The shortest sentence of the sample, the longest, those that showed the faults, and then the first ones."""
    if not context.sample:
        return ()
    by_length = sorted(context.sample, key=lambda sentence: context.data.lengths[sentence])
    showed = [each.sentence for each in report.findings if each.repair and each.sentence in context.sample]
    wanted = dict.fromkeys([by_length[0], by_length[-1], *showed, *context.sample])
    return tuple(sorted(list(wanted)[:_TRIED]))


def _is_good_measure(found: Finding) -> bool:
    """Whether a check that could not tell, as for a loss that is code, has measured no more than rounding explains."""
    if found.verdict != "could not tell" or found.deviation is None or found.tolerance is None:
        return False
    return found.deviation <= found.tolerance
