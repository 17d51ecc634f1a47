"""How a deviation compares with its tolerance: as text, and as a place on a logarithmic scale.

Every scale begins at a thousandth of the tolerance, so that the tolerance of different checks is at the same place.
"""

import math
from collections.abc import Iterable

from maskscope.audit.report import Finding
from maskscope_gui.pages.audit.audit_text import format_deviation

_DECADES_BELOW = 3
_MIN_DECADES_ABOVE, _MAX_DECADES_ABOVE = 3, 12
"""Decades of a scale below and above the tolerance."""


def decades_above(pairs: Iterable[tuple[float | None, float | None]]) -> int:
    """The decades above the tolerance that a common scale of (deviation, tolerance) pairs needs."""
    ratios = [
        deviation / tolerance
        for deviation, tolerance in pairs
        if deviation is not None and tolerance and deviation > 0 and math.isfinite(deviation)
    ]
    most = math.ceil(math.log10(max(ratios))) if ratios else 0
    return min(max(most, _MIN_DECADES_ABOVE), _MAX_DECADES_ABOVE)


def share_of_scale(deviation: float, tolerance: float, decades: int) -> float:
    """The place of a deviation on a scale, 0 to 1; a deviation is at the end where the tolerance is 0.

    Args:
        deviation: absolute, may be infinite.
        tolerance: 0 where no deviation is allowed.
        decades: of the scale above the tolerance.
    """
    if deviation <= 0:
        return 0.0
    if tolerance <= 0 or not math.isfinite(deviation):
        return 1.0
    share = (math.log10(deviation / tolerance) + _DECADES_BELOW) / (_DECADES_BELOW + decades)
    return min(max(share, 0.0), 1.0)


def tolerance_share(decades: int) -> float:
    """The place of the tolerance on a scale with these decades above it, 0 to 1."""
    return _DECADES_BELOW / (_DECADES_BELOW + decades)


def deviation_text(finding: Finding) -> str:
    """The deviation and the tolerance as text; "" where the check measures no deviation."""
    deviation, tolerance = finding.deviation, finding.tolerance
    if tolerance is None:
        return "" if deviation is None else f"deviation {format_deviation(deviation)}"
    if deviation is None:
        return f"not a finite number, tolerance {format_deviation(tolerance)}" if finding.verdict == "failed" else ""
    text = f"deviation {format_deviation(deviation)}, tolerance {format_deviation(tolerance)}"
    if not tolerance or not math.isfinite(deviation) or deviation <= tolerance:
        return text
    ratio = deviation / tolerance
    # two significant digits, as many as the deviation is shown with
    times = f"{float(f'{ratio:.2g}'):,.0f}" if ratio >= 10 else f"{ratio:.1f}"
    return f"{text}: {times} times the tolerance"
