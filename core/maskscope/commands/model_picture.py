"""A model's picture, drawn by the window's code without a display."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from maskscope.keras_io.model_graph import ModelGraph


def model_svg(graph: "ModelGraph") -> str:
    """A model's picture in the light theme, as the text of an .svg file, without a display.

    Raises MaskscopeError where Qt can't start.
    """
    from maskscope_gui.preflight import explain

    try:
        _start_offscreen()
        from maskscope_gui.pages.picture.picture_file import svg_picture
        from maskscope_resources.colours import LIGHT
    except ImportError as error:
        raise explain(error) from error
    return svg_picture(graph, LIGHT)


def model_picture(graph: "ModelGraph", file: Path, theme: str) -> None:
    """Write a model's picture as .svg or .png, in the "light" or "dark" theme, without a display."""
    _start_offscreen()
    from maskscope_gui.pages.picture.picture_file import write_picture
    from maskscope_resources.colours import DARK, LIGHT

    write_picture(graph, file, {"light": LIGHT, "dark": DARK}[theme])


def _start_offscreen() -> None:
    from maskscope_gui.preflight import check

    check(offscreen=True)
    os.environ["QT_QPA_PLATFORM"] = "offscreen"
    from maskscope_gui.app import make_application

    make_application()
