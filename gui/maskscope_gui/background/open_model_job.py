"""Opens a model that was made elsewhere: looked through, loaded and scored in the worker, then put into the project."""

import shutil
import uuid
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from maskscope.errors import MaskscopeError
from maskscope.project import ModelRecord
from maskscope_gui.actions import printed_key
from maskscope_gui.background.tasks import error_message
from maskscope_gui.background.worker_client import WorkerClient
from maskscope_gui.session.session import Session


class OpenModelJob(QObject):
    """One file at a time. What goes wrong is said by the session, in one sentence, and leaves nothing behind.

    Signals:
        progressed: (words) for the status line; "" when it is over.
        opened: (model id) the model is in the project, and shown.
    """

    progressed = Signal(str)
    opened = Signal(str)

    def __init__(self, session: Session, client: WorkerClient, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.session, self.client = session, client
        self.job: int | None = None
        self._file = Path()
        self._folder = Path()
        self._project: Path | None = None
        client.progressed.connect(self._progressed)
        client.done.connect(self._done)
        client.failed.connect(self._failed)
        client.cancelled.connect(self._cancelled)
        session.project_changed.connect(self._project_changed)

    def open(self, file: Path) -> None:
        """Open a file for the project that is open."""
        project = self.session.project
        if project is None:
            self._refuse(file, "opens onto a project; open one first")
        elif project.read_only:
            self._refuse(file, "can't be added, because the project is open read-only; close the other window first")
        elif self.job is not None:
            self._refuse(file, f"has to wait until {self._file.name} is open; Esc cancels that")
        else:
            self._file, self._project = file, project.path
            # A folder of a name that is known here: a worker that is killed can't take it away.
            self._folder = project.path / "models" / f".partial-{uuid.uuid4().hex[:8]}"
            given = {"project": str(project.path), "model": str(file), "folder": str(self._folder)}
            self.job = self.client.request("open_model", **given)
            self._tell("starting TensorFlow" if self.client.state == "starting" else "waiting for the worker")

    def cancel(self) -> bool:
        """Stop; False when no model is being opened."""
        if self.job is None:
            return False
        self._tell("cancelling")
        self.client.cancel(self.job)
        return True

    def close(self) -> None:
        """The worker has ended: take away what it may have left."""
        if self.job is not None:
            self._end()

    def _refuse(self, file: Path, why: str) -> None:
        self.session.message_requested.emit(f"Not opened: {file.name} {why}.", "error")

    def _tell(self, words: str) -> None:
        self.progressed.emit(f"Opening {self._file.name} · {words} · Esc cancels")

    def _progressed(self, job: int, done: int, total: int, text: str) -> None:
        if job == self.job:
            self._tell(f"{100 * done // total} % of {text}" if total > 0 else text)

    def _project_changed(self) -> None:
        project = self.session.project
        if self.job is not None and (project is None or project.path != self._project):
            self.cancel()

    def _done(self, job: int, result: object) -> None:
        if job != self.job:
            return
        project = self.session.project
        if project is None or project.path != self._project:
            self._end()
            return
        try:
            record = project.models.adopt(self._folder)
            self._end()
            self.session.use_model(record.id)
        except (MaskscopeError, OSError) as error:
            self._end()
            self.session.message_requested.emit(error_message(error), "error")
            return
        self.session.message_requested.emit(f"{record.name} ({record.id}) is shown: {engine_text(record)}.", "info")
        self.opened.emit(record.id)

    def _failed(self, job: int, words: str) -> None:
        if job == self.job:
            self._end()
            self.session.message_requested.emit(
                f"Not opened: {words.rstrip('.')}. Another file: {printed_key('open_model')}.", "error"
            )

    def _cancelled(self, job: int) -> None:
        if job == self.job:
            self._end()
            self.session.message_requested.emit(
                f"Opening {self._file.name} was cancelled; nothing of it was kept.", "info"
            )

    def _end(self) -> None:
        self.job = None
        shutil.rmtree(self._folder, ignore_errors=True)
        self.progressed.emit("")


def engine_text(model: ModelRecord) -> str:
    """Which engine runs a model, and why, as part of a sentence."""
    if model.run.engine == "packed":
        return "it runs in this program, on the packed engine"
    return f"it runs in Keras, because it {model.run.engine_reason}"
