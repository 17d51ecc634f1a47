"""The largest positive and negative number of each row, read from their bits at the speed of memory.

Numbers of IEEE 754 have the order of their bits. So two numbers describe a row nearly enough: the largest of its bits
read as signed integers is its largest positive number, and the largest read as unsigned integers is its negative number
of the largest absolute value. Whether a row holds NaN or infinity, is all zeros, or may be one value throughout follows
from these two. Only a row that may be one value is read again and compared as the Masking layer does it
(`masks.equal_rows`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from maskscope import masks
from maskscope.types import Indices, Mask

Numbers: TypeAlias = npt.NDArray[Any]

_CACHED_BYTES = 2**20
_TINY = float(np.finfo(np.float32).tiny)
_BITS: dict[int, tuple[type[np.signedinteger[Any]], type[np.unsignedinteger[Any]]]] = {
    2: (np.int16, np.uint16),
    4: (np.int32, np.uint32),
    8: (np.int64, np.uint64),
}


@dataclass(frozen=True, slots=True, eq=False)
class RowExtremes:
    """The largest positive and the largest negative number of each row (n, D), as bits.

    Attributes:
        rows: float16, float32 or float64, in C order and native byte order.
        compute: the compute type.
        top: (n,) the largest bits of a row as signed integers: negative when no number of the row is positive.
        low: (n,) the largest bits as unsigned integers: below the sign bit when no number of the row is negative.
        broken: (n,) True = holds NaN, infinity, or a number too large for the compute type.
    """

    rows: Numbers
    compute: str
    top: Indices
    low: npt.NDArray[np.uint64]
    broken: Mask

    @classmethod
    def of(cls, rows: Numbers, compute: str) -> "RowExtremes":
        """Find the extremes of rows (n, D) of any real type; integers become float64."""
        if rows.dtype.kind != "f" or rows.dtype.itemsize not in _BITS:
            rows = rows.astype(np.float64)
        rows = np.ascontiguousarray(rows, dtype=rows.dtype.newbyteorder("="))
        signed, unsigned = _BITS[rows.dtype.itemsize]
        n, dim = rows.shape
        top, low = np.zeros(n, dtype=signed), np.zeros(n, dtype=unsigned)
        if dim:
            # The second pass finds the rows in the processor's cache.
            step = max(1, _CACHED_BYTES // (dim * rows.dtype.itemsize))
            for begin in range(0, n, step):
                block = rows[begin : begin + step]
                block.view(signed).max(axis=1, out=top[begin : begin + step])
                block.view(unsigned).max(axis=1, out=low[begin : begin + step])
        limit = _bits_of(_limit(rows.dtype, compute), rows.dtype)
        sign = 1 << (8 * rows.dtype.itemsize - 1)
        broken = (top >= limit) | (low >= sign + limit)
        _apply_rule(
            broken,
            np.flatnonzero(broken),
            rows,
            lambda block: np.asarray(~np.isfinite(masks.computed(block, compute)).all(axis=1)),
        )
        return cls(rows, compute, top, low, broken)

    def equal(self, value: float) -> Mask:
        """Which rows (n,) a ``Masking(value)`` takes for padding."""
        if abs(value) < _TINY and self.compute != "float64":
            lower, upper = _zero_bounds(self.rows.dtype, self.compute)
            held, certain = self._below(upper), self._below(lower)
            return self._decide(held, np.flatnonzero(held & ~certain), value)
        held = self._may_be(value)
        return self._decide(held, np.flatnonzero(held), value)

    def constant(self, value: float, among: Mask) -> Mask:
        """Which rows (n,) of those in `among` hold nothing but `value`, which is not zero, as they are stored."""
        bits = _bits_of(abs(value), self.rows.dtype) + (self._sign if value < 0 else 0)
        held = (self.low == bits) & among
        places = np.flatnonzero(held)
        held[places] = self._smallest(places) == bits
        return np.asarray(held)

    def _decide(self, held: Mask, places: Indices, value: float) -> Mask:
        """Keep in `held` only those of `places` whose rows are equal to `value` in the compute type."""
        if not len(places):
            return held
        same = self._smallest(places) == self.low[places]
        ones = places[same]
        held[ones] = masks.equal_rows(self.rows[ones, :1], value, self.compute)
        _apply_rule(held, places[~same], self.rows, lambda block: masks.equal_rows(block, value, self.compute))
        return held

    def _smallest(self, places: Indices) -> npt.NDArray[np.uint64]:
        """The smallest bits of each of those rows as unsigned integers; equal to `low` in a row of one number."""
        smallest = np.zeros(len(self.low), dtype=self.low.dtype)
        unsigned = _BITS[self.rows.dtype.itemsize][1]
        _apply_rule(smallest, places, self.rows, lambda block: block.view(unsigned).min(axis=1))
        return smallest[places]

    @property
    def _sign(self) -> int:
        return 1 << (8 * self.rows.dtype.itemsize - 1)

    def _below(self, size: float) -> Mask:
        """Which rows (n,) hold only numbers of an absolute value less than `size`."""
        bits = _bits_of(size, self.rows.dtype)
        return np.asarray((self.top < bits) & (self.low < self._sign + bits))

    def _may_be(self, value: float) -> Mask:
        """Which rows (n,) may be all `value`, with a little more tolerance than rounding needs."""
        size, sign = abs(value), self._sign
        if value != value:
            return np.zeros(len(self.top), dtype=np.bool_)
        if size < 2.0**-13:
            # Below its normal numbers float16 rounds by more and more of a number's size.
            return self._below(2.0**-12)
        least, most = _bits_of(size * (1 - 2.0**-7), self.rows.dtype), _bits_of(size * (1 + 2.0**-7), self.rows.dtype)
        if value > 0:
            return np.asarray((self.top >= least) & (self.top <= most) & (self.low < sign))
        return np.asarray((self.top < 0) & (self.low >= sign + least) & (self.low <= sign + most))


def _apply_rule(answers: Numbers, places: Indices, rows: Numbers, rule: Callable[[Numbers], Numbers]) -> None:
    """Write the rule's results for the rows at `places` to `answers` (n,), copying few rows at a time."""
    step = max(1, _CACHED_BYTES // max(1, rows.shape[1] * rows.dtype.itemsize))
    for begin in range(0, len(places), step):
        some = places[begin : begin + step]
        whole = int(some[-1] - some[0]) + 1 == len(some)
        answers[some] = rule(rows[some[0] : some[-1] + 1] if whole else rows[some])


@lru_cache(maxsize=256)
def _limit(dtype: np.dtype[Any], compute: str) -> float:
    """A bound: numbers of `dtype` below it are finite in the compute type, those above may be infinite."""
    if compute == "float16" and dtype.itemsize > 2:
        return 65504.0
    if compute == "bfloat16" and dtype.itemsize > 2:
        return 3.3e38
    if compute == "float32" and dtype.itemsize > 4:
        return float(np.finfo(np.float32).max)
    return float("inf")


@lru_cache(maxsize=256)
def _zero_bounds(dtype: np.dtype[Any], compute: str) -> tuple[float, float]:
    """Two bounds: numbers of `dtype` below the first are zero in the compute type, those above the second are not."""
    if dtype.itemsize == 2 or compute == "float64":
        # The smallest number above zero: only zero itself is less.
        return (float(np.finfo(dtype).smallest_subnormal),) * 2
    # Up to half of float16's smallest number is rounded to zero; float32's numbers below the normal ones are flushed.
    edge = 2.0**-25 if compute == "float16" else _TINY
    return edge * (1 - 2.0**-7), edge * (1 + 2.0**-7)


@lru_cache(maxsize=256)
def _bits_of(value: float, dtype: np.dtype[Any]) -> int:
    """The bits of a positive number of `dtype`; those of infinity where it is too large."""
    with np.errstate(over="ignore"):
        return int(np.asarray([value], dtype=np.float64).astype(dtype).view(_BITS[dtype.itemsize][1])[0])
