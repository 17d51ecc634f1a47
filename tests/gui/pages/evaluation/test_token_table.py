"""The table of tokens: what a row shows, and how it moves the window's cursor."""

from collections.abc import Iterator

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from maskscope_gui.pages.evaluation.token_table import TokenLabels, TokenListing, TokenTable
from maskscope_gui.session.session import Session
from maskscope_gui.theme.theme import Style
from tests.gui.window_helpers import KEY, LEFT

TOKENS = np.array([3, 6, 12])
""""night" and "Lisbon" of the first sentence, the collision at the end of the third: by number in the project."""


@pytest.fixture
def table(qtbot: QtBot, session: Session, style: Style) -> Iterator[TokenTable]:
    """A table of three tokens of the small project, with a column of labels and one of probabilities."""
    made = TokenTable(session, style, (("label", 90), ("P", 50)))
    qtbot.addWidget(made)
    made.resize(700, 200)
    made.show()
    made.activateWindow()
    qtbot.waitUntil(made.isActiveWindow)
    assert session.project is not None
    columns = (TokenLabels(lambda row: (0, 1, -1)[row], lambda row: 0.25 * row),)
    made.show_listing(TokenListing(TOKENS, session.project.offsets, columns))
    yield made
    made.close()


def row(table: TokenTable, number: int) -> list[str]:
    return [table._cell_of(number, column).text for column in range(len(table.columns))]


def test_a_row_has_sentence_token_label_and_probability(table: TokenTable) -> None:
    assert row(table, 0) == ["0", "night", "none", "0.00"]
    assert row(table, 1) == ["0", "Lisbon", "name", "0.25"]
    # A token that can't be seen is named, and a missing label is a dash.
    assert row(table, 2) == ["2", "U+FE0F", "–", "0.50"]


def test_a_token_is_shown_between_its_neighbours(table: TokenTable) -> None:
    cell = table._cell_of(0, 1)
    assert (cell.before, cell.after) == ("Maya took the", "train from Lisbon")
    assert table.tip_at(table.row_box(0).center()) == "Maya took the night train from Lisbon"


def test_labels_have_their_colour(table: TokenTable, session: Session, style: Style) -> None:
    assert table._cell_of(1, 2).ink == style.label(1, session.scheme)
    assert table._cell_of(2, 2).ink == "second"


def test_a_click_and_the_arrow_keys_move_the_windows_cursor(qtbot: QtBot, table: TokenTable, session: Session) -> None:
    qtbot.mouseClick(table.viewport(), LEFT, pos=table.row_box(1).center())
    assert (session.cursor.sentence, session.cursor.position) == (0, 6)
    qtbot.keyClick(table, KEY.Key_Down)
    assert (session.cursor.sentence, session.cursor.position) == (2, 2)
    qtbot.keyClick(table, KEY.Key_Down)
    assert table.row == 2
    qtbot.keyClick(table, KEY.Key_Home)
    assert (session.cursor.sentence, session.cursor.position) == (0, 3)


def test_enter_and_a_double_click_go_to_the_sentence(qtbot: QtBot, table: TokenTable) -> None:
    table.focus_list()
    assert table.row == 0
    with qtbot.waitSignal(table.entered) as entered:
        qtbot.keyClick(table, KEY.Key_Return)
    assert entered.args == [0]
    with qtbot.waitSignal(table.entered) as entered:
        qtbot.mouseDClick(table.viewport(), LEFT, pos=table.row_box(2).center())
    assert entered.args == [2]


def test_the_sentences_of_the_tokens_are_listed_once_each(table: TokenTable) -> None:
    assert table.sentences().tolist() == [0, 2]
    table.show_listing(None, "Nothing is listed.")
    assert table.sentences().tolist() == []
    assert table.n_rows == 0


def test_another_listing_starts_at_its_first_token_only_with_the_focus(table: TokenTable, session: Session) -> None:
    listing = table.listing
    session.cursor.reveal(1, 1)
    table.clearFocus()
    table.show_listing(listing)
    assert table.row == -1
    assert (session.cursor.sentence, session.cursor.position) == (1, 1)
    table.setFocus()
    table.show_listing(listing)
    assert table.row == 0
    assert (session.cursor.sentence, session.cursor.position) == (0, 3)
