"""Painting of the lanes of a model that gives values: each with an axis of its own, and no colour of a probability."""

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QPainter, QPen

from maskscope.types import Mask
from maskscope_gui.pages.sentence.tracks_layout import TracksLayout
from maskscope_gui.session.model_values import ValueLane, number_text
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.base import elided, text_width

_ROOM_FOR_NUMBERS = 40
"""Pixels at 100 %: a lower lane has no numbers at its bars."""
_VISIBLE_CHANGE = 0.005
"""Share of the axis from which on a change is drawn."""


class ValueLanesPainter:
    """Paints the lanes one below another, in the place that the probability lane has for other models.

    Args:
        painter: as in `TracksPainter`.
        layout: of the tracks.
        look: fonts and colours.
        lanes: with padding, where there is any.
        alone: of the same sentence without padding; None where they are not known.
    """

    def __init__(
        self,
        painter: QPainter,
        layout: TracksLayout,
        look: Style,
        lanes: Sequence[ValueLane],
        alone: Sequence[ValueLane] | None = None,
    ) -> None:
        self.painter, self.layout, self.look = painter, layout, look
        self._lanes, self._alone = lanes, alone
        self._bands = layout.bands(len(lanes))
        self._edges = layout.columns.edges

    def _height_of(self, number: int, value: float) -> float:
        """The height on the screen of a value of a lane."""
        top, height = self._bands[number]
        px = self.look.px
        above = px(16) if height >= px(_ROOM_FOR_NUMBERS) else px(4)
        low = top + height - px(5)
        return low - self._lanes[number].share(value) * (low - top - above)

    def paint(self, real: Sequence[int], mask: Mask) -> None:
        """Paint the bars of real tokens, a hollow mark at those that are masked, and what padding changed."""
        for number, lane in enumerate(self._lanes):
            shown = [position for position in real if mask[position] and np.isfinite(lane.values[position])]
            self._paint_zero(number)
            self._paint_bars(number, shown)
            self._paint_numbers(number, shown)
            for position in real:
                if not mask[position] and np.isfinite(lane.values[position]):
                    self._paint_ring(number, position)
            self._paint_changes(number, shown)

    def _paint_zero(self, number: int) -> None:
        y = self._height_of(number, 0.0) + 0.5
        self.painter.setPen(QPen(self.look.c("line"), 1))
        self.painter.drawLine(QPointF(0, y), QPointF(self.layout.columns.width, y))

    def _paint_bars(self, number: int, positions: Sequence[int]) -> None:
        values, zero = self._lanes[number].values, self._height_of(number, 0.0)
        self.painter.setPen(Qt.PenStyle.NoPen)
        self.painter.setBrush(self.look.c("norm"))
        for position in positions:
            y = self._height_of(number, float(values[position]))
            left, right = self._edges[position] + 2, self._edges[position + 1] - 2
            self.painter.drawRoundedRect(QRectF(left, min(y, zero), right - left, max(abs(y - zero), 2.0)), 2, 2)

    def _paint_numbers(self, number: int, positions: Sequence[int]) -> None:
        px = self.look.px
        if self._bands[number][1] < px(_ROOM_FOR_NUMBERS):
            return
        self.painter.setFont(self.look.tiny)
        self.painter.setPen(self.look.c("second"))
        values, zero = self._lanes[number].values, self._height_of(number, 0.0)
        for position in positions:
            value, left, right = float(values[position]), self._edges[position], self._edges[position + 1]
            text = number_text(value)
            if text_width(text, self.look.tiny) <= right - left:
                y = min(self._height_of(number, value), zero) - px(15)
                self.painter.drawText(QRectF(left - px(4), y, right - left + px(8), px(14)), _CENTRE, text)

    def _paint_changes(self, number: int, positions: Sequence[int]) -> None:
        """A red line where the token's own value was: the distance to the bar is what padding changed."""
        if self._alone is None:
            return
        lane, alone = self._lanes[number], self._alone[number]
        self.painter.setPen(QPen(self.look.c("fails"), 2))
        for position in positions:
            own = float(alone.values[position])
            if abs(lane.share(own) - lane.share(float(lane.values[position]))) > _VISIBLE_CHANGE:
                y = self._height_of(number, own)
                self.painter.drawLine(QPointF(self._edges[position] + 2, y), QPointF(self._edges[position + 1] - 2, y))

    def paint_padding(self, padded: Sequence[int]) -> None:
        """A hollow mark for each output at padding."""
        for number, lane in enumerate(self._lanes):
            for position in padded:
                if position < len(lane.values) and np.isfinite(lane.values[position]):
                    self._paint_ring(number, position)

    def _paint_ring(self, number: int, position: int) -> None:
        size, value = self.look.px(3.5), float(self._lanes[number].values[position])
        middle = (self._edges[position] + self._edges[position + 1]) / 2
        self.painter.setBrush(self.look.c("panel"))
        self.painter.setPen(QPen(self.look.c("second"), 1.3))
        self.painter.drawEllipse(QPointF(middle, self._height_of(number, value)), size, size)

    def paint_names(self, left: int, width: int) -> None:
        """Each lane's name and the ends of its axis, in the column left of position 0."""
        px, look, painter = self.look.px, self.look, self.painter
        for number, lane in enumerate(self._lanes):
            top, height = self._bands[number]
            ends = [number_text(lane.high), number_text(lane.low)]
            room = max(text_width(end, look.tiny) for end in ends)
            painter.setFont(look.tiny)
            painter.setPen(look.c("second"))
            for end, value in zip(ends, (lane.high, lane.low), strict=True):
                y = self._height_of(number, value)
                painter.drawText(QRectF(left + width - room - px(2), y - px(7), room + 1, px(14)), _RIGHT, end)
            painter.setFont(look.body)
            # Between the ends, which are at the top and at the bottom of the lane.
            name_width = width if height >= px(_ROOM_FOR_NUMBERS) else width - room - px(8)
            name = elided(lane.name, look.body, name_width)
            painter.drawText(QRect(left, top + px(4), name_width, height), Qt.AlignmentFlag.AlignVCenter, name)


_CENTRE = Qt.AlignmentFlag.AlignCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
