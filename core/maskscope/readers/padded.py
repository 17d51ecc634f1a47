"""Sentences out of a padded array (N, T, D) and the arrays that stand beside it."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self

import numpy as np
import numpy.typing as npt

from maskscope import masks
from maskscope.corpus_scan import Block, Scan, Scanner
from maskscope.errors import ReadError
from maskscope.readers.arrays import ArrayRows, StoredArray
from maskscope.readers.base import (
    Note,
    StoredDtype,
    Tally,
    is_narrowed,
    narrowed,
    refuse_not_finite,
    refuse_surrogates,
    stored_dtype,
    unreadable,
)
from maskscope.types import Embeddings, Indices, Mask, Sentence


class PaddedSource:
    """A `Source` over a right-padded array; labels, lengths, tokens and mask are optional.

    Args:
        file: the file that messages name for a sentence.
        x: (N, T, D) of a float dtype.
        labels: (N, T) or (N, T, 1) ints, bools or 0/1 floats, or (N, T, C) one-hot; -1 among ints: no label.
        lengths: (N,) ints as an array, or a text file with one int a line.
        tokens: unicode (N, T), or (n_tokens,) in reading order.
        mask: (N, T) bool or 0/1 ints, True = real token, right-padded.
        notes: what the caller has already to say.

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
        self._labels = None if labels is None else _LabelColumn(labels, x.shape)
        self._lengths = lengths
        if isinstance(lengths, StoredArray):
            _require(lengths, "iu", [x.shape[:1]], f"integers of shape ({x.shape[0]},), one length a sentence")
        self._tokens = tokens
        if tokens is not None:
            if len(tokens.shape) != 1:
                _require(tokens, "U", [x.shape[:2]], f"unicode text of shape {x.shape[:2]} or (n_tokens,)")
            else:
                _require(tokens, "U", [tokens.shape], "unicode text")
        self._mask = mask
        if mask is not None:
            _require(mask, "biu", [x.shape[:2]], f"booleans of shape {x.shape[:2]}, True = real token")
        self._first_notes = notes
        self._tally = Tally()
        self._scanner = Scanner()
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
        """ "inferred" when neither lengths nor a mask were given."""
        return "inferred" if self._lengths is None and self._mask is None else "source"

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
        self._scanner = Scanner(inferred=self.lengths_from == "inferred")
        with ExitStack() as stack:

            def rows(array: StoredArray | None) -> ArrayRows | None:
                return None if array is None else stack.enter_context(array.rows())

            x_rows = stack.enter_context(self._x.rows())
            label_rows = rows(self._labels.array if self._labels else None)
            length_rows: _LengthRows | None = None
            if isinstance(self._lengths, StoredArray):
                length_rows = _ArrayLengths(stack.enter_context(self._lengths.rows()))
            elif self._lengths is not None:
                length_rows = stack.enter_context(_TextLengths(self._lengths, self.n_sentences))
            mask_rows = rows(self._mask)
            token_rows = rows(self._tokens)

            n_sentences, step = self.n_sentences, self._rows_a_block()
            for first in range(0, n_sentences, step):
                n = min(step, n_sentences - first)
                raw = x_rows.take(n)
                x_btd = narrowed(raw, self._dtype)
                seen = self._scanner.padded(x_btd, self._block_lengths(first, n, length_rows, mask_rows))
                y = None if label_rows is None else label_rows.take(n)
                words = None
                if token_rows is not None and self._tokens is not None and len(self._tokens.shape) == 2:
                    words = token_rows.take(n)
                for b in range(n):
                    sentence, length = first + b, int(seen.lengths[b])
                    self._inspect(sentence, x_btd[b], raw[b], seen, b)
                    yield Sentence(
                        tokens=self._words(sentence, length, None if words is None else words[b], token_rows),
                        embeddings=x_btd[b, :length].copy(),
                        labels=None
                        if y is None or self._labels is None
                        else self._labels.names(y[b, :length], sentence),
                    )
            if token_rows is not None and self._tokens is not None and len(self._tokens.shape) == 1:
                self._refuse_left_over(token_rows)
            for stream in (x_rows, label_rows, mask_rows, token_rows):
                if stream is not None:
                    stream.finish()
            if length_rows is not None:
                length_rows.finish()

    def notes(self) -> tuple[Note, ...]:
        """What was inferred, made up or found."""
        tally, notes = self._tally, list(self._first_notes)
        if self.lengths_from == "inferred":
            empty = f"; without any row left: {tally.words('empty')}" if tally.count("empty") else ""
            notes.append(
                Note(
                    "lengths-inferred",
                    "Lengths were inferred from the trailing zero rows, so a sentence that ends in tokens whose"
                    f" embedding is all zeros came out too short (give --lengths to settle it){empty}.",
                    tally.listed("empty"),
                )
            )
        if tally.count("padding"):
            padding = self.scan().padding
            what = "not all zeros" if padding is None else f"{padding:g} and not zero"
            notes.append(
                Note(
                    "padding-not-zero",
                    f"Positions past the given length are {what} in {tally.words('padding')}; they were left out.",
                    tally.listed("padding"),
                )
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

    def _rows_a_block(self) -> int:
        heaviest = max(
            array.row_bytes
            for array in (self._x, self._labels.array if self._labels else None, self._tokens, self._mask)
            if array is not None
        )
        return max(1, self._x.block_bytes // max(1, heaviest))

    def _block_lengths(
        self, first: int, n: int, length_rows: "_LengthRows | None", mask_rows: ArrayRows | None
    ) -> Indices | None:
        """The lengths of the next `n` sentences, None where only their zeros can tell."""
        n_positions = self._x.shape[1]
        lengths = None if length_rows is None else length_rows.take(n)
        if lengths is not None:
            wrong = (lengths < 0) | (lengths > n_positions)
            if wrong.any():
                b = int(np.argmax(wrong))
                raise ReadError(
                    "the length does not fit the array",
                    file=self._lengths_file(),
                    sentence=first + b,
                    expected=f"0 to {n_positions} tokens",
                    received=str(lengths[b]),
                )
        if mask_rows is not None:
            from_mask = self._mask_lengths(first, mask_rows.take(n))
            if lengths is not None and (lengths != from_mask).any():
                b = int(np.argmax(lengths != from_mask))
                raise ReadError(
                    "lengths and mask disagree",
                    file=self._lengths_file(),
                    sentence=first + b,
                    expected=f"{from_mask[b]} tokens, as in the mask",
                    received=str(lengths[b]),
                )
            return from_mask
        return lengths

    def _mask_lengths(self, first: int, stored: np.ndarray) -> Indices:
        other = (stored != 0) & (stored != 1)
        if other.any():
            b, position = (int(k) for k in np.argwhere(other)[0])
            raise ReadError(
                f"the mask at position {position} is neither true nor false",
                file=self._file,
                sentence=first + b,
                expected="True or 1 at a real token, False or 0 at padding",
                received=str(stored[b, position]),
            )
        mask_bt = stored.astype(np.bool_)
        lengths: Indices = mask_bt.sum(axis=1, dtype=np.int64)
        ragged = (mask_bt != masks.mask_from_lengths(lengths, mask_bt.shape[1])).any(axis=1)
        if ragged.any():
            b = int(np.argmax(ragged))
            hole = int(np.argmin(mask_bt[b]))
            raise ReadError(
                "the mask is not padded on the right",
                file=self._file,
                sentence=first + b,
                expected="real tokens (True) first, then padding (False)",
                received=f"False at position {hole} before a True",
            )
        return lengths

    def _lengths_file(self) -> Path:
        if isinstance(self._lengths, StoredArray):
            return self._lengths.file
        return self._lengths or self._file

    def _inspect(self, sentence: int, x_td: Embeddings, raw_td: np.ndarray, seen: Block, b: int) -> None:
        length = int(seen.lengths[b])
        if seen.broken[b, :length].any():
            refuse_not_finite(x_td[:length], raw_td[:length], self._file, sentence)
        tally_masked(self._tally, seen.masked[b, :length], raw_td[:length], sentence)
        if self.lengths_from == "inferred":
            if length == 0:
                self._tally.add("empty", sentence)
        elif seen.behind[b]:
            self._tally.add("padding", sentence)

    def _words(self, sentence: int, length: int, padded: np.ndarray | None, flat: ArrayRows | None) -> tuple[str, ...]:
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
            words: tuple[str, ...] = tuple(padded[:length].tolist())
        except ValueError as error:
            raise ReadError(
                "a token is no Unicode text",
                file=self._file,
                sentence=sentence,
                expected="code points up to U+10FFFF",
                received=str(error),
            ) from None
        refuse_surrogates(words, self._file, sentence)
        return words

    def _refuse_left_over(self, flat: ArrayRows) -> None:
        if flat.left and self._tokens is not None:
            raise ReadError(
                "there are more tokens than the lengths add up to",
                file=self._file,
                sentence=self.n_sentences - 1,
                expected=f"{self._tokens.shape[0] - flat.left} tokens",
                received=str(self._tokens.shape[0]),
            )


def look_through(scanner: Scanner, tally: Tally, rows: Embeddings, raw: np.ndarray, file: Path, sentence: int) -> None:
    """Take in a sentence that has no padding: `rows` (T, D), narrowed from `raw` (T, D).

    Raises ReadError when one of them is not finite.
    """
    masked, broken = scanner.ragged(rows, np.array([len(rows)], dtype=np.int64))
    if broken.any():
        refuse_not_finite(rows, raw, file, sentence)
    tally_masked(tally, masked, raw, sentence)


def tally_masked(tally: Tally, masked: Mask, raw: np.ndarray, sentence: int) -> None:
    """Count a sentence with real tokens that a Masking layer takes for padding: `masked` (T,) is true there.

    `raw` (T, D) is what its rows were narrowed from: where it was not zero, the narrowing made it so.
    """
    if not masked.any():
        return
    tally.add("zero", sentence)
    if raw.dtype.itemsize > 4 and (raw[masked] != 0).any():
        tally.add("underflow", sentence)


def embedding_notes(tally: Tally, dtype: np.dtype[np.generic]) -> list[Note]:
    """The notes that every reader gives about its embeddings, whose stored dtype is `dtype`."""
    notes = []
    if tally.count("zero"):
        notes.append(
            Note(
                "interior-zero-rows",
                f"Real tokens whose embedding is all zeros, which Masking(0) takes for padding, stand in"
                f" {tally.words('zero')}.",
                tally.listed("zero"),
            )
        )
    if is_narrowed(dtype):
        lost = f"; rows too small for it became zeros in {tally.words('underflow')}"
        notes.append(
            Note(
                "float64-stored-as-float32",
                f"Embeddings are {dtype.name} and are stored as float32{lost if tally.count('underflow') else ''}.",
                tally.listed("underflow"),
            )
        )
    return notes


class _LabelColumn:
    """Labels beside a padded array, in one of the three shapes."""

    def __init__(self, array: StoredArray, x_shape: tuple[int, ...]) -> None:
        self.array = array
        n, t = x_shape[:2]
        if len(array.shape) not in (2, 3) or array.shape[:2] != (n, t) or 0 in array.shape:
            raise ReadError(
                "labels don't fit the embeddings",
                file=array.file,
                expected=f"shape ({n}, {t}), ({n}, {t}, 1) or one-hot ({n}, {t}, C)",
                received=array.describe(),
            )
        if array.dtype.kind not in "iubf":
            raise ReadError(
                "labels are no numbers",
                file=array.file,
                expected="integers, booleans or 0/1 floats",
                received=f"dtype {array.dtype}",
            )
        self.one_hot = len(array.shape) == 3 and array.shape[2] > 1
        self.classes: tuple[str, ...] | None = None
        self.kind: Literal["binary", "multiclass"] | None = None
        if self.one_hot:
            self.classes, self.kind = tuple(str(c) for c in range(array.shape[2])), "multiclass"
        elif array.dtype.kind in "bf":
            self.classes, self.kind = ("0", "1"), "binary"

    def names(self, y: np.ndarray, sentence: int) -> tuple[str | None, ...]:
        """Label names of the sentence's real tokens; y (T,), (T, 1) or (T, C)."""
        if self.one_hot:
            wrong = ~(((y == 0) | (y == 1)).all(axis=1) & ((y == 1).sum(axis=1) == 1))
            if wrong.any():
                self._refuse("labels are not one-hot", y, wrong, sentence, "one 1 and else 0 in each row")
            columns = [str(c) for c in y.argmax(axis=1).tolist()]
            return tuple(columns)
        y = y.reshape(len(y))
        if y.dtype.kind == "f":
            wrong = (y != 0) & (y != 1)
            if wrong.any():
                self._refuse("a float label is neither 0 nor 1", y, wrong, sentence, "0.0 or 1.0 (else integers)")
        elif y.dtype.kind == "i":
            wrong = y < -1
            if wrong.any():
                self._refuse("a label is negative", y, wrong, sentence, "0 or more, or -1 for no label")
        # A list first: a tuple of a generator is resized, and CPython keeps thousands of such for reuse.
        names = [None if label == -1 else str(int(label)) for label in y.tolist()]
        return tuple(names)

    def _refuse(self, message: str, y: np.ndarray, wrong: npt.NDArray[np.bool_], sentence: int, expected: str) -> None:
        position = int(np.argmax(wrong))
        raise ReadError(
            f"{message} at position {position}",
            file=self.array.file,
            sentence=sentence,
            expected=expected,
            received=np.array2string(y[position], threshold=8),
        )


class _LengthRows(Protocol):
    def take(self, n: int) -> Indices: ...

    def finish(self) -> None: ...


class _ArrayLengths:
    def __init__(self, rows: ArrayRows) -> None:
        self._rows = rows

    def take(self, n: int) -> Indices:
        # Unsigned values beyond int64 turn negative here, and are then refused as lengths.
        return self._rows.take(n).astype(np.int64)

    def finish(self) -> None:
        self._rows.finish()


class _TextLengths:
    """One int a line; empty lines don't count."""

    def __init__(self, file: Path, n_sentences: int) -> None:
        self._file = file
        self._n_sentences = n_sentences
        self._sentence = 0
        self._line = 0
        try:
            self._stream = file.open("rb")
        except OSError as error:
            raise unreadable(file, error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()

    def take(self, n: int) -> Indices:
        lengths = np.empty(n, dtype=np.int64)
        for k in range(n):
            text = self._next()
            if text is None:
                raise ReadError(
                    "there are too few lengths",
                    file=self._file,
                    sentence=self._sentence,
                    expected=f"{self._n_sentences} lengths",
                    received=str(self._sentence),
                )
            try:
                lengths[k] = int(text)
            except (ValueError, OverflowError):
                raise ReadError(
                    f"line {self._line} is no length",
                    file=self._file,
                    sentence=self._sentence,
                    expected="one integer a line",
                    received=repr(text[:40].decode("utf-8", "replace")),
                ) from None
            self._sentence += 1
        return lengths

    def finish(self) -> None:
        if self._next() is not None:
            raise ReadError(
                "there are too many lengths",
                file=self._file,
                sentence=self._n_sentences - 1,
                expected=f"{self._n_sentences} lengths, one a sentence",
                received=f"another in line {self._line}",
            )

    def _next(self) -> bytes | None:
        for line in self._stream:
            self._line += 1
            if line.strip():
                return line.strip()
        return None


def _require(array: StoredArray, kinds: str, shapes: list[tuple[int, ...]], expected: str) -> None:
    if array.dtype.kind not in kinds or array.shape not in shapes:
        raise ReadError(
            f"{array.title} does not fit the embeddings",
            file=array.file,
            expected=expected,
            received=array.describe(),
        )
