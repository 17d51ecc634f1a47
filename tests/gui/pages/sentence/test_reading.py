"""The reading strip: its chips, its underlines, its note and its tooltips."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from pytestqt.qtbot import QtBot

from maskscope.project import ProjectWriter
from maskscope.types import Sentence, TagScheme
from maskscope_gui.pages.sentence.reading import underlined
from tests.gui.window_helpers import LEFT, OpenWindow


def write_sentence(target: Path, tokens: str) -> Path:
    """A project of one sentence, without labels."""
    with ProjectWriter(target, 4, np.dtype(np.float32)) as writer:
        words = tuple(tokens.split())
        writer.add(Sentence(words, np.ones((len(words), 4), dtype=np.float32)))
        writer.finish()
    return target


def test_a_span_is_one_line_with_the_name_of_its_type() -> None:
    spans = TagScheme("multiclass", ("O", "B-loc", "I-loc", "B-per", "I-per"))
    assert underlined([1, 2, 2, -1, 1, 1, 4, 3, 2], spans) == [
        (0, 2, 1, "loc"),
        (3, 3, -1, ""),
        (4, 4, 1, "loc"),
        (5, 5, 1, "loc"),
        (6, 6, 4, "I-per"),
        (7, 7, 3, "per"),
        (8, 8, 2, "I-loc"),
    ]
    plain = TagScheme("multiclass", ("O", "a", "b"))
    assert underlined([1, 1, -1, 2], plain) == [(0, 1, 1, "a"), (2, 2, -1, ""), (3, 3, 2, "b")]


def test_a_long_sentence_wraps_scrolls_and_follows_the_cursor(open_window: OpenWindow, tmp_path: Path) -> None:
    window = open_window(write_sentence(tmp_path / "long.maskscope", "supercalifragilistic " * 150))
    view = window.reading
    boxes = [view.box_of(position) for position in range(150)]
    assert len({box.top() for box in boxes}) > 5
    assert all(box.right() <= view.viewport().width() for box in boxes)
    assert view.box_of(149).top() > view.viewport().height()
    window.session.cursor.move(149)
    assert 0 <= view.box_of(149).top() < view.box_of(149).bottom() <= view.viewport().height()


def test_an_arabic_sentence_runs_from_right_to_left(open_window: OpenWindow, tmp_path: Path) -> None:
    view = open_window(write_sentence(tmp_path / "arabic.maskscope", "قالت ليلى إن القطار")).reading
    lefts = [view.box_of(position).left() for position in range(4)]
    assert lefts == sorted(lefts, reverse=True)
    assert view.viewport().width() - view.box_of(0).right() < view.look.px(24)


@pytest.mark.parametrize("tokens", ["东京 的 早晨", "Good ☕ 👩‍🚀 😀"])
def test_chips_of_any_script_are_side_by_side(open_window: OpenWindow, tmp_path: Path, tokens: str) -> None:
    view = open_window(write_sentence(tmp_path / "scripts.maskscope", tokens)).reading
    boxes = [view.box_of(position) for position in range(len(tokens.split()))]
    for left, right in itertools.pairwise(boxes):
        assert left.right() < right.left()
        assert left.width() >= view.look.px(22)


def test_a_click_next_to_a_chip_takes_it_and_shift_extends_the_selection(
    qtbot: QtBot, open_window: OpenWindow, tmp_path: Path
) -> None:
    window = open_window(write_sentence(tmp_path / "few.maskscope", "one two three four"))
    view, cursor = window.reading, window.session.cursor
    after_last = view.box_of(3).center() + QPoint(view.box_of(3).width(), 0)
    qtbot.mouseClick(view.viewport(), LEFT, pos=after_last)
    assert cursor.position == 3
    qtbot.mouseClick(view.viewport(), LEFT, Qt.KeyboardModifier.ShiftModifier, view.box_of(1).center())
    assert cursor.span == (1, 3)


def test_the_note_and_the_tooltip_explain_a_collision(open_window: OpenWindow, project_folder: Path) -> None:
    window = open_window(project_folder)
    window.session.cursor.reveal(2, 0)
    assert "Token 2, “U+FE0F”, is a collision: its embedding is all zeros" in window.reading._note.text()
    assert window.reading._note.isVisible()
    tip = window.reading.tip_at(window.reading.box_of(2).center())
    assert tip.endswith("masked as padding: no prediction")
    window.session.cursor.reveal(3, 0)
    assert not window.reading._note.isVisible()


def test_the_tooltip_has_label_and_probability(open_window: OpenWindow, typed_demo: Path) -> None:
    window = open_window(typed_demo)
    window.session.cursor.reveal(41, 0)
    focus = window.session.focus
    assert focus is not None
    assert focus.inside is not None
    tip = window.reading.tip_at(window.reading.box_of(0).center())
    assert tip.splitlines() == ["Maya, position 0", "label: person", f"P(any label) {focus.inside[0]:.2f}"]
    window.session.editing.ignore()
    assert "ignored by you" in window.reading.tip_at(window.reading.box_of(0).center())
