"""LOSS: padded positions must not enter the loss, as Keras itself passes the mask to it."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from maskscope.audit.checks.base import TRAINING_DEPENDS, Check, mutants
from maskscope.audit.probes.audit_probes import AuditProbes
from maskscope.audit.probes.gradients import LossResult
from maskscope.audit.probes.padded_sample import PaddedSample, padded_sample
from maskscope.audit.probes.perturbed_weights import WEIGHTS, Weights
from maskscope.audit.probes.targets import Targets
from maskscope.audit.probes.unrunnable import Unrunnable
from maskscope.audit.report import Evidence, Finding
from maskscope.jobs import Job

ADDED = 9
"""Padded positions that are added to the batch."""
TOLERANCE = 1e-5
"""Relative: a loss is a sum over a whole batch in float32."""
HALF_TOLERANCE = {"float16": 2e-3, "bfloat16": 2e-2}
"""The same for models that compute in 16 bits, where batches of another length may be rounded differently."""
PER_POSITION = "return one loss per position, (B, T), and leave the mean to Keras, which uses the mask"
AUDIT_IN_MEMORY = "audit the compiled model where its code is: maskscope.audit_model(model, X, lengths)"
_TOKENS = 48
_ALONE_ROUNDING = 2e-6
"""Absolute: sentences that are run one by one are rounded otherwise, also where the loss is all but 0."""


@dataclass(frozen=True, slots=True)
class _Deviation:
    """How far a loss is off.

    Attributes:
        size: relative; infinite where a loss is NaN or infinite.
        seen: what was measured, in a sentence without its full stop.
        weights: under which weights.
        kind: what was done: other labels at padding, a comparison with the loss over the real tokens, or more padded
            positions, which change the loss, or the layers' penalties on their outputs.
    """

    size: float
    seen: str
    weights: Weights
    kind: Literal["labels", "real tokens", "longer", "penalty"]


def run(probes: AuditProbes, job: Job) -> Finding:
    """Flip labels at padding, compare the loss with sum(l * m) / sum(m), and add 9 padded positions.

    A sentence classifier has no labels at padding; its loss is compared with that of its sentences alone.

    The loss is the model's own, or what its output layer suggests. The labels are made up, or the input itself for a
    linear model whose outputs have the input's shape.
    """
    context, loss = probes.context, probes.loss
    sample = padded_sample(context, tokens=_TOKENS)
    tolerance = HALF_TOLERANCE.get(context.compute_dtype, TOLERANCE)
    deviations: list[_Deviation] = []
    for done, weights in enumerate(WEIGHTS):
        job.progress(done, len(WEIGHTS), "LOSS")
        with probes.runner.with_weights(weights):
            result, found = _deviations(probes, sample, weights)
            deviations += found
    by_labels = max(deviations, key=lambda each: (each.kind == "labels", each.size))
    if probes.gradients.given_labels is not None and _labels_decide(sample, result):
        # the model is trained with these labels at padding, and with no others
        deviations = [each for each in deviations if each.kind != "labels"]
    worst = max(deviations, key=lambda each: each.size, default=_Deviation(0.0, "", WEIGHTS[0], "longer"))
    remark = loss.remark + remark_on_weights(probes, sample, result)
    unmasked = bool(result.loss_mask[~sample.mask_bt].any())
    if probes.gradients.given_labels is None and loss.ignore_class is not None and unmasked:
        remark += f" where padded positions have the label {loss.ignore_class}, which it ignores"
    if sample.fixed:
        remark += f" (no position was added: the model takes exactly {sample.x_btd.shape[1]})"
    if worst.size > tolerance:
        enters = {each.kind for each in deviations if each.size > tolerance} != {"longer"}
        return _failed(probes, sample, result, worst, tolerance, remark, enters)
    if by_labels.kind == "labels" and by_labels.size > tolerance:
        remark += "; it is left out by the labels that it was given, and others would enter it"
    if context.compiled is not None and context.compiled.unknown_loss:
        return Finding(
            "LOSS",
            "could not tell",
            f"Padding would not enter another loss{remark}; whether the model's own reduces to a mean by itself, which "
            "would count padding, can't be read from the file.",
            worst.size,
            tolerance,
            advice=AUDIT_IN_MEMORY,
        )
    return Finding("LOSS", "passed", f"Padding does not enter the loss{remark}.", worst.size, tolerance)


def _labels_decide(sample: PaddedSample, result: LossResult) -> bool:
    """Whether the given labels at padding, and no others, show if it enters the loss."""
    return not sample.fixed or bool(result.ignored[~sample.mask_bt].all())


def remark_on_weights(probes: AuditProbes, sample: PaddedSample, result: LossResult) -> str:
    """What Keras does with sample weights of 0 at padding, where no mask reaches the loss."""
    weights = probes.context.data.weights
    if weights is None or probes.runner.per_sentence:
        return ""
    unmasked = bool(result.loss_mask[~sample.mask_bt].any())
    if unmasked and probes.loss.divides_by_positions:
        return (
            " (with the given sample weights; Keras divides the loss by all positions, so that more padding makes it "
            "smaller, unless its reduction is mean_with_sample_weight)"
        )
    return " (with the given sample weights)"


def _failed(
    probes: AuditProbes,
    sample: PaddedSample,
    result: LossResult,
    worst: _Deviation,
    tolerance: float,
    remark: str,
    enters: bool,
) -> Finding:
    """The finding for a loss that is off; `enters`: padding enters the loss itself, not only the outputs."""
    mask_bt, loss_mask = sample.mask_bt, result.loss_mask
    row = int((loss_mask & ~mask_bt).sum(axis=1).argmax())
    sentence = sample.sentences[row]
    layer, advice, repair = probes.diagnosis
    if worst.kind == "penalty":
        layer, repair = _layer_with_penalty(probes), None
        advice = "remove activity_regularizer: Keras applies it to padded positions, too, without a mask"
    if (loss_mask == mask_bt).all() and not advice and probes.loss.own_code:
        advice = PER_POSITION
    label = "no mask: all positions count" if loss_mask.all() else "the mask that reaches the loss"
    places = probes.runner.places
    means = "padding enters the loss, and training learns from it"
    if not enters:
        means = f"the loss leaves padding out, but the outputs of {places} depend on it, so training does"
    evidence = Evidence.of(sentence, mask_bt[row], [(label, "mask", loss_mask[row].astype(float))])
    return Finding(
        "LOSS",
        "failed",
        f"{worst.seen} (weights {worst.weights}): {means}{remark}.",
        worst.size,
        tolerance,
        sentence,
        layer=layer,
        advice=advice,
        repair=repair,
        evidence=None if probes.runner.per_sentence else evidence,
    )


def _deviations(probes: AuditProbes, sample: PaddedSample, weights: Weights) -> tuple[LossResult, list[_Deviation]]:
    """The loss of the batch, and how far it is off in each way, with the weights as they are now."""
    gradients = probes.gradients
    y = gradients.targets(sample)
    base = gradients.evaluate(sample.x_btd, y)
    over_real = _loss_over_real_tokens(probes, sample, base, y)
    if not np.isfinite(base.loss):
        if over_real is None or not np.isfinite(over_real):
            raise Unrunnable("The loss over the real tokens alone is NaN or infinite, so padding is not the cause.")
        seen = f"The loss of a padded batch is NaN or infinite, but over the real tokens alone it is {over_real:.6g}"
        return base, [_Deviation(float("inf"), seen, weights, "real tokens")]
    # the loss is the total less the penalties, so both are rounded
    rounding = float(np.finfo(np.float32).eps) * 2 * abs(base.total - base.loss)
    flipped = gradients.evaluate(sample.x_btd, gradients.flipped(y, sample.mask_bt))
    labels = "targets" if probes.runner.head == "linear" else "labels"
    count = int((~sample.mask_bt).sum())
    seen = f"Changing the {labels} at {count} padded positions changes the loss from {base.loss:.6g} to "
    size = _relative(flipped.loss, base.loss, rounding)
    found = [_Deviation(size, f"{seen}{flipped.loss:.6g}", weights, "labels")]
    if over_real is not None and probes.loss.reduction in ("mean", "sum"):
        seen = f"The loss is {base.loss:.6g}, but over the real tokens alone it is {over_real:.6g}"
        found.append(_Deviation(_relative(base.loss, over_real, rounding), seen, weights, "real tokens"))
    if y.per_sentence:
        found += _deviations_from_each_alone(probes, sample, y, base, weights)
    if not sample.fixed:
        found += _deviations_when_longer(probes, sample, y, base, weights, rounding)
    return base, found


def _loss_over_real_tokens(probes: AuditProbes, sample: PaddedSample, result: LossResult, y: Targets) -> float | None:
    """sum(l * m) / sum(m), or sum(l * m) for a loss that sums; None for a loss without one number per position.

    The mask m leaves out the tokens whose class the loss ignores, too, and those whose sample weight is 0.
    """
    if result.per_position is None:
        return None
    counted_bt = sample.mask_bt & ~result.ignored
    if y.weights is None:
        total, count = float(result.per_position[counted_bt].sum()), float(counted_bt.sum())
    else:
        counted_bt = counted_bt & (y.weights > 0)
        total = float((result.per_position * y.weights)[counted_bt].sum())
        count = float(counted_bt.sum() if probes.loss.divides_by_positions else y.weights[counted_bt].sum())
    return total if probes.loss.reduction == "sum" else total / max(count, 1e-12)


def _deviations_from_each_alone(
    probes: AuditProbes, sample: PaddedSample, y: Targets, base: LossResult, weights: Weights
) -> list[_Deviation]:
    """How far the loss of a sentence classifier is from that of its sentences, each alone and without padding.

    None where they can't be run so, or where sample weights weigh them.
    """
    if sample.fixed or y.weights is not None or probes.loss.reduction not in ("mean", "sum"):
        return []
    rows = range(len(sample.lengths))
    each = [probes.gradients.evaluate(sample.x_btd[[row], sample.tokens(row)], y[np.array([row])]).loss for row in rows]
    alone = float(np.sum(each) if probes.loss.reduction == "sum" else np.mean(each))
    seen = f"The loss of the padded batch is {base.loss:.6g}, but of its sentences alone it is {alone:.6g}"
    return [_Deviation(_relative(base.loss, alone, _ALONE_ROUNDING), seen, weights, "longer")]


def _deviations_when_longer(
    probes: AuditProbes, sample: PaddedSample, y: Targets, base: LossResult, weights: Weights, rounding: float
) -> list[_Deviation]:
    """How far the loss, and what layers add to it, are off with more padded positions."""
    added = probes.gradients.evaluate(*sample.longer(ADDED, y))
    seen = f"Adding {ADDED} padded positions changes the loss from {base.loss:.6g} to {added.loss:.6g}"
    found = [_Deviation(_relative(added.loss, base.loss, rounding), seen, weights, "longer")]
    before, after = base.total - base.loss, added.total - added.loss
    size = abs(after - before) / max(abs(base.total), 1e-12)
    seen = f"Adding {ADDED} padded positions changes what layers add to the loss from {before:.6g} to {after:.6g}"
    found.append(_Deviation(size if np.isfinite(size) else float("inf"), seen, weights, "penalty"))
    return found


def _relative(found: float, expected: float, rounding: float) -> float:
    """The difference beyond rounding, relative to what was expected; infinite where it is not finite."""
    size = float(np.maximum(abs(found - expected) - rounding, 0.0)) / max(abs(expected), 1e-12)
    return size if np.isfinite(size) else float("inf")


def _layer_with_penalty(probes: AuditProbes) -> str | None:
    """The first layer with a penalty on its outputs."""
    from maskscope.keras_io import keras_graph

    layers = keras_graph.every_layer(probes.context.model)
    return next((str(each.name) for each in layers if getattr(each, "activity_regularizer", None) is not None), None)


CHECK = Check(
    "LOSS",
    "Labels at padded positions are flipped, the loss is compared with its mean over real tokens, and 9 padded "
    "positions are appended; the loss must not change.",
    TRAINING_DEPENDS,
    "largest relative change of the loss",
    mutants("M1 M2 M3 M4 M5 M6 M7 M8 M9 M10 M12 M13 M14 X17"),
    run,
)
