"""Runs the checks. Needs TensorFlow, so it runs in the worker or on the command line."""

import hashlib
import time
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from maskscope import __version__, masks
from maskscope.audit.checks.registry import CHECKS
from maskscope.audit.probes.audit_probes import AuditProbes
from maskscope.audit.probes.context import AuditContext, Data, Padded, Ragged, choose_sample, scan_data
from maskscope.audit.probes.unrunnable import Unrunnable, error_summary
from maskscope.audit.report import TOLERANCES, About, AuditReport, Finding
from maskscope.errors import Cancelled, ModelError, ReadError
from maskscope.jobs import Job, NullJob
from maskscope.keras_io import compiled
from maskscope.keras_io.compiled import Compiled
from maskscope.keras_io.keras_check import keras_mask_warning
from maskscope.project import Project

if TYPE_CHECKING:
    from maskscope.keras_io.keras_model import KerasModel


def audit_project(
    project: Project, keras_file: Path, job: Job | None = None, checks: Iterable[str] = CHECKS, padding: float = 0.0
) -> AuditReport:
    """Audit a model on a project's sentences.

    Args:
        project: its embeddings and sentence bounds, and whether those came from the source or from zeros.
        keras_file: a `.keras` file.
        job: gets the progress.
        checks: names of those to make, of `CHECKS`.
        padding: the number to pad sentences with.

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
        x: (N, T, D), padded, as Keras takes it.
        lengths: (N,) tokens of each sentence, from the source; None when they are not known: then padding is zeros.
        keras_file: a `.keras` file.
        job: gets the progress.
        checks: names of those to make, of `CHECKS`.
        padding: the number at padded positions; None for the array's own, or the mask value where none is padded.

    Raises ReadError when the arrays have the wrong shape or type; ModelError; Cancelled.
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
    """Audit a model in memory, such as in a notebook, with the loss and the metrics that it was compiled with.

    Args:
        model: it is not changed; a check that changes its weights restores them.
        x: (N, T, D), padded, as Keras takes it.
        lengths: (N,) tokens of each sentence, from the source; None when they are not known: then padding is zeros.
        job: gets the progress.
        checks: names of the checks to run, of `CHECKS`.
        padding: the number at padded positions; None for the array's own, or the mask value where none is padded.

    Raises ReadError, ModelError, Cancelled as `audit_arrays`.
    """
    return run_checks(AuditProbes(model_context(model, x, lengths, padding)), str(model.name), job, checks)


def model_context(
    model: "KerasModel",
    x: npt.NDArray[np.generic],
    lengths: npt.NDArray[np.integer] | None,
    padding: float | None = None,
    reload_suffix: str = ".keras",
) -> AuditContext:
    """The context of a model in memory and a padded array; arguments and errors as of `audit_model`.

    `reload_suffix` is of the file that RELOAD writes and reads: ".keras", or ".h5".
    """
    data, found = _padded(x, lengths)
    value = found if padding is None else padding
    return _context(data, model, compiled.of_model(model), value, NullJob(), reload_suffix)


def run_checks(
    probes: AuditProbes, name: str, job: Job | None = None, checks: Iterable[str] = CHECKS, digest: str = ""
) -> AuditReport:
    """Make the checks and report. Raises Cancelled.

    Args:
        probes: what is audited and measured with.
        name: of the model, for the report.
        job: gets the progress.
        checks: names of those to make, of `CHECKS`.
        digest: SHA-256 of the model's file in hex, "" for none.
    """
    from maskscope.keras_io import keras_model

    job = NullJob() if job is None else job
    began = time.monotonic()
    job.progress(0, 0, "checking how Keras handles masks")
    warning = _keras_warning()
    names = tuple(checks)
    findings = tuple(run_check(each, probes, _CheckJob(job, number, len(names))) for number, each in enumerate(names))
    context = probes.context
    loss, assumed = _loss_description(probes)
    about = About(
        sha256=digest,
        parameters=int(context.model.count_params()) if context.model.built else 0,
        compute_dtype=context.compute_dtype,
        mask_value=context.mask_value,
        padding=context.padding,
        loss=loss,
        loss_assumed=assumed,
        lengths_from=context.data.lengths_from,
        keras=keras_model.KERAS_VERSION,
        tensorflow=keras_model.TENSORFLOW_VERSION,
        maskscope=__version__,
        warning=warning,
        seconds=round(time.monotonic() - began, 3),
    )
    trace = probes.trace if "TRACE" in names and context.sample else ""
    graph = None if isinstance(trace, str) else trace.graph
    return AuditReport(name, context.data.n_sentences, context.sample, findings, about, graph)


def array_padding(x: npt.NDArray[np.generic], lengths: npt.NDArray[np.integer] | None) -> float | None:
    """The number at padded positions of an array; None where no position is padded. Arguments as of `audit_arrays`."""
    return _padded(x, lengths)[1]


def run_check(name: str, probes: AuditProbes, job: Job) -> Finding:
    """Make one check of `CHECKS`; where it can't be made the answer is "could not tell", with the reason."""
    check = CHECKS[name]
    if not probes.context.sample and check.needs_sample:
        return Finding(name, "could not tell", "There is no sentence with a token to run the model on.")
    try:
        return check.run(probes, job)
    except Cancelled:
        raise
    except (Unrunnable, ModelError) as error:
        return Finding(name, "could not tell", _as_sentence(str(error)))
    except Exception as error:  # noqa: BLE001 - the layers' code may be from anyone and raise anything
        reason = f"{type(error).__name__}: {error_summary(error)}"
        return Finding(name, "could not tell", f"The check could not be made ({reason}).")


def _as_sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def _padded(x: npt.NDArray[np.generic], lengths: npt.NDArray[np.integer] | None) -> tuple[Padded, float | None]:
    """The arrays, checked, and the number at padded positions; None where none is padded. Raises ReadError."""
    if x.ndim != 3 or x.dtype.kind not in "fiub":
        raise ReadError(
            "the array is no padded batch", expected="(sentences, positions, dim) of numbers", received=_describe(x)
        )
    if lengths is None:
        return Padded(x, masks.trailing_lengths(np.asarray(x, dtype=np.float32)), "inferred"), 0.0
    if lengths.shape != (len(x),) or lengths.dtype.kind not in "iu" or (len(lengths) and lengths.min() < 0):
        raise ReadError(
            "the lengths don't fit the array", expected=f"({len(x)},) whole numbers from 0", received=_describe(lengths)
        )
    data = Padded(x, lengths.astype(np.int64), "source")
    return data, data.padding


def _audit_file(
    sentences: Data, dim: int, keras_file: Path, job: Job | None, checks: Iterable[str], padding: float | None
) -> AuditReport:
    from maskscope.keras_io import keras_model

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
    context = _context(sentences, model, compiled.of_file(keras_file), padding, job)
    return run_checks(AuditProbes(context), Path(keras_file).name, job, checks, digest)


def _context(
    sentences: Data,
    model: "KerasModel",
    own: Compiled | None,
    padding: float | None,
    job: Job,
    reload_suffix: str = ".keras",
) -> AuditContext:
    from maskscope.keras_io import keras_graph

    masking = keras_graph.first_masking(model)
    mask_value = None if masking is None else float(masking.mask_value)
    mask_dtype = "float32" if masking is None else str(masking.compute_dtype)
    scanned = scan_data(sentences, mask_value, mask_dtype, job)
    compute_dtype = keras_graph.compute_dtype(model)
    return AuditContext(
        model,
        mask_value,
        sentences,
        choose_sample(sentences, scanned.collisions),
        TOLERANCES[compute_dtype],
        keras_graph.padding_or_mask_value(model, padding),
        own,
        reload_suffix,
        mask_dtype,
        compute_dtype,
        scanned,
    )


class _CheckJob:
    """One check's share of the whole audit's progress."""

    STEPS = 100

    def __init__(self, job: Job, number: int, count: int) -> None:
        self._job, self._number, self._count = job, number, count

    def progress(self, done: int, total: int, text: str = "") -> None:
        """Report; raise Cancelled when asked to stop."""
        inside = self.STEPS * min(done, total) // total if total > 0 else 0
        text = f"{text}, check {self._number + 1}" if text else ""
        self._job.progress(self._number * self.STEPS + inside, self._count * self.STEPS, text)

    def figure(self, name: str, step: int, value: float) -> None:
        """Report; raise Cancelled when asked to stop."""
        self._job.figure(name, step, value)


def _loss_description(probes: AuditProbes) -> tuple[str, bool]:
    """Name of the loss, "" when it is not known, and whether it was assumed."""
    try:
        return probes.loss.description, probes.loss.assumed
    except Exception:  # noqa: BLE001 - the loss is assumed by the output of a model that may not run
        return "", True


@cache
def _keras_warning() -> str:
    """What the installed Keras does wrong with masks; it can't change while this process lives."""
    return keras_mask_warning()


def _describe(array: npt.NDArray[np.generic]) -> str:
    return f"{array.shape} {array.dtype}"
