"""Opening a model made elsewhere: what the user sees of it, and that the window survives whatever it does."""

import json
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QTimer, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import QApplication, QFileDialog, QWidget
from pytestqt.qtbot import QtBot

from maskscope.project import ModelRecord, Project
from maskscope.types import Floats
from maskscope.worker import conversation
from maskscope.worker.limits import Limits
from maskscope.worker.requests import AuditRequest, ModelGraphRequest, OpenModelRequest, Request, Result
from maskscope.workflows.demo import write_demo
from maskscope.workflows.model_description import OpenOptions
from maskscope_gui.app import Program
from maskscope_gui.background.worker_client import WorkerClient
from maskscope_gui.dialogs.open_model_dialog import OpenModelDialog
from maskscope_gui.dialogs.refused_model_dialog import RefusedModelDialog
from maskscope_gui.session.session import Session
from maskscope_gui.shell.main_window import MainWindow

FAKE_WORKER = (sys.executable, "-S", "-E", str(Path(__file__).parents[2] / "fake_worker.py"))

Programs = Callable[[WorkerClient | None], tuple[MainWindow, Program]]


@pytest.fixture
def open_program(qtbot: QtBot, tmp_path: Path) -> Iterator[Programs]:
    """Windows on the binary demo, with a worker."""
    opened: list[MainWindow] = []

    def open_one(client: WorkerClient | None) -> tuple[MainWindow, Program]:
        program = Program(client=client)
        window = program.window
        opened.append(window)
        assert program.projects.open(write_demo(tmp_path / "demo.maskscope"))
        window.resize(1440, 900)
        window.show()
        window.activateWindow()
        window.setFocus()
        qtbot.waitUntil(window.isActiveWindow)
        return window, program

    yield open_one
    for window in opened:
        window.close()
        window.session.close()
        window.deleteLater()


def fake_worker(limits: Limits | None, *arguments: str) -> WorkerClient:
    """A client of the fake worker, which does as the name of the model's file says."""
    return WorkerClient(command=(*FAKE_WORKER, *arguments), limits=lambda request: limits)


def drop(window: MainWindow, file: Path) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(file))])
    window.dropEvent(
        QDropEvent(
            QPointF(QPoint(50, 50)),
            Qt.DropAction.CopyAction,
            data,
            Qt.MouseButton.LeftButton,
            Qt.KeyboardModifier.NoModifier,
        )
    )


def left_behind(window: MainWindow) -> list[str]:
    return sorted(path.name for path in (folder_of(window.session) / "models").iterdir() if path.name != "m1")


@pytest.mark.parametrize(
    ("name", "limits", "words"),
    [
        ("hang", Limits(0.5, 1 << 40), "no sign of progress"),
        ("eat", Limits(60.0, 100 << 20), "took more than its limit of 0.1 GB"),
        ("die", Limits(60.0, 1 << 40), "ended with code 9"),
    ],
)
def test_the_window_goes_on_when_a_file_makes_the_worker_hang_or_die(
    qtbot: QtBot, open_program: Programs, name: str, limits: Limits, words: str
) -> None:
    window, program = open_program(fake_worker(limits))
    drop(window, Path(f"/somewhere/{name}.keras"))
    assert window.status_line.work.text().startswith(f"Opening {name}.keras")
    qtbot.waitUntil(window.notice.isVisible, timeout=20_000)
    shown = window.notice.label.text()
    assert shown.startswith("Not opened: ")
    assert words in shown
    assert "Ctrl+Shift+O" in shown
    assert window.status_line.work.text() == ""
    assert left_behind(window) == []
    assert window.session.model is not None
    assert window.session.model.id == "m1"
    # The next one gets a new worker.
    drop(window, Path("/somewhere/refuse.keras"))
    qtbot.waitUntil(lambda: "m.keras: is no model" in window.notice.label.text(), timeout=20_000)
    assert program.client.state == "ready"


def test_esc_cancels_a_file_that_never_ends(
    qtbot: QtBot, open_program: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation, "CANCEL_SECONDS", 0.3)
    window, program = open_program(fake_worker(Limits(60.0, 1 << 40)))
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: ("/somewhere/hang.keras", ""))
    qtbot.keyClick(window, Qt.Key.Key_O, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    qtbot.waitUntil(lambda: "25 % of steps" in window.status_line.work.text(), timeout=20_000)
    assert len(left_behind(window)) == 1
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: window.status_line.work.text() == "", timeout=20_000)
    assert "was cancelled" in window.status_line.message.text()
    assert left_behind(window) == []
    # Closing while one is being opened leaves nothing either.
    drop(window, Path("/somewhere/hang.keras"))
    qtbot.waitUntil(lambda: "25 % of steps" in window.status_line.work.text(), timeout=20_000)
    folder = folder_of(window.session) / "models"
    window.close()
    assert program.client.process_id == 0
    assert sorted(path.name for path in folder.iterdir()) == ["m1"]


def model_of(session: Session) -> ModelRecord:
    """The model in use."""
    assert session.model is not None
    return session.model


def scores_of(session: Session) -> Floats:
    """A copy of the scores of the model in use."""
    assert session.scores is not None
    return np.array(session.scores)


def folder_of(session: Session) -> Path:
    """The folder of the project."""
    assert session.project is not None
    return session.project.path


def changed_copy(source: Path, target: Path, old: str, new: str) -> Path:
    """A copy of a model's file, with another word in its config."""
    with zipfile.ZipFile(source) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    text = members["config.json"].decode()
    assert old in text
    members["config.json"] = json.dumps(json.loads(text.replace(old, new))).encode()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return target


def in_dialog(qtbot: QtBot, act: Callable[[QWidget], None]) -> list[str]:
    """Act on the next dialog that opens; returns a list that gets its title."""
    seen: list[str] = []

    def poll() -> None:
        dialog = QApplication.activeModalWidget()
        if dialog is None or not dialog.isActiveWindow():
            QTimer.singleShot(20, poll)
        else:
            seen.append(dialog.windowTitle())
            act(dialog)

    QTimer.singleShot(20, poll)
    return seen


def test_a_model_that_needs_a_choice_is_opened_as_it_was_chosen(qtbot: QtBot, open_program: Programs) -> None:
    window, program = open_program(fake_worker(Limits(60.0, 1 << 40)))

    def choose(dialog: QWidget) -> None:
        assert isinstance(dialog, OpenModelDialog)
        qtbot.keyClicks(dialog.kind, "logits")
        qtbot.keyClicks(dialog.mapping.choosers[0], "2")
        qtbot.keyClick(dialog, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)

    requested: list[Request[Result]] = []
    send = program.client.request
    program.client.request = lambda request: requested.append(request) or send(request)  # type: ignore[method-assign,func-returns-value]
    seen = in_dialog(qtbot, choose)
    drop(window, Path("/somewhere/choose.keras"))
    qtbot.waitUntil(lambda: len(requested) == 2, timeout=20_000)
    assert seen == ["Open a model"]
    opened = requested[1]
    assert isinstance(opened, OpenModelRequest)
    assert opened.options == OpenOptions("logits", (2,), None)


def test_a_model_of_the_project_is_opened_again_with_other_options_under_its_own_name(
    qtbot: QtBot, open_program: Programs
) -> None:
    window, program = open_program(fake_worker(Limits(60.0, 1 << 40)))
    model = model_of(window.session)
    keys = (Qt.Key.Key_M, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier)
    qtbot.keyClick(window, *keys)
    assert window.status_line.message.text() == "Nothing to open again: m1 was trained here, so its outputs are known."
    window.session.model = replace(model, run=replace(model.run, source="tagger.keras"))
    requested: list[Request[Result]] = []
    send = program.client.request
    program.client.request = lambda request: requested.append(request) or send(request)  # type: ignore[method-assign,func-returns-value]
    named: list[str] = []

    def confirm(dialog: QWidget) -> None:
        assert isinstance(dialog, OpenModelDialog)
        named.append(dialog.described.name)
        qtbot.keyClicks(dialog.kind, "values")
        dialog.open_button.click()

    in_dialog(qtbot, confirm)
    qtbot.keyClick(window, *keys)
    qtbot.waitUntil(lambda: len(requested) == 2, timeout=20_000)
    assert named == ["tagger.keras"]
    opened = requested[1]
    assert isinstance(opened, OpenModelRequest)
    assert (opened.model, opened.name, opened.options.output) == (model.keras_file, "tagger.keras", "values")


def test_a_padding_that_is_only_assumed_is_shown_before_the_model_is_opened(
    qtbot: QtBot, open_program: Programs
) -> None:
    window, _ = open_program(fake_worker(Limits(60.0, 1 << 40)))
    shown: list[str] = []

    def read(dialog: QWidget) -> None:
        assert isinstance(dialog, OpenModelDialog)
        shown.append(dialog.facts.texts["Padding"])
        dialog.reject()

    in_dialog(qtbot, read)
    drop(window, Path("/somewhere/guess.keras"))
    qtbot.waitUntil(lambda: bool(shown), timeout=20_000)
    assert shown[0].startswith("0, behind each sentence, which is assumed. Import the padded arrays themselves")


def test_cancelling_the_dialog_leaves_the_project_as_it_was(qtbot: QtBot, open_program: Programs) -> None:
    window, program = open_program(fake_worker(Limits(60.0, 1 << 40)))
    seen = in_dialog(qtbot, lambda dialog: qtbot.keyClick(dialog, Qt.Key.Key_Escape))
    drop(window, Path("/somewhere/choose.keras"))
    qtbot.waitUntil(lambda: bool(seen) and QApplication.activeModalWidget() is None, timeout=20_000)
    assert program.open_model_job.job is None
    assert left_behind(window) == []
    assert window.status_line.work.text() == ""


@pytest.mark.parametrize(("key", "page"), [(Qt.Key.Key_P, "picture"), (Qt.Key.Key_A, "audit")])
def test_a_refused_file_can_be_looked_at_and_audited(
    qtbot: QtBot, open_program: Programs, key: Qt.Key, page: str
) -> None:
    window, program = open_program(fake_worker(Limits(60.0, 1 << 40)))
    requested: list[Request[Result]] = []
    send = program.client.request
    program.client.request = lambda request: requested.append(request) or send(request)  # type: ignore[method-assign,func-returns-value]
    seen = in_dialog(qtbot, lambda dialog: qtbot.keyClick(dialog, key, Qt.KeyboardModifier.AltModifier))
    drop(window, Path("/somewhere/crf.keras"))
    qtbot.waitUntil(lambda: len(requested) == 2, timeout=20_000)
    assert seen == ["This model can't be opened"]
    assert window.pages.current == page
    request = requested[1]
    assert isinstance(request, ModelGraphRequest if page == "picture" else AuditRequest)
    assert request.model == Path("/somewhere/crf.keras")
    program.client.close()


def test_the_known_part_is_saved_and_then_offered_to_be_opened(
    qtbot: QtBot, open_program: Programs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    window, program = open_program(fake_worker(Limits(60.0, 1 << 40)))
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: (str(tmp_path / "choose"), ""))
    seen: list[list[str]] = []

    def save(dialog: QWidget) -> None:
        assert isinstance(dialog, RefusedModelDialog)
        dialog.accepted.connect(lambda: seen.append(in_dialog(qtbot, _press_escape)))
        qtbot.keyClick(dialog, Qt.Key.Key_S, Qt.KeyboardModifier.AltModifier)

    def _press_escape(opened: QWidget) -> None:
        qtbot.keyClick(opened, Qt.Key.Key_Escape)

    in_dialog(qtbot, save)
    saved: list[str] = []
    program.session.message_requested.connect(lambda text, _: saved.append(text))
    drop(window, Path("/somewhere/crf.keras"))
    qtbot.waitUntil(lambda: bool(saved), timeout=20_000)
    assert saved == ["Saved choose.keras: crf.keras up to its layer 'emissions'."]
    qtbot.waitUntil(lambda: seen == [["Open a model"]], timeout=20_000)
    qtbot.waitUntil(lambda: QApplication.activeModalWidget() is None, timeout=20_000)


@pytest.mark.keras
def test_a_model_that_keras_runs_is_shown_and_one_with_code_is_refused(
    qtbot: QtBot, open_program: Programs, tmp_path: Path
) -> None:
    window, _ = open_program(None)
    session = window.session
    own = model_of(session).keras_file
    before = scores_of(session)
    drop(window, changed_copy(own, tmp_path / "odd <b>.keras", '"activation": "tanh"', '"activation": "squareplus"'))
    qtbot.waitUntil(lambda: model_of(session).id == "m2", timeout=90_000)
    assert "it runs in Keras, because it" in window.status_line.message.toolTip()
    assert window.toolbar.model.text().startswith("odd <b>")
    assert "&lt;b&gt;.keras; it runs in Keras" in window.toolbar.model.toolTip()
    qtbot.waitUntil(lambda: window.experiment.curves is not None, timeout=30_000)
    assert window.padding.figure.text() == "0.000000"
    assert "all 15 lengths tried" in window.padding.verdict.text()
    assert "runs in Keras because it" in window.padding.explanation.text()
    assert window.status_line.worker.text() == "TensorFlow ready"
    assert session.tagger is None
    assert scores_of(session).shape == before.shape
    assert not np.allclose(scores_of(session), before)
    shown = scores_of(session)
    evil = changed_copy(own, tmp_path / "evil.keras", '"class_name": "Dense"', '"class_name": "Lambda"')
    refusals: list[str] = []

    def close(dialog: QWidget) -> None:
        assert isinstance(dialog, RefusedModelDialog)
        refusals.append(dialog.refusal.text())
        dialog.reject()

    in_dialog(qtbot, close)
    drop(window, evil)
    qtbot.waitUntil(lambda: bool(refusals), timeout=20_000)
    assert refusals[0].startswith("Holds Python code in a Lambda layer")
    assert model_of(session).id == "m2"
    # Its scores are lost: the worker makes them again.
    path = folder_of(session)
    (path / "scores" / "m2.npy").unlink()
    session.use_model("m1")
    session.use_model("m2")
    qtbot.waitUntil(lambda: session.scores is not None, timeout=30_000)
    np.testing.assert_allclose(scores_of(session), shown, rtol=0, atol=1e-6)
    assert list((path / "scores").glob("*.partial")) == []
    with Project.open(shutil.copytree(path, tmp_path / "again.maskscope")) as project:
        padding = project.models.padding_scores("m2")
        assert padding is not None
        assert padding.shape == (project.n_sentences, 1)


def test_a_keras_that_drops_masks_is_reported_once_and_stays_in_the_status_line(
    qtbot: QtBot, open_program: Programs, tmp_path: Path
) -> None:
    words = "Keras 3.16.0 does not pass the mask from Masking to the loss; install keras>=3.15.1,<3.16."
    window, program = open_program(fake_worker(None, "warns", words))
    program.client.start()
    qtbot.waitUntil(window.notice.isVisible, timeout=20_000)
    assert window.notice.label.text() == words
    assert window.status_line.worker.text() == "TensorFlow ready; Keras 3.15.1 drops masks"
    assert "keras&gt;=3.15.1,&lt;3.16" in window.status_line.worker.toolTip()
    window.notice.dismiss_button.click()
    program.client.close()
    assert window.status_line.worker.text() == ""
    program.client.start()
    qtbot.waitUntil(lambda: program.client.state == "ready", timeout=20_000)
    assert not window.notice.isVisible()
    assert window.status_line.worker.text() == "TensorFlow ready; Keras 3.15.1 drops masks"


def test_a_model_is_not_opened_without_a_project(qtbot: QtBot) -> None:
    program = Program()
    window = program.window
    try:
        window.show()
        program.projects.open_dropped([Path("m.keras")])
        assert "open one first" in window.notice.label.text()
    finally:
        window.close()
        window.deleteLater()
