"""The window as a person uses it: keys and mouse in, what is on the screen and on the disk out."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt, QTimer
from PySide6.QtGui import QColor, QMouseEvent
from PySide6.QtWidgets import QApplication, QMessageBox, QPushButton
from pytestqt.qtbot import QtBot

from maskscope.project import Project, ProjectWriter
from maskscope.types import NO_EDIT, Sentence
from maskscope.workflows.demo import write_demo
from maskscope_gui.app import Program
from maskscope_gui.dialogs.train_dialog import TrainDialog
from maskscope_gui.shell.main_window import MainWindow
from maskscope_gui.widgets.base import KeyHint
from maskscope_resources.colours import DARK, LIGHT

Open = Callable[[Path], MainWindow]
KEY = Qt.Key


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The typed demo, written once."""
    return write_demo(tmp_path_factory.mktemp("demo") / "demo.maskscope", typed=True)


@pytest.fixture
def demo(written: Path, tmp_path: Path) -> Path:
    """A demo of the test's own."""
    return Path(shutil.copytree(written, tmp_path / "demo.maskscope"))


@pytest.fixture
def open_window(qtbot: QtBot) -> Iterator[Open]:
    """Opens windows on projects, and closes them at the end."""
    opened = []

    def open_one(path: Path | None) -> MainWindow:
        program = Program()
        window = program.window
        opened.append(window)
        window.resize(1440, 900)
        if path is not None:
            assert program.projects.open(path)
        window.show()
        window.activateWindow()
        window.setFocus()
        qtbot.waitUntil(window.isActiveWindow)
        return window

    yield open_one
    for window in opened:
        window.close()
        window.session.close()
        window.deleteLater()


def press(qtbot: QtBot, window: MainWindow, *keys: Qt.Key, shift: bool = False, control: bool = False) -> None:
    modifier = Qt.KeyboardModifier.NoModifier
    if shift:
        modifier |= Qt.KeyboardModifier.ShiftModifier
    if control:
        modifier |= Qt.KeyboardModifier.ControlModifier
    for key in keys:
        qtbot.keyClick(window, key, modifier)


def on_disk(path: Path, sentence: int) -> list[int]:
    with Project.open(path, read_only=True) as project:
        return project.sentence(sentence).edits.tolist()


def test_a_digit_labels_the_token_and_it_is_on_the_disk_at_once(qtbot, open_window, demo):
    window = open_window(demo)
    window.session.cursor.reveal(41, 11)
    assert window.session.focus.row.tokens[11] == "Badajoz"
    before = window.session.project.counts().labels[2]
    press(qtbot, window, KEY.Key_2)
    assert on_disk(demo, 41)[11] == 2
    assert window.session.project.counts().labels[2] == before + 1
    assert "edited" in {name: value for name, value, _ in window.token.lines()}
    assert {n: v for n, v, _ in window.token.lines()}["edited"].startswith("place by you")
    assert window.status_line.saved.text().startswith("✓ saved")


def test_clear_toggle_and_return_to_gold(qtbot, open_window, demo):
    window = open_window(demo)
    window.session.cursor.reveal(41, 0)
    gold = int(window.session.focus.row.gold[0])
    assert window.session.scheme.classes[gold] == "person"
    press(qtbot, window, KEY.Key_Backspace)
    assert window.session.focus.row.labels[0] == 0
    press(qtbot, window, KEY.Key_Delete)
    assert window.session.focus.row.labels[0] == gold
    assert window.session.focus.row.edits[0] == NO_EDIT
    press(qtbot, window, KEY.Key_Space)
    assert window.session.focus.row.labels[0] == 0
    press(qtbot, window, KEY.Key_Space)
    assert window.session.focus.row.labels[0] == gold
    press(qtbot, window, KEY.Key_0)
    assert window.session.focus.row.labels[0] == 0


def test_shift_and_arrow_select_a_span_and_one_key_labels_it_as_one_undo_step(qtbot, open_window, demo):
    window = open_window(demo)
    window.session.cursor.reveal(41, 2)
    press(qtbot, window, KEY.Key_Right, KEY.Key_Right, shift=True)
    assert window.session.cursor.span == (2, 4)
    press(qtbot, window, KEY.Key_4)
    assert window.session.focus.row.labels[2:5].tolist() == [4, 4, 4]
    press(qtbot, window, KEY.Key_Z, control=True)
    assert window.session.focus.row.edits.tolist() == [NO_EDIT] * window.session.focus.length


def test_enter_accepts_the_sentence_and_shows_the_next(qtbot, open_window, demo):
    window = open_window(demo)
    first, second = (int(i) for i in window.session.list_order.sentences[:2])
    assert window.session.cursor.sentence == first
    press(qtbot, window, KEY.Key_Return)
    assert window.session.cursor.sentence == second
    with Project.open(demo, read_only=True) as project:
        assert project.sentence(first).state == "accepted"
        assert project.sentence(second).state == "unreviewed"
    assert "1 of 200 reviewed" in window.status_line.reviewed.text()


def test_accepting_what_is_right_edits_no_label(qtbot, open_window, demo):
    window = open_window(demo)
    first = window.session.cursor.sentence
    press(qtbot, window, KEY.Key_Return)
    assert set(on_disk(demo, first)) == {NO_EDIT}


def test_a_accepts_the_predictions_but_never_at_a_collision(qtbot, open_window, demo):
    window = open_window(demo)
    sentence, position = (int(part) for part in window.session.project.collisions()[0])
    window.session.cursor.reveal(sentence, position)
    press(qtbot, window, KEY.Key_A)
    focus = window.session.focus
    real = focus.mask
    assert (focus.row.labels[real] == focus.predicted[real]).all()
    assert focus.row.edits[position] == NO_EDIT
    assert focus.row.state == "unreviewed"


def test_tab_goes_to_the_next_uncertain_token(qtbot, open_window, demo):
    window = open_window(demo)
    seen = []
    for _ in range(6):
        press(qtbot, window, KEY.Key_Tab)
        focus = window.session.focus
        assert focus.uncertainty[window.session.cursor.position] >= 0.2
        seen.append((window.session.cursor.sentence, window.session.cursor.position))
    assert len(set(seen)) == 6
    press(qtbot, window, KEY.Key_Backtab, shift=True)
    assert (window.session.cursor.sentence, window.session.cursor.position) == seen[-2]


def test_f_flags_and_takes_the_flag_off(qtbot, open_window, demo):
    window = open_window(demo)
    press(qtbot, window, KEY.Key_F)
    assert window.session.focus.row.state == "flagged"
    press(qtbot, window, KEY.Key_F)
    assert window.session.focus.row.state == "unreviewed"


def test_undo_goes_back_to_the_sentence_it_changes_and_survives_a_restart(qtbot, open_window, demo):
    window = open_window(demo)
    window.session.cursor.reveal(10, 0)
    press(qtbot, window, KEY.Key_1)
    window.session.cursor.reveal(20, 0)
    press(qtbot, window, KEY.Key_2)
    window.session.cursor.reveal(30, 0)
    press(qtbot, window, KEY.Key_Z, control=True)
    assert window.session.cursor.sentence == 20
    press(qtbot, window, KEY.Key_Z, control=True)
    assert window.session.cursor.sentence == 10
    window.close()
    window.session.close()
    again = open_window(demo)
    assert again.status_line.undo.text() == "Nothing to undo"
    press(qtbot, again, KEY.Key_Z, control=True, shift=True)
    assert again.session.cursor.sentence == 10
    assert on_disk(demo, 10)[0] == 1
    press(qtbot, again, KEY.Key_Y, control=True)
    assert again.session.cursor.sentence == 20
    assert on_disk(demo, 20)[0] == 2


def test_a_click_in_any_view_moves_the_one_cursor(qtbot, open_window, demo):
    window = open_window(demo)
    session = window.session
    session.cursor.reveal(41, 0)
    qtbot.mouseClick(window.reading.viewport(), Qt.MouseButton.LeftButton, pos=window.reading.box_of(6).center())
    assert session.cursor.position == 6
    qtbot.mouseClick(
        window.tracks.viewport(), Qt.MouseButton.LeftButton, pos=window.tracks.column_box(3, "gold").center()
    )
    assert session.cursor.position == 3
    other = int(window.batch.batch.ids[0])
    qtbot.mouseClick(window.batch.viewport(), Qt.MouseButton.LeftButton, pos=window.batch.centre_of(other, 2))
    assert (session.cursor.sentence, session.cursor.position) == (other, 2)
    rows = window.list_panel.list
    row = session.cursor.row + 1 if session.cursor.row == 0 else session.cursor.row - 1
    qtbot.mouseClick(rows.viewport(), Qt.MouseButton.LeftButton, pos=rows.row_box(row).center())
    assert session.cursor.row == row


def test_a_drag_over_the_reading_strip_takes_whole_tokens(qtbot, open_window, demo):
    window = open_window(demo)
    window.session.cursor.reveal(41, 0)
    view = window.reading.viewport()
    start, stop = window.reading.box_of(2), window.reading.box_of(5)
    # From the last pixel of one token to the first of another: both are taken whole.
    qtbot.mousePress(view, Qt.MouseButton.LeftButton, pos=QPoint(start.right() - 1, start.center().y()))
    place = QPointF(stop.left() + 2, stop.center().y())
    move = QMouseEvent(
        QEvent.Type.MouseMove,
        place,
        QPointF(view.mapToGlobal(place.toPoint())),
        Qt.MouseButton.NoButton,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    QApplication.sendEvent(view, move)
    qtbot.mouseRelease(view, Qt.MouseButton.LeftButton, pos=place.toPoint())
    assert window.session.cursor.span == (2, 5)


def test_a_click_on_the_palette_labels(qtbot, open_window, demo):
    window = open_window(demo)
    window.session.cursor.reveal(41, 3)
    qtbot.mouseClick(
        window.palette_view.viewport(), Qt.MouseButton.LeftButton, pos=window.palette_view.row_box(3).center()
    )
    assert window.session.focus.row.labels[3] == 3


def test_padding_is_ignored_with_the_models_mask_and_not_without(qtbot, open_window, demo):
    window = open_window(demo)
    window.session.cursor.reveal(41)
    press(qtbot, window, KEY.Key_BracketRight)
    assert window.experiment.settings.added == 13
    assert window.padding.figure.text() == "0.000000"
    qtbot.waitUntil(lambda: window.experiment.curves is not None, timeout=10_000)
    assert "every length up to 200" in window.padding.verdict.text()
    assert window.experiment.curves.chosen.shape == (201,)
    assert window.experiment.curves.chosen.max() <= 1e-6
    assert window.experiment.curves.unmasked.max() > 1e-4
    qtbot.mouseClick(window.padding.sources.button(2), Qt.MouseButton.LeftButton)
    assert window.padding.figure.text() != "0.000000"
    assert "✗" in window.padding.verdict.text()
    assert window.experiment.run.mask.all()


def test_noise_under_the_models_mask_is_not_masked_and_lengths_repair_it(qtbot, open_window, demo):
    window = open_window(demo)
    press(qtbot, window, KEY.Key_X)
    assert window.experiment.settings.fill == "noise"
    assert window.experiment.run.mask.all()
    assert "only masks rows that equal" in window.padding.explanation.text()
    press(qtbot, window, KEY.Key_M)
    assert window.experiment.settings.mask_from == "lengths"
    assert window.padding.figure.text() == "0.000000"


def test_the_slider_moves_by_mouse_and_shows_its_number(qtbot, open_window, demo):
    window = open_window(demo)
    window.padding.slider.setValue(57)
    assert window.padding.added.text() == "57"
    assert len(window.experiment.run.mask) == window.session.focus.length + 57


def test_a_click_in_the_mask_lane_masks_a_real_token_and_shows_what_moves(qtbot, open_window, demo):
    window = open_window(demo)
    window.session.cursor.reveal(41)
    qtbot.mouseClick(
        window.tracks.viewport(), Qt.MouseButton.LeftButton, pos=window.tracks.column_box(6, "mask").center()
    )
    assert window.experiment.settings.masked == {6}
    assert not window.experiment.run.mask[6]
    assert window.experiment.run.largest_change > 1e-4
    assert "by hand" in window.padding.verdict.text()
    press(qtbot, window, KEY.Key_K, shift=True)
    assert window.padding.figure.text() == "0.000000"


def test_a_collision_is_explained_where_it_is_seen(qtbot, open_window, demo):
    window = open_window(demo)
    press(qtbot, window, KEY.Key_Z)
    sentence, position = (int(part) for part in window.session.project.collisions()[0])
    assert (window.session.cursor.sentence, window.session.cursor.position) == (sentence, position)
    assert "is a collision" in window.reading._note.text()
    assert window.reading._note.isVisible()
    lines = {name: value for name, value, _ in window.token.lines()}
    assert "collision" in lines["mask"]
    assert "not a prediction" in next(value for name, value in lines.items() if name.startswith("P("))
    assert lines["predicted"] == "no prediction"
    assert "2 collisions" in window.status_line.collisions.text()


def test_search_shows_the_sentences_that_hold_a_text_and_a_label(qtbot, open_window, demo):
    window = open_window(demo)
    press(qtbot, window, KEY.Key_F, control=True)
    qtbot.keyClicks(window.toolbar.search, "badajoz")
    qtbot.waitUntil(lambda: window.session.list_order.search_text == "badajoz", timeout=5000)
    assert 0 < len(window.session.list_order.sentences) < 10
    assert 41 in window.session.list_order.sentences
    assert "badajoz" in window.list_panel.chip.text()
    qtbot.mouseClick(window.list_panel.chip, Qt.MouseButton.LeftButton)
    assert len(window.session.list_order.sentences) == 200
    assert window.toolbar.search.text() == ""


def test_letters_typed_into_the_search_field_label_nothing(qtbot, open_window, demo):
    window = open_window(demo)
    press(qtbot, window, KEY.Key_F, control=True)
    qtbot.keyClicks(window.toolbar.search, "f1a2")
    assert window.session.project.edits.count() == 0
    qtbot.waitUntil(lambda: window.session.list_order.search_text == "f1a2", timeout=5000)
    assert window.list_panel.empty.isVisible()


def test_filters_are_counted_and_keep_the_place(qtbot, open_window, demo):
    window = open_window(demo)
    press(qtbot, window, KEY.Key_Return, KEY.Key_Return)
    here = window.session.cursor.sentence
    window.session.list_order.set_filter("unreviewed")
    assert window.list_panel.count.text() == "198 of 200"
    assert window.session.cursor.sentence == here
    press(qtbot, window, KEY.Key_Return)
    assert window.list_panel.count.text() == "197 of 200"
    window.session.list_order.set_filter("flagged")
    assert window.list_panel.empty.isVisible()


def test_every_order_of_the_list(qtbot, open_window, demo):
    window = open_window(demo)
    doubts = window.session.list_order.facts.uncertainty[window.session.list_order.sentences]
    assert (np.diff(doubts) <= 0).all()
    press(qtbot, window, KEY.Key_S)
    assert window.session.list_order.sentences.tolist() == list(range(200))
    press(qtbot, window, KEY.Key_S)
    assert window.session.list_order.facts.lengths[window.session.list_order.sentences[0]] == 60
    press(qtbot, window, KEY.Key_S)
    qtbot.waitUntil(lambda: window.session.list_order.facts.disagreement is not None, timeout=5000)
    assert window.session.list_order.facts.disagreement[window.session.list_order.sentences[0]] >= 1


def test_a_second_window_is_read_only_and_says_so(qtbot, open_window, demo):
    first = open_window(demo)
    second = open_window(demo)
    assert "read-only" in second.status_line.saved.text()
    press(qtbot, second, KEY.Key_1)
    assert second.notice.isVisible()
    assert "read-only" in second.notice.label.text()
    qtbot.mouseClick(second.notice.dismiss_button, Qt.MouseButton.LeftButton)
    assert not second.notice.isVisible()
    assert first.session.project.edits.count() == 0


def test_light_and_dark_can_be_chosen_and_are_remembered(qtbot, open_window, demo):
    window = open_window(demo)
    window.actions_by_id["dark"].trigger()
    assert _panel_colour(window) == QColor(DARK.panel)
    window.actions_by_id["light"].trigger()
    assert _panel_colour(window) == QColor(LIGHT.panel)
    window.actions_by_id["dark"].trigger()
    window.close()
    window.session.close()
    assert open_window(demo).look.theme is DARK


def _panel_colour(window: MainWindow) -> QColor:
    return window.reading.viewport().grab().toImage().pixelColor(2, 2)


def test_a_narrow_window_folds_the_batch_first_and_then_the_right_column(qtbot, open_window, demo):
    window = open_window(demo)
    assert window.sentence_page.batch_panel.isVisible()
    px = window.look.px
    window.resize(px(1200), px(800))
    assert not window.sentence_page.batch_panel.isVisible()
    assert window.padding.isVisible()
    window.resize(px(1000), px(800))
    assert not window.padding.isVisible()
    window.columns.tabs.setCurrentIndex(1)
    assert window.padding.isVisible()
    window.resize(px(1440), px(900))
    assert window.sentence_page.batch_panel.isVisible()
    assert window.padding.isVisible()
    assert window.list_panel.isVisible()


def test_with_no_project_every_way_in_is_shown(qtbot, open_window):
    window = open_window(None)
    assert window.start_page.isVisible()
    assert not window.actions_by_id["accept"].isEnabled()
    press(qtbot, window, KEY.Key_Return, KEY.Key_1, KEY.Key_Tab)
    assert window.start_page.isVisible()
    words = {button.text() for button in window.start_page.findChildren(QPushButton)}
    assert {"Open the demo", "Import…", "Open project…"} <= words


def test_the_place_last_read_comes_back(qtbot, open_window, demo):
    window = open_window(demo)
    window.session.cursor.reveal(77, 3)
    window.close()
    window.session.close()
    again = open_window(demo)
    assert (again.session.cursor.sentence, again.session.cursor.position) == (77, 3)


def test_a_project_without_a_model_opens_on_the_sentence_page(qtbot, open_window, demo, project_folder):
    window = open_window(demo)
    window.actions_by_id["page_evaluation"].trigger()
    window.close()
    window.session.close()
    assert open_window(project_folder).pages.current == "sentence"
    assert open_window(demo).pages.current == "evaluation"


def test_end_shows_where_padding_begins_in_a_long_sentence(qtbot, open_window, demo):
    window = open_window(demo)
    longest = int(window.session.list_order.facts.lengths.argmax())
    window.session.cursor.reveal(longest)
    edge = window.session.focus.length
    assert window.tracks.column_box(edge, "mask").left() > window.tracks.viewport().width()
    press(qtbot, window, KEY.Key_End)
    assert window.session.cursor.position == edge - 1
    assert 0 < window.tracks.column_box(edge, "mask").left() < window.tracks.viewport().width()


def test_padding_is_hatched_and_never_tinted(qtbot, open_window, demo):
    window = open_window(demo)
    window.session.cursor.reveal(41)
    image = window.tracks.viewport().grab().toImage()
    box = window.tracks.column_box(window.session.focus.length + 2, "gold")
    seen = {
        image.pixelColor(x, y).name().upper()
        for x in range(box.left() + 1, box.right())
        for y in range(box.top(), box.bottom())
    }
    assert LIGHT.pad_ground in seen
    assert LIGHT.ramp_high not in seen
    assert len(seen) > 2


def test_a_sentence_without_tokens_is_shown_and_no_verdict_is_made_up(qtbot, open_window, tmp_path):
    target = tmp_path / "empty.maskscope"
    with ProjectWriter(target, 4, np.dtype(np.float32)) as writer:
        writer.add(Sentence((), np.zeros((0, 4), dtype=np.float32)))
        writer.add(Sentence(("a", "b"), np.ones((2, 4), dtype=np.float32), ("O", "name")))
        writer.finish({})
    window = open_window(target)
    assert "no tokens" in window.reading._note.text()
    press(qtbot, window, KEY.Key_1, KEY.Key_Space, KEY.Key_Right, KEY.Key_End, KEY.Key_A, KEY.Key_Tab, KEY.Key_K)
    assert window.session.project.edits.count() == 0
    assert "Train a model" in window.padding.verdict.text()
    press(qtbot, window, KEY.Key_Down, KEY.Key_1)
    assert window.session.focus.row.labels.tolist() == [1, 1]


def test_without_a_model_the_window_labels_and_says_how_to_get_one(qtbot, open_window, tmp_path):
    target = tmp_path / "bare.maskscope"
    with ProjectWriter(target, 4, np.dtype(np.float32)) as writer:
        writer.add(Sentence(("a", "b"), np.ones((2, 4), dtype=np.float32)))
        writer.finish({})
    window = open_window(target)
    assert window.toolbar.model.text() == "no model yet"
    press(qtbot, window, KEY.Key_Tab)
    assert "Train a model first" in window.status_line.message.text()
    press(qtbot, window, KEY.Key_1, KEY.Key_Return)
    with Project.open(target, read_only=True) as project:
        assert project.sentence(0).labels.tolist() == [1, -1]
        assert project.sentence(0).state == "accepted"


def test_recent_projects_are_in_the_menu_and_open_from_it(qtbot, open_window, demo, project_folder):
    window = open_window(project_folder)
    window.close()
    window.session.close()
    window = open_window(demo)
    recent = next(action.menu() for action in window.menus["File"].actions() if action.text() == "Open recent")
    recent.aboutToShow.emit()
    assert [action.text().split()[0] for action in recent.actions()] == ["demo", "small"]
    recent.actions()[1].trigger()
    assert window.session.project.name == "small"
    assert len(window.session.list_order.sentences) == 4


def test_a_dropped_project_opens(qtbot, open_window, demo, project_folder):
    window = open_window(demo)
    window.dropped.emit([project_folder])
    assert window.session.project.name == "small"


def test_a_folder_that_is_no_project_is_refused_in_words_and_the_open_one_stays(qtbot, open_window, demo, tmp_path):
    window = open_window(demo)
    (tmp_path / "not-one").mkdir()
    (tmp_path / "not-one" / "project.sqlite").write_bytes(b"no database at all, but long enough to be looked at")
    window.dropped.emit([tmp_path / "not-one"])
    assert window.notice.isVisible()
    assert "damaged" in window.notice.label.text()
    assert window.session.project.name == "demo"
    press(qtbot, window, KEY.Key_1)
    assert not window.notice.isVisible()


def test_a_resting_finger_accepts_one_sentence_only(qtbot, open_window, demo):
    window = open_window(demo)
    for action_id in ("accept", "use_predictions", "flag", "toggle", "fill", "mask_from"):
        assert not window.actions_by_id[action_id].autoRepeat(), action_id
    assert window.actions_by_id["right"].autoRepeat()


def test_a_search_that_was_lifted_does_not_come_back(qtbot, open_window, demo):
    window = open_window(demo)
    press(qtbot, window, KEY.Key_F, control=True)
    qtbot.keyClicks(window.toolbar.search, "the")
    window.session.list_order.set_found("", None)
    qtbot.wait(600)
    assert len(window.session.list_order.sentences) == 200


def test_a_read_only_window_can_be_opened_again_for_writing(qtbot, open_window, demo):
    first = open_window(demo)
    second = open_window(demo)
    assert second.session.project.read_only
    first.close()
    first.session.close()
    second.dropped.emit([demo])
    assert not second.session.project.read_only


def test_the_first_sentence_has_none_before_it_and_the_panel_says_so(qtbot, open_window, demo):
    window = open_window(demo)
    window.session.cursor.reveal(0)
    window.experiment.set_fill("previous")
    assert "no sentence before" in window.padding.explanation.text()
    window.session.cursor.reveal(1)
    assert "only masks rows that equal" in window.padding.explanation.text()


def test_a_damaged_newest_model_leaves_the_others_in_reach(qtbot, open_window, demo):
    with Project.open(demo) as project:
        folder = project.models.new_folder()
        for name in ("model.keras", "weights.npz", "run.json"):
            shutil.copy(demo / "models" / "m1" / name, folder / name)
        newest = project.models.adopt(folder)
    newest.weights_file.write_bytes(b"broken")
    window = open_window(demo)
    assert window.notice.isVisible()
    assert window.toolbar.model.isEnabled()
    press(qtbot, window, KEY.Key_M, control=True)
    assert window.session.model.id == "m1"
    assert window.session.scores is not None


def test_the_shown_probability_goes_round_the_classes_by_key(qtbot, open_window, demo):
    window = open_window(demo)
    names = []
    for _ in range(6):
        names.append(window.session.shown_name)
        press(qtbot, window, KEY.Key_P)
    assert names == ["P(any label)", *(f"P({name})" for name in ("none", "person", "place", "organisation", "work"))]
    assert window.session.shown_name == "P(any label)"


def test_a_token_that_looks_like_html_is_shown_as_it_is(qtbot, open_window, tmp_path):
    target = tmp_path / "html.maskscope"
    with ProjectWriter(target, 4, np.dtype(np.float32)) as writer:
        writer.add(Sentence(("<b>bold</b>", "R&D"), np.ones((2, 4), dtype=np.float32), ("O", "name")))
        writer.finish({})
    window = open_window(target)
    press(qtbot, window, KEY.Key_1)
    assert window.status_line.undo.textFormat() == Qt.TextFormat.PlainText
    assert "<b>bold</b>" in window.status_line.undo.text()
    press(qtbot, window, KEY.Key_Right, KEY.Key_0)
    assert "R&&D" in window.actions_by_id["undo"].text()


def test_in_a_narrow_window_key_hints_give_way_and_none_is_cut_off(qtbot, open_window, demo):
    window = open_window(demo)
    head = window.reading_panel.head
    hints = head.findChildren(KeyHint)
    assert [hint.isVisible() for hint in hints] == [True] * 4
    window.resize(window.look.px(1085), window.look.px(760))
    qtbot.wait(50)
    shown = [hint for hint in hints if hint.isVisible()]
    assert shown[0].text() == "Accept and next"
    assert len(shown) < 4
    for hint in shown:
        assert hint.width() >= hint.sizeHint().width()
        assert hint.geometry().right() <= head.width()


@pytest.mark.parametrize("answer", ["No", "Yes"])
def test_quitting_asks_before_it_throws_a_training_away(qtbot, open_window, demo, monkeypatch, answer):
    window = open_window(demo)
    window.actions_by_id["train"].trigger()
    monkeypatch.setattr(TrainDialog, "training", True)
    asked = []

    def reply():
        box = QApplication.activeModalWidget()
        asked.append(box.text())
        qtbot.mouseClick(box.button(getattr(QMessageBox.StandardButton, answer)), Qt.MouseButton.LeftButton)

    QTimer.singleShot(200, reply)
    window.close()
    assert asked == ["A tagger is being trained. Stop the training and quit? The best epoch so far is kept."]
    assert window.isVisible() is (answer == "No")
    monkeypatch.setattr(TrainDialog, "training", False)
