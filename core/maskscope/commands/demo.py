"""``maskscope demo``: write the demo project."""

import argparse

from maskscope.commands.arguments import Subparsers, add_command, path
from maskscope.commands.terminal import say, say_json


def add_parser(commands: Subparsers) -> None:
    """Add the command's arguments."""
    parser = add_command(
        commands,
        "demo",
        run,
        "write the demo project, with a trained model and its scores",
        "maskscope demo night-trains.maskscope\nmaskscope demo typed.maskscope --typed",
    )
    parser.add_argument("target", metavar="DIR", type=path, help="the folder to make")
    parser.add_argument(
        "--typed",
        action="store_true",
        help="label names as person, place, organisation or work; without it, as name alone",
    )


def run(values: argparse.Namespace) -> int:
    """Write the demo project."""
    from maskscope.workflows.demo import write_demo

    target = write_demo(values.target, values.typed)
    if values.json:
        say_json({"path": str(target), "typed": values.typed})
    else:
        say(str(target))
    return 0
