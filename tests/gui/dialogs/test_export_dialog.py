"""File > Export: format, labels and sentences are chosen; the file is read back before success is reported."""

import json
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractButton
from pytestqt.qtbot import QtBot

from maskscope.project import Project
from maskscope.workflows.demo import write_demo
from maskscope_gui.dialogs.export_dialog import Choices, ExportDialog
from maskscope_gui.session.session import Session
from maskscope_gui.theme.theme import Style


def opened(qtbot: QtBot, style: Style, session: Session, file: Path) -> ExportDialog:
    dialog = ExportDialog(None, style, session)
    qtbot.addWidget(dialog)
    with qtbot.waitExposed(dialog):
        dialog.show()
    dialog.file.selectAll()
    qtbot.keyClicks(dialog.file, str(file))
    return dialog


def choice(choices: Choices, place: int) -> QAbstractButton:
    button = choices.group.button(place)
    assert button is not None
    return button


def click(qtbot: QtBot, choices: Choices, place: int) -> None:
    # On the circle: a radio button is wider than what reacts.
    button = choice(choices, place)
    where = button.rect().center()
    where.setX(8)
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton, pos=where)


def until_written(qtbot: QtBot, dialog: ExportDialog) -> None:
    qtbot.waitUntil(lambda: not dialog.exporting, timeout=10_000)
    qtbot.wait(10)


def test_enter_writes_the_edited_labels_and_shows_the_outcome(
    qtbot: QtBot, style: Style, session: Session, tmp_path: Path
) -> None:
    session.cursor.select(3)
    session.editing.set_label(1)
    dialog = opened(qtbot, style, session, tmp_path / "out.conll")
    qtbot.keyClick(dialog.file, Qt.Key.Key_Return)
    until_written(qtbot, dialog)
    assert dialog.outcome.text() == "✓ exported 4 sentences to out.conll, read back and compared"
    assert dialog.result_path == tmp_path / "out.conll"
    sentences = (tmp_path / "out.conll").read_text(encoding="utf-8").strip().split("\n\n")
    assert sentences[3] == "nothing\tname\nhappened\tnone"
    # The button that closes is the one that Enter presses now.
    qtbot.keyClick(dialog, Qt.Key.Key_Return)
    assert not dialog.isVisible()


def test_gold_labels_are_written_without_edits(qtbot: QtBot, style: Style, session: Session, tmp_path: Path) -> None:
    session.cursor.select(3)
    session.editing.set_label(1)
    dialog = opened(qtbot, style, session, tmp_path / "gold.conll")
    click(qtbot, dialog.labels, 1)
    qtbot.mouseClick(dialog.export_button, Qt.MouseButton.LeftButton)
    until_written(qtbot, dialog)
    text = (tmp_path / "gold.conll").read_text(encoding="utf-8")
    assert text.strip().endswith("nothing\tnone\nhappened\tnone")


def test_only_accepted_sentences_are_written(qtbot: QtBot, style: Style, session: Session, tmp_path: Path) -> None:
    dialog = ExportDialog(None, style, session)
    qtbot.addWidget(dialog)
    assert not choice(dialog.which, 1).isEnabled()
    assert "No sentence is accepted" in dialog.which.notes[1].text()
    session.cursor.select(1)
    session.editing.accept()
    dialog = opened(qtbot, style, session, tmp_path / "reviewed.jsonl")
    assert choice(dialog.which, 1).text().replace("&", "") == "Only the 1 reviewed"
    click(qtbot, dialog.format, 1)
    click(qtbot, dialog.which, 1)
    qtbot.mouseClick(dialog.export_button, Qt.MouseButton.LeftButton)
    until_written(qtbot, dialog)
    assert dialog.outcome.text().startswith("✓ exported 1 sentence to")
    (line,) = (tmp_path / "reviewed.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["tokens"] == ["She", "read", "Middlemarch"]


def test_predictions_need_a_model_that_has_scored(
    qtbot: QtBot, style: Style, session: Session, demo_session: Session, tmp_path: Path
) -> None:
    dialog = opened(qtbot, style, session, tmp_path / "a.conll")
    assert not choice(dialog.labels, 2).isEnabled()
    assert "no model yet" in dialog.labels.notes[2].text()
    dialog = opened(qtbot, style, demo_session, tmp_path / "predicted.jsonl")
    assert choice(dialog.labels, 2).isEnabled()
    click(qtbot, dialog.labels, 2)
    click(qtbot, dialog.format, 1)
    qtbot.mouseClick(dialog.export_button, Qt.MouseButton.LeftButton)
    until_written(qtbot, dialog)
    lines = (tmp_path / "predicted.jsonl").read_text(encoding="utf-8").splitlines()
    assert demo_session.project is not None
    assert len(lines) == demo_session.project.n_sentences
    first = json.loads(lines[0])
    assert first["labels"] == first["predicted"]


def test_scores_that_are_in_memory_only_stop_no_export(qtbot: QtBot, style: Style, tmp_path: Path) -> None:
    demo = write_demo(tmp_path / "demo.maskscope")
    with Project.open(demo) as holder:
        scores = np.array(holder.models.scores("m1"))
        for file in (demo / "scores").iterdir():
            file.unlink()
        session = Session()
        session.open(demo)
        assert not session.writable
        session.set_scores("m1", scores)
        assert session.scores is not None
        dialog = opened(qtbot, style, session, tmp_path / "edited.jsonl")
        assert not choice(dialog.labels, 2).isEnabled()
        assert "read-only" in dialog.labels.notes[2].text()
        click(qtbot, dialog.format, 1)
        qtbot.mouseClick(dialog.export_button, Qt.MouseButton.LeftButton)
        until_written(qtbot, dialog)
        assert dialog.outcome.text().startswith("✓ exported 200 sentences")
        session.close()


def test_the_suffix_follows_the_format_and_each_lists_what_it_does_not_include(
    qtbot: QtBot, style: Style, session: Session, tmp_path: Path
) -> None:
    dialog = opened(qtbot, style, session, tmp_path / "out.conll")
    assert all(note.text().startswith("Not included: ") for note in dialog.format.notes)
    click(qtbot, dialog.format, 1)
    assert dialog.target() == tmp_path / "out.jsonl"
    click(qtbot, dialog.format, 0)
    assert dialog.target() == tmp_path / "out.conll"
    dialog.file.setText(str(tmp_path / "out.data"))
    click(qtbot, dialog.format, 1)
    assert dialog.target() == tmp_path / "out.data"


@pytest.mark.parametrize(
    ("name", "words"), [("", "Name the file"), ("nowhere/out.conll", "no such folder"), (".", "That is a folder")]
)
def test_an_impossible_file_is_refused_next_to_its_field(
    qtbot: QtBot, style: Style, session: Session, tmp_path: Path, name: str, words: str
) -> None:
    dialog = opened(qtbot, style, session, tmp_path / "x.conll")
    dialog.file.setText(str(tmp_path / name) if name else "")
    qtbot.keyClick(dialog.file, Qt.Key.Key_Return)
    assert words in dialog.file_field.error
    assert not dialog.exporting
    assert dialog.isVisible()


def test_an_existing_file_is_replaced_with_a_warning(
    qtbot: QtBot, style: Style, session: Session, tmp_path: Path
) -> None:
    (tmp_path / "old.conll").write_text("old", encoding="utf-8")
    dialog = opened(qtbot, style, session, tmp_path / "old.conll")
    assert "it is replaced" in dialog.file_field.note.text()
    qtbot.keyClick(dialog.file, Qt.Key.Key_Return)
    until_written(qtbot, dialog)
    assert "Lisbon\tname" in (tmp_path / "old.conll").read_text(encoding="utf-8")


def test_escape_cancels_and_leaves_the_old_file(
    qtbot: QtBot, style: Style, demo_session: Session, tmp_path: Path
) -> None:
    (tmp_path / "old.conll").write_text("old", encoding="utf-8")
    dialog = opened(qtbot, style, demo_session, tmp_path / "old.conll")
    before = sorted(path.name for path in tmp_path.iterdir())
    qtbot.keyClick(dialog.file, Qt.Key.Key_Return)
    assert dialog.exporting
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    until_written(qtbot, dialog)
    assert dialog.isVisible()
    if dialog.result_path is None:
        assert "Cancelled" in dialog.outcome.text()
        assert (tmp_path / "old.conll").read_text(encoding="utf-8") == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    assert not dialog.isVisible()
