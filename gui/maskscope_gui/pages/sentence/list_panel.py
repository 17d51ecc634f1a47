"""The left column: what the list shows and how it is ordered, and the list."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QActionGroup
from PySide6.QtWidgets import QHBoxLayout, QLabel, QMenu, QPushButton, QStackedLayout, QToolButton, QVBoxLayout, QWidget

from maskscope_gui.actions import printed_key
from maskscope_gui.pages.sentence.sentence_list import SentenceList
from maskscope_gui.session.list_order import FILTERS, SORTS
from maskscope_gui.session.session import Session
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.base import Panel


class ListPanel(QWidget):
    """Order and filter in words, counted."""

    def __init__(self, session: Session, style: Style, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        px = style.px
        self.head = Panel("Sentences", style)
        self.sort = QToolButton()
        self.sort.setObjectName("flat")
        self.sort.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.sort.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.sort.setToolTip(f"The order of the list ({printed_key('sort')})")
        self.sort.setMenu(self._menu(SORTS, lambda key: session.list_order.set_sort(key)))
        self.head.add(self.sort)
        self.chip = QPushButton()
        self.chip.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.chip.clicked.connect(self._lift)
        self.filter = QToolButton()
        self.filter.setObjectName("flat")
        self.filter.setText(f"+ filter  {printed_key('filter')}")
        self.filter.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.filter.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.filter.setToolTip(f"Show only some sentences ({printed_key('filter')} for the next filter)")
        self.filter.setMenu(self._menu(FILTERS, lambda key: session.list_order.set_filter(key)))
        self.count = QLabel()
        self.count.setObjectName("second")
        chips = QHBoxLayout()
        chips.setContentsMargins(px(12), 0, px(12), px(8))
        chips.setSpacing(px(8))
        chips.addWidget(self.chip)
        chips.addWidget(self.filter)
        chips.addStretch(1)
        chips.addWidget(self.count)
        self.list = SentenceList(session, style)
        self.empty = QLabel()
        self.empty.setObjectName("second")
        self.empty.setWordWrap(True)
        self.empty.setTextFormat(Qt.TextFormat.PlainText)
        self.empty.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignHCenter)
        self.empty.setMargin(px(16))
        self.stack = QStackedLayout()
        self.stack.addWidget(self.list)
        self.stack.addWidget(self.empty)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.head)
        column.addLayout(chips)
        column.addLayout(self.stack, 1)
        session.list_order.changed.connect(self.refresh)
        session.project_changed.connect(self.refresh)
        session.editing.edited.connect(lambda _: self.refresh())
        self.set_look(style)
        self.refresh()

    def _menu(self, rows: dict, chosen: object) -> QMenu:  # type: ignore[type-arg]
        menu = QMenu(self)
        group = QActionGroup(menu)
        for key, words in rows.items():
            action = menu.addAction(words[0].upper() + words[1:])
            action.setCheckable(True)
            action.setData(key)
            group.addAction(action)
            action.triggered.connect(lambda _=False, key=key: chosen(key))  # type: ignore[operator]
        menu.aboutToShow.connect(lambda: self._check(menu))
        return menu

    def _check(self, menu: QMenu) -> None:
        for action in menu.actions():
            action.setChecked(action.data() in (self.session.list_order.sort, self.session.list_order.filter))

    def _lift(self) -> None:
        if self.session.list_order.search_text:
            self.session.list_order.set_found("", None)
        else:
            self.session.list_order.set_filter("all")

    def set_look(self, style: Style) -> None:
        """Fonts and colours of another theme."""
        self.head.set_look(style)
        self.list.set_look(style)
        for widget in (self.count, self.filter, self.sort, self.chip):
            widget.setFont(style.small)

    def refresh(self) -> None:
        """Say what is shown."""
        session = self.session
        project = session.project
        self.sort.setText(f"{SORTS[session.list_order.sort]} ▾   {printed_key('sort')}")
        restricted = session.list_order.filter != "all" or bool(session.list_order.search_text)
        words = (
            f"“{session.list_order.search_text}”"
            if session.list_order.search_text
            else FILTERS[session.list_order.filter]
        )
        self.chip.setText(f"{words if len(words) < 18 else words[:17] + '…'}  ✕" if restricted else "all")
        self.chip.setToolTip("Show all sentences again" if restricted else "All sentences are shown")
        self.chip.setObjectName("chip" if restricted else "chip_empty")
        self.chip.style().unpolish(self.chip)
        self.chip.style().polish(self.chip)
        total = project.n_sentences if project else 0
        shown = len(session.list_order.sentences)
        if (
            session.list_order.filter == "unreviewed"
            and session.list_order.facts is not None
            and not session.list_order.search_text
        ):
            shown = int((session.list_order.facts.states == 0).sum())
        self.count.setText(f"{shown:,} of {total:,}" if restricted else f"{total:,}")
        self.empty.setText(
            f"No sentence is {words}. Press {printed_key('filter')} for another filter, or ✕ to see all."
        )
        if session.list_order.search_text:
            self.empty.setText(f"No sentence holds {words}. ✕ shows all again.")
        self.stack.setCurrentWidget(
            self.empty if project is not None and len(session.list_order.sentences) == 0 else self.list
        )
