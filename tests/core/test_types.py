"""The label scheme: which span scheme the class names follow, and what a label on several tokens means."""

import pytest

from maskscope.types import TagScheme

BIO = TagScheme("multiclass", ("O", "B-loc", "I-loc", "B-per", "I-per"))
BIOES = TagScheme("multiclass", ("O", "B-x", "I-x", "E-x", "S-x"))


@pytest.mark.parametrize(
    ("names", "spans"),
    [
        (("O", "B-a", "I-a"), "BIO"),
        (("O", "B_a", "I_a", "B_b"), "BIO"),
        (("O", "B-a", "I-a", "E-a", "S-a"), "BIOES"),
        (("O", "B-a", "I-a", "L-a", "U-a"), "BIOES"),
        (("O", "I-a", "I-b"), None),
        (("O", "B-a", "place"), None),
        (("none", "person", "place"), None),
    ],
)
def test_the_span_scheme_is_recognised_by_the_class_names(names: tuple[str, ...], spans: str | None) -> None:
    assert TagScheme("multiclass", names).spans == spans


@pytest.mark.parametrize(
    ("scheme", "label", "n", "expected"),
    [
        (BIO, "B-loc", 3, "B-loc I-loc I-loc"),
        (BIO, "B-loc", 1, "B-loc"),
        (BIO, "I-loc", 2, "I-loc I-loc"),
        (BIO, "O", 2, "O O"),
        (BIOES, "B-x", 4, "B-x I-x I-x E-x"),
        (BIOES, "S-x", 2, "B-x E-x"),
        (BIOES, "S-x", 1, "S-x"),
        (TagScheme("multiclass", ("O", "B-a", "B-b", "I-b")), "B-a", 2, "B-a B-a"),
        (TagScheme("multiclass", ("none", "person", "place")), "place", 2, "place place"),
    ],
)
def test_a_label_for_several_tokens_makes_one_span(scheme: TagScheme, label: str, n: int, expected: str) -> None:
    labels = scheme.span(scheme.classes.index(label), n)
    assert " ".join(scheme.classes[i] for i in labels) == expected
