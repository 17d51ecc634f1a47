"""Questions about padding that only Keras can answer: put to the worker when the hand rests, answers kept."""

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal

from maskscope.engine.padding_probe import Fill, PaddedRun
from maskscope.errors import WorkerError
from maskscope.types import Floats
from maskscope.workflows.padding_answer import PaddingAnswer
from maskscope_gui.background.worker_client import WorkerClient

COARSE = (0, 1, 2, 3, 5, 7, 10, 16, 24, 32, 48, 64, 96, 128, 200)
"""Numbers of added positions that a curve is made of: each is a run of the whole model."""
ASKING = "asking Keras…"
REST_MS = 90
_RUNS_KEPT = 64


@dataclass(frozen=True, slots=True)
class Place:
    """What a question is about: one sentence, one model."""

    project: Path
    model_id: str
    model: Path
    sentence: int


@dataclass(frozen=True, slots=True)
class _Question:
    place: Place
    fill: Fill
    ks: tuple[int, ...]
    shown: int


class PaddingJob(QObject):
    """Knows what is wanted now, and asks for what of it is not known yet: the slider's place first, then the curve.

    Signals:
        answered: more is known, or the worker has failed, or another thing is waited for.
    """

    answered = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.error = ""
        self._words = ASKING
        self._client: WorkerClient | None = None
        self._wanted: tuple[Place, Fill, int] | None = None
        self._runs: OrderedDict[tuple[Fill, int], PaddedRun] = OrderedDict()
        self._changes: dict[Fill, dict[int, float]] = {}
        self._job: int | None = None
        self._question: _Question | None = None
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST_MS)
        self._rest.timeout.connect(self._send)

    def use_worker(self, client: WorkerClient) -> None:
        """Ask this one."""
        self._client = client
        client.progressed.connect(self._progressed)
        client.figure_reported.connect(self._figured)
        client.done.connect(self._done)
        client.failed.connect(self._failed)
        client.cancelled.connect(self._cancelled)
        if self._missing() is not None:
            self._rest.start()

    def ask(self, place: Place, fill: Fill, added: int) -> None:
        """Say what is wanted from now on; what is no longer wanted is cancelled."""
        wanted = (place, fill, added)
        if wanted == self._wanted:
            return
        if self._wanted is None or place != self._wanted[0]:
            self._runs.clear()
            self._changes.clear()
        self._wanted, self.error, self._words = wanted, "", ASKING
        missing = self._missing()
        if self._question is not None and (
            missing is None or (missing.place, missing.fill, missing.shown) != self._same(self._question)
        ):
            self._cancel()
        if missing is not None and self._job is None:
            self._rest.start()

    def stop(self) -> None:
        """Nothing is wanted any more."""
        self._rest.stop()
        self._cancel()
        self._wanted, self.error = None, ""
        self._runs.clear()
        self._changes.clear()

    @property
    def run(self) -> PaddedRun | None:
        """The answer at the slider's place; None while it is not known."""
        return None if self._wanted is None else self._runs.get(self._wanted[1:])

    @property
    def curve(self) -> Floats | None:
        """Largest changes at the numbers of `COARSE`; None until all are known."""
        known = {} if self._wanted is None else self._changes.get(self._wanted[1], {})
        if any(k not in known for k in COARSE):
            return None
        curve: Floats = np.array([known[k] for k in COARSE], dtype=np.float32)
        return curve

    @property
    def waiting(self) -> str:
        """What is waited for, in words; "" when the slider's place is answered, or can't be."""
        return self._words if self._client is not None and self._wanted and not self.run and not self.error else ""

    @staticmethod
    def _same(question: _Question) -> tuple[Place, Fill, int]:
        # the rest of a curve is the same question, however many of its points are known by now
        return question.place, question.fill, question.shown

    def _missing(self) -> _Question | None:
        if self._wanted is None or self.error:
            return None
        place, fill, added = self._wanted
        if (fill, added) not in self._runs:
            return _Question(place, fill, (added,), added)
        known = self._changes.get(fill, {})
        ks = tuple(k for k in COARSE if k not in known)
        return _Question(place, fill, ks, -1) if ks else None

    def _send(self) -> None:
        question = self._missing()
        if question is None or self._client is None or self._job is not None:
            return
        state = self._client.state
        if state == "busy":
            self._words = "asking Keras once its other job is done…"
        elif state != "ready":
            self._words = "asking Keras, which is starting…"
        self._question = question
        self._job = self._client.request(
            "padding",
            project=str(question.place.project),
            model=str(question.place.model),
            sentence=question.place.sentence,
            fill=question.fill,
            ks=",".join(str(k) for k in question.ks),
            shown=question.shown,
        )
        self.answered.emit()

    def _cancel(self) -> None:
        job, self._job, self._question = self._job, None, None
        if job is not None and self._client is not None:
            self._client.cancel(job)

    # What the worker says; an answer to an earlier question has another id.

    def _progressed(self, job: int, done: int, total: int, text: str) -> None:
        if job == self._job and self._words != ASKING:
            self._words = ASKING
            self.answered.emit()

    def _figured(self, job: int, name: str, step: int, value: float) -> None:
        # kept one by one: a curve that is cancelled goes on where it was
        if job == self._job and self._question is not None and name == "change":
            self._changes.setdefault(self._question.fill, {})[step] = value

    def _done(self, job: int, result: object) -> None:
        question = self._question
        if job != self._job or question is None:
            return
        self._job = self._question = None
        text = result.get("answer") if isinstance(result, dict) else None
        try:
            answer = PaddingAnswer.from_text(text if isinstance(text, str) else "")
            changes = {int(k): float(change) for k, change in zip(answer.ks, answer.changes, strict=True)}
            if set(question.ks) - set(changes) or (answer.shown is None and question.shown >= 0):
                raise WorkerError("answered another question than the one about padding", received=str(sorted(changes)))
        except WorkerError as error:
            self._fail(str(error))
            return
        self._changes.setdefault(question.fill, {}).update(changes)
        if answer.shown is not None:
            self._runs[(question.fill, question.shown)] = answer.shown
            if len(self._runs) > _RUNS_KEPT:
                self._runs.popitem(last=False)
        self._send()
        self.answered.emit()

    def _failed(self, job: int, words: str) -> None:
        if job == self._job:
            self._fail(words)

    def _cancelled(self, job: int) -> None:
        if job == self._job:
            self._fail("The question was cancelled.")

    def _fail(self, words: str) -> None:
        self._job = self._question = None
        self.error = words
        self.answered.emit()
