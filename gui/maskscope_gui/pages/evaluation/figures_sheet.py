"""The figures of an evaluation on one scrolling sheet: verdict, score tables, confusion matrix and curves."""

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QFocusEvent, QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QFrame, QGridLayout, QLabel, QLayout, QScrollArea, QVBoxLayout, QWidget

from maskscope.workflows.evaluate import ProjectEvaluation
from maskscope_gui.pages.evaluation.evaluation_curves import CalibrationView, PrecisionRecallView
from maskscope_gui.pages.evaluation.figures import ScoresTable, VerdictView, class_rows, entity_rows, verdict
from maskscope_gui.pages.evaluation.matrix import MatrixView
from maskscope_gui.session.session import Session
from maskscope_gui.theme.theme import Style

_TWO_COLUMNS = 1000
_CURVES_SIDE_BY_SIDE = 600


class FiguresSheet(QScrollArea):
    """Lays the figures out in one column, or in two where there is room.

    Attributes:
        verdict, entities, scores, matrix, curve, calibration: the figures.
        padding_note: what padding would add to the confusion matrix.
    """

    def __init__(self, session: Session, style: Style) -> None:
        super().__init__()
        self.look = style
        self._session = session
        self.verdict = VerdictView(style)
        self.entities = ScoresTable("whole entities", style)
        self.scores = ScoresTable("tokens", style)
        self._matrix_title = self._caption(
            "Confusion matrix: move over the cells with the arrow keys; Enter lists the tokens of a cell"
        )
        self.matrix = MatrixView(session, style)
        self.padding_note = self._caption("")
        self.curve = PrecisionRecallView(session, style)
        self.calibration = CalibrationView(session, style)
        self._arrangement: tuple[int, bool, bool] | None = None
        self._sheet = QWidget()
        self._sheet.setObjectName("panel")
        self._grid = QGridLayout(self._sheet)
        self._grid.setContentsMargins(0, 0, 0, style.px(8))
        self._grid.setVerticalSpacing(style.px(4))
        self._grid.setHorizontalSpacing(style.px(16))
        self.setObjectName("panel")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidget(self._sheet)
        for view in (self.matrix, self.calibration):
            view.installEventFilter(self)
        self.matrix.cursor_moved.connect(self._show_cell)
        self._lay_out()

    def _caption(self, text: str) -> QLabel:
        label = QLabel(text)
        label.setObjectName("second")
        label.setTextFormat(Qt.TextFormat.PlainText)
        label.setWordWrap(True)
        label.setContentsMargins(self.look.px(12), self.look.px(6), self.look.px(12), 0)
        return label

    def set_look(self, style: Style) -> None:
        """Paint with other colours and fonts."""
        self.look = style
        for view in (self.verdict, self.entities, self.scores):
            view.set_look(style)
        for painted in (self.matrix, self.curve, self.calibration):
            painted.set_look(style)
        for label in (self._matrix_title, self.padding_note):
            label.setFont(style.small)

    def show_evaluation(self, found: ProjectEvaluation) -> None:
        """Show the figures of an evaluation."""
        evaluation, scheme = found.evaluation, found.tokens.scheme
        padded = evaluation.if_padding_counted
        name, value, with_padding = verdict(evaluation, scheme)
        self.verdict.show_verdict(name, value, with_padding, _verdict_lines(found))
        self._lay_out()
        self.entities.show_rows(entity_rows(evaluation, scheme))
        self.entities.setVisible(bool(self.entities.rows))
        self.scores.show_rows(class_rows(evaluation, scheme))
        self.matrix.show_evaluation(evaluation, scheme.classes, scheme.outside)
        self.padding_note.setText(_padding_note(found))
        self.curve.show_curve(evaluation.metrics.curve, None if padded is None else padded.metrics.curve)
        self.calibration.show_calibration(
            evaluation.metrics.calibration, None if padded is None else padded.metrics.calibration
        )

    # Layout

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Use two columns where there is room."""
        super().resizeEvent(event)
        self._lay_out()

    def _lay_out(self) -> None:
        """Arrange the figures for the width and the kind of labels; nothing happens while both stay."""
        columns = 2 if self.width() >= self.look.px(_TWO_COLUMNS) else 1
        side_by_side = self.width() // columns >= self.look.px(_CURVES_SIDE_BY_SIDE)
        arrangement = (columns, self._session.decodes_spans, side_by_side)
        if arrangement == self._arrangement:
            return
        self._arrangement = arrangement
        _clear(self._grid)
        self._grid.addWidget(self.verdict, 0, 0, 1, columns)
        groups = self._groups(columns)
        for number, group in enumerate(groups):
            column = QVBoxLayout()
            column.setSpacing(self.look.px(8))
            for widget in group:
                column.addWidget(widget)
            if number == len(groups) - 1:
                column.addLayout(self._curves(side_by_side))
            column.addStretch(1)
            self._grid.addLayout(column, 1, number)
        for number in range(2):
            self._grid.setColumnStretch(number, 1 if number < columns else 0)
        self._grid.setRowStretch(1, 1)

    def _groups(self, columns: int) -> list[list[QWidget]]:
        """The tables and the matrix, column by column. Entities come before tokens where labels are spans."""
        matrix: list[QWidget] = [self._matrix_title, self.matrix, self.padding_note]
        if columns == 2:
            return [[self.entities, self.scores], matrix]
        if self._session.decodes_spans:
            return [[self.entities, *matrix, self.scores]]
        return [[self.scores, *matrix]]

    def _curves(self, side_by_side: bool) -> QBoxLayout:
        direction = QBoxLayout.Direction.LeftToRight if side_by_side else QBoxLayout.Direction.TopToBottom
        curves = QBoxLayout(direction)
        curves.setSpacing(0)
        for curve in (self.curve, self.calibration):
            curves.addWidget(curve, 1)
        return curves

    # Scrolling

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Scroll to the figure that the Tab key goes to."""
        tabs = (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason)
        tabbed = isinstance(event, QFocusEvent) and event.gotFocus() and event.reason() in tabs
        if isinstance(watched, QWidget) and tabbed:
            self.ensureWidgetVisible(watched, 0, self.look.px(20))
            if watched is self.matrix:
                self._show_cell()
        return super().eventFilter(watched, event)

    def _show_cell(self) -> None:
        """Scroll to the cell at the matrix's cursor, with some of those around it."""
        middle = self.matrix.mapTo(self._sheet, self.matrix.cell_box(*self.matrix.cell).center())
        self.ensureVisible(0, middle.y(), 0, self.look.px(60))


def _clear(layout: QLayout) -> None:
    """Take everything out of a layout and of the layouts in it; the widgets stay."""
    while layout.count():
        item = layout.takeAt(0)
        inner = None if item is None else item.layout()
        if inner is not None:
            _clear(inner)


def _verdict_lines(found: ProjectEvaluation) -> tuple[str, ...]:
    """What the verdict was computed from, line by line."""
    evaluation = found.evaluation
    padded = evaluation.if_padding_counted
    which = "validation sentences" if found.subset == "validation" else "sentences"
    labels = "edited" if found.against == "edited" else "original"
    metrics = evaluation.metrics
    figures = f"accuracy {100 * metrics.accuracy:.1f} % · loss {metrics.loss:.3f}"
    if metrics.entities.strict is not None:
        figures += f" · strict entity F1 {metrics.entities.strict.micro.f1:.3f}"
        if evaluation.argmax is not None and evaluation.decoding == "viterbi":
            figures += f" · by argmax {evaluation.argmax.entity_f1:.3f}"
    lines = [f"{evaluation.tokens:,} tokens of {found.sentences:,} {which}, compared with {labels} labels", figures]
    masked = found.masked_by_model
    if masked:
        tokens = "1 token is a collision" if masked == 1 else f"{masked:,} tokens are collisions"
        them = "it, and its output there counts" if masked == 1 else "them, and its output there counts"
        lines.append(f"{tokens}: the model masks {them}.")
    if padded is not None:
        lines.append(
            f"If {padded.padded_positions:,} padded positions were counted:"
            f" accuracy {100 * padded.metrics.accuracy:.1f} % · loss {padded.metrics.loss:.3f}"
        )
    else:
        lines.append("The model's output at padding is not known, so no figure is given with padding counted.")
    return tuple(lines)


def _padding_note(found: ProjectEvaluation) -> str:
    """What padding would add to the confusion matrix."""
    evaluation, scheme = found.evaluation, found.tokens.scheme
    padded = evaluation.if_padding_counted
    if padded is None:
        return ""
    added = [
        f"{padded.metrics.confusion[label][guess] - evaluation.metrics.confusion[label][guess]:,} at"
        f" {scheme.classes[label]} predicted {scheme.classes[guess]}"
        for label in range(len(scheme.classes))
        for guess in range(len(scheme.classes))
        if padded.metrics.confusion[label][guess] != evaluation.metrics.confusion[label][guess]
    ]
    return f"If padding were counted, it would add {', '.join(added)}." if added else ""
