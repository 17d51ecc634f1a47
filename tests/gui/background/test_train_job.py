"""Training in the background: the model reaches its project, however the training ends."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pytestqt.qtbot import QtBot

from maskscope.errors import ProjectError
from maskscope.project import Project
from maskscope.runs import TrainSettings
from maskscope.worker.requests import RecoverRequest, RecoverResult, TrainRequest, TrainResult
from maskscope.workflows.demo import write_demo
from maskscope_gui.app import Program
from maskscope_gui.background.train_job import TrainJob
from maskscope_gui.background.worker_client import WorkerClient
from maskscope_gui.session.session import Session

if TYPE_CHECKING:
    from tests.gui.conftest import ScriptedClient


class Recorded(TrainJob):
    """A job that remembers how it ended, and its last text of progress."""

    def __init__(self, session: Session, client: WorkerClient) -> None:
        super().__init__(session, client)
        self.outcome = self.message = self.text = ""
        self.epochs: list[int] = []
        self.ended.connect(self._remember)
        self.progressed.connect(lambda done, total, text: setattr(self, "text", text))
        self.figure_reported.connect(lambda name, epoch, value: self.epochs.append(epoch))

    def _remember(self, outcome: str, message: str) -> None:
        self.outcome, self.message = outcome, message


@pytest.fixture
def job(demo_session: Session, client: ScriptedClient) -> Recorded:
    return Recorded(demo_session, client)


def open_project(job: TrainJob) -> Project:
    assert job.session.project is not None
    return job.session.project


def trained_folder(project: Project) -> Path:
    """What the worker returns: here the demo's own model, in a new folder."""
    folder = project.models.new_folder()
    for name in ("model.keras", "weights.npz", "run.json"):
        shutil.copyfile(project.path / "models" / "m1" / name, folder / name)
    shutil.copyfile(project.path / "scores" / "m1.npy", folder / "scores.npy")
    return folder


def test_progress_has_epochs_and_time_left_and_other_jobs_are_ignored(job: Recorded, client: ScriptedClient) -> None:
    job.start(TrainSettings())
    assert job.running
    assert job.text == "starting"
    client.progressed.emit(1, 100, 1000, "epoch 2")
    client.progressed.emit(7, 500, 1000, "epoch 9")
    client.figure_reported.emit(1, "loss", 1, 0.5)
    client.figure_reported.emit(7, "loss", 3, 9.0)
    assert job.text.startswith(f"epoch 2 of {TrainSettings().epochs}")
    assert job.epochs == [1]


def test_the_new_model_is_in_use(qtbot: QtBot, job: Recorded, client: ScriptedClient) -> None:
    job.start(TrainSettings())
    folder = trained_folder(open_project(job))
    with qtbot.waitSignal(job.trained) as trained:
        client.done.emit(1, TrainResult(folder))
    assert trained.args == ["m2"]
    model = job.session.model
    assert model is not None
    assert model.id == "m2"
    assert job.session.scores is not None
    metrics = model.run.metrics
    assert metrics is not None
    assert f"F1 {metrics.f1:.2f} on {len(model.run.validation_sentences)} validation sentences" in job.message
    assert job.outcome == "trained"
    assert not folder.exists()
    assert not job.running


def test_a_model_for_a_project_that_was_closed_is_in_it(job: Recorded, client: ScriptedClient) -> None:
    path = open_project(job).path
    job.start(TrainSettings())
    folder = trained_folder(open_project(job))
    job.session.close()
    client.done.emit(1, TrainResult(folder))
    assert "It is in its project, which is closed" in job.message
    with Project.open(path) as project:
        assert [model.id for model in project.models.all()] == ["m1", "m2"]


def test_a_project_opened_again_by_another_name_takes_its_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, client: ScriptedClient
) -> None:
    demo = write_demo(tmp_path / "demo.maskscope")
    monkeypatch.chdir(tmp_path)
    session = Session()
    session.open(Path("demo.maskscope"))
    job = Recorded(session, client)
    job.start(TrainSettings())
    (request,) = client.requests
    assert isinstance(request, TrainRequest)
    assert request.project.is_absolute()
    folder = trained_folder(open_project(job))
    session.close()
    session.open(demo)
    client.done.emit(1, TrainResult(folder.resolve()))
    assert "It is the model in use now" in job.message
    assert session.model is not None
    assert session.model.id == "m2"
    session.close()


def test_a_model_that_its_project_cannot_take_is_kept(job: Recorded, client: ScriptedClient) -> None:
    path = open_project(job).path
    job.start(TrainSettings())
    folder = trained_folder(open_project(job))
    job.session.close()
    # Open in another program by now, which has the lock.
    with Project.open(path) as holder:
        client.done.emit(1, TrainResult(folder))
        assert [model.id for model in holder.models.all()] == ["m1"]
    (kept,) = (path / "models").glob("kept-*")
    assert "read-only" in job.message
    assert job.message.endswith(f"It is kept in {kept}.")
    assert (kept / "model.keras").is_file()
    assert not job.running


def test_a_model_that_cannot_be_shown_is_in_its_project_all_the_same(
    job: Recorded, client: ScriptedClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: str) -> None:
        raise ProjectError("can't be read")

    job.start(TrainSettings())
    monkeypatch.setattr(job.session, "use_model", broken)
    client.done.emit(1, TrainResult(trained_folder(open_project(job))))
    assert "(m2)" in job.message
    assert "can't be read" in job.message
    assert [model.id for model in open_project(job).models.all()] == ["m1", "m2"]
    assert not job.running


def test_a_training_that_is_stopped_keeps_its_best_epoch(job: Recorded, client: ScriptedClient) -> None:
    job.start(TrainSettings())
    job.cancel()
    assert client.stopped == [1]
    client.late.emit(1, TrainResult(trained_folder(open_project(job))))
    client.cancelled.emit(1)
    assert job.message.startswith("Stopped. BiLSTM 10 (m2)")
    assert job.session.model is not None
    assert job.session.model.id == "m2"


def test_a_training_that_is_stopped_at_once_leaves_nothing(job: Recorded, client: ScriptedClient) -> None:
    job.start(TrainSettings())
    job.cancel()
    client.cancelled.emit(1)
    assert job.outcome == "stopped"
    assert job.message == "Stopped before the end of the first epoch, so there is nothing to keep."
    assert len(open_project(job).models.all()) == 1


def test_a_result_that_is_not_there_is_a_failure(job: Recorded, client: ScriptedClient) -> None:
    job.start(TrainSettings())
    client.done.emit(1, TrainResult(Path("nowhere")))
    assert job.outcome == "failed"
    assert "does not exist any more" in job.message


@pytest.mark.keras
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_the_real_worker_trains_and_survives_being_killed(qtbot: QtBot, demo_session: Session) -> None:
    client = WorkerClient()
    try:
        job = Recorded(demo_session, client)
        job.start(TrainSettings(epochs=500))
        qtbot.waitUntil(lambda: bool(job.epochs), timeout=60_000)
        os.kill(client.process_id, signal.SIGKILL)
        qtbot.waitUntil(lambda: not job.running, timeout=60_000)
        # A new worker has made a model of what the dead one had reached.
        assert "killed" in job.message
        assert "Its best epoch is kept: BiLSTM 10 (m2): epoch" in job.message
        assert list((open_project(job).path / "models").glob(".partial-*")) == []
        assert demo_session.model is not None
        assert demo_session.model.id == "m2"
        assert not demo_session.model.run.complete
        job.start(TrainSettings(epochs=2))
        qtbot.waitUntil(lambda: not job.running, timeout=60_000)
        assert "F1" in job.message, job.message
        assert demo_session.model.id == "m3"
        assert demo_session.scores is not None
        assert job.epochs[-1] == 2
    finally:
        client.close()


def test_a_training_that_was_cut_off_is_kept_when_its_project_opens(
    qtbot: QtBot, demo_session: Session, client: ScriptedClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maskscope_gui.shell.dialog_controller._UNFINISHED_AFTER_MS", 0)
    assert demo_session.project is not None
    path = demo_session.project.path
    folder = trained_folder(demo_session.project)
    (folder / "training.lock").touch()
    demo_session.close()
    program = Program(client=client)
    window = program.window
    qtbot.addWidget(window)
    program.projects.open(path)
    qtbot.waitUntil(lambda: bool(client.requests), timeout=5000)
    assert client.requests == [RecoverRequest(path, folder)]
    with qtbot.waitSignal(window.session.message_requested) as requested:
        client.done.emit(1, RecoverResult(folder))
    assert requested.args is not None
    assert requested.args[0].startswith("A training was cut off before its end. Its best epoch is kept: BiLSTM 10 (m2)")
    assert window.session.model is not None
    assert window.session.model.id == "m2"
    window.session.close()
