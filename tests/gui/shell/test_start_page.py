"""The start page: every text on it is shown whole."""

from collections.abc import Callable
from pathlib import Path

from PySide6.QtWidgets import QLabel

from maskscope_gui.shell.main_window import MainWindow


def test_no_text_is_cut_off(open_window: Callable[[Path | None], MainWindow]) -> None:
    window = open_window(None)
    for width, height in ((1024, 700), (1440, 900)):
        window.resize(width, height)
        for label in window.start_page.findChildren(QLabel):
            wanted = label.heightForWidth(label.width()) if label.wordWrap() else label.sizeHint().height()
            assert label.height() >= wanted, label.text()
            assert label.wordWrap() or label.width() >= label.sizeHint().width(), label.text()
