"""The figures of a report, as inline SVG: places across are in percent, so that text keeps its size on any page."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from maskscope.audit.html.markup import Markup, element, plain_number
from maskscope.audit.report import Finding, Verdict

_MOST_DECADES = 24
_SIDE, _INSET = 9.0, 2.5
"""Percent of an axis that 0, and what is no finite number, take at its ends, since a log axis has no place for them;
and the room that is left for half a tick's label where there is neither."""

ROLES: dict[Verdict, str] = {"failed": "fails", "could not tell": "unclear", "passed": "holds"}
"""The class of each verdict, for its colour."""


def mark(verdict: Verdict, size: int = 16) -> Markup:
    """A verdict's mark: each has a shape of its own, so that its colour only repeats it."""
    role = ROLES[verdict]
    white = {"stroke": "var(--panel)", "stroke_width": "2", "fill": "none", "stroke_linecap": "round"}
    shapes = {
        "failed": (
            element("path", d="M5.2 1h5.6L15 5.2v5.6L10.8 15H5.2L1 10.8V5.2Z", class_="dot-fails"),
            element("path", d="M5.5 5.5l5 5M10.5 5.5l-5 5", **white),
        ),
        "passed": (
            element("circle", cx="8", cy="8", r="7", class_="dot-holds"),
            element("path", d="M4.8 8.3l2.2 2.2 4.2-4.6", **white),
        ),
        "could not tell": (
            element("path", d="M8 .6 15.4 8 8 15.4.6 8Z", class_="dot-unclear"),
            element("path", d="M5 8h6", **white),
        ),
    }
    return element(
        "svg",
        element("title", verdict),
        *shapes[verdict],
        class_=f"mark {role}",
        role="img",
        width=str(size),
        height=str(size),
        viewBox="0 0 16 16",
    )


def hatching() -> Markup:
    """The pattern of padding, once a page; every figure refers to it."""
    pattern = element(
        "pattern",
        element("rect", width="6", height="6", class_="hatch-ground"),
        element("path", d="M-1 1 1-1M-1 7 7-1M5 7 7 5", class_="hatch-stroke", stroke_width="1"),
        id="hatch",
        width="6",
        height="6",
        patternUnits="userSpaceOnUse",
    )
    return element(
        "svg", element("defs", pattern), width="0", height="0", style="position:absolute", **{"aria-hidden": "true"}
    )


def size_of(finding: Finding) -> float | None:
    """The deviation, infinite where something was no finite number; None where the check measures none.

    JSON knows no infinity, so a report that was read back has none where it was: what failed against a tolerance
    without a deviation was infinite.
    """
    if finding.deviation is None:
        return math.inf if finding.verdict == "failed" and finding.tolerance is not None else None
    return abs(finding.deviation) if math.isfinite(finding.deviation) else math.inf


def ratio_of(finding: Finding) -> float | None:
    """Deviation over tolerance; infinite where any at all is too much; None where there are no such numbers."""
    size = size_of(finding)
    if size is None or finding.tolerance is None:
        return None
    if size == 0:
        return 0.0
    return size / finding.tolerance if finding.tolerance > 0 else math.inf


@dataclass(frozen=True, slots=True)
class Axis:
    """A logarithmic axis, with a place for 0 on its left and one for what has no bound on its right, where needed.

    Attributes:
        low: power of ten at its left end.
        high: power of ten at its right end.
        zero: whether 0 has a place.
        infinite: whether infinity has one.
    """

    low: int
    high: int
    zero: bool
    infinite: bool

    @classmethod
    def around(cls, values: Iterable[float], least: tuple[float, ...] = ()) -> "Axis":
        """One on which all of the values have room, and the powers of ten `least`."""
        values = tuple(values)
        powers = [*(math.log10(value) for value in values if 0 < value < math.inf), *least] or [0.0]
        low, high = math.floor(min(powers) - 0.5), math.ceil(max(powers) + 0.5)
        return cls(max(low, high - _MOST_DECADES), high, 0 in values, math.inf in values)

    @property
    def ends(self) -> tuple[float, float]:
        """Where the logarithmic part begins and ends, in percent."""
        return (_SIDE if self.zero else 0.0) + _INSET, 100 - _INSET - (_SIDE if self.infinite else 0.0)

    def at(self, value: float) -> float:
        """The place of a value, in percent; below the axis stands at its left end."""
        left, right = self.ends
        if value == 0 and self.zero:
            return _SIDE / 2
        if math.isinf(value):
            return 100 - _SIDE / 2
        share = (math.log10(value) - self.low) / (self.high - self.low) if value > 0 else 0.0
        return left + (right - left) * min(1.0, max(0.0, share))

    def ticks(self, most: int = 7) -> list[int]:
        """Powers of ten to write on it: evenly apart, and 0 among them where the axis has it."""
        apart = next(step for step in (1, 2, 3, 4, 6, 8, 12, 24) if (self.high - self.low) / step < most or step == 24)
        return [power for power in range(self.low, self.high + 1) if power % apart == 0]


def _x(place: float) -> str:
    return f"{place:.3f}".rstrip("0").rstrip(".") + "%"


def _anchor(place: float) -> str:
    return "start" if place < 14 else "end" if place > 86 else "middle"


def text(place: float, y: float, words: str, class_: str = "", anchor: str | None = None) -> Markup:
    """Words with their baseline at `y` pixels; by their place they end or begin there, to stay on the page."""
    return element("text", words, x=_x(place), y=float(y), text_anchor=anchor or _anchor(place), class_=class_ or None)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """A line; across in percent, down in pixels."""
    return element("line", x1=_x(x1), y1=float(y1), x2=_x(x2), y2=float(y2), class_=class_)


def rectangle(x: float, y: float, width: float, height: float, class_: str, *content: Markup) -> Markup:
    """A rectangle; across in percent, down in pixels."""
    return element("rect", *content, x=_x(x), y=float(y), width=_x(width), height=float(height), class_=class_)


def at_place(place: float, y: float, *content: Markup) -> Markup:
    """Shapes in pixels around a place in percent."""
    return element("svg", *content, x=_x(place), y=float(y), width="1", height="1")


def _dot(verdict: Verdict, place: float, y: float) -> Markup:
    shapes = {
        "failed": element("path", d="M-5-5H5V5H-5Z", class_="dot-fails"),
        "passed": element("circle", cx="0", cy="0", r="5", class_="dot-holds"),
        "could not tell": element("path", d="M0-6 6 0 0 6-6 0Z", class_="dot-unclear"),
    }
    return at_place(place, y, shapes[verdict])


def _tick_words(axis: Axis, y: float, most: int, far: bool = False) -> Iterator[Markup]:
    ticks = axis.ticks(most)
    for power in ticks:
        # of these there is room for few on a phone
        class_ = "tick far" if far and power not in (0, ticks[-1]) else "tick"
        yield text(axis.at(10.0**power), y, plain_number(10.0**power), class_, "middle")
    if axis.zero:
        yield text(axis.at(0), y, "0", "tick", "middle")
    if axis.infinite:
        yield text(axis.at(math.inf), y, "∞", "tick", "middle")


# the overview: a row of a table for each check, all on one axis

OVERVIEW_HEIGHT = 30


def overview_axis(findings: Iterable[Finding]) -> Axis:
    """The axis of deviation over tolerance on which every finding has its place."""
    return Axis.around((ratio for finding in findings if (ratio := ratio_of(finding)) is not None), (-1.5, 1.5))


def overview_head(axis: Axis) -> Markup:
    """The axis itself, for the head of the table."""
    middle = axis.at(1)
    return element(
        "svg",
        text(middle, 10, "tolerance", "strong", "middle"),
        *_tick_words(axis, 25, 6, far=True),
        line(axis.ends[0], 31.5, axis.ends[1], 31.5, "axis"),
        *(line(axis.at(10.0**power), 28, axis.at(10.0**power), 32, "axis") for power in axis.ticks(6)),
        class_="f",
        width="100%",
        height="32",
        **{"aria-hidden": "true"},
    )


def overview_cell(finding: Finding, axis: Axis) -> Markup:
    """A check's place on the axis of the overview."""
    height, middle = OVERVIEW_HEIGHT, OVERVIEW_HEIGHT / 2
    ratio = ratio_of(finding)
    limit = axis.at(1)
    parts = [
        element("title", overview_words(finding)),
        rectangle(0, 0, limit, height, "within"),
        rectangle(limit, 0, 100 - limit, height, "beyond"),
        *(line(axis.at(10.0**power), 0, axis.at(10.0**power), height, "grid") for power in axis.ticks(6) if power),
        line(limit, 0, limit, height, "limit"),
    ]
    if ratio is None:
        # on the side of the verdict, since it has no place
        words = "not made" if finding.verdict == "could not tell" else "yes or no"
        place = (limit + 100) / 2 if finding.verdict == "failed" else limit / 2
        parts.append(text(place, middle + 4, words, anchor="middle"))
    else:
        place = axis.at(ratio)
        parts += [
            line(limit, middle, place, middle, f"stem-{ROLES[finding.verdict]}"),
            _dot(finding.verdict, place, middle),
        ]
    return element("svg", *parts, class_="f", role="img", width="100%", height=str(height))


def overview_words(finding: Finding) -> str:
    """A row of the overview for those who can't see it."""
    ratio = ratio_of(finding)
    if ratio is None:
        return f"{finding.check} {finding.verdict}; it has no deviation to hold against a tolerance"
    return f"{finding.check} {finding.verdict}; {times_tolerance(finding)}"


def times_tolerance(finding: Finding) -> str:
    """How the deviation stands to the tolerance, in words."""
    ratio, size = ratio_of(finding), size_of(finding)
    if ratio is None or size is None:
        return ""
    if math.isinf(size):
        return "something was no finite number"
    if ratio == 0:
        return "no deviation at all"
    if math.isinf(ratio):
        return "none is allowed"
    if ratio < 0.01 or (0.95 < ratio < 1.05 and ratio != 1):
        return f"{plain_number(ratio) if ratio < 0.01 else f'{ratio:.4g}'} of the tolerance"
    return f"{plain_number(ratio)} times the tolerance"


# one check: its deviation beside its tolerance


def scale(finding: Finding, key: str) -> Markup | None:
    """Deviation and tolerance of a check on a log axis of their own; None when it has no deviation.

    Args:
        finding: of the check.
        key: an identifier that no other figure of the page has.
    """
    size, tolerance = size_of(finding), finding.tolerance
    if size is None or tolerance is None:
        return None
    axis = Axis.around((size, tolerance))
    limit = _SIDE if tolerance == 0 else axis.at(tolerance)
    place = axis.at(size)
    deviation = plain_number(size)
    words = (
        f"A logarithmic axis from {plain_number(10.0**axis.low)} to {plain_number(10.0**axis.high)}. The tolerance "
        f"stands at {plain_number(tolerance)}, the largest deviation at {deviation}: {times_tolerance(finding)}."
    )
    return element(
        "svg",
        element("title", f"{finding.check}: deviation against tolerance", id=f"{key}-title"),
        element("desc", words, id=f"{key}-desc"),
        rectangle(0, 18, limit, 16, "within"),
        rectangle(limit, 18, 100 - limit, 16, "beyond"),
        *(line(axis.at(10.0**power), 18, axis.at(10.0**power), 34, "grid") for power in axis.ticks()),
        line(limit, 16, limit, 37, "limit"),
        _dot(finding.verdict, place, 26),
        text(place, 11, f"deviation {deviation}" if math.isfinite(size) else deviation, "strong"),
        *_tick_words(axis, 46, 7),
        text(limit, 60, f"tolerance {plain_number(tolerance)}"),
        class_="f",
        role="img",
        width="100%",
        height="64",
        **{"aria-labelledby": f"{key}-title {key}-desc"},
    )
