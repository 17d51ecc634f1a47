"""CONTENT: with the mask frozen, the numbers at padded positions must not matter."""

import numpy as np

from maskscope.audit.checks.base import OUTPUT_DEPENDS, PROBABILITY_CHANGE, Check, failed, mutants
from maskscope.audit.probes.audit_probes import AuditProbes
from maskscope.audit.probes.changes import LargestChange
from maskscope.audit.probes.padded_sample import padded_sample
from maskscope.audit.probes.perturbed_weights import WEIGHTS
from maskscope.audit.report import Finding
from maskscope.jobs import Job

NOISE = 10.0
"""Standard deviation of the random numbers that padding is filled with."""
_SENTENCES, _TOKENS = 16, 48


def run(probes: AuditProbes, job: Job) -> Finding:
    """Freeze the true mask and fill padding with N(0, 10²), then with NaN: no output changes, none becomes NaN.

    Masking layers pass their input on unchanged, so that its content reaches layers that do not use the mask.
    """
    runner, frozen = probes.runner, probes.frozen
    sample = padded_sample(probes.context, _SENTENCES, _TOKENS)
    padding = ~sample.mask_bt
    rng = np.random.default_rng(0)
    noisy, nan = sample.x_btd.copy(), sample.x_btd.copy()
    noisy[padding] = rng.normal(0, NOISE, noisy[padding].shape)
    nan[padding] = np.nan
    largest = LargestChange()
    tolerance = runner.tolerance
    for done, weights in enumerate(WEIGHTS):
        job.progress(done, len(WEIGHTS), "CONTENT")
        with runner.with_weights(weights):
            before = frozen.outputs(sample.x_btd, sample.mask_bt)
            for fill, x_btd in (("random numbers", noisy), ("NaN", nan)):
                if fill == "NaN" and largest.size > tolerance:
                    # a finite change is better evidence than an infinite one
                    continue
                after = frozen.outputs(x_btd, sample.mask_bt)
                for row, sentence in enumerate(sample.sentences):
                    largest.compare(sentence, weights, fill, before[row], after[row], sample.mask_bt[row])
    change = largest.exceeds(tolerance)
    name = runner.output_name
    if change is None:
        meaning = f"Random numbers or NaN at padded positions change no {name} of a real token."
        return Finding("CONTENT", "passed", meaning, largest.size, tolerance)
    changes = f"changes by {change.size:.2g}" if np.isfinite(change.size) else "becomes NaN or infinite"
    reason, advice = "so some layer reads padded positions whatever the mask says", ""
    if change.cause == "NaN":
        reason = "while random numbers there change nothing: some layer multiplies padding by 0, as attention does"
        advice = "keep NaN and infinity out of padding; finite numbers there do no harm"
    meaning = (
        f"With {change.cause} at padded positions a real token's {name} {changes} (weights {change.weights}), {reason}."
    )
    mask_t = sample.mask_bt[sample.sentences.index(change.sentence)]
    evidence = change.evidence("as padded", f"{change.cause} at padding", mask_t)
    return failed("CONTENT", probes, change, tolerance, meaning, evidence, advice)


CHECK = Check(
    "CONTENT",
    "The mask is frozen, and padding is filled with random numbers (standard deviation 10), then with NaN; no output "
    "at a real token may change or become NaN.",
    OUTPUT_DEPENDS,
    PROBABILITY_CHANGE,
    mutants("M3 M4 M5 X1"),
    run,
)
