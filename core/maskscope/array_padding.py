"""What padded positions of an array hold, and where sentences begin and end in an array without lengths."""

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from maskscope.errors import ReadError
from maskscope.padding import MOST_ROWS, Padding, Side
from maskscope.types import Floats, Indices, Mask

_EXAMINED = 4096
"""Padded rows of each side that are looked at, and sentences whose ends are."""
_BLOCK_BYTES = 16 * 2**20

Numbers = npt.NDArray[Any]


class PaddingFinder:
    """Finds what padded positions hold, in an array that is given block by block.

    Where more than half of the rows behind the tokens are alike, or of those in front of them, they are the padding,
    and any other row there is a fault that the scan of the data reports. Where neither is so, padding varies.

    Args:
        side: where padding is; None to find it.
    """

    def __init__(self, side: Side | None = None) -> None:
        sides: tuple[Side, ...] = get_args(Side) if side is None else (side,)
        self._sides: dict[Side, _PaddedRows] = {each: _PaddedRows() for each in sides}

    def add(self, x_btd: Numbers, lengths: Indices) -> None:
        """Look at sentences x (b, T, D) with their lengths (b,)."""
        n_positions = x_btd.shape[1]
        for sentence in np.flatnonzero(lengths < n_positions):
            n_padded = n_positions - int(lengths[sentence])
            for side, found in self._sides.items():
                if found.room > 0:
                    rows = x_btd[sentence, -n_padded:] if side == "back" else x_btd[sentence, :n_padded]
                    found.add(_normalized(rows[: found.room]))
            if self.is_full:
                return

    @property
    def is_full(self) -> bool:
        """Whether enough has been looked at, so that nothing more would be."""
        return all(found.room <= 0 for found in self._sides.values())

    def result(self) -> Padding | None:
        """The padding; None where no position is padded."""
        if not any(found.total for found in self._sides.values()):
            return None
        side = max(self._sides, key=lambda each: self._sides[each].evidence)
        found = self._sides[side]
        common = found.common
        return Padding(np.stack(list(found.examples.values()) if common is None else [common]), side, "data")


class _PaddedRows:
    """Counts the padded rows of one side by their digests, since rows that all differ would take much memory.

    Attributes:
        total: how many rows were counted.
        examples: the first `MOST_ROWS` different ones, (D,) each, by their digests.
    """

    def __init__(self) -> None:
        self.total = 0
        self.examples: dict[int, Floats] = {}
        self._digests = np.zeros(_EXAMINED, dtype=np.uint64)
        # the only row that can be more than half of all (Boyer and Moore's majority vote), and its votes
        self._candidate: tuple[int, Floats] | None = None
        self._votes = 0

    @property
    def room(self) -> int:
        """How many more rows are to be counted."""
        return _EXAMINED - self.total

    def add(self, rows: Floats) -> None:
        """Count rows (n, D), n at most `room`."""
        for row in rows:
            digest = int.from_bytes(hashlib.blake2b(row.tobytes(), digest_size=8).digest())
            self._digests[self.total] = digest
            self.total += 1
            if len(self.examples) < MOST_ROWS and digest not in self.examples:
                self.examples[digest] = row.copy()
            if self._candidate is None or self._votes == 0:
                self._candidate = (digest, row.copy())
            self._votes += 1 if self._candidate[0] == digest else -1

    @property
    def common(self) -> Floats | None:
        """The row (D,) that more than half of all rows are; None when there is none."""
        return self._candidate[1] if self._candidate is not None and self._share > 0.5 else None

    @property
    def evidence(self) -> tuple[float, bool]:
        """How many of the rows are alike, if more than half are; and whether these are one number throughout."""
        row = self.common
        return (0.0, False) if row is None else (self._share, bool((row == row[:1]).all()))

    @property
    def _share(self) -> float:
        assert self._candidate is not None
        return int((self._digests[: self.total] == np.uint64(self._candidate[0])).sum()) / self.total


def find_padding(x: Numbers, lengths: Indices, side: Side | None = None) -> Padding | None:
    """What the padded positions of x (N, T, D) hold, by the lengths (N,); None where no position is padded.

    `side` is where padding is; None to find it.
    """
    finder = PaddingFinder(side)
    step = _step(x)
    for first in range(0, len(x), step):
        finder.add(x[first : first + step], lengths[first : first + step])
    return finder.result()


def infer_lengths(x: Numbers, side: Side | None = None) -> tuple[Indices, Padding | None]:
    """Infer lengths (N,) and padding from x (N, T, D) alone.

    Rows of zeros behind the tokens are padding. So is any other row that ends sentences, or begins them, where that is
    certain: runs of it, of several lengths, stand on that side and nowhere else. A sentence whose own tokens equal the
    padding comes out too short.

    Args:
        x: padded sentences, of any numeric type.
        side: where padding is; None to find it.

    Raises ReadError when what looks like padding may be tokens.
    """
    sides: tuple[Side, ...] = get_args(Side) if side is None else (side,)
    edges = [edge for each in sides if (edge := _edge(x, each)) is not None]
    certain = [edge for edge in edges if edge.is_certain]
    likely = [edge for edge in edges if edge.is_likely]
    zeros = _Edge.of(x, np.zeros(x.shape[2], dtype=np.float32), "back") if "back" in sides else None
    ends_in_zeros = zeros is not None and bool(zeros.runs.any())
    if len(certain) == 1 and (certain[0].side == "back" or not ends_in_zeros):
        return _cut(x, certain[0])
    if zeros is not None and ends_in_zeros and not any(edge.side == "front" for edge in likely):
        return _cut(x, zeros)
    if likely:
        found = " and ".join(f"{edge.text} {_WHERE[edge.side]} of sentence {edge.sentence}" for edge in likely)
        raise ReadError(
            "the lengths can't be inferred from the array",
            expected="number of tokens in each sentence: --lengths L.npy, or lengths= in Python",
            received=f"{found}, which may be padding or tokens",
        )
    return np.full(len(x), x.shape[1], dtype=np.int64), None


_WHERE: dict[Side, str] = {"back": "at the end", "front": "at the beginning"}


@dataclass(frozen=True, slots=True, eq=False)
class _Edge:
    """A row that ends, or begins, sentences.

    Attributes:
        row: (D,).
        side: of the sentences.
        runs: (N,) how often each sentence has it there, one after another.
        inside: whether some sentence has it elsewhere.
    """

    row: Floats
    side: Side
    runs: Indices
    inside: bool

    @classmethod
    def of(cls, x: Numbers, row: Floats, side: Side) -> "_Edge":
        """Look for the row in all sentences."""
        runs: Indices = np.zeros(len(x), dtype=np.int64)
        inside = False
        step = _step(x)
        for first in range(0, len(x), step):
            held_bt = _equals(_normalized(x[first : first + step]), row)
            inwards = held_bt[:, ::-1] if side == "back" else held_bt
            found = np.where(inwards.all(axis=1), inwards.shape[1], np.argmin(inwards, axis=1))
            runs[first : first + step] = found
            inside = inside or bool((held_bt.sum(axis=1) > found).any())
        return cls(row, side, runs, inside)

    @property
    def is_certain(self) -> bool:
        """Runs of several lengths, and nothing inside of sentences."""
        return not self.inside and len(np.unique(self.runs[self.runs > 0])) > 1

    @property
    def is_likely(self) -> bool:
        """A run of one number: hardly a token."""
        return bool(self.runs.max(initial=0) > 1 and (self.row == self.row[:1]).all())

    @property
    def sentence(self) -> int:
        """The first with the longest run."""
        return int(self.runs.argmax())

    @property
    def text(self) -> str:
        """For a message: "3 rows of -1"."""
        return f"{int(self.runs.max())} rows of {self.row[0]:g}"


def _edge(x: Numbers, side: Side) -> _Edge | None:
    """The commonest last, or first, row of sentences that do not hold it throughout; None without any."""
    if not x.size:
        return None
    at, other = (-1, 0) if side == "back" else (0, -1)
    edges, others = _normalized(x[:_EXAMINED, at]), _normalized(x[:_EXAMINED, other])
    counts = Counter(row.tobytes() for row, far in zip(edges, others, strict=True) if row.tobytes() != far.tobytes())
    if not counts:
        return None
    (most, _), *_ = counts.most_common(1)
    return _Edge.of(x, np.frombuffer(most, dtype=np.float32), side)


def _cut(x: Numbers, edge: _Edge) -> tuple[Indices, Padding | None]:
    padding = Padding(edge.row[None].copy(), edge.side, "data")
    return x.shape[1] - edge.runs, padding


def _equals(x: Floats, row: Floats) -> Mask:
    """Positions (B, T) of x (B, T, D) that hold the row; NaN equals NaN here."""
    same = (x == row) | (np.isnan(x) & np.isnan(row)) if np.isnan(row).any() else x == row
    return np.asarray(same.all(axis=-1))


def _normalized(rows: Numbers) -> Floats:
    """As float32, with one kind of zero and one kind of NaN, so that equal rows have equal bytes."""
    numbers = np.asarray(rows, dtype=np.float32) + np.float32(0)
    return np.where(np.isnan(numbers), np.float32(np.nan), numbers)


def _step(x: Numbers) -> int:
    """How many sentences make one block."""
    return max(1, _BLOCK_BYTES // max(1, x[:1].size * 4))
