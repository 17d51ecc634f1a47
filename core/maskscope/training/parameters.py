"""The weights of the tagger as training changes them: one vector, and views of it.

Gates are in Keras' order i, f, c, o, as in `lstm_cell`.
"""

import math
from dataclasses import dataclass

import numpy as np

from maskscope.engine.lstm_cell import FORGET_GATE
from maskscope.engine.recurrence import RecurrentWeights
from maskscope.engine.weights import TaggerWeights
from maskscope.training.spec import TaggerSpec
from maskscope.types import Floats


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

    def to_weights(self) -> RecurrentWeights:
        """A copy as Keras stores the arrays."""
        width = 4 * self.units
        return RecurrentWeights(
            np.ascontiguousarray(self.kernel.reshape(-1, 2, width).swapaxes(0, 1)),
            np.ascontiguousarray(self.recurrent.swapaxes(1, 2)),
            self.bias.reshape(2, width).copy(),
        )


class Parameters:
    """All weights of a tagger in one float32 vector, and views of it by layer; gradients have the same shape.

    Args:
        spec: gives the sizes.
        flat: (n_parameters,) float32 that the views are of; None makes zeros.
    """

    def __init__(self, spec: TaggerSpec, flat: Floats | None = None) -> None:
        self.spec = spec
        outputs = spec.scheme.n_outputs
        units = spec.units
        shapes: list[tuple[int, ...]] = []
        for layer in range(spec.layers):
            width = 2 * units if layer else spec.dim
            shapes += [(width, 8 * units), (2, 4 * units, units), (8 * units,)]
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
        """Random weights as Keras draws them: Glorot uniform kernels, orthogonal recurrent ones, forget biases of 1."""
        made = cls(spec)
        for layer in made.layers:
            units = layer.units
            limit = math.sqrt(6 / (len(layer.kernel) + 4 * units))
            layer.kernel[:] = rng.uniform(-limit, limit, layer.kernel.shape)
            for direction in (0, 1):
                # a (units, 4 units) matrix with orthonormal rows
                q, r = np.linalg.qr(rng.normal(size=(4 * units, units)))
                layer.recurrent[direction] = q * np.sign(np.diagonal(r))
            layer.bias.reshape(2, 4, units)[:, FORGET_GATE] = 1.0
        limit = math.sqrt(6 / sum(made.dense.shape))
        made.dense[:] = rng.uniform(-limit, limit, made.dense.shape)
        return made

    def to_weights(self) -> TaggerWeights:
        """A copy for the built-in engine."""
        layers = tuple(layer.to_weights() for layer in self.layers)
        return TaggerWeights.stack(
            self.spec.mask_value, layers, self.dense.copy(), self.dense_bias.copy(), self.spec.head
        )

    def to_keras(self) -> list[Floats]:
        """The arrays for `set_weights` of the model that `keras_model.build` makes of the same spec."""
        arrays: list[Floats] = []
        for layer in self.layers:
            weights = layer.to_weights()
            for direction in (0, 1):
                arrays += [weights.kernel[direction], weights.recurrent[direction], weights.bias[direction]]
        return [*arrays, self.dense.copy(), self.dense_bias.copy()]
