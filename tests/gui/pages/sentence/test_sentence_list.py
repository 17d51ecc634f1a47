"""The sentence list: what a row shows, its order, and how it follows and moves the cursor."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtGui import QImage
from pytestqt.qtbot import QtBot

from maskscope.project import ProjectWriter
from maskscope.types import Sentence
from maskscope_gui.pages.sentence.sentence_list import SentenceList, sentence_text
from maskscope_gui.session.session import Session
from maskscope_gui.theme.theme import Style
from tests.gui.window_helpers import KEY, LEFT, OpenWindow, Press


@pytest.fixture
def sentences(qtbot: QtBot, session: Session, style: Style) -> Iterator[SentenceList]:
    """The list of the small project's four sentences, in reading order."""
    session.list_order.set_sort("reading")
    made = SentenceList(session, style)
    qtbot.addWidget(made)
    made.resize(316, 400)
    made.show()
    yield made
    made.close()


def colours(view: SentenceList, box: QRect) -> set[str]:
    """The colours in a part of the list, as "#RRGGBB"."""
    image: QImage = view.viewport().grab().toImage()
    return {
        image.pixelColor(x, y).name().upper()
        for x in range(max(box.left(), 0), min(box.right(), image.width()))
        for y in range(max(box.top(), 0), min(box.bottom(), image.height()))
    }


def test_the_text_of_a_row_names_what_cannot_be_seen() -> None:
    assert sentence_text(("until", "Badajoz", "\ufe0f")) == "until Badajoz U+FE0F"
    assert sentence_text(()) == ""


def test_a_click_shows_a_sentence(qtbot: QtBot, sentences: SentenceList, session: Session) -> None:
    assert session.cursor.row == 0
    qtbot.mouseClick(sentences.viewport(), LEFT, pos=sentences.row_box(2).center())
    assert session.cursor.sentence == 2
    # Below the last row there is nothing to click.
    qtbot.mouseClick(sentences.viewport(), LEFT, pos=QPoint(20, sentences.row_box(4).center().y()))
    assert session.cursor.sentence == 2


def test_the_row_at_the_cursor_is_highlighted(sentences: SentenceList, session: Session, style: Style) -> None:
    session.cursor.select_row(1)
    assert style.theme.accent_ground in colours(sentences, sentences.row_box(1))
    assert style.theme.accent_ground not in colours(sentences, sentences.row_box(0))
    assert sentences.accessibleDescription() == "She read Middlemarch"


def test_a_collision_an_edit_and_the_review_state_are_marked(
    sentences: SentenceList, session: Session, style: Style
) -> None:
    theme = style.theme
    assert theme.collision in colours(sentences, sentences.row_box(2))
    for row in (0, 1, 3):
        assert theme.collision not in colours(sentences, sentences.row_box(row))
    session.cursor.select_row(3)
    assert theme.fails not in colours(sentences, sentences.row_box(3))
    session.editing.toggle_flag()
    session.cursor.select_row(0)
    assert theme.fails in colours(sentences, sentences.row_box(3))
    session.cursor.select_row(3)
    session.editing.set_label(1)
    session.cursor.select_row(0)
    assert theme.accent in colours(sentences, sentences.row_box(3))
    assert theme.accent not in colours(sentences, sentences.row_box(1))


def test_padding_up_to_the_common_length_is_hatched(sentences: SentenceList, style: Style) -> None:
    # Two tokens of at least eighteen positions: all but the left end of the thumbnail is padding.
    row = sentences.row_box(3)
    thumbnail = QRect(style.px(52), row.y() + style.px(30), style.px(160), style.px(9))
    tokens = QRect(thumbnail.topLeft(), thumbnail.bottomLeft() + QPoint(style.px(14), 0))
    padding = thumbnail.adjusted(style.px(24), 0, 0, 0)
    assert style.theme.pad_ground in colours(sentences, padding)
    assert style.theme.pad_ground not in colours(sentences, tokens)


def test_the_tooltip_has_the_sentence(sentences: SentenceList) -> None:
    assert sentences.tip_at(sentences.row_box(0).center()) == "Maya took the night train from Lisbon"
    assert sentences.tip_at(QPoint(20, 390)) == ""


def test_keys_move_along_the_list_and_it_scrolls(
    open_window: OpenWindow, press: Press, write_labelled: Callable[..., Path]
) -> None:
    window = open_window(write_labelled(*["O x"] * 60))
    view, cursor = window.list_panel.list, window.session.cursor
    press(window, KEY.Key_Down, KEY.Key_Down, KEY.Key_Up)
    assert cursor.row == 1
    press(window, KEY.Key_PageDown)
    assert cursor.row == 1 + view.rows_a_page()
    press(window, KEY.Key_End, modifier=Qt.KeyboardModifier.ControlModifier)
    assert cursor.row == 59
    assert view.verticalScrollBar().value() > 0
    assert 0 <= view.row_box(59).top() < view.row_box(59).bottom() <= view.viewport().height()
    press(window, KEY.Key_Home, modifier=Qt.KeyboardModifier.ControlModifier)
    assert view.row_box(0).top() == 0


def test_sorting_filtering_and_removing_the_filter_by_mouse(
    qtbot: QtBot, open_window: OpenWindow, press: Press, tmp_path: Path
) -> None:
    target = tmp_path / "lengths.maskscope"
    with ProjectWriter(target, 4, np.dtype(np.float32)) as writer:
        for length in (2, 5, 3):
            tokens = tuple(str(number) for number in range(length))
            writer.add(Sentence(tokens, np.ones((length, 4), dtype=np.float32), ("O",) * length))
        writer.finish()
    window = open_window(target)
    panel, order = window.list_panel, window.session.list_order
    menu = panel.sort.menu()
    assert menu is not None
    assert [action.text() for action in menu.actions()] == [
        "Most uncertain",
        "Reading order",
        "Longest first",
        "Most disagreement",
    ]
    menu.actions()[2].trigger()
    assert order.sentences.tolist() == [1, 2, 0]
    assert panel.sort.text() == "Longest first ▾   S"
    press(window, KEY.Key_F)
    press(window, KEY.Key_V, KEY.Key_V, KEY.Key_V)
    assert order.filter == "flagged"
    assert panel.chip.text() == "flagged  ✕"
    assert panel.count.text() == "1 of 3"
    qtbot.mouseClick(panel.chip, LEFT)
    assert panel.chip.text() == "all"
    assert panel.count.text() == "3"
    press(window, KEY.Key_V, KEY.Key_V)
    assert panel.empty.isVisible()
    assert panel.empty.text().startswith("No sentence is accepted.")
