"""The tracks view: its tooltips, its columns and its overview strip."""

from pathlib import Path

from PySide6.QtCore import QPoint
from pytestqt.qtbot import QtBot

from maskscope_gui.pages.sentence.tracks_layout import Lane
from maskscope_gui.shell.main_window import MainWindow
from tests.gui.window_helpers import LEFT, OpenWindow


def tip(window: MainWindow, position: int, lane: Lane) -> str:
    return window.tracks.tip_at(window.tracks.column_box(position, lane).center())


def test_each_lane_is_explained_in_a_tooltip(open_window: OpenWindow, typed_demo: Path) -> None:
    window = open_window(typed_demo)
    window.session.cursor.reveal(41, 0)
    focus = window.session.focus
    assert focus is not None
    assert tip(window, 0, "gold") == "Maya, position 0"
    assert tip(window, 0, "norm") == f"Euclidean norm of the embedding: {focus.norms[0]:.3f}"
    assert "mask this real token" in tip(window, 0, "mask")
    assert "is padding. The model's output here is not a prediction" in tip(window, focus.length, "probability")
    # Over the names of the lanes there is nothing to explain.
    assert window.tracks.tip_at(QPoint(10, 40)) == ""


def test_a_click_at_padding_moves_nothing_and_masks_nothing(
    qtbot: QtBot, open_window: OpenWindow, typed_demo: Path
) -> None:
    window = open_window(typed_demo)
    window.session.cursor.reveal(41, 5)
    focus = window.session.focus
    assert focus is not None
    box = window.tracks.column_box(focus.length + 1, "mask")
    qtbot.mouseClick(window.tracks.viewport(), LEFT, pos=box.center())
    assert window.session.cursor.position == 5
    assert window.experiment.settings.masked == frozenset()


def test_a_click_in_the_overview_strip_scrolls_there(qtbot: QtBot, open_window: OpenWindow, typed_demo: Path) -> None:
    window = open_window(typed_demo)
    facts = window.session.list_order.facts
    assert facts is not None
    window.session.cursor.reveal(int(facts.lengths.argmax()))
    view = window.tracks
    bar = view.horizontalScrollBar()
    assert bar.value() == 0
    below = view.column_box(0, "norm").bottom() + view.look.px(6)
    qtbot.mouseClick(view.viewport(), LEFT, pos=QPoint(view.viewport().width() - view.look.px(20), below))
    assert bar.value() == bar.maximum() > 0
    assert window.session.cursor.position == 0


def test_added_positions_are_columns_after_the_tokens(open_window: OpenWindow, typed_demo: Path) -> None:
    window = open_window(typed_demo)
    window.session.cursor.reveal(41, 0)
    focus = window.session.focus
    assert focus is not None
    edge = window.tracks.column_box(focus.length - 1, "token").right()
    first = window.tracks.column_box(focus.length, "token")
    assert first.left() == edge + 1
    window.experiment.set_added(3)
    assert window.tracks.column_box(focus.length, "token") == first
    assert window.tracks.column_box(focus.length + 2, "token").left() > first.left()
