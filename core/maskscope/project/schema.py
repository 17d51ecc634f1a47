"""The tables of ``project.sqlite``, and how values are stored in their columns."""

import json
from typing import get_args

import numpy as np

from maskscope.padding import Padding, Side
from maskscope.project.edits import STATES
from maskscope.project.rows import SentenceRow
from maskscope.types import NO_EDIT, NO_LABEL, Floats, Labels, TagScheme

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

SENTENCE_COLUMNS = "id, name, tokens, gold, edits, state, comments"


def sentence_row(columns: tuple[int, str, str, bytes | None, bytes | None, int, str | None]) -> SentenceRow:
    """The sentence that a row of `SENTENCE_COLUMNS` holds."""
    key, name, tokens_text, gold, edits, state, comments = columns
    tokens = tuple(json.loads(tokens_text))
    return SentenceRow(
        key,
        name,
        tokens,
        np.full(len(tokens), NO_LABEL, dtype=np.int16) if gold is None else labels_from_blob(gold),
        np.full(len(tokens), NO_EDIT, dtype=np.int16) if edits is None else labels_from_blob(edits),
        STATES[state],
        tuple(json.loads(comments)) if comments else (),
    )


def labels_blob(labels: Labels) -> bytes:
    """Labels (n,) int16 as stored: little-endian."""
    return labels.astype("<i2").tobytes()


def labels_from_blob(blob: bytes) -> Labels:
    """The labels (n,) int16 that `labels_blob` stored, read-only."""
    return np.frombuffer(blob, dtype="<i2")


def json_text(value: object) -> str:
    """`value` as the JSON that the project stores; readable text wherever UTF-8 can hold it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":"))
    return text


def plain_text(text: str) -> str:
    """`text` for a column that is only shown: what UTF-8 can't hold (a lone surrogate) is written as an escape."""
    return text.encode("utf-8", "backslashreplace").decode()


def scheme_json(scheme: TagScheme) -> str:
    """A scheme as JSON, read back by `scheme_from_json`."""
    return json_text({"kind": scheme.kind, "classes": scheme.classes, "outside": scheme.outside})


def scheme_from_json(text: str) -> TagScheme:
    """The scheme that `scheme_json` wrote."""
    data = json.loads(text)
    return TagScheme(data["kind"], tuple(data["classes"]), int(data["outside"]))


def padding_json(padding: Padding | None) -> str:
    """What a source was padded with as JSON, read back by `padding_from_json`; "" for None."""
    if padding is None:
        return ""
    return json_text({"side": padding.side, "rows": padding.rows.tolist()})


def padding_from_json(text: str) -> Padding | None:
    """The padding that `padding_json` wrote; None for a text that is none."""
    try:
        data = json.loads(text)
        rows: Floats = np.array(data["rows"], dtype=np.float32)
        side = data["side"]
    except (ValueError, KeyError, TypeError):
        return None
    return Padding(rows, side, "data") if rows.ndim == 2 and rows.size and side in get_args(Side) else None
