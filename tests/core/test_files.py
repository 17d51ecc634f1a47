"""A finished file takes its name only once its content is on the disk."""

import os
from pathlib import Path

import pytest

from maskscope.files import replace_durably, sync_folder


def test_the_content_is_synced_before_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    partial, target = tmp_path / "a.partial", tmp_path / "a"
    partial.write_bytes(b"new")
    target.write_bytes(b"old")
    seen: list[bytes] = []
    sync = os.fsync

    def spy(handle: int) -> None:
        seen.append(target.read_bytes())
        sync(handle)

    monkeypatch.setattr(os, "fsync", spy)
    replace_durably(partial, target)
    # The file before the rename and, where a folder can be synced, the folder after it.
    assert seen == ([b"old"] if os.name == "nt" else [b"old", b"new"])
    assert [file.name for file in tmp_path.iterdir()] == ["a"]


def test_a_disk_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    partial, target = tmp_path / "a.partial", tmp_path / "a"
    partial.write_bytes(b"new")
    target.write_bytes(b"old")

    def broken(_: int) -> None:
        raise OSError("I/O error")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="I/O"):
        replace_durably(partial, target)
    assert target.read_bytes() == b"old"
    # A folder that can't be synced is no reason to call a finished file lost.
    sync_folder(tmp_path)
    sync_folder(tmp_path / "nowhere")
