"""The lengths of the sentences of a padded array: numbers in an array or a text, a mask, both, or neither."""

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import numpy as np

from maskscope import masks
from maskscope.errors import ReadError
from maskscope.padding import Side
from maskscope.readers.arrays import ArrayRows, StoredArray
from maskscope.readers.base import unreadable
from maskscope.types import Indices, Mask


class LengthColumn:
    """The lengths of N sentences of at most T tokens.

    Args:
        file: the file of the padded array, which messages about the mask name.
        x_shape: of the padded array (N, T, D).
        numbers: ints (N,), or a text file with one int a line.
        mask: (N, T) bool or 0/1 ints, True = real token, all sentences padded on one side.

    Raises ReadError when the shape or dtype of an array does not fit.
    """

    def __init__(
        self, file: Path, x_shape: tuple[int, ...], numbers: StoredArray | Path | None, mask: StoredArray | None
    ) -> None:
        if isinstance(numbers, StoredArray):
            numbers.require("iu", [x_shape[:1]], f"integers of shape ({x_shape[0]},), one length a sentence")
        if mask is not None:
            mask.require("biu", [x_shape[:2]], f"booleans of shape {x_shape[:2]}, True = real token")
        self.file, self.n_sentences, self.n_positions = file, *x_shape[:2]
        self.numbers, self.mask = numbers, mask

    @property
    def given(self) -> bool:
        """Whether lengths or a mask are given."""
        return self.numbers is not None or self.mask is not None

    @property
    def numbers_file(self) -> Path:
        """The file that messages about a length name."""
        if isinstance(self.numbers, StoredArray):
            return self.numbers.file
        return self.numbers or self.file

    def open(self, stack: ExitStack, side: Side = "back") -> "LengthRows":
        """Open the files, which `stack` closes, at the first sentence; a mask must be padded on `side`."""
        numbers: _Numbers | None = None
        if isinstance(self.numbers, StoredArray):
            numbers = _ArrayNumbers(stack.enter_context(self.numbers.rows()))
        elif self.numbers is not None:
            numbers = stack.enter_context(_TextNumbers(self.numbers, self.n_sentences))
        mask_rows = None if self.mask is None else stack.enter_context(self.mask.rows())
        return LengthRows(self, numbers, mask_rows, side)


class LengthRows:
    """Lengths taken in reading order; made by `LengthColumn.open`."""

    def __init__(
        self, column: LengthColumn, numbers: "_Numbers | None", mask_rows: ArrayRows | None, side: Side
    ) -> None:
        self._column, self._numbers, self._mask_rows, self._side = column, numbers, mask_rows, side

    def take(self, first: int, n: int) -> Indices | None:
        """The lengths of the next `n` sentences from `first` on; None when neither lengths nor a mask are given.

        Raises ReadError for a length out of range, and where lengths and mask disagree.
        """
        lengths = None if self._numbers is None else self._numbers.take(n)
        if lengths is not None:
            self._refuse_out_of_range(first, lengths)
        if self._mask_rows is None:
            return lengths
        from_mask = self._from_mask(first, self._mask_rows.take(n))
        if lengths is not None and (lengths != from_mask).any():
            b = int(np.argmax(lengths != from_mask))
            raise ReadError(
                "lengths and mask disagree",
                file=self._column.numbers_file,
                sentence=first + b,
                expected=f"{from_mask[b]} tokens, as in the mask",
                received=str(lengths[b]),
            )
        return from_mask

    def finish(self) -> None:
        """Raise ReadError when there are more lengths than sentences, or a checksum does not hold."""
        if self._mask_rows is not None:
            self._mask_rows.finish()
        if self._numbers is not None:
            self._numbers.finish()

    def _refuse_out_of_range(self, first: int, lengths: Indices) -> None:
        wrong = (lengths < 0) | (lengths > self._column.n_positions)
        if wrong.any():
            b = int(np.argmax(wrong))
            raise ReadError(
                "the length does not fit the array",
                file=self._column.numbers_file,
                sentence=first + b,
                expected=f"0 to {self._column.n_positions} tokens",
                received=str(lengths[b]),
            )

    def _from_mask(self, first: int, stored: np.ndarray) -> Indices:
        other = (stored != 0) & (stored != 1)
        if other.any():
            b, position = (int(k) for k in np.argwhere(other)[0])
            raise ReadError(
                f"the mask at position {position} is neither true nor false",
                file=self._column.file,
                sentence=first + b,
                expected="True or 1 at a real token, False or 0 at padding",
                received=str(stored[b, position]),
            )
        mask_bt = stored.astype(np.bool_)
        lengths: Indices = mask_bt.sum(axis=1, dtype=np.int64)
        tokens_first = mask_bt if self._side == "back" else mask_bt[:, ::-1]
        ragged = (tokens_first != masks.mask_from_lengths(lengths, mask_bt.shape[1])).any(axis=1)
        if ragged.any():
            self._refuse_ragged(first + int(np.argmax(ragged)), mask_bt[int(np.argmax(ragged))])
        return lengths

    def _refuse_ragged(self, sentence: int, mask_t: Mask) -> None:
        if self._side == "back":
            message, order = "the mask is not padded on the right", "real tokens (True) first, then padding (False)"
            received = f"False at position {int(np.argmin(mask_t))} before a True"
        else:
            message = "the mask is not padded in front, as that of a sentence before it"
            order = "padding (False) first, then real tokens (True)"
            received = f"False at position {len(mask_t) - 1 - int(np.argmin(mask_t[::-1]))} after a True"
        raise ReadError(message, file=self._column.file, sentence=sentence, expected=order, received=received)


class _Numbers(Protocol):
    def take(self, n: int) -> Indices: ...

    def finish(self) -> None: ...


class _ArrayNumbers:
    def __init__(self, rows: ArrayRows) -> None:
        self._rows = rows

    def take(self, n: int) -> Indices:
        # Unsigned values beyond int64 turn negative here, and are then refused as lengths.
        return self._rows.take(n).astype(np.int64)

    def finish(self) -> None:
        self._rows.finish()


class _TextNumbers:
    """Lengths in a text, one int a line; empty lines are skipped."""

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
