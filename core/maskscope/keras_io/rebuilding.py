"""Rebuilds a Keras model with something else in some places; its layers keep their weights.

Uses private parts of Keras 3.15.1: `Function._run_through_graph`, and the `_keras_mask` of a tensor.
"""

from collections.abc import Callable, Container
from typing import Any, TypeAlias

import keras

from maskscope.keras_io.each_position import EachPosition
from maskscope.keras_io.keras_graph import attached_mask, every_layer, functional
from maskscope.keras_io.keras_model import KerasModel
from maskscope.keras_io.model_copy import Changes, ModelCopier

Call: TypeAlias = Callable[..., Any]
Change: TypeAlias = Callable[[str, Any, Any, dict[str, Any]], Any]
"""What a node becomes: its name as `recorded_run.run` names it, its operation, and the arguments -> its outputs."""

_OWN_MASKS = frozenset({"mask", "query_mask", "key_mask", "value_mask"})
"""Arguments that Keras fills with the masks of the tensors, where they are not given."""


def with_plain_layers(model: KerasModel) -> KerasModel:
    """A new model with the layer itself for TimeDistributed(layer), and Activation for a Softmax layer.

    Raises ValueError where a layer inside TimeDistributed does not work position by position.
    """
    graph, inputs = _graph(model), _input(model)
    outputs = ModelCopier(graph, None, Changes()).outputs([inputs])
    new = keras.Model(inputs, keras.tree.flatten(outputs)[0], name=model.name)
    left = [layer.name for layer in every_layer(new) if isinstance(layer, EachPosition)]
    if left:
        raise ValueError(f"{left[0]} is TimeDistributed around a layer that does not work position by position")
    return new


def with_masking_first(model: KerasModel, masking: Any, by_hand: Container[str]) -> KerasModel:
    """A new model with a Masking layer right after its input and no other one; Keras passes the mask on by its rules.

    Args:
        model: with one input and one output.
        masking: the layer.
        by_hand: names of the nodes that are given their mask with `mask=`, and keep it.
    """

    def change(name: str, operation: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        if isinstance(operation, keras.layers.Masking):
            return args[0]
        if isinstance(operation, keras.layers.Layer) and name not in by_hand:
            # these are masks of the old graph; Keras finds the new ones on the tensors
            kwargs = {key: value for key, value in kwargs.items() if key not in _OWN_MASKS}
        return operation(*args, **kwargs)

    def holds_masking(name: str, inner: Any) -> bool:
        return any(isinstance(layer, keras.layers.Masking) for layer in every_layer(inner))

    return _rebuilt(model, change, holds_masking, masking)


def with_mask_after(model: KerasModel, name: str, sentinel: float, number: int) -> KerasModel:
    """A new model in which the mask of the first Masking layer is made anew after one node.

    What the node takes at padded positions is set to 0, its outputs there to `sentinel`, for a Masking layer.

    Args:
        model: with one input, one output and a Masking layer.
        name: of the node.
        sentinel: a number that no layer gives.
        number: to name the new layers by.
    """
    mask: list[Any] = []

    def change(own: str, operation: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        if own == name and mask:
            cleared: dict[int, Any] = {}

            def clear(tensor: Any) -> Any:
                if not _positional(tensor, mask[0]):
                    return tensor
                if id(tensor) not in cleared:
                    nth = f"_{len(cleared) + 1}" if cleared else ""
                    cleared[id(tensor)] = _masked_anew(tensor, mask[0], sentinel, f"mask_before_{number}{nth}")
                return cleared[id(tensor)]

            outputs = operation(*keras.tree.map_structure(clear, args), **kwargs)
            if not _positional(outputs, mask[0]):
                return outputs
            return _masked_anew(outputs, mask[0], sentinel, f"mask_again_{number}")
        outputs = operation(*args, **kwargs)
        if isinstance(operation, keras.layers.Masking) and not mask:
            mask.append(attached_mask(outputs))
        return outputs

    return _rebuilt(model, change, _around(name))


def with_mask_given(model: KerasModel, name: str) -> KerasModel:
    """A new model in which one node is given the mask of its first tensor with `mask=`."""

    def change(own: str, operation: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        if own == name:
            first = keras.tree.flatten((args, kwargs))[0]
            kwargs = {**kwargs, "mask": attached_mask(first)}
        return operation(*args, **kwargs)

    return _rebuilt(model, change, _around(name))


def with_copied_inputs(model: KerasModel, name: str) -> KerasModel:
    """A new model in which one node takes copies of its tensors, so that it can't take their masks off."""

    def change(own: str, operation: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        if own != name:
            return operation(*args, **kwargs)
        copies: dict[int, Any] = {}

        def copy(tensor: Any) -> Any:
            if not isinstance(tensor, keras.KerasTensor) or attached_mask(tensor) is None:
                return tensor
            if id(tensor) not in copies:
                number = f"_{len(copies) + 1}" if copies else ""
                copies[id(tensor)] = keras.layers.Rescaling(1.0, name=f"{operation.name}_copy{number}")(tensor)
            return copies[id(tensor)]

        given = {key: copy(value) if key in ("query", "value", "key") else value for key, value in kwargs.items()}
        return operation(*keras.tree.map_structure(copy, args), **given)

    return _rebuilt(model, change, _around(name))


def with_outputs_turned(model: KerasModel, name: str, sentinel: float, number: int) -> KerasModel:
    """A new model in which the outputs of one node, which reads backwards, are put in the order of the positions.

    The mask that Keras attaches to them is in that order already. Arguments as of `with_mask_after`.
    """

    def change(own: str, operation: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        outputs = operation(*args, **kwargs)
        if own != name:
            return outputs
        first, *states = keras.tree.flatten(outputs)
        mask = attached_mask(first)
        turned = _masked_anew(keras.ops.flip(first, axis=1), mask, sentinel, f"turned_{number}")
        return [turned, *states] if states else turned

    return _rebuilt(model, change, _around(name))


def _positional(tensor: Any, mask: Any) -> bool:
    """Whether a value is a symbolic tensor (B, T, D) with the positions of a mask (B, T)."""
    shape = tuple(getattr(tensor, "shape", ()))
    return isinstance(tensor, keras.KerasTensor) and len(shape) == 3 and shape[1] in (None, mask.shape[1])


def _masked_anew(tensor: Any, mask: Any, sentinel: float, name: str) -> Any:
    """A tensor (B, T, D) with a mask (B, T) attached, and 0 where it is False."""
    real = keras.ops.expand_dims(mask, -1)
    return keras.layers.Masking(sentinel, name=name)(keras.ops.where(real, tensor, sentinel))


def _around(name: str) -> Callable[[str, Any], bool]:
    """Whether a model inside the model has a node of that name inside."""
    return lambda model_name, inner: name.startswith(f"{model_name}/")


def _rebuilt(
    model: KerasModel, change: Change, enter: Callable[[str, Any], bool], first: Any | None = None
) -> KerasModel:
    """A new model in which each node is what `change` makes of it.

    Args:
        model: with one input and one output.
        change: see `Change`.
        enter: gets the name of a model inside the model, and that model: whether its layers become the model's own.
        first: a layer to put right after the input; None for none.
    """
    names: dict[str, int] = {}

    def through(graph: Any, tensors: list[Any], within: str) -> list[Any]:
        def operation_fn(operation: Any) -> Call:
            def call(*args: Any, **kwargs: Any) -> Any:
                name = f"{within}{operation.name}"
                number = names[name] = names.get(name, 0) + 1
                name = name if number == 1 else f"{name} ({number})"
                inner = functional(operation) if isinstance(operation, keras.Model) else None
                if inner is None or not enter(name, operation):
                    return change(name, operation, args, kwargs)
                return through(inner, keras.tree.flatten(args[0] if args else kwargs["inputs"]), f"{name}/")

            return call

        flat: list[Any] = keras.tree.flatten(graph._run_through_graph(tensors, operation_fn=operation_fn))
        return flat

    inputs = _input(model)
    outputs = through(_graph(model), [inputs if first is None else first(inputs)], "")
    return keras.Model(inputs, outputs[0], name=model.name)


def _graph(model: KerasModel) -> Any:
    graph = functional(model)
    if graph is None:
        raise TypeError(f"expected a Functional or Sequential model; received {type(model).__name__}")
    return graph


def _input(model: KerasModel) -> Any:
    """An input like the only one of a model."""
    (old,) = _graph(model).inputs
    return keras.Input(batch_shape=old.shape, dtype=old.dtype, name=old._keras_history.operation.name)
