"""Runs the checks. Needs TensorFlow, so it runs in the worker or on the command line."""

import hashlib
import time
from collections.abc import Callable, Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from maskscope import masks
from maskscope.audit.checks import (
    batch,
    collisions,
    content,
    data,
    dtype,
    geometry,
    gradient,
    length,
    loss,
    metrics,
    reload,
    time_axis,
    weights,
)
from maskscope.audit.probes import mask_trace
from maskscope.audit.probes.context import Data, Padded, Ragged, Subject, choose_sample, scan_data
from maskscope.audit.probes.model_runner import Unrunnable, error_words
from maskscope.audit.report import TOLERANCES, About, AuditReport, Finding
from maskscope.errors import Cancelled, ModelError, ReadError
from maskscope.jobs import Job, NullJob
from maskscope.keras_io.keras_check import keras_trouble
from maskscope.project import Project

if TYPE_CHECKING:
    from maskscope.keras_io.compiled import Compiled
    from maskscope.keras_io.keras_model import KerasModel

Check = Callable[[Subject, Job], Finding]

CHECKS: dict[str, Check] = {
    "LENGTH": length.check,
    "BATCH": batch.check,
    "CONTENT": content.check,
    "GRADIENT": gradient.check,
    "LOSS": loss.check,
    "WEIGHTS": weights.check,
    "METRICS": metrics.check,
    "TRACE": mask_trace.check,
    "COLLISIONS": collisions.check,
    "GEOMETRY": geometry.check,
    "TIME": time_axis.check,
    "DTYPE": dtype.check,
    "DATA": data.check,
    "RELOAD": reload.check,
}
"""Every check there is, in the order of the report."""


def audit_project(
    project: Project, keras_file: Path, job: Job | None = None, checks: Iterable[str] = CHECKS, padding: float = 0.0
) -> AuditReport:
    """Audit a model on a project's sentences.

    Args:
        project: its embeddings and sentence bounds; whether those came from the source or from zeros counts.
        keras_file: a `.keras` file.
        job: is told of each check.
        checks: names of those to make, of `CHECKS`.
        padding: what sentences are padded with.

    Raises ModelError when the model can't be loaded or does not fit; Cancelled.
    """
    data = Ragged(project.embeddings, project.offsets, project.lengths_from)
    return _audit_file(data, project.dim, keras_file, job, checks, padding)


def audit_arrays(
    x: npt.NDArray[np.generic],
    lengths: npt.NDArray[np.integer] | None,
    keras_file: Path,
    job: Job | None = None,
    checks: Iterable[str] = CHECKS,
    padding: float | None = None,
) -> AuditReport:
    """Audit a model on a padded array.

    Args:
        x: (N, T, D), padded, as one gives it to Keras.
        lengths: (N,) tokens of each sentence, from the source; None when they are not known: then padding is zeros.
        keras_file: a `.keras` file.
        job: is told of each check.
        checks: names of those to make, of `CHECKS`.
        padding: what stands at padded positions; None to look, and where there are none for what the model masks.

    Raises ReadError when the arrays are no such arrays; ModelError; Cancelled.
    """
    data, found = _padded(x, lengths)
    return _audit_file(data, x.shape[2], keras_file, job, checks, found if padding is None else padding)


def audit_model(
    model: "KerasModel",
    x: npt.NDArray[np.generic],
    lengths: npt.NDArray[np.integer] | None,
    job: Job | None = None,
    checks: Iterable[str] = CHECKS,
    padding: float | None = None,
) -> AuditReport:
    """Audit a model that is in memory, in a notebook say, with the loss and the metrics that it was compiled with.

    Args:
        model: any Keras model from (B, T, D) to (B, T, C); it is left as it was.
        x, lengths, job, checks, padding: as of `audit_arrays`.

    Raises ReadError, ModelError, Cancelled as `audit_arrays`.
    """
    return audit_subject(subject_of(model, x, lengths, padding), str(model.name), job, checks)


def subject_of(
    model: "KerasModel",
    x: npt.NDArray[np.generic],
    lengths: npt.NDArray[np.integer] | None,
    padding: float | None = None,
    reload_suffix: str = ".keras",
) -> Subject:
    """A model in memory and a padded array, ready for the checks; arguments and errors as of `audit_model`.

    `reload_suffix` is of the file that RELOAD writes and reads: ".keras", or ".h5".
    """
    from maskscope.keras_io import compiled

    data, found = _padded(x, lengths)
    value = found if padding is None else padding
    return _subject(data, model, compiled.of_model(model), value, NullJob(), reload_suffix)


def audit_subject(
    subject: Subject, name: str, job: Job | None = None, checks: Iterable[str] = CHECKS, digest: str = ""
) -> AuditReport:
    """Make the checks and report. Raises Cancelled.

    Args:
        subject: what is audited.
        name: of the model, for the report.
        job: is told of each check.
        checks: names of those to make, of `CHECKS`.
        digest: SHA-256 of the model's file in hex, "" for none.
    """
    from maskscope.keras_io import keras_model

    job = NullJob() if job is None else job
    began = time.monotonic()
    job.progress(0, 0, "asking Keras about masks")
    trouble = _trouble()
    names = tuple(checks)
    findings = tuple(run(each, subject, _Part(job, place, len(names))) for place, each in enumerate(names))
    loss_words, assumed = _loss(subject)
    about = About(
        sha256=digest,
        parameters=int(subject.model.count_params()) if subject.model.built else 0,
        compute_dtype=subject.compute_dtype,
        mask_value=subject.mask_value,
        padding=subject.padding,
        loss=loss_words,
        loss_assumed=assumed,
        lengths_from=subject.data.lengths_from,
        keras=keras_model.KERAS_VERSION,
        tensorflow=keras_model.TENSORFLOW_VERSION,
        maskscope=_own_version(),
        warning=trouble,
        seconds=round(time.monotonic() - began, 3),
    )
    traced = subject.trace if "TRACE" in names and subject.sample else ""
    graph = None if isinstance(traced, str) else traced.graph
    return AuditReport(name, subject.data.n_sentences, subject.sample, findings, about, graph)


def padding_of(x: npt.NDArray[np.generic], lengths: npt.NDArray[np.integer] | None) -> float | None:
    """What stands at padded positions of an array, as `audit_arrays` looks it up; None where there are none."""
    return _padded(x, lengths)[1]


def run(name: str, subject: Subject, job: Job) -> Finding:
    """Make one check of `CHECKS`; where the model can't be asked the answer is "could not tell", and why."""
    if not subject.sample and name not in ("COLLISIONS", "DATA", "METRICS"):
        return Finding(name, "could not tell", "There is no sentence with a token to run the model on.")
    try:
        return CHECKS[name](subject, job)
    except Cancelled:
        raise
    except (Unrunnable, ModelError) as error:
        return Finding(name, "could not tell", _sentence(str(error)))
    except Exception as error:  # noqa: BLE001 - a model of other people's making may raise anything at all
        words = error_words(error)
        return Finding(name, "could not tell", f"The check could not be made ({type(error).__name__}: {words}).")


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:] + ("" if words.endswith(".") else ".")


def _padded(x: npt.NDArray[np.generic], lengths: npt.NDArray[np.integer] | None) -> tuple[Padded, float | None]:
    """The arrays, looked over, and what stands at padded positions; None where there are none."""
    if x.ndim != 3 or x.dtype.kind not in "fiub":
        raise ReadError(
            "the array is no padded batch", expected="(sentences, positions, dim) of numbers", received=_words(x)
        )
    if lengths is None:
        return Padded(x, masks.trailing_lengths(np.asarray(x, dtype=np.float32)), "inferred"), 0.0
    if lengths.shape != (len(x),) or lengths.dtype.kind not in "iu" or (len(lengths) and lengths.min() < 0):
        raise ReadError(
            "the lengths don't fit the array", expected=f"({len(x)},) whole numbers from 0", received=_words(lengths)
        )
    data = Padded(x, lengths.astype(np.int64), "source")
    return data, data.padding


def _audit_file(
    sentences: Data, dim: int, keras_file: Path, job: Job | None, checks: Iterable[str], padding: float | None
) -> AuditReport:
    from maskscope.keras_io import compiled, keras_model

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
    digest = hashlib.sha256(Path(keras_file).read_bytes()).hexdigest()
    job.progress(0, 0, "choosing sentences")
    subject = _subject(sentences, model, compiled.of_file(keras_file), padding, job)
    return audit_subject(subject, Path(keras_file).name, job, checks, digest)


def _subject(
    sentences: Data,
    model: "KerasModel",
    compiled: "Compiled | None",
    padding: float | None,
    job: Job,
    reload_suffix: str = ".keras",
) -> Subject:
    from maskscope.keras_io import keras_graph

    masking = keras_graph.first_masking(model)
    mask_value = None if masking is None else float(masking.mask_value)
    mask_dtype = "float32" if masking is None else str(masking.compute_dtype)
    scanned = scan_data(sentences, mask_value, mask_dtype, job)
    return Subject(
        model,
        mask_value,
        sentences,
        choose_sample(sentences, scanned.collisions),
        TOLERANCES[keras_graph.compute_dtype(model)],
        keras_graph.padding_of(model, padding),
        compiled,
        reload_suffix,
        mask_dtype,
        scanned,
    )


class _Part:
    """A check's share of the whole audit's progress."""

    STEPS = 100

    def __init__(self, job: Job, place: int, of: int) -> None:
        self._job, self._place, self._of = job, place, of

    def progress(self, done: int, total: int, text: str = "") -> None:
        """Report; raise Cancelled when asked to stop."""
        inside = self.STEPS * min(done, total) // total if total > 0 else 0
        words = f"{text}, check {self._place + 1}" if text else ""
        self._job.progress(self._place * self.STEPS + inside, self._of * self.STEPS, words)

    def figure(self, name: str, step: int, value: float) -> None:
        """Report; raise Cancelled when asked to stop."""
        self._job.figure(name, step, value)


def _loss(subject: Subject) -> tuple[str, bool]:
    try:
        return subject.bench.loss_words, subject.bench.loss_assumed
    except Exception:  # noqa: BLE001 - a model that prints nothing has no loss to be named
        return "", True


@cache
def _trouble() -> str:
    """What the installed Keras does wrong, which stays as it is while this process lives."""
    return keras_trouble()


def _own_version() -> str:
    try:
        return version("maskscope")
    except PackageNotFoundError:
        return ""


def _words(array: npt.NDArray[np.generic]) -> str:
    return f"{array.shape} {array.dtype}"
