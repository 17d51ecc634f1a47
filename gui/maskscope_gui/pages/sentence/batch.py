"""The batch heat map: one row a sentence, one column a position; its ragged edge is the mask."""

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QLinearGradient, QMouseEvent, QPainter, QPaintEvent, QPen, QPixmap, QResizeEvent
from PySide6.QtWidgets import QWidget

from maskscope.types import Floats, Indices, Mask
from maskscope_gui.session.model_values import ValueLane, common_axis, number_text
from maskscope_gui.session.session import Session
from maskscope_gui.theme.theme import Style, colour
from maskscope_gui.widgets.base import PaintedView, draw_collision, elided, text_width

BATCH_SIZE = 28
BatchOrder: TypeAlias = Literal["longest first", "as listed"]


@dataclass(frozen=True, slots=True, eq=False)
class BatchMap:
    """A batch of sentences as a map: a block of the list with the sentence on screen.

    Attributes:
        ids: (B,) sentences, row by row.
        lengths: (B,) tokens of each.
        values: (B, T) shown probability, NaN at padding and where there are no scores; of a model that gives values,
            the share of the axis.
        masked: (B, T) True at real tokens that the model masks: collisions.
        axis: of a model that gives values: what is shown, and the ends of its axis; None for any other.
    """

    ids: Indices
    lengths: Indices
    values: Floats
    masked: Mask
    axis: ValueLane | None = None

    @property
    def padding_share(self) -> float:
        """Padded positions over all positions, 0 to 1."""
        return 1 - float(self.lengths.sum()) / max(1, self.values.size)

    def row_of(self, sentence: int) -> int | None:
        """The row of a sentence; None when the batch does not have it."""
        rows = np.flatnonzero(self.ids == sentence)
        return int(rows[0]) if len(rows) else None


def batch_around(session: Session, order: BatchOrder) -> BatchMap | None:
    """The batch of the sentence on screen: a fixed block of the list, which stays while one moves in it."""
    project = session.project
    if project is None or session.cursor.sentence < 0:
        return None
    if session.cursor.row >= 0:
        first = session.cursor.row // BATCH_SIZE * BATCH_SIZE
        ids = session.list_order.sentences[first : first + BATCH_SIZE]
    else:
        ids = np.array([session.cursor.sentence], dtype=np.int64)
    lengths = project.offsets[ids + 1] - project.offsets[ids]
    if order == "longest first":
        by_length = np.argsort(-lengths, kind="stable")
        ids, lengths = ids[by_length], lengths[by_length]
    longest = max(1, int(lengths.max(initial=0)))
    values = np.full((len(ids), longest), np.nan, dtype=np.float32)
    masked = np.zeros((len(ids), longest), dtype=np.bool_)
    lanes: list[ValueLane | None] = [session.first_lane_of(sentence) for sentence in ids.tolist()]
    axis = common_axis([lane for lane in lanes if lane is not None])
    for row, (sentence, length) in enumerate(zip(ids.tolist(), lengths.tolist(), strict=True)):
        lane = lanes[row]
        if lane is not None and axis is not None:
            values[row, :length] = (lane.values - axis.low) / (axis.high - axis.low)
        inside = session.inside_of(sentence)
        if inside is not None:
            values[row, :length] = inside
        mask = session.mask_of(sentence)
        if mask is not None:
            masked[row, :length] = ~mask
    return BatchMap(ids, lengths, values, masked, axis)


class BatchView(PaintedView):
    """Paints the map once for a batch, and the selection over it; a click goes to a sentence and token."""

    def __init__(self, session: Session, style: Style, parent: QWidget | None = None) -> None:
        super().__init__(
            session, style, "Batch: sentences by positions, tinted by probability, padding hatched", parent
        )
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.order: BatchOrder = "longest first"
        self.batch: BatchMap | None = None
        self._key: tuple[int, ...] = ()
        self._picture: QPixmap | None = None
        session.cursor.sentence_changed.connect(self.refresh)
        session.list_order.changed.connect(self._update_batch)
        session.model_changed.connect(self._update_batch)
        session.project_changed.connect(self._update_batch)
        session.cursor.moved.connect(self.viewport().update)

    def set_order(self, order: BatchOrder) -> None:
        """Sort the rows of the batch."""
        self.order = order
        self._update_batch()

    def _update_batch(self) -> None:
        self._key = ()
        self.refresh()

    def refresh(self) -> None:
        """Show the batch of the sentence on screen; nothing is computed while it is the same batch."""
        session = self.session
        key = (session.cursor.row // BATCH_SIZE, -1 if session.cursor.row >= 0 else session.cursor.sentence)
        if key != self._key or self.batch is None:
            self._key = key
            self.batch = batch_around(session, self.order)
            self._picture = None
        self.viewport().update()

    def arrange(self) -> None:
        """Paint the map again."""
        self._picture = None
        super().arrange()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Paint the map again, for the new size."""
        super().resizeEvent(event)
        self._picture = None

    @property
    def _legend(self) -> int:
        return self.look.px(168)

    def _area(self) -> QRect:
        px = self.look.px
        left = px(16)
        return QRect(
            left,
            px(4),
            max(1, self.viewport().width() - left - self._legend - px(12)),
            max(1, self.viewport().height() - px(14)),
        )

    def _cell_size(self) -> tuple[float, float]:
        """Width and height of a cell, in pixels."""
        assert self.batch is not None
        area = self._area()
        rows, columns = self.batch.values.shape
        return min(area.width() / columns, self.look.px(36)), min(area.height() / rows, self.look.px(18))

    def cell_box(self, row: int, position: int) -> QRectF:
        """The rectangle of a cell in the viewport."""
        area = self._area()
        width, height = self._cell_size()
        return QRectF(area.x() + position * width, area.y() + row * height, width, height)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint map, selection and legend."""
        painter = QPainter(self.viewport())
        painter.fillRect(event.rect(), self.look.c("panel"))
        batch = self.batch
        if batch is None or len(batch.ids) == 0:
            return
        if self._picture is None:
            self._picture = self._paint_map(batch)
        painter.drawPixmap(0, 0, self._picture)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_selection(painter, batch)

    def _paint_map(self, batch: BatchMap) -> QPixmap:
        ratio = self.devicePixelRatioF()
        picture = QPixmap(self.viewport().size() * ratio)
        picture.setDevicePixelRatio(ratio)
        picture.fill(self.look.c("panel"))
        painter = QPainter(picture)
        for row in range(len(batch.ids)):
            self._paint_row(painter, batch, row)
        self._paint_legend(painter, batch)
        painter.end()
        return picture

    def _paint_row(self, painter: QPainter, batch: BatchMap, row: int) -> None:
        first = self.cell_box(row, 0)
        left, top, width, height = first.x(), first.y(), first.width(), first.height()
        gap_x, gap_y = (1 if width >= 4 else 0), (1 if height >= 4 else 0)
        mark = min(width, height, self.look.px(10)) * 0.9
        columns, length = batch.values.shape[1], int(batch.lengths[row])
        if length < columns:
            painter.fillRect(QRectF(left + length * width, top, (columns - length) * width, height), self.look.hatch)
        masked = batch.masked[row].tolist()
        for position, value in enumerate(batch.values[row, :length].tolist()):
            cell = QRectF(left + position * width, top, width - gap_x, height - gap_y)
            if masked[position]:
                painter.fillRect(cell, self.look.hatch)
                draw_collision(painter, cell.center(), mark, self.look.c("collision"))
            elif math.isnan(value):
                painter.fillRect(cell, self.look.c("accent_ground"))
            else:
                painter.fillRect(cell, colour(self._tint(batch, value)))

    def _tint(self, batch: BatchMap, value: float) -> str:
        """Values are shown in grey: the hue of probabilities means a probability."""
        return self.look.tint(value) if batch.axis is None else self.look.grey(value)

    def _paint_legend(self, painter: QPainter, batch: BatchMap) -> None:
        px = self.look.px
        left = self.viewport().width() - self._legend + px(4)
        room = self._legend - px(16)
        top = px(6)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self.session.is_scored:
            scale = QLinearGradient(left, 0, left + room, 0)
            for step in range(0, 256, 15):
                scale.setColorAt(step / 255, colour(self._tint(batch, step / 255)))
            axis = batch.axis
            low, high = ("0", "1") if axis is None else (number_text(axis.low), number_text(axis.high))
            shown = self.session.shown_name if axis is None else axis.name
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(scale)
            painter.drawRoundedRect(QRectF(left, top, room, px(10)), 2, 2)
            painter.setFont(self.look.small)
            painter.setPen(self.look.c("second"))
            line = QRect(left, top + px(12), room, px(16))
            painter.drawText(line, Qt.AlignmentFlag.AlignLeft, low)
            painter.drawText(line, Qt.AlignmentFlag.AlignRight, high)
            ends = text_width(low, self.look.small) + text_width(high, self.look.small)
            name = elided(shown, self.look.small, room - ends - px(16))
            painter.drawText(line, Qt.AlignmentFlag.AlignHCenter, name)
            top += px(36)
        painter.setFont(self.look.small)
        self._legend_line(painter, left, top, "padding", hatched=True)
        top += px(20)
        if batch.masked.any():
            self._legend_line(painter, left, top, "collision, masked", hatched=False)
            top += px(20)
        top += px(8)
        painter.setPen(self.look.c("text"))
        painter.setFont(self.look.bold)
        share = f"{100 * batch.padding_share:.0f} %"
        painter.drawText(QRect(left, top, room, px(18)), Qt.AlignmentFlag.AlignVCenter, share)
        painter.setFont(self.look.small)
        painter.setPen(self.look.c("second"))
        painter.drawText(
            QRect(left, top + px(18), room, px(16)), Qt.AlignmentFlag.AlignVCenter, "of this batch is padding"
        )

    def _legend_line(self, painter: QPainter, left: int, top: int, text: str, *, hatched: bool) -> None:
        px = self.look.px
        if hatched:
            painter.fillRect(QRect(left, top + px(2), px(18), px(12)), self.look.hatch)
        else:
            draw_collision(painter, QPointF(left + px(9), top + px(8)), px(9), self.look.c("collision"))
        painter.setPen(self.look.c("second"))
        painter.drawText(QRect(left + px(26), top, self._legend - px(40), px(16)), Qt.AlignmentFlag.AlignVCenter, text)

    def _paint_selection(self, painter: QPainter, batch: BatchMap) -> None:
        cursor = self.session.cursor
        row = batch.row_of(cursor.sentence)
        if row is None:
            return
        sentence = self.cell_box(row, 0).united(self.cell_box(row, batch.values.shape[1] - 1))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(self.look.c("accent"), 2))
        painter.drawRect(sentence.adjusted(-2, -1.5, 1, 0.5))
        if cursor.position < batch.lengths[row]:
            painter.setPen(QPen(self.look.c("text"), 2))
            painter.drawRect(self.cell_box(row, cursor.position).adjusted(-1, -0.5, 0, -0.5))

    def cell_at(self, point: QPointF) -> tuple[int, int] | None:
        """Sentence and position at a point of the viewport; None outside the map."""
        if self.batch is None or len(self.batch.ids) == 0:
            return None
        area = self._area()
        width, height = self._cell_size()
        row, column = int((point.y() - area.y()) // height), int((point.x() - area.x()) // width)
        if 0 <= row < len(self.batch.ids) and 0 <= column < self.batch.values.shape[1]:
            return int(self.batch.ids[row]), column
        return None

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Go to the sentence and token of a cell; at padding, to the sentence's last token."""
        cell = self.cell_at(event.position())
        if event.button() == Qt.MouseButton.LeftButton and cell is not None:
            self.session.cursor.select(*cell)

    def tip_at(self, point: QPoint) -> str:
        """Explain the cell under the mouse."""
        cell = self.cell_at(QPointF(point))
        if cell is None or self.batch is None:
            return ""
        sentence, position = cell
        row = self.batch.row_of(sentence)
        if row is None or position >= self.batch.lengths[row]:
            padding = None if self.session.project is None else self.session.project.padding
            in_front = padding is not None and padding.side == "front"
            where = ", in front of the tokens in the source" if in_front else ""
            return f"Sentence {sentence}, position {position}: padding{where}"
        token = self.session.sentence_row(sentence).tokens[position]
        if self.batch.masked[row, position]:
            return f"Sentence {sentence}, “{token}”: a collision, masked as padding"
        value = float(self.batch.values[row, position])
        if math.isnan(value):
            return f"Sentence {sentence}, “{token}”"
        axis = self.batch.axis
        if axis is not None:
            shown = f"{axis.name} {number_text(axis.low + value * (axis.high - axis.low))}"
        else:
            shown = f"{self.session.shown_name} {value:.2f}"
        return f"Sentence {sentence}, “{token}”: {shown}"
