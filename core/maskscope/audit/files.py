"""The arrays of `maskscope audit --data`."""

import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from maskscope.errors import ReadError


def read_padded(
    file: Path, lengths_file: Path | None = None
) -> tuple[npt.NDArray[np.generic], npt.NDArray[np.integer] | None]:
    """Read a padded array (N, T, D), and the lengths (N,) from `lengths_file`, else from the archive, else None.

    Raises ReadError when a file can't be read, or holds no array called X.
    """
    lengths = None if lengths_file is None else _load(lengths_file)["X"]
    arrays = _load(file)
    if "X" not in arrays:
        raise ReadError("holds no array called X", file=file, received=", ".join(arrays) or "nothing")
    return arrays["X"], arrays.get("lengths") if lengths is None else lengths


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
