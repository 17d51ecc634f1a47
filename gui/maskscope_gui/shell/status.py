"""The status line: saved, edited, reviewed, collisions; the step that undo takes back; background work; TensorFlow."""

import time

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget

from maskscope_gui.actions import key_of_action
from maskscope_gui.session.session import Session
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.base import elided, plain_tip, recolour

_MESSAGE_MS = 8000


class StatusLine(QWidget):
    """Shows the state of the open project, and for some seconds a message."""

    def __init__(self, session: Session, style: Style, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.look = style
        self.setObjectName("status")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.saved, self.edits, self.reviewed = QLabel(), QLabel(), QLabel()
        self.collisions = QPushButton()
        self.collisions.setObjectName("flat")
        self.collisions.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.collisions.setToolTip(f"Go to the next collision ({key_of_action('next_collision')})")
        self.collisions.clicked.connect(session.cursor.next_collision)
        self.message = QLabel()
        self.undo = QLabel()
        self.undo_key = QLabel(key_of_action("undo"))
        self.undo_key.setObjectName("key")
        self.worker = QLabel()
        self.work = QLabel()
        for label in (self.edits, self.reviewed, self.undo, self.worker):
            label.setObjectName("second")
        row = QHBoxLayout(self)
        row.setContentsMargins(style.px(12), 0, style.px(12), 0)
        row.setSpacing(style.px(18))
        for widget in (self.saved, self.edits, self.reviewed, self.collisions, self.message):
            row.addWidget(widget)
        row.addStretch(1)
        undo = QHBoxLayout()
        undo.setSpacing(style.px(6))
        undo.addWidget(self.undo)
        undo.addWidget(self.undo_key)
        row.addLayout(undo)
        row.addWidget(self.work)
        row.addWidget(self.worker)
        for label in (self.message, self.undo):
            # They show tokens, and a token may look like HTML.
            label.setTextFormat(Qt.TextFormat.PlainText)
        self._fade = QTimer(self)
        self._fade.setSingleShot(True)
        self._fade.timeout.connect(self.message.clear)
        session.message_requested.connect(self.show_message)
        session.editing.edited.connect(lambda _: self.refresh())
        session.model_changed.connect(self.refresh)
        session.project_changed.connect(self._new_project)
        self.set_look(style)
        self.refresh()

    def _new_project(self) -> None:
        self.message.clear()
        self.refresh()

    def set_look(self, style: Style) -> None:
        """Take sizes, fonts and colours of another theme."""
        self.look = style
        self.setFixedHeight(style.px(26))
        for label in self.findChildren(QLabel):
            label.setFont(style.small)
        self.refresh()

    def show_message(self, text: str, kind: str) -> None:
        """Show one sentence for some seconds; errors are shown by the notice bar instead."""
        if kind == "error":
            return
        self.message.setText(elided(text, self.look.small, max(self.width() // 2, self.look.px(200))))
        self.message.setToolTip(plain_tip(text))
        recolour(self.message, self.look.c("accent").name())
        self._fade.start(_MESSAGE_MS)

    def set_work(self, text: str) -> None:
        """Show what runs in the background; "" for nothing."""
        self.work.setText(text)

    def set_worker(self, text: str) -> None:
        """Show the state of TensorFlow."""
        self.worker.setText(text)

    def refresh(self) -> None:
        """Show the counts, which the project keeps; nothing is counted here."""
        project = self.session.project
        for widget in (self.saved, self.edits, self.reviewed, self.undo, self.undo_key):
            widget.setVisible(project is not None)
        self.collisions.setVisible(False)
        if project is None:
            return
        counts = project.counts()
        if project.read_only:
            self.saved.setText("read-only: open in another window, or the folder can't be written")
            recolour(self.saved, self.look.c("collision").name())
        else:
            at = self.session.editing.saved_at
            when = "" if at is None else time.strftime(" %H:%M:%S", time.localtime(at))
            self.saved.setText(f"✓ saved{when}")
            recolour(self.saved, self.look.c("holds").name())
        self.edits.setText(f"{counts.edited:,} edited {'token' if counts.edited == 1 else 'tokens'}")
        flagged = f", {counts.flagged:,} flagged" if counts.flagged else ""
        self.reviewed.setText(f"{counts.accepted:,} of {project.n_sentences:,} reviewed{flagged}")
        n_collisions = self.session.list_order.facts.n_collisions if self.session.list_order.facts is not None else 0
        if n_collisions:
            collisions = "collision" if n_collisions == 1 else "collisions"
            self.collisions.setText(f"▲ {n_collisions:,} {collisions}   {key_of_action('next_collision')}")
            recolour(self.collisions, self.look.c("collision").name())
            self.collisions.setVisible(True)
        undo, _ = project.edits.next_titles()
        self.undo.setText(f"Undo “{undo}”" if undo else "Nothing to undo")
        self.undo_key.setVisible(undo is not None)
