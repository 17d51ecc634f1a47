"""A dialog that comes when the worker answers, which may be while a person types labels."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent, QKeySequence, QShortcut
from PySide6.QtWidgets import QPushButton, QWidget

from maskscope_gui.actions import key_text
from maskscope_gui.dialogs.form import Dialog
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.base import text_width

CONFIRM_KEYS = ("Ctrl+Return", "Ctrl+Enter")


class UnaskedDialog(Dialog):
    """No key that labels a token does anything in it: the focus begins on the dialog itself, and there is no default.

    Tab goes to the first control, Ctrl+Enter presses the button that confirms, and Enter only a button with the focus.
    """

    def __init__(self, parent: QWidget | None, style: Style, title: str, size: tuple[int, int]) -> None:
        super().__init__(parent, style, title, size)
        # Not in the order of Tab, since nothing shows that it has the focus.
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.setFocus()

    def confirming_button(self, text: str) -> QPushButton:
        """The button of Ctrl+Enter, which stands on it."""
        text = f"{text}   {key_text(CONFIRM_KEYS[0])}"
        made = self.button(text)
        made.setObjectName("primary")
        # Its text is bold, which Qt's size hint does not know.
        made.setMinimumWidth(text_width(text, self.look.bold) + self.look.px(30))
        for keys in CONFIRM_KEYS:
            QShortcut(QKeySequence(keys), self).activated.connect(made.click)
        return made

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Take Enter only for a button that has the focus."""
        if event.key() not in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            super().keyPressEvent(event)
            return
        focus = self.focusWidget()
        if isinstance(focus, QPushButton):
            focus.click()
