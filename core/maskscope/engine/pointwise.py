"""Layers that look at one position at a time: Dense and LayerNormalization, as Keras 3 computes them in float32.

Features are unit-major, (W, N) with N positions in any order, as in `recurrence.py`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np

from maskscope.types import Floats

ActivationName: TypeAlias = Literal[
    "linear", "relu", "tanh", "sigmoid", "gelu", "elu", "selu", "silu", "softplus", "leaky_relu"
]
Product: TypeAlias = Callable[[Floats, Floats], Floats]
"""Multiplies two matrices."""

ACTIVATION_NAMES: tuple[ActivationName, ...] = get_args(ActivationName)

# keras.activations: selu's constants, leaky_relu's default slope
_SELU_SCALE = 1.05070098
_SELU_ALPHA = 1.67326324
_LEAKY_SLOPE = 0.2
# erf(x) = x p(x^2) / q(x^2) on [-4, 4], within 7e-8; coefficients of Eigen's float erf, which TensorFlow computes
# with (Eigen, generic_fast_erf_float), highest power first
_ERF_P = (
    -2.72614225801306e-10,
    2.77068142495902e-08,
    -2.10102402082508e-06,
    -5.69250639462346e-05,
    -7.34990630326855e-04,
    -2.95459980854025e-03,
    -1.60960333262415e-02,
)
_ERF_Q = (
    -1.45660718464996e-05,
    -2.13374055278905e-04,
    -1.68282697438203e-03,
    -7.37332916720468e-03,
    -1.42647390514189e-02,
)


@dataclass(frozen=True, slots=True, eq=False)
class DenseWeights:
    """A Dense layer below the last one.

    Attributes:
        kernel: (W, units) float32.
        bias: (units,) float32.
        activation: what is done to its sums.
    """

    kernel: Floats
    bias: Floats
    activation: ActivationName


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


class Pointwise:
    """A layer ready to use on features (W, N); makes new features (units, N) and leaves the given ones alone.

    Args:
        weights: of the layer.
        times: the features it gets are `times` what the layer below gives, a power of two.
    """

    def __init__(self, weights: DenseWeights | NormWeights, times: int = 1) -> None:
        self._weights = weights
        self._kernel: Floats | None = None
        self._epsilon = np.float32(0.0)
        if isinstance(weights, DenseWeights):
            self._kernel = np.ascontiguousarray(weights.kernel.T * np.float32(1 / times))
        else:
            # normalizing c x with c^2 epsilon is normalizing x with epsilon
            self._epsilon = np.float32(weights.epsilon * times * times)

    @property
    def units(self) -> int:
        """Numbers that it gives for each position."""
        if isinstance(self._weights, DenseWeights):
            return len(self._weights.bias)
        return len(self._weights.gamma)

    def __call__(self, features: Floats, product: Product = np.matmul) -> Floats:
        """Features (units, N) of features (W, N); `product` multiplies matrices."""
        weights = self._weights
        if self._kernel is not None and isinstance(weights, DenseWeights):
            sums = product(self._kernel, features)
            sums += weights.bias[:, None]
            return _ACTIVATIONS[weights.activation](sums)
        assert isinstance(weights, NormWeights)
        share: Floats = np.full(len(features), 1 / len(features), dtype=np.float32)
        apart = features - share @ features
        scale = share @ (apart * apart)
        scale += self._epsilon
        np.sqrt(scale, out=scale)
        apart /= scale
        apart *= weights.gamma[:, None]
        apart += weights.beta[:, None]
        return apart


def sigmoid(x: Floats) -> Floats:
    """1 / (1 + exp(-x)), in place; overflows to infinity for x < -88, and the result is then 0, as it should be."""
    np.negative(x, out=x)
    np.exp(x, out=x)
    x += np.float32(1.0)
    return np.divide(np.float32(1.0), x, out=x)


def _gelu(x: Floats) -> Floats:
    near = np.clip(x.astype(np.float64) * math.sqrt(0.5), -4.0, 4.0)
    square = near * near
    erf = near * np.polyval(_ERF_P, square) / np.polyval(_ERF_Q, square)
    return np.asarray(0.5 * x * (1.0 + erf), dtype=np.float32)


def _elu(x: Floats) -> Floats:
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def _selu(x: Floats) -> Floats:
    falling = np.float32(_SELU_ALPHA) * np.expm1(np.minimum(x, 0))
    return np.float32(_SELU_SCALE) * np.where(x > 0, x, falling)


_ACTIVATIONS: dict[ActivationName, Callable[[Floats], Floats]] = {
    "linear": lambda x: x,
    "relu": lambda x: np.maximum(x, np.float32(0.0), out=x),
    "tanh": lambda x: np.tanh(x, out=x),
    "sigmoid": sigmoid,
    "gelu": _gelu,
    "elu": _elu,
    "selu": _selu,
    "silu": lambda x: x * sigmoid(x.copy()),
    "softplus": lambda x: np.logaddexp(np.float32(0.0), x),
    "leaky_relu": lambda x: np.maximum(x, np.float32(_LEAKY_SLOPE) * x),
}
