"""Layers of a `.keras` file that compute each position by itself: their configs, and how their weights are loaded."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast, get_args

import numpy as np

from maskscope.engine.activations import ActivationName
from maskscope.engine.layer_config import Arrays, LayerConfig
from maskscope.engine.pointwise import (
    ActivationWeights,
    AffineWeights,
    DenseWeights,
    MergeMode,
    MergeWeights,
    NormWeights,
    RectifierWeights,
)
from maskscope.types import Floats

MERGES: dict[str, MergeMode] = {name.capitalize(): cast("MergeMode", name) for name in get_args(MergeMode)}
_OWN_ACTIVATIONS = frozenset({"ReLU", "LeakyReLU", "ELU", "Softmax"})
"""Layers without weights that another layer may hold as its activation."""


def _read_dense(layer: LayerConfig, inputs: tuple[int, ...]) -> int:
    units, use_bias = int(layer.config["units"]), bool(layer.config.get("use_bias", True))
    written = layer.config.get("activation", "linear")
    own_layer = isinstance(written, Mapping) and written.get("class_name") in _OWN_ACTIVATIONS
    activation = "linear" if own_layer else layer.activation(written)

    def load(arrays: Arrays, widths: Sequence[int | None]) -> DenseWeights:
        kernel = arrays.array(f"{layer.group}/vars/0", (widths[0], units), layer.name)
        bias: Floats = np.zeros(units, dtype=np.float32)
        if use_bias:
            bias = arrays.array(f"{layer.group}/vars/1", (units,), layer.name)
        return DenseWeights(kernel, bias, activation)

    place = layer.add(inputs, load)
    return _read_own_activation(layer, written, place) if own_layer else place


def _read_own_activation(layer: LayerConfig, written: Mapping[str, Any], place: int) -> int:
    """An activation that is a layer without weights, such as LeakyReLU(0.1)."""
    kind = str(written["class_name"])
    return POINTWISE[kind](replace(layer, kind=kind, config=written["config"]), (place,))


def _read_activation(layer: LayerConfig, inputs: tuple[int, ...]) -> int:
    written = layer.config.get("activation", "linear")
    if isinstance(written, Mapping) and written.get("class_name") in _OWN_ACTIVATIONS:
        return _read_own_activation(layer, written, inputs[0])
    return _add_activation(layer, inputs, layer.activation(written))


def _add_activation(layer: LayerConfig, inputs: tuple[int, ...], activation: ActivationName) -> int:
    if activation == "linear":
        return inputs[0]
    return layer.add(inputs, lambda arrays, widths: ActivationWeights(activation))


def _read_softmax(layer: LayerConfig, inputs: tuple[int, ...]) -> int:
    # Keras's own layer fails under a mask, which it takes for one of classes
    layer.check_axis(layer.config.get("axis", -1))
    return _add_activation(layer, inputs, "softmax")


def _read_elu(layer: LayerConfig, inputs: tuple[int, ...]) -> int:
    alpha = float(layer.config.get("alpha", 1.0))
    if alpha != 1:
        layer.refuse(f"has another alpha in layer {layer.name!r}", "1", alpha)
    return _add_activation(layer, inputs, "elu")


def _read_rectifier(layer: LayerConfig, inputs: tuple[int, ...]) -> int:
    config = layer.config
    maximum = float("inf")
    if layer.kind == "LeakyReLU":
        slope = float(config.get("negative_slope", 0.3))
    else:
        slope = float(config.get("negative_slope") or 0.0)
        maximum = float("inf") if config.get("max_value") is None else float(config["max_value"])
        threshold = float(config.get("threshold") or 0.0)
        if threshold:
            layer.refuse(f"has a threshold in layer {layer.name!r}", "0", threshold)

    def load(arrays: Arrays, widths: Sequence[int | None]) -> RectifierWeights:
        return RectifierWeights(np.full(layer.known_width(widths), slope, dtype=np.float32), maximum)

    return layer.add(inputs, load)


def _read_prelu(layer: LayerConfig, inputs: tuple[int, ...]) -> int:
    # over positions, too, alpha is shared; without shared_axes it has one row a position
    shape: tuple[int | None, ...] = (1, None) if layer.rank == 3 else (None,)

    def load(arrays: Arrays, widths: Sequence[int | None]) -> RectifierWeights:
        alpha = arrays.array(f"{layer.group}/vars/0", (*shape[:-1], widths[0]), layer.name)
        return RectifierWeights(alpha.reshape(-1))

    return layer.add(inputs, load)


def _read_norm(layer: LayerConfig, inputs: tuple[int, ...]) -> int:
    config = layer.config
    if config.get("rms_scaling", False):
        layer.refuse(f"scales by the root mean square in layer {layer.name!r}", "rms_scaling False", "True")
    layer.check_axis(config.get("axis", -1))
    epsilon = float(config.get("epsilon", 1e-3))
    scale, center = bool(config.get("scale", True)), bool(config.get("center", True))

    def load(arrays: Arrays, widths: Sequence[int | None]) -> NormWeights:
        gamma, beta = _scale_and_shift(arrays, layer, widths, scale, center, 0)
        return NormWeights(gamma, beta, epsilon)

    return layer.add(inputs, load)


def _read_batch_norm(layer: LayerConfig, inputs: tuple[int, ...]) -> int:
    config = layer.config
    layer.check_axis(config.get("axis", -1))
    epsilon = float(config.get("epsilon", 1e-3))
    scale, center = bool(config.get("scale", True)), bool(config.get("center", True))

    def load(arrays: Arrays, widths: Sequence[int | None]) -> AffineWeights:
        gamma, beta = _scale_and_shift(arrays, layer, widths, scale, center, 2)
        own = (len(gamma),)
        mean = arrays.array(f"{layer.group}/vars/{scale + center}", own, layer.name)
        variance = arrays.array(f"{layer.group}/vars/{scale + center + 1}", own, layer.name)
        if (variance + epsilon <= 0).any():
            layer.refuse(f"has a variance below zero in layer {layer.name!r}", "0 or more", variance.min())
        factor = gamma / np.sqrt(variance + np.float32(epsilon))
        return AffineWeights(factor, beta - mean * factor)

    return layer.add(inputs, load)


def _scale_and_shift(
    arrays: Arrays, layer: LayerConfig, widths: Sequence[int | None], scale: bool, center: bool, more: int
) -> tuple[Floats, Floats]:
    """Gamma and beta of a normalization that has as many as `more` other arrays behind them."""
    # gamma is made first, when there is one
    own = [arrays.array(f"{layer.group}/vars/{i}", (widths[0],), layer.name) for i in range(scale + center)]
    if not own and more:
        own = [arrays.array(f"{layer.group}/vars/0", (widths[0],), layer.name)]
    width = len(own[0]) if own else layer.known_width(widths)
    gamma = own[0] if scale else np.ones(width, dtype=np.float32)
    beta = own[scale] if center else np.zeros(width, dtype=np.float32)
    return gamma, beta


def _read_rescaling(layer: LayerConfig, inputs: tuple[int, ...]) -> int:
    scale, offset = layer.config["scale"], layer.config.get("offset", 0.0)
    if not isinstance(scale, int | float) or not isinstance(offset, int | float):
        layer.refuse(f"rescales each number by itself in layer {layer.name!r}", "one scale and one offset", "several")

    def load(arrays: Arrays, widths: Sequence[int | None]) -> AffineWeights:
        width = layer.known_width(widths)
        return AffineWeights(np.full(width, scale, dtype=np.float32), np.full(width, offset, dtype=np.float32))

    return layer.add(inputs, load)


POINTWISE: dict[str, Callable[[LayerConfig, tuple[int, ...]], int]] = {
    "Dense": _read_dense,
    "Activation": _read_activation,
    "Softmax": _read_softmax,
    "ReLU": _read_rectifier,
    "LeakyReLU": _read_rectifier,
    "PReLU": _read_prelu,
    "ELU": _read_elu,
    "LayerNormalization": _read_norm,
    "BatchNormalization": _read_batch_norm,
    "Rescaling": _read_rescaling,
}
"""Readers: each adds the steps of a layer of one input, and returns the place of its output."""


def read_merge(layer: LayerConfig, inputs: tuple[int, ...]) -> int:
    """Add the step of a layer that combines branches."""
    mode = MERGES[layer.kind]
    if mode == "concatenate":
        layer.check_axis(layer.config.get("axis", -1))

    def load(arrays: Arrays, widths: Sequence[int | None]) -> MergeWeights:
        known = [layer.known_width([width]) for width in widths]
        weights = MergeWeights(mode)
        try:
            weights.units(*known)
        except ValueError:
            layer.refuse(f"combines branches of unlike widths in layer {layer.name!r}", "one width", known)
        return weights

    return layer.add(inputs, load)
