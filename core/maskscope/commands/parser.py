"""The argument parser of the command line, put together from those of the commands."""

import argparse
from collections.abc import Callable, Sequence

from maskscope import __version__
from maskscope.commands import (
    add_model,
    audit,
    compare,
    demo,
    evaluate,
    export,
    formats,
    import_,
    info,
    model,
    score,
    screenshot,
    train,
)
from maskscope.commands.arguments import Parser

_ABOUT = """\
Tag sequences with a masked BiLSTM over embeddings you already have, and see that padding is ignored.

  maskscope [PROJECT]   opens the window; with no project, the last one or the demo
  maskscope COMMAND     does one thing without a window"""

_EXAMPLES = """\
examples:
  maskscope demo night-trains.maskscope
  maskscope night-trains.maskscope
  maskscope import tweets.maskscope sentences.conll --embeddings elmo.hdf5 --layer mean
  maskscope import padded.maskscope X.npy --labels y.npy --lengths lengths.npy
  maskscope train tweets.maskscope --units 10
  maskscope export tweets.maskscope corrected.conll --format conll --only reviewed

exit code: 0 done; 1 a check failed; 2 could not run; 3 a check could not tell; 130 cancelled"""

_COMMANDS = (demo, import_, info, export, formats, screenshot, train, add_model, score, evaluate, compare, audit, model)
"""Modules of the commands, in the order of the help. `cli.COMMANDS` has their names."""


def parse(arguments: Sequence[str]) -> Callable[[], int]:
    """The command that `arguments` name, ready to be called; it returns the exit code.

    Raises MaskscopeError for wrong arguments, SystemExit after ``--help`` and ``--version``.
    """
    values = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = values.command
    return lambda: command(values)


def _parser() -> Parser:
    parser = Parser(
        prog="maskscope",
        description=_ABOUT,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"maskscope {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add_parser(commands)
    return parser
