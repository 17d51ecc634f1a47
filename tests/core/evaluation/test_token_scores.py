"""Scores against hand counts."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskscope.evaluation.token_scores import evaluate
from maskscope.types import Floats, Labels, Offsets, TagScheme

BINARY = TagScheme("binary", ("O", "name"))
TYPED = TagScheme("multiclass", ("O", "a", "b"))
BIO = TagScheme("multiclass", ("O", "B-loc", "I-loc", "B-per", "I-per"))
BIOES = TagScheme("multiclass", ("O", "B-loc", "I-loc", "E-loc", "S-loc", "S-per"))


def labels_of(scheme: TagScheme, text: str) -> Labels:
    """Class ids of names in a row; "?" is a token without a label."""
    return np.array([-1 if name == "?" else scheme.classes.index(name) for name in text.split()], dtype=np.int16)


def one_hot(scheme: TagScheme, text: str) -> Floats:
    """Probabilities that predict the names in a row, at 0.9."""
    n = len(scheme.classes)
    probs: Floats = np.full((len(text.split()), n), 0.1 / (n - 1), dtype=np.float32)
    probs[np.arange(len(probs)), labels_of(scheme, text)] = 0.9
    return probs


def test_binary_scores_by_hand() -> None:
    labels = np.array([1, 1, 0, 0, 1, 0], dtype=np.int16)
    probs = np.array([[0.9], [0.4], [0.6], [0.1], [0.5], [0.2]], dtype=np.float32)
    scores = evaluate(labels, probs, BINARY)
    assert scores.tokens == 6
    # predicted as names: tokens 0, 2, 4; right ones: 0 and 4
    assert (scores.metrics.micro.precision, scores.metrics.micro.recall, scores.metrics.micro.f1) == (
        2 / 3,
        2 / 3,
        2 / 3,
    )
    assert scores.metrics.accuracy == 4 / 6
    assert scores.metrics.confusion == ((2, 1), (1, 2))
    by_hand = -(math.log(0.9) + math.log(0.4) + math.log(0.4) + math.log(0.9) + math.log(0.5) + math.log(0.8)) / 6
    assert scores.metrics.loss == pytest.approx(by_hand, abs=1e-6)


def test_typed_scores_by_hand() -> None:
    labels = labels_of(TYPED, "O a a b b b O")
    probs = one_hot(TYPED, "O a b b b O a")
    scores = evaluate(labels, probs, TYPED)
    a, b = scores.metrics.per_class[1], scores.metrics.per_class[2]
    assert (a.precision, a.recall, a.f1, a.support, a.predicted) == (0.5, 0.5, 0.5, 2, 2)
    assert (b.precision, b.recall, b.support, b.predicted) == (2 / 3, 2 / 3, 3, 3)
    assert (scores.metrics.micro.precision, scores.metrics.micro.recall) == (3 / 5, 3 / 5)
    assert scores.metrics.macro.f1 == pytest.approx((0.5 + 2 / 3) / 2)
    assert scores.metrics.per_class[0].name == "O"
    assert scores.metrics.confusion == ((1, 1, 0), (0, 1, 1), (1, 0, 2))


@pytest.mark.parametrize("scheme", [BINARY, TYPED])
@given(data=st.data())
def test_masked_and_unlabelled_tokens_never_count(scheme: TagScheme, data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    n = data.draw(st.integers(1, 12))
    labels = rng.integers(-1, len(scheme.classes), n).astype(np.int16)
    probs = rng.random((n, scheme.n_outputs), dtype=np.float32)
    mask = rng.random(n) < 0.6
    offsets = np.array([0, n // 2, n])
    scores = evaluate(labels, probs, scheme, mask, offsets)
    counted = mask & (labels >= 0)
    assert scores.tokens == counted.sum()
    changed, moved = labels.copy(), probs.copy()
    changed[~mask & (labels >= 0)] = rng.integers(0, len(scheme.classes))
    moved[~counted] = rng.random((int((~counted).sum()), scheme.n_outputs), dtype=np.float32)
    assert evaluate(changed, moved, scheme, mask, offsets) == scores


def test_nothing_to_count_gives_zeros() -> None:
    scores = evaluate(np.array([-1], dtype=np.int16), np.array([[0.5]], dtype=np.float32), BINARY)
    assert (
        scores.tokens,
        scores.unlabelled,
        scores.metrics.accuracy,
        scores.metrics.loss,
        scores.metrics.micro.f1,
    ) == (0, 1, 0.0, 0.0, 0.0)
    empty = evaluate(np.zeros(0, np.int16), np.zeros((0, 3), np.float32), TYPED)
    assert empty.tokens == 0


def test_a_certain_mistake_costs_much_but_not_infinity() -> None:
    scores = evaluate(np.array([1], dtype=np.int16), np.array([[0.0]], dtype=np.float32), BINARY)
    assert scores.metrics.loss == pytest.approx(-math.log(1e-7))


def test_entity_scores_by_hand() -> None:
    labels = labels_of(BIO, "B-loc I-loc O B-per O B-loc")
    probs = one_hot(BIO, "B-loc O O B-per B-loc B-loc")
    scores = evaluate(labels, probs, BIO).metrics.entities
    # gold: loc 0-2, per 3-4, loc 5-6; predicted: loc 0-1, per 3-4, loc 4-5, loc 5-6
    assert scores.rule == "prefixes"
    assert (scores.micro.precision, scores.micro.recall) == (2 / 4, 2 / 3)
    assert [(score.name, score.support, score.predicted) for score in scores.per_type] == [("loc", 2, 3), ("per", 1, 1)]
    assert scores.per_type[1].f1 == 1.0
    assert scores.macro.f1 == pytest.approx((2 / 5 + 1.0) / 2)


def test_json_has_stable_keys() -> None:
    record = json.loads(evaluate(labels_of(TYPED, "a O"), one_hot(TYPED, "a b"), TYPED).to_json())
    assert set(record) == {
        "tokens", "masked", "unlabelled", "accuracy", "loss", "micro", "macro", "per_class", "confusion", "entities",
        "decoding", "argmax", "calibration", "curve", "if_padding_counted",
    }  # fmt: skip
    assert record["per_class"][1] == {
        "name": "a", "precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 1, "predicted": 1,
    }  # fmt: skip
    assert record["entities"]["rule"] == "runs"


@pytest.mark.parametrize(
    ("labels", "probs", "offsets", "words"),
    [
        ([0, 1], np.zeros((2, 3), np.float32), None, r"\(2, 1\); received \(2, 3\)"),
        ([0, 2], np.zeros((2, 1), np.float32), None, "below 2; received 2"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(
    labels: list[int], probs: Floats, offsets: Offsets | None, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        evaluate(np.array(labels, dtype=np.int16), probs, BINARY, None, offsets)
