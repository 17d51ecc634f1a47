"""The model that ``--model`` names, and its probabilities for the tokens of a project."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from maskscope.commands.terminal import TerminalJob, native_stderr_hidden
from maskscope.errors import ModelError

if TYPE_CHECKING:
    from maskscope.project import ModelRecord, Project
    from maskscope.runs import Engine
    from maskscope.types import Floats, Mask, MaskValue, TagScheme
    from maskscope.workflows.evaluate import ModelScores

_REQUESTED = "--engine keras requests it"


@dataclass(frozen=True)
class ChosenModel:
    """The model that ``--model`` names.

    Attributes:
        name: the id, or the path as it was given.
        file: weights.npz of a project's model (there only when the built-in engine runs it), else the .keras file.
        record: of a project's model, None for a file.
    """

    name: str
    file: Path
    record: "ModelRecord | None"

    @property
    def keras_file(self) -> Path:
        """The model's .keras file."""
        return self.file if self.record is None else self.record.keras_file


def is_file(given: str) -> bool:
    """Whether the value of ``--model`` names a file, and not a model of the project."""
    return given.endswith(".keras") or "/" in given or os.sep in given


def choose_model(project: "Project", given: str | None) -> ChosenModel:
    """The model of that id, the file of that name, or the newest. Raises ProjectError or ModelError."""
    if given is not None and is_file(given):
        file = Path(given)
        if not file.is_file():
            raise ModelError("there is no such file", file=file)
        return ChosenModel(given, file, None)
    record = project.models.get(given)
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
    """A model's probabilities for the tokens of a project.

    Attributes:
        probs_nc: (n_tokens, C) float32.
        mask: (n_tokens,) bool, the output of the model's Masking layer for real tokens; False = collision.
        scheme: the label set that the C columns belong to.
        used: the engine that computed them.
        padding: (n_sentences, C), the output at a padded position after each sentence, when it was requested of
            Keras; else None.
    """

    probs_nc: "Floats"
    mask: "Mask"
    scheme: "TagScheme"
    used: EngineUsed
    padding: "Floats | None" = None


def score_model(
    project: "Project", chosen: ChosenModel, wanted: "Engine | None", job: TerminalJob, *, padding: bool = False
) -> Scored:
    """Compute a model's probabilities for the tokens of the project.

    Args:
        project: the open project.
        chosen: the model.
        wanted: the engine; None for the built-in engine where it supports the model, else Keras.
        job: progress and cancelling.
        padding: whether Keras computes the output at padded positions, too.

    Raises ModelError when the built-in engine is wanted and does not support the model.
    """
    from maskscope.workflows.open_model import EngineChoice, check_outputs, choose_engine, fit_columns

    if chosen.record is None:
        choice = choose_engine(chosen.file)
    elif chosen.record.run.engine == "keras":
        choice = EngineChoice("keras", chosen.record.run.engine_reason)
    else:
        from maskscope.engine import packed

        choice = EngineChoice("packed", tagger=packed.load(chosen.file))
    if wanted == "packed" and choice.engine == "keras":
        raise ModelError(
            f"the built-in engine does not support this model; leave out --engine to run it in Keras: {choice.reason}",
            file=chosen.file if chosen.record is None else chosen.name,
        )
    scheme = project.scheme if chosen.record is None else chosen.record.scheme
    if choice.tagger is None or wanted == "keras":
        return _score_in_keras(project, chosen, scheme, EngineUsed("keras", choice.reason or _REQUESTED), padding, job)
    check_outputs(choice.tagger.n_outputs, scheme, chosen.file)
    probs_nc = fit_columns(choice.tagger.score(project.embeddings, project.offsets, "model", job), scheme.n_outputs)
    return Scored(probs_nc, _mask(project, choice.tagger.mask_value), scheme, EngineUsed("packed"))


def scores_to_compare(project: "Project", chosen: ChosenModel, job: TerminalJob) -> "tuple[ModelScores, EngineUsed]":
    """A model's scores, as stored with the project where they are, to be compared with labels or another model."""
    import numpy as np

    from maskscope.workflows.evaluate import ModelScores, model_scores

    record = chosen.record
    if record is not None and (record.run.engine == "packed" or project.models.scores(record.id) is not None):
        return model_scores(project, record.id, job), EngineUsed(record.run.engine, record.run.engine_reason)
    scored = score_model(project, chosen, None, job, padding=True)
    masked = np.flatnonzero(~scored.mask)
    if record is None:
        padding = scored.padding if scored.used.engine == "keras" else _padding(project, chosen, scored.probs_nc)
        return ModelScores(chosen.name, scored.scheme, scored.probs_nc, masked, padding), scored.used
    validation = tuple(record.run.validation_sentences)
    padding = scored.padding if scored.padding is not None else project.models.padding_scores(record.id)
    return ModelScores(chosen.name, scored.scheme, scored.probs_nc, masked, padding, validation), scored.used


def _padding(project: "Project", chosen: ChosenModel, probs_nc: "Floats") -> "Floats | None":
    from maskscope.engine import packed
    from maskscope.workflows.evaluate import output_at_padding

    return output_at_padding(packed.load(chosen.file), probs_nc, project.offsets)


def _score_in_keras(
    project: "Project", chosen: ChosenModel, scheme: "TagScheme", used: EngineUsed, padding: bool, job: TerminalJob
) -> Scored:
    """Run the model in a worker with limits, since its file may come from anyone."""
    import tempfile

    import numpy as np

    from maskscope.worker.client import run_job
    from maskscope.worker.requests import ScoreRequest

    with tempfile.TemporaryDirectory() as folder:
        out, behind = Path(folder) / "scores.npy", Path(folder) / "padding.npy"
        request = ScoreRequest(project.path, chosen.keras_file, out, behind if padding else None)
        result = run_job(request, job, warn=job.warn)
        return Scored(
            np.load(out, allow_pickle=False),
            _mask(project, result.mask_value),
            scheme,
            used,
            np.load(behind, allow_pickle=False) if padding else None,
        )


def _mask(project: "Project", mask_value: "MaskValue | None") -> "Mask":
    import numpy as np

    mask: Mask = np.ones(project.n_tokens, dtype=np.bool_)
    mask[project.masked_tokens(mask_value)] = False
    return mask
