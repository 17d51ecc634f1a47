"""The scale on which deviations are drawn, and the same as text."""

import math

import pytest

from maskscope.audit.report import Finding, Verdict
from maskscope_gui.pages.audit.deviation_scale import (
    decades_above,
    deviation_text,
    share_of_scale,
    tolerance_share,
)


def test_a_scale_of_decades_has_the_tolerance_in_one_place_for_all() -> None:
    assert decades_above([(3.2e-2, 1e-6), (0.0, 0.0), (None, 1.0), (math.inf, 1.0)]) == 5
    assert share_of_scale(1e-6, 1e-6, 5) == pytest.approx(tolerance_share(5)) == pytest.approx(3 / 8)
    assert share_of_scale(0.0, 1e-6, 5) == 0
    assert share_of_scale(1e-12, 1e-6, 5) == 0
    assert share_of_scale(1e-1, 1e-6, 5) == 1
    assert share_of_scale(2.0, 0.0, 5) == share_of_scale(math.inf, 1e-6, 5) == 1


@pytest.mark.parametrize(
    ("verdict", "deviation", "tolerance", "text"),
    [
        ("failed", 3.2e-2, 1e-6, "deviation 0.032, tolerance 10⁻⁶: 32,000 times the tolerance"),
        ("failed", 2.5e-6, 1e-6, "deviation 2.5 × 10⁻⁶, tolerance 10⁻⁶: 2.5 times the tolerance"),
        ("failed", 2.0, 0.0, "deviation 2, tolerance 0"),
        ("failed", None, 1e-6, "not a finite number, tolerance 10⁻⁶"),
        ("passed", 2e-8, 1e-6, "deviation 2 × 10⁻⁸, tolerance 10⁻⁶"),
        ("failed", 2.0, None, "deviation 2"),
        ("could not tell", None, None, ""),
    ],
)
def test_a_deviation_is_compared_with_its_tolerance(
    verdict: Verdict, deviation: float | None, tolerance: float | None, text: str
) -> None:
    assert deviation_text(Finding("LENGTH", verdict, "", deviation, tolerance)) == text
