"""Entities (spans of tokens) and their scores, by the rules of seqeval, without a loop over tokens.

Two readings of prefixed class names (seqeval 1.2.2, `metrics/sequence_labeling.py` and `scheme.py`):

- default, as in conlleval: B and S begin an entity, E and S end it; I or E continues an entity of the same type, and
  begins one where there is none.
- strict: an entity of BIO begins with B; one of BIOES is S alone, or B, any number of I, and E. Anything else is no
  entity.

L, U and M are read as E, S and I. seqeval reads L and U so in its strict mode only: in its default mode U-loc U-loc
is one entity, which is not repeated here.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

import numpy as np

from maskscope.evaluation.scores import ClassScores, from_counts, macro, weighted
from maskscope.types import Indices, Labels, Mask, Offsets, TagScheme, span_parts

Reading: TypeAlias = Literal["default", "strict"]

_O, _B, _I, _E, _S = range(5)
_CODES = {"B": _B, "I": _I, "M": _I, "E": _E, "L": _E, "S": _S, "U": _S}


@dataclass(frozen=True, slots=True, eq=False)
class Spans:
    """Entities in reading order; no two overlap.

    Attributes:
        first: (k,) int64, their first tokens.
        last: (k,) int64, one past their last tokens.
        kind: (k,) int64, their types as indices into `kinds`.
        kinds: names of all types of the scheme, sorted.
    """

    first: Indices
    last: Indices
    kind: Indices
    kinds: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.first)

    def chosen(self, which: Mask) -> "Spans":
        """The entities for which `which` (k,) is True."""
        return Spans(self.first[which], self.last[which], self.kind[which], self.kinds)

    def found_in(self, other: "Spans") -> Mask:
        """Whether (k,) each entity is also in `other`, with the same bounds and type."""
        if not len(other):
            return np.zeros(len(self), dtype=np.bool_)
        place = np.minimum(np.searchsorted(other.first, self.first), len(other) - 1)
        same = (other.first[place] == self.first) & (other.last[place] == self.last)
        return np.asarray(same & (other.kind[place] == self.kind))


@dataclass(frozen=True, slots=True)
class SpanScores:
    """Scores of whole entities: one is right when its bounds and its type are.

    Attributes:
        micro: over all entities.
        macro: mean over the types that occur or are predicted.
        weighted: mean over the types, weighted by support.
        per_type: one entry for each type that occurs or is predicted, sorted by name.
    """

    micro: ClassScores
    macro: ClassScores
    weighted: ClassScores
    per_type: tuple[ClassScores, ...]


@dataclass(frozen=True, slots=True)
class EntityScores:
    """Scores of whole entities, by the default reading and by the strict one.

    Attributes:
        rule: "prefixes" when the class names are like B-loc and I-loc; "runs" when an entity is a run of
            neighbouring tokens of one class.
        micro, macro, weighted, per_type: as in `SpanScores`.
        strict: by the strict reading; None under the rule "runs", which has only one reading.
    """

    rule: Literal["prefixes", "runs"]
    micro: ClassScores
    macro: ClassScores
    weighted: ClassScores
    per_type: tuple[ClassScores, ...]
    strict: SpanScores | None


@dataclass(frozen=True, slots=True, eq=False)
class _Names:
    """Prefix and type of each class; one more entry at the end is for tokens without a label."""

    prefix: Indices
    kind: Indices
    kinds: tuple[str, ...]


def entity_rule(scheme: TagScheme) -> Literal["prefixes", "runs"]:
    """How entities are read from class names: "prefixes" when they follow a span scheme, else "runs"."""
    return "runs" if scheme.spans is None else "prefixes"


def find(labels: Labels, scheme: TagScheme, offsets: Offsets, reading: Reading = "default") -> Spans:
    """Find the entities of labels (n,); none crosses the end of a sentence, and a negative label is outside.

    Where the class names follow no span scheme, an entity is a run of neighbouring tokens of one class.

    Args:
        labels: (n,) int16 class ids.
        scheme: the label set.
        offsets: (n_sentences + 1,) where each sentence begins.
        reading: of prefixed names.
    """
    names = _names(scheme)
    outside = len(scheme.classes)
    codes = np.where(labels < 0, outside, labels)
    prefix, kind = names.prefix[codes], names.kind[codes]
    bounds = np.asarray(offsets, dtype=np.int64)
    opens: Mask = np.zeros(len(labels) + 1, dtype=np.bool_)
    opens[bounds[:-1]] = True
    opens = opens[:-1]
    same = np.zeros(len(labels), dtype=np.bool_)
    same[1:] = kind[1:] == kind[:-1]
    before = np.full(len(labels), _O, dtype=np.int64)
    before[1:] = prefix[:-1]
    goes_on = ((prefix == _I) | (prefix == _E)) & ((before == _B) | (before == _I)) & same & ~opens
    inside = prefix != _O
    first = np.flatnonzero(inside & ~goes_on)
    ends = inside.copy()
    ends[:-1] &= ~goes_on[1:]
    last = np.flatnonzero(ends)
    found = Spans(first.astype(np.int64), last.astype(np.int64) + 1, kind[first], names.kinds)
    if reading == "default" or scheme.spans is None:
        return found
    if scheme.spans == "BIO":
        return found.chosen(prefix[first] == _B)
    whole = (prefix[first] == _S) | ((prefix[first] == _B) & (prefix[last] == _E))
    return found.chosen(whole)


def score(gold: Spans, predicted: Spans, more: Indices | None = None) -> SpanScores:
    """Scores of predicted entities against gold ones.

    Args:
        gold: the entities of the gold labels.
        predicted: the predicted entities of the same tokens.
        more: (len(kinds),) int64, further wrong predicted entities of each type; None for none.
    """
    kinds = gold.kinds
    right = np.bincount(predicted.kind[predicted.found_in(gold)], minlength=len(kinds))
    support = np.bincount(gold.kind, minlength=len(kinds))
    guesses = np.bincount(predicted.kind, minlength=len(kinds)) + (0 if more is None else more)
    per_type = tuple(
        from_counts(name, int(right[i]), int(support[i]), int(guesses[i]))
        for i, name in enumerate(kinds)
        if support[i] or guesses[i]
    )
    micro = from_counts("micro", int(right.sum()), int(support.sum()), int(guesses.sum()))
    return SpanScores(micro, macro(per_type), weighted(per_type), per_type)


def score_labels(labels: Labels, predicted: Labels, scheme: TagScheme, offsets: Offsets) -> EntityScores:
    """Scores of the entities of predicted labels (n,) against those of labels (n,); negative is outside."""

    def read(reading: Reading) -> SpanScores:
        return score(find(labels, scheme, offsets, reading), find(predicted, scheme, offsets, reading))

    return both_readings(scheme, read("default"), None if scheme.spans is None else read("strict"))


def both_readings(scheme: TagScheme, default: SpanScores, strict: SpanScores | None) -> EntityScores:
    """Combine the scores of the default and of the strict reading."""
    return EntityScores(entity_rule(scheme), default.micro, default.macro, default.weighted, default.per_type, strict)


@lru_cache(maxsize=16)
def _names(scheme: TagScheme) -> _Names:
    parts = [
        ("", "") if place == scheme.outside else span_parts(name) if scheme.spans else ("I", name)
        for place, name in enumerate(scheme.classes)
    ]
    kinds = tuple(sorted({kind for prefix, kind in parts if prefix}))
    prefixes = [_CODES.get(prefix, _O) for prefix, _ in parts]
    places = [kinds.index(kind) if prefix else -1 for prefix, kind in parts]
    return _Names(np.array([*prefixes, _O], dtype=np.int64), np.array([*places, -1], dtype=np.int64), kinds)
