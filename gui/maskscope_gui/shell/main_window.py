"""The main window: assembles the views, and no more. What actions do is in `commands.py`."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from PySide6.QtCore import QByteArray, Qt, Signal
from PySide6.QtGui import (
    QCloseEvent,
    QDragEnterEvent,
    QDropEvent,
    QFont,
    QIcon,
    QPaintEvent,
    QPalette,
    QResizeEvent,
    QShowEvent,
)
from PySide6.QtWidgets import (
    QApplication,
    QMainWindow,
    QMessageBox,
    QSplitter,
    QStackedWidget,
    QTabBar,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from maskscope_gui.actions import fill_menus, make_actions, printed_key
from maskscope_gui.background.padding_experiment import PaddingExperiment
from maskscope_gui.page_table import PAGES
from maskscope_gui.pages.sentence.batch import BatchView
from maskscope_gui.pages.sentence.list_panel import ListPanel
from maskscope_gui.pages.sentence.padding_panel import PaddingPanel
from maskscope_gui.pages.sentence.palette import PaletteView
from maskscope_gui.pages.sentence.reading import ReadingView
from maskscope_gui.pages.sentence.side_column import SideColumn
from maskscope_gui.pages.sentence.token_panel import TokenView
from maskscope_gui.pages.sentence.tracks import TracksView
from maskscope_gui.session.session import Session
from maskscope_gui.settings import Settings
from maskscope_gui.shell.notice import NoticeBar
from maskscope_gui.shell.start_page import StartPage
from maskscope_gui.shell.status import StatusLine
from maskscope_gui.shell.toolbar import Toolbar
from maskscope_gui.theme.stylesheet import icon_folder, sheet
from maskscope_gui.theme.theme import Style, system_theme
from maskscope_gui.widgets.base import KeyHint, Panel
from maskscope_gui.widgets.pages import Page, PageTabs
from maskscope_resources.colours import DARK, LIGHT, Theme

FOLD_BATCH_BELOW = 1280
FOLD_SIDE_BELOW = 1080


class Styled(Protocol):
    """What follows the theme."""

    def set_look(self, style: Style) -> None:
        """Fonts and colours of another theme."""


class MainWindow(QMainWindow):
    """See the module.

    Signals:
        painted: the first picture with a project on it is on the screen.
        dropped: (paths) files or folders were dropped.
        closing: the window is about to close.
    """

    painted = Signal()
    dropped = Signal(list)
    closing = Signal()

    def __init__(
        self, session: Session, lab: PaddingExperiment, settings: Settings, theme: Theme | None = None
    ) -> None:
        super().__init__()
        self.session, self.lab, self.settings = session, lab, settings
        self._forced = theme
        self._base_font = QFont(QApplication.font())
        self.look = Style(self._wanted_theme(), self._base_font)
        self._first_paint = True
        self.what_would_end: Callable[[], str] = lambda: ""
        self._batch_wanted = settings.text("batch") == "shown"
        self._side_folded = False
        self.setObjectName("window")
        self.setWindowTitle("Maskscope")
        self.setWindowIcon(QIcon(str(icon_folder() / "maskscope.svg")))
        self.setAcceptDrops(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setFocus()
        self.setMinimumSize(self.look.px(760), self.look.px(520))
        self.actions_by_id = make_actions(self)
        self.menus = fill_menus(self.menuBar(), self.actions_by_id)
        self._paint_controls()
        self.toolbar = Toolbar(session, self.actions_by_id, self.look)
        self.list_panel = ListPanel(session, self.look)
        self.reading = ReadingView(session, self.look)
        self.tracks = TracksView(session, lab, self.look)
        self.batch = BatchView(session, self.look)
        self.palette_view = PaletteView(session, self.look)
        self.token = TokenView(session, self.look)
        self.padding = PaddingPanel(session, lab, self.look)
        self.status_line = StatusLine(session, self.look)
        self.notice = NoticeBar(session, self.look)
        self.start_page = StartPage(self.actions_by_id, settings.recent, self.look)
        self.panels: list[Panel] = []
        self.page: str = "sentence"
        self.made_pages: dict[str, Page] = {}
        self.page_makers: dict[str, Callable[[], Page]] = {}
        self._assemble()
        session.project_changed.connect(self._show_project)
        session.cursor.sentence_changed.connect(self._title_reading)
        session.list_order.changed.connect(self._title_batch)
        session.cursor.sentence_changed.connect(self._title_batch)
        session.model_changed.connect(self._title_tracks)
        session.decoding_changed.connect(self._title_tracks)
        self._style_views()
        self._restore()
        self._show_project()

    # Assembly

    def _assemble(self) -> None:
        self.reading_panel = self._panel("Reading", self.reading)
        self.reading_hints: dict[str, KeyHint] = {}
        head = self.panels[-1]
        for words, action_id in (
            ("Accept and next", "accept"),
            ("Use the model's labels", "use_predictions"),
            ("Next uncertain", "next_uncertain"),
            ("Flag", "flag"),
        ):
            hint = KeyHint(words, printed_key(action_id), self.look)
            self.reading_hints[action_id] = hint
            hint.clicked.connect(self.actions_by_id[action_id].trigger)
            head.add(hint)
        self.tracks_panel = self._panel("Tracks", self.tracks)
        self.shown_class = QToolButton()
        self.shown_class.setObjectName("flat")
        self.shown_class.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.shown_class.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.shown_class.setToolTip("Which probability is shown")
        self.panels[-1].add(self.shown_class)
        self.decoding = QToolButton()
        self.decoding.setObjectName("flat")
        self.decoding.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.decoding.setToolTip(self.actions_by_id["decode"].toolTip())
        self.decoding.clicked.connect(self.actions_by_id["decode"].trigger)
        self.panels[-1].add(self.decoding)
        self.batch_panel = self._panel("Batch", self.batch)
        self.batch_order = QToolButton()
        self.batch_order.setObjectName("flat")
        self.batch_order.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.batch_order.setToolTip("The order of the rows of the batch")
        self.batch_order.clicked.connect(self.turn_batch)
        self.panels[-1].add(self.batch_order)
        px = self.look.px
        self.sentence_page = QSplitter(Qt.Orientation.Vertical)
        for place, panel in enumerate((self.tracks_panel, self.batch_panel)):
            self.sentence_page.addWidget(panel)
            self.sentence_page.setStretchFactor(place, place)
            self.sentence_page.setCollapsible(place, False)
        self.sentence_page.setSizes([px(318), px(290)])
        self.tabs = PageTabs(self.look)
        self.tabs.chosen.connect(lambda page: self.actions_by_id[f"page_{page}"].trigger())
        self.page_stack = QStackedWidget()
        self.page_stack.addWidget(self.sentence_page)
        lower = QWidget()
        lower_rows = QVBoxLayout(lower)
        lower_rows.setContentsMargins(0, 0, 0, 0)
        lower_rows.setSpacing(0)
        lower_rows.addWidget(self.tabs)
        lower_rows.addWidget(self.page_stack, 1)
        self.middle = QSplitter(Qt.Orientation.Vertical)
        for place, panel in enumerate((self.reading_panel, lower)):
            self.middle.addWidget(panel)
            self.middle.setStretchFactor(place, 2 + 3 * place)
            self.middle.setCollapsible(place, False)
        self._reading_height = {"sentence": px(190), "page": px(160)}
        self.middle.setSizes([px(190), px(608)])
        self.side = SideColumn(self.session, self.palette_view, self.token, self.padding, self.look)
        self.left = QWidget()
        self.left_tabs = QTabBar()
        self.left_tabs.addTab("Sentences")
        self.left_tabs.addTab("Labels and padding")
        self.left_tabs.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.left_tabs.setVisible(False)
        self.left_stack = QStackedWidget()
        self.left_stack.addWidget(self.list_panel)
        self.left_tabs.currentChanged.connect(self._show_tab)
        column = QVBoxLayout(self.left)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.left_tabs)
        column.addWidget(self.left_stack)
        self.columns = QSplitter(Qt.Orientation.Horizontal)
        for widget in (self.left, self.middle, self.side):
            self.columns.addWidget(widget)
        for place, stretch in enumerate((0, 1, 0)):
            self.columns.setStretchFactor(place, stretch)
            self.columns.setCollapsible(place, False)
        self.left.setMinimumWidth(px(230))
        self.side.setMinimumWidth(px(284))
        self.middle.setMinimumWidth(px(360))
        self.columns.setSizes([px(316), px(840), px(284)])
        for splitter in (self.columns, self.middle, self.sentence_page):
            splitter.setHandleWidth(1)
        self.stack = QStackedWidget()
        self.stack.addWidget(self.start_page)
        self.stack.addWidget(self.columns)
        whole = QWidget()
        whole.setObjectName("window")
        rows = QVBoxLayout(whole)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(0)
        rows.addWidget(self.toolbar)
        rows.addWidget(self.notice)
        rows.addWidget(self.stack, 1)
        rows.addWidget(self.status_line)
        self.setCentralWidget(whole)

    def _panel(self, title: str, view: QWidget) -> QWidget:
        panel = QWidget()
        panel.setObjectName("panel")
        panel.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        column = QVBoxLayout(panel)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        head = Panel(title, self.look)
        self.panels.append(head)
        column.addWidget(head)
        column.addWidget(view, 1)
        return panel

    def add_curve(self) -> None:
        """Put the curve into the PADDING panel: its library is slow to import, so it comes after the first picture."""
        from maskscope_gui.pages.sentence.padding_curve import PaddingCurve

        if self.padding.curve_room.count() == 0:
            self.curve = PaddingCurve(self.lab, self.look)
            self.padding.curve_room.addWidget(self.curve)

    # Look

    def _wanted_theme(self) -> Theme:
        if self._forced is not None:
            return self._forced
        choice = self.settings.theme
        if choice == "system":
            return system_theme()
        return DARK if choice == "dark" else LIGHT

    def refresh_theme(self) -> None:
        """Follow the system's theme, or the one that was chosen."""
        theme = self._wanted_theme()
        if theme is self.look.theme:
            return
        self.look = Style(theme, self._base_font)
        self._paint_controls()
        self._style_views()

    def _paint_controls(self) -> None:
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        palette = QPalette()
        for role, name in (
            (QPalette.ColorRole.Window, "window"),
            (QPalette.ColorRole.Base, "panel"),
            (QPalette.ColorRole.Button, "panel"),
            (QPalette.ColorRole.WindowText, "text"),
            (QPalette.ColorRole.Text, "text"),
            (QPalette.ColorRole.ButtonText, "text"),
            (QPalette.ColorRole.ToolTipBase, "panel"),
            (QPalette.ColorRole.ToolTipText, "text"),
            (QPalette.ColorRole.PlaceholderText, "second"),
            (QPalette.ColorRole.Highlight, "accent"),
        ):
            palette.setColor(role, self.look.c(name))
        app.setPalette(palette)
        app.setFont(self.look.body)
        app.setStyleSheet(sheet(self.look))

    def _style_views(self) -> None:
        views: tuple[Styled, ...] = (
            self.toolbar,
            self.list_panel,
            self.reading,
            self.tracks,
            self.batch,
            self.palette_view,
            self.token,
            self.padding,
            self.side,
            self.status_line,
            self.tabs,
            *self.panels,
            *self.made_pages.values(),
        )
        for view in views:
            view.set_look(self.look)
        if hasattr(self, "curve"):
            self.curve.set_look(self.look)
        for button in (self.shown_class, self.decoding, self.batch_order):
            button.setFont(self.look.small)

    # What is shown

    def _show_project(self) -> None:
        project = self.session.project
        self.stack.setCurrentWidget(self.start_page if project is None else self.columns)
        self.status_line.setVisible(project is not None)
        self.setWindowTitle("Maskscope" if project is None else f"{project.name} – Maskscope")
        if project is None:
            self.start_page.refresh()
        self._title_tracks()
        self._title_reading()
        self._title_batch()

    def _title_reading(self) -> None:
        words = "Reading" if self.session.cursor.sentence < 0 else f"Reading · sentence {self.session.cursor.sentence}"
        focus = self.session.focus
        if focus is not None and focus.row.state != "unreviewed":
            words += f" · {focus.row.state}"
        self.panels[0].set_title(words)

    def _title_tracks(self) -> None:
        if self.session.project is None:
            return
        scheme = self.session.scheme
        binary = scheme.kind == "binary"
        words = "spans decoded" if self.session.decoding == "viterbi" else "argmax, spans not decoded"
        self.decoding.setText(f"{words}   {printed_key('decode')}")
        self.decoding.setVisible(scheme.spans is not None)
        self.shown_class.setText(f"{self.session.shown_name} ▾   {printed_key('shown_class')}")
        self.shown_class.setEnabled(not binary)
        if binary:
            self.shown_class.setText(f"{self.session.shown_name}   threshold {self.session.threshold:.2f}")

    def _title_batch(self) -> None:
        batch = self.batch.batch
        words = "Batch"
        if batch is not None and len(batch.ids):
            words = f"Batch · {len(batch.ids)} sentences × {batch.values.shape[1]} positions"
        self.panels[2].set_title(words)
        self.batch_order.setText(f"{self.batch.order} ▾   {printed_key('batch_order')}")

    def turn_batch(self) -> None:
        """Show the rows of the batch in the other order."""
        self.batch.set_order("as listed" if self.batch.order == "longest first" else "longest first")
        self._title_batch()

    # Room

    def show_batch(self, wanted: bool) -> None:
        """Show or fold the batch panel."""
        self._batch_wanted = wanted
        self.settings.set_text("batch", "shown" if wanted else "folded")
        self.batch_panel.setVisible(wanted)
        self.actions_by_id["toggle_batch"].setChecked(wanted)

    @property
    def batch_shown(self) -> bool:
        """True when the batch panel is in sight."""
        return self.batch_panel.isVisibleTo(self)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fold what has no room: the batch panel first, then the right column."""
        super().resizeEvent(event)
        px = self.look.px
        room = event.size().width()
        shown = self._batch_wanted and room >= px(FOLD_BATCH_BELOW) * 0.995
        self.batch_panel.setVisible(shown)
        self.actions_by_id["toggle_batch"].setChecked(shown)
        self._fold_side(room < px(FOLD_SIDE_BELOW))

    def _fold_side(self, fold: bool) -> None:
        if fold == self._side_folded:
            return
        self._side_folded = fold
        if fold:
            self.left_stack.addWidget(self.side)
        else:
            self.columns.addWidget(self.side)
            self.columns.setStretchFactor(2, 0)
            px = self.look.px
            self.columns.setSizes([self.left.width(), self.width() - self.left.width() - px(284), px(284)])
            self.side.show()
            self.left_tabs.setCurrentIndex(0)
        self.left_tabs.setVisible(fold)

    def turn_side_tab(self) -> None:
        """In a narrow window, change between the sentences and the right column."""
        if self._side_folded:
            self.left_tabs.setCurrentIndex(1 - self.left_tabs.currentIndex())

    def _show_tab(self, place: int) -> None:
        self.left_stack.setCurrentWidget(self.side if place == 1 and self._side_folded else self.list_panel)

    # Pages

    @property
    def shown_page(self) -> Page | None:
        """The page under the reading strip; None for the sentence's own tracks and batch."""
        return self.made_pages.get(self.page)

    def show_page(self, page: str) -> None:
        """Bring a page to the front. It is made when it is first shown."""
        if page != "sentence" and page not in self.made_pages:
            if page not in self.page_makers:
                page = "sentence"
            else:
                made = self.made_pages[page] = self.page_makers[page]()
                self.page_stack.addWidget(made)
        if page != self.page:
            self._keep_reading_height()
        changed, self.page = page != self.page, page
        shown = self.made_pages.get(page)
        self.page_stack.setCurrentWidget(shown or self.sentence_page)
        self.tabs.show_page(page)
        for row in PAGES:
            self.actions_by_id[row.action_id].setChecked(row.name == page)
        if changed:
            # Enter and Tab belong to a page while it is shown.
            taken = [] if page == "sentence" else [self.reading_hints[name] for name in ("accept", "next_uncertain")]
            self.panels[0].hold_back(taken)
            # Under a page the strip keeps its height; on the sentence it takes its share of a larger window.
            self.middle.setStretchFactor(0, 2 if page == "sentence" else 0)
            self.middle.setSizes(self._heights())
        if shown is not None:
            shown.enter()
        else:
            self.setFocus()

    def _kind(self) -> str:
        return "sentence" if self.page == "sentence" else "page"

    def _keep_reading_height(self) -> None:
        if self.isVisible() and self.middle.sizes()[0] > 0:
            self._reading_height[self._kind()] = self.middle.sizes()[0]

    def _heights(self) -> list[int]:
        top = self._reading_height[self._kind()]
        return [top, max(self.middle.height() - top - self.middle.handleWidth(), 1)]

    def _restore(self) -> None:
        self.restored = self.settings.layout("window") is not None
        for name, restore in self._remembered().items():
            state = self.settings.layout(name)
            if state is not None:
                restore[0](state)
        self._restore_heights()

    def _remembered(self) -> dict[str, tuple[Callable[[QByteArray], object], Callable[[], QByteArray]]]:
        return {
            "window": (self.restoreGeometry, self.saveGeometry),
            "columns": (self.columns.restoreState, self.columns.saveState),
            "tracks": (self.sentence_page.restoreState, self.sentence_page.saveState),
        }

    def _restore_heights(self) -> None:
        for kind in self._reading_height:
            height = self.settings.number(f"reading_height_{kind}")
            if height > 0:
                self._reading_height[kind] = height
        whole = sum(self.middle.sizes())
        top = self._reading_height["sentence"]
        self.middle.setSizes([top, max(whole - top, 1)])

    # Events

    def showEvent(self, event: QShowEvent) -> None:
        """Give the reading strip its height, which can't be said before the window has its own."""
        super().showEvent(event)
        self.middle.setSizes(self._heights())

    def paintEvent(self, event: QPaintEvent) -> None:
        """Tell once that there is something to see."""
        super().paintEvent(event)
        if self._first_paint:
            self._first_paint = False
            self.painted.emit()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take files and folders."""
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Open or import what was dropped."""
        paths = [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
        if paths:
            event.acceptProposedAction()
            self.dropped.emit(paths)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Remember layout and place. There is nothing to save: every edit is on the disk."""
        question = self.what_would_end()
        if question:
            answer = QMessageBox.question(self, "Quit Maskscope", question)
            if answer != QMessageBox.StandardButton.Yes:
                event.ignore()
                return
        for name, (_, save) in self._remembered().items():
            if name != "columns" or not self._side_folded:
                self.settings.set_layout(name, save())
        self._keep_reading_height()
        self.settings.set_text("page", self.page)
        for kind, height in self._reading_height.items():
            self.settings.set_number(f"reading_height_{kind}", height)
        if self.session.project is not None and self.session.cursor.sentence >= 0:
            self.settings.set_place(
                self.session.project.path, self.session.cursor.sentence, self.session.cursor.position
            )
        self.settings.sync()
        self.closing.emit()
        super().closeEvent(event)
