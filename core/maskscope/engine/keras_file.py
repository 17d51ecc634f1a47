"""Read the weights of a `.keras` file without Keras, and refuse by name every layer that is not supported.

A `.keras` file (Keras 3's `saving_lib`) is a zip of metadata.json, config.json and model.weights.h5. Weights
are under ``layers/<class name in snake case>[_<count>]``, counted over the model's layers in order, and under
``vars`` in the order in which the layer made them.
Supported is one chain of layers: InputLayer, Masking or none, then Bidirectional(LSTM), LSTM, Dense and
LayerNormalization in any order, at least one of them an LSTM, last a Dense with sigmoid or softmax; layers that
only drop or add noise in training may be anywhere.

A model that is refused here may still run in Keras; the window then shows the refusal as the reason.
"""

import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias, cast, get_args

import numpy as np

from maskscope.engine.pointwise import ACTIVATION_NAMES, ActivationName, DenseWeights, HeadActivation, NormWeights
from maskscope.engine.recurrence import LstmWeights, Merge
from maskscope.engine.weights import AnyLayerWeights, TaggerWeights
from maskscope.errors import ModelError
from maskscope.types import Floats, MaskValue

if TYPE_CHECKING:
    import h5py

MAX_CONFIG_BYTES = 16 << 20
MAX_WEIGHTS_BYTES = 1 << 30
MAX_RATIO = 1000
"""Weights don't compress: a member that unpacks to more than this many times its size is refused as a zip bomb."""

SUPPORTED = (
    "InputLayer, Masking, Bidirectional(LSTM), LSTM, Dense, LayerNormalization, Dropout, last a Dense with sigmoid or "
    "softmax"
)
_DROPOUTS = frozenset({"Dropout", "SpatialDropout1D", "GaussianNoise", "GaussianDropout", "AlphaDropout"})
_PASS_THROUGH = frozenset({"InputLayer"}) | _DROPOUTS
_GROUPS = {
    "Bidirectional": "bidirectional",
    "LSTM": "lstm",
    "Dense": "dense",
    "LayerNormalization": "layer_normalization",
}
_SYNONYMS = {"swish": "silu"}


def read_keras_file(path: Path) -> TaggerWeights:
    """The weights of a `.keras` file, without importing Keras or running anything the file says.

    Raises ModelError naming the file, and the layer that is not supported, if it is one.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            config = _member(archive, path, "config.json", MAX_CONFIG_BYTES)
            weights = _member(archive, path, "model.weights.h5", MAX_WEIGHTS_BYTES)
    except OSError as error:
        raise ModelError(f"can't be read ({error.strerror or error})", file=path) from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ModelError(
            "is not a complete .keras file", file=path, expected="a zip as model.save writes it", received=str(error)
        ) from error
    try:
        model = json.loads(config)
    except (ValueError, RecursionError) as error:
        raise ModelError("has a damaged config.json", file=path, received=str(error)) from error
    reader = _ModelReader(path)
    try:
        reader.read(model)
    except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
        raise ModelError(
            "has a config.json that is not as Keras writes it",
            file=path,
            received=f"{type(error).__name__}: {error}",
        ) from error
    return reader.load(weights)


def _member(archive: zipfile.ZipFile, path: Path, name: str, most: int) -> bytes:
    try:
        info = archive.getinfo(name)
    except KeyError:
        raise ModelError(
            "is not a .keras file", file=path, expected=f"a member {name}", received=_some(archive.namelist())
        ) from None
    if info.file_size > most or info.file_size > MAX_RATIO * max(info.compress_size, 1024):
        raise ModelError(
            f"has a member {name} that is too large",
            file=path,
            expected=f"at most {most} bytes",
            received=f"{info.file_size} bytes packed into {info.compress_size}",
        )
    with archive.open(info) as stream:
        return stream.read(info.file_size)


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(sorted(names)[:6])
    return f"{shown}, ..." if len(names) > 6 else shown or "an empty zip"


@dataclass(frozen=True, slots=True)
class _Recurrent:
    """One Bidirectional(LSTM) or LSTM layer in config.json."""

    name: str
    group: str
    units: int
    use_bias: bool
    cells: tuple[str, ...]
    merge: Merge

    @property
    def width(self) -> int:
        return self.units * (2 if len(self.cells) == 2 and self.merge == "concat" else 1)


@dataclass(frozen=True, slots=True)
class _Dense:
    """One Dense layer in config.json; the activation is its name in Keras, or the text of the file."""

    name: str
    group: str
    units: int
    use_bias: bool
    activation: str


@dataclass(frozen=True, slots=True)
class _Norm:
    """One LayerNormalization layer in config.json."""

    name: str
    group: str
    epsilon: float
    scale: bool
    center: bool


_Step: TypeAlias = _Recurrent | _Dense | _Norm


class _ModelReader:
    """Reads config.json layer by layer, then the weights of these layers."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.mask_value: MaskValue | None = None
        self.dim: int | None = None
        self.steps: list[_Step] = []
        self.counts: dict[str, int] = {}

    def refuse(self, message: str, expected: str, received: object) -> NoReturn:
        raise ModelError(message, file=self.path, expected=expected, received=str(received))

    def read(self, model: Mapping[str, Any]) -> None:
        kind = model["class_name"]
        if kind not in ("Sequential", "Functional", "Model"):
            self.refuse("holds a model of an unknown kind", "a Sequential or Functional model", kind)
        layers: list[Mapping[str, Any]] = model["config"]["layers"]
        if not isinstance(layers, list) or not layers:
            self.refuse("holds no layers", SUPPORTED, "an empty model")
        if kind != "Sequential":
            layers = self._chain(layers, model["config"])
        for layer in layers:
            self._layer(str(layer["class_name"]), str(layer["config"]["name"]), layer["config"])
        kinds = ", ".join(str(layer["class_name"]) for layer in layers)
        if not any(isinstance(step, _Recurrent) for step in self.steps):
            self.refuse("holds no LSTM layer", SUPPORTED, kinds)
        *between, last = self.steps
        if not isinstance(last, _Dense):
            self.refuse("does not end in a Dense layer", SUPPORTED, kinds)
        if last.activation not in get_args(HeadActivation):
            words = f"has another activation in its last layer {last.name!r}"
            self.refuse(words, "'sigmoid' or 'softmax'", repr(last.activation))
        for step in between:
            if isinstance(step, _Dense) and step.activation not in ACTIVATION_NAMES:
                words = f"has an activation in Dense layer {step.name!r} that the built-in engine does not support"
                self.refuse(words, ", ".join(ACTIVATION_NAMES), repr(step.activation))

    def _chain(self, layers: list[Mapping[str, Any]], config: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """The layers of a Functional model in order, provided that they form one chain with one mask."""
        masks: dict[str, str] = {}
        chain: list[Mapping[str, Any]] = []
        masking: str | None = None
        masked = {_source(x["inbound_nodes"][0]["args"][0]) for x in layers if x["class_name"] == "Masking"}
        for layer in layers:
            kind, name = str(layer["class_name"]), str(layer["config"]["name"])
            nodes = layer.get("inbound_nodes", [])
            if kind == "InputLayer":
                if chain:
                    self.refuse(f"has a second input {name!r}", "one input of embeddings", "two")
                chain.append(layer)
                continue
            if len(nodes) != 1:
                self.refuse(f"uses layer {name!r} more than once", "one chain of layers", f"{len(nodes)} uses")
            args = nodes[0]["args"]
            source = _source(args[0])
            if kind in ("NotEqual", "Any"):
                # the mask of a Masking layer, which Keras writes as two operations of its own
                if kind == "NotEqual" and source in masked:
                    masks[name] = repr(float(args[1]))
                elif kind == "Any" and source in masks and layer["config"].get("axis") == -1:
                    masks[name] = masks[source]
                else:
                    self.refuse(f"computes with {kind} {name!r} outside the Masking layer", SUPPORTED, kind)
                continue
            before = str(chain[-1]["config"]["name"]) if chain else None
            if source != before or len(args) != 1:
                self.refuse(
                    f"does not form one chain of layers at {name!r}", f"its input from {before!r}", repr(source)
                )
            given = {key: value for key, value in nodes[0].get("kwargs", {}).items() if value is not None}
            if given.pop("training", False) is not False:
                self.refuse(
                    f"always runs layer {name!r} as in training", "training only while it trains", "training=True"
                )
            # no mask in the file: Keras passes the Masking layer's mask on when it loads the file
            mask = given.pop("mask", None)
            if given:
                self.refuse(f"calls layer {name!r} with more than its input", "a chain of layers", ", ".join(given))
            if kind == "Masking":
                masking = repr(float(layer["config"]["mask_value"]))
            elif mask is not None and (masking is None or masks.get(_source(mask) or "") != masking):
                self.refuse(f"gives layer {name!r} a mask of its own", "the mask of the Masking layer", "another")
            chain.append(layer)
        outputs = config["output_layers"]
        last = outputs[0] if isinstance(outputs[0], str) else outputs[0][0]
        if (not isinstance(outputs[0], str) and len(outputs) != 1) or last != str(chain[-1]["config"]["name"]):
            self.refuse("has other outputs than its last layer", "one output", outputs)
        return chain

    def _layer(self, kind: str, name: str, config: Mapping[str, Any]) -> None:
        self._dtype(name, config.get("dtype", "float32"))
        if kind in _GROUPS:
            count = self.counts.get(kind, 0)
            self.counts[kind] = count + 1
            group = f"layers/{_GROUPS[kind]}" + (f"_{count}" if count else "")
        if kind == "InputLayer":
            self._input(name, config.get("batch_shape"))
        elif kind == "Masking":
            self._masking(name, config)
        elif kind == "Bidirectional":
            self.steps.append(self._bidirectional(name, group, config))
        elif kind == "LSTM":
            self.steps.append(self._lstm(name, f"layer {name!r}", group, config, backward=False))
        elif kind == "Dense":
            activation = _function(config.get("activation", "linear"))
            units, use_bias = int(config["units"]), bool(config.get("use_bias", True))
            self.steps.append(_Dense(name, group, units, use_bias, activation))
        elif kind == "LayerNormalization":
            self.steps.append(self._norm(name, group, config))
        elif kind not in _PASS_THROUGH:
            self.refuse(f"holds layer {name!r}, which the built-in engine does not support", SUPPORTED, kind)

    def _input(self, name: str, shape: Any) -> None:
        if shape is None:
            return
        if len(shape) != 3:
            self.refuse(f"has an input {name!r} of another shape", "(None, None, D)", shape)
        if shape[1] is not None:
            self.refuse(f"takes exactly {shape[1]} positions in its input {name!r}", "(None, None, D)", shape)
        self.dim = None if shape[2] is None else int(shape[2])

    def _masking(self, name: str, config: Mapping[str, Any]) -> None:
        if self.steps:
            self.refuse(
                f"has layer {self.steps[0].name!r} before its Masking layer {name!r}",
                "Masking first, so that it sees the embeddings themselves",
                "another order",
            )
        if self.mask_value is not None:
            self.refuse(f"has a second Masking layer {name!r}", "one", "two")
        self.mask_value = float(config["mask_value"])

    def _dtype(self, name: str, dtype: Any) -> None:
        policy = dtype["config"]["name"] if isinstance(dtype, Mapping) else dtype
        if policy != "float32":
            self.refuse(f"computes layer {name!r} in another type", "float32", policy)

    def _bidirectional(self, name: str, group: str, config: Mapping[str, Any]) -> _Recurrent:
        merge = config.get("merge_mode")
        if merge not in get_args(Merge):
            words = f"merges the directions of layer {name!r} in another way"
            self.refuse(words, "merge_mode " + " or ".join(repr(way) for way in get_args(Merge)), repr(merge))
        forward, backward = config["layer"], config.get("backward_layer")
        found = []
        for which, direction in (("forward", forward), ("backward", backward)):
            if direction is None:
                continue
            if direction["class_name"] != "LSTM":
                self.refuse(f"holds layer {name!r} over another cell", "LSTM", direction["class_name"])
            inner = direction["config"]
            self._dtype(name, inner.get("dtype", "float32"))
            words = f"the {which} LSTM of layer {name!r}"
            found.append(self._lstm(name, words, group, inner, backward=which == "backward"))
        if len(set(found)) != 1:
            self.refuse(
                f"has different directions in layer {name!r}", "the same units and biases", [d.units for d in found]
            )
        cells = ("forward_layer/cell", "backward_layer/cell")
        return replace(found[0], cells=cells, merge=cast("Merge", merge))

    def _lstm(self, name: str, words: str, group: str, config: Mapping[str, Any], *, backward: bool) -> _Recurrent:
        wanted: dict[str, tuple[object, object]] = {
            # the value that is supported, and the default of Keras where none is written
            "activation": ("tanh", "tanh"),
            "recurrent_activation": ("sigmoid", "sigmoid"),
            "return_sequences": (True, False),
            "go_backwards": (backward, backward),
            "stateful": (False, False),
            "return_state": (False, False),
        }
        if group.startswith("layers/lstm"):
            # Bidirectional sets it, whatever the file says
            wanted["zero_output_for_mask"] = (False, False)
        for key, (value, default) in wanted.items():
            found = config.get(key, default)
            if (_function(found) if isinstance(value, str) else found) != value:
                self.refuse(f"has another {key} in {words}", repr(value), repr(found))
        return _Recurrent(name, group, int(config["units"]), bool(config.get("use_bias", True)), ("cell",), "concat")

    def _norm(self, name: str, group: str, config: Mapping[str, Any]) -> _Norm:
        if config.get("rms_scaling", False):
            self.refuse(f"scales by the root mean square in layer {name!r}", "rms_scaling False", "True")
        axis = config.get("axis", -1)
        if axis not in (-1, 2, [-1], [2]):
            self.refuse(f"normalizes over another axis in layer {name!r}", "the last axis, -1", axis)
        epsilon = float(config.get("epsilon", 1e-3))
        return _Norm(name, group, epsilon, bool(config.get("scale", True)), bool(config.get("center", True)))

    def load(self, weights: bytes) -> TaggerWeights:
        import h5py

        layers: list[AnyLayerWeights] = []
        *between, last = self.steps
        assert isinstance(last, _Dense)
        try:
            with h5py.File(BytesIO(weights), "r") as file:
                wide = self.dim
                for step in between:
                    if isinstance(step, _Recurrent):
                        layers.append(self._recurrent_weights(file, step, wide))
                        wide = step.width
                    elif isinstance(step, _Dense):
                        kernel, bias = self._dense_weights(file, step, wide)
                        layers.append(DenseWeights(kernel, bias, cast("ActivationName", step.activation)))
                        wide = step.units
                    else:
                        norm = self._norm_weights(file, step, wide)
                        layers.append(norm)
                        wide = len(norm.gamma)
                dense, dense_bias = self._dense_weights(file, last, wide)
        except (OSError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise ModelError(
                "has a damaged model.weights.h5", file=self.path, received=f"{type(error).__name__}: {error}"
            ) from error
        return TaggerWeights(self.mask_value, tuple(layers), dense, dense_bias, cast("HeadActivation", last.activation))

    def _recurrent_weights(self, file: "h5py.File", step: _Recurrent, wide: int | None) -> LstmWeights:
        units = step.units
        kernels, recurrents, biases = [], [], []
        for cell in step.cells:
            place = f"{step.group}/{cell}/vars"
            kernels.append(self._array(file, f"{place}/0", (wide, 4 * units), step.name))
            wide = int(kernels[-1].shape[0])
            recurrents.append(self._array(file, f"{place}/1", (units, 4 * units), step.name))
            if step.use_bias:
                biases.append(self._array(file, f"{place}/2", (4 * units,), step.name))
            else:
                biases.append(np.zeros(4 * units, dtype=np.float32))
        return LstmWeights(np.stack(kernels), np.stack(recurrents), np.stack(biases), step.merge)

    def _dense_weights(self, file: "h5py.File", step: _Dense, wide: int | None) -> tuple[Floats, Floats]:
        kernel = self._array(file, f"{step.group}/vars/0", (wide, step.units), step.name)
        if step.use_bias:
            return kernel, self._array(file, f"{step.group}/vars/1", (step.units,), step.name)
        return kernel, np.zeros(step.units, dtype=np.float32)

    def _norm_weights(self, file: "h5py.File", step: _Norm, wide: int | None) -> NormWeights:
        # gamma is made first, when there is one
        own = [self._array(file, f"{step.group}/vars/{i}", (wide,), step.name) for i in range(step.scale + step.center)]
        if not own and wide is None:
            self.refuse(
                f"does not give the width of the input of layer {step.name!r}", "an input (None, None, D)", "none"
            )
        width = len(own[0]) if own else wide or 0
        if width * 4 > MAX_WEIGHTS_BYTES:
            self.refuse(f"has too wide an input of layer {step.name!r}", f"{MAX_WEIGHTS_BYTES} bytes", width)
        gamma = own[0] if step.scale else np.ones(width, dtype=np.float32)
        beta = own[-1] if step.center else np.zeros(width, dtype=np.float32)
        return NormWeights(gamma, beta, step.epsilon)

    def _array(self, file: "h5py.File", name: str, shape: tuple[int | None, ...], layer: str | None) -> Floats:
        import h5py

        data: Any = file
        for part in name.split("/"):
            # a soft or external link could lead to another file
            own = isinstance(data, h5py.Group) and isinstance(data.get(part, getlink=True), h5py.HardLink)
            data = data[part] if own else None
        if not isinstance(data, h5py.Dataset) or data.external or data.is_virtual:
            self.refuse(f"lacks weights of layer {layer!r}", f"an array {name}", "none")
        fits = data.ndim == len(shape) and all(
            size == wanted or (wanted is None and size > 0) for size, wanted in zip(data.shape, shape, strict=True)
        )
        if not fits or data.dtype.kind != "f":
            words = "(" + ", ".join("D" if size is None else str(size) for size in shape) + ")"
            self.refuse(f"has weights that don't fit layer {layer!r}", f"{words} float32", f"{data.shape} {data.dtype}")
        if data.size * 4 > MAX_WEIGHTS_BYTES:
            self.refuse(f"has too many weights in layer {layer!r}", f"{MAX_WEIGHTS_BYTES} bytes", data.shape)
        values: Floats = np.asarray(data[()], dtype=np.float32)
        if not np.isfinite(values).all():
            self.refuse(f"has weights of layer {layer!r} that are not finite", "finite weights", "NaN or infinity")
        return values


def _source(tensor: Any) -> str | None:
    # {"class_name": "__keras_tensor__", "config": {"keras_history": [layer, node, output]}}
    if not isinstance(tensor, Mapping) or tensor.get("class_name") != "__keras_tensor__":
        return None
    return str(tensor["config"]["keras_history"][0])


def _function(activation: Any) -> str:
    """The name of an activation, written as a string or as an object of Keras; else the text of the file."""
    if activation is None:
        return "linear"
    if not isinstance(activation, Mapping):
        return _SYNONYMS.get(str(activation), str(activation))
    name, registered = activation.get("config"), activation.get("registered_name")
    if activation.get("class_name") == "function" and isinstance(name, str) and registered in (None, "function", name):
        return _SYNONYMS.get(name, name)
    return str(registered or activation.get("class_name"))
