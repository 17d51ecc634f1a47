"""The report's style sheet: the colours of both themes, and none of its own."""

import re

from maskscope.audit.html.style import style_sheet
from maskscope_resources.colours import DARK, LIGHT


def test_every_colour_of_the_report_is_a_variable_with_a_value_in_both_themes() -> None:
    sheet = style_sheet()
    light, dark = re.findall(r":root\{([^}]*)\}", sheet)
    for name in set(re.findall(r"var\(--(\w+)\)", sheet)):
        assert f"--{name}:{getattr(LIGHT, name)}" in light
        assert f"--{name}:{getattr(DARK, name)}" in dark


def test_the_style_sheet_writes_down_no_colour_itself() -> None:
    rules = re.sub(r":root\{[^}]*\}|\.model \[[^]]*\]", "", style_sheet())
    assert not re.findall(r"#[0-9A-Fa-f]{3,8}\b", rules)
