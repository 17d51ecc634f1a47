"""Rebuilds a Keras model with other layers in some places; layers that are kept keep their weights.

Uses a private part of Keras 3.15.1: `Function._run_through_graph`.
"""

from collections.abc import Callable
from typing import Any

import keras

from maskscope.keras_io.keras_graph import functional
from maskscope.keras_io.keras_model import KerasModel


def rebuild(model: KerasModel, replacement: Callable[[Any], Any], first: Any | None = None) -> KerasModel:
    """A new model with the same layers, some removed or replaced; Keras passes masks on by its own rules.

    Args:
        model: with one input and one output.
        replacement: gives for each layer or operation what to call instead; None to remove it.
        first: a layer to put right after the input; None for none.
    """
    graph = functional(model)
    assert graph is not None

    def operation_fn(operation: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            new = replacement(operation)
            if new is None:
                return args[0]
            if isinstance(new, keras.layers.Layer):
                # these are masks of the old graph; Keras finds the new ones on the tensors
                kwargs = {name: value for name, value in kwargs.items() if not name.endswith("mask")}
            return new(*args, **kwargs)

        return call

    old = graph.inputs[0]
    inputs = keras.Input(old.shape[1:], dtype=old.dtype, name=old._keras_history.operation.name)
    begin = inputs if first is None else first(inputs)
    outputs = keras.tree.flatten(graph._run_through_graph([begin], operation_fn=operation_fn))[0]
    return keras.Model(inputs, outputs, name=model.name)


def with_mask_after(model: KerasModel, name: str, again: Any, sentinel: float) -> KerasModel:
    """A new model with the same layers in which the mask is made anew after one visit.

    The visit's inputs at padded positions are set to 0, its outputs there to `sentinel`, for `again` to mask.

    Args:
        model: with one input, one output and a Masking layer.
        name: of the visit, as `run` names it.
        again: a Masking layer for `sentinel`.
        sentinel: a number that no layer gives.
    """
    graph = functional(model)
    assert graph is not None
    mask: list[Any] = []
    names: dict[str, int] = {}

    def positional(tensor: Any) -> bool:
        shape = getattr(tensor, "shape", ())
        same = len(shape) == 3 and tuple(shape)[1] in (None, mask[0].shape[1])
        return isinstance(tensor, keras.KerasTensor) and same

    def clear(tensor: Any, real: Any) -> Any:
        masking = keras.layers.Masking(sentinel, name=f"{again.name}_before")
        return masking(keras.ops.where(real, tensor, sentinel))

    def operation_fn(operation: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            number = names[operation.name] = names.get(operation.name, 0) + 1
            own = operation.name if number == 1 else f"{operation.name} ({number})"
            if own != name or not mask:
                outputs = operation(*args, **kwargs)
                if isinstance(operation, keras.layers.Masking) and not mask:
                    mask.append(outputs._keras_mask)
                return outputs
            real = keras.ops.expand_dims(mask[0], -1)
            cleared = [clear(each, real) if positional(each) else each for each in args]
            outputs = operation(*cleared, **kwargs)
            return again(keras.ops.where(real, outputs, sentinel)) if positional(outputs) else outputs

        return call

    old = graph.inputs[0]
    inputs = keras.Input(old.shape[1:], dtype=old.dtype, name=old._keras_history.operation.name)
    outputs = keras.tree.flatten(graph._run_through_graph([inputs], operation_fn=operation_fn))[0]
    return keras.Model(inputs, outputs, name=model.name)
