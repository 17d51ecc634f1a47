"""COLLISIONS: real tokens that the model's Masking layer takes for padding."""

from maskscope.audit.checks.base import Check, mutants
from maskscope.audit.probes.audit_probes import AuditProbes
from maskscope.audit.probes.context import AuditContext
from maskscope.audit.report import Evidence, Finding
from maskscope.corpus_scan import Scan
from maskscope.jobs import Job


def run(probes: AuditProbes, job: Job) -> Finding:
    """Compare every token of every sentence, by the source's lengths, with the mask value."""
    job.progress(0, 0, "COLLISIONS")
    context = probes.context
    if context.mask_value is None:
        meaning = "The model has no Masking layer, so it takes no token for padding."
        return Finding("COLLISIONS", "passed", meaning, matters=False)
    scan = probes.scan(job)
    if scan.collision_count:
        return _failed(context, scan)
    if context.data.lengths_from == "inferred" and context.mask_value == context.padding.mask_value:
        return Finding(
            "COLLISIONS",
            "could not tell",
            "The lengths were inferred from the padding itself, so a token that equals it at a sentence's "
            f"{'end' if context.padding.side == 'back' else 'start'} can't be distinguished from padding; give the "
            "lengths.",
        )
    return Finding("COLLISIONS", "passed", "No real token equals the mask value.", 0.0, 0.0)


def _failed(context: AuditContext, scan: Scan) -> Finding:
    count, (sentence, position) = scan.collision_count, scan.collisions[0]
    tokens, them = "1 real token equals", "it"
    if count > 1:
        sentences = scan.sentences_with_collisions
        tokens = f"{count} real tokens in {sentences} sentence{'s' if sentences > 1 else ''} equal"
        them = "them"
    return Finding(
        "COLLISIONS",
        "failed",
        f"{tokens} the mask value {context.mask_value_text}: Masking takes {them} for padding, so an LSTM skips "
        f"{them}, the output there is no prediction, and the neighbours' probabilities change.",
        deviation=float(count),
        tolerance=0.0,
        sentence=sentence,
        position=position,
        advice=_advice(context, scan),
        evidence=_evidence(context, sentence, position),
    )


def _evidence(context: AuditContext, sentence: int, position: int) -> Evidence:
    """The mask that the Masking layer makes of the sentence, all of whose positions are tokens."""
    rows = context.data.rows(sentence)
    mask = context.masked(rows).astype(float)
    return Evidence.of(sentence, [True] * len(rows), [("mask of the Masking layer", "mask", mask)], position)


def _advice(context: AuditContext, scan: Scan) -> str:
    if scan.problem is not None:
        return "resolve what DATA reports first: these may not be tokens"
    sentence, position = scan.collisions[0]
    remark = ""
    if position == int(context.data.lengths[sentence]) - 1:
        remark = f"; but check the length of sentence {sentence}: the row is its last"
    free = scan.free_values
    if not free:
        return f"give each of these tokens another embedding: one that equals padding carries no information{remark}"
    value = f"{free[0]:g} is free in this data"
    return f"pad with a value that no token has, and set it as mask_value of Masking: {value}{remark}"


CHECK = Check(
    "COLLISIONS",
    "Real tokens, by the lengths, are counted whose embedding equals the mask value in the model's compute dtype; "
    "there must be none.",
    "it takes real tokens for padding",
    "real tokens that equal the mask value",
    mutants("X6"),
    run,
    needs_sample=False,
)
