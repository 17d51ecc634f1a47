"""Train: the settings, the live losses, and the model that comes of it. Closing it hides it; training goes on."""

import math
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QProgressBar,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from maskscope.errors import MaskscopeError
from maskscope.project import ModelRecord, Project, set_aside
from maskscope.runs import MAX_LAYERS, MAX_UNITS, TrainSettings
from maskscope_gui.dialogs.form import Dialog, Form, Words
from maskscope_gui.session import Session
from maskscope_gui.tasks import rate_and_left, words_of
from maskscope_gui.theme import Style
from maskscope_gui.worker_client import WorkerClient

_SIZE = (860, 560)
_BAR_STEPS = 1000


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One field of `TrainSettings` as the form shows it.

    Attributes:
        name: of the field.
        words: its label, with a mnemonic.
        least, most, step: its range, and what an arrow adds.
        decimals: 0 for a whole number.
        help: one line.
    """

    name: str
    words: str
    least: float
    most: float
    step: float
    decimals: int
    help: str


SETTINGS: tuple[SettingRow, ...] = (
    SettingRow("units", "&Units", 1, MAX_UNITS, 5, 0, "LSTM units in each direction."),
    SettingRow("layers", "&Layers", 1, MAX_LAYERS, 1, 0, "Bidirectional layers, one above the other."),
    SettingRow("recurrent_dropout", "&Recurrent dropout", 0, 0.95, 0.05, 2, "Share of the state dropped at each step."),
    SettingRow("dropout", "&Dropout", 0, 0.95, 0.05, 2, "Share of each layer's outputs dropped."),
    SettingRow("epochs", "&Epochs", 1, 100_000, 5, 0, "Passes over the data; the best is kept."),
    SettingRow("batch_tokens", "&Batch positions", 1, 10_000_000, 256, 0, "Most positions of a batch, with padding."),
    SettingRow("learning_rate", "Learning r&ate", 0.00001, 10, 0.001, 5, "Of Adam. Smaller is slower and steadier."),
    SettingRow("validation", "&Held back", 0, 0.95, 0.05, 2, "Share of sentences kept aside for F1."),
    SettingRow("seed", "&Seed", 0, 2**31 - 1, 1, 0, "Same seed and labels: the same model."),
)
"""Every setting of a training run, in the order of the form."""


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
        self._losses: list[float] = []
        self._val_losses: list[float] = []
        self.controls: dict[str, QSpinBox | QDoubleSpinBox] = {}
        self._build()
        client.progressed.connect(self._progressed)
        client.figured.connect(self._figured)
        client.done.connect(self._done)
        client.failed.connect(self._failed)
        client.cancelled.connect(self._cancelled)
        client.late.connect(self._late)
        client.stateChanged.connect(self._worker_state)
        for changed in (session.projectChanged, session.modelChanged, session.edited):
            changed.connect(self._refresh)
        self._refresh()

    # Building

    def _build(self) -> None:
        px = self.look.px
        self.about = Words(self.look, "", "text")
        self.column.addWidget(self.about)
        both = QHBoxLayout()
        both.setSpacing(px(24))
        form = Form(self.look)
        start = TrainSettings()
        for row in SETTINGS:
            control = _spin(row)
            control.setValue(getattr(start, row.name))
            control.setFixedWidth(px(120))
            form.add(row.words, control, row.help)
            self.controls[row.name] = control
        left = QVBoxLayout()
        left.addLayout(form)
        left.addStretch(1)
        both.addLayout(left, 4)
        right = QVBoxLayout()
        right.setSpacing(px(8))
        right.addLayout(self._build_figures())
        # Imported here: pyqtgraph takes a while, and the window's first picture must not wait for it.
        from maskscope_gui.views.curve import LossCurve

        self.curve = LossCurve(self.look)
        right.addWidget(self.curve, 1)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setAccessibleName("Progress of the training")
        right.addWidget(self.bar)
        self.phase = Words(self.look, "", "second")
        right.addWidget(self.phase)
        both.addLayout(right, 5)
        self.column.addLayout(both, 1)
        self.outcome = Words(self.look, "", "second")
        self.train_button = self.button("&Train", primary=True)
        self.train_button.clicked.connect(self.train)
        self.cancel_button = self.button("&Cancel training")
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
        self.figures: dict[str, Words] = {}
        for place, (name, words) in enumerate(
            (("epoch", "epoch"), ("loss", "loss"), ("val_loss", "validation loss"), ("f1", "F1, held back"))
        ):
            caption = Words(self.look, words, "second", size=12)
            figure = Words(self.look, "–", "text", size=26 if name == "f1" else 17, bold=True)
            for label in (caption, figure):
                label.setWordWrap(False)
                label.setMinimumWidth(self.look.px(64))
            grid.addWidget(caption, 0, place)
            grid.addWidget(figure, 1, place, Qt.AlignmentFlag.AlignBottom)
            self.figures[name] = figure
        grid.setColumnStretch(4, 1)
        grid.setRowMinimumHeight(1, self.look.px(36))
        return grid

    # What it says

    @property
    def training(self) -> bool:
        """True while a model is being trained."""
        return self.job is not None

    def settings(self) -> TrainSettings:
        """What the form says now."""
        values = {row.name: self.controls[row.name].value() for row in SETTINGS}
        return TrainSettings(**values)  # type: ignore[arg-type]

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
            self.about.say(why, "fails")
        else:
            n = sum(project.counts().labels)
            self.about.say(
                f"A tagger learns from the {n:,} labelled tokens of {project.name} as they are now, "
                "edits over gold. No label is changed.",
                "text",
            )
        self.train_button.setEnabled(not why)

    def _show_training(self, running: bool) -> None:
        self.train_button.setEnabled(not running)
        self.cancel_button.setVisible(running)
        self.cancel_button.setEnabled(running)
        for control in self.controls.values():
            control.setEnabled(not running)
        self.bar.setVisible(running)

    def _tell(self, phase: str, left: str = "") -> None:
        words = f"{phase} · {left}" if left else phase
        self.phase.say(words)
        self.progress_text.emit(f"Training · {words}")

    # Training

    def train(self) -> None:
        """Start, with the settings of the form; what stands in the way is said beside the button."""
        self._refresh()
        project = self.session.project
        if self.training or project is None or self.refusal():
            return
        try:
            settings = self.settings()
        except MaskscopeError as error:
            self.outcome.say(str(error), "fails")
            return
        self._project, self._epochs, self._began = project.path, settings.epochs, 0.0
        self._unfinished_before = self._unfinished()
        self._losses, self._val_losses = [], []
        self.curve.show_losses([], [])
        for figure in self.figures.values():
            figure.say("–", "text")
        self.outcome.say("You can close this dialog: training goes on.")
        self._show_training(True)
        self.bar.setRange(0, 0)
        self.cancel_button.setFocus()
        self.job = self.client.request("train", project=str(project.path), **asdict(settings))
        self._tell("starting TensorFlow" if self.client.state == "starting" else "starting")

    def cancel(self) -> None:
        """Stop the training; nothing of it stays."""
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
            self._tell(f"{text} of {self._epochs:,}", rate_and_left(done, total, now - self._began, ""))
        else:
            self._tell(text)

    def _figured(self, job: int, name: str, step: int, value: float) -> None:
        if job != self.job:
            return
        self.figures["epoch"].say(f"{step:,}", "text")
        if name in self.figures:
            self.figures[name].say(_figure(name, value), "text")
        series = {"loss": self._losses, "val_loss": self._val_losses}.get(name)
        if series is not None:
            series.extend([math.nan] * (step - len(series)))
            series[step - 1] = value
            self.curve.show_losses(self._losses, self._val_losses)

    def _done(self, job: int, result: object) -> None:
        if job != self.job or not isinstance(result, dict) or self._project is None:
            return
        folder = Path(str(result.get("folder", "")))
        try:
            record, open_here = self._adopt(folder)
        except (MaskscopeError, OSError) as error:
            self._finish(_not_adopted(folder, error), "fails")
            return
        if not open_here:
            self._finish(_sentence(record, "It waits in its project."), "holds")
            return
        try:
            self.session.use_model(record.id)
        except (MaskscopeError, OSError) as error:
            self._finish(_sentence(record, f"It is in the project, but can't be shown: {words_of(error)}"), "fails")
            return
        self._finish(_sentence(record, "It is the model in use now."), "holds")
        self.trained.emit(record.id)

    def _adopt(self, folder: Path) -> tuple[ModelRecord, bool]:
        """Put the model into its project, which may have been closed meanwhile; True when it is open here."""
        project = self.session.project
        if project is not None and project.path == self._project:
            return project.adopt_model(folder), True
        assert self._project is not None
        with Project.open(self._project) as closed:
            return closed.adopt_model(folder), False

    def _failed(self, job: int, words: str) -> None:
        if job == self.job:
            # A worker that was killed could not take away what it had begun.
            for folder in self._unfinished() - self._unfinished_before:
                _remove(folder)
            self._finish(words, "fails")

    def _unfinished(self) -> set[Path]:
        return set() if self._project is None else set((self._project / "models").glob(".partial-*"))

    def _cancelled(self, job: int) -> None:
        if job == self.job:
            self._finish("Cancelled; nothing of it was kept.", "second")

    def _late(self, job: int, result: object) -> None:
        if job == self.job and isinstance(result, dict):
            _remove(Path(str(result.get("folder", ""))))

    def _finish(self, words: str, role: str) -> None:
        self.job = None
        self._show_training(False)
        self.phase.say("")
        self.progress_text.emit("")
        self.outcome.say(words, "fails" if role == "fails" else "holds" if role == "holds" else "second")
        self._refresh()
        if self.isVisible():
            self.train_button.setFocus()
            self.fit()
        else:
            self.session.said.emit(words, "error" if role == "fails" else "info")

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
        from maskscope_gui.views.curve import LossCurve

        old, self.curve = self.curve, LossCurve(style)
        self.column.replaceWidget(old, self.curve, Qt.FindChildOption.FindChildrenRecursively)
        self.curve.show()
        old.hide()
        old.deleteLater()
        self.curve.show_losses(self._losses, self._val_losses)


def _spin(row: SettingRow) -> QSpinBox | QDoubleSpinBox:
    if row.decimals == 0:
        whole = QSpinBox()
        whole.setRange(int(row.least), int(row.most))
        whole.setSingleStep(int(row.step))
        whole.setGroupSeparatorShown(row.name != "seed")
        whole.setCorrectionMode(QAbstractSpinBox.CorrectionMode.CorrectToNearestValue)
        return whole
    broken = QDoubleSpinBox()
    broken.setDecimals(row.decimals)
    broken.setRange(row.least, row.most)
    broken.setSingleStep(row.step)
    return broken


def _figure(name: str, value: float) -> str:
    if not math.isfinite(value):
        return "–"
    return f"{value:.2f}" if name == "f1" else f"{value:.4f}"


def _sentence(record: ModelRecord, where: str) -> str:
    metrics, held = record.run.metrics, len(record.run.validation_sentences)
    if metrics is None:
        return f"{record.name} ({record.id}) is trained. No labelled sentence was held back, so it has no F1. {where}"
    sentences = "1 held-back sentence" if held == 1 else f"{held:,} held-back sentences"
    return f"{record.name} ({record.id}): F1 {metrics.f1:.2f} on {sentences}, {metrics.tokens:,} tokens. {where}"


def _not_adopted(folder: Path, error: object) -> str:
    # Hours of training may be in it: it stays, and the person learns where.
    kept = set_aside(folder)
    if kept is None:
        return f"The model was trained, but is not there any more: {words_of(error)}"
    why = words_of(error).rstrip(".")
    return f"The model was trained, but could not be put into its project: {why}. It is kept in {kept}."


def _remove(folder: Path) -> None:
    # Nothing but a folder that was made to be trained into.
    if folder.name.startswith(".partial-"):
        shutil.rmtree(folder, ignore_errors=True)
