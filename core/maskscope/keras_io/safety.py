"""Inspect a `.keras` file from anywhere, without Keras, before anything of it is loaded.

Keras rebuilds a model by calling whatever its config.json names (`keras.src.saving.serialization_lib`), reads its
weights from HDF5, which can point to other files, and unpacks a zip, which can hold more than it seems to. Safe mode
refuses lambdas, but not layers that read files (StringLookup and its kin) or run other programs' graphs (TFSMLayer).
So only layers and functions that are known to do nothing but compute pass; all others are refused by name.
"""

import json
import re
import stat
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, NoReturn

from maskscope.errors import ModelError

MAX_METADATA_BYTES = 1 << 20
MAX_CONFIG_BYTES = 16 << 20
MAX_WEIGHTS_BYTES = 1 << 30
MAX_TOTAL_BYTES = MAX_METADATA_BYTES + MAX_CONFIG_BYTES + MAX_WEIGHTS_BYTES
"""Limit for all unpacked members together."""
MAX_RATIO = 200
"""Keras stores its members unpacked, and weights don't compress: a member packed more tightly is a zip bomb."""
MAX_MEMBERS = 16
MAX_DIRECTORY_BYTES = 1 << 16
MAX_DEPTH = 100
"""Of nesting in config.json; a model within a model within a model stays below 40."""
MAX_H5_OBJECTS = 100_000
_RATIO_FROM_BYTES = 1 << 20
_SHOWN = 80
_EXPECTED = "metadata.json, config.json and model.weights.h5"

_MEMBERS = {
    "metadata.json": MAX_METADATA_BYTES,
    "config.json": MAX_CONFIG_BYTES,
    "model.weights.h5": MAX_WEIGHTS_BYTES,
    "assets/": 0,
}
_CONVERT = "load it in Keras where you trust it and write it anew with model.save('NAME.keras')"

_LAYERS = frozenset(
    re.findall(
        r"\w+",
        """
    InputLayer Masking Identity Dense EinsumDense
    Activation ELU LeakyReLU PReLU ReLU Softmax
    LSTM GRU SimpleRNN RNN LSTMCell GRUCell SimpleRNNCell StackedRNNCells Bidirectional TimeDistributed
    ConvLSTM1D ConvLSTM2D
    Conv1D Conv1DTranspose SeparableConv1D DepthwiseConv1D Conv2D Conv2DTranspose SeparableConv2D DepthwiseConv2D
    AveragePooling1D MaxPooling1D AveragePooling2D MaxPooling2D
    GlobalAveragePooling1D GlobalMaxPooling1D GlobalAveragePooling2D GlobalMaxPooling2D
    Attention AdditiveAttention MultiHeadAttention GroupQueryAttention
    BatchNormalization GroupNormalization LayerNormalization RMSNormalization SpectralNormalization
    UnitNormalization Normalization Rescaling
    Dropout SpatialDropout1D SpatialDropout2D GaussianDropout GaussianNoise AlphaDropout ActivityRegularization
    Add Average Concatenate Dot Maximum Minimum Multiply Subtract
    Cropping1D Cropping2D Flatten Permute RepeatVector Reshape UpSampling1D UpSampling2D ZeroPadding1D ZeroPadding2D
    """,
    )
)
"""Layers that do nothing but compute. Left out: Lambda, wrappers of other programs (TFSMLayer, JaxLayer, FlaxLayer,
TorchModuleWrapper), and preprocessing layers that read files or text."""

_ACTIVATIONS = frozenset(
    re.findall(
        r"\w+",
        """
    celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu linear
    log_sigmoid log_softmax mish relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign sparse_plus
    sparse_sigmoid sparsemax squareplus swish tanh tanh_shrink threshold
    """,
    )
)
_TYPES = frozenset(
    {"bool", "float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"}
)

_MODULES = {
    "layers": re.compile(r"keras\.(src\.)?layers(\.[a-z0-9_]+)*"),
    "models": re.compile(r"keras|keras\.(src\.)?models(\.[a-z0-9_]+)*"),
    "parts": re.compile(r"keras\.(src\.)?(initializers|regularizers|constraints)(\.[a-z0-9_]+)*"),
    "policies": re.compile(r"keras|keras\.(src\.)?dtype_policies(\.[a-z0-9_]+)*"),
    "operations": re.compile(r"keras\.src\.ops\.(numpy|nn|math|linalg)"),
    "core operations": re.compile(r"keras\.src\.ops\.core"),
}
_NAMES = {
    "layers": _LAYERS,
    "models": frozenset({"Sequential", "Functional", "Model"}),
    "policies": frozenset({"DTypePolicy", "FloatDTypePolicy"}),
    "core operations": frozenset({"Cast", "StopGradient", "Slice", "Unstack", "Shape"}),
}
_CLASS_NAME = re.compile(r"[A-Z][A-Za-z0-9_]*")
_PLACEHOLDERS = frozenset({"__keras_tensor__", "__slice__", "__ellipsis__"})
_CONSTANTS = frozenset({"__tensor__", "__numpy__"})


def inspect_keras_file(path: Path) -> str:
    """Check that a file is a `.keras` file that can do nothing but compute. Nothing of it is run; h5py reads it.

    Returns the version of Keras that wrote it, "" when the file does not give one.

    Raises ModelError, one sentence, for: another kind of file; a zip that is damaged, too large, packed beyond
    `MAX_RATIO`, or that holds anything but Keras's own members; a config that nests too deep or names a class, a
    function or a module that is not known to be harmless; weights that point to other files or hold objects.
    """
    path = Path(path)
    _check_kind(path)
    _check_directory(path)
    members = _read_members(path)
    _Config(path, members["config.json"]).check()
    _check_weights(path, members["model.weights.h5"])
    return _version(members.get("metadata.json", b""))


# The file and its zip


def _check_kind(path: Path) -> None:
    if path.suffix == ".keras" and path.is_file():
        return
    if not path.exists():
        raise ModelError("there is no such file", file=path, expected="a .keras file", received="nothing")
    what = f"a {'folder' if path.is_dir() else 'file'} {path.name!r}"
    raise ModelError(
        f"is not a .keras file; other kinds can run code when they are loaded, so {_CONVERT}",
        file=path,
        expected="a .keras file",
        received=what,
    )


def _check_directory(path: Path) -> None:
    """Check the end of the zip before zipfile reads the whole list of members, which may itself be a zip bomb.

    The end record (APPNOTE.TXT 4.3.16) is 22 bytes without a comment, and Keras writes none; a zip of this size and
    with so few members has no zip64 record before it.
    """
    try:
        size = path.stat().st_size
        if size > MAX_TOTAL_BYTES + MAX_DIRECTORY_BYTES:
            raise ModelError(
                "is too large", file=path, expected=f"at most {MAX_TOTAL_BYTES:,} bytes", received=f"{size:,}"
            )
        with path.open("rb") as stream:
            stream.seek(-min(size, 42), 2)
            end = stream.read(42).rjust(42, b"\0")
    except OSError as error:
        raise ModelError(f"can't be read ({error.strerror or error})", file=path) from error
    locator, record = end[:20], end[20:]
    if not record.startswith(b"PK\5\6") or not record.endswith(b"\0\0"):
        raise _no_zip(path, "no end of a zip")
    (directory,) = struct.unpack_from("<I", record, 12)
    if locator.startswith(b"PK\6\7") or directory > MAX_DIRECTORY_BYTES:
        raise ModelError(
            "holds more than a model", file=path, expected=_EXPECTED, received=f"{directory:,} bytes of members' names"
        )


def _no_zip(path: Path, why: str) -> ModelError:
    with path.open("rb") as stream:
        begins = stream.read(8)
    return ModelError(
        f"is not a complete .keras file; if it was not written by model.save, {_CONVERT}",
        file=path,
        expected="a zip",
        received=f"{why} (it begins with {begins!r})",
    )


def _read_members(path: Path) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            _check_members(path, members)
            return {info.filename: archive.read(info) for info in members if not info.is_dir()}
    except OSError as error:
        raise ModelError(f"can't be read ({error.strerror or error})", file=path) from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise _no_zip(path, " ".join(str(error).split())) from error


def _check_members(path: Path, members: list[zipfile.ZipInfo]) -> None:
    if len(members) > MAX_MEMBERS:
        raise ModelError("holds more than a model", file=path, expected=_EXPECTED, received=f"{len(members):,} members")
    for info in members:
        # zipfile cuts the name at a NUL and changes separators, so the name as written is checked
        name, shown = info.orig_filename, _short(info.orig_filename)
        parts = re.split(r"[/\\]", name)
        if name.startswith("/") or ".." in parts or "\\" in name or ":" in name or "\0" in name:
            raise ModelError("has a member with a path outside the file", file=path, expected=_EXPECTED, received=shown)
        if stat.S_ISLNK(info.external_attr >> 16):
            raise ModelError("has a member that is a link", file=path, expected=_EXPECTED, received=shown)
        if name not in _MEMBERS:
            raise ModelError(
                "has a member that does not belong to a model", file=path, expected=_EXPECTED, received=shown
            )
        if info.flag_bits & 0x1:
            raise ModelError("is encrypted", file=path, expected="a zip as model.save writes it", received=shown)
        most = _MEMBERS[name]
        if info.file_size > most or (
            info.file_size > _RATIO_FROM_BYTES and info.file_size > MAX_RATIO * info.compress_size
        ):
            raise ModelError(
                f"has a member {name} that is too large",
                file=path,
                expected=f"at most {most:,} bytes, packed at most {MAX_RATIO} times",
                received=f"{info.file_size:,} bytes packed into {info.compress_size:,}",
            )
    counted = Counter(info.filename for info in members)
    for name, times in counted.items():
        if times > 1:
            raise ModelError("has a member twice", file=path, expected=_EXPECTED, received=f"{times} times {name}")
    for name in ("config.json", "model.weights.h5"):
        if name not in counted:
            raise ModelError(
                "is not a .keras file", file=path, expected=f"a member {name}", received=", ".join(counted) or "none"
            )
    total = sum(info.file_size for info in members)
    if total > MAX_TOTAL_BYTES:
        raise ModelError(
            "is too large", file=path, expected=f"at most {MAX_TOTAL_BYTES:,} bytes", received=f"{total:,}"
        )


def _version(metadata: bytes) -> str:
    try:
        version = json.loads(metadata)["keras_version"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return version if isinstance(version, str) and re.fullmatch(r"[0-9A-Za-z.+-]{1,32}", version) else ""


def _short(text: object) -> str:
    words = ascii(text)
    return words if len(words) <= _SHOWN else f"{words[: _SHOWN - 1]}…"


# config.json


class _Config:
    """Walks through config.json and refuses the first object that is not known to be harmless."""

    def __init__(self, path: Path, text: bytes) -> None:
        self.path = path
        try:
            self.model: Any = json.loads(text)
        except RecursionError:
            self.refuse("has a config.json that nests too deep", f"at most {MAX_DEPTH} levels", "more")
        except ValueError as error:
            raise ModelError("has a damaged config.json", file=path, received=_short(str(error))) from error

    def refuse(self, message: str, expected: str, received: object) -> NoReturn:
        raise ModelError(message, file=self.path, expected=expected, received=str(received))

    def check(self) -> None:
        if not isinstance(self.model, dict) or self._group(self.model) != "models":
            self.refuse("holds no model", "a Sequential or Functional model", _short(self._called(self.model)))
        # the compile configuration of the whole model is never read: it is loaded without
        top = {key: value for key, value in self.model.items() if key != "compile_config"}
        for record in self._objects(top):
            self._check_object(record)

    def _objects(self, top: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Every dict that Keras may deserialize, outer before inner, in the order of the file."""
        todo: list[tuple[Any, int]] = [(top, 1)]
        while todo:
            value, depth = todo.pop()
            if depth > MAX_DEPTH:
                self.refuse("has a config.json that nests too deep", f"at most {MAX_DEPTH} levels", "more")
            if isinstance(value, dict):
                if "class_name" in value:
                    yield value
                todo.extend((inner, depth + 1) for inner in reversed(value.values()))
            elif isinstance(value, list):
                todo.extend((inner, depth + 1) for inner in reversed(value))

    def _called(self, record: Any) -> str:
        if not isinstance(record, dict) or "class_name" not in record:
            return f"a {type(record).__name__} without a class"
        module = record.get("module")
        return f"{record['class_name']}" if module is None else f"{module}.{record['class_name']}"

    def _group(self, record: dict[str, Any]) -> str | None:
        module, name = record.get("module"), record.get("class_name")
        if not isinstance(module, str) or not isinstance(name, str) or not _CLASS_NAME.fullmatch(name):
            return None
        for group, pattern in _MODULES.items():
            if pattern.fullmatch(module) and "test" not in module and name in _NAMES.get(group, {name}):
                return group
        return None

    def _check_object(self, record: dict[str, Any]) -> None:
        name, inner = record["class_name"], record.get("config")
        if not isinstance(name, str):
            self.refuse("names a class by something other than text", "a class of Keras", _short(name))
        if record.get("compile_config"):
            self.refuse(
                "holds a model that was compiled inside another; save it without (model.compile only the whole)",
                "layers",
                _short(self._called(record)),
            )
        if name in _PLACEHOLDERS:
            return
        if name in _CONSTANTS:
            kind = inner.get("dtype") if isinstance(inner, dict) else None
            if kind not in _TYPES:
                self.refuse("holds a constant of another type", "numbers", _short(kind))
            return
        if name == "function":
            self._check_function(record)
            return
        if name in ("__lambda__", "Lambda"):
            self.refuse(
                "holds Python code in a Lambda layer, which is never run; replace the layer by one of keras.layers",
                "layers of Keras that only compute",
                _short(self._called(record)),
            )
        self._check_registered(record)
        group, module = self._group(record), record.get("module")
        if group is None and isinstance(module, str) and re.fullmatch(r"keras(\.[A-Za-z0-9_]+)*", module):
            self.refuse(
                "uses a part of Keras that may do more than compute",
                "layers that only compute",
                _short(self._called(record)),
            )
        if group is None:
            self.refuse(
                "holds a custom object, whose code is not in the file and is never imported",
                "layers of Keras itself",
                _short(self._called(record)),
            )

    def _check_function(self, record: dict[str, Any]) -> None:
        name, registered = record.get("config"), record.get("registered_name")
        known = isinstance(name, str) and name in _ACTIVATIONS and registered in (None, "function", name)
        if record.get("module") not in ("builtins", "keras.activations") or not known:
            self.refuse(
                "calls a function that is not an activation of Keras",
                "an activation such as relu",
                _short(f"{record.get('module')}.{name}"),
            )

    def _check_registered(self, record: dict[str, Any]) -> None:
        registered = record.get("registered_name")
        if registered is not None and registered != record["class_name"]:
            self.refuse(
                "holds a custom object, whose code is not in the file and is never imported",
                "layers of Keras itself",
                _short(registered),
            )


# model.weights.h5


def _check_weights(path: Path, weights: bytes) -> None:
    """Refuse a model.weights.h5 that is not a plain tree of groups and arrays of numbers."""
    # importing h5py takes a good part of the window's start, which does not need it
    import h5py

    def refuse(message: str, expected: str, received: object) -> NoReturn:
        raise ModelError(message, file=path, expected=_EXPECTED, received=str(received))

    total = 0
    try:
        with h5py.File(BytesIO(weights), "r") as file:
            seen: set[int] = set()
            groups = [("", file)]
            while groups:
                place, group = groups.pop()
                for name in group:
                    where = _short(f"{place}/{name}")
                    link = group.get(name, getlink=True)
                    if isinstance(link, h5py.ExternalLink):
                        refuse("has weights that point to another file", "arrays in the file itself", where)
                    if not isinstance(link, h5py.HardLink):
                        refuse("has weights that are links", "arrays in the file itself", where)
                    item = group[name]
                    address = int(h5py.h5o.get_info(item.id).addr)
                    if address in seen:
                        refuse("has weights that are stored in two places", "a tree of arrays", where)
                    seen.add(address)
                    if len(seen) > MAX_H5_OBJECTS:
                        refuse("has too many weights", f"at most {MAX_H5_OBJECTS:,} arrays", "more")
                    if isinstance(item, h5py.Group):
                        groups.append((f"{place}/{name}", item))
                        continue
                    if not isinstance(item, h5py.Dataset):
                        refuse("has weights that are not arrays", "arrays of numbers", where)
                    if item.external or item.is_virtual:
                        refuse("has weights that are stored in another file", "arrays in the file itself", where)
                    if item.dtype.kind not in "fiub" or item.dtype.hasobject or item.shape is None:
                        refuse("has weights that are not numbers", "arrays of numbers", f"{where}, {item.dtype}")
                    total += int(item.size) * int(item.dtype.itemsize)
                    if total > MAX_WEIGHTS_BYTES:
                        refuse("has weights that are too large", f"at most {MAX_WEIGHTS_BYTES:,} bytes", "more")
    except (OSError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise ModelError(
            "has a damaged model.weights.h5", file=path, received=f"{type(error).__name__}: {_short(str(error))}"
        ) from error
