"""What padding does to the sentence on screen: the state of the PADDING panel, and its answers."""

from dataclasses import dataclass, field, replace

import numpy as np
from PySide6.QtCore import QObject, QRunnable, QThreadPool, QTimer, Signal

from maskscope.engine.padding_probe import MAX_PADDING, Fill, MaskFrom, PaddedRun, PaddingProbe
from maskscope.types import Floats, Indices
from maskscope_gui.actions import printed_key
from maskscope_gui.background.padding_job import COARSE, REST_MS, PaddingJob, Place
from maskscope_gui.background.worker_client import WorkerClient
from maskscope_gui.session.session import Session

FILLS: dict[Fill, str] = {"zeros": "zeros", "noise": "noise", "previous": "the previous sentence"}
MASK_SOURCES: dict[MaskFrom, str] = {"model": "the model", "lengths": "lengths", "none": "no mask"}
MAX_ADDED = MAX_PADDING
TOLERANCE = 1e-6
"""Of a float32 model; AUDIT.md, the checks."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What the panel asks: so many added positions, filled so, with the mask from there.

    Attributes:
        masked: real tokens that a person masked by hand.
    """

    added: int = 12
    fill: Fill = "zeros"
    mask_from: MaskFrom = "model"
    masked: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class PaddingCurves:
    """Largest change at a real token over added positions.

    Attributes:
        chosen: (n,) with the mask from where the panel says.
        unmasked: (n,) with the same weights and no mask; None for a model that only Keras runs.
        added: (n,) how many added positions each: 0 to 200, or `padding_job.COARSE`.
    """

    chosen: Floats
    unmasked: Floats | None
    added: Indices = field(default_factory=lambda: np.arange(MAX_ADDED + 1, dtype=np.int64))


class PaddingExperiment(QObject):
    """Answers at once for the slider's place, and for the whole curve when the hand rests.

    For a model that only Keras runs the worker is asked when the hand rests. Until its answer comes, `waiting` is not
    empty and `run` is the last answer about the same sentence, or None.

    Signals:
        changed: the setting or its answer is another.
        curvesChanged: the curves are there, or gone.
    """

    changed = Signal()
    curvesChanged = Signal()
    _arrived = Signal(int, object)

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.setting = Setting()
        self.run: PaddedRun | None = None
        self.curves: PaddingCurves | None = None
        self._probe: PaddingProbe | None = None
        self._request = 0
        self._questions = PaddingJob(self)
        self._questions.answered.connect(self._hear)
        self._place: Place | None = None
        self._pool = QThreadPool(self)
        self._pool.setMaxThreadCount(1)
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(REST_MS)
        self._rest.timeout.connect(self._ask_curves)
        self._arrived.connect(self._take_curves)
        session.cursor.sentence_changed.connect(self._new_sentence)
        session.project_changed.connect(self._new_sentence)

    def use_worker(self, client: WorkerClient) -> None:
        """Let the worker answer for models that only Keras runs."""
        self._questions.use_worker(client)

    @property
    def in_keras(self) -> bool:
        """True when only Keras runs the model."""
        model = self.session.model
        return model is not None and model.run.engine == "keras"

    @property
    def waiting(self) -> str:
        """What is waited for, in words; "" when `run` is the answer, or none will come."""
        return self._questions.waiting

    @property
    def error(self) -> str:
        """Why the worker gave no answer, in one sentence; "" when nothing went wrong."""
        return self._questions.error

    def set_added(self, added: int) -> None:
        """So many added positions, 0 to 200."""
        self._set(replace(self.setting, added=min(max(added, 0), MAX_ADDED)), keep_curves=True)

    def set_fill(self, fill: Fill) -> None:
        """Fill padding otherwise."""
        self._set(replace(self.setting, fill=fill))

    def set_mask_from(self, mask_from: MaskFrom) -> None:
        """Take the mask from elsewhere. Refused, in a sentence, for a model that only Keras runs."""
        if self.in_keras and mask_from != "model":
            self.session.message_requested.emit(own_mask_reason(), "info")
            return
        self._set(replace(self.setting, mask_from=mask_from))

    def toggle_masked(self, position: int) -> None:
        """Mask a real token by hand, or no longer. Refused, in a sentence, for a model that only Keras runs."""
        if self.in_keras:
            self.session.message_requested.emit(own_mask_reason(), "info")
        elif self.session.focus is not None and 0 <= position < self.session.focus.length:
            self._set(replace(self.setting, masked=self.setting.masked ^ {position}))

    def unmask_all(self) -> None:
        """Mask no token by hand."""
        self._set(replace(self.setting, masked=frozenset()))

    @property
    def within_tolerance(self) -> bool:
        """True when the change at real tokens is within the tolerance."""
        return self.run is not None and self.run.largest_change <= TOLERANCE

    def close(self) -> None:
        """Wait for what still runs; its answer is dropped."""
        self._rest.stop()
        self._questions.stop()
        self._request += 1
        self._pool.waitForDone()

    def _set(self, setting: Setting, *, keep_curves: bool = False) -> None:
        if setting == self.setting:
            return
        new_fill = setting.fill != self.setting.fill
        self.setting = setting
        if new_fill:
            self._make_probe()
        self._answer()
        if not keep_curves:
            self._drop_curves()
        self.changed.emit()

    def _new_sentence(self) -> None:
        self.setting = replace(self.setting, masked=frozenset())
        if self.in_keras:
            self.setting = replace(self.setting, mask_from="model")
        self._make_probe()
        place = self._place_in_keras()
        if place is None or place != self._place:
            # what is known of another sentence says nothing of this one
            self.run = None
        if place is None or self._place is None or place.model != self._place.model:
            self.curves = None
            self.curvesChanged.emit()
        self._place = place
        self._answer()
        self._drop_curves()
        self.changed.emit()

    def _place_in_keras(self) -> Place | None:
        session = self.session
        if not self.in_keras or session.project is None or session.model is None or session.focus is None:
            return None
        return Place(session.project.path, session.model.id, session.model.keras_file, session.focus.row.id)

    def _make_probe(self) -> None:
        focus, tagger = self.session.focus, self.session.tagger
        self._probe = None
        if focus is None or tagger is None or self.session.project is None:
            return
        previous = None
        if self.setting.fill == "previous" and focus.row.id > 0:
            previous = self.session.project.rows(focus.row.id - 1)
        self._probe = PaddingProbe(tagger, focus.embeddings, fill=self.setting.fill, previous=previous)

    def _answer(self) -> None:
        if self._place is not None:
            self._questions.ask(self._place, self.setting.fill, self.setting.added)
            self.run = self._questions.run or self.run
            return
        self._questions.stop()
        if self._probe is None:
            self.run = None
            return
        self.run = self._probe.run(self.setting.added, self.setting.mask_from, self.setting.masked)

    def _drop_curves(self) -> None:
        self._request += 1
        # A view may go on showing the last curves for the moment until the new ones come: blinking is worse.
        self.curves = None
        if self._place is not None:
            self._take_coarse()
        elif self._probe is None:
            self.curvesChanged.emit()
        else:
            self._rest.start()

    def _hear(self) -> None:
        if self._place is None:
            return
        self.run = self._questions.run or (None if self.error else self.run)
        self._take_coarse()
        self.changed.emit()

    def _take_coarse(self) -> None:
        coarse = self._questions.curve
        if coarse is None and not self.error:
            return
        if coarse is not None and self.curves is not None:
            return
        self.curves = None if coarse is None else PaddingCurves(coarse, None, np.asarray(COARSE, dtype=np.int64))
        self.curvesChanged.emit()

    def _ask_curves(self) -> None:
        if self._probe is None:
            return
        task = _CurveTask(self._request, self._probe, self.setting, self._arrived)
        self._pool.start(task)

    def _take_curves(self, request: int, curves: PaddingCurves) -> None:
        # An answer for an earlier sentence or setting came too late.
        if request == self._request:
            self.curves = curves
            self.curvesChanged.emit()


def own_mask_reason() -> str:
    """Why a model that only Keras runs is asked under its own mask alone."""
    return (
        "This model runs in Keras, under the mask that it makes itself: another one needs its layers taken apart, "
        f"which the audit does ({printed_key('audit')})."
    )


class _CurveTask(QRunnable):
    def __init__(self, request: int, probe: PaddingProbe, setting: Setting, arrived: object) -> None:
        super().__init__()
        self._request, self._probe, self._setting, self._arrived = request, probe, setting, arrived

    def run(self) -> None:
        """Compute both curves, off the window's thread."""
        chosen = self._probe.curve(self._setting.mask_from, MAX_ADDED, self._setting.masked)
        unmasked = (
            chosen if self._setting.mask_from == "none" else self._probe.curve("none", MAX_ADDED, self._setting.masked)
        )
        self._arrived.emit(self._request, PaddingCurves(chosen, unmasked))  # type: ignore[attr-defined]
