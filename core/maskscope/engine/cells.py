"""Recurrent cells that step through a schedule: the product of the state, then the cell's own equations.

Arrays are (directions, features, sentences that still run), see `recurrence.py`.
"""

from typing import TYPE_CHECKING, Protocol

import numpy as np

from maskscope.engine import gru_cell, lstm_cell, simple_rnn_cell
from maskscope.engine.activations import ActivationName
from maskscope.types import Floats

if TYPE_CHECKING:
    from maskscope.engine.recurrence import PreparedRecurrent


class Cell(Protocol):
    """A cell with its state, for one run through a schedule."""

    @property
    def state(self) -> Floats | None:
        """What the cell keeps beside its outputs, (directions, units, widest); None for nothing."""

    def step(self, inputs: Floats, before: Floats | None, output: Floats) -> None:
        """Take one step.

        Args:
            inputs: (directions, gates * units, count) the input's part of the sums, without the bias.
            before: (directions, units + 1, count) the outputs of the step before, below them a row of ones, so that
                the bias comes with the recurrent product; None at the first step.
            output: (directions, units, count) is written.
        """


def cell_of(layer: "PreparedRecurrent", widest: int) -> Cell:
    """A layer's cell in its first state, for at most `widest` sentences at once."""
    if layer.cell == "lstm":
        return _LstmCell(layer, widest) if layer.is_standard_lstm else _OtherLstmCell(layer, widest)
    return _GruCell(layer, widest) if layer.cell == "gru" else _SimpleRnnCell(layer, widest)


class _Sums:
    """Memory for the sums of a step, and the product that fills it."""

    def __init__(self, recurrent: Floats, bias: Floats, widest: int) -> None:
        self._recurrent: Floats = np.concatenate([recurrent, bias[:, :, None]], axis=2)
        self._bias = bias[:, :, None]
        self._memory: Floats = np.empty(bias.size * widest, dtype=np.float32)
        self._now: Floats = self._memory.reshape(*bias.shape, widest)

    def product(self, before: Floats | None, count: int) -> Floats:
        """Recurrent product and bias, (directions, rows, count)."""
        sums = self.array(count)
        if before is None:
            np.copyto(sums, self._bias)
        else:
            np.matmul(self._recurrent, before, out=sums)
        return sums

    def with_inputs(self, inputs: Floats, before: Floats | None) -> Floats:
        """Recurrent product, bias and `inputs`, (directions, rows, count)."""
        sums = self.array(inputs.shape[2])
        if before is None:
            np.add(inputs, self._bias, out=sums)
        else:
            np.matmul(self._recurrent, before, out=sums)
            np.add(sums, inputs, out=sums)
        return sums

    def array(self, count: int) -> Floats:
        """Memory for the sums of `count` sentences, (directions, rows, count)."""
        # most steps are as wide as the one before
        if count != self._now.shape[2]:
            n_directions, rows, _ = self._bias.shape
            self._now = self._memory[: n_directions * rows * count].reshape(n_directions, rows, count)
        return self._now


class _LstmCell:
    def __init__(self, layer: "PreparedRecurrent", widest: int) -> None:
        self.state: Floats = np.zeros((layer.directions, layer.units, widest), dtype=np.float32)
        self._sums = _Sums(layer.recurrent, layer.bias, widest)
        self._take(widest)

    def _take(self, count: int) -> None:
        """Take the part of the memory that `count` sentences need."""
        self._count = count
        self._cell = self.state[:, :, :count]
        n_directions, units, _ = self._cell.shape
        sums = self._sums.array(count)
        self._gates = sums.reshape(n_directions, lstm_cell.N_GATES, units, count).swapaxes(0, 1)
        self._candidate = self._gates[lstm_cell.CANDIDATE]

    def sum_gates(self, inputs: Floats, before: Floats | None) -> None:
        if inputs.shape[2] != self._count:
            self._take(inputs.shape[2])
        self._sums.with_inputs(inputs, before)

    def step(self, inputs: Floats, before: Floats | None, output: Floats) -> None:
        self.sum_gates(inputs, before)
        lstm_cell.step(self._gates, self._cell, self._candidate, self._cell, output, output)


class _OtherLstmCell(_LstmCell):
    """An LSTM with other activations than tanh and sigmoid."""

    def __init__(self, layer: "PreparedRecurrent", widest: int) -> None:
        super().__init__(layer, widest)
        self._activations = layer.activation, layer.recurrent_activation

    def step(self, inputs: Floats, before: Floats | None, output: Floats) -> None:
        self.sum_gates(inputs, before)
        lstm_cell.step_with(self._gates, self._cell, output, *self._activations)


class _GruCell:
    state = None

    def __init__(self, layer: "PreparedRecurrent", widest: int) -> None:
        units = layer.units
        self._units = units
        self._activation, self._recurrent_activation = layer.activation, layer.recurrent_activation
        self._input_bias = layer.input_bias[:, :, None]
        self._before: Floats = np.zeros((layer.directions, units, widest), dtype=np.float32)
        self._apart: Floats | None = None
        recurrent, bias = layer.recurrent, layer.bias
        if not layer.reset_after:
            # the candidate's product is of what the reset gate lets through
            self._apart = np.ascontiguousarray(recurrent[:, gru_cell.CANDIDATE * units :])
            recurrent, bias = recurrent[:, : gru_cell.CANDIDATE * units], bias[:, : gru_cell.CANDIDATE * units]
        self._sums = _Sums(recurrent, bias, widest)

    def step(self, inputs: Floats, before: Floats | None, output: Floats) -> None:
        units, count = self._units, inputs.shape[2]
        candidates = slice(gru_cell.CANDIDATE * units, None)
        sums = self._sums.product(before, count)
        gate_sums = sums[:, : gru_cell.CANDIDATE * units]
        np.add(gate_sums, inputs[:, : gru_cell.CANDIDATE * units], out=gate_sums)
        by_gate = gate_sums.reshape(-1, gru_cell.CANDIDATE, units, count).swapaxes(0, 1)
        update, reset = gru_cell.update_and_reset(by_gate, self._recurrent_activation)
        hidden = self._before[:, :, :count] if before is None else before[:, :units]
        candidate = reset * hidden if self._apart is not None else reset * sums[:, candidates]
        if self._apart is not None:
            candidate = self._apart @ candidate
        candidate += inputs[:, candidates]
        candidate += self._input_bias
        gru_cell.output(update, candidate, hidden, self._activation, output)


class _SimpleRnnCell:
    state = None

    def __init__(self, layer: "PreparedRecurrent", widest: int) -> None:
        self._activation: ActivationName = layer.activation
        self._sums = _Sums(layer.recurrent, layer.bias, widest)

    def step(self, inputs: Floats, before: Floats | None, output: Floats) -> None:
        simple_rnn_cell.step(self._sums.with_inputs(inputs, before), self._activation, output)
