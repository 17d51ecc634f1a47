"""On which side of a padded array's sentences the padding is, and what it holds.

The tokens of a sentence that is padded in front are its last rows, as `keras.utils.pad_sequences` leaves them unless
it is told padding='post'. Readers turn such rows, so that the tokens come first.
"""

from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from maskscope.masks import mask_from_lengths
from maskscope.padding import MOST_ROWS, Padding, Side
from maskscope.readers.arrays import StoredArray
from maskscope.readers.padded_lengths import LengthColumn
from maskscope.types import Embeddings, Floats, Indices

_ENOUGH_ROWS = 1000
_ENOUGH_SENTENCES = 100


@dataclass(frozen=True, slots=True, eq=False)
class PaddingFound:
    """What the first sentences of an array show of its padding.

    Attributes:
        side: where it is.
        row: (D,) float32, where the first padded positions, two or more, all hold this row of different numbers.
    """

    side: Side = "back"
    row: Floats | None = None


def find_padding(x: StoredArray, lengths: LengthColumn) -> PaddingFound:
    """Where the padding of x (N, T, D) is: as the mask says, else where the rows are alike, else behind the tokens.

    Without lengths and mask, rows of zeros are padding: the trailing ones, or the leading ones where only these are.
    Raises ReadError for a length out of range.
    """
    if not lengths.given:
        return PaddingFound(_side_of_zeros(x))
    side = _side_of_mask(lengths)
    candidates: dict[Side, list[Floats]] = {"back": [], "front": []}
    with ExitStack() as stack:
        rows, length_rows = stack.enter_context(x.rows()), lengths.open(stack, side or "back")
        n, n_positions = x.shape[:2]
        step, n_found = max(1, x.block_bytes // max(1, x.row_bytes)), 0
        for first in range(0, n, step):
            taken = length_rows.take(first, min(step, n - first))
            assert taken is not None
            block = rows.take(len(taken))
            tokens_first = mask_from_lengths(taken, n_positions)
            candidates["back"].append(block[~tokens_first].astype(np.float32))
            candidates["front"].append(block[~tokens_first[:, ::-1]].astype(np.float32))
            n_found += len(candidates["back"][-1])
            if n_found >= _ENOUGH_ROWS:
                break
    found = {each: np.concatenate(blocks) for each, blocks in candidates.items()}
    side = side or _more_alike(found["back"], found["front"])
    padded = found[side]
    one_row = len(padded) > 1 and not _changes(padded).any() and not (padded[0] == padded[0, 0]).all()
    return PaddingFound(side, padded[0] if one_row and np.isfinite(padded[0]).all() else None)


def _side_of_mask(lengths: LengthColumn) -> Side | None:
    """The side that the first padded sentence of a mask shows; None without a mask, or without padding in it."""
    if lengths.mask is None:
        return None
    with lengths.mask.rows() as rows:
        n, step = lengths.n_sentences, max(1, lengths.mask.block_bytes // max(1, lengths.mask.row_bytes))
        for first in range(0, n, step):
            real = rows.take(min(step, n - first)) != 0
            if not real.shape[1]:
                return None
            padded = np.flatnonzero(real[:, 0] != real[:, -1])
            if len(padded):
                return "back" if real[padded[0], 0] else "front"
    return None


def _side_of_zeros(x: StoredArray) -> Side:
    """The front where sentences begin with several rows of zeros and none ends in one; a single one may be a token."""
    with x.rows() as rows:
        n, n_positions = x.shape[:2]
        step, n_found = max(1, x.block_bytes // max(1, x.row_bytes)), 0
        for first in range(0, n, step):
            zero_bt = (rows.take(min(step, n - first)) == 0).all(axis=2)
            zero_bt = zero_bt[~zero_bt.all(axis=1)]
            if n_positions < 2 or zero_bt[:, -1].any():
                return "back"
            n_found += int(zero_bt[:, :2].all(axis=1).sum())
            if n_found >= _ENOUGH_SENTENCES:
                break
    return "front" if n_found else "back"


def leading_zeros(x_btd: Embeddings) -> Indices:
    """How many rows of zeros each of the sentences (b, T, D) begins with, (b,) int64."""
    zero_bt = (x_btd == 0).all(axis=2)
    return np.asarray(np.where(zero_bt.all(axis=1), zero_bt.shape[1], np.argmin(zero_bt, axis=1)), dtype=np.int64)


def _more_alike(back: Floats, front: Floats) -> Side:
    """The side whose candidate rows (k, D) change least from one to the next; behind where that decides nothing."""
    if not len(back):
        return "back"
    changes_back, changes_front = int(_changes(back).sum()), int(_changes(front).sum())
    if changes_back or changes_front:
        return "front" if 2 * changes_front < changes_back else "back"
    # too few rows to compare with each other: padding mostly holds one number
    one_back, one_front = bool((back[0] == back[0, 0]).all()), bool((front[0] == front[0, 0]).all())
    return "front" if one_front and not one_back else "back"


def _changes(rows: Floats) -> npt.NDArray[np.bool_]:
    """Which of the rows (k, D) but the first differ from the one before, (k - 1,)."""
    return ~_same(rows[1:], rows[:-1])


def _same(a: Floats, b: Floats) -> npt.NDArray[np.bool_]:
    """Which rows (k, D) hold the same numbers, NaN included."""
    return np.asarray(((a == b) | (np.isnan(a) & np.isnan(b))).all(axis=1))


def tokens_first(rows: np.ndarray, lengths: Indices) -> np.ndarray:
    """Rows (n, T, ...) that are padded in front, turned so that the tokens of each sentence come first."""
    n, n_positions = rows.shape[:2]
    order = (np.arange(n_positions)[None] + (n_positions - lengths)[:, None]) % max(1, n_positions)
    turned: np.ndarray = rows[np.arange(n)[:, None], order]
    return turned


class PaddingRows:
    """Collects what the padded positions of an array hold: one row, or up to `MOST_ROWS` that differ."""

    def __init__(self, side: Side) -> None:
        self._side = side
        self._rows: Floats | None = None

    def add(self, x_btd: Embeddings, lengths: Indices) -> None:
        """Take in sentences (b, T, D) whose tokens come first."""
        if self._rows is not None and len(self._rows) == MOST_ROWS:
            return
        padded: Floats = x_btd[~mask_from_lengths(lengths, x_btd.shape[1])].astype(np.float32)
        if not len(padded):
            return
        rows = padded[:1] if self._rows is None else self._rows
        while len(padded) and len(rows) < MOST_ROWS:
            padded = padded[~_same(padded, np.broadcast_to(rows[-1], padded.shape))]
            # a row that was collected before the last one may come again
            padded = padded[_first_new(padded, rows) :]
            rows = np.concatenate([rows, padded[:1]])
        self._rows = rows

    def result(self) -> Padding | None:
        """The padding so far; None when no position was padded."""
        return None if self._rows is None else Padding(self._rows, self._side, "data")


def _first_new(padded: Floats, rows: Floats) -> int:
    for place, row in enumerate(padded):
        if not _same(np.broadcast_to(row, rows.shape), rows).any():
            return place
    return len(padded)
