"""Runs padding in the worker for models that only Keras runs: requests what is not known yet, and keeps the answers."""

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal

from maskscope.engine.padding_probe import MAX_PADDING, Fill, PaddedRun
from maskscope.types import Floats
from maskscope.worker.requests import PaddingRequest, PaddingResult
from maskscope_gui.background.worker_client import WorkerClient

COARSE = (0, 1, 2, 3, 5, 7, 10, 16, 24, 32, 48, 64, 96, 128, 200)
"""Numbers of added positions in a curve: each is a run of the whole model."""
RUNNING = "running in Keras…"
DELAY_MS = 90
"""So long after the last change of a setting a request is sent."""
_RUNS_KEPT = 64


@dataclass(frozen=True, slots=True)
class SentenceAndModel:
    """What an answer is about; `most` is the largest number of padded positions that there is room for."""

    project: Path
    model_id: str
    model: Path
    sentence: int
    most: int = MAX_PADDING

    @property
    def coarse(self) -> tuple[int, ...]:
        """The numbers of added positions in its curve."""
        return (*(k for k in COARSE if k < self.most), self.most)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The settings of the panel."""

    about: SentenceAndModel
    fill: Fill
    added: int


@dataclass(frozen=True, slots=True)
class _Query:
    """A request to the worker: the outputs for one number of added positions, or (`shown` is None) the curve."""

    about: SentenceAndModel
    fill: Fill
    added: tuple[int, ...]
    shown: int | None

    def same_kind(self, other: "_Query | None") -> bool:
        """Return whether both ask for the same outputs or the same curve, however much of it is known by now."""
        return other is not None and (self.about, self.fill, self.shown) == (other.about, other.fill, other.shown)


class PaddingJob(QObject):
    """Requests the outputs at the slider's position first, then the curve.

    Attributes:
        error: why the worker gave no answer, in one sentence; "" when it did.

    Signals:
        changed: more is known, the worker has failed, or `waiting` is another text.
    """

    changed = Signal()

    def __init__(self, client: WorkerClient, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.error = ""
        self._waiting_text = RUNNING
        self._client = client
        self._wanted: _Wanted | None = None
        self._runs: OrderedDict[tuple[Fill, int], PaddedRun] = OrderedDict()
        self._changes: dict[Fill, dict[int, float]] = {}
        self._job: int | None = None
        self._query: _Query | None = None
        self._delay = QTimer(self)
        self._delay.setSingleShot(True)
        self._delay.setInterval(DELAY_MS)
        self._delay.timeout.connect(self._send)
        client.progressed.connect(self._progressed)
        client.figure_reported.connect(self._figure_reported)
        client.done.connect(self._done)
        client.failed.connect(self._failed)
        client.cancelled.connect(self._cancelled)

    def set_wanted(self, about: SentenceAndModel, fill: Fill, added: int) -> None:
        """Set what is to be known from now on; a request for anything else is cancelled."""
        wanted = _Wanted(about, fill, added)
        if wanted == self._wanted:
            return
        if self._wanted is None or about != self._wanted.about:
            self._runs.clear()
            self._changes.clear()
        self._wanted, self.error, self._waiting_text = wanted, "", RUNNING
        missing = self._missing()
        if self._query is not None and not self._query.same_kind(missing):
            self._cancel()
        if missing is not None and self._job is None:
            self._delay.start()

    def stop(self) -> None:
        """Cancel, and forget all answers."""
        self._delay.stop()
        self._cancel()
        self._wanted, self.error = None, ""
        self._runs.clear()
        self._changes.clear()

    @property
    def run(self) -> PaddedRun | None:
        """The outputs at the slider's position; None while they are not known."""
        return None if self._wanted is None else self._runs.get((self._wanted.fill, self._wanted.added))

    @property
    def curve(self) -> Floats | None:
        """Largest changes for the numbers of `coarse`; None until all are known."""
        if self._wanted is None:
            return None
        known, coarse = self._changes.get(self._wanted.fill, {}), self._wanted.about.coarse
        if any(k not in known for k in coarse):
            return None
        curve: Floats = np.array([known[k] for k in coarse], dtype=np.float32)
        return curve

    @property
    def waiting(self) -> str:
        """What the panel waits for; "" when the outputs at the slider's position are known, or can't be."""
        waits = self._wanted is not None and self.run is None and not self.error
        return self._waiting_text if waits else ""

    def _missing(self) -> _Query | None:
        if self._wanted is None or self.error:
            return None
        about, fill, added = self._wanted.about, self._wanted.fill, self._wanted.added
        if (fill, added) not in self._runs:
            return _Query(about, fill, (added,), added)
        known = self._changes.get(fill, {})
        unknown = tuple(k for k in about.coarse if k not in known)
        return _Query(about, fill, unknown, None) if unknown else None

    def _send(self) -> None:
        query = self._missing()
        if query is None or self._job is not None:
            return
        state = self._client.state
        if state == "busy":
            self._waiting_text = "waiting until the worker's other job is done…"
        elif state != "ready":
            self._waiting_text = "waiting for Keras to start…"
        about = query.about
        self._query = query
        self._job = self._client.request(
            PaddingRequest(about.project, about.model, about.sentence, query.fill, query.added, query.shown)
        )
        self.changed.emit()

    def _cancel(self) -> None:
        job, self._job, self._query = self._job, None, None
        if job is not None:
            self._client.cancel(job)

    # Signals of the worker's client; an answer to an earlier request has another id.

    def _progressed(self, job: int, done: int, total: int, text: str) -> None:
        if job == self._job and self._waiting_text != RUNNING:
            self._waiting_text = RUNNING
            self.changed.emit()

    def _figure_reported(self, job: int, name: str, step: int, value: float) -> None:
        # Kept one by one, so that a curve that was cancelled goes on where it was.
        if job == self._job and self._query is not None and name == "change":
            self._changes.setdefault(self._query.fill, {})[step] = value

    def _done(self, job: int, result: object) -> None:
        query = self._query
        if job != self._job or query is None or not isinstance(result, PaddingResult):
            return
        self._job = self._query = None
        answer = result.answer
        changes = {int(k): float(change) for k, change in zip(answer.added, answer.changes, strict=False)}
        if not set(query.added) <= set(changes) or (query.shown is not None and answer.shown is None):
            self._fail("The worker has answered another request than the one about padding.")
            return
        self._changes.setdefault(query.fill, {}).update(changes)
        if answer.shown is not None and query.shown is not None:
            self._runs[(query.fill, query.shown)] = answer.shown
            if len(self._runs) > _RUNS_KEPT:
                self._runs.popitem(last=False)
        self._send()
        self.changed.emit()

    def _failed(self, job: int, error: str) -> None:
        if job == self._job:
            self._fail(error)

    def _cancelled(self, job: int) -> None:
        if job == self._job:
            self._fail("The request was cancelled.")

    def _fail(self, error: str) -> None:
        self._job = self._query = None
        self.error = error
        self.changed.emit()
