"""Switching between the pages, by key and by mouse, and what stays the same meanwhile."""

from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from maskscope.project import Project
from maskscope_gui.pages.evaluation.evaluation_page import EvaluationPage
from maskscope_gui.pages.models.models_page import ModelsPage
from maskscope_gui.widgets.pages import PAGE_TITLES
from tests.gui.window_helpers import CONTROL, KEY, LEFT, OpenWindow, Press


def test_pages_are_switched_by_key_and_mouse_and_esc_goes_back(
    qtbot: QtBot, open_window: OpenWindow, press: Press, spans: Path
) -> None:
    window = open_window(spans)
    assert window.sentence_page.tracks_panel.isVisible()
    press(window, KEY.Key_2, modifier=CONTROL)
    assert window.pages.current == "evaluation"
    assert not window.sentence_page.tracks_panel.isVisible()
    assert window.reading.isVisible()
    assert window.actions_by_id["page_evaluation"].isChecked()
    press(window, KEY.Key_Escape)
    if window.pages.current != "sentence":
        # The first Esc stopped the evaluation.
        press(window, KEY.Key_Escape)
    assert window.pages.current == "sentence"
    assert window.sentence_page.tracks_panel.isVisible()
    qtbot.mouseClick(window.pages.tabs, LEFT, pos=window.pages.tabs.tab_box("models").center())
    assert window.pages.current == "models"
    press(window, KEY.Key_1, modifier=CONTROL)
    assert window.pages.current == "sentence"
    assert window.focusWidget() is window
    for page in PAGE_TITLES:
        assert window.pages.tabs.tab_box(page).right() < window.pages.tabs.width()


def test_the_page_is_remembered_and_the_batch_folds_as_before(
    open_window: OpenWindow, press: Press, spans: Path
) -> None:
    window = open_window(spans)
    press(window, KEY.Key_3, modifier=CONTROL)
    window.close()
    window.session.close()
    again = open_window(spans)
    assert again.pages.current == "models"
    page = again.pages.made["models"]
    assert isinstance(page, ModelsPage)
    assert page.table.isVisible()
    press(again, KEY.Key_1, modifier=CONTROL)
    assert again.sentence_page.batch_panel.isVisible()
    again.resize(again.look.px(1200), again.look.px(800))
    assert not again.sentence_page.batch_panel.isVisible()


@pytest.mark.parametrize("with_figures", [True, False])
def test_a_label_key_labels_on_every_page_and_enter_accepts_nothing(
    qtbot: QtBot, open_window: OpenWindow, press: Press, spans: Path, with_figures: bool
) -> None:
    window = open_window(spans)
    press(window, KEY.Key_2, modifier=CONTROL)
    page = window.pages.made["evaluation"]
    assert isinstance(page, EvaluationPage)
    if with_figures:
        # Of all sentences: the model of `spans` has no validation sentences.
        press(window, KEY.Key_H, modifier=CONTROL)
    qtbot.waitUntil(lambda: not page.busy, timeout=10_000)
    assert page.parts.isVisible() == with_figures
    window.session.cursor.reveal(0, 0)
    press(window, KEY.Key_1)
    assert window.session.focus is not None
    assert window.session.focus.row.labels[0] == 1
    press(window, KEY.Key_Return, KEY.Key_Tab, KEY.Key_Return)
    with Project.open(spans, read_only=True) as project:
        assert project.sentence(0).state == "unreviewed"
        assert project.edits.count() == 1
