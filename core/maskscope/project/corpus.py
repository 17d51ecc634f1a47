"""The sentences of a project folder, to be read: tokens, embeddings, labels, review states, counts, search."""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from maskscope.errors import ProjectError
from maskscope.masks import collisions, masking_layer, token_places
from maskscope.padding import Padding
from maskscope.project.database import Database
from maskscope.project.rows import Counts, SentenceRow
from maskscope.project.schema import (
    SENTENCE_COLUMNS,
    labels_from_blob,
    padding_from_json,
    scheme_from_json,
    sentence_row,
)
from maskscope.types import NO_EDIT, NO_LABEL, Embeddings, Indices, Labels, Mask, MaskValue, Offsets

_READ_BLOCK = 2048
_BLOCK_NUMBERS = 8 << 20


class Corpus:
    """The sentences of a project folder. Reads only what is asked for; opening reads no sentence.

    Attributes:
        path: the folder, absolute and without symbolic links.
        scheme: the label set.
        n_sentences, n_tokens, dim: its size.
        dtype: float16 or float32, of the embeddings as stored.
        offsets: (n_sentences + 1,) int64; sentence i has rows offsets[i] to offsets[i + 1].
        embeddings: (n_tokens, D), memory-mapped.
        fingerprint: changes when embeddings or sentence bounds do.
        lengths_from: "source", or "inferred" from trailing zero rows.
        source: name of the file that was imported.
    """

    def __init__(self, path: Path, db: Database) -> None:
        self.path = path
        self._db = db
        self._meta: dict[str, str] = dict(db.execute("SELECT key, value FROM meta"))
        self.scheme = scheme_from_json(self._meta["scheme"])
        self.n_sentences = int(self._meta["n_sentences"])
        self.n_tokens = int(self._meta["n_tokens"])
        self.dim = int(self._meta["dim"])
        self.dtype = np.dtype(self._meta["dtype"])
        self.fingerprint = self._meta["fingerprint"]
        self.lengths_from: Literal["source", "inferred"] = (
            "inferred" if self._meta.get("lengths_from") == "inferred" else "source"
        )
        self.source = self._meta.get("source", "")
        blocks = [np.frombuffer(row[0], dtype="<i4") for row in db.execute("SELECT lengths FROM block ORDER BY first")]
        self.offsets: Offsets = np.zeros(self.n_sentences + 1, dtype=np.int64)
        np.cumsum(np.concatenate(blocks), out=self.offsets[1:])
        self.embeddings = self._map_embeddings()
        self._masked: dict[MaskValue, Indices] = {}

    def _map_embeddings(self) -> Embeddings:
        file = self.path / "embeddings.npy"
        expected = f"{(self.n_tokens, self.dim)} {self.dtype}"
        if self.n_tokens == 0:
            return np.zeros((0, self.dim), dtype=self.dtype)
        try:
            rows = np.load(file, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise ProjectError(
                "the embeddings can't be read", file=file, expected=expected, received=str(error)
            ) from error
        if rows.shape != (self.n_tokens, self.dim) or rows.dtype != self.dtype:
            raise ProjectError(
                "the embeddings are not those of this project",
                file=file,
                expected=expected,
                received=f"{rows.shape} {rows.dtype}",
            )
        # A view as a plain array: each slice of a memmap object would cost some microseconds more.
        mapped: Embeddings = np.asarray(rows)
        return mapped

    @property
    def name(self) -> str:
        """The folder's name without its suffix."""
        return self.path.name.removesuffix(".maskscope")

    @property
    def notes(self) -> tuple[str, ...]:
        """The notes of the import, a sentence each."""
        return tuple(json.loads(self._meta.get("notes", "[]")))

    @property
    def padding(self) -> Padding | None:
        """What the source was padded with, and on which side; None when it was not padded, or that is not known."""
        text = self._meta.get("padding", "")
        return padding_from_json(text) if text else None

    def sentence(self, sentence: int) -> SentenceRow:
        """One sentence by its place in reading order. Raises ProjectError when there is none."""
        row = self._db.execute(f"SELECT {SENTENCE_COLUMNS} FROM sentence WHERE id = ?", (int(sentence),)).fetchone()
        if row is None:
            raise ProjectError(
                "there is no such sentence",
                file=self.path,
                expected=f"0 to {self.n_sentences - 1}",
                received=str(sentence),
            )
        return sentence_row(row)

    def rows(self, sentence: int) -> Embeddings:
        """The embeddings (T, D) of a sentence, memory-mapped."""
        return self.embeddings[self.offsets[sentence] : self.offsets[sentence + 1]]

    def sentences(self, ids: Iterable[int] | None = None) -> Iterator[SentenceRow]:
        """Sentences in reading order, or those of `ids` in that order; streaming."""
        if ids is not None:
            for sentence in ids:
                yield self.sentence(sentence)
            return
        for first in range(0, self.n_sentences, _READ_BLOCK):
            rows = self._db.execute(
                f"SELECT {SENTENCE_COLUMNS} FROM sentence WHERE id >= ? AND id < ? ORDER BY id",
                (first, first + _READ_BLOCK),
            ).fetchall()
            yield from map(sentence_row, rows)

    def labels(self, kind: Literal["gold", "edited"]) -> Labels:
        """Labels (n_tokens,) int16 of the whole corpus; "edited" is a person's edits over gold."""
        labels: Labels = np.full(self.n_tokens, NO_LABEL, dtype=np.int16)
        for sentence, gold in self._db.execute("SELECT id, gold FROM sentence WHERE gold IS NOT NULL"):
            labels[self.offsets[sentence] : self.offsets[sentence + 1]] = labels_from_blob(gold)
        if kind == "edited":
            for sentence, blob in self._db.execute("SELECT id, edits FROM sentence WHERE edits IS NOT NULL"):
                edits = labels_from_blob(blob)
                part = labels[self.offsets[sentence] : self.offsets[sentence + 1]]
                np.copyto(part, edits, where=edits != NO_EDIT)
        return labels

    def states(self) -> npt.NDArray[np.int8]:
        """Review states (n_sentences,), as places in STATES."""
        states = np.zeros(self.n_sentences, dtype=np.int8)
        for sentence, state in self._db.execute("SELECT id, state FROM sentence WHERE state != 0"):
            states[sentence] = state
        return states

    def edited_sentences(self) -> Indices:
        """Ids of the sentences that have an edited label, ascending."""
        rows = self._db.execute("SELECT id FROM sentence WHERE edits IS NOT NULL ORDER BY id").fetchall()
        return np.array([row[0] for row in rows], dtype=np.int64)

    def collisions(self, mask_value: MaskValue | None = 0.0) -> Indices:
        """Sentence and position (k, 2), ascending, of the real tokens that a model's Masking layer takes for padding.

        Args:
            mask_value: of the layer; None for a model without one, which masks no token. Those of 0 were found at
                import; for any other number the embeddings are read, once while the project is open.
        """
        if mask_value == 0:
            places = self._db.execute("SELECT sentence, position FROM collision").fetchall()
            return np.array(places, dtype=np.int64).reshape(-1, 2)
        rows = np.zeros(0, dtype=np.int64) if mask_value is None else self._masked_rows(mask_value)
        return token_places(rows, self.offsets)

    def masked_tokens(self, mask_value: MaskValue | None) -> Indices:
        """The same tokens as rows (k,) int64 of the corpus, ascending."""
        places = self.collisions(mask_value)
        return np.asarray(self.offsets[places[:, 0]] + places[:, 1])

    def _masked_rows(self, mask_value: MaskValue) -> Indices:
        rows = self._masked.get(mask_value)
        if rows is None:
            step = max(1, _BLOCK_NUMBERS // max(1, self.dim))
            starts = range(0, self.n_tokens, step)
            blocks = [start + collisions(self.embeddings[start : start + step], mask_value) for start in starts]
            rows = self._masked[mask_value] = np.concatenate([np.zeros(0, dtype=np.int64), *blocks])
        return rows

    def mask(self, sentence: int, mask_value: MaskValue | None) -> Mask:
        """Mask (T,) of a sentence under a model's `mask_value`, True = real token; False at `collisions`."""
        if mask_value != 0:
            return masking_layer(self.rows(sentence), mask_value)
        mask: Mask = np.ones(int(self.offsets[sentence + 1] - self.offsets[sentence]), dtype=np.bool_)
        for (position,) in self._db.execute("SELECT position FROM collision WHERE sentence = ?", (int(sentence),)):
            mask[position] = False
        return mask

    def counts(self) -> Counts:
        """How many labels, edits and reviewed sentences there are now."""
        tally: dict[str, int] = dict(self._db.execute("SELECT key, n FROM tally"))
        return Counts(
            tuple(tally.get(f"class:{code}", 0) for code in range(len(self.scheme.classes))),
            tally.get(f"class:{NO_LABEL}", 0),
            tally.get("edited", 0),
            tally.get("state:accepted", 0),
            tally.get("state:flagged", 0),
            tally.get("ignored", 0),
        )

    def find(self, text: str, stale: Callable[[], bool] | None = None) -> Iterator[int]:
        """Ids of the sentences that hold `text`, ignoring case; several words must follow one another.

        `stale` is called before each 2,048 sentences; the search ends early once it returns True.
        """
        needle = text.casefold()
        for first in self._blocks(stale):
            rows = self._db.execute(
                "SELECT id, tokens FROM sentence WHERE id >= ? AND id < ? ORDER BY id",
                (first, first + _READ_BLOCK),
            ).fetchall()
            for sentence, tokens in rows:
                if needle in " ".join(json.loads(tokens)).casefold():
                    yield sentence

    def find_label(self, label: int, stale: Callable[[], bool] | None = None) -> Iterator[int]:
        """Ids of the sentences in which a token has this label, by edits over gold; `stale` as for `find`."""
        for first in self._blocks(stale):
            rows = self._db.execute(
                f"SELECT {SENTENCE_COLUMNS} FROM sentence"
                " WHERE id >= ? AND id < ? AND (gold IS NOT NULL OR edits IS NOT NULL)",
                (first, first + _READ_BLOCK),
            ).fetchall()
            for row in map(sentence_row, rows):
                if (row.labels == label).any():
                    yield row.id

    def _blocks(self, stale: Callable[[], bool] | None) -> Iterator[int]:
        for first in range(0, self.n_sentences, _READ_BLOCK):
            if stale is not None and stale():
                return
            yield first
