"""Which activation the outputs of a model come from."""

import re
from typing import Any

import keras

from maskscope.keras_io.keras_graph import functional
from maskscope.keras_io.keras_model import KerasModel
from maskscope.keras_io.masking_input import UNCHANGED_IN_INFERENCE

_SAME_NUMBERS = frozenset({"Cast", "ExpandDims", "Squeeze", "Reshape"})
"""Operations, and one layer, that leave the numbers as they are."""
_LINEAR = (keras.layers.BatchNormalization, keras.layers.LayerNormalization, keras.layers.Rescaling)
"""Layers without an activation, whose outputs may be any numbers."""


def last_activation(model: KerasModel) -> str | None:
    """The activation of the last layer by its Keras name, such as "softmax" or "linear"; None when there is none.

    What leaves the numbers as they are, such as Dropout or Reshape, may stand behind it. A recurrent layer has none:
    its outputs are not those of its activation.
    """
    graph = functional(model)
    return None if graph is None or len(graph.outputs) != 1 else _of_tensor(graph.outputs[0])


def _of_tensor(tensor: Any) -> str | None:
    while True:
        history = tensor._keras_history
        operation = history.operation
        if isinstance(operation, keras.Model):
            graph = functional(operation)
            return None if graph is None else _of_tensor(graph.outputs[history.tensor_index])
        if isinstance(operation, keras.layers.TimeDistributed):
            inner = operation.layer
            return last_activation(inner) if isinstance(inner, keras.Model) else _of_layer(inner)
        unchanged = type(operation).__name__ in _SAME_NUMBERS or isinstance(operation, UNCHANGED_IN_INFERENCE)
        linear = isinstance(operation, keras.layers.Activation) and _of_layer(operation) == "linear"
        if not unchanged and not linear:
            return _of_layer(operation)
        before = operation._inbound_nodes[history.node_index].input_tensors
        if not before:
            return None
        tensor = before[0]


def _of_layer(operation: Any) -> str | None:
    if not isinstance(operation, keras.layers.Layer):
        # a plain operation: LogSoftmax is the activation log_softmax
        name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(operation).__name__).lower()
        return name if callable(getattr(keras.activations, name, None)) else None
    if isinstance(operation, keras.layers.Softmax):
        return "softmax"
    if isinstance(operation, _LINEAR):
        return "linear"
    activation = None if isinstance(operation, keras.layers.RNN) else getattr(operation, "activation", None)
    return None if activation is None else str(getattr(activation, "__name__", "")) or None
