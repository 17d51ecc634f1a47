"""The command that trains a tagger."""

import argparse
import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from maskscope.commands.score import start_tensorflow
from maskscope.commands.terminal import TerminalJob, remark, say, say_json
from maskscope.errors import Cancelled, MaskscopeError, ModelError, ReadOnlyError

if TYPE_CHECKING:
    from pathlib import Path

    from maskscope.project import ModelRecord, Project

_STOPPED = 130


def train(values: argparse.Namespace) -> int:
    """``maskscope train PROJECT``; 130 when Ctrl+C ended it early, with the best epoch so far kept."""
    from maskscope.project import Project
    from maskscope.runs import TrainSettings

    chosen: dict[str, Any] = {field.name: getattr(values, field.name) for field in fields(TrainSettings)}
    settings = TrainSettings(**chosen)
    with Project.open(values.project) as project:
        if project.read_only:
            raise ReadOnlyError(
                "is open in another program or write-protected, so no model can be added; close the other program",
                file=project.path,
            )
        from maskscope.workflows.train import recover_training, train_project

        with _StoppableJob() as job, _polite_stop(job):
            job.progress(0, 0, "starting TensorFlow")
            start_tensorflow(job)
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
            record = _adopt(project, train_project(project, settings, job))
    if values.json:
        say_json({"model": record.id, "path": str(record.folder), **json.loads(record.run.to_json())})
    else:
        _say(record)
    return 0 if record.run.complete else _STOPPED


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
        say("no sentence was held back, so there is no score")
    else:
        entities = "" if metrics.entity_f1 is None else f", F1 of entities {metrics.entity_f1:.3f}"
        say(
            f"on {len(run.validation_sentences):,} sentences held back ({metrics.tokens:,} tokens):"
            f" F1 {metrics.f1:.3f}, precision {metrics.precision:.3f}, recall {metrics.recall:.3f}{entities}"
        )
    say(str(record.keras_file))


class _StoppableJob(TerminalJob):
    """Ends the work at its next report once it is asked to."""

    def __init__(self) -> None:
        super().__init__()
        self.stopping = False

    def progress(self, done: int, total: int, text: str = "") -> None:
        """Show it; raise Cancelled when asked to stop."""
        if self.stopping:
            raise Cancelled
        super().progress(done, total, text)

    def figure(self, name: str, step: int, value: float) -> None:
        """Show it; raise Cancelled when asked to stop."""
        if self.stopping:
            raise Cancelled
        super().figure(name, step, value)

    def __enter__(self) -> "_StoppableJob":
        return self


@contextmanager
def _polite_stop(job: _StoppableJob) -> Iterator[None]:
    """The first Ctrl+C or polite kill lets training end with what it has reached; the next one ends it at once."""
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
