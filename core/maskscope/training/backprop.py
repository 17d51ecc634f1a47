"""The gradients of the classic stack, over real tokens only: no padding anywhere, no TensorFlow.

One matrix product gives all tokens' input to both directions, and one more the gradient of that kernel; only the
small recurrent step goes from token to token, in lockstep over sentences of unlike length, forward and back
(`recurrence.schedule`; the backward direction reads each sentence from its own end). The equations are those of
Keras 3's `LSTMCell`, see `recurrence`; backpropagation through time follows by the chain rule (Werbos 1990).

Gates stand in the order o, i, f, c: the three that reach the loss through the cell are neighbours. One exponential
serves all four, sigmoid(z) = 1 / (1 + exp(-z)) and tanh(z) = 2 sigmoid(2 z) - 1; numpy's own tanh is several times
slower where the processor has no AVX-512.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from maskscope.training.parameters import LayerParameters, Parameters
from maskscope.training.spec import TaggerSpec
from maskscope.types import Floats, Indices

_BLOCK_DIAGONAL_UNITS = 24


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
        sigmoids: (8 units n), of all four gates; that of c before it is stretched to (-1, 1).
        partners: (8 units n), what each gate is multiplied with on its way to the loss: o with the squashed cell, i
            with the candidate, f with the cell before, c with i.
        shares: (2 units n), the squashed cell times the output.
        recurrent: the recurrent product.
    """

    inputs: Floats
    outputs: Floats
    sigmoids: Floats
    partners: Floats
    shares: Floats
    recurrent: "_Recurrent"


class _Blocks:
    """Where in memory the numbers of a batch stand: step after step, each a contiguous block.

    A call of numpy on one step's numbers then runs over one piece of memory: for so few numbers, setting out to walk
    over rows costs several times what is done to them. A block is (units, 2, count), or (4, units, 2, count) of the
    gates; axis -2 is the direction, and the slots of a step are its sentences, longest first, as in `Schedule`.

    Attributes:
        steps: for each step how many sentences still run, and the first place of its block of states.
        places: (2, n, units) of each direction, where each token's states stand.
        gate_places: (2, 4, n, units), where its gates stand.
        ranks: (n,) the place of each token's sentence among the others, longest first.
    """

    def __init__(self, lengths: Indices, units: int) -> None:
        n = int(lengths.sum())
        order = np.argsort(-lengths, kind="stable")
        rank_of = np.empty(len(order), dtype=np.int64)
        rank_of[order] = np.arange(len(order))
        counts = np.searchsorted(-lengths[order], -np.arange(int(lengths.max(initial=0))), side="left")
        starts = np.cumsum(counts) - counts
        self.steps = [(count, 2 * units * start) for count, start in zip(counts.tolist(), starts.tolist(), strict=True)]
        self.ranks: Indices = np.repeat(rank_of, lengths)
        step = np.arange(n) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        steps = np.stack([step, np.repeat(lengths, lengths) - 1 - step])
        count, start = counts[steps], starts[steps]
        across = np.arange(2)[:, None] * count + self.ranks
        down = 2 * count[..., None] * np.arange(units)
        self.places: Indices = (2 * units * start + across)[..., None] + down
        by_gate = np.arange(4)[:, None] * (2 * units * count)[:, None]
        self.gate_places: Indices = (8 * units * start + across)[:, None, :, None] + by_gate[..., None] + down[:, None]

    def rows(self, flat: Floats) -> Floats:
        """States in blocks (2 units n) -> (n, 2 units), both directions of a token side by side."""
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

    def gate_rows(self, flat: Floats) -> Floats:
        """Gates in blocks (8 units n) -> (n, 8 units): four gates forward, then four backward."""
        n, units = self.places.shape[1:]
        taken = flat.take(self.gate_places)
        return taken.transpose(2, 0, 1, 3).reshape(n, 8 * units)

    def flat_gates(self, rows: Floats) -> Floats:
        """The inverse of `gate_rows`."""
        n, units = self.places.shape[1:]
        flat: Floats = np.empty(rows.size, dtype=np.float32)
        flat[self.gate_places] = rows.reshape(n, 2, 4, units).transpose(1, 2, 0, 3)
        return flat


class Batch:
    """Some sentences, forth and back.

    Args:
        parameters: the weights.
        x_nd: (n, D) float32, real tokens only, sentences one after another.
        lengths: (B,) tokens of each, none of them 0.
        dropouts: what is dropped; `Dropouts.none` for inference.
    """

    def __init__(self, parameters: Parameters, x_nd: Floats, lengths: Indices, dropouts: Dropouts) -> None:
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
        projected = features @ layer.kernel
        projected += layer.bias
        projected *= np.tile(_factors(units), 2)
        sigmoids = blocks.flat_gates(projected)
        partners = np.empty_like(sigmoids)
        size = len(sigmoids) // 4
        cells, hidden, shares = (np.empty(size, dtype=np.float32) for _ in range(3))
        recurrent = _Recurrent(layer, dropped, len(self._lengths))
        one, two = np.float32(1), np.float32(2)
        add, multiply = np.add, np.multiply
        before, widest = 0, 0
        with np.errstate(over="ignore"):
            for count, low in blocks.steps:
                m = 2 * units * count
                z, partner = sigmoids[4 * low : 4 * low + 4 * m], partners[4 * low : 4 * low + 4 * m]
                cell, output = cells[low : low + m], hidden[low : low + m]
                kept = partner[2 * m : 3 * m]
                if low:
                    add(z, recurrent.forth(_first(hidden, before, units, widest, count), count), out=z)
                    kept[:] = _first(cells, before, units, widest, count)
                else:
                    kept[:] = 0
                np.exp(z, out=z)
                add(z, one, out=z)
                np.divide(one, z, out=z)
                candidate = partner[m : 2 * m]
                multiply(z[3 * m :], two, out=candidate)
                np.subtract(candidate, one, out=candidate)
                update = z[m : 2 * m]
                multiply(update, candidate, out=cell)
                partner[3 * m :] = update
                multiply(z[2 * m : 3 * m], kept, out=output)
                add(cell, output, out=cell)
                np.tanh(cell, out=partner[:m])
                multiply(z[:m], partner[:m], out=output)
                multiply(output, partner[:m], out=shares[low : low + m])
                before, widest = low, count
        outputs = blocks.rows(hidden)
        self._tapes.append(_Tape(features, outputs, sigmoids, partners, shares, recurrent))
        return outputs

    def _back(self, place: int, rows: Floats, into: LayerParameters) -> Floats:
        """Gradient (n, 2 units) of a layer's outputs -> of its inputs; its weights' gradients go to `into`.

        For the lowest layer, whose inputs are data, an empty array comes back.
        """
        layer, tape, blocks = self._parameters.layers[place], self._tapes[place], self._blocks
        units, recurrent = layer.units, tape.recurrent
        # s (1 - s) is the slope of a sigmoid, and 4 s (1 - s) that of tanh(z) = 2 s(2 z) - 1: the 4 comes at the end
        slopes = 1 - tape.sigmoids
        slopes *= tape.sigmoids
        slopes *= tape.partners
        d_hidden = blocks.flat(rows)
        d_cells = np.empty_like(d_hidden)
        multiply = np.multiply
        d_before = carried = d_hidden[:0]
        later = 0
        for count, low in reversed(blocks.steps):
            # in place: slopes become gradients, of the output, of the cell and of the gates
            m = 2 * units * count
            d_here, d_cell = d_hidden[low : low + m], d_cells[low : low + m]
            d_gates = slopes[4 * low : 4 * low + 4 * m]
            if later:
                _add_first(d_here, d_before, units, count, later)
            # o (1 - squashed²) is o - squashed · output
            np.subtract(tape.sigmoids[4 * low : 4 * low + m], tape.shares[low : low + m], out=d_cell)
            multiply(d_cell, d_here, out=d_cell)
            if later:
                _add_first(d_cell, carried, units, count, later)
            multiply(d_gates[:m], d_here, out=d_gates[:m])
            others = d_gates[m:].reshape(3, m)
            multiply(others, d_cell, out=others)
            if low:
                carried = d_cell * tape.sigmoids[4 * low + 2 * m : 4 * low + 3 * m]
                d_before = recurrent.back(d_gates, count)
                later = count
        d_projected = blocks.gate_rows(slopes)
        d_projected *= np.tile(_slopes(units), 2)
        self._recurrent_gradient(tape.outputs, d_projected, self._dropouts.recurrent[place], into)
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
        self._dropped = None if dropped is None else np.ascontiguousarray(dropped.transpose(1, 2, 0, 3))
        self._thinning: Floats = np.empty(0, dtype=np.float32)
        self._units = units
        # one product for four thinned states: as long as there are few units, its zeros cost less than more calls
        self._diagonal = dropped is not None and units <= _BLOCK_DIAGONAL_UNITS
        self._weights = self._arranged(layer.recurrent * _factors(units)[:, None])
        back = self._arranged(layer.recurrent * _slopes(units)[:, None])
        self._turned: Floats = np.ascontiguousarray(np.swapaxes(back, -1, -2))
        # used again at each step: fresh memory costs more than what is done in it
        self._wide: Floats = np.empty(8 * units * n_sentences, dtype=np.float32)
        self._product: Floats = np.empty(8 * units * n_sentences, dtype=np.float32)
        self._state: Floats = np.empty(2 * units * n_sentences, dtype=np.float32)

    def _arranged(self, weights: Floats) -> Floats:
        """(2, rows, columns) for one product a direction, or (2, 4, units, units) for one a gate."""
        units = self._units
        if self._dropped is None:
            return weights
        by_gate = weights.reshape(2, 4, units, units)
        if not self._diagonal:
            return by_gate
        wide: Floats = np.zeros((2, 4 * units, 4 * units), dtype=np.float32)
        for gate in range(4):
            part = slice(gate * units, (gate + 1) * units)
            wide[:, part, part] = by_gate[:, gate]
        return wide

    def _by_direction(self, flat: Floats, count: int) -> Floats:
        """A view of gates (8 units count) or states (2 units count) as `_weights` are to be multiplied with it."""
        if self._dropped is None or self._diagonal:
            return flat.reshape(-1, 2, count).transpose(1, 0, 2)
        return flat.reshape(4, self._units, 2, count).transpose(2, 0, 1, 3)

    def _thinned_by(self, count: int) -> Floats:
        """What is dropped of the first `count` sentences (4, 2 units count), made once for the steps that share it."""
        assert self._dropped is not None
        if self._thinning.size != 8 * self._units * count:
            self._thinning = np.ascontiguousarray(self._dropped[..., :count]).reshape(4, -1)
        return self._thinning

    def forth(self, output: Floats, count: int) -> Floats:
        """The outputs of the step before (2 units count) -> their part of the gates (8 units count).

        What is returned is valid until the next call.
        """
        size = 8 * self._units * count
        product = self._product[:size]
        state = output
        if self._dropped is not None:
            state = self._wide[:size]
            np.multiply(output, self._thinned_by(count), out=state.reshape(4, -1))
        np.matmul(self._weights, self._by_direction(state, count), out=self._by_direction(product, count))
        return product

    def back(self, d_gates: Floats, count: int) -> Floats:
        """Gradients of the gates (8 units count) -> of the outputs of the step before (2 units count).

        What is returned is valid until the next call.
        """
        size = 8 * self._units * count
        state = self._state[: size // 4]
        if self._dropped is None:
            np.matmul(self._turned, self._by_direction(d_gates, count), out=self._by_direction(state, count))
            return state
        product = self._product[:size]
        np.matmul(self._turned, self._by_direction(d_gates, count), out=self._by_direction(product, count))
        by_gate = product.reshape(4, -1)
        np.multiply(by_gate, self._thinned_by(count), out=by_gate)
        np.add.reduce(by_gate, axis=0, out=state)
        return state


def _first(flat: Floats, low: int, units: int, widest: int, count: int) -> Floats:
    """The states (2 units count) of the first `count` of the `widest` sentences whose block begins at `low`."""
    block = flat[low : low + 2 * units * widest]
    return block if count == widest else block.reshape(2 * units, widest)[:, :count].reshape(-1)


def _add_first(block: Floats, some: Floats, units: int, widest: int, count: int) -> None:
    """Add states of `count` sentences to those of the first `count` of `widest`."""
    if count == widest:
        np.add(block, some, out=block)
        return
    part = block.reshape(2 * units, widest)[:, :count]
    np.add(part, some.reshape(2 * units, count), out=part)


def _head(logits: Floats, spec: TaggerSpec) -> Floats:
    if spec.scheme.kind == "binary":
        return np.asarray(0.5 * (1 + np.tanh(0.5 * logits)), dtype=np.float32)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float32)


def _factors(units: int) -> Floats:
    """(4 units,): what the gates o, i, f and c are multiplied with before one exponential serves them all."""
    factors: Floats = np.full(4 * units, -1, dtype=np.float32)
    factors[3 * units :] = -2
    return factors


def _slopes(units: int) -> Floats:
    """(4 units,): what remains to be multiplied to s (1 - s) for the slope of the gates o, i, f and c."""
    slopes: Floats = np.ones(4 * units, dtype=np.float32)
    slopes[3 * units :] = 4
    return slopes
