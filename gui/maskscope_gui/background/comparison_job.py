"""Compares two models of the project in the background."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from PySide6.QtCore import QObject

from maskscope.jobs import Job
from maskscope.types import Indices
from maskscope.workflows.compare import Comparison, compare
from maskscope_gui.background.evaluation_job import GroupedTokens
from maskscope_gui.background.latest_task import LatestTask
from maskscope_gui.session.session import Session

Group: TypeAlias = Literal["differ", "only_a", "only_b", "both_wrong", "unlabelled"]
"""Of the tokens on which two models differ: all, or those of one outcome."""

_OUTCOMES: tuple[Group, ...] = ("only_a", "only_b", "both_wrong", "unlabelled")


@dataclass(frozen=True, slots=True, eq=False)
class ComparisonResult:
    """A comparison, with its differing tokens grouped by outcome."""

    comparison: Comparison
    outcomes: GroupedTokens

    def indices(self, group: Group) -> Indices:
        """Indices (k,) into the differing tokens."""
        if group == "differ":
            return np.arange(len(self.comparison.rows))
        return self.outcomes.group(_OUTCOMES.index(group))


@dataclass(frozen=True, slots=True)
class _Inputs:
    """What a result was computed from."""

    project: int
    pair: tuple[str, ...]
    decoding: str
    labels_version: int


class ComparisonJob(LatestTask):
    """Holds the two models to compare, the last result, and whether it is out of date.

    Attributes:
        pair: ids of the two models; empty when none are chosen.
        result: of the last comparison; None while there is none.
    """

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.pair: tuple[str, ...] = ()
        self.result: ComparisonResult | None = None
        self._inputs: _Inputs | None = None
        session.project_changed.connect(self._clear)
        session.decoding_changed.connect(self.changed)
        session.editing.edited.connect(lambda _: self.changed.emit())

    @property
    def stale(self) -> str:
        """What has changed since the result was computed, such as "Labels have changed"; "" when nothing has."""
        then, now = self._inputs, self._current_inputs()
        if self.result is None or then is None or (then.project, then.pair) != (now.project, now.pair):
            return ""
        if then.decoding != now.decoding:
            return "The decoding has changed"
        return "Labels have changed" if then.labels_version != now.labels_version else ""

    def _current_inputs(self) -> _Inputs:
        session = self.session
        return _Inputs(id(session.project), self.pair, session.decoding, session.editing.labels_version)

    def set_pair(self, pair: tuple[str, ...]) -> None:
        """Compare these two models; an empty tuple clears the result."""
        if pair != self.pair:
            self.pair = pair
            self.compute()

    def compute(self) -> None:
        """Start the comparison, also when there is a result already."""
        project, pair, decoding = self.session.project, self.pair, self.session.decoding
        if project is None or len(pair) < 2:
            self.cancel()
            self.result, self.error = None, ""
            self.changed.emit()
            return
        values = [model.name for model in project.models.all() if model.id in pair and model.gives_values]
        if values:
            self.cancel()
            self.result = None
            self.error = f"{values[0]} gives values, which are no label predictions, so it can't be compared."
            self.changed.emit()
            return
        inputs = self._current_inputs()

        def work(job: Job) -> ComparisonResult:
            with project.reader() as reader:
                comparison = compare(reader, pair[0], pair[1], "edited", decoding, job)
            outcome = np.where(comparison.right_a, 0, np.where(comparison.right_b, 1, 2))
            outcome[comparison.labels < 0] = 3
            return ComparisonResult(comparison, GroupedTokens.by(outcome, len(_OUTCOMES)))

        self.result = None
        self.start(f"Comparing {pair[0]} and {pair[1]}", work, lambda result: self._set_result(inputs, result))

    def _set_result(self, inputs: _Inputs, result: object) -> None:
        assert isinstance(result, ComparisonResult)
        self.result, self._inputs = result, inputs

    def _clear(self) -> None:
        self.close()
        self.pair, self.result, self._inputs, self.error = (), None, None, ""
        self.changed.emit()
