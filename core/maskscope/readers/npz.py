"""Import padded arrays from a .npz file: X, and optionally y, lengths, tokens and mask."""

import zipfile
from dataclasses import replace
from pathlib import Path

from maskscope.errors import ReadError
from maskscope.readers.arrays import StoredArray
from maskscope.readers.base import Companion, ImportFormat, Note, Preview, ReadOptions, Source, head
from maskscope.readers.padded import PaddedSource
from maskscope.readers.padded_companions import LABELS, LENGTHS, open_labels, open_lengths

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

    Raises ReadError when a member or a companion is refused.
    """
    members = _members(path)
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
        labels=open_labels(options.labels) or member("y"),
        lengths=open_lengths(options.lengths) or member("lengths"),
        tokens=member("tokens"),
        mask=member("mask"),
        notes=notes,
    )


def preview(path: Path, options: ReadOptions) -> Preview:
    """Shape and dtype of X, and the other members. Raises ReadError when one of the files is refused."""
    open_npz(path, options)
    members = _members(path)
    others = ", ".join(name for name in _KNOWN[1:] if name in members)
    return Preview(
        f"Padded archive, {StoredArray(path, 'X').describe_padded()}, {f'with {others}' if others else 'X alone'}"
    )


def _members(path: Path) -> set[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return {name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")}
    except (zipfile.BadZipFile, OSError) as error:
        raise ReadError(
            "can't be opened, so it is broken or truncated",
            file=path,
            expected="a whole zip archive of .npy members",
            received=str(error),
        ) from None


def _in_place_of(member: str, companion: Companion) -> Companion:
    """A companion that is not looked for, since the archive itself may hold it."""
    return replace(
        companion,
        help=f"Optional: {companion.name} in place of the archive's own.",
        description=f"as for npy; in place of the member `{member}`",
        find=lambda source: None,
    )


FORMAT = ImportFormat(
    name="npz",
    title="NumPy archive, padded",
    suffixes=(".npz",),
    needs="X of shape (N, T, D); optionally y, lengths, tokens and mask",
    not_included="padding, and members of other names",
    description="""\
`X` as in a .npy file, and optionally `y` (as `--labels`), `lengths`, `tokens` and `mask`. `tokens` is unicode text,
(N, T), or (n_tokens,) in reading order. `mask` is (N, T), True or 1 at a real token, padded on one side, and must
agree with the lengths. Other members are named in a note and not read. An array in Fortran order is unpacked to a
temporary file first.""",
    sniff=sniff,
    open=open_npz,
    preview=preview,
    companions=(_in_place_of("y", LABELS), _in_place_of("lengths", LENGTHS)),
)
