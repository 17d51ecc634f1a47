"""``maskscope export``: write labels to a file."""

import argparse
from typing import TYPE_CHECKING

from maskscope.commands.arguments import Subparsers, add_command, add_decoding, add_project, path
from maskscope.commands.chosen_model import choose_model, scores_to_compare
from maskscope.commands.open_options import add_open_options, open_options
from maskscope.commands.terminal import TerminalJob, counted, say, say_json

if TYPE_CHECKING:
    from maskscope.workflows.evaluate import ModelScores


def add_parser(commands: Subparsers) -> None:
    """Add the command's arguments."""
    parser = add_command(
        commands,
        "export",
        run,
        "write labels to a file",
        "maskscope export tweets.maskscope corrected.conll --format conll --only reviewed\n"
        "maskscope export tweets.maskscope all.jsonl --format jsonl --labels predicted --model other.keras",
    )
    add_project(parser)
    parser.add_argument("file", metavar="FILE", type=path, help="the file to write; one of that name is replaced")
    parser.add_argument("--format", metavar="NAME", required=True, help="the format to write; see maskscope formats")
    parser.add_argument(
        "--labels",
        choices=("edited", "gold", "predicted"),
        default="edited",
        help="edited: as they are now; gold: as imported; predicted: the model's (default: edited)",
    )
    parser.add_argument("--only", choices=("reviewed",), help="write accepted sentences only")
    parser.add_argument(
        "--model", metavar="ID|FILE.keras", help="the model whose predictions to write, or a file (default: the newest)"
    )
    add_decoding(parser)
    add_open_options(parser)


def run(values: argparse.Namespace) -> int:
    """Export labels."""
    from maskscope.project import Project
    from maskscope.workflows.export import export_project

    options = open_options(values)
    with Project.open(values.project, read_only=True) as project, TerminalJob() as job:
        model: str | ModelScores | None = None
        if values.labels == "predicted" or values.model is not None:
            chosen = choose_model(project, values.model, options)
            model = chosen.name if chosen.record is not None else scores_to_compare(project, chosen, job)[0]
        name = model if model is None or isinstance(model, str) else model.name
        written = export_project(
            project,
            values.file,
            values.format,
            values.labels,
            values.only == "reviewed",
            model,
            job,
            values.decoding,
        )
    if values.json:
        say_json(
            {
                "path": str(values.file),
                "format": values.format,
                "labels": values.labels,
                "only": values.only,
                "decoding": values.decoding,
                "model": name,
                "sentences": written,
            }
        )
    else:
        whose = f" of model {name}" if values.labels == "predicted" else ""
        say(f"{values.file}: {counted(written, 'sentence')}, {values.labels} labels{whose}")
    return 0
