"""The Audit page: the verdict, the details of each finding, and the way to its token and its layer."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QApplication, QFileDialog, QWidget
from pytestqt.qtbot import QtBot

from maskscope.audit.report import About, AuditReport, Evidence, Finding
from maskscope.keras_io.model_graph import GraphEdge, GraphNode, MaskState, ModelGraph, NodeKind
from maskscope.worker.protocol import Done, decode_from_worker, encode
from maskscope.worker.requests import (
    AnyResult,
    AuditRequest,
    AuditResult,
    OpenModelRequest,
    ProjectSource,
    RepairRequest,
    RepairResult,
)
from maskscope.workflows.demo import write_demo
from maskscope_gui.app import Program
from maskscope_gui.background.audit_job import AuditJob
from maskscope_gui.pages.audit.audit_page import AuditPage
from maskscope_gui.pages.audit.deviation_scale import decades_above, tolerance_share
from maskscope_gui.session.session import Session
from maskscope_gui.settings import Settings
from maskscope_gui.shell.main_window import MainWindow
from maskscope_gui.theme.theme import Style

if TYPE_CHECKING:
    from tests.gui.conftest import ScriptedClient

KEY = Qt.Key
CONTROL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
LEFT = Qt.MouseButton.LeftButton
SENTENCE, LENGTH = 67, 14
"""Of the demo: its token 13 is the variation selector U+FE0F, which is a collision."""


def node(name: str, class_name: str, mask: MaskState, kind: NodeKind = "layer") -> GraphNode:
    return GraphNode(name, class_name, "(B, T, 20)", 1760, kind, mask, mask)


GRAPH = ModelGraph(
    "model.keras",
    (
        node("embeddings", "InputLayer", "none", "input"),
        node("masking", "Masking", "same"),
        node("conv1d", "Conv1D", "none"),
        node("bidirectional", "Bidirectional(LSTM)", "none"),
        node("probabilities", "Dense", "none", "output"),
    ),
    (
        GraphEdge("embeddings", "masking", "none", False, "no mask yet"),
        GraphEdge("masking", "conv1d", "same", False, "mask"),
        GraphEdge("conv1d", "bidirectional", "none", True, "no mask"),
        GraphEdge("bidirectional", "probabilities", "none", True, "no mask"),
    ),
)
REAL = tuple(place < LENGTH for place in range(LENGTH + 7))
CHANGES = [3.2e-2 / 4 ** abs(place - 13) if place < LENGTH else 0.0 for place in range(LENGTH + 7)]
FAILED = (
    Finding(
        "LENGTH",
        "failed",
        "Adding 7 padded positions moves the probability of a real token by 0.032, so the tagger depends on padding.",
        3.2e-2,
        1e-6,
        SENTENCE,
        13,
        "conv1d",
        "pass the mask round Conv1D, or set padded positions to 0 after it",
        "remask",
        Evidence.of(
            SENTENCE,
            REAL,
            [
                ("mask after conv1d", "mask", [1.0] * len(REAL)),
                ("change with 7 more padded positions", "change", CHANGES),
                ("probability without more padding", "value", [0.1 + 0.03 * place for place in range(len(REAL))]),
            ],
            13,
        ),
    ),
    Finding("GRADIENT", "failed", "A gradient at padding is no number.", math.inf, 0.0, None, None, "conv1d"),
)
PASSED = (
    Finding("DTYPE", "passed", "The mask after the cast is the mask before it.", 0.0, 0.0),
    Finding("LOSS", "passed", "Padding does not enter the loss.", 8.7e-8, 1e-5),
)
UNSURE = Finding("DATA", "could not tell", "The lengths were inferred from zeros, so nothing can be held against them.")
ABOUT = About(loss="binary cross-entropy", seconds=4.2)


def report(*findings: Finding, graph: ModelGraph | None = GRAPH, about: About = ABOUT) -> AuditReport:
    return AuditReport("model.keras", 200, tuple(range(32)), findings, about, graph)


FAILING = report(*PASSED, UNSURE, *FAILED)
"""As the worker gives them: in the order of the checks, the failed ones last."""

OpenAudit = Callable[..., tuple[MainWindow, Program, AuditPage]]


@pytest.fixture
def open_audit(qtbot: QtBot, tmp_path: Path, client: "ScriptedClient") -> Iterator[OpenAudit]:
    """The window on the demo, with the Audit page open by its key."""
    opened: list[MainWindow] = []

    def open_one(width: int = 1440) -> tuple[MainWindow, Program, AuditPage]:
        program = Program(client=client)
        window = program.window
        opened.append(window)
        window.resize(width, 900)
        assert program.projects.open(write_demo(tmp_path / "demo.maskscope"))
        window.show()
        window.activateWindow()
        qtbot.waitUntil(window.isActiveWindow)
        press(qtbot, window, KEY.Key_5, modifier=CONTROL)
        page = window.pages.made["audit"]
        assert isinstance(page, AuditPage)
        return window, program, page

    yield open_one
    for window in opened:
        window.close()
        window.session.close()
        window.deleteLater()


def press(
    qtbot: QtBot, window: QWidget, *keys: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier
) -> None:
    """Press keys in the widget that has the focus, as a keyboard does."""
    for key in keys:
        qtbot.keyClick(QApplication.focusWidget() or window, key, modifier)


def received(result: AnyResult) -> AnyResult:
    """The result as it arrives from the worker, where an infinite deviation is None."""
    done = decode_from_worker(encode(Done(1, result)))
    assert isinstance(done, Done)
    return done.result


def answer(client: "ScriptedClient", found: AuditReport) -> None:
    client.done.emit(len(client.requests), received(AuditResult(found)))


def checks_of(page: AuditPage) -> list[str]:
    return [finding.check for finding in page.findings]


def test_an_audit_is_started_shows_its_progress_and_can_be_cancelled(
    qtbot: QtBot, open_audit: OpenAudit, client: "ScriptedClient"
) -> None:
    window, _, page = open_audit()
    assert window.pages.current == "audit"
    assert "has not been audited yet" in page.head.verdict.text()
    assert page.head.run_button.hasFocus()
    press(qtbot, window, KEY.Key_Return)
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
    press(qtbot, window, KEY.Key_Escape)
    assert client.stopped == [1]
    client.cancelled.emit(1)
    assert not page.busy
    assert window.status_line.work.text() == ""
    assert "Stopped" in page.head.note.text()
    # A late result of the cancelled audit is ignored.
    client.done.emit(1, received(AuditResult(FAILING)))
    assert page.findings == []
    press(qtbot, window, KEY.Key_1, modifier=CONTROL)
    press(qtbot, window, KEY.Key_P, modifier=CONTROL)
    assert window.pages.current == "audit"
    assert len(client.requests) == 2
    client.failed.emit(2, "the worker process crashed.")
    assert page.head.note.text().startswith("The worker process crashed.")
    assert page.head.run_button.isVisible()
    qtbot.mouseClick(page.head.run_button, LEFT)
    assert len(client.requests) == 3


@pytest.mark.parametrize(
    ("findings", "verdict", "button", "role"),
    [
        (PASSED, "✓ Padding is ignored: 2 of 2 checks hold", "verdict_holds", "holds"),
        ((*PASSED, UNSURE), "? 2 of 3 checks hold, 1 could not tell", "", "collision"),
        ((*PASSED, UNSURE, *FAILED), "✗ 2 of 5 checks fail", "verdict_fails", "fails"),
    ],
)
def test_the_verdict_stands_first(
    qtbot: QtBot,
    open_audit: OpenAudit,
    client: "ScriptedClient",
    findings: tuple[Finding, ...],
    verdict: str,
    button: str,
    role: str,
) -> None:
    window, _, page = open_audit()
    press(qtbot, window, KEY.Key_P, modifier=CONTROL)
    answer(client, report(*findings))
    assert page.head.verdict.text() == verdict
    assert page.head.verdict.role == role
    assert window.toolbar.verdict.text() == verdict
    assert window.toolbar.verdict.objectName() == button
    for part in ("BiLSTM 10 (m1)", "32 of 200 sentences sampled", "padded with 0", "cross-entropy, assumed", "4.2 s"):
        assert part in page.head.how.text()
    # A second Ctrl+P shows the report; only Ctrl+R audits again.
    press(qtbot, window, KEY.Key_P, modifier=CONTROL)
    assert len(client.requests) == 1
    press(qtbot, window, KEY.Key_R, modifier=CONTROL)
    assert len(client.requests) == 2
    assert "Auditing" in page.head.verdict.text()


def test_findings_are_chosen_by_key_and_tell_their_deviation(
    qtbot: QtBot, open_audit: OpenAudit, client: "ScriptedClient"
) -> None:
    window, _, page = open_audit(1920)
    page.audit_job.start()
    answer(client, FAILING)
    assert checks_of(page) == ["LENGTH", "GRADIENT", "DATA", "DTYPE", "LOSS"]
    assert page.table.hasFocus()
    titles = [column.title for column in page.table.columns]
    row = [page.table._cell_of(0, place).text for place in range(len(titles))]
    assert dict(zip(titles, row, strict=True)) == {
        "": "✗", "check": "LENGTH", "deviation": "0.032", "tolerance": "1e-06", "log scale": ""
    }  # fmt: skip
    assert "32,000 times the tolerance" in page.details.deviation.text()
    assert page.details.advice.text().startswith("Smallest change: pass the mask round Conv1D")
    # The bar of a failed check is longer than the tolerance, that of a passed one is shorter.
    image = page.table.grab().toImage()
    left, width = page.table._places()[-1]
    fails, holds = (QColor(getattr(window.look.theme, role)) for role in ("fails", "holds"))

    def length(row: int, ink: QColor) -> int:
        y = page.table.row_box(row).center().y() + 2
        return sum(image.pixelColor(x, y) == ink for x in range(left, left + width))

    mark = (width - window.look.px(10)) * tolerance_share(decades_above([(3.2e-2, 1e-6)]))
    assert length(0, fails) > mark > length(4, holds) > 0
    press(qtbot, window, KEY.Key_Down)
    # The deviation was infinite, which JSON can't store.
    assert page.details.title.text() == "✗ GRADIENT fails"
    assert "not a finite number" in page.details.deviation.text()
    assert not page.details.strip.isVisible()
    press(qtbot, window, KEY.Key_End)
    assert page.details.title.text() == "✓ LOSS holds"
    qtbot.mouseClick(page.table.viewport(), LEFT, pos=page.table.row_box(2).center())
    assert page.details.title.text() == "? DATA could not tell"
    assert page.details.meaning.text() == UNSURE.meaning


def test_a_finding_leads_to_its_token_and_its_layer(
    qtbot: QtBot, open_audit: OpenAudit, client: "ScriptedClient"
) -> None:
    window, _, page = open_audit(1920)
    page.audit_job.start()
    answer(client, FAILING)
    session = window.session
    session.cursor.reveal(3)
    assert page.details.to_place.text() == f"Show sentence {SENTENCE}, position 13"
    press(qtbot, window, KEY.Key_Return)
    assert (session.cursor.sentence, session.cursor.position, window.pages.current) == (SENTENCE, 13, "sentence")
    press(qtbot, window, KEY.Key_5, modifier=CONTROL)
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
    press(qtbot, window, KEY.Key_Space)
    assert page.table.hasFocus()
    # In the evidence, Enter shows the position under its cursor; at padding, the last token.
    page.table.go_to(0)
    page.details.strip.setFocus()
    press(qtbot, window, KEY.Key_End, KEY.Key_Return)
    assert (session.cursor.sentence, session.cursor.position, window.pages.current) == (
        SENTENCE,
        LENGTH - 1,
        "sentence",
    )


@pytest.mark.parametrize("width", [1280, 800])
def test_with_less_room_the_picture_takes_the_place_of_the_details(
    qtbot: QtBot, open_audit: OpenAudit, client: "ScriptedClient", width: int
) -> None:
    window, _, page = open_audit(width)
    page.audit_job.start()
    answer(client, FAILING)
    assert page.details.isVisible()
    assert not page.columns.picture_part.isVisible()
    press(qtbot, window, KEY.Key_Space)
    assert page.columns.picture_part.isVisible()
    assert not page.details.isVisible()
    assert page.table.hasFocus()
    press(qtbot, window, KEY.Key_Down)
    assert page.picture._canvas.chosen == {"conv1d"}
    qtbot.mouseClick(page.columns.back, LEFT)
    assert page.details.title.isVisible()
    assert page.details.title.text() == "✗ GRADIENT fails"
    inner = page.details.widget()
    assert inner is not None
    assert inner.minimumSizeHint().width() <= page.details.viewport().width()


def test_the_sizes_of_its_parts_are_remembered(qtbot: QtBot, open_audit: OpenAudit, client: "ScriptedClient") -> None:
    window, program, page = open_audit()
    page.audit_job.start()
    answer(client, FAILING)
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
    qtbot: QtBot, open_audit: OpenAudit, client: "ScriptedClient", adopt: Callable[..., str]
) -> None:
    window, program, page = open_audit()
    session = window.session
    page.audit_job.start()
    answer(client, FAILING)
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
    press(qtbot, window, KEY.Key_P, modifier=CONTROL)
    # Another model comes into use during an audit: the audit is cancelled, and its result ignored.
    session.use_model("m1")
    assert client.stopped == [2]
    client.done.emit(2, received(AuditResult(report(*PASSED))))
    assert page.head.verdict.text() == "✗ 2 of 5 checks fail"
    assert window.toolbar.verdict.objectName() == "verdict_fails"
    press(qtbot, window, KEY.Key_1, modifier=CONTROL)
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


def test_the_report_is_saved_as_a_page(
    qtbot: QtBot, open_audit: OpenAudit, client: "ScriptedClient", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window, _, page = open_audit()
    press(qtbot, window, KEY.Key_E, modifier=CONTROL | SHIFT)
    assert "no audit report yet" in window.status_line.message.text()
    page.audit_job.start()
    answer(client, FAILING)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "audit"), ""))
    press(qtbot, window, KEY.Key_E, modifier=CONTROL | SHIFT)
    text = (tmp_path / "audit.html").read_text(encoding="utf-8")
    assert all(finding.meaning in text for finding in FAILING.findings)
    # The report holds the model's picture, too.
    assert "Bidirectional(LSTM)" in text
    assert "audit.html" in window.status_line.message.text()
    page.write_report(tmp_path / "nowhere" / "audit.html")
    assert "can't be written" in window.notice.label.text()


def test_a_repaired_model_is_written_compared_and_opened(
    qtbot: QtBot, open_audit: OpenAudit, client: "ScriptedClient", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    window, _, page = open_audit()
    page.audit_job.start()
    answer(client, report(*PASSED, UNSURE))
    assert not page.head.repair_button.isVisible()
    press(qtbot, window, KEY.Key_M, modifier=CONTROL | SHIFT)
    assert "No automatic repair is available" in window.status_line.message.text()
    page.compute()
    answer(client, FAILING)
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
    repaired = replace(FAILING, findings=PASSED)
    client.done.emit(3, received(RepairResult(repaired)))
    assert page.head.note.text() == (
        "Saved mine.keras. Before: 2 fail; after: 2 of 2 hold. Its weights were trained with the fault: train it again."
    )
    assert page.head.note.role == "holds"
    assert page.findings[0].check == "LENGTH"
    page.head.open_button.setFocus()
    press(qtbot, window, KEY.Key_Return)
    request = client.requests[-1]
    assert isinstance(request, OpenModelRequest)
    assert request.model == out
