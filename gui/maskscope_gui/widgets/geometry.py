"""Where things lie, as plain functions: hit-testing needs no widget."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels."""

    x: int
    y: int
    width: int
    height: int

    def holds(self, x: float, y: float) -> bool:
        """True when a point lies in it; its right and lower edges do not belong to it."""
        return self.x <= x < self.x + self.width and self.y <= y < self.y + self.height


def flow(
    widths: Sequence[int], room: int, row_height: int, gap: int, line_gap: int, *, right_to_left: bool = False
) -> tuple[tuple[Box, ...], int]:
    """Boxes laid in lines like words in a paragraph, and the height they take.

    A box wider than `room` is cut to it. Right to left starts each line at the right edge.
    """
    boxes = []
    x = y = 0
    for wide in widths:
        width = min(wide, room)
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
        (place for place, box in enumerate(boxes) if box.y == line),
        key=lambda place: max(boxes[place].x - x, x - boxes[place].x - boxes[place].width + 1, 0),
    )


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns side by side: column i lies from edges[i] to edges[i + 1]."""

    edges: tuple[int, ...]

    @classmethod
    def of(cls, widths: Sequence[int]) -> "Columns":
        """Columns of these widths from 0 on."""
        return cls((0, *accumulate(widths)))

    @property
    def width(self) -> int:
        """All of them together."""
        return self.edges[-1]

    def __len__(self) -> int:
        return len(self.edges) - 1

    def at(self, x: float) -> int | None:
        """The column at `x`; None outside."""
        if not 0 <= x < self.width:
            return None
        return bisect_right(self.edges, x) - 1

    def between(self, left: float, right: float) -> range:
        """The columns that `left` to `right` touches."""
        if len(self) == 0 or right <= 0 or left >= self.width:
            return range(0)
        first = max(bisect_right(self.edges, left) - 1, 0)
        return range(first, min(bisect_right(self.edges, max(right - 1, 0)), len(self)))


def runs(values: Sequence[int]) -> list[tuple[int, int, int]]:
    """Runs of equal values as (first, last, value)."""
    found: list[tuple[int, int, int]] = []
    for place, value in enumerate(values):
        if found and found[-1][2] == value:
            found[-1] = (found[-1][0], place, value)
        else:
            found.append((place, place, value))
    return found
