"""Two models of a project, token by token: where they say different things, and who is right there."""

from dataclasses import dataclass

import numpy as np

from maskscope.evaluation.decoding import Decoding, predict
from maskscope.jobs import Job, NullJob
from maskscope.project import Project
from maskscope.types import Floats, Indices, Labels, Mask, Offsets, TagScheme
from maskscope.workflows.evaluate import (
    Against,
    ModelScores,
    check_fit,
    labels_against,
    model_scores,
    places_of,
)


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Two models A and B against labels, tokens real by lengths; those of them that differ are k tokens in order.

    Attributes:
        a, b: ids, or paths of files.
        against: what they were held against.
        tokens: how many tokens with a label were compared.
        both_right, only_a, only_b, both_wrong: these tokens, by who is right.
        unlabelled: further tokens, without a label, on which the two differ.
        scheme: the label set.
        offsets: (n_sentences + 1,) of the project.
        rows: (k,) int64, tokens on which the two differ, unlabelled ones among them.
        labels: (k,) int16, theirs; negative where there is none.
        predicted_a, predicted_b: (k,) int16, what each model says.
        probability_a, probability_b: (k,) float32, that each model gives to what it says itself.
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
        return places_of(self.rows, self.offsets)

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
    """Where two models of a project differ. Needs no TensorFlow; call it with a reader of its own in a thread.

    Args:
        project: its labels and sentence bounds.
        a, b: ids of its models, or probabilities from elsewhere.
        against: edited or gold labels.
        decoding: how labels come from probabilities.
        job: is told how far the work is.

    Raises:
        ProjectError: there is no such model.
        ModelError: a model has no scores and needs Keras for them, or was made for other labels.
        Cancelled: the job was cancelled.
    """
    job = NullJob() if job is None else job
    n_tokens = project.n_tokens
    models: list[ModelScores] = []
    said: list[Labels] = []
    for model in (a, b):
        scores = model if isinstance(model, ModelScores) else model_scores(project, model, job)
        check_fit(scores, project.scheme)
        job.progress(len(said) * n_tokens, 2 * n_tokens, "tokens")
        models.append(scores)
        said.append(predict(scores.scheme, scores.probs_nc, project.offsets, None, decoding))
    job.progress(2 * n_tokens, 2 * n_tokens, "tokens")
    labels = labels_against(project, against)
    labelled = labels >= 0
    right_a, right_b = (labelled & (each == labels) for each in said)
    rows = np.flatnonzero(said[0] != said[1]).astype(np.int64)
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
        predicted_a=said[0][rows],
        predicted_b=said[1][rows],
        probability_a=_probability(models[0], rows, said[0][rows]),
        probability_b=_probability(models[1], rows, said[1][rows]),
    )


def _probability(scores: ModelScores, rows: Indices, predicted: Labels) -> Floats:
    """That a model gives (k,) to labels (k,) of rows (k,)."""
    probs = scores.probs_nc[rows]
    if scores.scheme.kind == "binary":
        return np.where(predicted == 1, probs[:, 0], 1 - probs[:, 0]).astype(np.float32)
    return np.asarray(probs[np.arange(len(rows)), predicted], dtype=np.float32)
