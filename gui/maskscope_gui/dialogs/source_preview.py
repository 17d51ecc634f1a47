"""What a file chosen for import is: its format and headers, the files that belong to it, a name for its project."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from maskscope.errors import MaskscopeError, ReadError
from maskscope.project.writer import project_path
from maskscope.readers import Companion, ImportFormat, Preview, ReadOptions, formats, recognise

_GENERIC_NAMES = frozenset({"sentences", "tokens", "x", "data", "text", "corpus"})


@dataclass(frozen=True, slots=True)
class SourcePreview:
    """What a source is.

    Attributes:
        format: its import format.
        preview: what its headers hold.
        error: what is wrong with one of its companions; None for nothing.
    """

    format: ImportFormat
    preview: Preview
    error: MaskscopeError | None = None


def all_companions() -> tuple[Companion, ...]:
    """A companion of each name that any import format takes."""
    by_name: dict[str, Companion] = {}
    for companion in (companion for each in formats() for companion in each.companions):
        by_name.setdefault(companion.name, companion)
    return tuple(by_name.values())


def preview_source(source: Path, options: ReadOptions) -> SourcePreview:
    """Read the headers of `source`, and of those companions in `options` that its format takes.

    Raises ReadError, which names the file, when the source can't be imported.
    """
    if not source.exists():
        raise ReadError("there is no such file", file=source)
    chosen = recognise(source)
    alone = chosen.preview(source, ReadOptions())
    applicable = chosen.applicable(options)
    if applicable == ReadOptions():
        return SourcePreview(chosen, alone)
    try:
        return SourcePreview(chosen, chosen.preview(source, applicable))
    except MaskscopeError as error:
        return SourcePreview(chosen, alone, error)


def find_companions(source: Path) -> dict[str, Path | None]:
    """The file near `source` that seems to be each of its companions, by the companion's name."""
    try:
        chosen = recognise(source) if source.is_file() else None
    except MaskscopeError:
        chosen = None
    return {each.name: each.find(source) for each in (chosen.companions if chosen else ())}


def suggest_project(source: Path) -> Path:
    """A project folder next to `source`, with a name made from the source's that is not taken."""
    name = source.stem
    if name.casefold() in _GENERIC_NAMES and source.absolute().parent.name:
        name = source.absolute().parent.name
    wanted = project_path(source.parent / name)
    for number in range(2, 1000):
        if not wanted.exists():
            break
        wanted = project_path(source.parent / f"{name}-{number}")
    return wanted


def sort_dropped(paths: Iterable[Path]) -> tuple[Path | None, Mapping[str, Path]]:
    """Sort files that were dropped together: the source, and companions by their name."""
    source: Path | None = None
    companions: dict[str, Path] = {}
    for path in paths:
        companion = next((each for each in all_companions() if each.matches(path)), None)
        if companion is not None:
            companions[companion.name] = path
        elif source is None:
            source = path
    return source, companions


def dialog_message(error: MaskscopeError) -> str:
    """The message of an error, with the names of the dialog's fields in place of command line options."""
    message = str(error)
    for companion in all_companions():
        message = message.replace(f"--{companion.name} FILE", companion.name).replace(
            f"--{companion.name}", companion.name
        )
    return message
