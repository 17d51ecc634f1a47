"""DATA: the array must be what its lengths say: whole numbers, cut sentences, padding in front, NaN and infinity."""

import numpy as np

from maskscope.audit.checks.base import Check, mutants
from maskscope.audit.probes.audit_probes import AuditProbes
from maskscope.audit.probes.context import Padded
from maskscope.audit.report import Finding
from maskscope.corpus_scan import ProblemKind, data_finding
from maskscope.jobs import Job

_ADVICE: dict[ProblemKind, str] = {
    "integers": "pad the embeddings again with dtype='float32'",
    "cut": "pad to the longest sentence, or leave out longer ones",
    "not-finite": "correct the source of that embedding, or pad with a number where it is padding",
    "after": "pad the sentences again, or give the lengths that belong to this array",
    "front": "pad after the sentences, with padding='post' and truncating='post'",
}


def run(probes: AuditProbes, job: Job) -> Finding:
    """Compare the array with its lengths; the defaults of `keras.utils.pad_sequences` fail: int32, padded in front."""
    job.progress(0, 0, "DATA")
    context, scan = probes.context, probes.scan(job)
    held, wanted = context.data.padding, context.padding
    may_differ = isinstance(context.data, Padded) and scan.problem is None and wanted.origin == "given"
    if held is not None and may_differ and not np.array_equal(held.rows, wanted.rows, equal_nan=True):
        return Finding(
            "DATA",
            "failed",
            f"Padded positions hold {held.text}, not the given padding {wanted.text}.",
            advice=f"give --padding {held.text}, or pad again" if held.value is not None else "leave out --padding",
        )
    if held is not None and len(held.rows) > 1 and scan.problem is not None and scan.problem.kind == "after":
        return Finding(
            "DATA",
            "could not tell",
            "Padded positions hold different rows, so they can't be distinguished from tokens: the lengths may be "
            "those of another array.",
            sentence=scan.problem.sentence,
            position=scan.problem.position,
            matters=False,
        )
    found = data_finding(scan, context.data.lengths_from, wanted.side)
    advice = "" if scan.problem is None else _ADVICE[scan.problem.kind]
    # where lengths were inferred, there is nothing to compare the array with
    return Finding(
        "DATA",
        found.verdict,
        found.meaning,
        sentence=found.sentence,
        position=found.position,
        advice=advice,
        matters=found.verdict != "could not tell",
    )


CHECK = Check(
    "DATA",
    "The array is compared with the lengths: integers instead of embeddings, truncated sentences, numbers where "
    "padding should be, NaN and infinity.",
    "the data do not match the lengths",
    "",
    mutants("X7"),
    run,
    needs_sample=False,
)
