"""LSTM layers, in one direction or both, in lockstep over sentences of unlike length, without padding.

Arrays are unit-major, slots last, so that each call runs over long contiguous rows. A slot is one step of one
sentence. Slots are ordered by step, and within a step by sentence, longest first: at any step the sentences
that still run are the first ones, and the state simply gets narrower.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, TypeAlias

import numpy as np

from maskscope.engine import lstm_cell
from maskscope.types import Floats, Indices, Mask

Merge: TypeAlias = Literal["concat", "sum", "mul", "ave"]
"""Keras' `merge_mode`: how a bidirectional layer combines the outputs of its directions."""


@dataclass(frozen=True, slots=True, eq=False)
class LstmWeights:
    """One LSTM layer as Keras stores it; gates i, f, c, o; direction 0 forward, 1 backward when there are two.

    Attributes:
        kernel: (directions, D, 4 units) float32.
        recurrent: (directions, units, 4 units) float32.
        bias: (directions, 4 units) float32.
        merge: of a bidirectional layer; without meaning when there is one direction.
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
        """Outputs of the layer at each position."""
        return 2 * self.units if self.directions == 2 and self.merge == "concat" else self.units


@dataclass(frozen=True, slots=True, eq=False)
class PreparedLstm:
    """The weights of an LSTM layer, arranged for `run` and `run_masked` and scaled for `lstm_cell.step`.

    Attributes:
        units: LSTM units in each direction.
        kernel: (D, directions * 4 units) float32: the forward gates, then the backward ones.
        recurrent: (directions, 4 units, units) float32.
        bias: (directions, 4 units) float32.
        merge: how two directions are combined.
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
    def concatenates(self) -> bool:
        """Whether the outputs of two directions are joined end to end."""
        return self.directions == 2 and self.merge == "concat"


@dataclass(frozen=True, slots=True, eq=False)
class Schedule:
    """The order in which the tokens of some sentences are stepped through, N slots in all.

    Attributes:
        tokens: (2, N) int64, the token at each slot, forward and backward.
        mirror: (N,) int64, the slot at which the other direction reads the token of this slot.
        places: (N,) int64, the forward slot of each token, tokens in reading order.
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
        """An uninitialized array of that shape, valid until the next call with the same name."""
        size = math.prod(shape)
        if name not in self._arrays or self._arrays[name].size < size:
            self._arrays[name] = np.empty(size + size // 8, dtype=np.float32)
        return self._arrays[name][:size].reshape(shape)


def prepare(weights: LstmWeights) -> PreparedLstm:
    """Arrange the weights of a layer for `run` and `run_masked`."""
    return PreparedLstm(
        weights.units,
        np.concatenate(lstm_cell.scaled(weights.kernel), axis=1),
        np.ascontiguousarray(lstm_cell.scaled(weights.recurrent).swapaxes(1, 2)),
        lstm_cell.scaled(weights.bias),
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


def inputs_of(projected: Floats, plan: Schedule, layer: PreparedLstm, scratch: Scratch) -> Floats:
    """Put the input's part of the gates, without the bias, in slot order.

    Args:
        projected: (n, directions * 4 units), input @ layer.kernel, tokens in rows, contiguous.
        plan: the schedule.
        layer: gives the sizes.
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
        # "clip", since "raise" would go through a copy; the indices are the schedule's own
        np.take(halves, rows, axis=0, out=inputs[direction], mode="clip")
    return inputs


def merged(hidden: Floats, mirror: Indices | None, layer: PreparedLstm) -> Floats:
    """The outputs of a layer, features (W, N), at the slots of the forward direction.

    Args:
        hidden: (directions, units, N), from `run` or `run_masked`.
        mirror: of the schedule; None when both directions are in the same order.
        layer: says how its directions are combined.
    """
    forward: Floats = hidden[0]
    if layer.directions == 1:
        return forward
    backward: Floats = hidden[1]
    if mirror is not None:
        backward = np.empty(hidden.shape[1:], dtype=np.float32)
        for row, out in zip(hidden[1], backward, strict=True):
            np.take(row, mirror, out=out, mode="clip")
    if layer.merge == "concat":
        return np.concatenate([forward, backward])
    if layer.merge == "mul":
        return forward * backward
    total: Floats = forward + backward
    return total if layer.merge == "sum" else total * np.float32(0.5)


def inputs_over(features: Floats, plan: Schedule, layer: PreparedLstm, scratch: Scratch) -> Floats:
    """The input's part of the gates of a layer over `features` (W, N), which are at forward slots.

    Returns (directions, N, 4 units) float32, without the bias.
    """
    width = 4 * layer.units
    inputs = scratch.array("inputs", layer.directions, features.shape[1], width)
    np.matmul(features.T, layer.kernel[:, :width], out=inputs[0])
    if layer.directions == 2:
        backward = features.T @ layer.kernel[:, width:]
        np.take(backward, plan.mirror, axis=0, out=inputs[1], mode="clip")
    return inputs


def run(inputs: Floats, plan: Schedule, layer: PreparedLstm, scratch: Scratch) -> Floats:
    """Step through a schedule, both directions at once.

    Args:
        inputs: (directions, N, 4 units), the input's part of the gates, without the bias.
        plan: the schedule.
        layer: the weights.
        scratch: holds the result.

    Returns:
        hidden (directions, units, N) float32 in slot order, valid until `scratch` serves another run.
    """
    units, n_directions = layer.units, layer.directions
    # below the units is a row of ones, so that the bias comes with the recurrent product
    hidden_and_one = scratch.array("hidden", n_directions, units + 1, inputs.shape[1])
    hidden_and_one[:, units] = 1.0
    hidden: Floats = hidden_and_one[:, :units]
    starts = plan.starts
    if len(starts) < 2:
        return hidden
    widest = starts[1]
    bias = layer.bias[:, :, None]
    recurrent: Floats = np.concatenate([layer.recurrent, bias], axis=2)
    cells: Floats = np.zeros((n_directions, units, widest), dtype=np.float32)
    sums: Floats = np.empty(n_directions * 4 * units * widest, dtype=np.float32)
    before: Floats | None = None
    for begin, end in pairwise(starts):
        count = end - begin
        z = sums[: n_directions * 4 * units * count].reshape(n_directions, 4 * units, count)
        here = inputs[:, begin:end].transpose(0, 2, 1)
        if before is None:
            np.add(here, bias, out=z)
        else:
            np.matmul(recurrent, before[:, :, :count], out=z)
            np.add(z, here, out=z)
        gates = z.reshape(n_directions, 4, units, count).swapaxes(0, 1)
        cell = cells[:, :, :count]
        output = hidden[:, :, begin:end]
        lstm_cell.step(gates, cell, gates[lstm_cell.CANDIDATE], cell, output, output)
        before = hidden_and_one[:, :, begin:end]
    return hidden


def run_masked(gates: Floats, mask: Mask, layer: PreparedLstm) -> Floats:
    """Step one sequence through every position as Keras does, masked ones too, carrying the state over them.

    Args:
        gates: (directions, 4 units, T) float32, the input's part with the bias, positions in reading order in both.
        mask: (T,) bool, True = real token.
        layer: the weights.

    Returns:
        hidden (directions, units, T), positions in reading order; at masked ones 0 as in `Bidirectional`, and the
        last output again from a plain LSTM.
    """
    units, n_directions = layer.units, layer.directions
    n_positions = gates.shape[2]
    # step s is at position s forward, and at the s-th from the end backward
    steps = np.ascontiguousarray(np.stack([gates[0].T, gates[-1, :, ::-1].T][:n_directions], axis=1))[..., None]
    real = np.stack([mask, mask[::-1]][:n_directions], axis=1)[:, :, None, None]
    hidden: Floats = np.zeros((n_positions, n_directions, units, 1), dtype=np.float32)
    cell, output, new_cell, new_output = (np.zeros((n_directions, units, 1), dtype=np.float32) for _ in range(4))
    z: Floats = np.empty((n_directions, 4 * units, 1), dtype=np.float32)
    by_gate = z.reshape(n_directions, 4, units, 1).swapaxes(0, 1)
    candidate = by_gate[lstm_cell.CANDIDATE]
    for step in range(n_positions):
        np.matmul(layer.recurrent, output, out=z)
        np.add(z, steps[step], out=z)
        lstm_cell.step(by_gate, cell, candidate, new_cell, new_output, new_output)
        np.copyto(cell, new_cell, where=real[step])
        np.copyto(output, new_output, where=real[step])
        if n_directions == 1:
            hidden[step] = output
        else:
            np.copyto(hidden[step], new_output, where=real[step])
    ordered: Floats = np.empty((n_directions, units, n_positions), dtype=np.float32)
    ordered[0] = hidden[:, 0, :, 0].T
    if n_directions == 2:
        ordered[1] = hidden[::-1, 1, :, 0].T
    return ordered
