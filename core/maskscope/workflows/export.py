"""Export the labels of a project to a file, one sentence at a time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from maskscope.errors import ProjectError
from maskscope.evaluation.decoding import Decoding, predict
from maskscope.exporters import LabelledSentence, export
from maskscope.jobs import Job, NullJob
from maskscope.project.rows import ModelRecord, SentenceRow
from maskscope.project.store import Project
from maskscope.types import Floats, Labels, TagScheme

LabelSource: TypeAlias = Literal["edited", "gold", "predicted"]


def export_project(
    project: Project,
    file: Path,
    format_name: str,
    labels: LabelSource = "edited",
    only_reviewed: bool = False,
    model_id: str | None = None,
    job: Job | None = None,
    decoding: Decoding = "viterbi",
) -> int:
    """Write a project's labels to `file`, atomically, and return how many sentences were written.

    Args:
        project: the project; may be open read-only.
        file: replaced only if the export succeeds.
        format_name: an exporter's name ("conll", "jsonl").
        labels: which labels to write; "edited" is a person's edits over gold.
        only_reviewed: write only the sentences that a person has accepted.
        model_id: whose stored scores give predictions and probabilities; None for the newest model. Without
            stored scores there are none, which only `labels` "predicted" refuses.
        job: receives the progress in sentences.
        decoding: how predictions come from probabilities.

    A token that the model masks has no prediction: the model's output there is its bias.
    Raises ProjectError when no sentence is accepted or there is no prediction to write, ExportError, Cancelled.
    """
    job = job or NullJob()
    model, scores = _scores(project, model_id, labels == "predicted")
    ids: list[int] | None = None
    if only_reviewed:
        ids = np.flatnonzero(project.states() == 1).tolist()
        if not ids:
            raise ProjectError(
                "nothing is reviewed yet, so there is nothing to export; accept sentences in the window with Enter,"
                " or export all of them",
                file=project.path,
                received=f"0 reviewed of {project.n_sentences:,} sentences",
            )
    total = project.n_sentences if ids is None else len(ids)

    def labelled() -> Iterator[LabelledSentence]:
        for done, row in enumerate(project.sentences(ids)):
            if done % 64 == 0:
                job.progress(done, total, "sentences")
            yield _labelled(project, row, labels, model, scores, decoding)

    classes = project.scheme.classes if model is None else model.scheme.classes
    return export(file, labelled(), format_name, classes, job)


def _scores(project: Project, model_id: str | None, needed: bool) -> tuple[ModelRecord | None, Floats | None]:
    if model_id is None and not project.models.all():
        if needed:
            raise ProjectError("has no model yet, so there are no predictions; train one first", file=project.path)
        return None, None
    model = project.models.get(model_id)
    scores = project.models.scores(model.id)
    if scores is None and needed:
        raise ProjectError(
            f"has no scores of model {model.id} that fit its embeddings; score it first", file=project.path
        )
    return (model, scores) if scores is not None else (None, None)


def _labelled(
    project: Project,
    row: SentenceRow,
    source: LabelSource,
    model: ModelRecord | None,
    scores: Floats | None,
    decoding: Decoding,
) -> LabelledSentence:
    part = slice(int(project.offsets[row.id]), int(project.offsets[row.id + 1]))
    mask = project.mask(row.id, 0.0 if model is None else model.mask_value)
    gold = _names(row.gold, project.scheme)
    predicted: tuple[str | None, ...] | None = None
    probabilities: Floats | None = None
    if model is not None and scores is not None:
        probabilities = np.array(scores[part], dtype=np.float32)
        labels = predict(model.scheme, probabilities, None, mask, decoding)
        names = _names(labels, model.scheme)
        predicted = tuple(name if real else None for name, real in zip(names, mask.tolist(), strict=True))
    chosen = {"gold": gold, "edited": _names(row.labels, project.scheme), "predicted": predicted or ()}[source]
    return LabelledSentence(
        id=row.id,
        name=row.name,
        tokens=row.tokens,
        labels=chosen,
        gold=gold,
        predicted=predicted,
        probabilities=probabilities,
        mask=mask,
        edited=row.edited,
        reviewed=row.state,
        comments=row.comments,
    )


def _names(labels: Labels, scheme: TagScheme) -> tuple[str | None, ...]:
    return tuple(scheme.classes[label] if label >= 0 else None for label in labels.tolist())
