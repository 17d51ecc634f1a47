"""The model that ``--model`` names, and its scores for the tokens of a project."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from maskscope.commands.terminal import TerminalJob, native_stderr_hidden
from maskscope.errors import ModelError

if TYPE_CHECKING:
    from maskscope.project import ModelRecord, Project
    from maskscope.runs import Engine, OutputMap
    from maskscope.types import Floats, Mask, MaskValue
    from maskscope.workflows.evaluate import ModelScores
    from maskscope.workflows.model_description import OpenOptions

_REQUESTED = "--engine keras requests it"


@dataclass(frozen=True)
class ChosenModel:
    """The model that ``--model`` names.

    Attributes:
        name: the id, or the path as it was given.
        file: weights.npz of a project's model (there only when the built-in engine runs it), else the .keras file.
        record: of a project's model, None for a file.
        options: what a person says about a file; None for nothing.
    """

    name: str
    file: Path
    record: "ModelRecord | None"
    options: "OpenOptions | None" = None

    @property
    def keras_file(self) -> Path:
        """The model's .keras file."""
        return self.file if self.record is None else self.record.keras_file


def is_file(given: str) -> bool:
    """Whether the value of ``--model`` names a file, and not a model of the project."""
    return given.endswith(".keras") or "/" in given or os.sep in given


def choose_model(project: "Project", given: str | None, options: "OpenOptions | None" = None) -> ChosenModel:
    """The model of that id, the file of that name, or the newest; `options` are about a file.

    Raises ProjectError or ModelError.
    """
    if given is not None and is_file(given):
        file = Path(given)
        if not file.is_file():
            raise ModelError("there is no such file", file=file)
        return ChosenModel(given, file, None, options)
    record = project.models.get(given)
    if options is not None and (options.output, options.names) != (None, None):
        raise ModelError(
            f"--output and --classes are about a model's file; the project remembers those of its own model {record.id}"
        )
    return ChosenModel(record.id, record.weights_file, record)


def start_tensorflow(job: TerminalJob) -> None:
    """Import TensorFlow without its log on stderr, and warn when the installed Keras drops masks."""
    with native_stderr_hidden():
        import maskscope.keras_io.keras_model  # noqa: F401
        from maskscope.keras_io.keras_check import keras_mask_warning

        warning = keras_mask_warning()
    if warning:
        job.warn(warning)


@dataclass(frozen=True, slots=True)
class EngineUsed:
    """The engine that computed a model's probabilities.

    Attributes:
        engine: "packed" or "keras".
        reason: why "keras"; "" for "packed".
    """

    engine: "Engine"
    reason: str = ""

    @property
    def text(self) -> str:
        """The engine and the reason, in a line for a person."""
        if self.engine == "packed":
            return "engine: built-in (packed)"
        why = self.reason if self.reason == _REQUESTED else f"it {self.reason}"
        return f"engine: Keras, in a process of its own: {why}"


@dataclass(frozen=True, eq=False)
class Scored:
    """A model's scores for the tokens of a project.

    Attributes:
        scores_nc: (n_tokens, C) float32, probabilities or values.
        mask: (n_tokens,) bool, the output of the model's Masking layer for real tokens; False = collision.
        names: of the C columns.
        used: the engine that computed them.
        output: how the model's outputs became the scores.
        notes: what was done to run the model, a sentence each.
        padding: the scores at a padded position next to each sentence, (C,) or (n_sentences, C), when they were
            requested and are known; else None.
    """

    scores_nc: "Floats"
    mask: "Mask"
    names: tuple[str, ...]
    used: EngineUsed
    output: "OutputMap"
    notes: tuple[str, ...] = ()
    padding: "Floats | None" = None


def score_model(
    project: "Project", chosen: ChosenModel, wanted: "Engine | None", job: TerminalJob, *, padding: bool = False
) -> Scored:
    """Compute a model's scores for the tokens of the project.

    Args:
        project: the open project.
        chosen: the model.
        wanted: the engine; None for the built-in engine where it supports the model, else Keras.
        job: progress and cancelling.
        padding: whether the scores at padded positions are computed, too.

    Raises ModelError when the built-in engine is wanted and does not support the model.
    """
    from maskscope.workflows.fit_model import EngineChoice, choose_engine, fit_model

    record = chosen.record
    run = None if record is None else record.run
    choice = choose_engine(chosen.file) if run is None else EngineChoice(run.engine, run.engine_reason)
    if wanted == "packed" and choice.engine == "keras":
        raise ModelError(
            f"the built-in engine does not support this model; leave out --engine to run it in Keras: {choice.reason}",
            file=chosen.file if record is None else chosen.name,
        )
    if choice.engine == "keras" or wanted == "keras":
        return _score_in_keras(project, chosen, EngineUsed("keras", choice.reason or _REQUESTED), padding, job)
    used = EngineUsed("packed")
    if record is not None:
        from maskscope.engine import packed

        tagger = packed.load(chosen.file)
        scores = tagger.score(project.embeddings, project.offsets, "model", job)
        mask = _mask(project, tagger.mask_value)
        return Scored(scores, mask, record.output_names, used, record.run.output, record.run.notes)
    fitted = fit_model(project, chosen.file, chosen.options, choice)
    at_padding: Floats | None = None
    if padding:
        scores, at_padding = fitted.score_with_padding(project.embeddings, project.offsets, job)
    else:
        scores = fitted.score(project.embeddings, project.offsets, job)
    mask = _mask(project, fitted.mask_value)
    return Scored(scores, mask, fitted.column_names, used, fitted.output, fitted.notes, at_padding)


def scores_to_compare(project: "Project", chosen: ChosenModel, job: TerminalJob) -> "tuple[ModelScores, EngineUsed]":
    """A model's scores, as stored with the project where they are, to be compared with labels or another model."""
    import numpy as np

    from maskscope.workflows.evaluate import ModelScores, model_scores

    record = chosen.record
    if record is not None and (record.run.engine == "packed" or project.models.scores(record.id) is not None):
        return model_scores(project, record.id, job), EngineUsed(record.run.engine, record.run.engine_reason)
    scored = score_model(project, chosen, None, job, padding=True)
    scores = ModelScores(
        chosen.name,
        project.scheme if record is None else record.scheme,
        scored.scores_nc,
        np.flatnonzero(~scored.mask),
        scored.padding,
        () if record is None else tuple(record.run.validation_sentences),
        scored.output.kind == "values",
    )
    return scores, scored.used


def _score_in_keras(
    project: "Project", chosen: ChosenModel, used: EngineUsed, padding: bool, job: TerminalJob
) -> Scored:
    """Run the model in a worker with limits, since its file may come from anyone."""
    import tempfile

    import numpy as np

    from maskscope.worker.client import run_job
    from maskscope.worker.requests import ScoreRequest
    from maskscope.workflows.model_description import OpenOptions
    from maskscope.workflows.output_map import column_names

    with tempfile.TemporaryDirectory() as folder:
        out, behind = Path(folder) / "scores.npy", Path(folder) / "padding.npy"
        options = chosen.options or OpenOptions()
        request = ScoreRequest(project.path, chosen.keras_file, out, behind if padding else None, options)
        result = run_job(request, job, warn=job.warn)
        scheme = project.scheme if chosen.record is None else chosen.record.scheme
        return Scored(
            np.load(out, allow_pickle=False),
            _mask(project, result.mask_value),
            column_names(result.output, scheme),
            used,
            result.output,
            result.notes,
            np.load(behind, allow_pickle=False) if padding else None,
        )


def _mask(project: "Project", mask_value: "MaskValue | None") -> "Mask":
    import numpy as np

    mask: Mask = np.ones(project.n_tokens, dtype=np.bool_)
    mask[project.masked_tokens(mask_value)] = False
    return mask
