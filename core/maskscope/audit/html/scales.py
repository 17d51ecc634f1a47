"""The figures that show deviations against their tolerances: the overview of all checks, and one scale per check."""

import math
from collections.abc import Iterable, Iterator

from markupsafe import Markup

from maskscope.audit.html.axis import END_PERCENT, Axis, compared_with_tolerance, ratio_of, size_of
from maskscope.audit.html.numbers import plain_number
from maskscope.audit.html.svg import SvgFigure, at_place, circle, line, path, rectangle, text
from maskscope.audit.report import Finding, Verdict

CSS_CLASSES: dict[Verdict, str] = {"failed": "fails", "could not tell": "unclear", "passed": "holds"}
"""The CSS class of each verdict, for its colour."""

_DOTS: dict[Verdict, Markup] = {
    "failed": path("M-5-5H5V5H-5Z", "dot-fails"),
    "passed": circle(5, "dot-holds"),
    "could not tell": path("M0-6 6 0 0 6-6 0Z", "dot-unclear"),
}
"""The mark of a deviation: each verdict has its own shape, so that nothing is shown by colour alone."""

_ROW = 30
"""Height of a row of the overview, in pixels."""
_HEAD = 32
_OVERVIEW_TICKS, _SCALE_TICKS = 6, 7
"""The most labelled ticks of each kind of axis."""


def overview_axis(findings: Iterable[Finding]) -> Axis:
    """The axis of deviation over tolerance that has room for every finding."""
    return Axis.around((ratio for finding in findings if (ratio := ratio_of(finding)) is not None), (-1.5, 1.5))


def overview_head(axis: Axis) -> SvgFigure:
    """The axis with its labels, for the head of the overview."""
    shapes = [
        text(axis.at(1), 10, "tolerance", "strong", "middle"),
        *_tick_labels(axis, 25, _OVERVIEW_TICKS, wide_only=True),
        line(axis.ends[0], 31.5, axis.ends[1], 31.5, "axis"),
        *(line(place, 28, place, 32, "axis") for place in _tick_places(axis, _OVERVIEW_TICKS)),
    ]
    return SvgFigure("", "", _HEAD, Markup("").join(shapes))


def overview_row(finding: Finding, axis: Axis) -> SvgFigure:
    """A check's deviation on the axis of the overview."""
    middle, limit, ratio = _ROW / 2, axis.at(1), ratio_of(finding)
    grid = [place for place in _tick_places(axis, _OVERVIEW_TICKS) if place != limit]
    shapes = [
        rectangle(0, 0, limit, _ROW, "within"),
        rectangle(limit, 0, 100 - limit, _ROW, "beyond"),
        *(line(place, 0, place, _ROW, "grid") for place in grid),
        line(limit, 0, limit, _ROW, "limit"),
    ]
    if ratio is None:
        # the text is on the side of the verdict, as it has no place on the axis
        place = (limit + 100) / 2 if finding.verdict == "failed" else limit / 2
        content = "not run" if finding.verdict == "could not tell" else "pass or fail"
        shapes.append(text(place, middle + 4, content, anchor="middle"))
        title = f"{finding.check} {finding.verdict}; it has no deviation to compare with a tolerance"
    else:
        place = axis.at(ratio)
        shapes.append(line(limit, middle, place, middle, f"stem-{CSS_CLASSES[finding.verdict]}"))
        shapes.append(at_place(place, middle, _DOTS[finding.verdict]))
        title = f"{finding.check} {finding.verdict}; {compared_with_tolerance(finding)}"
    return SvgFigure(title, "", _ROW, Markup("").join(shapes))


def scale(finding: Finding) -> SvgFigure | None:
    """Deviation and tolerance of a check on an axis of their own; None when it has no deviation."""
    size, tolerance = size_of(finding), finding.tolerance
    if size is None or tolerance is None:
        return None
    axis = Axis.around((size, tolerance))
    limit = END_PERCENT if tolerance == 0 else axis.at(tolerance)
    deviation = plain_number(size)
    description = (
        f"A logarithmic axis from {plain_number(10.0**axis.low)} to {plain_number(10.0**axis.high)}. The tolerance "
        f"is at {plain_number(tolerance)}, the largest deviation at {deviation}: {compared_with_tolerance(finding)}."
    )
    shapes = [
        rectangle(0, 18, limit, 16, "within"),
        rectangle(limit, 18, 100 - limit, 16, "beyond"),
        *(line(place, 18, place, 34, "grid") for place in _tick_places(axis, _SCALE_TICKS)),
        line(limit, 16, limit, 37, "limit"),
        at_place(axis.at(size), 26, _DOTS[finding.verdict]),
        text(axis.at(size), 11, f"deviation {deviation}" if math.isfinite(size) else deviation, "strong"),
        *_tick_labels(axis, 46, _SCALE_TICKS),
        text(limit, 60, f"tolerance {plain_number(tolerance)}"),
    ]
    return SvgFigure(f"{finding.check}: deviation against tolerance", description, 64, Markup("").join(shapes))


def _tick_places(axis: Axis, most: int) -> list[float]:
    return [axis.at(10.0**power) for power in axis.ticks(most)]


def _tick_labels(axis: Axis, y: float, most: int, wide_only: bool = False) -> Iterator[Markup]:
    """The labels of an axis; with `wide_only`, narrow pages show only 1, the last one, 0 and infinity."""
    ticks = axis.ticks(most)
    for power in ticks:
        css = "tick far" if wide_only and power not in (0, ticks[-1]) else "tick"
        yield text(axis.at(10.0**power), y, plain_number(10.0**power), css, "middle")
    if axis.zero:
        yield text(axis.at(0), y, "0", "tick", "middle")
    if axis.infinite:
        yield text(axis.at(math.inf), y, "∞", "tick", "middle")
