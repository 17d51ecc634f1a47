"""``--output`` and ``--classes``: what a person says about a model's file."""

import argparse
from typing import TYPE_CHECKING

from maskscope.commands.arguments import Parser, path

if TYPE_CHECKING:
    from maskscope.workflows.model_description import OpenOptions


def add_open_options(parser: Parser) -> None:
    """Add ``--output`` and ``--classes``."""
    parser.add_argument(
        "--output",
        choices=("logits", "log", "probabilities", "values"),
        help="what the outputs of a model's file are: log are the logarithms of probabilities, values those of a"
        " regression (default: as its last activation and its loss say)",
    )
    parser.add_argument(
        "--classes",
        metavar="FILE",
        type=path,
        help="the names of the outputs of a model's file, to be matched with the project's labels: a name on each line,"
        " or JSON, a list of names or an object of names and numbers",
    )


def open_options(values: argparse.Namespace) -> "OpenOptions":
    """What ``--output`` and ``--classes`` say. Raises MaskscopeError when the file holds no names."""
    from maskscope.workflows.model_description import OpenOptions
    from maskscope.workflows.output_names import read_names

    return OpenOptions(values.output, names=None if values.classes is None else read_names(values.classes))
