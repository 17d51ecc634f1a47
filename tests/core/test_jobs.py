"""Times as a person reads them."""

import pytest

from maskscope.jobs import format_duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0 s"),
        (0, "0 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (200, "3 min 20 s"),
        (600, "10 min"),
        (3600, "1 h"),
        (3900, "1 h 5 min"),
    ],
)
def test_a_duration_is_rounded_to_two_units(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
