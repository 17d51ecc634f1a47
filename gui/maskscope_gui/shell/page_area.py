"""The middle column: the reading strip, and under it one page of the table of pages."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import cast

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QSplitter, QStackedWidget, QVBoxLayout, QWidget

from maskscope_gui.page_table import PAGES, SENTENCE_PAGE
from maskscope_gui.pages.sentence.reading_panel import ReadingPanel
from maskscope_gui.pages.sentence.sentence_page import SentencePage
from maskscope_gui.pages.services import PageServices
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.pages import Page, PageTabs


class PageArea(QSplitter):
    """Shows one page at a time. A page is imported and made when it is first shown.

    Attributes:
        current: the name of the page that is shown.
        made: the pages made so far, by name; the sentence page is not among them.

    Signals:
        progressed: (text) what a page is computing, for the status line; "" when it is over.
    """

    progressed = Signal(str)

    def __init__(
        self,
        reading: ReadingPanel,
        sentence_page: SentencePage,
        services: PageServices,
        actions: Mapping[str, QAction],
        style: Style,
    ) -> None:
        super().__init__(Qt.Orientation.Vertical)
        self.current = SENTENCE_PAGE
        self.made: dict[str, Page] = {}
        self._reading, self._sentence_page = reading, sentence_page
        self._services, self._actions, self._look = services, actions, style
        self.tabs = PageTabs(style)
        self.tabs.chosen.connect(self.show_page)
        self._stack = QStackedWidget()
        self._stack.addWidget(sentence_page)
        lower = QWidget()
        rows = QVBoxLayout(lower)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(0)
        rows.addWidget(self.tabs)
        rows.addWidget(self._stack, 1)
        for place, panel in enumerate((reading, lower)):
            self.addWidget(panel)
            self.setStretchFactor(place, 2 + 3 * place)
            self.setCollapsible(place, False)
        self._reading_heights = {"sentence": style.px(190), "page": style.px(160)}
        self.setSizes([style.px(190), style.px(608)])
        self.setHandleWidth(1)
        self._check_action()

    def set_look(self, style: Style) -> None:
        """Fonts and colours of another theme."""
        self._look = style
        self.tabs.set_look(style)
        self._reading.set_look(style)
        self._sentence_page.set_look(style)
        for page in self.made.values():
            page.set_look(style)

    # Pages

    @property
    def shown(self) -> Page | None:
        """The page under the reading strip; None for the sentence page."""
        return self.made.get(self.current)

    def page(self, name: str) -> Page:
        """A page other than the sentence page, shown or not; it is made when it is first asked for."""
        if name not in self.made:
            self._make_page(name)
        return self.made[name]

    def show_page(self, name: str) -> None:
        """Show a page and give it the focus."""
        if name != SENTENCE_PAGE:
            self.page(name)
        if name != self.current:
            self._remember_height()
            self.current = name
            self._reading.show_all_keys(name == SENTENCE_PAGE)
            # Under a page the strip keeps its height; on the sentence page it takes its share of a larger window.
            self.setStretchFactor(0, 2 if name == SENTENCE_PAGE else 0)
            self.apply_heights()
        self._stack.setCurrentWidget(self.shown or self._sentence_page)
        self.tabs.show_page(name)
        self._check_action()
        self.focus_page()

    def _check_action(self) -> None:
        for row in PAGES:
            self._actions[row.action_id].setChecked(row.name == self.current)

    def focus_page(self) -> None:
        """Move the keyboard focus to the page that is shown; on the sentence page the window itself takes keys."""
        if self.shown is None:
            self.window().setFocus(Qt.FocusReason.ShortcutFocusReason)
        else:
            self.shown.enter()

    def close_pages(self) -> None:
        """Stop what the pages compute, and wait for what still runs."""
        for page in self.made.values():
            page.stop_and_wait()

    def _make_page(self, name: str) -> None:
        row = next(row for row in PAGES if row.name == name)
        module, _, function = row.factory.partition(":")
        make = cast("Callable[[PageServices, Style], Page]", getattr(import_module(module), function))
        page = make(self._services, self._look)
        page.action_requested.connect(lambda action_id: self._actions[action_id].trigger())
        page.progressed.connect(self.progressed)
        self.made[name] = page
        self._stack.addWidget(page)

    # Heights

    def restore(self) -> None:
        """Take the page heights of the last session."""
        for kind in self._reading_heights:
            height = self._services.settings.number(f"reading_height_{kind}")
            if height > 0:
                self._reading_heights[kind] = height
        top = self._reading_heights["sentence"]
        self.setSizes([top, max(sum(self.sizes()) - top, 1)])

    def save(self) -> None:
        """Remember the page and its heights for the next session."""
        self._remember_height()
        self._services.settings.set_text("page", self.current)
        for kind, height in self._reading_heights.items():
            self._services.settings.set_number(f"reading_height_{kind}", height)

    def apply_heights(self) -> None:
        """Give the reading strip the height that it last had above a page of this kind."""
        top = self._reading_heights[self._kind()]
        self.setSizes([top, max(self.height() - top - self.handleWidth(), 1)])

    def _kind(self) -> str:
        return "sentence" if self.current == SENTENCE_PAGE else "page"

    def _remember_height(self) -> None:
        if self.isVisible() and self.sizes()[0] > 0:
            self._reading_heights[self._kind()] = self.sizes()[0]
