"""Recurrent layers, in one direction or both, in lockstep over sentences of unlike length, without padding.

Arrays are unit-major, slots last, so that each call runs over long contiguous rows. A slot is one step of one
sentence. Slots are ordered by step, and within a step by sentence, longest first: at any step the sentences
that still run are the first ones, and the state simply gets narrower.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, TypeAlias, get_args

import numpy as np

from maskscope.engine import gru_cell, lstm_cell, simple_rnn_cell
from maskscope.engine.activations import ACTIVATION_NAMES, OVER_FEATURES, ActivationName
from maskscope.engine.cells import cell_of
from maskscope.engine.pointwise import check_array, one_width
from maskscope.types import Floats, Indices, Mask

Merge: TypeAlias = Literal["concat", "sum", "mul", "ave"]
"""Keras' `merge_mode`: how a bidirectional layer combines the outputs of its directions."""
CellKind: TypeAlias = Literal["lstm", "gru", "simple_rnn"]
Reading: TypeAlias = Literal["forward", "backward", "reversed"]
"""How a layer of one direction reads: from the first token on; from the last one on; or from the last one on with its
outputs left in that order, as `go_backwards` alone does it: its output at position 0 is that of the last token."""

N_GATES: dict[CellKind, int] = {
    "lstm": lstm_cell.N_GATES,
    "gru": gru_cell.N_GATES,
    "simple_rnn": simple_rnn_cell.N_GATES,
}


@dataclass(frozen=True, slots=True, eq=False)
class RecurrentWeights:
    """One recurrent layer as Keras stores it, its gates in Keras' order.

    Attributes:
        kernel: (directions, D, gates * units) float32; direction 0 forward, 1 backward when there are two.
        recurrent: (directions, units, gates * units) float32.
        bias: (directions, gates * units) float32; (directions, 6 units) for a GRU with `reset_after`, whose bias of the
            input is followed by that of the recurrent product.
        merge: of a bidirectional layer; without meaning when there is one direction.
        cell: gives the number of gates: "lstm" 4, "gru" 3, "simple_rnn" 1.
        activation, recurrent_activation: by their names in Keras; a SimpleRNN has no second one.
        reset_after: of a GRU.
        reading: of a layer of one direction.
        zero_output_for_mask: of a layer of one direction; `Bidirectional` always has it.
    """

    kernel: Floats
    recurrent: Floats
    bias: Floats
    merge: Merge = "concat"
    cell: CellKind = "lstm"
    activation: ActivationName = "tanh"
    recurrent_activation: ActivationName = "sigmoid"
    reset_after: bool = False
    reading: Reading = "forward"
    zero_output_for_mask: bool = False

    @property
    def directions(self) -> int:
        """1 for a plain layer, 2 for a bidirectional one."""
        return int(self.kernel.shape[0])

    @property
    def n_units(self) -> int:
        """Units in each direction."""
        return int(self.recurrent.shape[1])

    @property
    def is_standard_lstm(self) -> bool:
        """Whether the layer is an LSTM with its default activations."""
        return (self.cell, self.activation, self.recurrent_activation) == ("lstm", "tanh", "sigmoid")

    @property
    def zeroes_masked(self) -> bool:
        """Whether the output at a masked position is zeros; else it is the last one again."""
        return self.directions == 2 or self.zero_output_for_mask

    def units(self, *widths: int) -> int:
        """Outputs at each position, for an input of `widths`. Raises ValueError for weights that don't fit."""
        directions = self.kernel.shape[0] if self.kernel.ndim == 3 else 0
        if directions not in (1, 2) or self.merge not in get_args(Merge):
            raise ValueError(f"expected one direction, or two that are merged; received {directions}, {self.merge}")
        if self.cell not in N_GATES or self.reading not in get_args(Reading):
            raise ValueError(f"expected a known cell and reading; received {self.cell}, {self.reading}")
        for name in (self.activation, self.recurrent_activation):
            if name not in ACTIVATION_NAMES or name in OVER_FEATURES:
                raise ValueError(f"expected an activation of a cell; received {name}")
        units = self.recurrent.shape[1] if self.recurrent.ndim == 3 else 0
        width = N_GATES[self.cell] * units
        check_array(self.kernel, directions, one_width(widths), width)
        check_array(self.recurrent, directions, units, width)
        check_array(self.bias, directions, width * (2 if self.reset_after else 1))
        return 2 * units if directions == 2 and self.merge == "concat" else units


@dataclass(frozen=True, slots=True, eq=False)
class PreparedRecurrent:
    """The weights of a recurrent layer, arranged for `run` and `run_masked`; those of an LSTM scaled for its step.

    Attributes:
        cell, merge, activation, recurrent_activation, is_standard_lstm, reset_after, reading, zeroes_masked: as of
            `RecurrentWeights`. A standard LSTM has a step of its own.
        units: units in each direction.
        kernel: (D, directions * gates * units) float32: the forward gates, then the backward ones.
        recurrent: (directions, gates * units, units) float32.
        bias: (directions, gates * units) float32, added to the recurrent product.
        input_bias: (directions, units) float32, added to the input's part of a GRU's candidate; zeros else.
    """

    cell: CellKind
    merge: Merge
    activation: ActivationName
    recurrent_activation: ActivationName
    is_standard_lstm: bool
    reset_after: bool
    reading: Reading
    zeroes_masked: bool
    units: int
    kernel: Floats
    recurrent: Floats
    bias: Floats
    input_bias: Floats

    @property
    def directions(self) -> int:
        """1 for a plain layer, 2 for a bidirectional one."""
        return len(self.recurrent)

    @property
    def orders(self) -> tuple[int, ...]:
        """In which order of a schedule each direction reads: 0 forward, 1 backward."""
        if self.directions == 2:
            return 0, 1
        return (0,) if self.reading == "forward" else (1,)

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


def prepare(weights: RecurrentWeights) -> PreparedRecurrent:
    """Arrange the weights of a layer for `run` and `run_masked`."""
    kernel, recurrent, bias = weights.kernel, weights.recurrent, weights.bias
    input_bias: Floats = np.zeros((weights.directions, weights.n_units), dtype=np.float32)
    if weights.is_standard_lstm:
        kernel, recurrent, bias = (lstm_cell.scaled(array) for array in (kernel, recurrent, bias))
    elif weights.cell == "gru":
        candidates = slice(gru_cell.CANDIDATE * weights.n_units, None)
        if weights.reset_after:
            of_input, of_recurrent = np.split(bias, 2, axis=1)
            # the candidate's two biases are apart, since the reset gate is between them
            input_bias = np.ascontiguousarray(of_input[:, candidates])
            bias = of_input + of_recurrent
            bias[:, candidates] = of_recurrent[:, candidates]
        else:
            input_bias = np.ascontiguousarray(bias[:, candidates])
    return PreparedRecurrent(
        cell=weights.cell,
        merge=weights.merge,
        activation=weights.activation,
        recurrent_activation=weights.recurrent_activation,
        is_standard_lstm=weights.is_standard_lstm,
        reset_after=weights.reset_after,
        reading=weights.reading,
        zeroes_masked=weights.zeroes_masked,
        units=weights.n_units,
        kernel=np.concatenate(kernel, axis=1),
        recurrent=np.ascontiguousarray(recurrent.swapaxes(1, 2)),
        bias=bias,
        input_bias=input_bias,
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


def inputs_of(projected: Floats, plan: Schedule, layer: PreparedRecurrent, scratch: Scratch) -> Floats:
    """Put the input's part of the gates, without the bias, in slot order.

    Args:
        projected: (n, directions * gates * units), input @ layer.kernel, tokens in rows.
        plan: the schedule.
        layer: gives the sizes.
        scratch: holds the result.

    Returns:
        (directions, N, gates * units) float32.
    """
    n_directions = layer.directions
    width = projected.shape[1] // n_directions
    inputs = scratch.array("inputs", n_directions, plan.tokens.shape[1], width)
    # one row for each token and direction, so that taking rows copies no slice first
    halves = np.ascontiguousarray(projected).reshape(n_directions * len(projected), width)
    for direction, order in enumerate(layer.orders):
        rows = n_directions * plan.tokens[order] + direction
        # "clip", since "raise" would go through a copy; the indices are the schedule's own
        np.take(halves, rows, axis=0, out=inputs[direction], mode="clip")
    return inputs


def inputs_over(features: Floats, plan: Schedule, layer: PreparedRecurrent, scratch: Scratch) -> Floats:
    """The input's part of the gates of a layer over `features` (W, N), which are at forward slots.

    Returns (directions, N, gates * units) float32, without the bias.
    """
    width = layer.kernel.shape[1] // layer.directions
    inputs = scratch.array("inputs", layer.directions, features.shape[1], width)
    for direction, order in enumerate(layer.orders):
        kernel = layer.kernel[:, direction * width : (direction + 1) * width]
        if order == 0:
            np.matmul(features.T, kernel, out=inputs[direction])
        else:
            np.take(features.T @ kernel, plan.mirror, axis=0, out=inputs[direction], mode="clip")
    return inputs


def merged(hidden: Floats, plan: Schedule, layer: PreparedRecurrent) -> Floats:
    """The outputs of a layer, features (W, N), at the slots of the forward direction.

    Args:
        hidden: (directions, units, N), from `run` or `run_masked`.
        plan: the schedule.
        layer: says how its directions are combined.
    """
    if layer.directions == 1:
        # the slots of the backward order, taken as forward ones, are the reversed outputs
        only: Floats = hidden[0]
        return turned(only, plan) if layer.reading == "backward" else only
    forward: Floats = hidden[0]
    backward = turned(hidden[1], plan)
    if layer.merge == "concat":
        return np.concatenate([forward, backward])
    if layer.merge == "mul":
        return forward * backward
    total: Floats = forward + backward
    return total if layer.merge == "sum" else total * np.float32(0.5)


def turned(features: Floats, plan: Schedule) -> Floats:
    """Features (W, N) at the slots of the other direction, a copy."""
    other: Floats = np.empty(features.shape, dtype=np.float32)
    for row, out in zip(features, other, strict=True):
        np.take(row, plan.mirror, out=out, mode="clip")
    return other


def run(inputs: Floats, plan: Schedule, layer: PreparedRecurrent, scratch: Scratch, name: str = "hidden") -> Floats:
    """Step through a schedule, both directions at once.

    Args:
        inputs: (directions, N, gates * units), the input's part of the gates, without the bias.
        plan: the schedule.
        layer: the weights.
        scratch: holds the result.
        name: of the result in `scratch`.

    Returns:
        hidden (directions, units, N) float32 in slot order, valid until `scratch` serves another run of that name.
    """
    hidden_and_one, hidden = _outputs(inputs, layer, scratch, name)
    starts = plan.starts
    if len(starts) < 2:
        return hidden
    cell = cell_of(layer, starts[1])
    before: Floats | None = None
    for begin, end in pairwise(starts):
        here = inputs[:, begin:end].transpose(0, 2, 1)
        cell.step(here, None if before is None else before[:, :, : end - begin], hidden[:, :, begin:end])
        before = hidden_and_one[:, :, begin:end]
    return hidden


def run_masked(
    inputs: Floats, plan: Schedule, real: Mask, layer: PreparedRecurrent, scratch: Scratch, name: str = "hidden"
) -> Floats:
    """Step through a schedule as Keras does it, masked positions too, carrying the state over them.

    Args:
        inputs: (directions, N, gates * units), the input's part of the gates, without the bias.
        plan: the schedule.
        real: (n,) bool, True = real token, for the tokens of the schedule.
        layer: the weights.
        scratch: holds the result.
        name: of the result in `scratch`.

    Returns:
        hidden (directions, units, N) as `run`; at masked positions 0 where the layer zeroes them, else its last output
        again.
    """
    hidden_and_one, hidden = _outputs(inputs, layer, scratch, name)
    starts = plan.starts
    if len(starts) < 2:
        return hidden
    cell = cell_of(layer, starts[1])
    before: Floats = np.zeros((layer.directions, layer.units + 1, starts[1]), dtype=np.float32)
    before[:, -1] = 1.0
    masked = ~np.stack([real[plan.tokens[order]] for order in layer.orders])[:, None]
    some_masked = np.logical_or.reduceat(masked.any(axis=(0, 1)), starts[:-1]).tolist()
    by_gate = inputs.transpose(0, 2, 1)
    # numpy is slower with an output that is scattered as a part of `hidden` is: for one sentence, that is what counts
    output: Floats = np.empty((0, 0, 0), dtype=np.float32)
    for (begin, end), carries_over in zip(pairwise(starts), some_masked, strict=True):
        if output.shape[2] != end - begin:
            output = np.empty((layer.directions, layer.units, end - begin), dtype=np.float32)
            before = before[:, :, : end - begin]
            state = None if cell.state is None else cell.state[:, :, : end - begin]
        kept = state.copy() if carries_over and state is not None else None
        cell.step(by_gate[:, :, begin:end], before, output)
        if carries_over:
            skipped = masked[:, :, begin:end]
            np.copyto(output, before[:, : layer.units], where=skipped)
            if state is not None and kept is not None:
                np.copyto(state, kept, where=skipped)
        hidden[:, :, begin:end] = output
        before = hidden_and_one[:, :, begin:end]
    if layer.zeroes_masked:
        np.copyto(hidden, np.float32(0), where=masked)
    return hidden


def _outputs(inputs: Floats, layer: PreparedRecurrent, scratch: Scratch, name: str) -> tuple[Floats, Floats]:
    """Memory for the outputs with a row of ones below them, and the outputs in it."""
    hidden_and_one = scratch.array(name, layer.directions, layer.units + 1, inputs.shape[1])
    hidden_and_one[:, layer.units] = 1.0
    return hidden_and_one, hidden_and_one[:, : layer.units]
