"""The base of the painted views, and small widgets and painting functions that several of them share."""

import html
from collections.abc import Collection
from functools import lru_cache
from typing import Literal, TypeAlias

from PySide6.QtCore import QEvent, QPoint, QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QHelpEvent, QPainter, QPaintEvent, QPen, QPolygonF, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractScrollArea,
    QFrame,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QToolTip,
    QWidget,
)

from maskscope_gui.session.session import Session
from maskscope_gui.theme.theme import Style

Role: TypeAlias = Literal["text", "second", "holds", "fails", "collision"]


class PaintedView(QAbstractScrollArea):
    """A scrollable view that paints the state of the session. It computes layout and nothing else."""

    def __init__(self, session: Session, style: Style, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.look = style
        self.setAccessibleName(name)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.viewport().setMouseTracking(True)
        # Each view fills its background; without this Qt first paints the backgrounds of all its parents.
        self.viewport().setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def set_look(self, style: Style) -> None:
        """Paint with other colours and fonts."""
        self.look = style
        self.arrange()

    def arrange(self) -> None:
        """Lay out again and repaint."""
        self.viewport().update()

    def tip_at(self, point: QPoint) -> str:
        """The tooltip for a point of the viewport; "" for none."""
        return ""

    def viewportEvent(self, event: QEvent) -> bool:
        """Show the tooltip of what is under the mouse."""
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            tip = self.tip_at(event.pos())
            # Qt takes text with tags for HTML, and tokens may look like tags.
            tip = f"<span>{html.escape(tip)}</span>".replace("\n", "<br>") if tip else ""
            QToolTip.showText(event.globalPos(), tip, self.viewport())
            return True
        return super().viewportEvent(event)


class KeyHint(QAbstractButton):
    """The name of an action with its key; a click does what the key does."""

    def __init__(self, text: str, key: str, style: Style, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.look = style
        self.wanted = True
        self._key = key
        self.setText(text)
        self.setAccessibleName(f"{text} ({key})")
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def set_look(self, style: Style) -> None:
        """Paint with other colours and fonts."""
        self.look = style
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        """Room for the text and the key."""
        text = text_width(self.text(), self.look.body)
        return QSize(text + self.look.px(6) + key_width(self._key, self.look) + 2, self.look.px(24))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the text and the key."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(self.look.body)
        painter.setPen(self.look.c("text" if self.underMouse() else "second"))
        text = text_width(self.text(), self.look.body)
        painter.drawText(QRect(0, 0, text + 2, self.height()), Qt.AlignmentFlag.AlignVCenter, self.text())
        draw_key(painter, text + self.look.px(6), self.height() // 2, self._key, self.look)

    def enterEvent(self, event: QEvent) -> None:
        """Highlight the text."""
        self.update()

    def leaveEvent(self, event: QEvent) -> None:
        """Clear the highlight."""
        self.update()


def key_width(key: str, style: Style) -> int:
    """Pixels that a drawn key takes."""
    return max(text_width(key, style.tiny) + style.px(10), style.px(18))


def draw_key(painter: QPainter, x: int, middle: int, key: str, style: Style) -> None:
    """Draw a key, its left edge at `x`, centred at the height `middle`."""
    height = style.px(18)
    box = QRectF(x + 0.5, middle - height / 2 + 0.5, key_width(key, style) - 1, height - 1)
    painter.setPen(QPen(style.c("line"), 1))
    painter.setBrush(style.c("window"))
    painter.drawRoundedRect(box, 3, 3)
    painter.setPen(style.c("second"))
    painter.setFont(style.tiny)
    painter.drawText(box, Qt.AlignmentFlag.AlignCenter, key)


def draw_collision(painter: QPainter, centre: QPointF, size: float, colour: QColor) -> None:
    """Draw the triangle that marks a real token that is masked as padding."""
    half = size / 2
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour)
    x, y = centre.x(), centre.y()
    painter.drawPolygon(QPolygonF([QPointF(x, y - half), QPointF(x + half, y + half), QPointF(x - half, y + half)]))
    painter.restore()


def plain_tip(text: str) -> str:
    """A wrapped tooltip that shows `text` as it is: the name of a file or a layer may look like HTML."""
    return f"<qt>{html.escape(text, quote=False)}</qt>"


def elided(text: str, font: QFont, width: int) -> str:
    """`text` cut with an ellipsis to `width` pixels."""
    return _elided(text, width, _known(font))


def text_width(text: str, font: QFont) -> int:
    """The pixels that `text` takes on one line; cached, since the views measure the same texts again and again."""
    return _text_width(text, _known(font))


# Fonts by id(): Style makes each font once, and QFont.key() takes as long as measuring a text.
# The font is kept with its metrics, so that its id() is never given to another font.
_FONTS: dict[int, tuple[QFont, QFontMetrics]] = {}


def _known(font: QFont) -> int:
    identity = id(font)
    if identity not in _FONTS:
        _FONTS[identity] = (font, QFontMetrics(font))
    return identity


@lru_cache(maxsize=20_000)
def _text_width(text: str, font: int) -> int:
    return _FONTS[font][1].horizontalAdvance(text)


@lru_cache(maxsize=20_000)
def _elided(text: str, width: int, font: int) -> str:
    return _FONTS[font][1].elidedText(text, Qt.TextElideMode.ElideRight, width)


def recolour(widget: QWidget, code: str) -> None:
    """Set the text colour of a widget. Qt styles it again even when the colour is the same, so that is avoided."""
    sheet = f"color: {code}"
    if widget.styleSheet() != sheet:
        widget.setStyleSheet(sheet)


class Panel(QWidget):
    """The title line of a panel; `add` puts widgets at its right end."""

    def __init__(self, title: str, style: Style, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.look = style
        self._title = QLabel(title)
        self._title.setObjectName("caps")
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(style.px(12), style.px(8), style.px(12), style.px(4))
        self._row.setSpacing(style.px(12))
        self._row.addWidget(self._title)
        self._row.addStretch(1)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

    @property
    def title(self) -> str:
        """The title."""
        return self._title.text()

    def set_title(self, text: str) -> None:
        """Change the title."""
        self._title.setText(text)
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Show as many hints as the new width has room for."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        """Show as many key hints as there is room for, in their order; none is cut off."""
        margins = self._row.contentsMargins()
        room = self.width() - margins.left() - margins.right() - self._title.sizeHint().width()
        for hint in self.findChildren(KeyHint):
            if not hint.wanted:
                hint.setVisible(False)
                continue
            room -= hint.sizeHint().width() + self._row.spacing()
            hint.setVisible(room >= 0)

    def hide_hints(self, hints: Collection[KeyHint]) -> None:
        """Show all hints but these, whose keys have another meaning on the page that is shown."""
        for hint in self.findChildren(KeyHint):
            hint.wanted = hint not in hints
        self._fit()

    def add(self, widget: QWidget) -> None:
        """Put a widget at the right end."""
        self._row.addWidget(widget)

    def set_look(self, style: Style) -> None:
        """Use other colours and fonts."""
        self.look = style
        self._title.setFont(style.caps)
        for hint in self.findChildren(KeyHint):
            hint.set_look(style)


class WrappedLabel(QLabel):
    """A text that wraps, in a colour that shows its role.

    Args:
        size: pixels at 100 %.
        bold: heavier.
    """

    def __init__(
        self, style: Style, text: str = "", role: Role = "text", *, size: float = 13, bold: bool = False
    ) -> None:
        super().__init__(text)
        self.look = style
        self.role: Role = role
        self._size, self._bold = size, bold
        self.setWordWrap(True)
        # Text from a file is text: a token "<b>" must not turn bold.
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
        self.set_look(style)

    def set_text(self, text: str, role: Role = "second") -> None:
        """Show `text` in the colour of `role`; does nothing when both are shown already."""
        if (text, role) == (self.text(), self.role):
            return
        self.role = role
        self.setText(text)
        self.set_look(self.look)

    def minimumSizeHint(self) -> QSize:
        """One line: QLabel asks for the height it would have if it were narrow, and the dialog grows for nothing."""
        return QSize(0, self.fontMetrics().lineSpacing())

    def set_look(self, style: Style) -> None:
        """Use other colours and fonts."""
        self.look = style
        weight = "font-weight: 600; " if self._bold else ""
        self.setStyleSheet(f"{weight}color: {style.c(self.role).name()}; font-size: {style.px(self._size)}px;")


def line() -> QFrame:
    """A one-pixel line between panels."""
    frame = QFrame()
    frame.setObjectName("line")
    return frame
