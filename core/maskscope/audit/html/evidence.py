"""The picture of what a check saw: a cell a position, a row a kind of number, padding hatched."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from maskscope.audit.html.figures import at_place, line, rectangle, size_of, text
from maskscope.audit.html.markup import Markup, element, joined, plain_number
from maskscope.audit.report import Evidence, EvidenceRow, Finding

PER_LINE = 40
"""Positions in one line of a picture of evidence; more go on below."""
_WIDEST_CELL, _NARROWEST = 22, 320
"""Pixels: of a position, and of the picture, so that its words have room; on a phone it is as narrow as the page."""

_LABEL, _MASK, _BARS, _GAP, _POSITIONS, _HERE = 17, 14, 38, 5, 14, 16


def evidence_figure(finding: Finding, key: str) -> Markup | None:
    """What a check saw: a row a kind of number, a cell a position, padding hatched; None when there is nothing.

    Args:
        finding: with its evidence.
        key: an identifier that no other figure of the page has.
    """
    evidence = finding.evidence
    if evidence is None or not evidence.real:
        return None
    count = len(evidence.real)
    lines = math.ceil(count / PER_LINE)
    per_line = math.ceil(count / lines)
    parts: list[Markup] = []
    y = 0.0
    for begin in range(0, count, per_line):
        stretch = _Line(finding, evidence, range(begin, min(count, begin + per_line)), per_line)
        parts += stretch.paint(y)
        y += stretch.height + (12 if begin + per_line < count else 0)
    return element(
        "svg",
        element("title", f"{finding.check}: what was seen, position by position", id=f"{key}-title"),
        element("desc", evidence_words(finding), id=f"{key}-desc"),
        *parts,
        class_="f",
        role="img",
        width="100%",
        height=f"{y:.0f}",
        style=f"max-width:{max(_NARROWEST, per_line * _WIDEST_CELL)}px",
        **{"aria-labelledby": f"{key}-title {key}-desc"},
    )


@dataclass(frozen=True, slots=True)
class _Line:
    """A stretch of positions with all of the rows."""

    finding: Finding
    evidence: Evidence
    places: range
    per_line: int

    @property
    def height(self) -> float:
        rows = sum(_LABEL + (_MASK if row.kind == "mask" else _BARS) + _GAP for row in self.evidence.rows)
        return self._aside + _LABEL + _MASK + _GAP + rows + _POSITIONS

    @property
    def _here(self) -> int | None:
        """The finding's position, as a place in the evidence; None when it is not in this line."""
        if self.finding.position is None or not _same_sentence(self.finding, self.evidence):
            return None
        place = self.finding.position - self.evidence.first
        return place if place in self.places else None

    @property
    def _aside(self) -> float:
        """Room for the mark of the finding's position where it has none beside the first row's label."""
        here = self._here
        return 0 if here is None or (self._left(here) > 30 and self.per_line >= 15) else _HERE

    def _left(self, place: int) -> float:
        return 100 * (place - self.places.start) / self.per_line

    @property
    def _cell(self) -> float:
        return 100 / self.per_line

    def paint(self, y: float) -> list[Markup]:
        top = y
        bottom = y + self.height - _POSITIONS
        parts: list[Markup] = []
        at = top
        lengths = EvidenceRow("by the lengths", "mask", tuple(float(each) for each in self.evidence.real))
        for row in (lengths, *self.evidence.rows):
            parts.append(element("text", row.label, _range(row, self.finding), x="0", y=at + 12))
            at += _LABEL + (self._aside if row is lengths else 0)
            height = _MASK if row.kind == "mask" else _BARS
            parts += self._mask(row, at) if row.kind == "mask" else self._bars(row, at)
            if self._here is not None:
                parts.append(rectangle(self._left(self._here), at - 1.5, self._cell, height + 3, "frame"))
            at += height + _GAP
        for place in self.places:
            position = place + self.evidence.first
            if position % 5 == 0:
                parts.append(text(self._left(place) + self._cell / 2, bottom + 10, str(position), "place", "middle"))
        here = self._here
        if here is not None:
            middle = self._left(here) + self._cell / 2
            before = middle > 60
            label = element(
                "text",
                f"position {self.finding.position}",
                x="-8" if before else "8",
                y="0",
                text_anchor="end" if before else "start",
                class_="here",
            )
            tip = top + _LABEL + self._aside - 3
            parts.append(at_place(middle, tip, element("path", d="M-4-6H4L0 0Z", class_="here"), label))
        return parts

    def _said(self, row: EvidenceRow, place: int) -> Markup:
        value = row.values[place]
        kind = "" if self.evidence.real[place] else ", padding"
        words = "no number" if value is None else plain_number(value)
        return element("title", f"position {place + self.evidence.first}{kind}: {words}")

    def _cross(self, left: float, top: float, right: float, bottom: float) -> Iterator[Markup]:
        yield line(left, top, right, bottom, "cross")
        yield line(left, bottom, right, top, "cross")

    def _mask(self, row: EvidenceRow, y: float) -> Iterator[Markup]:
        wrong = set(_wrong(row, self.evidence))
        for place in self.places:
            value = row.values[place]
            left, width = self._left(place) + self._cell * 0.06, self._cell * 0.88
            class_ = "none" if value is None else "on" if value >= 0.5 else "off"
            yield rectangle(left, y, width, _MASK, class_, self._said(row, place))
            if place in wrong:
                yield rectangle(left, y, width, _MASK, "wrong")
                yield from self._cross(left, y, left + width, y + _MASK)

    def _bars(self, row: EvidenceRow, y: float) -> Iterator[Markup]:
        for real, group in groupby(self.places, lambda place: self.evidence.real[place]):
            places = list(group)
            yield rectangle(self._left(places[0]), y, self._cell * len(places), _BARS, "ground" if real else "hatched")
        tolerance = self.finding.tolerance or 0.0
        bounds = _bounds(row, tolerance)
        missing = set(_missing(row, self.finding, self.evidence))
        for place in self.places:
            value = row.values[place]
            left, width = self._left(place), self._cell
            if place in missing:
                middle = y + _BARS / 2
                yield from self._cross(left + width * 0.2, middle - 5, left + width * 0.8, middle + 5)
            elif value is not None:
                height = max(1.0, (_BARS - 2) * _share(value, row, bounds))
                if row.kind == "value" and not self.evidence.real[place]:
                    # what is printed at padding is no prediction: a ring, and no bar
                    ring = element("circle", cx="0", cy="0", r="3", class_="hollow")
                    yield at_place(left + width / 2, y + min(_BARS - 4.0, _BARS - height + 1), ring)
                else:
                    beyond = "bar-beyond" if abs(value) > tolerance else "bar-within"
                    class_ = "bar-value" if row.kind == "value" else beyond
                    yield rectangle(left + width * 0.15, y + _BARS - height, width * 0.7, height, class_)
        if row.kind == "change" and tolerance > 0:
            level = y + _BARS * (1 - _share(tolerance, row, bounds))
            yield line(0, level, self._cell * len(self.places), level, "limit")
        for place in self.places:
            yield rectangle(self._left(place), y, self._cell, _BARS, "over", self._said(row, place))


def _same_sentence(finding: Finding, evidence: Evidence) -> bool:
    return evidence.sentence is None or finding.sentence is None or evidence.sentence == finding.sentence


def _wrong(row: EvidenceRow, evidence: Evidence) -> list[int]:
    """Places at which a mask is not that of the lengths."""
    return [
        place
        for place, (value, real) in enumerate(zip(row.values, evidence.real, strict=True))
        if value is not None and (value >= 0.5) != real
    ]


def _missing(row: EvidenceRow, finding: Finding, evidence: Evidence) -> list[int]:
    """Places of real tokens at which something was no finite number, in a finding that says so."""
    size = size_of(finding)
    if size is None or math.isfinite(size):
        return []
    return [place for place, real in enumerate(evidence.real) if real and row.values[place] is None]


def _range(row: EvidenceRow, finding: Finding) -> str:
    """What the height of a row stands for, where there is room to say it."""
    if row.kind == "mask":
        return ""
    low, high = _bounds(row, finding.tolerance or 0.0)
    how = "log scale, " if row.kind == "change" else ""
    return element("tspan", f" ({how}{plain_number(low)} to {plain_number(high)})", class_="far")


def _bounds(row: EvidenceRow, tolerance: float) -> tuple[float, float]:
    """What the lower and the upper side of a row stand for."""
    known = [abs(value) if row.kind == "change" else value for value in row.values if value is not None]
    if row.kind == "value":
        low, high = min([0.0, *known]), max([0.0, *known])
        return (low, 1.0) if high <= 1 and low >= 0 else (low, high)
    known = [value for value in known if value > 0] + ([tolerance] if tolerance > 0 else [])
    if not known:
        return 1e-12, 1.0
    # a decade below the tolerance is as good as nothing
    low = math.floor(math.log10(tolerance if tolerance > 0 else min(known)) - 0.999)
    return 10.0**low, 10.0 ** max(low + 2, math.ceil(math.log10(max(known))))


def _share(value: float, row: EvidenceRow, bounds: tuple[float, float]) -> float:
    """How high a value stands between the bounds, from 0 to 1."""
    low, high = bounds
    if row.kind == "value":
        share = (value - low) / (high - low)
    elif value == 0:
        share = 0.0
    else:
        share = math.log(abs(value) / low) / math.log(high / low)
    return min(1.0, max(0.0, share))


def evidence_words(finding: Finding) -> str:
    """The picture of the evidence in words: its caption, and what those read who can't see it."""
    evidence = finding.evidence
    if evidence is None:
        return ""
    sentence = "A sentence made up for this check" if evidence.sentence is None else f"Sentence {evidence.sentence}"
    real = sum(evidence.real)
    last = evidence.first + len(evidence.real) - 1
    said = [
        f"{sentence}, positions {evidence.first} to {last}: {_tokens(real)}, and "
        f"{len(evidence.real) - real} positions of padding, hatched."
    ]
    said += [words for row in evidence.rows if (words := _row_words(row, evidence, finding))]
    padding = [place for place, is_real in enumerate(evidence.real) if not is_real]
    if any(row.kind == "value" and row.values[place] is not None for row in evidence.rows for place in padding):
        said.append("A ring stands at padding: what a model prints there is no prediction.")
    if finding.tolerance and any(row.kind == "change" for row in evidence.rows):
        said.append("The dashed line is the tolerance.")
    return " ".join(said)


def _row_words(row: EvidenceRow, evidence: Evidence, finding: Finding) -> str:
    label = row.label[:1].upper() + row.label[1:]
    if row.kind == "mask":
        wrong = [place + evidence.first for place in _wrong(row, evidence)]
        if not wrong:
            return f"{label}: as by the lengths."
        return f"{label}: other than by the lengths, and crossed, at {_positions(wrong)}."
    missing = [place + evidence.first for place in _missing(row, finding, evidence)]
    none = f" No finite number, a cross, at {_positions(missing)}." if missing else ""
    if row.kind == "value":
        known = [value for value, real in zip(row.values, evidence.real, strict=True) if real and value is not None]
        if not known:
            return none.strip()
        return f"{label}: from {plain_number(min(known))} to {plain_number(max(known))} at real tokens.{none}"
    sizes = [(abs(value), -place) for place, value in enumerate(row.values) if value is not None]
    if not sizes:
        return none.strip()
    most, place = max(sizes)
    if not most:
        return f"{label}: 0 everywhere.{none}"
    beyond = ""
    if finding.tolerance is not None:
        count = sum(size > finding.tolerance for size, _ in sizes)
        beyond = (
            f", and above the tolerance at {count} of {len(sizes)} positions"
            if count
            else ", nowhere above the tolerance"
        )
    where = f"at position {evidence.first - place}{'' if evidence.real[-place] else ', which is padding'}"
    return f"{label}: at most {plain_number(most)}, {where}{beyond}.{none}"


def _tokens(count: int) -> str:
    return f"{count} real token{'' if count == 1 else 's'}"


def _positions(positions: Sequence[int]) -> str:
    """Positions in words: "position 4", "positions 3 to 7 and 9"."""
    runs: list[tuple[int, int]] = []
    for position in positions:
        if runs and position == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], position)
        else:
            runs.append((position, position))
    words = [str(first) if first == last else f"{first} to {last}" for first, last in runs[:6]]
    if len(runs) > 6:
        words.append("others")
    listed = words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
    return f"position {listed}" if len(positions) == 1 else f"positions {listed}"


def numbers_table(evidence: Evidence) -> Markup:
    """The numbers of the picture, a row a position."""
    head = element(
        "tr",
        *(element("th", words, scope="col") for words in ("position", "is", *(row.label for row in evidence.rows))),
    )
    rows = []
    for place, real in enumerate(evidence.real):
        cells = []
        for row in evidence.rows:
            value = row.values[place]
            words = "" if value is None else str(round(value)) if row.kind == "mask" else f"{value:.3g}"
            cells.append(element("td", words, class_="n"))
        position = element("th", str(evidence.first + place), scope="row")
        rows.append(element("tr", position, element("td", "real token" if real else "padding"), *cells))
    return element("table", element("thead", head), element("tbody", joined(*rows)))
