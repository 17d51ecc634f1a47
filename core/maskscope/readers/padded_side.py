"""What the padding of an array holds, and on which side of its sentences it is, before they are read.

The tokens of a sentence that is padded in front are its last rows, as `keras.utils.pad_sequences` leaves them unless
it is told padding='post'. Readers turn such rows, so that the tokens come first.
"""

from contextlib import ExitStack

import numpy as np

from maskscope.array_padding import PaddingFinder
from maskscope.padding import Padding, Side
from maskscope.readers.arrays import StoredArray
from maskscope.readers.padded_lengths import LengthColumn
from maskscope.types import Embeddings, Indices

_ENOUGH_SENTENCES = 100


def find_padding(x: StoredArray, lengths: LengthColumn) -> Padding | None:
    """What the padding of x (N, T, D) holds, by the given lengths or mask; None where no position is padded.

    It is on the side that the mask says, else on that of the rows that are alike. Raises ReadError for a length out of
    range.
    """
    side = _side_of_mask(lengths)
    finder = PaddingFinder(side)
    with ExitStack() as stack:
        rows, length_rows = stack.enter_context(x.rows()), lengths.open(stack, side or "back")
        step = _step(x)
        for first in range(0, x.shape[0], step):
            taken = length_rows.take(first, min(step, x.shape[0] - first))
            assert taken is not None
            with np.errstate(over="ignore", under="ignore", invalid="ignore"):
                finder.add(rows.take(len(taken)), taken)
            if finder.is_full:
                break
    return finder.result()


def _side_of_mask(lengths: LengthColumn) -> Side | None:
    """The side that the first padded sentence of a mask shows; None without a mask, or without padding in it."""
    if lengths.mask is None:
        return None
    with lengths.mask.rows() as rows:
        n, step = lengths.n_sentences, _step(lengths.mask)
        for first in range(0, n, step):
            real = rows.take(min(step, n - first)) != 0
            padded = np.flatnonzero(real[:, 0] != real[:, -1])
            if len(padded):
                return "back" if real[padded[0], 0] else "front"
    return None


def side_of_zeros(x: StoredArray) -> Side:
    """The side of padding with zeros in x (N, T, D) without lengths.

    It is in front where sentences begin with several rows of zeros and none ends in one; a single one may be a token.
    """
    with x.rows() as rows:
        n, n_positions = x.shape[:2]
        step, n_found = _step(x), 0
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


def _step(array: StoredArray) -> int:
    """How many rows of an array make one block."""
    return max(1, array.block_bytes // max(1, array.row_bytes))
