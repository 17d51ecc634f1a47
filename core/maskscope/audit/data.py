"""DATA: lengths against what the array holds: integers, cut sentences, padding in front, NaN and infinity."""

from maskscope.audit.report import Finding
from maskscope.audit.subject import Padded, Subject
from maskscope.jobs import Job
from maskscope.scan import data_verdict


def check(subject: Subject, job: Job) -> Finding:
    """The defaults of `keras.utils.pad_sequences` fail: int32, padded and cut at the front."""
    job.progress(0, 0, "DATA")
    scan = subject.scan(job)
    if isinstance(subject.data, Padded) and scan.problem is None and scan.padding not in (None, subject.padding):
        return Finding(
            "DATA",
            "failed",
            f"Padded positions hold {scan.padding:g}, not the {subject.padding:g} that was said to stand there.",
        )
    found = data_verdict(scan, subject.data.lengths_from)
    return Finding("DATA", found.verdict, found.meaning, sentence=found.sentence, position=found.position)
