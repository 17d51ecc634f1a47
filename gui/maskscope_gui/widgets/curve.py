"""The curves of the window, on pyqtgraph, with none of its own manners showing.

Importing pyqtgraph takes a while; this module is imported after the window's first picture.
"""

import math
from collections.abc import Mapping, Sequence

import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QWidget

from maskscope_gui.background.padding_experiment import (
    MAX_ADDED,
    TOLERANCE,
    PaddingCurves,
    PaddingExperiment,
    own_mask_reason,
)
from maskscope_gui.theme.theme import Style

pg.setConfigOptions(antialias=True)

_FAINT = 0.35


def plain_plot(style: Style) -> pg.PlotWidget:
    """A plot with no frame, no buttons, no menu and nothing to drag."""
    plot = pg.PlotWidget(background=style.theme.panel)
    plot.setMenuEnabled(False)
    plot.hideButtons()
    plot.setMouseEnabled(x=False, y=False)
    plot.setFrameShape(plot.Shape.NoFrame)
    plot.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    plot.viewport().setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
    return plot


class PaddingCurve(QWidget):
    """Largest change over 0 to 200 added positions, with the chosen mask and without any.

    For a model that only Keras runs: with its own mask, at a few numbers of positions, each a point.
    """

    def __init__(self, lab: PaddingExperiment, style: Style, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.lab = lab
        self.look = style
        self._shown: PaddingCurves | None = None
        self.setAccessibleName("Largest change at a real token, over 0 to 200 added positions")
        self.plot = plain_plot(style)
        self.plot.setParent(self)
        self.plot.hideAxis("left")
        self.plot.hideAxis("bottom")
        self.plot.setXRange(0, MAX_ADDED, padding=0.01)
        self._base = self.plot.plot()
        self._unmasked = self.plot.plot()
        self._chosen = self.plot.plot()
        self._here = pg.InfiniteLine(angle=90, movable=False)
        self.plot.addItem(self._here)
        self.setFixedHeight(self.sizeHint().height())
        lab.changed.connect(self._move)
        lab.curvesChanged.connect(self.refresh)
        self.set_look(style)

    def sizeHint(self) -> QSize:
        """Room for the curves and their caption."""
        return QSize(self.look.px(240), self.look.px(112))

    def set_look(self, style: Style) -> None:
        """Fonts and colours of another theme."""
        self.look = style
        self.plot.setBackground(style.theme.panel)
        self._base.setPen(pg.mkPen(style.theme.line, width=1))
        self._unmasked.setPen(pg.mkPen(style.theme.fails, width=1.6, style=Qt.PenStyle.DashLine))
        self._here.setPen(pg.mkPen(style.theme.accent, width=1.2))
        self.setFixedHeight(self.sizeHint().height())
        self.refresh()

    def resizeEvent(self, event: object) -> None:
        """The plot between the two lines of words."""
        px = self.look.px
        self.plot.setGeometry(0, px(18), self.width(), self.height() - px(36))

    @property
    def _waiting(self) -> bool:
        """True while what is drawn is of another sentence or fill, and Keras has not yet answered for this one."""
        return self._shown is not None and self.lab.curves is None and self.lab.in_keras

    def _move(self) -> None:
        if (self.lab.run is not None or self.lab.in_keras) and self._here.value() != self.lab.setting.added:
            self._here.setPos(self.lab.setting.added)
        if self._chosen.opacity() != (_FAINT if self._waiting else 1.0):
            self._chosen.setOpacity(_FAINT if self._waiting else 1.0)
            self.update()

    def refresh(self) -> None:
        """Draw what the lab has."""
        curves = self._shown = self.lab.curves
        self.setToolTip(own_mask_reason() if curves is not None and curves.unmasked is None else "")
        self._here.setPos(self.lab.setting.added)
        self._chosen.setOpacity(1.0)
        if curves is None:
            for item in (self._chosen, self._unmasked, self._base):
                item.setData([], [])
        else:
            x = curves.added
            drawn = [curves.chosen] if curves.unmasked is None else [curves.chosen, curves.unmasked]
            highest = max(*(float(curve.max()) for curve in drawn), TOLERANCE)
            self.plot.setYRange(-0.04 * highest, 1.08 * highest, padding=0)
            self._base.setData([0, MAX_ADDED], [0, 0])
            self._unmasked.setData(*(([], []) if curves.unmasked is None else (x, curves.unmasked)))
            holds = float(curves.chosen.max()) <= TOLERANCE
            colour = self.look.theme.holds if holds else self.look.theme.fails
            self._chosen.setPen(pg.mkPen(colour, width=2))
            few = len(x) <= MAX_ADDED
            self._chosen.setData(x, curves.chosen, symbol="o" if few else None, symbolSize=self.look.px(5))
            self._chosen.setSymbolBrush(colour)
            self._chosen.setSymbolPen(None)
        self.update()

    def paintEvent(self, event: object) -> None:
        """The words: which curve is which, and the scale."""
        painter = QPainter(self)
        look, px = self.look, self.look.px
        painter.setFont(look.small)
        curves = self._shown
        top = QRectF(0, 0, self.width(), px(16))
        low = QRectF(0, self.height() - px(16), self.width(), px(16))
        painter.setPen(look.c("second"))
        painter.drawText(low, Qt.AlignmentFlag.AlignLeft, "0")
        painter.drawText(low, Qt.AlignmentFlag.AlignRight, f"{MAX_ADDED} added positions")
        if curves is None:
            return
        if curves.unmasked is None:
            painter.drawText(top, Qt.AlignmentFlag.AlignLeft, "no curve without a mask")
        else:
            self._dash(painter, 0, px(8), dashed=True, role="fails")
            painter.setPen(look.c("fails"))
            most = float(curves.unmasked.max())
            words = f"no mask, up to {_short(most)}"
            painter.drawText(top.adjusted(px(26), 0, 0, 0), Qt.AlignmentFlag.AlignLeft, words)
        if self.lab.setting.mask_from != "none":
            role = "holds" if float(curves.chosen.max()) <= TOLERANCE else "fails"
            if self._waiting:
                role = "second"
            words = "with it" if self.lab.setting.mask_from == "model" else "lengths"
            if curves.unmasked is None:
                words = f"up to {_short(float(curves.chosen.max()))}"
            painter.setPen(look.c(role))
            painter.drawText(top, Qt.AlignmentFlag.AlignRight, words)
            wide = painter.fontMetrics().horizontalAdvance(words)
            self._dash(painter, self.width() - wide - px(26), px(8), dashed=False, role=role)

    def _dash(self, painter: QPainter, x: float, y: float, *, dashed: bool, role: str) -> None:
        style = Qt.PenStyle.DashLine if dashed else Qt.PenStyle.SolidLine
        painter.setPen(pg.mkPen(self.look.c(role), width=2, style=style))
        painter.drawLine(QPointF(x, y), QPointF(x + self.look.px(20), y))


class TrainingCurves(QWidget):
    """Training and validation loss over epochs and, below, F1 on what is held back; live."""

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
        """Each plot under its line of words."""
        caption, middle = self.look.px(20), self._middle()
        self.losses.setGeometry(0, caption, self.width(), middle - caption)
        self.f1.setGeometry(0, middle + caption, self.width(), self.height() - middle - caption)

    def show_series(self, series: Mapping[str, Sequence[float]]) -> None:
        """Draw "loss", "val_loss" and "f1" so far, one number a finished epoch; what is no number is left out."""
        for name, line in self._lines.items():
            good = [(epoch + 1, value) for epoch, value in enumerate(series[name]) if math.isfinite(value)]
            # one point makes no line
            symbol = "o" if len(good) == 1 else None
            line.setData([x for x, _ in good], [y for _, y in good], symbol=symbol, symbolSize=5)
        last = max(len(values) for values in series.values())
        # numbers on an axis without a curve would say nothing
        for plot in (self.losses, self.f1):
            for side in ("left", "bottom"):
                plot.getAxis(side).setStyle(showValues=last > 0)
        for plot in (self.losses, self.f1):
            plot.setXRange(1, max(last, 2), padding=0.02)
            plot.getAxis("bottom").setTickSpacing(major=_tick(last), minor=_tick(last))
        self.update()

    def paintEvent(self, event: object) -> None:
        """Which curve is which."""
        painter = QPainter(self)
        painter.setFont(self.look.small)
        x = self._key(painter, 0, 0, "accent", "training", Qt.PenStyle.SolidLine)
        self._key(painter, x, 0, "collision", "validation", Qt.PenStyle.DashLine)
        self._caption(painter, 0, "loss per real token, by epoch")
        self._key(painter, 0, self._middle(), "holds", "F1", Qt.PenStyle.SolidLine)
        self._caption(painter, self._middle(), "on the sentences held back")

    def _middle(self) -> int:
        return round(self.height() * 0.6)

    def _key(self, painter: QPainter, x: float, y: int, role: str, words: str, style: Qt.PenStyle) -> float:
        px = self.look.px
        x += px(4)
        painter.setPen(pg.mkPen(self.look.c(role), width=2, style=style))
        painter.drawLine(QPointF(x, y + px(9)), QPointF(x + px(20), y + px(9)))
        painter.setPen(self.look.c("second"))
        painter.drawText(QPointF(x + px(26), y + px(13)), words)
        return x + px(40) + painter.fontMetrics().horizontalAdvance(words)

    def _caption(self, painter: QPainter, y: int, words: str) -> None:
        painter.setPen(self.look.c("second"))
        where = QRectF(0, y, self.width() - self.look.px(4), self.look.px(18))
        painter.drawText(where, Qt.AlignmentFlag.AlignRight, words)


def _plot_with_axes(style: Style, parent: QWidget) -> pg.PlotWidget:
    plot = plain_plot(style)
    plot.setParent(parent)
    for side in ("left", "bottom"):
        axis = plot.getAxis(side)
        axis.setPen(pg.mkPen(style.theme.line))
        axis.setTextPen(pg.mkPen(style.theme.second))
        axis.setStyle(tickFont=style.tiny, tickLength=-4)
    # the same width, whatever stands on it, so that the epochs of both plots stand under one another
    plot.getAxis("left").setWidth(style.px(40))
    return plot


def _tick(last: int) -> int:
    """Epochs between two ticks: 1, 2 or 5 times a power of ten, at most ten of them."""
    step = 1
    while last / step > 10:
        step = step * 5 // 2 if str(step).startswith("2") else step * 2
    return step


def _short(value: float) -> str:
    return f"{value:.2g}" if value >= 0.0001 or value == 0 else f"{value:.0e}"
