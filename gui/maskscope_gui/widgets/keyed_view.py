"""A painted view with keys of its own."""

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QWidget

from maskscope_gui.session.session import Session
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.base import PaintedView


class KeyedView(PaintedView):
    """A painted view whose KEYS act on it, and not as shortcuts of the window, while it has the focus."""

    KEYS: frozenset[int] = frozenset()

    def __init__(self, session: Session, style: Style, name: str, parent: QWidget | None = None) -> None:
        super().__init__(session, style, name, parent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def event(self, event: QEvent) -> bool:
        """Claim KEYS, and Tab, which goes through the page."""
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
            held = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
            shift = held == Qt.KeyboardModifier.ShiftModifier
            plain = held == Qt.KeyboardModifier.NoModifier
            tabs = event.key() in (Qt.Key.Key_Tab, Qt.Key.Key_Backtab)
            # Shift and an arrow key select tokens of the sentence, as on every page.
            if (tabs and (plain or shift)) or (plain and event.key() in self.KEYS):
                event.accept()
                return True
        if event.type() in (QEvent.Type.FocusIn, QEvent.Type.FocusOut):
            self.viewport().update()
        return super().event(event)
