"""What a file that was chosen for import is, and what stands beside it: from its first bytes, with no window."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from maskscope.errors import MaskscopeError, ReadError
from maskscope.project.writer import project_path
from maskscope.readers import Format, ReadOptions, formats, open_source
from maskscope.readers.arrays import StoredArray
from maskscope.readers.conll_text import layout
from maskscope.readers.embeddings_file import HDF5_MAGIC, INDEX

Layer: TypeAlias = int | Literal["mean", "concat"] | None

_HDF5_SUFFIXES = (".hdf5", ".h5", ".hdf")
_SAYS_NOTHING = frozenset({"sentences", "tokens", "x", "data", "text", "corpus"})


@dataclass(frozen=True, slots=True)
class Found:
    """What a source is.

    Attributes:
        format_name: of its reader: "npy", "npz", "conll".
        words: one sentence about the source.
        beside: one sentence about its embeddings file, "" without one.
        n_layers: layers of each sentence in the embeddings file, 1 elsewhere.
        layer_dim: D of one layer.
    """

    format_name: str
    words: str
    beside: str = ""
    n_layers: int = 1
    layer_dim: int = 0


@dataclass(frozen=True, slots=True)
class Companions:
    """Files that probably belong to a source."""

    embeddings: Path | None = None
    labels: Path | None = None
    lengths: Path | None = None


def is_hdf5(path: Path) -> bool:
    """Whether a file begins as HDF5 does."""
    try:
        with path.open("rb") as stream:
            return stream.read(len(HDF5_MAGIC)) == HDF5_MAGIC
    except OSError:
        return False


def look_at(source: Path, options: ReadOptions) -> Found:
    """What `source` is, with `options` beside it; no more than headers are read.

    Raises ReadError, naming the file it is about, when one of the files can't be imported.
    """
    if not source.exists():
        raise ReadError("there is no such file", file=source)
    if is_hdf5(source):
        raise ReadError(
            "holds embeddings without their tokens; choose the text as the file, and this one as its embeddings",
            file=source,
        )
    chosen = _format(source, options)
    if chosen.name == "conll":
        return _text(source, options)
    with open_source(source, options, chosen.name):
        pass
    member = "X" if chosen.name == "npz" else None
    array = StoredArray(source, member)
    n, positions, dim = array.shape
    beside = _members(source) if chosen.name == "npz" else ""
    kind = "Zero-padded archive" if chosen.name == "npz" else "Zero-padded array"
    return Found(
        chosen.name, f"{kind}, {n:,} sentences × {positions:,} positions × {dim:,}, {array.dtype.name}{beside}"
    )


def _format(source: Path, options: ReadOptions) -> Format:
    for candidate in formats():
        if candidate.sniff(source):
            return candidate
    for candidate in formats():
        if source.suffix.lower() in candidate.suffixes:
            return candidate
    # The registry says best what it knows.
    with open_source(source, options):
        raise ReadError("the format is not known", file=source)


def _text(source: Path, options: ReadOptions) -> Found:
    lines = layout(source)
    if lines.columns == 0:
        raise ReadError("holds no sentence", file=source, expected="a line a token", received="no token line")
    if lines.conllu:
        words = "CoNLL-U text: tokens are its second column, labels its last"
    elif lines.columns == 1:
        words = "Text with a token a line and no labels"
    else:
        words = f"CoNLL text, {lines.columns} columns: the token first, its label last"
    if options.embeddings is None:
        return Found("conll", words)
    if is_hdf5(options.embeddings):
        n, shape, dtype = _hdf5_shape(options.embeddings)
        n_layers = shape[0] if len(shape) == 3 else 1
        layers = f"{n_layers} layers of " if n_layers > 1 else ""
        beside = f"HDF5, {n:,} sentences × {layers}{shape[-1]:,}, {dtype}"
        _checked(source, options)
        return Found("conll", words, beside, n_layers, shape[-1])
    _checked(source, options)
    rows = StoredArray(options.embeddings)
    return Found("conll", words, f"NumPy array, {rows.shape[0]:,} tokens × {rows.shape[1]:,}, {rows.dtype.name}")


def _checked(source: Path, options: ReadOptions) -> None:
    with open_source(source, options, "conll"):
        pass


def _hdf5_shape(path: Path) -> tuple[int, tuple[int, ...], str]:
    import h5py  # here, because it is slow to start and only this format needs it

    try:
        with h5py.File(path, "r") as file:
            first = file.get("0")
            shape = getattr(first, "shape", None)
            if first is not None and shape is not None and len(shape) in (2, 3):
                return len(file) - int(INDEX in file), tuple(shape), str(first.dtype)
    except (OSError, RuntimeError, ValueError, TypeError, KeyError) as error:
        raise ReadError("can't be read, so it is broken or truncated", file=path, received=str(error)) from error
    raise ReadError(
        'there is no dataset "0" of shape (T, D) or (layers, T, D)',
        file=path,
        expected='datasets "0", "1", ..., one a sentence',
    )


def _members(source: Path) -> str:
    import zipfile

    with zipfile.ZipFile(source) as archive:
        names = {name.removesuffix(".npy") for name in archive.namelist()}
    there = [name for name in ("y", "lengths", "tokens", "mask") if name in names]
    return f", with {', '.join(there)}" if there else ", nothing beside X"


def companions(source: Path, format_name: str) -> Companions:
    """Files beside `source` whose names say that they belong to it."""
    folder, stem = source.parent, source.stem
    if format_name == "conll":
        names = [f"{stem}{suffix}" for suffix in (*_HDF5_SUFFIXES, ".npy")]
        names += [f"{base}{suffix}" for base in ("embeddings", "elmo") for suffix in (*_HDF5_SUFFIXES, ".npy")]
        return Companions(embeddings=_first(folder, names) or _only_hdf5(folder))
    if format_name != "npy":
        return Companions()
    rest = stem[1:] if stem[:1] in "Xx" and stem[1:2] in ("", "_", "-", ".") else ""
    labels = [f"y{rest}.npy", f"Y{rest}.npy", f"labels{rest}.npy", f"{stem}_labels.npy", f"{stem}_y.npy"]
    lengths = [f"lengths{rest}.npy", f"lengths{rest}.txt", f"{stem}_lengths.npy", f"{stem}_lengths.txt"]
    return Companions(
        labels=_first(folder, [*labels, "y.npy", "labels.npy"], source),
        lengths=_first(folder, [*lengths, "lengths.npy", "lengths.txt"], source),
    )


def _first(folder: Path, names: Iterable[str], but: Path | None = None) -> Path | None:
    # On a disk that ignores case, y.npy might be the source itself.
    found = (folder / name for name in names)
    return next((path for path in found if path.is_file() and (but is None or not path.samefile(but))), None)


def _only_hdf5(folder: Path) -> Path | None:
    try:
        there = [path for path in folder.iterdir() if path.suffix.lower() in _HDF5_SUFFIXES and path.is_file()]
    except OSError:
        return None
    return there[0] if len(there) == 1 else None


def suggested_project(source: Path) -> Path:
    """A project folder beside `source`, of a name that says what is in it and is not taken."""
    name = source.stem
    if name.casefold() in _SAYS_NOTHING and source.absolute().parent.name:
        name = source.absolute().parent.name
    wanted = project_path(source.parent / name)
    for number in range(2, 1000):
        if not wanted.exists():
            break
        wanted = project_path(source.parent / f"{name}-{number}")
    return wanted


def sorted_out(paths: Iterable[Path]) -> tuple[Path | None, Companions]:
    """Several files at once, as they are dropped on a window: which is the source, and what stands beside it."""
    source = embeddings = labels = lengths = None
    for path in paths:
        name = path.stem.casefold()
        if is_hdf5(path) or (name.startswith(("embeddings", "elmo")) and path.suffix.lower() == ".npy"):
            embeddings = path
        elif "length" in name:
            lengths = path
        elif "label" in name or name == "y" or name.startswith(("y_", "y-")):
            labels = path
        elif source is None:
            source = path
    return source, Companions(embeddings, labels, lengths)


def sentence_of(error: MaskscopeError) -> str:
    """The error in words that speak of this dialog, not of the command line."""
    words = str(error)
    for option, field in (("--embeddings FILE", "embeddings"), ("--embeddings", "embeddings")):
        words = words.replace(option, field)
    return words
