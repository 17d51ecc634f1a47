"""The padding audit of the model in use: asked of the worker, and each model's last report kept."""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from PySide6.QtCore import QObject, Signal

from maskscope.audit.report import AuditReport, Finding
from maskscope.errors import MaskscopeError
from maskscope.project import ModelRecord
from maskscope_gui.background.tasks import duration
from maskscope_gui.background.worker_client import WorkerClient
from maskscope_gui.session.session import Session

Role: TypeAlias = Literal["text", "second", "holds", "fails", "collision"]
Running: TypeAlias = Literal["", "audit", "repair"]
Subject: TypeAlias = tuple[Path, str, float]
"""A model: folder of its project, its id, and when it was made, since a folder may be replaced by another."""

VERDICT_MARKS: dict[str, tuple[str, Role]] = {
    "passed": ("✓", "holds"),
    "failed": ("✗", "fails"),
    "could not tell": ("?", "collision"),
}
_REPORTS_KEPT = 32
_PLACES = ("failed", "could not tell", "passed")


@dataclass(frozen=True, slots=True)
class RepairedModel:
    """A model that was written with its mechanical repairs made, and audited again.

    Attributes:
        path: its file.
        report: its audit.
    """

    path: Path
    report: AuditReport


class AuditJob(QObject):
    """One job at a time, an audit or a repair, of the model in use; another model ends it.

    Attributes:
        doing: what runs now.
        words: what it is at; what went wrong, or how it ended, when nothing runs.
        trouble: True when `words` says what went wrong.
        share: done and total of the job that runs; the total is 0 when it is not known.

    Signals:
        changed: any of these, or `report`, or `repaired`.
        ended: a job has come to an end of its own: a report, a repaired model, or an error.
        progressed: (words) for the status line; "" when it is over.
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
        self._of: Subject | None = None
        self._reports: OrderedDict[Subject, AuditReport] = OrderedDict()
        self._repaired: dict[Subject, RepairedModel] = {}
        client.progressed.connect(self._progressed)
        client.done.connect(self._done)
        client.failed.connect(self._failed)
        client.cancelled.connect(self._cancelled)
        client.late.connect(self._late)
        session.model_changed.connect(self._model_changed)
        session.project_changed.connect(self._model_changed)

    @property
    def _subject(self) -> Subject | None:
        project, model = self.session.project, self.session.model
        return None if project is None or model is None else (project.path, model.id, model.created)

    @property
    def report(self) -> AuditReport | None:
        """The last one of the model in use; None before any, and while it is audited anew."""
        subject = self._subject
        return None if subject is None or self.running == "audit" else self._reports.get(subject)

    @property
    def repaired(self) -> RepairedModel | None:
        """What a repair made of the model in use; None before any."""
        subject = self._subject
        return None if subject is None else self._repaired.get(subject)

    def start(self) -> None:
        """Audit the model in use; nothing happens while a job runs or there is no model."""
        project, model = self.session.project, self.session.model
        if self.running or project is None or model is None:
            return
        self._repaired.pop((project.path, model.id, model.created), None)
        job = self.client.request("audit", project=str(project.path), model=str(model.keras_file))
        self._began("audit", job)

    def repair(self, out: Path) -> None:
        """Write the model in use to `out` with the repairs that its report asks for, audited again."""
        project, model, report = self.session.project, self.session.model, self.report
        if self.running or project is None or model is None or report is None or not report.repairs:
            return
        repairs = ",".join(report.repairs)
        self._out = out
        job = self.client.request(
            "repair", project=str(project.path), model=str(model.keras_file), repairs=repairs, out=str(out)
        )
        self._began("repair", job)

    def _began(self, doing: Running, job: int) -> None:
        self.running, self._job, self._of = doing, job, self._subject
        self.failed, self.progress = False, (0, 0)
        waits = {"starting": "starting TensorFlow", "busy": "waiting for the worker"}
        self._tell(waits.get(self.client.state, "starting"))

    def cancel(self) -> bool:
        """Stop what runs; False when nothing does."""
        if self._job is None:
            return False
        self._tell("stopping")
        self.client.cancel(self._job)
        return True

    def repaired_models(self) -> tuple[RepairedModel, ...]:
        """Every model that was repaired here."""
        return tuple(self._repaired.values())

    def adopt(self, repaired: RepairedModel) -> None:
        """The repaired model is in the project, and shown: its audit is that of the model in use, if the file is."""
        subject, model = self._subject, self.session.model
        if subject is None or model is None or not repaired.report.about.sha256:
            return
        try:
            with model.keras_file.open("rb") as stream:
                same = hashlib.file_digest(stream, "sha256").hexdigest() == repaired.report.about.sha256
        except OSError:
            return
        if same:
            self._keep(subject, repaired.report)
            self.changed.emit()

    def _keep(self, subject: Subject, report: AuditReport) -> None:
        self._reports[subject] = report
        self._reports.move_to_end(subject)
        if len(self._reports) > _REPORTS_KEPT:
            self._repaired.pop(self._reports.popitem(last=False)[0], None)

    def _model_changed(self) -> None:
        if self._subject == self._of:
            return
        if self._job is not None:
            # What it would find is not of the model that is in use now.
            self.client.cancel(self._job)
            self.progressed.emit("")
        self._job, self.running, self.message, self.failed = None, "", "", False
        self._of = self._subject
        self.changed.emit()

    def _tell(self, words: str) -> None:
        self.message = words
        what = "Audit" if self.running == "audit" else "Repairing the model"
        self.progressed.emit(f"{what} · {words} · Esc stops it")
        self.changed.emit()

    def _progressed(self, job: int, done: int, total: int, text: str) -> None:
        if job == self._job:
            self.progress = (done, total)
            count = f", {done:,} of {total:,}" if total > 1 else ""
            self._tell(f"{text or 'checking'}{count}")

    def _done(self, job: int, result: object) -> None:
        if job != self._job or self._of is None:
            return
        record = result if isinstance(result, dict) else {}
        try:
            report = AuditReport.from_json(str(record.get("report", "")))
        except MaskscopeError as error:
            self._failed(job, str(error))
            return
        if self.running == "repair":
            self._repaired[self._of] = RepairedModel(Path(str(record.get("path") or self._out)), report)
        else:
            self._keep(self._of, report)
        self._end("", False)
        self.ended.emit()

    def _failed(self, job: int, words: str) -> None:
        if job == self._job:
            self._end(f"{words[:1].upper()}{words[1:]}", True)
            self.ended.emit()

    def _cancelled(self, job: int) -> None:
        if job == self._job:
            self._end("Stopped.", False)

    def _late(self, job: int, result: object) -> None:
        if job == self._job and self.running == "repair":
            self.session.message_requested.emit(f"{self._out.name} had been written before it was stopped.", "info")

    def _end(self, words: str, trouble: bool) -> None:
        self._job, self.running, self.message, self.failed = None, "", words, trouble
        self.progressed.emit("")
        self.changed.emit()


def failed_first(report: AuditReport) -> list[Finding]:
    """What failed first, then what could not be told, then what holds."""
    return sorted(report.findings, key=lambda finding: _PLACES.index(finding.verdict))


def verdict_text(report: AuditReport) -> tuple[str, Role]:
    """The verdict in one line, and its colour."""
    total = len(report.findings)
    passed, failed, unsure = (report.count(verdict) for verdict in ("passed", "failed", "could not tell"))
    if failed:
        return f"✗ {failed} of {total} checks {'fails' if failed == 1 else 'fail'}", "fails"
    if unsure:
        return f"? {passed} of {total} checks hold, {unsure} could not tell", "collision"
    return f"✓ Padding is ignored: {passed} of {total} checks hold", "holds"


def short_verdict(report: AuditReport) -> str:
    """Such as "5 fail" or "14 of 14 hold"."""
    failed, unsure = report.count("failed"), report.count("could not tell")
    if failed:
        return f"{failed} {'fails' if failed == 1 else 'fail'}"
    hold = f"{report.count('passed')} of {len(report.findings)} hold"
    return f"{hold}, {unsure} could not tell" if unsure else hold


def audit_details(report: AuditReport, model: ModelRecord | None) -> str:
    """How the audit was made, in one line."""
    about = report.about
    name = report.model if model is None else f"{model.name} ({model.id})"
    of = f"{len(report.sampled):,} of {report.sentences:,} sentence{'s' if report.sentences != 1 else ''} sampled"
    words = [name, of, f"padded with {about.padding:g}"]
    if about.loss:
        words.append(f"{about.loss}, assumed" if about.loss_assumed else about.loss)
    if about.lengths_from != "source":
        words.append(f"lengths {about.lengths_from} from the zeros")
    words.append(about.compute_dtype)
    if about.seconds >= 0.05:
        words.append(f"{about.seconds:.1f} s" if about.seconds < 10 else duration(about.seconds))
    return " · ".join(words)


def format_deviation(value: float | None) -> str:
    """A deviation or a tolerance, short."""
    if value is None:
        return "–"
    if value in (float("inf"), float("-inf")):
        return "∞"
    return f"{value:,.0f}" if value == round(value) and abs(value) < 1e6 else f"{value:.2g}"
