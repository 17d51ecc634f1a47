"""Export the labels of a project to a file, one sentence at a time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from maskscope.errors import ProjectError
from maskscope.evaluation.decoding import Decoding, predict
from maskscope.exporters import LabelledSentence, export
from maskscope.jobs import Job, NullJob
from maskscope.project.rows import SentenceRow
from maskscope.project.store import Project
from maskscope.types import Floats, Labels, Mask, TagScheme
from maskscope.workflows.evaluate import ModelScores, check_fit, check_predicts

LabelSource: TypeAlias = Literal["edited", "gold", "predicted"]


def export_project(
    project: Project,
    file: Path,
    format_name: str,
    labels: LabelSource = "edited",
    only_reviewed: bool = False,
    model: str | ModelScores | None = None,
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
        model: the id of a model whose stored scores give predictions and probabilities (None: the newest), or scores
            from elsewhere. Without scores, and with scores that are values, there are none, which only `labels`
            "predicted" refuses.
        job: receives the progress in sentences.
        decoding: how predictions come from probabilities.

    A token that the model masks has no prediction: the model's output there is its bias.
    Raises ProjectError when no sentence is accepted or there is no prediction to write, ModelError when a model
    predicts no labels of the project, ExportError, Cancelled.
    """
    job = job or NullJob()
    scores = _scores(project, model, labels == "predicted")
    mask: Mask = np.ones(project.n_tokens, dtype=np.bool_)
    mask[project.masked_tokens(0.0) if scores is None else scores.masked] = False
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
            part = slice(int(project.offsets[row.id]), int(project.offsets[row.id + 1]))
            probs = None if scores is None else np.array(scores.probs_nc[part], dtype=np.float32)
            yield _labelled(project.scheme, row, labels, probs, mask[part], decoding)

    return export(file, labelled(), format_name, project.scheme.classes, job)


def _scores(project: Project, model: str | ModelScores | None, needed: bool) -> ModelScores | None:
    if isinstance(model, ModelScores):
        check_fit(model, project.scheme)
        return model
    if model is None and not project.models.all():
        if needed:
            raise ProjectError("has no model yet, so there are no predictions; train one first", file=project.path)
        return None
    record = project.models.get(model)
    stored = project.models.scores(record.id)
    if stored is None:
        if needed:
            raise ProjectError(
                f"has no scores of model {record.id} that fit its embeddings; score it first", file=project.path
            )
        return None
    masked = project.masked_tokens(record.mask_value)
    scores = ModelScores(record.id, record.scheme, stored, masked, gives_values=record.gives_values)
    if needed:
        check_predicts(scores, project.scheme)
    return None if record.gives_values or record.scheme.classes != project.scheme.classes else scores


def _labelled(
    scheme: TagScheme,
    row: SentenceRow,
    source: LabelSource,
    probs_tc: Floats | None,
    mask_t: Mask,
    decoding: Decoding,
) -> LabelledSentence:
    gold = _names(row.gold, scheme)
    predicted: tuple[str | None, ...] | None = None
    if probs_tc is not None:
        names = _names(predict(scheme, probs_tc, None, mask_t, decoding), scheme)
        predicted = tuple(name if real else None for name, real in zip(names, mask_t.tolist(), strict=True))
    chosen = {"gold": gold, "edited": _names(row.labels, scheme), "predicted": predicted or ()}[source]
    return LabelledSentence(
        id=row.id,
        name=row.name,
        tokens=row.tokens,
        labels=chosen,
        gold=gold,
        predicted=predicted,
        probabilities=probs_tc,
        mask=mask_t,
        edited=row.edited,
        reviewed=row.state,
        comments=row.comments,
    )


def _names(labels: Labels, scheme: TagScheme) -> tuple[str | None, ...]:
    return tuple(scheme.classes[label] if label >= 0 else None for label in labels.tolist())
