"""Trains a tagger in the worker and adds the model to its project, and recovers trainings that were cut off."""

import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Literal, TypeAlias

from PySide6.QtCore import QObject, Signal

from maskscope.errors import MaskscopeError
from maskscope.project import CHECKPOINT, ModelRecord, Project, set_aside
from maskscope.runs import TrainSettings
from maskscope.worker.requests import RecoverRequest, RecoverResult, TrainRequest, TrainResult
from maskscope_gui.background.tasks import error_message, rate_and_time_left
from maskscope_gui.background.worker_client import WorkerClient
from maskscope_gui.session.session import Session

Outcome: TypeAlias = Literal["trained", "failed", "stopped"]


class TrainJob(QObject):
    """One training or recovery at a time. A training that is stopped or dies keeps its best epoch so far.

    Attributes:
        recovering: True while the model of a training that was cut off is made.

    Signals:
        started: a training or a recovery has begun.
        progressed: (done, total, text) total is 0 when it is not known; `text` is the phase, with the time left.
        figure_reported: (name, epoch, value) as `Job.figure`.
        trained: (model id) a model was added to the open project, and is in use.
        ended: (outcome, message) nothing runs any more.
    """

    started = Signal()
    progressed = Signal(int, int, str)
    figure_reported = Signal(str, int, float)
    trained = Signal(str)
    ended = Signal(str, str)

    def __init__(self, session: Session, client: WorkerClient, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.session, self.client = session, client
        self.recovering = False
        self._id: int | None = None
        self._project = Path()
        self._folders_before: set[Path] = set()
        self._epochs = 0
        self._began = 0.0
        self._reason = ""
        self._stopped: Path | None = None
        client.progressed.connect(self._progressed)
        client.figure_reported.connect(self._figure_reported)
        client.done.connect(self._done)
        client.failed.connect(self._failed)
        client.cancelled.connect(self._cancelled)
        client.late.connect(self._late)
        client.state_changed.connect(self._worker_state_changed)

    @property
    def running(self) -> bool:
        """True while a model is trained or recovered."""
        return self._id is not None

    def unavailable_reason(self) -> str:
        """Why nothing can be trained now, in a sentence; "" when it can."""
        project = self.session.project
        if project is None:
            return "Open or import a project first."
        if project.read_only:
            return "This project is open read-only, so no model can be added; close the other window that has it open."
        if sum(project.counts().labels) == 0:
            return "No token of this project has a label yet, so there is nothing to learn from: label some first."
        return ""

    def start(self, settings: TrainSettings) -> None:
        """Train a tagger for the open project; does nothing while a job runs or where nothing can be trained."""
        project = self.session.project
        if self.running or project is None or self.unavailable_reason():
            return
        self._project, self._epochs, self._began = project.path, settings.epochs, 0.0
        self._folders_before = self._partial_folders()
        self._id = self.client.request(TrainRequest(project.path, settings))
        self.started.emit()
        starting = "starting TensorFlow" if self.client.state == "starting" else "starting"
        self.progressed.emit(0, 0, starting)

    def cancel(self) -> None:
        """Stop the training; the best epoch so far is kept."""
        if self._id is not None:
            self.progressed.emit(0, 0, "stopping")
            self.client.cancel(self._id)

    def recover_unfinished(self) -> None:
        """Make a model of a training of the open project that a crash, or the end of the program, has cut off."""
        project = self.session.project
        if self.running or project is None or project.read_only:
            return
        folders = project.models.unfinished_trainings()
        if folders:
            self._project = project.path
            self._recover(folders[0], "A training was cut off before its end. Its best epoch is kept: ")

    def _recover(self, folder: Path, reason: str) -> None:
        self.recovering, self._reason = True, reason
        self._folders_before = self._partial_folders() - {folder}
        self._id = self.client.request(RecoverRequest(self._project, folder))
        self.started.emit()
        self.progressed.emit(0, 0, "recovering the training")

    # What the worker reports

    def _worker_state_changed(self, state: str) -> None:
        if self.running and state == "busy" and not self._began:
            self.progressed.emit(0, 0, "starting")

    def _progressed(self, job: int, done: int, total: int, text: str) -> None:
        if job != self._id:
            return
        now = time.monotonic()
        if total > 0 and not self._began:
            self._began = now
        if text.startswith("epoch "):
            left = rate_and_time_left(done, total, now - self._began, "")
            text = f"{text} of {self._epochs:,}" + (f" · {left}" if left else "")
        self.progressed.emit(done, total, text)

    def _figure_reported(self, job: int, name: str, epoch: int, value: float) -> None:
        if job == self._id:
            self.figure_reported.emit(name, epoch, value)

    def _done(self, job: int, result: object) -> None:
        if job == self._id and isinstance(result, TrainResult | RecoverResult):
            self._add(result.folder, self._reason)

    def _late(self, job: int, result: object) -> None:
        if job == self._id and isinstance(result, TrainResult | RecoverResult):
            self._stopped = result.folder

    def _cancelled(self, job: int) -> None:
        if job != self._id:
            return
        if self._stopped is not None:
            self._add(self._stopped, "Stopped. ")
        else:
            self._finish("stopped", "Stopped before the end of the first epoch, so there is nothing to keep.")

    def _failed(self, job: int, message: str) -> None:
        if job != self._id:
            return
        new = self._partial_folders() - self._folders_before
        left = [folder for folder in new if (folder / CHECKPOINT).is_file()]
        for folder in new.difference(left):
            # A worker that was killed could not remove the folder that it had begun.
            _remove(folder)
        if left and not self.recovering:
            self._recover(left[0], f"{message.rstrip('.')}. Its best epoch is kept: ")
            return
        for folder in left:
            # It can't be recovered, and must not be tried again at each start.
            with suppress(OSError):
                folder.rename(folder.with_name(f"kept-{folder.name.removeprefix('.partial-')}"))
        self._finish("failed", message)

    # The model

    def _add(self, folder: Path, reason: str) -> None:
        """Add the model in `folder` to its project and use it; `reason` begins the message."""
        try:
            record, open_here = self._adopt(folder)
        except (MaskscopeError, OSError) as error:
            self._finish("failed", _not_added(folder, error))
            return
        if not open_here:
            self._finish("trained", f"{reason}{_summary(record)} It is in its project, which is closed.")
            return
        try:
            self.session.use_model(record.id)
        except (MaskscopeError, OSError) as error:
            self._finish(
                "failed", f"{_summary(record)} It is in the project, but can't be shown: {error_message(error)}"
            )
            return
        self._finish("trained", f"{reason}{_summary(record)} It is the model in use now.")
        self.trained.emit(record.id)

    def _adopt(self, folder: Path) -> tuple[ModelRecord, bool]:
        """Put the model into its project; True when that is the open one, which may have been closed meanwhile."""
        project = self.session.project
        if project is not None and project.path == self._project:
            return project.models.adopt(folder), True
        with Project.open(self._project) as closed:
            return closed.models.adopt(folder), False

    def _finish(self, outcome: Outcome, message: str) -> None:
        self._id, self._stopped = None, None
        self.recovering, self._reason = False, ""
        self.ended.emit(outcome, message)

    def _partial_folders(self) -> set[Path]:
        return set((self._project / "models").glob(".partial-*"))


def _summary(record: ModelRecord) -> str:
    metrics, n_sentences = record.run.metrics, len(record.run.validation_sentences)
    if metrics is None:
        return f"{record.name} ({record.id}) is trained. No validation sentence has a label, so there is no F1."
    sentences = "1 validation sentence" if n_sentences == 1 else f"{n_sentences:,} validation sentences"
    f1 = f"F1 {metrics.f1:.2f}" if metrics.entity_f1 is None else f"F1 of entities {metrics.entity_f1:.2f}"
    epoch = f"epoch {record.run.best_epoch} of {len(record.run.history)}, " if record.run.best_epoch else ""
    return f"{record.name} ({record.id}): {epoch}{f1} on {sentences}, {metrics.tokens:,} tokens."


def _not_added(folder: Path, error: object) -> str:
    # Hours of training may be in it, so it is kept.
    kept = set_aside(folder)
    if kept is None:
        return f"The model was trained, but its folder does not exist any more: {error_message(error)}"
    reason = error_message(error).rstrip(".")
    return f"The model was trained, but could not be added to its project: {reason}. It is kept in {kept}."


def _remove(folder: Path) -> None:
    # Only a folder that was made for a training.
    if folder.name.startswith(".partial-"):
        shutil.rmtree(folder, ignore_errors=True)
