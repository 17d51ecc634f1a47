"""Decoding spans: the likeliest sequence that the scheme allows, by trying all of them."""

from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskscope.evaluation.decoding import disagreements, predict, transitions, violations
from maskscope.types import NO_LABEL, Floats, TagScheme

BIO = TagScheme("multiclass", ("O", "B-loc", "I-loc", "B-per", "I-per"))
BIOES = TagScheme("multiclass", ("O", "B-x", "I-x", "E-x", "S-x"))


def obeys(names: tuple[str, ...], bioes: bool) -> bool:
    """The definition of BIO and BIOES, written as one reads it aloud, over whole sequences."""
    open_kind = None
    for name in names:
        prefix, _, kind = name.partition("-")
        if prefix in ("I", "E") and open_kind != kind:
            return False
        if bioes and prefix in ("O", "B", "S") and open_kind is not None:
            return False
        open_kind = kind if prefix in ("B", "I") else None
    return not (bioes and open_kind is not None)


def by_trying_all(scheme: TagScheme, probs: Floats) -> tuple[int, ...]:
    logs = np.log(probs.astype(np.float64))
    best = -np.inf
    found: tuple[int, ...] = ()
    for labels in product(range(len(scheme.classes)), repeat=len(probs)):
        if obeys(tuple(scheme.classes[label] for label in labels), scheme is BIOES):
            score = sum(logs[token, label] for token, label in enumerate(labels))
            if score > best:
                best, found = score, labels
    return found


@pytest.mark.parametrize("scheme", [BIO, BIOES])
@given(lengths=st.lists(st.integers(0, 5), min_size=1, max_size=4), seed=st.integers(0, 10_000))
def test_the_likeliest_allowed_sequence_is_found(scheme: TagScheme, lengths: list[int], seed: int) -> None:
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    rng = np.random.default_rng(seed)
    probs = rng.dirichlet(np.full(5, 0.4), size=int(offsets[-1])).astype(np.float32) * 0.98 + np.float32(0.004)
    found = predict(scheme, probs, offsets)
    for begin, end in pairwise(offsets):
        expected = by_trying_all(scheme, probs[begin:end])
        assert tuple(found[begin:end].tolist()) == expected
        assert tuple(predict(scheme, probs[begin:end]).tolist()) == expected


def test_labels_differ_from_predictions_only_where_there_are_both() -> None:
    probs = np.array([[0.9, 0.1], [0.2, 0.8], [0.2, 0.8], [0.3, 0.7], [0.6, 0.4]], dtype=np.float32)
    scheme = TagScheme("multiclass", ("O", "x"))
    labels = np.array([1, 1, 0, NO_LABEL, 1], dtype=np.int16)
    mask = np.array([True, True, True, True, False])
    found = disagreements(scheme, labels, probs, None, mask, "argmax", 0.5)
    assert found.tolist() == [True, False, True, False, False]


def test_argmax_stays_what_it_is_and_decoding_repairs_it() -> None:
    probs = np.array([[0.5, 0.3, 0.1, 0.05, 0.05], [0.1, 0.05, 0.7, 0.1, 0.05]], dtype=np.float32)
    assert [BIO.classes[i] for i in predict(BIO, probs, decoding="argmax")] == ["O", "I-loc"]
    assert [BIO.classes[i] for i in predict(BIO, probs)] == ["B-loc", "I-loc"]


def test_no_span_reaches_over_a_masked_token() -> None:
    probs = np.tile(np.array([0.1, 0.3, 0.4, 0.1, 0.1], dtype=np.float32), (3, 1))
    mask = np.array([True, False, True])
    assert [BIO.classes[i] for i in predict(BIO, probs, mask=mask)] == ["B-loc", "O", "B-loc"]


def test_other_label_sets_are_decoded_token_by_token() -> None:
    plain = TagScheme("multiclass", ("none", "person", "place"))
    probs = np.array([[0.2, 0.5, 0.3], [0.1, 0.2, 0.7]], dtype=np.float32)
    assert predict(plain, probs).tolist() == [1, 2]
    binary = TagScheme("binary", ("O", "name"))
    assert predict(binary, np.array([[0.4], [0.6]], dtype=np.float32)).tolist() == [0, 1]
    assert predict(binary, np.array([[0.4], [0.6]], dtype=np.float32), threshold=0.3).tolist() == [1, 1]


def test_a_label_set_that_lacks_classes_can_still_begin_and_end() -> None:
    incomplete = TagScheme("multiclass", ("O", "B-a", "I-a", "I-b", "E-c", "S-a"))
    rules = transitions(incomplete)
    place = {name: i for i, name in enumerate(incomplete.classes)}
    assert rules.first[place["I-b"]], "type b has no B"
    assert rules.allowed[place["O"], place["E-c"]], "type c has nothing but E"
    assert rules.last[place["I-a"]], "type a has no E"
    assert not rules.allowed[place["O"], place["I-a"]]


def test_labels_against_the_scheme_are_found() -> None:
    labels = np.array([2, 0, 1, 2, 4, 0, -1, 2], dtype=np.int16)
    wrong = violations(labels, BIO, np.array([0, 2, 8], dtype=np.int64))
    assert np.flatnonzero(wrong).tolist() == [0, 4]
