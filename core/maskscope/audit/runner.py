"""Runs the checks. Needs TensorFlow, so it runs in the worker or on the command line."""

import hashlib
import math
import time
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from maskscope import __version__
from maskscope.audit.checks.base import SAME_MASK
from maskscope.audit.checks.registry import CHECKS
from maskscope.audit.prepare import array_sentences, file_context, model_context, project_sentences
from maskscope.audit.probes.audit_probes import AuditProbes
from maskscope.audit.probes.context import Data
from maskscope.audit.probes.unrunnable import Unrunnable
from maskscope.audit.repair_trial import name_no_repairs, offer_repairs
from maskscope.audit.report import About, AuditReport, Finding
from maskscope.errors import Cancelled, ModelError
from maskscope.jobs import Job, NullJob
from maskscope.keras_io.error_summary import error_summary
from maskscope.keras_io.keras_check import keras_mask_warning
from maskscope.padding import Side
from maskscope.project import Project
from maskscope.types import MaskValue

if TYPE_CHECKING:
    from maskscope.keras_io.keras_model import KerasModel


def audit_project(
    project: Project,
    keras_file: Path,
    job: Job | None = None,
    checks: Iterable[str] = CHECKS,
    padding: float | None = None,
    padding_side: Side | None = None,
) -> AuditReport:
    """Audit a model on a project's sentences.

    Args:
        project: its embeddings and sentence bounds, and what its source was padded with.
        keras_file: a `.keras` file.
        job: gets the progress.
        checks: names of those to make, of `CHECKS`.
        padding: the number to pad sentences with; None for that of the project's source, else the model's mask value.
        padding_side: where to pad them; None for where the project's source was padded, else behind the tokens.

    Raises ModelError when the model can't be loaded or does not fit; Cancelled.
    """
    return _audit_file(project_sentences(project), keras_file, job, checks, padding, padding_side)


def audit_arrays(
    x: npt.NDArray[np.generic],
    lengths: npt.NDArray[np.integer] | None,
    keras_file: Path,
    job: Job | None = None,
    checks: Iterable[str] = CHECKS,
    padding: float | None = None,
    padding_side: Side | None = None,
    labels: npt.NDArray[np.generic] | None = None,
    weights: npt.NDArray[np.generic] | None = None,
) -> AuditReport:
    """Audit a model on a padded array.

    Args:
        x: (N, T, D), padded in front of the tokens or behind them, as Keras takes it.
        lengths: (N,) tokens of each sentence, from the source; None to infer them, where padding shows them.
        keras_file: a `.keras` file.
        job: gets the progress.
        checks: names of those to make, of `CHECKS`.
        padding: the number at padded positions; None for the array's own, or the mask value where none is padded.
        padding_side: where padding is; None for where the array has it, else behind the tokens.
        labels: (N, T), (N, T, 1) or (N, T, C) that the model is trained with, also at padding; (N,) or (N, C) for a
            sentence classifier. None for made-up ones.
        weights: (N, T) or (N,) sample weights that it is trained with; None for none.

    Raises ReadError when the arrays have the wrong shape or type, or lengths are needed; ModelError; Cancelled.
    """
    sentences = array_sentences(x, lengths, padding_side, labels, weights)
    return _audit_file(sentences, keras_file, job, checks, padding, padding_side)


def audit_model(
    model: "KerasModel",
    x: npt.NDArray[np.generic],
    lengths: npt.NDArray[np.integer] | None,
    job: Job | None = None,
    checks: Iterable[str] = CHECKS,
    padding: float | None = None,
    padding_side: Side | None = None,
    labels: npt.NDArray[np.generic] | None = None,
    weights: npt.NDArray[np.generic] | None = None,
) -> AuditReport:
    """Audit a model in memory, such as in a notebook, with the loss and the metrics that it was compiled with.

    The findings say what would repair it; automatic repairs are offered for files alone.

    Args:
        model: it is not changed; a check that changes its weights restores them.
        x: as of `audit_arrays`, as are the others.
        lengths: of the sentences.
        job: gets the progress.
        checks: names.
        padding: number.
        padding_side: "back" or "front".
        labels: that it is trained with.
        weights: sample weights.

    Raises ReadError, ModelError, Cancelled as `audit_arrays`.
    """
    sentences = array_sentences(x, lengths, padding_side, labels, weights)
    context = model_context(model, sentences, padding, padding_side)
    return name_no_repairs(run_checks(AuditProbes(context), str(model.name), job, checks))


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
        parameters=int(context.given.count_params()) if context.given.built else 0,
        compute_dtype=context.compute_dtype,
        mask_value=context.mask_value if _is_finite(context.mask_value) else None,
        mask_value_text="" if _is_finite(context.mask_value) else str(context.mask_value),
        padding=_shortest(context.padding.value),
        padding_side=context.padding.side,
        padding_from=context.padding.origin,
        padding_text=context.padding.text,
        loss=loss,
        loss_assumed=assumed,
        lengths_from=context.data.lengths_from,
        keras=keras_model.KERAS_VERSION,
        tensorflow=keras_model.TENSORFLOW_VERSION,
        maskscope=__version__,
        warning=warning,
        labels=_shape(context.data.labels),
        weights=_shape(context.data.weights),
        copy=context.notes,
        no_copy=context.no_copy,
        seconds=round(time.monotonic() - began, 3),
    )
    trace = probes.trace if "TRACE" in names and context.sample else ""
    graph = None if isinstance(trace, str) else trace.graph
    return AuditReport(name, context.data.n_sentences, context.sample, findings, about, graph)


def run_check(name: str, probes: AuditProbes, job: Job) -> Finding:
    """Make one check of `CHECKS`; where it can't be made the answer is "could not tell", with the reason."""
    check = CHECKS[name]
    if not probes.context.sample and check.needs_sample:
        return Finding(name, "could not tell", "There is no sentence with a token to run the model on.")
    try:
        finding = check.run(probes, job)
    except Cancelled:
        raise
    except (Unrunnable, ModelError) as error:
        matters = error.matters if isinstance(error, Unrunnable) else True
        return Finding(name, "could not tell", _as_sentence(str(error)), matters=matters)
    except Exception as error:  # noqa: BLE001 - the layers' code may be from anyone and raise anything
        reason = error_summary(error)
        return Finding(name, "could not tell", f"The check could not be made ({reason}).")
    padding = probes.context.padding
    if finding.repair in SAME_MASK or (padding.origin != "assumed" and padding.mask_value is not None):
        return finding
    return replace(finding, repair=None)


def _as_sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def _audit_file(
    sentences: Data,
    keras_file: Path,
    job: Job | None,
    checks: Iterable[str],
    padding: float | None,
    padding_side: Side | None,
) -> AuditReport:
    job = NullJob() if job is None else job
    context = file_context(sentences, keras_file, padding, padding_side, job)
    digest = hashlib.sha256(Path(keras_file).read_bytes()).hexdigest()
    report = run_checks(AuditProbes(context), Path(keras_file).name, job, checks, digest)
    return offer_repairs(report, context, run_check, job)


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


def _is_finite(value: MaskValue | None) -> bool:
    return value is None or bool(np.isfinite(value).all())


def _shape(array: npt.NDArray[np.generic] | None) -> tuple[int, ...] | None:
    return None if array is None else array.shape


def _shortest(number: float | None) -> float | None:
    """A float32 number as the shortest decimal that is rounded to it; None for what JSON can't hold."""
    return None if number is None or not math.isfinite(number) else float(str(np.float32(number)))


@cache
def _keras_warning() -> str:
    """What the installed Keras does wrong with masks; it can't change while this process lives."""
    return keras_mask_warning()
