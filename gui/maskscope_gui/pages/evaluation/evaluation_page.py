"""The Evaluation page: how good the model in use is, and the tokens behind each figure."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QSplitter, QToolButton, QVBoxLayout, QWidget

from maskscope.types import Indices
from maskscope_gui.actions import key_of_action
from maskscope_gui.background.evaluation_job import EvaluationJob
from maskscope_gui.pages.evaluation.figures_sheet import FiguresSheet
from maskscope_gui.pages.evaluation.token_table import TokenLabels, TokenListing, TokenTable
from maskscope_gui.pages.services import PageServices
from maskscope_gui.session.session import Session
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.base import KeyHint, Panel, recolour
from maskscope_gui.widgets.pages import Page

_ROOM_FOR_WORDS = 600


def make_page(services: PageServices, style: Style) -> Page:
    """The page, for the table of pages."""
    return EvaluationPage(services.session, style)


class EvaluationPage(Page):
    """Computes when it is first shown and when it is asked to; after an edit it only says that labels have changed.

    Attributes:
        sheet: the figures.
        tokens: the tokens of the cell or bin that was chosen last.
        note: what has changed since the figures were computed, or how far the computation is.
        unavailable: why there are no figures.
    """

    def __init__(self, session: Session, style: Style, parent: QWidget | None = None) -> None:
        super().__init__(style, parent)
        self.session = session
        self.evaluating = EvaluationJob(session, self)
        self._list_title = ""
        self._shown: object = None
        self._make_head()
        self.note = self._label(style.px(4))
        self.unavailable = self._label(style.px(12))
        self.unavailable.setObjectName("second")
        self.unavailable.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self.sheet = FiguresSheet(session, style)
        self.parts = QSplitter(Qt.Orientation.Vertical)
        self._fill_parts(self._make_list())
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        for widget in (self.head, self.note):
            column.addWidget(widget)
        column.addWidget(self.unavailable, 1)
        column.addWidget(self.parts, 1)
        self.stops = [self.sheet.matrix, self.sheet.calibration, self.tokens]
        self.sheet.matrix.chosen.connect(self._list_cell)
        self.sheet.calibration.chosen.connect(self._list_bin)
        self.tokens.entered.connect(lambda _: self.action_requested.emit("page_sentence"))
        session.model_changed.connect(self._model_changed)
        self.evaluating.changed.connect(self.refresh)
        self.evaluating.progressed.connect(self._show_progress)
        self.set_look(style)
        self.refresh()

    def _make_head(self) -> None:
        self.head = Panel("Evaluation", self.look)
        self.subset = self._choice("eval_subset", "Which sentences are evaluated")
        self.against = self._choice("eval_against", "Which labels the predictions are compared with")
        self.again = self._choice("recompute", "Compute the figures again")
        for button in (self.subset, self.against, self.again):
            self.head.add(button)

    def _choice(self, action_id: str, tip: str) -> QToolButton:
        button = QToolButton()
        button.setObjectName("flat")
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        button.setToolTip(f"{tip} ({key_of_action(action_id)})")
        button.clicked.connect(lambda: self.action_requested.emit(action_id))
        return button

    def _label(self, bottom: int) -> QLabel:
        label = QLabel()
        label.setTextFormat(Qt.TextFormat.PlainText)
        label.setWordWrap(True)
        label.setContentsMargins(self.look.px(12), 0, self.look.px(12), bottom)
        return label

    def _make_list(self) -> QWidget:
        """The list of tokens under its title."""
        self.list_head = Panel("Tokens", self.look)
        self.show_found = KeyHint("Show in sentence list", key_of_action("list_found"), self.look)
        self.show_found.clicked.connect(self.list_found)
        self.list_head.add(self.show_found)
        self.tokens = TokenTable(self.session, self.look, (("label", 118), ("predicted", 118), ("P", 52)))
        lower = QWidget()
        lower.setObjectName("panel")
        lower.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        lower.setMinimumHeight(self.look.px(110))
        rows = QVBoxLayout(lower)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(0)
        rows.addWidget(self.list_head)
        rows.addWidget(self.tokens, 1)
        return lower

    def _fill_parts(self, lower: QWidget) -> None:
        """Put the figures above the list of tokens."""
        self.parts.setHandleWidth(1)
        parts: tuple[QWidget, QWidget] = (self.sheet, lower)
        for number, widget in enumerate(parts):
            self.parts.addWidget(widget)
            self.parts.setCollapsible(number, False)
            self.parts.setStretchFactor(number, 3 - 2 * number)
        self.parts.setSizes([self.look.px(420), self.look.px(210)])

    def showEvent(self, event: object) -> None:
        """Show what has been computed meanwhile."""
        self.refresh()

    def resizeEvent(self, event: object) -> None:
        """Shorten the texts of the buttons where there is little room."""
        self._name_choices()

    def set_look(self, style: Style) -> None:
        """Paint with other colours and fonts."""
        super().set_look(style)
        for view in (self.head, self.sheet, self.list_head, self.tokens):
            view.set_look(style)
        for button in (self.subset, self.against, self.again):
            button.setFont(style.small)
        self._show_note()

    @property
    def busy(self) -> bool:
        """True while the evaluation runs."""
        return self.evaluating.busy

    def cancel(self) -> None:
        """Stop the evaluation."""
        self.evaluating.cancel()

    def stop_and_wait(self) -> None:
        """Stop the evaluation and wait for its thread."""
        self.evaluating.close()

    def enter(self) -> None:
        """Compute when there is no result yet, and take the focus."""
        self.evaluating.ensure_result()
        self.refresh()
        self._take_focus()

    def _take_focus(self) -> None:
        """Focus the matrix when there is one, else the page, so that no key acts on the sentence."""
        if not any(stop.hasFocus() for stop in self.stops):
            target = self.sheet.matrix if self.parts.isVisibleTo(self) else self
            target.setFocus(Qt.FocusReason.OtherFocusReason)

    def compute(self) -> None:
        """Compute again."""
        self.evaluating.compute()

    def next_subset(self) -> None:
        """Change between the validation sentences and all sentences."""
        self.evaluating.set_subset("all" if self.evaluating.subset == "validation" else "validation")

    def next_against(self) -> None:
        """Change between edited and original labels to compare with."""
        self.evaluating.set_against("gold" if self.evaluating.against == "edited" else "edited")

    def list_found(self) -> None:
        """Show only the sentences of the listed tokens in the sentence list."""
        sentences = self.tokens.sentences()
        if len(sentences):
            self.session.list_order.set_found(self._list_title, sentences)

    def refresh(self) -> None:
        """Show the result, or why there is none."""
        if not self.isVisible():
            # Nothing of an edit is in sight; the page is refreshed when it is shown.
            return
        job, result = self.evaluating, self.evaluating.result
        self._name_choices()
        reason = job.error or job.unavailable_reason
        if result is None and not reason:
            reason = "Evaluating…" if job.busy else f"Press {key_of_action('recompute')} to evaluate."
        self.unavailable.setText(reason)
        shown = result is not None and not job.unavailable_reason
        self.unavailable.setVisible(not shown)
        if shown and self.parts.isHidden():
            self.parts.setVisible(True)
            # Qt's style sheets forget the fonts of widgets that were never shown.
            self.set_look(self.look)
        self.parts.setVisible(shown)
        if self.hasFocus():
            self._take_focus()
        self._show_note()
        if result is not None and result is not self._shown:
            self.sheet.show_evaluation(result.evaluation)
            self._name_list("", 0)
            self.tokens.show_listing(
                None, "Click a cell of the matrix, or press Enter on it, and its tokens are listed here."
            )
        self._shown = result

    def _name_choices(self) -> None:
        """Write the choices on their buttons, in short where there is little room."""
        validation = self.evaluating.subset == "validation"
        labels = "edited" if self.evaluating.against == "edited" else "original"
        texts = (
            (self.subset, "eval_subset", "validation sentences ▾" if validation else "all sentences ▾"),
            (self.against, "eval_against", f"compare with: {labels} ▾"),
            (self.again, "recompute", "compute again"),
        )
        short = ("validation ▾" if validation else "all ▾", f"{labels} ▾", "again")
        narrow = self.width() < self.look.px(_ROOM_FOR_WORDS)
        for (button, action_id, text), short_text in zip(texts, short, strict=True):
            button.setText(f"{short_text if narrow else text}   {key_of_action(action_id)}")

    def _show_progress(self, text: str) -> None:
        self.progressed.emit(f"{text} · Esc cancels" if text else "")
        self._show_note(text)

    def _show_note(self, progress: str = "") -> None:
        stale = self.evaluating.stale
        text = progress
        if not text and stale:
            text = f"{stale} since; press {key_of_action('recompute')} to compute again."
        self.note.setText(text)
        self.note.setVisible(bool(text))
        recolour(self.note, self.look.c("second" if progress else "collision").name())

    # The list of tokens

    def _list_cell(self, label: int, prediction: int) -> None:
        result = self.evaluating.result
        if result is None:
            return
        classes = result.evaluation.tokens.scheme.classes
        indices = result.cells.group(label * len(classes) + prediction)
        self._name_list(f"{classes[label]} predicted {classes[prediction]}", len(indices))
        self._list(indices)

    def _list_bin(self, number: int) -> None:
        result = self.evaluating.result
        if result is None:
            return
        indices = result.bins.group(number)
        self._name_list(f"probability {number / 10:.1f} to {number / 10 + 0.1:.1f}", len(indices))
        self._list(indices)

    def _list(self, indices: Indices) -> None:
        result = self.evaluating.result
        assert result is not None
        tokens, scores = result.evaluation.tokens, result.probs_nc
        rows = tokens.rows[indices]
        binary = tokens.scheme.kind == "binary"

        def probability(row: int) -> float:
            """Of the predicted label."""
            prediction = int(tokens.predicted[indices[row]])
            probs = scores[int(rows[row])]
            if binary:
                return float(probs[0] if prediction == 1 else 1 - probs[0])
            return float(probs[prediction])

        columns = (
            TokenLabels(lambda row: int(tokens.labels[indices[row]])),
            TokenLabels(lambda row: int(tokens.predicted[indices[row]]), probability),
        )
        self.tokens.show_listing(TokenListing(rows, tokens.offsets, columns), "No token is in this group.")
        if len(rows):
            self.tokens.focus_list()

    def _name_list(self, title: str, count: int) -> None:
        self._list_title = title
        self.list_head.set_title(f"Tokens · {title} · {count:,}" if title else "Tokens")
        self.show_found.setEnabled(count > 0)

    def _model_changed(self) -> None:
        """Evaluate a model that could not be evaluated before, such as one that has just been scored."""
        if self.isVisible() and self.evaluating.result is None and not self.evaluating.unavailable_reason:
            self.evaluating.ensure_result()
