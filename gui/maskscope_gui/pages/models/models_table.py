"""The table of a project's models: settings, engine, epochs, validation figures; two can be marked for comparison."""

import time

from PySide6.QtGui import QResizeEvent

from maskscope.project import ModelRecord
from maskscope_gui.actions import key_of_action
from maskscope_gui.session.model_text import engine_text
from maskscope_gui.session.session import Session
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.table import Cell, Column, Table

_MAX_ROWS = 7
"""Models in sight; further ones are scrolled."""
_COLUMNS = (
    Column("", 14),
    Column("id", 40),
    Column("name", 136),
    Column("settings"),
    Column("engine", 70),
    Column("epochs", 92),
    Column("validation F1", 88, right=True),
    Column("loss", 56, right=True),
    Column("created", 96),
    Column("scored", 56),
)
_LEAST_IMPORTANT = ("created", "loss", "engine", "scored", "epochs")
"""Columns that are left out, one after the other, where there is no room for all."""
_SETTINGS_WIDTH = 210


def settings_text(model: ModelRecord) -> str:
    """How a model was trained, in short."""
    settings = model.run.settings
    if settings is None:
        return f"opened from {model.run.source}" if model.run.source else "trained elsewhere"
    parts = [f"{settings.units} units"]
    if settings.layers > 1:
        parts.append(f"{settings.layers} layers")
    parts.append(f"recurrent dropout {settings.recurrent_dropout:g}")
    if settings.dropout:
        parts.append(f"dropout {settings.dropout:g}")
    parts += [f"learning rate {settings.learning_rate:g}", f"seed {settings.seed}"]
    return " · ".join(parts)


def epochs_text(model: ModelRecord) -> str:
    """How many epochs ran, and which one was kept."""
    count = len(model.run.history)
    if not count:
        return "–"
    best = f", best {model.run.best_epoch}" if model.run.best_epoch else ""
    return f"{count}{best}" if model.run.complete else f"{count}{best}, stopped"


def date_text(at: float) -> str:
    """A time in seconds since 1970 as a local date, with the hour when it is of this year."""
    date, now = time.localtime(at), time.localtime()
    return time.strftime("%d %b %H:%M" if date.tm_year == now.tm_year else "%d %b %Y", date)


class ModelsTable(Table):
    """Shows the models, the newest first. Enter takes one into use, Space marks one to compare.

    Attributes:
        models: the models of the rows.
    """

    def __init__(self, session: Session, style: Style) -> None:
        super().__init__(session, style, "Models", _COLUMNS, self._cell, marks=True)
        self.models: list[ModelRecord] = []
        self._scored: set[str] = set()
        self.empty = f"There is no model yet. Train one with {key_of_action('train')}."

    def read_models(self) -> None:
        """Read the models of the project again; cursor and marks stay on their models."""
        project = self.session.project
        chosen = self.models[self.row].id if 0 <= self.row < len(self.models) else None
        marked = self.marked_ids
        self.models = [] if project is None else list(reversed(project.models.all()))
        self._scored = {model.id for model in self.models if project is not None and project.models.is_scored(model.id)}
        ids = [model.id for model in self.models]
        in_use = None if self.session.model is None else self.session.model.id
        wanted = chosen if chosen in ids else in_use
        self.marks = [ids.index(key) for key in marked if key in ids]
        self.set_rows(len(ids), ids.index(wanted) if wanted in ids else (0 if ids else -1))
        self._fit()

    @property
    def marked_ids(self) -> tuple[str, ...]:
        """Ids of the marked models, in the order in which they were marked: A, then B."""
        return tuple(self.models[row].id for row in self.marks if row < len(self.models))

    def toggle_mark(self, row: int) -> None:
        """Mark a model to compare, or remove its mark; a third mark replaces the first."""
        self.marks = [each for each in self.marks if each != row] if row in self.marks else [*self.marks, row][-2:]
        self.viewport().update()

    def set_look(self, style: Style) -> None:
        """Paint with other colours and fonts."""
        super().set_look(style)
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Leave out columns where there is no room."""
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        px = self.look.px
        columns = list(_COLUMNS)
        for title in _LEAST_IMPORTANT:
            if sum(px(column.width) for column in columns) + px(_SETTINGS_WIDTH) <= self.width():
                break
            columns = [column for column in columns if column.title != title]
        self.columns = tuple(columns)
        self.setFixedHeight(self.height_of(min(max(len(self.models), 1), _MAX_ROWS)))
        self.viewport().update()

    def _cell(self, row: int, column: int) -> Cell:
        model, title = self.models[row], self.columns[column].title
        in_use = self.session.model is not None and self.session.model.id == model.id
        if title == "id":
            return Cell(model.id, "text" if in_use else "second", bold=in_use)
        if title == "name":
            return Cell(f"{model.name} · in use" if in_use else model.name, bold=in_use)
        if title == "validation F1":
            return _f1_cell(model, bold=in_use)
        return self._second_cell(model, title)

    def _second_cell(self, model: ModelRecord, title: str) -> Cell:
        """A cell of one of the less important columns."""
        run = model.run
        if title == "settings":
            return Cell(settings_text(model), "second")
        if title == "engine":
            return Cell("Keras" if run.engine == "keras" else "built-in", "second", tip=engine_text(run))
        if title == "epochs":
            tip = "" if run.complete else "Training was stopped before its last epoch; the best epoch was kept."
            return Cell(epochs_text(model), "second", tip=tip)
        if title == "loss":
            return Cell("–" if run.metrics is None else f"{run.metrics.loss:.3f}", "second")
        if title == "created":
            return Cell(date_text(model.created), "second")
        if title == "scored":
            return Cell("✓" if model.id in self._scored else "no", "second")
        return Cell("")


def _f1_cell(model: ModelRecord, *, bold: bool) -> Cell:
    metrics = model.run.metrics
    if metrics is None:
        return Cell("–", bold=bold)
    if metrics.entity_f1 is None:
        return Cell(f"{metrics.f1:.3f}", bold=bold, tip="F1 of tokens.")
    return Cell(f"{metrics.entity_f1:.3f}", bold=bold, tip=f"F1 of whole entities; of tokens {metrics.f1:.3f}.")
