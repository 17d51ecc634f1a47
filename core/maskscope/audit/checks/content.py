"""CONTENT: under a frozen mask, whatever stands at padded positions must not matter."""

import numpy as np

from maskscope.audit.probes.changes import Largest, blamed
from maskscope.audit.probes.context import Subject
from maskscope.audit.probes.padded_sample import padded_sample
from maskscope.audit.probes.perturbed_weights import WEIGHTS
from maskscope.audit.report import Finding
from maskscope.jobs import Job

NOISE = 10.0
"""Standard deviation of the numbers that padding is filled with."""
_SENTENCES, _TOKENS = 16, 48


def check(subject: Subject, job: Job) -> Finding:
    """Freeze the mask at the true one, fill padding with N(0, 10²), then with NaN: nothing moves, nothing is NaN.

    The Masking layer hands its input on, so that the content reaches whatever does not use the mask. Once with the
    weights as given and once with moved biases.
    """
    bench = subject.bench
    sample = padded_sample(subject, _SENTENCES, _TOKENS)
    padding = ~sample.mask_bt
    rng = np.random.default_rng(0)
    noisy, bare = sample.x_btd.copy(), sample.x_btd.copy()
    noisy[padding] = rng.normal(0, NOISE, noisy[padding].shape)
    bare[padding] = np.nan
    largest = Largest()
    tolerance = bench.tolerance
    for done, weights in enumerate(WEIGHTS):
        job.progress(done, len(WEIGHTS), "CONTENT")
        with bench.moved(weights):
            before = bench.frozen(sample.x_btd, sample.mask_bt)
            for what, x_btd in (("random numbers", noisy), ("NaN", bare)):
                if what == "NaN" and largest.size > tolerance:
                    # a change that can be measured says more than one that can't
                    continue
                after = bench.frozen(x_btd, sample.mask_bt)
                for row, sentence in enumerate(sample.sentences):
                    largest.look(sentence, weights, what, before[row], after[row], sample.mask_bt[row])
    if largest.seen is None or largest.size <= tolerance:
        return Finding(
            "CONTENT",
            "passed",
            f"What stands at padded positions moves no {bench.what} of a real token, be it random numbers or NaN.",
            largest.size,
            tolerance,
        )
    seen = largest.seen
    advice = ""
    change = f"by {seen.size:.2g}" if np.isfinite(seen.size) else "to what is no number"
    so = "so some layer reads what stands at padding, mask or no mask"
    if seen.what == "NaN":
        so = "while random numbers there change nothing: some layer multiplies padding by 0, as attention does"
        advice = "keep what is no number out of padding; finite numbers there do no harm"
    return blamed(
        "CONTENT",
        subject,
        seen,
        tolerance,
        f"With {seen.what} at padded positions a real token's {bench.what} changes {change} (weights {seen.weights}), "
        f"{so}.",
        seen.evidence("as padded", f"{seen.what} at padding", sample.mask_bt[sample.sentences.index(seen.sentence)]),
        advice,
    )
