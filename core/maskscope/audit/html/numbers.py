"""Numbers for a reader: two or three digits, and a power of ten where the number would be unwieldy without one."""

import math

from markupsafe import Markup

_SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
NOT_FINITE = "not a finite number"


def number(value: float) -> Markup:
    """The number as HTML: a ``<data>`` element, whose attribute ``value`` is the exact number for programs."""
    if not math.isfinite(value):
        return Markup('<data value="inf">{}</data>').format(NOT_FINITE)
    digits, power = _parts(value)
    shown: str = digits
    if power is not None:
        times = Markup("") if digits == "1" else Markup("{}&nbsp;×&nbsp;").format(digits)
        shown = Markup("{}10<sup>{}</sup>").format(times, str(power).replace("-", "−"))
    return Markup('<data value="{}">{}</data>').format(repr(float(value)), shown)


def plain_number(value: float) -> str:
    """The number as plain text, such as "3.1 × 10⁻²"."""
    if not math.isfinite(value):
        return NOT_FINITE
    digits, power = _parts(value)
    if power is None:
        return digits
    return ("" if digits == "1" else f"{digits} × ") + f"10{str(power).translate(_SUPERSCRIPT)}"


def _parts(value: float) -> tuple[str, int | None]:
    """Two or three significant digits, and the power of ten to multiply them by, if any."""
    if value == int(value) and abs(value) < 1e6:
        return f"{int(value):,}", None
    if 0.01 <= abs(value) < 1e6:
        return f"{value:.2g}" if abs(value) < 100 else f"{float(f'{value:.3g}'):,.0f}", None
    mantissa, _, power = f"{value:.1e}".partition("e")
    return mantissa.removesuffix(".0"), int(power)
