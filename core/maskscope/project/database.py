"""``project.sqlite``: opening the file, and transactions that are durable when they end."""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath
from urllib.parse import quote_from_bytes

from maskscope.errors import ProjectError, ReadOnlyError
from maskscope.project import schema


class Database:
    """An open ``project.sqlite``; a commit is on the disk when `transaction` returns (WAL, synchronous FULL).

    Args:
        file: the database file, in the project's folder.
        read_only: open it without the right to write.

    Raises:
        sqlite3.Error: the file is no database.
        ProjectError: it was written by a later version of Maskscope.
    """

    def __init__(self, file: Path, *, read_only: bool) -> None:
        self.read_only = read_only
        self._folder = file.parent
        self._connection = _connect_to_read(file) if read_only else _connect_to_write(file)
        try:
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
            if version > schema.VERSION:
                raise ProjectError(
                    "was written by a later Maskscope; install that version to open it",
                    file=self._folder,
                    expected=f"version {schema.VERSION}",
                    received=f"version {version}",
                )
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        """Close the connection; calling it again does nothing."""
        self._connection.close()

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> sqlite3.Cursor:
        """Execute one statement."""
        return self._connection.execute(sql, parameters)

    def executemany(self, sql: str, parameters: Iterable[Sequence[object]]) -> None:
        """Execute one statement for each sequence of parameters."""
        self._connection.executemany(sql, parameters)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what is executed in the block, or none of it.

        Raises ReadOnlyError for a database opened to be read, ProjectError when the disk does not take the commit.
        """
        if self.read_only:
            raise ReadOnlyError(
                "is open read-only, so nothing can be changed; close the other window that has it open",
                file=self._folder,
            )
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                # On some failures (a full disk) SQLite has rolled back by itself.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise ProjectError(
                "the change could not be saved, and was not made; is the disk full?",
                file=self._folder,
                received=str(error),
            ) from error


def file_uri(file: PurePath) -> str:
    r"""An absolute path as a URI for SQLite (https://sqlite.org/uri.html).

    Unlike `Path.as_uri`, a Windows server's name (``\\server\share``) stays in the path: SQLite takes no authority.
    """
    path = quote_from_bytes(os.fsencode(file.as_posix()), safe="/:")
    return f"file://{path}" if path.startswith("/") else f"file:///{path}"


def _connect_to_write(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        # On macOS a plain fsync leaves the data in the disk's own cache.
        connection.execute("PRAGMA fullfsync = ON")
        connection.execute("PRAGMA foreign_keys = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _connect_to_read(file: Path) -> sqlite3.Connection:
    uri = file_uri(file.absolute())
    connection = sqlite3.connect(f"{uri}?mode=ro", uri=True, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("SELECT 1 FROM meta").fetchone()
    except sqlite3.OperationalError:
        # A folder that can't be written can't hold the -shm file that WAL needs to be read.
        connection.close()
        connection = sqlite3.connect(f"{uri}?immutable=1", uri=True, isolation_level=None, check_same_thread=False)
    except BaseException:
        connection.close()
        raise
    return connection
