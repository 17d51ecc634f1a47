"""DATA: lengths against what the array holds: integers, cut sentences, padding in front, NaN and infinity."""

from maskscope.audit.probes.context import Padded, Subject
from maskscope.audit.report import Finding
from maskscope.corpus_scan import ProblemKind, data_verdict
from maskscope.jobs import Job

_ADVICE: dict[ProblemKind, str] = {
    "integers": "pad the embeddings anew with dtype='float32'",
    "cut": "pad to the longest sentence, or leave out what is longer",
    "not-finite": "correct the source of that embedding",
    "behind": "pad anew from the sentences, or give the lengths that belong to this array",
    "front": "pad behind the sentences, with padding='post' and truncating='post'",
}


def check(subject: Subject, job: Job) -> Finding:
    """The defaults of `keras.utils.pad_sequences` fail: int32, padded and cut at the front."""
    job.progress(0, 0, "DATA")
    scan = subject.scan(job)
    if isinstance(subject.data, Padded) and scan.problem is None and scan.padding not in (None, subject.padding):
        return Finding(
            "DATA",
            "failed",
            f"Padded positions hold {scan.padding:g}, not the {subject.padding:g} that was said to stand there.",
            advice=f"give --padding {scan.padding:g}, or pad anew",
        )
    found = data_verdict(scan, subject.data.lengths_from)
    advice = "" if scan.problem is None else _ADVICE[scan.problem.kind]
    return Finding(
        "DATA", found.verdict, found.meaning, sentence=found.sentence, position=found.position, advice=advice
    )
