"""Files that are there whole or not at all, and renames that a power cut does not take back."""

import os
import sys
import uuid
from contextlib import suppress
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Make the names inside `folder` durable, on systems and disks where a folder can be synced."""
    if sys.platform == "win32":
        return
    # Some network disks sync no folder; what was renamed is in its place all the same.
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def replace_durably(partial: Path, target: Path) -> None:
    """Rename the finished file `partial` to `target`, in the same folder, its content on the disk before its name.

    Raises OSError; then `target` is as it was.
    """
    with partial.open("rb+") as stream:
        os.fsync(stream.fileno())
    partial.replace(target)
    sync_folder(target.parent)


def write_durably(target: Path, content: bytes) -> None:
    """Write a file beside its place and rename it there. Raises OSError; then nothing has changed."""
    beside = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        with beside.open("xb") as stream:
            stream.write(content)
        replace_durably(beside, target)
    finally:
        beside.unlink(missing_ok=True)
