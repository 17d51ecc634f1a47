"""The recurrent half of an LSTM, in one direction or both, in lockstep over sentences of unlike length, unpadded.

The equations are Keras 3's `LSTMCell` (tanh, sigmoid; gates i, f, c, o)::

    i, f, o = sigmoid(z_i), sigmoid(z_f), sigmoid(z_o)      z = x W + h U + b
    c = f c + i tanh(z_c)
    h = o tanh(c)

rearranged so that one `tanh` serves all gates: sigmoid(z) = (1 + tanh(z / 2)) / 2. The halves are folded into
the weights, which is exact (a power of two), and so `hidden` arrays hold 2 h; whoever reads them divides its own
kernel by `PreparedLayer.times`. Gates stand in the order i, f, o, c: what is done to the three sigmoids is one call.

Arrays are unit-major, slots last, so that each call runs over long contiguous rows. A slot is one step of one
sentence. Slots are ordered by step, and within a step by sentence, longest first: at any step the sentences
that still run are the first ones, and the state simply gets narrower.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, TypeAlias

import numpy as np

from maskscope.types import Floats, Indices, Mask

Merge: TypeAlias = Literal["concat", "sum", "mul", "ave"]
"""How a bidirectional layer puts the outputs of its directions together."""


@dataclass(frozen=True, slots=True, eq=False)
class LayerWeights:
    """One LSTM layer as Keras stores it; gates i, f, c, o; direction 0 forward, 1 backward when there are two.

    Attributes:
        kernel: (directions, D, 4 units) float32.
        recurrent: (directions, units, 4 units) float32.
        bias: (directions, 4 units) float32.
        merge: of a bidirectional layer; says nothing when there is one direction.
    """

    kernel: Floats
    recurrent: Floats
    bias: Floats
    merge: Merge = "concat"

    @property
    def directions(self) -> int:
        """1 for a plain LSTM, 2 for a bidirectional one."""
        return int(self.kernel.shape[0])

    @property
    def units(self) -> int:
        """LSTM units in each direction."""
        return int(self.recurrent.shape[1])

    @property
    def width(self) -> int:
        """Numbers that the layer gives for each position."""
        return 2 * self.units if self.directions == 2 and self.merge == "concat" else self.units


@dataclass(frozen=True, slots=True, eq=False)
class PreparedLayer:
    """A layer's weights, rearranged for `run` and `run_masked`.

    Attributes:
        units: LSTM units in each direction.
        kernel: (D, directions * 4 units) float32: forward gates i, f, o, c, then backward ones.
        recurrent: (directions, 4 units, units) float32, to be multiplied with 2 h.
        bias: (directions * 4 units,) float32.
        merge: how two directions are put together.
    """

    units: int
    kernel: Floats
    recurrent: Floats
    bias: Floats
    merge: Merge

    @property
    def directions(self) -> int:
        """1 for a plain LSTM, 2 for a bidirectional one."""
        return len(self.recurrent)

    @property
    def joins(self) -> bool:
        """Whether it gives the outputs of two directions end to end."""
        return self.directions == 2 and self.merge == "concat"

    @property
    def times(self) -> int:
        """`merged` features are this many times the layer's output."""
        return 4 if self.directions == 2 and self.merge in ("mul", "ave") else 2


@dataclass(frozen=True, slots=True, eq=False)
class Schedule:
    """The order in which the tokens of some sentences are stepped through, N slots in all.

    Attributes:
        tokens: (2, N) int64, the token that stands at each slot, forward and backward.
        mirror: (N,) int64: the slot of one direction at which the token of the other direction's slot stands.
        places: (N,) int64: the forward slot of each token, tokens in reading order.
        starts: first slot of each step, and N at the end.
    """

    tokens: Indices
    mirror: Indices
    places: Indices
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


def prepare(weights: LayerWeights, times: int = 1) -> PreparedLayer:
    """Rearrange a layer's weights. The input it gets is `times` what the layer below gives, a power of two."""
    units = weights.units
    order = np.r_[0 : 2 * units, 3 * units : 4 * units, 2 * units : 3 * units]
    scale = np.ones(4 * units, dtype=np.float32)
    scale[: 3 * units] = 0.5
    kernel = np.concatenate([k[:, order] * scale for k in weights.kernel], axis=1)
    recurrent = np.stack([(u[:, order] * (scale * np.float32(0.5))).T for u in weights.recurrent])
    bias = np.concatenate([b[order] * scale for b in weights.bias])
    return PreparedLayer(
        units,
        np.ascontiguousarray(kernel * np.float32(1 / times), dtype=np.float32),
        np.ascontiguousarray(recurrent, dtype=np.float32),
        np.ascontiguousarray(bias, dtype=np.float32),
        weights.merge,
    )


def schedule(firsts: Indices, lengths: Indices) -> Schedule:
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
        projected: (n, directions * 4 units), input @ layer.kernel, tokens in rows, contiguous.
        plan: the schedule.
        layer: for its size.
        scratch: holds the result.

    Returns:
        (directions, N, 4 units) float32.
    """
    width = 4 * layer.units
    n_directions = layer.directions
    inputs = scratch.array("inputs", n_directions, plan.tokens.shape[1], width)
    # one row for each token and direction, so that taking rows copies no slice first
    halves = projected.reshape(n_directions * len(projected), width)
    for direction in range(n_directions):
        rows = n_directions * plan.tokens[direction] + direction
        # "clip", since "raise" would go through a copy; the places are the schedule's own
        np.take(halves, rows, axis=0, out=inputs[direction], mode="clip")
    return inputs


def merged(hidden: Floats, mirror: Indices | None, layer: PreparedLayer) -> Floats:
    """What a layer gives upward, `layer.times` over: features (W, N), at the slots of the forward direction.

    Args:
        hidden: (directions, units, N), what `run` or `run_masked` returned for the layer.
        mirror: of the schedule; None when both directions stand in the same order.
        layer: says how its directions are put together.
    """
    near: Floats = hidden[0]
    if layer.directions == 1:
        return near
    far: Floats = hidden[1]
    if mirror is not None:
        far = np.empty(hidden.shape[1:], dtype=np.float32)
        for row, out in zip(hidden[1], far, strict=True):
            np.take(row, mirror, out=out, mode="clip")
    if layer.merge == "concat":
        return np.concatenate([near, far])
    together: Floats = near * far if layer.merge == "mul" else near + far
    return together


def inputs_over(features: Floats, plan: Schedule, layer: PreparedLayer, scratch: Scratch) -> Floats:
    """The input's part of the gates for a layer over `features` (W, N), which stand at forward slots, without the
    bias: (directions, N, 4 units) float32.
    """
    width = 4 * layer.units
    inputs = scratch.array("inputs", layer.directions, features.shape[1], width)
    np.matmul(features.T, layer.kernel[:, :width], out=inputs[0])
    if layer.directions == 2:
        backward = features.T @ layer.kernel[:, width:]
        np.take(backward, plan.mirror, axis=0, out=inputs[1], mode="clip")
    return inputs


def run(inputs: Floats, plan: Schedule, layer: PreparedLayer, scratch: Scratch) -> Floats:
    """Step through a schedule, both directions at once. Returns hidden = 2 h, (directions, units, N), in slot order,
    valid until `scratch` serves another run.

    `inputs` (directions, N, 4 units) is the input's part of the gates, without the bias.
    """
    units, n_directions = layer.units, layer.directions
    # below the units stands a row of ones, so that the bias comes with the recurrent product
    state_1 = scratch.array("hidden", n_directions, units + 1, inputs.shape[1])
    state_1[:, units] = 1.0
    hidden: Floats = state_1[:, :units]
    starts = plan.starts
    if len(starts) < 2:
        return hidden
    widest = starts[1]
    bias = layer.bias.reshape(n_directions, 4 * units, 1)
    recurrent: Floats = np.concatenate([layer.recurrent, bias], axis=2)
    cell: Floats = np.zeros((n_directions, units, widest), dtype=np.float32)
    sums: Floats = np.empty(n_directions * 4 * units * widest, dtype=np.float32)
    half = np.float32(0.5)
    one = np.float32(1.0)
    previous: Floats | None = None
    for begin, end in pairwise(starts):
        count = end - begin
        z = sums[: n_directions * 4 * units * count].reshape(n_directions, 4 * units, count)
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
        gates: (directions, 4 units, T) float32, the input's part with the bias, positions in reading order in both.
        mask: (T,) bool, True = real token.
        layer: the weights.

    Returns:
        hidden = 2 h, (directions, units, T), positions in reading order; at masked ones 0 as `Bidirectional` makes
        it, and the last output again from a plain LSTM.
    """
    units, n_directions = layer.units, layer.directions
    n_positions = gates.shape[2]
    # step s stands at position s forward, and at the s-th from the end backward
    steps = np.ascontiguousarray(np.stack([gates[0].T, gates[-1, :, ::-1].T][:n_directions], axis=1))[..., None]
    real = np.stack([mask, mask[::-1]][:n_directions], axis=1)[:, :, None, None]
    hidden: Floats = np.zeros((n_positions, n_directions, units, 1), dtype=np.float32)
    state: Floats = np.zeros((n_directions, units, 1), dtype=np.float32)
    output: Floats = np.zeros((n_directions, units, 1), dtype=np.float32)
    new: Floats = np.empty((n_directions, units, 1), dtype=np.float32)
    z: Floats = np.empty((n_directions, 4 * units, 1), dtype=np.float32)
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
        if n_directions == 1:
            hidden[step] = output
        else:
            np.copyto(hidden[step], new, where=here)
    ordered: Floats = np.empty((n_directions, units, n_positions), dtype=np.float32)
    ordered[0] = hidden[:, 0, :, 0].T
    if n_directions == 2:
        ordered[1] = hidden[::-1, 1, :, 0].T
    return ordered
