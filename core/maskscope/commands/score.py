"""``maskscope score``: compute each token's probabilities, or the values of a regression."""

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from maskscope.commands.arguments import Subparsers, add_command, add_model, add_project, path
from maskscope.commands.chosen_model import ChosenModel, Scored, choose_model, score_model
from maskscope.commands.open_options import add_open_options, open_options
from maskscope.commands.output_text import output_record, output_text
from maskscope.commands.terminal import TerminalJob, remark, say, say_json
from maskscope.errors import MaskscopeError
from maskscope.files import replace_durably

if TYPE_CHECKING:
    from maskscope.project import Project


def add_parser(commands: Subparsers) -> None:
    """Add the command's arguments."""
    parser = add_command(
        commands,
        "score",
        run,
        "compute each token's probabilities, and keep them with the project or write them to a file",
        "maskscope score tweets.maskscope\nmaskscope score tweets.maskscope --model other.keras --out scores.npz",
    )
    add_project(parser)
    add_model(parser)
    add_open_options(parser)
    parser.add_argument(
        "--engine",
        choices=("packed", "keras"),
        help="packed is the built-in engine, without padding and without TensorFlow; keras runs the model in Keras, in"
        " a process of its own (default: packed where it supports the model)",
    )
    parser.add_argument(
        "--out", metavar="FILE.npz", type=path, help="write probabilities, offsets, mask and classes as numpy arrays"
    )


def run(values: argparse.Namespace) -> int:
    """Compute probabilities."""
    from maskscope.project import Project

    with Project.open(values.project) as project:
        chosen = choose_model(project, values.model, open_options(values))
        if chosen.record is None and values.out is None:
            _refuse_without_out(chosen.file)
        began = time.perf_counter()
        with TerminalJob() as job:
            scored = score_model(project, chosen, values.engine, job)
        seconds = time.perf_counter() - began
        stored = _store(project, chosen, scored)
        if values.out is not None:
            _write_npz(values.out, project, scored)
        if values.json:
            say_json(
                {
                    "model": chosen.name,
                    "engine": scored.used.engine,
                    "engine_reason": scored.used.reason,
                    "sentences": project.n_sentences,
                    "tokens": project.n_tokens,
                    "classes": list(scored.names),
                    **output_record(scored.output, scored.notes, len(scored.names)),
                    "masked": _masked(scored),
                    "stored": stored,
                    "out": None if values.out is None else str(values.out),
                    "seconds": seconds,
                    "tokens_per_second": project.n_tokens / seconds if seconds else None,
                }
            )
        else:
            kept = "; kept with the project" if stored else ""
            say(f"model {chosen.name}: {project.n_tokens:,} tokens in {seconds:.2f} s{kept}")
            _say(scored, values.out)
    return 0


def _refuse_without_out(file: Path) -> None:
    from maskscope.keras_io.safety import inspect_keras_file

    # An error in the file itself comes first.
    inspect_keras_file(file)
    raise MaskscopeError(
        "scores of a model outside the project are not kept with it; give --out FILE.npz to write them to a file, or "
        "add the model with maskscope add-model",
        file=file,
    )


def _store(project: "Project", chosen: ChosenModel, scored: Scored) -> bool:
    """Keep the scores of a model of the project; False when they are not kept."""
    if chosen.record is None:
        return False
    if project.read_only:
        remark("maskscope: the project is open in another program, so the scores are not kept with it")
        return False
    project.models.write_scores(chosen.name, scored.scores_nc)
    return True


def _masked(scored: Scored) -> int:
    return int((~scored.mask).sum())


def _say(scored: Scored, out: Path | None) -> None:
    say(scored.used.text)
    for line in output_text(scored.output, scored.names, scored.notes):
        say(line)
    masked = _masked(scored)
    if masked:
        say(f"collisions: the model's Masking layer takes {masked:,} real tokens for padding; see maskscope info")
    if out is not None:
        say(str(out))


def _write_npz(file: Path, project: "Project", scored: Scored) -> None:
    import uuid

    import numpy as np

    arrays: dict[str, np.ndarray] = {
        "values" if scored.output.kind == "values" else "probabilities": scored.scores_nc,
        "offsets": project.offsets,
        "mask": scored.mask,
        "classes": np.array(scored.names),
    }
    partial = file.with_name(f".{file.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        with partial.open("xb") as stream:
            # numpy's stub takes **arrays for allow_pickle
            np.savez(stream, **arrays)  # type: ignore[arg-type]
        replace_durably(partial, file)
    except OSError as error:
        raise MaskscopeError(f"the scores can't be written: {error.strerror or error}", file=file) from error
    finally:
        partial.unlink(missing_ok=True)
