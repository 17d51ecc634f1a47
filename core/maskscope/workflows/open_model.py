"""Open a model that was made elsewhere, into a folder of its own, ready for `ModelStore.adopt`.

The file is copied first, and the copy is inspected, loaded and scored: nothing can change it in between.
"""

import os
import shutil
import time
import unicodedata
from pathlib import Path

import numpy as np

from maskscope.errors import ModelError
from maskscope.jobs import Job, NullJob
from maskscope.keras_io.safety import MAX_TOTAL_BYTES, inspect_keras_file
from maskscope.project import Project
from maskscope.runs import RunInfo
from maskscope.workflows.fit_model import choose_engine, fit_model
from maskscope.workflows.model_description import OpenOptions

_NAME_LENGTH = 40
_COPY_BYTES = 1 << 20


def open_model(
    project: Project,
    file: Path,
    folder: Path,
    job: Job | None = None,
    options: OpenOptions | None = None,
    name: str = "",
) -> Path:
    """Inspect a `.keras` file and score the whole project with it. Imports TensorFlow when Keras has to run it.

    The built-in engine scores the models that it supports. Every other model that gives one output for each token of
    the project's D numbers runs in Keras.

    Args:
        project: its embeddings and its scheme; it may be open read-only, nothing of it is changed.
        file: the model.
        folder: is created, for `ModelStore.adopt` afterwards; it must not exist yet.
        job: gets the number of tokens done.
        options: what a person says about the model.
        name: of the file that the model came from, where `file` is a copy of it; "" for that of `file`.

    Returns:
        `folder`, with model.keras, run.json, scores.npy, and padding.npy for a model that Keras runs, else
        weights.npz.

    Raises:
        ModelError: the file is refused, in one sentence.
        Cancelled: the job was cancelled. As after any failure, no folder stays behind.
    """
    job = NullJob() if job is None else job
    file = Path(file)
    folder.mkdir(parents=True)
    try:
        job.progress(0, 0, "inspecting the file")
        own = folder / "model.keras"
        _copy(file, own)
        try:
            run = _score_into(folder, own, project, name or file.name, job, options)
        except ModelError as error:
            raise _naming_original(error, own, file) from error
        with (folder / "run.json").open("w", encoding="utf-8", newline="\n") as stream:
            stream.write(run.to_json())
            stream.flush()
            os.fsync(stream.fileno())
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def _score_into(
    folder: Path, own: Path, project: Project, source: str, job: Job, options: OpenOptions | None
) -> RunInfo:
    keras_version = inspect_keras_file(own)
    choice = choose_engine(own)
    began = time.monotonic()
    if choice.engine == "keras":
        job.progress(0, 0, "loading the model in Keras")
    fitted = fit_model(project, own, options, choice)
    tensorflow = ""
    if fitted.packed is not None:
        scores = fitted.score(project.embeddings, project.offsets, job)
        fitted.packed.save_npz(folder / "weights.npz")
    else:
        from maskscope.keras_io.keras_model import TENSORFLOW_VERSION

        tensorflow = TENSORFLOW_VERSION
        scores, padding = fitted.score_with_padding(project.embeddings, project.offsets, job)
        assert padding is not None
        np.save(folder / "padding.npy", padding)
    np.save(folder / "scores.npy", scores)
    return RunInfo(
        name=_model_name(source),
        created=time.time(),
        settings=None,
        scheme=project.scheme,
        dim=project.dim,
        mask_value=fitted.mask_value,
        fingerprint=project.fingerprint,
        keras=keras_version,
        tensorflow=tensorflow,
        seconds=time.monotonic() - began,
        source=source,
        engine=fitted.choice.engine,
        engine_reason=fitted.choice.reason,
        output=fitted.output,
        notes=fitted.notes,
        n_positions=None if fitted.keras is None else fitted.keras.n_positions,
    )


def _copy(file: Path, own: Path) -> None:
    """Copy a file that may not be a model: at most one byte block more than a model may have is copied."""
    if file.suffix != ".keras" or not file.is_file():
        # raises the error that names the kind of file
        inspect_keras_file(file)
    room = MAX_TOTAL_BYTES
    try:
        with file.open("rb") as source, own.open("xb") as target:
            while room > 0 and (part := source.read(_COPY_BYTES)):
                room -= len(part)
                target.write(part)
            target.flush()
            os.fsync(target.fileno())
    except OSError as error:
        raise ModelError(f"can't be copied into the project ({error.strerror or error})", file=file) from error


def _naming_original(error: ModelError, own: Path, file: Path) -> ModelError:
    """The same error, naming the file that the person chose."""
    if error.file is not None and error.file.name != own.name:
        return error
    return error.in_file(file)


def _model_name(source: str) -> str:
    stem = "".join(char for char in Path(source).stem if unicodedata.category(char)[0] != "C").strip()
    return (stem if len(stem) <= _NAME_LENGTH else f"{stem[: _NAME_LENGTH - 1]}…") or "opened model"
