"""A commit is on the disk when it returns, and any path can be opened."""

from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath

import pytest

from maskscope.project import Project
from maskscope.project.database import Database, file_uri


class TestDatabase:
    def test_a_commit_is_on_the_disk_when_it_returns(self, folder: Path) -> None:
        with Project.open(folder):
            db = Database(folder / "project.sqlite", read_only=False)
            try:
                settings = {
                    name: db.execute(f"PRAGMA {name}").fetchone()[0]
                    for name in ("journal_mode", "synchronous", "fullfsync")
                }
            finally:
                db.close()
        # 2 is FULL; fullfsync is what makes a Mac's disk write its own cache
        assert settings == {"journal_mode": "wal", "synchronous": 2, "fullfsync": 1}

    @pytest.mark.parametrize(
        ("path", "uri"),
        [
            (PurePosixPath("/home/a b/p#1?x=%41/é.sqlite"), "file:///home/a%20b/p%231%3Fx%3D%2541/%C3%A9.sqlite"),
            (PureWindowsPath("C:\\a b\\p#1%.sqlite"), "file:///C:/a%20b/p%231%25.sqlite"),
            # SQLite refuses an authority other than localhost, so the server's name must be in the path.
            (PureWindowsPath("\\\\server\\my share\\é\\x"), "file:////server/my%20share/%C3%A9/x"),
        ],
    )
    def test_a_path_as_a_uri_that_sqlite_takes(self, path: PurePath, uri: str) -> None:
        assert file_uri(path) == uri
