"""The bar for what went wrong: a whole sentence, wrapped, that stays until it is read."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QWidget

from maskscope_gui.session.session import Session
from maskscope_gui.theme.theme import Style


class NoticeBar(QWidget):
    """Shows the session's last error under the toolbar; a click on ✕, or the next thing that works, takes it away."""

    def __init__(self, session: Session, style: Style, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("notice")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.words = QLabel()
        self.words.setObjectName("error")
        self.words.setWordWrap(True)
        self.words.setTextFormat(Qt.TextFormat.PlainText)
        self.words.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.words.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.away = QPushButton("✕  Esc")
        self.away.setObjectName("flat")
        self.away.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.away.setAccessibleName("Take this message away")
        self.away.clicked.connect(self.hide)
        row = QHBoxLayout(self)
        row.setContentsMargins(style.px(12), style.px(6), style.px(12), style.px(6))
        row.addWidget(self.words, 1)
        row.addWidget(self.away, 0, Qt.AlignmentFlag.AlignTop)
        session.message_requested.connect(self._show)
        session.editing.edited.connect(self.hide)
        self.hide()

    def _show(self, words: str, kind: str) -> None:
        if kind == "error":
            self.words.setText(words[:1].upper() + words[1:])
            self.show()
