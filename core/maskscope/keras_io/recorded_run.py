"""Runs a Keras model node by node and records the mask at each node.

Uses private parts of Keras 3.15.1: the nodes of a Function, and `_run_through_graph`.
tests/core/keras_io/test_recorded_run.py compares the recorded run with the model's own.
"""

import inspect
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import keras
import numpy as np

from maskscope.keras_io.keras_graph import Array, attached_mask, first_masking, functional
from maskscope.keras_io.keras_model import KerasModel

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
