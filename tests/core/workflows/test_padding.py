"""Measuring padding in Keras: equal to the built-in engine's result where that supports the model."""

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import keras
import numpy as np
import pytest

from maskscope.engine import packed
from maskscope.engine.padding_probe import Fill, PaddedRun, PaddingProbe, padding_rows
from maskscope.errors import WorkerError
from maskscope.jobs import NullJob
from maskscope.padding import padded_with
from maskscope.project import Project, ProjectWriter
from maskscope.types import Sentence
from maskscope.worker.jobs import run_request
from maskscope.worker.requests import PaddingRequest, PaddingResult
from maskscope.workflows.padding_answer import PaddingAnswer

pytestmark = pytest.mark.keras


DIM = 5
layers = keras.layers


class Noting(NullJob):
    def __init__(self) -> None:
        self.figures: list[tuple[str, int, float]] = []

    def figure(self, name: str, step: int, value: float) -> None:
        self.figures.append((name, step, value))


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    rng = np.random.default_rng(0)
    target = tmp_path / "p.maskscope"
    with ProjectWriter(target, DIM, np.dtype(np.float32), classes=("O", "name"), kind="binary") as writer:
        for length in (3, 6, 0):
            rows = rng.normal(size=(length, DIM)).astype(np.float32)
            if length == 6:
                rows[2] = 0
            writer.add(Sentence(("w",) * length, rows, ("O",) * length))
        writer.finish(source="test")
    with Project.open(target) as opened:
        yield opened


def made(path: Path, *stack: object, seed: int = 1) -> Path:
    model = keras.Sequential([keras.Input((None, DIM)), *stack, layers.Dense(1, activation="sigmoid")])
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(0, 0.5, weight.shape) for weight in model.get_weights()])
    model.save(path)
    return path


def recurrent() -> object:
    return layers.Bidirectional(layers.LSTM(3, return_sequences=True))


def ask(
    project: Project,
    file: Path,
    job: Noting | None = None,
    *,
    sentence: int = 1,
    fill: Fill = "zeros",
    added: tuple[int, ...] = (5,),
    shown: int | None = 5,
) -> PaddingAnswer:
    """What the worker's job answers."""
    request = PaddingRequest(project.path, file, sentence, fill, added, shown)
    result = run_request(request, job or Noting())
    assert isinstance(result, PaddingResult)
    return result.answer


def shown(answer: PaddingAnswer) -> PaddedRun:
    """The run whose outputs were asked for."""
    assert answer.shown is not None
    return answer.shown


def test_a_supported_model_changes_as_the_built_in_engine_measures_it(project: Project, tmp_path: Path) -> None:
    file = made(tmp_path / "known.keras", layers.Masking(), recurrent())
    tagger = packed.load(file)
    for fill in get_args(Fill):
        job = Noting()
        answer = ask(project, file, job, fill=fill, added=(7, 0, 200), shown=7)
        rows = padded_with(project.padding, 0.0, project.dim).rows if fill == "source" else project.rows(0)
        probe = PaddingProbe(tagger, project.rows(1), fill, rows)
        expected = [probe.run(k) for k in (7, 0, 200)]
        np.testing.assert_allclose(answer.changes, [run.largest_change for run in expected], rtol=0, atol=2e-6)
        assert job.figures == [("change", k, change) for k, change in zip((7, 0, 200), answer.changes, strict=True)]
        assert shown(answer).mask.tolist() == expected[0].mask.tolist()
        np.testing.assert_allclose(shown(answer).probs_tc, expected[0].probs_tc, rtol=0, atol=2e-6)
        if fill not in ("zeros", "source"):
            assert shown(answer).largest_change > 1e-3
            assert answer.at.tolist()[0] == shown(answer).at == expected[0].at


@pytest.mark.filterwarnings("ignore:.*does not support masking")
def test_a_mask_that_is_lost_and_none_at_all_show_what_padding_changes(project: Project, tmp_path: Path) -> None:
    conv = layers.Conv1D(4, 3, padding="same", activation="tanh")
    rows = project.rows(1)
    file = tmp_path / "m.keras"
    for seed, below in enumerate(([layers.Masking(), conv], [conv])):
        # the second file has the name of the first: what is kept of that one must not be asked
        made(file, *below, recurrent(), seed=seed)
        model = keras.saving.load_model(file)
        alone = np.asarray(model(rows[None]))[0]
        padded = np.asarray(model(np.concatenate([rows, np.zeros((5, DIM), np.float32)])[None]))[0]
        answer = ask(project, file)
        real = [0, 1, 3, 4, 5] if seed == 0 else range(6)
        change = np.abs(padded[:6] - alone)[list(real)].max()
        assert change > 1e-4
        assert shown(answer).largest_change == pytest.approx(change, abs=1e-6)
        assert [place for place in range(11) if shown(answer).mask[place]] == list(real) + [6, 7, 8, 9, 10] * seed
        np.testing.assert_allclose(shown(answer).probs_tc, padded, rtol=0, atol=1e-6)


def test_a_masking_layer_above_others_masks_its_own_input(project: Project, tmp_path: Path) -> None:
    dense = layers.Dense(4, use_bias=False)
    answer = ask(project, made(tmp_path / "above.keras", dense, layers.Masking(), recurrent()))
    assert shown(answer).mask.tolist() == [True, True, False, True, True, True] + [False] * 5
    assert shown(answer).largest_change <= 1e-6
    empty = ask(project, tmp_path / "above.keras", sentence=2)
    assert (shown(empty).probs_tc.shape, shown(empty).at, empty.at.tolist()) == ((5, 1), None, [-1])


@pytest.mark.parametrize(("sentence", "added"), [(3, 5), (-1, 5), (1, 201), (1, -1)])
def test_a_sentence_or_a_number_of_positions_out_of_range_is_refused(
    project: Project, sentence: int, added: int
) -> None:
    with pytest.raises(WorkerError, match="received"):
        ask(project, project.path / "nothing.keras", sentence=sentence, added=(added,), shown=None)


def test_the_content_of_padding() -> None:
    x = np.full((2, 3), 2.0, np.float16)
    assert not padding_rows(x).any()
    assert padding_rows(x, "noise").std() == pytest.approx(2.0, rel=0.1)
    before = np.arange(6, dtype=np.float16).reshape(2, 3)
    assert padding_rows(x, "previous", before)[:5].tolist() == before[[0, 1, 0, 1, 0]].tolist()
    assert not padding_rows(x, "previous").any()
