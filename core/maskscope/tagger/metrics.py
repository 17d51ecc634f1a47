"""Token and entity scores over real, labelled tokens only: padding, masked and unlabelled tokens never count.

Where nothing is counted (no token predicted as a class, say) a ratio is 0, as in scikit-learn and seqeval.
"""

import json
import re
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

from maskscope.types import Floats, Labels, Mask, Offsets, TagScheme

Entity = tuple[int, int, str]
"""First token, one past the last token, type."""

_BIO = re.compile(r"^([BIESLUM])[-_](.+)$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ClassScores:
    """Scores of one class, or an average of several.

    Attributes:
        name: of the class, or "micro" or "macro".
        precision: of what was predicted so, the share that is.
        recall: of what is so, the share that was predicted.
        f1: harmonic mean of both; for "macro" the mean of the classes' F1.
        support: tokens (or entities) that are so by the labels.
        predicted: tokens (or entities) that were predicted so.
    """

    name: str
    precision: float
    recall: float
    f1: float
    support: int
    predicted: int


@dataclass(frozen=True, slots=True)
class EntityScores:
    """Scores of whole entities: one is right when its bounds and its type are.

    Attributes:
        rule: "prefixes" when the class names are like B-loc and I-loc; "runs" when an entity is a run of
            neighbouring tokens of one class.
        micro: over all entities.
        macro: mean over the types.
        per_type: one entry a type, in the order of their names.
    """

    rule: Literal["prefixes", "runs"]
    micro: ClassScores
    macro: ClassScores
    per_type: tuple[ClassScores, ...]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a model's probabilities are worth against labels.

    Attributes:
        tokens: how many were counted: real and labelled.
        masked: labelled tokens left out because the mask says that they are not real.
        unlabelled: real tokens left out because they have no label.
        accuracy: share of counted tokens whose label was predicted.
        loss: cross-entropy per counted token, in nats.
        micro: over the classes but outside; for "binary" the scores of the one label.
        macro: mean over the classes but outside that occur or are predicted.
        per_class: one entry a class, outside included.
        confusion: confusion[label][prediction], counted tokens.
        entities: scores of whole entities.
    """

    tokens: int
    masked: int
    unlabelled: int
    accuracy: float
    loss: float
    micro: ClassScores
    macro: ClassScores
    per_class: tuple[ClassScores, ...]
    confusion: tuple[tuple[int, ...], ...]
    entities: EntityScores

    def to_json(self) -> str:
        """One JSON object, keys in snake_case as the attributes are named, ending in a line feed."""
        return json.dumps(asdict(self), ensure_ascii=False) + "\n"


def evaluate(
    labels: Labels,
    probs_nc: Floats,
    scheme: TagScheme,
    mask: Mask | None = None,
    offsets: Offsets | None = None,
) -> Evaluation:
    """Score probabilities against labels.

    Args:
        labels: (n,) int16 class ids, negative for a token without a label.
        probs_nc: (n, C) float32 as the model prints them.
        scheme: the label set.
        mask: (n,) bool, True = real token; None when all are.
        offsets: (n_sentences + 1,) so that no entity reaches over a sentence's end; None for one sentence.

    Raises:
        ValueError: the arrays don't fit each other or the scheme.
    """
    n_tokens = len(labels)
    if probs_nc.shape != (n_tokens, scheme.n_outputs):
        raise ValueError(f"expected probabilities ({n_tokens}, {scheme.n_outputs}); received {probs_nc.shape}")
    n_classes = len(scheme.classes)
    if n_tokens and labels.max() >= n_classes:
        raise ValueError(f"expected labels below {n_classes}; received {labels.max()}")
    real = np.ones(n_tokens, dtype=np.bool_) if mask is None else mask
    if real.shape != (n_tokens,) or real.dtype != np.bool_:
        raise ValueError(f"expected a mask ({n_tokens},) bool; received {real.shape} {real.dtype}")
    labelled = labels >= 0
    counted = real & labelled
    predicted = scheme.predicted(probs_nc)
    pairs = labels[counted].astype(np.int64) * n_classes + predicted[counted]
    confusion = np.bincount(pairs, minlength=n_classes * n_classes).reshape(n_classes, n_classes)
    right = np.diagonal(confusion)
    support, guesses = confusion.sum(axis=1), confusion.sum(axis=0)
    per_class = tuple(
        _scores(name, int(right[i]), int(support[i]), int(guesses[i])) for i, name in enumerate(scheme.classes)
    )
    inside = [i for i in range(n_classes) if i != scheme.outside]
    total = int(support.sum())
    bounds = np.asarray([0, n_tokens], dtype=np.int64) if offsets is None else offsets
    return Evaluation(
        tokens=total,
        masked=int((labelled & ~real).sum()),
        unlabelled=int((real & ~labelled).sum()),
        accuracy=_ratio(int(right.sum()), total),
        loss=_loss(labels[counted], probs_nc[counted], scheme),
        micro=_scores("micro", int(right[inside].sum()), int(support[inside].sum()), int(guesses[inside].sum())),
        macro=_macro([per_class[i] for i in inside]),
        per_class=per_class,
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
        entities=_entity_scores(labels, predicted, scheme, counted, bounds),
    )


def entities(labels: Labels, scheme: TagScheme, offsets: Offsets) -> list[Entity]:
    """The entities that labels (n,) stand for, none reaching over a sentence's end; a negative label is outside.

    With names like B-loc, I-loc, E-loc, S-loc (or L-, U-, M-; "_" serves as "-"), a prefix B, S or U begins an
    entity, E, S, L or U ends it, and I, M, E or L goes on with one of the same type or begins one where there
    is none, as conlleval does. With other names an entity is a run of neighbouring tokens of one class.
    """
    names = [("", "") if i == scheme.outside else _parts(name) for i, name in enumerate(scheme.classes)]
    if entity_rule(scheme) == "runs":
        names = [("", "") if i == scheme.outside else ("I", name) for i, name in enumerate(scheme.classes)]
    found: list[Entity] = []
    for sentence in range(len(offsets) - 1):
        begin, kind = -1, ""
        first, last = int(offsets[sentence]), int(offsets[sentence + 1])
        for token, label in enumerate(labels[first:last].tolist(), start=first):
            prefix, here = names[label] if label >= 0 else ("", "")
            if begin >= 0 and (here != kind or prefix in "BSU"):
                found.append((begin, token, kind))
                begin = -1
            if prefix and begin < 0:
                begin, kind = token, here
            if prefix and prefix in "ESLU":
                found.append((begin, token + 1, kind))
                begin = -1
        if begin >= 0:
            found.append((begin, last, kind))
    return found


def entity_rule(scheme: TagScheme) -> Literal["prefixes", "runs"]:
    """Whether every class but outside is named like B-loc, with some B or S or U among them."""
    names = [_BIO.match(name) for i, name in enumerate(scheme.classes) if i != scheme.outside]
    prefixes = {match.group(1) for match in names if match}
    return "prefixes" if names and all(names) and prefixes & set("BSU") else "runs"


def _parts(name: str) -> tuple[str, str]:
    match = _BIO.match(name)
    return (match.group(1), match.group(2)) if match else ("I", name)


def _entity_scores(
    labels: Labels, predicted: Labels, scheme: TagScheme, counted: Mask, offsets: Offsets
) -> EntityScores:
    # a token that does not count belongs to no entity, on either side
    gold = set(entities(np.where(counted, labels, -1).astype(np.int16), scheme, offsets))
    guess = set(entities(np.where(counted, predicted, -1).astype(np.int16), scheme, offsets))
    kinds = sorted({kind for _, _, kind in gold | guess})
    both = gold & guess
    per_type = tuple(
        _scores(kind, *(sum(entity[2] == kind for entity in group) for group in (both, gold, guess))) for kind in kinds
    )
    return EntityScores(
        entity_rule(scheme), _scores("micro", len(both), len(gold), len(guess)), _macro(per_type), per_type
    )


def _scores(name: str, right: int, support: int, predicted: int) -> ClassScores:
    return ClassScores(
        name,
        precision=_ratio(right, predicted),
        recall=_ratio(right, support),
        f1=_ratio(2 * right, support + predicted),
        support=support,
        predicted=predicted,
    )


def _macro(scores: list[ClassScores] | tuple[ClassScores, ...]) -> ClassScores:
    seen = [score for score in scores if score.support or score.predicted]
    return ClassScores(
        "macro",
        precision=_ratio(sum(score.precision for score in seen), len(seen)),
        recall=_ratio(sum(score.recall for score in seen), len(seen)),
        f1=_ratio(sum(score.f1 for score in seen), len(seen)),
        support=sum(score.support for score in seen),
        predicted=sum(score.predicted for score in seen),
    )


def _ratio(part: float, whole: int) -> float:
    return part / whole if whole else 0.0


def _loss(labels: Labels, probs_nc: Floats, scheme: TagScheme) -> float:
    if not len(labels):
        return 0.0
    if scheme.kind == "binary":
        positive = probs_nc[:, 0].astype(np.float64)
        chosen = np.where(labels == 1, positive, 1.0 - positive)
    else:
        chosen = probs_nc[np.arange(len(labels)), labels].astype(np.float64)
    # Keras clips at its epsilon, too
    return float(-np.log(np.maximum(chosen, 1e-7)).mean())
