"""DATA: the array must be what its lengths say: whole numbers, cut sentences, padding in front, NaN and infinity."""

from maskscope.audit.checks.base import Check, mutants
from maskscope.audit.probes.audit_probes import AuditProbes
from maskscope.audit.probes.context import Padded
from maskscope.audit.report import Finding
from maskscope.corpus_scan import ProblemKind, data_finding
from maskscope.jobs import Job

_ADVICE: dict[ProblemKind, str] = {
    "integers": "pad the embeddings again with dtype='float32'",
    "cut": "pad to the longest sentence, or leave out longer ones",
    "not-finite": "correct the source of that embedding",
    "after": "pad the sentences again, or give the lengths that belong to this array",
    "front": "pad after the sentences, with padding='post' and truncating='post'",
}


def run(probes: AuditProbes, job: Job) -> Finding:
    """Compare the array with its lengths; the defaults of `keras.utils.pad_sequences` fail: int32, padded in front."""
    job.progress(0, 0, "DATA")
    context, scan = probes.context, probes.scan(job)
    if isinstance(context.data, Padded) and scan.problem is None and scan.padding not in (None, context.padding):
        return Finding(
            "DATA",
            "failed",
            f"Padded positions hold {scan.padding:g}, not the given padding {context.padding:g}.",
            advice=f"give --padding {scan.padding:g}, or pad again",
        )
    found = data_finding(scan, context.data.lengths_from)
    advice = "" if scan.problem is None else _ADVICE[scan.problem.kind]
    return Finding(
        "DATA", found.verdict, found.meaning, sentence=found.sentence, position=found.position, advice=advice
    )


CHECK = Check(
    "DATA",
    "The array is compared with the lengths: integers instead of embeddings, truncated sentences, padding at the "
    "front, NaN and infinity.",
    "the data do not match the lengths",
    "",
    mutants("X7"),
    run,
    needs_sample=False,
)
