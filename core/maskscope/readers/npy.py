"""A padded array (N, T, D) in a .npy file."""

from pathlib import Path

from numpy.lib.format import MAGIC_PREFIX

from maskscope.errors import ReadError
from maskscope.readers.arrays import StoredArray
from maskscope.readers.base import Format, ReadOptions, Source, head, refuse_options
from maskscope.readers.padded import PaddedSource


def sniff(path: Path) -> bool:
    """Whether `path` begins as a .npy file does."""
    return head(path, len(MAGIC_PREFIX)) == MAGIC_PREFIX


def open_npy(path: Path, options: ReadOptions) -> Source:
    """Open a padded array (N, T, D), with `options.labels` and `options.lengths` beside it.

    Raises ReadError when one of the files is refused.
    """
    refuse_options(options, ("embeddings", "layer"), path, "a padded array")
    return PaddedSource(
        path, StoredArray(path), labels=labels_beside(options.labels), lengths=lengths_beside(options.lengths)
    )


def labels_beside(path: Path | None) -> StoredArray | None:
    """The array of `--labels`."""
    if path is not None and not sniff(path):
        raise ReadError("is no array of labels", file=path, expected="a .npy file", received="something else")
    return None if path is None else StoredArray(path)


def lengths_beside(path: Path | None) -> StoredArray | Path | None:
    """The array of `--lengths`; its path when it is a text file."""
    if path is None:
        return None
    if sniff(path):
        return StoredArray(path)
    if path.suffix.lower() == ".npy":
        raise ReadError("is no array of lengths", file=path, expected="a .npy file", received="something else")
    return path


FORMAT = Format(
    name="npy",
    title="NumPy array, zero-padded",
    suffixes=(".npy",),
    needs="X of shape (N, T, D); labels from --labels, lengths from --lengths or the trailing zero rows",
    not_included="padding; there are no tokens, so they are called t0, t1, ...",
    sniff=sniff,
    open=open_npy,
)
