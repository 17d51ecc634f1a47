"""The Picture page: the layers of the model in use, and on every edge whether the mask is there."""

from pathlib import Path

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QFileDialog, QToolButton, QVBoxLayout, QWidget

from maskscope.errors import MaskscopeError
from maskscope.keras_io.model_graph import ModelGraph
from maskscope_gui.actions import printed_key
from maskscope_gui.background.worker_client import WorkerClient
from maskscope_gui.pages.picture.model_picture import ModelPicture, write_picture
from maskscope_gui.session.session import Session
from maskscope_gui.settings import Settings
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.base import Panel
from maskscope_gui.widgets.pages import Page

_ROUND = frozenset({Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Tab, Qt.Key.Key_Backtab, Qt.Key.Key_Space})
_SCROLLS = _ROUND | {
    Qt.Key.Key_Up,
    Qt.Key.Key_Down,
    Qt.Key.Key_Left,
    Qt.Key.Key_Right,
    Qt.Key.Key_PageUp,
    Qt.Key.Key_PageDown,
}
_PRESSES = _ROUND


class PicturePage(Page):
    """See the module. The model is traced in the worker, once; Keras never enters the window's process."""

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
        self._of: Path | None = None
        self.head = Panel("Picture", style)
        self.save = QToolButton()
        self.save.setObjectName("flat")
        self.save.setText(f"Save picture…   {printed_key('save_picture')}")
        self.save.setToolTip("Write the picture to a file, .svg or .png")
        self.save.clicked.connect(lambda: self.asked.emit("save_picture"))
        self.head.add(self.save)
        self.picture = ModelPicture(style)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.head)
        column.addWidget(self.picture, 1)
        self.area = self.picture.area
        self.stops = [self.area, self.save]
        for stop in self.stops:
            stop.installEventFilter(self)
        client.progressed.connect(self._tell)
        client.done.connect(self._done)
        client.failed.connect(self._failed)
        client.cancelled.connect(self._cancelled)
        session.model_changed.connect(self._look)
        session.project_changed.connect(self._look)
        self.set_look(style)

    def set_look(self, style: Style) -> None:
        """Fonts and colours of another theme."""
        super().set_look(style)
        self.head.set_look(style)
        self.picture.set_look(style)
        self.save.setFont(style.small)

    @property
    def busy(self) -> bool:
        """True while the worker traces the model."""
        return self._job is not None

    def cancel(self) -> None:
        """Stop tracing."""
        if self._job is not None:
            self.client.cancel(self._job)

    def close_down(self) -> None:
        """Wait for nothing more; the worker ends with the window."""
        self._job = None

    def enter(self) -> None:
        """Trace the model in use when it was not yet, and take the focus."""
        self._look()
        if not any(stop.hasFocus() for stop in self.stops):
            (self.area if self.area.isVisibleTo(self) else self).setFocus()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Let the keys that scroll, and those that press the button, be the page's own."""
        if not isinstance(event, QKeyEvent):
            return super().eventFilter(watched, event)
        taken = _SCROLLS if watched is self.area else _PRESSES
        if event.type() == QEvent.Type.ShortcutOverride and event.key() in taken:
            event.accept()
            return True
        enter = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if event.type() == QEvent.Type.KeyPress and enter and watched is self.save:
            self.save.click()
            return True
        return super().eventFilter(watched, event)

    def showEvent(self, event: object) -> None:
        """Look whether it is still the same model."""
        self._look()

    def _look(self) -> None:
        if not self.isVisible():
            return
        model = self.session.model
        if model is None:
            self._leave()
            self._say(f"There is no model yet. Train one with {printed_key('train')}, and its layers stand here.")
        elif model.keras_file != self._of:
            self._leave()
            self._of = model.keras_file
            self._job = self.client.request("model_graph", model=str(model.keras_file))
            self._say(f"{model.name} is traced in the worker…")
        self._enable()

    def _leave(self) -> None:
        """The answer that is still to come is not wanted any more."""
        job, self._job, self._of = self._job, None, None
        if job is not None:
            self.client.cancel(job)
            self.progressed.emit("")

    def _say(self, words: str) -> None:
        self.head.set_title("Picture")
        self.picture.show_words(words)

    def _enable(self) -> None:
        self.save.setEnabled(self.picture.graph is not None)

    def _tell(self, job: int, done: int, total: int, text: str) -> None:
        if job == self._job:
            self.progressed.emit(f"Tracing the model: {text or 'its layers'} · Esc stops it")

    def _done(self, job: int, values: dict[str, object]) -> None:
        if job != self._job:
            return
        self._job = None
        self.progressed.emit("")
        try:
            graph = ModelGraph.from_json(str(values.get("graph", "")))
        except MaskscopeError as error:
            self._say(f"The picture can't be shown: {error}")
        else:
            model = self.session.model
            self.head.set_title("Picture" if model is None else f"Picture · {model.id} · {model.name}")
            self.picture.show_graph(graph)
            if self.hasFocus():
                self.area.setFocus()
        self._enable()

    def _failed(self, job: int, words: str) -> None:
        if job == self._job:
            self._job = None
            self.progressed.emit("")
            self._say(f"The model could not be traced: {words}")
            self._enable()

    def _cancelled(self, job: int) -> None:
        if job == self._job:
            self._job = self._of = None
            self.progressed.emit("")
            self._say(f"Stopped. {printed_key('recompute')} traces the model again.")
            self._enable()

    def compute(self) -> None:
        """Trace the model again."""
        self._leave()
        self._look()

    def ask_file(self) -> None:
        """Let the person choose a file, and write the picture to it."""
        if self.picture.graph is None:
            return
        model = self.session.model
        start = Path(self.settings.text("pictures") or Path.home()) / f"{model.name if model else 'model'}.svg"
        chosen, _ = QFileDialog.getSaveFileName(
            self, "Save picture", str(start), "SVG picture (*.svg);;PNG picture (*.png)"
        )
        if chosen:
            self.settings.remember_text("pictures", str(Path(chosen).parent))
            self.write(Path(chosen))

    def write(self, file: Path) -> None:
        """Write the picture, .svg or .png by the name's end, and say so."""
        graph = self.picture.graph
        if graph is None:
            return
        try:
            write_picture(graph, file if file.suffix else file.with_suffix(".svg"), self.look.theme)
        except MaskscopeError as error:
            self.session.message_requested.emit(str(error), "error")
        else:
            self.session.message_requested.emit(f"The picture is in {file.name}.", "info")
