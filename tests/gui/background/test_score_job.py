"""Missing scores are made by themselves: in a thread, or in the worker for a model that only Keras runs."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from maskscope.worker.requests import ScoreRequest, ScoreResult
from maskscope_gui.background.score_job import ScoreJob
from maskscope_gui.session.session import Session
from tests.gui.background.keras_demo import write_keras_demo

if TYPE_CHECKING:
    from tests.gui.conftest import ScriptedClient


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    """The demo, with a second model that only Keras runs, and without any scores."""
    folder = write_keras_demo(tmp_path / "demo.maskscope", scored=False)
    for file in (folder / "scores").glob("*.npy"):
        file.unlink()
    return folder


def test_a_model_of_the_built_in_engine_is_scored_in_a_thread(
    qtbot: QtBot, demo: Path, client: "ScriptedClient"
) -> None:
    session = Session()
    texts: list[str] = []
    job = ScoreJob(session, client)
    job.progressed.connect(texts.append)
    session.open(demo)
    session.use_model("m1")
    qtbot.waitUntil(lambda: session.scores is not None, timeout=10_000)
    assert texts[-1] == ""
    assert [request for request in client.requests if isinstance(request, ScoreRequest)] == client.requests
    job.close()
    session.close()


def test_a_model_that_only_keras_runs_is_scored_in_the_worker(
    qtbot: QtBot, demo: Path, client: "ScriptedClient"
) -> None:
    session = Session()
    job = ScoreJob(session, client)
    session.open(demo)
    (request,) = client.requests
    assert isinstance(request, ScoreRequest)
    assert session.project is not None
    assert request.model == session.project.models.get("m2").keras_file
    n_tokens = session.project.n_tokens
    probs_nc = np.full((n_tokens, 1), 0.5, dtype=np.float32)
    with request.out.open("wb") as stream:
        np.save(stream, probs_nc)
    client.done.emit(1, ScoreResult(0.0))
    assert session.scores is not None
    np.testing.assert_array_equal(session.scores, probs_nc)
    assert not request.out.exists()
    job.close()
    session.close()


def test_a_failure_is_shown_once_and_another_model_cancels(qtbot: QtBot, demo: Path, client: "ScriptedClient") -> None:
    session = Session()
    job = ScoreJob(session, client)
    messages: list[str] = []
    session.message_requested.connect(lambda text, kind: messages.append(text))
    session.open(demo)
    client.failed.emit(1, "m2.keras: is no model")
    assert messages == ["Scoring failed: m2.keras: is no model"]
    session.model_changed.emit()
    assert len(client.requests) == 1
    session.use_model("m1")
    session.use_model("m2")
    assert len(client.requests) == 2
    session.use_model("m1")
    assert client.stopped == [2]
    job.close()
    session.close()
