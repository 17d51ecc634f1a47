"""Sentences of a padded array (N, T, D), with its labels, lengths, tokens and mask."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import numpy as np

from maskscope.corpus_scan import Block, Scan, Scanner
from maskscope.errors import ReadError
from maskscope.padding import Padding, Side, tokens_first
from maskscope.readers.arrays import ArrayRows, StoredArray
from maskscope.readers.base import (
    Note,
    StoredDtype,
    Tally,
    narrowed,
    refuse_not_finite,
    refuse_surrogates,
    stored_dtype,
)
from maskscope.readers.embedding_notes import count_masked, embedding_notes
from maskscope.readers.padded_labels import LabelColumn
from maskscope.readers.padded_lengths import LengthColumn
from maskscope.readers.padded_side import find_padding, leading_zeros, side_of_zeros
from maskscope.types import Embeddings, Indices, Sentence


class PaddedSource:
    """A `Source` over an array padded on one side; labels, lengths, tokens and mask are optional.

    Args:
        file: the file that messages name for a sentence.
        x: (N, T, D) of a float dtype.
        labels: (N, T) or (N, T, 1) ints, bools or 0/1 floats, or (N, T, C) one-hot; -1 among ints: no label.
        lengths: (N,) ints as an array, or a text file with one int a line.
        tokens: unicode (N, T), or (n_tokens,) in reading order.
        mask: (N, T) bool or 0/1 ints, True = real token, all sentences padded on one side.
        notes: what the caller has noted already.

    Raises ReadError when the shapes or dtypes don't fit each other.
    """

    def __init__(
        self,
        file: Path,
        x: StoredArray,
        *,
        labels: StoredArray | None = None,
        lengths: StoredArray | Path | None = None,
        tokens: StoredArray | None = None,
        mask: StoredArray | None = None,
        notes: tuple[Note, ...] = (),
    ) -> None:
        self._dtype = stored_dtype(x.dtype, file)
        if len(x.shape) != 3 or 0 in x.shape:
            raise ReadError(
                f"{x.title} is no padded batch of embeddings",
                file=file,
                expected="shape (N, T, D): sentences, positions, embedding, none of them 0",
                received=x.describe(),
            )
        self._file = file
        self._x = x
        self._labels = None if labels is None else LabelColumn(labels, x.shape)
        self._lengths = LengthColumn(file, x.shape, lengths, mask)
        self._tokens = tokens
        if tokens is not None:
            if len(tokens.shape) != 1:
                tokens.require("U", [x.shape[:2]], f"unicode text of shape {x.shape[:2]} or (n_tokens,)")
            else:
                tokens.require("U", [tokens.shape], "unicode text")
        self._first_notes = notes
        self._tally = Tally()
        self._scanner = Scanner()
        self._side: Side = "back"
        self._padding: Padding | None = None
        self._names: list[str] = []

    @property
    def n_sentences(self) -> int:
        """N."""
        return self._x.shape[0]

    @property
    def dim(self) -> int:
        """D."""
        return self._x.shape[2]

    @property
    def dtype(self) -> StoredDtype:
        """float16 or float32."""
        return self._dtype

    @property
    def classes(self) -> tuple[str, ...] | None:
        """The columns of one-hot labels, or ("0", "1") of booleans and 0/1 floats."""
        return None if self._labels is None else self._labels.classes

    @property
    def kind(self) -> Literal["binary", "multiclass"] | None:
        """What the shape and dtype of the labels imply."""
        return None if self._labels is None else self._labels.kind

    @property
    def lengths_from(self) -> Literal["source", "inferred"]:
        """Where the lengths are from: "inferred" when neither lengths nor a mask were given, else "source"."""
        return "source" if self._lengths.given else "inferred"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Files are open only while an iteration runs, which closes them itself.
        return None

    def __iter__(self) -> Iterator[Sentence]:
        """Yield the N sentences, each cut to its length."""
        self._tally = Tally()
        inferred = self.lengths_from == "inferred"
        self._padding = None if inferred else find_padding(self._x, self._lengths)
        self._side = side_of_zeros(self._x) if inferred else "back" if self._padding is None else self._padding.side
        self._scanner = Scanner(inferred=inferred, padding=self._padding)
        with ExitStack() as stack:

            def rows(array: StoredArray | None) -> ArrayRows | None:
                return None if array is None else stack.enter_context(array.rows())

            x_rows = stack.enter_context(self._x.rows())
            label_rows = rows(self._labels.array if self._labels else None)
            length_rows = self._lengths.open(stack, self._side)
            token_rows = rows(self._tokens)

            n_sentences, step = self.n_sentences, self._rows_a_block()
            for first in range(0, n_sentences, step):
                n = min(step, n_sentences - first)
                lengths = length_rows.take(first, n)
                raw = x_rows.take(n)
                if lengths is None and self._side == "front":
                    lengths = raw.shape[1] - leading_zeros(narrowed(raw, self._dtype))
                raw = self._tokens_first(raw, lengths)
                x_btd = narrowed(raw, self._dtype)
                seen = self._scanner.padded(x_btd, lengths)
                if inferred and self._padding is None and (seen.lengths < x_btd.shape[1]).any():
                    self._padding = Padding.of_value(0.0, self.dim, self._side, "data")
                y = None if label_rows is None else self._tokens_first(label_rows.take(n), lengths)
                padded_tokens = None
                if token_rows is not None and self._tokens is not None and len(self._tokens.shape) == 2:
                    padded_tokens = self._tokens_first(token_rows.take(n), lengths)
                for b in range(n):
                    sentence, length = first + b, int(seen.lengths[b])
                    self._inspect(sentence, x_btd[b], raw[b], seen, b)
                    yield Sentence(
                        tokens=self._sentence_tokens(
                            sentence, length, None if padded_tokens is None else padded_tokens[b], token_rows
                        ),
                        embeddings=x_btd[b, :length].copy(),
                        labels=None
                        if y is None or self._labels is None
                        else self._labels.names(y[b, :length], sentence),
                    )
            if token_rows is not None and self._tokens is not None and len(self._tokens.shape) == 1:
                self._refuse_left_over(token_rows)
            for stream in (x_rows, label_rows, token_rows):
                if stream is not None:
                    stream.finish()
            length_rows.finish()

    def notes(self) -> tuple[Note, ...]:
        """What was inferred, made up or found; complete after an iteration."""
        tally, notes = self._tally, list(self._first_notes)
        if self.lengths_from == "inferred":
            front = self._side == "front"
            rows, edge = ("leading", "begins with") if front else ("trailing", "ends in")
            empty = f"; no row is left in {tally.text('empty')}" if tally.count("empty") else ""
            notes.append(
                Note(
                    "lengths-inferred",
                    f"Lengths were inferred from the {rows} zero rows, so a sentence that {edge} tokens whose"
                    f" embedding is all zeros is too short; give the lengths (--lengths) to avoid that{empty}.",
                    tally.listed("empty"),
                )
            )
        padding = self.padding
        if tally.count("padding") and padding is not None:
            where = "past the given length" if padding.side == "back" else "in front of the sentence"
            what = f"are {padding.text} and not zero" if len(padding.rows) == 1 else "are not all zeros"
            notes.append(
                Note(
                    "padding-not-zero",
                    f"Positions {where} {what} in {tally.text('padding')}; they were left out.",
                    tally.listed("padding"),
                )
            )
        if padding is not None and padding.side == "front":
            notes.append(
                Note("padded-in-front", "The array is padded in front: the tokens of a sentence are its last rows.")
            )
        notes += embedding_notes(tally, self._x.dtype)
        if self._tokens is None:
            notes.append(Note("tokens-made", 'The source has no tokens, so they are called "t0", "t1", ... .'))
        if self._labels is None:
            notes.append(Note("no-labels", "The source has no labels."))
        return tuple(notes)

    def scan(self) -> Scan:
        """What was seen of the array, padding included."""
        return self._scanner.result()

    @property
    def padding(self) -> Padding | None:
        """What the padded positions hold, and where they are; zeros behind where the lengths were inferred."""
        return self._padding

    def _tokens_first(self, rows: np.ndarray, lengths: Indices | None) -> np.ndarray:
        """Rows (n, T, ...) of sentences, turned where they are padded in front."""
        return rows if lengths is None or self._side == "back" else tokens_first(rows, lengths)

    def _rows_a_block(self) -> int:
        heaviest = max(
            array.row_bytes
            for array in (self._x, self._labels.array if self._labels else None, self._tokens, self._lengths.mask)
            if array is not None
        )
        return max(1, self._x.block_bytes // max(1, heaviest))

    def _inspect(self, sentence: int, x_td: Embeddings, raw_td: np.ndarray, seen: Block, b: int) -> None:
        length = int(seen.lengths[b])
        if seen.broken[b, :length].any():
            refuse_not_finite(x_td[:length], raw_td[:length], self._file, sentence)
        count_masked(self._tally, seen.masked[b, :length], raw_td[:length], sentence)
        if self.lengths_from == "inferred":
            if length == 0:
                self._tally.add("empty", sentence)
        elif seen.not_zero_after[b]:
            self._tally.add("padding", sentence)

    def _sentence_tokens(
        self, sentence: int, length: int, padded: np.ndarray | None, flat: ArrayRows | None
    ) -> tuple[str, ...]:
        if self._tokens is None or flat is None:
            while len(self._names) < length:
                self._names.append(f"t{len(self._names)}")
            return tuple(self._names[:length])
        if padded is None:
            if flat.left < length:
                raise ReadError(
                    "there are fewer tokens than the lengths add up to",
                    file=self._file,
                    sentence=sentence,
                    expected=f"{length} tokens",
                    received=f"{flat.left} left of {self._tokens.shape[0]}",
                )
            padded = flat.take(length)
        try:
            tokens: tuple[str, ...] = tuple(padded[:length].tolist())
        except ValueError as error:
            raise ReadError(
                "a token is no Unicode text",
                file=self._file,
                sentence=sentence,
                expected="code points up to U+10FFFF",
                received=str(error),
            ) from None
        refuse_surrogates(tokens, self._file, sentence)
        return tokens

    def _refuse_left_over(self, flat: ArrayRows) -> None:
        if flat.left and self._tokens is not None:
            raise ReadError(
                "there are more tokens than the lengths add up to",
                file=self._file,
                sentence=self.n_sentences - 1,
                expected=f"{self._tokens.shape[0] - flat.left} tokens",
                received=str(self._tokens.shape[0]),
            )
