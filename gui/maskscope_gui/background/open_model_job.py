"""Opens a model that was made elsewhere: the worker checks, loads and scores it, then it is added to the project."""

import shutil
import uuid
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from maskscope.errors import MaskscopeError
from maskscope.worker.requests import OpenModelRequest
from maskscope_gui.actions import key_of_action
from maskscope_gui.background.tasks import error_message
from maskscope_gui.background.worker_client import WorkerClient
from maskscope_gui.session.model_text import engine_text
from maskscope_gui.session.session import Session


class OpenModelJob(QObject):
    """Opens one file at a time. An error is shown as a message of the session, and no file is left behind.

    Attributes:
        job: id of the running job; None for none.

    Signals:
        progressed: (text) for the status line; "" once nothing runs.
        opened: (model id) the model is in the project, and in use.
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
        """Open a model's file in the project that is open."""
        project = self.session.project
        if project is None:
            self._refuse(file, "opens onto a project; open one first")
        elif project.read_only:
            self._refuse(file, "can't be added, because the project is open read-only; close the other window first")
        elif self.job is not None:
            self._refuse(file, f"has to wait until {self._file.name} is open; Esc cancels that")
        else:
            self._file, self._project = file, project.path
            # The folder is named here, because a worker that is killed can't remove it.
            self._folder = project.path / "models" / f".partial-{uuid.uuid4().hex[:8]}"
            self.job = self.client.request(OpenModelRequest(project.path, file, self._folder))
            self._show_progress("starting TensorFlow" if self.client.state == "starting" else "waiting for the worker")

    def cancel(self) -> bool:
        """Cancel; return False when no model is being opened."""
        if self.job is None:
            return False
        self._show_progress("cancelling")
        self.client.cancel(self.job)
        return True

    def close(self) -> None:
        """Remove what the worker may have left, once it has ended."""
        if self.job is not None:
            self._end()

    def _refuse(self, file: Path, reason: str) -> None:
        self.session.message_requested.emit(f"Not opened: {file.name} {reason}.", "error")

    def _show_progress(self, text: str) -> None:
        self.progressed.emit(f"Opening {self._file.name} · {text} · Esc cancels")

    def _progressed(self, job: int, done: int, total: int, text: str) -> None:
        if job == self.job:
            self._show_progress(f"{100 * done // total} % of {text}" if total > 0 else text)

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
        self.session.message_requested.emit(f"{record.name} ({record.id}) is shown: {engine_text(record.run)}.", "info")
        self.opened.emit(record.id)

    def _failed(self, job: int, error: str) -> None:
        if job == self.job:
            self._end()
            self.session.message_requested.emit(
                f"Not opened: {error.rstrip('.')}. Another file: {key_of_action('open_model')}.", "error"
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
