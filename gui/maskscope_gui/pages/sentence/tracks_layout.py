"""Layout and hit-testing of the tracks, as plain values and functions that need no widget."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, TypeAlias, get_args

from PySide6.QtCore import QRect

from maskscope_gui.widgets.geometry import ColumnEdges

Lane: TypeAlias = Literal["position", "token", "gold", "predicted", "edited", "probability", "mask", "norm"]

LANES: tuple[Lane, ...] = get_args(Lane)
"""All lanes, from top to bottom."""
LANE_HEIGHTS: Mapping[Lane, int] = {
    "position": 22,
    "token": 24,
    "gold": 22,
    "predicted": 22,
    "edited": 22,
    "mask": 30,
    "norm": 40,
}
"""Pixels at 100 %; the probability lane takes what the panel has left."""
ARGMAX_HEIGHT = 13
"""Pixels at 100 % under the predicted labels of a span scheme, for the argmax where decoding chose another label."""
_MIN_BAR, _MAX_BAR = 64, 150
_MIN_BAND, _MAX_BAND = 44, 80
_TOP_MARGIN = 2
_BOTTOM_ROOM = 18


@dataclass(frozen=True, slots=True)
class TracksLayout:
    """Columns and lanes, in pixels of the whole picture before scrolling; x = 0 is the left edge of position 0.

    Attributes:
        columns: one column for each position, padded positions after the tokens.
        lanes: top and height of each lane.
    """

    columns: ColumnEdges
    lanes: Mapping[Lane, tuple[int, int]]

    @property
    def bottom(self) -> int:
        """The lower edge of the last lane."""
        top, height = self.lanes[LANES[-1]]
        return top + height

    def top(self, lane: Lane) -> int:
        """The upper edge of a lane."""
        return self.lanes[lane][0]

    def bands(self, n: int) -> list[tuple[int, int]]:
        """Top and height of each of n lanes of values, which share the place of the probability lane."""
        top, height = self.lanes["probability"]
        cuts = [top + height * number // max(n, 1) for number in range(n + 1)]
        return [(begin, end - begin) for begin, end in pairwise(cuts)]

    def box(self, lane: Lane, position: int) -> QRect:
        """The rectangle of one position in one lane."""
        left, right = self.columns.edges[position : position + 2]
        top, height = self.lanes[lane]
        return QRect(left, top, right - left, height)

    def lane_at(self, y: float) -> Lane | None:
        """The lane at a height; the first lane above all of them, None below the last."""
        if y >= self.bottom:
            return None
        return next((lane for lane in reversed(LANES) if y >= self.top(lane)), LANES[0])


def lay_out(
    columns: ColumnEdges, room: int, px: Callable[[float], int], *, with_argmax: bool, bands: int = 0
) -> TracksLayout:
    """Stack the lanes; the probability lane takes the height that the others leave.

    Args:
        columns: one column for each position.
        room: height of the panel, in pixels.
        px: scales pixels at 100 % to this screen.
        with_argmax: keep room under the predicted labels, whether there is one or not, so that nothing moves.
        bands: how many lanes of values share the place of the probability lane; a model that gives values predicts no
            label, so the lane of predicted labels has no height.
    """
    heights = {lane: px(height) for lane, height in LANE_HEIGHTS.items()}
    if with_argmax:
        heights["predicted"] = px(LANE_HEIGHTS["predicted"] + ARGMAX_HEIGHT)
    if bands:
        heights["predicted"] = 0
    lowest, highest = px(max(_MIN_BAR, bands * _MIN_BAND)), px(max(_MAX_BAR, bands * _MAX_BAND))
    heights["probability"] = min(max(room - sum(heights.values()) - px(_BOTTOM_ROOM), lowest), highest)
    lanes: dict[Lane, tuple[int, int]] = {}
    top = px(_TOP_MARGIN)
    for lane in LANES:
        lanes[lane] = (top, heights[lane])
        top += heights[lane]
    return TracksLayout(columns, lanes)


def scroll_to_column(columns: ColumnEdges, position: int, scroll: int, room: int, margin: int) -> int:
    """The scroll offset, as near to `scroll` as can be, that shows a column with `margin` pixels on both sides."""
    left, right = columns.edges[position : position + 2]
    if left - margin < scroll:
        return left - margin
    if right + margin > scroll + room:
        return right + margin - room
    return scroll


def scroll_to_strip(x: float, strip_width: int, whole_width: int, room: int) -> int:
    """The scroll offset that centres the place of the sentence at `x` of the overview strip."""
    return int(x / max(1, strip_width) * whole_width - room / 2)


def column_widths(texts: Sequence[int], notes: Mapping[int, int], px: Callable[[float], int]) -> list[int]:
    """Pixels of each token's column: room for its text within limits, and for the note under its predicted label.

    Args:
        texts: width of each token's text.
        notes: width of the note at some of the positions; positions past the last token are ignored.
        px: scales pixels at 100 % to this screen.
    """
    widths = [min(max(text + px(10), px(28)), px(132)) for text in texts]
    for position, note in notes.items():
        if position < len(widths):
            widths[position] = max(widths[position], note + px(6))
    return widths
