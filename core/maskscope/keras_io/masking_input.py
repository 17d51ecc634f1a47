"""Finds a model's first Masking layer and what it reads, also inside models of the model."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from maskscope.keras_io.keras_graph import functional
from maskscope.keras_io.keras_model import KerasModel, inference_function
from maskscope.masks import as_mask_value
from maskscope.types import Floats, Mask, MaskValue

UNCHANGED_IN_INFERENCE = (
    keras.layers.Dropout,
    keras.layers.SpatialDropout1D,
    keras.layers.GaussianNoise,
    keras.layers.GaussianDropout,
    keras.layers.AlphaDropout,
    keras.layers.Identity,
    keras.layers.ActivityRegularization,
)
"""Layers that return their input outside training."""


@dataclass(frozen=True, slots=True)
class MaskingInput:
    """A Masking layer in a model.

    Attributes:
        layer: the Masking layer.
        tensor: what it reads, a symbolic tensor that hangs on the model's inputs.
        source: which of the model's inputs that is, with nothing but what inference leaves out between; else None.
    """

    layer: Any
    tensor: Any
    source: int | None


def first_masking_input(model: KerasModel) -> MaskingInput | None:
    """The first Masking layer of a model; None when it has none, or no graph of layers."""
    graph = functional(model)
    if graph is None:
        return None
    for depth in sorted(graph._nodes_by_depth, reverse=True):
        for node in graph._nodes_by_depth[depth]:
            given = node.input_tensors
            if isinstance(node.operation, keras.layers.Masking):
                return MaskingInput(node.operation, given[0], _source(given[0], graph))
            inner = first_masking_input(node.operation) if isinstance(node.operation, keras.Model) else None
            if inner is None:
                continue
            if inner.source is not None:
                tensor = given[inner.source]
                return MaskingInput(inner.layer, tensor, _source(tensor, graph))
            part = keras.Model(functional(node.operation).inputs, inner.tensor)  # type: ignore[union-attr]
            return MaskingInput(inner.layer, part(given), None)
    return None


def _source(tensor: Any, graph: Any) -> int | None:
    """Which of the inputs a tensor is; layers that do nothing in inference, and casts, may stand in between."""
    while True:
        for place, begin in enumerate(graph.inputs):
            if tensor is begin:
                return place
        history = tensor._keras_history
        operation = history.operation
        if type(operation).__name__ != "Cast" and not isinstance(operation, UNCHANGED_IN_INFERENCE):
            return None
        tensor = operation._inbound_nodes[history.node_index].input_tensors[0]


def embeddings_mask_value(model: KerasModel) -> MaskValue | None:
    """The mask value of the first Masking layer, provided that it reads the embeddings themselves; else None.

    A model with several inputs does not read the embeddings as a whole.
    """
    found = first_masking_input(model)
    if found is None or found.source is None or len(model.inputs) != 1:
        return None
    return as_mask_value(found.layer.mask_value)


def mask_function(
    model: KerasModel, dim: int | None, n_positions: int | None = None
) -> Callable[[Floats], Mask] | None:
    """The mask of the first Masking layer: x (B, T, dim) float32 -> (B, T), True = real token; None without one.

    Args:
        model: with one input (B, T, dim).
        dim: D; None for any.
        n_positions: T; None for any.
    """
    found = first_masking_input(model)
    if found is None:
        return None
    layer = found.layer
    # as Keras casts the inputs of a layer
    mask = layer.compute_mask(keras.ops.cast(found.tensor, layer.compute_dtype))
    predict = inference_function(keras.Model(model.inputs, keras.ops.cast(mask, "float32")), dim, n_positions)

    def compute_mask(x_btd: Floats) -> Mask:
        return np.asarray(predict(x_btd) > 0)

    return compute_mask
