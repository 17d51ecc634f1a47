"""Read the weights of a `.keras` file without Keras, and refuse by name whatever is not the stack we know.

A `.keras` file (Keras 3's `saving_lib`) is a zip of metadata.json, config.json and model.weights.h5. Weights
stand under ``layers/<class name in snake case>[_<count>]``, counted over the model's layers in order.
The known stack: InputLayer, Masking or none, Bidirectional(LSTM) once or more, Dropout anywhere, Dense.
"""

import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import numpy as np

from maskscope.errors import ModelError
from maskscope.tagger.recurrence import LayerWeights
from maskscope.types import Floats

if TYPE_CHECKING:
    import h5py

MAX_CONFIG_BYTES = 16 << 20
MAX_WEIGHTS_BYTES = 1 << 30
MAX_RATIO = 1000
"""Weights are noise and don't compress: a member that unpacks to more than this many times its size is a trap."""

KNOWN = "InputLayer, Masking, Bidirectional(LSTM), Dropout, Dense"
_DROPOUTS = frozenset({"Dropout", "SpatialDropout1D", "GaussianNoise", "GaussianDropout", "AlphaDropout"})
_PASS_THROUGH = frozenset({"InputLayer"}) | _DROPOUTS


@dataclass(frozen=True, slots=True, eq=False)
class StackWeights:
    """The known stack's weights.

    Attributes:
        mask_value: of the Masking layer; None when there is none.
        layers: the bidirectional layers, lowest first.
        dense: (2 units, C) float32.
        dense_bias: (C,) float32.
        head: activation of the Dense layer.
    """

    mask_value: float | None
    layers: tuple[LayerWeights, ...]
    dense: Floats
    dense_bias: Floats
    head: Literal["sigmoid", "softmax"]


def read_keras_file(path: Path) -> StackWeights:
    """The weights of a `.keras` file, without importing Keras or running anything the file says.

    Raises ModelError naming the file, and the layer when one is to blame.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            config = _member(archive, path, "config.json", MAX_CONFIG_BYTES)
            weights = _member(archive, path, "model.weights.h5", MAX_WEIGHTS_BYTES)
    except OSError as error:
        raise ModelError(f"can't be read ({error.strerror or error})", file=path) from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ModelError(
            "is no whole .keras file", file=path, expected="a zip as model.save writes it", received=str(error)
        ) from error
    try:
        model = json.loads(config)
    except (ValueError, RecursionError) as error:
        raise ModelError("has a damaged config.json", file=path, received=str(error)) from error
    reader = _Stack(path)
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
            "is no .keras file", file=path, expected=f"a member {name}", received=_some(archive.namelist())
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
    """What config.json says of one Bidirectional layer."""

    name: str
    units: int
    use_bias: bool


class _Stack:
    """Reads config.json layer by layer, then the weights that belong to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.mask_value: float | None = None
        self.recurrent: list[_Recurrent] = []
        self.dense_name: str | None = None
        self.dense_units = 0
        self.dense_bias = True
        self.head: Literal["sigmoid", "softmax"] = "sigmoid"

    def refuse(self, message: str, expected: str, received: object) -> NoReturn:
        raise ModelError(message, file=self.path, expected=expected, received=str(received))

    def read(self, model: Mapping[str, Any]) -> None:
        kind = model["class_name"]
        if kind not in ("Sequential", "Functional", "Model"):
            self.refuse("holds a model of an unknown kind", "a Sequential or Functional model", kind)
        layers: list[Mapping[str, Any]] = model["config"]["layers"]
        if not isinstance(layers, list) or not layers:
            self.refuse("holds no layers", KNOWN, "an empty model")
        if kind != "Sequential":
            layers = self._chain(layers, model["config"])
        for layer in layers:
            self._layer(str(layer["class_name"]), str(layer["config"]["name"]), layer["config"])
        if not self.recurrent:
            self.refuse("holds no Bidirectional(LSTM) layer", KNOWN, ", ".join(x["class_name"] for x in layers))
        if self.dense_name is None:
            self.refuse("does not end in a Dense layer", KNOWN, ", ".join(x["class_name"] for x in layers))

    def _chain(self, layers: list[Mapping[str, Any]], config: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """The layers of a Functional model in order, provided that they form one chain with one mask."""
        masks: dict[str, str] = {}
        chain: list[Mapping[str, Any]] = []
        masking: str | None = None
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
                # the mask of a Masking layer, drawn by Keras as two operations beside it
                if kind == "NotEqual" and source == str(chain[0]["config"]["name"]):
                    masks[name] = repr(float(args[1]))
                elif kind == "Any" and source in masks and layer["config"].get("axis") == -1:
                    masks[name] = masks[source]
                else:
                    self.refuse(f"computes with {kind} {name!r} outside the Masking layer", KNOWN, kind)
                continue
            before = str(chain[-1]["config"]["name"]) if chain else None
            if source != before or len(args) != 1:
                self.refuse(
                    f"does not form one chain of layers at {name!r}", f"its input from {before!r}", repr(source)
                )
            # no mask written down: Keras hands the Masking layer's mask on when it loads the file
            mask = nodes[0].get("kwargs", {}).get("mask")
            if kind == "Masking":
                masking = repr(float(layer["config"]["mask_value"]))
            elif kind == "Bidirectional" and mask is not None and masks.get(_source(mask) or "") != masking:
                self.refuse(f"gives layer {name!r} a mask of its own", "the mask of the Masking layer", "another")
            chain.append(layer)
        outputs = config["output_layers"]
        last = outputs[0] if isinstance(outputs[0], str) else outputs[0][0]
        if (not isinstance(outputs[0], str) and len(outputs) != 1) or last != str(chain[-1]["config"]["name"]):
            self.refuse("has other outputs than its last layer", "one output", outputs)
        return chain

    def _layer(self, kind: str, name: str, config: Mapping[str, Any]) -> None:
        if self.dense_name is not None and kind not in _DROPOUTS:
            self.refuse(f"has layer {name!r} after its Dense layer", "Dense as the last layer", kind)
        self._dtype(name, config.get("dtype", "float32"))
        if kind in _PASS_THROUGH:
            return
        if kind == "Masking":
            if self.recurrent or self.mask_value is not None:
                self.refuse(f"has its Masking layer {name!r} in a wrong place", "one, before the LSTM", "another")
            self.mask_value = float(config["mask_value"])
        elif kind == "Bidirectional":
            self._bidirectional(name, config)
        elif kind == "Dense":
            self._dense(name, config)
        else:
            self.refuse(f"holds layer {name!r}, which packed scoring does not know", KNOWN, kind)

    def _dtype(self, name: str, dtype: Any) -> None:
        policy = dtype["config"]["name"] if isinstance(dtype, Mapping) else dtype
        if policy != "float32":
            self.refuse(f"computes layer {name!r} in another type", "float32", policy)

    def _bidirectional(self, name: str, config: Mapping[str, Any]) -> None:
        if config.get("merge_mode") != "concat":
            self.refuse(f"merges the directions of layer {name!r}", "merge_mode 'concat'", config.get("merge_mode"))
        forward, backward = config["layer"], config.get("backward_layer")
        found = []
        for which, direction in (("forward", forward), ("backward", backward)):
            if direction is None:
                continue
            if direction["class_name"] != "LSTM":
                self.refuse(f"holds layer {name!r} over another cell", "LSTM", direction["class_name"])
            inner = direction["config"]
            self._dtype(name, inner.get("dtype", "float32"))
            wanted: dict[str, object] = {
                "activation": "tanh",
                "recurrent_activation": "sigmoid",
                "return_sequences": True,
                "go_backwards": which == "backward",
                "stateful": False,
                "return_state": False,
            }
            for key, value in wanted.items():
                if inner.get(key, value) != value:
                    self.refuse(
                        f"has another {key} in the {which} LSTM of layer {name!r}", repr(value), repr(inner[key])
                    )
            found.append(_Recurrent(name, int(inner["units"]), bool(inner.get("use_bias", True))))
        if len(set(found)) != 1:
            self.refuse(
                f"has unlike directions in layer {name!r}", "the same units and biases", [d.units for d in found]
            )
        self.recurrent.append(found[0])

    def _dense(self, name: str, config: Mapping[str, Any]) -> None:
        if not self.recurrent:
            self.refuse(f"has Dense layer {name!r} before its LSTM", KNOWN, "Dense")
        head = config.get("activation")
        if head == "sigmoid":
            self.head = "sigmoid"
        elif head == "softmax":
            self.head = "softmax"
        else:
            self.refuse(f"has another activation in Dense layer {name!r}", "'sigmoid' or 'softmax'", repr(head))
        self.dense_name = name
        self.dense_units = int(config["units"])
        self.dense_bias = bool(config.get("use_bias", True))

    def load(self, weights: bytes) -> StackWeights:
        import h5py

        try:
            with h5py.File(BytesIO(weights), "r") as file:
                layers: list[LayerWeights] = []
                wide: int | None = None
                for i, recurrent in enumerate(self.recurrent):
                    group = "layers/bidirectional" + (f"_{i}" if i else "")
                    layers.append(self._recurrent_weights(file, group, recurrent, wide))
                    wide = 2 * recurrent.units
                assert wide is not None
                dense = self._array(file, "layers/dense/vars/0", (wide, self.dense_units), self.dense_name)
                bias: Floats = np.zeros(self.dense_units, dtype=np.float32)
                if self.dense_bias:
                    bias = self._array(file, "layers/dense/vars/1", (self.dense_units,), self.dense_name)
        except (OSError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise ModelError(
                "has a damaged model.weights.h5", file=self.path, received=f"{type(error).__name__}: {error}"
            ) from error
        return StackWeights(self.mask_value, tuple(layers), dense, bias, self.head)

    def _recurrent_weights(
        self, file: "h5py.File", group: str, recurrent: _Recurrent, wide: int | None
    ) -> LayerWeights:
        units = recurrent.units
        kernels, recurrents, biases = [], [], []
        for direction in ("forward_layer", "backward_layer"):
            place = f"{group}/{direction}/cell/vars"
            kernels.append(self._array(file, f"{place}/0", (wide, 4 * units), recurrent.name))
            wide = int(kernels[-1].shape[0])
            recurrents.append(self._array(file, f"{place}/1", (units, 4 * units), recurrent.name))
            if recurrent.use_bias:
                biases.append(self._array(file, f"{place}/2", (4 * units,), recurrent.name))
            else:
                biases.append(np.zeros(4 * units, dtype=np.float32))
        return LayerWeights(np.stack(kernels), np.stack(recurrents), np.stack(biases))

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
            self.refuse(f"has weights of layer {layer!r} that are no numbers", "finite weights", "NaN or infinity")
        return values


def _source(tensor: Any) -> str | None:
    # {"class_name": "__keras_tensor__", "config": {"keras_history": [layer, node, output]}}
    if not isinstance(tensor, Mapping) or tensor.get("class_name") != "__keras_tensor__":
        return None
    return str(tensor["config"]["keras_history"][0])
