"""The list of sentences: text, doubt, the lane thumbnail, review state.

Painted by itself: Qt's own list view asks its model about every row on each layout, and a million rows must
cost no more than the twenty in sight.
"""

from collections import OrderedDict

import numpy as np
from PySide6.QtCore import QEvent, QPoint, QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QMouseEvent, QPainter, QPaintEvent, QPen, QPixmap, QResizeEvent
from PySide6.QtWidgets import QWidget

from maskscope.project import SentenceRow
from maskscope_gui.session.session import Session
from maskscope_gui.theme.theme import Style, colour
from maskscope_gui.widgets.base import PaintedView, draw_collision, elided, text_width
from maskscope_gui.widgets.token_text import shown

_ROW = 48
_LEFT = 52
_LANE = 160
_TOKENS_SHOWN = 40
_PICTURES = 200


def sentence_text(tokens: tuple[str, ...]) -> str:
    """The start of a sentence on one line."""
    return " ".join(shown(token)[0] for token in tokens[:_TOKENS_SHOWN])


class SentenceList(PaintedView):
    """Follows the session's selection, and sets it. Only the rows in sight are read and painted."""

    def __init__(self, session: Session, style: Style, parent: QWidget | None = None) -> None:
        super().__init__(session, style, "Sentences", parent)
        self._positions = 18
        self._hover = -1
        self._pictures: OrderedDict[tuple[int, bool, bool], QPixmap] = OrderedDict()
        session.cursor.sentence_changed.connect(self._follow)
        session.list_order.changed.connect(self._follow)
        session.project_changed.connect(self._measure)
        session.model_changed.connect(self._forget_pictures)
        session.list_order.changed.connect(self._forget_pictures)
        session.editing.edited.connect(self._repaint_sentence)

    def _measure(self) -> None:
        """How many positions the thumbnails show: as many as nineteen of twenty sentences have."""
        lengths = self.session.list_order.facts.lengths if self.session.list_order.facts is not None else np.zeros(0)
        self._positions = max(18, int(np.percentile(lengths, 95))) if len(lengths) else 18
        self._pictures.clear()
        self.arrange()

    def arrange(self) -> None:
        """Set the scroll range to the number of rows."""
        bar, tall = self.verticalScrollBar(), self.look.px(_ROW)
        bar.setRange(0, max(0, tall * len(self.session.list_order.sentences) - self.viewport().height()))
        bar.setPageStep(self.viewport().height())
        bar.setSingleStep(tall)
        self.viewport().update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Another page size."""
        super().resizeEvent(event)
        self._pictures.clear()
        self.arrange()

    def _follow(self) -> None:
        self.arrange()
        row, bar, tall = self.session.cursor.row, self.verticalScrollBar(), self.look.px(_ROW)
        if row >= 0:
            if row * tall < bar.value():
                bar.setValue(row * tall)
            elif (row + 1) * tall > bar.value() + self.viewport().height():
                bar.setValue((row + 1) * tall - self.viewport().height())
            self.setAccessibleDescription(sentence_text(self.session.sentence_row(self.session.cursor.sentence).tokens))

    def set_look(self, style: Style) -> None:
        """Paint with other colours and fonts."""
        self._pictures.clear()
        super().set_look(style)

    def _repaint_sentence(self, sentence: int) -> None:
        for key in [key for key in self._pictures if key[0] == sentence]:
            del self._pictures[key]
        if sentence == self.session.cursor.sentence and self.session.cursor.row >= 0:
            self.viewport().update(self.row_box(self.session.cursor.row))
        else:
            self.viewport().update()

    def rows_a_page(self) -> int:
        """How many rows are in sight."""
        return max(1, self.viewport().height() // self.look.px(_ROW))

    def row_box(self, row: int) -> QRect:
        """Where a row is in the viewport."""
        tall = self.look.px(_ROW)
        return QRect(0, row * tall - self.verticalScrollBar().value(), self.viewport().width(), tall)

    def row_at(self, y: float) -> int:
        """The row at a height of the viewport; -1 below the last."""
        row = int(y + self.verticalScrollBar().value()) // self.look.px(_ROW)
        return row if 0 <= row < len(self.session.list_order.sentences) else -1

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Show the sentence that was clicked."""
        row = self.row_at(event.position().y())
        if row >= 0 and event.button() == Qt.MouseButton.LeftButton:
            self.session.cursor.select_row(row)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Light up the row under the mouse."""
        self._light(self.row_at(event.position().y()))

    def leaveEvent(self, event: QEvent) -> None:
        """Back to rest."""
        self._light(-1)

    def _light(self, row: int) -> None:
        if row != self._hover:
            self._hover = row
            self.viewport().update()

    def tip_at(self, point: QPoint) -> str:
        """The whole sentence, as far as it fits a tooltip."""
        row = self.row_at(point.y())
        if row < 0:
            return ""
        return sentence_text(self.session.sentence_row(int(self.session.list_order.sentences[row])).tokens)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the rows that need it."""
        painter = QPainter(self.viewport())
        painter.fillRect(event.rect(), self.look.c("panel"))
        if self.session.list_order.facts is None:
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        tall = self.look.px(_ROW)
        shift = self.verticalScrollBar().value()
        first = (event.rect().top() + shift) // tall
        last = min((event.rect().bottom() + shift) // tall + 1, len(self.session.list_order.sentences))
        for row in range(max(first, 0), last):
            painter.drawPixmap(self.row_box(row).topLeft(), self._picture(row))

    def _picture(self, row: int) -> QPixmap:
        """The row as it was painted last, while nothing of it has changed: scrolling paints one new row."""
        key = (int(self.session.list_order.sentences[row]), row == self.session.cursor.row, row == self._hover)
        picture = self._pictures.get(key)
        if picture is None:
            ratio = self.devicePixelRatioF()
            size = self.row_box(row).size()
            picture = QPixmap(size * ratio)
            picture.setDevicePixelRatio(ratio)
            picture.fill(self.look.c("panel"))
            painter = QPainter(picture)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            self._paint_row(painter, QRect(QPoint(0, 0), size), row)
            painter.end()
            self._pictures[key] = picture
            if len(self._pictures) > _PICTURES:
                self._pictures.popitem(last=False)
        return picture

    def _forget_pictures(self) -> None:
        self._pictures.clear()
        self.viewport().update()

    def _paint_row(self, painter: QPainter, box: QRect, row_number: int) -> None:
        session, look, px = self.session, self.look, self.look.px
        assert session.list_order.facts is not None
        sentence = int(session.list_order.sentences[row_number])
        row = session.sentence_row(sentence)
        if row_number == session.cursor.row:
            painter.fillRect(box, look.c("accent_ground"))
            painter.fillRect(QRect(box.x(), box.y(), px(3), box.height()), look.c("accent"))
        elif row_number == self._hover:
            painter.fillRect(box, look.c("hover"))
        painter.fillRect(QRect(box.x(), box.bottom(), box.width(), 1), look.c("line"))
        middle = Qt.AlignmentFlag.AlignVCenter
        top = QRect(box.x(), box.y() + px(4), box.width(), px(22))
        painter.setFont(look.small)
        painter.setPen(look.c("second"))
        painter.drawText(top.adjusted(px(12), 0, 0, 0), middle, elided(str(sentence), look.small, px(40)))
        doubt = session.list_order.facts.uncertainty
        right = px(12)
        if doubt is not None:
            words = f"{doubt[sentence]:.2f}"
            painter.drawText(top.adjusted(0, 0, -px(12), 0), middle | Qt.AlignmentFlag.AlignRight, words)
            right = px(48)
        painter.setFont(look.body)
        painter.setPen(look.c("text"))
        room = box.width() - px(_LEFT) - right
        text = elided(sentence_text(row.tokens) or "(no tokens)", look.body, room)
        painter.drawText(QRect(box.x() + px(_LEFT), top.y(), room, top.height()), middle, text)
        lane = QRectF(box.x() + px(_LEFT), box.y() + px(30), min(px(_LANE), box.width() - px(_LEFT) - px(90)), px(9))
        self._paint_lane(painter, lane, sentence, row)
        self._paint_state(painter, QRect(box.x(), box.y() + px(24), box.width() - px(12), px(20)), sentence, row.state)

    def _paint_lane(self, painter: QPainter, lane: QRectF, sentence: int, row: SentenceRow) -> None:
        look, length = self.look, len(row.tokens)
        positions = max(self._positions, length)
        wide = lane.width() / positions
        edge = lane.x() + wide * length
        if length < positions:
            painter.fillRect(QRectF(edge, lane.y(), lane.right() - edge, lane.height()), look.hatch)
        values, mask = self.session.inside_of(sentence), self.session.mask_of(sentence)
        gap = 1.0 if wide >= 4 else 0.0
        ignored = (
            row.ignored
            if self.session.list_order.facts is not None and self.session.list_order.facts.edited[sentence]
            else None
        )
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, on=False)
        for position in range(length):
            cell = QRectF(lane.x() + position * wide, lane.y(), max(wide - gap, 1.0), lane.height())
            if mask is not None and not mask[position]:
                painter.fillRect(cell, look.c("collision"))
            elif ignored is not None and ignored[position]:
                self._paint_ignored(painter, cell)
            else:
                painter.fillRect(cell, look.c("line") if values is None else colour(look.tint(float(values[position]))))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)

    def _paint_ignored(self, painter: QPainter, cell: QRectF) -> None:
        # Too small for strokes that repeat: a frame with one stroke the other way than padding's.
        painter.setPen(QPen(self.look.c("control"), 1))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        inner = cell.adjusted(0.5, 0.5, -0.5, -0.5)
        if cell.width() >= 3:
            painter.drawRect(inner)
        painter.drawLine(inner.topLeft(), inner.bottomRight())

    def _paint_state(self, painter: QPainter, box: QRect, sentence: int, state: str) -> None:
        facts, look, px = self.session.list_order.facts, self.look, self.look.px
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
