"""``maskscope formats``: list what can be imported and exported."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from maskscope.commands.arguments import Subparsers, add_command
from maskscope.commands.terminal import say, say_json, table

if TYPE_CHECKING:
    from maskscope.exporters import ExportFormat
    from maskscope.readers import ImportFormat


def add_parser(commands: Subparsers) -> None:
    """Add the command's arguments."""
    parser = add_command(
        commands,
        "formats",
        run,
        "list the file formats, what each needs and what it leaves out",
        "maskscope formats",
    )
    parser.add_argument("--markdown", action="store_true", help="print the formats as docs/formats.md describes them")


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
    elif values.markdown:
        say(_markdown(readers.formats(), exporters.formats()))
    else:
        _say(readers.formats(), exporters.formats())
    return 0


def _say(imports: "tuple[ImportFormat, ...]", exports: "tuple[ExportFormat, ...]") -> None:
    both = [("import", each) for each in imports] + [("export", each) for each in exports]
    rows = [("", "FORMAT", "FILES", "NEEDS")]
    rows += [(what, each.name, " ".join(each.suffixes), each.needs) for what, each in both]
    say(table(rows))
    say("")
    rows = [("", "FORMAT", "NOT INCLUDED", "")]
    rows += [(what, each.name, each.not_included, "") for what, each in both]
    say(table(rows))


def _record(each: "ImportFormat | ExportFormat") -> dict[str, object]:
    return {
        "name": each.name,
        "title": each.title,
        "suffixes": list(each.suffixes),
        "needs": each.needs,
        "loses": each.not_included,
    }


def _markdown(imports: "tuple[ImportFormat, ...]", exports: "tuple[ExportFormat, ...]") -> str:
    """The part of docs/formats.md that is written from the registries."""
    parts = ["## Import", _markdown_table(imports)]
    for source in imports:
        parts += [f"### Import {source.name}: {source.title}", source.description]
        if source.companions:
            rows = [f"| `--{each.name} FILE` | {each.description} |" for each in source.companions]
            parts.append("\n".join(["| option | the file holds |", "|---|---|", *rows]))
    parts += ["## Export", _markdown_table(exports)]
    for target in exports:
        parts += [f"### Export {target.name}: {target.title}", target.description]
    return "\n\n".join(parts)


def _markdown_table(formats: "Sequence[ImportFormat | ExportFormat]") -> str:
    lines = ["| format | files | needs | not included |", "|---|---|---|---|"]
    for each in formats:
        files = " ".join(f"`{suffix}`" for suffix in each.suffixes)
        lines.append(f"| `{each.name}` | {files} | {each.needs} | {each.not_included} |")
    return "\n".join(lines)
