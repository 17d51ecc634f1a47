"""The registry of import formats: a new one is added to `_FORMATS`, and nowhere else."""

from dataclasses import fields
from pathlib import Path

from maskscope.errors import ReadError
from maskscope.readers.base import ImportFormat, ReadOptions, Source, head
from maskscope.readers.conll import FORMAT as CONLL
from maskscope.readers.embeddings_file import HDF5_MAGIC
from maskscope.readers.npy import FORMAT as NPY
from maskscope.readers.npz import FORMAT as NPZ

_FORMATS = (NPY, NPZ, CONLL)


def formats() -> tuple[ImportFormat, ...]:
    """Every import format, in the order in which they are tried."""
    return _FORMATS


def open_source(path: Path, options: ReadOptions | None = None, format_name: str | None = None) -> Source:
    """Open a source of sentences.

    Args:
        path: the file.
        options: companions of the file, and which layer to take.
        format_name: the name of an import format; None to recognise it.

    Raises ReadError when the file can't be read, is of no known format, or is refused by its reader.
    """
    options = options or ReadOptions()
    chosen = recognise(path, format_name)
    _refuse_not_applicable(path, chosen, options)
    return chosen.open(path, options)


def recognise(path: Path, format_name: str | None = None) -> ImportFormat:
    """The format of that name; None: the one that the file's first bytes or, failing that, its suffix show.

    Raises ReadError when there is none.
    """
    if path.is_dir():
        raise ReadError("is a folder", file=path, expected="a file", received="a folder")
    start = head(path)
    names = ", ".join(each.name for each in _FORMATS)
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


def _refuse_not_applicable(path: Path, chosen: ImportFormat, options: ReadOptions) -> None:
    """Raise ReadError when an option was given that the format does not take."""
    applicable = chosen.applicable(options)
    for name in (each.name for each in fields(ReadOptions)):
        value = getattr(options, name)
        if value != getattr(applicable, name):
            raise ReadError(
                f"the format {chosen.name} takes no --{name}",
                file=path,
                expected=f"no --{name}",
                received=f"--{name} {value.name if isinstance(value, Path) else value}",
            )
