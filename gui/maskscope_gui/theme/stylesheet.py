"""The style sheet of the window, for the controls that Qt paints: colours and sizes put into stylesheet.qss."""

from dataclasses import asdict
from importlib import resources
from pathlib import Path
from string import Template

from maskscope_gui.theme.theme import Style

_SIZES = {
    "small": 12,
    "tiny": 10,
    "reading": 17,
    "figure": 26,
    "pad": 12,
    "button": 26,
    "chip": 22,
    "chip_pad": 10,
    "segment": 24,
    "drop": 18,
    "slider": 20,
    "handle": 14,
}
"""Sizes in pixels at 100 %, by their names in stylesheet.qss."""


def icon_folder() -> Path:
    """The folder of the icons. Style sheets and icons need files, so the package can't be used from a zip file."""
    return Path(str(resources.files("maskscope_resources"))) / "icons"


def style_sheet(style: Style) -> str:
    """The style sheet for a theme and a text size, in Qt's language."""
    rules = (resources.files("maskscope_gui.theme") / "stylesheet.qss").read_text(encoding="utf-8")
    sizes = {name: style.px(size) for name, size in _SIZES.items()}
    half = sizes["handle"] // 2
    return Template(rules).substitute(
        asdict(style.theme),
        **sizes,
        handle_half=half,
        handle_out=half - 1,
        icons=icon_folder().as_posix(),
        theme=style.theme.name,
    )
