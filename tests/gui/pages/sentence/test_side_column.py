"""The right column: how its height is shared, and how it looks in a narrow window."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint
from PySide6.QtGui import QFont
from pytestqt.qtbot import QtBot

from maskscope.types import NO_LABEL
from tests.gui.window_helpers import OpenWindow


def test_all_labels_that_fit_are_in_sight_and_the_curve_stays_so(
    qtbot: QtBot, open_window: OpenWindow, write_labelled: Callable[..., Path]
) -> None:
    classes = [f"type{number:02d}" for number in range(12)]
    window = open_window(write_labelled(" ".join(["O", *classes])))
    window.add_curve()
    palette, bar = window.palette_view, window.palette_view.verticalScrollBar()

    def curve_in_sight() -> bool:
        side = window.side.viewport()
        assert window.curve is not None
        bottom = window.curve.mapTo(side, QPoint(0, window.curve.height())).y()
        return bottom <= side.height()

    window.resize(1440, 1150)
    qtbot.wait(20)
    assert bar.maximum() == 0
    assert palette.row_box(NO_LABEL).bottom() <= palette.viewport().height()
    assert curve_in_sight()
    window.resize(1440, 900)
    qtbot.wait(20)
    assert bar.maximum() > 0
    assert curve_in_sight()
    tall = palette.height()
    window.resize(1440, 960)
    qtbot.wait(20)
    assert palette.height() > tall


@pytest.mark.parametrize("height", [560, 700])
def test_a_low_window_still_shows_four_labels(
    qtbot: QtBot, open_window: OpenWindow, write_labelled: Callable[..., Path], height: int
) -> None:
    window = open_window(write_labelled("O a b c d e f g"))
    window.resize(1440, height)
    qtbot.wait(20)
    assert window.palette_view.viewport().height() >= window.palette_view.row_box(4).bottom()


def test_in_a_narrow_window_the_titles_keep_their_capitals(
    open_window: OpenWindow, write_labelled: Callable[..., Path]
) -> None:
    window = open_window(write_labelled("O a b"))
    window.resize(window.look.px(1000), window.look.px(760))
    window.columns.tabs.setCurrentIndex(1)
    assert window.side.isVisible()
    for head in window.side.heads:
        assert head._title.font().capitalization() == QFont.Capitalization.AllUppercase
