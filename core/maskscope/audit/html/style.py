"""The report's style sheet: the window's colours in light and in dark, and light on paper."""

from dataclasses import asdict
from importlib import resources

from markupsafe import Markup

from maskscope_resources.colours import DARK, LIGHT, Theme

_PICTURE_COLOURS = ("window", "panel", "line", "text", "second", "mask", "fails", "fails_ground", "control")
"""The colours that the model's picture is painted with."""


def style_sheet() -> Markup:
    """The content of the page's style element; paper is light whatever the screen is."""
    rules = (resources.files("maskscope.audit.html") / "templates" / "report.css").read_text(encoding="utf-8")
    # our own files, without any text from a model
    return Markup(
        f":root{{color-scheme:light dark;{_variables(LIGHT)}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{:root{{{_variables(DARK)}}}}}\n"
        f"{rules}{_picture_rules()}\n"
    )


def _variables(theme: Theme) -> str:
    """The theme's colours as CSS variables of the same names."""
    return ";".join(f"--{name}:{code}" for name, code in asdict(theme).items() if str(code).startswith("#"))


def _picture_rules() -> str:
    """The picture is painted in the light theme's colours; replace each by the variable of its name."""
    rules = []
    for name in _PICTURE_COLOURS:
        for attribute in ("fill", "stroke"):
            code = getattr(LIGHT, name).lower()
            rules.append(f'.model [{attribute}="{code}" i]{{{attribute}:var(--{name})}}')
    return "\n".join(rules)
