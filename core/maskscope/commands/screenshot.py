"""``maskscope screenshot``: write a picture of the window."""

import argparse

from maskscope.commands.arguments import Subparsers, add_command, add_project, path
from maskscope.commands.terminal import say


def add_parser(commands: Subparsers) -> None:
    """Add the command's arguments."""
    from maskscope_gui.page_table import PAGE_NAMES

    parser = add_command(
        commands,
        "screenshot",
        run,
        "write a picture of the window, without a display",
        "maskscope screenshot demo.maskscope demo.png --sentence 12 --theme dark",
        json=False,
    )
    add_project(parser)
    parser.add_argument("file", metavar="FILE.png", type=path, help="the picture to write")
    parser.add_argument(
        "--sentence", metavar="N", type=int, help="the sentence to show, counted from 0 (default: the first listed)"
    )
    parser.add_argument("--size", metavar="WxH", type=_size, default=(1440, 900), help="in pixels (default: 1440x900)")
    parser.add_argument("--theme", choices=("light", "dark"), default="light", help="(default: light)")
    parser.add_argument(
        "--page",
        choices=PAGE_NAMES,
        default="sentence",
        help="the page to show; for audit the model is audited first, for picture it is traced (default: sentence)",
    )


def run(values: argparse.Namespace) -> int:
    """Write a picture of the window."""
    from maskscope.project import Project

    with Project.open(values.project, read_only=True) as project:
        if values.sentence is not None:
            # Raises for a number that is none of its sentences.
            project.sentence(values.sentence)
    from maskscope_gui.preflight import check

    check(offscreen=True)
    from maskscope_gui.screenshot import screenshot

    screenshot(values.project, values.file, values.sentence, values.size, values.theme, values.page)
    say(str(values.file))
    return 0


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition("x")
    if not (width.isascii() and width.isdecimal() and height.isascii() and height.isdecimal()):
        raise argparse.ArgumentTypeError(f"expected WIDTHxHEIGHT such as 1440x900; received {text!r}")
    size = int(width), int(height)
    if not (320 <= size[0] <= 8192 and 240 <= size[1] <= 8192):
        raise argparse.ArgumentTypeError(f"expected 320x240 to 8192x8192; received {text!r}")
    return size
