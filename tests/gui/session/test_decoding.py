"""Decoded spans and ignored tokens: what the window shows, and what keys do to them."""

from collections.abc import Callable
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QAbstractScrollArea
from pytestqt.qtbot import QtBot

from maskscope.exporters import formats
from maskscope.project import Project
from maskscope.readers import ReadOptions
from maskscope.types import NO_EDIT, NO_LABEL, Floats, TagScheme
from maskscope.workflows.export import export_project
from maskscope.workflows.import_ import import_project
from maskscope_gui.session.session import Focus, Session
from maskscope_gui.shell.main_window import MainWindow
from tests.gui.window_helpers import KEY


@pytest.fixture
def probs(spans: Path) -> Floats:
    """(2, 3, C) as the model of `spans` has them."""
    with Project.open(spans, read_only=True) as project:
        return np.array(project.models.scores("m1")).reshape(2, 3, 3)


@pytest.fixture
def window(open_window: Callable[[Path], MainWindow], spans: Path) -> MainWindow:
    return open_window(spans)


def focus_of(session: Session) -> Focus:
    assert session.focus is not None
    return session.focus


def predicted(session: Session) -> list[int]:
    labels = focus_of(session).predicted
    assert labels is not None
    return [int(label) for label in labels]


def disagreement(session: Session) -> list[int]:
    """Tokens per sentence whose label is not the prediction; empty until they are counted."""
    facts = session.list_order.facts
    return [] if facts is None or facts.disagreement is None else [int(count) for count in facts.disagreement]


def likeliest_allowed(probs: np.ndarray, scheme: TagScheme) -> list[int]:
    """By trying all sequences, with BIO's rule as one reads it."""
    best = -1.0
    found: list[int] = []
    for labels in product(range(len(scheme.classes)), repeat=len(probs)):
        names = ["O", *(scheme.classes[label] for label in labels)]
        if any(now == "I-loc" and before == "O" for before, now in pairwise(names)):
            continue
        value = float(np.prod(probs[np.arange(len(labels)), labels]))
        if value > best:
            best, found = value, list(labels)
    return found


def test_predictions_obey_the_scheme_and_the_argmax_stays_visible(
    qtbot: QtBot, window: MainWindow, probs: Floats
) -> None:
    session = window.session
    assert predicted(session) == likeliest_allowed(probs[0], session.scheme)
    assert {name: value for name, value, _ in window.token.lines()}["argmax"] == "O · not chosen"
    # The first token more surely outside: then it is the second that can't have its own likeliest label.
    probs[0][0] = (0.6, 0.3, 0.1)
    session.set_scores("m1", probs.reshape(-1, 3))
    session.cursor.reveal(0, 1)
    expected = likeliest_allowed(probs[0], session.scheme)
    argmax = focus_of(session).argmax
    assert argmax is not None
    assert predicted(session) == expected != argmax.tolist()
    lines = {name: value for name, value, _ in window.token.lines()}
    assert lines["argmax"] == "I-loc · not allowed here"
    assert lines["predicted"] == session.scheme.classes[expected[1]]
    tip = window.tracks.tip_at(window.tracks.column_box(1, "predicted").center())
    assert "I-loc (argmax)" in tip
    assert "does not allow" in tip
    # The mark is painted, in its own colour, and not where the two agree.
    amber = QColor(window.look.theme.collision)

    def marked(position: int) -> bool:
        image = window.tracks.viewport().grab().toImage()
        box = window.tracks.column_box(position, "predicted")
        return any(
            abs(image.pixelColor(x, y).hue() - amber.hue()) < 8 and image.pixelColor(x, y).saturation() > 60
            for x in range(box.left(), box.right())
            for y in range(box.top(), box.bottom())
        )

    assert marked(1)
    assert not marked(2)
    session.cursor.reveal(1)
    assert not marked(1)


def test_ctrl_d_shows_each_token_by_itself_and_a_takes_what_is_shown(
    qtbot: QtBot, window: MainWindow, probs: Floats
) -> None:
    session = window.session
    session.cursor.reveal(0)
    assert window.actions_by_id["decode"].isChecked()
    assert "spans decoded" in window.sentence_page.decoding.text()
    qtbot.keyClick(window, KEY.Key_D, Qt.KeyboardModifier.ControlModifier)
    assert predicted(session) == [0, 2, 2]
    assert not window.actions_by_id["decode"].isChecked()
    assert "argmax" in window.sentence_page.decoding.text()
    qtbot.keyClick(window, KEY.Key_A)
    assert focus_of(session).row.labels.tolist() == [0, 2, 2]
    qtbot.mouseClick(window.sentence_page.decoding, Qt.MouseButton.LeftButton)
    qtbot.keyClick(window, KEY.Key_A)
    assert focus_of(session).row.labels.tolist() == likeliest_allowed(probs[0], session.scheme)


def test_disagreement_is_counted_in_the_background_and_updated_by_edits(
    qtbot: QtBot, window: MainWindow, probs: Floats
) -> None:
    session = window.session
    session.list_order.set_sort("disagreement")
    qtbot.waitUntil(lambda: bool(disagreement(session)), timeout=5000)
    gold = [0, 1, 2]
    decoded = likeliest_allowed(probs[0], session.scheme)
    assert disagreement(session) == [
        sum(a != b for a, b in zip(gold, decoded, strict=True)),
        0,
    ]
    session.cursor.reveal(1, 1)
    qtbot.keyClick(window, KEY.Key_0)
    assert disagreement(session)[1] == 1
    qtbot.keyClick(window, KEY.Key_Minus)
    assert disagreement(session)[1] == 0


def test_minus_ignores_a_token_in_every_view_and_on_the_disk(qtbot: QtBot, window: MainWindow, spans: Path) -> None:
    session = window.session
    session.cursor.reveal(1, 1)
    qtbot.keyClick(window, KEY.Key_Minus)
    with Project.open(spans, read_only=True) as project:
        assert project.sentence(1).edits.tolist() == [NO_EDIT, NO_LABEL, NO_EDIT]
        assert project.counts().ignored == 1
        assert project.labels("edited").tolist() == [0, 1, 2, 0, NO_LABEL, 2]
    lines = {name: value for name, value, _ in window.token.lines()}
    assert lines["edited"].startswith("ignored by you")
    assert "1 are ignored now" in window.palette_view.tip_at(window.palette_view.row_box(NO_LABEL).center())
    assert "Ignored by you" in window.tracks.tip_at(window.tracks.column_box(1, "edited").center())
    # Accepting, and taking the predictions, leave it ignored.
    qtbot.keyClick(window, KEY.Key_A)
    assert focus_of(session).row.edits[1] == NO_LABEL
    qtbot.keyClick(window, KEY.Key_Return)
    session.cursor.reveal(1, 1)
    assert focus_of(session).row.edits[1] == NO_LABEL
    assert focus_of(session).row.state == "accepted"
    for _ in range(2):
        qtbot.keyClick(window, KEY.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert focus_of(session).row.edits[1] == NO_EDIT
    qtbot.mouseClick(
        window.palette_view.viewport(), Qt.MouseButton.LeftButton, pos=window.palette_view.row_box(NO_LABEL).center()
    )
    assert focus_of(session).row.ignored.any()


def test_an_ignored_token_is_hatched_in_another_way_than_padding(qtbot: QtBot, window: MainWindow) -> None:
    session = window.session
    session.cursor.reveal(1, 0)

    def colours(view: QAbstractScrollArea, box: QRect) -> set[str]:
        image = view.viewport().grab().toImage()
        return {
            image.pixelColor(x, y).name().upper()
            for x in range(max(box.left(), 0), box.right())
            for y in range(max(box.top(), 0), box.bottom())
        }

    plain = colours(window.reading, window.reading.box_of(1))
    session.cursor.move(1)
    qtbot.keyClick(window, KEY.Key_Minus)
    session.cursor.move(0)
    hatched = colours(window.reading, window.reading.box_of(1))
    assert window.look.theme.panel in hatched
    assert window.look.theme.pad_ground not in hatched
    inside = focus_of(session).inside
    assert inside is not None
    tint = window.look.tint(float(inside[1]))
    assert tint in plain
    assert tint not in hatched


@pytest.mark.parametrize("format_name", [row.name for row in formats()])
def test_an_ignored_token_is_exported_without_a_label(spans: Path, tmp_path: Path, format_name: str) -> None:
    with Project.open(spans) as project:
        project.edits.relabel(1, 1, [NO_LABEL], "ignored")
        file = tmp_path / f"out.{format_name}"
        export_project(project, file, format_name)
        rows = np.asarray(project.embeddings)
    text = file.read_text(encoding="utf-8")
    assert ("null" in text) if format_name == "jsonl" else (r"Old	\N" in text)
    if format_name != "conll":
        return
    np.save(tmp_path / "rows.npy", rows)
    again = import_project(
        tmp_path / "again.maskscope", file, ReadOptions(embeddings=tmp_path / "rows.npy"), format_name
    ).path
    with Project.open(again, read_only=True) as project:
        assert project.labels("edited").tolist() == [0, 1, 2, 0, NO_LABEL, 2]


def test_a_key_makes_a_span_of_what_is_selected(qtbot: QtBot, window: MainWindow) -> None:
    session = window.session
    qtbot.keyClick(window, KEY.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    qtbot.keyClick(window, KEY.Key_Right, Qt.KeyboardModifier.ShiftModifier)
    qtbot.keyClick(window, "1")
    names = [session.scheme.classes[label] for label in focus_of(session).row.labels]
    assert names == ["B-loc", "I-loc", "I-loc"]
    qtbot.keyClick(window, KEY.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert not focus_of(session).row.edited.any()
