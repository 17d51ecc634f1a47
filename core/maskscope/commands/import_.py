"""``maskscope import``: make a project of a source file."""

import argparse
from typing import TYPE_CHECKING, Literal

from maskscope.commands.arguments import Subparsers, add_command, path
from maskscope.commands.project_text import (
    collision_records,
    padding_record,
    say_collisions,
    scheme_record,
    scheme_text,
)
from maskscope.commands.terminal import TerminalJob, say, say_json

if TYPE_CHECKING:
    from maskscope.workflows.import_ import ImportReport


def add_parser(commands: Subparsers) -> None:
    """Add the command's arguments."""
    parser = add_command(
        commands,
        "import",
        run,
        "make a project of sentences and their embeddings",
        "maskscope import tweets.maskscope sentences.conll --embeddings elmo.hdf5 --layer mean\n"
        "maskscope import padded.maskscope X.npy --labels y.npy --lengths lengths.npy",
    )
    parser.add_argument("target", metavar="PROJECT", type=path, help="the project folder to make")
    parser.add_argument("source", metavar="SOURCE", type=path, help="the file to import; see maskscope formats")
    parser.add_argument("--format", metavar="NAME", help="the format of SOURCE (default: recognised by its content)")
    parser.add_argument("--embeddings", metavar="FILE", type=path, help="HDF5 or .npy with the embeddings of a text")
    parser.add_argument("--labels", metavar="FILE", type=path, help=".npy with the labels of a padded array")
    parser.add_argument(
        "--lengths",
        metavar="FILE",
        type=path,
        help=".npy or .txt with the number of tokens in each sentence of a padded array (default: inferred from"
        " trailing rows of zeros)",
    )
    parser.add_argument(
        "--layer",
        metavar="mean|concat|N",
        type=_layer,
        help="which layer to take of embeddings with several: their mean, all concatenated, or one, counted from 0"
        " (default: mean)",
    )


def run(values: argparse.Namespace) -> int:
    """Import a source into a new project."""
    from maskscope.project import Project
    from maskscope.readers import ReadOptions
    from maskscope.workflows.import_ import import_project

    options = ReadOptions(
        embeddings=values.embeddings, labels=values.labels, lengths=values.lengths, layer=values.layer
    )
    with TerminalJob() as job:
        report = import_project(values.target, values.source, options, values.format, job)
    with Project.open(report.path, read_only=True) as project:
        collisions = collision_records(project)
    if values.json:
        say_json(_record(report, collisions))
    else:
        _say(report, collisions)
    return 0


def _record(report: "ImportReport", collisions: list[dict[str, object]]) -> dict[str, object]:
    return {
        "path": str(report.path),
        "sentences": report.n_sentences,
        "tokens": report.n_tokens,
        "dim": report.dim,
        "dtype": report.dtype,
        "scheme": scheme_record(report.scheme),
        "lengths_from": report.lengths_from,
        "collisions": collisions,
        "collision_count": report.n_collisions,
        "data": {
            "verdict": report.data.verdict,
            "meaning": report.data.meaning,
            "sentence": report.data.sentence,
            "position": report.data.position,
        },
        "free_values": list(report.free_values),
        "padding": padding_record(report.padding),
        "notes": [note.text for note in report.notes],
    }


def _say(report: "ImportReport", collisions: list[dict[str, object]]) -> None:
    say(f"{report.path}: {report.summary()}")
    say(f"labels: {', '.join(report.scheme.classes)} ({scheme_text(report.scheme)})")
    if report.lengths_from == "inferred":
        rows = "leading" if report.padding is not None and report.padding.side == "front" else "trailing"
        say(f"lengths: inferred from {rows} rows of zeros; give --lengths to set them")
    if report.padding is not None:
        say(f"padding: {report.padding.text_with_side}")
    for note in report.notes:
        # The lines below report these two in more detail.
        if note.kind not in ("interior-zero-rows", "data"):
            say(f"note: {note.text}")
    say(f"data: {report.data.verdict}: {report.data.text()}")
    if report.n_collisions:
        say_collisions(collisions, report.n_collisions)
    else:
        say(f"collisions: {report.no_collisions}")


def _layer(text: str) -> int | Literal["mean", "concat"]:
    if text == "mean":
        return "mean"
    if text == "concat":
        return "concat"
    if text.isascii() and text.isdecimal():
        return int(text)
    raise argparse.ArgumentTypeError(f"expected mean, concat or a layer's number from 0; received {text!r}")
