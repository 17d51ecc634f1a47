"""What the tests of the window share: names of keys and buttons, types of fixtures, and what is open in a window."""

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import Qt

from maskscope.project import Project
from maskscope_gui.session.list_order import SentenceFacts
from maskscope_gui.session.session import Focus
from maskscope_gui.shell.main_window import MainWindow

OpenWindow = Callable[[Path | None], MainWindow]
"""Of the fixture `open_window`."""
Press = Callable[..., None]
"""Of the fixture `press`."""
KEY = Qt.Key
SHIFT = Qt.KeyboardModifier.ShiftModifier
CONTROL = Qt.KeyboardModifier.ControlModifier
LEFT = Qt.MouseButton.LeftButton


def focus_of(window: MainWindow) -> Focus:
    """The sentence on screen."""
    assert window.session.focus is not None
    return window.session.focus


def project_of(window: MainWindow) -> Project:
    """The open project."""
    assert window.session.project is not None
    return window.session.project


def facts_of(window: MainWindow) -> SentenceFacts:
    """What the sentence list knows of each sentence."""
    assert window.session.list_order.facts is not None
    return window.session.list_order.facts
