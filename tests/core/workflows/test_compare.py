"""Compare two models of a project, token by token."""

import numpy as np

from maskscope.project import Project
from maskscope.workflows.compare import compare
from tests.core.span_project import predicting


def test_two_models_token_by_token(span_project: Project) -> None:
    span_project.edits.relabel(1, 0, [2], "to → B-PER")
    span_project.models.write_scores("m1", predicting("B-PER", "O", "B-LOC", "O", "O", "B-PER", "B-LOC", "O", "O"))
    span_project.models.write_scores(
        "m2", predicting("B-PER", "B-LOC", "B-LOC", "I-LOC", "O", "B-LOC", "B-LOC", "B-PER", "O")
    )
    found = compare(span_project, "m1", "m2")
    assert (found.a, found.b, found.tokens) == ("m1", "m2", 8)
    assert (found.both_right, found.only_a, found.only_b, found.both_wrong) == (4, 1, 1, 2)
    # saw, York, the variation selector, and "?", which has no label
    assert found.places.tolist() == [[0, 1], [0, 3], [1, 1], [2, 1]]
    assert (found.right_a.tolist(), found.right_b.tolist()) == (
        [True, False, False, False], [False, True, False, False],
    )  # fmt: skip
    assert found.unlabelled == 1
    np.testing.assert_allclose(found.probability_a, 0.7)
    assert compare(span_project, "m1", "m2", "gold").both_right == 5
    same = compare(span_project, "m1", "m1")
    assert (len(same.rows), same.only_a, same.only_b) == (0, 0, 0)
