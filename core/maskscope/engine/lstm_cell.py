"""One step of the LSTM cell: the only place where its equations are.

Scoring (`recurrence.run`), the padding probe (`recurrence.run_masked`) and training (`training.backprop`) call it. The
equations are those of Keras 3's `LSTMCell` with its default activations, gates in Keras' order::

    z = x kernel + hidden recurrent + bias        one part for each gate
    input_gate, forget_gate, output_gate = sigmoid(z_i), sigmoid(z_f), sigmoid(z_o)
    candidate = tanh(z_c)
    cell = forget_gate * cell + input_gate * candidate
    hidden = output_gate * tanh(cell)

One exponential serves all four gates, since sigmoid(z) = 1 / (1 + exp(-z)) and tanh(z) = 2 sigmoid(2 z) - 1. The
factors -1 and -2 are folded into the weights once (`scaled`); a factor of 2 rounds nothing. numpy's tanh would do
as well, and takes half the time of its exp on processors with AVX-512, but 1.7 times as long with AVX2 and 9 times
as long without. `step_with` takes other activations, and weights that are not scaled.
"""

import numpy as np

from maskscope.engine.activations import ActivationName, activate
from maskscope.types import Floats

INPUT_GATE, FORGET_GATE, CANDIDATE, OUTPUT_GATE = range(4)
"""Places of the gates in every array of four: the order in which Keras stores them."""
N_GATES = 4

_SCALES = np.array([-1, -1, -2, -1], dtype=np.float32)
_ONE = np.float32(1)
_TWO = np.float32(2)


def scaled(weights: Floats) -> Floats:
    """Weights (..., 4 units) of the gates' sums, multiplied as `step` needs the sums."""
    units = weights.shape[-1] // N_GATES
    return np.asarray(weights * np.repeat(_SCALES, units), dtype=np.float32)


def step(
    gates: Floats, cell_before: Floats, candidate: Floats, cell: Floats, tanh_cell: Floats, hidden: Floats
) -> None:
    """Take one step. All arguments but `cell_before` are overwritten.

    Args:
        gates: (4, ...) the sums z, as `scaled` weights give them; becomes sigmoid(z), for the candidate sigmoid(2 z).
        cell_before: (...) the cell state of the step before.
        candidate: (...) becomes the candidate; may be its part of `gates`.
        cell: (...) becomes the new cell state; may be `cell_before`.
        tanh_cell: (...) becomes tanh(cell); may be `hidden`.
        hidden: (...) becomes the output.
    """
    np.exp(gates, out=gates)
    np.add(gates, _ONE, out=gates)
    np.divide(_ONE, gates, out=gates)
    input_gate, forget_gate, candidate_sigmoid, output_gate = gates
    np.multiply(candidate_sigmoid, _TWO, out=candidate)
    np.subtract(candidate, _ONE, out=candidate)
    np.multiply(input_gate, candidate, out=hidden)
    np.multiply(forget_gate, cell_before, out=cell)
    np.add(cell, hidden, out=cell)
    np.tanh(cell, out=tanh_cell)
    np.multiply(output_gate, tanh_cell, out=hidden)


def step_with(
    gates: Floats, cell: Floats, hidden: Floats, activation: ActivationName, recurrent_activation: ActivationName
) -> None:
    """Take one step with other activations than tanh and sigmoid.

    Args:
        gates: (4, ...) the sums z, of weights that are not `scaled`; is overwritten.
        cell: (...) the cell state of the step before; becomes the new one.
        hidden: (...) becomes the output.
        activation: of the candidate and of the cell, by its name in Keras.
        recurrent_activation: of the gates.
    """
    candidate = activate(gates[CANDIDATE].copy(), activation)
    opened = activate(gates, recurrent_activation)
    cell *= opened[FORGET_GATE]
    cell += opened[INPUT_GATE] * candidate
    np.multiply(opened[OUTPUT_GATE], activate(cell.copy(), activation), out=hidden)
