"""The style sheet of the window: complete, and in sizes that follow the system's text size."""

import re
from pathlib import Path

import pytest
from PySide6.QtGui import QFont

from maskscope_gui.theme.stylesheet import style_sheet
from maskscope_gui.theme.theme import Style
from maskscope_resources.colours import DARK, LIGHT, Theme


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_every_colour_is_one_of_the_theme_and_every_icon_is_there(qapp: object, theme: Theme) -> None:
    rules = style_sheet(Style(theme, QFont()))
    colours = {getattr(theme, name) for name in theme.__slots__}
    assert set(re.findall(r"#[0-9A-Fa-f]{6}\b", rules)) <= colours
    icons = re.findall(r'url\("([^"]+)"\)', rules)
    assert icons
    assert [icon for icon in icons if not Path(icon).is_file()] == []


def test_sizes_follow_the_text_size(qapp: object) -> None:
    font = QFont()
    font.setPixelSize(26)
    assert "font-size: 34px" in style_sheet(Style(LIGHT, font))
