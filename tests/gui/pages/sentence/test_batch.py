"""The batch heat map: which sentences it has, in which order, and what it shows at a cell."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from pytestqt.qtbot import QtBot

from maskscope_gui.pages.sentence.batch import BATCH_SIZE, BatchMap, batch_around
from maskscope_gui.session.session import Session
from tests.gui.window_helpers import LEFT, OpenWindow


@pytest.fixture
def small(session: Session) -> Session:
    """The small project in reading order: sentences of 7, 3, 3 and 2 tokens, with a collision in the third."""
    session.list_order.set_sort("reading")
    session.cursor.select_row(0)
    return session


def made(session: Session) -> BatchMap:
    batch = batch_around(session, "as listed")
    assert batch is not None
    return batch


def test_the_batch_is_as_long_as_its_longest_sentence_and_the_rest_is_padding(small: Session) -> None:
    batch = made(small)
    assert batch.ids.tolist() == [0, 1, 2, 3]
    assert batch.lengths.tolist() == [7, 3, 3, 2]
    assert batch.values.shape == (4, 7)
    assert batch.padding_share == pytest.approx(1 - 15 / 28)
    assert np.argwhere(batch.masked).tolist() == [[2, 2]]


def test_rows_are_sorted_by_length_or_stay_as_listed(
    open_window: OpenWindow, press: Callable[..., None], typed_demo: Path
) -> None:
    window = open_window(typed_demo)
    listed = window.session.list_order.sentences[:BATCH_SIZE].tolist()
    longest_first = window.batch.batch
    assert longest_first is not None
    assert sorted(longest_first.ids.tolist()) == sorted(listed)
    assert (np.diff(longest_first.lengths) <= 0).all()
    press(window, Qt.Key.Key_B, modifier=Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    as_listed = window.batch.batch
    assert as_listed is not None
    assert as_listed.ids.tolist() == listed
    assert as_listed.row_of(listed[3]) == 3
    assert as_listed.row_of(-1) is None


def test_a_sentence_that_the_list_hides_is_a_batch_of_its_own(small: Session) -> None:
    small.cursor.select(2)
    small.list_order.set_found("x", np.zeros(0, dtype=np.int64))
    assert made(small).ids.tolist() == [2]


def test_the_batch_stays_while_one_moves_in_it(open_window: OpenWindow, typed_demo: Path) -> None:
    window = open_window(typed_demo)
    first = window.batch.batch
    window.session.cursor.select_row(BATCH_SIZE - 1)
    assert window.batch.batch is first
    window.session.cursor.select_row(BATCH_SIZE)
    assert window.batch.batch is not first


def test_a_click_goes_to_a_token_and_at_padding_to_the_last(
    qtbot: QtBot, open_window: OpenWindow, typed_demo: Path
) -> None:
    window = open_window(typed_demo)
    batch = window.batch.batch
    assert batch is not None
    row = len(batch.ids) - 1
    length, longest = int(batch.lengths[row]), batch.values.shape[1]
    assert length < longest
    view = window.batch.viewport()
    qtbot.mouseClick(view, LEFT, pos=window.batch.cell_box(row, longest - 1).center().toPoint())
    cursor = window.session.cursor
    assert (cursor.sentence, cursor.position) == (int(batch.ids[row]), length - 1)
    qtbot.mouseClick(view, LEFT, pos=window.batch.cell_box(row, 0).center().toPoint())
    assert cursor.position == 0


def test_padding_is_hatched_and_tokens_are_tinted(open_window: OpenWindow, typed_demo: Path) -> None:
    window = open_window(typed_demo)
    batch, look = window.batch.batch, window.look
    assert batch is not None
    image = window.batch.viewport().grab().toImage()

    def colours(row: int, position: int) -> set[str]:
        cell = window.batch.cell_box(row, position).toRect().adjusted(1, 1, -2, -2)
        return {
            QColor(image.pixel(x, y)).name().upper()
            for x in range(cell.left(), cell.right())
            for y in range(cell.top(), cell.bottom())
        }

    # Not the row at the cursor, which is framed.
    row = len(batch.ids) - 1
    assert look.tint(float(batch.values[row, 0])) in colours(row, 0)
    assert look.theme.pad_ground in colours(row, batch.values.shape[1] - 1)


def test_the_tooltip_names_token_probability_collision_and_padding(open_window: OpenWindow, typed_demo: Path) -> None:
    window = open_window(typed_demo)
    window.session.cursor.next_collision()
    batch = window.batch.batch
    assert batch is not None
    row, position = (int(part) for part in np.argwhere(batch.masked)[0])

    def tip(row: int, position: int) -> str:
        return window.batch.tip_at(window.batch.cell_box(row, position).center().toPoint())

    assert "a collision, masked as padding" in tip(row, position)
    other = len(batch.ids) - 1 if row != len(batch.ids) - 1 else 0
    token = window.session.sentence_row(int(batch.ids[other])).tokens[0]
    assert tip(other, 0) == f"Sentence {batch.ids[other]}, “{token}”: P(any label) {batch.values[other, 0]:.2f}"
    last = int(np.argmin(batch.lengths))
    assert tip(last, batch.values.shape[1] - 1).endswith(": padding")
