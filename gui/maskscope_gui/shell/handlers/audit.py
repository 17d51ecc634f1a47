"""Actions of the padding audit, and the places of the window that show its verdict."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from maskscope_gui.actions import key_of_action
from maskscope_gui.background.audit_job import AuditJob
from maskscope_gui.background.open_model_job import OpenModelJob
from maskscope_gui.pages.audit.audit_text import verdict_text
from maskscope_gui.shell.handlers import Handlers
from maskscope_gui.shell.main_window import MainWindow

if TYPE_CHECKING:
    from maskscope_gui.pages.audit.audit_page import AuditPage


class AuditHandlers(QObject):
    """Starts audits and repairs, and shows the last verdict in the toolbar and in the PADDING panel."""

    def __init__(self, window: MainWindow, audit_job: AuditJob, open_model_job: OpenModelJob) -> None:
        super().__init__(window)
        self._window, self._audit_job = window, audit_job
        audit_job.changed.connect(self._show_verdict)
        open_model_job.opened.connect(lambda _: self._adopt_reports())
        window.padding.audit_requested.connect(window.actions_by_id["page_audit"].trigger)
        self._show_verdict()

    def handlers(self) -> Handlers:
        """By action id."""
        return {
            "audit": self._audit,
            "save_report": lambda: self._show_page().ask_file(),
            "repair_model": lambda: self._show_page().ask_repaired(),
        }

    def _audit(self) -> None:
        self._show_page()
        if self._audit_job.report is None:
            self._audit_job.start()

    def _show_page(self) -> "AuditPage":
        from maskscope_gui.pages.audit.audit_page import AuditPage

        self._window.pages.show_page("audit")
        assert isinstance(self._window.pages.shown, AuditPage)
        return self._window.pages.shown

    def _adopt_reports(self) -> None:
        """Where the opened model is one that was repaired and audited here, take its report."""
        for repaired in self._audit_job.repaired_models():
            self._audit_job.adopt(repaired)

    def _show_verdict(self) -> None:
        report = self._audit_job.report_in_use
        failed = [] if report is None else [each.check for each in report.findings if each.verdict == "failed"]
        self._window.padding.show_audit(failed)
        if report is None:
            self._window.toolbar.set_verdict(f"Audit the padding   {key_of_action('audit')}", "")
            return
        text, role = verdict_text(report, brief=True)
        self._window.toolbar.set_verdict(text, role if role in ("holds", "fails") else "")
