"""The curve of the PADDING panel: the largest change at a real token over the number of added positions."""

import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QWidget

from maskscope_gui.background.padding_experiment import (
    MAX_ADDED,
    PaddingCurves,
    PaddingExperiment,
    own_mask_reason,
)
from maskscope_gui.pages.sentence.padding_panel import CURVE_HEIGHT
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.base import Role
from maskscope_gui.widgets.plot import plain_plot

_OUTDATED_OPACITY = 0.35
_LINE = 16


class PaddingCurve(QWidget):
    """Draws one curve with the chosen mask and one without a mask.

    For a model that only Keras runs there is only the first, and it has a few points: each takes a call of the worker.
    """

    def __init__(self, experiment: PaddingExperiment, style: Style, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.experiment = experiment
        self.look = style
        self._shown: PaddingCurves | None = None
        self.setAccessibleName(f"Largest change at a real token, over 0 to {MAX_ADDED} added positions")
        self.plot = plain_plot(style)
        self.plot.setParent(self)
        self.plot.hideAxis("left")
        self.plot.hideAxis("bottom")
        self.plot.setXRange(0, MAX_ADDED, padding=0.01)
        self._base = self.plot.plot()
        self._unmasked = self.plot.plot()
        self._chosen = self.plot.plot()
        self._added = pg.InfiniteLine(angle=90, movable=False)
        self.plot.addItem(self._added)
        experiment.changed.connect(self._follow_experiment)
        experiment.curves_changed.connect(self.refresh)
        self.set_look(style)

    def sizeHint(self) -> QSize:
        """Room for the curves, two lines of legend and the scale."""
        return QSize(self.look.px(240), self.look.px(CURVE_HEIGHT))

    def set_look(self, style: Style) -> None:
        """Use other colours and fonts."""
        self.look = style
        self.plot.setBackground(style.theme.panel)
        self._base.setPen(pg.mkPen(style.theme.line, width=1))
        self._unmasked.setPen(pg.mkPen(style.theme.fails, width=1.6, style=Qt.PenStyle.DashLine))
        self._added.setPen(pg.mkPen(style.theme.accent, width=1.2))
        self.setFixedHeight(self.sizeHint().height())
        self.refresh()

    def resizeEvent(self, event: object) -> None:
        """Put the plot between the legend and the scale."""
        px = self.look.px
        top = px(2 * _LINE + 2)
        self.plot.setGeometry(0, top, self.width(), self.height() - top - px(_LINE + 2))

    @property
    def _outdated(self) -> bool:
        """True while the curve is of another sentence or content, and Keras has not yet answered for this one."""
        return self._shown is not None and self.experiment.curves is None and self.experiment.in_keras

    def _follow_experiment(self) -> None:
        experiment = self.experiment
        if (experiment.run is not None or experiment.in_keras) and self._added.value() != experiment.settings.added:
            self._added.setPos(experiment.settings.added)
        opacity = _OUTDATED_OPACITY if self._outdated else 1.0
        if self._chosen.opacity() != opacity:
            self._chosen.setOpacity(opacity)
            self.update()

    def refresh(self) -> None:
        """Draw the curves of the experiment."""
        curves = self._shown = self.experiment.curves
        self.setToolTip(own_mask_reason() if curves is not None and curves.unmasked is None else "")
        self._added.setPos(self.experiment.settings.added)
        self._chosen.setOpacity(1.0)
        if curves is None:
            for item in (self._chosen, self._unmasked, self._base):
                item.setData([], [])
        else:
            self._draw(curves)
        self.update()

    def _draw(self, curves: PaddingCurves) -> None:
        drawn = [curves.chosen] if curves.unmasked is None else [curves.chosen, curves.unmasked]
        highest = max(*(float(curve.max()) for curve in drawn), self.experiment.tolerance)
        self.plot.setYRange(-0.04 * highest, 1.08 * highest, padding=0)
        self._base.setData([0, self.experiment.most], [0, 0])
        self.plot.setXRange(0, max(self.experiment.most, 1), padding=0.01)
        self._unmasked.setData(*(([], []) if curves.unmasked is None else (curves.added, curves.unmasked)))
        holds = float(curves.chosen.max()) <= self.experiment.tolerance
        colour = self.look.theme.holds if holds else self.look.theme.fails
        self._chosen.setPen(pg.mkPen(colour, width=2))
        symbol = "o" if len(curves.added) <= MAX_ADDED else None
        self._chosen.setData(curves.added, curves.chosen, symbol=symbol, symbolSize=self.look.px(5))
        self._chosen.setSymbolBrush(colour)
        self._chosen.setSymbolPen(None)

    def legend(self) -> list[tuple[str, Role, Qt.PenStyle]]:
        """The rows of the legend as (text, colour, style of the line before it); empty without curves."""
        curves = self._shown
        if curves is None:
            return []
        if curves.unmasked is None:
            rows: list[tuple[str, Role, Qt.PenStyle]] = [
                ("change without a mask: not known", "second", Qt.PenStyle.NoPen)
            ]
        else:
            change = _change_text(float(curves.unmasked.max()), self.experiment.tolerance)
            rows = [(f"without mask: {change}", "fails", Qt.PenStyle.DashLine)]
        mask_source = self.experiment.settings.mask_source
        if mask_source != "none":
            largest = float(curves.chosen.max())
            role: Role = "holds" if largest <= self.experiment.tolerance else "fails"
            name = "with the model's mask" if mask_source == "model" else "mask from lengths"
            text = f"{name}: {_change_text(largest, self.experiment.tolerance)}"
            rows.append((text, "second" if self._outdated else role, Qt.PenStyle.SolidLine))
        return rows

    def paintEvent(self, event: object) -> None:
        """Paint the legend and the scale."""
        painter = QPainter(self)
        look, px = self.look, self.look.px
        painter.setFont(look.small)
        painter.setPen(look.c("second"))
        scale = QRectF(0, self.height() - px(_LINE), self.width(), px(_LINE))
        painter.drawText(scale, Qt.AlignmentFlag.AlignLeft, "0")
        painter.drawText(scale, Qt.AlignmentFlag.AlignRight, f"{self.experiment.most} added positions")
        for number, (text, role, line) in enumerate(self.legend()):
            top = number * px(_LINE)
            if line != Qt.PenStyle.NoPen:
                painter.setPen(pg.mkPen(look.c(role), width=2, style=line))
                painter.drawLine(QPointF(0, top + px(8)), QPointF(px(20), top + px(8)))
            painter.setPen(look.c(role))
            left = 0 if line == Qt.PenStyle.NoPen else px(26)
            painter.drawText(QRectF(left, top, self.width() - left, px(_LINE)), Qt.AlignmentFlag.AlignLeft, text)


def _change_text(largest: float, tolerance: float) -> str:
    if largest <= tolerance:
        return "no change"
    return f"change up to {largest:.2g}" if largest >= 0.0001 else f"change up to {largest:.0e}"
