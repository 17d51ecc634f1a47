"""The list of sentences: text, uncertainty, a thumbnail of the mask and the probabilities, review state.

It is not a QListView, which asks its model about every row on each layout: a million rows must cost no more than the
twenty in sight.
"""

from collections import OrderedDict

import numpy as np
from PySide6.QtCore import QEvent, QPoint, QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QMouseEvent, QPainter, QPaintEvent, QPen, QPixmap, QResizeEvent
from PySide6.QtWidgets import QWidget

from maskscope.project import SentenceRow
from maskscope_gui.session.model_values import ValueLane
from maskscope_gui.session.session import Session
from maskscope_gui.theme.theme import Style, colour
from maskscope_gui.widgets.base import PaintedView, draw_collision, elided, text_width
from maskscope_gui.widgets.token_text import token_text

_ROW = 48
_LEFT = 52
_THUMBNAIL = 160
_MAX_TOKENS = 40
"""Tokens that are joined for the one line of a row; no window shows more."""
_MAX_PICTURES = 200
_MIN_POSITIONS = 18
"""Positions that the thumbnail of a short sentence shows, its padding included."""


def sentence_text(tokens: tuple[str, ...]) -> str:
    """The start of a sentence on one line."""
    return " ".join(token_text(token)[0] for token in tokens[:_MAX_TOKENS])


class SentenceList(PaintedView):
    """Highlights the sentence at the cursor; a click goes to another. Only the rows in sight are read and painted."""

    def __init__(self, session: Session, style: Style, parent: QWidget | None = None) -> None:
        super().__init__(session, style, "Sentences", parent)
        self._positions = _MIN_POSITIONS
        self._hover = -1
        self._pictures: OrderedDict[tuple[int, bool, bool], QPixmap] = OrderedDict()
        session.cursor.sentence_changed.connect(self._follow)
        session.list_order.changed.connect(self._follow)
        session.project_changed.connect(self._measure)
        session.model_changed.connect(self._clear_pictures)
        session.list_order.changed.connect(self._clear_pictures)
        session.editing.edited.connect(self._repaint_sentence)

    def _measure(self) -> None:
        """Set how many positions the thumbnails show: the length that 95 % of the sentences do not exceed."""
        lengths = self.session.list_order.facts.lengths if self.session.list_order.facts is not None else np.zeros(0)
        self._positions = max(_MIN_POSITIONS, int(np.percentile(lengths, 95))) if len(lengths) else _MIN_POSITIONS
        self._pictures.clear()
        self.arrange()

    def arrange(self) -> None:
        """Set the scroll range to the number of rows."""
        bar, height = self.verticalScrollBar(), self.look.px(_ROW)
        bar.setRange(0, max(0, height * len(self.session.list_order.sentences) - self.viewport().height()))
        bar.setPageStep(self.viewport().height())
        bar.setSingleStep(height)
        self.viewport().update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Paint the rows for the new width."""
        super().resizeEvent(event)
        self._pictures.clear()
        self.arrange()

    def _follow(self) -> None:
        self.arrange()
        row, bar, height = self.session.cursor.row, self.verticalScrollBar(), self.look.px(_ROW)
        if row >= 0:
            if row * height < bar.value():
                bar.setValue(row * height)
            elif (row + 1) * height > bar.value() + self.viewport().height():
                bar.setValue((row + 1) * height - self.viewport().height())
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
        """The number of rows in sight."""
        return max(1, self.viewport().height() // self.look.px(_ROW))

    def row_box(self, row: int) -> QRect:
        """The rectangle of a row in the viewport."""
        height = self.look.px(_ROW)
        return QRect(0, row * height - self.verticalScrollBar().value(), self.viewport().width(), height)

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
        """Highlight the row under the mouse."""
        self._highlight(self.row_at(event.position().y()))

    def leaveEvent(self, event: QEvent) -> None:
        """Clear the highlight."""
        self._highlight(-1)

    def _highlight(self, row: int) -> None:
        if row != self._hover:
            self._hover = row
            self.viewport().update()

    def tip_at(self, point: QPoint) -> str:
        """The start of the sentence under the mouse, longer than its row shows it."""
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
        height = self.look.px(_ROW)
        shift = self.verticalScrollBar().value()
        first = (event.rect().top() + shift) // height
        last = min((event.rect().bottom() + shift) // height + 1, len(self.session.list_order.sentences))
        for row in range(max(first, 0), last):
            painter.drawPixmap(self.row_box(row).topLeft(), self._picture(row))

    def _picture(self, row: int) -> QPixmap:
        """The row as it was painted last, until something of it changes; so scrolling paints one new row only."""
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
            if len(self._pictures) > _MAX_PICTURES:
                self._pictures.popitem(last=False)
        return picture

    def _clear_pictures(self) -> None:
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
        uncertainty = session.list_order.facts.uncertainty
        right = px(12)
        if uncertainty is not None:
            figure = f"{uncertainty[sentence]:.2f}"
            painter.drawText(top.adjusted(0, 0, -px(12), 0), middle | Qt.AlignmentFlag.AlignRight, figure)
            right = px(48)
        painter.setFont(look.body)
        painter.setPen(look.c("text"))
        room = box.width() - px(_LEFT) - right
        text = elided(sentence_text(row.tokens) or "(no tokens)", look.body, room)
        painter.drawText(QRect(box.x() + px(_LEFT), top.y(), room, top.height()), middle, text)
        thumbnail = QRectF(
            box.x() + px(_LEFT), box.y() + px(30), min(px(_THUMBNAIL), box.width() - px(_LEFT) - px(90)), px(9)
        )
        self._paint_thumbnail(painter, thumbnail, sentence, row)
        self._paint_state(painter, QRect(box.x(), box.y() + px(24), box.width() - px(12), px(20)), sentence, row.state)

    def _paint_thumbnail(self, painter: QPainter, area: QRectF, sentence: int, row: SentenceRow) -> None:
        look, length = self.look, len(row.tokens)
        positions = max(self._positions, length)
        width = area.width() / positions
        edge = area.x() + width * length
        if length < positions:
            painter.fillRect(QRectF(edge, area.y(), area.right() - edge, area.height()), look.hatch)
        inside, mask = self.session.inside_of(sentence), self.session.mask_of(sentence)
        lane = self.session.first_lane_of(sentence)
        gap = 1.0 if width >= 4 else 0.0
        ignored = (
            row.ignored
            if self.session.list_order.facts is not None and self.session.list_order.facts.edited[sentence]
            else None
        )
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, on=False)
        for position in range(length):
            cell = QRectF(area.x() + position * width, area.y(), max(width - gap, 1.0), area.height())
            if mask is not None and not mask[position]:
                painter.fillRect(cell, look.c("collision"))
            elif ignored is not None and ignored[position]:
                self._paint_ignored(painter, cell)
            elif lane is not None:
                self._paint_value(painter, cell, lane, float(lane.values[position]))
            else:
                painter.fillRect(cell, look.c("line") if inside is None else colour(look.tint(float(inside[position]))))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)

    def _paint_value(self, painter: QPainter, cell: QRectF, lane: ValueLane, value: float) -> None:
        """A bar from zero on the lane's own axis, since a value has no tint."""
        painter.fillRect(cell, self.look.c("line"))
        if np.isfinite(value):
            zero, end = (cell.bottom() - cell.height() * lane.share(number) for number in (0.0, value))
            top, height = min(zero, end), max(abs(end - zero), 1.0)
            painter.fillRect(QRectF(cell.x(), top, cell.width(), height), self.look.c("norm"))

    def _paint_ignored(self, painter: QPainter, cell: QRectF) -> None:
        # Too small for hatching: a frame with one stroke, in the other direction than padding's.
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

        def draw(text: str, role: str) -> None:
            nonlocal right
            width = text_width(text, look.small)
            painter.setPen(look.c(role))
            painter.drawText(
                QRect(right - width, box.y(), width + 1, box.height()), Qt.AlignmentFlag.AlignVCenter, text
            )
            right -= width + px(6)

        if facts.collides[sentence]:
            draw_collision(painter, QPointF(right - px(4), middle), px(9), look.c("collision"))
            right -= px(14)
        if state == "accepted":
            draw("✓", "holds")
        elif state == "flagged":
            draw("⚑", "fails")
        if facts.edited[sentence]:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(look.c("accent"))
            painter.drawEllipse(QPointF(right - px(4), middle), px(3.2), px(3.2))
            right -= px(12)
            draw("edited", "accent")
