"""The Picture page: the layers of a model, and on every edge whether the mask is there."""

from pathlib import Path

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QFileDialog, QToolButton, QVBoxLayout, QWidget

from maskscope.errors import MaskscopeError
from maskscope.worker.requests import ModelGraphRequest, ModelGraphResult
from maskscope_gui.actions import key_of_action
from maskscope_gui.background.worker_client import WorkerClient
from maskscope_gui.pages.picture.model_picture import ModelPicture
from maskscope_gui.pages.picture.picture_file import write_picture
from maskscope_gui.pages.services import PageServices
from maskscope_gui.session.session import Session
from maskscope_gui.settings import Settings
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.base import Panel
from maskscope_gui.widgets.pages import BUTTON_KEYS, SCROLL_KEYS, Page


def make_page(services: PageServices, style: Style) -> Page:
    """The page, for the table of pages."""
    return PicturePage(services.session, services.client, services.settings, style)


class PicturePage(Page):
    """The page with the model's picture. The worker traces the model; Keras is never imported in the window's process.

    Args:
        session: its model in use is shown, unless a file was chosen.
        client: of the worker.
        settings: remember the folder of saved pictures.
        style: fonts and colours.
        parent: as in Qt.
    """

    def __init__(
        self,
        session: Session,
        client: WorkerClient,
        settings: Settings,
        style: Style,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(style, parent)
        self.session, self.client, self.settings = session, client, settings
        self._job: int | None = None
        self._keras_file: Path | None = None
        self._other: Path | None = None
        self._in_use: Path | None = None
        self.head = Panel("Picture", style)
        self.save = QToolButton()
        self.save.setObjectName("flat")
        self.save.setText(f"Save picture…   {key_of_action('save_picture')}")
        self.save.setToolTip("Save the picture as an .svg or .png file")
        self.save.clicked.connect(lambda: self.action_requested.emit("save_picture"))
        self.leave = QToolButton()
        self.leave.setObjectName("flat")
        self.leave.setText("Back to the model in use")
        self.leave.clicked.connect(self.leave_file)
        self.head.add(self.leave)
        self.head.add(self.save)
        self.picture = ModelPicture(style)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.head)
        column.addWidget(self.picture, 1)
        self.area = self.picture.area
        self.stops = [self.area, self.leave, self.save]
        for stop in self.stops:
            stop.installEventFilter(self)
        client.progressed.connect(self._show_progress)
        client.done.connect(self._done)
        client.failed.connect(self._failed)
        client.cancelled.connect(self._cancelled)
        session.model_changed.connect(self._refresh)
        session.project_changed.connect(self._refresh)
        self.set_look(style)

    def set_look(self, style: Style) -> None:
        """Use the fonts and colours of another theme."""
        super().set_look(style)
        self.head.set_look(style)
        self.picture.set_look(style)
        for button in (self.leave, self.save):
            button.setFont(style.small)

    @property
    def busy(self) -> bool:
        """True while the worker traces the model."""
        return self._job is not None

    def cancel(self) -> None:
        """Cancel the tracing."""
        if self._job is not None:
            self.client.cancel(self._job)

    def stop_and_wait(self) -> None:
        """Ignore a running request; the worker ends with the window."""
        self._job = None

    def enter(self) -> None:
        """Trace the model in use unless its picture is shown already, and take the focus."""
        self._refresh()
        if not any(stop.hasFocus() for stop in self.stops):
            (self.area if self.area.isVisibleTo(self) else self).setFocus()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Keep the keys of the picture and of the button from being shortcuts of the window."""
        if not isinstance(event, QKeyEvent):
            return super().eventFilter(watched, event)
        taken = BUTTON_KEYS | SCROLL_KEYS if watched is self.area else BUTTON_KEYS
        if event.type() == QEvent.Type.ShortcutOverride and event.key() in taken:
            event.accept()
            return True
        enter = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if event.type() == QEvent.Type.KeyPress and enter and isinstance(watched, QToolButton):
            watched.click()
            return True
        return super().eventFilter(watched, event)

    def showEvent(self, event: object) -> None:
        """Trace the model when another one is in use by now."""
        self._refresh()

    def show_file(self, file: Path) -> None:
        """Show a `.keras` file that is not in the project, until another model is taken into use."""
        self._in_use = self._file_in_use()
        self._other = file
        self._refresh()

    def leave_file(self) -> None:
        """Show the model in use again."""
        self._other = None
        self._refresh()

    def _file_in_use(self) -> Path | None:
        return None if self.session.model is None else self.session.model.keras_file

    @property
    def _name(self) -> str:
        """The model that is shown, for a person; "" for none."""
        if self._other is not None:
            return self._other.name
        return "" if self.session.model is None else self.session.model.name

    def _refresh(self) -> None:
        if not self.isVisible():
            return
        if self._file_in_use() != self._in_use or self.session.project is None:
            self._in_use, self._other = self._file_in_use(), None
        file = self._other or self._in_use
        self.leave.setVisible(self._other is not None)
        if file is None:
            self._forget_request()
            self._show_message(f"There is no model yet. Train one ({key_of_action('train')}) to see its layers here.")
        elif file != self._keras_file:
            self._forget_request()
            self._keras_file = file
            self._job = self.client.request(ModelGraphRequest(file))
            self._show_message(f"Tracing the layers of {self._name}…")
        self._enable()

    def _forget_request(self) -> None:
        """Cancel a request that is still running, whose result is not needed any more."""
        job, self._job, self._keras_file = self._job, None, None
        if job is not None:
            self.client.cancel(job)
            self.progressed.emit("")

    def _show_message(self, text: str) -> None:
        self.head.set_title("Picture")
        self.picture.show_message(text)

    def _enable(self) -> None:
        self.save.setEnabled(self.picture.graph is not None)

    def _show_progress(self, job: int, done: int, total: int, text: str) -> None:
        if job == self._job:
            self.progressed.emit(f"Tracing the model: {text or 'its layers'} · Esc cancels")

    def _done(self, job: int, result: object) -> None:
        if job != self._job or not isinstance(result, ModelGraphResult):
            return
        self._job = None
        self.progressed.emit("")
        model = self.session.model
        if self._other is not None:
            self.head.set_title(f"Picture · {self._name} · not in this project")
        else:
            self.head.set_title("Picture" if model is None else f"Picture · {model.id} · {model.name}")
        self.picture.show_graph(result.graph)
        if self.hasFocus():
            self.area.setFocus()
        self._enable()

    def _failed(self, job: int, error: str) -> None:
        if job == self._job:
            self._job = None
            self.progressed.emit("")
            self._show_message(f"The model can't be traced: {error}")
            self._enable()

    def _cancelled(self, job: int) -> None:
        if job == self._job:
            self._job = self._keras_file = None
            self.progressed.emit("")
            self._show_message(f"Cancelled. {key_of_action('recompute')} traces the model again.")
            self._enable()

    def compute(self) -> None:
        """Trace the model again."""
        self._forget_request()
        self._refresh()

    def ask_file(self) -> None:
        """Ask for a file, and save the picture to it."""
        if self.picture.graph is None:
            return
        stem = self._name.removesuffix(".keras") or "model"
        start = Path(self.settings.text("pictures_folder") or Path.home()) / f"{stem}.svg"
        chosen, _ = QFileDialog.getSaveFileName(
            self, "Save picture", str(start), "SVG picture (*.svg);;PNG picture (*.png)"
        )
        if chosen:
            self.settings.set_text("pictures_folder", str(Path(chosen).parent))
            self.write(Path(chosen))

    def write(self, file: Path) -> None:
        """Save the picture as .svg or .png, by the end of the name, and show a message."""
        graph = self.picture.graph
        if graph is None:
            return
        try:
            write_picture(graph, file if file.suffix else file.with_suffix(".svg"), self.look.theme)
        except MaskscopeError as error:
            self.session.message_requested.emit(str(error), "error")
        else:
            self.session.message_requested.emit(f"Picture saved as {file.name}.", "info")
