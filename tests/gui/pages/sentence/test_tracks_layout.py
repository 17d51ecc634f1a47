"""Layout and hit-testing of the tracks, without a widget."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskscope_gui.pages.sentence.tracks_layout import (
    LANES,
    TracksLayout,
    column_widths,
    lay_out,
    scroll_to_column,
    scroll_to_strip,
)
from maskscope_gui.widgets.geometry import ColumnEdges


def layout(room: int = 318, *, with_argmax: bool = False) -> TracksLayout:
    return lay_out(ColumnEdges.of([30, 40, 15]), room, round, with_argmax=with_argmax)


@pytest.mark.parametrize("with_argmax", [False, True])
def test_lanes_follow_one_another_without_a_gap(with_argmax: bool) -> None:
    found = layout(with_argmax=with_argmax)
    bottoms = [top + height for top, height in (found.lanes[lane] for lane in LANES)]
    assert [found.top(lane) for lane in LANES[1:]] == bottoms[:-1]
    assert found.bottom == bottoms[-1]


@pytest.mark.parametrize(("room", "height"), [(100, 64), (182 + 18 + 100, 100), (2000, 150)])
def test_the_probability_lane_takes_what_is_left_within_limits(room: int, height: int) -> None:
    # The other lanes are 182 pixels high, and 18 are kept for the overview strip.
    assert layout(room).lanes["probability"][1] == height


def test_a_span_scheme_has_room_for_the_argmax_under_the_predicted_label() -> None:
    assert layout(with_argmax=True).lanes["predicted"][1] == layout().lanes["predicted"][1] + 13


@given(st.integers(0, 700), st.integers(100, 1000), st.booleans())
def test_every_height_belongs_to_the_lane_that_covers_it(y: int, room: int, with_argmax: bool) -> None:
    found = layout(room, with_argmax=with_argmax)
    lane = found.lane_at(y)
    if y >= found.bottom:
        assert lane is None
    elif y < found.top("position"):
        assert lane == "position"
    else:
        assert lane is not None
        top, height = found.lanes[lane]
        assert top <= y < top + height


def test_the_box_of_a_position_is_where_it_is_hit() -> None:
    found = layout()
    box = found.box("mask", 1)
    assert (box.left(), box.width()) == (30, 40)
    assert found.lane_at(box.center().y()) == "mask"
    assert found.columns.at(box.center().x()) == 1


def test_a_column_fits_its_text_and_the_note_under_its_label() -> None:
    assert column_widths([5, 50, 500], {1: 90, 7: 400}, round) == [28, 96, 132]


def test_scrolling_shows_a_column_and_stays_where_it_is_in_sight() -> None:
    columns = ColumnEdges.of([100] * 10)
    assert scroll_to_column(columns, 3, 200, 400, 40) == 200
    assert scroll_to_column(columns, 7, 200, 400, 40) == 800 + 40 - 400
    assert scroll_to_column(columns, 1, 400, 400, 40) == 100 - 40


def test_a_place_in_the_overview_strip_is_scrolled_to_the_middle() -> None:
    assert scroll_to_strip(0, 200, 2000, 400) == -200
    assert scroll_to_strip(100, 200, 2000, 400) == 1000 - 200
