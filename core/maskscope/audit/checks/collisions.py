"""COLLISIONS: real tokens that the model's Masking layer takes for padding."""

from maskscope.audit.probes.context import Subject
from maskscope.audit.report import Evidence, Finding
from maskscope.corpus_scan import Scan
from maskscope.jobs import Job


def check(subject: Subject, job: Job) -> Finding:
    """Look at every token of every sentence, by the source's lengths."""
    job.progress(0, 0, "COLLISIONS")
    if subject.mask_value is None:
        return Finding("COLLISIONS", "passed", "The model has no Masking layer, so it takes no token for padding.")
    scan = subject.scan(job)
    count = scan.collision_count
    if count:
        them = "it" if count == 1 else "them"
        tokens = (
            "1 real token equals"
            if count == 1
            else f"{count} real tokens in {scan.sentences_with_collisions} sentences equal"
        )
        return Finding(
            "COLLISIONS",
            "failed",
            f"{tokens} the mask value {subject.mask_value:g}: Masking takes {them} for padding, so an LSTM skips "
            f"{them}, what is printed there is no prediction, and the neighbours' probabilities move.",
            deviation=float(count),
            tolerance=0.0,
            sentence=scan.collisions[0][0],
            position=scan.collisions[0][1],
            advice=_advice(subject, scan),
            evidence=_evidence(subject, *scan.collisions[0]),
        )
    if subject.data.lengths_from == "inferred" and subject.mask_value == 0:
        return Finding(
            "COLLISIONS",
            "could not tell",
            "The lengths were inferred from trailing zero rows, so a zero token at a sentence's end can't be told "
            "from padding; give the lengths.",
        )
    return Finding("COLLISIONS", "passed", "No real token equals the mask value.", 0.0, 0.0)


def _evidence(subject: Subject, sentence: int, position: int) -> Evidence:
    """What the Masking layer makes of the sentence's rows, all of which are tokens."""
    rows = subject.data.rows(sentence)
    seen = subject.masked(rows)
    label = "what Masking makes of it"
    return Evidence.of(sentence, [True] * len(rows), [(label, "mask", seen.astype(float))], position)


def _advice(subject: Subject, scan: Scan) -> str:
    if scan.problem is not None:
        return "resolve what DATA reports first: these may be no tokens"
    sentence, position = scan.collisions[0]
    doubt = ""
    if position == int(subject.data.lengths[sentence]) - 1:
        doubt = f"; but look whether the length of sentence {sentence} is right: the row is its last"
    free = scan.free_values
    if not free:
        return f"give each of these tokens another embedding, since a row like padding says nothing of it{doubt}"
    value = f"{free[0]:g} is free in this data"
    return f"pad with a value that no token has and give it to Masking as its mask_value: {value}{doubt}"
