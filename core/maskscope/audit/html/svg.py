"""The shapes of the report's figures, as inline SVG. Every text and number is escaped.

Horizontal places and widths are in percent of the figure's width and vertical ones in pixels, so that text keeps its
size whatever the width of the page.
"""

from dataclasses import dataclass

from markupsafe import Markup

_SIDE_PERCENT = 14
"""Text nearer to a side than this begins or ends at its place, instead of being centred on it."""


@dataclass(frozen=True, slots=True)
class SvgFigure:
    """A figure of the report.

    Attributes:
        title: what it shows, for screen readers and as its tooltip.
        description: the same in full sentences, for screen readers; "" when the title is enough.
        height: in pixels.
        shapes: its content.
        max_width: in pixels; None for the width of the page.
    """

    title: str
    description: str
    height: float
    shapes: Markup
    max_width: int | None = None


def percent(place: float) -> str:
    """A horizontal place or width as the value of an attribute."""
    return f"{place:.3f}".rstrip("0").rstrip(".") + "%"


def pixels(place: float) -> str:
    """A vertical place or height as the value of an attribute."""
    return f"{place:.2f}".rstrip("0").rstrip(".")


def text(x: float, y: float, content: str, css: str = "", anchor: str | None = None) -> Markup:
    """Text with its baseline at `y`; without an anchor ("start", "middle", "end") one that keeps it inside."""
    if anchor is None:
        anchor = "start" if x < _SIDE_PERCENT else "end" if x > 100 - _SIDE_PERCENT else "middle"
    return Markup('<text x="{}" y="{}" text-anchor="{}"{}>{}</text>').format(
        percent(x), pixels(y), anchor, _class(css), content
    )


def line(x1: float, y1: float, x2: float, y2: float, css: str) -> Markup:
    """A straight line."""
    return Markup('<line x1="{}" y1="{}" x2="{}" y2="{}"{}/>').format(
        percent(x1), pixels(y1), percent(x2), pixels(y2), _class(css)
    )


def rectangle(x: float, y: float, width: float, height: float, css: str, tooltip: str = "") -> Markup:
    """A rectangle, with a tooltip where it is given."""
    title = Markup("<title>{}</title>").format(tooltip) if tooltip else ""
    return Markup('<rect x="{}" y="{}" width="{}" height="{}"{}>{}</rect>').format(
        percent(x), pixels(y), percent(width), pixels(height), _class(css), title
    )


def at_place(x: float, y: float, *shapes: Markup) -> Markup:
    """Shapes whose own places are in pixels from this place."""
    return Markup('<svg x="{}" y="{}" width="1" height="1">{}</svg>').format(
        percent(x), pixels(y), Markup("").join(shapes)
    )


def path(d: str, css: str) -> Markup:
    """A path, in pixels, for `at_place`."""
    return Markup('<path d="{}"{}/>').format(d, _class(css))


def circle(radius: float, css: str) -> Markup:
    """A circle around the origin, in pixels, for `at_place`."""
    return Markup('<circle cx="0" cy="0" r="{}"{}/>').format(pixels(radius), _class(css))


def _class(css: str) -> Markup:
    return Markup(' class="{}"').format(css) if css else Markup("")
