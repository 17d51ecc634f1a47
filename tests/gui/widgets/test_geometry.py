"""Layout and hit-testing without a widget."""

from hypothesis import given
from hypothesis import strategies as st

from maskscope_gui.widgets.geometry import Box, ColumnEdges, flow, nearest, runs


def test_chips_wrap_like_words() -> None:
    boxes, height = flow([30, 40, 50], 80, 10, 5, 4)
    assert boxes == (Box(0, 0, 30, 10), Box(35, 0, 40, 10), Box(0, 14, 50, 10))
    assert height == 24


def test_right_to_left_starts_at_the_right_edge() -> None:
    boxes, _ = flow([30, 40], 100, 10, 5, 4, right_to_left=True)
    assert [box.x for box in boxes] == [70, 25]


def test_a_word_wider_than_the_panel_is_cut_to_it() -> None:
    boxes, _ = flow([500], 80, 10, 5, 4)
    assert boxes[0].width == 80


@given(st.lists(st.integers(1, 300), min_size=1, max_size=60), st.integers(40, 400), st.booleans())
def test_no_two_chips_overlap_and_none_leaves_the_panel(widths: list[int], room: int, right_to_left: bool) -> None:
    boxes, height = flow(widths, room, 20, 3, 6, right_to_left=right_to_left)
    for one, box in enumerate(boxes):
        assert box.x >= 0
        assert box.x + box.width <= room
        assert box.y + box.height <= height
        for other in boxes[one + 1 :]:
            apart = box.y != other.y or box.x + box.width <= other.x or other.x + other.width <= box.x
            assert apart


def test_a_click_next_to_a_chip_takes_the_nearest_on_that_line() -> None:
    boxes, _ = flow([30, 30, 30], 65, 10, 5, 4)
    assert nearest(boxes, 33, 5) in (0, 1)
    assert nearest(boxes, 200, 5) == 1
    assert nearest(boxes, 200, 90) == 2
    assert nearest((), 1, 1) is None


@given(st.lists(st.integers(1, 50), min_size=1, max_size=40), st.data())
def test_every_pixel_belongs_to_the_column_that_covers_it(widths: list[int], data: st.DataObject) -> None:
    columns = ColumnEdges.of(widths)
    x = data.draw(st.integers(0, columns.width - 1))
    column = columns.at(x)
    assert column is not None
    assert columns.edges[column] <= x < columns.edges[column + 1]
    assert columns.at(-1) is None
    assert columns.at(columns.width) is None


def test_columns_in_sight() -> None:
    columns = ColumnEdges.of([10, 10, 10])
    assert columns.between(0, 10) == range(1)
    assert columns.between(5, 15) == range(2)
    assert columns.between(25, 100) == range(2, 3)
    assert columns.between(30, 100) == range(0)


def test_runs_of_equal_labels() -> None:
    assert runs([1, 1, 0, 2, 2, 2]) == [(0, 1, 1), (2, 2, 0), (3, 5, 2)]
    assert runs([]) == []
