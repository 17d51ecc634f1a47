"""Padded arrays in a .npz file: X, and optionally y, lengths, tokens and mask."""

import zipfile
from pathlib import Path

from maskscope.errors import ReadError
from maskscope.readers.arrays import StoredArray
from maskscope.readers.base import Format, Note, ReadOptions, Source, head, refuse_options
from maskscope.readers.npy import labels_beside, lengths_beside
from maskscope.readers.padded import PaddedSource

_KNOWN = ("X", "y", "lengths", "tokens", "mask")


def sniff(path: Path) -> bool:
    """Whether `path` is a zip archive with a .npy member."""
    if head(path, 2) != b"PK":
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith(".npy") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError):
        return False


def open_npz(path: Path, options: ReadOptions) -> Source:
    """Open the members of a .npz; `options.labels` and `options.lengths` override y and lengths.

    Raises ReadError when a member or a file beside it is refused.
    """
    refuse_options(options, ("embeddings", "layer"), path, "a padded array")
    try:
        with zipfile.ZipFile(path) as archive:
            members = {name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")}
    except (zipfile.BadZipFile, OSError) as error:
        raise ReadError(
            "can't be opened, so it is broken or truncated",
            file=path,
            expected="a whole zip archive of .npy members",
            received=str(error),
        ) from None
    if "X" not in members:
        raise ReadError(
            "has no member X",
            file=path,
            expected="X, and optionally y, lengths, tokens and mask",
            received=", ".join(sorted(members)) or "no member",
        )

    def member(name: str) -> StoredArray | None:
        return StoredArray(path, name) if name in members else None

    ignored = sorted(members.difference(_KNOWN))
    notes = (Note("members-ignored", f"Members that are not read: {', '.join(ignored)}."),) if ignored else ()
    return PaddedSource(
        path,
        StoredArray(path, "X"),
        labels=labels_beside(options.labels) or member("y"),
        lengths=lengths_beside(options.lengths) or member("lengths"),
        tokens=member("tokens"),
        mask=member("mask"),
        notes=notes,
    )


FORMAT = Format(
    name="npz",
    title="NumPy archive, zero-padded",
    suffixes=(".npz",),
    needs="X of shape (N, T, D); optionally y, lengths, tokens and mask",
    not_included="padding, and members of other names",
    sniff=sniff,
    open=open_npz,
)
