"""One pass over a corpus at the speed of memory: collisions, numbers that are not finite, and what padding holds."""

import math
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from maskscope import masks
from maskscope.jobs import Job, NullJob
from maskscope.padding import Padding, Side, tokens_first
from maskscope.row_extremes import Numbers, RowExtremes
from maskscope.types import Indices, Mask, MaskValue, Offsets

MOST_LISTED = 1000
CANDIDATES = (-5.0, -10.0, -1.0, -999.0, -1e9)
"""Values to pad with instead of zero, the best first: far from the numbers of embeddings, and exact in every type."""

_BLOCK_BYTES = 16 * 2**20

ProblemKind: TypeAlias = Literal["integers", "cut", "not-finite", "after", "front"]


@dataclass(frozen=True, slots=True)
class Problem:
    """The first thing that is wrong with an array.

    Attributes:
        kind: "integers" (embeddings were rounded), "cut" (a sentence is longer than the array), "not-finite" (NaN,
            infinity, or too large for the compute type), "after" (numbers after a sentence's end), "front" (padding
            is before the tokens).
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
    """Result of one pass over a corpus.

    Attributes:
        collision_count: real tokens that a Masking layer takes for padding; 0 where there is no mask value.
        collisions: (sentence, position) of the first `MOST_LISTED`.
        sentences_with_collisions: how many sentences hold one.
        problem: what is wrong with the array; of several the one in the earliest sentence. None when nothing is wrong.
        padding: the one number that all padding consists of; None when there is no padding (as in a ragged corpus),
            or when it holds several numbers.
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
    """Whether the array agrees with its lengths: the result of the check DATA.

    Attributes:
        verdict: as in the audit.
        meaning: one sentence for a person.
        sentence, position: where, as in `Problem`.
    """

    verdict: Literal["passed", "failed", "could not tell"]
    meaning: str
    sentence: int | None = None
    position: int | None = None

    def text(self) -> str:
        """The meaning, with sentence and position."""
        if self.sentence is None:
            return self.meaning
        place = "" if self.position is None else f", position {self.position:,}"
        return f"{self.meaning.removesuffix('.')} (sentence {self.sentence:,}{place})."


def data_finding(scan: Scan, lengths_from: Literal["source", "inferred"], side: Side = "back") -> DataFinding:
    """The result of the check DATA, for a scan, the source of the lengths, and the side of the padding."""
    problem = scan.problem
    if problem is not None:
        return DataFinding("failed", problem.meaning, problem.sentence, problem.position)
    if lengths_from == "inferred":
        return DataFinding(
            "could not tell",
            "The lengths were inferred from the zeros themselves, so there is nothing to compare the mask with; "
            "give the lengths.",
        )
    if scan.padding is None:
        return DataFinding("passed", "Every embedding holds finite numbers.")
    where = "after each sentence's end" if side == "back" else "before each sentence"
    return DataFinding("passed", f"The array holds finite numbers, and nothing but {scan.padding:g} {where}.")


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Result for one block of a padded array.

    Attributes:
        lengths: (b,) as given, or inferred.
        masked: (b, T) True = a Masking layer takes the position for padding; nowhere when there is no mask value.
        broken: (b, T) True = holds NaN, infinity, or a number too large for the compute type.
        not_zero_after: (b,) True = a row after the sentence's end is not all zeros.
    """

    lengths: Indices
    masked: Mask
    broken: Mask
    not_zero_after: Mask


class Scanner:
    """Scans a corpus that is given block by block, in reading order.

    Args:
        mask_value: of the Masking layer, None for a model without one.
        compute_dtype: the type that the layer computes in, one of `masks.COMPUTE_TYPES`; else ValueError.
        inferred: whether the lengths come from trailing zero rows, so that zeros in front look like padding.
        padding: what padded positions are known to hold; the tokens come first, whatever its side. None: one number.
    """

    def __init__(
        self,
        mask_value: MaskValue | None = 0.0,
        compute_dtype: str = "float32",
        inferred: bool = False,
        padding: Padding | None = None,
    ) -> None:
        self._value = mask_value
        self._compute = compute_dtype
        self._inferred = inferred
        # A value that the compute type can't hold would mask nothing.
        self._free = [each for each in CANDIDATES if _is_exact(each, compute_dtype)]
        self._sentences = 0
        self._count = 0
        self._collisions: list[tuple[int, int]] = []
        self._sentences_with = 0
        self._problem: Problem | None = None
        self._padding: float | None = None
        self._side: Side = "back" if padding is None else padding.side
        one_row = padding is not None and len(padding.rows) == 1 and padding.value is None
        self._padding_row = tuple(map(float, padding.rows[0])) if padding is not None and one_row else None
        self._one_padding = self._padding_row is None

    def result(self) -> Scan:
        """The result so far."""
        return Scan(
            self._count,
            tuple(self._collisions),
            self._sentences_with,
            self._problem,
            self._padding if self._one_padding else None,
            tuple(self._free),
        )

    def ragged(self, rows: Numbers, lengths: Indices) -> tuple[Mask, Mask]:
        """Scan whole sentences, rows (n, D), cut by `lengths` (b,).

        Returns which rows a Masking layer takes for padding (n,), and which hold NaN, infinity or a number too large
        for the compute type (n,).
        """
        self._refuse_integers(rows.dtype)
        ends = np.cumsum(lengths)
        extremes = RowExtremes.of(rows, self._compute)
        self._remove_used_candidates(extremes, None)
        masked, broken = self._masked(extremes), extremes.broken
        self._add_ragged_rows(masked, broken, ends, lengths)
        self._sentences += len(lengths)
        return masked, broken

    def padded(self, x_btd: Numbers, lengths: Indices | None) -> Block:
        """Scan whole sentences, x (b, T, D); `lengths` (b,) None infers them from trailing zero rows."""
        self._refuse_integers(x_btd.dtype)
        n, n_positions, dim = x_btd.shape
        rows = np.ascontiguousarray(x_btd).reshape(n * n_positions, dim)
        extremes = RowExtremes.of(rows, self._compute)
        zero_bt = extremes.equal(0.0).reshape(n, n_positions)
        if lengths is None and not zero_bt.size:
            lengths = np.zeros(n, dtype=np.int64)
        elif lengths is None:
            last = n_positions - np.argmin(zero_bt[:, ::-1], axis=1)
            lengths = np.where(zero_bt.all(axis=1), 0, last).astype(np.int64)
        real_bt = masks.mask_from_lengths(lengths, n_positions)
        masked = zero_bt if self._value == 0 else self._masked(extremes).reshape(n, n_positions)
        broken = extremes.broken.reshape(n, n_positions)
        real = real_bt.ravel()
        self._remove_used_candidates(extremes, real)
        self._add_collisions(*np.nonzero(masked & real_bt))
        not_zero_after = np.asarray((~real_bt & ~zero_bt).any(axis=1))
        self._check_padded_block(x_btd, lengths, zero_bt, real_bt, broken, extremes)
        self._sentences += n
        return Block(lengths, masked, broken, not_zero_after)

    def _masked(self, extremes: RowExtremes) -> Mask:
        if self._value is None or (isinstance(self._value, float) and math.isnan(self._value)):
            return np.zeros(len(extremes.rows), dtype=np.bool_)
        if isinstance(self._value, tuple):
            return masks.equal_rows(extremes.rows, self._value, self._compute)
        return extremes.equal(self._value)

    def _remove_used_candidates(self, extremes: RowExtremes, real: Mask | None) -> None:
        # All candidates are negative, and hardly a token consists of negative numbers alone.
        if not (extremes.top < 0).any():
            return
        for value in tuple(self._free):
            held = extremes.equal(value)
            if (held if real is None else held & real).any():
                self._free.remove(value)

    def _add_ragged_rows(self, masked: Mask, broken: Mask, ends: Indices, lengths: Indices) -> None:
        def where(rows: Indices) -> tuple[Indices, Indices]:
            sentences = np.searchsorted(ends, rows, side="right").astype(np.int64)
            return sentences, rows - (ends - lengths)[sentences]

        if masked.any():
            self._add_collisions(*where(np.flatnonzero(masked)))
        if self._problem is None and broken.any():
            sentences, positions = where(np.flatnonzero(broken)[:1])
            self._keep_problem(
                "not-finite", self._not_finite_message("token's embedding"), int(sentences[0]), int(positions[0])
            )

    def _add_collisions(self, sentences: Indices, positions: Indices) -> None:
        self._count += len(sentences)
        self._sentences_with += len(np.unique(sentences))
        room = MOST_LISTED - len(self._collisions)
        some = (sentences[:room] + self._sentences).tolist()
        self._collisions += zip(some, positions[:room].tolist(), strict=True)

    def _keep_problem(
        self, kind: ProblemKind, meaning: str, sentence: int | None = None, position: int | None = None
    ) -> None:
        """Keep a problem, its sentence counted within this block, unless there was one before."""
        if self._problem is None:
            place = None if sentence is None else sentence + self._sentences
            self._problem = Problem(kind, meaning, place, position)

    def _refuse_integers(self, dtype: np.dtype[Any]) -> None:
        if dtype.kind in "iub":
            self._keep_problem(
                "integers",
                f"The array holds whole numbers ({dtype}): embeddings were rounded, as pad_sequences does without "
                "dtype='float32'; pad again.",
            )

    def _not_finite_message(self, what: str) -> str:
        too_large = {"float16": f", or more than {self._compute} can hold", "bfloat16": ""}.get(self._compute, "")
        return f"A {what} holds NaN or infinity{too_large}, which spreads to its whole sentence; correct the source."

    def _check_padded_block(
        self, x_btd: Numbers, lengths: Indices, zero_bt: Mask, real_bt: Mask, broken: Mask, extremes: RowExtremes
    ) -> None:
        """Keep the first problem of this block."""
        n_positions = real_bt.shape[1]
        found: list[tuple[int, int, ProblemKind, str]] = []
        cut = np.flatnonzero(lengths > n_positions)
        if len(cut):
            meaning = (
                f"The array has {n_positions} positions, but a sentence has {int(lengths[cut[0]])} tokens: it was cut; "
                "pad again to the longest."
            )
            found.append((int(cut[0]), -1, "cut", meaning))
        if broken.any():
            sentence, position = (int(place[0]) for place in np.nonzero(broken))
            meaning = self._not_finite_message("row")
            if not real_bt[sentence, position]:
                meaning = (
                    "A padded position holds NaN or infinity, which spreads to all that reads it; pad with a number."
                )
            found.append((sentence, position, "not-finite", meaning))
        odd = self._first_odd_padding(x_btd, ~real_bt, zero_bt, broken, extremes)
        if odd is not None:
            sentence, position = odd
            found.append((sentence, position, *self._describe_odd_padding(x_btd[sentence], int(lengths[sentence]))))
        if self._inferred and zero_bt.size:
            # A first token of zeros is a collision; several, in a sentence that fills the array, look like padding.
            leading = np.where(zero_bt.all(axis=1), 0, np.argmin(zero_bt, axis=1))
            early = np.flatnonzero((leading > 1) & (lengths == n_positions))
            found += self._find_padding_as_tokens(lengths, extremes)
            if len(early):
                meaning = (
                    f"A sentence begins with {int(leading[early[0]])} zero rows and ends in a token: it looks padded "
                    "in front, as pad_sequences does without padding='post'."
                )
                found.append((int(early[0]), 0, "front", meaning))
        if found:
            sentence, position, kind, meaning = min(found, key=lambda each: each[:2])
            self._keep_problem(kind, meaning, sentence, None if position < 0 else position)

    def _find_padding_as_tokens(
        self, lengths: Indices, extremes: RowExtremes
    ) -> list[tuple[int, int, ProblemKind, str]]:
        """Sentences that fill the array and end in rows of a number that is often used for padding."""
        n, n_positions = len(lengths), len(extremes.rows) // max(1, len(lengths))
        if self._problem is not None or n_positions < 2 or extremes.rows.shape[1] < 2:
            return []
        for value in CANDIDATES:
            held = extremes.constant(value, np.ones(len(extremes.rows), dtype=np.bool_)).reshape(n, n_positions)
            ends = np.flatnonzero(held[:, -2:].all(axis=1))
            if len(ends):
                sentence = int(ends[0])
                others = np.flatnonzero(~held[sentence])
                first = int(others[-1]) + 1 if len(others) else 0
                meaning = (
                    f"A sentence ends in rows of {value:g} alone: it looks padded with {value:g}, which was taken for "
                    "tokens; give the lengths."
                )
                return [(sentence, first, "after", meaning)]
        return []

    def _first_odd_padding(
        self, x_btd: Numbers, padding_bt: Mask, zero_bt: Mask, broken: Mask, extremes: RowExtremes
    ) -> tuple[int, int] | None:
        """The first padded position that differs from the padding so far, if any."""
        # NaN and infinity are reported as another kind of problem.
        at = padding_bt & ~broken
        if (padding_bt & broken).any():
            self._one_padding = False
        if not at.any():
            return None
        if self._padding_row is not None:
            return self._first_unlike(at, masks.equal_rows(extremes.rows, self._padding_row, self._compute))
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
        alike = zero_bt if self._padding == 0 else extremes.constant(self._padding, at.ravel()).reshape(at.shape)
        odd = self._first_unlike(at, alike)
        self._one_padding = self._one_padding and odd is None
        return odd

    @staticmethod
    def _first_unlike(at: Mask, alike: Mask) -> tuple[int, int] | None:
        odd = np.nonzero(at & ~alike.reshape(at.shape))
        return (int(odd[0][0]), int(odd[1][0])) if len(odd[0]) else None

    def _describe_odd_padding(self, rows: Numbers, length: int) -> tuple[ProblemKind, str]:
        if self._side == "front":
            return (
                "after",
                f"A sentence of {length} tokens has other numbers in front of it than the padding elsewhere.",
            )
        kept = rows[: len(rows) - length]
        front = len(kept) > 0 and bool((kept == kept[:1, :1]).all()) and not (rows[-1] == kept[0, 0]).all()
        where = "in front of the tokens, as pad_sequences does without padding='post'" if front else "elsewhere"
        meaning = f"A sentence of {length} tokens has numbers after its end: padding is {where}."
        return "front" if front else "after", meaning


def scan_ragged(
    embeddings: Numbers,
    offsets: Offsets,
    mask_value: MaskValue | None,
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
        job.progress(first, n_sentences, "sentences scanned")
        last = max(first + 1, int(np.searchsorted(offsets, offsets[first] + step, side="right")) - 1)
        begin, end = int(offsets[first]), int(offsets[last])
        scanner.ragged(embeddings[begin:end], np.diff(offsets[first : last + 1]))
        first = last
    job.progress(n_sentences, n_sentences, "sentences scanned")
    return scanner.result()


def scan_padded(
    x: Numbers,
    lengths: Indices | None,
    mask_value: MaskValue | None,
    compute_dtype: str = "float32",
    job: Job | None = None,
    inferred: bool = False,
    padding: Padding | None = None,
) -> Scan:
    """One pass over x (N, T, D) of any real type, with lengths (N,); None infers them from trailing zero rows.

    `inferred` says that the given lengths were; `padding` is what padded positions are known to hold, None for what the
    first one behind the tokens holds. Raises Cancelled, and ValueError for a compute type that is not of
    `masks.COMPUTE_TYPES`.
    """
    job = job or NullJob()
    scanner = Scanner(mask_value, compute_dtype, inferred or lengths is None, padding)
    step = _step(x.shape[1:], x.dtype)
    for first in range(0, len(x), step):
        job.progress(first, len(x), "sentences scanned")
        block, own = x[first : first + step], None if lengths is None else lengths[first : first + step]
        if padding is not None and padding.side == "front" and own is not None:
            block = tokens_first(block, own)
        scanner.padded(block, own)
    job.progress(len(x), len(x), "sentences scanned")
    return scanner.result()


def _step(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    """How many rows of that shape make one block."""
    return max(1, _BLOCK_BYTES // max(1, int(np.prod(shape)) * dtype.itemsize))


def _is_exact(value: float, compute_dtype: str) -> bool:
    return float(masks.computed(np.asarray([value], dtype=np.float64), compute_dtype)[0]) == value
