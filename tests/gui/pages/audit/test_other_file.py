"""The audit of a file that is not in the project: named as such, beside that of the model in use."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PySide6.QtWidgets import QFileDialog

from maskscope.audit.report import AuditReport
from maskscope.worker.requests import AuditRequest, ProjectSource, RepairRequest
from maskscope_gui.app import Program
from maskscope_gui.pages.audit.audit_page import AuditPage
from maskscope_gui.shell.main_window import MainWindow
from tests.gui.window_helpers import KEY, Press

if TYPE_CHECKING:
    from tests.gui.conftest import ScriptedClient

OpenAudit = Callable[..., tuple[MainWindow, Program, AuditPage]]
Answer = Callable[[AuditReport], None]
FILE = Path("/somewhere/crf <b>.keras")


def test_a_file_is_audited_and_named_and_the_model_in_use_keeps_its_verdict(
    open_audit: OpenAudit,
    press: Press,
    client: "ScriptedClient",
    answer: Answer,
    failing: AuditReport,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    window, program, page = open_audit()
    page.audit_job.start()
    sound = replace(failing, findings=tuple(each for each in failing.findings if each.verdict == "passed"))
    answer(sound)
    verdict = window.toolbar.verdict.text()
    assert "Padding is ignored" in verdict
    program.audit_job.audit_file(FILE)
    project = window.session.project
    assert project is not None
    assert client.requests[-1] == AuditRequest(FILE, ProjectSource(project.path))
    assert page.head.verdict.text() == "Auditing crf <b>.keras"
    answer(failing)
    assert "2 of 5 checks fail" in page.head.verdict.text()
    assert "not in this project" in page.head.panel.title
    # What is said of the model in use is not changed by the audit of another.
    assert window.toolbar.verdict.text() == verdict
    assert not window.padding.audit.isVisible()
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "mine.keras"), ""))
    page.ask_repaired()
    request = client.requests[-1]
    assert isinstance(request, RepairRequest)
    assert request.model == FILE
    client.cancelled.emit(len(client.requests))
    page.head.leave_button.setFocus()
    press(window, KEY.Key_Return)
    assert "Padding is ignored" in page.head.verdict.text()
    assert not page.head.leave_button.isVisible()


def test_another_model_in_use_ends_the_audit_of_a_file(
    open_audit: OpenAudit, client: "ScriptedClient", failing: AuditReport
) -> None:
    window, program, page = open_audit()
    program.audit_job.audit_file(FILE)
    window.session.close()
    assert client.stopped == [len(client.requests)]
    assert page.audit_job.subject is None


def test_how_padding_is_known_and_that_a_copy_was_audited_is_said(
    open_audit: OpenAudit, answer: Answer, failing: AuditReport
) -> None:
    _, _, page = open_audit()
    page.audit_job.start()
    about = replace(
        failing.about,
        padding_text="-1",
        padding_side="front",
        padding_from="assumed",
        copy=("TimeDistributed gives way to its layer",),
    )
    answer(replace(failing, about=about))
    assert "padded with -1, in front (assumed: nothing says what the data are padded with)" in page.head.how.text()
    assert page.head.how.text().endswith("\nThe checks ran on a copy: TimeDistributed gives way to its layer.")


def test_a_check_that_does_not_apply_is_no_open_question(
    open_audit: OpenAudit, answer: Answer, failing: AuditReport
) -> None:
    window, _, page = open_audit()
    page.audit_job.start()
    unsure = tuple(replace(each, matters=False) for each in failing.findings if each.verdict == "could not tell")
    passed = tuple(each for each in failing.findings if each.verdict == "passed")
    answer(replace(failing, findings=(*unsure, *passed)))
    assert page.head.verdict.text() == "✓ Padding is ignored: 2 of 3 checks hold, 1 does not apply"
    assert page.head.verdict.role == "holds"
    assert window.toolbar.verdict.text() == "✓ Padding is ignored: 2 of 3 checks hold"
    assert [each.check for each in page.findings] == ["DTYPE", "LOSS", "DATA"]
    page.table.go_to(2)
    assert page.details.title.text() == "– DATA does not apply"
