"""Precision, recall and F1 from counts, and their averages.

A ratio whose denominator is 0 (no token is predicted as a class, say) is 0, as in scikit-learn and seqeval.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClassScores:
    """Scores of one class, or an average of several.

    Attributes:
        name: of the class, or "micro", "macro" or "weighted".
        precision: share of the predicted tokens (or entities) that are right.
        recall: share of the labelled tokens (or entities) that were predicted.
        f1: harmonic mean of both; for "macro" and "weighted" the mean of the classes' F1.
        support: tokens (or entities) with this label.
        predicted: tokens (or entities) predicted as this class.
    """

    name: str
    precision: float
    recall: float
    f1: float
    support: int
    predicted: int


def from_counts(name: str, right: int, support: int, predicted: int) -> ClassScores:
    """Scores from the number of right predictions, of labels (`support`) and of predictions."""
    return ClassScores(
        name,
        precision=ratio(right, predicted),
        recall=ratio(right, support),
        f1=ratio(2 * right, support + predicted),
        support=support,
        predicted=predicted,
    )


def macro(scores: Sequence[ClassScores]) -> ClassScores:
    """The mean over the classes that occur or are predicted, each with the same weight."""
    seen = [score for score in scores if score.support or score.predicted]
    return _mean("macro", seen, [1] * len(seen))


def weighted(scores: Sequence[ClassScores]) -> ClassScores:
    """The mean over all classes, each weighted by its support."""
    return _mean("weighted", scores, [score.support for score in scores])


def ratio(part: float, whole: float) -> float:
    """Divide part by whole; 0 when whole is 0."""
    return part / whole if whole else 0.0


def _mean(name: str, scores: Sequence[ClassScores], weights: Sequence[int]) -> ClassScores:
    pairs = list(zip(scores, weights, strict=True))
    whole = sum(weights)
    return ClassScores(
        name,
        precision=ratio(sum(score.precision * weight for score, weight in pairs), whole),
        recall=ratio(sum(score.recall * weight for score, weight in pairs), whole),
        f1=ratio(sum(score.f1 * weight for score, weight in pairs), whole),
        support=sum(score.support for score in scores),
        predicted=sum(score.predicted for score in scores),
    )
