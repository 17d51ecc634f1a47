"""The main window: makes the views and arranges them. What the actions do is in `handlers`."""

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from PySide6.QtCore import QByteArray, Qt, Signal
from PySide6.QtGui import (
    QCloseEvent,
    QDragEnterEvent,
    QDropEvent,
    QFont,
    QIcon,
    QPaintEvent,
    QResizeEvent,
    QShowEvent,
)
from PySide6.QtWidgets import QApplication, QMainWindow, QStackedWidget, QVBoxLayout, QWidget

from maskscope_gui.actions import ACTIONS, fill_menus, make_actions
from maskscope_gui.background.padding_experiment import PaddingExperiment
from maskscope_gui.pages.sentence.batch import BatchView
from maskscope_gui.pages.sentence.list_panel import ListPanel
from maskscope_gui.pages.sentence.padding_panel import PaddingPanel
from maskscope_gui.pages.sentence.palette import PaletteView
from maskscope_gui.pages.sentence.reading import ReadingView
from maskscope_gui.pages.sentence.reading_panel import ReadingPanel
from maskscope_gui.pages.sentence.sentence_page import SentencePage
from maskscope_gui.pages.sentence.side_column import SideColumn
from maskscope_gui.pages.sentence.token_panel import TokenView
from maskscope_gui.pages.sentence.tracks import TracksView
from maskscope_gui.pages.services import PageServices
from maskscope_gui.shell.application_style import apply_style
from maskscope_gui.shell.columns import Columns
from maskscope_gui.shell.notice import NoticeBar
from maskscope_gui.shell.page_area import PageArea
from maskscope_gui.shell.start_page import StartPage
from maskscope_gui.shell.status import StatusLine
from maskscope_gui.shell.toolbar import Toolbar
from maskscope_gui.theme.stylesheet import icon_folder
from maskscope_gui.theme.theme import Style, system_theme
from maskscope_resources.colours import DARK, LIGHT, Theme

if TYPE_CHECKING:
    from maskscope_gui.pages.sentence.padding_curve import PaddingCurve

FOLD_BATCH_BELOW = 1280
FOLD_SIDE_BELOW = 1080


class Styled(Protocol):
    """A view that follows the theme."""

    def set_look(self, style: Style) -> None:
        """Take fonts and colours of another theme."""


class MainWindow(QMainWindow):
    """One window on one session.

    Signals:
        painted: the first picture is on the screen.
        dropped: (paths) files or folders were dropped.
        close_requested: (event) the window is about to close; a slot that calls its ignore() keeps it open.
        closing: the window closes.
    """

    painted = Signal()
    dropped = Signal(list)
    close_requested = Signal(QCloseEvent)
    closing = Signal()

    def __init__(self, services: PageServices, experiment: PaddingExperiment, theme: Theme | None = None) -> None:
        super().__init__()
        self.session, self.settings, self.experiment = services.session, services.settings, experiment
        self._forced_theme = theme
        self._base_font = QFont(QApplication.font())
        self.look = Style(self._wanted_theme(), self._base_font)
        self._first_paint = True
        self.curve: PaddingCurve | None = None
        self._batch_wanted = self.settings.text("batch") == "shown"
        self.setObjectName("window")
        self.setWindowIcon(QIcon(str(icon_folder() / "maskscope.svg")))
        self.setAcceptDrops(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setFocus()
        self.setMinimumSize(self.look.px(760), self.look.px(520))
        self.actions_by_id = make_actions(self)
        self.menus = fill_menus(self.menuBar(), self.actions_by_id)
        apply_style(self.look)
        self._make_views()
        self._arrange(services)
        self.session.project_changed.connect(self._show_project)
        self._style_views()
        self.was_restored = self._restore()
        self._show_project()

    def _make_views(self) -> None:
        session, look = self.session, self.look
        self.toolbar = Toolbar(session, self.actions_by_id, look)
        self.notice = NoticeBar(session, look)
        self.status_line = StatusLine(session, look)
        self.start_page = StartPage(self.actions_by_id, self.settings.recent, look)
        self.list_panel = ListPanel(session, look)
        self.reading = ReadingView(session, look)
        self.tracks = TracksView(session, self.experiment, look)
        self.batch = BatchView(session, look)
        self.palette_view = PaletteView(session, look)
        self.token = TokenView(session, look)
        self.padding = PaddingPanel(session, self.experiment, look)

    def _arrange(self, services: PageServices) -> None:
        session, look = self.session, self.look
        self.reading_panel = ReadingPanel(session, self.reading, self.actions_by_id, look)
        self.sentence_page = SentencePage(session, self.tracks, self.batch, self.actions_by_id, look)
        self.pages = PageArea(self.reading_panel, self.sentence_page, services, self.actions_by_id, look)
        self.pages.progressed.connect(self.status_line.set_work)
        self.side = SideColumn(session, self.palette_view, self.token, self.padding, look)
        self.columns = Columns(self.list_panel, self.pages, self.side, look)
        self._stack = QStackedWidget()
        self._stack.addWidget(self.start_page)
        self._stack.addWidget(self.columns)
        whole = QWidget()
        whole.setObjectName("window")
        rows = QVBoxLayout(whole)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(0)
        rows.addWidget(self.toolbar)
        rows.addWidget(self.notice)
        rows.addWidget(self._stack, 1)
        rows.addWidget(self.status_line)
        self.setCentralWidget(whole)

    def add_curve(self) -> None:
        """Put the curve into the PADDING panel: its library is slow to import, so it comes after the first picture."""
        from maskscope_gui.pages.sentence.padding_curve import PaddingCurve

        if self.curve is None:
            self.curve = PaddingCurve(self.experiment, self.look)
            self.padding.curve_room.addWidget(self.curve)

    # Look

    def _wanted_theme(self) -> Theme:
        if self._forced_theme is not None:
            return self._forced_theme
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
        apply_style(self.look)
        self._style_views()

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
            self.pages,
            self.status_line,
        )
        for view in views:
            view.set_look(self.look)
        if self.curve is not None:
            self.curve.set_look(self.look)

    # What is shown

    def _show_project(self) -> None:
        project = self.session.project
        self._stack.setCurrentWidget(self.start_page if project is None else self.columns)
        self.status_line.setVisible(project is not None)
        self.setWindowTitle("Maskscope" if project is None else f"{project.name} – Maskscope")
        for row in ACTIONS:
            self.actions_by_id[row.id].setEnabled(project is not None or not row.needs_project)
        if project is None:
            self.start_page.refresh()

    @property
    def batch_shown(self) -> bool:
        """True when the batch panel is visible."""
        return self.sentence_page.batch_panel.isVisibleTo(self)

    def show_batch(self, shown: bool) -> None:
        """Show or fold the batch panel, now and in the next session."""
        self._batch_wanted = shown
        self.settings.set_text("batch", "shown" if shown else "folded")
        self._set_batch_shown(shown)

    def _set_batch_shown(self, shown: bool) -> None:
        self.sentence_page.batch_panel.setVisible(shown)
        self.actions_by_id["toggle_batch"].setChecked(shown)

    # Events

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fold what has no room: the batch panel first, then the right column."""
        super().resizeEvent(event)
        width = event.size().width()
        self._set_batch_shown(self._batch_wanted and width >= self.look.px(FOLD_BATCH_BELOW) * 0.995)
        self.columns.fold_side(width < self.look.px(FOLD_SIDE_BELOW))

    def showEvent(self, event: QShowEvent) -> None:
        """Give the reading strip its height, which can't be set before the window has its own."""
        super().showEvent(event)
        self.pages.apply_heights()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Report the first picture."""
        super().paintEvent(event)
        if self._first_paint:
            self._first_paint = False
            self.painted.emit()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Accept files and folders."""
        if any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Report what was dropped."""
        paths = [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
        if paths:
            event.acceptProposedAction()
            self.dropped.emit(paths)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Remember layout and place. There is nothing to save: every edit is on the disk."""
        self.close_requested.emit(event)
        if not event.isAccepted():
            return
        self._save()
        self.closing.emit()
        super().closeEvent(event)

    # What is remembered

    def _restore(self) -> bool:
        """Take over the layout of the last session; False when there was none."""
        geometry = self.settings.layout("window")
        if geometry is not None:
            self.restoreGeometry(geometry)
        for name, splitter in (("columns", self.columns), ("tracks", self.sentence_page)):
            state = self.settings.layout(name)
            if state is not None:
                splitter.restoreState(state)
        self.pages.restore()
        return geometry is not None

    def _save(self) -> None:
        layouts: dict[str, QByteArray] = {
            "window": self.saveGeometry(),
            "tracks": self.sentence_page.saveState(),
        }
        if not self.columns.side_folded:
            layouts["columns"] = self.columns.saveState()
        for name, state in layouts.items():
            self.settings.set_layout(name, state)
        self.pages.save()
        self.save_place()
        self.settings.sync()

    def save_place(self) -> None:
        """Remember the sentence and the token that are shown, for when this project is opened again."""
        cursor = self.session.cursor
        if self.session.project is not None and cursor.sentence >= 0:
            self.settings.set_place(self.session.project.path, cursor.sentence, cursor.position)
