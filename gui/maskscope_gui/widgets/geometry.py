"""Layout and hit-testing as plain functions that need no widget."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels; x and y are its upper left corner."""

    x: int
    y: int
    width: int
    height: int

    def contains(self, x: float, y: float) -> bool:
        """True when a point is in the rectangle; its right and lower edges are not part of it."""
        return self.x <= x < self.x + self.width and self.y <= y < self.y + self.height


def flow(
    widths: Sequence[int], room: int, row_height: int, gap: int, line_gap: int, *, right_to_left: bool = False
) -> tuple[tuple[Box, ...], int]:
    """Lay boxes out in lines, as words in a paragraph; returns them and the height that they take.

    A box wider than `room` is cut to it. With `right_to_left`, each line starts at the right edge.
    """
    boxes = []
    x = y = 0
    for wanted in widths:
        width = min(wanted, room)
        if x and x + width > room:
            x = 0
            y += row_height + line_gap
        boxes.append(Box(room - x - width if right_to_left else x, y, width, row_height))
        x += width + gap
    return tuple(boxes), y + row_height if boxes else 0


def nearest(boxes: Sequence[Box], x: float, y: float) -> int | None:
    """The box at a point, else the nearest one on the line at that height; None without boxes."""
    if not boxes:
        return None
    lines = sorted({box.y for box in boxes})
    line = min(
        lines,
        key=lambda top: 0 if top <= y < top + boxes[0].height else min(abs(y - top), abs(y - top - boxes[0].height)),
    )
    return min(
        (number for number, box in enumerate(boxes) if box.y == line),
        key=lambda number: max(boxes[number].x - x, x - boxes[number].x - boxes[number].width + 1, 0),
    )


@dataclass(frozen=True, slots=True)
class ColumnEdges:
    """Columns side by side: column i reaches from edges[i] to edges[i + 1]."""

    edges: tuple[int, ...]

    @classmethod
    def of(cls, widths: Sequence[int]) -> "ColumnEdges":
        """Columns of these widths from 0 on."""
        return cls((0, *accumulate(widths)))

    @property
    def width(self) -> int:
        """The width of all columns together."""
        return self.edges[-1]

    def __len__(self) -> int:
        return len(self.edges) - 1

    def at(self, x: float) -> int | None:
        """The column at `x`; None outside of all columns."""
        if not 0 <= x < self.width:
            return None
        return bisect_right(self.edges, x) - 1

    def between(self, left: float, right: float) -> range:
        """The columns that are at least partly between `left` and `right`."""
        if len(self) == 0 or right <= 0 or left >= self.width:
            return range(0)
        first = max(bisect_right(self.edges, left) - 1, 0)
        return range(first, min(bisect_right(self.edges, max(right - 1, 0)), len(self)))


def runs(values: Sequence[int]) -> list[tuple[int, int, int]]:
    """Runs of equal values as (first, last, value)."""
    found: list[tuple[int, int, int]] = []
    for number, value in enumerate(values):
        if found and found[-1][2] == value:
            found[-1] = (found[-1][0], number, value)
        else:
            found.append((number, number, value))
    return found
