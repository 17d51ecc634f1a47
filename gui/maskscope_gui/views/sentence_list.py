"""The list of sentences: text, doubt, the lane thumbnail, review state."""

import numpy as np
from PySide6.QtCore import QModelIndex, QObject, QPersistentModelIndex, QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPen
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from maskscope_gui.models.sentence_list import SENTENCE, SentenceListModel, sentence_text
from maskscope_gui.session import Session
from maskscope_gui.theme import Style, colour
from maskscope_gui.views.base import draw_collision, elided, text_width

_ROW = 48
_LEFT = 52
_LANE = 160


class SentenceDelegate(QStyledItemDelegate):
    """Paints one row."""

    def __init__(self, session: Session, style: Style, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.look = style
        self._positions = 18

    def measure(self) -> None:
        """How many positions the thumbnails show: as many as nineteen of twenty sentences have."""
        lengths = self._session.facts.lengths if self._session.facts is not None else np.zeros(0)
        self._positions = max(18, int(np.percentile(lengths, 95))) if len(lengths) else 18

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        """One height for all, so that a million rows cost nothing."""
        return QSize(self.look.px(240), self.look.px(_ROW))

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        """Paint."""
        sentence = index.data(SENTENCE)
        if sentence is None or self._session.facts is None:
            return
        look, px = self.look, self.look.px
        row = self._session.row_of(sentence)
        box: QRect = option.rect
        state = option.state
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        selected = bool(state & QStyle.StateFlag.State_Selected)
        if selected:
            painter.fillRect(box, look.c("accent_ground"))
            painter.fillRect(QRect(box.x(), box.y(), px(3), box.height()), look.c("accent"))
        elif state & QStyle.StateFlag.State_MouseOver:
            painter.fillRect(box, look.c("hover"))
        painter.setPen(QPen(look.c("line"), 1))
        painter.drawLine(box.bottomLeft(), box.bottomRight())
        middle = Qt.AlignmentFlag.AlignVCenter
        top = QRect(box.x(), box.y() + px(4), box.width(), px(22))
        painter.setFont(look.small)
        painter.setPen(look.c("second"))
        painter.drawText(
            top.adjusted(px(12), 0, 0, 0),
            middle,
            elided(str(sentence), look.small, px(38)),
        )
        doubt = self._session.facts.doubt
        right = px(12)
        if doubt is not None:
            painter.drawText(
                top.adjusted(0, 0, -px(12), 0), middle | Qt.AlignmentFlag.AlignRight, f"{doubt[sentence]:.2f}"
            )
            right = px(48)
        painter.setFont(look.body)
        painter.setPen(look.c("text"))
        room = box.width() - px(_LEFT) - right
        text = elided(sentence_text(row.tokens) or "(no tokens)", look.body, room)
        painter.drawText(QRect(box.x() + px(_LEFT), top.y(), room, top.height()), middle, text)
        lane = QRectF(box.x() + px(_LEFT), box.y() + px(30), min(px(_LANE), box.width() - px(_LEFT) - px(90)), px(9))
        self._paint_lane(painter, lane, sentence, len(row.tokens))
        self._paint_state(painter, QRect(box.x(), box.y() + px(24), box.width() - px(12), px(20)), sentence, row.state)
        painter.restore()

    def _paint_lane(self, painter: QPainter, lane: QRectF, sentence: int, length: int) -> None:
        look = self.look
        positions = max(self._positions, length)
        wide = lane.width() / positions
        edge = lane.x() + wide * length
        if length < positions:
            painter.fillRect(QRectF(edge, lane.y(), lane.right() - edge, lane.height()), look.hatch)
        values, mask = self._session.inside_of(sentence), self._session.mask_of(sentence)
        gap = 1.0 if wide >= 4 else 0.0
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, on=False)
        for position in range(length):
            cell = QRectF(lane.x() + position * wide, lane.y(), max(wide - gap, 1.0), lane.height())
            if mask is not None and not mask[position]:
                painter.fillRect(cell, look.c("collision"))
            else:
                painter.fillRect(cell, look.c("line") if values is None else colour(look.tint(float(values[position]))))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)

    def _paint_state(self, painter: QPainter, box: QRect, sentence: int, state: str) -> None:
        facts, look, px = self._session.facts, self.look, self.look.px
        assert facts is not None
        painter.setFont(look.small)
        right = box.right()
        middle = box.center().y() + 1

        def word(text: str, role: str) -> None:
            nonlocal right
            wide = text_width(text, look.small)
            painter.setPen(look.c(role))
            painter.drawText(QRect(right - wide, box.y(), wide + 1, box.height()), Qt.AlignmentFlag.AlignVCenter, text)
            right -= wide + px(6)

        if facts.collides[sentence]:
            draw_collision(painter, QPointF(right - px(4), middle), px(9), look.c("collision"))
            right -= px(14)
        if state == "accepted":
            word("✓", "holds")
        elif state == "flagged":
            word("⚑", "fails")
        if facts.edited[sentence]:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(look.c("accent"))
            painter.drawEllipse(QPointF(right - px(4), middle), px(3.2), px(3.2))
            right -= px(12)
            word("edited", "accent")


class SentenceList(QListView):
    """Follows the session's selection, and sets it."""

    def __init__(self, session: Session, style: Style, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.setAccessibleName("Sentences")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setUniformItemSizes(True)
        self.setMouseTracking(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.delegate = SentenceDelegate(session, style, self)
        self.setItemDelegate(self.delegate)
        self.setModel(SentenceListModel(session, self))
        session.sentenceChanged.connect(self._follow)
        session.orderChanged.connect(self._follow)
        session.projectChanged.connect(self._measure)

    def set_look(self, style: Style) -> None:
        """Paint with other colours and fonts."""
        self.delegate.look = style
        self.doItemsLayout()
        self.viewport().update()

    def _measure(self) -> None:
        self.delegate.measure()

    def _follow(self) -> None:
        row = self._session.row
        index = self.model().index(row, 0) if row >= 0 else QModelIndex()
        self.setCurrentIndex(index)
        if index.isValid():
            self.scrollTo(index)

    def rows_a_page(self) -> int:
        """How many rows are in sight."""
        return max(1, self.viewport().height() // max(1, self.sizeHintForRow(0)))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Show the sentence that was clicked."""
        index = self.indexAt(event.position().toPoint())
        if index.isValid() and event.button() == Qt.MouseButton.LeftButton:
            self._session.select(index.data(SENTENCE))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Only light up the row under the mouse: dragging selects nothing."""
        if not event.buttons():
            super().mouseMoveEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Keys belong to the table of actions, so that they mean the same wherever the focus is."""
        event.ignore()
