"""The Evaluation page: what the model is worth against labels, and the tokens that stand behind each figure."""

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QFocusEvent
from PySide6.QtWidgets import (
    QBoxLayout,
    QFrame,
    QGridLayout,
    QLabel,
    QLayout,
    QScrollArea,
    QSplitter,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from maskscope.types import Indices
from maskscope.workflows.evaluate import ProjectEvaluation
from maskscope_gui.actions import printed_key
from maskscope_gui.background.evaluation_job import EvaluationJob
from maskscope_gui.pages.evaluation.evaluation_curves import PrecisionRecallView, ReliabilityView
from maskscope_gui.pages.evaluation.matrix import MatrixView
from maskscope_gui.pages.evaluation.token_table import Listing, Side, TokenTable
from maskscope_gui.session.session import Session
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.base import KeyHint, Panel, recolour
from maskscope_gui.widgets.figures import ScoresTable, VerdictView, class_rows, entity_rows, verdict
from maskscope_gui.widgets.pages import Page

_TWO_COLUMNS = 1000
_CURVES_BESIDE = 600
_ROOM_FOR_WORDS = 600


class EvaluationPage(Page):
    """See the module. It computes when it is first shown, and when it is asked to; an edit only makes it say so."""

    def __init__(self, session: Session, style: Style, parent: QWidget | None = None) -> None:
        super().__init__(style, parent)
        self.session = session
        self.evaluating = EvaluationJob(session, self)
        self.head = Panel("Evaluation", style)
        self.subset = self._choice("eval_subset", "Which sentences are evaluated")
        self.against = self._choice("eval_against", "Which labels the predictions are held against")
        self.again = self._choice("recompute", "Compute the figures again")
        for button in (self.subset, self.against, self.again):
            self.head.add(button)
        self.note = QLabel()
        self.note.setTextFormat(Qt.TextFormat.PlainText)
        self.note.setWordWrap(True)
        self.note.setContentsMargins(style.px(12), 0, style.px(12), style.px(4))
        self.empty = QLabel()
        self.empty.setObjectName("second")
        self.empty.setTextFormat(Qt.TextFormat.PlainText)
        self.empty.setWordWrap(True)
        self.empty.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self.empty.setMargin(style.px(12))
        self.verdict = VerdictView(style)
        self.entities = ScoresTable("whole entities", style)
        self.scores = ScoresTable("tokens", style)
        self.matrix_title = self._caption("Confusion matrix: arrows go over the cells, Enter lists the tokens of one")
        self.matrix = MatrixView(session, style)
        self.padding_words = self._caption("")
        self.padding_words.setWordWrap(True)
        self.curve = PrecisionRecallView(session, style)
        self.reliability = ReliabilityView(session, style)
        self.sheet = QWidget()
        self.sheet.setObjectName("panel")
        self._form = (0, False, False)
        self.grid = QGridLayout(self.sheet)
        self.grid.setContentsMargins(0, 0, 0, style.px(8))
        self.grid.setVerticalSpacing(style.px(4))
        self.grid.setHorizontalSpacing(style.px(16))
        self.scroller = QScrollArea()
        self.scroller.setObjectName("panel")
        self.scroller.setFrameShape(QFrame.Shape.NoFrame)
        self.scroller.setWidgetResizable(True)
        self.scroller.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.scroller.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.scroller.setWidget(self.sheet)
        self.list_head = Panel("Tokens", style)
        self.show_found = KeyHint("Show these sentences in the list", printed_key("list_found"), style)
        self.show_found.clicked.connect(self.list_found)
        self.list_head.add(self.show_found)
        titles = (("label", 118), ("predicted", 118), ("P", 52))
        self.tokens = TokenTable(session, style, titles)
        lower = QWidget()
        lower.setObjectName("panel")
        lower.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        rows = QVBoxLayout(lower)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(0)
        rows.addWidget(self.list_head)
        rows.addWidget(self.tokens, 1)
        self.parts = QSplitter(Qt.Orientation.Vertical)
        self.parts.setHandleWidth(1)
        parts: tuple[QWidget, QWidget] = (self.scroller, lower)
        for place, widget in enumerate(parts):
            self.parts.addWidget(widget)
            self.parts.setCollapsible(place, False)
            self.parts.setStretchFactor(place, 3 - 2 * place)
        self.parts.setSizes([style.px(420), style.px(210)])
        lower.setMinimumHeight(style.px(110))
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        for widget in (self.head, self.note):
            column.addWidget(widget)
        column.addWidget(self.empty, 1)
        column.addWidget(self.parts, 1)
        self.stops = [self.matrix, self.reliability, self.tokens]
        for stop in self.stops[:2]:
            stop.installEventFilter(self)
        self.matrix.chosen.connect(self._list_cell)
        self.matrix.walked.connect(self._show_cell)
        session.model_changed.connect(self._model_changed)
        self.reliability.chosen.connect(self._list_bin)
        self.tokens.entered.connect(lambda _: self.asked.emit("page_sentence"))
        self.evaluating.changed.connect(self.refresh)
        self.evaluating.progressed.connect(self._tell)
        self._shown: object = None
        self._lay_out(1)
        self.set_look(style)
        self.refresh()

    def _choice(self, action_id: str, tip: str) -> QToolButton:
        button = QToolButton()
        button.setObjectName("flat")
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        button.setToolTip(f"{tip} ({printed_key(action_id)})")
        button.clicked.connect(lambda: self.asked.emit(action_id))
        return button

    def _caption(self, words: str) -> QLabel:
        label = QLabel(words)
        label.setObjectName("second")
        label.setTextFormat(Qt.TextFormat.PlainText)
        label.setContentsMargins(self.look.px(12), self.look.px(6), self.look.px(12), 0)
        return label

    def _lay_out(self, columns: int) -> None:
        """One column of sections, or two where there is room."""
        form = (columns, self.session.decodes_spans, self.width() // columns >= self.look.px(_CURVES_BESIDE))
        if form == self._form:
            return
        self._form = form
        while self.grid.count():
            item = self.grid.takeAt(0)
            if item is not None and item.layout() is not None:
                _empty(item.layout())
        self.grid.addWidget(self.verdict, 0, 0, 1, columns)
        matrix: list[QWidget] = [self.matrix_title, self.matrix, self.padding_words]
        spans = self.session.decodes_spans
        # Of a span scheme its entities come first, and tokens after all else.
        tables: list[QWidget] = [self.entities, *matrix, self.scores] if spans else [self.scores, *matrix]
        groups: list[list[QWidget]] = [tables] if columns == 1 else [[self.entities, self.scores], matrix]
        wide = self.width() // columns >= self.look.px(_CURVES_BESIDE)
        curves = QBoxLayout(QBoxLayout.Direction.LeftToRight if wide else QBoxLayout.Direction.TopToBottom)
        curves.setSpacing(0)
        for curve in (self.curve, self.reliability):
            curves.addWidget(curve, 1)
        for place, group in enumerate(groups):
            column = QVBoxLayout()
            column.setSpacing(self.look.px(8))
            for widget in group:
                column.addWidget(widget)
            if place == len(groups) - 1:
                column.addLayout(curves)
            column.addStretch(1)
            self.grid.addLayout(column, 1, place)
        for place in range(2):
            self.grid.setColumnStretch(place, 1 if place < columns else 0)
        self.grid.setRowStretch(1, 1)

    def showEvent(self, event: object) -> None:
        """Show what has come meanwhile."""
        self.refresh()

    def resizeEvent(self, event: object) -> None:
        """Two columns where there is room."""
        self._lay_out(self._room())
        self._name_choices()

    def _room(self) -> int:
        return 2 if self.width() >= self.look.px(_TWO_COLUMNS) else 1

    def set_look(self, style: Style) -> None:
        """Fonts and colours of another theme."""
        super().set_look(style)
        for view in (self.head, self.list_head, self.verdict, self.entities, self.scores, self.matrix):
            view.set_look(style)
        for other in (self.curve, self.reliability, self.tokens):
            other.set_look(style)
        for button in (self.subset, self.against, self.again):
            button.setFont(style.small)
        for label in (self.matrix_title, self.padding_words):
            label.setFont(style.small)
        self._say_note("")

    @property
    def busy(self) -> bool:
        """True while the evaluation runs."""
        return self.evaluating.busy

    def cancel(self) -> None:
        """Stop the evaluation."""
        self.evaluating.cancel()

    def close_down(self) -> None:
        """Stop, and wait for what still runs."""
        self.evaluating.close()

    def enter(self) -> None:
        """Compute when there is no result yet, and take the focus."""
        self.evaluating.ensure_result()
        self.refresh()
        self._take_focus()

    def _take_focus(self) -> None:
        """To the matrix when there is one; else to the page, so that no key falls through to the sentence."""
        if not any(stop.hasFocus() for stop in self.stops):
            (self.matrix if self.parts.isVisibleTo(self) else self).setFocus(Qt.FocusReason.OtherFocusReason)

    def compute(self) -> None:
        """Compute again."""
        self.evaluating.compute()

    def turn_subset(self) -> None:
        """Held-back sentences, or all."""
        self.evaluating.set_subset("all" if self.evaluating.subset == "validation" else "validation")

    def turn_against(self) -> None:
        """Edited labels, or gold."""
        self.evaluating.set_against("gold" if self.evaluating.against == "edited" else "edited")

    def list_found(self) -> None:
        """Show the sentences of the listed tokens in the list at the left, and no others."""
        sentences = self.tokens.sentences()
        if len(sentences):
            self.session.list_order.set_found(self.list_words, sentences)

    def _tell(self, words: str) -> None:
        self.progressed.emit(f"{words} · Esc stops it" if words else "")
        self._say_note(words)

    # What is shown

    def refresh(self) -> None:
        """Show the result there is, or why there is none."""
        if not self.isVisible():
            # An edit changes nothing that is in sight; the page looks again when it is shown.
            return
        state, result = self.evaluating, self.evaluating.result
        self._name_choices()
        empty = state.error or state.unavailable_reason
        if result is None and not empty:
            empty = "Evaluating…" if state.busy else f"Press {printed_key('recompute')} to evaluate."
        self.empty.setText(empty)
        shown = result is not None and not state.unavailable_reason
        self.empty.setVisible(not shown)
        if shown and self.parts.isHidden():
            self.parts.setVisible(True)
            # Qt's style sheets forget the fonts of what was never shown.
            self.set_look(self.look)
        self.parts.setVisible(shown)
        if self.hasFocus():
            self._take_focus()
        self._say_note("")
        if result is not None and result is not self._shown:
            self._show(result.evaluation)
        self._shown = result

    def _name_choices(self) -> None:
        """What is asked, in as many words as there is room for."""
        state = self.evaluating
        held = state.subset == "validation"
        texts = (
            ("held-back sentences" if held else "all sentences", "held back" if held else "all"),
            (f"against {state.against} labels", state.against),
            ("Compute again", "again"),
        )
        short = self.width() < self.look.px(_ROOM_FOR_WORDS)
        keys = ("eval_subset", "eval_against", "recompute")
        buttons = (self.subset, self.against, self.again)
        for button, (words, few), action_id in zip(buttons, texts, keys, strict=True):
            arrow = "" if button is self.again else " ▾"
            button.setText(f"{few if short else words}{arrow}   {printed_key(action_id)}")

    def _say_note(self, words: str) -> None:
        stale = self.evaluating.stale
        text = words
        if not text and stale:
            text = f"{stale} since; press {printed_key('recompute')} to compute again."
        self.note.setText(text)
        self.note.setVisible(bool(text))
        recolour(self.note, self.look.c("second" if words else "collision").name())

    def _show(self, found: ProjectEvaluation) -> None:
        evaluation, scheme = found.evaluation, found.tokens.scheme
        padded = evaluation.if_padding_counted
        name, value, beside = verdict(evaluation, scheme)
        self.verdict.show_verdict(name, value, beside, _lines(found))
        self._lay_out(self._room())
        self.entities.show_rows(entity_rows(evaluation, scheme))
        self.entities.setVisible(bool(self.entities.rows))
        self.scores.show_rows(class_rows(evaluation, scheme))
        self.matrix.show_evaluation(evaluation, scheme.classes, scheme.outside)
        self.padding_words.setText(_padding_words(found))
        self.curve.show_curve(evaluation.curve, None if padded is None else padded.curve)
        self.reliability.show_calibration(evaluation.calibration, None if padded is None else padded.calibration)
        self._name_list("", 0)
        self.tokens.show_listing(None, "Click a cell of the matrix, or press Enter on it, and its tokens stand here.")

    def _list_cell(self, label: int, prediction: int) -> None:
        result = self.evaluating.result
        if result is None:
            return
        scheme = result.evaluation.tokens.scheme
        places = result.cells.group(label * len(scheme.classes) + prediction)
        self._name_list(f"{scheme.classes[label]} predicted {scheme.classes[prediction]}", len(places))
        self._list(places)

    def _list_bin(self, place: int) -> None:
        result = self.evaluating.result
        if result is None:
            return
        places = result.bins.group(place)
        self._name_list(f"probability {place / 10:.1f} to {place / 10 + 0.1:.1f}", len(places))
        self._list(places)

    def _list(self, places: Indices) -> None:
        result = self.evaluating.result
        assert result is not None
        tokens, scores = result.evaluation.tokens, result.probs_nc
        rows = tokens.rows[places]
        binary = tokens.scheme.kind == "binary"

        def sure(row: int) -> float:
            guess = int(tokens.predicted[places[row]])
            probs = scores[int(rows[row])]
            if binary:
                return float(probs[0] if guess == 1 else 1 - probs[0])
            return float(probs[guess])

        sides = (
            Side(lambda row: int(tokens.labels[places[row]])),
            Side(lambda row: int(tokens.predicted[places[row]]), sure),
        )
        self.tokens.show_listing(Listing(rows, tokens.offsets, sides), "No token is of this kind.")
        if len(rows):
            self.tokens.focus_list()

    def _name_list(self, words: str, count: int) -> None:
        self.list_words = words
        self.list_head.set_title(f"Tokens · {words} · {count:,}" if words else "Tokens")
        self.show_found.setEnabled(count > 0)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Bring the section that Tab goes to into sight."""
        tabs = (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason)
        tabbed = isinstance(event, QFocusEvent) and event.gotFocus() and event.reason() in tabs
        if isinstance(watched, QWidget) and tabbed:
            self.scroller.ensureWidgetVisible(watched, 0, self.look.px(20))
            if watched is self.matrix:
                self._show_cell()
        return super().eventFilter(watched, event)

    def _show_cell(self) -> None:
        """Bring the cell at the matrix's cursor into sight, with some of those around it."""
        middle = self.matrix.mapTo(self.sheet, self.matrix.cell_box(*self.matrix.cell).center())
        self.scroller.ensureVisible(0, middle.y(), 0, self.look.px(60))

    def _model_changed(self) -> None:
        """Evaluate what could not be before, such as a model that has just been scored; else only say what changed."""
        if self.isVisible() and self.evaluating.result is None and not self.evaluating.unavailable_reason:
            self.evaluating.ensure_result()


def _empty(layout: QLayout) -> None:
    while layout.count():
        item = layout.takeAt(0)
        inner = None if item is None else item.layout()
        if inner is not None:
            _empty(inner)


def _lines(found: ProjectEvaluation) -> tuple[str, ...]:
    """What the verdict was made of."""
    evaluation = found.evaluation
    padded = evaluation.if_padding_counted
    which = "held-back sentences" if found.subset == "validation" else "sentences"
    lines = [
        f"{evaluation.tokens:,} tokens of {found.sentences:,} {which}, against {found.against} labels"
        f" · accuracy {100 * evaluation.accuracy:.1f} % · loss {evaluation.loss:.3f}"
    ]
    strict = evaluation.entities.strict
    if strict is not None:
        line = f"strict entity F1 {strict.micro.f1:.3f}"
        if evaluation.argmax is not None and evaluation.decoding == "viterbi":
            line += f" · without span decoding (argmax) {evaluation.argmax.entity_f1:.3f}"
        lines.append(line)
    masked = found.masked_by_model
    if masked:
        tokens = "1 token is a collision" if masked == 1 else f"{masked:,} tokens are collisions"
        lines.append(f"{tokens}: the model masks {'it' if masked == 1 else 'them'}, and what it prints there counts.")
    if padded is not None:
        lines.append(
            f"Counting {padded.padded_positions:,} padded positions would say: accuracy {100 * padded.accuracy:.1f} %"
            f" · loss {padded.loss:.3f}"
        )
    else:
        lines.append("What the model prints at padding is not known, so nothing stands beside the figures.")
    return tuple(lines)


def _padding_words(found: ProjectEvaluation) -> str:
    """What padding would add to the confusion matrix."""
    evaluation, scheme = found.evaluation, found.tokens.scheme
    padded = evaluation.if_padding_counted
    if padded is None:
        return ""
    added = [
        f"{padded.confusion[label][guess] - evaluation.confusion[label][guess]:,} at"
        f" {scheme.classes[label]} predicted {scheme.classes[guess]}"
        for label in range(len(scheme.classes))
        for guess in range(len(scheme.classes))
        if padded.confusion[label][guess] != evaluation.confusion[label][guess]
    ]
    return f"If padding were counted, it would add {', '.join(added)}." if added else ""
