"""The Audit page: the verdict, the details of each finding, and the way to its token and its layer."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor
from pytestqt.qtbot import QtBot

from maskscope.audit.report import AuditReport
from maskscope.worker.requests import (
    AnyResult,
    AuditRequest,
    AuditResult,
    ProjectSource,
)
from maskscope_gui.app import Program
from maskscope_gui.background.audit_job import AuditJob
from maskscope_gui.pages.audit.audit_page import AuditPage
from maskscope_gui.pages.audit.deviation_scale import decades_above, tolerance_share
from maskscope_gui.session.session import Session
from maskscope_gui.settings import Settings
from maskscope_gui.shell.main_window import MainWindow
from maskscope_gui.theme.theme import Style
from tests.gui.window_helpers import KEY, LEFT, Press

if TYPE_CHECKING:
    from tests.gui.conftest import ScriptedClient

CONTROL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
SENTENCE, LENGTH = 67, 14
"""Where the failing report found LENGTH, at position 13, and the tokens of that sentence."""

OpenAudit = Callable[..., tuple[MainWindow, Program, AuditPage]]
Answer = Callable[[AuditReport], None]


def select(report: AuditReport, *checks: str) -> AuditReport:
    return replace(report, findings=tuple(finding for finding in report.findings if finding.check in checks))


def checks_of(page: AuditPage) -> list[str]:
    return [finding.check for finding in page.findings]


def test_an_audit_is_started_shows_its_progress_and_can_be_cancelled(
    qtbot: QtBot,
    open_audit: OpenAudit,
    client: "ScriptedClient",
    press: Press,
    failing: AuditReport,
    receive: Callable[[AnyResult], AnyResult],
) -> None:
    window, _, page = open_audit()
    assert window.pages.current == "audit"
    assert "has not been audited yet" in page.head.verdict.text()
    assert page.head.run_button.hasFocus()
    press(window, KEY.Key_Return)
    project, model = window.session.project, window.session.model
    assert project is not None
    assert model is not None
    assert client.requests == [AuditRequest(model.keras_file, ProjectSource(project.path))]
    assert page.busy
    client.progressed.emit(1, 1, 3, "LENGTH")
    assert page.head.bar.isVisible()
    assert 0 < page.head.bar.value() < page.head.bar.maximum()
    assert "LENGTH" in page.head.note.text()
    assert "LENGTH" in window.status_line.work.text()
    press(window, KEY.Key_Escape)
    assert client.stopped == [1]
    client.cancelled.emit(1)
    assert not page.busy
    assert window.status_line.work.text() == ""
    assert "Cancelled" in page.head.note.text()
    # A late result of the cancelled audit is ignored.
    client.done.emit(1, receive(AuditResult(failing)))
    assert page.findings == []
    press(window, KEY.Key_1, modifier=CONTROL)
    press(window, KEY.Key_P, modifier=CONTROL)
    assert window.pages.current == "audit"
    assert len(client.requests) == 2
    client.failed.emit(2, "the worker process crashed.")
    assert page.head.note.text().startswith("The worker process crashed.")
    assert page.head.run_button.isVisible()
    qtbot.mouseClick(page.head.run_button, LEFT)
    assert len(client.requests) == 3


@pytest.mark.parametrize(
    ("checks", "verdict", "button", "role"),
    [
        (("DTYPE", "LOSS"), "✓ Padding is ignored: 2 of 2 checks hold", "verdict_holds", "holds"),
        (("DTYPE", "LOSS", "DATA"), "? 2 of 3 checks hold, 1 could not tell", "", "collision"),
        (("DTYPE", "LOSS", "DATA", "LENGTH", "GRADIENT"), "✗ 2 of 5 checks fail", "verdict_fails", "fails"),
    ],
)
def test_the_verdict_is_first(
    open_audit: OpenAudit,
    client: "ScriptedClient",
    checks: tuple[str, ...],
    verdict: str,
    button: str,
    role: str,
    press: Press,
    answer: Answer,
    failing: AuditReport,
) -> None:
    window, _, page = open_audit()
    press(window, KEY.Key_P, modifier=CONTROL)
    answer(select(failing, *checks))
    assert page.head.verdict.text() == verdict
    assert page.head.verdict.role == role
    assert window.toolbar.verdict.text() == verdict
    assert window.toolbar.verdict.objectName() == button
    for part in ("BiLSTM 10 (m1)", "32 of 200 sentences sampled", "padded with 0", "cross-entropy, assumed", "4.2 s"):
        assert part in page.head.how.text()
    # A second Ctrl+P shows the report; only Ctrl+R audits again.
    press(window, KEY.Key_P, modifier=CONTROL)
    assert len(client.requests) == 1
    press(window, KEY.Key_R, modifier=CONTROL)
    assert len(client.requests) == 2
    assert "Auditing" in page.head.verdict.text()


def test_findings_are_chosen_by_key_and_show_their_deviation(
    qtbot: QtBot, open_audit: OpenAudit, press: Press, answer: Answer, failing: AuditReport
) -> None:
    window, _, page = open_audit(1920)
    page.audit_job.start()
    answer(failing)
    assert checks_of(page) == ["LENGTH", "GRADIENT", "DATA", "DTYPE", "LOSS"]
    assert page.table.hasFocus()
    titles = [column.title for column in page.table.columns]
    row = [page.table._cell_of(0, place).text for place in range(len(titles))]
    assert dict(zip(titles, row, strict=True)) == {
        "": "✗", "check": "LENGTH", "deviation": "0.032", "tolerance": "10⁻⁶", "log scale": ""
    }  # fmt: skip
    assert "32,000 times the tolerance" in page.details.deviation.text()
    assert page.details.advice.text().startswith("To repair: pass the mask round Conv1D")
    # The bar of a failed check is longer than the tolerance, that of a passed one is shorter.
    image = page.table.grab().toImage()
    left, width = page.table._column_places()[-1]
    fails, holds = (QColor(getattr(window.look.theme, role)) for role in ("fails", "holds"))

    def length(row: int, ink: QColor) -> int:
        y = page.table.row_box(row).center().y() + 2
        return sum(image.pixelColor(x, y) == ink for x in range(left, left + width))

    mark = (width - window.look.px(10)) * tolerance_share(decades_above([(3.2e-2, 1e-6)]))
    assert length(0, fails) > mark > length(4, holds) > 0
    press(window, KEY.Key_Down)
    # The deviation was infinite, which JSON can't store.
    assert page.details.title.text() == "✗ GRADIENT fails"
    assert "not a finite number" in page.details.deviation.text()
    assert not page.details.strip.isVisible()
    press(window, KEY.Key_End)
    assert page.details.title.text() == "✓ LOSS holds"
    qtbot.mouseClick(page.table.viewport(), LEFT, pos=page.table.row_box(2).center())
    assert page.details.title.text() == "? DATA could not tell"
    assert page.details.meaning.text() == select(failing, "DATA").findings[0].meaning


def test_a_finding_leads_to_its_token_and_its_layer(
    qtbot: QtBot, open_audit: OpenAudit, press: Press, answer: Answer, failing: AuditReport
) -> None:
    window, _, page = open_audit(1920)
    page.audit_job.start()
    answer(failing)
    session = window.session
    session.cursor.reveal(3)
    assert page.details.to_place.text() == f"Show sentence {SENTENCE}, position 13"
    press(window, KEY.Key_Return)
    assert (session.cursor.sentence, session.cursor.position, window.pages.current) == (SENTENCE, 13, "sentence")
    press(window, KEY.Key_5, modifier=CONTROL)
    assert page.table.hasFocus()
    assert page.details.to_layer.text() == "Show layer conv1d"
    assert page.picture._canvas.chosen == {"conv1d"}
    assert page.picture._canvas.faulty == {"conv1d": "Faulty layer: LENGTH, GRADIENT"}
    # Clicks on a faulty layer choose its findings one after the other; clicks on other layers do nothing.
    canvas = page.picture._canvas
    page.table.go_to(4)

    def click(name: str) -> None:
        box = page.picture.box_of(name)
        assert box is not None
        qtbot.mouseClick(canvas, LEFT, pos=box.center().toPoint())

    click("conv1d")
    assert page.table.row == 0
    click("conv1d")
    assert page.table.row == 1
    click("masking")
    assert page.table.row == 1
    assert page.picture.area.hasFocus()
    press(window, KEY.Key_Space)
    assert page.table.hasFocus()
    # In the evidence, Enter shows the position under its cursor; at padding, the last token.
    page.table.go_to(0)
    page.details.strip.setFocus()
    press(window, KEY.Key_End, KEY.Key_Return)
    assert (session.cursor.sentence, session.cursor.position, window.pages.current) == (
        SENTENCE,
        LENGTH - 1,
        "sentence",
    )


@pytest.mark.parametrize("width", [1280, 800])
def test_with_less_room_the_picture_takes_the_place_of_the_details(
    qtbot: QtBot, open_audit: OpenAudit, width: int, press: Press, answer: Answer, failing: AuditReport
) -> None:
    window, _, page = open_audit(width)
    page.audit_job.start()
    answer(failing)
    assert page.details.isVisible()
    assert not page.columns.picture_part.isVisible()
    press(window, KEY.Key_Space)
    assert page.columns.picture_part.isVisible()
    assert not page.details.isVisible()
    assert page.table.hasFocus()
    press(window, KEY.Key_Down)
    assert page.picture._canvas.chosen == {"conv1d"}
    qtbot.mouseClick(page.columns.back, LEFT)
    assert page.details.title.isVisible()
    assert page.details.title.text() == "✗ GRADIENT fails"
    inner = page.details.widget()
    assert inner is not None
    assert inner.minimumSizeHint().width() <= page.details.viewport().width()


def test_the_sizes_of_its_parts_are_remembered(
    qtbot: QtBot, open_audit: OpenAudit, answer: Answer, failing: AuditReport
) -> None:
    window, program, page = open_audit()
    page.audit_job.start()
    answer(failing)
    handle = page.columns.handle(1)
    start = handle.rect().center()
    qtbot.mousePress(handle, LEFT, pos=start)
    qtbot.mouseMove(handle, start + QPoint(40, 0))
    qtbot.mouseRelease(handle, LEFT, pos=start + QPoint(40, 0))
    width = page.columns.sizes()[0]
    assert width != window.look.px(300)
    other = AuditPage(window.session, program.audit_job, window.settings, window.look)
    qtbot.addWidget(other)
    other.resize(page.size())
    with qtbot.waitExposed(other):
        other.show()
    assert other.columns.sizes()[0] == width


def test_each_model_keeps_its_report(
    qtbot: QtBot,
    open_audit: OpenAudit,
    client: "ScriptedClient",
    adopt: Callable[..., str],
    press: Press,
    answer: Answer,
    failing: AuditReport,
    receive: Callable[[AnyResult], AnyResult],
) -> None:
    window, program, page = open_audit()
    session = window.session
    page.audit_job.start()
    answer(failing)
    assert "✗ the audit fails: 2 checks" in window.padding.audit.text()
    assert window.padding.audit.isVisible()
    session.show_class(None)
    assert page.findings
    assert session.scores is not None
    other = adopt(session.project, session.scores)
    session.use_model(other)
    assert page.findings == []
    assert page.head.verdict.text() == "BiLSTM 3 has not been audited yet"
    assert "Audit the padding" in window.toolbar.verdict.text()
    assert not window.padding.audit.isVisible()
    press(window, KEY.Key_P, modifier=CONTROL)
    # Another model comes into use during an audit: the audit is cancelled, and its result ignored.
    session.use_model("m1")
    assert client.stopped == [2]
    client.done.emit(2, receive(AuditResult(select(failing, "DTYPE", "LOSS"))))
    assert page.head.verdict.text() == "✗ 2 of 5 checks fail"
    assert window.toolbar.verdict.objectName() == "verdict_fails"
    press(window, KEY.Key_1, modifier=CONTROL)
    qtbot.mouseClick(window.padding.audit, LEFT)
    assert window.pages.current == "audit"
    session.close()
    assert program.audit_job.report is None


def test_without_a_model_the_page_says_how_to_get_one(
    qtbot: QtBot, session: Session, style: Style, client: "ScriptedClient"
) -> None:
    page = AuditPage(session, AuditJob(session, client), Settings(), style)
    qtbot.addWidget(page)
    with qtbot.waitExposed(page):
        page.show()
    page.compute()
    assert client.requests == []
    assert page.head.verdict.text() == "There is no model to audit yet"
    assert "Ctrl+T" in page.head.how.text()
    session.close()
    assert page.head.verdict.text() == "No project is open"
