"""The requests that the worker understands, one for each job, and the result of each."""

from pathlib import Path
from typing import ClassVar, Generic, TypeAlias, TypeVar

import msgspec

from maskscope.audit.report import AuditReport
from maskscope.engine.padding_probe import Fill
from maskscope.keras_io.model_graph import ModelGraph
from maskscope.padding import Side
from maskscope.runs import OutputMap, TrainSettings
from maskscope.types import MaskValue
from maskscope.workflows.model_description import ModelDescription, OpenOptions
from maskscope.workflows.padding_answer import PaddingAnswer


class Result(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="result"):
    """Base of the results."""


ResultT_co = TypeVar("ResultT_co", bound=Result, covariant=True)


class Request(msgspec.Struct, Generic[ResultT_co], frozen=True, forbid_unknown_fields=True, tag_field="job"):
    """Base of the requests; the parameter is the type of the result, and so is `result_type`."""

    result_type: ClassVar[type[Result]]


class TrainResult(Result, frozen=True, tag="train"):
    """A trained model, or the best epoch of a training that was cancelled: a folder for `ModelStore.adopt`."""

    folder: Path


class TrainRequest(Request[TrainResult], frozen=True, tag="train"):
    """Train a model on the labels of a project."""

    result_type = TrainResult
    project: Path
    settings: TrainSettings


class RecoverResult(Result, frozen=True, tag="recover"):
    """The model of an unfinished training: a folder for `ModelStore.adopt`."""

    folder: Path


class RecoverRequest(Request[RecoverResult], frozen=True, tag="recover"):
    """Make a model of the best epoch of a training that was cut off; `unfinished` is the folder that it left."""

    result_type = RecoverResult
    project: Path
    unfinished: Path


class ScoreResult(Result, frozen=True, tag="score"):
    """The scores are written.

    Attributes:
        mask_value: of the model's Masking layer; None without such a layer.
        output: how the model's outputs became the scores.
        notes: what was done to run it, a sentence each.
    """

    mask_value: MaskValue | None
    output: OutputMap = OutputMap()
    notes: tuple[str, ...] = ()


class ScoreRequest(Request[ScoreResult], frozen=True, tag="score"):
    """Run a model in Keras on every sentence of a project.

    Attributes:
        model: a `.keras` file.
        options: what a person says about the model, or what the project remembers of it.
        out: file to write, an array (n_tokens, C) in the `.npy` format.
        padding_out: file to write for the outputs at padded positions, (n_sentences, C); None: none is written.
    """

    result_type = ScoreResult
    project: Path
    model: Path
    out: Path
    padding_out: Path | None = None
    options: OpenOptions = OpenOptions()


class ProjectSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="source", tag="project"):
    """The sentences of a project."""

    project: Path


class ArraySource(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="source", tag="array"):
    """A padded array in a file.

    Attributes:
        data: .npy or .npz.
        lengths: file with the number of tokens in each sentence; None: inferred.
        labels, weights: files with what the model is trained with; None: made-up labels, no sample weights.
    """

    data: Path
    lengths: Path | None = None
    labels: Path | None = None
    weights: Path | None = None


AuditSource: TypeAlias = ProjectSource | ArraySource


class AuditResult(Result, frozen=True, tag="audit"):
    """The findings."""

    report: AuditReport


class AuditRequest(Request[AuditResult], frozen=True, tag="audit"):
    """Audit a `.keras` file.

    Attributes:
        model: the file.
        source: its sentences.
        padding: the value at padded positions; None: that of the source, else the model's mask value.
        padding_side: where padding is; None: as in the source, else behind the tokens.
    """

    result_type = AuditResult
    model: Path
    source: AuditSource
    padding: float | None = None
    padding_side: Side | None = None


class RepairResult(Result, frozen=True, tag="repair"):
    """The findings of the repaired model, on the same sentences."""

    report: AuditReport


class RepairRequest(Request[RepairResult], frozen=True, tag="repair"):
    """Write a copy of a model with mechanical repairs, and audit it.

    Attributes:
        model, source, padding, padding_side: as for `AuditRequest`.
        repairs: names of `audit.repair.REPAIRS`.
        out: the `.keras` file to write.
    """

    result_type = RepairResult
    model: Path
    source: AuditSource
    repairs: tuple[str, ...]
    out: Path
    padding: float | None = None
    padding_side: Side | None = None


class GalleryReports(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The findings for one model of the gallery: with fresh weights, and with perturbed ones."""

    name: str
    fresh: AuditReport
    perturbed: AuditReport


class GalleryResult(Result, frozen=True, tag="gallery"):
    """One entry for each model, in the order of the request."""

    reports: tuple[GalleryReports, ...]


class GalleryRequest(Request[GalleryResult], frozen=True, tag="gallery"):
    """Audit models of the gallery by their names."""

    result_type = GalleryResult
    names: tuple[str, ...]


class DescribeModelResult(Result, frozen=True, tag="describe_model"):
    """What is known of the model."""

    description: ModelDescription


class DescribeModelRequest(Request[DescribeModelResult], frozen=True, tag="describe_model"):
    """Look into a `.keras` file that a person wants to open in a project; a refusal is part of the result."""

    result_type = DescribeModelResult
    project: Path
    model: Path


class OpenModelResult(Result, frozen=True, tag="open_model"):
    """The opened model: a folder for `ModelStore.adopt`."""

    folder: Path


class OpenModelRequest(Request[OpenModelResult], frozen=True, tag="open_model"):
    """Check, load and score a `.keras` file that was made elsewhere.

    Attributes:
        model: the `.keras` file.
        folder: is to be made.
        options: what a person says about the model.
        name: of the file that the model came from, where `model` is a copy of it; "" for that of `model`.
    """

    result_type = OpenModelResult
    project: Path
    model: Path
    folder: Path
    options: OpenOptions = OpenOptions()
    name: str = ""


class ModelGraphResult(Result, frozen=True, tag="model_graph"):
    """The layers, and where the mask goes."""

    graph: ModelGraph


class ModelGraphRequest(Request[ModelGraphResult], frozen=True, tag="model_graph"):
    """Trace the mask through the layers of a `.keras` file."""

    result_type = ModelGraphResult
    model: Path


class CutModelResult(Result, frozen=True, tag="cut_model"):
    """The part is written; `layer` is its last one."""

    layer: str


class CutModelRequest(Request[CutModelResult], frozen=True, tag="cut_model"):
    """Write the part of a `.keras` file up to its last known layer to `out`, a `.keras` file that is not there yet."""

    result_type = CutModelResult
    model: Path
    out: Path


class PaddingResult(Result, frozen=True, tag="padding"):
    """What added padding changes."""

    answer: PaddingAnswer


class PaddingRequest(Request[PaddingResult], frozen=True, tag="padding"):
    """Run a model on one sentence with padded positions added.

    The worker keeps model and sentence for the next request. It reports each largest change as soon as it is known, as
    the figure "change" with the number of added positions as its step.

    Attributes:
        model: a `.keras` file.
        options: as for `ScoreRequest`.
        sentence: its id.
        fill: what padded positions contain.
        added: numbers of added positions.
        shown: the one of `added` whose outputs are wanted; None for none.
    """

    result_type = PaddingResult
    project: Path
    model: Path
    sentence: int
    fill: Fill
    added: tuple[int, ...]
    shown: int | None = None
    options: OpenOptions = OpenOptions()


class PingResult(Result, frozen=True, tag="ping"):
    """The worker runs."""


class PingRequest(Request[PingResult], frozen=True, tag="ping"):
    """Do nothing."""

    result_type = PingResult


AnyRequest: TypeAlias = (
    TrainRequest
    | RecoverRequest
    | ScoreRequest
    | AuditRequest
    | RepairRequest
    | GalleryRequest
    | DescribeModelRequest
    | OpenModelRequest
    | ModelGraphRequest
    | CutModelRequest
    | PaddingRequest
    | PingRequest
)
AnyResult: TypeAlias = (
    TrainResult
    | RecoverResult
    | ScoreResult
    | AuditResult
    | RepairResult
    | GalleryResult
    | DescribeModelResult
    | OpenModelResult
    | ModelGraphResult
    | CutModelResult
    | PaddingResult
    | PingResult
)
