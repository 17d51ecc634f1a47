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
    """Freeze the true mask and fill padding with N(0, 10²): no output changes. What NaN does there is told.

    Masking layers pass their input on unchanged, so that its content reaches layers that do not use the mask. NaN times
    0 is NaN, so attention hands NaN on though it gives padding no weight.
    """
    runner, frozen = probes.runner, probes.frozen
    sample = padded_sample(probes.context, _SENTENCES, _TOKENS)
    padding = ~sample.mask_bt
    rng = np.random.default_rng(0)
    noisy, nan = sample.x_btd.copy(), sample.x_btd.copy()
    noisy[padding] = rng.normal(0, NOISE, noisy[padding].shape)
    nan[padding] = np.nan
    largest, by_nan = LargestChange(), LargestChange()
    tolerance = runner.tolerance
    for done, weights in enumerate(WEIGHTS):
        job.progress(done, len(WEIGHTS), "CONTENT")
        with runner.with_weights(weights):
            before = frozen.outputs(sample.x_btd, sample.mask_bt)
            for fill, x_btd, changes in (("random numbers", noisy, largest), ("NaN", nan, by_nan)):
                after = frozen.outputs(x_btd, sample.mask_bt)
                for row, sentence in enumerate(sample.sentences):
                    changes.compare(sentence, weights, fill, before[row], after[row], sample.mask_bt[row])
    change = largest.exceeds(tolerance)
    if change is None:
        return _passed(f"{runner.output_name} of {runner.place}", largest.size, by_nan.size, tolerance)
    if probes.reads_only_own_padding:
        meaning = (
            f"Random numbers at padded positions would change {runner.place}'s {runner.output_name} by "
            f"{change.size:.2g}, since some layer reads its neighbours, as a convolution does; but what padding holds, "
            f"{sample.padding.text}, changes nothing."
        )
        return Finding("CONTENT", "passed", meaning, probes.change_by_own_padding.size, tolerance)
    changes_by = f"changes by {change.size:.2g}" if np.isfinite(change.size) else "becomes NaN or infinite"
    meaning = (
        f"With {change.cause} at padded positions {runner.place}'s {runner.output_name} {changes_by} (weights "
        f"{change.weights}), so some layer reads padded positions whatever the mask says."
    )
    mask_t = sample.mask_bt[sample.sentences.index(change.sentence)]
    evidence = change.evidence("as padded", f"{change.cause} at padding", mask_t)
    return failed("CONTENT", probes, change, tolerance, meaning, evidence)


def _passed(name: str, by_noise: float, by_nan: float, tolerance: float) -> Finding:
    """The finding where random numbers at padding change nothing; what NaN does there is a remark."""
    meaning = f"Random numbers or NaN at padded positions change no {name}."
    if by_nan > tolerance:
        meaning = (
            f"Random numbers at padded positions change no {name}; NaN there would, since some layer "
            "multiplies padding by 0, as attention does, so keep NaN and infinity out of padding."
        )
    return Finding("CONTENT", "passed", meaning, by_noise, tolerance)


CHECK = Check(
    "CONTENT",
    "The mask is frozen, and padding is filled with random numbers (standard deviation 10): no output at a real token "
    "may change, unless a layer that reads its neighbours, as a convolution does, finds there what padding always "
    "holds. The finding also says what NaN does there.",
    OUTPUT_DEPENDS,
    PROBABILITY_CHANGE,
    mutants("M3 M4 M5 X1 X11 X12 X17"),
    run,
)
