"""Train a project's next model into a folder of its own, ready for `Project.adopt_model`."""

import os
import shutil
import time
from pathlib import Path

import numpy as np

from maskscope.jobs import Job, NullJob
from maskscope.project import Project
from maskscope.runs import RunInfo, RunMetrics, TrainSettings
from maskscope.tagger import packed
from maskscope.tagger.spec import TaggerSpec


def train_project(project: Project, settings: TrainSettings | None = None, job: Job | None = None) -> Path:
    """Train on a project's labels as edited, and score the whole project with the result.

    Imports TensorFlow. The project may be open read-only: nothing of it is changed but a new folder beside its
    models, which the caller gives to `Project.adopt_model`.

    Args:
        project: its labels, its embeddings, its scheme.
        settings: how to train; None for the defaults.
        job: gets progress, and the figures of each epoch.

    Returns:
        The folder, holding model.keras, weights.npz, run.json and scores.npy (mask rule "model").

    Raises:
        ModelError: there is nothing to train on, or training diverged.
        Cancelled: the job was cancelled. As after any failure, no folder stays behind.
    """
    job = NullJob() if job is None else job
    settings = TrainSettings() if settings is None else settings
    job.progress(0, 0, "starting TensorFlow")
    from maskscope.tagger import keras_model

    began = time.monotonic()
    spec = TaggerSpec.from_settings(project.scheme, project.dim, settings)
    labels = project.labels("edited")
    folder = project.new_model_folder()
    try:
        trained = keras_model.train(project.embeddings, project.offsets, labels, spec, settings, job)
        keras_model.save(trained.model, folder / "model.keras")
        # what was written is what is scored: the file read back, not the model in memory
        tagger = packed.load(folder / "model.keras")
        tagger.save_npz(folder / "weights.npz")
        scores = tagger.score(project.embeddings, project.offsets, "model", job)
        np.save(folder / "scores.npy", scores)
        metrics: RunMetrics | None = None
        if trained.validation_sentences:
            ids = np.asarray(trained.validation_sentences, dtype=np.int64)
            evaluation = keras_model.validate(trained.model, project.embeddings, project.offsets, labels, ids, spec)
            if evaluation.tokens:
                metrics = RunMetrics(
                    f1=evaluation.micro.f1,
                    precision=evaluation.micro.precision,
                    recall=evaluation.micro.recall,
                    accuracy=evaluation.accuracy,
                    loss=evaluation.loss,
                    tokens=evaluation.tokens,
                )
        run = RunInfo(
            name=spec.name,
            created=time.time(),
            settings=settings,
            scheme=project.scheme,
            dim=project.dim,
            mask_value=spec.mask_value,
            history=trained.history,
            metrics=metrics,
            validation_sentences=trained.validation_sentences,
            fingerprint=project.fingerprint,
            keras=keras_model.KERAS_VERSION,
            tensorflow=keras_model.TENSORFLOW_VERSION,
            seconds=time.monotonic() - began,
        )
        with (folder / "run.json").open("w", encoding="utf-8", newline="\n") as stream:
            stream.write(run.to_json())
            stream.flush()
            os.fsync(stream.fileno())
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder
