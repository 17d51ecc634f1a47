"""The graph of layers in a `.keras` file's config.json, with the mask that each layer gets.

Supported is one input of embeddings and one output a position; between them a chain of layers or branches of it, in
Sequential or Functional models, one within the other if need be. A Masking layer has to read the embeddings
themselves, and every branch that meets another has to be masked as that one is: where Keras would lose or alter the
mask, the model is left to Keras.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

from maskscope.engine.keras_layers import is_known, read_layer, refuse_kind
from maskscope.engine.layer_config import SUPPORTED, LayerConfig, Step, snake_case
from maskscope.engine.weights import EMBEDDINGS
from maskscope.errors import ModelError
from maskscope.masks import as_mask_value
from maskscope.types import MaskValue

MAX_LAYERS = 1000

_MODELS = frozenset({"Sequential", "Functional", "Model"})
_OWN = frozenset({"Masking", "TimeDistributed"})
"""Layers that are read here."""


@dataclass(frozen=True, slots=True)
class _Features:
    """The output of a layer: its step, or the embeddings; and whether it carries the mask."""

    place: int
    masked: bool


@dataclass(frozen=True, slots=True)
class _Mask:
    """The mask of a Masking layer with this value, as Keras writes it to a file, as operations.

    Attributes:
        value: of the layer, and what it reads, as text, since NaN equals nothing; None for no position masked.
        reduced: whether it has one value a position; else one for each feature.
    """

    value: str | None
    reduced: bool


_Value: TypeAlias = _Features | _Mask | None
"""What flows along the graph; None for an output that is not supported, such as a last state."""
_Known: TypeAlias = dict[tuple[str, int, int], _Value]
"""By layer, call and output."""


class ModelReader:
    """Reads config.json into steps.

    Attributes:
        path: the file, for messages.
        mask_value: of the Masking layer; None for none.
        dim: D of the input; None where the file leaves it open.
        steps: what is computed, in order.
        notes: what is done to run the model, a sentence each.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.mask_value: MaskValue | None = None
        self.dim: int | None = None
        self.steps: list[Step] = []
        self.notes: list[str] = []
        self._rank = 3

    def refuse(self, message: str, expected: str, received: object) -> NoReturn:
        """Raise ModelError."""
        raise ModelError(message, file=self.path, expected=expected, received=str(received))

    def read(self, model: Mapping[str, Any]) -> None:
        """Read the model of a config.json. Raises ModelError for what is not supported."""
        kind = model["class_name"]
        if kind not in _MODELS:
            self.refuse("holds a model of an unknown kind", "a Sequential or Functional model", kind)
        output = self._model(kind, model["config"], "", _Features(EMBEDDINGS, masked=False))
        last = len(self.steps) - 1
        if output.place == EMBEDDINGS or not self.steps:
            self.refuse("holds no layer that computes anything", SUPPORTED, "a model that returns its input")
        if output.place != last:
            self.refuse("has other outputs than its last layer", "one output", self.steps[output.place].name)
        self.notes = list(dict.fromkeys(self.notes))

    def _model(self, kind: str, config: Mapping[str, Any], group: str, given: _Features) -> _Features:
        layers = config["layers"]
        if not isinstance(layers, list) or not layers:
            self.refuse("holds no layers", SUPPORTED, "an empty model")
        if len(layers) > MAX_LAYERS:
            self.refuse("holds too many layers", f"at most {MAX_LAYERS}", len(layers))
        counts: dict[str, int] = {}
        groups: list[str] = []
        for layer in layers:
            own = snake_case(str(layer["class_name"]))
            count = counts.get(own, 0)
            counts[own] = count + 1
            groups.append(f"{group}layers/{own}" + (f"_{count}" if count else ""))
        if kind == "Sequential":
            for layer, own in zip(layers, groups, strict=True):
                output, *more = self._layer(layer, own, (given,))
                if output is None or more:
                    words = f"gives both directions of layer {layer['config']['name']!r} apart"
                    self.refuse(words, "one output a layer in a Sequential model", f"{1 + len(more)} outputs")
                given = output
            return given
        return self._functional(layers, groups, config, given)

    def _functional(
        self, layers: list[Mapping[str, Any]], groups: list[str], config: Mapping[str, Any], given: _Features
    ) -> _Features:
        inputs = list(_references(config["input_layers"])) if "input_layers" in config else []
        kinds = [str(layer["class_name"]) for layer in layers]
        if len(inputs) > 1 or kinds.count("InputLayer") > 1:
            second = [str(layer["config"]["name"]) for layer in layers if layer["class_name"] == "InputLayer"][-1]
            self.refuse(f"has a second input {second!r}", "one input of embeddings", "two")
        known: _Known = {}
        pending: list[tuple[Mapping[str, Any], str, int]] = []
        for layer, group in zip(layers, groups, strict=True):
            name = str(layer["config"]["name"])
            if layer["class_name"] == "InputLayer":
                known[name, 0, 0] = self._layer(layer, group, (given,))[0]
            else:
                pending += [(layer, group, call) for call in range(len(layer["inbound_nodes"]))]
        while pending:
            # a layer that is used twice is listed before what its second use reads
            left = [each for each in pending if not self._call(known, *each)]
            if len(left) == len(pending):
                name = str(left[0][0]["config"]["name"])
                self.refuse(f"does not form a graph of layers at {name!r}", "inputs from earlier layers", "others")
            pending = left
        outputs = list(_references(config["output_layers"]))
        if len(outputs) != 1:
            self.refuse("has other outputs than its last layer", "one output", f"{len(outputs)} outputs")
        output = known[outputs[0]]
        if not isinstance(output, _Features):
            self.refuse("has an output that is not one of features", "the output of a layer", outputs[0][0])
        return output

    def _call(self, known: _Known, layer: Mapping[str, Any], group: str, call: int) -> bool:
        """Read one use of a layer; False while what it reads is not known yet."""
        kind, name = str(layer["class_name"]), str(layer["config"]["name"])
        node = layer["inbound_nodes"][call]
        args, given = node["args"], {key: value for key, value in node.get("kwargs", {}).items() if value is not None}
        sources = list(_tensors(args))
        if any(at not in known for at in [*sources, *_tensors(list(given.values()))]):
            return False
        values = [known[at] for at in sources]
        if _is_operation(layer):
            known[name, call, 0] = self._operation(kind, name, layer["config"], args, values)
            return True
        if not is_known(kind) and kind not in _MODELS | _OWN:
            refuse_kind(self.path, name, kind)
        if given.pop("training", False) is not False:
            self.refuse(f"always runs layer {name!r} as in training", "training only while it trains", "training=True")
        mask = given.pop("mask", None)
        if given or len(args) != 1 or not values:
            words = ", ".join(given) or f"{len(args)} arguments"
            self.refuse(f"calls layer {name!r} with more than its input", "a layer of its input alone", words)
        features = tuple(value for value in values if isinstance(value, _Features))
        if len(features) < len(values):
            self.refuse(
                f"gives layer {name!r} something else than features", "the output of a layer", "a state or a mask"
            )
        # no mask in the file: Keras passes the Masking layer's mask on when it loads the file
        if mask is not None:
            own = [known[at] for at in _tensors([mask])]
            if not features[0].masked or own != [_Mask(_mask_text(self.mask_value, EMBEDDINGS), reduced=True)]:
                self.refuse(f"gives layer {name!r} a mask of its own", "the mask of the Masking layer", "another")
        for i, output in enumerate(self._layer(layer, group, features)):
            known[name, call, i] = output
        return True

    def _operation(
        self, kind: str, name: str, config: Mapping[str, Any], args: list[Any], values: list[_Value]
    ) -> _Value:
        """A plain operation: part of a mask that Keras computes, or an addition and the like without a mask."""
        masks = [value for value in values if isinstance(value, _Mask)]
        first = values[0] if values else None
        if kind == "NotEqual" and isinstance(first, _Features) and not first.masked and len(args) == 2:
            return _Mask(_mask_text(as_mask_value(args[1]), first.place), reduced=False)
        if kind == "ZerosLike" and isinstance(first, _Features):
            # Keras adds it to a mask to give it the features' shape
            return _Mask(None, reduced=False)
        if masks and len(masks) == len(values):
            mask = _combined(kind, config.get("axis"), masks)
            if mask is not None:
                return mask
        features = tuple(value for value in values if isinstance(value, _Features) and not value.masked)
        if kind not in ("Add", "Multiply", "Subtract") or not len(features) == len(values) == len(args) == 2:
            self.refuse(f"computes with {kind} {name!r} outside its layers", SUPPORTED, kind)
        layer = LayerConfig(self.path, kind, name, "", {}, self.steps)
        (place,) = read_layer(layer, tuple(value.place for value in features))
        return None if place is None else _Features(place, masked=False)

    def _layer(
        self, layer: Mapping[str, Any], group: str, inputs: tuple[_Features, ...]
    ) -> tuple[_Features | None, ...]:
        kind, config = str(layer["class_name"]), layer["config"]
        name = str(config["name"])
        read = LayerConfig(self.path, kind, name, group, config, self.steps, self.notes, self._rank)
        if kind == "InputLayer":
            self._input(read, inputs[0])
            return inputs
        masked = {value.masked for value in inputs}
        if len(masked) > 1:
            self.refuse(
                f"combines masked and unmasked branches in layer {name!r}", "branches that are masked alike", "both"
            )
        if kind == "Masking":
            return (self._masking(read, inputs[0]),)
        if kind == "TimeDistributed":
            inner = config["layer"]
            if inner["class_name"] in ("TimeDistributed", "Masking", "InputLayer"):
                self.refuse(
                    f"holds layer {name!r} over another layer", "a layer of single positions", inner["class_name"]
                )
            self._rank = 2
            outputs = self._layer(inner, f"{group}/layer", inputs)
            self._rank = 3
            return outputs
        if kind in _MODELS:
            return (self._model(kind, config, f"{group}/", inputs[0]),)
        places = read_layer(read, tuple(value.place for value in inputs))
        return tuple(None if place is None else _Features(place, inputs[0].masked) for place in places)

    def _input(self, layer: LayerConfig, given: _Features) -> None:
        layer.check_type()
        shape = layer.config.get("batch_shape")
        if shape is None or given.place != EMBEDDINGS:
            return
        if len(shape) != self._rank:
            self.refuse(f"has an input {layer.name!r} of another shape", "(None, None, D)", shape)
        if shape[1] is not None and self._rank == 3:
            self.notes.append(
                f"The input is made for {shape[1]} positions; none of the layers needs that, so sentences are scored "
                "at their own length."
            )
        self.dim = None if shape[-1] is None else int(shape[-1])

    def _masking(self, layer: LayerConfig, given: _Features) -> _Features:
        layer.check_type()
        if given.place != EMBEDDINGS:
            self.refuse(
                f"has layer {self.steps[given.place].name!r} before its Masking layer {layer.name!r}",
                "Masking first, so that it sees the embeddings themselves",
                "another order",
            )
        value = as_mask_value(layer.config["mask_value"])
        if given.masked or self.mask_value not in (None, value):
            self.refuse(f"has a second Masking layer {layer.name!r}", "one", "two")
        self.mask_value = value
        return replace(given, masked=True)


def _mask_text(value: MaskValue | None, place: int) -> str:
    return f"{value!r} at {place}"


def _combined(kind: str, axis: Any, masks: list[_Mask]) -> _Mask | None:
    """What an operation makes of copies of one mask: this mask again; None for anything else."""
    values = {mask.value for mask in masks} - {None}
    shapes = {mask.reduced for mask in masks}
    if len(values) != 1 or len(shapes) != 1:
        return None
    (value,), (reduced,) = values, shapes
    if kind == "LogicalOr":
        return _Mask(value, reduced)
    if None in {mask.value for mask in masks}:
        return None
    if kind == "LogicalAnd" or (kind == "Concatenate" and not reduced):
        return _Mask(value, reduced)
    if axis == -1 and ((kind == "Any" and not reduced) or (kind == "ExpandDims" and reduced)):
        return _Mask(value, not reduced)
    return None


def _references(written: Any) -> Iterator[tuple[str, int, int]]:
    """The layers that `input_layers` or `output_layers` name: [name, call, output], or a list of these."""
    if isinstance(written, Mapping):
        written = list(written.values())
    if isinstance(written[0], str):
        yield str(written[0]), int(written[1]), int(written[2])
        return
    for each in written:
        yield from _references(each)


def _tensors(written: Any) -> Iterator[tuple[str, int, int]]:
    """The tensors among some arguments."""
    if isinstance(written, Mapping) and written.get("class_name") == "__keras_tensor__":
        name, call, output = written["config"]["keras_history"]
        yield str(name), int(call), int(output)
    elif isinstance(written, list):
        for each in written:
            yield from _tensors(each)


def _is_operation(layer: Mapping[str, Any]) -> bool:
    module = str(layer.get("module", ""))
    return module.startswith(("keras.src.ops", "keras.ops")) or layer["class_name"] in ("NotEqual", "Any")
