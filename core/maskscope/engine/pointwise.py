"""Layers that compute each position by itself, as in Keras 3: Dense, normalizations, activations, merging of branches.

All is float32. Features are unit-major, (W, N) with N positions in any order, as in `recurrence.py`. Each layer has the
same two methods: `units` gives its outputs at each position, or says with a ValueError why its weights don't fit;
`apply` computes new features and leaves its inputs as they are.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Literal, TypeAlias, get_args

import numpy as np

from maskscope.engine.activations import ACTIVATION_NAMES, ActivationName, activate
from maskscope.types import Floats, Mask

Product: TypeAlias = Callable[[Floats, Floats], Floats]
"""Multiplies two matrices."""
MergeMode: TypeAlias = Literal["add", "subtract", "multiply", "average", "maximum", "minimum", "concatenate"]
"""How Keras' layer of that name combines branches."""


def check_array(array: np.ndarray, *shape: int) -> None:
    """Raise ValueError unless `array` is float32, finite and of that shape, none of it 0."""
    if array.shape != shape or array.dtype != np.float32 or 0 in shape or not np.isfinite(array).all():
        raise ValueError(f"expected {shape} float32, finite; received {array.shape} {array.dtype}")


def one_width(widths: tuple[int, ...]) -> int:
    """The width of a layer's only input; raises ValueError where it has more inputs, or none."""
    if len(widths) != 1:
        raise ValueError(f"expected one input; received {len(widths)}")
    return widths[0]


def _check_activation(name: str) -> None:
    if name not in ACTIVATION_NAMES:
        raise ValueError(f"expected {' or '.join(ACTIVATION_NAMES)}; received {name}")


@dataclass(frozen=True, slots=True, eq=False)
class DenseWeights:
    """A Dense layer.

    Attributes:
        kernel: (W, units) float32.
        bias: (units,) float32.
        activation: by its name in Keras.
    """

    kernel: Floats
    bias: Floats
    activation: ActivationName

    def units(self, *widths: int) -> int:
        """Outputs at each position, for an input of `widths`. Raises ValueError for weights that don't fit."""
        _check_activation(self.activation)
        units = len(self.bias) if self.bias.ndim == 1 else 0
        check_array(self.kernel, one_width(widths), units)
        check_array(self.bias, units)
        return units

    def apply(self, *inputs: Floats, product: Product = np.matmul) -> Floats:
        """Features (units, N) of features (W, N); `product` multiplies matrices."""
        return self.activated(product(self.kernel.T, inputs[0]))

    def activated(self, sums: Floats) -> Floats:
        """Features of the sums (units, N) without the bias, which are overwritten."""
        sums += self.bias[:, None]
        return activate(sums, self.activation)


@dataclass(frozen=True, slots=True, eq=False)
class NormWeights:
    """A LayerNormalization over the last axis.

    Attributes:
        gamma: (W,) float32; ones when it does not scale.
        beta: (W,) float32; zeros when it does not shift.
        epsilon: added to the variance.
    """

    gamma: Floats
    beta: Floats
    epsilon: float

    def units(self, *widths: int) -> int:
        """Outputs at each position, for an input of `widths`. Raises ValueError for weights that don't fit."""
        if not (np.isfinite(self.epsilon) and self.epsilon >= 0):
            raise ValueError(f"expected an epsilon of 0 or more; received {self.epsilon}")
        check_array(self.gamma, one_width(widths))
        check_array(self.beta, one_width(widths))
        return widths[0]

    def apply(self, *inputs: Floats, product: Product = np.matmul) -> Floats:
        """New features (W, N)."""
        features = inputs[0]
        # products with 1 / W give the mean and the variance of each position
        share: Floats = np.full(len(features), 1 / len(features), dtype=np.float32)
        centered = features - share @ features
        scale = share @ (centered * centered)
        scale += np.float32(self.epsilon)
        np.sqrt(scale, out=scale)
        centered /= scale
        centered *= self.gamma[:, None]
        centered += self.beta[:, None]
        return centered


@dataclass(frozen=True, slots=True, eq=False)
class AffineWeights:
    """x * scale + shift: a BatchNormalization at inference, or a Rescaling.

    Attributes:
        scale: (W,) float32.
        shift: (W,) float32.
    """

    scale: Floats
    shift: Floats

    def units(self, *widths: int) -> int:
        """Outputs at each position, for an input of `widths`. Raises ValueError for weights that don't fit."""
        check_array(self.scale, one_width(widths))
        check_array(self.shift, one_width(widths))
        return widths[0]

    def apply(self, *inputs: Floats, product: Product = np.matmul) -> Floats:
        """New features (W, N)."""
        features = inputs[0] * self.scale[:, None]
        features += self.shift[:, None]
        return features


@dataclass(frozen=True, slots=True, eq=False)
class ActivationWeights:
    """An Activation or Softmax layer, which has no weights.

    Attributes:
        activation: by its name in Keras.
    """

    activation: ActivationName

    def units(self, *widths: int) -> int:
        """Outputs at each position, for an input of `widths`. Raises ValueError for an unknown activation."""
        _check_activation(self.activation)
        return one_width(widths)

    def apply(self, *inputs: Floats, product: Product = np.matmul) -> Floats:
        """New features (W, N)."""
        return activate(inputs[0].copy(), self.activation)


@dataclass(frozen=True, slots=True, eq=False)
class RectifierWeights:
    """min(x, maximum) for x >= 0, slope * x below 0: a ReLU, LeakyReLU or PReLU layer.

    Attributes:
        slope: (W,) float32.
        maximum: infinity for none.
    """

    slope: Floats
    maximum: float = float("inf")

    def units(self, *widths: int) -> int:
        """Outputs at each position, for an input of `widths`. Raises ValueError for weights that don't fit."""
        if not self.maximum >= 0:
            raise ValueError(f"expected a maximum of 0 or more; received {self.maximum}")
        check_array(self.slope, one_width(widths))
        return widths[0]

    def apply(self, *inputs: Floats, product: Product = np.matmul) -> Floats:
        """New features (W, N)."""
        features = inputs[0]
        return np.where(features < 0, self.slope[:, None] * features, np.minimum(features, np.float32(self.maximum)))


@dataclass(frozen=True, slots=True, eq=False)
class MergeWeights:
    """A layer that combines branches, which has no weights.

    Attributes:
        mode: how.
    """

    mode: MergeMode

    def units(self, *widths: int) -> int:
        """Outputs at each position, for inputs of `widths`. Raises ValueError for inputs that don't fit."""
        if self.mode not in get_args(MergeMode):
            raise ValueError(f"expected {' or '.join(get_args(MergeMode))}; received {self.mode}")
        if self.mode == "concatenate" and widths:
            return sum(widths)
        if not widths or len(set(widths)) != 1 or (self.mode == "subtract" and len(widths) != 2):
            raise ValueError(f"expected inputs of one width; received widths {widths}")
        return widths[0]

    def apply(self, *inputs: Floats, product: Product = np.matmul) -> Floats:
        """New features (W, N); for "concatenate" the sum of all widths."""
        if self.mode == "concatenate":
            return np.concatenate(inputs)
        first, rest = inputs[0].copy(), inputs[1:]
        if self.mode == "average":
            return reduce(np.add, rest, first) / np.float32(len(inputs))
        how = {
            "add": np.add,
            "subtract": np.subtract,
            "multiply": np.multiply,
            "maximum": np.maximum,
            "minimum": np.minimum,
        }
        return reduce(how[self.mode], rest, first)

    def apply_masked(self, masked: Mask, *inputs: Floats) -> Floats:
        """New features as `apply`, with what Keras gives at masked positions, (N,) bool, True = masked.

        At these, Multiply gives 0, and Maximum and Minimum give their first input.
        """
        features = self.apply(*inputs)
        if self.mode == "multiply":
            features[:, masked] = 0
        elif self.mode in ("maximum", "minimum"):
            features[:, masked] = inputs[0][:, masked]
        return features


@dataclass(frozen=True, slots=True, eq=False)
class ColumnsWeights:
    """Chooses outputs by their numbers; it stands for no layer of Keras.

    Attributes:
        columns: for each output the number of the input that it is; -1 for zeros.
    """

    columns: tuple[int, ...]

    def units(self, *widths: int) -> int:
        """Outputs at each position, for an input of `widths`. Raises ValueError for columns that there are not."""
        most = one_width(widths)
        wrong = [column for column in self.columns if not -1 <= column < most]
        if wrong or not self.columns:
            raise ValueError(f"expected columns from 0 to {most - 1}, or -1; received {wrong or 'none'}")
        return len(self.columns)

    def apply(self, *inputs: Floats, product: Product = np.matmul) -> Floats:
        """New features (columns, N)."""
        features = inputs[0][list(self.columns)]
        features[np.array(self.columns) < 0] = 0
        return features


PointwiseWeights: TypeAlias = (
    DenseWeights | NormWeights | AffineWeights | ActivationWeights | RectifierWeights | MergeWeights | ColumnsWeights
)
