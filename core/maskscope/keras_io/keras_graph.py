"""Runs a Keras model node by node and notes which mask arrives where.

The one place that uses what Keras keeps private: `Function._run_through_graph` and the nodes behind it, the
`_keras_mask` on a tensor, `Sequential._functional` (Keras 3.15.1). tests/core/test_trace.py holds the run against
the model itself.
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
        source: place of the visit that it comes from.
        output: which of the source's outputs it is.
        role: "mask" where it was handed over as a mask, through `mask=`.
        mask: (B, T) as it hangs on the tensor, True = real token; None when there is none.
        given: (B, T) the mask that was handed over for it, through `mask=`; None when there was none.
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
        class_name: with the class of what a wrapper wraps.
        parameters: numbers that it holds.
        kind: "input", "layer", "operation" for a plain one, or "model" for one in itself.
        masking: whether it is a Masking layer.
        masks_inside: whether it is a model with a Masking layer in it.
        takes_mask: whether its call has a place for a mask.
        shapes: of each output, None for an axis that is free.
        masks: (B, T) of each output, None when there is none.
        arrivals: what it takes, in order.
        values: what each output is; empty for an input.
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
        outputs: what the model gives.
        ends: of each output, the place of its visit and which of that one's outputs it is.
    """

    visits: tuple[Visit, ...]
    outputs: tuple[Array, ...]
    ends: tuple[tuple[int, int], ...]


def functional(model: KerasModel) -> Any | None:
    """The graph of a Functional or a built Sequential model, as Keras holds it; None for a model of another making."""
    if isinstance(model, keras.Sequential):
        return model._functional
    return model if isinstance(model, keras.Model) and hasattr(model, "_run_through_graph") else None


def of_one_output(model: KerasModel) -> KerasModel | None:
    """A model that gives one tensor, not a list or a dict of one; None for a model of several outputs."""
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
    """Run a model on x (B, T, D) under a mask (B, T) that is given: Masking layers hand x on as it is, under this mask.

    Wherever a layer would be given a mask it gets this one; where the mask is lost it stays lost. So padding may hold
    anything, also what Masking would take for a token. Goes into models inside the model. To be used in a tf.function.
    Raises TypeError when `functional` knows no graph of the model.
    """
    graph = functional(model)
    if graph is None:
        raise TypeError(f"expected a Functional or Sequential model; received {type(model).__name__}")

    def under(operation: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            if isinstance(operation, keras.layers.Masking):
                # a new tensor: another branch may take the same one without a mask
                handed_on = keras.ops.where(True, keras.ops.cast(args[0], operation.compute_dtype), 0)
                _set_mask(handed_on, mask)
                return handed_on
            for name, value in kwargs.items():
                if (name == "mask" or name.endswith("_mask")) and value is not None:
                    kwargs[name] = keras.tree.map_structure(lambda each: None if each is None else mask, value)
            for tensor in keras.tree.flatten(args):
                # what a layer makes of its mask, such as Concatenate, is made anew here
                if getattr(tensor, "_keras_mask", None) is not None:
                    _set_mask(tensor, mask)
            inner = functional(operation) if isinstance(operation, keras.Model) else None
            if inner is not None:
                return inner._run_through_graph(keras.tree.flatten(args), operation_fn=under)
            if "training" in getattr(operation, "_call_context_args", {}):
                kwargs["training"] = False
            outputs = operation(*args, **kwargs)
            return outputs if isinstance(operation, keras.layers.Layer) else _with_frozen_mask(outputs, mask)

        return call

    outputs = graph._run_through_graph([x], operation_fn=under)
    return keras.tree.flatten(outputs)[0]


def _with_frozen_mask(outputs: Any, mask: Any) -> Any:
    """What a plain operation gives; the frozen mask in its place where that is a mask: bool, (B, T) or (B, T, 1)."""
    shape = tuple(getattr(outputs, "shape", ()))
    if keras.backend.standardize_dtype(getattr(outputs, "dtype", "float32")) != "bool":
        return outputs
    if len(shape) == 2:
        return mask
    return keras.ops.expand_dims(mask, -1) if len(shape) == 3 and shape[2] == 1 else outputs


def rebuilt(model: KerasModel, instead: Callable[[Any, Any], Any], first: Any | None = None) -> KerasModel:
    """A model around the same layers, some left out or replaced, and masks handed on anew by Keras's own rules.

    Args:
        model: with one input and one output.
        instead: (layer or operation, None) -> what to call in its place; None to hand its first input on.
        first: a layer to put right behind the input; None for none.
    """
    graph = functional(model)
    assert graph is not None

    def operation_fn(operation: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            new = instead(operation, None)
            if new is None:
                return args[0]
            if isinstance(new, keras.layers.Layer):
                # the masks of the old graph; Keras finds the new ones on the tensors
                kwargs = {name: value for name, value in kwargs.items() if not name.endswith("mask")}
            return new(*args, **kwargs)

        return call

    old = graph.inputs[0]
    inputs = keras.Input(old.shape[1:], dtype=old.dtype, name=old._keras_history.operation.name)
    begin = inputs if first is None else first(inputs)
    outputs = keras.tree.flatten(graph._run_through_graph([begin], operation_fn=operation_fn))[0]
    return keras.Model(inputs, outputs, name=model.name)


def with_mask_behind(model: KerasModel, name: str, again: Any, sentinel: float) -> KerasModel:
    """A model around the same layers in which the mask is made anew behind one visit.

    What that visit takes at padded positions is set to 0 first, what it gives there to `sentinel`, for `again` to mask.

    Args:
        model: with one input, one output and a Masking layer.
        name: of the visit, as `run` calls it.
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


def _set_mask(tensor: Any, mask: Any) -> None:
    tensor._keras_mask = mask


def hang(mask_bt: Array, tensor: Any) -> None:
    """Hang a mask (B, T) on a tensor, as the layer that gave it would have."""
    _set_mask(tensor, keras.ops.convert_to_tensor(mask_bt))


def compiled_metrics(model: KerasModel) -> tuple[list[Any], list[Any]]:
    """The metrics and the weighted metrics that a model in memory was compiled with, as they were given."""
    holder = getattr(model, "_compile_metrics", None)
    if holder is None:
        return [], []
    both = (holder._user_metrics, holder._user_weighted_metrics)
    metrics, weighted = ([each for each in keras.tree.flatten(given) if each is not None] for given in both)
    return metrics, weighted


def load_any(file: Path, saved: KerasModel) -> KerasModel:
    """Load what was saved in this process a moment ago, `.keras` or `.h5`. Raises whatever Keras raises.

    Args:
        file: its path.
        saved: the model in it, whose own classes need not be registered.
    """
    own = {type(each).__name__: type(each) for each in (saved, *every_layer(saved))}
    with keras.saving.custom_object_scope(
        {name: kind for name, kind in own.items() if not kind.__module__.startswith("keras.")}
    ):
        return keras.saving.load_model(file, compile=False, safe_mode=True)


def first_masking(model: KerasModel) -> Any | None:
    """The first Masking layer of a model, those inside others included; None when it has none."""
    return next((layer for layer in every_layer(model) if isinstance(layer, keras.layers.Masking)), None)


def padding_of(model: KerasModel, padding: float | None) -> float:
    """What stands at padded positions; where nobody knows, as of an array without any, what the model masks, or 0."""
    masking = first_masking(model)
    return padding if padding is not None else 0.0 if masking is None else float(masking.mask_value)


def masked_by(layer: Any, x_btd: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """What a Masking layer makes of x (B, T, D) after Keras's cast to its compute type: (B, T), True = real token."""
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
    """Run a model eagerly, and note every node.

    A model inside the model is one node. Raises TypeError when `functional` knows no graph of the model, and whatever
    its layers raise.

    Args:
        model: Functional or Sequential.
        inputs: one array each of its inputs.
        training: whether noise, dropout and the like do what they do in training; weights are put back afterwards.
    """
    graph = functional(model)
    if graph is None:
        raise TypeError(f"expected a Functional or Sequential model; received {type(model).__name__}")
    nodes = [
        node
        for depth in sorted(graph._nodes_by_depth, reverse=True)
        for node in graph._nodes_by_depth[depth]
        if node.operation
    ]
    # inputs that hang at a lower depth than what follows them come first all the same
    nodes.sort(key=lambda node: not node.is_input)
    places = {id(node): place for place, node in enumerate(nodes)}
    visits: list[Visit] = []
    names: dict[str, int] = {}
    visits += [_visit(node, names, (), (None,)) for node in nodes if node.is_input]
    waiting = iter([node for node in nodes if not node.is_input])

    def recorded(operation: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            node = next(waiting)
            if node.operation is not operation:
                raise RuntimeError(f"expected node {node.operation.name}; received {operation.name}")
            # before the call: a layer may take the mask off a tensor that it hands through
            arrivals = _arrivals(node, args, kwargs, places)
            if "training" in getattr(operation, "_call_context_args", {}):
                kwargs["training"] = training
            outputs = operation(*args, **kwargs)
            tensors = keras.tree.flatten(outputs)
            masks = tuple(_mask(tensor) for tensor in tensors)
            values = tuple(np.asarray(keras.ops.convert_to_numpy(tensor)) for tensor in tensors)
            visits.append(replace(_visit(node, names, arrivals, masks), values=values))
            return outputs

        return call

    tensors = [
        keras.ops.convert_to_tensor(array, dtype=tensor.dtype)
        for array, tensor in zip(inputs, graph.inputs, strict=True)
    ]
    with warnings.catch_warnings():
        # Keras warns where a mask survives, too: a warning is no evidence, either way
        warnings.simplefilter("ignore", UserWarning)
        kept = model.get_weights() if training else []
        try:
            outputs = graph._run_through_graph(tensors, operation_fn=recorded)
        finally:
            if training:
                model.set_weights(kept)
    ends = []
    for tensor in graph.outputs:
        place, output = _origin(tensor, places)
        ends.append((place, output))
    arrays = tuple(np.asarray(keras.ops.convert_to_numpy(tensor)) for tensor in keras.tree.flatten(outputs))
    return Run(tuple(visits), arrays, tuple(ends))


def _origin(tensor: Any, places: dict[int, int]) -> tuple[int, int]:
    history = tensor._keras_history
    return places[id(history.operation._inbound_nodes[history.node_index])], int(history.tensor_index)


def _mask(tensor: Any) -> Array | None:
    mask = getattr(tensor, "_keras_mask", None)
    return None if mask is None else np.asarray(keras.ops.convert_to_numpy(mask))


def _arrivals(node: Any, args: Any, kwargs: dict[str, Any], places: dict[int, int]) -> tuple[Arrival, ...]:
    """Pair the node's symbolic arguments with the tensors that came for them: both have one structure."""
    given = [
        None if mask is None else np.asarray(keras.ops.convert_to_numpy(mask))
        for mask in keras.tree.flatten(kwargs.get("mask"))
    ]
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
        found.append(Arrival(place, output, "values", _mask(came), own))
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
