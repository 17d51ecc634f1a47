"""The evaluation of the model in use: computed beside the window when it is asked for, and never on an edit."""

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QObject

from maskscope.evaluation.calibration import N_BINS, bin_of
from maskscope.jobs import Job
from maskscope.types import Floats, Indices
from maskscope.workflows.evaluate import (
    Against,
    ModelScores,
    ProjectEvaluation,
    Subset,
    evaluate_project,
    masked_rows,
    padding_of,
)
from maskscope_gui.background.worker_task import Background
from maskscope_gui.session.session import Session


@dataclass(frozen=True, slots=True, eq=False)
class Sorted:
    """Tokens in the order of the box they belong to, so that those of one box are at hand without a search.

    Attributes:
        order: (n,) places among the evaluated tokens.
        starts: (boxes + 1,) where each box begins in `order`.
    """

    order: Indices
    starts: Indices

    @classmethod
    def by(cls, boxes: Indices, n_boxes: int) -> "Sorted":
        """Sorted by the box (n,) of each, 0 to n_boxes - 1; within one, in reading order."""
        order = np.argsort(boxes, kind="stable")
        starts = np.concatenate([[0], np.cumsum(np.bincount(boxes, minlength=n_boxes))])
        return cls(order.astype(np.int64), starts.astype(np.int64))

    def of(self, box: int) -> Indices:
        """Places (k,) among the evaluated tokens of one box."""
        return self.order[self.starts[box] : self.starts[box + 1]]


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """An evaluation, its tokens sorted by confusion cell and by bin.

    Attributes:
        found: the figures, and the tokens behind them.
        probs_nc: (n_tokens, C) float32, the probabilities it is of.
        cells: by label * C + prediction.
        bins: by bin of the reliability curve.
    """

    found: ProjectEvaluation
    probs_nc: Floats
    cells: Sorted
    bins: Sorted


class Evaluating(Background):
    """Holds what is asked, what was found, and whether that is still so.

    `changed` also tells that the answer is no longer up to date.
    """

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.subset: Subset = "validation"
        self.against: Against = "edited"
        self.answer: Answer | None = None
        self._key: tuple[object, ...] | None = None
        session.projectChanged.connect(self._forget)
        for signal in (session.modelChanged, session.decodingChanged):
            signal.connect(self.changed)
        session.edited.connect(lambda _: self.changed.emit())

    @property
    def stale(self) -> str:
        """What has changed since the answer was computed, in words; "" when nothing has."""
        if self.answer is None or self._key is None:
            return ""
        names = ("The model has changed", "The decoding has changed", "Labels have changed")
        then, now = self._key, self._now()
        if then[1:3] != now[1:3]:
            return ""
        return next((name for name, a, b in zip(names, then[3:], now[3:], strict=True) if a != b), "")

    def _now(self) -> tuple[object, ...]:
        session = self.session
        model = None if session.model is None else session.model.id
        labels = session.labels_version if self.against == "edited" else 0
        return (id(session.project), self.subset, self.against, model, session.decoding, labels)

    @property
    def lacking(self) -> str:
        """Why there is nothing to compute, in one or two sentences; "" when there is."""
        session = self.session
        if session.project is None or session.model is None:
            return "There is no model to evaluate yet. Train one with Ctrl+T."
        if session.scores is None:
            return "The model has not scored this project yet; that runs in the background. Its progress stands below."
        if self.subset == "validation" and session.model.run.source:
            return (
                "Which sentences this model was trained on is not known, since it was made elsewhere."
                " Press Ctrl+H to evaluate it on all sentences."
            )
        if self.subset == "validation" and not session.model.run.validation_sentences:
            return (
                "No sentence was held back from this model's training, so nothing says how it does on unseen ones."
                " Press Ctrl+H to evaluate it on all sentences."
            )
        counts = session.project.counts()
        if sum(counts.labels) == 0:
            return "No token of this project has a label yet, so there is nothing to hold the predictions against."
        return ""

    def set_subset(self, subset: Subset) -> None:
        """Ask about other sentences, and compute."""
        self.subset = subset
        self.compute()

    def set_against(self, against: Against) -> None:
        """Ask against other labels, and compute."""
        self.against = against
        self.compute()

    def look(self) -> None:
        """Compute when there is no answer to the question as it stands, but not when labels alone have changed."""
        if not self.busy and (self.answer is None or self._key is None or self._key[:4] != self._now()[:4]):
            self.compute()

    def compute(self) -> None:
        """Compute, anew if need be; what runs for an earlier question is dropped."""
        session = self.session
        project, model = session.project, session.model
        if self.lacking or project is None or model is None or session.scores is None:
            self.cancel()
            self.answer, self.trouble = None, ""
            self.changed.emit()
            return
        key, subset, against, decoding = self._now(), self.subset, self.against, session.decoding
        probs, tagger = session.scores, session.tagger

        def work(job: Job) -> Answer:
            with project.reader() as reader:
                padding = None if tagger is None else padding_of(tagger, np.asarray(probs), reader.offsets)
                scores = ModelScores(
                    model.id,
                    model.scheme,
                    np.asarray(probs),
                    masked_rows(reader, model.mask_value),
                    padding,
                    tuple(model.run.validation_sentences),
                )
                found = evaluate_project(reader, scores, against, decoding, job, subset)
            tokens = found.tokens
            n_classes = len(model.scheme.classes)
            pairs = tokens.labels.astype(np.int64) * n_classes + tokens.predicted
            return Answer(
                found,
                np.asarray(probs),
                Sorted.by(pairs, n_classes * n_classes),
                Sorted.by(bin_of(tokens.confidence), N_BINS),
            )

        self.begin("Evaluating", work, lambda answer: self._take(key, answer))

    def _take(self, key: tuple[object, ...], answer: object) -> None:
        assert isinstance(answer, Answer)
        self.answer, self._key = answer, key

    def _forget(self) -> None:
        self.close()
        self.answer = self._key = None
        self.trouble = ""
        self.changed.emit()
