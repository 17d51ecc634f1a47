"""Train: the settings, the live curves, and the model that comes of it. Closing it hides it; training goes on.

Stopping keeps the best epoch so far, and so does a worker that dies: what it had reached is made a model of.
"""

import math
import shutil
import time
from contextlib import suppress
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QProgressBar,
    QVBoxLayout,
    QWidget,
)

from maskscope.errors import MaskscopeError
from maskscope.project import CHECKPOINT, ModelRecord, Project, set_aside
from maskscope.worker.requests import RecoverRequest, RecoverResult, TrainRequest, TrainResult
from maskscope_gui.background.tasks import error_message, rate_and_time_left
from maskscope_gui.background.worker_client import WorkerClient
from maskscope_gui.dialogs.form import Dialog
from maskscope_gui.dialogs.train_form import TrainForm
from maskscope_gui.session.session import Session
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.base import WrappedLabel

_SIZE = (1060, 600)
_BAR_STEPS = 1000
SERIES = ("loss", "val_loss", "f1")
"""What is drawn over the epochs."""


class TrainDialog(Dialog):
    """One dialog for the life of the window: what it trains goes on while it is hidden.

    Signals:
        progress_text: what the status line says of the training; "" when there is nothing to say.
        trained: (model id) a model was added to the project that is open.
    """

    progress_text = Signal(str)
    trained = Signal(str)

    def __init__(self, parent: QWidget | None, style: Style, session: Session, client: WorkerClient) -> None:
        super().__init__(parent, style, "Train", _SIZE)
        self.session, self.client = session, client
        self.job: int | None = None
        self._project: Path | None = None
        self._unfinished_before: set[Path] = set()
        self._epochs = 0
        self._began = 0.0
        self._series: dict[str, list[float]] = {name: [] for name in SERIES}
        self._headline = "f1"
        self._recovering = ""
        self._stopped: Path | None = None
        self._build()
        client.progressed.connect(self._progressed)
        client.figure_reported.connect(self._figured)
        client.done.connect(self._done)
        client.failed.connect(self._failed)
        client.cancelled.connect(self._cancelled)
        client.late.connect(self._late)
        client.state_changed.connect(self._worker_state)
        for changed in (session.project_changed, session.model_changed, session.editing.edited):
            changed.connect(self._refresh)
        self._refresh()

    # Building

    def _build(self) -> None:
        px = self.look.px
        self.about = WrappedLabel(self.look, "", "text")
        self.column.addWidget(self.about)
        both = QHBoxLayout()
        both.setSpacing(px(24))
        self.form = TrainForm(self.look)
        both.addWidget(self.form)
        right = QVBoxLayout()
        right.setSpacing(px(8))
        right.addLayout(self._build_figures())
        # Imported here: pyqtgraph takes a while, and the window's first picture must not wait for it.
        from maskscope_gui.widgets.training_curves import TrainingCurves

        self.curve = TrainingCurves(self.look)
        right.addWidget(self.curve, 1)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName("Progress of the training")
        right.addWidget(self.bar)
        self.phase = WrappedLabel(self.look, "", "second")
        right.addWidget(self.phase)
        both.addLayout(right, 1)
        self.column.addLayout(both, 1)
        self.outcome = WrappedLabel(self.look, "", "second")
        self.train_button = self.button("&Train", primary=True)
        self.train_button.clicked.connect(self.train)
        self.cancel_button = self.button("S&top training")
        self.cancel_button.setToolTip("Stop, and keep the best epoch so far as a model")
        self.cancel_button.clicked.connect(self.cancel)
        self.close_button = self.button("Close")
        self.close_button.clicked.connect(self.reject)
        self.column.addLayout(
            self.button_row(self.close_button, self.cancel_button, self.train_button, left=self.outcome)
        )
        # Room for two lines, so that no sentence moves the form.
        self.outcome.setMinimumHeight(self.outcome.fontMetrics().lineSpacing() * 2)
        self._show_training(False)

    def _build_figures(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setHorizontalSpacing(self.look.px(24))
        grid.setVerticalSpacing(0)
        self.figures: dict[str, WrappedLabel] = {}
        self._captions: dict[str, WrappedLabel] = {}
        for place, (name, words) in enumerate(
            (("epoch", "epoch"), ("loss", "loss"), ("val_loss", "validation loss"), ("f1", "F1 of tokens"))
        ):
            caption = WrappedLabel(self.look, words, "second", size=12)
            figure = WrappedLabel(self.look, "–", "text", size=26 if name == "f1" else 17, bold=True)
            for label in (caption, figure):
                label.setWordWrap(False)
                label.setMinimumWidth(self.look.px(64))
            grid.addWidget(caption, 0, place)
            grid.addWidget(figure, 1, place, Qt.AlignmentFlag.AlignBottom)
            self.figures[name] = figure
            self._captions[name] = caption
        grid.setColumnStretch(4, 1)
        grid.setRowMinimumHeight(1, self.look.px(36))
        return grid

    # What it says

    @property
    def training(self) -> bool:
        """True while a model is being trained."""
        return self.job is not None

    def refusal(self) -> str:
        """Why nothing can be trained now, in a sentence; "" when it can."""
        project = self.session.project
        if project is None:
            return "Open or import a project first."
        if project.read_only:
            return "This project is open read-only, so it can't take a model; close the other window that has it open."
        if sum(project.counts().labels) == 0:
            return "No token of this project has a label yet, so there is nothing to learn from: label some first."
        return ""

    def _refresh(self) -> None:
        if self.training or not self.isVisible():
            return
        why = self.refusal()
        project = self.session.project
        if why or project is None:
            self.about.set_text(why, "fails")
        else:
            n = sum(project.counts().labels)
            self.about.set_text(
                f"A tagger learns from the {n:,} labelled tokens of {project.name} as they are now, "
                "edits over gold. No label is changed.",
                "text",
            )
        self.train_button.setEnabled(not why)
        if not why:
            self.recover_unfinished()

    def _show_training(self, running: bool) -> None:
        self.train_button.setEnabled(not running)
        self.cancel_button.setVisible(running)
        self.cancel_button.setEnabled(running)
        self.form.setEnabled(not running)
        self.bar.setVisible(running)

    def _tell(self, phase: str, left: str = "") -> None:
        words = f"{phase} · {left}" if left else phase
        self.phase.set_text(words)
        self.progress_text.emit(f"Training · {words}")

    # Training

    def train(self) -> None:
        """Start, with the settings of the form; what stands in the way is said beside the button."""
        self._refresh()
        project = self.session.project
        if self.training or project is None or self.refusal():
            return
        try:
            settings = self.form.settings()
        except MaskscopeError as error:
            self.outcome.set_text(str(error), "fails")
            return
        self._project, self._epochs, self._began = project.path, settings.epochs, 0.0
        self._unfinished_before = self._unfinished()
        self._series = {name: [] for name in SERIES}
        self.curve.show_series(self._series)
        self._stopped = None
        spans = project.scheme.spans is not None
        self._captions["f1"].set_text("F1 of entities" if spans else "F1, held back")
        self._headline = "entity_f1" if spans else "f1"
        for figure in self.figures.values():
            figure.set_text("–", "text")
        self.outcome.set_text("You can close this dialog: training goes on.")
        self._show_training(True)
        self.bar.setRange(0, 0)
        self.cancel_button.setFocus()
        self.job = self.client.request(TrainRequest(project.path, settings))
        self._tell("starting TensorFlow" if self.client.state == "starting" else "starting")

    def cancel(self) -> None:
        """Stop the training; the best epoch so far is kept."""
        if self.job is not None:
            self.cancel_button.setEnabled(False)
            self.bar.setRange(0, 0)
            self._tell("stopping")
            self.client.cancel(self.job)

    def _worker_state(self, state: str) -> None:
        if self.training and state == "busy" and not self._began:
            self._tell("starting")

    def _progressed(self, job: int, done: int, total: int, text: str) -> None:
        if job != self.job:
            return
        now = time.monotonic()
        if total > 0 and not self._began:
            self._began = now
        if total > 0:
            self.bar.setRange(0, _BAR_STEPS)
            self.bar.setValue(done * _BAR_STEPS // total)
        if text.startswith("epoch "):
            self._tell(f"{text} of {self._epochs:,}", rate_and_time_left(done, total, now - self._began, ""))
        else:
            self._tell(text)

    def _figured(self, job: int, name: str, step: int, value: float) -> None:
        if job != self.job:
            return
        self.figures["epoch"].set_text(f"{step:,}", "text")
        if name in ("loss", "val_loss"):
            self.figures[name].set_text(_figure(name, value), "text")
        elif name == self._headline:
            self.figures["f1"].set_text(_figure("f1", value), "text")
        series = self._series.get("f1" if name == self._headline else name if name != "f1" else "")
        if series is not None:
            series.extend([math.nan] * (step - len(series)))
            series[step - 1] = value
            self.curve.show_series(self._series)

    def _done(self, job: int, result: object) -> None:
        if job == self.job and isinstance(result, TrainResult | RecoverResult) and self._project is not None:
            self._take(result.folder, self._recovering)

    def _take(self, folder: Path, why: str) -> None:
        """Adopt a model, show it, and say so; `why` begins the sentence when training did not end by itself."""
        try:
            record, open_here = self._adopt(folder)
        except (MaskscopeError, OSError) as error:
            self._finish(_not_adopted(folder, error), "fails")
            return
        if not open_here:
            self._finish(why + _sentence(record, "It waits in its project."), "holds")
            return
        try:
            self.session.use_model(record.id)
        except (MaskscopeError, OSError) as error:
            self._finish(
                _sentence(record, f"It is in the project, but can't be shown: {error_message(error)}"), "fails"
            )
            return
        self._finish(why + _sentence(record, "It is the model in use now."), "holds")
        self.trained.emit(record.id)

    def recover_unfinished(self) -> None:
        """Make models of trainings that a crash, or the end of the program, had cut off after an epoch."""
        project = self.session.project
        if self.training or project is None or project.read_only:
            return
        folders = project.models.unfinished_trainings()
        if folders:
            self._project = project.path
            self._recover(folders[0], "A training was cut off before its end. What it had reached is kept: ")

    def _recover(self, folder: Path, why: str) -> None:
        self._recovering = why
        self._unfinished_before = self._unfinished() - {folder}
        self._show_training(True)
        self.cancel_button.setEnabled(False)
        self.bar.setRange(0, 0)
        self.outcome.set_text("")
        assert self._project is not None
        self.job = self.client.request(RecoverRequest(self._project, folder))
        self._tell("keeping what the training had reached")

    def _adopt(self, folder: Path) -> tuple[ModelRecord, bool]:
        """Put the model into its project, which may have been closed meanwhile; True when it is open here."""
        project = self.session.project
        if project is not None and project.path == self._project:
            return project.models.adopt(folder), True
        assert self._project is not None
        with Project.open(self._project) as closed:
            return closed.models.adopt(folder), False

    def _failed(self, job: int, words: str) -> None:
        if job != self.job:
            return
        new = self._unfinished() - self._unfinished_before
        left = [folder for folder in new if (folder / CHECKPOINT).is_file()]
        for folder in new.difference(left):
            # A worker that was killed could not take away what it had begun.
            _remove(folder)
        if left and not self._recovering:
            self._recover(left[0], f"{words.rstrip('.')}. What it had reached is kept: ")
            return
        for folder in left:
            # Once is enough: what can't be made a model of must not be tried at each start.
            _put_away(folder)
        self._finish(words, "fails")

    def _unfinished(self) -> set[Path]:
        return set() if self._project is None else set((self._project / "models").glob(".partial-*"))

    def _cancelled(self, job: int) -> None:
        if job != self.job:
            return
        if self._stopped is not None:
            self._take(self._stopped, "Stopped. ")
        else:
            self._finish("Stopped before the first epoch had ended, so there is nothing to keep.", "second")

    def _late(self, job: int, result: object) -> None:
        if job == self.job and isinstance(result, TrainResult | RecoverResult):
            self._stopped = result.folder

    def _finish(self, words: str, role: str) -> None:
        self.job = None
        self._stopped = None
        self._recovering = ""
        self._show_training(False)
        self.phase.set_text("")
        self.progress_text.emit("")
        self.outcome.set_text(words, "fails" if role == "fails" else "holds" if role == "holds" else "second")
        self._refresh()
        if self.isVisible():
            self.train_button.setFocus()
            self.fit()
        else:
            self.session.message_requested.emit(words, "error" if role == "fails" else "info")

    def showEvent(self, event: object) -> None:
        """Say how things stand now."""
        super().showEvent(event)  # type: ignore[arg-type]
        self._refresh()

    def set_look(self, style: Style) -> None:
        """Fonts and colours of another theme."""
        if style is self.look:
            return
        super().set_look(style)
        # pyqtgraph takes its colours when it is made.
        from maskscope_gui.widgets.training_curves import TrainingCurves

        old, self.curve = self.curve, TrainingCurves(style)
        self.column.replaceWidget(old, self.curve, Qt.FindChildOption.FindChildrenRecursively)
        self.curve.show()
        old.hide()
        old.deleteLater()
        self.curve.show_series(self._series)


def _figure(name: str, value: float) -> str:
    if not math.isfinite(value):
        return "–"
    return f"{value:.2f}" if name == "f1" else f"{value:.4f}"


def _sentence(record: ModelRecord, where: str) -> str:
    metrics, held = record.run.metrics, len(record.run.validation_sentences)
    if metrics is None:
        return f"{record.name} ({record.id}) is trained. No labelled sentence was held back, so it has no F1. {where}"
    sentences = "1 held-back sentence" if held == 1 else f"{held:,} held-back sentences"
    f1 = f"F1 {metrics.f1:.2f}" if metrics.entity_f1 is None else f"F1 of entities {metrics.entity_f1:.2f}"
    epoch = f"epoch {record.run.best_epoch} of {len(record.run.history)}, " if record.run.best_epoch else ""
    return f"{record.name} ({record.id}): {epoch}{f1} on {sentences}, {metrics.tokens:,} tokens. {where}"


def _not_adopted(folder: Path, error: object) -> str:
    # Hours of training may be in it: it stays, and the person learns where.
    kept = set_aside(folder)
    if kept is None:
        return f"The model was trained, but is not there any more: {error_message(error)}"
    why = error_message(error).rstrip(".")
    return f"The model was trained, but could not be put into its project: {why}. It is kept in {kept}."


def _put_away(folder: Path) -> None:
    with suppress(OSError):
        folder.rename(folder.with_name(f"kept-{folder.name.removeprefix('.partial-')}"))


def _remove(folder: Path) -> None:
    # Nothing but a folder that was made to be trained into.
    if folder.name.startswith(".partial-"):
        shutil.rmtree(folder, ignore_errors=True)
