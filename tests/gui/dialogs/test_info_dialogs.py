"""The pages to read: keys, the project, the program."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QWidget
from pytestqt.qtbot import QtBot

import maskscope
from maskscope.project import Project
from maskscope_gui.actions import ACTIONS, key_text
from maskscope_gui.dialogs.info_dialog import AboutDialog, ProjectInfoDialog
from maskscope_gui.dialogs.keys_overlay import KeysOverlay
from maskscope_gui.session.session import Session
from maskscope_gui.theme.theme import Style


def texts(widget: QWidget) -> list[str]:
    return [label.text() for label in widget.findChildren(QLabel)]


def test_every_action_and_label_stands_with_its_keys(qtbot: QtBot, style: Style, session: Session) -> None:
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


def test_the_keys_page_closes_with_the_key_that_opened_it(qtbot: QtBot, style: Style) -> None:
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


def test_the_project_page_says_what_was_imported(qtbot: QtBot, style: Style, project: Project) -> None:
    page = ProjectInfoDialog(None, style, project)
    qtbot.addWidget(page)
    with qtbot.waitExposed(page):
        page.show()
    assert page.values["source"] == "small.conll"
    assert page.values["sentences"] == "4"
    assert page.values["tokens"] == "15"
    assert page.values["longest"] == "7 tokens"
    assert page.values["embeddings"] == "6 numbers per token, float32"
    assert page.values["labels"] == "none 11, name 4"
    assert page.values["collisions"] == "1 (sentence:position 2:2)"
    assert page.values["lengths"] == "from the source"
    assert page.values["import notes"] == "Four sentences."
    assert page.values["models"] == "none yet"
    for value in page.values.values():
        assert value in texts(page)
    qtbot.keyClick(page, Qt.Key.Key_Escape)
    assert not page.isVisible()


def test_the_program_page_names_version_and_licences(qtbot: QtBot, style: Style) -> None:
    page = AboutDialog(None, style)
    qtbot.addWidget(page)
    with qtbot.waitExposed(page):
        page.show()
    assert page.values["Maskscope"].startswith(maskscope.__version__)
    assert page.values["Qt for Python"].endswith("LGPL-3.0")
    assert "Apache-2.0" in page.values["Keras"]
    qtbot.keyClick(page, Qt.Key.Key_Return)
    assert not page.isVisible()
