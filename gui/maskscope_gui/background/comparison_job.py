"""Two models of the project, held side by side: computed beside the window."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from PySide6.QtCore import QObject

from maskscope.jobs import Job
from maskscope.types import Indices
from maskscope.workflows.compare import Comparison, compare
from maskscope_gui.background.evaluation_job import Sorted
from maskscope_gui.background.worker_task import Background
from maskscope_gui.session.session import Session

Group: TypeAlias = Literal["differ", "only_a", "only_b", "both_wrong", "unlabelled"]
"""Of the tokens on which two models differ: all, or those of one outcome."""

_PARTS: tuple[Group, ...] = ("only_a", "only_b", "both_wrong", "unlabelled")


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """A comparison, with its differing tokens sorted by outcome."""

    found: Comparison
    parts: Sorted

    def places(self, group: Group) -> Indices:
        """Places (k,) among the differing tokens."""
        if group == "differ":
            return np.arange(len(self.found.rows))
        return self.parts.of(_PARTS.index(group))


class Comparing(Background):
    """Holds which two models are compared, what was found, and whether that is still so."""

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.pair: tuple[str, ...] = ()
        self.answer: Compared | None = None
        self._key: tuple[object, ...] | None = None
        session.projectChanged.connect(self._forget)
        session.decodingChanged.connect(self.changed)
        session.edited.connect(lambda _: self.changed.emit())

    @property
    def stale(self) -> str:
        """What has changed since the answer was computed, in words; "" when nothing has."""
        if self.answer is None or self._key is None or self._key[:2] != self._now()[:2]:
            return ""
        if self._key[2] != self._now()[2]:
            return "The decoding has changed"
        return "Labels have changed" if self._key[3] != self._now()[3] else ""

    def _now(self) -> tuple[object, ...]:
        return (id(self.session.project), self.pair, self.session.decoding, self.session.labels_version)

    def ask(self, pair: tuple[str, ...]) -> None:
        """Compare these two; with fewer, nothing."""
        if pair != self.pair:
            self.pair = pair
            self.compute()

    def compute(self) -> None:
        """Compute, anew if need be."""
        project, pair, decoding = self.session.project, self.pair, self.session.decoding
        if project is None or len(pair) < 2:
            self.cancel()
            self.answer, self.trouble = None, ""
            self.changed.emit()
            return
        key = self._now()

        def work(job: Job) -> Compared:
            with project.reader() as reader:
                found = compare(reader, pair[0], pair[1], "edited", decoding, job)
            outcome = np.where(found.right_a, 0, np.where(found.right_b, 1, 2))
            outcome[found.labels < 0] = 3
            return Compared(found, Sorted.by(outcome, len(_PARTS)))

        self.answer = None
        self.begin(f"Comparing {pair[0]} and {pair[1]}", work, lambda answer: self._take(key, answer))

    def _take(self, key: tuple[object, ...], answer: object) -> None:
        assert isinstance(answer, Compared)
        self.answer, self._key = answer, key

    def _forget(self) -> None:
        self.close()
        self.pair, self.answer, self._key, self.trouble = (), None, None, ""
        self.changed.emit()
