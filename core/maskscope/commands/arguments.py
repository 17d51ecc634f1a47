"""What the commands' argument parsers share: how a command is added, and arguments that several commands take."""

import argparse
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, TypeAlias

from maskscope.errors import MaskscopeError


class Parser(argparse.ArgumentParser):
    """A parser that raises MaskscopeError for wrong arguments, with a pointer to its help.

    Attributes:
        more_help: gives the text after the examples, which is slow to make; None for none.
    """

    more_help: Callable[[], str] | None = None

    def format_help(self) -> str:
        """The help, with the text of `more_help`."""
        return super().format_help() + ("" if self.more_help is None else f"\n{self.more_help()}\n")

    def error(self, message: str) -> NoReturn:
        """Raise MaskscopeError with argparse's `message`."""
        raise MaskscopeError(f"{message}; see {self.prog} --help")


Subparsers: TypeAlias = "argparse._SubParsersAction[Parser]"  # argparse gives the type no public name


def add_command(
    commands: Subparsers,
    name: str,
    run: Callable[[argparse.Namespace], int],
    summary: str,
    examples: str,
    *,
    json: bool = True,
) -> Parser:
    """Add a command and return its parser.

    Args:
        commands: of the main parser.
        name: of the command.
        run: runs it with its arguments and returns the exit code.
        summary: one line in the imperative, without a full stop.
        examples: command lines, one a line.
        json: whether it takes ``--json``.
    """
    parser = commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog="examples:\n" + textwrap.indent(examples, "  "),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(command=run)
    if json:
        parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    return parser


def add_project(parser: Parser) -> None:
    """Add the project that a command works on."""
    parser.add_argument("project", metavar="PROJECT", type=path, help="the project folder")


def add_model(parser: Parser) -> None:
    """Add ``--model``, a model of the project or a file."""
    parser.add_argument(
        "--model", metavar="ID|FILE.keras", help="a model of the project, or a file (default: the project's newest)"
    )


def add_labels_to_compare(parser: Parser) -> None:
    """Add ``--against`` and ``--decoding``: the labels that predictions are compared with, and how these are made."""
    parser.add_argument(
        "--against",
        choices=("gold", "edited"),
        default="edited",
        help="the labels to compare with: edited, as they are now, or gold, as imported (default: edited)",
    )
    add_decoding(parser)


def add_decoding(parser: Parser) -> None:
    """Add ``--decoding``."""
    parser.add_argument(
        "--decoding",
        choices=("viterbi", "argmax"),
        default="viterbi",
        help="how probabilities become labels: viterbi takes the most probable sequence that a span scheme such as BIO"
        " allows, argmax the most probable label of each token (default: viterbi)",
    )


def path(text: str) -> Path:
    """A path, exactly as given."""
    if not text:
        raise argparse.ArgumentTypeError("a path can't be empty")
    return Path(text)
