"""Train: the settings, the live curves, and the outcome. Closing the dialog hides it, and the training goes on."""

import math

from PySide6.QtCore import Qt
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QProgressBar, QVBoxLayout, QWidget

from maskscope.errors import MaskscopeError
from maskscope_gui.background.train_job import TrainJob
from maskscope_gui.dialogs.form import Dialog
from maskscope_gui.dialogs.train_form import TrainForm
from maskscope_gui.session.session import Session
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.base import Role, WrappedLabel

_SIZE = (1060, 600)
_BAR_STEPS = 1000
SERIES = ("loss", "val_loss", "f1")
"""The figures that are drawn over the epochs."""
_ROLES: dict[str, Role] = {"trained": "holds", "failed": "fails", "stopped": "second"}


class TrainDialog(Dialog):
    """Starts and shows a `TrainJob`, whose recoveries it shows, too. One dialog for the life of the window."""

    def __init__(self, parent: QWidget | None, style: Style, session: Session, job: TrainJob) -> None:
        super().__init__(parent, style, "Train", _SIZE)
        self.session, self.job = session, job
        self._series: dict[str, list[float]] = {name: [] for name in SERIES}
        self._headline = "f1"
        self._build()
        job.started.connect(self._started)
        job.progressed.connect(self._progressed)
        job.figure_reported.connect(self._figure_reported)
        job.ended.connect(self._ended)
        for changed in (session.project_changed, session.model_changed, session.editing.edited):
            changed.connect(self._refresh)

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
        from maskscope_gui.dialogs.training_curves import TrainingCurves

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
        self.cancel_button.clicked.connect(self._cancel)
        self.close_button = self.button("Close")
        self.close_button.clicked.connect(self.reject)
        self.column.addLayout(
            self.button_row(self.close_button, self.cancel_button, self.train_button, left=self.outcome)
        )
        # Room for two lines, so that no sentence moves the form.
        self.outcome.setMinimumHeight(self.outcome.fontMetrics().lineSpacing() * 2)
        self._show_running(self.job.running)

    def _build_figures(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setHorizontalSpacing(self.look.px(24))
        grid.setVerticalSpacing(0)
        self.figures: dict[str, WrappedLabel] = {}
        self._captions: dict[str, WrappedLabel] = {}
        for column, (name, text) in enumerate(
            (("epoch", "epoch"), ("loss", "loss"), ("val_loss", "validation loss"), ("f1", "F1"))
        ):
            caption = WrappedLabel(self.look, text, "second", size=12)
            figure = WrappedLabel(self.look, "–", "text", size=26 if name == "f1" else 17, bold=True)
            for label in (caption, figure):
                label.setWordWrap(False)
                label.setMinimumWidth(self.look.px(64))
            grid.addWidget(caption, 0, column)
            grid.addWidget(figure, 1, column, Qt.AlignmentFlag.AlignBottom)
            self.figures[name] = figure
            self._captions[name] = caption
        grid.setColumnStretch(4, 1)
        grid.setRowMinimumHeight(1, self.look.px(36))
        return grid

    def _refresh(self) -> None:
        """Show what would be trained, or why nothing can be; does nothing while a job runs."""
        if self.job.running or not self.isVisible():
            return
        reason = self.job.unavailable_reason()
        project = self.session.project
        if reason or project is None:
            self.about.set_text(reason, "fails")
        else:
            n = sum(project.counts().labels)
            self.about.set_text(
                f"A tagger learns from the {n:,} labelled tokens of {project.name} as they are now, edits included. "
                "No label is changed.",
                "text",
            )
        self.train_button.setEnabled(not reason)
        if not reason:
            self.job.recover_unfinished()

    def _show_running(self, running: bool) -> None:
        self.train_button.setEnabled(not running)
        self.cancel_button.setVisible(running)
        self.cancel_button.setEnabled(running and not self.job.recovering)
        self.form.setEnabled(not running)
        self.bar.setVisible(running)

    def train(self) -> None:
        """Start with the settings of the form, or show next to the buttons why that is not possible."""
        self._refresh()
        project = self.session.project
        if self.job.running or project is None:
            return
        try:
            settings = self.form.settings()
        except MaskscopeError as error:
            self.outcome.set_text(str(error), "fails")
            return
        spans = project.scheme.spans is not None
        self._captions["f1"].set_text("F1 of entities" if spans else "F1 of tokens")
        self._headline = "entity_f1" if spans else "f1"
        self.job.start(settings)

    def _cancel(self) -> None:
        self.cancel_button.setEnabled(False)
        self.bar.setRange(0, 0)
        self.job.cancel()

    # What the job reports

    def _started(self) -> None:
        if not self.job.recovering:
            self._series = {name: [] for name in SERIES}
            self.curve.show_series(self._series)
            for figure in self.figures.values():
                figure.set_text("–", "text")
        self.outcome.set_text("" if self.job.recovering else "You can close this dialog: training goes on.")
        self._show_running(True)
        self.bar.setRange(0, 0)
        self.cancel_button.setFocus()

    def _progressed(self, done: int, total: int, text: str) -> None:
        if total > 0:
            self.bar.setRange(0, _BAR_STEPS)
            self.bar.setValue(done * _BAR_STEPS // total)
        self.phase.set_text(text)

    def _figure_reported(self, name: str, epoch: int, value: float) -> None:
        self.figures["epoch"].set_text(f"{epoch:,}", "text")
        shown = "f1" if name == self._headline else name if name in ("loss", "val_loss") else ""
        if not shown:
            return
        self.figures[shown].set_text(_figure(shown, value), "text")
        series = self._series[shown]
        series.extend([math.nan] * (epoch - len(series)))
        series[epoch - 1] = value
        self.curve.show_series(self._series)

    def _ended(self, outcome: str, message: str) -> None:
        self._show_running(False)
        self.phase.set_text("")
        self.outcome.set_text(message, _ROLES[outcome])
        self._refresh()
        if self.isVisible():
            self.train_button.setFocus()
            self.fit()

    def showEvent(self, event: QShowEvent) -> None:
        """Show the state of the project."""
        super().showEvent(event)
        self._refresh()

    def set_look(self, style: Style) -> None:
        """Fonts and colours of another theme."""
        if style is self.look:
            return
        super().set_look(style)
        # pyqtgraph takes its colours when it is made.
        from maskscope_gui.dialogs.training_curves import TrainingCurves

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
