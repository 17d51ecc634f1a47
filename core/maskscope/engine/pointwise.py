"""Layers that compute each position by itself: Dense, LayerNormalization and the output layer, as in Keras 3.

All is float32. Features are unit-major, (W, N) with N positions in any order, as in `recurrence.py`.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np

from maskscope.types import Floats

ActivationName: TypeAlias = Literal[
    "linear", "relu", "tanh", "sigmoid", "gelu", "elu", "selu", "silu", "softplus", "leaky_relu"
]
HeadActivation: TypeAlias = Literal["sigmoid", "softmax"]
"""Activation of the last Dense layer."""
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
        activation: by its name in Keras.
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
    """A layer ready to use on features (W, N); returns new features (units, N) and does not change its input."""

    def __init__(self, weights: DenseWeights | NormWeights) -> None:
        self._weights = weights
        self._kernel = np.ascontiguousarray(weights.kernel.T) if isinstance(weights, DenseWeights) else None

    @property
    def units(self) -> int:
        """Outputs at each position."""
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
        # products with 1 / W give the mean and the variance of each position
        share: Floats = np.full(len(features), 1 / len(features), dtype=np.float32)
        centered = features - share @ features
        scale = share @ (centered * centered)
        scale += np.float32(weights.epsilon)
        np.sqrt(scale, out=scale)
        centered /= scale
        centered *= weights.gamma[:, None]
        centered += weights.beta[:, None]
        return centered


def apply_all(layers: Iterable[Pointwise], features: Floats, product: Product = np.matmul) -> Floats:
    """Features (units, N) of features (W, N) after some layers, lowest first; `product` multiplies matrices."""
    for layer in layers:
        features = layer(features, product)
    return features


def output_probabilities(logits: Floats, activation: HeadActivation, class_axis: int) -> Floats:
    """Probabilities of logits, in place: the activation of the output layer; a softmax is over `class_axis`."""
    with np.errstate(over="ignore", invalid="ignore"):
        if activation == "sigmoid":
            return sigmoid(logits)
        logits -= logits.max(axis=class_axis, keepdims=True, initial=-np.inf)
        np.exp(logits, out=logits)
        logits /= logits.sum(axis=class_axis, keepdims=True)
        return logits


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
