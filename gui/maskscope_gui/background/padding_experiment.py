"""Adds padding to the sentence on screen and shows what changes: the settings and results of the PADDING panel."""

from dataclasses import dataclass, field, replace

import numpy as np
from PySide6.QtCore import QObject, QRunnable, QThreadPool, QTimer, Signal, SignalInstance

from maskscope.engine.padding_probe import MAX_PADDING, Fill, MaskSource, PaddedRun, PaddingProbe
from maskscope.padding import Padding, padded_with
from maskscope.types import Embeddings, Floats, Indices
from maskscope_gui.actions import key_of_action
from maskscope_gui.background.padding_job import DELAY_MS, PaddingJob, SentenceAndModel
from maskscope_gui.background.worker_client import WorkerClient
from maskscope_gui.session.session import Session

FILLS: dict[Fill, str] = {
    "source": "as in the source",
    "zeros": "zeros",
    "noise": "noise",
    "previous": "the previous sentence",
}
MASK_SOURCES: dict[MaskSource, str] = {"model": "the model", "lengths": "lengths", "none": "no mask"}
MAX_ADDED = MAX_PADDING
TOLERANCE = 1e-6
"""Largest change of a float32 probability that counts as rounding; docs/audit.md has the tolerances."""


@dataclass(frozen=True, slots=True)
class PaddingSettings:
    """The settings of the panel.

    Attributes:
        added: number of added padded positions, 0 to 200.
        fill: what they contain; "source" is what the project's source was padded with, or else the mask value.
        mask_source: where the mask comes from.
        masked: real tokens that the user masked by hand.
    """

    added: int = 12
    fill: Fill = "zeros"
    mask_source: MaskSource = "model"
    masked: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class PaddingCurves:
    """Largest change at a real token against the number of added positions.

    Attributes:
        chosen: (n,) with the mask from the chosen source.
        unmasked: (n,) with the same weights and no mask; None for a model that only Keras runs.
        added: (n,) the numbers of added positions: 0 to 200, or `padding_job.COARSE`.
    """

    chosen: Floats
    unmasked: Floats | None
    added: Indices = field(default_factory=lambda: np.arange(MAX_ADDED + 1, dtype=np.int64))


class PaddingExperiment(QObject):
    """Computes the run at the slider's position at once, and the curves shortly after the last change.

    For a model that only Keras runs, the worker computes both shortly after the last change. Until it answers,
    `waiting` is not empty and `run` is the last run of the same sentence, or None.

    Attributes:
        settings: the settings of the panel.
        run: the sentence with these settings; None without a model, or while there is no answer.
        curves: over all numbers of added positions; None until they are computed.

    Signals:
        changed: the settings or the run has changed.
        curves_changed: the curves have changed.
    """

    changed = Signal()
    curves_changed = Signal()
    _arrived = Signal(int, object)

    def __init__(self, session: Session, client: WorkerClient, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.settings = PaddingSettings()
        self.run: PaddedRun | None = None
        self.curves: PaddingCurves | None = None
        self._probe: PaddingProbe | None = None
        self._request = 0
        self._keras = PaddingJob(client, self)
        self._keras.changed.connect(self._keras_changed)
        self._about: SentenceAndModel | None = None
        # A model of a fixed length may leave room for less; the next sentence then begins with this again.
        self._wanted_added = self.settings.added
        self._fill_chosen_for: tuple[object, ...] = ()
        self._pool = QThreadPool(self)
        self._pool.setMaxThreadCount(1)
        self._delay = QTimer(self)
        self._delay.setSingleShot(True)
        self._delay.setInterval(DELAY_MS)
        self._delay.timeout.connect(self._start_curves)
        self._arrived.connect(self._set_curves)
        session.cursor.sentence_changed.connect(self._new_sentence)
        session.project_changed.connect(self._new_sentence)

    @property
    def in_keras(self) -> bool:
        """True when only Keras runs the model."""
        model = self.session.model
        return model is not None and model.run.engine == "keras"

    @property
    def waiting(self) -> str:
        """What the panel waits for; "" when `run` is for the settings, or none will come."""
        return self._keras.waiting

    @property
    def error(self) -> str:
        """Why the worker gave no answer, in one sentence; "" when it did."""
        return self._keras.error

    @property
    def most(self) -> int:
        """The largest number of padded positions: what a model of a fixed length leaves of it, else 200."""
        model, focus = self.session.model, self.session.focus
        if model is None or focus is None or model.run.n_positions is None:
            return MAX_ADDED
        return min(max(model.run.n_positions - focus.length, 0), MAX_ADDED)

    @property
    def padding(self) -> Padding:
        """What the project's source was padded with and on which side; else the mask value, or 0."""
        session = self.session
        if session.project is None:
            return Padding.of_value(0.0, 1, origin="assumed")
        return padded_with(session.project.padding, session.mask_value, session.project.dim)

    @property
    def fills(self) -> tuple[Fill, ...]:
        """What padding can hold; "source" is left out where that is zeros."""
        zeros = self.padding.value == 0
        return tuple(fill for fill in FILLS if not (zeros and fill == "source"))

    def _choose_fill(self) -> None:
        """Begin with the padding of the source where that is no zeros."""
        project = self.session.project
        key = (None if project is None else project.path, self.session.mask_value)
        if key != self._fill_chosen_for:
            self._fill_chosen_for = key
            if self.settings.fill in ("source", "zeros"):
                self.settings = replace(self.settings, fill=self.fills[0])

    def set_added(self, added: int) -> None:
        """Set the number of added positions, 0 to 200."""
        self._wanted_added = min(max(added, 0), self.most)
        self._set(replace(self.settings, added=self._wanted_added), keep_curves=True)

    def set_fill(self, fill: Fill) -> None:
        """Set what padded positions contain."""
        self._set(replace(self.settings, fill=fill))

    def set_mask_source(self, mask_source: MaskSource) -> None:
        """Set where the mask comes from; a model that only Keras runs allows its own mask alone."""
        if self.in_keras and mask_source != "model":
            self.session.message_requested.emit(own_mask_reason(), "info")
            return
        self._set(replace(self.settings, mask_source=mask_source))

    def toggle_masked(self, position: int) -> None:
        """Mask a real token by hand, or unmask it; a model that only Keras runs does not allow it."""
        if self.in_keras:
            self.session.message_requested.emit(own_mask_reason(), "info")
        elif self.session.focus is not None and 0 <= position < self.session.focus.length:
            self._set(replace(self.settings, masked=self.settings.masked ^ {position}))

    def unmask_all(self) -> None:
        """Unmask all tokens that were masked by hand."""
        self._set(replace(self.settings, masked=frozenset()))

    @property
    def within_tolerance(self) -> bool:
        """True when the change at real tokens is within the tolerance."""
        return self.run is not None and self.run.largest_change <= self.tolerance

    @property
    def tolerance(self) -> float:
        """Largest change that counts as rounding; of values, relative to the largest of the sentence."""
        focus = self.session.focus
        if focus is None or focus.values is None:
            return TOLERANCE
        return TOLERANCE * max(1.0, float(np.abs(focus.values).max(initial=0.0)))

    def close(self) -> None:
        """Stop, and wait for the thread."""
        self._delay.stop()
        self._keras.stop()
        self._request += 1
        self._pool.waitForDone()

    def _set(self, settings: PaddingSettings, *, keep_curves: bool = False) -> None:
        if settings == self.settings:
            return
        new_fill = settings.fill != self.settings.fill
        self.settings = settings
        if new_fill:
            self._make_probe()
        self._update_run()
        if not keep_curves:
            self._drop_curves()
        self.changed.emit()

    def _new_sentence(self) -> None:
        self.settings = replace(self.settings, masked=frozenset())
        if self.in_keras:
            self.settings = replace(self.settings, mask_source="model")
        self.settings = replace(self.settings, added=min(self._wanted_added, self.most))
        self._choose_fill()
        self._make_probe()
        about = self._about_in_keras()
        if about is None or about != self._about:
            # The run of another sentence is not shown for this one.
            self.run = None
        if about is None or self._about is None or about.model != self._about.model:
            self.curves = None
            self.curves_changed.emit()
        self._about = about
        self._update_run()
        self._drop_curves()
        self.changed.emit()

    def _about_in_keras(self) -> SentenceAndModel | None:
        session = self.session
        if not self.in_keras or session.project is None or session.model is None or session.focus is None:
            return None
        return SentenceAndModel(
            session.project.path, session.model.id, session.model.keras_file, session.focus.row.id, self.most
        )

    def _make_probe(self) -> None:
        focus, tagger = self.session.focus, self.session.tagger
        self._probe = None
        if focus is None or tagger is None or self.session.project is None:
            return
        fill, padding = self.settings.fill, self.padding
        rows: Embeddings | None = None
        if fill == "source":
            rows = padding.rows
        elif fill == "previous" and focus.row.id > 0:
            rows = self.session.project.rows(focus.row.id - 1)
        self._probe = PaddingProbe(tagger, focus.embeddings, fill, rows, padding.side)

    def _update_run(self) -> None:
        if self._about is not None:
            self._keras.set_wanted(self._about, self.settings.fill, self.settings.added)
            self.run = self._keras.run or self.run
            return
        self._keras.stop()
        if self._probe is None:
            self.run = None
            return
        self.run = self._probe.run(self.settings.added, self.settings.mask_source, self.settings.masked)

    def _drop_curves(self) -> None:
        self._request += 1
        # A view may show the last curves until the new ones come, so that it does not flicker.
        self.curves = None
        if self._about is not None:
            self._update_coarse()
        elif self._probe is None:
            self.curves_changed.emit()
        else:
            self._delay.start()

    def _keras_changed(self) -> None:
        if self._about is None:
            return
        self.run = self._keras.run or (None if self.error else self.run)
        self._update_coarse()
        self.changed.emit()

    def _update_coarse(self) -> None:
        coarse = self._keras.curve
        if coarse is None and not self.error:
            return
        if coarse is not None and self.curves is not None:
            return
        added = () if self._about is None else self._about.coarse
        self.curves = None if coarse is None else PaddingCurves(coarse, None, np.asarray(added, dtype=np.int64))
        self.curves_changed.emit()

    def _start_curves(self) -> None:
        if self._probe is None:
            return
        task = _CurveTask(self._request, self._probe, self.settings, self._arrived)
        self._pool.start(task)

    def _set_curves(self, request: int, curves: PaddingCurves) -> None:
        # Curves of an earlier sentence or settings are dropped.
        if request == self._request:
            self.curves = curves
            self.curves_changed.emit()


def own_mask_reason() -> str:
    """Return why a model that only Keras runs allows no other mask than its own."""
    return (
        "This model runs in Keras, with the mask that it makes itself. Other masks are tested by the audit "
        f"({key_of_action('audit')})."
    )


class _CurveTask(QRunnable):
    def __init__(self, request: int, probe: PaddingProbe, settings: PaddingSettings, arrived: SignalInstance) -> None:
        super().__init__()
        self._request, self._probe, self._settings, self._arrived = request, probe, settings, arrived

    def run(self) -> None:
        """Compute both curves in a thread."""
        mask_source, masked = self._settings.mask_source, self._settings.masked
        chosen = self._probe.curve(mask_source, MAX_ADDED, masked)
        unmasked = chosen if mask_source == "none" else self._probe.curve("none", MAX_ADDED, masked)
        self._arrived.emit(self._request, PaddingCurves(chosen, unmasked))
