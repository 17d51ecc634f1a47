"""The figure of a finding's evidence: a row for each kind of number, a cell for each position, padding hatched."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from markupsafe import Markup

from maskscope.audit.html.evidence_text import describe, not_finite, wrong_mask
from maskscope.audit.html.numbers import plain_number
from maskscope.audit.html.svg import SvgFigure, at_place, circle, line, path, rectangle, text
from maskscope.audit.report import Evidence, EvidenceRow, Finding

PER_LINE = 40
"""Most positions in one line of the figure; more continue on the next line."""
_CELL_WIDTH, _MIN_WIDTH = 22, 320
"""Largest width of a cell, and smallest width of the figure, in pixels. On a phone it is as wide as the page."""

_LABEL, _MASK, _BARS, _GAP, _NUMBERS, _MARKER, _BETWEEN_LINES = 17, 14, 38, 5, 14, 16, 12
"""Heights in pixels."""


def evidence_figure(finding: Finding) -> SvgFigure | None:
    """The figure of what a check saw; None without evidence."""
    evidence = finding.evidence
    if evidence is None or not evidence.real:
        return None
    count = len(evidence.real)
    per_line = math.ceil(count / math.ceil(count / PER_LINE))
    shapes: list[Markup] = []
    y = 0.0
    for begin in range(0, count, per_line):
        figure_line = _Line(finding, evidence, range(begin, min(count, begin + per_line)), per_line)
        shapes += figure_line.paint(y)
        y += figure_line.height + (_BETWEEN_LINES if begin + per_line < count else 0)
    return SvgFigure(
        f"{finding.check}: what the check saw, by position",
        describe(finding),
        y,
        Markup("").join(shapes),
        max(_MIN_WIDTH, per_line * _CELL_WIDTH),
    )


@dataclass(frozen=True, slots=True)
class _Line:
    """All rows of the evidence for a range of positions.

    Attributes:
        finding: of the check.
        evidence: of the finding.
        indices: of the positions, counted from the first one of the evidence.
        per_line: how many positions a full line has.
    """

    finding: Finding
    evidence: Evidence
    indices: range
    per_line: int

    @property
    def height(self) -> float:
        rows = sum(_LABEL + (_MASK if row.kind == "mask" else _BARS) + _GAP for row in self.evidence.rows)
        return self._marker_height + _LABEL + _MASK + _GAP + rows + _NUMBERS

    @property
    def _found_index(self) -> int | None:
        """The index of the finding's position; None when it is not in this line."""
        finding, evidence = self.finding, self.evidence
        other_sentence = None not in (evidence.sentence, finding.sentence) and evidence.sentence != finding.sentence
        if finding.position is None or other_sentence:
            return None
        index = finding.position - evidence.first
        return index if index in self.indices else None

    @property
    def _marker_height(self) -> float:
        """Room for the marker of the finding's position, where there is none next to the label of the first row."""
        found = self._found_index
        return 0 if found is None or (self._left(found) > 30 and self.per_line >= 15) else _MARKER

    def _left(self, index: int) -> float:
        return 100 * (index - self.indices.start) / self.per_line

    @property
    def _cell(self) -> float:
        """Width of a position in percent."""
        return 100 / self.per_line

    def paint(self, top: float) -> list[Markup]:
        shapes: list[Markup] = []
        y = top
        lengths = EvidenceRow("mask from the lengths", "mask", tuple(float(each) for each in self.evidence.real))
        for row in (lengths, *self.evidence.rows):
            shapes.append(text(0, y + 12, Markup("{}{}").format(row.label, self._range_label(row))))
            y += _LABEL + (self._marker_height if row is lengths else 0)
            height = _MASK if row.kind == "mask" else _BARS
            shapes += self._paint_mask(row, y) if row.kind == "mask" else self._paint_bars(row, y)
            if self._found_index is not None:
                shapes.append(rectangle(self._left(self._found_index), y - 1.5, self._cell, height + 3, "frame"))
            y += height + _GAP
        for index in self.indices:
            position = index + self.evidence.first
            if position % 5 == 0:
                shapes.append(text(self._left(index) + self._cell / 2, y + 10, str(position), "place", "middle"))
        if self._found_index is not None:
            shapes.append(self._marker(self._found_index, top + _LABEL + self._marker_height - 3))
        return shapes

    def _marker(self, index: int, y: float) -> Markup:
        """An arrow at the finding's position, with its number."""
        middle = self._left(index) + self._cell / 2
        x, anchor = ("-8", "end") if middle > 60 else ("8", "start")
        label = Markup('<text x="{}" y="0" text-anchor="{}" class="here">position {}</text>')
        return at_place(
            middle, y, path("M-4-6H4L0 0Z", "here"), label.format(x, anchor, str(index + self.evidence.first))
        )

    def _tooltip(self, row: EvidenceRow, index: int) -> str:
        value = row.values[index]
        padding = "" if self.evidence.real[index] else ", padding"
        return f"position {index + self.evidence.first}{padding}: {'none' if value is None else plain_number(value)}"

    def _range_label(self, row: EvidenceRow) -> Markup | str:
        """The values at the lower and the upper side of a row, where the page is wide enough."""
        if row.kind == "mask":
            return ""
        low, high = _bounds(row, self.finding.tolerance or 0.0)
        scale = "log scale, " if row.kind == "change" else ""
        return Markup('<tspan class="far"> ({}{} to {})</tspan>').format(scale, plain_number(low), plain_number(high))

    def _paint_mask(self, row: EvidenceRow, y: float) -> Iterator[Markup]:
        wrong = set(wrong_mask(row, self.evidence))
        for index in self.indices:
            value = row.values[index]
            left, width = self._left(index) + self._cell * 0.06, self._cell * 0.88
            css = "none" if value is None else "on" if value >= 0.5 else "off"
            yield rectangle(left, y, width, _MASK, css, self._tooltip(row, index))
            if index in wrong:
                yield rectangle(left, y, width, _MASK, "wrong")
                yield from _cross(left, y, left + width, y + _MASK)

    def _paint_bars(self, row: EvidenceRow, y: float) -> Iterator[Markup]:
        for real, group in groupby(self.indices, lambda index: self.evidence.real[index]):
            indices = list(group)
            width = self._cell * len(indices)
            yield rectangle(self._left(indices[0]), y, width, _BARS, "ground" if real else "hatched")
        tolerance = self.finding.tolerance or 0.0
        missing = set(not_finite(row, self.finding, self.evidence))
        for index in self.indices:
            if index in missing:
                left, middle = self._left(index), y + _BARS / 2
                yield from _cross(left + self._cell * 0.2, middle - 5, left + self._cell * 0.8, middle + 5)
            else:
                yield self._bar(row, index, y)
        if row.kind == "change" and tolerance > 0:
            level = y + _BARS * (1 - _share(tolerance, row, _bounds(row, tolerance)))
            yield line(0, level, self._cell * len(self.indices), level, "limit")
        for index in self.indices:
            yield rectangle(self._left(index), y, self._cell, _BARS, "over", self._tooltip(row, index))

    def _bar(self, row: EvidenceRow, index: int, y: float) -> Markup:
        value, left, tolerance = row.values[index], self._left(index), self.finding.tolerance or 0.0
        if value is None:
            return Markup("")
        height = max(1.0, (_BARS - 2) * _share(value, row, _bounds(row, tolerance)))
        if row.kind == "value" and not self.evidence.real[index]:
            # an output at padding is no prediction, so it is not drawn as one
            return at_place(left + self._cell / 2, y + min(_BARS - 4.0, _BARS - height + 1), circle(3, "hollow"))
        css = "bar-value" if row.kind == "value" else "bar-beyond" if abs(value) > tolerance else "bar-within"
        return rectangle(left + self._cell * 0.15, y + _BARS - height, self._cell * 0.7, height, css)


def _cross(left: float, top: float, right: float, bottom: float) -> Iterator[Markup]:
    yield line(left, top, right, bottom, "cross")
    yield line(left, bottom, right, top, "cross")


def _bounds(row: EvidenceRow, tolerance: float) -> tuple[float, float]:
    """The values at the lower and the upper side of a row."""
    known = [abs(value) if row.kind == "change" else value for value in row.values if value is not None]
    if row.kind == "value":
        low, high = min([0.0, *known]), max([0.0, *known])
        return (low, 1.0) if high <= 1 and low >= 0 else (low, high)
    known = [value for value in known if value > 0] + ([tolerance] if tolerance > 0 else [])
    if not known:
        return 1e-12, 1.0
    # what is a decade below the tolerance needs no room of its own
    low = math.floor(math.log10(tolerance if tolerance > 0 else min(known)) - 0.999)
    return 10.0**low, 10.0 ** max(low + 2, math.ceil(math.log10(max(known))))


def _share(value: float, row: EvidenceRow, bounds: tuple[float, float]) -> float:
    """Where a value lies between the bounds, from 0 to 1."""
    low, high = bounds
    if row.kind == "value":
        share = (value - low) / (high - low)
    elif value == 0:
        share = 0.0
    else:
        share = math.log(abs(value) / low) / math.log(high / low)
    return min(1.0, max(0.0, share))
