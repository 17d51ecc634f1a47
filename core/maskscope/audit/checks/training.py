"""TRAINING: one training step must leave the same weights and the same state with more padding."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from maskscope.audit.checks.base import TRAINING_DEPENDS, Check, mutants
from maskscope.audit.checks.loss import PER_POSITION, remark_on_weights
from maskscope.audit.checks.time_axis import STEP
from maskscope.audit.checks.weights import HALF_TOLERANCE
from maskscope.audit.probes.audit_probes import AuditProbes
from maskscope.audit.probes.padded_sample import PaddedSample, padded_sample
from maskscope.audit.probes.perturbed_weights import WEIGHTS, Weights
from maskscope.audit.probes.targets import Targets
from maskscope.audit.probes.training_step import Step
from maskscope.audit.probes.unrunnable import Unrunnable
from maskscope.audit.report import Finding
from maskscope.jobs import Job

if TYPE_CHECKING:
    from maskscope.keras_io.keras_model import KerasModel

ADDED = 30
"""Padded positions that are added to the batch."""
TOLERANCE = 1e-4
"""Relative; ten times that of WEIGHTS, since terms of a gradient that cancel out are not taken apart here."""
_MOST_ROUNDING, _MOST_HALF_ROUNDING = 1e-3, 0.5
"""A step on the same sentences in another order that differs by more is not rounding, in float32 and in 16 bits."""
_SENTENCES, _TOKENS = 12, 24


class _Deviation(NamedTuple):
    """How far one step is from another.

    Attributes:
        size: relative; infinite where a number is not finite.
        name: path of the weight or of the state.
        state: whether it is state, such as a moving mean.
        weights: under which weights.
    """

    size: float
    name: str
    state: bool
    weights: Weights


_NONE = _Deviation(0.0, "", False, "as given")


def run(probes: AuditProbes, job: Job) -> Finding:
    """Take a step on a padded batch, on the same with 30 more padded positions, and on its sentences in another order.

    A step is the gradient of the loss by every trainable weight, as plain SGD follows it, and the change of what layers
    keep, such as moving statistics. The third step differs from the first by rounding alone; four times that difference
    is allowed, if it is more than the tolerance, and in 16 bits four times what rounding the tokens changes.
    Raises Unrunnable when it is too large for rounding.
    """
    probes.runner.require_free_length()
    wrapped = _statistics_of_each_position(probes.context.given)
    if wrapped is not None:
        meaning = (
            f"{wrapped}, TimeDistributed(BatchNormalization), normalizes each position by itself in training, and "
            "keeps the statistics of the last ones, padded or not; the checks run a copy without TimeDistributed."
        )
        advice = f"replace {wrapped} with its BatchNormalization layer, which takes the mask"
        return Finding("TRAINING", "could not tell", meaning, layer=wrapped, advice=advice)
    sample = padded_sample(probes.context, _SENTENCES, _TOKENS)
    y = probes.gradients.unlearned_targets(sample)
    tolerance = HALF_TOLERANCE.get(probes.context.compute_dtype, TOLERANCE)
    order = np.random.default_rng(0).permutation(len(y))
    deviations: list[_Deviation] = []
    rounding, by_inputs = 0.0, 0.0
    for done, weights in enumerate(WEIGHTS):
        job.progress(done, len(WEIGHTS), "TRAINING")
        with probes.runner.with_weights(weights):
            step = probes.training.take(sample.x_btd, y)
            _require_finite(step)
            reordered = probes.training.take(sample.x_btd[order], y[order])
            rounding = max(rounding, *[each.size for each in _deviations(probes, step, reordered, weights)], 0.0)
            by_inputs = max(by_inputs, *_rounding_of_inputs(probes, sample, y, step, weights), 0.0)
            longer = probes.training.take(*sample.longer(ADDED, y))
            deviations += _deviations(probes, step, longer, weights)
    if rounding > (_MOST_HALF_ROUNDING if probes.context.half else _MOST_ROUNDING):
        raise Unrunnable(
            "Two training steps on the same sentences differ: a layer draws random numbers that can't be switched off, "
            "so steps can't be compared."
        )
    tolerance = max(tolerance, 4 * rounding, 4 * by_inputs)
    remark = probes.loss.remark
    # state that counts padding says more than the gradients that it changes
    worst = max(deviations, key=lambda each: (each.state and each.size > tolerance, each.size), default=_NONE)
    if worst.size > tolerance:
        return _failed(probes, worst, tolerance, remark)
    weighed = ""
    if probes.context.data.weights is not None:
        weighed = remark_on_weights(probes, sample, probes.gradients.evaluate(sample.x_btd, y))
    does = "goes the same way" if "divides" in weighed else "leaves the same weights"
    kept = (" and leaves" if "divides" in weighed else " and") + " the same state" if probes.training.state else ""
    meaning = (
        f"A training step (without dropout and noise) {does}{kept} with {ADDED} more padded positions{remark}{weighed}."
    )
    return Finding("TRAINING", "passed", meaning, worst.size, tolerance)


def _rounding_of_inputs(
    probes: AuditProbes, sample: PaddedSample, y: Targets, step: Step, weights: Weights
) -> list[float]:
    """How far a step is off when every number of the tokens is rounded up or down; nothing in float32."""
    size = STEP.get(probes.context.compute_dtype)
    if size is None:
        return []
    signs = np.random.default_rng(0).choice([-1, 1], sample.x_btd.shape)
    off = np.where(sample.tokens_bt[..., None], sample.x_btd * (1 + size * signs), sample.x_btd).astype(np.float32)
    return [each.size for each in _deviations(probes, step, probes.training.take(off, y), weights)]


def _statistics_of_each_position(model: "KerasModel") -> str | None:
    """The first TimeDistributed layer around a BatchNormalization that is trained; None for none."""
    import keras

    from maskscope.keras_io import keras_graph

    for layer in keras_graph.every_layer(model):
        inner = layer.layer if isinstance(layer, keras.layers.TimeDistributed) else None
        if isinstance(inner, keras.layers.BatchNormalization) and inner.trainable:
            return str(layer.name)
    return None


def _require_finite(step: Step) -> None:
    if not all(np.isfinite(each).all() for each in (*step.gradients, *step.changes)):
        raise Unrunnable("The training step is NaN or infinite with the padding that the data has, too.")


def _deviations(probes: AuditProbes, one: Step, other: Step, weights: Weights) -> list[_Deviation]:
    """How far a step is from another, relative to the first, for each array that it changes.

    A gradient counts by at least a tenth of the largest of all: one that is always 0 is nothing but rounding.
    """
    training = probes.training
    scales = [float(np.abs(each).max(initial=0.0)) for each in one.gradients]
    least = max(scales, default=0.0) / 10
    found = []
    for name, a, b, scale in zip(training.weights, one.gradients, other.gradients, scales, strict=True):
        found.append(_Deviation(_relative(a - b, max(scale, least), 0.0), name, False, weights))
    for name, a, b, size in zip(training.state, one.changes, other.changes, one.sizes, strict=True):
        rounding = 4 * float(np.finfo(np.float32).eps) * size
        found.append(_Deviation(_relative(a - b, float(np.abs(a).max(initial=0.0)), rounding), name, True, weights))
    return found


def _relative(difference: np.ndarray, scale: float, rounding: float) -> float:
    size = float(np.maximum(np.abs(difference) - rounding, 0.0).max(initial=0.0)) / max(scale, 1e-12)
    return size if np.isfinite(size) else float("inf")


def _failed(probes: AuditProbes, worst: _Deviation, tolerance: float, remark: str) -> Finding:
    layer, advice, repair = probes.diagnosis
    changes = f"another gradient of {worst.name}"
    if worst.state:
        own = worst.name.split("/")[-2]
        changes = f"another {worst.name.split('/')[-1].replace('_', ' ')} of {own}, which counts padded positions"
        layer = layer or own
        advice = advice or f"give {own} the mask with mask=, or put it after the layer that makes the mask"
    by = f"off by {worst.size:.2g} times its {'change' if worst.state else 'size'}"
    if not np.isfinite(worst.size):
        by = "NaN or infinite"
    return Finding(
        "TRAINING",
        "failed",
        f"With {ADDED} more padded positions a training step gives {changes}: {by} (weights {worst.weights}){remark}.",
        worst.size,
        tolerance,
        layer=layer or worst.name.split("/")[0],
        advice=advice or (PER_POSITION if probes.loss.own_code else ""),
        repair=repair,
    )


CHECK = Check(
    "TRAINING",
    "A training step, without dropout and noise, is taken with 30 more padded positions: it must leave the same "
    "weights and the same state, such as BatchNormalization's moving statistics.",
    TRAINING_DEPENDS,
    "largest relative difference of what a training step changes",
    mutants("M1 M2 M3 M4 M5 M6 M7 M8 M9 M10 M12 M14 X10"),
    run,
)
