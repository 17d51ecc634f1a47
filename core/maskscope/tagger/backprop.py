"""The gradients of the classic stack, over real tokens only: no padding anywhere, no TensorFlow.

One matrix product gives all tokens' input to both directions, and one more the gradient of that kernel; only the
small recurrent step goes from token to token, in lockstep over sentences of unlike length, forward and back
(`recurrence.schedule`; the backward direction reads each sentence from its own end). The equations are those of
Keras 3's `LSTMCell`, see `recurrence`; backpropagation through time follows by the chain rule (Werbos 1990).

Gates stand in the order o, i, f, c: the three sigmoids are neighbours, and so are the three that reach the loss
through the cell. Arrays are unit-major with slots last. Sigmoids are computed as (1 + tanh(z / 2)) / 2.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from maskscope.tagger.recurrence import Schedule, schedule
from maskscope.tagger.spec import TaggerSpec
from maskscope.types import Floats

Places = npt.NDArray[np.int64]

_FROM_KERAS = (3, 0, 1, 2)
"""Keras's gates i, f, c, o in the order o, i, f, c."""


@dataclass(frozen=True, slots=True, eq=False)
class LayerParameters:
    """One bidirectional layer, as views into the flat vector of `Parameters`.

    Attributes:
        kernel: (D, 8 units): forward gates, then backward ones.
        recurrent: (2, 4 units, units).
        bias: (8 units,).
    """

    kernel: Floats
    recurrent: Floats
    bias: Floats

    @property
    def units(self) -> int:
        """LSTM units in each direction."""
        return int(self.recurrent.shape[2])


class Parameters:
    """All weights of a stack in one float32 vector, and views of it by layer; gradients have the same shape.

    Args:
        spec: gives the sizes.
        flat: (n_parameters,) float32 to look into; None makes zeros.
    """

    def __init__(self, spec: TaggerSpec, flat: Floats | None = None) -> None:
        self.spec = spec
        outputs = spec.scheme.n_outputs
        units = spec.units
        shapes: list[tuple[int, ...]] = []
        for layer in range(spec.layers):
            wide = 2 * units if layer else spec.dim
            shapes += [(wide, 8 * units), (2, 4 * units, units), (8 * units,)]
        shapes += [(2 * units, outputs), (outputs,)]
        sizes = [math.prod(shape) for shape in shapes]
        if flat is None:
            flat = np.zeros(sum(sizes), dtype=np.float32)
        self.flat: Floats = flat
        ends = np.cumsum(sizes)
        views = [
            flat[end - size : end].reshape(shape) for end, size, shape in zip(ends.tolist(), sizes, shapes, strict=True)
        ]
        self.layers = tuple(LayerParameters(*views[3 * i : 3 * i + 3]) for i in range(spec.layers))
        self.dense: Floats = views[-2]
        self.dense_bias: Floats = views[-1]

    @classmethod
    def fresh(cls, spec: TaggerSpec, rng: np.random.Generator) -> "Parameters":
        """Weights as Keras begins with: Glorot uniform kernels, orthogonal recurrent ones, forget biases of 1."""
        made = cls(spec)
        for layer in made.layers:
            units = layer.units
            limit = math.sqrt(6 / (len(layer.kernel) + 4 * units))
            layer.kernel[:] = rng.uniform(-limit, limit, layer.kernel.shape)
            for direction in (0, 1):
                # a (units, 4 units) matrix with orthonormal rows
                q, r = np.linalg.qr(rng.normal(size=(4 * units, units)))
                layer.recurrent[direction] = q * np.sign(np.diagonal(r))
                layer.bias[4 * units * direction + 2 * units : 4 * units * direction + 3 * units] = 1.0
        limit = math.sqrt(6 / sum(made.dense.shape))
        made.dense[:] = rng.uniform(-limit, limit, made.dense.shape)
        return made

    def to_keras(self) -> list[Floats]:
        """The arrays for `set_weights` of the model that `keras_model.build` makes of the same spec."""
        arrays: list[Floats] = []
        for layer in self.layers:
            width = 4 * layer.units
            back = np.argsort(_order(layer.units))
            for direction in (0, 1):
                part = slice(direction * width, (direction + 1) * width)
                arrays += [
                    np.ascontiguousarray(layer.kernel[:, part][:, back]),
                    np.ascontiguousarray(layer.recurrent[direction].T[:, back]),
                    layer.bias[part][back],
                ]
        return [*arrays, self.dense.copy(), self.dense_bias.copy()]

    @classmethod
    def from_keras(cls, spec: TaggerSpec, arrays: Sequence[Floats]) -> "Parameters":
        """What `to_keras` gave, or gradients in the same order."""
        made = cls(spec)
        for place, layer in enumerate(made.layers):
            width = 4 * layer.units
            order = _order(layer.units)
            for direction in (0, 1):
                part = slice(direction * width, (direction + 1) * width)
                kernel, recurrent, bias = arrays[6 * place + 3 * direction : 6 * place + 3 * direction + 3]
                layer.kernel[:, part] = kernel[:, order]
                layer.recurrent[direction] = recurrent[:, order].T
                layer.bias[part] = bias[order]
        made.dense[:], made.dense_bias[:] = arrays[-2:]
        return made


def _order(units: int) -> Places:
    return np.concatenate([np.arange(gate * units, (gate + 1) * units) for gate in _FROM_KERAS])


@dataclass(frozen=True, slots=True, eq=False)
class Dropouts:
    """What is dropped from one batch, each array already holding 0 or 1 / (1 - p).

    Attributes:
        recurrent: for each layer (2, 4, units, B), sentences in the order of the schedule, longest first; the same at
            every step of a sentence and another for each gate, as in Keras; None drops nothing.
        outputs: for each layer (n, 2 units), another at each token; None drops nothing.
    """

    recurrent: tuple[Floats | None, ...]
    outputs: tuple[Floats | None, ...]

    @classmethod
    def none(cls, spec: TaggerSpec) -> "Dropouts":
        """Drop nothing: inference."""
        return cls((None,) * spec.layers, (None,) * spec.layers)

    @classmethod
    def draw(cls, spec: TaggerSpec, n_tokens: int, n_sentences: int, rng: np.random.Generator) -> "Dropouts":
        """As the spec's two rates say."""
        shape = (2, 4, spec.units, n_sentences)
        return cls(
            tuple(_kept(spec.recurrent_dropout, shape, rng) for _ in range(spec.layers)),
            tuple(_kept(spec.dropout, (n_tokens, 2 * spec.units), rng) for _ in range(spec.layers)),
        )


def _kept(rate: float, shape: tuple[int, ...], rng: np.random.Generator) -> Floats | None:
    if rate <= 0:
        return None
    kept: Floats = (rng.random(shape, dtype=np.float32) >= rate).astype(np.float32)
    kept *= np.float32(1 / (1 - rate))
    return kept


@dataclass(frozen=True, slots=True, eq=False)
class _Tape:
    """What one layer's way back needs of its way forth; slots last but for `inputs`."""

    inputs: Floats
    gates: Floats
    cells: Floats
    squashed: Floats
    hidden: Floats


class Batch:
    """Some sentences, forth and back.

    Args:
        parameters: the weights.
        x_nd: (n, D) float32, real tokens only, sentences one after another.
        lengths: (B,) tokens of each, none of them 0.
        dropouts: what is dropped; `Dropouts.none` for inference.
    """

    def __init__(self, parameters: Parameters, x_nd: Floats, lengths: Places, dropouts: Dropouts) -> None:
        self._parameters = parameters
        self._dropouts = dropouts
        firsts = np.cumsum(lengths) - lengths
        self._plan = schedule(firsts, lengths)
        self._far = self._plan.mirror[self._plan.places]
        self._tapes: list[_Tape] = []
        features = x_nd
        for layer, recurrent, outputs in zip(parameters.layers, dropouts.recurrent, dropouts.outputs, strict=True):
            features = self._forth(layer, features, recurrent)
            if outputs is not None:
                features = features * outputs
        self._features = features
        self.logits: Floats = features @ parameters.dense + parameters.dense_bias

    @property
    def probabilities(self) -> Floats:
        """(n, C) float32, as the head prints them."""
        return _head(self.logits, self._parameters.spec)

    @staticmethod
    def of_nothing(parameters: Parameters, n: int) -> Floats:
        """(n, C) float32: what the head prints at n masked positions, where `Bidirectional` puts zeros."""
        return np.repeat(_head(parameters.dense_bias[None], parameters.spec), n, axis=0)

    def loss(self, labels: npt.NDArray[np.integer], weights: Floats) -> float:
        """Cross-entropy in nats, summed over tokens by weight: labels (n,) class ids, weights (n,)."""
        if self._parameters.spec.scheme.kind == "binary":
            # log(1 + exp(-|z|)) + max(z, 0) - z y
            z = self.logits[:, 0].astype(np.float64)
            per_token = np.log1p(np.exp(-np.abs(z))) + np.maximum(z, 0) - z * labels
        else:
            z = self.logits.astype(np.float64)
            z -= z.max(axis=1, keepdims=True)
            per_token = np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(z)), labels]
        return float(per_token @ weights)

    def gradients(self, labels: npt.NDArray[np.integer], weights: Floats) -> Parameters:
        """Gradients of sum(weights · loss) / sum(weights) in every parameter; all 0 when no weight is above 0."""
        parameters = self._parameters
        into = Parameters(parameters.spec)
        total = float(weights.sum())
        if total <= 0:
            return into
        off = self.probabilities
        if parameters.spec.scheme.kind == "binary":
            off[:, 0] -= labels
        else:
            off[np.arange(len(off)), labels] -= 1
        off *= (weights / total)[:, None].astype(np.float32)
        np.matmul(self._features.T, off, out=into.dense)
        into.dense_bias[:] = off.sum(axis=0)
        back = off @ parameters.dense.T
        for place in reversed(range(len(parameters.layers))):
            outputs = self._dropouts.outputs[place]
            if outputs is not None:
                back *= outputs
            back = self._back(place, back, into.layers[place])
        return into

    def _forth(self, layer: LayerParameters, features: Floats, dropped: Floats | None) -> Floats:
        units, plan = layer.units, self._plan
        width, n_slots = 4 * units, len(plan.mirror)
        scale = _halves(units)
        projected = features @ (layer.kernel * np.tile(scale, 2))
        projected += layer.bias * np.tile(scale, 2)
        gates: Floats = np.empty((2, width, n_slots), dtype=np.float32)
        for direction in (0, 1):
            part = projected[:, direction * width : (direction + 1) * width]
            gates[direction] = part[plan.tokens[direction]].T
        recurrent = layer.recurrent * scale[:, None]
        cells, squashed, hidden = (np.empty((2, units, n_slots), dtype=np.float32) for _ in range(3))
        by_gate = recurrent.reshape(2, 4, units, units)
        half = np.float32(0.5)
        previous = 0
        for begin, end in pairwise(plan.starts):
            count = end - begin
            z = gates[:, :, begin:end]
            if begin:
                before = hidden[:, :, previous : previous + count]
                if dropped is None:
                    z += recurrent @ before
                else:
                    thinned = before[:, None] * dropped[..., :count]
                    z += (by_gate @ thinned).reshape(2, width, count)
            np.tanh(z, out=z)
            sigmoids = z[:, : 3 * units]
            sigmoids *= half
            sigmoids += half
            cell = cells[:, :, begin:end]
            np.multiply(z[:, units : 2 * units], z[:, 3 * units :], out=cell)
            if begin:
                cell += z[:, 2 * units : 3 * units] * cells[:, :, previous : previous + count]
            flat = squashed[:, :, begin:end]
            np.tanh(cell, out=flat)
            np.multiply(z[:, :units], flat, out=hidden[:, :, begin:end])
            previous = begin
        self._tapes.append(_Tape(features, gates, cells, squashed, hidden))
        return self._in_reading_order(hidden)

    def _in_reading_order(self, slots: Floats) -> Floats:
        """(2, k, N) in slot order -> (n, 2 k), both directions of a token side by side."""
        width = slots.shape[1]
        rows: Floats = np.empty((slots.shape[2], 2 * width), dtype=np.float32)
        rows[:, :width] = slots[0].T[self._plan.places]
        rows[:, width:] = slots[1].T[self._far]
        return rows

    def _in_slots(self, rows: Floats) -> Floats:
        """The inverse of `_in_reading_order`."""
        width = rows.shape[1] // 2
        slots: Floats = np.empty((2, width, len(rows)), dtype=np.float32)
        slots[0][:, self._plan.places] = rows[:, :width].T
        slots[1][:, self._far] = rows[:, width:].T
        return slots

    def _back(self, place: int, rows: Floats, into: LayerParameters) -> Floats:
        """Gradient (n, 2 units) of a layer's outputs -> of its inputs; its weights' gradients go to `into`.

        For the lowest layer, whose inputs are data, an empty array comes back.
        """
        layer, tape, plan = self._parameters.layers[place], self._tapes[place], self._plan
        dropped = self._dropouts.recurrent[place]
        units, n_slots = layer.units, len(plan.mirror)
        width = 4 * units
        scale = _halves(units)
        before = _slots_before(plan)
        # what each gate's gradient is, per gradient of the output (o) or of the cell (i, f, c); z is halved, so a
        # sigmoid's slope is 2 s (1 - s)
        o, i, f, g = (tape.gates[:, gate * units : (gate + 1) * units] for gate in range(4))
        slopes: Floats = np.empty((2, width, n_slots), dtype=np.float32)
        slope_o, slope_i, slope_f, slope_g = (slopes[:, gate * units : (gate + 1) * units] for gate in range(4))
        np.multiply(2 * o * (1 - o), tape.squashed, out=slope_o)
        np.multiply(2 * i * (1 - i), g, out=slope_i)
        n_first = plan.starts[1]
        slope_f[:, :, :n_first] = 0
        np.multiply((2 * f * (1 - f))[:, :, n_first:], np.take(tape.cells, before, axis=2), out=slope_f[:, :, n_first:])
        np.multiply(1 - g * g, i, out=slope_g)
        through_cell = slopes.reshape(2, 4, units, n_slots)[:, 1:]
        to_cell = o * (1 - tape.squashed * tape.squashed)
        d_hidden = self._in_slots(rows)
        # in place: the slopes become the gradients of the gates
        recurrent = (layer.recurrent * scale[:, None]).transpose(0, 2, 1)
        by_gate = (layer.recurrent * scale[:, None]).reshape(2, 4, units, units).transpose(0, 1, 3, 2)
        widest = plan.starts[1]
        d_cell: Floats = np.zeros((2, units, widest), dtype=np.float32)
        d_before: Floats = np.zeros((2, units, widest), dtype=np.float32)
        for begin, end in reversed(list(pairwise(plan.starts))):
            count = end - begin
            d_here = d_hidden[:, :, begin:end]
            d_here += d_before[:, :, :count]
            cell = d_cell[:, :, :count]
            cell += d_here * to_cell[:, :, begin:end]
            slope_o[:, :, begin:end] *= d_here
            through_cell[..., begin:end] *= cell[:, None]
            if not begin:
                break
            cell *= f[:, :, begin:end]
            d_gates = slopes[:, :, begin:end]
            if dropped is None:
                np.matmul(recurrent, d_gates, out=d_before[:, :, :count])
            else:
                thinned = by_gate @ d_gates.reshape(2, 4, units, count)
                thinned *= dropped[..., :count]
                thinned.sum(axis=1, out=d_before[:, :, :count])
        later = slopes[:, :, n_first:]
        states = np.take(tape.hidden, before, axis=2)
        if dropped is None:
            into.recurrent[:] = (later @ states.transpose(0, 2, 1)) * scale[:, None]
        else:
            ranks = np.arange(n_first, n_slots) - np.repeat(plan.starts[1:-1], np.diff(plan.starts[1:]))
            thin = states[:, None] * np.take(dropped, ranks, axis=3)
            product = later.reshape(2, 4, units, -1) @ thin.transpose(0, 1, 3, 2)
            into.recurrent[:] = product.reshape(2, width, units) * scale[:, None]
        d_projected = self._in_reading_order(slopes)
        np.matmul(tape.inputs.T, d_projected, out=into.kernel)
        np.multiply(into.kernel, np.tile(scale, 2), out=into.kernel)
        into.bias[:] = d_projected.sum(axis=0) * np.tile(scale, 2)
        if place == 0:
            return np.empty((0, 0), dtype=np.float32)
        lower: Floats = d_projected @ (layer.kernel * np.tile(scale, 2)).T
        return lower


def _head(logits: Floats, spec: TaggerSpec) -> Floats:
    if spec.scheme.kind == "binary":
        return np.asarray(0.5 * (1 + np.tanh(0.5 * logits)), dtype=np.float32)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float32)


def _slots_before(plan: Schedule) -> Places:
    """For each slot but those of the first step: the slot of the same sentence one step before."""
    counts = np.diff(plan.starts)
    slots = np.arange(plan.starts[1], plan.starts[-1])
    return np.asarray(slots - np.repeat(counts[:-1], counts[1:]))


def _halves(units: int) -> Floats:
    """(4 units,): by how much the gates o, i, f and c are scaled before one tanh serves them all."""
    scale: Floats = np.full(4 * units, 0.5, dtype=np.float32)
    scale[3 * units :] = 1.0
    return scale
