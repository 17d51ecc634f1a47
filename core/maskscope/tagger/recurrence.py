"""The recurrent half of a bidirectional LSTM, in lockstep over sentences of unlike length, without padding.

The equations are Keras 3's `LSTMCell` (tanh, sigmoid; gates i, f, c, o)::

    i, f, o = sigmoid(z_i), sigmoid(z_f), sigmoid(z_o)      z = x W + h U + b
    c = f c + i tanh(z_c)
    h = o tanh(c)

rearranged so that one `tanh` serves all gates: sigmoid(z) = (1 + tanh(z / 2)) / 2. The halves are folded into
the weights, which is exact (a power of two), and so `hidden` arrays hold 2 h; whoever reads them halves its own
kernel. Gates stand in the order i, f, o, c: what is done to the three sigmoids is one call.

Arrays are unit-major, slots last, so that each call runs over long contiguous rows. A slot is one step of one
sentence. Slots are ordered by step, and within a step by sentence, longest first: at any step the sentences
that still run are the first ones, and the state simply gets narrower.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from maskscope.types import Floats, Mask

Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class LayerWeights:
    """One bidirectional LSTM layer as Keras stores it; gates i, f, c, o; direction 0 forward, 1 backward.

    Attributes:
        kernel: (2, D, 4 units) float32.
        recurrent: (2, units, 4 units) float32.
        bias: (2, 4 units) float32.
    """

    kernel: Floats
    recurrent: Floats
    bias: Floats

    @property
    def units(self) -> int:
        """LSTM units in each direction."""
        return int(self.recurrent.shape[1])


@dataclass(frozen=True, slots=True, eq=False)
class PreparedLayer:
    """A layer's weights, rearranged for `run` and `run_masked`.

    Attributes:
        units: LSTM units in each direction.
        kernel: (D, 8 units) float32: forward gates i, f, o, c, then backward ones; input = embeddings, or 2 h.
        recurrent: (2, 4 units, units) float32, to be multiplied with 2 h.
        bias: (8 units,) float32.
    """

    units: int
    kernel: Floats
    recurrent: Floats
    bias: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Schedule:
    """The order in which the tokens of some sentences are stepped through, N slots in all.

    Attributes:
        tokens: (2, N) int64, the token that stands at each slot, forward and backward.
        mirror: (N,) int64: the slot of one direction at which the token of the other direction's slot stands.
        places: (N,) int64: the forward slot of each token, tokens in reading order.
        starts: first slot of each step, and N at the end.
    """

    tokens: Places
    mirror: Places
    places: Places
    starts: tuple[int, ...]


class Scratch:
    """Memory that is used again from group to group: fresh pages cost more than the work done in them."""

    def __init__(self) -> None:
        self._arrays: dict[str, Floats] = {}

    def array(self, name: str, *shape: int) -> Floats:
        """An array of that shape with anything in it, valid until the next call with the same name."""
        size = math.prod(shape)
        if name not in self._arrays or self._arrays[name].size < size:
            self._arrays[name] = np.empty(size + size // 8, dtype=np.float32)
        return self._arrays[name][:size].reshape(shape)


def prepare(weights: LayerWeights, *, first: bool) -> PreparedLayer:
    """Rearrange a layer's weights. `first`: its input is embeddings; else the `hidden` of the layer below."""
    units = weights.units
    order = np.r_[0 : 2 * units, 3 * units : 4 * units, 2 * units : 3 * units]
    scale = np.ones(4 * units, dtype=np.float32)
    scale[: 3 * units] = 0.5
    kernel = np.concatenate([k[:, order] * scale for k in weights.kernel], axis=1)
    recurrent = np.stack([(u[:, order] * (scale * np.float32(0.5))).T for u in weights.recurrent])
    bias = np.concatenate([b[order] * scale for b in weights.bias])
    return PreparedLayer(
        units,
        np.ascontiguousarray(kernel if first else kernel * np.float32(0.5), dtype=np.float32),
        np.ascontiguousarray(recurrent, dtype=np.float32),
        np.ascontiguousarray(bias, dtype=np.float32),
    )


def schedule(firsts: Places, lengths: Places) -> Schedule:
    """The schedule of B sentences, each `lengths[b]` tokens from token `firsts[b]` on; they may overlap.

    `places` is in the order of the sentences given. Sentences of length 0 have no slot.
    """
    order = np.argsort(-lengths, kind="stable")
    sorted_lengths = lengths[order]
    n_slots = int(sorted_lengths.sum())
    n_steps = int(sorted_lengths[0]) if len(sorted_lengths) else 0
    # how many sentences still run at each step: those longer than it
    running = np.searchsorted(-sorted_lengths, -np.arange(n_steps), side="left")
    starts = np.concatenate([[0], np.cumsum(running)]).astype(np.int64)
    rank = np.repeat(np.arange(len(order)), sorted_lengths)
    step = np.arange(n_slots) - np.repeat(np.cumsum(sorted_lengths) - sorted_lengths, sorted_lengths)
    slot = starts[step] + rank
    last = sorted_lengths[rank] - 1 - step
    tokens = np.empty((2, n_slots), dtype=np.int64)
    tokens[0, slot] = firsts[order][rank] + step
    tokens[1, slot] = firsts[order][rank] + last
    mirror = np.empty(n_slots, dtype=np.int64)
    mirror[slot] = starts[last] + rank
    rank_of = np.empty(len(order), dtype=np.int64)
    rank_of[order] = np.arange(len(order))
    in_order = np.arange(n_slots) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    places = starts[in_order] + np.repeat(rank_of, lengths)
    return Schedule(tokens, mirror, places, tuple(starts.tolist()))


def inputs_of(projected: Floats, plan: Schedule, layer: PreparedLayer, scratch: Scratch) -> Floats:
    """Put the input's part of the gates, without the bias, in slot order.

    Args:
        projected: (n, 8 units), input @ layer.kernel, tokens in rows, contiguous.
        plan: the schedule.
        layer: for its size.
        scratch: holds the result.

    Returns:
        (2, N, 4 units) float32.
    """
    width = 4 * layer.units
    inputs = scratch.array("inputs", 2, plan.tokens.shape[1], width)
    # one row for each token and direction, so that taking rows copies no slice first
    halves = projected.reshape(2 * len(projected), width)
    for direction in (0, 1):
        # "clip", since "raise" would go through a copy; the places are the schedule's own
        np.take(halves, 2 * plan.tokens[direction] + direction, axis=0, out=inputs[direction], mode="clip")
    return inputs


def inputs_above(hidden: Floats, plan: Schedule, layer: PreparedLayer, scratch: Scratch) -> Floats:
    """The input's part of the gates for a layer above another, without the bias: (2, N, 4 units) float32.

    `hidden` (2, units below, N) is what `run` returned for the layer below.
    """
    width = 4 * layer.units
    below, n_slots = hidden.shape[1:]
    inputs = scratch.array("inputs", 2, n_slots, width)
    # both directions' outputs for the token at each slot of one direction
    both = scratch.array("both", 2 * below, n_slots)
    for direction in (0, 1):
        own = slice(direction * below, (direction + 1) * below)
        far = slice((1 - direction) * below, (2 - direction) * below)
        both[own] = hidden[direction]
        for unit, row in enumerate(hidden[1 - direction], start=far.start):
            np.take(row, plan.mirror, out=both[unit], mode="clip")
        np.matmul(both.T, layer.kernel[:, direction * width : (direction + 1) * width], out=inputs[direction])
    return inputs


def run(inputs: Floats, plan: Schedule, layer: PreparedLayer, scratch: Scratch) -> Floats:
    """Step through a schedule, both directions at once. Returns hidden = 2 h, (2, units, N), in slot order,
    valid until `scratch` serves another run.

    `inputs` (2, N, 4 units) is the input's part of the gates, without the bias.
    """
    units = layer.units
    # below the units stands a row of ones, so that the bias comes with the recurrent product
    state_1 = scratch.array("hidden", 2, units + 1, inputs.shape[1])
    state_1[:, units] = 1.0
    hidden: Floats = state_1[:, :units]
    starts = plan.starts
    if len(starts) < 2:
        return hidden
    widest = starts[1]
    bias = layer.bias.reshape(2, 4 * units, 1)
    recurrent: Floats = np.concatenate([layer.recurrent, bias], axis=2)
    cell: Floats = np.zeros((2, units, widest), dtype=np.float32)
    sums: Floats = np.empty(2 * 4 * units * widest, dtype=np.float32)
    half = np.float32(0.5)
    one = np.float32(1.0)
    previous: Floats | None = None
    for begin, end in pairwise(starts):
        count = end - begin
        z = sums[: 2 * 4 * units * count].reshape(2, 4 * units, count)
        here = inputs[:, begin:end].transpose(0, 2, 1)
        if previous is None:
            np.add(here, bias, out=z)
        else:
            np.matmul(recurrent, previous[:, :, :count], out=z)
            np.add(z, here, out=z)
        np.tanh(z, out=z)
        sigmoids = z[:, : 3 * units]
        np.add(sigmoids, one, out=sigmoids)
        state = cell[:, :, :count]
        np.multiply(state, z[:, units : 2 * units], out=state)
        update = z[:, :units]
        np.multiply(update, z[:, 3 * units :], out=update)
        np.add(state, update, out=state)
        np.multiply(state, half, out=state)
        previous = state_1[:, :, begin:end]
        output = previous[:, :units]
        np.tanh(state, out=output)
        np.multiply(output, z[:, 2 * units : 3 * units], out=output)
    return hidden


def run_masked(gates: Floats, mask: Mask, layer: PreparedLayer) -> Floats:
    """Step one sequence through every position as Keras does, masked ones too, carrying the state over them.

    Args:
        gates: (2, 4 units, T) float32, the input's part with the bias, positions in reading order in both.
        mask: (T,) bool, True = real token.
        layer: the weights.

    Returns:
        hidden = 2 h, (2, units, T), positions in reading order; 0 at masked ones, as `Bidirectional` makes it.
    """
    units = layer.units
    n_positions = gates.shape[2]
    # step s stands at position s forward, and at the s-th from the end backward
    steps = np.ascontiguousarray(np.stack([gates[0].T, gates[1, :, ::-1].T], axis=1))[..., None]
    real = np.stack([mask, mask[::-1]], axis=1)[:, :, None, None]
    hidden: Floats = np.zeros((n_positions, 2, units, 1), dtype=np.float32)
    state: Floats = np.zeros((2, units, 1), dtype=np.float32)
    output: Floats = np.zeros((2, units, 1), dtype=np.float32)
    new: Floats = np.empty((2, units, 1), dtype=np.float32)
    z: Floats = np.empty((2, 4 * units, 1), dtype=np.float32)
    i, f, o, g = (z[:, gate * units : (gate + 1) * units] for gate in range(4))
    sigmoids = z[:, : 3 * units]
    half = np.float32(0.5)
    one = np.float32(1.0)
    for step in range(n_positions):
        np.matmul(layer.recurrent, output, out=z)
        np.add(z, steps[step], out=z)
        np.tanh(z, out=z)
        np.add(sigmoids, one, out=sigmoids)
        np.multiply(state, f, out=new)
        np.multiply(i, g, out=i)
        np.add(new, i, out=new)
        np.multiply(new, half, out=new)
        here = real[step]
        np.copyto(state, new, where=here)
        np.tanh(new, out=new)
        np.multiply(new, o, out=new)
        np.copyto(output, new, where=here)
        np.copyto(hidden[step], new, where=here)
    ordered: Floats = np.empty((2, units, n_positions), dtype=np.float32)
    ordered[0] = hidden[:, 0, :, 0].T
    ordered[1] = hidden[::-1, 1, :, 0].T
    return ordered
