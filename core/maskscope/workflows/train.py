"""Train a project's next model into a folder of its own, ready for `ModelStore.adopt`.

After each epoch the folder holds the result so far. Cancelling keeps it; when the process dies, `recover_training`
makes a model of it.
"""

import os
import shutil
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np

from maskscope.engine import packed
from maskscope.errors import Cancelled, ModelError
from maskscope.evaluation.token_scores import Evaluation
from maskscope.files import replace_durably
from maskscope.jobs import Job, NullJob
from maskscope.project import CHECKPOINT, TRAINING_LOCK, Project, WriterLock
from maskscope.runs import RunInfo, RunMetrics, TrainSettings
from maskscope.training import trainer
from maskscope.training.parameters import Parameters
from maskscope.training.spec import TaggerSpec
from maskscope.types import Floats


def train_project(project: Project, settings: TrainSettings | None = None, job: Job | None = None) -> Path:
    """Train on a project's labels as edited, and score the whole project with the result.

    Imports TensorFlow, to write the model. The project may be open read-only: nothing in it changes except
    for a new folder among its models, which the caller gives to `ModelStore.adopt`.

    Args:
        project: its labels, its embeddings, its scheme, and which sentences are accepted.
        settings: how to train; None for the defaults.
        job: gets progress, and the figures of each epoch.

    Returns:
        The folder, with model.keras, weights.npz, run.json and scores.npy (mask rule "model"). Cancelled after
        its first epoch, training ends with the best epoch so far: then run.json says that it is not complete, and
        there is no scores.npy.

    Raises:
        ModelError: there is nothing to train on, or training diverged.
        Cancelled: the job was cancelled before the first epoch ended. As after any failure, no folder stays behind.
    """
    job = NullJob() if job is None else job
    settings = TrainSettings() if settings is None else settings
    began = time.time()
    spec = TaggerSpec.from_settings(project.scheme, project.dim, settings)
    labels = project.labels("edited")
    reviewed = project.states() == 1 if settings.reviewed_weight != 1 else None
    folder = project.models.new_folder()
    lock = WriterLock(folder / TRAINING_LOCK)
    lock.acquire()

    def keep(reached: trainer.Trained) -> None:
        _write_checkpoint(folder, reached.parameters, _run(project, settings, reached, None, began))

    try:
        trained = trainer.train(
            project.embeddings,
            project.offsets,
            labels,
            spec,
            settings,
            job,
            reviewed=reviewed,
            after_epoch=keep,
        )
        found: Evaluation | None = None
        if trained.validation_sentences:
            ids = np.asarray(trained.validation_sentences, dtype=np.int64)
            found = trainer.validate(trained.parameters, project.embeddings, project.offsets, labels, ids)
        run = _run(project, settings, trained, found, began)
        # A person who cancels is waiting: the model is written without scores, which can be computed later.
        _finish(folder, project, trained.parameters, run, job if trained.complete else None)
    except BaseException:
        lock.release()
        shutil.rmtree(folder, ignore_errors=True)
        raise
    lock.release()
    return folder


def recover_training(project: Project, folder: Path) -> Path:
    """Make a model of a training whose process died: the best of its finished epochs.

    Imports TensorFlow. `folder` is one of `ModelStore.unfinished_trainings()`; it is returned, ready for
    `ModelStore.adopt`. Raises ModelError when its files can't be read.
    """
    file = folder / "run.json"
    if (folder / "model.keras").is_file() and not (folder / CHECKPOINT).is_file():
        # it is finished, and only has to be adopted
        return folder
    try:
        run = RunInfo.from_json(file.read_text(encoding="utf-8"), file)
        if run.settings is None:
            raise ValueError("no settings")
        spec = TaggerSpec.from_settings(run.scheme, run.dim, run.settings)
        with (folder / CHECKPOINT).open("rb") as stream:
            flat: Floats = np.load(stream, allow_pickle=False)
        parameters = Parameters(spec, flat)
    except (OSError, ValueError, EOFError) as error:
        raise ModelError("holds no training that can be recovered", file=folder, received=str(error)) from error
    if run.validation_sentences and run.fingerprint == project.fingerprint:
        ids = np.asarray(run.validation_sentences, dtype=np.int64)
        labels = project.labels("edited")
        run = replace(
            run, metrics=_metrics(trainer.validate(parameters, project.embeddings, project.offsets, labels, ids))
        )
    _finish(folder, project, parameters, run, None)
    return folder


def _finish(folder: Path, project: Project, parameters: Parameters, run: RunInfo, job: Job | None) -> None:
    """Write model.keras, weights.npz and run.json, and with `job` scores.npy.

    Cancelling now loses nothing: the scores are left out, and can be computed at any time.
    """
    if job is not None:
        with suppress(Cancelled):
            job.progress(0, 0, "writing the model")
    from maskscope.keras_io import keras_model

    keras_model.save(keras_model.with_weights(parameters), folder / "model.keras")
    # the written file is read back and scored, not the weights in memory
    tagger = packed.load(folder / "model.keras")
    tagger.save_npz(folder / "weights.npz")
    run = replace(run, keras=keras_model.KERAS_VERSION, tensorflow=keras_model.TENSORFLOW_VERSION)
    _write_text(folder / "run.json", run.to_json())
    if job is not None:
        with suppress(Cancelled):
            np.save(folder / "scores.npy", tagger.score(project.embeddings, project.offsets, "model", job))
    (folder / CHECKPOINT).unlink(missing_ok=True)


def _run(
    project: Project, settings: TrainSettings, trained: trainer.Trained, found: Evaluation | None, began: float
) -> RunInfo:
    spec = trained.parameters.spec
    now = time.time()
    return RunInfo(
        name=spec.name,
        created=now,
        settings=settings,
        scheme=project.scheme,
        dim=project.dim,
        mask_value=spec.mask_value,
        history=trained.history,
        metrics=_metrics(found),
        validation_sentences=trained.validation_sentences,
        fingerprint=project.fingerprint,
        seconds=max(0.0, now - began),
        complete=trained.complete,
        best_epoch=trained.best_epoch,
    )


def _metrics(found: Evaluation | None) -> RunMetrics | None:
    if found is None or not found.tokens:
        return None
    return RunMetrics(
        f1=found.metrics.micro.f1,
        precision=found.metrics.micro.precision,
        recall=found.metrics.micro.recall,
        accuracy=found.metrics.accuracy,
        loss=found.metrics.loss,
        tokens=found.tokens,
        entity_f1=found.metrics.entities.micro.f1 if found.metrics.entities.rule == "prefixes" else None,
    )


def _write_checkpoint(folder: Path, parameters: Parameters, run: RunInfo) -> None:
    # the weights last: a folder with weights has their run.json, or that of the epoch before
    _write_text(folder / "run.json", run.to_json())
    partial = folder / f"{CHECKPOINT}.partial"
    with partial.open("wb") as stream:
        np.save(stream, parameters.flat)
    partial.replace(folder / CHECKPOINT)


def _write_text(file: Path, text: str) -> None:
    partial = file.with_name(f"{file.name}.partial-{os.getpid()}")
    try:
        partial.write_text(text, encoding="utf-8", newline="\n")
        replace_durably(partial, file)
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
