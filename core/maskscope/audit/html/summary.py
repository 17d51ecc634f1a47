"""The report's summaries as text: the verdict in a sentence, the counts, and a paragraph to cite."""

from collections.abc import Sequence

from maskscope.audit.checks.base import SAME_MASK, TRAINING_DEPENDS
from maskscope.audit.html.definitions import definition_of
from maskscope.audit.html.numbers import plain_number
from maskscope.audit.report import About, AuditReport, Finding, Verdict
from maskscope.padding import SIDES

ORDER: tuple[Verdict, ...] = ("failed", "could not tell", "passed")
"""The order of the findings in the report: failed ones first."""


def verdict_sentence(report: AuditReport) -> str:
    """What the verdict means, in a sentence."""
    count = len(report.findings)
    if not count:
        return "No check was run, so nothing is known about this model."
    if report.verdict == "failed":
        failed = [finding for finding in report.findings if finding.verdict == "failed"]
        faults = dict.fromkeys(definition_of(finding).fault for finding in failed)
        return f"This model does not pass: {'; '.join(faults)}."
    if report.verdict == "could not tell":
        return (
            f"No check failed, but {report.open_questions or count} of {count} could not be run. That is not a pass: "
            "it is not known whether the model ignores its padding."
        )
    return (
        f"This model ignores its padding, as far as {count_of_checks(report.count('passed'))} can tell: no change at "
        "padded positions "
        "reached a real token."
    )


def counts_sentence(report: AuditReport) -> str:
    """How many checks came to each verdict, and how many sentences were run."""
    counts = ", ".join(f"{report.count(verdict)} {verdict}" for verdict in ORDER if report.count(verdict))
    return (
        f"{count_of_checks(len(report.findings))}{f': {counts}' if counts else ''}. {len(report.sampled):,} of "
        f"{report.sentences:,} sentences were run through the model."
    )


def count_of_checks(count: int) -> str:
    """Such as "1 check" or "14 checks"."""
    return "1 check" if count == 1 else f"{count} checks"


def mask_value_sentence(about: About) -> str:
    """The mask value of the model."""
    value = about.mask_value
    if about.mask_value_text:
        return f"{about.mask_value_text}, which is no number that a token or padding can be"
    if value is None:
        return "none: the model has no Masking layer"
    return f"one row of {len(value)} numbers" if isinstance(value, tuple) else plain_number(value)


_PADDING_FROM = {
    "data": "as the data are padded",
    "given": "as asked for",
    "mask value": "the model's mask value, as the data hold no padding",
    "assumed": "assumed, as neither the data nor the model tell: give --padding",
}


def padding_sentence(about: About) -> str:
    """What sentences were padded with, on which side, and how that is known."""
    return f"{about.padding_text}, {SIDES[about.padding_side]} ({_PADDING_FROM[about.padding_from]})"


def how_it_was_run(about: About) -> list[str]:
    """What the checks ran in place of the given model, and why no copy or no repair could be made; a sentence each."""
    said = [f"The checks ran a copy of the model, and TIME the model itself. {each}" for each in about.copy[:1]]
    said += about.copy[1:]
    if about.no_copy:
        said.append(f"No copy could be made that takes any number of positions: {about.no_copy}.")
    if about.no_repair:
        said.append(about.no_repair)
    return said


def after_repair(report: AuditReport) -> str:
    """Whether a repaired copy of the audited model is to be trained again, in a sentence."""
    # TRAINING can't measure TimeDistributed(BatchNormalization), but names it, since it trains otherwise
    affected = any(
        definition_of(finding).fault == TRAINING_DEPENDS
        and (finding.verdict == "failed" or (finding.verdict == "could not tell" and finding.layer is not None))
        for finding in report.findings
    )
    if SAME_MASK.issuperset(report.repairs) and not affected:
        return "Its weights are the old ones: the fault did not affect training."
    return "Its weights are the old ones, which were trained with the fault: train it again."


def targets_sentence(about: About) -> str:
    """The labels and sample weights that LOSS, WEIGHTS, TRAINING and METRICS were made with."""
    labels = "made up" if about.labels is None else f"given, {about.labels}"
    return labels if about.weights is None else f"{labels}, with sample weights {about.weights}"


def versions(report: AuditReport) -> list[str]:
    """The programs that made the audit, with their versions, as far as these are recorded."""
    about = report.about
    programs = (("Maskscope", about.maskscope), ("Keras", about.keras), ("TensorFlow", about.tensorflow))
    return [f"{name} {version}" for name, version in programs if version]


def methods_paragraph(report: AuditReport, findings: Sequence[Finding]) -> str:
    """The audit as a paragraph for the methods section of a paper.

    Args:
        report: of the audit.
        findings: its findings in the order of the report.
    """
    about = report.about
    file = f"{report.model} (SHA-256 {about.sha256[:12]})" if about.sha256 else report.model
    maskscope = f"Maskscope {about.maskscope}" if about.maskscope else "Maskscope"
    others = ", ".join(program for program in versions(report) if not program.startswith("Maskscope"))
    by_verdict = []
    for verdict in ORDER:
        names = [finding.check for finding in findings if finding.verdict == verdict]
        if names:
            by_verdict.append(f"{len(names)} {verdict} ({', '.join(names)})")
    tolerances = [
        finding.tolerance
        for finding in findings
        if finding.tolerance and finding.check in ("LENGTH", "BATCH", "CONTENT")
    ]
    tolerance = f" The tolerance of a probability was {plain_number(max(tolerances))}." if tolerances else ""
    return (
        f"We audited {file} for its handling of padding with {maskscope}{f' ({others})' if others else ''}, "
        f"on {len(report.sampled):,} of {report.sentences:,} sentences. Of {count_of_checks(len(findings))}, "
        f"{'; '.join(by_verdict) if by_verdict else 'none was run'}.{tolerance}"
    )
