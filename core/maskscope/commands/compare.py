"""``maskscope compare``: list the tokens on which two models differ."""

import argparse
from typing import TYPE_CHECKING

from maskscope.commands.arguments import Subparsers, add_command, add_labels_to_compare, add_model, add_project
from maskscope.commands.chosen_model import choose_model, is_file, scores_to_compare
from maskscope.commands.open_options import add_open_options, open_options
from maskscope.commands.terminal import TerminalJob, printable, say, say_json, table
from maskscope.errors import ModelError

if TYPE_CHECKING:
    from maskscope.project import Project
    from maskscope.workflows.compare import Comparison

_MAX_RECORDS = 1000
_MAX_LINES = 20


def add_parser(commands: Subparsers) -> None:
    """Add the command's arguments."""
    parser = add_command(
        commands,
        "compare",
        run,
        "count which of two models is right, and list the tokens on which they differ",
        "maskscope compare tweets.maskscope --model m1 --with m2\n"
        "maskscope compare tweets.maskscope --with other.keras --json",
    )
    add_project(parser)
    add_model(parser)
    parser.add_argument("--with", metavar="ID|FILE.keras", dest="other", required=True, help="the other model")
    add_labels_to_compare(parser)
    add_open_options(parser)


def run(values: argparse.Namespace) -> int:
    """Compare two models."""
    from maskscope.project import Project
    from maskscope.workflows import compare

    with Project.open(values.project, read_only=True) as project:
        options, given = open_options(values), (values.model, values.other)
        if (options.output or options.names) and not any(each is not None and is_file(each) for each in given):
            raise ModelError("--output and --classes are about a model's file; give one with --model or --with")
        chosen = [choose_model(project, each, options if each and is_file(each) else None) for each in given]
        with TerminalJob() as job:
            a, b = (scores_to_compare(project, each, job)[0] for each in chosen)
            found = compare.compare(project, a, b, values.against, values.decoding, job)
        differences = _differences(project, found, _MAX_RECORDS if values.json else _MAX_LINES)
    if values.json:
        say_json(
            {
                "a": found.a,
                "b": found.b,
                "against": found.against,
                "decoding": values.decoding,
                "tokens": found.tokens,
                "both_right": found.both_right,
                "only_a": found.only_a,
                "only_b": found.only_b,
                "both_wrong": found.both_wrong,
                "differing": len(found.rows),
                "differing_unlabelled": found.unlabelled,
                "differences": differences,
            }
        )
    else:
        _say(found, differences)
    return 0


def _say(found: "Comparison", differences: "list[dict[str, str | int | float | None]]") -> None:
    say(f"A is {found.a}, B is {found.b}, compared with {found.against} labels ({found.tokens:,} tokens):")
    counts = (
        ("both right", found.both_right),
        ("only A right", found.only_a),
        ("only B right", found.only_b),
        ("both wrong", found.both_wrong),
    )
    say(table([(f"  {name}", f"{count:,}") for name, count in counts]))
    without = f", {found.unlabelled:,} of them without a label" if found.unlabelled else ""
    if not differences:
        say("both predict the same label for every token")
        return
    first = f"; the first {len(differences)}" if len(differences) < len(found.rows) else ""
    say(f"they differ on {len(found.rows):,} tokens{without}{first}:")
    rows = [("  sentence", "position", "token", "label", "A", "", "B", "")]
    rows += [
        (
            f"  {each['sentence']}",
            f"{each['position']}",
            printable(str(each["token"])),
            str(each["label"] or "?"),
            str(each["a"]),
            f"{each['p_a']:.2f}",
            str(each["b"]),
            f"{each['p_b']:.2f}",
        )
        for each in differences
    ]
    say(table(rows))


def _differences(project: "Project", found: "Comparison", most: int) -> list[dict[str, str | int | float | None]]:
    names = found.scheme.classes
    listed: list[dict[str, str | int | float | None]] = []
    tokens: tuple[str, ...] = ()
    before = -1
    for i, (sentence, position) in enumerate(found.places[:most].tolist()):
        if sentence != before:
            tokens, before = project.sentence(sentence).tokens, sentence
        label = int(found.labels[i])
        listed.append(
            {
                "sentence": sentence,
                "position": position,
                "token": tokens[position],
                "label": names[label] if label >= 0 else None,
                "a": names[found.predicted_a[i]],
                "b": names[found.predicted_b[i]],
                "p_a": float(found.probability_a[i]),
                "p_b": float(found.probability_b[i]),
            }
        )
    return listed
