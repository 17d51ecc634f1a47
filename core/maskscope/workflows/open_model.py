"""Open a model that was made elsewhere, into a folder of its own, ready for `ModelStore.adopt`.

The file is copied first, and the copy is inspected, loaded and scored: nothing can change it in between.
"""

import math
import os
import shutil
import time
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from maskscope.engine.keras_file import read_keras_file
from maskscope.engine.packed import PackedTagger
from maskscope.engine.weights import with_output
from maskscope.errors import ModelError
from maskscope.jobs import Job, NullJob
from maskscope.keras_io.safety import MAX_TOTAL_BYTES, inspect_keras_file
from maskscope.project import Project
from maskscope.runs import Engine, OutputMap, RunInfo
from maskscope.types import Floats, TagScheme
from maskscope.workflows.model_description import ModelDescription, OpenOptions

if TYPE_CHECKING:
    from maskscope.keras_io.keras_model import KerasModel

_NAME_LENGTH = 40
_REASON_LENGTH = 300
_TEST_SHAPES = ((1, 3), (2, 5))
_COPY_BYTES = 1 << 20
_ROUNDING = 1e-3


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """Which engine runs a model.

    Attributes:
        engine: "packed" where it supports the model, else "keras".
        reason: one sentence: what the built-in engine does not support; "" for "packed".
        tagger: ready to score, for "packed".
    """

    engine: Engine
    reason: str = ""
    tagger: PackedTagger | None = None


def choose_engine(keras_file: Path) -> EngineChoice:
    """The engine for a `.keras` file, which is inspected first. Raises ModelError when it is unsafe or damaged."""
    inspect_keras_file(keras_file)
    try:
        return EngineChoice("packed", tagger=PackedTagger(read_keras_file(keras_file), keras_file))
    except ModelError as error:
        # wherever the reason is shown, the file's name is shown too; a layer's name may be of any length
        reason = str(error).removeprefix(f"{Path(keras_file).name}: ")
        return EngineChoice("keras", reason if len(reason) <= _REASON_LENGTH else f"{reason[: _REASON_LENGTH - 1]}…")


def describe_model(project: Project, file: Path) -> ModelDescription:
    """What is known of a model's file before it is opened in a project; why it can't be opened is its `refusal`."""
    file = Path(file)
    try:
        chosen = choose_engine(file)
        tagger = None if chosen.tagger is None else _tagger_for_project(chosen.tagger, file, project)
    except ModelError as error:
        return ModelDescription(file.name, refusal=str(error), way_out=("audit", "picture"))
    return ModelDescription(
        file.name,
        engine=chosen.engine,
        engine_reason=chosen.reason,
        mask_value=None if tagger is None else tagger.mask_value,
        n_outputs=0 if tagger is None else tagger.n_outputs,
        output=None if tagger is None else "probabilities",
        columns=None if tagger is None else tuple(range(tagger.n_outputs)),
    )


def open_model(
    project: Project, file: Path, folder: Path, job: Job | None = None, options: OpenOptions | None = None
) -> Path:
    """Inspect a `.keras` file and score the whole project with it. Imports TensorFlow when Keras has to run it.

    The built-in engine scores the models that it supports. Every other model that maps (B, T, D) to (B, T, C), with the
    project's D and a C that fits its labels, runs in Keras.

    Args:
        project: its embeddings and its scheme; it may be open read-only, nothing of it is changed.
        file: the model.
        folder: is created, for `ModelStore.adopt` afterwards; it must not exist yet.
        job: gets the number of tokens done.
        options: what a person says about the model.

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
            run = _score_into(folder, own, project, file.name, job)
        except ModelError as error:
            raise _naming(error, own, file) from error
        with (folder / "run.json").open("w", encoding="utf-8", newline="\n") as stream:
            stream.write(run.to_json())
            stream.flush()
            os.fsync(stream.fileno())
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def _score_into(folder: Path, own: Path, project: Project, source: str, job: Job) -> RunInfo:
    keras_version = inspect_keras_file(own)
    chosen = choose_engine(own)
    began = time.monotonic()
    tensorflow = ""
    if chosen.tagger is not None:
        tagger = _tagger_for_project(chosen.tagger, own, project)
        mask_value = tagger.mask_value
        scores = tagger.score(project.embeddings, project.offsets, "model", job)
        tagger.save_npz(folder / "weights.npz")
    else:
        job.progress(0, 0, "loading the model in Keras")
        from maskscope.keras_io import keras_model

        tensorflow = keras_model.TENSORFLOW_VERSION
        model = keras_model.load(own)
        job.progress(0, 0, "testing the model on two sentences")
        check_shapes(model, project.dim, project.scheme, own)
        mask_value = keras_model.embeddings_mask_value(model)
        scores, padding = keras_model.score_with_padding(model, project.embeddings, project.offsets, job)
        scores, padding = (fit_columns(columns, project.scheme.n_outputs) for columns in (scores, padding))
        np.save(folder / "padding.npy", padding)
    _check_probabilities(scores, own)
    np.save(folder / "scores.npy", scores)
    return RunInfo(
        name=_model_name(source),
        created=time.time(),
        settings=None,
        scheme=project.scheme,
        dim=project.dim,
        mask_value=mask_value,
        fingerprint=project.fingerprint,
        keras=keras_version,
        tensorflow=tensorflow,
        seconds=time.monotonic() - began,
        source=source,
        engine=chosen.engine,
        engine_reason=chosen.reason,
    )


def check_shapes(model: "KerasModel", dim: int, scheme: TagScheme, file: Path) -> None:
    """Raise ModelError unless a model maps (B, T, dim) to (B, T, C) probabilities, for any B and T, C fitting `scheme`.

    It is run on two small batches of different B and T, since the shapes in the file need not be true.
    """
    from maskscope.keras_io import keras_model

    inputs, outputs = list(model.inputs or ()), list(model.outputs or ())
    shapes = [tuple(tensor.shape) for tensor in inputs + outputs]
    fits = (
        len(inputs) == len(outputs) == 1
        and all(len(shape) == 3 and shape[0] is None and shape[1] is None for shape in shapes)
        and shapes[0][2] in (None, dim)
    )
    expected = f"(B, T, {dim}) to (B, T, C), any B and T"
    if not fits:
        words = " to ".join(
            " and ".join(str(tuple(tensor.shape)) for tensor in tensors) or "nothing" for tensors in (inputs, outputs)
        )
        raise ModelError("maps other shapes than a tagger", file=file, expected=expected, received=words)
    rng = np.random.default_rng(0)
    n_outputs = 0
    try:
        predict = keras_model.inference_function(model, dim)
        for batch, positions in _TEST_SHAPES:
            x_btd: Floats = rng.normal(size=(batch, positions, dim)).astype(np.float32)
            output = np.asarray(predict(x_btd))
            if output.ndim != 3 or output.shape[:2] != (batch, positions) or output.dtype.kind != "f":
                raise ModelError(
                    "does not give one prediction a position",
                    file=file,
                    expected=expected,
                    received=f"{output.shape} {output.dtype} for {x_btd.shape}",
                )
            n_outputs = output.shape[2]
            _check_probabilities(output.reshape(-1, n_outputs), file)
    except ModelError:
        raise
    except Exception as error:
        # a layer may raise an exception of any type for a shape that it does not accept
        raise ModelError(
            "can't be run on sentences of any length",
            file=file,
            expected=expected,
            received=f"{type(error).__name__}: {' '.join(str(error).split())[:200]}",
        ) from error
    check_outputs(n_outputs, scheme, file)


def check_outputs(n_outputs: int, scheme: TagScheme, file: Path) -> None:
    """Raise ModelError unless a head of `n_outputs` fits: the scheme's own, or two for the classes of a binary one."""
    if n_outputs in (scheme.n_outputs, len(scheme.classes)):
        return
    shown = ", ".join(scheme.classes[:6]) + (", ..." if len(scheme.classes) > 6 else "")
    raise ModelError(
        "has a head that does not fit the project's labels",
        file=file,
        expected=f"{_count_outputs(scheme.n_outputs)} for {shown}",
        received=_count_outputs(n_outputs),
    )


def fit_columns(probs: Floats, n_outputs: int) -> Floats:
    """Probabilities (..., C) as a label set with `n_outputs` has them.

    A softmax over the two classes of a binary label set gives two columns; the second is kept. Raises ModelError when
    the two don't add up to one.
    """
    if (probs.shape[-1], n_outputs) != (2, 1):
        return probs
    off = np.abs(probs.sum(axis=-1) - 1.0)
    if (off > _ROUNDING).any():
        raise ModelError(
            "the model has two outputs for a project with one label",
            expected="a softmax over the two classes",
            received=f"probabilities that add up to {1 + float(np.nanmax(off)):.4g} or less",
        )
    return np.ascontiguousarray(probs[..., 1:])


def _tagger_for_project(tagger: PackedTagger, own: Path, project: Project) -> PackedTagger:
    if tagger.dim != project.dim:
        raise ModelError(
            "does not fit the project's embeddings",
            file=own,
            expected=f"{project.dim} numbers a token",
            received=f"{tagger.dim}",
        )
    check_outputs(tagger.n_outputs, project.scheme, own)
    if tagger.n_outputs == project.scheme.n_outputs:
        return tagger
    weights = read_keras_file(own)
    if weights.activation != "softmax":
        raise ModelError(
            "has two outputs for a project with one label",
            file=own,
            expected="a softmax over the two classes",
            received=weights.activation,
        )
    return PackedTagger(with_output(weights, OutputMap(columns=(1,))), own)


def _count_outputs(count: int) -> str:
    return f"{count} output{'s' if count != 1 else ''}"


def _check_probabilities(probs_nc: Floats, file: Path) -> None:
    if not len(probs_nc):
        return
    least, most = float(probs_nc.min()), float(probs_nc.max())
    if math.isfinite(least) and math.isfinite(most) and least >= -_ROUNDING and most <= 1 + _ROUNDING:
        return
    raise ModelError(
        "gives numbers that are not probabilities; end it in a sigmoid or a softmax",
        file=file,
        expected="0 to 1",
        received=f"{least:.4g} to {most:.4g}",
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


def _naming(error: ModelError, own: Path, file: Path) -> ModelError:
    """The same error, naming the file that the person chose."""
    if error.file is not None and error.file.name != own.name:
        return error
    return ModelError(
        error.message, file=file, sentence=error.sentence, expected=error.expected, received=error.received
    )


def _model_name(source: str) -> str:
    stem = "".join(char for char in Path(source).stem if unicodedata.category(char)[0] != "C").strip()
    return (stem if len(stem) <= _NAME_LENGTH else f"{stem[: _NAME_LENGTH - 1]}…") or "opened model"
