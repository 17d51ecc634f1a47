"""The worker's jobs: one function for each type of request, registered by the type of its first argument."""

from functools import singledispatch
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from maskscope.audit.report import AuditReport
from maskscope.errors import WorkerError
from maskscope.jobs import Job, NullJob
from maskscope.padding import Side
from maskscope.project import Project
from maskscope.types import Floats, MaskValue
from maskscope.worker.requests import (
    ArraySource,
    AuditRequest,
    AuditResult,
    AuditSource,
    CutModelRequest,
    CutModelResult,
    DescribeModelRequest,
    DescribeModelResult,
    GalleryReports,
    GalleryRequest,
    GalleryResult,
    ModelGraphRequest,
    ModelGraphResult,
    OpenModelRequest,
    OpenModelResult,
    PaddingRequest,
    PaddingResult,
    PingRequest,
    PingResult,
    RecoverRequest,
    RecoverResult,
    RepairRequest,
    RepairResult,
    Request,
    Result,
    ScoreRequest,
    ScoreResult,
    TrainRequest,
    TrainResult,
)
from maskscope.workflows.padding import measure_padding, release_model
from maskscope.workflows.train import recover_training, train_project

if TYPE_CHECKING:
    from maskscope.audit.files import Arrays


@singledispatch
def run_request(request: Request[Result], job: Job) -> Result:
    """Run the job of a request and return its result. Raises WorkerError when there is no such job."""
    raise WorkerError("there is no job for this request", received=type(request).__name__)


@run_request.register
def train(request: TrainRequest, job: Job) -> TrainResult:
    """Train a model. Cancelled after the first epoch, it still returns the best epoch so far."""
    with Project.open(request.project, read_only=True) as project:
        return TrainResult(train_project(project, request.settings, job))


@run_request.register
def recover(request: RecoverRequest, job: Job) -> RecoverResult:
    """Write the model of an unfinished training."""
    job.progress(0, 0, "writing the model")
    with Project.open(request.project, read_only=True) as project:
        return RecoverResult(recover_training(project, request.unfinished))


@run_request.register
def score(request: ScoreRequest, job: Job) -> ScoreResult:
    """Score every sentence of a project in Keras, and write the arrays."""
    from maskscope.workflows.fit_model import EngineChoice, fit_model

    release_model()
    padding_sc: Floats | None = None
    with Project.open(request.project, read_only=True) as project:
        job.progress(0, 0, "loading the model")
        fitted = fit_model(project, request.model, request.options, EngineChoice("keras"))
        if request.padding_out is None:
            scores_nc = fitted.score(project.embeddings, project.offsets, job)
        else:
            scores_nc, padding_sc = fitted.score_with_padding(project.embeddings, project.offsets, job)
        _save(request.out, scores_nc)
    if request.padding_out is not None and padding_sc is not None:
        _save(request.padding_out, padding_sc)
    return ScoreResult(fitted.mask_value, fitted.output, fitted.notes)


def _save(file: Path, array: Floats) -> None:
    partial = file.with_name(f".{file.name}.partial.npy")
    try:
        np.save(partial, array)
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)


@run_request.register
def describe_model(request: DescribeModelRequest, job: Job) -> DescribeModelResult:
    """Look into a model that a person wants to open."""
    from maskscope.workflows import describe_model as workflow

    release_model()
    job.progress(0, 0, "looking into the file")
    with Project.open(request.project, read_only=True) as project:
        return DescribeModelResult(workflow.describe_model(project, request.model))


@run_request.register
def open_model(request: OpenModelRequest, job: Job) -> OpenModelResult:
    """Check, load and score a model that was made elsewhere."""
    from maskscope.workflows import open_model as workflow

    release_model()
    with Project.open(request.project, read_only=True) as project:
        folder = workflow.open_model(project, request.model, request.folder, job, request.options, request.name)
    return OpenModelResult(folder)


@run_request.register
def audit(request: AuditRequest, job: Job) -> AuditResult:
    """Audit a model."""
    release_model()
    return AuditResult(_audit(request, request.model, job))


@run_request.register
def repair(request: RepairRequest, job: Job) -> RepairResult:
    """Write a repaired copy of a model and audit it; the copy is removed when the audit does not end."""
    from maskscope.audit.repair import repair_file

    release_model()
    job.progress(0, 0, "repairing the model")
    padding: MaskValue | None = request.padding
    if padding is None:
        padding = _padding_of(request.source, request.padding_side)
    repair_file(request.model, request.repairs, request.out, padding)
    try:
        return RepairResult(_audit(request, request.out, job))
    except BaseException:
        request.out.unlink(missing_ok=True)
        raise


def _audit(request: AuditRequest | RepairRequest, model: Path, job: Job) -> AuditReport:
    from maskscope.audit import audit_arrays, audit_project

    source, padding, side = request.source, request.padding, request.padding_side
    if isinstance(source, ArraySource):
        x, lengths, labels, weights = _read_arrays(source)
        return audit_arrays(x, lengths, model, job, padding=padding, padding_side=side, labels=labels, weights=weights)
    with Project.open(source.project, read_only=True) as project:
        return audit_project(project, model, job, padding=padding, padding_side=side)


def _padding_of(source: AuditSource, side: Side | None) -> MaskValue | None:
    """What the source's padded positions hold; None where that is not known, or is no one row."""
    from maskscope.audit.prepare import array_sentences, project_sentences

    if isinstance(source, ArraySource):
        arrays = _read_arrays(source)
        found = array_sentences(arrays.x, arrays.lengths, side).padding
    else:
        with Project.open(source.project, read_only=True) as project:
            found = project_sentences(project).padding
    return None if found is None else found.mask_value


def _read_arrays(source: ArraySource) -> "Arrays":
    from maskscope.audit.files import read_arrays

    return read_arrays(source.data, source.lengths, source.labels, source.weights)


@run_request.register
def gallery(request: GalleryRequest, job: Job) -> GalleryResult:
    """Audit models of the gallery, each with fresh weights and with perturbed ones."""
    from maskscope.audit.gallery import audit_gallery_model, gallery_model

    reports = []
    for done, name in enumerate(request.names):
        job.progress(done, len(request.names), name)
        model = gallery_model(name)
        if model is None:
            raise WorkerError("there is no such model in the gallery", received=repr(name))
        fresh, perturbed = audit_gallery_model(model, _Part(job, done, len(request.names), name))
        reports.append(GalleryReports(model.name, fresh, perturbed))
    job.progress(len(request.names), len(request.names), "")
    return GalleryResult(tuple(reports))


class _Part(NullJob):
    """One of several parts of a job: its own progress is not reported, but each report can cancel it."""

    def __init__(self, job: Job, done: int, total: int, text: str) -> None:
        self._job, self._done, self._total, self._text = job, done, total, text

    def progress(self, done: int, total: int, text: str = "") -> None:
        """Report the parts that are done. Raises Cancelled when the job was cancelled."""
        self._job.progress(self._done, self._total, self._text)


@run_request.register
def model_graph(request: ModelGraphRequest, job: Job) -> ModelGraphResult:
    """Trace the mask through a model."""
    from maskscope.audit.probes import mask_trace

    release_model()
    return ModelGraphResult(mask_trace.model_graph(request.model))


@run_request.register
def cut_model(request: CutModelRequest, job: Job) -> CutModelResult:
    """Save the known part of a model."""
    from maskscope.keras_io.cut import cut

    release_model()
    job.progress(0, 0, "cutting the model")
    return CutModelResult(cut(request.model, request.out))


@run_request.register
def padding(request: PaddingRequest, job: Job) -> PaddingResult:
    """Run a model on one sentence with padded positions added; model and sentence are kept for the next request."""
    with Project.open(request.project, read_only=True) as project:
        found = measure_padding(
            project,
            request.model,
            request.sentence,
            request.fill,
            request.added,
            request.shown,
            job,
            request.options,
        )
        return PaddingResult(found)


@run_request.register
def ping(request: PingRequest, job: Job) -> PingResult:
    """Do nothing."""
    return PingResult()
