"""The training dialog: one table of settings, live losses, and a model that is in use when it is done."""

import os
import shutil
import signal
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QLabel
from pytestqt.qtbot import QtBot

from maskscope.errors import ProjectError
from maskscope.project import Project
from maskscope.runs import ChoiceSetting, TrainSettings, train_settings
from maskscope.types import Sentence
from maskscope.worker.requests import RecoverRequest, RecoverResult, TrainRequest, TrainResult
from maskscope.workflows.demo import write_demo
from maskscope_gui.app import Program
from maskscope_gui.background.worker_client import WorkerClient
from maskscope_gui.dialogs.train_dialog import TrainDialog
from maskscope_gui.dialogs.train_form import help_line
from maskscope_gui.session.session import Session
from maskscope_gui.theme.theme import Style
from maskscope_resources.colours import DARK


def opened(qtbot: QtBot, style: Style, session: Session, client) -> TrainDialog:
    dialog = TrainDialog(None, style, session, client)
    qtbot.addWidget(dialog)
    with qtbot.waitExposed(dialog):
        dialog.show()
    return dialog


@pytest.fixture
def dialog(qtbot: QtBot, style: Style, demo_session: Session, client) -> TrainDialog:
    return opened(qtbot, style, demo_session, client)


def trained_folder(project: Project) -> Path:
    """What the worker would hand back: the demo's own model, in a new folder."""
    folder = project.models.new_folder()
    for name in ("model.keras", "weights.npz", "run.json"):
        shutil.copyfile(project.path / "models" / "m1" / name, folder / name)
    shutil.copyfile(project.path / "scores" / "m1.npy", folder / "scores.npy")
    return folder


def test_each_field_of_the_settings_has_a_control_and_a_key_of_its_own(dialog: TrainDialog) -> None:
    assert set(dialog.form.controls) == {field.name for field in fields(TrainSettings)}
    assert dialog.form.settings() == TrainSettings()
    labels = [label for label in dialog.findChildren(QLabel) if label.buddy() is not None]
    keys = [label.text()[label.text().index("&") + 1].lower() for label in labels]
    assert len(labels) == len(dialog.form.controls)
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("name", [field.name for field in fields(TrainSettings)])
def test_each_control_offers_what_its_field_allows(dialog: TrainDialog, name: str) -> None:
    setting, control = train_settings()[name], dialog.form.controls[name]
    assert control.accessibleName() == setting.label.replace("&", "")
    assert control.accessibleDescription() == help_line(setting)
    if isinstance(setting, ChoiceSetting):
        assert isinstance(control, QComboBox)
        assert tuple(control.itemData(i) for i in range(control.count())) == setting.values
        for i, value in enumerate(setting.values):
            control.setCurrentIndex(i)
            assert getattr(dialog.form.settings(), name) == value
        return
    assert not isinstance(control, QComboBox)
    # Both ends of each range make settings.
    for value in (control.minimum(), control.maximum()):
        control.setValue(value)
        assert getattr(dialog.form.settings(), name) == value


def test_enter_trains_with_what_the_form_says(qtbot: QtBot, dialog: TrainDialog, client) -> None:
    dialog.form.controls["units"].setFocus()
    dialog.form.controls["units"].selectAll()
    qtbot.keyClicks(dialog.form.controls["units"], "24")
    qtbot.keyClick(dialog.form.controls["units"], Qt.Key.Key_Return)
    project = dialog.session.project
    assert project is not None
    assert client.requests == [TrainRequest(project.path, TrainSettings(units=24))]
    assert dialog.training
    assert not dialog.form.controls["units"].isEnabled()
    assert not dialog.train_button.isEnabled()


def test_figures_and_progress_are_live(qtbot: QtBot, dialog: TrainDialog, client) -> None:
    said: list[str] = []
    dialog.progress_text.connect(said.append)
    dialog.train()
    client.progressed.emit(1, 100, 1000, "epoch 2")
    client.figure_reported.emit(1, "loss", 1, 0.5)
    client.figure_reported.emit(1, "val_loss", 1, float("nan"))
    client.figure_reported.emit(1, "f1", 1, 0.912)
    client.figure_reported.emit(7, "loss", 3, 9.0)
    assert dialog.figures["epoch"].text() == "1"
    assert dialog.figures["loss"].text() == "0.5000"
    assert dialog.figures["val_loss"].text() == "–"
    assert dialog.figures["f1"].text() == "0.91"
    assert dialog.bar.value() == 100
    epochs = TrainSettings().epochs
    assert said[-1].startswith(f"Training · epoch 2 of {epochs}")
    client.cancelled.emit(1)
    assert said[-1] == ""


def test_the_new_model_is_in_use_and_its_f1_is_said(qtbot: QtBot, dialog: TrainDialog, client) -> None:
    session = dialog.session
    assert session.project is not None
    dialog.train()
    folder = trained_folder(session.project)
    with qtbot.waitSignal(dialog.trained) as trained:
        client.done.emit(1, TrainResult(folder))
    assert trained.args == ["m2"]
    assert session.model is not None
    assert session.model.id == "m2"
    assert session.scores is not None
    metrics = session.model.run.metrics
    held = len(session.model.run.validation_sentences)
    if metrics is not None:
        assert f"F1 {metrics.f1:.2f} on {held} held-back sentences" in dialog.outcome.text()
    assert not folder.exists()
    assert not dialog.training
    assert dialog.train_button.isEnabled()


def test_closing_hides_it_and_training_goes_on(qtbot: QtBot, dialog: TrainDialog, client) -> None:
    session = dialog.session
    assert session.project is not None
    dialog.train()
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    assert not dialog.isVisible()
    assert dialog.training
    assert client.stopped == []
    said: list[str] = []
    dialog.progress_text.connect(said.append)
    client.progressed.emit(1, 10, 1000, "epoch 1")
    assert said[0].startswith("Training")
    dialog.show()
    assert dialog.bar.isVisible()
    assert dialog.phase.text().startswith("epoch 1")
    dialog.close()
    with qtbot.waitSignal(session.message_requested) as told:
        client.done.emit(1, TrainResult(trained_folder(session.project)))
    assert "(m2)" in told.args[0]
    assert told.args[1] == "info"


def test_a_model_for_a_project_that_was_closed_waits_in_it(qtbot: QtBot, dialog: TrainDialog, client) -> None:
    session = dialog.session
    assert session.project is not None
    path = session.project.path
    dialog.train()
    folder = trained_folder(session.project)
    session.close()
    client.done.emit(1, TrainResult(folder))
    assert "It waits in its project" in dialog.outcome.text()
    with Project.open(path) as project:
        assert [model.id for model in project.models.all()] == ["m1", "m2"]


def test_a_project_opened_again_by_another_name_takes_its_model(
    qtbot: QtBot, style: Style, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, client
) -> None:
    demo = write_demo(tmp_path / "demo.maskscope")
    monkeypatch.chdir(tmp_path)
    session = Session()
    session.open(Path("demo.maskscope"))
    assert session.project is not None
    dialog = opened(qtbot, style, session, client)
    dialog.train()
    (request,) = client.requests
    assert isinstance(request, TrainRequest)
    assert request.project.is_absolute()
    folder = trained_folder(session.project)
    session.close()
    session.open(demo)
    client.done.emit(1, TrainResult(folder.resolve()))
    assert "It is the model in use now" in dialog.outcome.text()
    assert session.model is not None
    assert session.model.id == "m2"
    session.close()


def test_a_model_that_its_project_cannot_take_is_kept(qtbot: QtBot, dialog: TrainDialog, client) -> None:
    session = dialog.session
    assert session.project is not None
    path = session.project.path
    dialog.train()
    folder = trained_folder(session.project)
    session.close()
    # Open in another program by now, which has the lock.
    with Project.open(path) as holder:
        client.done.emit(1, TrainResult(folder))
        assert [model.id for model in holder.models.all()] == ["m1"]
    words = dialog.outcome.text()
    (kept,) = (path / "models").glob("kept-*")
    assert "read-only" in words
    assert words.endswith(f"It is kept in {kept}.")
    assert (kept / "model.keras").is_file()
    assert not dialog.training


def test_a_model_that_cannot_be_shown_is_in_its_project_all_the_same(
    qtbot: QtBot, dialog: TrainDialog, client, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = dialog.session
    assert session.project is not None

    def broken(_: str) -> None:
        raise ProjectError("can't be read")

    dialog.train()
    monkeypatch.setattr(session, "use_model", broken)
    client.done.emit(1, TrainResult(trained_folder(session.project)))
    assert "(m2)" in dialog.outcome.text()
    assert "can't be read" in dialog.outcome.text()
    assert [model.id for model in session.project.models.all()] == ["m1", "m2"]
    assert not dialog.training


def test_a_training_that_is_stopped_keeps_its_best_epoch(qtbot: QtBot, dialog: TrainDialog, client) -> None:
    session = dialog.session
    assert session.project is not None
    dialog.train()
    qtbot.mouseClick(dialog.cancel_button, Qt.MouseButton.LeftButton)
    assert client.stopped == [1]
    folder = trained_folder(session.project)
    client.late.emit(1, TrainResult(folder))
    client.cancelled.emit(1)
    assert dialog.outcome.text().startswith("Stopped. BiLSTM 10 (m2)")
    assert session.model is not None
    assert session.model.id == "m2"
    assert not dialog.cancel_button.isVisible()


def test_a_training_that_is_stopped_at_once_leaves_nothing(qtbot: QtBot, dialog: TrainDialog, client) -> None:
    assert dialog.session.project is not None
    dialog.train()
    qtbot.mouseClick(dialog.cancel_button, Qt.MouseButton.LeftButton)
    client.cancelled.emit(1)
    assert dialog.outcome.text() == "Stopped before the first epoch had ended, so there is nothing to keep."
    assert len(dialog.session.project.models.all()) == 1


def test_a_failure_is_one_sentence_and_another_try_is_possible(qtbot: QtBot, dialog: TrainDialog, client) -> None:
    dialog.train()
    client.failed.emit(1, "training diverged; expected a lower learning_rate; received 9.0")
    assert dialog.outcome.text().startswith("training diverged")
    qtbot.mouseClick(dialog.train_button, Qt.MouseButton.LeftButton)
    assert len(client.requests) == 2
    client.done.emit(2, TrainResult(Path("nowhere")))
    assert "is not there any more" in dialog.outcome.text()


def test_nothing_labelled_nothing_to_learn(qtbot: QtBot, style: Style, tmp_path: Path, client) -> None:
    import numpy as np

    from maskscope.project import ProjectWriter

    with ProjectWriter(tmp_path / "bare.maskscope", 3, np.dtype(np.float32)) as writer:
        writer.add(Sentence(("a", "b"), np.ones((2, 3), dtype=np.float32)))
        writer.finish(source="x")
    session = Session()
    session.open(tmp_path / "bare.maskscope")
    dialog = opened(qtbot, style, session, client)
    assert "No token of this project has a label yet" in dialog.about.text()
    assert not dialog.train_button.isEnabled()
    qtbot.keyClick(dialog, Qt.Key.Key_Return)
    assert client.requests == []
    session.editing.set_label(1)
    assert dialog.train_button.isEnabled()
    assert "1 labelled token" in dialog.about.text()
    session.close()


def test_a_read_only_project_takes_no_model(
    qtbot: QtBot, style: Style, project: Project, project_folder: Path, client
) -> None:
    session = Session()
    session.open(project_folder)
    dialog = opened(qtbot, style, session, client)
    assert "read-only" in dialog.about.text()
    dialog.train()
    assert client.requests == []
    session.close()


def test_the_look_changes_with_the_curve(qtbot: QtBot, dialog: TrainDialog, client) -> None:
    dialog.train()
    client.figure_reported.emit(1, "loss", 1, 0.5)
    old = dialog.curve
    dialog.set_look(Style(DARK, dialog.font()))
    assert dialog.curve is not old
    assert dialog.curve.isVisible()
    client.figure_reported.emit(1, "loss", 2, 0.25)
    client.cancelled.emit(1)


@pytest.mark.keras
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_the_real_worker_trains_and_survives_being_killed(qtbot: QtBot, style: Style, demo_session: Session) -> None:
    client = WorkerClient()
    try:
        dialog = opened(qtbot, style, demo_session, client)
        dialog.form.controls["epochs"].setValue(500)
        dialog.train()
        qtbot.waitUntil(lambda: dialog.figures["epoch"].text() != "–", timeout=60_000)
        os.kill(client.process_id, signal.SIGKILL)
        qtbot.waitUntil(lambda: not dialog.training, timeout=60_000)
        # A new worker has made a model of what the dead one had reached.
        assert "killed" in dialog.outcome.text()
        assert "What it had reached is kept: BiLSTM 10 (m2): epoch" in dialog.outcome.text()
        assert demo_session.project is not None
        assert list((demo_session.project.path / "models").glob(".partial-*")) == []
        assert demo_session.model is not None
        assert demo_session.model.id == "m2"
        assert not demo_session.model.run.complete
        dialog.form.controls["epochs"].setValue(2)
        dialog.train()
        qtbot.waitUntil(lambda: not dialog.training, timeout=60_000)
        assert "F1" in dialog.outcome.text(), dialog.outcome.text()
        assert demo_session.model.id == "m3"
        assert demo_session.scores is not None
        assert dialog.figures["epoch"].text() == "2"
    finally:
        client.close()


def test_a_training_that_was_cut_off_is_kept_when_its_project_opens(
    qtbot: QtBot, demo_session: Session, client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maskscope_gui.shell.dialog_controller._UNFINISHED_AFTER_MS", 0)
    project = demo_session.project
    assert project is not None
    path = project.path
    folder = trained_folder(project)
    (folder / "training.lock").touch()
    demo_session.close()
    program = Program(client=client)
    window = program.window
    qtbot.addWidget(window)
    program.projects.open(path)
    qtbot.waitUntil(lambda: bool(client.requests), timeout=5000)
    assert client.requests == [RecoverRequest(path, folder)]
    with qtbot.waitSignal(window.session.message_requested) as told:
        client.done.emit(1, RecoverResult(folder))
    assert told.args[0].startswith("A training was cut off before its end. What it had reached is kept: BiLSTM 10 (m2)")
    assert window.session.model is not None
    assert window.session.model.id == "m2"
    window.session.close()
