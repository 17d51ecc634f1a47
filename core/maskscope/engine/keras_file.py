"""Read the weights of a `.keras` file without Keras, and refuse by name every layer that is not supported.

A `.keras` file (Keras 3's `saving_lib`) is a zip of metadata.json, config.json and model.weights.h5. `keras_config`
reads the layers of config.json; the weights of a layer are under ``layers/<class name in snake case>[_<count>]``,
counted over the layers of its model in order, and under ``vars`` in the order in which the layer made them.

A model that is refused here may still run in Keras; the window then shows the refusal as the reason.
"""

import json
import zipfile
import zlib
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from maskscope.engine.keras_config import ModelReader
from maskscope.engine.keras_layers import input_width
from maskscope.engine.layer_config import MAX_WEIGHTS_BYTES
from maskscope.engine.weights import EMBEDDINGS, Node, TaggerWeights
from maskscope.errors import ModelError
from maskscope.types import Floats

if TYPE_CHECKING:
    import h5py

MAX_CONFIG_BYTES = 16 << 20
MAX_RATIO = 1000
"""Weights don't compress: a member that unpacks to more than this many times its size is refused as a zip bomb."""


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
    reader = ModelReader(path)
    try:
        reader.read(model)
    except (KeyError, TypeError, IndexError, AttributeError, ValueError, RecursionError) as error:
        raise ModelError(
            "has a config.json that is not as Keras writes it",
            file=path,
            received=f"{type(error).__name__}: {error}",
        ) from error
    return _with_arrays(reader, weights)


def _with_arrays(reader: ModelReader, weights: bytes) -> TaggerWeights:
    import h5py

    nodes: list[Node] = []
    widths: list[int] = []
    dim = reader.dim
    try:
        with h5py.File(BytesIO(weights), "r") as file:
            arrays = _WeightsFile(file, reader.path)
            for step in reader.steps:
                layer = step.load(arrays, [dim if at == EMBEDDINGS else widths[at] for at in step.inputs])
                if dim is None and EMBEDDINGS in step.inputs:
                    dim = input_width(layer)
                nodes.append(Node(layer, step.inputs))
                widths.append(layer.units(*((dim or 0) if at == EMBEDDINGS else widths[at] for at in step.inputs)))
    except (OSError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise ModelError(
            "has a damaged model.weights.h5", file=reader.path, received=f"{type(error).__name__}: {error}"
        ) from error
    return TaggerWeights(reader.mask_value, dim or 0, tuple(nodes), tuple(reader.notes))


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


class _WeightsFile:
    """The arrays of model.weights.h5."""

    def __init__(self, file: "h5py.File", path: Path) -> None:
        self._file = file
        self._path = path

    def array(self, name: str, shape: tuple[int | None, ...], layer: str) -> Floats:
        """A float32 array by its path, of that shape (None: any size); raises ModelError, naming the layer."""
        import h5py

        data: Any = self._file
        for part in name.split("/"):
            # a soft or external link could lead to another file
            own = isinstance(data, h5py.Group) and isinstance(data.get(part, getlink=True), h5py.HardLink)
            data = data[part] if own else None
        if not isinstance(data, h5py.Dataset) or data.external or data.is_virtual:
            self._refuse(f"lacks weights of layer {layer!r}", f"an array {name}", "none")
        fits = data.ndim == len(shape) and all(
            size == wanted or (wanted is None and size > 0) for size, wanted in zip(data.shape, shape, strict=True)
        )
        if not fits or data.dtype.kind != "f":
            words = "(" + ", ".join("D" if size is None else str(size) for size in shape) + ")"
            self._refuse(
                f"has weights that don't fit layer {layer!r}", f"{words} float32", f"{data.shape} {data.dtype}"
            )
        if data.size * 4 > MAX_WEIGHTS_BYTES:
            self._refuse(f"has too many weights in layer {layer!r}", f"{MAX_WEIGHTS_BYTES} bytes", data.shape)
        values: Floats = np.asarray(data[()], dtype=np.float32)
        if not np.isfinite(values).all():
            self._refuse(f"has weights of layer {layer!r} that are not finite", "finite weights", "NaN or infinity")
        return values

    def _refuse(self, message: str, expected: str, received: object) -> NoReturn:
        raise ModelError(message, file=self._path, expected=expected, received=str(received))
