"""Labels and sample weights that were given with the sentences, cut and padded as a sample of them is."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from maskscope.audit.probes.context import Padded, Source
from maskscope.audit.probes.model_loss import ModelLoss
from maskscope.audit.probes.model_runner import ModelRunner
from maskscope.audit.probes.padded_sample import PaddedSample
from maskscope.audit.probes.unrunnable import Unrunnable
from maskscope.types import Floats, Mask


class GivenTargets(NamedTuple):
    """What was given for a sample.

    Attributes:
        labels: (B, T, ...) float32, or (B, ...) for a sentence classifier; None for none.
        weights: (B, T), or (B,) for a sentence classifier; None for none.
    """

    labels: Floats | None
    weights: Floats | None


def given_targets(runner: ModelRunner, sample: PaddedSample) -> GivenTargets | None:
    """The given labels and weights of a sample's sentences; None where none were given."""
    data = runner.context.data
    if not isinstance(data, Padded) or (data.labels is None and data.weights is None):
        return None
    sentences = np.asarray(sample.sentences)
    labels = weights = None
    if data.labels is not None:
        labels = _numbers(data.labels[sentences]) if runner.per_sentence else _padded(data, data.labels, sample)
    if data.weights is not None:
        per_token = data.weights.ndim > 1 and not runner.per_sentence
        weights = _padded(data, data.weights, sample) if per_token else _numbers(data.weights[sentences])
        if runner.per_sentence:
            weights = weights.reshape(len(sentences))
        elif not per_token:
            weights = np.repeat(weights[:, None], sample.x_btd.shape[1], axis=1)
        else:
            weights = weights.reshape(weights.shape[:2])
    return GivenTargets(labels, weights)


def fitting_labels(labels: Floats, loss: ModelLoss, runner: ModelRunner) -> Floats:
    """The labels in the shape that the loss takes. Raises Unrunnable when they don't fit it."""
    free = 1 if runner.per_sentence else 2
    kind, n_outputs, axes = loss.label_kind, runner.n_outputs, labels.shape[free:]
    if loss.own_code:
        return labels
    if kind == "class numbers":
        if axes not in ((), (1,)):
            raise _unfitting(labels, f"{loss.description} takes one class number each")
        numbers = labels.reshape(labels.shape[:free])
        used = numbers[numbers != getattr(loss.function, "ignore_class", None)]
        if used.size and (used.min() < 0 or used.max() >= n_outputs):
            raise Unrunnable(
                f"The labels hold class {used.min():g} to {used.max():g}, but the model has {n_outputs} outputs, for "
                f"classes 0 to {n_outputs - 1}."
            )
        return numbers
    if axes == () and n_outputs == 1:
        return labels[..., None]
    if axes != (n_outputs,):
        raise _unfitting(labels, f"{loss.description} takes {n_outputs} numbers each, one for each output")
    return labels


def with_real_labels_at_padding(labels: Floats, mask_bt: Mask) -> Floats:
    """The labels (B, T, ...) where each padded position has that of some real token, which differs from its own.

    Labels of real tokens are those that any loss takes.
    """
    flipped = labels.copy()
    real = labels[mask_bt]
    for row, position in np.argwhere(~mask_bt):
        own = labels[row, position]
        other = np.flatnonzero((real != own).reshape(len(real), -1).any(axis=1))
        if len(other):
            flipped[row, position] = real[other[(row + position) % len(other)]]
    return flipped


def _padded(data: Padded, array: Source, sample: PaddedSample) -> Floats:
    """The numbers (B, T, ...) of a sample's tokens, and at padding what the array has at its first padded position."""
    n_positions = sample.x_btd.shape[1]
    places = [data.tokens(sentence) for sentence in sample.sentences]
    found: Floats = np.empty((len(places), n_positions, *array.shape[2:]), dtype=np.float32)
    found[:] = _at_padding(data, array)
    for row, (sentence, place) in enumerate(zip(sample.sentences, places, strict=True)):
        found[row, sample.tokens(row)] = _numbers(array[sentence, place])[: sample.lengths[row]]
    return found


def _at_padding(data: Padded, array: Source) -> Floats:
    """What the array has at its first padded position; zeros where no position is padded."""
    n_positions = data.x.shape[1]
    padded = np.flatnonzero(data.lengths < n_positions)
    if not len(padded):
        return np.zeros(array.shape[2:], dtype=np.float32)
    tokens = data.tokens(int(padded[0]))
    return _numbers(array[padded[0], tokens.stop if tokens.stop < n_positions else 0])


def _numbers(array: npt.NDArray[np.generic]) -> Floats:
    return np.asarray(array, dtype=np.float32)


def _unfitting(labels: Floats, wanted: str) -> Unrunnable:
    return Unrunnable(f"The labels don't fit the loss: {wanted}; theirs is the shape {labels.shape} of a batch.")
