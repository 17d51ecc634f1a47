"""The cursor: moved by keys, and by clicks in every view."""

from pathlib import Path

from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from tests.gui.window_helpers import KEY, SHIFT, OpenWindow, Press, facts_of, focus_of, project_of


def test_tab_goes_to_the_next_uncertain_token(open_window: OpenWindow, press: Press, typed_demo: Path) -> None:
    window = open_window(typed_demo)
    seen = []
    for _ in range(6):
        press(window, KEY.Key_Tab)
        focus = focus_of(window)
        assert focus.uncertainty is not None
        assert focus.uncertainty[window.session.cursor.position] >= 0.2
        seen.append((window.session.cursor.sentence, window.session.cursor.position))
    assert len(set(seen)) == 6
    press(window, KEY.Key_Backtab, modifier=SHIFT)
    assert (window.session.cursor.sentence, window.session.cursor.position) == seen[-2]


def test_a_click_in_any_view_moves_the_one_cursor(qtbot: QtBot, open_window: OpenWindow, typed_demo: Path) -> None:
    window = open_window(typed_demo)
    session = window.session
    session.cursor.reveal(41, 0)
    qtbot.mouseClick(window.reading.viewport(), Qt.MouseButton.LeftButton, pos=window.reading.box_of(6).center())
    assert session.cursor.position == 6
    qtbot.mouseClick(
        window.tracks.viewport(), Qt.MouseButton.LeftButton, pos=window.tracks.column_box(3, "gold").center()
    )
    assert session.cursor.position == 3
    assert window.batch.batch is not None
    other = int(window.batch.batch.ids[0])
    cell = window.batch.cell_box(0, 2).center().toPoint()
    qtbot.mouseClick(window.batch.viewport(), Qt.MouseButton.LeftButton, pos=cell)
    assert (session.cursor.sentence, session.cursor.position) == (other, 2)
    rows = window.list_panel.list
    row = session.cursor.row + 1 if session.cursor.row == 0 else session.cursor.row - 1
    qtbot.mouseClick(rows.viewport(), Qt.MouseButton.LeftButton, pos=rows.row_box(row).center())
    assert session.cursor.row == row


def test_a_drag_over_the_reading_strip_takes_whole_tokens(
    qtbot: QtBot, open_window: OpenWindow, typed_demo: Path
) -> None:
    window = open_window(typed_demo)
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


def test_a_collision_is_explained_where_it_is_seen(open_window: OpenWindow, press: Press, typed_demo: Path) -> None:
    window = open_window(typed_demo)
    press(window, KEY.Key_Z)
    sentence, position = (int(part) for part in project_of(window).collisions()[0])
    assert (window.session.cursor.sentence, window.session.cursor.position) == (sentence, position)
    assert "is a collision" in window.reading._note.text()
    assert window.reading._note.isVisible()
    lines = {name: value for name, value, _ in window.token.lines()}
    assert "collision" in lines["mask"]
    assert "not a prediction" in next(value for name, value in lines.items() if name.startswith("P("))
    assert lines["predicted"] == "no prediction"
    assert "2 collisions" in window.status_line.collisions.text()


def test_end_shows_where_padding_begins_in_a_long_sentence(
    open_window: OpenWindow, press: Press, typed_demo: Path
) -> None:
    window = open_window(typed_demo)
    longest = int(facts_of(window).lengths.argmax())
    window.session.cursor.reveal(longest)
    edge = focus_of(window).length
    assert window.tracks.column_box(edge, "mask").left() > window.tracks.viewport().width()
    press(window, KEY.Key_End)
    assert window.session.cursor.position == edge - 1
    assert 0 < window.tracks.column_box(edge, "mask").left() < window.tracks.viewport().width()


def test_p_shows_the_probability_of_one_class_after_the_other(
    open_window: OpenWindow, press: Press, typed_demo: Path
) -> None:
    window = open_window(typed_demo)
    names = []
    for _ in range(6):
        names.append(window.session.shown_name)
        press(window, KEY.Key_P)
    assert names == ["P(any label)", *(f"P({name})" for name in ("none", "person", "place", "organisation", "work"))]
    assert window.session.shown_name == "P(any label)"
