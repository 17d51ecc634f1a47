"""The gradients of the classic stack, over real tokens only: no padding anywhere, no TensorFlow.

One matrix product gives all tokens' input to both directions, and one more the gradient of that kernel; only the
small recurrent step goes from token to token, in lockstep over sentences of unlike length, forward and back
(`recurrence.schedule`; the backward direction reads each sentence from its own end). The equations are those of
Keras 3's `LSTMCell`, see `recurrence`; backpropagation through time follows by the chain rule (Werbos 1990).

Gates stand in the order o, i, f, c: the three sigmoids are neighbours, and so are the three that reach the loss
through the cell. Sigmoids are computed as (1 + tanh(z / 2)) / 2.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from maskscope.tagger.recurrence import schedule
from maskscope.tagger.spec import TaggerSpec
from maskscope.types import Floats

Places = npt.NDArray[np.int64]

_FROM_KERAS = (3, 0, 1, 2)
"""Keras's gates i, f, c, o in the order o, i, f, c."""
_BLOCK_DIAGONAL_UNITS = 24


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
    """What one layer's way back needs of its way forth. All but `inputs` are in blocks, see `_Blocks`.

    Attributes:
        inputs: (n, D), tokens in reading order.
        outputs: (n, 2 units), tokens in reading order, before any dropout.
        gates: (4, 2 units n), after their activations.
        cells, squashed: (2 units n), the cells' states and their tanh.
        recurrent: the recurrent product.
    """

    inputs: Floats
    outputs: Floats
    gates: Floats
    cells: Floats
    squashed: Floats
    recurrent: "_Recurrent"


class _Blocks:
    """Where in memory the numbers of a batch stand: step after step, each a contiguous block (units, 2, count).

    A call of numpy on one step's numbers then runs over one piece of memory, which for so few numbers is most of its
    cost. Axis 1 is the direction; slots of a step are its sentences, longest first, as in `Schedule`.

    Attributes:
        plan: the schedule.
        steps: for each step its first slot, its end, and first and last place of its block.
        places: (2, n, units) of each direction, where each token's numbers stand.
        ranks: (n,) the place of each token's sentence among the others, longest first.
    """

    def __init__(self, lengths: Places, units: int) -> None:
        firsts = np.cumsum(lengths) - lengths
        self.plan = plan = schedule(firsts, lengths)
        width = 2 * units
        self.steps = [(begin, end, width * begin, width * end) for begin, end in pairwise(plan.starts)]
        counts = np.diff(plan.starts)
        slots = np.stack([plan.places, plan.mirror[plan.places]])
        step = np.searchsorted(np.asarray(plan.starts), slots, side="right") - 1
        begins, count = np.asarray(plan.starts)[step], counts[step]
        rank = slots - begins
        first = width * begins + np.arange(2)[:, None] * count + rank
        self.places: Places = first[..., None] + 2 * count[..., None] * np.arange(units)
        self.ranks: Places = rank[0]

    def rows(self, flat: Floats) -> Floats:
        """Numbers in blocks (2 units n) -> (n, 2 units), both directions of a token side by side."""
        n, units = self.places.shape[1:]
        rows: Floats = np.empty((n, 2 * units), dtype=np.float32)
        rows[:, :units] = flat.take(self.places[0])
        rows[:, units:] = flat.take(self.places[1])
        return rows

    def flat(self, rows: Floats) -> Floats:
        """The inverse of `rows`."""
        units = self.places.shape[2]
        flat: Floats = np.empty(rows.size, dtype=np.float32)
        flat[self.places[0]] = rows[:, :units]
        flat[self.places[1]] = rows[:, units:]
        return flat


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
        self._lengths = lengths
        self._blocks = _Blocks(lengths, parameters.spec.units)
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

    def gradients(self, labels: npt.NDArray[np.integer], weights: Floats, into: Parameters | None = None) -> Parameters:
        """Gradients of sum(weights · loss) / sum(weights) in every parameter; all 0 when no weight is above 0.

        They are written to `into`, memory of the same spec, when there is any.
        """
        parameters = self._parameters
        into = Parameters(parameters.spec) if into is None else into
        total = float(weights.sum())
        if total <= 0:
            into.flat[:] = 0
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
        units, blocks = layer.units, self._blocks
        n = len(features)
        scale = _halves(units)
        projected = features @ layer.kernel
        projected += layer.bias
        projected *= np.tile(scale, 2)
        inputs: Floats = np.empty((4, units, 2, n), dtype=np.float32)
        for direction in (0, 1):
            part = projected[:, 4 * units * direction : 4 * units * (direction + 1)]
            inputs[:, :, direction] = part[blocks.plan.tokens[direction]].T.reshape(4, units, n)
        recurrent = _Recurrent(layer, dropped, len(self._lengths))
        gates: Floats = np.empty((4, 2 * units * n), dtype=np.float32)
        cells, squashed, hidden = (np.empty(2 * units * n, dtype=np.float32) for _ in range(3))
        half = np.float32(0.5)
        state = output = np.zeros((units, 2, 0), dtype=np.float32)
        for begin, end, low, high in blocks.steps:
            count = end - begin
            z = gates[:, low:high]
            here = inputs[..., begin:end]
            by_unit = z.reshape(4, units, 2, count)
            if begin:
                np.add(recurrent.forth(output[:, :, :count]), here, out=by_unit)
            else:
                by_unit[...] = here
            np.tanh(z, out=z)
            sigmoids = z[:3]
            sigmoids *= half
            sigmoids += half
            cell = cells[low:high]
            np.multiply(z[1], z[3], out=cell)
            if begin:
                kept = by_unit[2] * state[:, :, :count]
                cell += kept.reshape(-1)
            flat = squashed[low:high]
            np.tanh(cell, out=flat)
            own = hidden[low:high]
            np.multiply(z[0], flat, out=own)
            state, output = cell.reshape(units, 2, count), own.reshape(units, 2, count)
        outputs = blocks.rows(hidden)
        self._tapes.append(_Tape(features, outputs, gates, cells, squashed, recurrent))
        return outputs

    def _back(self, place: int, rows: Floats, into: LayerParameters) -> Floats:
        """Gradient (n, 2 units) of a layer's outputs -> of its inputs; its weights' gradients go to `into`.

        For the lowest layer, whose inputs are data, an empty array comes back.
        """
        layer, tape, blocks = self._parameters.layers[place], self._tapes[place], self._blocks
        dropped = self._dropouts.recurrent[place]
        units = layer.units
        scale = _halves(units)
        recurrent = tape.recurrent
        # what each gate's gradient is, per gradient of the output (o) or of the cell (i, f, c); z is halved, so a
        # sigmoid's slope is 2 s (1 - s); and f times the cell before is what i times c left of the cell
        o, i, f, g = tape.gates
        slopes: Floats = np.empty_like(tape.gates)
        np.multiply(i, g, out=slopes[1])
        np.subtract(tape.cells, slopes[1], out=slopes[2])
        np.multiply(o, tape.squashed, out=slopes[0])
        slopes[:3] *= 1 - tape.gates[:3]
        slopes[:3] *= np.float32(2)
        np.multiply(1 - g * g, i, out=slopes[3])
        d_cells = o * (1 - tape.squashed * tape.squashed)
        d_hidden = blocks.flat(rows)
        d_before = carried = np.zeros((units, 2, 0), dtype=np.float32)
        for begin, end, low, high in reversed(blocks.steps):
            count, later = end - begin, d_before.shape[2]
            # in place: slopes become gradients, of the output, of the cell and of the gates
            d_here = d_hidden[low:high]
            d_cell = d_cells[low:high]
            if later:
                d_here.reshape(units, 2, count)[:, :, :later] += d_before
            d_cell *= d_here
            if later:
                d_cell.reshape(units, 2, count)[:, :, :later] += carried
            slopes[0, low:high] *= d_here
            d_gates = slopes[1:, low:high]
            d_gates *= d_cell
            if begin:
                carried = (d_cell * f[low:high]).reshape(units, 2, count)
                d_before = recurrent.back(slopes[:, low:high].reshape(4, units, 2, count))
        d_projected: Floats = np.empty((len(rows), 8 * units), dtype=np.float32)
        for direction in (0, 1):
            for gate in range(4):
                column = (4 * direction + gate) * units
                d_projected[:, column : column + units] = slopes[gate].take(blocks.places[direction])
        d_projected *= np.tile(scale, 2)
        self._recurrent_gradient(tape.outputs, d_projected, dropped, into)
        np.matmul(tape.inputs.T, d_projected, out=into.kernel)
        into.bias[:] = d_projected.sum(axis=0)
        if place == 0:
            return np.empty((0, 0), dtype=np.float32)
        lower: Floats = d_projected @ layer.kernel.T
        return lower

    def _recurrent_gradient(
        self, outputs: Floats, d_projected: Floats, dropped: Floats | None, into: LayerParameters
    ) -> None:
        """The gradient of the recurrent weights: of each token's gates by the output one step before it."""
        units = into.units
        ends = np.cumsum(self._lengths)
        before: Floats = np.zeros_like(outputs)
        before[1:, :units] = outputs[:-1, :units]
        before[ends - self._lengths, :units] = 0
        before[:-1, units:] = outputs[1:, units:]
        before[ends - 1, units:] = 0
        gates = d_projected.T.reshape(2, 4, units, -1)
        states = np.ascontiguousarray(before.T).reshape(2, 1, units, -1)
        if dropped is None:
            wide = gates.reshape(2, 4 * units, -1)
            np.matmul(wide, states[:, 0].transpose(0, 2, 1), out=into.recurrent)
            return
        thin = np.take(dropped, self._blocks.ranks, axis=3)
        thin *= states
        np.matmul(gates, thin.transpose(0, 1, 3, 2), out=into.recurrent.reshape(2, 4, units, units))


class _Recurrent:
    """The recurrent product, forth and back, with what is dropped of the state.

    Args:
        layer: the weights.
        dropped: (2, 4, units, B) as in `Dropouts`, or None.
        n_sentences: B.
    """

    def __init__(self, layer: LayerParameters, dropped: Floats | None, n_sentences: int) -> None:
        units = layer.units
        self._dropped = dropped
        self._units = units
        weights = layer.recurrent * _halves(units)[:, None]
        self._diagonal = dropped is not None and units <= _BLOCK_DIAGONAL_UNITS
        if dropped is not None:
            by_gate = weights.reshape(2, 4, units, units)
            weights = by_gate
            if self._diagonal:
                # one product for four thinned states: the zeros in it cost less than more calls would
                weights = np.zeros((2, 4 * units, 4 * units), dtype=np.float32)
                for gate in range(4):
                    part = slice(gate * units, (gate + 1) * units)
                    weights[:, part, part] = by_gate[:, gate]
        self._weights: Floats = weights
        self._turned: Floats = np.ascontiguousarray(np.swapaxes(weights, -1, -2))
        # used again at each step: fresh memory costs more than what is done in it
        self._wide: Floats = np.empty(8 * units * n_sentences, dtype=np.float32)
        self._product: Floats = np.empty(8 * units * n_sentences, dtype=np.float32)

    def forth(self, output: Floats) -> Floats:
        """The outputs of the step before (units, 2, count) -> their part of the gates (4, units, 2, count).

        What is returned is valid until the next call.
        """
        units, count = self._units, output.shape[2]
        size = 8 * units * count
        state = output.transpose(1, 0, 2)
        product = self._product[:size]
        if self._dropped is None:
            np.matmul(self._weights, state, out=product.reshape(2, 4 * units, count))
        else:
            thin = self._wide[:size].reshape(2, 4, units, count)
            np.multiply(state[:, None], self._dropped[..., :count], out=thin)
            if self._diagonal:
                thin, product = thin.reshape(2, 4 * units, count), product.reshape(2, 4 * units, count)
            else:
                product = product.reshape(2, 4, units, count)
            np.matmul(self._weights, thin, out=product)
        return product.reshape(2, 4, units, count).transpose(1, 2, 0, 3)

    def back(self, d_gates: Floats) -> Floats:
        """Gradients of the gates (4, units, 2, count) -> of the outputs of the step before (units, 2, count)."""
        units, count = self._units, d_gates.shape[3]
        size = 8 * units * count
        gates = self._wide[:size].reshape(2, 4, units, count)
        np.copyto(gates, d_gates.transpose(2, 0, 1, 3))
        if self._dropped is None:
            return (self._turned @ gates.reshape(2, 4 * units, count)).transpose(1, 0, 2)
        d_state = self._product[:size].reshape(2, 4, units, count)
        if self._diagonal:
            np.matmul(self._turned, gates.reshape(2, 4 * units, count), out=d_state.reshape(2, 4 * units, count))
        else:
            np.matmul(self._turned, gates, out=d_state)
        d_state *= self._dropped[..., :count]
        return np.add.reduce(d_state, axis=1).transpose(1, 0, 2)


def _head(logits: Floats, spec: TaggerSpec) -> Floats:
    if spec.scheme.kind == "binary":
        return np.asarray(0.5 * (1 + np.tanh(0.5 * logits)), dtype=np.float32)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float32)


def _halves(units: int) -> Floats:
    """(4 units,): by how much the gates o, i, f and c are scaled before one tanh serves them all."""
    scale: Floats = np.full(4 * units, 0.5, dtype=np.float32)
    scale[3 * units :] = 1.0
    return scale
