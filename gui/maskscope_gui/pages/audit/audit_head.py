"""The upper part of the Audit page: the verdict, how the audit was made, its progress, and the buttons."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QVBoxLayout, QWidget

from maskscope.audit.report import AuditReport
from maskscope_gui.actions import key_of_action
from maskscope_gui.background.audit_job import AuditJob
from maskscope_gui.pages.audit.audit_text import (
    VERDICT_MARKS,
    audit_details,
    audit_remarks,
    short_verdict,
    verdict_text,
)
from maskscope_gui.session.session import Session
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.base import KeyHint, Panel, WrappedLabel

_BAR_STEPS = 1000
_WHAT_IS_DONE = "The checks run the model with more padding, and compare the mask with the lengths."


class AuditHead(QWidget):
    """Shows the state of the audit.

    Args:
        session: its model in use is audited, unless a file was chosen.
        audit_job: runs the audit, and keeps the reports.
        style: fonts and colours.
        parent: as in Qt.

    Signals:
        action_requested: (action id) a key hint was clicked.

    Attributes:
        buttons: all of them, in the order of the Tab key.
    """

    action_requested = Signal(str)

    def __init__(self, session: Session, audit_job: AuditJob, style: Style, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session, self.audit_job, self.look = session, audit_job, style
        self.panel = Panel("Audit", style)
        self.again = self._action_hint("Audit again", "recompute")
        self.save = self._action_hint("Save report…", "save_report")
        for hint in (self.again, self.save):
            self.panel.add(hint)
        self.verdict = WrappedLabel(style, "", "text", size=22, bold=True)
        self.how = WrappedLabel(style, "", "second")
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName("Progress of the audit")
        self.note = WrappedLabel(style, "", "second")
        self.run_button = _button(f"Audit the padding   {key_of_action('audit')}", primary=True)
        self.cancel_button = _button(f"Cancel   {key_of_action('dismiss')}")
        self.repair_button = _button(f"Save repaired model…   {key_of_action('repair_model')}")
        self.open_button = _button("Open the repaired model in this project")
        self.leave_button = _button("Back to the model in use")
        self.buttons = (
            self.run_button,
            self.cancel_button,
            self.repair_button,
            self.open_button,
            self.leave_button,
        )
        self._arrange()

    def _arrange(self) -> None:
        px = self.look.px
        first_line = QHBoxLayout()
        first_line.setSpacing(px(12))
        first_line.addWidget(self.verdict, 1)
        first_line.addWidget(self.repair_button, 0, Qt.AlignmentFlag.AlignTop)
        last_line = QHBoxLayout()
        last_line.setSpacing(px(8))
        for button in (self.run_button, self.cancel_button, self.open_button, self.leave_button):
            last_line.addWidget(button)
        last_line.addStretch(1)
        content = QVBoxLayout()
        content.setContentsMargins(px(12), 0, px(12), px(10))
        content.setSpacing(px(4))
        content.addLayout(first_line)
        for widget in (self.how, self.bar, self.note):
            content.addWidget(widget)
        content.addLayout(last_line)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.panel)
        column.addLayout(content)

    def _action_hint(self, text: str, action_id: str) -> KeyHint:
        hint = KeyHint(text, key_of_action(action_id), self.look)
        hint.clicked.connect(lambda: self.action_requested.emit(action_id))
        return hint

    def set_look(self, style: Style) -> None:
        """Use the fonts and colours of another theme."""
        self.look = style
        self.panel.set_look(style)
        for label in (self.verdict, self.how, self.note):
            label.set_look(style)

    def refresh(self) -> None:
        """Show the report of the subject, the progress of a running job, or how to get a report."""
        job, subject, report = self.audit_job, self.audit_job.subject, self.audit_job.report
        is_running = bool(job.running)
        self.panel.set_title("Audit" if subject is None else f"Audit · {subject.title}")
        self._show_verdict(report)
        self._show_note(report)
        self.bar.setVisible(is_running)
        done, total = job.progress
        self.bar.setRange(0, _BAR_STEPS if total > 0 else 0)
        if total > 0:
            self.bar.setValue(min(done, total) * _BAR_STEPS // total)
        self.run_button.setVisible(report is None and not is_running and subject is not None)
        self.leave_button.setVisible(subject is not None and not subject.model_id)
        self.cancel_button.setVisible(is_running)
        self.repair_button.setVisible(report is not None and bool(report.repairs) and not is_running)
        self.open_button.setVisible(job.repaired is not None and not is_running)
        self.panel.hide_hints([self.again, self.save] if report is None or is_running else [])

    def _show_verdict(self, report: AuditReport | None) -> None:
        subject = self.audit_job.subject
        if self.audit_job.running == "audit" and subject is not None:
            self.verdict.set_text(f"Auditing {subject.name}", "text")
            self.how.set_text(_WHAT_IS_DONE)
        elif report is not None:
            self.verdict.set_text(*verdict_text(report))
            remarks = audit_remarks(report)
            self.how.set_text(audit_details(report, subject) + (f"\n{remarks}" if remarks else ""))
        elif self.session.project is None:
            self.verdict.set_text("No project is open", "text")
            self.how.set_text(f"Open a project first ({key_of_action('open')}).")
        elif subject is None:
            self.verdict.set_text("There is no model to audit yet", "text")
            self.how.set_text(f"Train a model ({key_of_action('train')}), or open one ({key_of_action('open_model')}).")
        else:
            self.verdict.set_text(f"{subject.name} has not been audited yet", "text")
            self.how.set_text(_WHAT_IS_DONE)

    def _show_note(self, report: AuditReport | None) -> None:
        job, repaired = self.audit_job, self.audit_job.repaired
        if job.running:
            text = job.message if job.running == "audit" else f"Saving the repaired model: {job.message}"
            self.note.set_text(f"{text[:1].upper()}{text[1:]}…")
        elif job.message:
            again = "" if report is not None else f" {key_of_action('audit')} tries again."
            self.note.set_text(f"{job.message.rstrip('.')}.{again}", "fails" if job.failed else "second")
        elif report is not None and repaired is not None:
            # it imports all checks, for which the start of the window does not wait
            from maskscope.audit.html.summary import after_repair

            self.note.set_text(
                f"Saved {repaired.path.name}. Before: {short_verdict(report)}; after: "
                f"{short_verdict(repaired.report)}. {after_repair(report)}",
                VERDICT_MARKS[repaired.report.verdict][1],
            )
        else:
            self.note.set_text("")
        self.note.setVisible(bool(self.note.text()))


def _button(text: str, *, primary: bool = False) -> QPushButton:
    button = QPushButton(text)
    button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    if primary:
        button.setObjectName("primary")
    return button
