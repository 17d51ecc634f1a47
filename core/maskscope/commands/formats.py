"""``maskscope formats``: list what can be imported and exported."""

import argparse
from typing import TYPE_CHECKING

from maskscope.commands.arguments import Subparsers, add_command
from maskscope.commands.terminal import say, say_json, table

if TYPE_CHECKING:
    from maskscope.exporters import ExportFormat
    from maskscope.readers import Format


def add_parser(commands: Subparsers) -> None:
    """Add the command's arguments."""
    add_command(
        commands,
        "formats",
        run,
        "list the file formats, what each needs and what it leaves out",
        "maskscope formats",
    )


def run(values: argparse.Namespace) -> int:
    """List the formats."""
    from maskscope import exporters, readers

    if values.json:
        say_json(
            {
                "readers": [_record(each) for each in readers.formats()],
                "exporters": [_record(each) for each in exporters.formats()],
            }
        )
        return 0
    rows = [("", "FORMAT", "FILES", "NEEDS")]
    rows += [("import", each.name, " ".join(each.suffixes), each.needs) for each in readers.formats()]
    rows += [("export", each.name, " ".join(each.suffixes), each.needs) for each in exporters.formats()]
    say(table(rows))
    say("")
    rows = [("", "FORMAT", "NOT INCLUDED", "")]
    rows += [("import", each.name, each.not_included, "") for each in readers.formats()]
    rows += [("export", each.name, each.not_included, "") for each in exporters.formats()]
    say(table(rows))
    return 0


def _record(each: "Format | ExportFormat") -> dict[str, object]:
    return {
        "name": each.name,
        "title": each.title,
        "suffixes": list(each.suffixes),
        "needs": each.needs,
        "loses": each.not_included,
    }
