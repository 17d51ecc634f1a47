"""One pass over a corpus at the speed of memory: collisions, numbers that are none, what stands behind sentences.

Of each row two numbers are taken that say nearly all: the largest of its bits read as signed integers (its largest
positive number, since numbers of IEEE 754 have the order of their bits) and as unsigned ones (the largest in size among
its negative numbers). Whether it holds NaN or infinity, is all zeros, or may be one value throughout follows from these
two; only a row that may be one is looked at again, as the Masking layer does (`masks.equal_rows`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from maskscope import masks
from maskscope.jobs import Job, NullJob
from maskscope.types import Indices, Mask, Offsets

MOST_LISTED = 1000
CANDIDATES = (-5.0, -10.0, -1.0, -999.0, -1e9)
"""Values to pad with instead of zero, the best first: far from what embeddings hold, and exact in every type."""

_BLOCK_BYTES = 16 * 2**20
_CACHED_BYTES = 2**20
_TINY = float(np.finfo(np.float32).tiny)
_BITS: dict[int, tuple[type[np.signedinteger[Any]], type[np.unsignedinteger[Any]]]] = {
    2: (np.int16, np.uint16),
    4: (np.int32, np.uint32),
    8: (np.int64, np.uint64),
}

Numbers: TypeAlias = npt.NDArray[Any]
ProblemKind: TypeAlias = Literal["integers", "cut", "not-finite", "behind", "front"]


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with an array, where it begins to be.

    Attributes:
        kind: "integers" (embeddings were rounded), "cut" (a sentence is longer than the array), "not-finite" (NaN,
            infinity, or too large for the compute type), "behind" (numbers behind a sentence's end), "front" (padding
            stands before the tokens).
        meaning: one sentence for a person.
        sentence: counted from 0; None where it is the whole array.
        position: counted from 0; None where it is the whole sentence.
    """

    kind: ProblemKind
    meaning: str
    sentence: int | None = None
    position: int | None = None


@dataclass(frozen=True, slots=True)
class Scan:
    """What one pass over a corpus found.

    Attributes:
        collision_count: real tokens that a Masking layer takes for padding; 0 where there is no mask value.
        collisions: (sentence, position) of the first `MOST_LISTED`.
        sentences_with_collisions: how many sentences hold one.
        problem: what is wrong with the array, None when nothing is. Of several the one in the earliest sentence.
        padding: the one number that every row behind a sentence's end consists of; None when there is no such row (as
            in a ragged corpus), or when they hold several.
        free_values: of `CANDIDATES`, those that are exact in the compute type and equal no token, the best first.
    """

    collision_count: int
    collisions: tuple[tuple[int, int], ...]
    sentences_with_collisions: int
    problem: Problem | None
    padding: float | None
    free_values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class DataFinding:
    """Whether the array is what its lengths say: the check called DATA.

    Attributes:
        verdict: as an audit says it.
        meaning: one sentence for a person.
        sentence, position: where, as in `Problem`.
    """

    verdict: Literal["passed", "failed", "could not tell"]
    meaning: str
    sentence: int | None = None
    position: int | None = None

    def words(self) -> str:
        """The meaning, and where."""
        if self.sentence is None:
            return self.meaning
        place = "" if self.position is None else f", position {self.position:,}"
        return f"{self.meaning.removesuffix('.')} (sentence {self.sentence:,}{place})."


def data_finding(scan: Scan, lengths_from: Literal["source", "inferred"]) -> DataFinding:
    """What a scan says of the array, given where the lengths come from."""
    problem = scan.problem
    if problem is not None:
        return DataFinding("failed", problem.meaning, problem.sentence, problem.position)
    if lengths_from == "inferred":
        return DataFinding(
            "could not tell",
            "The lengths were inferred from the zeros themselves, so there is nothing to hold the mask against; "
            "give the lengths.",
        )
    if scan.padding is None:
        return DataFinding("passed", "Every embedding holds finite numbers.")
    return DataFinding(
        "passed", f"The array holds finite numbers, and nothing but {scan.padding:g} behind each sentence's end."
    )


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """What was found in one block of a padded array.

    Attributes:
        lengths: (b,) as given, or inferred.
        masked: (b, T) True = a Masking layer takes the position for padding; nowhere when there is no mask value.
        broken: (b, T) True = holds NaN, infinity, or what the compute type can't hold.
        behind: (b,) True = a row behind the sentence's end is not all zeros.
    """

    lengths: Indices
    masked: Mask
    broken: Mask
    behind: Mask


class Scanner:
    """Takes a corpus in, block by block, in reading order.

    Args:
        mask_value: of the Masking layer, None for a model without one.
        compute_dtype: the type that the layer computes in, one of `masks.COMPUTE_TYPES`; else ValueError.
        inferred: whether the lengths come from trailing zero rows, so that zeros in front look like padding.
    """

    def __init__(self, mask_value: float | None = 0.0, compute_dtype: str = "float32", inferred: bool = False) -> None:
        self._value = mask_value
        self._compute = compute_dtype
        self._inferred = inferred
        # Under another type a value that it can't hold would mask nothing, which is no use to anyone.
        self._free = [each for each in CANDIDATES if _is_exact(each, compute_dtype)]
        self._sentences = 0
        self._count = 0
        self._listed: list[tuple[int, int]] = []
        self._with = 0
        self._problem: Problem | None = None
        self._padding: float | None = None
        self._one_padding = True

    def result(self) -> Scan:
        """What was found so far."""
        return Scan(
            self._count,
            tuple(self._listed),
            self._with,
            self._problem,
            self._padding if self._one_padding else None,
            tuple(self._free),
        )

    def ragged(self, rows: Numbers, lengths: Indices) -> tuple[Mask, Mask]:
        """Take in whole sentences, rows (n, D), which `lengths` (b,) cut.

        Returns which rows a Masking layer takes for padding (n,), and which hold NaN, infinity or what the compute
        type can't hold (n,).
        """
        self._refuse_integers(rows.dtype)
        ends = np.cumsum(lengths)
        facts = _Facts.of(rows, self._compute)
        self._strike(facts, None)
        masked, broken = self._masked(facts), facts.broken
        self._place(masked, broken, ends, lengths)
        self._sentences += len(lengths)
        return masked, broken

    def padded(self, x_btd: Numbers, lengths: Indices | None) -> Block:
        """Take in whole sentences, x (b, T, D); `lengths` (b,) None stands for what trailing zero rows leave."""
        self._refuse_integers(x_btd.dtype)
        n, n_positions, dim = x_btd.shape
        rows = np.ascontiguousarray(x_btd).reshape(n * n_positions, dim)
        facts = _Facts.of(rows, self._compute)
        zero_bt = facts.equal(0.0).reshape(n, n_positions)
        if lengths is None and not zero_bt.size:
            lengths = np.zeros(n, dtype=np.int64)
        elif lengths is None:
            last = n_positions - np.argmin(zero_bt[:, ::-1], axis=1)
            lengths = np.where(zero_bt.all(axis=1), 0, last).astype(np.int64)
        real_bt = masks.mask_from_lengths(lengths, n_positions)
        masked = zero_bt if self._value == 0 else self._masked(facts).reshape(n, n_positions)
        broken = facts.broken.reshape(n, n_positions)
        real = real_bt.ravel()
        self._strike(facts, real)
        self._collide(*np.nonzero(masked & real_bt))
        behind = np.asarray((~real_bt & ~zero_bt).any(axis=1))
        self._judge(x_btd, lengths, zero_bt, real_bt, broken, facts)
        self._sentences += n
        return Block(lengths, masked, broken, behind)

    def _masked(self, facts: "_Facts") -> Mask:
        return np.zeros(len(facts.rows), dtype=np.bool_) if self._value is None else facts.equal(self._value)

    def _strike(self, facts: "_Facts", real: Mask | None) -> None:
        # All candidates are negative, and hardly a token consists of negative numbers alone.
        if not (facts.top < 0).any():
            return
        for value in tuple(self._free):
            held = facts.equal(value)
            if (held if real is None else held & real).any():
                self._free.remove(value)

    def _place(self, masked: Mask, broken: Mask, ends: Indices, lengths: Indices) -> None:
        def where(rows: Indices) -> tuple[Indices, Indices]:
            sentences = np.searchsorted(ends, rows, side="right").astype(np.int64)
            return sentences, rows - (ends - lengths)[sentences]

        if masked.any():
            self._collide(*where(np.flatnonzero(masked)))
        if self._problem is None and broken.any():
            sentences, positions = where(np.flatnonzero(broken)[:1])
            self._fail("not-finite", self._words_not_finite("token's embedding"), int(sentences[0]), int(positions[0]))

    def _collide(self, sentences: Indices, positions: Indices) -> None:
        self._count += len(sentences)
        self._with += len(np.unique(sentences))
        room = MOST_LISTED - len(self._listed)
        some = (sentences[:room] + self._sentences).tolist()
        self._listed += zip(some, positions[:room].tolist(), strict=True)

    def _fail(self, kind: ProblemKind, meaning: str, sentence: int | None = None, position: int | None = None) -> None:
        """Keep a problem, whose sentence is counted in this block, unless there was one before."""
        if self._problem is None:
            place = None if sentence is None else sentence + self._sentences
            self._problem = Problem(kind, meaning, place, position)

    def _refuse_integers(self, dtype: np.dtype[Any]) -> None:
        if dtype.kind in "iub":
            self._fail(
                "integers",
                f"The array holds whole numbers ({dtype}): embeddings were rounded, as pad_sequences does without "
                "dtype='float32'; pad again.",
            )

    def _words_not_finite(self, what: str) -> str:
        too_large = {"float16": f", or more than {self._compute} can hold", "bfloat16": ""}.get(self._compute, "")
        return f"A {what} holds NaN or infinity{too_large}, which spreads to its whole sentence; correct the source."

    def _judge(
        self, x_btd: Numbers, lengths: Indices, zero_bt: Mask, real_bt: Mask, broken: Mask, facts: "_Facts"
    ) -> None:
        """Keep the first problem of this block, and what its padding is."""
        n_positions = real_bt.shape[1]
        found: list[tuple[int, int, ProblemKind, str]] = []
        cut = np.flatnonzero(lengths > n_positions)
        if len(cut):
            words = (
                f"The array has {n_positions} positions, but a sentence has {int(lengths[cut[0]])} tokens: it was cut; "
                "pad again to the longest."
            )
            found.append((int(cut[0]), -1, "cut", words))
        if broken.any():
            sentence, position = (int(place[0]) for place in np.nonzero(broken))
            found.append((sentence, position, "not-finite", self._words_not_finite("row")))
        odd = self._odd_padding(x_btd, ~real_bt, zero_bt, broken, facts)
        if odd is not None:
            sentence, position = odd
            found.append((sentence, position, *self._words_behind(x_btd[sentence], int(lengths[sentence]))))
        if self._inferred and zero_bt.size:
            # A first token of zeros is a collision; several, before a sentence that fills the array, look like padding.
            leading = np.where(zero_bt.all(axis=1), 0, np.argmin(zero_bt, axis=1))
            early = np.flatnonzero((leading > 1) & (lengths == n_positions))
            found += self._taken_for_tokens(lengths, facts)
            if len(early):
                words = (
                    f"A sentence begins with {int(leading[early[0]])} zero rows and ends in a token: it looks padded "
                    "in front, as pad_sequences does without padding='post'."
                )
                found.append((int(early[0]), 0, "front", words))
        if found:
            sentence, position, kind, words = min(found, key=lambda each: each[:2])
            self._fail(kind, words, sentence, None if position < 0 else position)

    def _taken_for_tokens(self, lengths: Indices, facts: "_Facts") -> list[tuple[int, int, ProblemKind, str]]:
        """Sentences that fill the array and end in rows of a number that one pads with."""
        n, n_positions = len(lengths), len(facts.rows) // max(1, len(lengths))
        if self._problem is not None or n_positions < 2 or facts.rows.shape[1] < 2:
            return []
        for value in CANDIDATES:
            held = facts.constant(value, np.ones(len(facts.rows), dtype=np.bool_)).reshape(n, n_positions)
            ends = np.flatnonzero(held[:, -2:].all(axis=1))
            if len(ends):
                sentence = int(ends[0])
                others = np.flatnonzero(~held[sentence])
                first = int(others[-1]) + 1 if len(others) else 0
                words = (
                    f"A sentence ends in rows of {value:g} alone: it looks padded with {value:g}, which was taken for "
                    "tokens; give the lengths."
                )
                return [(sentence, first, "behind", words)]
        return []

    def _odd_padding(
        self, x_btd: Numbers, padding_bt: Mask, zero_bt: Mask, broken: Mask, facts: "_Facts"
    ) -> tuple[int, int] | None:
        """The first padded position that is unlike the padding so far, if any."""
        # What is no number has its own verdict.
        at = padding_bt & ~broken
        if (padding_bt & broken).any():
            self._one_padding = False
        if not at.any():
            return None
        if self._padding is None:
            sentence, position = (int(place[0]) for place in np.nonzero(at))
            row = x_btd[sentence, position]
            if zero_bt[sentence, position]:
                self._padding = 0.0
            elif (row == row[:1]).all():
                self._padding = float(row[0])
            else:
                self._one_padding = False
                return sentence, position
        alike = zero_bt if self._padding == 0 else facts.constant(self._padding, at.ravel()).reshape(at.shape)
        odd = np.nonzero(at & ~alike)
        if not len(odd[0]):
            return None
        self._one_padding = False
        return int(odd[0][0]), int(odd[1][0])

    def _words_behind(self, rows: Numbers, length: int) -> tuple[ProblemKind, str]:
        kept = rows[: len(rows) - length]
        front = len(kept) > 0 and bool((kept == kept[:1, :1]).all()) and not (rows[-1] == kept[0, 0]).all()
        where = "in front of the tokens, as pad_sequences does without padding='post'" if front else "elsewhere"
        words = f"A sentence of {length} tokens has numbers behind its end: padding stands {where}."
        return "front" if front else "behind", words


def scan_ragged(
    embeddings: Numbers,
    offsets: Offsets,
    mask_value: float | None,
    compute_dtype: str = "float32",
    job: Job | None = None,
) -> Scan:
    """One pass over embeddings (n, D), which offsets (n_sentences + 1,) cut into sentences.

    Raises Cancelled, and ValueError for a compute type that is not of `masks.COMPUTE_TYPES`.
    """
    job = job or NullJob()
    scanner = Scanner(mask_value, compute_dtype)
    step = _step(embeddings.shape[1:], embeddings.dtype)
    n_sentences = len(offsets) - 1
    first = 0
    while first < n_sentences:
        job.progress(first, n_sentences, "sentences looked through")
        last = max(first + 1, int(np.searchsorted(offsets, offsets[first] + step, side="right")) - 1)
        begin, end = int(offsets[first]), int(offsets[last])
        scanner.ragged(embeddings[begin:end], np.diff(offsets[first : last + 1]))
        first = last
    job.progress(n_sentences, n_sentences, "sentences looked through")
    return scanner.result()


def scan_padded(
    x: Numbers,
    lengths: Indices | None,
    mask_value: float | None,
    compute_dtype: str = "float32",
    job: Job | None = None,
    inferred: bool = False,
) -> Scan:
    """One pass over x (N, T, D) of any real type, with lengths (N,); None infers them from trailing zero rows.

    `inferred` says that the given lengths were. Raises Cancelled, and ValueError for a compute type that is not of
    `masks.COMPUTE_TYPES`.
    """
    job = job or NullJob()
    scanner = Scanner(mask_value, compute_dtype, inferred or lengths is None)
    step = _step(x.shape[1:], x.dtype)
    for first in range(0, len(x), step):
        job.progress(first, len(x), "sentences looked through")
        scanner.padded(x[first : first + step], None if lengths is None else lengths[first : first + step])
    job.progress(len(x), len(x), "sentences looked through")
    return scanner.result()


def _step(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    """How many rows of that shape make one block."""
    return max(1, _BLOCK_BYTES // max(1, int(np.prod(shape)) * dtype.itemsize))


def _is_exact(value: float, compute_dtype: str) -> bool:
    return float(masks.computed(np.asarray([value], dtype=np.float64), compute_dtype)[0]) == value


@dataclass(frozen=True, slots=True, eq=False)
class _Facts:
    """What the bits of rows (n, D) say.

    Attributes:
        rows: float16, float32 or float64, in C order and native byte order.
        compute: the compute type.
        top: (n,) the largest of a row's bits as signed integers: negative when no number of the row is positive.
        low: (n,) the largest as unsigned ones: below the sign's bit when no number of the row is negative.
        broken: (n,) True = holds NaN, infinity, or what the compute type can't hold.
    """

    rows: Numbers
    compute: str
    top: Indices
    low: npt.NDArray[np.uint64]
    broken: Mask

    @classmethod
    def of(cls, rows: Numbers, compute: str) -> "_Facts":
        if rows.dtype.kind != "f" or rows.dtype.itemsize not in _BITS:
            rows = rows.astype(np.float64)
        rows = np.ascontiguousarray(rows, dtype=rows.dtype.newbyteorder("="))
        signed, unsigned = _BITS[rows.dtype.itemsize]
        n, dim = rows.shape
        top, low = np.zeros(n, dtype=signed), np.zeros(n, dtype=unsigned)
        if dim:
            # The second look finds the rows in the processor's cache.
            step = max(1, _CACHED_BYTES // (dim * rows.dtype.itemsize))
            for begin in range(0, n, step):
                block = rows[begin : begin + step]
                block.view(signed).max(axis=1, out=top[begin : begin + step])
                block.view(unsigned).max(axis=1, out=low[begin : begin + step])
        limit = _bits_of(_limit(rows.dtype, compute), rows.dtype)
        sign = 1 << (8 * rows.dtype.itemsize - 1)
        broken = (top >= limit) | (low >= sign + limit)
        _settle(
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
            return self._settled(held, np.flatnonzero(held & ~certain), value)
        held = self._may_be(value)
        return self._settled(held, np.flatnonzero(held), value)

    def constant(self, value: float, among: Mask) -> Mask:
        """Which rows (n,) of those in `among` consist of `value`, which is not zero, alone, as they are stored."""
        bits = _bits_of(abs(value), self.rows.dtype) + (self._sign if value < 0 else 0)
        held = (self.low == bits) & among
        places = np.flatnonzero(held)
        held[places] = self._smallest(places) == bits
        return np.asarray(held)

    def _settled(self, held: Mask, places: Indices, value: float) -> Mask:
        """Keep in `held` only those of `places` whose rows are equal to `value` in the compute type."""
        if not len(places):
            return held
        same = self._smallest(places) == self.low[places]
        ones = places[same]
        held[ones] = masks.equal_rows(self.rows[ones, :1], value, self.compute)
        _settle(held, places[~same], self.rows, lambda block: masks.equal_rows(block, value, self.compute))
        return held

    def _smallest(self, places: Indices) -> npt.NDArray[np.uint64]:
        """Of each of those rows the smallest of its bits as unsigned integers: a row of one number has no others."""
        smallest = np.zeros(len(self.low), dtype=self.low.dtype)
        unsigned = _BITS[self.rows.dtype.itemsize][1]
        _settle(smallest, places, self.rows, lambda block: block.view(unsigned).min(axis=1))
        return smallest[places]

    @property
    def _sign(self) -> int:
        return 1 << (8 * self.rows.dtype.itemsize - 1)

    def _below(self, size: float) -> Mask:
        """Which rows (n,) hold only numbers less than `size` in size."""
        bits = _bits_of(size, self.rows.dtype)
        return np.asarray((self.top < bits) & (self.low < self._sign + bits))

    def _may_be(self, value: float) -> Mask:
        """Which rows (n,) may be all `value`, in a little more than what rounding could bring there."""
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


def _settle(answers: Numbers, places: Indices, rows: Numbers, rule: Callable[[Numbers], Numbers]) -> None:
    """Put at `places` of `answers` (n,) what the rule says of those rows, with a bounded copy of them."""
    step = max(1, _CACHED_BYTES // max(1, rows.shape[1] * rows.dtype.itemsize))
    for begin in range(0, len(places), step):
        some = places[begin : begin + step]
        whole = int(some[-1] - some[0]) + 1 == len(some)
        answers[some] = rule(rows[some[0] : some[-1] + 1] if whole else rows[some])


@lru_cache(maxsize=256)
def _limit(dtype: np.dtype[Any], compute: str) -> float:
    """A number from which on one of `dtype` may be infinite in the compute type: none that is less is."""
    if compute == "float16" and dtype.itemsize > 2:
        return 65504.0
    if compute == "bfloat16" and dtype.itemsize > 2:
        return 3.3e38
    if compute == "float32" and dtype.itemsize > 4:
        return float(np.finfo(np.float32).max)
    return float("inf")


@lru_cache(maxsize=256)
def _zero_bounds(dtype: np.dtype[Any], compute: str) -> tuple[float, float]:
    """Numbers of `dtype` below the first are zero in the compute type, and none from the second on is."""
    if dtype.itemsize == 2 or compute == "float64":
        # The smallest number above zero: only zero itself is less.
        return (float(np.finfo(dtype).smallest_subnormal),) * 2
    # Half of float16's smallest number is rounded to zero; else what lies below float32's normal numbers is flushed.
    edge = 2.0**-25 if compute == "float16" else _TINY
    return edge * (1 - 2.0**-7), edge * (1 + 2.0**-7)


@lru_cache(maxsize=256)
def _bits_of(value: float, dtype: np.dtype[Any]) -> int:
    """The bits of a positive number of `dtype`; those of infinity where it is too large."""
    with np.errstate(over="ignore"):
        return int(np.asarray([value], dtype=np.float64).astype(dtype).view(_BITS[dtype.itemsize][1])[0])
