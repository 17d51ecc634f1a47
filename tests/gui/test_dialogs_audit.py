"""The audit's dialog: the verdict first, each finding, and the way to its token."""

import json

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from maskscope_gui.dialogs.audit_dialog import AuditDialog
from maskscope_gui.session import Session
from maskscope_gui.theme import Style


def finding(check: str, verdict: str, **more: object) -> dict[str, object]:
    names = ("deviation", "tolerance", "sentence", "position", "layer")
    return {"check": check, "verdict": verdict, "meaning": f"{check} means this.", **dict.fromkeys(names), **more}


def report(*findings: dict[str, object]) -> dict[str, str]:
    record = {"model": "model.keras", "verdict": "", "sentences": 180, "sampled": [0, 1], "findings": list(findings)}
    return {"report": json.dumps(record)}


HOLDS = finding("LENGTH", "passed", deviation=0.0, tolerance=1e-6)
FAILS = finding("COLLISIONS", "failed", deviation=1.0, tolerance=0.0, sentence=42, position=3)
UNSURE = finding("DATA", "could not tell")


@pytest.fixture
def dialog(qtbot: QtBot, style: Style, demo_session: Session, client: object) -> AuditDialog:
    shown = AuditDialog(None, style, demo_session, client)  # type: ignore[arg-type]
    qtbot.addWidget(shown)
    with qtbot.waitExposed(shown):
        shown.show()
    return shown


def test_it_asks_the_worker_for_the_model_in_use(qtbot: QtBot, dialog: AuditDialog, client) -> None:
    qtbot.keyClick(dialog, Qt.Key.Key_Return)
    assert dialog.session.project is not None
    assert dialog.session.model is not None
    expected = {"project": str(dialog.session.project.path), "model": str(dialog.session.model.keras_file)}
    assert client.requests == [("audit", expected)]
    assert dialog.auditing
    assert not dialog.run_button.isEnabled()
    client.progressed.emit(1, 1, 3, "LENGTH")
    assert dialog.bar.value() > 0
    qtbot.mouseClick(dialog.cancel_button, Qt.MouseButton.LeftButton)
    assert client.stopped == [1]
    client.cancelled.emit(1)
    assert not dialog.auditing
    assert dialog.report is None


@pytest.mark.parametrize(
    ("findings", "words"),
    [
        ((HOLDS,), "✓ Padding is ignored: 1 of 1 checks hold"),
        ((HOLDS, UNSURE), "? 1 of 2 checks hold, 1 could not tell"),
        ((HOLDS, FAILS, UNSURE), "✗ 1 of 3 checks fails: COLLISIONS"),
    ],
)
def test_the_verdict_stands_first(qtbot: QtBot, dialog: AuditDialog, client, findings, words: str) -> None:
    said = []
    dialog.progress_text.connect(said.append)
    dialog.run()
    with qtbot.waitSignal(dialog.audited):
        client.done.emit(1, report(*findings))
    assert dialog.verdict.text() == words
    assert dialog.table.rowCount() == len(findings)
    assert dialog.table.item(0, 0).text() == "LENGTH"
    assert dialog.table.item(0, 1).text() == "✓ holds"
    assert dialog.table.item(0, 2).text() == "0"
    assert dialog.table.item(0, 3).text() == "1e-06"
    assert said[-1] == ""


def test_a_finding_leads_to_its_token_by_mouse_and_by_key(qtbot: QtBot, dialog: AuditDialog, client) -> None:
    dialog.run()
    client.done.emit(1, report(HOLDS, FAILS))
    places: list[tuple[int, int]] = []
    dialog.place_chosen.connect(lambda *place: places.append(place))

    def click(row: int) -> None:
        where = dialog.table.visualItemRect(dialog.table.item(row, 0)).center()
        qtbot.mouseClick(dialog.table.viewport(), Qt.MouseButton.LeftButton, pos=where)

    click(0)
    assert places == []
    click(1)
    assert places == [(42, 3)]
    qtbot.keyClick(dialog.table, Qt.Key.Key_Return)
    assert places == [(42, 3), (42, 3)]
    assert not dialog.auditing
    assert "sentence 42, position 3" in dialog.table.item(1, 4).text()


def test_a_failure_is_one_sentence_and_can_be_tried_again(qtbot: QtBot, dialog: AuditDialog, client) -> None:
    dialog.run()
    client.failed.emit(1, "The worker process crashed.")
    assert dialog.about.text() == "The worker process crashed."
    assert dialog.run_button.isEnabled()
    dialog.run()
    client.done.emit(2, {"report": "no json"})
    assert "no report that can be read" in dialog.about.text()
    client.done.emit(2, report(HOLDS))
    assert dialog.report is None


def test_another_model_has_not_been_audited(qtbot: QtBot, dialog: AuditDialog, client, session: Session) -> None:
    dialog.run()
    client.done.emit(1, report(HOLDS))
    assert dialog.report is not None
    dialog.session.show_class(None)
    assert dialog.report is not None
    dialog.session.close()
    assert dialog.report is None
    assert "no model to audit" in dialog.verdict.text()
    assert not dialog.run_button.isEnabled()


def test_without_a_model_nothing_is_asked(qtbot: QtBot, style: Style, session: Session, client) -> None:
    shown = AuditDialog(None, style, session, client)
    qtbot.addWidget(shown)
    shown.run()
    assert client.requests == []
    assert "no model to audit yet" in shown.verdict.text()
