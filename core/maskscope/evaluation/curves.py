"""Precision and recall at every threshold of one probability, for binary schemes."""

from dataclasses import dataclass

import numpy as np

from maskscope.evaluation.scores import ratio
from maskscope.types import Floats, Indices, Mask

MOST_POINTS = 201


@dataclass(frozen=True, slots=True)
class PrecisionRecallCurve:
    """Precision and recall when the label is predicted from a threshold on; thresholds descend.

    Attributes:
        average_precision: sum over all thresholds of (increase in recall) x precision, over every distinct
            probability and not only the points kept here (as scikit-learn's average_precision_score).
        best_threshold: the threshold of the largest F1; the lowest of several.
        best_f1: the F1 at that threshold.
        threshold, precision, recall: at most 201 points, evenly spaced by recall, each with the first threshold that
            reaches it; the best threshold and the lowest are always included.
    """

    average_precision: float
    best_threshold: float
    best_f1: float
    threshold: tuple[float, ...]
    precision: tuple[float, ...]
    recall: tuple[float, ...]


def precision_recall(scores: Floats, positive: Mask, weights: Indices | None = None) -> PrecisionRecallCurve | None:
    """The curve of probabilities (n,) against labels (n,) bool; None when no token has the label.

    Args:
        scores: (n,) float32, finite.
        positive: (n,) bool, True = the token has the label.
        weights: (n,) int64, how often each token counts; None for once each.
    """
    order = np.argsort(scores)[::-1]
    falling = scores[order]
    counts = np.ones(len(order), dtype=np.int64) if weights is None else weights[order]
    hits = np.cumsum(np.where(positive[order], counts, 0))
    total = int(hits[-1]) if len(hits) else 0
    if not total:
        return None
    # tokens with equal probability pass a threshold together
    last_of_each = np.append(np.flatnonzero(np.diff(falling)), len(falling) - 1)
    called = np.cumsum(counts)[last_of_each]
    hits, thresholds = hits[last_of_each], falling[last_of_each]
    precision, recall = hits / called, hits / total
    f1 = 2 * hits / (called + total)
    best = len(f1) - 1 - int(np.argmax(f1[::-1]))
    grid = np.searchsorted(hits, np.linspace(0, total, MOST_POINTS - 2))
    kept = np.unique([*grid, best, len(f1) - 1])
    return PrecisionRecallCurve(
        average_precision=float((np.diff(recall, prepend=0.0) * precision).sum()),
        best_threshold=float(thresholds[best]),
        best_f1=ratio(2 * int(hits[best]), int(called[best]) + total),
        threshold=tuple(thresholds[kept].tolist()),
        precision=tuple(precision[kept].tolist()),
        recall=tuple(recall[kept].tolist()),
    )
