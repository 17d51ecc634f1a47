"""Opens a model that was made elsewhere: the worker describes, loads and scores it, then it is added to the project."""

import shutil
import uuid
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from maskscope.errors import MaskscopeError
from maskscope.project import Project
from maskscope.types import TagScheme
from maskscope.worker.requests import DescribeModelRequest, DescribeModelResult, OpenModelRequest
from maskscope.workflows.model_description import ModelDescription, OpenOptions
from maskscope_gui.actions import key_of_action
from maskscope_gui.background.tasks import error_message
from maskscope_gui.background.worker_client import WorkerClient
from maskscope_gui.session.model_text import engine_text, mapping_text, output_text
from maskscope_gui.session.session import Session


class OpenModelJob(QObject):
    """Opens one file at a time. An error is shown as a message of the session, and no file is left behind.

    A file is described first. It is opened at once when nothing has to be chosen; else `described` is emitted, and
    `open_as` opens the file.

    Attributes:
        job: id of the running job; None for none.

    Signals:
        progressed: (text) for the status line; "" once nothing runs.
        described: (file, ModelDescription) a person has to choose something, or the file is refused.
        opened: (model id) the model is in the project, and in use.
    """

    progressed = Signal(str)
    described = Signal(Path, object)
    opened = Signal(str)

    def __init__(self, session: Session, client: WorkerClient, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.session, self.client = session, client
        self.job: int | None = None
        self._file, self._name = Path(), ""
        self._folder: Path | None = None
        self._always_ask = False
        self._project: Path | None = None
        client.progressed.connect(self._progressed)
        client.done.connect(self._done)
        client.failed.connect(self._failed)
        client.cancelled.connect(self._cancelled)
        session.project_changed.connect(self._project_changed)

    def open(self, file: Path, *, always_ask: bool = False, name: str = "") -> None:
        """Describe a model's file, and open it when it needs no choice.

        Args:
            file: the model.
            always_ask: emit `described` in any case.
            name: of the file that the model came from, where `file` is a copy of it.
        """
        project = self._writable_project(file)
        if project is not None:
            self._file, self._name = file, name or file.name
            self._project, self._always_ask = project.path, always_ask
            self._request(DescribeModelRequest(project.path, file))

    def open_as(self, file: Path, options: OpenOptions, name: str = "") -> None:
        """Open a model's file, of that name, as a person has chosen."""
        project = self._writable_project(file)
        if project is not None:
            self._file, self._name, self._project = file, name or file.name, project.path
            # The folder is named here, because a worker that is killed can't remove it.
            self._folder = project.path / "models" / f".partial-{uuid.uuid4().hex[:8]}"
            self._request(OpenModelRequest(project.path, file, self._folder, options, self._name))

    def _writable_project(self, file: Path) -> Project | None:
        """The open project; None, with a message, when nothing can be opened in it now."""
        project = self.session.project
        if project is None:
            self._refuse(file, "opens onto a project; open one first")
        elif project.read_only:
            self._refuse(file, "can't be added, because the project is open read-only; close the other window first")
        elif self.job is not None:
            self._refuse(file, f"has to wait until {self._name} is open; Esc cancels that")
        else:
            return project
        return None

    def _request(self, request: DescribeModelRequest | OpenModelRequest) -> None:
        self.job = self.client.request(request)
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
        self.progressed.emit(f"Opening {self._name} · {text} · Esc cancels")

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
        project, folder = self.session.project, self._folder
        if project is None or project.path != self._project:
            self._end()
        elif isinstance(result, DescribeModelResult):
            self._end()
            self._go_on(result.description, project.scheme)
        elif folder is not None:
            self._adopt(project, folder)

    def _go_on(self, described: ModelDescription, scheme: TagScheme) -> None:
        described = replace(described, name=self._name)
        if described.refusal or self._always_ask or not is_certain(described, scheme):
            self.described.emit(self._file, described)
        else:
            self.open_as(self._file, OpenOptions(), self._name)

    def _adopt(self, project: Project, folder: Path) -> None:
        try:
            record = project.models.adopt(folder)
            self._end()
            self.session.use_model(record.id)
        except (MaskscopeError, OSError) as error:
            self._end()
            self.session.message_requested.emit(error_message(error), "error")
            return
        mapping = mapping_text(record.run.output, record.scheme)
        outputs = ", ".join(part for part in (output_text(record.run.output), mapping) if part)
        text = f"{engine_text(record.run)}; its outputs are {outputs}"
        self.session.message_requested.emit(f"{record.name} ({record.id}) is shown: {text}.", "info")
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
            self.session.message_requested.emit(f"Opening {self._name} was cancelled; nothing of it was kept.", "info")

    def _end(self) -> None:
        self.job = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._folder = None
        self.progressed.emit("")


def is_certain(described: ModelDescription, scheme: TagScheme) -> bool:
    """True when nothing has to be chosen or was assumed: probabilities, one for each class in the project's order.

    Args:
        described: a file that is not refused.
        scheme: of the project. A softmax of two over a binary one is certain, too.
    """
    if described.padding_assumed:
        return False
    if not described.n_outputs:
        # Keras has to run it before more is known.
        return True
    own = described.n_outputs == scheme.n_outputs and described.columns in ((), tuple(range(scheme.n_outputs)))
    pair = scheme.kind == "binary" and described.n_outputs == 2 and described.columns == (1,)
    return described.output == "probabilities" and (own or pair)
