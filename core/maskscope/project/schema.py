"""The tables of ``project.sqlite``."""

import os
import sqlite3
from pathlib import Path, PurePath
from urllib.parse import quote_from_bytes

VERSION = 1
"""`PRAGMA user_version` of the projects that this program writes."""

TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
-- Tokens per sentence, int32, for up to 4,096 sentences a row, so that opening reads no sentence.
CREATE TABLE block (first INTEGER PRIMARY KEY, lengths BLOB NOT NULL);
-- tokens: a JSON array; gold, edits: int16 per token, NULL when there are none;
-- state: 0 unreviewed, 1 accepted, 2 flagged.
CREATE TABLE sentence (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, tokens TEXT NOT NULL, gold BLOB, edits BLOB,
    state INTEGER NOT NULL DEFAULT 0, comments TEXT
);
CREATE INDEX sentence_state ON sentence (state) WHERE state != 0;
CREATE INDEX sentence_edited ON sentence (id) WHERE edits IS NOT NULL;
CREATE TABLE collision (
    sentence INTEGER NOT NULL, position INTEGER NOT NULL, PRIMARY KEY (sentence, position)
) WITHOUT ROWID;
-- Append-only: an undo appends the inverse and names its target.
CREATE TABLE edit (
    id INTEGER PRIMARY KEY AUTOINCREMENT, op TEXT NOT NULL, target INTEGER, at REAL NOT NULL, title TEXT NOT NULL
);
CREATE TABLE change (
    edit INTEGER NOT NULL REFERENCES edit (id), sentence INTEGER NOT NULL, field TEXT NOT NULL,
    first INTEGER NOT NULL, old BLOB NOT NULL, new BLOB NOT NULL
);
CREATE INDEX change_edit ON change (edit);
CREATE INDEX change_sentence ON change (sentence);
-- Counts that would otherwise need the whole corpus: class:K, edited, state:K.
CREATE TABLE tally (key TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE model (number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, run TEXT NOT NULL);
CREATE TABLE score (model TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, at REAL NOT NULL) WITHOUT ROWID;
"""


def file_uri(file: PurePath) -> str:
    r"""An absolute path as a URI for SQLite (https://sqlite.org/uri.html).

    Unlike `Path.as_uri`, a Windows server's name (``\\server\share``) stays in the path: SQLite takes no authority.
    """
    path = quote_from_bytes(os.fsencode(file.as_posix()), safe="/:")
    return f"file://{path}" if path.startswith("/") else f"file:///{path}"


def connect(file: Path, *, read_only: bool) -> sqlite3.Connection:
    """Open ``project.sqlite``; a commit is on the disk when it returns (WAL, synchronous FULL).

    Raises sqlite3.Error when the file is no database.
    """
    if not read_only:
        connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            # On macOS a plain fsync leaves the data in the disk's own cache.
            connection.execute("PRAGMA fullfsync = ON")
            connection.execute("PRAGMA foreign_keys = ON")
        except sqlite3.Error:
            connection.close()
            raise
        return connection
    uri = file_uri(file.absolute())
    connection = sqlite3.connect(f"{uri}?mode=ro", uri=True, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("SELECT 1 FROM meta").fetchone()
    except sqlite3.OperationalError:
        # A folder that can't be written can't hold the -shm file that WAL needs to be read.
        connection.close()
        connection = sqlite3.connect(f"{uri}?immutable=1", uri=True, isolation_level=None, check_same_thread=False)
    except sqlite3.Error:
        connection.close()
        raise
    return connection
