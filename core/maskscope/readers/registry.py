"""The one list of readers, and the choice among them."""

from pathlib import Path

from maskscope.errors import ReadError
from maskscope.readers.base import Format, ReadOptions, Source, head
from maskscope.readers.conll import FORMAT as CONLL
from maskscope.readers.embeddings_file import HDF5_MAGIC
from maskscope.readers.npy import FORMAT as NPY
from maskscope.readers.npz import FORMAT as NPZ

_FORMATS = (NPY, NPZ, CONLL)


def formats() -> tuple[Format, ...]:
    """Every reader, in the order in which they are tried."""
    return _FORMATS


def open_source(path: Path, options: ReadOptions | None = None, format_name: str | None = None) -> Source:
    """Open a source of sentences.

    Args:
        path: the file.
        options: what stands beside it.
        format_name: a reader's name; None: decided by the file's first bytes, then by its suffix.

    Raises ReadError when the file can't be read, is of no known format, or is refused by its reader.
    """
    options = options or ReadOptions()
    if path.is_dir():
        raise ReadError("is a folder", file=path, expected="a file", received="a folder")
    start = head(path)
    return _choose(path, format_name, start).open(path, options)


def _choose(path: Path, format_name: str | None, start: bytes) -> Format:
    names = ", ".join(f.name for f in _FORMATS)
    if format_name is not None:
        for candidate in _FORMATS:
            if candidate.name == format_name:
                return candidate
        raise ReadError("the format is not known", file=path, expected=f"one of {names}", received=format_name)
    for candidate in _FORMATS:
        if candidate.sniff(path):
            return candidate
    if start.startswith(HDF5_MAGIC):
        raise ReadError(
            "an HDF5 file holds embeddings without their tokens",
            file=path,
            expected="the CoNLL file as the source, and this file as --embeddings",
            received="an HDF5 file as the source",
        )
    for candidate in _FORMATS:
        if path.suffix.lower() in candidate.suffixes:
            return candidate
    raise ReadError(
        "the format is not known",
        file=path,
        expected=f"one of {names}, by content, suffix or --format",
        received=f"suffix {path.suffix!r}" if path.suffix else "a file without a suffix",
    )
