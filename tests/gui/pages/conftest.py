"""Windows on small projects, and a keyboard, for the tests of the pages."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from maskscope.project import ProjectWriter
from maskscope.types import Sentence
from maskscope_gui.app import Program
from maskscope_gui.shell.main_window import MainWindow


@pytest.fixture
def open_window(qtbot: QtBot) -> Iterator[Callable[[Path], MainWindow]]:
    """Open a window of 1440 x 900 on a project; all of them are closed at the end."""
    opened = []

    def open_one(path: Path) -> MainWindow:
        program = Program()
        window = program.window
        opened.append(window)
        window.resize(1440, 900)
        assert program.projects.open(path)
        window.show()
        window.activateWindow()
        qtbot.waitUntil(window.isActiveWindow)
        if window.pages.shown is None:
            window.setFocus()
        return window

    yield open_one
    for window in opened:
        window.close()
        window.session.close()
        window.deleteLater()


@pytest.fixture
def press(qtbot: QtBot) -> Callable[..., None]:
    """Press keys one after the other, in the widget that has the focus, as a keyboard does."""

    def press_keys(
        window: MainWindow,
        *keys: Qt.Key,
        modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier,
    ) -> None:
        for key in keys:
            qtbot.keyClick(QApplication.focusWidget() or window, key, modifier)

    return press_keys


@pytest.fixture
def write_labelled(tmp_path: Path) -> Callable[..., Path]:
    """Write a project of sentences whose tokens are numbers and whose labels are given, "." for none."""

    def write(*sentences: str) -> Path:
        target = tmp_path / "labelled.maskscope"
        rng = np.random.default_rng(5)
        with ProjectWriter(target, 4, np.dtype(np.float32)) as writer:
            for labels in sentences:
                names = tuple(None if name == "." else name for name in labels.split())
                rows = rng.normal(size=(len(names), 4)).astype(np.float32)
                writer.add(Sentence(tuple(str(number) for number in range(len(names))), rows, names))
            writer.finish({})
        return target

    return write
