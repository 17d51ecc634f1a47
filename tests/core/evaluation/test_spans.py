"""Entities and their scores: by hand, against seqeval, and with padding counted against arrays that are padded."""

import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import precision_recall_fscore_support as by_default
from seqeval.metrics.v1 import precision_recall_fscore_support as by_strict
from seqeval.scheme import BILOU, IOB2, IOBES

from maskscope.evaluation import spans
from maskscope.evaluation.scores import ClassScores
from maskscope.evaluation.token_scores import evaluate
from maskscope.types import Labels, Offsets, TagScheme

BINARY = TagScheme("binary", ("O", "name"))
TYPED = TagScheme("multiclass", ("O", "a", "b"))
BIO = TagScheme("multiclass", ("O", "B-loc", "I-loc", "B-per", "I-per"))
BIOES = TagScheme("multiclass", ("O", "B-loc", "I-loc", "E-loc", "S-loc", "S-per"))


def scheme_of(prefixes: str, types: str, *, outside: int = 0) -> TagScheme:
    names = [f"{prefix}-{kind}" for kind in types.split() for prefix in prefixes]
    names.insert(outside, "O")
    return TagScheme("multiclass", tuple(names), outside)


SCHEMES = {
    "BIO": scheme_of("BI", "loc per"),
    "BIO, outside last, hyphens": scheme_of("BI", "a-b a", outside=4),
    "B only": scheme_of("B", "loc"),
    "BIOES": scheme_of("BIES", "loc per"),
    "BIS": scheme_of("BIS", "loc per"),
    "BILOU": scheme_of("BILU", "loc per"),
    "BMES": scheme_of("BMES", "loc per"),
}


@st.composite
def corpora(draw: st.DrawFn, scheme: TagScheme) -> tuple[Labels, Labels, np.ndarray]:
    """Labels, predictions that resemble them, and offsets; any label may follow any other."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    lengths = rng.integers(0, 7, draw(st.integers(1, 6)))
    gold = rng.integers(0, len(scheme.classes), lengths.sum()).astype(np.int16)
    guess = np.where(
        rng.random(len(gold)) < draw(st.sampled_from([0.0, 0.2, 0.9])),
        rng.integers(0, len(scheme.classes), len(gold)),
        gold,
    ).astype(np.int16)
    return gold, guess, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def sequences(labels: Labels, scheme: TagScheme, offsets: np.ndarray, read_as: dict[str, str]) -> list[list[str]]:
    names = [re.sub("^[LUM]", lambda match: read_as.get(match[0], match[0]), name) for name in scheme.classes]
    return [[names[label] for label in labels[first:last].tolist()] for first, last in pairwise(offsets.tolist())]


def figures(scores: ClassScores) -> tuple[float, float, float, int]:
    return scores.precision, scores.recall, scores.f1, scores.support


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
@pytest.mark.parametrize("name", SCHEMES)
@given(data=st.data())
def test_scores_equal_seqeval(name: str, data: st.DataObject) -> None:
    scheme = SCHEMES[name]
    gold, guess, offsets = data.draw(corpora(scheme))
    ours = spans.score_labels(gold, guess, scheme, offsets)
    assert ours.strict is not None
    # seqeval's default mode knows no L, U or M: they are E, S and I by other names
    plain = {"L": "E", "U": "S", "M": "I"}
    strict = IOB2 if scheme.spans == "BIO" else BILOU if "L-loc" in scheme.classes else IOBES
    for scores, oracle, mode, read_as in (
        (ours, by_default, {}, plain),
        (ours.strict, by_strict, {"scheme": strict}, {"M": "I"}),
    ):
        pair = [sequences(labels, scheme, offsets, read_as) for labels in (gold, guess)]
        per_type = oracle(*pair, average=None, zero_division=0, **mode)
        found = np.array([figures(each) for each in scores.per_type]).reshape(-1, 4)
        np.testing.assert_allclose(found, np.stack(per_type, axis=1).reshape(-1, 4), atol=1e-12)
        if not len(found):
            assert figures(scores.micro) == figures(scores.macro) == figures(scores.weighted) == (0, 0, 0, 0)
            continue
        for average in ("micro", "macro", "weighted"):
            expected = oracle(*pair, average=average, zero_division=0, **mode)
            np.testing.assert_allclose(figures(getattr(scores, average)), expected, atol=1e-12)


def test_a_million_tokens_take_seconds() -> None:
    scheme = SCHEMES["BIOES"]
    rng = np.random.default_rng(0)
    gold = rng.integers(0, len(scheme.classes), 1_000_000).astype(np.int16)
    guess = np.where(rng.random(len(gold)) < 0.3, np.int16(0), gold)
    scores = spans.score_labels(gold, guess, scheme, np.arange(0, 1_000_001, 20))
    assert scores.micro.support > 500_000


@pytest.mark.parametrize("name", [*SCHEMES, "runs", "binary"])
@given(data=st.data())
def test_entities_with_padding_counted(name: str, data: st.DataObject) -> None:
    """Equal to the scores of arrays that were really padded, whatever class is predicted there."""
    binary = TagScheme("binary", ("O", "name"))
    scheme = SCHEMES.get(name, binary if name == "binary" else TagScheme("multiclass", ("O", "loc", "per")))
    gold, guess, offsets = data.draw(corpora(scheme))
    lengths = np.diff(offsets)
    at_padding = np.array(
        data.draw(st.lists(st.integers(0, len(scheme.classes) - 1), min_size=len(lengths), max_size=len(lengths))),
        dtype=np.int16,
    )
    if scheme.kind == "binary":
        probs, padding = guess[:, None].astype(np.float32), at_padding[:, None].astype(np.float32)
    else:
        one_hot = np.eye(len(scheme.classes), dtype=np.float32)
        probs, padding = one_hot[guess], one_hot[at_padding]
    found = evaluate(gold, probs, scheme, None, offsets, "argmax", padding).if_padding_counted
    assert found is not None

    # a sentence that holds no labelled token is not evaluated
    kept = np.flatnonzero(lengths)
    longest = int(lengths.max(initial=0))
    gold_bt = np.full((len(kept), longest), scheme.outside, dtype=np.int16)
    guess_bt = np.repeat(at_padding[kept][:, None], longest, axis=1)
    for row, sentence in enumerate(kept):
        part = slice(offsets[sentence], offsets[sentence + 1])
        gold_bt[row, : lengths[sentence]] = gold[part]
        guess_bt[row, : lengths[sentence]] = guess[part]
    bounds = np.arange(len(kept) + 1, dtype=np.int64) * longest
    assert found.metrics.entities == spans.score_labels(gold_bt.ravel(), guess_bt.ravel(), scheme, bounds)
    assert found.padded_positions == gold_bt.size - len(gold)


def entities(labels: Labels, scheme: TagScheme, offsets: Offsets) -> list[tuple[int, int, str]]:
    """First token, one past the last token, and type of each entity."""
    found = spans.find(labels, scheme, offsets)
    rows = zip(found.first.tolist(), found.last.tolist(), found.kind.tolist(), strict=True)
    return [(first, last, found.kinds[kind]) for first, last, kind in rows]


def labels_of(scheme: TagScheme, text: str) -> Labels:
    """Class ids of names in a row; "?" is a token without a label."""
    return np.array([-1 if name == "?" else scheme.classes.index(name) for name in text.split()], dtype=np.int16)


@pytest.mark.parametrize(
    ("scheme", "text", "found"),
    [
        (BIO, "B-loc I-loc O B-per", [(0, 2, "loc"), (3, 4, "per")]),
        (BIO, "B-loc B-loc I-loc", [(0, 1, "loc"), (1, 3, "loc")]),
        (BIO, "I-loc I-per I-per O I-loc", [(0, 1, "loc"), (1, 3, "per"), (4, 5, "loc")]),
        (BIO, "B-loc ? I-loc", [(0, 1, "loc"), (2, 3, "loc")]),
        (BIOES, "B-loc I-loc E-loc S-loc S-per", [(0, 3, "loc"), (3, 4, "loc"), (4, 5, "per")]),
        (BIOES, "B-loc E-loc I-loc", [(0, 2, "loc"), (2, 3, "loc")]),
        (BIOES, "E-loc S-loc I-loc S-loc", [(0, 1, "loc"), (1, 2, "loc"), (2, 3, "loc"), (3, 4, "loc")]),
        (TYPED, "a a b O b", [(0, 2, "a"), (2, 3, "b"), (4, 5, "b")]),
        (BINARY, "name name O name", [(0, 2, "name"), (3, 4, "name")]),
    ],
)
def test_entities(scheme: TagScheme, text: str, found: list[tuple[int, int, str]]) -> None:
    labels = labels_of(scheme, text)
    assert entities(labels, scheme, np.array([0, len(labels)])) == found


def test_no_entity_reaches_over_a_sentence_end() -> None:
    labels = labels_of(TYPED, "a a a")
    assert entities(labels, TYPED, np.array([0, 1, 1, 3])) == [(0, 1, "a"), (1, 3, "a")]


def test_the_rule_follows_the_class_names() -> None:
    assert spans.entity_rule(BIO) == "prefixes"
    assert spans.entity_rule(BIOES) == "prefixes"
    assert spans.entity_rule(TYPED) == "runs"
    assert spans.entity_rule(TagScheme("multiclass", ("O", "B-loc", "person"))) == "runs"
    assert spans.entity_rule(TagScheme("binary", ("O", "I-beam"))) == "runs"
