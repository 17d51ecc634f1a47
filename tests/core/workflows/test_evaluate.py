"""Evaluate a project's models: which tokens count, and that each metric is that of its tokens."""

from pathlib import Path

import numpy as np
import pytest

from maskscope.errors import Cancelled, ModelError
from maskscope.evaluation.calibration import bin_of
from maskscope.jobs import FlagJob
from maskscope.masks import token_places
from maskscope.project import Project
from maskscope.types import NO_LABEL, Indices, TagScheme
from maskscope.workflows.compare import compare
from maskscope.workflows.evaluate import (
    Against,
    EvaluatedTokens,
    ModelScores,
    evaluate_project,
    model_scores,
)
from maskscope.workflows.export import export_project
from tests.core.span_project import SCHEME, make, predicting


def of_cell(tokens: EvaluatedTokens, label: int, prediction: int) -> Indices:
    """Rows of the tokens that one cell of the confusion matrix counts."""
    return np.asarray(tokens.rows[(tokens.labels == label) & (tokens.predicted == prediction)])


def test_every_figure_has_its_tokens(span_project: Project) -> None:
    span_project.models.write_scores("m1", predicting("B-PER", "O", "B-LOC", "O", "O", "B-PER", "B-PER", "O", "O"))
    found = evaluate_project(span_project, "m1")
    evaluation, tokens = found.evaluation, found.tokens
    assert (evaluation.tokens, evaluation.unlabelled, found.sentences, found.masked_by_model) == (8, 1, 3, 1)
    for label, row in enumerate(evaluation.metrics.confusion):
        for prediction, count in enumerate(row):
            assert len(of_cell(tokens, label, prediction)) == count
    # York, as (sentence, position), predicted as O
    assert token_places(of_cell(tokens, 3, 0), tokens.offsets).tolist() == [[0, 3]]
    assert np.bincount(bin_of(tokens.confidence), minlength=10).tolist() == [
        each.count for each in evaluation.metrics.calibration.bins
    ]
    # right: Ann; New York and Rome are missed; New, the variation selector and Rome as a person are wrong
    entities = evaluation.metrics.entities.micro
    assert (entities.support, entities.predicted, entities.recall) == (3, 4, 1 / 3)


def test_held_back_sentences_alone_keep_their_rows(span_project: Project) -> None:
    span_project.models.write_scores("m1", predicting("B-PER", "O", "B-LOC", "O", "O", "O", "B-PER", "O", "O"))
    found = evaluate_project(span_project, "m1", subset="validation")
    assert (found.sentences, found.masked_by_model, found.evaluation.tokens) == (2, 0, 6)
    tokens = found.tokens
    assert token_places(of_cell(tokens, 1, 2), tokens.offsets).tolist() == [[2, 0]]
    padded = found.evaluation.if_padding_counted
    assert padded is not None
    assert padded.padded_positions == 1


def test_the_output_at_padding_is_that_of_the_model(span_project: Project) -> None:
    """Without stored scores the built-in engine runs, and its output at padding is that of its bias."""
    scores = model_scores(span_project, "m1")
    found = evaluate_project(span_project, scores).evaluation
    padded = found.if_padding_counted
    assert padded is not None
    # 4 + 2 + 3 tokens in rows of 4; one token has no label
    assert (padded.padded_positions, padded.positions) == (3, 11)
    assert scores.padding is not None
    at_padding = scores.scheme.predicted(scores.padding[None])[0]
    difference = np.array(padded.metrics.confusion) - np.array(found.metrics.confusion)
    assert difference[0, at_padding] == difference.sum() == 3
    # a masked token has the same output, and counts as a real token
    np.testing.assert_allclose(scores.probs_nc[5], scores.padding, atol=1e-6)


@pytest.mark.parametrize("against", ["edited", "gold"])
def test_an_ignored_token_never_counts(tmp_path: Path, against: Against) -> None:
    """Whatever label lies beneath."""
    found = []
    for number, beneath in enumerate(("B-PER", "O", "I-LOC")):
        path = make(tmp_path / f"{number}.maskscope", beneath)
        with Project.open(path) as project:
            scheme = project.scheme
            project.edits.relabel(0, 0, [NO_LABEL], "ignore")
            probs = np.full((9, len(scheme.classes)), 1 / len(scheme.classes), dtype=np.float32)
            scores = ModelScores("x", scheme, probs, np.zeros(0, dtype=np.int64), probs[0])
            evaluation = evaluate_project(project, scores, against).evaluation
        found.append(
            (evaluation.tokens, evaluation.unlabelled, evaluation.metrics.accuracy, evaluation.metrics.entities.micro)
        )
    assert found[0] == found[1] == found[2]
    assert found[0][:2] == (7, 2)


def test_decoding_is_chosen_and_the_argmax_stays_visible(span_project: Project) -> None:
    # "New York" as O, I-LOC: no sequence that the scheme allows
    probs = predicting("B-PER", "O", "O", "I-LOC", "O", "O", "B-LOC", "O", "O")
    probs[2] = (0.5, 0.4, 0.05, 0.05)
    span_project.models.write_scores("m1", probs)
    decoded = evaluate_project(span_project, "m1").evaluation
    raw = evaluate_project(span_project, "m1", decoding="argmax").evaluation
    assert (decoded.decoding, decoded.metrics.accuracy, decoded.metrics.entities.micro.f1) == ("viterbi", 1.0, 1.0)
    assert (raw.decoding, raw.metrics.accuracy) == ("argmax", 7 / 8)
    assert decoded.argmax == raw.argmax
    assert raw.argmax is not None
    assert (raw.argmax.accuracy, raw.argmax.micro_f1) == (raw.metrics.accuracy, raw.metrics.micro.f1)
    assert raw.argmax.entity_f1 == raw.metrics.entities.micro.f1
    assert (raw.argmax.differing, raw.argmax.violations) == (1, 1)
    # conlleval takes a lone I for an entity, strict reading does not
    assert raw.metrics.entities.strict is not None
    assert (raw.metrics.entities.micro.predicted, raw.metrics.entities.strict.micro.predicted) == (3, 2)


def test_values_are_no_predictions(span_project: Project, tmp_path: Path) -> None:
    values = ModelScores(
        "m7", SCHEME, np.zeros((9, 2), dtype=np.float32), np.zeros(0, dtype=np.int64), gives_values=True
    )
    for refused in (
        lambda: evaluate_project(span_project, values),
        lambda: compare(span_project, values, values),
        lambda: export_project(span_project, tmp_path / "o.jsonl", "jsonl", "predicted", model=values),
    ):
        with pytest.raises(ModelError, match=r"m7 gives values .* --output probabilities"):
            refused()
    assert list(tmp_path.glob("o*")) == []


def test_what_does_not_fit_is_refused(span_project: Project) -> None:
    none = np.zeros(0, dtype=np.int64)
    other = TagScheme("multiclass", ("O", "a", "b", "c"))
    with pytest.raises(ModelError, match="for other labels; expected O, B-LOC"):
        evaluate_project(span_project, ModelScores("x", other, predicting(*["O"] * 9), none))
    broken = predicting(*["O"] * 9)
    broken[4] = np.nan
    with pytest.raises(ModelError, match="NaN or infinity at 1 of the tokens, the first in row 4"):
        evaluate_project(span_project, ModelScores("x", SCHEME, broken, none))
    with pytest.raises(ModelError, match="held no sentence back"):
        evaluate_project(span_project, ModelScores("x", SCHEME, predicting(*["O"] * 9), none), subset="validation")
    job = FlagJob()
    job.cancel()
    with pytest.raises(Cancelled):
        evaluate_project(span_project, "m1", job=job)
