"""Actions that move the cursor and the selection, and the order, the filter and the search of the list."""

from functools import partial

from PySide6.QtCore import QObject, Qt

from maskscope_gui.session.search import Search
from maskscope_gui.shell.handlers import Handlers
from maskscope_gui.shell.main_window import MainWindow


class NavigationHandlers(QObject):
    """Moves within the sentence and along the list."""

    def __init__(self, window: MainWindow, search: Search) -> None:
        super().__init__(window)
        self._window, self._session, self._search = window, window.session, search
        self._field = window.toolbar.search
        self._field.textEdited.connect(search.set_text)
        self._field.textChanged.connect(self._text_changed)
        self._session.project_changed.connect(lambda: search.set_text(""))
        self._session.list_order.changed.connect(self._show_search_text)

    def handlers(self) -> Handlers:
        """By action id."""
        cursor, order = self._session.cursor, self._session.list_order
        return {
            "left": lambda: cursor.move(cursor.position - 1),
            "right": lambda: cursor.move(cursor.position + 1),
            "home": lambda: cursor.move(0),
            "end": self._go_to_end,
            "grow": lambda: cursor.move(cursor.position + 1, extend=True),
            "shrink": lambda: cursor.move(cursor.position - 1, extend=True),
            "select_all": self._select_all,
            "up": lambda: cursor.select_row(cursor.row - 1),
            "down": lambda: cursor.select_row(cursor.row + 1),
            "page_up": lambda: cursor.select_row(cursor.row - self._window.list_panel.list.rows_a_page()),
            "page_down": lambda: cursor.select_row(cursor.row + self._window.list_panel.list.rows_a_page()),
            "first_sentence": lambda: cursor.select_row(0),
            "last_sentence": lambda: cursor.select_row(len(order.sentences) - 1),
            "next_uncertain": partial(cursor.next_uncertain, 1),
            "previous_uncertain": partial(cursor.next_uncertain, -1),
            "next_collision": cursor.next_collision,
            "find": self._find,
            "sort": order.next_sort,
            "filter": order.next_filter,
        }

    def _go_to_end(self) -> None:
        if self._session.focus is not None:
            self._session.cursor.move(self._session.focus.length - 1)
            self._window.tracks.show_padding_edge()

    def _select_all(self) -> None:
        if self._session.focus is not None:
            self._session.cursor.select_span(0, self._session.focus.length - 1)

    def _find(self) -> None:
        self._field.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self._field.selectAll()

    def _text_changed(self, text: str) -> None:
        # The field's own clear button is no edit, so that textEdited does not report it.
        if not text and self._session.list_order.search_text:
            self._search.set_text("")

    def _show_search_text(self) -> None:
        text = self._session.list_order.search_text
        if not self._field.hasFocus() and self._field.text() != text:
            self._field.setText(text)
