"""Write files so that after a crash or a power cut they are either the old ones or the new ones, whole."""

import os
import sys
import uuid
from contextlib import suppress
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Make the renames inside `folder` durable, on systems and disks where a folder can be synced."""
    if sys.platform == "win32":
        return
    # Some network disks can't sync a folder; the file has been renamed all the same.
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def replace_durably(partial: Path, target: Path) -> None:
    """Sync the finished file `partial` to the disk, and rename it to `target`, in the same folder.

    Raises OSError; then `target` has not changed.
    """
    with partial.open("rb+") as stream:
        os.fsync(stream.fileno())
    partial.replace(target)
    sync_folder(target.parent)


def write_durably(target: Path, content: bytes) -> None:
    """Write `content` to a temporary file, and rename it to `target`. Raises OSError; then nothing has changed."""
    partial = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        with partial.open("xb") as stream:
            stream.write(content)
        replace_durably(partial, target)
    finally:
        partial.unlink(missing_ok=True)
