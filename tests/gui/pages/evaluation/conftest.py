"""An Evaluation page with its figures."""

from collections.abc import Callable

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from maskscope_gui.pages.evaluation.evaluation_page import EvaluationPage
from maskscope_gui.shell.main_window import MainWindow


@pytest.fixture
def show_evaluation(qtbot: QtBot, press: Callable[..., None]) -> Callable[..., EvaluationPage]:
    """Turn to the Evaluation page by its key, and wait for the figures, of all sentences by default."""

    def show(window: MainWindow, *, all_sentences: bool = True) -> EvaluationPage:
        press(window, Qt.Key.Key_2, modifier=Qt.KeyboardModifier.ControlModifier)
        page = window.pages.made["evaluation"]
        assert isinstance(page, EvaluationPage)
        if all_sentences:
            press(window, Qt.Key.Key_H, modifier=Qt.KeyboardModifier.ControlModifier)
        qtbot.waitUntil(lambda: page.evaluating.result is not None and not page.busy, timeout=10_000)
        return page

    return show
