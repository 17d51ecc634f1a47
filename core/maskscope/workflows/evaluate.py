"""Evaluate a model of a project against the project's labels, and find the tokens that each metric counts."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from maskscope.engine import packed
from maskscope.errors import ModelError
from maskscope.evaluation.decoding import Decoding
from maskscope.evaluation.token_scores import Evaluation, evaluate_predictions
from maskscope.jobs import Job, NullJob
from maskscope.masks import token_rows
from maskscope.project import ModelRecord, Project
from maskscope.types import NO_LABEL, Floats, Indices, Labels, Offsets, TagScheme

Against: TypeAlias = Literal["edited", "gold"]
"""The labels that predictions are compared with: a person's edits over gold, or gold alone."""

Subset: TypeAlias = Literal["all", "validation"]
"""Which sentences: all, or those held back from the model's training."""


@dataclass(frozen=True, slots=True, eq=False)
class ModelScores:
    """A model's probabilities for a whole project.

    Attributes:
        name: the model's id, or the path of its file.
        scheme: the label set; its outputs are the C columns.
        probs_nc: (n_tokens, C) float32; for a token that the model masks, its output there.
        masked: (k,) int64, tokens that the model's Masking layer takes for padding (collisions).
        padding: the model's output at padded positions, (C,) or (n_sentences, C); None when it is not known.
        validation: ids of the sentences held back from training.
        gives_values: whether the columns are values of a regression, which predict no label.
    """

    name: str
    scheme: TagScheme
    probs_nc: Floats
    masked: Indices
    padding: Floats | None = None
    validation: tuple[int, ...] = ()
    gives_values: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class EvaluatedTokens:
    """The tokens that an evaluation counts, in reading order. A row is the index of a token in the whole project.

    Attributes:
        scheme: the label set.
        offsets: (n_sentences + 1,) of the project.
        rows: (n,) int64, the counted tokens.
        labels: (n,) int16, their labels.
        predicted: (n,) int16, their predictions, decoded.
        confidence: (n,) float32, the probability that the calibration is about.
    """

    scheme: TagScheme
    offsets: Offsets
    rows: Indices
    labels: Labels
    predicted: Labels
    confidence: Floats


@dataclass(frozen=True, slots=True, eq=False)
class ProjectEvaluation:
    """The result of `evaluate_project`.

    Attributes:
        model: its id, or the path of its file.
        against: the labels that it was compared with.
        subset: which sentences were evaluated.
        sentences: how many these are.
        masked_by_model: their real tokens that the model takes for padding; they count, by the model's output there.
        evaluation: the metrics.
        tokens: the tokens that were counted.
    """

    model: str
    against: Against
    subset: Subset
    sentences: int
    masked_by_model: int
    evaluation: Evaluation
    tokens: EvaluatedTokens


def evaluate_project(
    project: Project,
    model: str | ModelScores | None = None,
    against: Against = "edited",
    decoding: Decoding = "viterbi",
    job: Job | None = None,
    subset: Subset = "all",
) -> ProjectEvaluation:
    """Compare a model's predictions with a project's labels. Needs no TensorFlow; in a thread, pass `Project.reader()`.

    The tokens come from the sentence lengths: a token that the model masks counts, by the model's output there. Tokens
    without a label, or that a person ignores, never count.

    Args:
        project: its labels and sentence bounds.
        model: the id of one of its models (None: the newest), or probabilities from elsewhere.
        against: edited or gold labels.
        decoding: how labels come from probabilities.
        job: receives the progress.
        subset: all sentences, or those held back from training.

    Raises:
        ProjectError: there is no such model.
        ModelError: it has no scores and needs Keras for them, its scores are no numbers, or no sentence was held back.
        Cancelled: the job was cancelled.
    """
    job = NullJob() if job is None else job
    scores = model if isinstance(model, ModelScores) else model_scores(project, model, job)
    check_fit(scores, project.scheme)
    part = _select(project, scores, labels_against(project, against), subset)
    evaluation, predicted = evaluate_predictions(
        part.labels, part.probs_nc, scores.scheme, None, part.offsets, decoding, part.padding, job
    )
    masked = scores.masked if part.rows is None else np.intersect1d(scores.masked, part.rows)
    return ProjectEvaluation(
        model=scores.name,
        against=against,
        subset=subset,
        sentences=len(part.offsets) - 1,
        masked_by_model=len(masked),
        evaluation=evaluation,
        tokens=_evaluated_tokens(project, scores.scheme, part, predicted),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Selection:
    """The sentences that are evaluated.

    Attributes:
        rows: (n,) int64, their tokens as rows of the project; None when it is all of them.
        offsets: (k + 1,) where each of the k sentences begins among these tokens.
        labels: (n,) int16.
        probs_nc: (n, C) float32.
        padding: the model's output at padded positions, (C,) or (k, C); None when it is not known.
    """

    rows: Indices | None
    offsets: Offsets
    labels: Labels
    probs_nc: Floats
    padding: Floats | None


def _select(project: Project, scores: ModelScores, labels: Labels, subset: Subset) -> _Selection:
    """The sentences of a subset. Raises ModelError when no sentence was held back from training."""
    if subset == "all":
        return _Selection(None, project.offsets, labels, scores.probs_nc, scores.padding)
    # in reading order, so that rows and entities are, too
    ids = np.array(sorted({i for i in scores.validation if i < project.n_sentences}), dtype=np.int64)
    if not len(ids):
        raise ModelError(f"model {scores.name} held no sentence back from training")
    rows, offsets = token_rows(ids, project.offsets)
    padding = scores.padding
    if padding is not None and padding.ndim == 2:
        padding = padding[ids]
    return _Selection(rows, offsets, labels[rows], scores.probs_nc[rows], padding)


def _evaluated_tokens(project: Project, scheme: TagScheme, part: _Selection, predicted: Labels) -> EvaluatedTokens:
    """The counted tokens of a selection."""
    counted = np.flatnonzero(part.labels >= 0)
    confidence = part.probs_nc[:, 0] if scheme.kind == "binary" else part.probs_nc.max(axis=1)
    return EvaluatedTokens(
        scheme=scheme,
        offsets=project.offsets,
        rows=counted if part.rows is None else part.rows[counted],
        labels=part.labels[counted],
        predicted=predicted[counted],
        confidence=np.asarray(confidence[counted]),
    )


def labels_against(project: Project, against: Against) -> Labels:
    """Labels (n_tokens,) int16 to compare predictions with; negative where a token has none or a person ignores it."""
    labels = project.labels(against)
    if against == "gold":
        labels[project.labels("edited") < 0] = NO_LABEL
    return labels


def model_scores(project: Project, model_id: str | None = None, job: Job | None = None) -> ModelScores:
    """The probabilities of a model of the project (None: the newest): those kept with it, or computed now.

    Raises ProjectError when there is no such model, ModelError when it has none and only Keras can run it, Cancelled.
    """
    record = project.models.get(model_id)
    tagger = packed.load(record.weights_file) if record.run.engine == "packed" else None
    probs_nc = project.models.scores(record.id)
    if probs_nc is None:
        if tagger is None:
            raise ModelError(
                f"model {record.id} runs in Keras and has no scores; compute them first with maskscope score --model"
                f" {record.id}"
            )
        probs_nc = tagger.score(project.embeddings, project.offsets, "model", job)
    return scores_with_padding(project, record, tagger, probs_nc)


def scores_with_padding(
    project: Project, record: ModelRecord, tagger: packed.PackedTagger | None, probs_nc: Floats
) -> ModelScores:
    """The scores of a model of the project, with its output at padded positions.

    Args:
        project: its sentence bounds, and what it keeps of the model.
        record: the model.
        tagger: the same model in the built-in engine; None for a model that only Keras runs.
        probs_nc: (n_tokens, C) its scores.
    """
    if tagger is None:
        padding = project.models.padding_scores(record.id)
    else:
        padding = tagger.score_padding(project.embeddings, project.offsets, probs_nc)
    masked = project.masked_tokens(record.mask_value)
    validation = tuple(record.run.validation_sentences)
    return ModelScores(record.id, record.scheme, probs_nc, masked, padding, validation, record.gives_values)


def check_fit(scores: ModelScores, scheme: TagScheme) -> None:
    """Raise ModelError unless scores are finite probabilities of the project's labels `scheme`."""
    check_predicts(scores, scheme)
    wrong = ~np.isfinite(scores.probs_nc).all(axis=1)
    if wrong.any():
        raise ModelError(
            f"model {scores.name} has an output that is no probability, so it can't be compared with labels",
            expected="finite numbers",
            received=f"NaN or infinity at {int(wrong.sum()):,} of the tokens, the first in row {int(wrong.argmax())}",
        )


def check_predicts(scores: ModelScores, scheme: TagScheme) -> None:
    """Raise ModelError unless scores are probabilities of the project's labels `scheme`."""
    if scores.gives_values:
        raise ModelError(
            f"model {scores.name} gives values and no probabilities of labels, so it predicts no label;"
            " open it with --output probabilities, logits or log if that is what they are"
        )
    if scores.scheme.classes != scheme.classes:
        raise ModelError(
            f"model {scores.name} was made for other labels",
            expected=", ".join(scheme.classes),
            received=", ".join(scores.scheme.classes),
        )
