"""Order, filter and search of the sentence list."""

from pathlib import Path

import numpy as np
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from tests.gui.window_helpers import CONTROL, KEY, OpenWindow, Press, facts_of, project_of


def test_search_lists_the_sentences_that_contain_a_text(
    qtbot: QtBot, open_window: OpenWindow, press: Press, typed_demo: Path
) -> None:
    window = open_window(typed_demo)
    press(window, KEY.Key_F, modifier=CONTROL)
    qtbot.keyClicks(window.toolbar.search, "badajoz")
    qtbot.waitUntil(lambda: window.session.list_order.search_text == "badajoz", timeout=5000)
    assert 0 < len(window.session.list_order.sentences) < 10
    assert 41 in window.session.list_order.sentences
    assert "badajoz" in window.list_panel.chip.text()
    qtbot.mouseClick(window.list_panel.chip, Qt.MouseButton.LeftButton)
    assert len(window.session.list_order.sentences) == 200
    assert window.toolbar.search.text() == ""


def test_letters_typed_into_the_search_field_label_nothing(
    qtbot: QtBot, open_window: OpenWindow, press: Press, typed_demo: Path
) -> None:
    window = open_window(typed_demo)
    press(window, KEY.Key_F, modifier=CONTROL)
    qtbot.keyClicks(window.toolbar.search, "f1a2")
    assert project_of(window).edits.count() == 0
    qtbot.waitUntil(lambda: window.session.list_order.search_text == "f1a2", timeout=5000)
    assert window.list_panel.empty.isVisible()


def test_a_cleared_search_does_not_come_back(
    qtbot: QtBot, open_window: OpenWindow, press: Press, typed_demo: Path
) -> None:
    window = open_window(typed_demo)
    press(window, KEY.Key_F, modifier=CONTROL)
    qtbot.keyClicks(window.toolbar.search, "the")
    window.session.list_order.set_found("", None)
    qtbot.wait(600)
    assert len(window.session.list_order.sentences) == 200


def test_filters_are_counted_and_keep_the_sentence(open_window: OpenWindow, press: Press, typed_demo: Path) -> None:
    window = open_window(typed_demo)
    press(window, KEY.Key_Return, KEY.Key_Return)
    here = window.session.cursor.sentence
    window.session.list_order.set_filter("unreviewed")
    assert window.list_panel.count.text() == "198 of 200"
    assert window.session.cursor.sentence == here
    press(window, KEY.Key_Return)
    assert window.list_panel.count.text() == "197 of 200"
    window.session.list_order.set_filter("flagged")
    assert window.list_panel.empty.isVisible()


def test_every_order_of_the_list(qtbot: QtBot, open_window: OpenWindow, press: Press, typed_demo: Path) -> None:
    window = open_window(typed_demo)
    uncertainty = facts_of(window).uncertainty
    assert uncertainty is not None
    assert (np.diff(uncertainty[window.session.list_order.sentences]) <= 0).all()
    press(window, KEY.Key_S)
    assert window.session.list_order.sentences.tolist() == list(range(200))
    press(window, KEY.Key_S)
    assert facts_of(window).lengths[window.session.list_order.sentences[0]] == 60
    press(window, KEY.Key_S)
    qtbot.waitUntil(lambda: facts_of(window).disagreement is not None, timeout=5000)
    disagreement = facts_of(window).disagreement
    assert disagreement is not None
    assert disagreement[window.session.list_order.sentences[0]] >= 1
