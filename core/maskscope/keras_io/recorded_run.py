"""Runs a Keras model node by node, also those of models inside it, and records the mask at each node.

Uses private parts of Keras 3.15.1: the nodes of a Function, `_run_through_graph`, `Functional._standardize_inputs`.
tests/core/keras_io/test_recorded_run.py compares the recorded run with the model's own.
"""

import inspect
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import keras
import numpy as np

from maskscope.keras_io.error_summary import error_summary
from maskscope.keras_io.keras_graph import Array, attach_mask, attached_mask, every_layer, first_masking, functional
from maskscope.keras_io.keras_model import KerasModel
from maskscope.masks import as_mask_value
from maskscope.types import MaskValue

Shape: TypeAlias = tuple[int | None, ...]
VisitKind: TypeAlias = Literal["input", "layer", "operation", "entrance", "model"]

_MASKS = frozenset({"mask", "query_mask"})
"""Arguments of a layer that takes a mask."""

Origin: TypeAlias = tuple[int, int]
"""Where a tensor comes from: the index of a visit, and which of its outputs it is."""


@dataclass(frozen=True, slots=True, eq=False)
class Arrival:
    """A tensor that a node takes.

    Attributes:
        source: index of the visit that it comes from.
        output: which of the source's outputs it is.
        role: "mask" for a tensor that is passed as `mask=`.
        mask: (B, T) attached to the tensor, True = real token; None when there is none.
        given: (B, T) the mask that was passed for it as `mask=`; None when there was none.
        removed_by: index of the visit that took the mask off the tensor, as MultiHeadAttention does; None for none.
    """

    source: int
    output: int
    role: Literal["values", "mask"]
    mask: Array | None
    given: Array | None
    removed_by: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Visit:
    """One node of a run.

    Attributes:
        name: of its layer, with a number when the layer is used again; "MODEL/LAYER" inside another model.
        class_name: for a wrapper, with the class of the wrapped layer in parentheses.
        parameters: count of its weights' numbers.
        kind: "input", "layer", "operation" for a plain one, "entrance" where a model inside the model takes its
            inputs, whose layers follow, or "model" for one with its own code, whose layers can't be seen.
        masking: whether it is a Masking layer.
        mask_value: of a Masking layer; None for another.
        masks_inside: whether it is a "model" that contains a Masking layer.
        takes_mask: whether its call has an argument for a mask.
        gets_no_mask: whether Keras passes it none although it takes one: it was called with several tensors, such as
            `initial_state`, and without `mask=`.
        reverses: whether its outputs are those of the positions in reversed order.
        reads: "both" for a convolution over positions, which reads the positions on both sides, "left" for a causal
            one; "" for other layers.
        trainable: whether training changes it.
        own_code: whether its class is not one of Keras.
        error: why it failed, with `go_on`; "" when it did not.
        shapes: of each output, None for an axis that is free.
        masks: (B, T) of each output, None when there is none.
        arrivals: the tensors that it takes, in order.
        values: its outputs.
    """

    name: str
    class_name: str
    parameters: int
    kind: VisitKind
    masking: bool
    mask_value: MaskValue | None
    masks_inside: bool
    takes_mask: bool
    gets_no_mask: bool
    reverses: bool
    reads: Literal["", "left", "both"]
    trainable: bool
    own_code: bool
    error: str
    shapes: tuple[Shape, ...]
    masks: tuple[Array | None, ...]
    arrivals: tuple[Arrival, ...]
    values: tuple[Array, ...]


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
    ends: tuple[Origin, ...]


def run(
    model: KerasModel,
    inputs: Sequence[Array],
    training: bool = False,
    go_on: bool = False,
    mask: Array | None = None,
) -> Run:
    """Run a model eagerly and record every node.

    Raises TypeError when the model has no graph (see `functional`), and, without `go_on`, whatever its layers raise.

    Args:
        model: Functional or Sequential; its weights and states are restored afterwards.
        inputs: one array for each of its inputs.
        training: whether noise, dropout and normalization act as in training.
        go_on: whether to go on after a layer that fails, with zeros without a mask in place of its outputs.
        mask: (B, T) True = real token, to be attached to each input (B, T, D) as Masking would; None for none.
    """
    graph = functional(model)
    if graph is None:
        raise TypeError(f"expected a Functional or Sequential model; received {type(model).__name__}")
    tensors = [
        keras.ops.convert_to_tensor(array, dtype=tensor.dtype)
        for array, tensor in zip(inputs, graph.inputs, strict=True)
    ]
    states = [
        state for layer in every_layer(model) for state in keras.tree.flatten(getattr(layer, "states", None) or [])
    ]
    for tensor in tensors:
        if mask is not None and len(tensor.shape) > 2 and tuple(tensor.shape[:2]) == mask.shape:
            attach_mask(tensor, mask)
    kept = model.get_weights() if training else []
    kept_states = [_to_array(state) for state in states]
    recorder = _Recorder(training, go_on)
    try:
        for state in states:
            state.assign(keras.ops.zeros_like(state))
        with warnings.catch_warnings():
            # Keras also warns where a mask survives, so its warnings prove nothing
            warnings.simplefilter("ignore", UserWarning)
            outputs, ends = recorder.run(graph, tensors, recorder.inputs(graph, tensors))
    finally:
        if kept:
            model.set_weights(kept)
        for state, values in zip(states, kept_states, strict=True):
            state.assign(values)
    return Run(tuple(recorder.visits), tuple(_to_array(tensor) for tensor in outputs), ends)


class _Recorder:
    """Records the visits of one run.

    Attributes:
        visits: those recorded so far.
    """

    def __init__(self, training: bool, go_on: bool) -> None:
        self.visits: list[Visit] = []
        self._training, self._go_on = training, go_on
        self._names: dict[str, int] = {}
        self._removed: dict[int, tuple[int, Any]] = {}
        """By the id of a tensor, the visit that took its mask off, and the tensor, so that the id stays its own."""

    def inputs(self, graph: Any, tensors: Sequence[Any]) -> list[Origin]:
        """Record the inputs of the whole model."""
        for symbolic, tensor in zip(graph.inputs, tensors, strict=True):
            node, _ = _node(symbolic)
            self.visits.append(self._visit(node, "", (), [tensor], kind="input"))
        return [(place, 0) for place in range(len(self.visits))]

    def run(
        self, graph: Any, tensors: Sequence[Any], origins: Sequence[Origin], within: str = ""
    ) -> tuple[list[Any], tuple[Origin, ...]]:
        """Run a graph, record its nodes under names that begin with `within`; its outputs and where they come from."""
        came_from = {_key(symbolic): origin for symbolic, origin in zip(graph.inputs, origins, strict=True)}
        waiting = iter(
            [
                node
                for depth in sorted(graph._nodes_by_depth, reverse=True)
                for node in graph._nodes_by_depth[depth]
                if node.operation and not node.is_input
            ]
        )

        def recorded(operation: Any) -> Any:
            def call(*args: Any, **kwargs: Any) -> Any:
                node = next(waiting)
                if node.operation is not operation:
                    raise RuntimeError(f"expected node {node.operation.name}; received {operation.name}")
                arguments = self._arguments(node, args, kwargs, came_from)
                inner = functional(operation) if isinstance(operation, keras.Model) else None
                if inner is None:
                    outputs, ends = self._call(node, args, kwargs, arguments, within)
                else:
                    outputs, ends = self._enter(inner, node, args, kwargs, arguments, within)
                came_from.update({(id(node), number): end for number, end in enumerate(ends)})
                return outputs

            return call

        outputs = graph._run_through_graph(tensors, operation_fn=recorded)
        return keras.tree.flatten(outputs), tuple(came_from[_key(tensor)] for tensor in graph.outputs)

    def _call(
        self, node: Any, args: Any, kwargs: dict[str, Any], arguments: "list[tuple[Arrival, Any]]", within: str
    ) -> tuple[Any, Sequence[Origin]]:
        """Call a layer or an operation, and record its visit."""
        operation, place, error = node.operation, len(self.visits), ""
        # bound before the call, which may change them
        no_mask = _gets_no_mask(operation, args, kwargs)
        if "training" in getattr(operation, "_call_context_args", {}):
            kwargs["training"] = self._training
        try:
            outputs = operation(*args, **kwargs)
        except Exception as raised:
            # the layers' code may be from anyone and raise anything
            if not self._go_on:
                raise
            error = error_summary(raised)
            outputs = _zeros(node, [tensor for _, tensor in arguments])
        tensors = keras.tree.flatten(outputs)
        arrivals = tuple(arrival for arrival, _ in arguments)
        self.visits.append(self._visit(node, within, arrivals, tensors, gets_no_mask=no_mask, error=error))
        for arrival, tensor in arguments:
            if arrival.role == "values" and arrival.mask is not None and attached_mask(tensor) is None:
                self._removed[id(tensor)] = (place, tensor)
        return outputs, [(place, number) for number in range(len(tensors))]

    def _enter(
        self,
        inner: Any,
        node: Any,
        args: Any,
        kwargs: dict[str, Any],
        arguments: "list[tuple[Arrival, Any]]",
        within: str,
    ) -> tuple[Any, Sequence[Origin]]:
        """Run a model inside the model as Keras does: the masks of its inputs are those given, or those attached."""
        first = args[0] if args else kwargs["inputs"]
        masks = kwargs.get("mask")
        masks = [attached_mask(tensor) for tensor in keras.tree.flatten(first)] if masks is None else masks
        tensors = keras.tree.flatten(inner._standardize_inputs(first))
        for tensor, mask in zip(tensors, keras.tree.flatten(masks), strict=True):
            if mask is not None:
                tensor._keras_mask = mask
        place = len(self.visits)
        arrivals = tuple(arrival for arrival, _ in arguments)
        self.visits.append(self._visit(node, within, arrivals, tensors, kind="entrance"))
        entrances = [(place, number) for number in range(len(tensors))]
        return self.run(inner, tensors, entrances, f"{self.visits[place].name}/")

    def _arguments(
        self, node: Any, args: Any, kwargs: dict[str, Any], came_from: dict[tuple[int, int], Origin]
    ) -> "list[tuple[Arrival, Any]]":
        """Pair a node's symbolic arguments with the tensors passed for them: both have the same structure."""
        given = [None if mask is None else _to_array(mask) for mask in keras.tree.flatten(kwargs.get("mask"))]
        found: list[tuple[Arrival, Any]] = []
        symbolic = (node.arguments.args, node.arguments.kwargs)
        values = 0
        for (path, wanted), came in zip(
            keras.tree.flatten_with_path(symbolic), keras.tree.flatten((args, kwargs)), strict=True
        ):
            if not isinstance(wanted, keras.KerasTensor):
                continue
            place, output = came_from[_key(wanted)]
            names = [str(step) for step in path]
            if names[0] == "1" and (names[1] == "mask" or names[1].endswith("_mask")):
                found.append((Arrival(place, output, "mask", _to_array(came), None), came))
                continue
            own = given[values] if values < len(given) else None
            values += 1
            mask = attached_mask(came)
            removed_by, _ = self._removed.get(id(came), (None, None)) if mask is None else (None, None)
            mask = None if mask is None else _to_array(mask)
            found.append((Arrival(place, output, "values", mask, own, removed_by), came))
        return found

    def _visit(
        self,
        node: Any,
        within: str,
        arrivals: tuple[Arrival, ...],
        tensors: Sequence[Any],
        kind: VisitKind | None = None,
        gets_no_mask: bool = False,
        error: str = "",
    ) -> Visit:
        operation = node.operation
        layer = isinstance(operation, keras.layers.Layer)
        if kind is None:
            kind = "model" if isinstance(operation, keras.Model) else "layer" if layer else "operation"
        name = f"{within}{operation.name}"
        number = self._names[name] = self._names.get(name, 0) + 1
        masking = isinstance(operation, keras.layers.Masking)
        direction = getattr(operation, "forward_layer", operation)
        shapes = node.outputs if kind != "entrance" else functional(operation).inputs  # type: ignore[union-attr]
        masks = [attached_mask(tensor) for tensor in tensors]
        return Visit(
            name=name if number == 1 else f"{name} ({number})",
            class_name=_class_name(operation),
            # the layers of a model inside the model have their own
            parameters=int(operation.count_params()) if layer and kind != "entrance" else 0,
            kind=kind,
            masking=masking,
            mask_value=_mask_value(operation) if masking else None,
            masks_inside=kind == "model" and first_masking(operation) is not None,
            takes_mask=layer and bool(_MASKS.intersection(inspect.signature(operation.call).parameters)),
            gets_no_mask=gets_no_mask,
            reverses=bool(getattr(direction, "go_backwards", False) and getattr(direction, "return_sequences", False)),
            reads=_reads(operation),
            trainable=bool(layer and operation.trainable_variables),
            own_code=not type(operation).__module__.startswith("keras."),
            error=error,
            shapes=tuple(tuple(tensor.shape) for tensor in shapes),
            masks=tuple(None if mask is None else _to_array(mask) for mask in masks),
            arrivals=arrivals,
            values=tuple(_to_array(tensor) for tensor in tensors),
        )


def _gets_no_mask(operation: Any, args: Any, kwargs: dict[str, Any]) -> bool:
    """Whether Keras passes a layer no mask although it takes one: of several tensors it takes only NAME_mask."""
    if not isinstance(operation, keras.layers.Layer) or kwargs.get("mask") is not None:
        return False
    signature = inspect.signature(operation.call)
    if "mask" not in signature.parameters:
        return False
    bound = signature.bind_partial(*args, **kwargs).arguments
    return sum(any(keras.ops.is_tensor(each) for each in keras.tree.flatten(value)) for value in bound.values()) > 1


def _reads(operation: Any) -> Literal["", "left", "both"]:
    convolutions = (keras.layers.Conv1D, keras.layers.SeparableConv1D, keras.layers.DepthwiseConv1D)
    if not isinstance(operation, convolutions) or max(operation.kernel_size) < 2:
        return ""
    return "left" if operation.padding == "causal" else "both"


def _mask_value(masking: Any) -> MaskValue | None:
    try:
        return as_mask_value(masking.mask_value)
    except ValueError:
        return None


def _zeros(node: Any, tensors: Sequence[Any]) -> Any:
    """Zeros in place of the outputs of a node that failed, as many sentences and positions as its first tensor has."""
    free = [*(tuple(tensors[0].shape) if tensors else ()), 1, 1][:2]
    outputs = [
        keras.ops.zeros([size or (free[axis] if axis < 2 else 1) for axis, size in enumerate(tensor.shape)])
        for tensor in node.outputs
    ]
    return outputs[0] if len(outputs) == 1 else outputs


def _node(tensor: Any) -> tuple[Any, int]:
    """The node that a symbolic tensor comes from, and which of its outputs it is."""
    history = tensor._keras_history
    return history.operation._inbound_nodes[history.node_index], int(history.tensor_index)


def _key(tensor: Any) -> tuple[int, int]:
    node, number = _node(tensor)
    return id(node), number


def _to_array(tensor: Any) -> Array:
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def _class_name(operation: Any) -> str:
    own = str(type(operation).__name__)
    inner = getattr(operation, "layer", None) or getattr(operation, "forward_layer", None)
    return f"{own}({type(inner).__name__})" if isinstance(inner, keras.layers.Layer) else own
