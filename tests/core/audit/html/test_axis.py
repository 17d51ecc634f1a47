"""The logarithmic axis of the report's figures, and how a deviation compares with its tolerance."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskscope.audit import Finding
from maskscope.audit.html.axis import Axis, compared_with_tolerance, ratio_of
from maskscope.audit.report import Verdict

SIZES = st.one_of(st.just(0.0), st.just(math.inf), st.floats(1e-12, 1e12))


@given(values=st.lists(SIZES, min_size=1, max_size=6))
def test_every_value_has_its_place_in_order(values: list[float]) -> None:
    axis = Axis.around(values)
    places = [axis.at(value) for value in sorted(values)]
    assert places == sorted(places)
    assert 0 <= min(places) <= max(places) <= 100
    left, right = axis.ends
    assert (min(places) < left) == (0 in values)
    assert (max(places) > right) == (math.inf in values)


def test_a_decade_has_the_same_width_everywhere() -> None:
    axis = Axis.around([1e-6, 1e-2])
    assert axis.at(1e-5) - axis.at(1e-6) == pytest.approx(axis.at(1e-2) - axis.at(1e-3))
    assert axis.ticks(4) == [-6, -4, -2]


@pytest.mark.parametrize(
    ("verdict", "deviation", "tolerance", "ratio", "text"),
    [
        ("failed", 0.31, 1e-6, 310_000, "310,000 times the tolerance"),
        ("failed", 1.00001e-6, 1e-6, 1.00001, "just above the tolerance"),
        ("failed", 1.023e-6, 1e-6, 1.023, "1.023 times the tolerance"),
        ("passed", 1e-6, 1e-6, 1.0, "equal to the tolerance"),
        ("passed", 2e-9, 1e-6, 2e-3, "2 × 10⁻³ of the tolerance"),
        ("passed", 0.0, 0.0, 0.0, "no deviation at all"),
        ("failed", 2.0, 0.0, math.inf, "no deviation is allowed"),
        ("failed", math.nan, 1e-6, math.inf, "a value was not a finite number"),
        ("failed", None, 1e-6, math.inf, "a value was not a finite number"),
        ("could not tell", None, 1e-6, None, ""),
        ("failed", 2.0, None, None, ""),
    ],
)
def test_a_deviation_is_compared_with_its_tolerance(
    verdict: Verdict, deviation: float | None, tolerance: float | None, ratio: float | None, text: str
) -> None:
    finding = Finding("LENGTH", verdict, "", deviation, tolerance)
    assert ratio_of(finding) == (None if ratio is None else pytest.approx(ratio))
    assert compared_with_tolerance(finding) == text
