"""Copies a graph of layers with other inputs: the same layers, and others in place of those that would not fit.

As `keras_graph`, it uses private parts of Keras 3.15.1: `Function._run_through_graph`, the `_keras_history` and the
`_keras_mask` of a tensor.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain, count
from typing import Any

import keras

from maskscope.keras_io.each_position import EachPosition, position_by_position
from maskscope.keras_io.keras_graph import attached_mask, functional
from maskscope.keras_io.keras_model import KerasModel


@dataclass(slots=True)
class Changes:
    """Names of the layers for which others stand in."""

    time_distributed: list[str] = field(default_factory=list)
    stateful: list[str] = field(default_factory=list)
    unrolled: list[str] = field(default_factory=list)
    softmax: list[str] = field(default_factory=list)

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence for each kind of change."""
        done = (
            ("TimeDistributed gives way to the layer inside it", self.time_distributed),
            ("No state is carried from one sentence to the next", self.stateful),
            ("Layers that were unrolled over all positions run as a loop", self.unrolled),
            ("The mask is passed on around Softmax, which fails under it in Keras", self.softmax),
        )
        return tuple(f"{words}: {', '.join(names)}." for words, names in done if names)


class ModelCopier:
    """Calls the layers of a model, or what stands in for them, on other inputs.

    Args:
        graph: of the model, as `keras_graph.functional` gives it.
        freed: T that the model was built for and the copy is to be free of; None where there is none.
        changes: gets the names of the layers for which others stand in.
    """

    def __init__(self, graph: Any, freed: int | None, changes: Changes) -> None:
        self._graph, self._freed, self._changes = graph, freed, changes
        self._taken = {
            str(operation.name)
            for operation in graph.operations
            if not isinstance(operation, keras.layers.TimeDistributed)
        }
        self._instead: dict[int, Any] = {}

    def outputs(self, inputs: list[Any]) -> Any:
        """The outputs for symbolic inputs, structured as those of the model."""
        outputs = self._graph._run_through_graph(inputs, operation_fn=self._stand_in)
        _rename_twins(keras.tree.flatten(outputs), self._graph)
        return outputs

    def _stand_in(self, operation: Any) -> Callable[..., Any]:
        """What is called in place of a layer or another operation: in most cases itself."""
        call: Callable[..., Any] = operation
        if isinstance(operation, keras.layers.TimeDistributed):
            call = self._time_distributed(operation)
        elif isinstance(operation, keras.Model) and functional(operation) is not None:
            call = self._model_inside(operation)
        elif isinstance(operation, keras.layers.Softmax):
            call = self._softmax(operation)
        elif _carries_state(operation) or _unrolls(operation):
            call = self._without_state(operation)
        elif isinstance(operation, keras.layers.Reshape) and operation.target_shape:
            call = self._reshape(operation)
        return call

    def _once(self, operation: Any, make: Callable[[], Any]) -> Any:
        """What stands in for a layer is made once: a layer that is used twice has one set of weights."""
        if id(operation) not in self._instead:
            self._instead[id(operation)] = make()
        return self._instead[id(operation)]

    def _time_distributed(self, wrapper: Any) -> Callable[..., Any]:
        def make() -> list[Callable[..., Any]]:
            self._changes.time_distributed.append(wrapper.name)
            layers = position_by_position(wrapper.layer)
            if layers is None:
                return [EachPosition(wrapper.layer, name=wrapper.name)]
            return [self._at_any_rank(layer, wrapper.name) for layer in layers]

        def call(x: Any, training: bool | None = None, mask: Any = None) -> Any:
            outputs = x
            for layer in self._once(wrapper, make):
                outputs = layer(outputs)
            if mask is not None and outputs is not x and attached_mask(outputs) is None:
                # it was given by hand
                outputs._keras_mask = mask
            return outputs

        return call

    def _at_any_rank(self, layer: Any, wrapper: str) -> Callable[..., Any]:
        """A layer from inside TimeDistributed, or its like, since some layers keep the rank they were built for."""
        name = self._free_name(layer.name, wrapper)
        if isinstance(layer, keras.layers.Softmax):
            return keras.layers.Activation("softmax", name=name, dtype=layer.dtype_policy)  # type: ignore[no-any-return]
        if name == layer.name and not isinstance(layer, keras.layers.BatchNormalization):
            return layer  # type: ignore[no-any-return]
        return _with_weights_of(layer, type(layer).from_config({**layer.get_config(), "name": name}))

    def _free_name(self, name: str, wrapper: str) -> str:
        """A name that no other layer of the copy has: the layer's own, or one like that of the layer around it."""
        names = chain([name, wrapper], (f"{wrapper}_{number}" for number in count(2)))
        free = next(each for each in names if each not in self._taken)
        self._taken.add(free)
        return free

    def _model_inside(self, model: Any) -> Callable[..., Any]:
        graph = functional(model)
        assert graph is not None

        def call(*args: Any, **kwargs: Any) -> Any:
            def make() -> KerasModel:
                inputs = [
                    keras.Input(given.shape[1:], dtype=old.dtype, name=old._keras_history.operation.name)
                    for given, old in zip(keras.tree.flatten(args), graph.inputs, strict=True)
                ]
                outputs = ModelCopier(graph, self._freed, self._changes).outputs(inputs)
                return keras.Model(keras.tree.pack_sequence_as(graph.input, inputs), outputs, name=model.name)

            return self._once(model, make)(*args, **kwargs)

        return call

    def _softmax(self, layer: Any) -> Callable[..., Any]:
        def make() -> Any:
            self._changes.softmax.append(layer.name)
            return keras.layers.Activation("softmax", name=layer.name, dtype=layer.dtype_policy)

        def call(x: Any, mask: Any = None) -> Any:
            if not is_last_softmax(layer, x) or (mask is not None and len(mask.shape) == len(x.shape)):
                # a mask may be given by hand, such as for the scores of an attention
                return layer(x, mask=mask)
            return self._once(layer, make)(x)

        return call

    def _without_state(self, layer: Any) -> Callable[..., Any]:
        def make() -> Callable[..., Any]:
            if _carries_state(layer):
                self._changes.stateful.append(layer.name)
            if _unrolls(layer):
                self._changes.unrolled.append(layer.name)
            return _with_weights_of(layer, type(layer).from_config(_stateless(layer.get_config())))

        return self._once(layer, make)  # type: ignore[no-any-return]

    def _reshape(self, layer: Any) -> Callable[..., Any]:
        length, *rest = layer.target_shape

        def call(x: Any) -> Any:
            if list(x.shape[2:]) == rest and attached_mask(x) is None:
                # what the model is given in one row has its shape already
                return x
            if x.shape[1] is not None or -1 in rest or length != self._freed:
                return layer(x)
            return self._once(layer, lambda: keras.layers.Reshape((-1, *rest), name=layer.name))(x)

        return call


def is_last_softmax(layer: Any, x: Any) -> bool:
    """Whether a layer is a Softmax over the last axis of x."""
    if not isinstance(layer, keras.layers.Softmax):
        return False
    axes = layer.axis if isinstance(layer.axis, list | tuple) else [layer.axis]
    return len(axes) == 1 and axes[0] in (-1, len(x.shape) - 1)


def _with_weights_of(old: Any, new: Any) -> Callable[..., Any]:
    """A new layer, which gets the weights of the old one as soon as it is built."""

    def call(*args: Any, **kwargs: Any) -> Any:
        built = new.built
        outputs = new(*args, **kwargs)
        if not built:
            new.set_weights(old.get_weights())
        return outputs

    return call


def _carries_state(operation: Any) -> bool:
    return bool(getattr(operation, "stateful", False))


def _unrolls(operation: Any) -> bool:
    return any(getattr(each, "unroll", False) for each in (operation, getattr(operation, "forward_layer", None)))


def _stateless(config: dict[str, Any]) -> dict[str, Any]:
    """The config of a recurrent layer without state and unrolling, also of the layers inside it."""
    changed = {key: False if key in ("stateful", "unroll") else value for key, value in config.items()}
    for key in ("layer", "backward_layer"):
        inner = config.get(key)
        if isinstance(inner, dict):
            changed[key] = {**inner, "config": _stateless(inner["config"])}
    return changed


def _rename_twins(outputs: list[Any], graph: Any) -> None:
    """Rename operations that Keras made for the copy's masks, where the model has others of the same names."""
    known = {id(operation): str(operation.name) for operation in graph.operations}
    names = set(known.values())
    seen: set[int] = set()
    todo = list(outputs)
    while todo:
        history = todo.pop()._keras_history
        operation = history.operation
        node = operation._inbound_nodes[history.node_index]
        if id(node) in seen:
            continue
        seen.add(id(node))
        todo.extend(node.input_tensors)
        if isinstance(operation, keras.layers.Layer) or id(operation) in known:
            continue
        known[id(operation)] = operation.name
        while operation.name in names:
            operation.name += "_copy"
        names.add(operation.name)
