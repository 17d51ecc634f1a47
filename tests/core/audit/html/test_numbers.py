"""Numbers of the report: two or three digits for a reader, the exact number for a program."""

import math

import pytest

from maskscope.audit.html.numbers import number, plain_number


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (403.0, "403"),
        (43_121.0, "43,121"),
        (0.3149, "0.31"),
        (122.49, "122"),
        (87_312.5, "87,300"),
        (1e-6, "10⁻⁶"),
        (3.14e-8, "3.1 × 10⁻⁸"),
        (2.5e9, "2.5 × 10⁹"),
        (math.inf, "not a finite number"),
        (math.nan, "not a finite number"),
    ],
)
def test_a_number_has_as_many_digits_as_matter(value: float, text: str) -> None:
    assert plain_number(value) == text


def test_as_html_it_holds_the_exact_number() -> None:
    assert number(3.14e-8) == '<data value="3.14e-08">3.1&nbsp;×&nbsp;10<sup>−8</sup></data>'
    assert number(1e-6) == '<data value="1e-06">10<sup>−6</sup></data>'
    assert number(math.nan) == '<data value="inf">not a finite number</data>'
