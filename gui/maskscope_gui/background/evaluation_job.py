"""Evaluates the model in use, in the background; an edit alone never starts an evaluation."""

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QObject

from maskscope.evaluation.calibration import N_BINS, bin_of
from maskscope.jobs import Job
from maskscope.types import Floats, Indices
from maskscope.workflows.evaluate import (
    Against,
    ProjectEvaluation,
    Subset,
    evaluate_project,
    scores_with_padding,
)
from maskscope_gui.actions import key_of_action
from maskscope_gui.background.latest_task import LatestTask
from maskscope_gui.session.session import Session


@dataclass(frozen=True, slots=True, eq=False)
class GroupedTokens:
    """Tokens sorted by the group that each belongs to, so that those of one group need no search.

    Attributes:
        order: (n,) indices into the evaluated tokens.
        starts: (n_groups + 1,) where each group begins in `order`.
    """

    order: Indices
    starts: Indices

    @classmethod
    def by(cls, groups: Indices, n_groups: int) -> "GroupedTokens":
        """Sort by the group (n,) of each token, 0 to n_groups - 1; within a group, in reading order."""
        order = np.argsort(groups, kind="stable")
        starts = np.concatenate([[0], np.cumsum(np.bincount(groups, minlength=n_groups))])
        return cls(order.astype(np.int64), starts.astype(np.int64))

    def group(self, number: int) -> Indices:
        """Indices (k,) into the evaluated tokens of one group."""
        return self.order[self.starts[number] : self.starts[number + 1]]


@dataclass(frozen=True, slots=True, eq=False)
class EvaluationResult:
    """An evaluation, with its tokens grouped by confusion cell and by calibration bin.

    Attributes:
        evaluation: the figures, and the tokens that they were computed from.
        probs_nc: (n_tokens, C) float32, the probabilities that were evaluated.
        cells: by label * C + prediction.
        bins: by bin of the calibration curve.
    """

    evaluation: ProjectEvaluation
    probs_nc: Floats
    cells: GroupedTokens
    bins: GroupedTokens


@dataclass(frozen=True, slots=True)
class _Inputs:
    """What a result was computed from."""

    project: int
    subset: Subset
    against: Against
    model: str | None
    decoding: str
    labels_version: int


class EvaluationJob(LatestTask):
    """Holds what is to be evaluated, the last result, and whether it is out of date.

    Attributes:
        subset: which sentences.
        against: which labels the predictions are compared with.
        result: of the last evaluation; None while there is none.

    `changed` is also emitted when the result may have become out of date.
    """

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.subset: Subset = "validation"
        self.against: Against = "edited"
        self.result: EvaluationResult | None = None
        self._inputs: _Inputs | None = None
        session.project_changed.connect(self._clear)
        for signal in (session.model_changed, session.decoding_changed):
            signal.connect(self.changed)
        session.editing.edited.connect(lambda _: self.changed.emit())

    @property
    def stale(self) -> str:
        """What has changed since the result was computed, such as "Labels have changed"; "" when nothing has."""
        then, now = self._inputs, self._current_inputs()
        if self.result is None or then is None or (then.subset, then.against) != (now.subset, now.against):
            return ""
        if then.model != now.model:
            return "The model has changed"
        if then.decoding != now.decoding:
            return "The decoding has changed"
        return "Labels have changed" if then.labels_version != now.labels_version else ""

    def _current_inputs(self) -> _Inputs:
        session = self.session
        model = None if session.model is None else session.model.id
        labels_version = session.editing.labels_version if self.against == "edited" else 0
        return _Inputs(id(session.project), self.subset, self.against, model, session.decoding, labels_version)

    @property
    def unavailable_reason(self) -> str:
        """Why nothing can be evaluated now, in one or two sentences; "" when it can."""
        session = self.session
        if session.project is None or session.model is None:
            return f"There is no model to evaluate yet. Train one with {key_of_action('train')}."
        if session.gives_values:
            return (
                f"{session.model.name} gives values, which are no label predictions, so there is nothing to evaluate."
            )
        if session.scores is None:
            return (
                "The model has not scored this project yet."
                " Scoring runs in the background; the status line shows its progress."
            )
        if self.subset == "validation" and session.model.run.source:
            return (
                "This model was made elsewhere, so it is not known which sentences it was trained on."
                f" Press {key_of_action('eval_subset')} to evaluate it on all sentences."
            )
        if self.subset == "validation" and not session.model.run.validation_sentences:
            return (
                "This model was trained on all sentences, so no sentence was held back to validate it on."
                f" Press {key_of_action('eval_subset')} to evaluate it on all sentences."
            )
        counts = session.project.counts()
        if sum(counts.labels) == 0:
            return "No token of this project has a label yet, so there is nothing to compare the predictions with."
        return ""

    def set_subset(self, subset: Subset) -> None:
        """Evaluate on these sentences."""
        self.subset = subset
        self.compute()

    def set_against(self, against: Against) -> None:
        """Compare with these labels."""
        self.against = against
        self.compute()

    def ensure_result(self) -> None:
        """Compute unless there is a result for these settings; changed labels or decoding alone don't start it."""
        then, now = self._inputs, self._current_inputs()
        current = (
            self.result is not None
            and then is not None
            and (then.project, then.subset, then.against, then.model)
            == (now.project, now.subset, now.against, now.model)
        )
        if not self.busy and not current:
            self.compute()

    def compute(self) -> None:
        """Start the evaluation, also when there is a result already; an evaluation that runs is dropped."""
        session = self.session
        project, model = session.project, session.model
        if self.unavailable_reason or project is None or model is None or session.scores is None:
            self.cancel()
            self.result, self.error = None, ""
            self.changed.emit()
            return
        inputs, subset, against, decoding = self._current_inputs(), self.subset, self.against, session.decoding
        probs, tagger = session.scores, session.tagger

        def work(job: Job) -> EvaluationResult:
            with project.reader() as reader:
                scores = scores_with_padding(reader, model, tagger, np.asarray(probs))
                evaluation = evaluate_project(reader, scores, against, decoding, job, subset)
            tokens = evaluation.tokens
            n_classes = len(model.scheme.classes)
            pairs = tokens.labels.astype(np.int64) * n_classes + tokens.predicted
            return EvaluationResult(
                evaluation,
                np.asarray(probs),
                GroupedTokens.by(pairs, n_classes * n_classes),
                GroupedTokens.by(bin_of(tokens.confidence), N_BINS),
            )

        self.start("Evaluating", work, lambda result: self._set_result(inputs, result))

    def _set_result(self, inputs: _Inputs, result: object) -> None:
        assert isinstance(result, EvaluationResult)
        self.result, self._inputs = result, inputs

    def _clear(self) -> None:
        self.close()
        self.result, self._inputs, self.error = None, None, ""
        self.changed.emit()
