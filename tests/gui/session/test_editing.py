"""Labels and reviews, changed by keys and by the mouse: what is on the screen and on the disk."""

from pathlib import Path

from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from maskscope.project import Project
from maskscope.types import NO_EDIT
from tests.gui.window_helpers import CONTROL, KEY, SHIFT, OpenWindow, Press, focus_of, project_of


def on_disk(path: Path, sentence: int) -> list[int]:
    with Project.open(path, read_only=True) as project:
        return [int(edit) for edit in project.sentence(sentence).edits]


def test_a_digit_labels_the_token_and_it_is_on_the_disk_at_once(
    open_window: OpenWindow, press: Press, typed_demo: Path
) -> None:
    window = open_window(typed_demo)
    window.session.cursor.reveal(41, 11)
    assert focus_of(window).row.tokens[11] == "Badajoz"
    before = project_of(window).counts().labels[2]
    press(window, KEY.Key_2)
    assert on_disk(typed_demo, 41)[11] == 2
    assert project_of(window).counts().labels[2] == before + 1
    assert "edited" in {name: value for name, value, _ in window.token.lines()}
    assert {n: v for n, v, _ in window.token.lines()}["edited"].startswith("place by you")
    assert window.status_line.saved.text().startswith("✓ saved")


def test_clear_toggle_and_restore_the_original_label(open_window: OpenWindow, press: Press, typed_demo: Path) -> None:
    window = open_window(typed_demo)
    window.session.cursor.reveal(41, 0)
    gold = int(focus_of(window).row.gold[0])
    assert window.session.scheme.classes[gold] == "person"
    press(window, KEY.Key_Backspace)
    assert focus_of(window).row.labels[0] == 0
    press(window, KEY.Key_Delete)
    assert focus_of(window).row.labels[0] == gold
    assert focus_of(window).row.edits[0] == NO_EDIT
    press(window, KEY.Key_Space)
    assert focus_of(window).row.labels[0] == 0
    press(window, KEY.Key_Space)
    assert focus_of(window).row.labels[0] == gold
    press(window, KEY.Key_0)
    assert focus_of(window).row.labels[0] == 0


def test_shift_and_arrow_select_a_span_and_one_key_labels_it_as_one_undo_step(
    open_window: OpenWindow, press: Press, typed_demo: Path
) -> None:
    window = open_window(typed_demo)
    window.session.cursor.reveal(41, 2)
    press(window, KEY.Key_Right, KEY.Key_Right, modifier=SHIFT)
    assert window.session.cursor.span == (2, 4)
    press(window, KEY.Key_4)
    assert focus_of(window).row.labels[2:5].tolist() == [4, 4, 4]
    press(window, KEY.Key_Z, modifier=CONTROL)
    assert focus_of(window).row.edits.tolist() == [NO_EDIT] * focus_of(window).length


def test_enter_accepts_the_sentence_and_shows_the_next(open_window: OpenWindow, press: Press, typed_demo: Path) -> None:
    window = open_window(typed_demo)
    first, second = (int(i) for i in window.session.list_order.sentences[:2])
    assert window.session.cursor.sentence == first
    press(window, KEY.Key_Return)
    assert window.session.cursor.sentence == second
    with Project.open(typed_demo, read_only=True) as project:
        assert project.sentence(first).state == "accepted"
        assert project.sentence(second).state == "unreviewed"
    assert "1 of 200 reviewed" in window.status_line.reviewed.text()


def test_accepting_what_is_right_edits_no_label(open_window: OpenWindow, press: Press, typed_demo: Path) -> None:
    window = open_window(typed_demo)
    first = window.session.cursor.sentence
    press(window, KEY.Key_Return)
    assert set(on_disk(typed_demo, first)) == {NO_EDIT}


def test_a_takes_the_models_labels_but_never_at_a_collision(
    open_window: OpenWindow, press: Press, typed_demo: Path
) -> None:
    window = open_window(typed_demo)
    sentence, position = (int(part) for part in project_of(window).collisions()[0])
    window.session.cursor.reveal(sentence, position)
    press(window, KEY.Key_A)
    focus = focus_of(window)
    real = focus.mask
    assert focus.predicted is not None
    assert (focus.row.labels[real] == focus.predicted[real]).all()
    assert focus.row.edits[position] == NO_EDIT
    assert focus.row.state == "unreviewed"


def test_f_flags_and_again_removes_the_flag(open_window: OpenWindow, press: Press, typed_demo: Path) -> None:
    window = open_window(typed_demo)
    press(window, KEY.Key_F)
    assert focus_of(window).row.state == "flagged"
    press(window, KEY.Key_F)
    assert focus_of(window).row.state == "unreviewed"


def test_undo_goes_back_to_the_sentence_it_changes_and_survives_a_restart(
    open_window: OpenWindow, press: Press, typed_demo: Path
) -> None:
    window = open_window(typed_demo)
    window.session.cursor.reveal(10, 0)
    press(window, KEY.Key_1)
    window.session.cursor.reveal(20, 0)
    press(window, KEY.Key_2)
    window.session.cursor.reveal(30, 0)
    press(window, KEY.Key_Z, modifier=CONTROL)
    assert window.session.cursor.sentence == 20
    press(window, KEY.Key_Z, modifier=CONTROL)
    assert window.session.cursor.sentence == 10
    window.close()
    window.session.close()
    again = open_window(typed_demo)
    assert again.status_line.undo.text() == "Nothing to undo"
    press(again, KEY.Key_Z, modifier=CONTROL | SHIFT)
    assert again.session.cursor.sentence == 10
    assert on_disk(typed_demo, 10)[0] == 1
    press(again, KEY.Key_Y, modifier=CONTROL)
    assert again.session.cursor.sentence == 20
    assert on_disk(typed_demo, 20)[0] == 2


def test_a_click_on_the_palette_labels(qtbot: QtBot, open_window: OpenWindow, typed_demo: Path) -> None:
    window = open_window(typed_demo)
    window.session.cursor.reveal(41, 3)
    qtbot.mouseClick(
        window.palette_view.viewport(), Qt.MouseButton.LeftButton, pos=window.palette_view.row_box(3).center()
    )
    assert focus_of(window).row.labels[3] == 3
