"""The activations of Keras 3 that the engine computes, in float32."""

import math
from collections.abc import Callable
from typing import Literal, TypeAlias, get_args

import numpy as np

from maskscope.types import Floats

ActivationName: TypeAlias = Literal[
    "linear",
    "relu",
    "relu6",
    "leaky_relu",
    "elu",
    "selu",
    "celu",
    "gelu",
    "silu",
    "mish",
    "softplus",
    "softsign",
    "tanh",
    "sigmoid",
    "log_sigmoid",
    "hard_sigmoid",
    "hard_silu",
    "exponential",
    "softmax",
    "log_softmax",
]
"""By its name in Keras."""
HeadActivation: TypeAlias = Literal["sigmoid", "softmax"]
"""Activation of the last Dense layer of a tagger that Maskscope trains."""

ACTIVATION_NAMES: tuple[ActivationName, ...] = get_args(ActivationName)
OVER_FEATURES: frozenset[str] = frozenset({"softmax", "log_softmax"})
"""Activations that take all features of a position together; a recurrent layer can't have them."""

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


def activate(x: Floats, name: ActivationName) -> Floats:
    """The activation of x, which may be overwritten; a softmax is over the first axis, that of the features."""
    return _ACTIVATIONS[name](x)


def output_probabilities(logits: Floats, activation: HeadActivation, class_axis: int) -> Floats:
    """Probabilities of logits, in place: the activation of the output layer; a softmax is over `class_axis`."""
    with np.errstate(over="ignore", invalid="ignore"):
        return sigmoid(logits) if activation == "sigmoid" else softmax(logits, class_axis)


def sigmoid(x: Floats) -> Floats:
    """1 / (1 + exp(-x)), in place; overflows to infinity for x < -88, and the result is then 0, as it should be."""
    np.negative(x, out=x)
    np.exp(x, out=x)
    x += np.float32(1.0)
    return np.divide(np.float32(1.0), x, out=x)


def softmax(x: Floats, axis: int = 0) -> Floats:
    """Softmax over one axis, in place."""
    x -= x.max(axis=axis, keepdims=True, initial=-np.inf)
    np.exp(x, out=x)
    x /= x.sum(axis=axis, keepdims=True)
    return x


def _log_softmax(x: Floats) -> Floats:
    x -= x.max(axis=0, keepdims=True, initial=-np.inf)
    x -= np.log(np.exp(x).sum(axis=0, keepdims=True))
    return x


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


def _softplus(x: Floats) -> Floats:
    return np.logaddexp(np.float32(0.0), x)


def _hard_sigmoid(x: Floats) -> Floats:
    shifted: Floats = np.clip(x + np.float32(3.0), np.float32(0.0), np.float32(6.0))
    return shifted / np.float32(6.0)


def _softsign(x: Floats) -> Floats:
    scale: Floats = np.abs(x) + np.float32(1.0)
    return x / scale


_ACTIVATIONS: dict[ActivationName, Callable[[Floats], Floats]] = {
    "linear": lambda x: x,
    "relu": lambda x: np.maximum(x, np.float32(0.0), out=x),
    "relu6": lambda x: np.clip(x, np.float32(0.0), np.float32(6.0), out=x),
    "leaky_relu": lambda x: np.maximum(x, np.float32(_LEAKY_SLOPE) * x),
    "elu": _elu,
    "selu": _selu,
    "celu": _elu,
    "gelu": _gelu,
    "silu": lambda x: x * sigmoid(x.copy()),
    "mish": lambda x: x * np.tanh(_softplus(x)),
    "softplus": _softplus,
    "softsign": _softsign,
    "tanh": lambda x: np.tanh(x, out=x),
    "sigmoid": sigmoid,
    "log_sigmoid": lambda x: -_softplus(-x),
    "hard_sigmoid": _hard_sigmoid,
    "hard_silu": lambda x: x * _hard_sigmoid(x),
    "exponential": lambda x: np.exp(x, out=x),
    "softmax": softmax,
    "log_softmax": _log_softmax,
}
