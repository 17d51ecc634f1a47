"""The sentence list counts as masked the tokens that the model's own Masking layer masks, as the evaluation does."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from maskscope.engine.packed import PackedTagger
from maskscope.engine.recurrence import RecurrentWeights
from maskscope.engine.weights import TaggerWeights
from maskscope.masks import masking_layer
from maskscope.project import Project, ProjectWriter
from maskscope.runs import RunInfo, TrainSettings
from maskscope.types import Floats, Sentence
from maskscope.workflows.evaluate import evaluate_project
from maskscope_gui.background.disagreement_job import DisagreementJob
from maskscope_gui.session.session import Session

DIM = 4
FILLS = ((1.0, 0.0, 2.0), (-1.0, -1.0), (), (3.0, 0.0, -1.0, 4.0))
"""The number that each token's embedding consists of, for each sentence."""
READ, MASKED = 0.9, 0.6
"""The model's probability of "label" at the tokens that it reads and at those that it masks; both predict wrongly."""


def write_project(target: Path, mask_value: float | None) -> Path:
    """Sentences with embeddings of zeros and of -1, all labelled "no", and a model with this mask value."""
    with ProjectWriter(target, DIM, np.dtype(np.float32)) as writer:
        for fills in FILLS:
            rows: Floats = np.repeat(np.array(fills, dtype=np.float32)[:, None], DIM, axis=1).reshape(-1, DIM)
            writer.add(Sentence(tuple("t" * len(fills)), rows, ("no",) * len(fills)))
        writer.finish()
    rng = np.random.default_rng(0)
    layer = RecurrentWeights(
        rng.normal(size=(2, DIM, 12)).astype(np.float32),
        rng.normal(size=(2, 3, 12)).astype(np.float32),
        rng.normal(size=(2, 12)).astype(np.float32),
    )
    head, bias = rng.normal(size=(6, 1)).astype(np.float32), np.zeros(1, dtype=np.float32)
    with Project.open(target) as project:
        folder = project.models.new_folder()
        PackedTagger(TaggerWeights.stack(mask_value, (layer,), head, bias, "sigmoid")).save_npz(folder / "weights.npz")
        (folder / "model.keras").write_bytes(b"not read here")
        run = RunInfo("m", 1.0, TrainSettings(units=3), project.scheme, DIM, mask_value=mask_value)
        (folder / "run.json").write_text(run.to_json(), encoding="utf-8")
        project.models.adopt(folder)
        masked = ~masking_layer(np.asarray(project.embeddings), mask_value)
        probs = np.where(masked, MASKED, READ).astype(np.float32)
        project.models.write_scores("m1", probs[:, None])
    return target


@pytest.fixture
def session() -> Iterator[Session]:
    opened = Session()
    yield opened
    opened.close()


@pytest.mark.parametrize("mask_value", [0.0, None, -1.0])
def test_the_list_masks_the_tokens_that_the_evaluation_masks(
    qtbot: QtBot, session: Session, tmp_path: Path, mask_value: float | None
) -> None:
    target = write_project(tmp_path / "p.maskscope", mask_value)
    fills = np.concatenate([np.array(each, dtype=np.float64) for each in FILLS])
    masked = np.zeros(len(fills), dtype=np.bool_) if mask_value is None else fills == mask_value
    with Project.open(target, read_only=True) as project:
        offsets = project.offsets
        evaluated = evaluate_project(project, "m1")
        uncertainties = project.models.uncertainties("m1")
    job = DisagreementJob(session)
    session.open(target)
    session.list_order.set_sort("disagreement")
    qtbot.waitUntil(
        lambda: session.list_order.facts is not None and session.list_order.facts.disagreement is not None, timeout=5000
    )
    assert session.list_order.facts is not None
    assert session.list_order.facts.disagreement is not None
    counts = session.list_order.facts.disagreement.tolist()

    assert evaluated.masked_by_model == masked.sum()
    # every prediction is wrong; the evaluation counts masked tokens, too, by the model's output there
    wrong = evaluated.evaluation.tokens - sum(row[i] for i, row in enumerate(evaluated.evaluation.metrics.confusion))
    assert sum(counts) == wrong - evaluated.masked_by_model
    of_sentence = [masked[start:end] for start, end in pairwise(offsets)]
    assert counts == [int((~each).sum()) for each in of_sentence]
    # only a token that the model reads makes a sentence uncertain
    assert uncertainties is not None
    np.testing.assert_allclose(uncertainties, [0.1 if (~each).any() else 0 for each in of_sentence], atol=1e-6)
    for sentence, each in enumerate(of_sentence):
        mask = session.mask_of(sentence)
        assert ([True] * len(each) if mask is None else mask.tolist()) == (~each).tolist()
    assert session.list_order.facts.n_collisions == evaluated.masked_by_model
    assert session.list_order.facts.collides.tolist() == [bool(each.any()) for each in of_sentence]
    visited = set()
    for _ in range(evaluated.masked_by_model):
        session.cursor.next_collision()
        visited.add((session.cursor.sentence, session.cursor.position))
    assert visited == {
        (sentence, int(position)) for sentence, each in enumerate(of_sentence) for position in np.flatnonzero(each)
    }
    job.close()
