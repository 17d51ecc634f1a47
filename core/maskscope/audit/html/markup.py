"""Markup that can't be broken by what it shows: any text is escaped, unless it was made here."""

import html
import math
import re

_VOID = frozenset({"meta", "br"})
_UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u202a-\u202e\u2066-\u2069]")
"""No character of a page, or one that turns the writing direction of all that follows."""

_RAISED = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


def escaped(text: str) -> Markup:
    """Text as it can stand in an element or in an attribute; itself when it is markup already."""
    return text if isinstance(text, Markup) else Markup(html.escape(_UNSEEN.sub("\ufffd", text)))


def element(name: str, /, *content: str, **attributes: str | float | None) -> Markup:
    """``<name attributes>content</name>``; every content and value is escaped unless it is `Markup`.

    Args:
        name: of the element, a constant of ours.
        content: what stands in it, one after another.
        attributes: by name, "class_" for class and "_" for "-"; None leaves one out; a float is a number of a figure.
    """
    given = "".join(f' {_attribute(key)}="{_value(value)}"' for key, value in attributes.items() if value is not None)
    if name in _VOID:
        return Markup(f"<{name}{given}>")
    return Markup(f"<{name}{given}>{''.join(map(escaped, content))}</{name}>")


def joined(*content: str) -> Markup:
    """One after another."""
    return Markup("".join(map(escaped, content)))


def number(value: float) -> Markup:
    """A number for a person, with the exact one beside it for a program."""
    if not math.isfinite(value):
        return Markup('<data value="inf">no finite number</data>')
    head, power = _parts(value)
    times = "" if head == "1" else f"{head}&nbsp;×&nbsp;"
    words = head if power is None else Markup(f"{times}10<sup>{str(power).replace('-', '−')}</sup>")
    return element("data", words, value=repr(float(value)))


def plain_number(value: float) -> str:
    """The same as `number` without markup, for a figure: "3.1 × 10⁻²"."""
    if not math.isfinite(value):
        return "no finite number"
    head, power = _parts(value)
    if power is None:
        return head
    return ("" if head == "1" else f"{head} × ") + f"10{str(power).translate(_RAISED)}"


def _parts(value: float) -> tuple[str, int | None]:
    """Two or three significant digits, and the power of ten where the number is unwieldy without."""
    if value == int(value) and abs(value) < 1e6:
        return f"{int(value):,}", None
    if 0.01 <= abs(value) < 1e6:
        return f"{value:.2g}" if abs(value) < 100 else f"{float(f'{value:.3g}'):,.0f}", None
    mantissa, _, power = f"{value:.1e}".partition("e")
    return mantissa.removesuffix(".0"), int(power)


def _attribute(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def _value(value: str | float) -> str:
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".")
    return escaped(str(value))
