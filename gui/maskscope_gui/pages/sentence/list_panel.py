"""The left column: how the sentence list is sorted and filtered, and the list."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from PySide6.QtCore import Qt
from PySide6.QtGui import QActionGroup
from PySide6.QtWidgets import QHBoxLayout, QLabel, QMenu, QPushButton, QStackedLayout, QToolButton, QVBoxLayout, QWidget

from maskscope_gui.actions import key_of_action
from maskscope_gui.pages.sentence.sentence_list import SentenceList
from maskscope_gui.session.list_order import FILTERS, SORTS
from maskscope_gui.session.session import Session
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.base import Panel

_Key = TypeVar("_Key", bound=str)
_MAX_CHIP_LETTERS = 18


class ListPanel(QWidget):
    """Shows the order and the filter in words, with how many sentences there are.

    Attributes:
        sort, filter: buttons with a menu of orders and of filters.
        note: why the order can't be as chosen.
        chip: the filter or search in force; a click removes it.
        list: the sentences.
        empty: what is shown when no sentence passes.
    """

    def __init__(self, session: Session, style: Style, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        order = session.list_order
        self.head = Panel("Sentences", style)
        self.sort = self._menu_button(SORTS, order.set_sort)
        self.sort.setToolTip(f"The order of the list ({key_of_action('sort')} for the next order)")
        self.head.add(self.sort)
        self.chip = QPushButton()
        self.chip.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.chip.clicked.connect(self._remove_restriction)
        self.filter = self._menu_button(FILTERS, order.set_filter)
        self.filter.setText(f"+ filter  {key_of_action('filter')}")
        self.filter.setToolTip(f"Show only some sentences ({key_of_action('filter')} for the next filter)")
        self.count = QLabel()
        self.count.setObjectName("second")
        self.note = QLabel("This model gives values, which have no uncertainty: the list is in reading order.")
        self.note.setObjectName("second")
        self.note.setWordWrap(True)
        self.note.setContentsMargins(style.px(12), 0, style.px(12), style.px(8))
        self.list = SentenceList(session, style)
        self.empty = QLabel()
        self.empty.setObjectName("second")
        self.empty.setWordWrap(True)
        self.empty.setTextFormat(Qt.TextFormat.PlainText)
        self.empty.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignHCenter)
        self.empty.setMargin(style.px(16))
        self._lay_out(style)
        order.changed.connect(self.refresh)
        session.project_changed.connect(self.refresh)
        session.model_changed.connect(self.refresh)
        session.editing.edited.connect(lambda _: self.refresh())
        self.set_look(style)
        self.refresh()

    def _lay_out(self, style: Style) -> None:
        px = style.px
        chips = QHBoxLayout()
        chips.setContentsMargins(px(12), 0, px(12), px(8))
        chips.setSpacing(px(8))
        chips.addWidget(self.chip)
        chips.addWidget(self.filter)
        chips.addStretch(1)
        chips.addWidget(self.count)
        self.stack = QStackedLayout()
        self.stack.addWidget(self.list)
        self.stack.addWidget(self.empty)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.head)
        column.addLayout(chips)
        column.addWidget(self.note)
        column.addLayout(self.stack, 1)

    def _menu_button(self, texts: Mapping[_Key, str], choose: Callable[[_Key], None]) -> QToolButton:
        """A button with a menu of choices, of which the one in force is checked."""
        button = QToolButton()
        button.setObjectName("flat")
        button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        menu = QMenu(button)
        group = QActionGroup(menu)
        for key, text in texts.items():
            action = menu.addAction(text[0].upper() + text[1:])
            action.setCheckable(True)
            action.setData(key)
            group.addAction(action)
            action.triggered.connect(lambda _=False, key=key: choose(key))
        menu.aboutToShow.connect(lambda: self._check(menu))
        button.setMenu(menu)
        return button

    def _check(self, menu: QMenu) -> None:
        order = self.session.list_order
        for action in menu.actions():
            action.setChecked(action.data() in (order.sort, order.filter))

    def _remove_restriction(self) -> None:
        """Remove the search or, without one, the filter."""
        if self.session.list_order.search_text:
            self.session.list_order.set_found("", None)
        else:
            self.session.list_order.set_filter("all")

    def set_look(self, style: Style) -> None:
        """Use other colours and fonts."""
        self.head.set_look(style)
        self.list.set_look(style)
        for widget in (self.count, self.filter, self.sort, self.chip, self.note):
            widget.setFont(style.small)

    def refresh(self) -> None:
        """Show the order, the restriction and the number of sentences."""
        project, order = self.session.project, self.session.list_order
        self.sort.setText(f"{SORTS[order.sort]} ▾   {key_of_action('sort')}")
        self.note.setVisible(self.session.gives_values and order.sort in ("uncertain", "disagreement"))
        restricted = order.filter != "all" or bool(order.search_text)
        text = f"“{order.search_text}”" if order.search_text else FILTERS[order.filter]
        self._show_chip(text if restricted else "")
        total = project.n_sentences if project else 0
        shown = len(order.sentences)
        if order.filter == "unreviewed" and order.facts is not None and not order.search_text:
            # Sentences reviewed since the list was filtered stay in it, but no longer count.
            shown = int((order.facts.states == 0).sum())
        self.count.setText(f"{shown:,} of {total:,}" if restricted else f"{total:,}")
        if order.search_text:
            self.empty.setText(f"No sentence contains {text}. ✕ shows all sentences again.")
        else:
            self.empty.setText(f"No sentence is {text}. Press {key_of_action('filter')} for another filter, or ✕.")
        self.stack.setCurrentWidget(self.empty if project is not None and len(order.sentences) == 0 else self.list)

    def _show_chip(self, restriction: str) -> None:
        text = restriction
        if len(text) >= _MAX_CHIP_LETTERS:
            text = f"{text[: _MAX_CHIP_LETTERS - 1]}…"
        self.chip.setText(f"{text}  ✕" if restriction else "all")
        self.chip.setToolTip("Show all sentences again" if restriction else "All sentences are shown")
        self.chip.setObjectName("chip" if restriction else "chip_empty")
        self.chip.style().unpolish(self.chip)
        self.chip.style().polish(self.chip)
