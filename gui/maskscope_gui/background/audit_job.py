"""Audits or repairs the model in use in the worker, and keeps the last report of each model."""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from PySide6.QtCore import QObject, Signal

from maskscope.audit.report import AuditReport
from maskscope.worker.requests import AuditRequest, AuditResult, ProjectSource, RepairRequest, RepairResult
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


class AuditJob(QObject):
    """Runs one job at a time, an audit or a repair of the model in use; choosing another model cancels it.

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
        client.progressed.connect(self._progressed)
        client.done.connect(self._done)
        client.failed.connect(self._failed)
        client.cancelled.connect(self._cancelled)
        client.late.connect(self._late)
        session.model_changed.connect(self._model_changed)
        session.project_changed.connect(self._model_changed)

    @property
    def _model_key(self) -> ModelKey | None:
        project, model = self.session.project, self.session.model
        return None if project is None or model is None else (project.path, model.id, model.created)

    @property
    def report(self) -> AuditReport | None:
        """The last report on the model in use; None before any, and while it is audited again."""
        key = self._model_key
        return None if key is None or self.running == "audit" else self._reports.get(key)

    @property
    def repaired(self) -> RepairedModel | None:
        """The repaired copy of the model in use; None before any."""
        key = self._model_key
        return None if key is None else self._repaired.get(key)

    def start(self) -> None:
        """Audit the model in use; does nothing while a job runs or without a model."""
        project, model = self.session.project, self.session.model
        if self.running or project is None or model is None:
            return
        self._repaired.pop((project.path, model.id, model.created), None)
        request = AuditRequest(model.keras_file, ProjectSource(project.path))
        self._set_running("audit", self.client.request(request))

    def repair(self, out: Path) -> None:
        """Write a copy of the model in use to `out` with the repairs that its report names, and audit it."""
        project, model, report = self.session.project, self.session.model, self.report
        if self.running or project is None or model is None or report is None or not report.repairs:
            return
        self._out = out
        request = RepairRequest(model.keras_file, ProjectSource(project.path), report.repairs, out)
        self._set_running("repair", self.client.request(request))

    def _set_running(self, running: Running, job: int) -> None:
        self.running, self._job, self._job_key = running, job, self._model_key
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
        if self._model_key == self._job_key:
            return
        if self._job is not None:
            # Its findings would be about another model than the one in use now.
            self.client.cancel(self._job)
            self.progressed.emit("")
        self._job, self.running, self.message, self.failed = None, "", "", False
        self._job_key = self._model_key
        self.changed.emit()

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
            self._end(f"{error[:1].upper()}{error[1:]}", True)
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
