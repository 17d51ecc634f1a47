"""The product of hidden states with the recurrent kernel in training, forward and backward, with recurrent dropout."""

import numpy as np

from maskscope.engine import lstm_cell
from maskscope.training.parameters import LayerParameters
from maskscope.types import Floats

_BLOCK_DIAGONAL_UNITS = 24


class RecurrentProduct:
    """The product with one layer's recurrent kernel; states and gates are in the layout of `StepBlocks`.

    Args:
        layer: the weights.
        dropped: (2, 4, units, B) as in `Dropouts`, or None.
        n_sentences: B.
    """

    def __init__(self, layer: LayerParameters, dropped: Floats | None, n_sentences: int) -> None:
        units = layer.units
        self._dropped = None if dropped is None else np.ascontiguousarray(dropped.transpose(1, 2, 0, 3))
        self._dropped_now: Floats = np.empty(0, dtype=np.float32)
        self._units = units
        # one product for the four gates' states after dropout: with few units, its zeros cost less than more calls
        self._diagonal = dropped is not None and units <= _BLOCK_DIAGONAL_UNITS
        self._weights = self._arranged(np.swapaxes(lstm_cell.scaled(np.swapaxes(layer.recurrent, 1, 2)), 1, 2))
        self._transposed: Floats = np.ascontiguousarray(np.swapaxes(self._arranged(layer.recurrent), -1, -2))
        # used again at each step: fresh memory costs more than what is done in it
        self._wide: Floats = np.empty(8 * units * n_sentences, dtype=np.float32)
        self._product: Floats = np.empty(8 * units * n_sentences, dtype=np.float32)
        self._state: Floats = np.empty(2 * units * n_sentences, dtype=np.float32)

    def _arranged(self, weights: Floats) -> Floats:
        """(2, rows, columns) for one product a direction, or (2, 4, units, units) for one a gate."""
        units = self._units
        if self._dropped is None:
            return np.ascontiguousarray(weights)
        by_gate = np.ascontiguousarray(weights).reshape(2, 4, units, units)
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

    def _dropped_of(self, count: int) -> Floats:
        """The dropout of the first `count` sentences (4, 2 units count), made once for the steps that share it."""
        assert self._dropped is not None
        if self._dropped_now.size != 8 * self._units * count:
            self._dropped_now = np.ascontiguousarray(self._dropped[..., :count]).reshape(4, -1)
        return self._dropped_now

    def forward(self, output: Floats, count: int) -> Floats:
        """The outputs of the step before (2 units count) -> their part of the scaled gates (8 units count).

        The result is valid until the next call.
        """
        size = 8 * self._units * count
        product = self._product[:size]
        state = output
        if self._dropped is not None:
            state = self._wide[:size]
            np.multiply(output, self._dropped_of(count), out=state.reshape(4, -1))
        np.matmul(self._weights, self._by_direction(state, count), out=self._by_direction(product, count))
        return product

    def backward(self, d_gates: Floats, count: int) -> Floats:
        """Gradients of the gates' sums (8 units count) -> of the outputs of the step before (2 units count).

        The result is valid until the next call.
        """
        size = 8 * self._units * count
        state = self._state[: size // 4]
        if self._dropped is None:
            np.matmul(self._transposed, self._by_direction(d_gates, count), out=self._by_direction(state, count))
            return state
        product = self._product[:size]
        np.matmul(self._transposed, self._by_direction(d_gates, count), out=self._by_direction(product, count))
        by_gate = product.reshape(4, -1)
        np.multiply(by_gate, self._dropped_of(count), out=by_gate)
        np.add.reduce(by_gate, axis=0, out=state)
        return state
