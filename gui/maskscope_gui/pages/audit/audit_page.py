"""The Audit page: the verdict, each finding with what the check saw, and the way to its token and its layer."""

from pathlib import Path

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QPushButton, QVBoxLayout, QWidget

from maskscope.audit.report import AuditReport, Finding
from maskscope.errors import MaskscopeError
from maskscope_gui.actions import key_of_action
from maskscope_gui.background.audit_job import AuditJob
from maskscope_gui.pages.audit.audit_columns import AuditColumns
from maskscope_gui.pages.audit.audit_files import ask_model_file, ask_report_file, write_report
from maskscope_gui.pages.audit.audit_head import AuditHead
from maskscope_gui.pages.audit.audit_text import failed_first
from maskscope_gui.pages.picture.model_picture import nodes_of
from maskscope_gui.pages.services import PageServices
from maskscope_gui.session.session import Session
from maskscope_gui.settings import Settings
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.base import line
from maskscope_gui.widgets.pages import BUTTON_KEYS, SCROLL_KEYS, Page

_ENTER_KEYS = frozenset({Qt.Key.Key_Return, Qt.Key.Key_Enter})


def make_page(services: PageServices, style: Style) -> Page:
    """The page, for the table of pages."""
    page = AuditPage(services.session, services.audit_job, services.settings, style)
    page.open_requested.connect(services.open_model_job.open)
    return page


class AuditPage(Page):
    """The page with the audit of the model in use, or of a file that is not in the project.

    Args:
        session: its model in use is audited.
        audit_job: runs the audit, and keeps the reports.
        settings: remember sizes and folders.
        style: fonts and colours.
        parent: as in Qt.

    Signals:
        open_requested: (file) the repaired model is to be opened in this project.
    """

    open_requested = Signal(Path)

    def __init__(
        self,
        session: Session,
        audit_job: AuditJob,
        settings: Settings,
        style: Style,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(style, parent)
        self.session, self.audit_job, self.settings = session, audit_job, settings
        self.findings: list[Finding] = []
        self._shown_report: AuditReport | None = None
        self.head = AuditHead(session, audit_job, style)
        self.columns = AuditColumns(session, settings, style)
        self.table, self.details, self.picture = self.columns.table, self.columns.details, self.columns.picture
        self._line = line()
        self._rest = QWidget()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.head)
        column.addWidget(self._line)
        column.addWidget(self.columns, 1)
        column.addWidget(self._rest, 1)
        self.stops = [*self.head.buttons, self.table, self.details.strip, self.picture.area]
        for stop in (*self.head.buttons, self.picture.area):
            stop.installEventFilter(self)
        self._connect()
        self.set_look(style)
        self.refresh()

    def _connect(self) -> None:
        self.head.action_requested.connect(self.action_requested)
        self.head.run_button.clicked.connect(self.compute)
        self.head.cancel_button.clicked.connect(self.cancel)
        self.head.repair_button.clicked.connect(self.ask_repaired)
        self.head.open_button.clicked.connect(self._open_repaired)
        self.head.leave_button.clicked.connect(self.audit_job.leave_file)
        self.table.moved.connect(lambda _: self._show_finding())
        self.table.entered.connect(lambda _: self.show_place())
        self.table.marked.connect(lambda _: self.show_picture_or_finding())
        self.details.strip.entered.connect(self._show_position)
        self.details.strip.space_pressed.connect(self.show_picture_or_finding)
        self.details.to_place.clicked.connect(self.show_place)
        self.details.to_layer.clicked.connect(self.show_picture_or_finding)
        self.columns.back.clicked.connect(self.show_picture_or_finding)
        self.picture.clicked.connect(self._choose_finding_of)
        self.audit_job.changed.connect(self.refresh)
        self.session.project_changed.connect(self.refresh)
        self.session.model_changed.connect(self.refresh)

    def set_look(self, style: Style) -> None:
        """Use the fonts and colours of another theme."""
        super().set_look(style)
        self.head.set_look(style)
        self.columns.set_look(style)

    # What a page does

    @property
    def busy(self) -> bool:
        """True while the model is audited or repaired."""
        return bool(self.audit_job.running)

    def cancel(self) -> None:
        """Cancel a running audit or repair."""
        self.audit_job.cancel()

    def compute(self) -> None:
        """Audit the model, again if it was audited before."""
        self.audit_job.start()

    def enter(self) -> None:
        """Show the current state, and take the focus."""
        self.refresh()
        if not any(stop.hasFocus() for stop in self.stops):
            self._take_focus()

    def showEvent(self, event: object) -> None:
        """Show what has changed while the page was hidden."""
        self.refresh()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Arrange the parts for the new width."""
        super().resizeEvent(event)
        self.columns.arrange(self.width())

    def _take_focus(self) -> None:
        candidates: tuple[QWidget, ...] = (self.table, self.head.run_button, self.head.cancel_button)
        stop = next((each for each in candidates if each.isVisibleTo(self) and each.isEnabled()), self)
        stop.setFocus(Qt.FocusReason.OtherFocusReason)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Keep the keys of the buttons and of the picture from being shortcuts of the window."""
        if not isinstance(event, QKeyEvent):
            return super().eventFilter(watched, event)
        in_picture = watched is self.picture.area
        keys = BUTTON_KEYS | SCROLL_KEYS if in_picture else BUTTON_KEYS
        if event.type() == QEvent.Type.ShortcutOverride and event.key() in keys:
            event.accept()
            return True
        if event.type() == QEvent.Type.KeyPress and not event.isAutoRepeat():
            if in_picture and event.key() in _ENTER_KEYS | {Qt.Key.Key_Space}:
                self.show_place() if event.key() in _ENTER_KEYS else self.show_picture_or_finding()
                return True
            if isinstance(watched, QPushButton) and event.key() in _ENTER_KEYS:
                watched.click()
                return True
        return super().eventFilter(watched, event)

    # What it shows

    def refresh(self) -> None:
        """Show the report of the model in use, the progress of a running job, or how to get a report."""
        if not self.isVisible():
            return
        report = self.audit_job.report
        focused = next((stop for stop in (*self.stops, self) if stop.hasFocus()), None)
        self.head.refresh()
        if report is not None and self.columns.isHidden():
            self.columns.setVisible(True)
            # Qt's style sheets lose the fonts of widgets that were never shown
            self.set_look(self.look)
        self.columns.setVisible(report is not None)
        self._line.setVisible(report is not None)
        self._rest.setVisible(report is None)
        if report is not None and report is not self._shown_report:
            self._show_report(report)
        elif report is None and self._shown_report is not None:
            self.findings = []
            self.table.show_findings([], -1)
        self._shown_report = report
        if focused is self or (focused is not None and not focused.isVisibleTo(self)):
            self._take_focus()

    def _show_report(self, report: AuditReport) -> None:
        self.findings = failed_first(report)
        if report.graph is None:
            unclear = (each for each in report.findings if each.check == "TRACE" and each.verdict == "could not tell")
            reason = next((finding.meaning for finding in unclear), "")
            self.picture.show_message(f"There is no picture of this model. {reason}".strip())
        else:
            self.picture.show_graph(report.graph)
        self.columns.picture_in_front = False
        self.table.show_findings(self.findings, 0)
        self.columns.arrange(self.width())
        self._show_finding()

    @property
    def chosen(self) -> Finding | None:
        """The finding whose details are shown."""
        return self.findings[self.table.row] if 0 <= self.table.row < len(self.findings) else None

    def _show_finding(self) -> None:
        finding = self.chosen
        if finding is not None:
            self.details.show_finding(finding)
            self._mark_layers()

    def _mark_layers(self) -> None:
        """Frame the faulty layers in the picture, and highlight the one of the chosen finding."""
        graph, chosen = self.picture.graph, self.chosen
        if graph is None:
            return
        checks_of: dict[str, list[str]] = {}
        for finding in self.findings:
            if finding.verdict == "failed" and finding.layer:
                for node in nodes_of(graph, finding.layer):
                    checks_of.setdefault(node, []).append(finding.check)
        faulty = {node: f"Faulty layer: {', '.join(checks)}" for node, checks in checks_of.items()}
        self.picture.mark(faulty, nodes_of(graph, chosen.layer) if chosen is not None and chosen.layer else ())

    # The way from a finding

    def show_place(self) -> None:
        """Show the sentence of the chosen finding, with the cursor at its position."""
        finding = self.chosen
        if finding is not None and finding.sentence is not None:
            self.session.cursor.reveal(finding.sentence, finding.position or 0)
            self.action_requested.emit("page_sentence")

    def _show_position(self, position: int) -> None:
        strip = self.details.strip
        if strip.evidence is None or strip.evidence.sentence is None:
            return
        # padding has no token; show the last one instead
        last = max(len(strip.tokens) - 1, 0)
        self.session.cursor.reveal(strip.evidence.sentence, min(position, last))
        self.action_requested.emit("page_sentence")

    def show_picture_or_finding(self) -> None:
        """Move between findings and picture; where there is no room for both, show one in place of the other."""
        self._mark_layers()
        if self.columns.arrangement == "wide":
            if self.picture.graph is not None:
                (self.table if self.picture.area.hasFocus() else self.picture.area).setFocus()
            return
        self.columns.picture_in_front = not self.columns.picture_in_front
        self.columns.arrange(self.width())
        if not any(stop.hasFocus() and stop.isVisibleTo(self) for stop in self.stops):
            self.table.setFocus()
        self._mark_layers()

    def _choose_finding_of(self, node: str) -> None:
        """Choose a finding whose faulty layer was clicked; further clicks go to the next ones of this layer."""
        graph = self.picture.graph
        if graph is None:
            return
        rows = [
            row
            for row, finding in enumerate(self.findings)
            if finding.layer and finding.verdict != "passed" and node in nodes_of(graph, finding.layer)
        ]
        if rows:
            later = [row for row in rows if row > self.table.row] if self.table.row in rows else []
            self.table.go_to((later or rows)[0])

    # Files

    def ask_file(self) -> None:
        """Ask for a file, and save the report to it."""
        if self.audit_job.report is None:
            text = f"There is no audit report yet. {key_of_action('audit')} audits the model."
            self.session.message_requested.emit(text, "info")
            return
        file = ask_report_file(self, self.settings, self.audit_job.subject)
        if file is not None:
            self.write_report(file)

    def write_report(self, file: Path) -> None:
        """Save the report as a web page, and show a message."""
        report = self.audit_job.report
        if report is None:
            return
        file = file if file.suffix else file.with_suffix(".html")
        try:
            write_report(report, file, self.session, self.audit_job.subject)
        except MaskscopeError as error:
            self.session.message_requested.emit(str(error), "error")
        else:
            self.session.message_requested.emit(f"Report saved as {file.name}.", "info")

    def ask_repaired(self) -> None:
        """Ask for a file, and save the repaired model to it."""
        report = self.audit_job.report
        if report is None or not report.repairs:
            self.session.message_requested.emit("No automatic repair is available for this model.", "info")
            return
        file = ask_model_file(self, self.settings, self.session, self.audit_job.subject)
        if file is not None:
            self.audit_job.repair(file)

    def _open_repaired(self) -> None:
        repaired = self.audit_job.repaired
        if repaired is not None:
            self.open_requested.emit(repaired.path)
