"""WEIGHTS: what training does to each weight must be the same with padding and without."""

import numpy as np
import numpy.typing as npt

from maskscope.audit.checks.loss import PER_POSITION, TOLERANCE, own_loss
from maskscope.audit.probes.context import Subject
from maskscope.audit.probes.model_runner import Bench, Gradients, Unrunnable
from maskscope.audit.probes.padded_sample import padded_sample
from maskscope.audit.probes.perturbed_weights import WEIGHTS
from maskscope.audit.report import Finding
from maskscope.jobs import Job
from maskscope.types import Floats, Mask

HALF_TOLERANCE = {"float16": 2e-2, "bfloat16": 1e-1}
"""Relative, for models that compute in 16 bits: a gradient is a long sum, and each of its terms is rounded."""
_SENTENCES, _TOKENS = 12, 24


def check(subject: Subject, job: Job) -> Finding:
    """The gradient of the loss by every weight, of a padded batch against the same sentences without padding.

    Without padding, sentences of one length make a batch, and each batch counts by its real tokens (for a loss that
    sums, as it is). The deviation is relative to the sum of what the batches add to a weight's gradient in absolute
    value, so that what cancels out is not blown up; and at least to a tenth of the largest such sum of all weights:
    a gradient that is 0 by its nature, such as that of a bias of attention's keys, is nothing but rounding. Once with
    the weights as given and once with moved biases.
    """
    bench = subject.bench
    if bench.needs_length:
        raise Unrunnable(bench.needs_length)
    names = [str(variable.path) for variable in bench.compiled.trainable_variables]
    if not names:
        return Finding("WEIGHTS", "passed", "The model has no trainable weight.", 0.0, 0.0)
    sample = padded_sample(subject, _SENTENCES, _TOKENS)
    y = bench.labels(sample.x_btd)
    tolerance = HALF_TOLERANCE.get(subject.compute_dtype, TOLERANCE)
    worst, at, weights_of = 0.0, "", WEIGHTS[0]
    for weights in WEIGHTS:
        with bench.moved(weights):
            job.progress(0, 0, "WEIGHTS")
            padded = bench.judged(sample.x_btd, y).gradients
            trimmed, scales = _trimmed(bench, sample.x_btd, y, sample.mask_bt, sample.lengths, job)
            if not all(np.isfinite(each).all() for each in trimmed):
                raise Unrunnable("Without padding, too, the gradients are no numbers, so it can't be blamed.")
            least = max(scales, default=0.0) / 10
            for name, one, other, scale in zip(names, padded, trimmed, scales, strict=True):
                size = float(np.abs(one - other).max(initial=0.0)) / max(scale, least, 1e-12)
                size = size if np.isfinite(size) else float("inf")
                if size > worst:
                    worst, at, weights_of = size, name, weights
    if worst <= tolerance:
        return Finding(
            "WEIGHTS",
            "passed",
            f"The gradients of all {len(names)} arrays of weights are the same with padding and without"
            f"{bench.loss_remark}.",
            worst,
            tolerance,
        )
    layer, advice, repair = subject.cause
    change = f"changes the gradient of {at} by {worst:.2g} of its size"
    if not np.isfinite(worst):
        change = f"makes the gradient of {at} no number"
    return Finding(
        "WEIGHTS",
        "failed",
        f"Padding {change} (weights {weights_of}), so training goes "
        f"elsewhere than it would without padding{bench.loss_remark}.",
        worst,
        tolerance,
        layer=layer or at.split("/")[0],
        advice=advice or (PER_POSITION if own_loss(subject) else ""),
        repair=repair,
    )


def _trimmed(
    bench: Bench, x_btd: Floats, y: Floats, mask_bt: Mask, lengths: tuple[int, ...], job: Job
) -> tuple[Gradients, list[float]]:
    """Gradients without padding, and for each the largest sum of what the batches add in absolute value."""
    total: list[npt.NDArray[np.float64]] = []
    sizes: list[npt.NDArray[np.float64]] = []
    for length in sorted(set(lengths)):
        rows = np.flatnonzero(np.asarray(lengths) == length)
        count = int(mask_bt[rows].sum())
        if not count:
            continue
        job.progress(0, 0, "WEIGHTS")
        share = 1.0 if bench.reduction == "sum" else count / int(mask_bt.sum())
        found = bench.judged(x_btd[rows, :length], y[rows, :length]).gradients
        if not total:
            total, sizes = [np.zeros_like(each) for each in found], [np.zeros_like(each) for each in found]
        for place, each in enumerate(found):
            total[place] += share * each
            sizes[place] += share * np.abs(each)
    return tuple(total), [float(each.max(initial=0.0)) for each in sizes]
