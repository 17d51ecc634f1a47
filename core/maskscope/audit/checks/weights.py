"""WEIGHTS: the gradient of each weight must be the same with padding and without."""

import numpy as np
import numpy.typing as npt

from maskscope.audit.checks.base import TRAINING_DEPENDS, Check, mutants
from maskscope.audit.checks.loss import PER_POSITION, TOLERANCE
from maskscope.audit.probes.audit_probes import AuditProbes
from maskscope.audit.probes.gradients import Gradients
from maskscope.audit.probes.padded_sample import PaddedSample, padded_sample
from maskscope.audit.probes.perturbed_weights import WEIGHTS
from maskscope.audit.probes.targets import Targets
from maskscope.audit.probes.unrunnable import Unrunnable
from maskscope.audit.report import Finding
from maskscope.jobs import Job
from maskscope.types import Mask

HALF_TOLERANCE = {"float16": 2e-2, "bfloat16": 1e-1}
"""Relative, for models that compute in 16 bits: a gradient is a long sum, and each of its terms is rounded."""
_SENTENCES, _TOKENS = 12, 24


def run(probes: AuditProbes, job: Job) -> Finding:
    """Compare the gradient of the loss by every weight, of a padded batch and of its sentences without padding.

    Without padding, sentences of equal length make a batch, and each batch counts by its real tokens (by 1 for a loss
    that sums). The deviation is relative to the sum of the absolute gradients of those batches, so that terms which
    cancel out do not inflate it; and at least to a tenth of the largest such sum of all weights: a gradient that is
    always 0, such as that of the bias of attention's keys, is nothing but rounding.
    """
    runner, gradients = probes.runner, probes.gradients
    runner.require_free_length()
    names = [str(variable.path) for variable in gradients.compiled_model.trainable_variables]
    if not names:
        return Finding("WEIGHTS", "passed", "The model has no trainable weight.", 0.0, 0.0, matters=False)
    sample = padded_sample(probes.context, _SENTENCES, _TOKENS)
    y = gradients.unlearned_targets(sample)
    tolerance = HALF_TOLERANCE.get(probes.context.compute_dtype, TOLERANCE)
    worst, name, weights_of_worst = 0.0, "", WEIGHTS[0]
    for weights in WEIGHTS:
        with runner.with_weights(weights):
            job.progress(0, 0, "WEIGHTS")
            padded = gradients.evaluate(sample.x_btd, y)
            unpadded, scales = _unpadded_gradients(probes, sample, y, _counts(sample, y, padded.ignored), job)
            deviations = _relative_deviations(padded.gradients, unpadded, scales)
            for one, deviation in zip(names, deviations, strict=True):
                if deviation > worst:
                    worst, name, weights_of_worst = deviation, one, weights
    remark = probes.loss.remark
    if worst <= tolerance:
        meaning = f"The gradients of all {len(names)} weight arrays are the same with padding and without{remark}."
        return Finding("WEIGHTS", "passed", meaning, worst, tolerance)
    layer, advice, repair = probes.diagnosis
    changes = f"changes the gradient of {name} by {worst:.2g} of its size"
    if not np.isfinite(worst):
        changes = f"makes the gradient of {name} NaN or infinite"
    return Finding(
        "WEIGHTS",
        "failed",
        f"Padding {changes} (weights {weights_of_worst}), so training goes another way than without padding{remark}.",
        worst,
        tolerance,
        layer=layer or name.split("/")[0],
        advice=advice or (PER_POSITION if probes.loss.own_code else ""),
        repair=repair,
    )


def _relative_deviations(padded: Gradients, unpadded: Gradients, scales: list[float]) -> list[float]:
    """The largest deviation of each weight's gradient, relative to its scale; infinite where it is not finite."""
    least = max(scales, default=0.0) / 10
    sizes = [
        float(np.abs(one - other).max(initial=0.0)) / max(scale, least, 1e-12)
        for one, other, scale in zip(padded, unpadded, scales, strict=True)
    ]
    return [size if np.isfinite(size) else float("inf") for size in sizes]


def _counts(sample: PaddedSample, y: Targets, ignored_bt: Mask) -> npt.NDArray[np.float64]:
    """By how much each sentence (B,) counts in the mean: by its real tokens that the loss does not leave out."""
    if y.per_sentence:
        weights = np.ones(len(y)) if y.weights is None else y.weights > 0
        return np.asarray(weights, dtype=np.float64)
    counted_bt = sample.mask_bt & ~ignored_bt
    if y.weights is not None:
        counted_bt &= y.weights > 0
    return np.asarray(counted_bt.sum(axis=1), dtype=np.float64)


def _unpadded_gradients(
    probes: AuditProbes, sample: PaddedSample, y: Targets, counts_b: npt.NDArray[np.float64], job: Job
) -> tuple[Gradients, list[float]]:
    """Gradients without padding, and for each the largest sum of the batches' absolute gradients.

    `counts_b` (B,) is by how much each sentence counts in the mean. Raises Unrunnable when the gradients are not
    finite.
    """
    total: list[npt.NDArray[np.float64]] = []
    sizes: list[npt.NDArray[np.float64]] = []
    for length in sorted(set(sample.lengths)):
        rows = np.flatnonzero(np.asarray(sample.lengths) == length)
        count = float(counts_b[rows].sum())
        if not count:
            continue
        job.progress(0, 0, "WEIGHTS")
        share = 1.0 if probes.loss.reduction == "sum" else count / float(counts_b.sum())
        tokens = sample.tokens(int(rows[0]))
        found = probes.gradients.evaluate(sample.x_btd[rows, tokens], y.cut(rows, tokens)).gradients
        if not total:
            total, sizes = [np.zeros_like(each) for each in found], [np.zeros_like(each) for each in found]
        for place, each in enumerate(found):
            total[place] += share * each
            sizes[place] += share * np.abs(each)
    if not all(np.isfinite(each).all() for each in total):
        raise Unrunnable("The gradients are NaN or infinite without padding, too, so padding is not the cause.")
    return tuple(total), [float(each.max(initial=0.0)) for each in sizes]


CHECK = Check(
    "WEIGHTS",
    "The gradient of every weight over a padded batch must equal the gradient over the same sentences without padding.",
    TRAINING_DEPENDS,
    "largest relative difference of a weight's gradient",
    mutants("M1 M2 M3 M4 M5 M6 M7 M8 M9 M10 M12 M14"),
    run,
)
