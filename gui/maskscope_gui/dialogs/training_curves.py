"""The curves of a training: losses and F1 by epoch."""

import math
from collections.abc import Mapping, Sequence

import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QWidget

from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.plot import plain_plot


class TrainingCurves(QWidget):
    """Training and validation loss by epoch and, below them, F1 on the validation sentences."""

    def __init__(self, style: Style, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.look = style
        self.setAccessibleName("Loss per real token and F1, by epoch")
        self.losses = _plot_with_axes(style, self)
        self.f1 = _plot_with_axes(style, self)
        self.f1.setYRange(0, 1, padding=0.04)
        self.f1.getAxis("left").setTickSpacing(major=0.5, minor=0.5)
        dashes = Qt.PenStyle.DashLine
        self._lines = {
            "loss": self.losses.plot(pen=pg.mkPen(style.theme.accent, width=2)),
            "val_loss": self.losses.plot(pen=pg.mkPen(style.theme.collision, width=2, style=dashes)),
            "f1": self.f1.plot(pen=pg.mkPen(style.theme.holds, width=2)),
        }
        self.setMinimumHeight(style.px(280))
        self.setMinimumWidth(style.px(320))
        self.show_series(dict.fromkeys(self._lines, ()))

    def resizeEvent(self, event: object) -> None:
        """Put each plot under its caption."""
        caption, middle = self.look.px(20), self._middle()
        self.losses.setGeometry(0, caption, self.width(), middle - caption)
        self.f1.setGeometry(0, middle + caption, self.width(), self.height() - middle - caption)

    def show_series(self, series: Mapping[str, Sequence[float]]) -> None:
        """Draw "loss", "val_loss" and "f1", one value for each finished epoch, without values that are not finite."""
        for name, line in self._lines.items():
            good = [(epoch + 1, value) for epoch, value in enumerate(series[name]) if math.isfinite(value)]
            # One point makes no line, so it is drawn as a dot.
            symbol = "o" if len(good) == 1 else None
            line.setData([x for x, _ in good], [y for _, y in good], symbol=symbol, symbolSize=5)
        last = max(len(values) for values in series.values())
        # Numbers on an axis without a curve have no meaning.
        for plot in (self.losses, self.f1):
            for side in ("left", "bottom"):
                plot.getAxis(side).setStyle(showValues=last > 0)
        for plot in (self.losses, self.f1):
            plot.setXRange(1, max(last, 2), padding=0.02)
            plot.getAxis("bottom").setTickSpacing(major=_tick(last), minor=_tick(last))
        self.update()

    def paintEvent(self, event: object) -> None:
        """Paint the legend and the captions."""
        painter = QPainter(self)
        painter.setFont(self.look.small)
        x = self._key(painter, 0, 0, "accent", "training", Qt.PenStyle.SolidLine)
        self._key(painter, x, 0, "collision", "validation", Qt.PenStyle.DashLine)
        self._caption(painter, 0, "loss per real token, by epoch")
        self._key(painter, 0, self._middle(), "holds", "F1", Qt.PenStyle.SolidLine)
        self._caption(painter, self._middle(), "on the validation sentences")

    def _middle(self) -> int:
        return round(self.height() * 0.6)

    def _key(self, painter: QPainter, x: float, y: int, role: str, text: str, style: Qt.PenStyle) -> float:
        px = self.look.px
        x += px(4)
        painter.setPen(pg.mkPen(self.look.c(role), width=2, style=style))
        painter.drawLine(QPointF(x, y + px(9)), QPointF(x + px(20), y + px(9)))
        painter.setPen(self.look.c("second"))
        painter.drawText(QPointF(x + px(26), y + px(13)), text)
        return x + px(40) + painter.fontMetrics().horizontalAdvance(text)

    def _caption(self, painter: QPainter, y: int, text: str) -> None:
        painter.setPen(self.look.c("second"))
        where = QRectF(0, y, self.width() - self.look.px(4), self.look.px(18))
        painter.drawText(where, Qt.AlignmentFlag.AlignRight, text)


def _plot_with_axes(style: Style, parent: QWidget) -> pg.PlotWidget:
    plot = plain_plot(style)
    plot.setParent(parent)
    for side in ("left", "bottom"):
        axis = plot.getAxis(side)
        axis.setPen(pg.mkPen(style.theme.line))
        axis.setTextPen(pg.mkPen(style.theme.second))
        axis.setStyle(tickFont=style.tiny, tickLength=-4)
    # A fixed width aligns the epochs of both plots, however wide the numbers on the axes are.
    plot.getAxis("left").setWidth(style.px(40))
    return plot


def _tick(last: int) -> int:
    """Epochs between two ticks: 1, 2 or 5 times a power of ten, at most ten of them."""
    step = 1
    while last / step > 10:
        step = step * 5 // 2 if str(step).startswith("2") else step * 2
    return step
