"""Decode probabilities to labels: each token by itself, or the likeliest sequence that a span scheme allows.

Viterbi's algorithm over the log probabilities, where a transition is either allowed, at no cost, or not allowed
(Forney, "The Viterbi algorithm", 1973). Sentences of unequal length are decoded together, one step at a time.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from maskscope.engine.recurrence import schedule
from maskscope.types import NO_LABEL, Floats, Labels, Mask, Offsets, TagScheme, span_parts

Decoding: TypeAlias = Literal["viterbi", "argmax"]
"""How labels come from probabilities; "viterbi" equals "argmax" where the class names follow no span scheme."""

_CHUNK_TOKENS = 200_000
_TINY = 1e-30


@dataclass(frozen=True, slots=True, eq=False)
class Transitions:
    """Which class may follow which.

    Attributes:
        allowed: (C, C) bool, [before, after].
        first: (C,) bool, True = may begin a sentence.
        last: (C,) bool, True = may end a sentence.
    """

    allowed: npt.NDArray[np.bool_]
    first: npt.NDArray[np.bool_]
    last: npt.NDArray[np.bool_]


@lru_cache(maxsize=16)
def transitions(scheme: TagScheme) -> Transitions:
    """The transitions that the span scheme of the class names allows; all of them for other names.

    BIO: I-x follows B-x or I-x. BIOES (and BILOU, BMES): B-x and I-x are followed by I-x or E-x, and no other class
    is followed by these. A label set may lack classes: a type without any B may begin with another prefix, and one
    without any E may end anywhere.
    """
    n_classes = len(scheme.classes)
    everything = np.ones(n_classes, dtype=np.bool_)
    if scheme.spans is None:
        return Transitions(np.ones((n_classes, n_classes), dtype=np.bool_), everything, everything)
    parts = [("", "") if i == scheme.outside else span_parts(name) for i, name in enumerate(scheme.classes)]
    begun = {kind for prefix, kind in parts if prefix == "B"}
    ended = {kind for prefix, kind in parts if prefix in ("E", "L")}
    goes_on = [bool(prefix) and prefix in "IMEL" for prefix, _ in parts]
    begins = np.array([not on or kind not in begun for on, (_, kind) in zip(goes_on, parts, strict=True)])
    opens = [bool(prefix) and prefix in "BIM" for prefix, _ in parts]
    stands_open = [is_open and kind in ended for is_open, (_, kind) in zip(opens, parts, strict=True)]
    allowed = np.zeros((n_classes, n_classes), dtype=np.bool_)
    for before in range(n_classes):
        for after in range(n_classes):
            same = opens[before] and goes_on[after] and parts[before][1] == parts[after][1]
            allowed[before, after] = same or (not stands_open[before] and begins[after])
    return Transitions(allowed, begins, ~np.array(stands_open))


def predict(
    scheme: TagScheme,
    probs_nc: Floats,
    offsets: Offsets | None = None,
    mask: Mask | None = None,
    decoding: Decoding = "viterbi",
    threshold: float = 0.5,
) -> Labels:
    """Predict labels (n,) int16 from probabilities.

    Args:
        scheme: the label set.
        probs_nc: (n, C) float32, the model's output at tokens, without padding.
        offsets: (n_sentences + 1,) where each sentence begins; None for one sentence.
        mask: (n,) bool, True = real token; a masked token has no prediction and is set to outside, so that no span
            contains it. None when all are real.
        decoding: "viterbi" gives the likeliest sequence that the span scheme allows, "argmax" each token's largest.
        threshold: of the one class of a binary scheme.
    """
    if decoding == "argmax" or scheme.spans is None or not len(probs_nc):
        labels = scheme.predicted(probs_nc, threshold)
        if mask is not None:
            labels[~mask] = scheme.outside
        return labels
    bounds = np.asarray([0, len(probs_nc)], dtype=np.int64) if offsets is None else offsets
    rules = transitions(scheme)
    if len(bounds) == 2:
        # the sentence on screen: decoding many sentences together makes each step ten times as slow
        log_tc = _logs(probs_nc, mask, scheme.outside)
        return _viterbi_one(log_tc, rules)
    found: Labels = np.empty(len(probs_nc), dtype=np.int16)
    begin, n_sentences = 0, len(bounds) - 1
    while begin < n_sentences:
        end = int(np.searchsorted(bounds, bounds[begin] + _CHUNK_TOKENS, side="right")) - 1
        end = min(max(end, begin + 1), n_sentences)
        rows = slice(int(bounds[begin]), int(bounds[end]))
        log_nc = _logs(probs_nc[rows], None if mask is None else mask[rows], scheme.outside)
        found[rows] = _viterbi(log_nc, bounds[begin : end + 1] - bounds[begin], rules)
        begin = end
    return found


def disagreements(
    scheme: TagScheme,
    labels: Labels,
    probs_nc: Floats,
    offsets: Offsets | None,
    mask: Mask,
    decoding: Decoding,
    threshold: float,
) -> Mask:
    """Tokens (n,) bool, True where the label differs from the prediction.

    It is False at tokens without a label, and at masked tokens, which have no prediction. `labels` is (n,) int16; the
    other arguments are as in `predict`.
    """
    predicted = predict(scheme, probs_nc, offsets, mask, decoding, threshold)
    return np.asarray(mask & (labels != NO_LABEL) & (labels != predicted))


def violations(labels: Labels, scheme: TagScheme, offsets: Offsets) -> Mask:
    """Tokens (n,) bool, True where the span scheme does not allow the label after the one before it (or as the first).

    Before and after a token without a label everything is allowed. Where a sentence ends inside a span, its last token
    is marked.
    """
    rules = transitions(scheme)
    n_tokens = len(labels)
    wrong: Mask = np.zeros(n_tokens, dtype=np.bool_)
    if not n_tokens:
        return wrong
    known = labels >= 0
    wrong[1:] = known[1:] & known[:-1] & ~rules.allowed[labels[:-1], labels[1:]]
    filled = np.flatnonzero(np.diff(offsets))
    firsts, lasts = offsets[:-1][filled], offsets[1:][filled] - 1
    wrong[firsts] = known[firsts] & ~rules.first[labels[firsts]]
    wrong[lasts] |= known[lasts] & ~rules.last[labels[lasts]]
    return wrong


def _logs(probs_nc: Floats, mask: Mask | None, outside: int) -> Floats:
    log_nc: Floats = np.log(np.maximum(probs_nc, np.float32(_TINY)))
    if mask is not None:
        log_nc[~mask] = -np.inf
        log_nc[~mask, outside] = 0.0
    return log_nc


def _viterbi_one(log_tc: Floats, rules: Transitions) -> Labels:
    n_tokens, n_classes = log_tc.shape
    # [after, before], so that the search for the best label before runs along rows
    barred = np.where(rules.allowed.T, np.float32(0), np.float32(-np.inf))
    back = np.zeros((n_tokens, n_classes), dtype=np.int64)
    columns = np.arange(n_classes)
    best = log_tc[0] + np.where(rules.first, np.float32(0), np.float32(-np.inf))
    for token in range(1, n_tokens):
        among = best + barred
        chosen = among.argmax(axis=1)
        back[token] = chosen
        best = among[columns, chosen] + log_tc[token]
    best = best + np.where(rules.last, np.float32(0), np.float32(-np.inf))
    found: Labels = np.empty(n_tokens, dtype=np.int16)
    here = int(best.argmax())
    for token in range(n_tokens - 1, -1, -1):
        found[token] = here
        here = int(back[token, here])
    return found


def _viterbi(log_nc: Floats, offsets: Offsets, rules: Transitions) -> Labels:
    n_tokens, n_classes = log_nc.shape
    lengths = np.diff(offsets)
    plan = schedule(np.asarray(offsets[:-1]), lengths)
    in_steps = log_nc[plan.tokens[0]]
    back = np.zeros((n_tokens, n_classes), dtype=np.int16)
    # classes that may follow the same classes share one search for the best of these
    columns: dict[bytes, list[int]] = {}
    for after in range(n_classes):
        columns.setdefault(rules.allowed[:, after].tobytes(), []).append(after)
    groups = [
        (np.flatnonzero(rules.allowed[:, after[0]]), np.asarray(after))
        for after in columns.values()
        if rules.allowed[:, after[0]].any()
    ]
    bounds = list(pairwise(plan.starts))
    if not bounds:
        return np.zeros(0, dtype=np.int16)
    best = in_steps[: bounds[0][1]] + np.where(rules.first, np.float32(0), np.float32(-np.inf))
    for begin, end in bounds[1:]:
        # sentences that have ended keep their last scores, after those that go on
        before = best[: end - begin]
        new: Floats = np.full((end - begin, n_classes), -np.inf, dtype=np.float32)
        rows = np.arange(end - begin)
        for sources, targets in groups:
            among = before[:, sources]
            chosen = among.argmax(axis=1)
            new[:, targets] = among[rows, chosen][:, None]
            back[begin:end, targets] = sources[chosen][:, None]
        new += in_steps[begin:end]
        best[: end - begin] = new
    best += np.where(rules.last, np.float32(0), np.float32(-np.inf))
    here = best.argmax(axis=1).astype(np.int16)
    in_slots = np.empty(n_tokens, dtype=np.int16)
    for begin, end in reversed(bounds):
        running = here[: end - begin]
        in_slots[begin:end] = running
        here[: end - begin] = back[np.arange(begin, end), running]
    found: Labels = in_slots[plan.places]
    return found
