"""Inspect a `.keras` file from anywhere, without Keras, before anything of it is loaded.

A file is a zip, which can hold more than it seems to, of a config.json (see `model_config`) and weights in HDF5, which
can point to other files. Only what can do nothing but compute passes.
"""

import json
import re
import stat
import struct
import zipfile
import zlib
from collections import Counter
from io import BytesIO
from pathlib import Path
from typing import Any, NoReturn

from maskscope.errors import ModelError
from maskscope.keras_io.keras_2 import is_keras_2
from maskscope.keras_io.known_part import KnownPart, known_part
from maskscope.keras_io.model_config import RefusedConfigError, check_config, read_config, shortened

MAX_METADATA_BYTES = 1 << 20
MAX_CONFIG_BYTES = 16 << 20
MAX_WEIGHTS_BYTES = 1 << 30
MAX_TOTAL_BYTES = MAX_METADATA_BYTES + MAX_CONFIG_BYTES + MAX_WEIGHTS_BYTES
"""Limit for all unpacked members together."""
MAX_RATIO = 200
"""Keras stores its members unpacked, and weights don't compress: a member packed more tightly is a zip bomb."""
MAX_MEMBERS = 16
MAX_DIRECTORY_BYTES = 1 << 16
MAX_H5_OBJECTS = 100_000
_RATIO_FROM_BYTES = 1 << 20
_EXPECTED = "metadata.json, config.json and model.weights.h5"

_MEMBERS = {
    "metadata.json": MAX_METADATA_BYTES,
    "config.json": MAX_CONFIG_BYTES,
    "model.weights.h5": MAX_WEIGHTS_BYTES,
    "assets/": 0,
}
_CONVERT = "load it in Keras where you trust it and write it anew with model.save('NAME.keras')"


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
    version = _version(members.get("metadata.json", b""))
    config = _read_config(path, members["config.json"])
    try:
        check_config(config)
    except RefusedConfigError as error:
        part = known_part(config)
        if version.startswith("2.") or is_keras_2(config):
            raise keras_2_error(path, version, None if part is None else part.layer) from error
        raise _refused(path, part, error) from error
    _check_weights(path, members["model.weights.h5"])
    return version


def read_model_file(path: Path) -> tuple[Any, bytes]:
    """What is in config.json and model.weights.h5 of a `.keras` file. The weights are harmless, the config need not be.

    Raises ModelError as `inspect_keras_file`, but for nothing that the config names.
    """
    path = Path(path)
    _check_kind(path)
    _check_directory(path)
    members = _read_members(path)
    _check_weights(path, members["model.weights.h5"])
    return _read_config(path, members["config.json"]), members["model.weights.h5"]


def last_known_layer(file: Path) -> str | None:
    """The layer up to which `cut.cut` would save a model; None when it can't."""
    try:
        config, _ = read_model_file(file)
    except ModelError:
        return None
    part = known_part(config)
    return None if part is None else part.layer


def keras_2_error(path: Path, version: str, layer: str | None) -> ModelError:
    """The refusal of a file of Keras 2, with what helps.

    Args:
        path: the file.
        version: of Keras, "" for none.
        layer: up to which `cut.cut` writes the model anew; None when it can't.
    """
    way = f"maskscope model FILE.keras --cut NEW.keras writes it anew, up to its layer {shortened(layer)}"
    return ModelError(
        f"was written by Keras 2, which Keras 3 can't load; {_rebuild(path.name) if layer is None else way}",
        file=path,
        expected="a file of Keras 3",
        received=f"Keras {version}" if version else "the form of Keras 2",
    )


def _rebuild(weights: str) -> str:
    return f"build the same layers in Keras 3, model.load_weights({weights!r}), and model.save('NAME.keras')"


def _read_config(path: Path, text: bytes) -> Any:
    try:
        return read_config(text)
    except RefusedConfigError as error:
        raise ModelError(error.message, file=path, expected=error.expected, received=error.received) from error


def _refused(path: Path, part: KnownPart | None, error: RefusedConfigError) -> ModelError:
    """The refusal, with what helps: the part of the model that is known, or the audit of the model in memory."""
    ways = []
    if error.unknown and part is not None:
        layer = shortened(part.layer)
        ways.append(f"maskscope model FILE.keras --cut NEW.keras saves the part up to its layer {layer}")
    if error.unknown:
        ways.append("maskscope.audit_model(model, x, lengths) checks the whole in memory, in your own program")
    message = "; ".join(filter(None, [error.message, ", and ".join(ways)]))
    return ModelError(message, file=path, expected=error.expected, received=error.received)


# The file and its zip


def _check_kind(path: Path) -> None:
    if path.suffix == ".keras" and path.is_file():
        return
    if not path.exists():
        raise ModelError("there is no such file", file=path, expected="a .keras file", received="nothing")
    convert = _CONVERT
    if path.suffix.lower() in (".h5", ".hdf5"):
        convert = _rebuild(path.name)
    elif (path / "saved_model.pb").is_file():
        convert = f"call model.save_weights('W.weights.h5') in Keras 2 (tf_keras), {_rebuild('W.weights.h5')}"
    raise ModelError(
        f"is not a .keras file; other kinds can run code when they are loaded, so {convert}",
        file=path,
        expected="a .keras file",
        received=f"a {'folder' if path.is_dir() else 'file'} {path.name!r}",
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
    # Keras 2 wrote HDF5 under any name
    convert = _rebuild(f"{path.stem}.h5") if begins.startswith(b"\x89HDF") else _CONVERT
    renamed = "rename it to .h5, " if begins.startswith(b"\x89HDF") else ""
    return ModelError(
        f"is not a complete .keras file; if it was not written by model.save, {renamed}{convert}",
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
        name, shown = info.orig_filename, shortened(info.orig_filename)
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


# model.weights.h5


def _check_weights(path: Path, weights: bytes) -> None:
    """Refuse a model.weights.h5 that is not a plain tree of groups and arrays of numbers."""
    # importing h5py takes a good part of the window's start, which does not need it
    import h5py

    def refuse(message: str, expected: str, received: object) -> NoReturn:
        raise ModelError(message, file=path, expected=expected, received=str(received))

    total = 0
    try:
        with h5py.File(BytesIO(weights), "r") as file:
            seen: set[int] = set()
            groups = [("", file)]
            while groups:
                place, group = groups.pop()
                for name in group:
                    where = shortened(f"{place}/{name}")
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
            "has a damaged model.weights.h5", file=path, received=f"{type(error).__name__}: {shortened(str(error))}"
        ) from error
