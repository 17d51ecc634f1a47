"""Audits or repairs the model in use in the worker, and keeps the last report of each model."""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from PySide6.QtCore import QObject, Signal

from maskscope.audit.report import AuditReport
from maskscope.worker.requests import AuditRequest, AuditResult, ProjectSource, RepairRequest, RepairResult
from maskscope_gui.background.tasks import capitalized
from maskscope_gui.background.worker_client import WorkerClient
from maskscope_gui.session.session import Session

Running: TypeAlias = Literal["", "audit", "repair"]
ModelKey: TypeAlias = tuple[Path, str, float]
"""A model: folder of its project, its id, and when it was made, since a folder may be replaced by another."""

_REPORTS_KEPT = 32


@dataclass(frozen=True, slots=True)
class RepairedModel:
    """A repaired copy of a model.

    Attributes:
        path: its file.
        report: its audit.
    """

    path: Path
    report: AuditReport


@dataclass(frozen=True, slots=True)
class AuditSubject:
    """The model that is audited.

    Attributes:
        key: tells it from any other model.
        name: for a person.
        title: its name and its id, or that it is not in the project.
        file: its `.keras` file.
        model_id: its id in the project; "" for a file that is not in it.
    """

    key: ModelKey
    name: str
    title: str
    file: Path
    model_id: str = ""


class AuditJob(QObject):
    """Runs one job at a time, an audit or a repair, of the model in use or of a file that is not in the project.

    Choosing another model cancels the job, and ends the audit of a file.

    Attributes:
        running: the job that runs; "" for none.
        message: what the running job does; else the error of the last job, or how it ended.
        failed: True when `message` is an error.
        progress: done and total of the running job; the total is 0 when it is not known.

    Signals:
        changed: an attribute, `report` or `repaired` has changed.
        ended: a job has ended by itself, with a report, a repaired model or an error.
        progressed: (text) for the status line; "" once nothing runs.
    """

    changed = Signal()
    ended = Signal()
    progressed = Signal(str)

    def __init__(self, session: Session, client: WorkerClient, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.session, self.client = session, client
        self.running: Running = ""
        self.message = ""
        self.failed = False
        self.progress = (0, 0)
        self._job: int | None = None
        self._out = Path()
        self._job_key: ModelKey | None = None
        self._reports: OrderedDict[ModelKey, AuditReport] = OrderedDict()
        self._repaired: dict[ModelKey, RepairedModel] = {}
        self._file: Path | None = None
        self._in_use: ModelKey | None = None
        client.progressed.connect(self._progressed)
        client.done.connect(self._done)
        client.failed.connect(self._failed)
        client.cancelled.connect(self._cancelled)
        client.late.connect(self._late)
        session.model_changed.connect(self._model_changed)
        session.project_changed.connect(self._model_changed)

    @property
    def _model_key(self) -> ModelKey | None:
        """The key of the model in use."""
        project, model = self.session.project, self.session.model
        return None if project is None or model is None else (project.path, model.id, model.created)

    @property
    def subject(self) -> AuditSubject | None:
        """The file that was chosen, else the model in use; None for neither."""
        project, model, file = self.session.project, self.session.model, self._file
        if project is None:
            return None
        if file is not None:
            return AuditSubject((project.path, str(file), 0.0), file.name, f"{file.name} · not in this project", file)
        if model is None:
            return None
        key = (project.path, model.id, model.created)
        return AuditSubject(key, model.name, f"{model.id} · {model.name}", model.keras_file, model.id)

    @property
    def report(self) -> AuditReport | None:
        """The last report on the subject; None before any, and while it is audited again."""
        subject = self.subject
        return None if subject is None or self.running == "audit" else self._reports.get(subject.key)

    @property
    def report_in_use(self) -> AuditReport | None:
        """The last report on the model in use, whatever the subject is."""
        key = self._model_key
        return None if key is None or (self.running == "audit" and key == self._job_key) else self._reports.get(key)

    @property
    def repaired(self) -> RepairedModel | None:
        """The repaired copy of the subject; None before any."""
        subject = self.subject
        return None if subject is None else self._repaired.get(subject.key)

    def audit_file(self, file: Path) -> None:
        """Audit a `.keras` file that is not in the project, on the project's sentences."""
        if self.session.project is None:
            return
        self._drop_job()
        self._file = file
        self.start()

    def leave_file(self) -> None:
        """Take the model in use as the subject again."""
        if self._file is not None:
            self._drop_job()
            self._file = None
            self.changed.emit()

    def start(self) -> None:
        """Audit the subject; does nothing while a job runs or without a subject."""
        project, subject = self.session.project, self.subject
        if self.running or project is None or subject is None:
            return
        self._repaired.pop(subject.key, None)
        request = AuditRequest(subject.file, ProjectSource(project.path))
        self._set_running("audit", self.client.request(request))

    def repair(self, out: Path) -> None:
        """Write a copy of the subject to `out` with the repairs that its report names, and audit it."""
        project, subject, report = self.session.project, self.subject, self.report
        if self.running or project is None or subject is None or report is None or not report.repairs:
            return
        self._out = out
        request = RepairRequest(subject.file, ProjectSource(project.path), report.repairs, out)
        self._set_running("repair", self.client.request(request))

    def _set_running(self, running: Running, job: int) -> None:
        self.running, self._job = running, job
        self._job_key = None if self.subject is None else self.subject.key
        self.failed, self.progress = False, (0, 0)
        waiting = {"starting": "starting TensorFlow", "busy": "waiting for the worker"}
        self._set_message(waiting.get(self.client.state, "starting"))

    def cancel(self) -> bool:
        """Cancel the running job; return False when there is none."""
        if self._job is None:
            return False
        self._set_message("cancelling")
        self.client.cancel(self._job)
        return True

    def repaired_models(self) -> tuple[RepairedModel, ...]:
        """Return every model that was repaired in this session."""
        return tuple(self._repaired.values())

    def adopt(self, repaired: RepairedModel) -> None:
        """Use the audit of a repaired model for the model in use, when that is the same file, opened in the project."""
        key, model = self._model_key, self.session.model
        if key is None or model is None or not repaired.report.about.sha256:
            return
        try:
            with model.keras_file.open("rb") as stream:
                same = hashlib.file_digest(stream, "sha256").hexdigest() == repaired.report.about.sha256
        except OSError:
            return
        if same:
            self._keep(key, repaired.report)
            self.changed.emit()

    def _keep(self, key: ModelKey, report: AuditReport) -> None:
        self._reports[key] = report
        self._reports.move_to_end(key)
        if len(self._reports) > _REPORTS_KEPT:
            self._repaired.pop(self._reports.popitem(last=False)[0], None)

    def _model_changed(self) -> None:
        if self._model_key == self._in_use:
            return
        self._in_use = self._model_key
        # Its findings would be about another model than the one in use now.
        self._drop_job()
        self._file = None
        self.changed.emit()

    def _drop_job(self) -> None:
        """Cancel the running job, and forget how the last one ended."""
        if self._job is not None:
            self.client.cancel(self._job)
            self.progressed.emit("")
        self._job, self._job_key, self.running, self.message, self.failed = None, None, "", "", False

    def _set_message(self, message: str) -> None:
        self.message = message
        what = "Audit" if self.running == "audit" else "Repairing the model"
        self.progressed.emit(f"{what} · {message} · Esc cancels")
        self.changed.emit()

    def _progressed(self, job: int, done: int, total: int, text: str) -> None:
        if job == self._job:
            self.progress = (done, total)
            count = f", {done:,} of {total:,}" if total > 1 else ""
            self._set_message(f"{text or 'checking'}{count}")

    def _done(self, job: int, result: object) -> None:
        if job != self._job or self._job_key is None:
            return
        if isinstance(result, RepairResult):
            self._repaired[self._job_key] = RepairedModel(self._out, result.report)
        elif isinstance(result, AuditResult):
            self._keep(self._job_key, result.report)
        self._end("", False)
        self.ended.emit()

    def _failed(self, job: int, error: str) -> None:
        if job == self._job:
            self._end(capitalized(error), True)
            self.ended.emit()

    def _cancelled(self, job: int) -> None:
        if job == self._job:
            self._end("Cancelled.", False)

    def _late(self, job: int, result: object) -> None:
        if job == self._job and self.running == "repair":
            self.session.message_requested.emit(f"{self._out.name} had been written before it was stopped.", "info")

    def _end(self, message: str, failed: bool) -> None:
        self._job, self.running, self.message, self.failed = None, "", message, failed
        self.progressed.emit("")
        self.changed.emit()
