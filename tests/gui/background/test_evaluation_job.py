"""The evaluation of the model in use, in the background."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from maskscope.project import Project
from maskscope.workflows.demo import write_demo
from maskscope.workflows.evaluate import evaluate_project
from maskscope_gui.background.evaluation_job import EvaluationJob
from maskscope_gui.session.session import Session


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    """The demo, its newest model one that only Keras runs, with its output at padding."""
    folder = write_demo(tmp_path / "demo.maskscope")
    with Project.open(folder) as project:
        copy = project.path / "models" / ".partial-test"
        shutil.copytree(project.models.get("m1").folder, copy)
        (copy / "weights.npz").unlink()
        run = json.loads((copy / "run.json").read_text(encoding="utf-8"))
        run |= {"engine": "keras", "engine_reason": "holds layer 'conv1d'"}
        (copy / "run.json").write_text(json.dumps(run), encoding="utf-8", newline="\n")
        shutil.copy(project.path / "scores" / "m1.npy", copy / "scores.npy")
        np.save(copy / "padding.npy", np.full((project.n_sentences, 1), 0.1, dtype=np.float32))
        project.models.adopt(copy)
    return folder


def test_the_figures_are_those_of_the_command_line_for_either_engine(qtbot: QtBot, demo: Path) -> None:
    session = Session()
    session.open(demo)
    job = EvaluationJob(session)
    # The bias of the demo's model predicts a name at each padded position, and 0.1 predicts none.
    for model, predicts_names in (("m1", True), ("m2", False)):
        session.use_model(model)
        job.set_subset("all")
        qtbot.waitUntil(lambda: not job.busy)
        assert job.result is not None
        found = job.result.evaluation.evaluation
        with Project.open(demo, read_only=True) as reader:
            assert found == evaluate_project(reader, model).evaluation
        assert found.if_padding_counted is not None
        names, names_with_padding = (each.confusion[0][1] for each in (found.metrics, found.if_padding_counted.metrics))
        assert (names_with_padding > names) == predicts_names
    job.close()
    session.close()
