"""The key overlay: every action and label with its keys."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QWidget
from pytestqt.qtbot import QtBot

from maskscope_gui.actions import ACTIONS, key_text
from maskscope_gui.dialogs.keys_overlay import KeysOverlay
from maskscope_gui.session.session import Session
from maskscope_gui.theme.theme import Style


def texts(widget: QWidget) -> list[str]:
    return [label.text() for label in widget.findChildren(QLabel)]


def test_every_action_and_label_is_shown_with_its_keys(qtbot: QtBot, style: Style, session: Session) -> None:
    overlay = KeysOverlay(None, style, session)
    qtbot.addWidget(overlay)
    with qtbot.waitExposed(overlay):
        overlay.show()
    shown = texts(overlay)
    for action in ACTIONS:
        assert action.text.rstrip("…") in shown
        if action.keys:
            assert key_text(action.keys[0]) in shown
    assert shown.count("Flag") == 1
    place = shown.index("name")
    assert shown[place + 1] == "1"
    assert "Backtab" not in shown
    assert overlay.width() <= 1280
    assert overlay.height() <= 800


def test_the_overlay_closes_with_the_key_that_opened_it(qtbot: QtBot, style: Style) -> None:
    for key, modifier in ((Qt.Key.Key_Question, Qt.KeyboardModifier.ShiftModifier), (Qt.Key.Key_Escape, None)):
        overlay = KeysOverlay(None, style)
        qtbot.addWidget(overlay)
        with qtbot.waitExposed(overlay):
            overlay.show()
        target = overlay.focusWidget() or overlay
        if modifier is None:
            qtbot.keyClick(target, key)
        else:
            qtbot.keyClicks(target, "?")
        assert not overlay.isVisible()
