"""Calibration: whether predictions with a probability of 0.8 are right eight times in ten.

Source: Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from maskscope.types import Floats, Indices, Mask

N_BINS = 10


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """The tokens whose probability is above `low` and at most `high`; the first bin also holds 0.

    Attributes:
        low, high: its bounds.
        count: how many tokens it holds.
        predicted: their mean probability; None for an empty bin.
        observed: the share of them whose prediction is right; None for an empty bin.
    """

    low: float
    high: float
    count: int
    predicted: float | None
    observed: float | None


@dataclass(frozen=True, slots=True)
class Calibration:
    """A reliability curve in bins of equal width.

    Attributes:
        of: the probability that the curve is about. "label": that of the one label of a binary scheme, compared with
            the share of tokens that have it. "largest": the largest of a token's class probabilities, compared with
            the share of tokens for which that class is right.
        expected_calibration_error: mean over tokens of |observed - predicted| of their bin.
        bins: ten, ascending.
    """

    of: Literal["label", "largest"]
    expected_calibration_error: float
    bins: tuple[ReliabilityBin, ...]


@dataclass(frozen=True, slots=True, eq=False)
class BinSums:
    """Sums that a reliability curve is computed from; those of parts of a corpus add up.

    Attributes:
        count: (10,) int64 tokens.
        right: (10,) int64 tokens whose prediction is right.
        probability: (10,) float64, sum of the tokens' probabilities.
    """

    count: Indices
    right: Indices
    probability: npt.NDArray[np.float64]

    def __add__(self, other: "BinSums") -> "BinSums":
        return BinSums(self.count + other.count, self.right + other.right, self.probability + other.probability)

    def calibration(self, of: Literal["label", "largest"]) -> Calibration:
        """The reliability curve, and its expected calibration error."""
        bins, gap = [], 0.0
        for place in range(N_BINS):
            count = int(self.count[place])
            bounds = (place / N_BINS, (place + 1) / N_BINS)
            if not count:
                bins.append(ReliabilityBin(*bounds, 0, None, None))
                continue
            predicted, observed = float(self.probability[place]) / count, int(self.right[place]) / count
            bins.append(ReliabilityBin(*bounds, count, predicted, observed))
            gap += count * abs(observed - predicted)
        total = int(self.count.sum())
        return Calibration(of, gap / total if total else 0.0, tuple(bins))


def bin_of(confidence: Floats) -> Indices:
    """The bin (n,) int64, 0 to 9, of each probability (n,)."""
    edges = np.linspace(0.0, 1.0, N_BINS + 1)[1:-1]
    return np.searchsorted(edges, confidence.astype(np.float64)).astype(np.int64)


def bin_sums(confidence: Floats, right: Mask, weights: Indices | None = None) -> BinSums:
    """Sums over probabilities (n,) and whether each is right (n,), each counted `weights` times (None: once)."""
    places = bin_of(confidence)
    counts = np.ones(len(places), dtype=np.int64) if weights is None else weights

    def summed(values: npt.NDArray[np.float64] | Indices) -> npt.NDArray[np.float64]:
        return np.bincount(places, weights=values, minlength=N_BINS).astype(np.float64)

    # whole numbers stay exact in float64 up to 2^53
    return BinSums(
        summed(counts).astype(np.int64),
        summed(counts * right).astype(np.int64),
        summed(counts * confidence.astype(np.float64)),
    )
