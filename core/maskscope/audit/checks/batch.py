"""BATCH: a sentence alone, trimmed or not, against the same in a batch and in one of another order."""

import numpy as np

from maskscope.audit.probes.changes import Largest, blamed
from maskscope.audit.probes.context import Subject
from maskscope.audit.probes.padded_sample import padded_sample
from maskscope.audit.probes.perturbed_weights import WEIGHTS
from maskscope.audit.report import Finding
from maskscope.jobs import Job

_TOKENS = 96
"""Longer sentences are cut: padding acts as well on their beginning."""
_ALONE = 6
"""Sentences that are run alone with padding, each in a batch of one."""


def check(subject: Subject, job: Job) -> Finding:
    """Run each sentence without padding, in a padded batch, in the batch in another order, and some alone and padded.

    Once with the weights as given and once with moved biases. A model of fixed length is not run without padding: its
    sentences alone and padded are compared with those of the batch.
    """
    bench = subject.bench
    sample = padded_sample(subject, tokens=_TOKENS)
    x_btd, mask_bt = sample.x_btd, sample.mask_bt
    order = np.random.default_rng(0).permutation(len(x_btd))
    by_length = np.argsort(sample.lengths, kind="stable")
    few = sorted({int(by_length[0]), int(by_length[-1]), *range(min(_ALONE - 2, len(x_btd)))})
    largest = Largest()
    tolerance = bench.tolerance
    steps, done = 2 * (2 + len(few)), 0
    for weights in WEIGHTS:
        with bench.moved(weights):
            job.progress(done, steps, "BATCH")
            printed = bench.printed(x_btd)
            done += 1
            job.progress(done, steps, "BATCH")
            again = np.empty_like(printed)
            again[order] = bench.printed(x_btd[order])
            done += 1
            for row, sentence in enumerate(sample.sentences):
                largest.look(sentence, weights, "another order of the batch", printed[row], again[row], mask_bt[row])
                own = sample.lengths[row]
                if bench.n_positions is None and own == int(subject.data.lengths[sentence]):
                    largest.look(sentence, weights, "a padded batch", bench.alone(sentence), printed[row, :own])
            for row in few:
                job.progress(done, steps, "BATCH")
                done += 1
                alone = bench.printed(x_btd[row : row + 1])[0]
                largest.look(
                    sample.sentences[row],
                    weights,
                    "the other sentences of its batch",
                    alone,
                    printed[row],
                    mask_bt[row],
                )
    if largest.seen is None or largest.size <= tolerance:
        remark = (
            f" (none was run without padding: the model takes {sample.x_btd.shape[1]} positions)"
            if sample.fixed
            else ""
        )
        return Finding(
            "BATCH",
            "passed",
            f"A real token gets the same {bench.what} alone, in a padded batch and in another order{remark}.",
            largest.size,
            tolerance,
        )
    seen = largest.seen
    return blamed(
        "BATCH",
        subject,
        seen,
        tolerance,
        f"A real token's {bench.what} changes by {seen.size:.2g} with {seen.what} (weights {seen.weights}), so the "
        "same sentence gets other predictions beside other sentences.",
        seen.evidence("alone" if seen.what != "another order of the batch" else "in order", "in the batch")
        if len(seen.before_tc) == int(subject.data.lengths[seen.sentence])
        else seen.evidence("before", "after", mask_bt[sample.sentences.index(seen.sentence)]),
    )
