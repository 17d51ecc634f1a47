"""The figures of an evaluation: the headline figure and score tables, each with what counting padding would give."""

from dataclasses import dataclass

from PySide6.QtCore import QEvent, QPoint, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QHelpEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from maskscope.evaluation.scores import ClassScores
from maskscope.evaluation.token_scores import Evaluation, Metrics
from maskscope.types import TagScheme
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.base import elided, text_width

_INSET = 12
_ROW = 23
_FIGURE = 52
_COLUMNS = ("precision", "recall", "F1", "support")


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One row of a score table: a class or an average.

    Attributes:
        padded: the scores if padding were counted; None when they are not known.
        strong: set in bold, as averages are.
    """

    name: str
    scores: ClassScores
    padded: ClassScores | None = None
    strong: bool = False


def verdict(evaluation: Evaluation, scheme: TagScheme) -> tuple[str, float, float | None]:
    """The headline figure: its name, its value, and its value if padding were counted (None when not known)."""
    counted, padded = _metrics(evaluation)
    if scheme.spans is not None:
        return "entity F1", counted.entities.micro.f1, None if padded is None else padded.entities.micro.f1
    name = f"F1 of {scheme.classes[1]}" if scheme.kind == "binary" else "micro F1"
    return name, counted.micro.f1, None if padded is None else padded.micro.f1


def entity_rows(evaluation: Evaluation, scheme: TagScheme) -> list[ScoreRow]:
    """Scores of whole entities by type, then of all by both definitions; empty where labels are not spans."""
    if scheme.spans is None:
        return []
    counted, padded = _metrics(evaluation)
    padded_types = {} if padded is None else {scores.name: scores for scores in padded.entities.per_type}
    rows = [ScoreRow(scores.name, scores, padded_types.get(scores.name)) for scores in counted.entities.per_type]
    rows.append(
        ScoreRow("all, default", counted.entities.micro, None if padded is None else padded.entities.micro, True)
    )
    strict = counted.entities.strict
    if strict is not None:
        other = None if padded is None or padded.entities.strict is None else padded.entities.strict.micro
        rows.append(ScoreRow("all, strict", strict.micro, other, True))
    return rows


def class_rows(evaluation: Evaluation, scheme: TagScheme) -> list[ScoreRow]:
    """Scores of tokens by class, the outside class last, then their averages."""
    counted, padded = _metrics(evaluation)
    rows: list[ScoreRow] = []
    labels = [label for label in range(len(scheme.classes)) if label != scheme.outside]
    for label in [*labels, scheme.outside]:
        scores = counted.per_class[label]
        rows.append(ScoreRow(scores.name, scores, None if padded is None else padded.per_class[label]))
    if scheme.kind == "multiclass":
        rows.append(
            ScoreRow(
                f"micro, without {_outside(scheme)}", counted.micro, None if padded is None else padded.micro, True
            )
        )
        rows.append(
            ScoreRow(
                f"macro, without {_outside(scheme)}", counted.macro, None if padded is None else padded.macro, True
            )
        )
    return rows


def _metrics(evaluation: Evaluation) -> tuple[Metrics, Metrics | None]:
    """The metrics of an evaluation, and those with padding counted (None when they are not known)."""
    padded = evaluation.if_padding_counted
    return evaluation.metrics, None if padded is None else padded.metrics


def _outside(scheme: TagScheme) -> str:
    return scheme.classes[scheme.outside]


class HatchedFigures(QWidget):
    """A widget that can paint, hatched as padding is, what a figure would be if padding were counted."""

    def __init__(self, style: Style, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.look = style
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

    def set_look(self, style: Style) -> None:
        """Use other colours and fonts."""
        self.look = style
        self.setFixedHeight(self.sizeHint().height())
        self.update()

    def hatched(self, painter: QPainter, box: QRect, text: str) -> None:
        """Paint a figure that counts padding: hatched, its digits on a plate to keep them readable."""
        px, look = self.look.px, self.look
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(look.hatch)
        painter.drawRoundedRect(QRectF(box), 3, 3)
        width = text_width(text, look.small) + px(6)
        plate = QRectF(box.center().x() - width / 2 + 0.5, box.y() + 1, width, box.height() - 2)
        painter.setBrush(look.c("pad_ground"))
        painter.drawRoundedRect(plate, 2, 2)
        painter.setFont(look.small)
        painter.setPen(look.c("second"))
        painter.drawText(plate, Qt.AlignmentFlag.AlignCenter, text)


class VerdictView(HatchedFigures):
    """The headline figure, and in a few lines what it was computed from."""

    def __init__(self, style: Style, parent: QWidget | None = None) -> None:
        super().__init__(style, parent)
        self.setAccessibleName("Headline figure")
        self.name, self.value = "", 0.0
        self.padded: float | None = None
        self.lines: tuple[str, ...] = ()
        self.set_look(style)

    def sizeHint(self) -> QSize:
        """Room for the figure and its lines."""
        px = self.look.px
        return QSize(px(300), px(44) + px(20) * max(1, len(self.lines)) + px(6))

    def show_verdict(self, name: str, value: float, padded: float | None, lines: tuple[str, ...]) -> None:
        """Show a figure."""
        self.name, self.value, self.padded, self.lines = name, value, padded, lines
        self.setAccessibleDescription(f"{name} {value:.3f}. {' '.join(lines)}")
        self.setFixedHeight(self.sizeHint().height())
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the figure, its counterpart with padding counted, and the lines."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        px, look = self.look.px, self.look
        text = f"{self.value:.3f}"
        painter.setFont(look.figure)
        painter.setPen(look.c("text"))
        width = text_width(text, look.figure)
        middle = Qt.AlignmentFlag.AlignVCenter
        painter.drawText(QRect(px(_INSET), 0, width + 2, px(40)), middle, text)
        left = px(_INSET) + width + px(10)
        painter.setFont(look.body)
        painter.drawText(QRect(left, px(4), self.width() - left, px(36)), middle, self.name)
        if self.padded is not None:
            left += text_width(self.name, look.body) + px(22)
            box = QRect(left, px(13), px(_FIGURE), px(20))
            if box.right() < self.width():
                self.hatched(painter, box, f"{self.padded:.3f}")
                rest = QRect(box.right() + px(8), px(4), self.width() - box.right() - px(16), px(36))
                painter.setPen(look.c("second"))
                painter.setFont(look.body)
                painter.drawText(rest, middle, elided("if padding were counted", look.body, rest.width()))
        painter.setPen(look.c("second"))
        painter.setFont(look.body)
        room = self.width() - 2 * px(_INSET)
        for number, line in enumerate(self.lines):
            box = QRect(px(_INSET), px(42) + number * px(20), room, px(20))
            painter.drawText(box, middle, elided(line, look.body, room))


class ScoresTable(HatchedFigures):
    """Precision, recall, F1 and support of each class, each with its value if padding were counted."""

    def __init__(self, of: str, style: Style, parent: QWidget | None = None) -> None:
        super().__init__(style, parent)
        self.of = of
        self.setAccessibleName(f"Scores of {of}")
        self.rows: list[ScoreRow] = []
        self.set_look(style)

    def sizeHint(self) -> QSize:
        """Room for a header and the rows."""
        px = self.look.px
        return QSize(px(480), px(_ROW) * (len(self.rows) + 1) + px(4))

    def show_rows(self, rows: list[ScoreRow]) -> None:
        """Show scores."""
        self.rows = rows
        self.setFixedHeight(self.sizeHint().height())
        self.update()

    def _pair(self) -> int:
        """Width of a figure, its hatched counterpart and the gap after them."""
        px = self.look.px
        return min(px(2 * _FIGURE + 24), (self.width() - px(2 * _INSET + 96)) // len(_COLUMNS))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the header and the rows."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        px, look = self.look.px, self.look
        pair = self._pair()
        start = self.width() - px(_INSET) - pair * len(_COLUMNS)
        padded = any(row.padded is not None for row in self.rows)
        half = (pair - px(14)) // 2
        middle, right = Qt.AlignmentFlag.AlignVCenter, Qt.AlignmentFlag.AlignRight
        painter.setFont(look.small)
        painter.setPen(look.c("second"))
        painter.drawText(QRect(px(_INSET), 0, start - px(_INSET) - px(28), px(_ROW)), middle, self.of)
        for column, title in enumerate(_COLUMNS):
            box = QRect(start + column * pair, 0, half, px(_ROW))
            painter.drawText(box.adjusted(-px(20), 0, 0, 0), middle | right, title)
        for number, row in enumerate(self.rows, start=1):
            top = number * px(_ROW)
            painter.fillRect(QRect(px(_INSET), top, self.width() - 2 * px(_INSET), 1), look.c("line"))
            room = start - px(_INSET) - px(8)
            font = look.bold if row.strong else look.body
            painter.setFont(font)
            painter.setPen(look.c("text"))
            painter.drawText(QRect(px(_INSET), top, room, px(_ROW)), middle, elided(row.name, font, room))
            for column, (value, other) in enumerate(zip(_figures(row.scores), _figures(row.padded), strict=True)):
                left = start + column * pair
                painter.setFont(font)
                painter.setPen(look.c("text"))
                painter.drawText(QRect(left, top, half, px(_ROW)), middle | right, value)
                if padded and row.padded is not None:
                    self.hatched(painter, QRect(left + half + px(6), top + px(3), half, px(_ROW) - px(6)), other)

    def event(self, event: QEvent) -> bool:
        """Show a tooltip with the whole name and all figures of a row."""
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            QToolTip.showText(event.globalPos(), self.tip_at(event.pos()), self)
            return True
        return super().event(event)

    def tip_at(self, point: QPoint) -> str:
        """The figures of the row under the mouse, in text."""
        number = point.y() // self.look.px(_ROW) - 1
        if not 0 <= number < len(self.rows):
            return ""
        row = self.rows[number]
        precision, recall, f1, support = _figures(row.scores)
        text = f"{row.name}: precision {precision}, recall {recall}, F1 {f1}, support {support}"
        if row.padded is not None:
            text += f"; F1 if padding were counted: {row.padded.f1:.3f}"
        return text


def _figures(scores: ClassScores | None) -> tuple[str, str, str, str]:
    if scores is None:
        return ("", "", "", "")
    return (f"{scores.precision:.3f}", f"{scores.recall:.3f}", f"{scores.f1:.3f}", f"{scores.support:,}")
