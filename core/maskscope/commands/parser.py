"""The arguments of every command, and their help."""

import argparse
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NoReturn

from maskscope import __version__
from maskscope.errors import MaskscopeError
from maskscope.runs import CHOICES, TrainSettings

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

exit code: 0 done; 1 what was checked does not hold; 2 could not run; 130 cancelled"""

Command = Callable[[argparse.Namespace], int]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise MaskscopeError(f"{message}; see {self.prog} --help")


def parse(arguments: Sequence[str]) -> Callable[[], int]:
    """The command that `arguments` ask for, ready to be called; it returns the exit code.

    Raises MaskscopeError when they make no sense, SystemExit after ``--help`` and ``--version``.
    """
    values = _build().parse_args(arguments)
    command: Command = values.command
    return lambda: command(values)


def _build() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="maskscope",
        description=_ABOUT,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"maskscope {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_projects(commands)
    _add_models(commands)
    return parser


Commands = argparse._SubParsersAction  # argparse gives the type no public name


def _add(
    commands: "Commands[_Parser]", name: str, command: Command, summary: str, example: str, json: bool = True
) -> _Parser:
    parser = commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog="examples:\n" + textwrap.indent(example, "  "),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(command=command)
    if json:
        parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    return parser


def _add_projects(commands: "Commands[_Parser]") -> None:
    from maskscope.commands import projects, window
    from maskscope_gui.page_table import PAGE_NAMES

    parser = _add(
        commands,
        "demo",
        projects.demo,
        "write the demo project, with a trained model and its scores",
        "maskscope demo night-trains.maskscope\nmaskscope demo typed.maskscope --typed",
    )
    parser.add_argument("target", metavar="DIR", type=_path, help="the folder to make")
    parser.add_argument(
        "--typed", action="store_true", help="person, place, organisation, work or none; else name or none"
    )

    parser = _add(
        commands,
        "import",
        projects.import_source,
        "make a project of sentences and their embeddings",
        "maskscope import tweets.maskscope sentences.conll --embeddings elmo.hdf5 --layer mean\n"
        "maskscope import padded.maskscope X.npy --labels y.npy --lengths lengths.npy",
    )
    parser.add_argument("target", metavar="PROJECT", type=_path, help="the project folder to make")
    parser.add_argument("source", metavar="SOURCE", type=_path, help="X.npy, X.npz, or a CoNLL-style text")
    parser.add_argument("--embeddings", metavar="FILE", type=_path, help="HDF5 or .npy with a text's embeddings")
    parser.add_argument("--format", metavar="NAME", help="how to read SOURCE; see maskscope formats")
    parser.add_argument("--labels", metavar="FILE", type=_path, help=".npy of labels for X.npy")
    parser.add_argument(
        "--lengths", metavar="FILE", type=_path, help=".npy or .txt of tokens per sentence; else inferred from zeros"
    )
    parser.add_argument(
        "--layer", metavar="mean|concat|N", type=_layer, help="of embeddings with several layers (default: mean)"
    )

    parser = _add(
        commands,
        "info",
        projects.info,
        "tell what a project holds",
        "maskscope info tweets.maskscope\nmaskscope info tweets.maskscope --json",
    )
    parser.add_argument("project", metavar="PROJECT", type=_path)

    parser = _add(
        commands,
        "export",
        projects.export,
        "write labels to a file",
        "maskscope export tweets.maskscope corrected.conll --format conll --only reviewed\n"
        "maskscope export tweets.maskscope all.jsonl --format jsonl --labels predicted",
    )
    parser.add_argument("project", metavar="PROJECT", type=_path)
    parser.add_argument("file", metavar="FILE", type=_path, help="the file to write; replaced when it is there")
    parser.add_argument("--format", metavar="NAME", required=True, help="conll or jsonl; see maskscope formats")
    parser.add_argument(
        "--labels",
        choices=("edited", "gold", "predicted"),
        default="edited",
        help="edited (the default) is a person's labels over the source's",
    )
    parser.add_argument("--only", choices=("reviewed",), help="leave out what nobody has accepted")
    parser.add_argument("--model", metavar="ID", help="whose predictions (default: the newest)")
    parser.add_argument(
        "--decoding",
        choices=("viterbi", "argmax"),
        default="viterbi",
        help="of predictions: the likeliest sequence a span scheme allows (the default), or each token's own",
    )

    _add(
        commands,
        "formats",
        projects.formats,
        "list what can be read and written, what each needs and loses",
        "maskscope formats",
    )

    parser = _add(
        commands,
        "screenshot",
        window.screenshot,
        "write a picture of the window, without a display",
        "maskscope screenshot demo.maskscope demo.png --sentence 12 --theme dark",
        json=False,
    )
    parser.add_argument("project", metavar="PROJECT", type=_path)
    parser.add_argument("file", metavar="FILE.png", type=_path)
    parser.add_argument("--sentence", metavar="N", type=int, help="counted from 0 (default: the first of the list)")
    parser.add_argument("--size", metavar="WxH", type=_size, default=(1440, 900), help="in pixels (default: 1440x900)")
    parser.add_argument("--theme", choices=("light", "dark"), default="light")
    parser.add_argument("--page", choices=PAGE_NAMES, default="sentence", help="(default: sentence)")


def _add_models(commands: "Commands[_Parser]") -> None:
    from maskscope.commands import audit, evaluate, model, score, train

    usual = TrainSettings()
    parser = _add(
        commands,
        "train",
        train.train,
        "train a tagger on the project's labels, edits included, and add it to the project",
        "maskscope train tweets.maskscope\nmaskscope train tweets.maskscope --units 32 --layers 2 --epochs 30",
    )
    parser.add_argument("project", metavar="PROJECT", type=_path)
    numbers: tuple[tuple[str, type[int] | type[float], str], ...] = (
        ("units", int, "LSTM units in each direction"),
        ("layers", int, "bidirectional layers, one above the other"),
        ("recurrent-dropout", float, "share of the recurrent state dropped at each step"),
        ("dropout", float, "share of each layer's outputs dropped"),
        ("epochs", int, "passes over the sentences"),
        ("batch-tokens", int, "most tokens in a batch; there is no padding in it"),
        ("learning-rate", float, "of Adam"),
        ("validation", float, "share of sentences held back"),
        ("seed", int, "of weights, order, dropout and the sentences held back"),
        ("input-dropout", float, "share of the numbers of each embedding dropped"),
        ("reviewed-weight", float, "weight of the tokens of accepted sentences, against 1 for others"),
        ("patience", int, "stop after so many epochs without a better one; 0 never"),
    )
    for name, kind, meaning in numbers:
        default = getattr(usual, name.replace("-", "_"))
        parser.add_argument(
            f"--{name}",
            metavar="N" if kind is int else "F",
            type=kind,
            default=default,
            help=f"{meaning} (default: {default})",
        )
    words = (
        ("decay", "linear: the learning rate falls to 0 over the epochs"),
        ("class-weights", "let rare labels count more: balanced fully, sqrt by the square root"),
        ("keep-by", "keep the epoch with the lowest validation loss, with the highest F1, or the last"),
    )
    for name, meaning in words:
        field = name.replace("-", "_")
        default = getattr(usual, field)
        parser.add_argument(
            f"--{name}", choices=CHOICES[field], default=default, help=f"{meaning} (default: {default})"
        )

    parser = _add(
        commands,
        "score",
        score.score,
        "compute each token's probabilities, and keep them with the project or write them to a file",
        "maskscope score tweets.maskscope\nmaskscope score tweets.maskscope --model other.keras --out scores.npz",
    )
    parser.add_argument("project", metavar="PROJECT", type=_path)
    _add_model(parser)
    parser.add_argument(
        "--engine",
        choices=("packed", "keras"),
        help="packed needs no padding and no TensorFlow; keras runs the model itself, in a process of its own"
        " (default: packed for the stacks it knows)",
    )
    parser.add_argument(
        "--out", metavar="FILE.npz", type=_path, help="probabilities, offsets, mask and classes as numpy arrays"
    )

    parser = _add(
        commands,
        "evaluate",
        evaluate.evaluate,
        "hold a model's predictions against labels, over real tokens only",
        "maskscope evaluate tweets.maskscope\nmaskscope evaluate tweets.maskscope --model m1 --against gold --json",
    )
    parser.add_argument("project", metavar="PROJECT", type=_path)
    _add_model(parser)
    _add_against(parser)

    parser = _add(
        commands,
        "compare",
        evaluate.compare,
        "list the tokens on which two models differ, and count which of them is right",
        "maskscope compare tweets.maskscope --model m1 --with m2\n"
        "maskscope compare tweets.maskscope --with other.keras --json",
    )
    parser.add_argument("project", metavar="PROJECT", type=_path)
    _add_model(parser)
    parser.add_argument("--with", metavar="ID|FILE.keras", dest="other", required=True, help="the other model")
    _add_against(parser)

    parser = _add(
        commands,
        "audit",
        audit.audit,
        "check that a model ignores padding; exit code 1 when a check fails",
        "maskscope audit tweets.maskscope --model m1\n"
        "maskscope audit --data X.npy --lengths L.npy --model tagger.keras --report audit.html\n"
        "maskscope audit --data X.npy --lengths L.npy --model tagger.keras --repair repaired.keras\n"
        "maskscope audit --gallery\n"
        "maskscope audit --gallery M3",
    )
    parser.add_argument("project", metavar="PROJECT", type=_path, nargs="?")
    parser.add_argument("--data", metavar="X.npy|X.npz", type=_path, help="a padded array, in place of a project")
    parser.add_argument("--lengths", metavar="L.npy", type=_path, help="tokens per sentence of --data")
    _add_model(parser)
    parser.add_argument(
        "--padding", type=float, metavar="V", help="what stands at padded positions (default: what --data has, else 0)"
    )
    parser.add_argument("--report", metavar="FILE.html", type=_path, help="write the findings as a page, too")
    parser.add_argument(
        "--repair", metavar="NEW.keras", type=_path, help="write the model with mechanical repairs made, and audit that"
    )
    parser.add_argument(
        "--gallery",
        metavar="NAME",
        nargs="?",
        const="",
        help="audit models that must pass and mutants that must not, or one of them, such as M3",
    )

    parser = _add(
        commands,
        "model",
        model.model,
        "list a model's layers, and say after which of them the mask is still there",
        "maskscope model tagger.keras\nmaskscope model tagger.keras --picture tagger.svg --theme dark",
    )
    parser.add_argument("file", metavar="FILE.keras", type=_path, help="any Functional or Sequential Keras model")
    parser.add_argument(
        "--picture", metavar="FILE.svg|.png", type=_path, help="draw the layers, with the mask on every edge"
    )
    parser.add_argument("--theme", choices=("light", "dark"), default="light", help="of the picture")


def _add_model(parser: _Parser) -> None:
    parser.add_argument(
        "--model", metavar="ID|FILE.keras", help="a model of the project or a file (default: the newest)"
    )


def _add_against(parser: _Parser) -> None:
    parser.add_argument(
        "--against", choices=("gold", "edited"), default="edited", help="edited is the default: labels as they are now"
    )
    parser.add_argument(
        "--decoding",
        choices=("viterbi", "argmax"),
        default="viterbi",
        help="of predictions: the likeliest sequence a span scheme allows (the default), or each token's own",
    )


def _path(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("a path can't be empty")
    return Path(text)


def _layer(text: str) -> int | Literal["mean", "concat"]:
    if text == "mean":
        return "mean"
    if text == "concat":
        return "concat"
    if text.isascii() and text.isdecimal():
        return int(text)
    raise argparse.ArgumentTypeError(f"expected mean, concat or a layer's number from 0; received {text!r}")


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition("x")
    if not (width.isascii() and width.isdecimal() and height.isascii() and height.isdecimal()):
        raise argparse.ArgumentTypeError(f"expected WIDTHxHEIGHT such as 1440x900; received {text!r}")
    size = int(width), int(height)
    if not (320 <= size[0] <= 8192 and 240 <= size[1] <= 8192):
        raise argparse.ArgumentTypeError(f"expected 320x240 to 8192x8192; received {text!r}")
    return size
