"""The table: its keys, its columns, and that it reads only the rows in sight."""

from collections.abc import Iterator

import pytest
from pytestqt.qtbot import QtBot

from maskscope_gui.session.session import Session
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.table import Cell, Column, Table
from tests.gui.window_helpers import KEY, LEFT

N_ROWS = 1_000_000


class CountingTable(Table):
    """A table of a million rows that notes which of them it reads."""

    def __init__(self, session: Session, style: Style) -> None:
        columns = (Column("number", 60, right=True), Column("name"), Column("note", 90))
        super().__init__(session, style, "Numbers", columns, self.read, marks=True)
        self.rows_read: set[int] = set()

    def read(self, row: int, column: int) -> Cell:
        """The row's number, a long name and a note with a tooltip."""
        self.rows_read.add(row)
        return (Cell(f"{row:,}"), Cell(f"row {row} " * 30), Cell("short", tip="The note in full."))[column]


@pytest.fixture
def table(qtbot: QtBot, session: Session, style: Style) -> Iterator[CountingTable]:
    made = CountingTable(session, style)
    qtbot.addWidget(made)
    made.resize(500, 300)
    made.set_rows(N_ROWS)
    made.show()
    made.activateWindow()
    qtbot.waitUntil(made.isActiveWindow)
    made.setFocus()
    yield made
    made.close()


def test_only_the_rows_in_sight_are_read(qtbot: QtBot, table: CountingTable) -> None:
    table.rows_read.clear()
    table.grab()
    assert 0 < len(table.rows_read) < 20
    table.rows_read.clear()
    table.go_to(N_ROWS - 1)
    table.grab()
    assert 0 < len(table.rows_read) < 20
    assert N_ROWS - 1 in table.rows_read


def test_keys_move_the_cursor_and_it_stays_in_sight(qtbot: QtBot, table: CountingTable) -> None:
    moved: list[int] = []
    table.moved.connect(moved.append)
    for key in (KEY.Key_Down, KEY.Key_Down, KEY.Key_Up, KEY.Key_End, KEY.Key_Down, KEY.Key_Home):
        qtbot.keyClick(table, key)
    assert moved == [0, 1, 0, N_ROWS - 1, N_ROWS - 1, 0]
    qtbot.keyClick(table, KEY.Key_PageDown)
    assert table.row > 5
    assert 0 < table.row_box(table.row).bottom() <= table.viewport().height()
    qtbot.keyClick(table, KEY.Key_PageUp)
    assert table.row == 0


def test_enter_chooses_and_space_marks(qtbot: QtBot, table: CountingTable) -> None:
    table.go_to(3)
    with qtbot.waitSignal(table.entered) as entered:
        qtbot.keyClick(table, KEY.Key_Return)
    assert entered.args == [3]
    with qtbot.waitSignal(table.marked) as marked:
        qtbot.keyClick(table, KEY.Key_Space)
    assert marked.args == [3]


def test_the_mouse_puts_the_cursor_on_a_row_but_not_in_the_header(qtbot: QtBot, table: CountingTable) -> None:
    qtbot.mouseClick(table.viewport(), LEFT, pos=table.row_box(2).center())
    assert table.row == 2
    header = table.row_box(0).center()
    header.setY(4)
    qtbot.mouseClick(table.viewport(), LEFT, pos=header)
    assert table.row == 2


def test_columns_fill_the_width_and_the_widest_shrink_first(table: CountingTable) -> None:
    px = table.look.px
    _, free, note = table._column_places()
    assert note[1] == px(90)
    assert free[0] + free[1] == note[0]
    table.resize(px(300), 300)
    number, _, narrow_note = table._column_places()
    assert number[1] == px(60)
    assert narrow_note[1] < px(90)


def test_the_tooltip_has_the_text_in_full_or_the_tip_of_the_cell(table: CountingTable) -> None:
    (left, _), (free_left, _), (note_left, _) = table._column_places()
    point = table.row_box(1).center()
    for x, tip in ((left, "1"), (free_left, "row 1 " * 30), (note_left, "The note in full.")):
        point.setX(x + 5)
        assert table.tip_at(point) == tip


def test_without_rows_no_key_chooses_anything(qtbot: QtBot, table: CountingTable) -> None:
    table.set_rows(0)
    chosen: list[int] = []
    table.entered.connect(chosen.append)
    table.moved.connect(chosen.append)
    for key in (KEY.Key_Down, KEY.Key_Return, KEY.Key_End):
        qtbot.keyClick(table, key)
    assert chosen == []
    assert table.row == -1
