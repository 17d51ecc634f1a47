"""The Models page: all models of the project, which one is in use, and where two of them differ."""

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from maskscope_gui.actions import key_of_action
from maskscope_gui.background.comparison_job import ComparisonJob, Group
from maskscope_gui.pages.evaluation.token_table import TokenLabels, TokenListing, TokenTable
from maskscope_gui.pages.models.comparison_counts import ComparisonCounts
from maskscope_gui.pages.models.model_details import ModelDetails
from maskscope_gui.pages.models.models_table import ModelsTable
from maskscope_gui.pages.services import PageServices
from maskscope_gui.session.session import Session
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.base import KeyHint, Panel, line, recolour
from maskscope_gui.widgets.pages import Page


def make_page(services: PageServices, style: Style) -> Page:
    """The page, for the table of pages."""
    return ModelsPage(services.session, style)


class ModelsPage(Page):
    """Lists the models; with two of them marked, counts and lists the tokens on which they differ.

    Attributes:
        table: the models.
        note: how to compare two models, or what has changed since they were compared.
        details: the model at the cursor of the table.
        counts, tokens: the comparison, hidden while there is none.
    """

    def __init__(self, session: Session, style: Style, parent: QWidget | None = None) -> None:
        super().__init__(style, parent)
        self.session = session
        self.comparing = ComparisonJob(session, self)
        self._shown: object = None
        self.table = ModelsTable(session, style)
        self.head = Panel("Models", style)
        self.use_hint = self._add_hint(self.head, "Use", "Enter", lambda: self._use(self.table.row))
        self._add_hint(self.head, "Mark to compare", "Space", lambda: self._mark(self.table.row))
        self.reopen_hint = self._add_hint(
            self.head,
            "Open again with options…",
            key_of_action("reopen_model"),
            lambda: self.action_requested.emit("reopen_model"),
        )
        self.details = ModelDetails(style)
        self.note = QLabel()
        self.note.setTextFormat(Qt.TextFormat.PlainText)
        self.note.setWordWrap(True)
        self.note.setContentsMargins(style.px(12), style.px(8), style.px(12), style.px(8))
        self.note.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self.counts = ComparisonCounts(session, style)
        self.list_head = Panel("Tokens", style)
        self.show_found = self._add_hint(
            self.list_head, "Show in sentence list", key_of_action("list_found"), self.list_found
        )
        titles = (("label", 104), ("A", 104), ("P(A)", 50), ("B", 104), ("P(B)", 50))
        self.tokens = TokenTable(session, style, titles)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(0)
        for widget in (self.head, self.table, self.details, line(), self.note, self.counts, self.list_head):
            self._column.addWidget(widget)
        self._column.addWidget(self.tokens, 1)
        self._rest = QWidget()
        self._column.addWidget(self._rest, 0)
        self.stops = [self.table, self.counts, self.tokens, self.details]
        self.table.entered.connect(self._use)
        self.table.marked.connect(self._mark)
        self.table.moved.connect(lambda _: self._show_details())
        self.counts.chosen.connect(self._list)
        self.counts.entered.connect(self.tokens.focus_list)
        self.tokens.entered.connect(lambda _: self.action_requested.emit("page_sentence"))
        self.comparing.changed.connect(self.refresh)
        self.comparing.progressed.connect(self._show_progress)
        session.model_changed.connect(self._read_models)
        session.project_changed.connect(self._read_models)
        self.set_look(style)

    def _add_hint(self, panel: Panel, text: str, key: str, act: Callable[[], None]) -> KeyHint:
        hint = KeyHint(text, key, self.look)
        hint.clicked.connect(act)
        panel.add(hint)
        return hint

    def set_look(self, style: Style) -> None:
        """Paint with other colours and fonts."""
        super().set_look(style)
        for view in (self.head, self.list_head, self.table, self.details, self.counts, self.tokens):
            view.set_look(style)
        self._show_note()

    @property
    def busy(self) -> bool:
        """True while two models are compared."""
        return self.comparing.busy

    def cancel(self) -> None:
        """Stop comparing."""
        self.comparing.cancel()

    def stop_and_wait(self) -> None:
        """Stop comparing and wait for its thread."""
        self.comparing.close()

    def enter(self) -> None:
        """Read the list of models, and take the focus."""
        self._read_models()
        if not any(stop.hasFocus() for stop in self.stops):
            (self.table if self.table.models else self).setFocus(Qt.FocusReason.OtherFocusReason)

    def compute(self) -> None:
        """Compare again."""
        self.comparing.compute()

    def list_found(self) -> None:
        """Show only the sentences of the listed tokens in the sentence list."""
        sentences = self.tokens.sentences()
        if len(sentences):
            self.session.list_order.set_found(f"{' and '.join(self.comparing.pair)} differ", sentences)

    def showEvent(self, event: object) -> None:
        """Show the models that have been made meanwhile."""
        self._read_models()

    # The models

    def _read_models(self) -> None:
        if self.isVisible():
            self.table.read_models()
            self._show_details()
            self.refresh()

    def _show_details(self) -> None:
        models, row, project = self.table.models, self.table.row, self.session.project
        self.details.setVisible(bool(models))
        shown = models[row] if 0 <= row < len(models) else None
        in_use = self.session.model
        may_reopen = shown is not None and in_use is not None and shown.id == in_use.id and bool(in_use.run.source)
        self.head.hide_hints([] if may_reopen else [self.reopen_hint])
        if project is not None:
            self.details.show_model(shown, project.padding)

    def _use(self, row: int) -> None:
        if 0 <= row < len(self.table.models):
            self.session.use_model(self.table.models[row].id)

    def _mark(self, row: int) -> None:
        if not 0 <= row < len(self.table.models):
            return
        self.table.toggle_mark(row)
        pair = self.table.marked_ids
        self.comparing.set_pair(pair if len(pair) == 2 else ())
        self.refresh()

    # The comparison

    def _show_progress(self, text: str) -> None:
        self.progressed.emit(f"{text} · Esc cancels" if text else "")
        self._show_note(text)

    def _show_note(self, progress: str = "") -> None:
        comparing, text, role = self.comparing, progress, "second"
        if not text and comparing.error:
            text, role = f"{comparing.error[0].upper()}{comparing.error[1:]}.".replace("..", "."), "fails"
        elif not text and comparing.stale:
            text = f"{comparing.stale} since; press {key_of_action('recompute')} to compare again."
            role = "collision"
        elif not text and comparing.result is None and self.table.models:
            text = self._how_to_compare()
        self.note.setText(text)
        self.note.setVisible(bool(text))
        recolour(self.note, self.look.c(role).name())

    def _how_to_compare(self) -> str:
        if len(self.table.models) < 2:
            train, open_model = key_of_action("train"), key_of_action("open_model")
            return f"Train ({train}) or open ({open_model}) a second model to compare the two here."
        if len(self.table.marks) == 1:
            return f"{self.table.marked_ids[0]} is marked A; mark another model with Space to compare the two."
        return "Mark two models with Space, and the tokens on which they differ are listed here."

    def refresh(self) -> None:
        """Show the comparison, or how to get one."""
        if not self.isVisible():
            return
        result = self.comparing.result
        for widget in (self.counts, self.list_head, self.tokens):
            widget.setVisible(result is not None)
        self._column.setStretchFactor(self._rest, 0 if result is not None else 1)
        self._show_note()
        if result is not None and result is not self._shown:
            self.list_head.set_look(self.look)
            self.counts.show_counts(result)
            self._list("differ")
        self._shown = result

    def _list(self, group: Group) -> None:
        result = self.comparing.result
        if result is None:
            return
        found, rows = result.comparison, result.indices(group)
        columns = (
            TokenLabels(lambda row: int(found.labels[rows[row]])),
            TokenLabels(
                lambda row: int(found.predicted_a[rows[row]]), lambda row: float(found.probability_a[rows[row]])
            ),
            TokenLabels(
                lambda row: int(found.predicted_b[rows[row]]), lambda row: float(found.probability_b[rows[row]])
            ),
        )
        titles: dict[Group, str] = {
            "differ": "on which they differ",
            "only_a": f"only A right, {found.a}",
            "only_b": f"only B right, {found.b}",
            "both_wrong": "both wrong, and they differ",
            "unlabelled": "without a label",
        }
        self.list_head.set_title(f"Tokens · {titles[group]} · {len(rows):,}")
        self.show_found.setEnabled(len(rows) > 0)
        self.tokens.show_listing(
            TokenListing(found.rows[rows], found.offsets, columns), "The two models agree on every token."
        )
