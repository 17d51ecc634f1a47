"""Runs a Keras model node by node and records the mask at each node; freezes its mask; rebuilds it with other layers.

The only module that uses private parts of Keras: `Function._run_through_graph` and its nodes, the `_keras_mask` of a
tensor, `Sequential._functional` (Keras 3.15.1). tests/core/audit/probes/test_mask_trace.py compares the recorded run
with the model's own.
"""

import inspect
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import keras
import numpy as np
import numpy.typing as npt

from maskscope.keras_io.keras_model import KerasModel

Array: TypeAlias = npt.NDArray[np.generic]
Shape: TypeAlias = tuple[int | None, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Arrival:
    """A tensor that a node takes.

    Attributes:
        source: index of the visit that it comes from.
        output: which of the source's outputs it is.
        role: "mask" for a tensor that is passed as `mask=`.
        mask: (B, T) attached to the tensor, True = real token; None when there is none.
        given: (B, T) the mask that was passed for it as `mask=`; None when there was none.
    """

    source: int
    output: int
    role: Literal["values", "mask"]
    mask: Array | None
    given: Array | None


@dataclass(frozen=True, slots=True, eq=False)
class Visit:
    """One node of a run.

    Attributes:
        name: of its layer, with a number when the layer is used again.
        class_name: for a wrapper, with the class of the wrapped layer in parentheses.
        parameters: count of its weights' numbers.
        kind: "input", "layer", "operation" for a plain one, or "model" for a model inside the model.
        masking: whether it is a Masking layer.
        masks_inside: whether it is a model that contains a Masking layer.
        takes_mask: whether its call has an argument for a mask.
        shapes: of each output, None for an axis that is free.
        masks: (B, T) of each output, None when there is none.
        arrivals: the tensors that it takes, in order.
        values: its outputs; empty for an input.
    """

    name: str
    class_name: str
    parameters: int
    kind: Literal["input", "layer", "operation", "model"]
    masking: bool
    masks_inside: bool
    takes_mask: bool
    shapes: tuple[Shape, ...]
    masks: tuple[Array | None, ...]
    arrivals: tuple[Arrival, ...]
    values: tuple[Array, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """A model run on a batch.

    Attributes:
        visits: in the order in which they were computed.
        outputs: of the model.
        ends: for each output, the index of its visit and which of that visit's outputs it is.
    """

    visits: tuple[Visit, ...]
    outputs: tuple[Array, ...]
    ends: tuple[tuple[int, int], ...]


def functional(model: KerasModel) -> Any | None:
    """The graph of a Functional or a built Sequential model, as Keras keeps it; None for a model with its own code."""
    if isinstance(model, keras.Sequential):
        return model._functional
    return model if isinstance(model, keras.Model) and hasattr(model, "_run_through_graph") else None


def of_one_output(model: KerasModel) -> KerasModel | None:
    """The model with one tensor as its output, not a list or dict of one; None for a model with several outputs."""
    graph = functional(model)
    if graph is None:
        return model
    if len(graph.outputs) != 1:
        return None
    bare = isinstance(model, keras.Sequential) or isinstance(model.output, keras.KerasTensor)
    return model if bare else keras.Model(graph.inputs, graph.outputs[0])


def head(model: KerasModel) -> str | None:
    """The activation of the last layer: "sigmoid", "softmax", "linear" or another; None when it can't be read."""
    graph = functional(model)
    if graph is None or len(graph.outputs) != 1:
        return None
    operation = graph.outputs[0]._keras_history.operation
    if isinstance(operation, keras.Model):
        return head(operation)
    if isinstance(operation, keras.layers.TimeDistributed):
        operation = operation.layer
    if not isinstance(operation, keras.layers.Layer):
        return str(type(operation).__name__).lower()
    if isinstance(operation, keras.layers.Softmax):
        return "softmax"
    activation = getattr(operation, "activation", None)
    return None if activation is None else str(getattr(activation, "__name__", "")) or None


def frozen(model: KerasModel, x: Any, mask: Any) -> Any:
    """Run a model on x (B, T, D) with a given mask (B, T): Masking layers pass x on unchanged, with this mask.

    Wherever a layer would get a mask it gets this one; where the mask is lost it stays lost. So padding may hold any
    numbers, also those that Masking would take for a token. Applies to models inside the model, too. For use in a
    tf.function. Raises TypeError when the model has no graph (see `functional`).
    """
    graph = functional(model)
    if graph is None:
        raise TypeError(f"expected a Functional or Sequential model; received {type(model).__name__}")

    def with_frozen_mask(operation: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            if isinstance(operation, keras.layers.Masking):
                # a new tensor: another branch may take the same one without a mask
                unchanged = keras.ops.where(True, keras.ops.cast(args[0], operation.compute_dtype), 0)
                unchanged._keras_mask = mask
                return unchanged
            for name, value in kwargs.items():
                if (name == "mask" or name.endswith("_mask")) and value is not None:
                    kwargs[name] = keras.tree.map_structure(lambda each: None if each is None else mask, value)
            for tensor in keras.tree.flatten(args):
                # also where a layer such as Concatenate has computed another mask
                if attached_mask(tensor) is not None:
                    tensor._keras_mask = mask
            inner = functional(operation) if isinstance(operation, keras.Model) else None
            if inner is not None:
                return inner._run_through_graph(keras.tree.flatten(args), operation_fn=with_frozen_mask)
            if "training" in getattr(operation, "_call_context_args", {}):
                kwargs["training"] = False
            outputs = operation(*args, **kwargs)
            return outputs if isinstance(operation, keras.layers.Layer) else _replace_mask(outputs, mask)

        return call

    outputs = graph._run_through_graph([x], operation_fn=with_frozen_mask)
    return keras.tree.flatten(outputs)[0]


def _replace_mask(outputs: Any, mask: Any) -> Any:
    """The result of a plain operation; the frozen mask instead where that is a mask: bool, (B, T) or (B, T, 1)."""
    shape = tuple(getattr(outputs, "shape", ()))
    if keras.backend.standardize_dtype(getattr(outputs, "dtype", "float32")) != "bool":
        return outputs
    if len(shape) == 2:
        return mask
    return keras.ops.expand_dims(mask, -1) if len(shape) == 3 and shape[2] == 1 else outputs


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


def attach_mask(tensor: Any, mask_bt: Array) -> None:
    """Attach a mask (B, T), True = real token, to a tensor, as the layer that made it would have."""
    tensor._keras_mask = keras.ops.convert_to_tensor(mask_bt)


def attached_mask(tensor: Any) -> Any:
    """The mask (B, T) that Keras attached to a tensor, True = real token; None for none."""
    return getattr(tensor, "_keras_mask", None)


def compiled_metrics(model: KerasModel) -> tuple[list[Any], list[Any]]:
    """The metrics and the weighted metrics that a model in memory was compiled with, as given to `compile`."""
    holder = getattr(model, "_compile_metrics", None)
    if holder is None:
        return [], []
    both = (holder._user_metrics, holder._user_weighted_metrics)
    metrics, weighted = ([each for each in keras.tree.flatten(given) if each is not None] for given in both)
    return metrics, weighted


def load_any(file: Path, saved: KerasModel) -> KerasModel:
    """Load a file that this process has just saved, `.keras` or `.h5`. Raises whatever Keras raises.

    Args:
        file: its path.
        saved: the model in it; its classes need not be registered.
    """
    own = {type(each).__name__: type(each) for each in (saved, *every_layer(saved))}
    with keras.saving.custom_object_scope(
        {name: kind for name, kind in own.items() if not kind.__module__.startswith("keras.")}
    ):
        return keras.saving.load_model(file, compile=False, safe_mode=True)


def first_masking(model: KerasModel) -> Any | None:
    """The first Masking layer of a model, also inside other layers; None when it has none."""
    return next((layer for layer in every_layer(model) if isinstance(layer, keras.layers.Masking)), None)


def padding_or_mask_value(model: KerasModel, padding: float | None) -> float:
    """The number at padded positions; where it is None, as for an array without any, the mask value, or 0."""
    masking = first_masking(model)
    return padding if padding is not None else 0.0 if masking is None else float(masking.mask_value)


def masked_by(layer: Any, x_btd: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """The mask (B, T), True = real token, that a Masking layer makes of x (B, T, D) in its compute type."""
    cast = keras.ops.cast(keras.ops.convert_to_tensor(x_btd.astype(np.float32)), layer.compute_dtype)
    return np.asarray(keras.ops.convert_to_numpy(layer.compute_mask(cast)), dtype=np.bool_)


def compute_dtype(model: KerasModel) -> str:
    """The coarsest type that a layer of the model computes in: "bfloat16", "float16" or else "float32"."""
    found = {str(layer.compute_dtype) for layer in every_layer(model)}
    return next((name for name in ("bfloat16", "float16") if name in found), "float32")


def every_layer(model: KerasModel) -> list[Any]:
    """The layers of a model and those inside them, outer before inner."""
    return list(model._flatten_layers(include_self=False, recursive=True))


def run(model: KerasModel, inputs: Sequence[Array], training: bool = False) -> Run:
    """Run a model eagerly and record every node.

    A model inside the model is one node. Raises TypeError when the model has no graph (see `functional`), and whatever
    its layers raise.

    Args:
        model: Functional or Sequential.
        inputs: one array for each of its inputs.
        training: whether noise, dropout and normalization act as in training; the weights are restored afterwards.
    """
    graph = functional(model)
    if graph is None:
        raise TypeError(f"expected a Functional or Sequential model; received {type(model).__name__}")
    recorder = _Recorder(graph, training)
    tensors = [
        keras.ops.convert_to_tensor(array, dtype=tensor.dtype)
        for array, tensor in zip(inputs, graph.inputs, strict=True)
    ]
    with warnings.catch_warnings():
        # Keras also warns where a mask survives, so its warnings prove nothing
        warnings.simplefilter("ignore", UserWarning)
        kept = model.get_weights() if training else []
        try:
            outputs = graph._run_through_graph(tensors, operation_fn=recorder.recorded)
        finally:
            if training:
                model.set_weights(kept)
    ends = tuple(_origin(tensor, recorder.places) for tensor in graph.outputs)
    arrays = tuple(np.asarray(keras.ops.convert_to_numpy(tensor)) for tensor in keras.tree.flatten(outputs))
    return Run(tuple(recorder.visits), arrays, ends)


class _Recorder:
    """Records the visits of one run.

    Attributes:
        places: index of each node's visit, by the node's id.
        visits: those recorded so far; inputs are there from the start.
    """

    def __init__(self, graph: Any, training: bool) -> None:
        nodes = [
            node
            for depth in sorted(graph._nodes_by_depth, reverse=True)
            for node in graph._nodes_by_depth[depth]
            if node.operation
        ]
        # an input may have a lower depth than nodes that need another input
        nodes.sort(key=lambda node: not node.is_input)
        self.places = {id(node): place for place, node in enumerate(nodes)}
        self._training = training
        self._names: dict[str, int] = {}
        self.visits = [_visit(node, self._names, (), (None,)) for node in nodes if node.is_input]
        self._waiting = iter([node for node in nodes if not node.is_input])

    def recorded(self, operation: Any) -> Any:
        """What Keras is to call in place of an operation: the same, and its visit is recorded."""

        def call(*args: Any, **kwargs: Any) -> Any:
            node = next(self._waiting)
            if node.operation is not operation:
                raise RuntimeError(f"expected node {node.operation.name}; received {operation.name}")
            # before the call: a layer that returns its input may remove the mask from it
            arrivals = _arrivals(node, args, kwargs, self.places)
            if "training" in getattr(operation, "_call_context_args", {}):
                kwargs["training"] = self._training
            outputs = operation(*args, **kwargs)
            tensors = keras.tree.flatten(outputs)
            masks = tuple(_as_array(attached_mask(tensor)) for tensor in tensors)
            values = tuple(np.asarray(keras.ops.convert_to_numpy(tensor)) for tensor in tensors)
            self.visits.append(replace(_visit(node, self._names, arrivals, masks), values=values))
            return outputs

        return call


def _origin(tensor: Any, places: dict[int, int]) -> tuple[int, int]:
    history = tensor._keras_history
    return places[id(history.operation._inbound_nodes[history.node_index])], int(history.tensor_index)


def _as_array(tensor: Any) -> Array | None:
    return None if tensor is None else np.asarray(keras.ops.convert_to_numpy(tensor))


def _arrivals(node: Any, args: Any, kwargs: dict[str, Any], places: dict[int, int]) -> tuple[Arrival, ...]:
    """Pair a node's symbolic arguments with the tensors passed for them: both have the same structure."""
    given = [_as_array(mask) for mask in keras.tree.flatten(kwargs.get("mask"))]
    found = []
    symbolic = (node.arguments.args, node.arguments.kwargs)
    values = 0
    for (path, wanted), came in zip(
        keras.tree.flatten_with_path(symbolic), keras.tree.flatten((args, kwargs)), strict=True
    ):
        if not isinstance(wanted, keras.KerasTensor):
            continue
        place, output = _origin(wanted, places)
        names = [str(step) for step in path]
        if names[0] == "1" and (names[1] == "mask" or names[1].endswith("_mask")):
            found.append(Arrival(place, output, "mask", np.asarray(keras.ops.convert_to_numpy(came)), None))
            continue
        own = given[values] if values < len(given) else None
        values += 1
        found.append(Arrival(place, output, "values", _as_array(attached_mask(came)), own))
    return tuple(found)


def _visit(node: Any, names: dict[str, int], arrivals: tuple[Arrival, ...], masks: tuple[Array | None, ...]) -> Visit:
    operation = node.operation
    layer = isinstance(operation, keras.layers.Layer)
    number = names[operation.name] = names.get(operation.name, 0) + 1
    name = str(operation.name)
    kind: Literal["input", "layer", "operation", "model"] = "layer" if layer else "operation"
    if node.is_input:
        kind = "input"
    elif isinstance(operation, keras.Model):
        kind = "model"
    return Visit(
        name if number == 1 else f"{name} ({number})",
        _class_name(operation),
        int(operation.count_params()) if layer else 0,
        kind,
        isinstance(operation, keras.layers.Masking),
        kind == "model" and first_masking(operation) is not None,
        layer and "mask" in inspect.signature(operation.call).parameters,
        tuple(tuple(tensor.shape) for tensor in node.outputs),
        masks,
        arrivals,
    )


def _class_name(operation: Any) -> str:
    own = str(type(operation).__name__)
    inner = getattr(operation, "layer", None) or getattr(operation, "forward_layer", None)
    return f"{own}({type(inner).__name__})" if isinstance(inner, keras.layers.Layer) else own
