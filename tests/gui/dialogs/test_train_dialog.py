"""The training dialog: a form made from the settings' metadata, live figures, and the outcome."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QLabel, QSpinBox
from pytestqt.qtbot import QtBot

from maskscope.project import Project
from maskscope.runs import ChoiceSetting, TrainSettings, train_settings
from maskscope.types import Sentence
from maskscope.worker.requests import TrainRequest
from maskscope_gui.app import Program
from maskscope_gui.background.train_job import TrainJob
from maskscope_gui.background.worker_client import WorkerClient
from maskscope_gui.dialogs.train_dialog import TrainDialog
from maskscope_gui.dialogs.train_form import help_line
from maskscope_gui.session.session import Session
from maskscope_gui.theme.theme import Style
from maskscope_resources.colours import DARK

if TYPE_CHECKING:
    from tests.gui.conftest import ScriptedClient


def opened(qtbot: QtBot, style: Style, session: Session, client: WorkerClient) -> TrainDialog:
    dialog = TrainDialog(None, style, session, TrainJob(session, client))
    qtbot.addWidget(dialog)
    with qtbot.waitExposed(dialog):
        dialog.show()
    return dialog


@pytest.fixture
def dialog(qtbot: QtBot, style: Style, demo_session: Session, client: ScriptedClient) -> TrainDialog:
    return opened(qtbot, style, demo_session, client)


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
        for i, choice in enumerate(setting.values):
            control.setCurrentIndex(i)
            assert getattr(dialog.form.settings(), name) == choice
        return
    assert not isinstance(control, QComboBox)
    # Both ends of each range make settings.
    ends = control.minimum(), control.maximum()
    for value in ends:
        if isinstance(control, QSpinBox):
            control.setValue(int(value))
        else:
            control.setValue(value)
        assert getattr(dialog.form.settings(), name) == value


def test_enter_trains_with_what_the_form_says(qtbot: QtBot, dialog: TrainDialog, client: ScriptedClient) -> None:
    units = dialog.form.controls["units"]
    assert isinstance(units, QSpinBox)
    units.setFocus()
    units.selectAll()
    qtbot.keyClicks(units, "24")
    qtbot.keyClick(units, Qt.Key.Key_Return)
    project = dialog.session.project
    assert project is not None
    assert client.requests == [TrainRequest(project.path, TrainSettings(units=24))]
    assert dialog.job.running
    assert not dialog.form.controls["units"].isEnabled()
    assert not dialog.train_button.isEnabled()


def test_figures_and_progress_are_live(dialog: TrainDialog, client: ScriptedClient) -> None:
    dialog.train()
    client.progressed.emit(1, 100, 1000, "epoch 2")
    client.figure_reported.emit(1, "loss", 1, 0.5)
    client.figure_reported.emit(1, "val_loss", 1, float("nan"))
    client.figure_reported.emit(1, "f1", 1, 0.912)
    assert dialog.figures["epoch"].text() == "1"
    assert dialog.figures["loss"].text() == "0.5000"
    assert dialog.figures["val_loss"].text() == "–"
    assert dialog.figures["f1"].text() == "0.91"
    assert dialog.bar.value() == 100
    assert dialog.phase.text().startswith(f"epoch 2 of {TrainSettings().epochs}")
    client.cancelled.emit(1)
    assert dialog.phase.text() == ""


def test_closing_hides_it_and_training_goes_on(qtbot: QtBot, dialog: TrainDialog, client: ScriptedClient) -> None:
    dialog.train()
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    assert not dialog.isVisible()
    assert dialog.job.running
    assert client.stopped == []
    client.progressed.emit(1, 10, 1000, "epoch 1")
    dialog.show()
    assert dialog.bar.isVisible()
    assert dialog.phase.text().startswith("epoch 1")


def test_a_training_that_ends_while_the_dialog_is_closed_is_reported_in_the_window(
    qtbot: QtBot, demo_session: Session, client: ScriptedClient
) -> None:
    assert demo_session.project is not None
    path = demo_session.project.path
    demo_session.close()
    program = Program(client=client)
    window = program.window
    qtbot.addWidget(window)
    program.projects.open(path)
    window.actions_by_id["train"].trigger()
    (dialog,) = window.findChildren(TrainDialog)
    dialog.train()
    assert window.status_line.work.text() == "Training · starting"
    dialog.close()
    with qtbot.waitSignal(window.session.message_requested) as requested:
        client.failed.emit(1, "training diverged")
    assert requested.args == ["training diverged", "error"]
    assert window.status_line.work.text() == ""
    window.session.close()


def test_stopping_is_offered_while_it_trains(qtbot: QtBot, dialog: TrainDialog, client: ScriptedClient) -> None:
    assert not dialog.cancel_button.isVisible()
    dialog.train()
    qtbot.mouseClick(dialog.cancel_button, Qt.MouseButton.LeftButton)
    assert client.stopped == [1]
    assert dialog.phase.text() == "stopping"
    client.cancelled.emit(1)
    assert dialog.outcome.text().startswith("Stopped before the end of the first epoch")
    assert not dialog.cancel_button.isVisible()
    assert dialog.train_button.isEnabled()


def test_a_failure_is_one_sentence_and_another_try_is_possible(
    qtbot: QtBot, dialog: TrainDialog, client: ScriptedClient
) -> None:
    dialog.train()
    client.failed.emit(1, "training diverged; expected a lower learning_rate; received 9.0")
    assert dialog.outcome.text().startswith("training diverged")
    qtbot.mouseClick(dialog.train_button, Qt.MouseButton.LeftButton)
    assert len(client.requests) == 2


def test_without_a_label_nothing_can_be_trained(
    qtbot: QtBot, style: Style, tmp_path: Path, client: ScriptedClient
) -> None:
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
    qtbot: QtBot, style: Style, project: Project, project_folder: Path, client: ScriptedClient
) -> None:
    session = Session()
    session.open(project_folder)
    dialog = opened(qtbot, style, session, client)
    assert "read-only" in dialog.about.text()
    dialog.train()
    assert client.requests == []
    session.close()


def test_the_theme_changes_with_the_curve(qtbot: QtBot, dialog: TrainDialog, client: ScriptedClient) -> None:
    dialog.train()
    client.figure_reported.emit(1, "loss", 1, 0.5)
    old = dialog.curve
    dialog.set_look(Style(DARK, dialog.font()))
    assert dialog.curve is not old
    assert dialog.curve.isVisible()
    client.figure_reported.emit(1, "loss", 2, 0.25)
    client.cancelled.emit(1)
