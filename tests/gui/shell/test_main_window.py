"""The main window: themes, panels that fold, and closing."""

from pathlib import Path

import pytest
from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QApplication, QMessageBox
from pytestqt.qtbot import QtBot

from maskscope_gui.background.train_job import TrainJob
from maskscope_gui.shell.main_window import MainWindow
from maskscope_gui.widgets.base import KeyHint
from maskscope_resources.colours import DARK, LIGHT
from tests.gui.window_helpers import OpenWindow


def test_light_and_dark_can_be_chosen_and_are_remembered(open_window: OpenWindow, typed_demo: Path) -> None:
    window = open_window(typed_demo)
    window.actions_by_id["dark"].trigger()
    assert _panel_colour(window) == QColor(DARK.panel)
    window.actions_by_id["light"].trigger()
    assert _panel_colour(window) == QColor(LIGHT.panel)
    window.actions_by_id["dark"].trigger()
    window.close()
    window.session.close()
    assert open_window(typed_demo).look.theme is DARK


def _panel_colour(window: MainWindow) -> QColor:
    return window.reading.viewport().grab().toImage().pixelColor(2, 2)


def test_a_narrow_window_folds_the_batch_first_and_then_the_right_column(
    open_window: OpenWindow, typed_demo: Path
) -> None:
    window = open_window(typed_demo)
    assert window.sentence_page.batch_panel.isVisible()
    px = window.look.px
    window.resize(px(1200), px(800))
    assert not window.sentence_page.batch_panel.isVisible()
    assert window.padding.isVisible()
    window.resize(px(1000), px(800))
    assert not window.padding.isVisible()
    window.columns.tabs.setCurrentIndex(1)
    assert window.padding.isVisible()
    window.resize(px(1440), px(900))
    assert window.sentence_page.batch_panel.isVisible()
    assert window.padding.isVisible()
    assert window.list_panel.isVisible()


def test_in_a_narrow_window_key_hints_are_hidden_and_none_is_cut_off(
    qtbot: QtBot, open_window: OpenWindow, typed_demo: Path
) -> None:
    window = open_window(typed_demo)
    head = window.reading_panel.head
    hints = head.findChildren(KeyHint)
    assert [hint.isVisible() for hint in hints] == [True] * 4
    window.resize(window.look.px(1085), window.look.px(760))
    qtbot.wait(50)
    shown = [hint for hint in hints if hint.isVisible()]
    assert shown[0].text() == "Accept and next"
    assert len(shown) < 4
    for hint in shown:
        assert hint.width() >= hint.sizeHint().width()
        assert hint.geometry().right() <= head.width()


@pytest.mark.parametrize("answer", ["No", "Yes"])
def test_quitting_during_a_training_asks_first(
    qtbot: QtBot, open_window: OpenWindow, typed_demo: Path, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    window = open_window(typed_demo)
    window.actions_by_id["train"].trigger()
    monkeypatch.setattr(TrainJob, "running", True)
    asked = []

    def reply() -> None:
        box = QApplication.activeModalWidget()
        assert isinstance(box, QMessageBox)
        asked.append(box.text())
        qtbot.mouseClick(box.button(getattr(QMessageBox.StandardButton, answer)), Qt.MouseButton.LeftButton)

    QTimer.singleShot(200, reply)
    window.close()
    assert asked == ["A tagger is being trained. Stop the training and quit? The best epoch so far is kept."]
    assert window.isVisible() is (answer == "No")
    monkeypatch.setattr(TrainJob, "running", False)
