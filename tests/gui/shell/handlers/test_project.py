"""Projects: opened, dropped, recent, read-only, empty, without a model, damaged."""

import shutil
from pathlib import Path

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMenu, QPushButton
from pytestqt.qtbot import QtBot

from maskscope.project import Project, ProjectWriter
from maskscope.types import Sentence
from tests.gui.window_helpers import CONTROL, KEY, OpenWindow, Press, focus_of, project_of


def test_the_start_page_offers_demo_import_and_open(open_window: OpenWindow, press: Press) -> None:
    window = open_window(None)
    assert window.start_page.isVisible()
    assert not window.actions_by_id["accept"].isEnabled()
    press(window, KEY.Key_Return, KEY.Key_1, KEY.Key_Tab)
    assert window.start_page.isVisible()
    words = {button.text() for button in window.start_page.findChildren(QPushButton)}
    assert {"Open the demo", "Import…", "Open project…"} <= words


def test_a_project_opens_at_the_sentence_shown_last(open_window: OpenWindow, typed_demo: Path) -> None:
    window = open_window(typed_demo)
    window.session.cursor.reveal(77, 3)
    window.close()
    window.session.close()
    again = open_window(typed_demo)
    assert (again.session.cursor.sentence, again.session.cursor.position) == (77, 3)


def test_a_project_without_a_model_opens_on_the_sentence_page(
    open_window: OpenWindow, typed_demo: Path, project_folder: Path
) -> None:
    window = open_window(typed_demo)
    window.actions_by_id["page_evaluation"].trigger()
    window.close()
    window.session.close()
    assert open_window(project_folder).pages.current == "sentence"
    assert open_window(typed_demo).pages.current == "evaluation"


def test_recent_projects_are_in_the_menu_and_open_from_it(
    open_window: OpenWindow, typed_demo: Path, project_folder: Path
) -> None:
    window = open_window(project_folder)
    window.close()
    window.session.close()
    window = open_window(typed_demo)
    recent = next(menu for menu in window.findChildren(QMenu) if menu.title() == "Open recent")
    recent.aboutToShow.emit()
    assert [action.text().split()[0] for action in recent.actions()] == ["demo", "small"]
    recent.actions()[1].trigger()
    assert project_of(window).name == "small"
    assert len(window.session.list_order.sentences) == 4


def test_a_dropped_project_opens(open_window: OpenWindow, typed_demo: Path, project_folder: Path) -> None:
    window = open_window(typed_demo)
    window.dropped.emit([project_folder])
    assert project_of(window).name == "small"


def test_a_damaged_project_is_refused_and_the_open_one_stays(
    open_window: OpenWindow, press: Press, typed_demo: Path, tmp_path: Path
) -> None:
    window = open_window(typed_demo)
    (tmp_path / "not-one").mkdir()
    (tmp_path / "not-one" / "project.sqlite").write_bytes(b"no database at all, but long enough to be looked at")
    window.dropped.emit([tmp_path / "not-one"])
    assert window.notice.isVisible()
    assert "damaged" in window.notice.label.text()
    assert project_of(window).name == "demo"
    press(window, KEY.Key_1)
    assert not window.notice.isVisible()


def test_a_second_window_on_a_project_is_read_only(
    qtbot: QtBot, open_window: OpenWindow, press: Press, typed_demo: Path
) -> None:
    first = open_window(typed_demo)
    second = open_window(typed_demo)
    assert "read-only" in second.status_line.saved.text()
    press(second, KEY.Key_1)
    assert second.notice.isVisible()
    assert "read-only" in second.notice.label.text()
    qtbot.mouseClick(second.notice.dismiss_button, Qt.MouseButton.LeftButton)
    assert not second.notice.isVisible()
    assert project_of(first).edits.count() == 0


def test_a_read_only_window_can_be_opened_again_for_writing(open_window: OpenWindow, typed_demo: Path) -> None:
    first = open_window(typed_demo)
    second = open_window(typed_demo)
    assert project_of(second).read_only
    first.close()
    first.session.close()
    second.dropped.emit([typed_demo])
    assert not project_of(second).read_only


def test_a_sentence_without_tokens_is_shown_without_a_verdict(
    open_window: OpenWindow, press: Press, tmp_path: Path
) -> None:
    target = tmp_path / "empty.maskscope"
    with ProjectWriter(target, 4, np.dtype(np.float32)) as writer:
        writer.add(Sentence((), np.zeros((0, 4), dtype=np.float32)))
        writer.add(Sentence(("a", "b"), np.ones((2, 4), dtype=np.float32), ("O", "name")))
        writer.finish()
    window = open_window(target)
    assert "no tokens" in window.reading._note.text()
    press(window, KEY.Key_1, KEY.Key_Space, KEY.Key_Right, KEY.Key_End, KEY.Key_A, KEY.Key_Tab, KEY.Key_K)
    assert project_of(window).edits.count() == 0
    assert "Train or open a model" in window.padding.verdict.text()
    press(window, KEY.Key_Down, KEY.Key_1)
    assert focus_of(window).row.labels.tolist() == [1, 1]


def test_without_a_model_one_can_label_and_learns_how_to_train(
    open_window: OpenWindow, press: Press, tmp_path: Path
) -> None:
    target = tmp_path / "bare.maskscope"
    with ProjectWriter(target, 4, np.dtype(np.float32)) as writer:
        writer.add(Sentence(("a", "b"), np.ones((2, 4), dtype=np.float32)))
        writer.finish()
    window = open_window(target)
    assert window.toolbar.model.text() == "no model yet"
    press(window, KEY.Key_Tab)
    assert "Train a model first" in window.status_line.message.text()
    press(window, KEY.Key_1, KEY.Key_Return)
    with Project.open(target, read_only=True) as project:
        assert project.sentence(0).labels.tolist() == [1, -1]
        assert project.sentence(0).state == "accepted"


def test_when_the_newest_model_is_damaged_another_can_be_chosen(
    open_window: OpenWindow, press: Press, typed_demo: Path
) -> None:
    with Project.open(typed_demo) as project:
        folder = project.models.new_folder()
        for name in ("model.keras", "weights.npz", "run.json"):
            shutil.copy(typed_demo / "models" / "m1" / name, folder / name)
        newest = project.models.adopt(folder)
    newest.weights_file.write_bytes(b"broken")
    window = open_window(typed_demo)
    assert window.notice.isVisible()
    assert window.toolbar.model.isEnabled()
    press(window, KEY.Key_M, modifier=CONTROL)
    assert window.session.model is not None
    assert window.session.model.id == "m1"
    assert window.session.scores is not None


def test_a_token_that_looks_like_html_is_shown_as_it_is(open_window: OpenWindow, press: Press, tmp_path: Path) -> None:
    target = tmp_path / "html.maskscope"
    with ProjectWriter(target, 4, np.dtype(np.float32)) as writer:
        writer.add(Sentence(("<b>bold</b>", "R&D"), np.ones((2, 4), dtype=np.float32), ("O", "name")))
        writer.finish()
    window = open_window(target)
    press(window, KEY.Key_1)
    assert window.status_line.undo.textFormat() == Qt.TextFormat.PlainText
    assert "<b>bold</b>" in window.status_line.undo.text()
    press(window, KEY.Key_Right, KEY.Key_0)
    assert "R&&D" in window.actions_by_id["undo"].text()
