"""The evaluation of the model in use, in the background."""

from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from maskscope.project import Project
from maskscope.workflows.evaluate import evaluate_project
from maskscope_gui.background.evaluation_job import EvaluationJob
from maskscope_gui.session.session import Session
from tests.gui.background.keras_demo import write_keras_demo


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    """The demo, its newest model one that only Keras runs, with its output at padding."""
    return write_keras_demo(tmp_path / "demo.maskscope", scored=True, at_padding=0.1)


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
