"""Actions of the View and the Help menu: pages, panels, themes, what is shown of a sentence, and dialogs about keys."""

from collections.abc import Callable, Sequence
from functools import partial

from PySide6.QtCore import QObject
from PySide6.QtGui import QActionGroup
from PySide6.QtWidgets import QApplication, QLineEdit

from maskscope_gui.page_table import PAGE_NAMES, PAGES, SENTENCE_PAGE
from maskscope_gui.settings import ThemeChoice
from maskscope_gui.shell.dialog_controller import DialogController
from maskscope_gui.shell.handlers import Handlers
from maskscope_gui.shell.main_window import MainWindow

_THEMES: tuple[tuple[str, ThemeChoice], ...] = (("use_system_theme", "system"), ("light", "light"), ("dark", "dark"))


class ViewHandlers(QObject):
    """Changes what the window shows.

    Args:
        window: the window.
        dialogs: shows keys and version.
        cancels: cancel what runs in the background, the first that runs; each returns False when nothing runs.
    """

    def __init__(self, window: MainWindow, dialogs: DialogController, cancels: Sequence[Callable[[], bool]]) -> None:
        super().__init__(window)
        self._window, self._session, self._settings = window, window.session, window.settings
        self._dialogs, self._cancels = dialogs, cancels
        group = QActionGroup(self)
        for action_id, choice in _THEMES:
            action = window.actions_by_id[action_id]
            group.addAction(action)
            action.setChecked(self._settings.theme == choice)
        QApplication.styleHints().colorSchemeChanged.connect(window.refresh_theme)
        self._session.project_changed.connect(self._new_project)
        self._session.decoding_changed.connect(self._check_decoding)

    def handlers(self) -> Handlers:
        """By action id."""
        window = self._window
        return {
            **{page.action_id: partial(window.pages.show_page, page.name) for page in PAGES},
            **{action_id: partial(self._choose_theme, choice) for action_id, choice in _THEMES},
            "toggle_batch": lambda: window.show_batch(not window.batch_shown),
            "batch_order": window.sentence_page.change_batch_order,
            "shown_class": self._session.show_next_class,
            "decode": self._toggle_decoding,
            "side_tab": window.columns.switch_side_tab,
            "dismiss": self._dismiss,
            "keys": self._dialogs.keys,
            "about": self._dialogs.about,
        }

    def _new_project(self) -> None:
        self._check_decoding()
        if self._session.project is None:
            return
        # Without a model the other pages have nothing to show.
        last = self._settings.text("page")
        page = last if last in PAGE_NAMES and self._session.model is not None else SENTENCE_PAGE
        if page != self._window.pages.current:
            self._window.pages.show_page(page)

    def _choose_theme(self, choice: ThemeChoice) -> None:
        self._settings.set_text("theme", choice)
        self._window.refresh_theme()

    def _toggle_decoding(self) -> None:
        if self._session.decodes_spans:
            self._session.set_decoding("argmax" if self._session.decoding == "viterbi" else "viterbi")
            return
        self._check_decoding()
        text = "These labels are not spans, so the prediction is each token's most likely label."
        self._session.message_requested.emit(text, "info")

    def _check_decoding(self) -> None:
        decodes = self._session.decodes_spans and self._session.decoding == "viterbi"
        self._window.actions_by_id["decode"].setChecked(decodes)

    def _dismiss(self) -> None:
        page = self._window.pages.shown
        if self._window.notice.isVisible():
            self._window.notice.hide()
        elif isinstance(QApplication.focusWidget(), QLineEdit):
            self._window.pages.focus_page()
        elif page is not None and page.busy:
            page.cancel()
        elif not any(cancel() for cancel in self._cancels) and page is not None:
            self._window.pages.show_page(SENTENCE_PAGE)
