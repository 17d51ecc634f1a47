"""The companion files of a padded array: its labels and its lengths."""

from collections.abc import Iterable
from pathlib import Path

from numpy.lib.format import MAGIC_PREFIX

from maskscope.errors import ReadError
from maskscope.readers.arrays import StoredArray
from maskscope.readers.base import Companion, head


def begins_as_npy(path: Path) -> bool:
    """Whether `path` begins as a .npy file does."""
    return head(path, len(MAGIC_PREFIX)) == MAGIC_PREFIX


def open_labels(path: Path | None) -> StoredArray | None:
    """The array of `--labels`. Raises ReadError when it is no .npy file."""
    if path is not None and not begins_as_npy(path):
        raise ReadError("is no array of labels", file=path, expected="a .npy file", received="something else")
    return None if path is None else StoredArray(path)


def open_lengths(path: Path | None) -> StoredArray | Path | None:
    """The array of `--lengths`, or its path when it is a text file. Raises ReadError for a .npy that is none."""
    if path is None:
        return None
    if begins_as_npy(path):
        return StoredArray(path)
    if path.suffix.lower() == ".npy":
        raise ReadError("is no array of lengths", file=path, expected="a .npy file", received="something else")
    return path


def _is_labels(path: Path) -> bool:
    name = path.stem.casefold()
    return "label" in name or name == "y" or name.startswith(("y_", "y-"))


def _is_lengths(path: Path) -> bool:
    return "length" in path.stem.casefold()


def _find_labels(source: Path) -> Path | None:
    stem, rest = source.stem, _rest(source)
    names = [f"y{rest}.npy", f"Y{rest}.npy", f"labels{rest}.npy", f"{stem}_labels.npy", f"{stem}_y.npy"]
    return _first(source, [*names, "y.npy", "labels.npy"])


def _find_lengths(source: Path) -> Path | None:
    stem, rest = source.stem, _rest(source)
    names = [f"lengths{rest}.npy", f"lengths{rest}.txt", f"{stem}_lengths.npy", f"{stem}_lengths.txt"]
    return _first(source, [*names, "lengths.npy", "lengths.txt"])


def _rest(source: Path) -> str:
    """What follows the X in the name of a source: "_train" of X_train.npy."""
    stem = source.stem
    return stem[1:] if stem[:1] in "Xx" and stem[1:2] in ("", "_", "-", ".") else ""


def _first(source: Path, names: Iterable[str]) -> Path | None:
    paths = (source.parent / name for name in names)
    # On a disk that ignores case, y.npy might be the source itself.
    return next((path for path in paths if path.is_file() and not (source.exists() and path.samefile(source))), None)


LABELS = Companion(
    name="labels",
    label="&Labels",
    help="Optional: a .npy of shape (N, T), (N, T, 1) or one-hot (N, T, C).",
    description="integers or floats that are whole numbers, (N, T) or (N, T, 1), where -1 means no label; booleans or"
    " floats that are 0 or 1; one-hot (N, T, C)",
    suffixes=(".npy",),
    matches=_is_labels,
    find=_find_labels,
)

LENGTHS = Companion(
    name="lengths",
    label="Le&ngths",
    help="Optional: tokens in each sentence, .npy or .txt; without it, trailing rows of zeros are padding.",
    description="integers (N,), or one on each line of a text, from 0 to T. Without it, a sentence ends at its last row"
    " that is not all zeros (or begins at its first one, where sentences begin with several rows of zeros and none ends"
    " in one), and a note says so, since a real token of zeros at that end looks like padding",
    suffixes=(".npy", ".txt"),
    matches=_is_lengths,
    find=_find_lengths,
)
