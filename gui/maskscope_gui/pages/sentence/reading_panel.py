"""The reading strip under its heading, which names the sentence and shows the keys of the review."""

from collections.abc import Mapping

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QVBoxLayout, QWidget

from maskscope_gui.actions import key_of_action
from maskscope_gui.pages.sentence.reading import ReadingView
from maskscope_gui.session.session import Session
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.base import KeyHint, Panel

_HINTS = (
    ("Accept and next", "accept"),
    ("Use the model's labels", "use_predictions"),
    ("Next uncertain", "next_uncertain"),
    ("Flag", "flag"),
)
_KEYS_OF_PAGES = ("accept", "next_uncertain")
"""Enter and Tab belong to a page while one is shown."""


class ReadingPanel(QWidget):
    """Heading and reading strip. It stays in sight, whichever page is shown under it."""

    def __init__(self, session: Session, view: ReadingView, actions: Mapping[str, QAction], style: Style) -> None:
        super().__init__()
        self._session = session
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.head = Panel("Reading", style)
        self.hints: dict[str, KeyHint] = {}
        for text, action_id in _HINTS:
            hint = KeyHint(text, key_of_action(action_id), style)
            hint.clicked.connect(actions[action_id].trigger)
            self.head.add(hint)
            self.hints[action_id] = hint
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.head)
        column.addWidget(view, 1)
        session.cursor.sentence_changed.connect(self._update_title)
        session.project_changed.connect(self._update_title)
        session.editing.edited.connect(self._update_title)

    def set_look(self, style: Style) -> None:
        """Paint the heading with other colours and fonts; the strip is styled by the window."""
        self.head.set_look(style)

    def show_all_keys(self, shown: bool) -> None:
        """Show all keys, or only those that still act on the sentence while a page is shown."""
        self.head.hide_hints([] if shown else [self.hints[action_id] for action_id in _KEYS_OF_PAGES])

    def _update_title(self) -> None:
        text = "Reading"
        focus = self._session.focus
        if focus is not None:
            text += f" · sentence {focus.row.id}"
            if focus.row.state != "unreviewed":
                text += f" · {focus.row.state}"
        self.head.set_title(text)
