"""The padding audit: the verdict first, then what each check found, and the way to the token it was found at."""

import json
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QProgressBar, QTableWidgetItem, QWidget

from maskscope.errors import WorkerError
from maskscope_gui.actions import printed_key
from maskscope_gui.dialogs.form import Dialog, Role, Words, plain_table
from maskscope_gui.session import Session
from maskscope_gui.theme import Style, colour
from maskscope_gui.worker_client import WorkerClient

_SIZE = (780, 440)
_MARKS: dict[str, tuple[str, Role]] = {
    "passed": ("✓ holds", "holds"),
    "failed": ("✗ fails", "fails"),
    "could not tell": ("? can't tell", "collision"),
}
_HEADERS = ("check", "verdict", "deviation", "tolerance", "meaning")
_WIDTHS = (110, 90, 80, 80)
_BAR_STEPS = 1000


@dataclass(frozen=True, slots=True)
class ShownFinding:
    """One check's answer, as `maskscope.audit.Finding` writes it; that module is left to the worker's process."""

    check: str
    verdict: str
    meaning: str
    deviation: float | None = None
    tolerance: float | None = None
    sentence: int | None = None
    position: int | None = None
    layer: str | None = None


@dataclass(frozen=True, slots=True)
class ShownReport:
    """An audit's JSON, read."""

    model: str
    verdict: str
    sentences: int
    sampled: tuple[int, ...]
    findings: tuple[ShownFinding, ...]

    @classmethod
    def from_json(cls, text: str) -> "ShownReport":
        """Raises WorkerError when `text` is no report of an audit."""
        try:
            record = json.loads(text)
            findings = tuple(
                ShownFinding(**{name: found.get(name) for name in ShownFinding.__dataclass_fields__})
                for found in record["findings"]
            )
            return cls(record["model"], record["verdict"], record["sentences"], tuple(record["sampled"]), findings)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise WorkerError("the audit gave no report that can be read", received=str(error)) from error

    def count(self, verdict: str) -> int:
        """How many checks came to a verdict."""
        return sum(finding.verdict == verdict for finding in self.findings)


class AuditDialog(Dialog):
    """Audits the model in use, in the worker; it may be closed meanwhile.

    Attributes:
        report: of the model in use; None before an audit, and again when the model changes.

    Signals:
        place_chosen: (sentence, position) the person wants to see the token of a finding.
        audited: there is a report, or none any more: look at `report`.
        progress_text: what the status line says meanwhile; "" when there is nothing to say.
    """

    place_chosen = Signal(int, int)
    audited = Signal()
    progress_text = Signal(str)

    def __init__(self, parent: QWidget | None, style: Style, session: Session, client: WorkerClient) -> None:
        super().__init__(parent, style, "Audit of the padding", _SIZE)
        self.session, self.client = session, client
        self.report: ShownReport | None = None
        self.job: int | None = None
        self._audited: tuple[object, str] | None = None
        self._build()
        client.progressed.connect(self._progressed)
        client.done.connect(self._done)
        client.failed.connect(self._failed)
        client.cancelled.connect(self._cancelled)
        session.modelChanged.connect(self._model_changed)
        session.projectChanged.connect(self._model_changed)
        self._refresh()

    def _build(self) -> None:
        self.verdict = Words(self.look, "", "text", size=17, bold=True)
        self.about = Words(self.look, "", "second")
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName("Progress of the audit")
        self.table = plain_table(self.look, "Findings", _HEADERS)
        self.table.setWordWrap(True)
        for column, width in enumerate(_WIDTHS):
            self.table.setColumnWidth(column, self.look.px(width))
        self.table.cellClicked.connect(lambda row, _: self._choose(row))
        self.table.installEventFilter(self)
        self.table.horizontalHeader().sectionResized.connect(lambda *_: self._size_rows())
        for widget in (self.verdict, self.about, self.bar):
            self.column.addWidget(widget)
        self.column.addWidget(self.table, 100)
        self.column.addStretch(1)
        self.hint = Words(self.look, "", "second", size=12)
        self.run_button = self.button("&Audit", primary=True)
        self.run_button.setMinimumWidth(self.look.px(116))
        self.run_button.clicked.connect(self.run)
        self.cancel_button = self.button("&Cancel")
        self.cancel_button.clicked.connect(self.cancel)
        self.close_button = self.button("Close")
        self.close_button.clicked.connect(self.reject)
        self.column.addLayout(self.button_row(self.close_button, self.cancel_button, self.run_button, left=self.hint))

    @property
    def auditing(self) -> bool:
        """True while an audit runs."""
        return self.job is not None

    def run(self) -> None:
        """Audit the model in use; nothing happens while one is running or there is no model."""
        project, model = self.session.project, self.session.model
        if self.auditing or project is None or model is None:
            self._refresh()
            return
        self.report = None
        self._audited = self._subject()
        self.job = self.client.request("audit", project=str(project.path), model=str(model.keras_file))
        self.bar.setRange(0, 0)
        self._refresh()
        self._tell("starting TensorFlow" if self.client.state == "starting" else "starting")

    def cancel(self) -> None:
        """Stop the audit."""
        if self.job is not None:
            self.cancel_button.setEnabled(False)
            self.client.cancel(self.job)

    def _subject(self) -> tuple[object, str] | None:
        project, model = self.session.project, self.session.model
        return None if project is None or model is None else (project.path, model.id)

    def _model_changed(self) -> None:
        if self._subject() == self._audited:
            return
        # What was found is not of the model that is in use now.
        if self.job is not None:
            self.client.cancel(self.job)
            self.job = None
            self.progress_text.emit("")
        self._audited = None
        if self.report is not None:
            self.report = None
            self.audited.emit()
        self._refresh()

    def _tell(self, words: str) -> None:
        self.about.say(words[:1].upper() + words[1:] + "…")
        self.progress_text.emit(f"Audit · {words}")

    def _progressed(self, job: int, done: int, total: int, text: str) -> None:
        if job != self.job:
            return
        if total > 0:
            self.bar.setRange(0, _BAR_STEPS)
            self.bar.setValue(done * _BAR_STEPS // total)
        else:
            self.bar.setRange(0, 0)
        self._tell(text or "checking")

    def _done(self, job: int, result: object) -> None:
        if job != self.job:
            return
        try:
            text = result.get("report", "") if isinstance(result, dict) else ""
            self.report = ShownReport.from_json(str(text))
        except WorkerError as error:
            self._failed(job, str(error))
            return
        self._end()
        self.audited.emit()

    def _failed(self, job: int, words: str) -> None:
        if job == self.job:
            self._end()
            self.about.say(words, "fails")

    def _cancelled(self, job: int) -> None:
        if job == self.job:
            self._end()
            self.about.say("Cancelled.")

    def _end(self) -> None:
        self.job = None
        self.progress_text.emit("")
        self._refresh()

    # What it shows

    def _refresh(self) -> None:
        model, report = self.session.model, self.report
        self.bar.setVisible(self.auditing)
        self.cancel_button.setVisible(self.auditing)
        self.cancel_button.setEnabled(self.auditing)
        self.run_button.setEnabled(not self.auditing and model is not None)
        self.run_button.setText("&Audit again" if report is not None else "&Audit")
        self._fill_table()
        if self.auditing:
            self.verdict.say(f"Auditing {model.name if model else 'the model'}", "text")
        elif report is not None:
            self._show_verdict(report)
        elif model is None:
            self.verdict.say("There is no model to audit yet", "text")
            self.about.say(f"Train one first ({printed_key('train')}).")
        else:
            self.verdict.say(f"{model.name} ({model.id}) has not been audited in this window", "text")
            self.about.say("The checks run the model with more padding, and hold the mask against the lengths.")
        self.fit()

    def _show_verdict(self, report: ShownReport) -> None:
        total = len(report.findings)
        passed, failed, unsure = (report.count(name) for name in ("passed", "failed", "could not tell"))
        if failed:
            which = ", ".join(finding.check for finding in report.findings if finding.verdict == "failed")
            self.verdict.say(f"✗ {failed} of {total} checks {'fails' if failed == 1 else 'fail'}: {which}", "fails")
        elif unsure:
            self.verdict.say(f"? {passed} of {total} checks hold, {unsure} could not tell", "collision")
        else:
            self.verdict.say(f"✓ Padding is ignored: {passed} of {total} checks hold", "holds")
        sampled = len(report.sampled)
        model = self.session.model
        name = report.model if model is None else f"{model.name} ({model.id})"
        self.about.say(
            f"{name} on {report.sentences:,} sentences; the checks that run it looked at {sampled:,} of them."
        )

    def _fill_table(self) -> None:
        findings = () if self.report is None else self.report.findings
        self.table.setVisible(bool(findings))
        self.table.setRowCount(len(findings))
        for row, finding in enumerate(findings):
            mark, role = _MARKS.get(finding.verdict, (finding.verdict, "text"))
            cells = (
                finding.check,
                mark,
                _number(finding.deviation),
                _number(finding.tolerance),
                finding.meaning + _place(finding),
            )
            for column, text in enumerate(cells):
                item = QTableWidgetItem(text)
                item.setTextAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
                if column == 1:
                    item.setForeground(colour(getattr(self.look.theme, role)))
                self.table.setItem(row, column, item)
        self._size_rows()
        with_place = any(finding.sentence is not None for finding in findings)
        self.hint.say("A click on a finding, or Enter, goes to its token." if with_place else "")

    def _size_rows(self) -> None:
        self.table.resizeRowsToContents()
        for row in range(self.table.rowCount()):
            self.table.setRowHeight(row, self.table.rowHeight(row) + self.look.px(8))

    def _choose(self, row: int) -> None:
        if self.report is None or not 0 <= row < len(self.report.findings):
            return
        finding = self.report.findings[row]
        if finding.sentence is not None:
            self.place_chosen.emit(finding.sentence, finding.position or 0)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Enter in the table goes to the token of the finding instead of auditing again."""
        if (
            watched is self.table
            and isinstance(event, QKeyEvent)
            and event.type() == QEvent.Type.KeyPress
            and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        ):
            self._choose(self.table.currentRow())
            return True
        return super().eventFilter(watched, event)

    def set_look(self, style: Style) -> None:
        """Fonts and colours of another theme."""
        super().set_look(style)
        self._fill_table()


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return "0" if value == 0 else f"{value:.2g}"


def _place(finding: ShownFinding) -> str:
    parts = []
    if finding.sentence is not None:
        parts.append(f"sentence {finding.sentence:,}")
    if finding.position is not None:
        parts.append(f"position {finding.position:,}")
    if finding.layer:
        parts.append(f"layer {finding.layer}")
    return f" → {', '.join(parts)}" if parts else ""
