"""``maskscope train``: train a tagger on the labels of a project."""

import argparse
import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from maskscope.commands.arguments import Parser, Subparsers, add_command, add_project
from maskscope.commands.chosen_model import start_tensorflow
from maskscope.commands.terminal import TerminalJob, remark, say, say_json
from maskscope.errors import Cancelled, MaskscopeError, ModelError, ReadOnlyError
from maskscope.runs import ChoiceSetting, Setting, TrainSettings, train_settings

if TYPE_CHECKING:
    from pathlib import Path

    from maskscope.project import ModelRecord, Project

_STOPPED = 130


def add_parser(commands: Subparsers) -> None:
    """Add the command's arguments: an option for each field of `TrainSettings`."""
    parser = add_command(
        commands,
        "train",
        run,
        "train a tagger on the project's labels, edits included, and add it to the project",
        "maskscope train tweets.maskscope\nmaskscope train tweets.maskscope --units 32 --layers 2 --epochs 30",
    )
    add_project(parser)
    defaults = TrainSettings()
    for name, setting in train_settings().items():
        _add_option(parser, name, setting, getattr(defaults, name))


def _add_option(parser: Parser, name: str, setting: Setting, default: int | float | str) -> None:
    option = f"--{name.replace('_', '-')}"
    if isinstance(setting, ChoiceSetting):
        meanings = ", ".join(f"{value}: {text}" for value, text in setting.choices)
        help_text = f"{setting.help}; {meanings} (default: {default})"
        parser.add_argument(option, choices=setting.values, default=default, help=help_text)
        return
    help_text = f"{setting.help} (default: {default:g})"
    if setting.decimals == 0:
        parser.add_argument(option, metavar="N", type=int, default=default, help=help_text)
    else:
        parser.add_argument(option, metavar="F", type=float, default=default, help=help_text)


def run(values: argparse.Namespace) -> int:
    """Train; 130 when Ctrl+C ended it early, with the best epoch so far kept."""
    from maskscope.project import Project

    settings = TrainSettings(**{name: getattr(values, name) for name in train_settings()})
    with Project.open(values.project) as project:
        if project.read_only:
            raise ReadOnlyError(
                "is open in another program or write-protected, so no model can be added; close the other program",
                file=project.path,
            )
        from maskscope.workflows.train import train_project

        with _StoppableJob() as job, _stop_on_signal(job):
            job.progress(0, 0, "starting TensorFlow")
            start_tensorflow(job)
            _recover(project)
            record = _adopt(project, train_project(project, settings, job))
    if values.json:
        say_json({"model": record.id, "path": str(record.folder), **json.loads(record.run.to_json())})
    else:
        _say(record)
    return 0 if record.run.complete else _STOPPED


def _recover(project: "Project") -> None:
    """Make models of trainings that were cut off by a crash or a kill."""
    from maskscope.workflows.train import recover_training

    for folder in project.models.unfinished_trainings():
        try:
            record = _adopt(project, recover_training(project, folder))
        except ModelError as error:
            remark(f"maskscope: {error}")
            continue
        remark(
            f"maskscope: an earlier training was cut off after epoch {len(record.run.history)};"
            f" its best epoch is kept as {record.id}"
        )


def _adopt(project: "Project", folder: "Path") -> "ModelRecord":
    from maskscope.project import set_aside

    try:
        return project.models.adopt(folder)
    except MaskscopeError:
        # Hours of training may be in it.
        kept = set_aside(folder)
        if kept is not None:
            remark(f"maskscope: the trained model is kept in {kept}")
        raise


def _say(record: "ModelRecord") -> None:
    run = record.run
    if not run.complete:
        remark(f"maskscope: stopped after epoch {len(run.history)}; the best so far is kept")
    epochs = f"{len(run.history)} epochs" + (f", epoch {run.best_epoch} kept" if run.best_epoch else "")
    say(f"model {record.id}: {record.name}, {epochs}, {run.seconds:.0f} s")
    metrics = run.metrics
    if metrics is None:
        say("there were no validation sentences, so there is no F1")
    else:
        entities = "" if metrics.entity_f1 is None else f", F1 of entities {metrics.entity_f1:.3f}"
        say(
            f"on {len(run.validation_sentences):,} validation sentences ({metrics.tokens:,} tokens):"
            f" F1 {metrics.f1:.3f}, precision {metrics.precision:.3f}, recall {metrics.recall:.3f}{entities}"
        )
    say(str(record.keras_file))


class _StoppableJob(TerminalJob):
    """A job that raises Cancelled at its next report once `stopping` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.stopping = False

    def progress(self, done: int, total: int, text: str = "") -> None:
        """Show it. Raises Cancelled when it has to stop."""
        if self.stopping:
            raise Cancelled
        super().progress(done, total, text)

    def figure(self, name: str, step: int, value: float) -> None:
        """Show it. Raises Cancelled when it has to stop."""
        if self.stopping:
            raise Cancelled
        super().figure(name, step, value)

    def __enter__(self) -> "_StoppableJob":
        return self


@contextmanager
def _stop_on_signal(job: _StoppableJob) -> Iterator[None]:
    """Let the first Ctrl+C or SIGTERM end the training with its best epoch so far, and the next one end it at once."""
    if threading.current_thread() is not threading.main_thread():
        # Only the main thread may set handlers.
        yield
        return

    def stop(number: int, frame: object) -> None:
        job.stopping = True
        for each, handler in kept.items():
            signal.signal(each, handler)

    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in kept:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
