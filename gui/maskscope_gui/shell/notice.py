"""The notice bar: an error message that stays until it is dismissed."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QWidget

from maskscope_gui.background.tasks import capitalized
from maskscope_gui.session.session import Session
from maskscope_gui.theme.theme import Style


class NoticeBar(QWidget):
    """Shows the last error under the toolbar, wrapped. A click on ✕, Esc or the next edit hides it."""

    def __init__(self, session: Session, style: Style, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("notice")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.label = QLabel()
        self.label.setObjectName("error")
        self.label.setWordWrap(True)
        self.label.setTextFormat(Qt.TextFormat.PlainText)
        self.label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.label.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.dismiss_button = QPushButton("✕  Esc")
        self.dismiss_button.setObjectName("flat")
        self.dismiss_button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.dismiss_button.setAccessibleName("Dismiss this message")
        self.dismiss_button.clicked.connect(self.hide)
        row = QHBoxLayout(self)
        row.setContentsMargins(style.px(12), style.px(6), style.px(12), style.px(6))
        row.addWidget(self.label, 1)
        row.addWidget(self.dismiss_button, 0, Qt.AlignmentFlag.AlignTop)
        session.message_requested.connect(self._show)
        session.editing.edited.connect(self.hide)
        self.hide()

    def _show(self, text: str, kind: str) -> None:
        if kind == "error":
            self.label.setText(capitalized(text))
            self.show()
