"""The pages under the reading strip: a slim row of tabs, and what a page is."""

from PySide6.QtCore import QEvent, QRect, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from maskscope_gui.actions import printed_key
from maskscope_gui.page_table import PAGES, SENTENCE_PAGE
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.base import draw_key, key_width, text_width

PAGE_TITLES = {row.name: row.title for row in PAGES}
_TALL = 32
_INSET = 12

BUTTON_KEYS = frozenset({Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space, Qt.Key.Key_Tab, Qt.Key.Key_Backtab})
"""What presses a button or leaves it."""
SCROLL_KEYS = frozenset(
    {Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown}
)
"""What scrolls a view. A page keeps such keys from being shortcuts of the window while its widgets have the focus."""


class PageTabs(QWidget):
    """The pages by name, each with its key; the one that is shown is underlined.

    Signals:
        chosen: (page) its tab was clicked.
    """

    chosen = Signal(str)

    def __init__(self, style: Style, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.look = style
        self.page = SENTENCE_PAGE
        self._hover: str | None = None
        self.setAccessibleName("Pages")
        self.setMouseTracking(True)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.set_look(style)

    def set_look(self, style: Style) -> None:
        """Fonts and colours of another theme."""
        self.look = style
        self.setFixedHeight(style.px(_TALL))
        self.update()

    def sizeHint(self) -> QSize:
        """A line."""
        return QSize(self.look.px(360), self.look.px(_TALL))

    def show_page(self, page: str) -> None:
        """Underline another."""
        self.page = page
        self.setAccessibleDescription(f"{PAGE_TITLES[page]} is shown")
        self.update()

    def tab_box(self, page: str) -> QRect:
        """Where a tab is; keys give way when there is no room for all of them."""
        left = self.look.px(_INSET)
        for name in PAGE_TITLES:
            wide = self._width(name)
            if name == page:
                return QRect(left, 0, wide, self.height())
            left += wide + self._gap()
        raise AssertionError

    def _keys_fit(self) -> bool:
        px = self.look.px
        whole = sum(text_width(words, self.look.bold) + px(6) for words in PAGE_TITLES.values())
        whole += sum(key_width(self._key(page), self.look) for page in PAGE_TITLES)
        return whole + px(22) * (len(PAGE_TITLES) - 1) + 2 * px(_INSET) <= self.width()

    def _gap(self) -> int:
        return self.look.px(22 if self._keys_fit() else 14)

    def _key(self, page: str) -> str:
        return printed_key(f"page_{page}")

    def _width(self, page: str) -> int:
        words = text_width(PAGE_TITLES[page], self.look.bold)
        return words + (self.look.px(6) + key_width(self._key(page), self.look) if self._keys_fit() else 0)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        px, look = self.look.px, self.look
        painter.fillRect(self.rect(), look.c("panel"))
        painter.fillRect(QRect(0, self.height() - 1, self.width(), 1), look.c("line"))
        for page, words in PAGE_TITLES.items():
            box = self.tab_box(page)
            here = page == self.page
            painter.setFont(look.bold if here else look.body)
            painter.setPen(look.c("text" if here or page == self._hover else "second"))
            painter.drawText(box, Qt.AlignmentFlag.AlignVCenter, words)
            if self._keys_fit():
                left = box.x() + text_width(words, look.bold) + px(6)
                draw_key(painter, left, box.center().y() + 1, self._key(page), look)
            if here:
                painter.fillRect(QRect(box.x(), self.height() - 2, box.width(), 2), look.c("accent"))

    def _at(self, x: float) -> str | None:
        return next(
            (page for page in PAGE_TITLES if self.tab_box(page).left() - 6 <= x <= self.tab_box(page).right() + 6), None
        )

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Show the page that was clicked."""
        page = self._at(event.position().x())
        if page is not None and event.button() == Qt.MouseButton.LeftButton:
            self.chosen.emit(page)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Light up the tab under the mouse."""
        page = self._at(event.position().x())
        if page != self._hover:
            self._hover = page
            self.update()

    def leaveEvent(self, event: object) -> None:
        """Back to rest."""
        self._hover = None
        self.update()


class Page(QWidget):
    """One page. Tab goes round its stops, whatever else is in the window.

    Signals:
        progressed: (words) for the status line; "" when it is over.
        asked: (action id) the page asks for an action of the table.
    """

    progressed = Signal(str)
    asked = Signal(str)

    def __init__(self, style: Style, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.look = style
        self.stops: list[QWidget] = []
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def event(self, event: QEvent) -> bool:
        """While the page itself has the focus, Enter, Space and Tab must not act on the sentence."""
        is_shortcut = event.type() == QEvent.Type.ShortcutOverride
        if is_shortcut and isinstance(event, QKeyEvent) and self.hasFocus() and event.key() in BUTTON_KEYS:
            event.accept()
            return True
        return super().event(event)

    @property
    def busy(self) -> bool:
        """True while something is computed for it."""
        return False

    def enter(self) -> None:
        """The page was brought to the front: take the focus, and find out what there is to show."""

    def cancel(self) -> None:
        """Stop what is computed for it."""

    def compute(self) -> None:
        """Compute again what the page shows."""

    def ask_file(self) -> None:
        """Let the person choose a file for what the page shows, where it can be saved."""

    def list_found(self) -> None:
        """Show the sentences of the tokens that the page lists in the list at the left, and no others."""

    def close_down(self) -> None:
        """Stop, and wait for what still runs."""

    def set_look(self, style: Style) -> None:
        """Fonts and colours of another theme."""
        self.look = style

    def focusNextPrevChild(self, forward: bool) -> bool:
        """Go to the next stop in sight; a page without any keeps the focus, so that Enter accepts no sentence."""
        stops = [stop for stop in self.stops if stop.isVisibleTo(self) and stop.isEnabled()]
        if not stops:
            return True
        here = next((place for place, stop in enumerate(stops) if stop.hasFocus()), -1)
        reason = Qt.FocusReason.TabFocusReason if forward else Qt.FocusReason.BacktabFocusReason
        stops[(here + (1 if forward else -1)) % len(stops)].setFocus(reason)
        return True
