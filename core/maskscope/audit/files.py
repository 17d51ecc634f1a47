"""The arrays of `maskscope audit --data`."""

import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from maskscope.errors import ReadError


class Arrays(NamedTuple):
    """What the files hold.

    Attributes:
        x: (N, T, D).
        lengths: (N,), of their file, else of the archive; None for none.
        labels, weights: None for none.
    """

    x: npt.NDArray[np.generic]
    lengths: npt.NDArray[np.integer] | None
    labels: npt.NDArray[np.generic] | None
    weights: npt.NDArray[np.generic] | None


def read_arrays(
    data: Path, lengths: Path | None = None, labels: Path | None = None, weights: Path | None = None
) -> Arrays:
    """Read a padded array and what belongs to it.

    Args:
        data: .npy, or .npz with an array X, and perhaps lengths.
        lengths: .npy; None for those of the archive, if it has any.
        labels: .npy; None for none.
        weights: .npy; None for none.

    Raises ReadError when a file can't be read, or `data` holds no array called X.
    """
    given, y, w = (None if file is None else _only(file) for file in (lengths, labels, weights))
    arrays = _load(data)
    if "X" not in arrays:
        raise ReadError("holds no array called X", file=data, received=", ".join(arrays) or "nothing")
    return Arrays(arrays["X"], arrays.get("lengths") if given is None else given, y, w)


def _only(file: Path) -> np.ndarray:
    """The array of a .npy, or the one called X of a .npz."""
    arrays = _load(file)
    if "X" not in arrays:
        raise ReadError("holds no array called X; give a .npy", file=file, received=", ".join(arrays) or "nothing")
    return arrays["X"]


def _load(file: Path) -> dict[str, np.ndarray]:
    """The arrays of a .npz by name; a .npy counts as one called X."""
    try:
        loaded = np.load(file, mmap_mode="r", allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {"X": loaded}
        with loaded:
            return {name: loaded[name] for name in ("X", "lengths") if name in loaded}
    except OSError as error:
        raise ReadError(f"can't be read: {error.strerror or error}", file=file) from error
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ReadError("is no numpy file that can be read", file=file, received=str(error)) from error
