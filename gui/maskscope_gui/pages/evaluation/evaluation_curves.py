"""The two curves of an evaluation: precision against recall, and calibration."""

from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from maskscope.evaluation.calibration import Calibration
from maskscope.evaluation.curves import PrecisionRecallCurve
from maskscope_gui.session.session import Session
from maskscope_gui.theme.theme import Style, colour
from maskscope_gui.widgets.base import PaintedView, elided
from maskscope_gui.widgets.keyed_view import KeyedView

_HEIGHT = 236
_INSET = 12


def _area(view: PaintedView) -> QRect:
    """The area of a curve, with room for the scale at its left and below."""
    px = view.look.px
    top = px(46)
    height = view.viewport().height() - top - px(40)
    return QRect(px(_INSET + 34), top, min(view.viewport().width() - px(2 * _INSET + 36), px(320)), height)


def _paint_axes(view: PaintedView, painter: QPainter, area: QRect, across: str, down: str) -> None:
    px, look = view.look.px, view.look
    painter.setFont(look.small)
    for step in range(5):
        share = step / 4
        y = area.bottom() - share * area.height()
        x = area.left() + share * area.width()
        painter.setPen(QPen(look.c("line"), 1))
        painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
        painter.setPen(look.c("second"))
        text = f"{share:.2f}".rstrip("0").rstrip(".") if share not in (0, 1) else str(int(share))
        painter.drawText(
            QRectF(area.left() - px(44), y - px(8), px(38), px(16)),
            Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter,
            text,
        )
        painter.drawText(QRectF(x - px(20), area.bottom() + px(3), px(40), px(16)), Qt.AlignmentFlag.AlignCenter, text)
    painter.drawText(
        QRectF(area.left(), area.bottom() + px(19), area.width(), px(16)), Qt.AlignmentFlag.AlignCenter, across
    )
    painter.drawText(QPointF(px(_INSET), area.top() - px(10)), down)


class PrecisionRecallView(PaintedView):
    """Precision against recall at every threshold, with the best threshold marked."""

    def __init__(self, session: Session, style: Style, parent: QWidget | None = None) -> None:
        super().__init__(session, style, "Precision against recall", parent)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.curve: PrecisionRecallCurve | None = None
        self.padded: PrecisionRecallCurve | None = None
        self.arrange()

    def sizeHint(self) -> QSize:
        """Room for the curve, its scale and its summary."""
        return QSize(self.look.px(320), self.look.px(_HEIGHT))

    def arrange(self) -> None:
        """Set the height to that of the size hint."""
        self.setFixedHeight(self.sizeHint().height())
        self.viewport().update()

    def show_curve(self, curve: PrecisionRecallCurve | None, padded: PrecisionRecallCurve | None) -> None:
        """Show a curve, and the curve with padding counted where it is known."""
        self.curve, self.padded = curve, padded
        self.setVisible(curve is not None)
        self.viewport().update()

    def summary(self) -> str:
        """The figures of the curve, as one line of text."""
        if self.curve is None:
            return ""
        best = f"best threshold {self.curve.best_threshold:.2f}: F1 {self.curve.best_f1:.3f}"
        return f"{best} · average precision {self.curve.average_precision:.3f}"

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the curve, the one with padding counted, and the figures."""
        painter = QPainter(self.viewport())
        look, px, curve = self.look, self.look.px, self.curve
        painter.fillRect(event.rect(), look.c("panel"))
        if curve is None:
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        area = _area(self)
        painter.setFont(look.body)
        painter.setPen(look.c("text"))
        room = self.viewport().width() - 2 * px(_INSET)
        line = QRect(px(_INSET), 0, room, px(22))
        painter.drawText(line, Qt.AlignmentFlag.AlignVCenter, elided(self.summary(), look.body, room))
        _paint_axes(self, painter, area, "recall", "precision")
        if self.padded is not None:
            painter.setPen(QPen(look.c("control"), 1.4, Qt.PenStyle.DashLine))
            painter.drawPolyline(self._line(self.padded, area))
        painter.setPen(QPen(look.c("accent"), 2))
        painter.drawPolyline(self._line(curve, area))
        best = curve.threshold.index(curve.best_threshold) if curve.best_threshold in curve.threshold else None
        if best is not None:
            painter.setBrush(look.c("panel"))
            painter.setPen(QPen(look.c("accent"), 2))
            painter.drawEllipse(self._point(curve.recall[best], curve.precision[best], area), px(4.5), px(4.5))
        if self.padded is None:
            return
        left = px(_INSET + 70)
        painter.setPen(QPen(look.c("control"), 1.4, Qt.PenStyle.DashLine))
        painter.drawLine(QPointF(left, px(31)), QPointF(left + px(18), px(31)))
        painter.setFont(look.small)
        painter.setPen(look.c("second"))
        text = f"if padding were counted: {self.padded.average_precision:.3f}"
        painter.drawText(QRect(left + px(24), px(22), room - px(94), px(18)), Qt.AlignmentFlag.AlignVCenter, text)

    def _line(self, curve: PrecisionRecallCurve, area: QRect) -> QPolygonF:
        pairs = zip(curve.recall, curve.precision, strict=True)
        return QPolygonF([self._point(recall, precision, area) for recall, precision in pairs])

    def _point(self, x: float, y: float, area: QRect) -> QPointF:
        return QPointF(area.left() + x * area.width(), area.bottom() - y * area.height())

    def tip_at(self, point: QPoint) -> str:
        """Explain the ring."""
        if self.curve is None:
            return ""
        now = f"Predictions are made at threshold {self.session.threshold:.2f}."
        return f"The ring is the {self.summary()}, on these sentences. {now}"


class CalibrationView(KeyedView):
    """How often a probability came true, in ten bins; Left and Right move over the bins, Enter lists the tokens of one.

    Signals:
        chosen: (number of the bin) it was clicked, or Enter was pressed on it.
    """

    chosen = Signal(int)
    KEYS = frozenset({Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Return, Qt.Key.Key_Enter})

    def __init__(self, session: Session, style: Style, parent: QWidget | None = None) -> None:
        super().__init__(session, style, "Calibration: how often a probability comes true", parent)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.calibration: Calibration | None = None
        self.padded: Calibration | None = None
        self.bin = 9
        self.arrange()

    def sizeHint(self) -> QSize:
        """Room for the curve, its scale and its summary."""
        return QSize(self.look.px(320), self.look.px(_HEIGHT))

    def arrange(self) -> None:
        """Set the height to that of the size hint."""
        self.setFixedHeight(self.sizeHint().height())
        self.viewport().update()

    def show_calibration(self, calibration: Calibration | None, padded: Calibration | None) -> None:
        """Show a curve, and the curve with padding counted where it is known."""
        self.calibration, self.padded = calibration, padded
        self.viewport().update()

    def summary(self) -> str:
        """The figures of the curve, as one line of text."""
        if self.calibration is None:
            return ""
        return f"expected calibration error {self.calibration.expected_calibration_error:.3f}"

    def bin_box(self, number: int) -> QRect:
        """The rectangle of a bin in the viewport."""
        area = _area(self)
        left = area.left() + round(area.width() * number / 10)
        return QRect(left, area.top(), round(area.width() / 10), area.height())

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the bins, the scale and the figure."""
        painter = QPainter(self.viewport())
        look, px, calibration = self.look, self.look.px, self.calibration
        painter.fillRect(event.rect(), look.c("panel"))
        if calibration is None:
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        area = _area(self)
        painter.setFont(look.body)
        painter.setPen(look.c("text"))
        room = self.viewport().width() - 2 * px(_INSET)
        painter.drawText(QRect(px(_INSET), 0, room, px(22)), Qt.AlignmentFlag.AlignVCenter, self.summary())
        if self.padded is not None:
            text = f"if padding were counted: {self.padded.expected_calibration_error:.3f}"
            painter.setFont(look.small)
            left = px(_INSET + 70)
            painter.fillRect(QRect(left, px(26), px(18), px(11)), look.hatch)
            painter.setPen(look.c("second"))
            painter.drawText(QRect(left + px(24), px(22), room - px(94), px(18)), Qt.AlignmentFlag.AlignVCenter, text)
        what = "probability of the label" if calibration.of == "label" else "largest probability"
        what += " (line: its mean)"
        _paint_axes(self, painter, area, what, "came true")
        self._paint_bins(painter, area, calibration)
        painter.setPen(QPen(look.c("second"), 1, Qt.PenStyle.DotLine))
        painter.drawLine(QPointF(area.left(), area.bottom()), QPointF(area.right(), area.top()))

    def _paint_bins(self, painter: QPainter, area: QRect, calibration: Calibration) -> None:
        px, look = self.look.px, self.look
        for number, part in enumerate(calibration.bins):
            column = self.bin_box(number)
            half = column.width() * 0.62
            counted = None if self.padded is None else self.padded.bins[number].observed
            if counted is not None:
                top = area.bottom() - max(counted * area.height(), 2.0)
                painter.fillRect(
                    QRectF(column.left() + half, top, column.width() - half - 2, area.bottom() - top), look.hatch
                )
            if part.observed is None or part.predicted is None:
                continue
            bar_height = max(part.observed * area.height(), 2.0)
            bar = QRectF(column.left() + 2, area.bottom() - bar_height, half - 3, bar_height)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.fillRect(bar, colour(look.tint(max((number + 0.5) / 10, 0.22))))
            mean = area.bottom() - part.predicted * area.height()
            painter.setPen(QPen(look.c("text"), 1.6))
            painter.drawLine(QPointF(bar.left(), mean), QPointF(bar.right(), mean))
        if self.hasFocus():
            painter.setPen(QPen(look.c("accent"), 2))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(QRectF(self.bin_box(self.bin)).adjusted(1, 0, -1, px(1)))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Move over the bins, or list the tokens of one."""
        key = Qt.Key(event.key())
        if key in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            self.bin = min(max(self.bin + (1 if key == Qt.Key.Key_Right else -1), 0), 9)
            self.viewport().update()
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.chosen.emit(self.bin)
        else:
            event.ignore()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """List the tokens of the bin that was clicked."""
        number = self._bin_at(event.position().toPoint())
        if number is not None and event.button() == Qt.MouseButton.LeftButton:
            self.bin = number
            self.viewport().update()
            self.chosen.emit(number)

    def _bin_at(self, point: QPoint) -> int | None:
        return next((number for number in range(10) if self.bin_box(number).contains(point)), None)

    def tip_at(self, point: QPoint) -> str:
        """Explain the bin under the mouse."""
        number = self._bin_at(point)
        if self.calibration is None or number is None:
            return ""
        part = self.calibration.bins[number]
        if part.predicted is None or part.observed is None:
            return f"No token has a probability from {part.low:.1f} to {part.high:.1f}."
        text = (
            f"{part.count:,} tokens with a probability from {part.low:.1f} to {part.high:.1f}:"
            f" {part.predicted:.3f} on average (the line), {part.observed:.3f} came true (the bar)."
        )
        padded = None if self.padded is None else self.padded.bins[number]
        if padded is not None and padded.observed is not None:
            text += f"\nIf padding were counted: {padded.observed:.3f} of {padded.count:,}."
        return f"{text}\nA click lists them."
