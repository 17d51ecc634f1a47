"""The files that the Audit page writes: the report and the repaired model."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog
from pytestqt.qtbot import QtBot

from maskscope.audit.report import AuditReport
from maskscope.worker.requests import (
    AnyResult,
    DescribeModelRequest,
    ProjectSource,
    RepairRequest,
    RepairResult,
)
from maskscope_gui.app import Program
from maskscope_gui.pages.audit.audit_page import AuditPage
from maskscope_gui.shell.main_window import MainWindow
from tests.gui.window_helpers import KEY, LEFT, Press

if TYPE_CHECKING:
    from tests.gui.conftest import ScriptedClient

CONTROL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
OpenAudit = Callable[..., tuple[MainWindow, Program, AuditPage]]
Answer = Callable[[AuditReport], None]


def select(report: AuditReport, *checks: str) -> AuditReport:
    return replace(report, findings=tuple(finding for finding in report.findings if finding.check in checks))


def test_the_report_is_saved_as_a_page(
    open_audit: OpenAudit,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    press: Press,
    answer: Answer,
    failing: AuditReport,
) -> None:
    window, _, page = open_audit()
    press(window, KEY.Key_E, modifier=CONTROL | SHIFT)
    assert "no audit report yet" in window.status_line.message.text()
    page.audit_job.start()
    answer(failing)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "audit"), ""))
    press(window, KEY.Key_E, modifier=CONTROL | SHIFT)
    text = (tmp_path / "audit.html").read_text(encoding="utf-8")
    assert all(finding.meaning in text for finding in failing.findings)
    # The report holds the model's picture, too.
    assert "Bidirectional(LSTM)" in text
    assert "audit.html" in window.status_line.message.text()
    page.write_report(tmp_path / "nowhere" / "audit.html")
    assert "can't be written" in window.notice.label.text()


def test_a_repaired_model_is_written_compared_and_opened(
    qtbot: QtBot,
    open_audit: OpenAudit,
    client: "ScriptedClient",
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    press: Press,
    answer: Answer,
    failing: AuditReport,
    receive: Callable[[AnyResult], AnyResult],
) -> None:
    window, _, page = open_audit()
    page.audit_job.start()
    answer(select(failing, "DTYPE", "LOSS", "DATA"))
    assert not page.head.repair_button.isVisible()
    press(window, KEY.Key_M, modifier=CONTROL | SHIFT)
    assert "No automatic repair is available" in window.status_line.message.text()
    page.compute()
    answer(failing)
    offered: list[str] = []

    def choose(*given: object) -> tuple[str, str]:
        offered.append(str(given[2]))
        return str(tmp_path / "mine"), ""

    monkeypatch.setattr(QFileDialog, "getSaveFileName", choose)
    qtbot.mouseClick(page.head.repair_button, LEFT)
    assert offered == [str(tmp_path / "demo-m1-repaired.keras")]
    project, model = window.session.project, window.session.model
    assert project is not None
    assert model is not None
    out = tmp_path / "mine.keras"
    source = ProjectSource(project.path)
    assert client.requests[-1] == RepairRequest(model.keras_file, source, ("remask",), out)
    client.progressed.emit(3, 0, 0, "LENGTH")
    assert page.head.note.text() == "Saving the repaired model: LENGTH…"
    # The report of the model stays on screen meanwhile.
    assert page.head.verdict.text() == "✗ 2 of 5 checks fail"
    repaired = select(failing, "DTYPE", "LOSS")
    client.done.emit(3, receive(RepairResult(repaired)))
    assert page.head.note.text() == (
        "Saved mine.keras. Before: 2 fail; after: 2 of 2 hold. Its weights are the old ones, which were trained with "
        "the fault: train it again."
    )
    assert page.head.note.role == "holds"
    # Where only TimeDistributed gave way, nothing was learnt with a fault.
    pointwise = tuple(replace(each, repair=each.repair and "plain_dense") for each in failing.findings)
    subject = page.audit_job.subject
    assert subject is not None
    page.audit_job._reports[subject.key] = replace(failing, findings=pointwise)
    page.head.refresh()
    assert page.head.note.text().endswith("Its weights are the old ones: the fault did not affect training.")
    page.audit_job._reports[subject.key] = failing
    assert page.findings[0].check == "LENGTH"
    page.head.open_button.setFocus()
    press(window, KEY.Key_Return)
    request = client.requests[-1]
    assert isinstance(request, DescribeModelRequest)
    assert request.model == out
