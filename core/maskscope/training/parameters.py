"""The weights of the classic stack as training changes them: one vector, and views of it.

Gates stand in the order o, i, f, c, see `backprop`; Keras has them in the order i, f, c, o.
"""

import math
from dataclasses import dataclass

import numpy as np

from maskscope.training.spec import TaggerSpec
from maskscope.types import Floats, Indices

_FROM_KERAS = (3, 0, 1, 2)
"""Keras's gates i, f, c, o in the order o, i, f, c."""


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


class Parameters:
    """All weights of a stack in one float32 vector, and views of it by layer; gradients have the same shape.

    Args:
        spec: gives the sizes.
        flat: (n_parameters,) float32 to look into; None makes zeros.
    """

    def __init__(self, spec: TaggerSpec, flat: Floats | None = None) -> None:
        self.spec = spec
        outputs = spec.scheme.n_outputs
        units = spec.units
        shapes: list[tuple[int, ...]] = []
        for layer in range(spec.layers):
            wide = 2 * units if layer else spec.dim
            shapes += [(wide, 8 * units), (2, 4 * units, units), (8 * units,)]
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
        """Weights as Keras begins with: Glorot uniform kernels, orthogonal recurrent ones, forget biases of 1."""
        made = cls(spec)
        for layer in made.layers:
            units = layer.units
            limit = math.sqrt(6 / (len(layer.kernel) + 4 * units))
            layer.kernel[:] = rng.uniform(-limit, limit, layer.kernel.shape)
            for direction in (0, 1):
                # a (units, 4 units) matrix with orthonormal rows
                q, r = np.linalg.qr(rng.normal(size=(4 * units, units)))
                layer.recurrent[direction] = q * np.sign(np.diagonal(r))
                layer.bias[4 * units * direction + 2 * units : 4 * units * direction + 3 * units] = 1.0
        limit = math.sqrt(6 / sum(made.dense.shape))
        made.dense[:] = rng.uniform(-limit, limit, made.dense.shape)
        return made

    def to_keras(self) -> list[Floats]:
        """The arrays for `set_weights` of the model that `keras_model.build` makes of the same spec."""
        arrays: list[Floats] = []
        for layer in self.layers:
            width = 4 * layer.units
            back = np.argsort(_order(layer.units))
            for direction in (0, 1):
                part = slice(direction * width, (direction + 1) * width)
                arrays += [
                    np.ascontiguousarray(layer.kernel[:, part][:, back]),
                    np.ascontiguousarray(layer.recurrent[direction].T[:, back]),
                    layer.bias[part][back],
                ]
        return [*arrays, self.dense.copy(), self.dense_bias.copy()]


def _order(units: int) -> Indices:
    return np.concatenate([np.arange(gate * units, (gate + 1) * units) for gate in _FROM_KERAS])
