"""METRICS: which of the compiled metrics count padding."""

from typing import NamedTuple

import numpy as np

from maskscope.audit.checks.base import Check, mutants
from maskscope.audit.checks.loss import AUDIT_IN_MEMORY
from maskscope.audit.probes.audit_probes import AuditProbes
from maskscope.audit.probes.gradients import LossResult
from maskscope.audit.probes.padded_sample import PaddedSample, padded_sample
from maskscope.audit.probes.perturbed_weights import WEIGHTS
from maskscope.audit.report import Finding
from maskscope.jobs import Job
from maskscope.types import Floats

TOLERANCE = 1e-5
HALF_TOLERANCE = 1e-3
"""Absolute for a metric below 1, relative above; the second for models that compute in 16 bits."""
_TOKENS = 96


class _Deviation(NamedTuple):
    """How far a metric is off.

    Attributes:
        size: absolute or relative, as the tolerance.
        fault: "counts padding", "is not that of the real tokens", or "" for a metric that is masked.
    """

    size: float
    fault: str


def run(probes: AuditProbes, job: Job) -> Finding:
    """Change labels and predictions at padding: a metric that changes counts it; others must be those of real tokens.

    Labels that were given stay, so that a metric may ignore those at padding.

    Metrics in `weighted_metrics` are given the 2-D mask as sample weights, as they need it.
    """
    compiled = probes.context.compiled
    # the loss comes first among the unknown names
    unknown = () if compiled is None else compiled.unknown[int(compiled.unknown_loss) :]
    if compiled is None or not (compiled.metrics or compiled.weighted_metrics or unknown):
        meaning = "The model was saved without metrics, so none of them can count padding."
        return Finding("METRICS", "passed", meaning, matters=False)
    if not (compiled.metrics or compiled.weighted_metrics):
        return _unknown(unknown)
    if probes.runner.per_sentence:
        meaning = "The labels are one a sentence, so no metric can count padding."
        return Finding("METRICS", "passed", meaning, matters=False)
    sample = padded_sample(probes.context, tokens=_TOKENS)
    tolerance = HALF_TOLERANCE if probes.context.half else TOLERANCE
    worst: dict[str, _Deviation] = {}
    for done, weights in enumerate(WEIGHTS):
        job.progress(done, len(WEIGHTS), "METRICS")
        with probes.runner.with_weights(weights):
            for name, deviation in _deviations(probes, sample, tolerance).items():
                if name not in worst or deviation.size >= worst[name].size:
                    worst[name] = deviation
    wrong = [f"{name} {deviation.fault}" for name, deviation in worst.items() if deviation.fault]
    size = max((deviation.size for deviation in worst.values()), default=0.0)
    if wrong:
        return Finding(
            "METRICS",
            "failed",
            f"Of {len(worst)} metric{'s' if len(worst) > 1 else ''} {', '.join(wrong)}: the value that `fit` and "
            "`evaluate` report is not that of the real tokens.",
            size,
            tolerance,
            advice="move the metric to weighted_metrics, and give fit and evaluate the 2-D mask as sample_weight",
        )
    if unknown:
        return _unknown(unknown)
    meaning = f"Padding enters none of: {', '.join(worst)}"
    if compiled.weighted_metrics:
        meaning += (
            "; but those in weighted_metrics count it wherever fit or evaluate is not given the 2-D mask as "
            "sample_weight"
        )
    return Finding("METRICS", "passed", f"{meaning}.", size, tolerance)


def _unknown(names: tuple[str, ...]) -> Finding:
    return Finding(
        "METRICS",
        "could not tell",
        f"The model's own metrics are code that is not in the file ({', '.join(names)}).",
        advice=AUDIT_IN_MEMORY,
    )


def _deviations(probes: AuditProbes, sample: PaddedSample, tolerance: float) -> dict[str, _Deviation]:
    """How far each metric is off, by name, with the weights as they are now."""
    gradients, metrics, mask_bt = probes.gradients, probes.metrics, sample.mask_bt
    targets = gradients.targets(sample)
    y = targets.labels
    # the model is evaluated with the given labels at padding, such as those that a metric ignores, and with no others
    labelled = [y] if gradients.given_labels is not None else [y, gradients.flipped(targets, mask_bt).labels]
    sample_weights = mask_bt.astype(np.float32) if targets.weights is None else targets.weights
    steps = [metrics.of_test_step(sample.x_btd, labels, sample_weights) for labels in labelled]
    result = gradients.evaluate(sample.x_btd, targets)
    # each real token as a sentence of its own: a batch without padding
    weights = None if targets.weights is None else sample_weights[mask_bt][:, None]
    real = metrics.of_predictions(y[mask_bt][:, None], result.outputs[mask_bt][:, None], weights_bt=weights)
    # A metric may count padding only where something is predicted there, so padding gets other predictions, too, and
    # other labels: Recall counts no padding that is labelled 0, and where it is 0 only a hit changes it.
    variants = [
        _with_predictions_at_padding(probes, sample, result, labels, sample_weights, probability)
        for labels in labelled
        for probability in (1.0, 0.0)
    ]
    found = {}
    for name in steps[0]:
        scale = max(1.0, abs(real.get(name, 0.0)))
        values = [each[name] for each in variants if name in each] or [0.0]
        by_padding = float(np.maximum(np.ptp([each[name] for each in steps]), np.ptp(values))) / scale
        # compared for the same predictions: another graph would round them differently
        from_real = abs(values[0] - real[name]) / scale if name in real else 0.0
        if not by_padding <= tolerance:
            found[name] = _Deviation(_or_infinite(by_padding), "counts padding")
        elif not from_real <= tolerance:
            found[name] = _Deviation(_or_infinite(from_real), "is not that of the real tokens")
        else:
            found[name] = _Deviation(max(by_padding, from_real), "")
    return found


def _with_predictions_at_padding(
    probes: AuditProbes,
    sample: PaddedSample,
    result: LossResult,
    y: Floats,
    sample_weights: Floats,
    probability: float,
) -> dict[str, float]:
    """The metrics when the first class has this probability at padding, under the mask that the model passes on."""
    predictions = result.outputs.copy()
    predictions[~sample.mask_bt] = 1 - probability
    predictions[~sample.mask_bt, :1] = probability
    return probes.metrics.of_predictions(y, predictions, result.loss_mask, sample_weights)


def _or_infinite(deviation: float) -> float:
    return deviation if np.isfinite(deviation) else float("inf")


CHECK = Check(
    "METRICS",
    "Predictions at padded positions are changed, and labels there that were not given; a compiled metric that changes "
    "counts padding.",
    "its metrics count padding",
    "largest change of a metric",
    mutants("X4"),
    run,
    needs_sample=False,
)
