"""The row of page tabs, and the base of the pages."""

from PySide6.QtCore import QEvent, QRect, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from maskscope_gui.actions import key_of_action
from maskscope_gui.page_table import PAGES, SENTENCE_PAGE
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.base import draw_key, key_width, text_width

PAGE_TITLES = {row.name: row.title for row in PAGES}
_HEIGHT = 32
_INSET = 12

BUTTON_KEYS = frozenset({Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space, Qt.Key.Key_Tab, Qt.Key.Key_Backtab})
"""What presses a button or leaves it."""
SCROLL_KEYS = frozenset(
    {Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown}
)
"""What scrolls a view. A page keeps such keys from being shortcuts of the window while its widgets have the focus."""


class PageTabs(QWidget):
    """The titles of the pages, each with its key; the page that is shown is underlined.

    Signals:
        chosen: (name of the page) its tab was clicked.
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
        """Use other colours and fonts."""
        self.look = style
        self.setFixedHeight(style.px(_HEIGHT))
        self.update()

    def sizeHint(self) -> QSize:
        """One line."""
        return QSize(self.look.px(360), self.look.px(_HEIGHT))

    def show_page(self, page: str) -> None:
        """Underline a page."""
        self.page = page
        self.setAccessibleDescription(f"{PAGE_TITLES[page]} is shown")
        self.update()

    def tab_box(self, page: str) -> QRect:
        """The rectangle of a tab; the keys are left out when there is no room for all of them."""
        left = self.look.px(_INSET)
        for name in PAGE_TITLES:
            width = self._width(name)
            if name == page:
                return QRect(left, 0, width, self.height())
            left += width + self._gap()
        raise AssertionError

    def _keys_fit(self) -> bool:
        px = self.look.px
        whole = sum(text_width(title, self.look.bold) + px(6) for title in PAGE_TITLES.values())
        whole += sum(key_width(self._key(page), self.look) for page in PAGE_TITLES)
        return whole + px(22) * (len(PAGE_TITLES) - 1) + 2 * px(_INSET) <= self.width()

    def _gap(self) -> int:
        return self.look.px(22 if self._keys_fit() else 14)

    def _key(self, page: str) -> str:
        return key_of_action(f"page_{page}")

    def _width(self, page: str) -> int:
        title = text_width(PAGE_TITLES[page], self.look.bold)
        return title + (self.look.px(6) + key_width(self._key(page), self.look) if self._keys_fit() else 0)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the tabs."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        px, look = self.look.px, self.look
        painter.fillRect(self.rect(), look.c("panel"))
        painter.fillRect(QRect(0, self.height() - 1, self.width(), 1), look.c("line"))
        for page, title in PAGE_TITLES.items():
            box = self.tab_box(page)
            current = page == self.page
            painter.setFont(look.bold if current else look.body)
            painter.setPen(look.c("text" if current or page == self._hover else "second"))
            painter.drawText(box, Qt.AlignmentFlag.AlignVCenter, title)
            if self._keys_fit():
                left = box.x() + text_width(title, look.bold) + px(6)
                draw_key(painter, left, box.center().y() + 1, self._key(page), look)
            if current:
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
        """Highlight the tab under the mouse."""
        page = self._at(event.position().x())
        if page != self._hover:
            self._hover = page
            self.update()

    def leaveEvent(self, event: object) -> None:
        """Clear the highlight."""
        self._hover = None
        self.update()


class Page(QWidget):
    """One page. Tab goes through its `stops` and nowhere else in the window.

    Signals:
        progressed: (text) for the status line; "" once nothing runs.
        action_requested: (action id) the page wants an action to be triggered.
    """

    progressed = Signal(str)
    action_requested = Signal(str)

    def __init__(self, style: Style, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.look = style
        self.stops: list[QWidget] = []
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def event(self, event: QEvent) -> bool:
        """Keep Enter, Space and Tab from acting on the sentence while the page itself has the focus."""
        is_shortcut = event.type() == QEvent.Type.ShortcutOverride
        if is_shortcut and isinstance(event, QKeyEvent) and self.hasFocus() and event.key() in BUTTON_KEYS:
            event.accept()
            return True
        return super().event(event)

    @property
    def busy(self) -> bool:
        """True while something is computed for the page."""
        return False

    def enter(self) -> None:
        """Take the focus and update; called when the page is brought to the front."""

    def cancel(self) -> None:
        """Stop what is computed for the page."""

    def compute(self) -> None:
        """Compute again what the page shows."""

    def ask_file(self) -> None:
        """Let the person choose a file for what the page shows, where it can be saved."""

    def list_found(self) -> None:
        """Show only the sentences of the tokens that the page lists in the sentence list."""

    def stop_and_wait(self) -> None:
        """Stop what is computed, and wait for its thread."""

    def set_look(self, style: Style) -> None:
        """Use other colours and fonts."""
        self.look = style

    def focusNextPrevChild(self, forward: bool) -> bool:
        """Go to the next stop in sight; a page without any keeps the focus, so that Enter accepts no sentence."""
        stops = [stop for stop in self.stops if stop.isVisibleTo(self) and stop.isEnabled()]
        if not stops:
            return True
        current = next((place for place, stop in enumerate(stops) if stop.hasFocus()), -1)
        reason = Qt.FocusReason.TabFocusReason if forward else Qt.FocusReason.BacktabFocusReason
        stops[(current + (1 if forward else -1)) % len(stops)].setFocus(reason)
        return True
