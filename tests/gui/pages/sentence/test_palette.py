"""The label palette: its rows, its keys, and how much of it is in sight."""

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QPoint, Qt
from pytestqt.qtbot import QtBot

from maskscope.types import NO_LABEL, TagScheme
from maskscope_gui.pages.sentence.palette import keys_of, palette_rows
from maskscope_gui.shell.main_window import MainWindow
from tests.gui.window_helpers import KEY, LEFT, OpenWindow

BIO = TagScheme("multiclass", ("O", "B-loc", "B-per", "I-loc", "I-per"))


def names(window: MainWindow) -> list[str]:
    focus = window.session.focus
    assert focus is not None
    return [window.session.scheme.classes[label] for label in focus.row.labels]


def test_labels_without_prefixes_have_a_row_each_and_outside_comes_last() -> None:
    rows = palette_rows(TagScheme("multiclass", ("O", "person", "place")))
    assert [row.name for row in rows] == ["person", "place", "O", "ignored"]
    assert [row.labels for row in rows] == [(1,), (2,), (0,), (NO_LABEL,)]
    assert all(prefix == "" for row in rows for _, prefix in row.keys)


def test_bio_labels_have_one_row_a_type_with_their_prefixes() -> None:
    rows = palette_rows(BIO)
    assert [row.name for row in rows] == ["loc", "per", "O", "ignored"]
    assert rows[0].keys == ((1, "B"), (3, "I"))
    assert rows[1].keys == ((2, "B"), (4, "I"))


def test_the_classes_of_a_type_are_in_the_order_of_a_span_and_a_click_begins_one() -> None:
    rows = palette_rows(TagScheme("multiclass", ("O", "E-x", "I-x", "S-x", "B-x", "I-y", "S-y")))
    assert rows[0].keys == ((4, "B"), (2, "I"), (1, "E"), (3, "S"))
    assert rows[0].clicked == 4
    assert rows[1].keys == ((5, "I"), (6, "S"))
    assert rows[1].clicked == 6


def test_each_class_keeps_its_key() -> None:
    assert keys_of(5, 0) == ["0", "1", "2", "3", "4"]
    # More classes than keys: the last ones have none, and no two share one.
    many = keys_of(40, 0)
    given = [key for key in many if key]
    assert many[-1] == ""
    assert len(set(given)) == len(given)


def test_every_key_of_a_bio_scheme_works_and_a_selection_becomes_one_span(
    qtbot: QtBot, open_window: OpenWindow, press: Callable[..., None], write_labelled: Callable[..., Path]
) -> None:
    window = open_window(write_labelled("O O O O B-loc I-loc B-per I-per"))
    for key, name in ((KEY.Key_1, "B-loc"), (KEY.Key_2, "B-per"), (KEY.Key_3, "I-loc"), (KEY.Key_4, "I-per")):
        press(window, key)
        assert names(window)[0] == name
    press(window, KEY.Key_Right, KEY.Key_Right, modifier=Qt.KeyboardModifier.ShiftModifier)
    press(window, KEY.Key_2)
    assert names(window)[:4] == ["B-per", "I-per", "I-per", "O"]


def test_a_click_on_a_type_begins_a_span_and_a_click_on_a_prefix_sets_that_class(
    qtbot: QtBot, open_window: OpenWindow, write_labelled: Callable[..., Path]
) -> None:
    window = open_window(write_labelled("O O O O B-loc I-loc B-per I-per"))
    palette = window.palette_view
    view = palette.viewport()
    assert palette.row_box(2) == palette.row_box(4)
    qtbot.mouseClick(view, LEFT, pos=QPoint(60, palette.row_box(2).center().y()))
    assert names(window)[0] == "B-per"
    qtbot.mouseClick(view, LEFT, pos=palette.key_box(4).center())
    assert names(window)[0] == "I-per"
    assert "I-per" in palette.tip_at(palette.key_box(4).center())
    qtbot.mouseClick(view, LEFT, pos=palette.row_box(0).center())
    assert names(window)[0] == "O"
    qtbot.mouseClick(view, LEFT, pos=palette.row_box(NO_LABEL).center())
    focus = window.session.focus
    assert focus is not None
    assert focus.row.edits[0] == NO_LABEL
    assert palette.key_box(1).right() < palette.key_box(3).left()
