"""A model of a project held against the project's labels, and the tokens that stand behind each figure."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from maskscope.engine import packed
from maskscope.errors import ModelError
from maskscope.evaluation import spans
from maskscope.evaluation.calibration import bin_of
from maskscope.evaluation.decoding import Decoding
from maskscope.evaluation.spans import Spans
from maskscope.evaluation.token_scores import Evaluation, evaluate_predictions
from maskscope.jobs import Job, NullJob
from maskscope.masks import token_rows
from maskscope.project import ModelRecord, Project
from maskscope.types import NO_LABEL, Floats, Indices, Labels, Offsets, TagScheme
from maskscope.workflows.open_model import fit_columns

Against: TypeAlias = Literal["edited", "gold"]
"""What predictions are held against: a person's edits over gold, or gold alone."""

Subset: TypeAlias = Literal["all", "validation"]
"""Which sentences: all, or those held back from the model's training."""

Outcome: TypeAlias = Literal["right", "missed", "spurious"]
"""Of an entity: found as it is, in the labels but not predicted so, predicted but not in the labels so."""


@dataclass(frozen=True, slots=True, eq=False)
class ModelScores:
    """A model's probabilities for a whole project.

    Attributes:
        name: the model's id, or the path of its file.
        scheme: what the C columns stand for.
        probs_nc: (n_tokens, C) float32, by the rule "lengths": a token that the model masks has what it prints there.
        masked: (k,) int64, tokens that the model's Masking layer takes for padding (collisions).
        padding: what the model prints at padded positions, (C,) or (n_sentences, C); None when it is not known.
        validation: ids of the sentences held back from training.
    """

    name: str
    scheme: TagScheme
    probs_nc: Floats
    masked: Indices
    padding: Floats | None = None
    validation: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class EvaluatedTokens:
    """The tokens behind an evaluation, in reading order. Rows count tokens of the whole project from 0.

    Attributes:
        scheme: the label set.
        offsets: (n_sentences + 1,) of the project.
        rows: (n,) int64, the counted tokens.
        labels: (n,) int16, theirs.
        predicted: (n,) int16, decoded.
        confidence: (n,) float32, the probability that the reliability curve is of.
        gold_spans, predicted_spans: entities by the default reading, bounds as rows.
    """

    scheme: TagScheme
    offsets: Offsets
    rows: Indices
    labels: Labels
    predicted: Labels
    confidence: Floats
    gold_spans: Spans
    predicted_spans: Spans

    def tokens_of_cell(self, label: int, prediction: int) -> Indices:
        """Rows (k,) of the tokens behind confusion[label][prediction]."""
        return np.asarray(self.rows[(self.labels == label) & (self.predicted == prediction)])

    def tokens_of_bin(self, place: int) -> Indices:
        """Rows (k,) of the tokens in one bin of the reliability curve, 0 to 9."""
        return np.asarray(self.rows[bin_of(self.confidence) == place])

    def entities(self, outcome: Outcome, kind: str | None = None) -> Indices:
        """Entities (k, 2), first row and one past the last, of one outcome; of one type, or of all (None).

        An entity found with wrong bounds or a wrong type is missed as what it is, and spurious as what was predicted.
        """
        if outcome == "missed":
            found = self.gold_spans.chosen(~self.gold_spans.found_in(self.predicted_spans))
        else:
            hits = self.predicted_spans.found_in(self.gold_spans)
            found = self.predicted_spans.chosen(hits if outcome == "right" else ~hits)
        if kind is not None:
            place = found.kinds.index(kind) if kind in found.kinds else -1
            found = found.chosen(np.asarray(found.kind == place))
        return np.stack([found.first, found.last], axis=1)

    def places(self, rows: Indices) -> Indices:
        """Sentence and position (k, 2) of rows (k,)."""
        return places_of(rows, self.offsets)


@dataclass(frozen=True, slots=True, eq=False)
class ProjectEvaluation:
    """What `evaluate_project` found.

    Attributes:
        model: its id, or the path of its file.
        against: what it was held against.
        subset: over which sentences.
        sentences: how many these are.
        masked_by_model: their real tokens that the model takes for padding; they count, with what it prints there.
        evaluation: the figures.
        tokens: what stands behind them.
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
    """Hold a model against a project's labels. Needs no TensorFlow; call it with a reader of its own in a thread.

    A token is real by lengths: one that the model masks counts, with what the model prints there. Tokens without a
    label, or whose label a person took away, never count.

    Args:
        project: its labels and sentence bounds.
        model: the id of one of its models (None: the newest), or probabilities from elsewhere.
        against: edited or gold labels.
        decoding: how labels come from probabilities.
        job: is told how far the work is.
        subset: all sentences, or those held back from training.

    Raises:
        ProjectError: there is no such model.
        ModelError: it has no scores and needs Keras for them, its scores are no numbers, or no sentence was held back.
        Cancelled: the job was cancelled.
    """
    job = NullJob() if job is None else job
    scores = model if isinstance(model, ModelScores) else model_scores(project, model, job)
    labels = labels_against(project, against)
    offsets = project.offsets
    probs_nc, padding = scores.probs_nc, scores.padding
    rows: Indices | None = None
    if subset == "validation":
        # in reading order, as spans must stand
        ids = np.array(sorted({i for i in scores.validation if i < project.n_sentences}), dtype=np.int64)
        if not len(ids):
            raise ModelError(f"model {scores.name} held no sentence back from training")
        rows, offsets = token_rows(ids, project.offsets)
        labels, probs_nc = labels[rows], probs_nc[rows]
        padding = padding[ids] if padding is not None and padding.ndim == 2 else padding
    check_fit(scores, project.scheme)
    evaluation, predicted = evaluate_predictions(labels, probs_nc, scores.scheme, None, offsets, decoding, padding, job)
    counted = np.flatnonzero(labels >= 0)

    def found(of: Labels) -> Spans:
        here = spans.find(np.where(labels >= 0, of, NO_LABEL).astype(np.int16), scores.scheme, offsets)
        if rows is None or not len(here):
            return here
        return Spans(rows[here.first], rows[here.last - 1] + 1, here.kind, here.kinds)

    confident = probs_nc[:, 0] if scores.scheme.kind == "binary" else probs_nc.max(axis=1)
    tokens = EvaluatedTokens(
        scheme=scores.scheme,
        offsets=project.offsets,
        rows=counted if rows is None else rows[counted],
        labels=labels[counted],
        predicted=predicted[counted],
        confidence=np.asarray(confident[counted]),
        gold_spans=found(labels),
        predicted_spans=found(predicted),
    )
    masked = scores.masked if rows is None else np.intersect1d(scores.masked, rows)
    n_sentences = len(offsets) - 1
    return ProjectEvaluation(scores.name, against, subset, n_sentences, len(masked), evaluation, tokens)


def labels_against(project: Project, against: Against) -> Labels:
    """Labels (n_tokens,) int16 to hold predictions against; negative where a token has none, or a person ignores it."""
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
        printed = tagger.score(project.embeddings, project.offsets, "model", job)
        probs_nc = fit_columns(printed, record.scheme.n_outputs)
    padding = measured_padding(project, record) if tagger is None else padding_of(tagger, probs_nc, project.offsets)
    masked = project.masked_tokens(record.mask_value)
    validation = tuple(record.run.validation_sentences)
    return ModelScores(record.id, record.scheme, probs_nc, masked, padding, validation)


def measured_padding(project: Project, record: ModelRecord) -> Floats | None:
    """What a model that runs in Keras was seen to print behind each sentence, (n_sentences, C); None when unknown."""
    return project.models.padding_scores(record.id)


def padding_of(tagger: packed.PackedTagger, probs_nc: Floats, offsets: Offsets) -> Floats | None:
    """What a tagger prints at the padded positions behind sentences whose tokens it gives `probs_nc` (n, C).

    (C,) when that is the same everywhere, (n_sentences, C) when it repeats each sentence's last output, as a plain
    LSTM does; None for a tagger without a Masking layer, which takes padding for tokens.
    """
    if tagger.mask_value is None:
        return None
    masked = fit_columns(tagger.masked_output, probs_nc.shape[1])
    # every tagger of the packed engine ends in a bidirectional layer unless it says otherwise
    if not tagger.repeats_last_output:
        return masked
    padding: Floats = np.repeat(masked[None], len(offsets) - 1, axis=0)
    filled = np.flatnonzero(np.diff(offsets))
    padding[filled] = probs_nc[offsets[1:][filled] - 1]
    return padding


def places_of(rows: Indices, offsets: Offsets) -> Indices:
    """Sentence and position (k, 2) int64 of rows (k,) of a corpus."""
    sentences = np.searchsorted(offsets, rows, side="right") - 1
    return np.stack([sentences, rows - offsets[sentences]], axis=1).astype(np.int64)


def check_fit(scores: ModelScores, scheme: TagScheme) -> None:
    """Raise ModelError unless scores are of the project's labels `scheme`, and are numbers."""
    if scores.scheme.classes != scheme.classes:
        raise ModelError(
            f"model {scores.name} was made for other labels",
            expected=", ".join(scheme.classes),
            received=", ".join(scores.scheme.classes),
        )
    wrong = ~np.isfinite(scores.probs_nc).all(axis=1)
    if wrong.any():
        raise ModelError(
            f"model {scores.name} prints numbers that are no probabilities, so it can't be held against labels",
            expected="finite numbers",
            received=f"{int(wrong.sum()):,} tokens without, the first in row {int(wrong.argmax())}",
        )
