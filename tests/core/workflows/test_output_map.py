"""How the outputs of a model become the scores of a project: what they are, whose they are, and the numbers."""

import math
from pathlib import Path
from typing import Literal, cast, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskscope.engine.weights import to_scores
from maskscope.errors import ModelError
from maskscope.keras_io.model_head import ModelHead
from maskscope.runs import OutputMap
from maskscope.types import OutputKind, TagScheme
from maskscope.workflows.model_description import OpenOptions
from maskscope.workflows.output_map import check_scores, find_kind, notes_on_columns, output_map

FILE = Path("m.keras")
NAMES = TagScheme("multiclass", ("O", "LOC", "PER"))
BINARY = TagScheme("binary", ("O", "name"))
NUMBERS = TagScheme("multiclass", ("1", "2", "3", "4"))
TWO_NUMBERS = TagScheme("binary", ("1", "2"))
SOFTMAX, SIGMOID, LINEAR = ModelHead("softmax"), ModelHead("sigmoid"), ModelHead("linear")
LOGITS = ModelHead("linear", "sparse_categorical_crossentropy", from_logits=True)


def mapped(
    head: ModelHead, n_outputs: int, scheme: TagScheme = NAMES, options: OpenOptions | None = None, dim: int = 16
) -> OutputMap:
    return output_map(FILE, head, n_outputs, scheme, dim, options or OpenOptions())


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (SOFTMAX, "probabilities"),
        (SIGMOID, "probabilities"),
        (ModelHead("hard_sigmoid"), "probabilities"),
        (ModelHead("sigmoid", "mean_squared_error"), "probabilities"),
        (ModelHead("softmax", "sparse_categorical_crossentropy"), "probabilities"),
        (ModelHead("softmax", own_loss="weighted"), "probabilities"),
        (ModelHead("log_softmax"), "log"),
        (LOGITS, "logits"),
        (ModelHead("linear", "binary_crossentropy", from_logits=True), "logits"),
        (ModelHead("linear", "mean_squared_error"), "values"),
        (ModelHead("tanh", "huber"), "values"),
        (ModelHead("", "cosine_similarity"), "values"),
        (LINEAR, None),
        (ModelHead("linear", "categorical_crossentropy"), None),
        (ModelHead("linear", own_loss="crf_loss"), None),
        (ModelHead("tanh"), None),
        (ModelHead(), None),
    ],
)
def test_what_the_outputs_are_by_activation_and_loss(head: ModelHead, kind: OutputKind | None) -> None:
    found = find_kind(head, 3, NAMES, 16)
    assert found.kind == kind
    assert found.reason
    if kind is None:
        with pytest.raises(ModelError, match=r"m\.keras: has outputs .* say --output logits, log, probabilities or"):
            mapped(head, 3)
    else:
        activation = "softmax" if head == LOGITS else "sigmoid" if kind == "logits" else ""
        assert mapped(head, 3) == OutputMap(kind, cast("Literal['', 'sigmoid', 'softmax']", activation), (), (), 3)


def test_outputs_from_0_to_1_are_probabilities_where_the_end_of_a_model_is_not_known() -> None:
    sample = np.array([[0.2, 0.8], [0, 1]], dtype=np.float32)
    assert find_kind(ModelHead(), 2, BINARY, 16, sample).kind == "probabilities"
    assert find_kind(ModelHead(), 2, BINARY, 16, sample + 0.1).kind is None
    # a linear layer gives such numbers by chance
    assert find_kind(LINEAR, 2, BINARY, 16, sample).kind is None


@pytest.mark.parametrize("head", [LINEAR, SIGMOID, ModelHead("tanh", "mean_squared_error"), ModelHead()])
def test_as_many_outputs_as_numbers_in_an_embedding_are_a_reconstruction(head: ModelHead) -> None:
    assert find_kind(head, 16, NAMES, 16).kind == "values"
    assert mapped(head, 16) == OutputMap("values", "", (), (), 16)
    # a loss of classes says that they are none
    assert find_kind(LOGITS, 16, NAMES, 16).kind == "logits"
    assert find_kind(SOFTMAX, 16, NAMES, 16).kind == "probabilities"
    # three outputs may as well be the three labels
    assert find_kind(SIGMOID, 3, NAMES, 3).kind == "probabilities"


@pytest.mark.parametrize("kind", get_args(OutputKind))
def test_what_a_person_says_wins(kind: OutputKind) -> None:
    for head in (LINEAR, SOFTMAX, LOGITS, ModelHead("linear", "mean_squared_error")):
        assert mapped(head, 3, options=OpenOptions(kind)).kind == kind


@pytest.mark.parametrize(
    ("head", "n_outputs", "scheme", "columns"),
    [
        (SOFTMAX, 3, NAMES, ()),
        (SIGMOID, 1, BINARY, ()),
        (SOFTMAX, 2, BINARY, (1,)),
        (ModelHead("log_softmax"), 2, BINARY, (1,)),
        (LOGITS, 2, BINARY, (1,)),
        # the labels are numbers of outputs, of which 0 stands for padding
        (SOFTMAX, 5, NUMBERS, (1, 2, 3, 4)),
        (LOGITS, 5, NUMBERS, (1, 2, 3, 4)),
        (SOFTMAX, 3, TWO_NUMBERS, (2,)),
        (SOFTMAX, 4, NUMBERS, ()),
        (SOFTMAX, 4, TagScheme("multiclass", ("0", "2", "3")), (0, 2, 3)),
    ],
)
def test_which_output_each_label_is(
    head: ModelHead, n_outputs: int, scheme: TagScheme, columns: tuple[int, ...]
) -> None:
    assert mapped(head, n_outputs, scheme).columns == columns


@pytest.mark.parametrize(
    ("head", "n_outputs", "scheme"),
    [
        (SOFTMAX, 4, NAMES),
        (SOFTMAX, 2, NAMES),
        (SOFTMAX, 1, NAMES),
        (SIGMOID, 2, BINARY),
        # outputs that don't belong together, as of several skills
        (SIGMOID, 4, TagScheme("binary", ("0", "1"))),
        (SOFTMAX, 4, TagScheme("multiclass", ("1", "2", "4"))),
    ],
)
def test_outputs_that_fit_no_label_are_refused_with_both_lists(
    head: ModelHead, n_outputs: int, scheme: TagScheme
) -> None:
    with pytest.raises(ModelError) as caught:
        mapped(head, n_outputs, scheme)
    assert "name them with --classes FILE" in str(caught.value)
    assert f"for {', '.join(scheme.classes)}" in str(caught.value)
    assert f": {', '.join(map(str, range(n_outputs)))}" in str(caught.value)


def test_names_are_matched_and_labels_without_an_output_get_0() -> None:
    names = OpenOptions(names=("PAD", "PER", "O", "MISC"))
    output = mapped(SOFTMAX, 4, NAMES, names)
    assert output.columns == (2, -1, 1)
    raw = np.array([[0.1, 0.2, 0.3, 0.4]], dtype=np.float32)
    # the others are left out, and the rest is not made to add up to 1 again
    np.testing.assert_array_equal(to_scores(raw, output), np.array([[0.3, 0, 0.2]], dtype=np.float32))
    assert notes_on_columns(output, NAMES) == (
        "Of its 4 outputs, PAD, MISC are no label of the project.",
        "It has no output for LOC, whose probability is 0.",
    )
    assert mapped(SIGMOID, 2, BINARY, OpenOptions(names=("name", "place"))).columns == (0,)
    with pytest.raises(ModelError, match=r"expected 3 outputs for O, LOC, PER; received 2 outputs: a, b"):
        mapped(SOFTMAX, 2, NAMES, OpenOptions(names=("a", "b")))
    with pytest.raises(ModelError, match=r"expected 4 names; received 2: a, b"):
        mapped(SOFTMAX, 4, NAMES, OpenOptions(names=("a", "b")))


def test_columns_that_a_person_chose_are_taken() -> None:
    output = mapped(SOFTMAX, 4, NAMES, OpenOptions(columns=(3, 0, -1)))
    assert output.columns == (3, 0, -1)
    for columns in ((0, 1), (0, 1, 4), (0, 1, -2)):
        with pytest.raises(ModelError, match="expected 3 outputs, each below 4, or -1 for none"):
            mapped(SOFTMAX, 4, NAMES, OpenOptions(columns=columns))


def test_nothing_is_noted_about_the_outside_label_of_a_binary_project() -> None:
    assert notes_on_columns(mapped(SOFTMAX, 2, BINARY), BINARY) == ()
    assert notes_on_columns(mapped(SOFTMAX, 3, TWO_NUMBERS), TWO_NUMBERS) == (
        "Of its 3 outputs, 0 is no label of the project.",
    )


def test_names_that_are_taken_in_order_are_noted() -> None:
    assert notes_on_columns(mapped(SOFTMAX, 3, NAMES), NAMES) == (
        "Its outputs are taken for O, LOC, PER, in this order.",
    )
    named = mapped(SOFTMAX, 3, NAMES, OpenOptions(names=NAMES.classes))
    assert notes_on_columns(named, NAMES) == ()
    assert notes_on_columns(mapped(SOFTMAX, 4, NUMBERS), NUMBERS) == ()


numbers = st.lists(st.lists(st.floats(-90, 90, width=32), min_size=3, max_size=3), min_size=1, max_size=4)


@given(numbers)
def test_scores_are_those_of_the_formulas(rows: list[list[float]]) -> None:
    raw = np.array(rows, dtype=np.float32)
    powers = [[math.exp(number) for number in row] for row in rows]
    softmax = np.array([[power / sum(row) for power in row] for row in powers])
    sigmoid = np.array([[power / (1 + power) for power in row] for row in powers])
    np.testing.assert_allclose(to_scores(raw, OutputMap("logits", "softmax")), softmax, atol=1e-6)
    np.testing.assert_allclose(to_scores(raw, OutputMap("logits", "sigmoid")), sigmoid, atol=1e-6)
    logarithms = np.log(softmax).astype(np.float32)
    np.testing.assert_allclose(to_scores(logarithms, OutputMap("log")), softmax, atol=1e-5)
    np.testing.assert_allclose(to_scores(raw, OutputMap("logits", "softmax", (2,))), softmax[:, 2:], atol=1e-6)
    np.testing.assert_array_equal(to_scores(raw, OutputMap("values")), raw)
    assert to_scores(raw[None], OutputMap("logits", "softmax", (0, -1))).shape == (1, len(raw), 2)


@pytest.mark.parametrize(
    ("output", "scores", "words"),
    [
        (OutputMap(), [[-0.2, 1.1]], "not probabilities; end it in a sigmoid or a softmax, or say"),
        (OutputMap("log"), [[2.0]], "not the logarithms of probabilities"),
        (OutputMap(), [[np.nan]], "not finite"),
    ],
)
def test_scores_that_are_no_probabilities_are_refused(output: OutputMap, scores: list[object], words: str) -> None:
    with pytest.raises(ModelError, match=words):
        check_scores(output, np.array(scores, dtype=np.float32), FILE)
    check_scores(OutputMap("values"), np.array(scores, dtype=np.float32), FILE)
