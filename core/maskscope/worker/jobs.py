"""What the worker can do: a table from a job's name to its function."""

import json
import re
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from maskscope.errors import WorkerError
from maskscope.jobs import Job, NullJob
from maskscope.project import Project
from maskscope.runs import TrainSettings
from maskscope.types import Floats
from maskscope.worker.protocol import Value, Values
from maskscope.workflows.padding import answer, forget
from maskscope.workflows.train import recover_training, train_project

if TYPE_CHECKING:
    import numpy.typing as npt

    from maskscope.audit import AuditReport

JobFunction: TypeAlias = Callable[[dict[str, Value], Job], Values]

_SETTINGS = tuple(field.name for field in fields(TrainSettings))


def train(arguments: dict[str, Value], job: Job) -> Values:
    """ "project" (its folder) and any of the fields of `TrainSettings` -> "folder", for `ModelStore.adopt`.

    Cancelled after the first epoch it answers so, too: the best epoch so far is in the folder.
    """
    chosen: dict[str, Any] = {name: arguments[name] for name in _SETTINGS if name in arguments}
    with Project.open(_text(arguments, "project"), read_only=True) as project:
        folder = train_project(project, TrainSettings(**chosen), job)
    return (("folder", str(folder)),)


def recover(arguments: dict[str, Value], job: Job) -> Values:
    """ "project", "unfinished" (one of its folders of unfinished trainings) -> "folder", for `ModelStore.adopt`."""
    job.progress(0, 0, "writing the model")
    with Project.open(_text(arguments, "project"), read_only=True) as project:
        folder = recover_training(project, Path(_text(arguments, "unfinished")))
    return (("folder", str(folder)),)


def score(arguments: dict[str, Value], job: Job) -> Values:
    """ "project", "model" (a `.keras` file), "out" (an `.npy` to write), "engine" "keras" (or "packed").

    With "keras" also "padding" (another `.npy`), for what the model prints behind each sentence.
    -> "out", and "mask_value" of the model's Masking layer.
    """
    forget()
    out = Path(_text(arguments, "out"))
    model = Path(_text(arguments, "model"))
    engine = arguments.get("engine", "keras")
    padding_sc: Floats | None = None
    with Project.open(_text(arguments, "project"), read_only=True) as project:
        if engine == "packed":
            from maskscope.engine import packed

            tagger = packed.load(model)
            probs_nc, mask_value = tagger.score(project.embeddings, project.offsets, "model", job), tagger.mask_value
        elif engine == "keras":
            from maskscope.keras_io import keras_model
            from maskscope.workflows.open_model import check_shapes, fit_columns

            job.progress(0, 0, "loading the model")
            loaded = keras_model.load(model)
            check_shapes(loaded, project.dim, project.scheme, model)
            mask_value = keras_model.embeddings_mask_value(loaded)
            if "padding" in arguments:
                probs_nc, padding_sc = keras_model.score_with_padding(loaded, project.embeddings, project.offsets, job)
                padding_sc = fit_columns(padding_sc, project.scheme.n_outputs)
            else:
                probs_nc = keras_model.score_keras(loaded, project.embeddings, project.offsets, job)
            probs_nc = fit_columns(probs_nc, project.scheme.n_outputs)
        else:
            raise WorkerError("there is no such engine", expected="keras or packed", received=repr(engine))
    _save(out, probs_nc)
    if padding_sc is not None:
        _save(Path(_text(arguments, "padding")), padding_sc)
    return (("out", str(out)), ("mask_value", mask_value))


def _save(out: Path, array: Floats) -> None:
    beside = out.with_name(f".{out.name}.partial.npy")
    try:
        np.save(beside, array)
        beside.replace(out)
    finally:
        beside.unlink(missing_ok=True)


def open_model(arguments: dict[str, Value], job: Job) -> Values:
    """ "project", "model" (anyone's file), "folder" (to be made) -> "folder", for `ModelStore.adopt`."""
    from maskscope.workflows.open_model import open_model as opened

    forget()
    with Project.open(_text(arguments, "project"), read_only=True) as project:
        folder = opened(project, Path(_text(arguments, "model")), Path(_text(arguments, "folder")), job)
    return (("folder", str(folder)),)


def audit(arguments: dict[str, Value], job: Job) -> Values:
    """ "model" (a `.keras` file), and "project" or "data" (a padded array) with "lengths" or without; "padding".

    "padding" is what stands at padded positions; without it that is looked up, and 0 for a project.
    -> "report", the JSON text of an `AuditReport`.
    """
    forget()
    return (("report", _audited(arguments, Path(_text(arguments, "model")), job).to_json()),)


def repair(arguments: dict[str, Value], job: Job) -> Values:
    """As `audit`, and "repairs" (names of `repair.REPAIRS` with commas between), "out" (a `.keras` file to write).

    -> "path", "report" of the repaired model, which is audited on the same sentences.
    """
    from maskscope.audit.repair import repair_file

    forget()
    out = Path(_text(arguments, "out"))
    job.progress(0, 0, "repairing the model")
    padding = _number(arguments, "padding")
    if padding is None:
        from maskscope.audit.runner import array_padding

        padding = array_padding(*_arrays(arguments)) if "data" in arguments else 0.0
    repairs = _text(arguments, "repairs", "names of repairs").split(",")
    repair_file(Path(_text(arguments, "model")), repairs, out, padding)
    try:
        report = _audited(arguments, out, job)
    except BaseException:
        out.unlink(missing_ok=True)
        raise
    return (("path", str(out)), ("report", report.to_json()))


def _audited(arguments: dict[str, Value], model: Path, job: Job) -> "AuditReport":
    from maskscope.audit import audit_arrays, audit_project

    padding = _number(arguments, "padding")
    if "data" in arguments:
        return audit_arrays(*_arrays(arguments), model, job, padding=padding)
    with Project.open(_text(arguments, "project"), read_only=True) as project:
        return audit_project(project, model, job, padding=padding or 0.0)


def _arrays(arguments: dict[str, Value]) -> "tuple[npt.NDArray[np.generic], npt.NDArray[np.integer] | None]":
    from maskscope.audit.files import read_padded

    lengths = Path(_text(arguments, "lengths")) if "lengths" in arguments else None
    return read_padded(Path(_text(arguments, "data")), lengths)


def gallery(arguments: dict[str, Value], job: Job) -> Values:
    """ "names" (of models, with commas between) -> "reports", JSON text of a list of {"name", "fresh", "perturbed"}.

    The last two are the JSON texts of `AuditReport`s, with fresh weights and with perturbed ones.
    """
    from maskscope.audit.gallery import audit_gallery_model, gallery_model

    names = _text(arguments, "names", "names of models").split(",")
    reports = []
    for done, name in enumerate(names):
        job.progress(done, len(names), name)
        found = gallery_model(name)
        if found is None:
            raise WorkerError("the gallery has no such model", received=repr(name))
        fresh, perturbed = audit_gallery_model(found, _Inside(job, done, len(names), name))
        reports.append({"name": found.name, "fresh": fresh.to_json(), "perturbed": perturbed.to_json()})
    job.progress(len(names), len(names), "")
    return (("reports", json.dumps(reports)),)


class _Inside(NullJob):
    """One of several things to do: its own steps are no news, but it can be cancelled at each."""

    def __init__(self, job: Job, done: int, total: int, text: str) -> None:
        self._job, self._at = job, (done, total, text)

    def progress(self, done: int, total: int, text: str = "") -> None:
        """Report; raise Cancelled when asked to stop."""
        self._job.progress(*self._at)


def model_graph(arguments: dict[str, Value], job: Job) -> Values:
    """ "model" (a `.keras` file) -> "graph", the JSON text of a `ModelGraph`."""
    from maskscope.audit.probes.mask_trace import model_graph as read_graph

    forget()
    return (("graph", read_graph(Path(_text(arguments, "model"))).to_json()),)


def padding(arguments: dict[str, Value], job: Job) -> Values:
    """ "project", "model" (a `.keras` file), "sentence", "fill" (as in `whatif`), "ks" (such as "0,7,64"), "shown".

    "shown" is one of "ks", or -1: what the model prints with so many padded positions comes with the answer. Each
    largest change is reported as it is found, as the figure "change" at step k.
    -> "answer", the text of a `PaddingAnswer`. Model and sentence are kept for the next question.
    """
    sentence, shown, ks = arguments.get("sentence"), arguments.get("shown", -1), _text(arguments, "ks", "numbers")
    if not isinstance(sentence, int) or not isinstance(shown, int) or not re.fullmatch(r"\d{1,3}(,\d{1,3})*", ks):
        received = f"sentence {sentence!r}, shown {shown!r}, ks {ks[:80]!r}"
        raise WorkerError("the question about padding is none", expected="whole numbers", received=received)
    fill = _text(arguments, "fill", "a fill")
    with Project.open(_text(arguments, "project"), read_only=True) as project:
        model = Path(_text(arguments, "model"))
        wanted = tuple(int(k) for k in ks.split(","))
        return (("answer", answer(project, model, sentence, fill, wanted, shown, job).to_text()),)


def ping(arguments: dict[str, Value], job: Job) -> Values:
    """Nothing -> nothing."""
    return ()


JOBS: dict[str, JobFunction] = {
    "train": train,
    "recover": recover,
    "score": score,
    "audit": audit,
    "repair": repair,
    "gallery": gallery,
    "open_model": open_model,
    "model_graph": model_graph,
    "padding": padding,
    "ping": ping,
}


def _number(arguments: dict[str, Value], name: str) -> float | None:
    value = arguments.get(name)
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return None if value is None else float(value)
    raise WorkerError(f"the job's argument {name!r} is no number", expected="a number", received=repr(value))


def _text(arguments: dict[str, Value], name: str, expected: str = "a path") -> str:
    value = arguments.get(name)
    if not isinstance(value, str) or not value:
        raise WorkerError(f"the job lacks its argument {name!r}", expected=expected, received=repr(value))
    return value
