"""Runs the checks. Needs TensorFlow, so it runs in the worker or on the command line."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from maskscope import masks
from maskscope.audit import collisions, data, length, loss, trace
from maskscope.audit.report import AuditReport, Finding
from maskscope.audit.subject import Data, Padded, Ragged, Subject, choose_sample
from maskscope.errors import ModelError, ReadError
from maskscope.jobs import Job, NullJob
from maskscope.project import Project

Check = Callable[[Subject, Job], Finding]

CHECKS: dict[str, Check] = {
    "LENGTH": length.check,
    "LOSS": loss.check,
    "TRACE": trace.check,
    "COLLISIONS": collisions.check,
    "DATA": data.check,
}
"""Every check there is, in the order of the report."""

TOLERANCES = {"float32": 1e-6, "float16": 5e-4, "bfloat16": 4e-3}
"""Largest deviation of a probability that rounding explains, by compute type; a sum of float64 is held to float32's."""


def audit_project(
    project: Project, keras_file: Path, job: Job | None = None, checks: Iterable[str] = CHECKS
) -> AuditReport:
    """Audit a model on a project's sentences.

    Args:
        project: its embeddings and sentence bounds; whether those came from the source or from zeros counts.
        keras_file: a `.keras` file.
        job: is told of each check.
        checks: names of those to make, of `CHECKS`.

    Raises ModelError when the model can't be loaded or does not fit; Cancelled.
    """
    data = Ragged(project.embeddings, project.offsets, project.lengths_from)
    return _audit(data, project.dim, keras_file, job, checks)


def audit_arrays(
    x: npt.NDArray[np.generic],
    lengths: npt.NDArray[np.integer] | None,
    keras_file: Path,
    job: Job | None = None,
    checks: Iterable[str] = CHECKS,
) -> AuditReport:
    """Audit a model on a padded array.

    Args:
        x: (N, T, D), padded with zeros, as one gives it to Keras.
        lengths: (N,) tokens of each sentence, from the source; None when they are not known.
        keras_file: a `.keras` file.
        job: is told of each check.
        checks: names of those to make, of `CHECKS`.

    Raises ReadError when the arrays are no such arrays; ModelError; Cancelled.
    """
    if x.ndim != 3 or x.dtype.kind not in "fiub":
        raise ReadError(
            "the array is no padded batch", expected="(sentences, positions, dim) of numbers", received=_words(x)
        )
    if lengths is None:
        own = masks.trailing_lengths(np.asarray(x, dtype=np.float32))
        return _audit(Padded(x, own, "inferred"), x.shape[2], keras_file, job, checks)
    if lengths.shape != (len(x),) or lengths.dtype.kind not in "iu" or (len(lengths) and lengths.min() < 0):
        raise ReadError(
            "the lengths don't fit the array", expected=f"({len(x)},) whole numbers from 0", received=_words(lengths)
        )
    return _audit(Padded(x, lengths.astype(np.int64), "source"), x.shape[2], keras_file, job, checks)


def _audit(sentences: Data, dim: int, keras_file: Path, job: Job | None, checks: Iterable[str]) -> AuditReport:
    from maskscope.tagger import keras_model

    job = NullJob() if job is None else job
    job.progress(0, 0, "loading the model")
    model = keras_model.load(keras_file)
    shape = model.input_shape
    if isinstance(shape, tuple) and len(shape) == 3 and shape[2] not in (None, dim):
        raise ModelError(
            "the model does not fit the embeddings",
            file=keras_file,
            expected=f"{shape[2]} numbers a token",
            received=f"{dim}",
        )
    mask_value = keras_model.mask_value(model)
    sample = choose_sample(sentences, mask_value)
    tolerance = TOLERANCES.get(str(model.compute_dtype), TOLERANCES["float32"])
    subject = Subject(model, mask_value, sentences, sample, tolerance)
    findings = tuple(CHECKS[name](subject, job) for name in checks)
    return AuditReport(Path(keras_file).name, sentences.n_sentences, sample, findings)


def _words(array: npt.NDArray[np.generic]) -> str:
    return f"{array.shape} {array.dtype}"
