"""Make a model's file ready to score a project: which engine runs it, and how its outputs become the scores."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from maskscope.engine.keras_file import read_keras_file
from maskscope.engine.packed import PackedTagger
from maskscope.engine.weights import TaggerWeights, to_scores, with_output
from maskscope.errors import ModelError
from maskscope.jobs import Job
from maskscope.keras_io.model_head import ModelHead, read_head
from maskscope.keras_io.safety import inspect_keras_file
from maskscope.masks import mask_value_notes
from maskscope.project import Project
from maskscope.runs import Engine, OutputMap
from maskscope.types import Embeddings, Floats, Mask, MaskValue, Offsets, TagScheme
from maskscope.workflows.model_description import OpenOptions
from maskscope.workflows.output_map import check_scores, column_names, notes_on_columns, output_map

if TYPE_CHECKING:
    from maskscope.keras_io.keras_tagger import KerasTagger

ResultT = TypeVar("ResultT")

_REASON_LENGTH = 300
_SAMPLE_SHAPE = (2, 5)


@dataclass(frozen=True, slots=True, eq=False)
class EngineChoice:
    """Which engine runs a model.

    Attributes:
        engine: "packed" where it supports the model, else "keras".
        reason: one sentence: what the built-in engine does not support; "" for "packed".
        weights: of the model as it is, for "packed".
    """

    engine: Engine
    reason: str = ""
    weights: TaggerWeights | None = None


def choose_engine(keras_file: Path) -> EngineChoice:
    """The engine for a `.keras` file, which is inspected first. Raises ModelError when it is unsafe or damaged."""
    inspect_keras_file(keras_file)
    try:
        weights = read_keras_file(keras_file)
        PackedTagger(weights, keras_file)
    except ModelError as error:
        # wherever the reason is shown, the file's name is shown too; a layer's name may be of any length
        reason = str(error).removeprefix(f"{Path(keras_file).name}: ")
        return EngineChoice("keras", reason if len(reason) <= _REASON_LENGTH else f"{reason[: _REASON_LENGTH - 1]}…")
    return EngineChoice("packed", weights=weights)


@dataclass(frozen=True, slots=True, eq=False)
class FittedModel:
    """A model's file, ready to score a project.

    Attributes:
        file: the `.keras` file.
        choice: which engine runs it.
        output: how its outputs become the project's scores.
        scheme: the project's label set.
        mask_value: of a Masking layer that reads the embeddings themselves; None for none.
        notes: what is done to run it, a sentence each.
        packed: the model in the built-in engine, which gives the project's scores; None when Keras runs it.
        keras: the model in Keras, which gives its own outputs; None when the built-in engine runs it.
    """

    file: Path
    choice: EngineChoice
    output: OutputMap
    scheme: TagScheme
    mask_value: MaskValue | None
    notes: tuple[str, ...]
    packed: PackedTagger | None = None
    keras: "KerasTagger | None" = None

    def score(self, embeddings: Embeddings, offsets: Offsets, job: Job | None = None) -> Floats:
        """Scores (n, k) float32 of sentences (n, D), each as if it were alone and unpadded.

        Raises ModelError when they are not what they should be, Cancelled.
        """
        if self.packed is not None:
            scores = self.packed.score(embeddings, offsets, "model", job)
        else:
            scores = to_scores(self._run(lambda tagger: tagger.score(embeddings, offsets, job)), self.output)
        check_scores(self.output, scores, self.file)
        return scores

    def score_with_padding(
        self, embeddings: Embeddings, offsets: Offsets, job: Job | None = None
    ) -> tuple[Floats, Floats | None]:
        """As `score`, and the scores at padding, (k,) or (n_sentences, k); None when they are not known.

        NaN where Keras gives none, since a sentence fills all positions that the model takes.
        """
        if self.packed is not None:
            scores = self.score(embeddings, offsets, job)
            return scores, self.packed.score_padding(embeddings, offsets, scores)
        raw, padding = self._run(lambda tagger: tagger.score_with_padding(embeddings, offsets, job))
        scores = to_scores(raw, self.output)
        check_scores(self.output, scores, self.file)
        return scores, to_scores(padding, self.output)

    def predict(self, x_btd: Floats) -> Floats:
        """Scores (B, T, k) of padded sentences (B, T, D), by Keras."""
        return to_scores(self._run(lambda tagger: tagger.predict(x_btd)), self.output)

    def compute_mask(self, x_btd: Floats) -> Mask:
        """The model's own mask (B, T), True = real token, by Keras; all True for a model without a Masking layer."""
        mask = self._run(lambda tagger: tagger.compute_mask(x_btd))
        return np.ones(x_btd.shape[:2], dtype=np.bool_) if mask is None else mask

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the k columns of the scores."""
        return column_names(self.output, self.scheme)

    def _run(self, task: "Callable[[KerasTagger], ResultT]") -> ResultT:
        assert self.keras is not None
        try:
            return task(self.keras)
        except ModelError as error:
            if error.file is not None or error.sentence is not None:
                # a sentence is one of the project's, not of the file
                raise
            raise error.in_file(self.file) from error


@dataclass(frozen=True, slots=True, eq=False)
class LoadedModel:
    """A model's file, loaded for a project, before it is known what its outputs are.

    Attributes:
        file: the `.keras` file.
        choice: which engine runs it.
        head: what the file says of its outputs.
        n_outputs: C.
        mask_value: of a Masking layer that reads the embeddings themselves; None for none.
        notes: what is done to run it, a sentence each.
        keras: the model in Keras; None when the built-in engine runs it.
        sample: some outputs, where the file does not say what ends the model.
    """

    file: Path
    choice: EngineChoice
    head: ModelHead
    n_outputs: int
    mask_value: MaskValue | None
    notes: tuple[str, ...]
    keras: "KerasTagger | None" = None
    sample: Floats | None = None


def load_model(project: Project, file: Path, choice: EngineChoice) -> LoadedModel:
    """Load a model in the engine that was chosen. Imports TensorFlow for Keras.

    Raises ModelError when it is refused, or does not take the project's embeddings.
    """
    if choice.weights is not None:
        packed = PackedTagger(choice.weights, file)
        _check_dim(packed.dim, project, file)
        special = () if packed.mask_value is None else mask_value_notes(packed.mask_value)
        notes = (*choice.weights.notes, *special)
        head = replace(read_head(file), activation=choice.weights.activation)
        return LoadedModel(file, choice, head, packed.n_outputs, packed.mask_value, notes)
    from maskscope.keras_io.keras_tagger import KerasTagger

    # loading inspects the file first, whoever chose the engine
    tagger = KerasTagger.load(file, project.padding)
    _check_dim(tagger.dim, project, file)
    head = replace(read_head(file), activation=tagger.activation or "")
    sample: Floats | None = None
    if not head.activation and (tagger.n_positions is None or tagger.n_positions >= _SAMPLE_SHAPE[1]):
        x_btd: Floats = np.random.default_rng(0).normal(size=(*_SAMPLE_SHAPE, project.dim)).astype(np.float32)
        sample = tagger.predict(x_btd)
    return LoadedModel(file, choice, head, tagger.n_outputs, tagger.mask_value, tagger.notes, tagger, sample)


def fit_model(
    project: Project, file: Path, options: OpenOptions | None = None, choice: EngineChoice | None = None
) -> FittedModel:
    """Make a model ready to score a project, in the built-in engine where it supports the model, else in Keras.

    Args:
        project: its label set, its embeddings and what its source was padded with.
        file: a `.keras` file, which is inspected first; one of the project's own models is run as it was opened.
        options: what a person says about the model.
        choice: of the engine; None to choose.

    Raises ModelError, in one sentence with a way out, when the file is refused or does not fit the project.
    """
    choice = choose_engine(file) if choice is None else choice
    loaded = load_model(project, file, choice)
    output = _remembered(project, loaded) or output_map(
        file, loaded.head, loaded.n_outputs, project.scheme, project.dim, options or OpenOptions(), loaded.sample
    )
    notes = (*loaded.notes, *notes_on_columns(output, project.scheme))
    packed = None if choice.weights is None else PackedTagger(with_output(choice.weights, output), file)
    return FittedModel(file, choice, output, project.scheme, loaded.mask_value, notes, packed, loaded.keras)


def _remembered(project: Project, loaded: LoadedModel) -> OutputMap | None:
    """The output map of a model of the project; None for any other file, and where an earlier version kept none."""
    for record in project.models.all():
        if record.keras_file == loaded.file:
            output = record.run.output
            return output if output.n_outputs or loaded.n_outputs == project.scheme.n_outputs else None
    return None


def _check_dim(dim: int | None, project: Project, file: Path) -> None:
    if dim not in (None, project.dim):
        raise ModelError(
            "does not fit the project's embeddings",
            file=file,
            expected=f"{project.dim} numbers a token",
            received=f"{dim}",
        )
