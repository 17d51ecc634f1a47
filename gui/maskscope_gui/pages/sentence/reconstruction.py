"""The embedding of the token at the cursor beside what an autoencoder makes of it, number by number."""

import numpy as np
from PySide6.QtCore import QPointF, QRect, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from maskscope.types import Floats
from maskscope_gui.session.model_values import errors, number_text
from maskscope_gui.session.session import Session
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.base import PaintedView, elided, text_width
from maskscope_gui.widgets.token_text import token_text

_HEIGHT = 118
_HEAD = 24
_FOOT = 16


class ReconstructionView(PaintedView):
    """Two curves over the numbers of the embedding; hidden unless the model in use is an autoencoder."""

    def __init__(self, session: Session, style: Style, parent: QWidget | None = None) -> None:
        super().__init__(session, style, "Embedding and reconstruction of the token at the cursor", parent)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        session.cursor.moved.connect(self.viewport().update)
        session.cursor.sentence_changed.connect(self.viewport().update)
        session.model_changed.connect(self.refresh)
        session.project_changed.connect(self.refresh)
        self.arrange()
        self.refresh()

    def sizeHint(self) -> QSize:
        """A line of text, the curves, and the numbers of their ends."""
        return QSize(self.look.px(300), self.look.px(_HEIGHT))

    def arrange(self) -> None:
        """Set the height to that of the size hint."""
        self.setFixedHeight(self.sizeHint().height())
        self.viewport().update()

    def refresh(self) -> None:
        """Show itself for an autoencoder alone."""
        self.setVisible(self.session.values is not None and self.session.values.reconstructs)
        self.viewport().update()

    def numbers(self) -> tuple[Floats, Floats] | None:
        """Embedding (D,) and reconstruction (D,) of the token at the cursor; None where there is no token."""
        focus, at = self.session.focus, self.session.cursor.position
        if focus is None or focus.values is None or at >= focus.length:
            return None
        if focus.values.shape[1] != focus.embeddings.shape[1]:
            return None
        return focus.embeddings[at], focus.values[at]

    def text(self) -> str:
        """What is shown, in a line."""
        numbers, focus = self.numbers(), self.session.focus
        if numbers is None or focus is None:
            return ""
        at = self.session.cursor.position
        token = token_text(focus.row.tokens[at])[0]
        if not focus.mask[at]:
            return f"{token}: masked as padding, so its reconstruction means nothing"
        error = float(errors(numbers[1][None], numbers[0][None])[0])
        return f"{token}: {len(numbers[0]):,} numbers, root mean square error {number_text(error)}"

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the line of text with the legend, and the curves over their zero."""
        painter = QPainter(self.viewport())
        painter.fillRect(event.rect(), self.look.c("panel"))
        painter.fillRect(QRect(0, 0, self.viewport().width(), 1), self.look.c("line"))
        numbers = self.numbers()
        if numbers is None:
            return
        px, look = self.look.px, self.look
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_head(painter)
        both = np.concatenate(numbers)
        finite = both[np.isfinite(both)]
        low, high = min(0.0, float(finite.min(initial=0))), max(0.0, float(finite.max(initial=0)))
        ends = [number_text(high), number_text(low)]
        left = px(12) + max(text_width(end, look.tiny) for end in ends) + px(6)
        area = QRect(left, px(_HEAD + 4), self.viewport().width() - left - px(12), px(_HEIGHT - _HEAD - _FOOT - 8))
        painter.setFont(look.tiny)
        painter.setPen(look.c("second"))
        align = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        for end, y in zip(ends, (area.top(), area.bottom()), strict=True):
            painter.drawText(QRect(0, y - px(7), left - px(6), px(14)), align, end)
        foot = QRect(area.x(), area.bottom() + px(4), area.width(), px(_FOOT))
        painter.drawText(foot, Qt.AlignmentFlag.AlignLeft, "number 0")
        painter.drawText(foot, Qt.AlignmentFlag.AlignRight, f"{len(numbers[0]) - 1:,}")
        scale = (area.height() - 1) / ((high - low) or 1.0)
        zero = area.bottom() + low * scale
        painter.setPen(QPen(look.c("line"), 1))
        painter.drawLine(QPointF(area.left(), zero), QPointF(area.right(), zero))
        for values, role in zip(numbers, ("second", "accent"), strict=True):
            painter.setPen(QPen(look.c(role), 1.4))
            painter.drawPolyline(_curve(values, area, low, scale))

    def _paint_head(self, painter: QPainter) -> None:
        px, look = self.look.px, self.look
        right = self.viewport().width() - px(12)
        painter.setFont(look.small)
        for text, role in (("reconstruction", "accent"), ("embedding", "second")):
            width = text_width(text, look.small)
            painter.setPen(look.c("second"))
            painter.drawText(QRect(right - width, 0, width + 1, px(_HEAD)), Qt.AlignmentFlag.AlignVCenter, text)
            right -= width + px(6)
            painter.setPen(QPen(look.c(role), 2))
            painter.drawLine(QPointF(right - px(16), px(_HEAD) / 2), QPointF(right, px(_HEAD) / 2))
            right -= px(16 + 14)
        painter.setPen(look.c("text"))
        room = right - px(12)
        painter.drawText(
            QRect(px(12), 0, room, px(_HEAD)), Qt.AlignmentFlag.AlignVCenter, elided(self.text(), look.small, room)
        )


def _curve(values: Floats, area: QRect, low: float, scale: float) -> QPolygonF:
    """The points of a curve; a number that is not finite is drawn at 0."""
    step = area.width() / max(1, len(values) - 1)
    heights = area.bottom() - (np.where(np.isfinite(values), values, 0.0) - low) * scale
    return QPolygonF([QPointF(area.left() + place * step, y) for place, y in enumerate(heights.tolist())])
