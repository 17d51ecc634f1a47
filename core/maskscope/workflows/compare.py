"""Compare two models of a project token by token: where their predictions differ, and which is right."""

from dataclasses import dataclass

import numpy as np

from maskscope.evaluation.decoding import Decoding, predict
from maskscope.jobs import Job, NullJob
from maskscope.masks import token_places
from maskscope.project import Project
from maskscope.types import Floats, Indices, Labels, Mask, Offsets, TagScheme
from maskscope.workflows.evaluate import (
    Against,
    ModelScores,
    check_fit,
    labels_against,
    model_scores,
)


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """The predictions of models A and B compared with labels; they differ on k tokens. Masked tokens count.

    Attributes:
        a, b: ids, or paths of files.
        against: the labels that they were compared with.
        tokens: how many tokens with a label were compared.
        both_right, only_a, only_b, both_wrong: these tokens, by which model is right.
        unlabelled: further tokens, without a label, on which the two differ.
        scheme: the label set.
        offsets: (n_sentences + 1,) of the project.
        rows: (k,) int64, the tokens on which the two differ, unlabelled ones included.
        labels: (k,) int16, their labels; negative where there is none.
        predicted_a, predicted_b: (k,) int16, the label that each model predicts.
        probability_a, probability_b: (k,) float32, the probability that each model gives to its own prediction.
    """

    a: str
    b: str
    against: Against
    tokens: int
    both_right: int
    only_a: int
    only_b: int
    both_wrong: int
    unlabelled: int
    scheme: TagScheme
    offsets: Offsets
    rows: Indices
    labels: Labels
    predicted_a: Labels
    predicted_b: Labels
    probability_a: Floats
    probability_b: Floats

    @property
    def places(self) -> Indices:
        """Sentence and position (k, 2) of the tokens that differ."""
        return token_places(self.rows, self.offsets)

    @property
    def right_a(self) -> Mask:
        """(k,) bool, True where A is right."""
        return np.asarray(self.predicted_a == self.labels)

    @property
    def right_b(self) -> Mask:
        """(k,) bool, True where B is right."""
        return np.asarray(self.predicted_b == self.labels)


def compare(
    project: Project,
    a: str | ModelScores,
    b: str | ModelScores,
    against: Against = "edited",
    decoding: Decoding = "viterbi",
    job: Job | None = None,
) -> Comparison:
    """Compare two models of a project. Needs no TensorFlow; in a thread, pass `Project.reader()`.

    Args:
        project: its labels and sentence bounds.
        a: id of model A in the project, or probabilities from elsewhere.
        b: the same for model B.
        against: edited or gold labels.
        decoding: how labels come from probabilities.
        job: receives the progress.

    Raises:
        ProjectError: there is no such model.
        ModelError: a model has no scores and needs Keras for them, or was made for other labels.
        Cancelled: the job was cancelled.
    """
    job = NullJob() if job is None else job
    n_tokens = project.n_tokens
    models: list[ModelScores] = []
    predictions: list[Labels] = []
    for model in (a, b):
        scores = model if isinstance(model, ModelScores) else model_scores(project, model, job)
        check_fit(scores, project.scheme)
        job.progress(len(predictions) * n_tokens, 2 * n_tokens, "tokens")
        models.append(scores)
        predictions.append(predict(scores.scheme, scores.probs_nc, project.offsets, None, decoding))
    job.progress(2 * n_tokens, 2 * n_tokens, "tokens")
    labels = labels_against(project, against)
    labelled = labels >= 0
    right_a, right_b = (labelled & (each == labels) for each in predictions)
    rows = np.flatnonzero(predictions[0] != predictions[1]).astype(np.int64)
    total, both = int(labelled.sum()), int((right_a & right_b).sum())
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    return Comparison(
        a=models[0].name,
        b=models[1].name,
        against=against,
        tokens=total,
        both_right=both,
        only_a=only_a,
        only_b=only_b,
        both_wrong=total - both - only_a - only_b,
        unlabelled=int((~labelled[rows]).sum()),
        scheme=project.scheme,
        offsets=project.offsets,
        rows=rows,
        labels=labels[rows],
        predicted_a=predictions[0][rows],
        predicted_b=predictions[1][rows],
        probability_a=_probability(models[0], rows, predictions[0][rows]),
        probability_b=_probability(models[1], rows, predictions[1][rows]),
    )


def _probability(scores: ModelScores, rows: Indices, predicted: Labels) -> Floats:
    """The probability (k,) that a model gives to the labels `predicted` (k,) of rows (k,)."""
    probs = scores.probs_nc[rows]
    if scores.scheme.kind == "binary":
        return np.where(predicted == 1, probs[:, 0], 1 - probs[:, 0]).astype(np.float32)
    return np.asarray(probs[np.arange(len(rows)), predicted], dtype=np.float32)
