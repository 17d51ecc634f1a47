"""LOSS: padded positions must not enter the loss, by Keras's own way from the mask to the loss."""

from dataclasses import dataclass

import numpy as np

from maskscope.audit.probes.context import Subject
from maskscope.audit.probes.model_runner import Bench, Judged, Unrunnable
from maskscope.audit.probes.padded_sample import PaddedSample, padded_sample
from maskscope.audit.probes.perturbed_weights import WEIGHTS, Weights
from maskscope.audit.report import Evidence, Finding
from maskscope.jobs import Job
from maskscope.types import Floats

ADDED = 9
TOLERANCE = 1e-5
"""Relative: a loss is a sum over a whole batch in float32."""
HALF_TOLERANCE = {"float16": 2e-3, "bfloat16": 2e-2}
"""The same for models that compute in 16 bits, whose batches of another length may round otherwise."""
PER_POSITION = "let the loss return one number a position, (B, T), and leave the mean to Keras, which uses the mask"
_TOKENS = 48


def check(subject: Subject, job: Job) -> Finding:
    """Flip labels at padding, hold the loss against sum(l * m) / sum(m), and add 9 padded positions.

    With the weights as given and with moved biases. The loss is the model's own, or what its last layer suggests. The
    labels are made up, or the input itself where a linear model gives as many numbers as it takes.
    """
    bench = subject.bench
    sample = padded_sample(subject, tokens=_TOKENS)
    tolerance = HALF_TOLERANCE.get(subject.compute_dtype, TOLERANCE)
    worst: _Deviation | None = None
    judged: Judged | None = None
    for done, weights in enumerate(WEIGHTS):
        job.progress(done, len(WEIGHTS), "LOSS")
        with bench.moved(weights):
            judged, found = _deviations(bench, sample, weights)
            for each in found:
                if worst is None or each.size > worst.size:
                    worst = each
    assert worst is not None
    assert judged is not None
    remark = bench.loss_remark
    if sample.fixed:
        remark += f" (no position was added, since the model takes {sample.x_btd.shape[1]})"
    unknown = subject.compiled is not None and subject.compiled.unknown_loss
    if worst.size <= tolerance and unknown:
        return Finding(
            "LOSS",
            "could not tell",
            f"Under another loss padding would not count{remark}; whether the model's own reduces by itself, and so "
            "counts it, can't be seen from the file.",
            float(worst.size),
            tolerance,
            advice="audit the compiled model where its code is: maskscope.audit.audit_model(model, X, lengths)",
        )
    if worst.size <= tolerance:
        return Finding("LOSS", "passed", f"Padding does not enter the loss{remark}.", float(worst.size), tolerance)
    row = int((judged.counted & ~sample.mask_bt).sum(axis=1).argmax())
    sentence = sample.sentences[row]
    reached = bool((judged.counted == sample.mask_bt).all())
    layer, advice, repair = subject.cause
    if worst.penalty:
        layer, repair = _penalised(subject), None
        advice = "take activity_regularizer away: Keras takes it over padded positions, too, under no mask"
    if reached and not advice and own_loss(subject):
        advice = PER_POSITION
    label = "the mask that the loss gets" if not judged.counted.all() else "no mask: all positions count"
    return Finding(
        "LOSS",
        "failed",
        f"{worst.words} (weights {worst.weights}): padding enters the loss, and training learns from it{remark}.",
        float(worst.size),
        tolerance,
        sentence,
        layer=layer,
        advice=advice,
        repair=repair,
        evidence=Evidence.of(sentence, sample.mask_bt[row], [(label, "mask", judged.counted[row].astype(float))]),
    )


@dataclass(frozen=True, slots=True)
class _Deviation:
    """How far a loss is off.

    Attributes:
        size: relative, infinite where a loss is no number.
        words: what was seen.
        weights: under which weights.
        penalty: whether it is what layers add to the loss that is off, and not the loss.
    """

    size: float
    words: str
    weights: Weights
    penalty: bool = False


def own_loss(subject: Subject) -> bool:
    """Whether the loss is code of the user's own, which may take its mean itself."""
    loss = None if subject.compiled is None else subject.compiled.loss
    where = getattr(loss, "__module__", None) or type(loss).__module__
    return loss is not None and not isinstance(loss, str) and not str(where).startswith("keras.")


def _deviations(bench: Bench, sample: PaddedSample, weights: Weights) -> tuple[Judged, list[_Deviation]]:
    """Each of the three, with the weights as they are now, and the loss of the batch."""
    y = bench.labels(sample.x_btd)
    base = bench.judged(sample.x_btd, y)
    count = int((~sample.mask_bt).sum())
    over_real = None if base.each is None else float(base.each[sample.mask_bt].sum())
    wanted = over_real
    if over_real is not None and bench.reduction != "sum":
        wanted = over_real / max(1, int(sample.mask_bt.sum()))
    if not np.isfinite(base.loss):
        if wanted is None or not np.isfinite(wanted):
            raise Unrunnable("The loss is no number over the real tokens alone, so padding can't be blamed for it.")
        words = f"The loss of a padded batch is no number, but over the real tokens alone it is {wanted:.6g}"
        return base, [_Deviation(float("inf"), words, weights)]
    what = "targets" if bench.head == "linear" else "labels"
    flipped = bench.judged(sample.x_btd, bench.flipped(y, sample.mask_bt))
    # a loss is what is left of the total without the penalties, so it has the rounding of both
    slack = float(np.finfo(np.float32).eps) * 2 * abs(base.total - base.loss)
    found = [_deviation(flipped.loss, base.loss, f"Changing the {what} at {count} padded positions", weights, slack)]
    if wanted is not None and bench.reduction in ("mean", "sum"):
        found.append(_deviation(base.loss, wanted, "", weights, slack))
    if not sample.fixed:
        longer = _longer(sample.x_btd, bench.subject.padding)
        more = [(0, 0), (0, ADDED), *[(0, 0)] * (y.ndim - 2)]
        added = bench.judged(longer, np.pad(y, more, mode="edge"))
        found.append(_deviation(added.loss, base.loss, f"Adding {ADDED} padded positions", weights, slack))
        penalties = added.total - added.loss, base.total - base.loss
        words = f"Adding {ADDED} padded positions moves what layers add to the loss from {{1:.6g}} to {{0:.6g}}"
        size = abs(penalties[0] - penalties[1]) / max(abs(base.total), 1e-12)
        found.append(_Deviation(size if np.isfinite(size) else float("inf"), words.format(*penalties), weights, True))
    return base, found


def _penalised(subject: Subject) -> str | None:
    """The first layer with a penalty on what it gives."""
    from maskscope.keras_io import keras_graph

    every = keras_graph.every_layer(subject.model)
    return next((str(each.name) for each in every if getattr(each, "activity_regularizer", None) is not None), None)


def _longer(x_btd: Floats, padding: float) -> Floats:
    longer: Floats = np.pad(x_btd, [(0, 0), (0, ADDED), (0, 0)], constant_values=padding)
    return longer


def _deviation(found: float, wanted: float, words: str, weights: Weights, slack: float) -> _Deviation:
    size = float(np.maximum(abs(found - wanted) - slack, 0.0)) / max(abs(wanted), 1e-12)
    if not np.isfinite(size):
        size = float("inf")
    if not words:
        return _Deviation(size, f"The loss is {found:.6g}, but over the real tokens alone it is {wanted:.6g}", weights)
    return _Deviation(size, f"{words} moves the loss from {wanted:.6g} to {found:.6g}", weights)
