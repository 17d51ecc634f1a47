"""What the worker can do: a table from a job's name to its function."""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from maskscope.errors import WorkerError
from maskscope.jobs import Job
from maskscope.project import Project
from maskscope.runs import TrainSettings
from maskscope.tagger.training import recover_training, train_project
from maskscope.worker.protocol import Value, Values

JobFunction: TypeAlias = Callable[[dict[str, Value], Job], Values]

_SETTINGS = tuple(field.name for field in fields(TrainSettings))


def train(arguments: dict[str, Value], job: Job) -> Values:
    """ "project" (its folder) and any of the fields of `TrainSettings` -> "folder", for `Project.adopt_model`.

    Cancelled after the first epoch it answers so, too: the best epoch so far is in the folder.
    """
    chosen: dict[str, Any] = {name: arguments[name] for name in _SETTINGS if name in arguments}
    with Project.open(_text(arguments, "project"), read_only=True) as project:
        folder = train_project(project, TrainSettings(**chosen), job)
    return (("folder", str(folder)),)


def recover(arguments: dict[str, Value], job: Job) -> Values:
    """ "project", "unfinished" (one of its folders of unfinished trainings) -> "folder", for `Project.adopt_model`."""
    job.progress(0, 0, "writing the model")
    with Project.open(_text(arguments, "project"), read_only=True) as project:
        folder = recover_training(project, Path(_text(arguments, "unfinished")))
    return (("folder", str(folder)),)


def score(arguments: dict[str, Value], job: Job) -> Values:
    """ "project", "model" (a `.keras` file), "out" (an `.npy` to write), "engine" "keras" (or "packed") -> "out"."""
    out = Path(_text(arguments, "out"))
    model = Path(_text(arguments, "model"))
    engine = arguments.get("engine", "keras")
    with Project.open(_text(arguments, "project"), read_only=True) as project:
        if engine == "packed":
            from maskscope.tagger import packed

            probs_nc = packed.load(model).score(project.embeddings, project.offsets, "model", job)
        elif engine == "keras":
            from maskscope.tagger import keras_model

            loaded = keras_model.load(model)
            probs_nc = keras_model.score_keras(loaded, project.embeddings, project.offsets, job)
        else:
            raise WorkerError("there is no such engine", expected="keras or packed", received=repr(engine))
    beside = out.with_name(f".{out.name}.partial.npy")
    try:
        np.save(beside, probs_nc)
        beside.replace(out)
    finally:
        beside.unlink(missing_ok=True)
    return (("out", str(out)),)


def audit(arguments: dict[str, Value], job: Job) -> Values:
    """ "project", "model" (a `.keras` file) -> "report", the JSON text of an `AuditReport`."""
    from maskscope.audit import audit_project

    with Project.open(_text(arguments, "project"), read_only=True) as project:
        report = audit_project(project, Path(_text(arguments, "model")), job)
    return (("report", report.to_json()),)


def ping(arguments: dict[str, Value], job: Job) -> Values:
    """Nothing -> nothing."""
    return ()


JOBS: dict[str, JobFunction] = {"train": train, "recover": recover, "score": score, "audit": audit, "ping": ping}


def _text(arguments: dict[str, Value], name: str) -> str:
    value = arguments.get(name)
    if not isinstance(value, str) or not value:
        raise WorkerError(f"the job lacks its argument {name!r}", expected="a path", received=repr(value))
    return value
