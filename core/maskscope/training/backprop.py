"""Loss and gradients of the tagger that is trained, over real tokens only: no padding anywhere, no TensorFlow.

One matrix product gives all tokens' input to both directions, and one more the gradient of that kernel; only the small
recurrent step (`lstm_cell.step`) goes from token to token, in lockstep over sentences of unlike length, forward and
backward. The backward direction of a layer reads each sentence from its own end. Backpropagation through time follows
from the cell's equations by the chain rule (Werbos 1990).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from maskscope.engine import lstm_cell
from maskscope.engine.activations import output_probabilities
from maskscope.training.dropouts import Dropouts
from maskscope.training.parameters import LayerParameters, Parameters
from maskscope.training.recurrent_product import RecurrentProduct
from maskscope.training.step_blocks import StepBlocks, add_to_first_sentences, first_sentences
from maskscope.types import Floats, Indices


@dataclass(frozen=True, slots=True, eq=False)
class _Tape:
    """What the backward pass through one layer needs of its forward pass. All but `inputs` and `outputs` are in blocks.

    Attributes:
        inputs: (n, D), tokens in reading order.
        outputs: (n, 2 units), tokens in reading order, before any dropout.
        sigmoids: (8 units n), of the sums of all four gates; for the candidate sigmoid(2 z).
        factors: (8 units n), what the slope of each gate is multiplied with on its way to the loss: the candidate for
            the input gate, the cell before for the forget gate, 4 times the input gate for the candidate (as
            tanh'(z) = 4 s (1 - s) with s = sigmoid(2 z)), and tanh(cell) for the output gate.
        tanh_outputs: (2 units n), tanh(cell) times the output.
        recurrent: the recurrent product.
    """

    inputs: Floats
    outputs: Floats
    sigmoids: Floats
    factors: Floats
    tanh_outputs: Floats
    recurrent: RecurrentProduct


class Batch:
    """Some sentences, run forward; `gradients` runs them backward.

    Args:
        parameters: the weights.
        x_nd: (n, D) float32, real tokens only, sentences one after another.
        lengths: (B,) tokens of each, none of them 0.
        dropouts: what is dropped.

    Attributes:
        logits: (n, C) float32.
    """

    def __init__(self, parameters: Parameters, x_nd: Floats, lengths: Indices, dropouts: Dropouts) -> None:
        self._parameters = parameters
        self._dropouts = dropouts
        self._lengths = lengths
        self._blocks = StepBlocks(lengths, parameters.spec.units)
        self._tapes: list[_Tape] = []
        features = x_nd
        for layer, recurrent, outputs in zip(parameters.layers, dropouts.recurrent, dropouts.outputs, strict=True):
            features = self._forward(layer, features, recurrent)
            if outputs is not None:
                features = features * outputs
        self._features = features
        self.logits: Floats = features @ parameters.dense + parameters.dense_bias

    def loss(self, labels: npt.NDArray[np.integer], weights: Floats) -> float:
        """Cross-entropy in nats, summed over tokens by weight: labels (n,) class ids, weights (n,)."""
        if self._parameters.spec.head == "sigmoid":
            # log(1 + exp(-|z|)) + max(z, 0) - z y
            z = self.logits[:, 0].astype(np.float64)
            per_token = np.log1p(np.exp(-np.abs(z))) + np.maximum(z, 0) - z * labels
        else:
            z = self.logits.astype(np.float64)
            z -= z.max(axis=1, keepdims=True)
            per_token = np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(z)), labels]
        return float(per_token @ weights)

    def gradients(self, labels: npt.NDArray[np.integer], weights: Floats, into: Parameters | None = None) -> Parameters:
        """Gradients of sum(weights * loss) / sum(weights) in every parameter; all 0 when no weight is above 0.

        Args:
            labels: (n,) class ids.
            weights: (n,) float32.
            into: parameters of the same spec, to be overwritten with the gradients; None allocates them.
        """
        parameters = self._parameters
        into = Parameters(parameters.spec) if into is None else into
        total = float(weights.sum())
        if total <= 0:
            into.flat[:] = 0
            return into
        d_logits = output_probabilities(self.logits.copy(), parameters.spec.head, class_axis=1)
        if parameters.spec.head == "sigmoid":
            d_logits[:, 0] -= labels
        else:
            d_logits[np.arange(len(d_logits)), labels] -= 1
        d_logits *= (weights / total)[:, None].astype(np.float32)
        np.matmul(self._features.T, d_logits, out=into.dense)
        into.dense_bias[:] = d_logits.sum(axis=0)
        d_outputs = d_logits @ parameters.dense.T
        for place in reversed(range(len(parameters.layers))):
            dropped = self._dropouts.outputs[place]
            if dropped is not None:
                d_outputs *= dropped
            d_projected = self._backward(place, d_outputs, into.layers[place])
            if place:
                d_outputs = d_projected @ parameters.layers[place].kernel.T
        return into

    def _forward(self, layer: LayerParameters, features: Floats, dropped: Floats | None) -> Floats:
        """Inputs (n, D) of a layer -> its outputs (n, 2 units), both with tokens in reading order."""
        units, blocks = layer.units, self._blocks
        projected = features @ layer.kernel
        projected += layer.bias
        sigmoids = blocks.flat_gates(lstm_cell.scaled(projected.reshape(-1, 2, 4 * units)))
        factors = np.empty_like(sigmoids)
        cells, hidden, tanh_outputs = (np.empty(len(sigmoids) // 4, dtype=np.float32) for _ in range(3))
        recurrent = RecurrentProduct(layer, dropped, len(self._lengths))
        four = np.float32(4)
        start_before, widest = 0, 0
        with np.errstate(over="ignore"):
            for count, start in blocks.steps:
                end = start + 2 * units * count
                gates = sigmoids[4 * start : 4 * end]
                candidate, cell_before, input_times_four, tanh_cell = factors[4 * start : 4 * end].reshape(4, -1)
                if start:
                    before = first_sentences(hidden[start_before:start], units, widest, count)
                    np.add(gates, recurrent.forward(before, count), out=gates)
                    cell_before[:] = first_sentences(cells[start_before:start], units, widest, count)
                else:
                    cell_before[:] = 0
                by_gate = gates.reshape(4, -1)
                cell, output = cells[start:end], hidden[start:end]
                lstm_cell.step(by_gate, cell_before, candidate, cell, tanh_cell, output)
                np.multiply(by_gate[lstm_cell.INPUT_GATE], four, out=input_times_four)
                np.multiply(output, tanh_cell, out=tanh_outputs[start:end])
                start_before, widest = start, count
        outputs = blocks.rows(hidden)
        self._tapes.append(_Tape(features, outputs, sigmoids, factors, tanh_outputs, recurrent))
        return outputs

    def _backward(self, place: int, d_outputs: Floats, into: LayerParameters) -> Floats:
        """Gradient (n, 2 units) of a layer's outputs -> of its gates' sums (n, 8 units), tokens in reading order.

        The gradients of the layer's weights are written to `into`.
        """
        tape, blocks = self._tapes[place], self._blocks
        units, recurrent = into.units, tape.recurrent
        # s (1 - s) is the slope of a sigmoid
        d_gates = 1 - tape.sigmoids
        d_gates *= tape.sigmoids
        d_gates *= tape.factors
        d_hidden = blocks.flat(d_outputs)
        d_cells = np.empty_like(d_hidden)
        d_hidden_before = d_cell_before = d_hidden[:0]
        later = 0
        for count, start in reversed(blocks.steps):
            end = start + 2 * units * count
            _, forget_gate, _, output_gate = tape.sigmoids[4 * start : 4 * end].reshape(4, -1)
            d_here, d_cell, d_step = d_hidden[start:end], d_cells[start:end], d_gates[4 * start : 4 * end]
            d_by_gate = d_step.reshape(4, -1)
            if later:
                add_to_first_sentences(d_here, d_hidden_before, units, count, later)
            # o (1 - tanh(c)²) is o - tanh(c) · output
            np.subtract(output_gate, tape.tanh_outputs[start:end], out=d_cell)
            np.multiply(d_cell, d_here, out=d_cell)
            if later:
                add_to_first_sentences(d_cell, d_cell_before, units, count, later)
            # input gate, forget gate and candidate reach the loss through the cell
            d_through_cell, d_output_gate = d_by_gate[: lstm_cell.OUTPUT_GATE], d_by_gate[lstm_cell.OUTPUT_GATE]
            np.multiply(d_through_cell, d_cell, out=d_through_cell)
            np.multiply(d_output_gate, d_here, out=d_output_gate)
            if start:
                d_cell_before = d_cell * forget_gate
                d_hidden_before = recurrent.backward(d_step, count)
                later = count
        d_projected = blocks.gate_rows(d_gates)
        self._recurrent_gradient(tape.outputs, d_projected, self._dropouts.recurrent[place], into)
        np.matmul(tape.inputs.T, d_projected, out=into.kernel)
        into.bias[:] = d_projected.sum(axis=0)
        return d_projected

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
        kept = np.take(dropped, self._blocks.ranks, axis=3)
        kept *= states
        np.matmul(gates, kept.transpose(0, 1, 3, 2), out=into.recurrent.reshape(2, 4, units, units))
