"""How a deviation compares with its tolerance, and the logarithmic axis on which both are drawn."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from maskscope.audit.html.numbers import plain_number
from maskscope.audit.report import Finding

_MOST_DECADES = 24
END_PERCENT = 9.0
"""Width of the place for 0 at the left end, and of the place for infinity at the right end, in percent of the axis."""
_INSET_PERCENT = 2.5
"""Width left at either end for half of a tick's label, in percent of the axis."""


def size_of(finding: Finding) -> float | None:
    """The absolute deviation, infinite where a value was not finite; None where the check measures none.

    JSON has no infinity, so that a report that was read from JSON has no deviation there: a check that failed against
    a tolerance without a deviation had an infinite one.
    """
    if finding.deviation is None:
        return math.inf if finding.verdict == "failed" and finding.tolerance is not None else None
    return abs(finding.deviation) if math.isfinite(finding.deviation) else math.inf


def ratio_of(finding: Finding) -> float | None:
    """Deviation over tolerance; infinite where any deviation is too much; None without a deviation or a tolerance."""
    size = size_of(finding)
    if size is None or finding.tolerance is None:
        return None
    if size == 0:
        return 0.0
    return size / finding.tolerance if finding.tolerance > 0 else math.inf


def compared_with_tolerance(finding: Finding) -> str:
    """How the deviation compares with the tolerance, such as "3.1 times the tolerance"; "" without a ratio."""
    ratio, size = ratio_of(finding), size_of(finding)
    if ratio is None or size is None:
        return ""
    if math.isinf(size):
        return "a value was not a finite number"
    if ratio == 0:
        return "no deviation at all"
    if math.isinf(ratio):
        return "no deviation is allowed"
    if ratio < 0.01:
        return f"{plain_number(ratio)} of the tolerance"
    if ratio == 1:
        return "equal to the tolerance"
    if abs(ratio - 1) < 5e-4:
        return f"just {'above' if ratio > 1 else 'below'} the tolerance"
    if abs(ratio - 1) < 0.05:
        # two digits would say "1 times the tolerance"
        return f"{ratio:.4g} times the tolerance"
    return f"{plain_number(ratio)} times the tolerance"


@dataclass(frozen=True, slots=True)
class Axis:
    """A logarithmic axis, with a place for 0 at its left end and one for infinity at its right end, where needed.

    Attributes:
        low: power of ten at its left end.
        high: power of ten at its right end.
        zero: whether 0 has a place.
        infinite: whether infinity has a place.
    """

    low: int
    high: int
    zero: bool
    infinite: bool

    @classmethod
    def around(cls, values: Iterable[float], also: tuple[float, ...] = ()) -> "Axis":
        """The axis that has room for all values, and for the powers of ten `also`."""
        values = tuple(values)
        powers = [*(math.log10(value) for value in values if 0 < value < math.inf), *also] or [0.0]
        low, high = math.floor(min(powers) - 0.5), math.ceil(max(powers) + 0.5)
        return cls(max(low, high - _MOST_DECADES), high, 0 in values, math.inf in values)

    @property
    def ends(self) -> tuple[float, float]:
        """Where the logarithmic part begins and ends, in percent."""
        left = (END_PERCENT if self.zero else 0.0) + _INSET_PERCENT
        return left, 100 - _INSET_PERCENT - (END_PERCENT if self.infinite else 0.0)

    def at(self, value: float) -> float:
        """The place of a value in percent; values beyond the axis are placed at its ends."""
        left, right = self.ends
        if value == 0 and self.zero:
            return END_PERCENT / 2
        if math.isinf(value):
            return 100 - END_PERCENT / 2
        share = (math.log10(value) - self.low) / (self.high - self.low) if value > 0 else 0.0
        return left + (right - left) * min(1.0, max(0.0, share))

    def ticks(self, most: int = 7) -> list[int]:
        """The powers of ten to label, at most `most`: evenly spaced, and 0 among them where the axis has it."""
        steps = (1, 2, 3, 4, 6, 8, 12, 24)
        step = next((step for step in steps if (self.high - self.low) / step < most), steps[-1])
        return [power for power in range(self.low, self.high + 1) if power % step == 0]
