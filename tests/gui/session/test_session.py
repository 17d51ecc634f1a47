"""The session without a window: what its cursor, its list and its edits do to one another."""

from pathlib import Path

import numpy as np
import pytest

from maskscope.errors import ProjectError
from maskscope_gui.session.list_order import FILTERS, SORTS
from maskscope_gui.session.session import Session


def test_a_project_that_cannot_be_opened_leaves_the_open_one(session: Session, tmp_path: Path) -> None:
    assert session.project is not None
    path = session.project.path
    session.cursor.select(2, 1)
    with pytest.raises(ProjectError):
        session.open(tmp_path / "missing.maskscope")
    assert session.project.path == path
    assert (session.cursor.sentence, session.cursor.position) == (2, 1)


def test_closing_leaves_nothing_of_the_project(session: Session) -> None:
    session.editing.set_label(1)
    session.list_order.set_filter("edited")
    session.close()
    assert session.project is None
    assert session.focus is None
    assert session.list_order.facts is None
    assert len(session.list_order.sentences) == 0
    assert session.list_order.filter == "all"
    assert (session.cursor.sentence, session.cursor.row) == (-1, -1)
    assert session.editing.saved_at is None


def test_a_filter_that_hides_the_sentence_shows_the_first_of_the_list(session: Session) -> None:
    session.cursor.select(0)
    shown = []
    session.cursor.sentence_changed.connect(lambda: shown.append(session.cursor.sentence))
    session.list_order.set_filter("collision")
    assert session.list_order.sentences.tolist() == [2]
    assert shown == [2]
    session.list_order.set_filter("flagged")
    assert len(session.list_order.sentences) == 0
    assert (session.cursor.sentence, session.cursor.row) == (2, -1)


def test_reveal_clears_the_filter_and_the_search_that_hide_a_sentence(session: Session) -> None:
    cleared = []
    session.list_order.search_cleared.connect(lambda: cleared.append(True))
    session.list_order.set_found("Lisbon", np.array([0]))
    session.list_order.set_filter("unreviewed")
    session.cursor.reveal(0)
    assert session.list_order.search_text == "Lisbon"
    session.cursor.reveal(3, 1)
    assert (session.cursor.sentence, session.cursor.position) == (3, 1)
    assert (session.list_order.filter, session.list_order.search_text, cleared) == ("all", "", [True])


def test_accepting_skips_what_was_reviewed_since_the_list_was_filtered(session: Session) -> None:
    session.list_order.set_sort("reading")
    session.list_order.set_filter("unreviewed")
    session.cursor.select(1)
    session.editing.toggle_flag()
    session.cursor.select(0)
    messages = []
    session.message_requested.connect(lambda text, kind: messages.append(text))
    session.editing.accept()
    assert session.cursor.sentence == 2
    session.editing.accept()
    session.editing.accept()
    assert session.cursor.sentence == 3
    assert messages == ["That was the last sentence of this list."]


def test_order_and_filter_change_to_the_next_and_after_the_last_to_the_first(session: Session) -> None:
    order = session.list_order
    seen = []
    for _ in SORTS:
        seen.append(order.sort)
        order.next_sort()
    assert seen == list(SORTS)
    assert order.sort == seen[0]
    for _ in FILTERS:
        order.next_filter()
    assert order.filter == "all"


def test_undo_selects_the_tokens_that_it_changes(session: Session) -> None:
    session.cursor.select(0)
    session.cursor.select_span(2, 4)
    session.editing.set_label(1)
    session.cursor.select(3)
    session.editing.undo()
    assert (session.cursor.sentence, session.cursor.span) == (0, (2, 4))
    versions = session.editing.labels_version
    session.editing.toggle_flag()
    assert session.editing.labels_version == versions
    session.editing.redo()
    assert session.editing.labels_version == versions
