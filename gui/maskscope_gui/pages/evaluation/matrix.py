"""The confusion matrix as a heat map: labels down, predictions across."""

from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from maskscope.evaluation.token_scores import Evaluation
from maskscope_gui.session.session import Session
from maskscope_gui.theme.theme import Style, colour
from maskscope_gui.widgets.base import elided, text_width
from maskscope_gui.widgets.keyed_view import KeyedView

_CELL = (34, 22)
_WIDEST = 96
_NAME = 128
_HEAD = 96
_INSET = 12


class MatrixView(KeyedView):
    """Tint is the share of a label's tokens. Arrows move over the cells; Enter or a click lists a cell's tokens.

    Signals:
        chosen: (label, prediction) a cell was clicked, or Enter was pressed on it.
        walked: a key has moved the cursor to another cell.
    """

    chosen = Signal(int, int)
    walked = Signal()
    KEYS = frozenset(
        {
            Qt.Key.Key_Up,
            Qt.Key.Key_Down,
            Qt.Key.Key_Left,
            Qt.Key.Key_Right,
            Qt.Key.Key_Home,
            Qt.Key.Key_End,
            Qt.Key.Key_Return,
            Qt.Key.Key_Enter,
        }
    )

    def __init__(self, session: Session, style: Style, parent: QWidget | None = None) -> None:
        super().__init__(session, style, "Confusion matrix: labels down, predictions across", parent)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        self.evaluation: Evaluation | None = None
        self.cell = (0, 0)
        self.listed: tuple[int, int] | None = None
        self._order: list[int] = []
        self._names: tuple[str, ...] = ()
        self._hover: tuple[int, int] | None = None

    def show_evaluation(self, evaluation: Evaluation | None, classes: tuple[str, ...], outside: int) -> None:
        """Another matrix; the cursor goes to the largest confusion when the label set is another one."""
        fresh = classes != self._names
        self.evaluation, self._names = evaluation, classes
        # Outside comes last, as in the palette: what one looks for stands at the top.
        self._order = [*(place for place in range(len(classes)) if place != outside), outside]
        if evaluation is not None and fresh:
            wrong = [
                (evaluation.metrics.confusion[label][guess], -row, -column)
                for row, label in enumerate(self._order)
                for column, guess in enumerate(self._order)
                if label != guess
            ]
            _, row, column = max(wrong, default=(0, 0, 0))
            self.cell = (-row, -column)
        self.listed = None
        self.arrange()

    def sizeHint(self) -> QSize:
        """All rows; columns are scrolled where they don't fit."""
        px = self.look.px
        tall = self._head() + max(1, len(self._order)) * px(_CELL[1]) + px(6)
        bar = self.horizontalScrollBar()
        return QSize(px(240), tall + (px(12) if bar.maximum() > 0 else 0))

    def arrange(self) -> None:
        """Room for the rows, and a scroll range for the columns."""
        bar = self.horizontalScrollBar()
        whole = self._left() + self._wide() * len(self._order) + self.look.px(_INSET)
        bar.setRange(0, max(0, whole - self.viewport().width()))
        bar.setPageStep(max(1, self.viewport().width()))
        bar.setSingleStep(self._wide())
        # Not setFixedHeight: inside a resize it would leave the viewport at the size it had before.
        self.updateGeometry()
        self.viewport().update()

    def minimumSizeHint(self) -> QSize:
        """All rows, always."""
        return self.sizeHint()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Other widths."""
        super().resizeEvent(event)
        self.arrange()

    def _left(self) -> int:
        px = self.look.px
        longest = max((text_width(name, self.look.body) for name in self._names), default=0)
        return px(_INSET) + min(px(_NAME), longest + px(14))

    def _wide(self) -> int:
        """Columns as wide as their numbers need, wider where there is room for their names."""
        px = self.look.px
        most = max((max(row) for row in self.evaluation.metrics.confusion), default=0) if self.evaluation else 0
        least = max(px(_CELL[0]), text_width(f"{most:,}", self.look.small) + px(10))
        longest = max((text_width(name, self.look.small) for name in self._names), default=0) + px(10)
        room = (self.viewport().width() - self._left() - px(_INSET)) // max(1, len(self._order))
        return max(least, min(px(_WIDEST), longest, room))

    def _level(self) -> bool:
        """True when every name fits over its column as it is read."""
        return all(text_width(name, self.look.small) + self.look.px(8) <= self._wide() for name in self._names)

    def _head(self) -> int:
        px = self.look.px
        if self._level():
            return px(42)
        longest = max((text_width(name, self.look.small) for name in self._names), default=0)
        return px(26) + min(px(_HEAD), longest + px(6))

    def cell_box(self, row: int, column: int) -> QRect:
        """Where a cell is in the viewport, by its place on the screen."""
        px = self.look.px
        left = self._left() + column * self._wide() - self.horizontalScrollBar().value()
        return QRect(left, self._head() + row * px(_CELL[1]), self._wide(), px(_CELL[1]))

    def box_of(self, label: int, prediction: int) -> QRect:
        """Where the cell of a label and a prediction is in the viewport."""
        return self.cell_box(self._order.index(label), self._order.index(prediction))

    def _at(self, point: QPointF) -> tuple[int, int] | None:
        if self.evaluation is None or point.x() < self._left() or point.y() < self._head():
            return None
        column = int(point.x() - self._left() + self.horizontalScrollBar().value()) // self._wide()
        row = int(point.y() - self._head()) // self.look.px(_CELL[1])
        inside = 0 <= row < len(self._order) and 0 <= column < len(self._order)
        return (row, column) if inside else None

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Move over the cells; Enter lists."""
        row, column = self.cell
        last = len(self._order) - 1
        moves = {
            Qt.Key.Key_Up: (row - 1, column),
            Qt.Key.Key_Down: (row + 1, column),
            Qt.Key.Key_Left: (row, column - 1),
            Qt.Key.Key_Right: (row, column + 1),
            Qt.Key.Key_Home: (row, 0),
            Qt.Key.Key_End: (row, last),
        }
        key = Qt.Key(event.key())
        if key in moves:
            row, column = moves[key]
            self.cell = (min(max(row, 0), last), min(max(column, 0), last))
            self._bring()
            self.viewport().update()
            self.walked.emit()
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._choose()
        else:
            event.ignore()

    def _bring(self) -> None:
        box, bar = self.cell_box(*self.cell), self.horizontalScrollBar()
        if box.left() < self._left():
            bar.setValue(bar.value() + box.left() - self._left())
        elif box.right() > self.viewport().width() - self.look.px(_INSET):
            bar.setValue(bar.value() + box.right() - self.viewport().width() + self.look.px(_INSET))

    def _choose(self) -> None:
        if self.evaluation is not None:
            row, column = self.cell
            self.listed = (self._order[row], self._order[column])
            self.viewport().update()
            self.chosen.emit(*self.listed)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """List the tokens of the cell that was clicked."""
        at = self._at(event.position())
        if at is not None and event.button() == Qt.MouseButton.LeftButton:
            self.cell = at
            self._choose()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Light up the cell under the mouse."""
        at = self._at(event.position())
        if at != self._hover:
            self._hover = at
            self.viewport().update()

    def leaveEvent(self, event: object) -> None:
        """Back to rest."""
        self._hover = None
        self.viewport().update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint names and cells."""
        painter = QPainter(self.viewport())
        look = self.look
        painter.fillRect(event.rect(), look.c("panel"))
        if self.evaluation is None:
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        room = QRect(self._left(), 0, self.viewport().width() - self._left(), self.viewport().height())
        painter.save()
        painter.setClipRect(room)
        self._paint_columns(painter)
        self._paint_cells(painter)
        painter.restore()
        self._paint_rows(painter)

    def _paint_columns(self, painter: QPainter) -> None:
        px, look, wide, head = self.look.px, self.look, self._wide(), self._head()
        painter.setFont(look.small)
        for column, place in enumerate(self._order):
            box = self.cell_box(0, column)
            if box.right() < self._left() or box.left() > self.viewport().width():
                continue
            here = column == self.cell[1] and self.hasFocus()
            painter.setPen(look.c("text" if here else "second"))
            name = self._names[place]
            if self._level():
                line = QRect(box.left(), px(20), wide, head - px(20))
                painter.drawText(line, Qt.AlignmentFlag.AlignCenter, name)
                continue
            painter.save()
            painter.translate(box.left() + wide / 2, head - px(6))
            painter.rotate(-90)
            line = QRect(0, -px(10), head - px(26), px(20))
            painter.drawText(line, Qt.AlignmentFlag.AlignVCenter, elided(name, look.small, line.width()))
            painter.restore()

    def _paint_cells(self, painter: QPainter) -> None:
        assert self.evaluation is not None
        look, confusion = self.look, self.evaluation.metrics.confusion
        painter.setFont(look.small)
        for row, label in enumerate(self._order):
            total = sum(confusion[label])
            for column, guess in enumerate(self._order):
                box = self.cell_box(row, column)
                if box.right() < self._left() or box.left() > self.viewport().width():
                    continue
                count = confusion[label][guess]
                ground = look.tint(count / total) if count else look.theme.window
                plate = QRectF(box).adjusted(0, 0, -1, -1)
                painter.fillRect(plate, colour(ground))
                painter.setPen(look.ink(ground) if count else look.c("control"))
                painter.drawText(plate, Qt.AlignmentFlag.AlignCenter, f"{count:,}" if count else "·")
        for at, role, width in (
            (self._hover, "second", 1.0),
            (None if self.listed is None else self._screen(self.listed), "accent", 1.4),
            (self.cell if self.hasFocus() else None, "accent", 2.4),
        ):
            if at is not None:
                ring = QRectF(self.cell_box(*at)).adjusted(0.5, 0.5, -1.5, -1.5)
                painter.setBrush(Qt.BrushStyle.NoBrush)
                if role == "accent":
                    # A line of the ground between ring and tint, so that it is seen on any tint.
                    painter.setPen(QPen(look.c("panel"), width + 2))
                    painter.drawRect(ring)
                painter.setPen(QPen(look.c(role), width))
                painter.drawRect(ring)

    def _screen(self, cell: tuple[int, int]) -> tuple[int, int]:
        return self._order.index(cell[0]), self._order.index(cell[1])

    def _paint_rows(self, painter: QPainter) -> None:
        px, look = self.look.px, self.look
        painter.fillRect(QRect(0, 0, self._left(), self.viewport().height()), look.c("panel"))
        painter.setFont(look.small)
        painter.setPen(look.c("second"))
        painter.drawText(QRect(px(_INSET), 0, self._left(), px(20)), Qt.AlignmentFlag.AlignVCenter, "label")
        across = QRect(self._left(), 0, self.viewport().width() - self._left(), px(20))
        painter.fillRect(across, look.c("panel"))
        painter.drawText(across, Qt.AlignmentFlag.AlignVCenter, "predicted")
        painter.setFont(look.body)
        for row, place in enumerate(self._order):
            box = self.cell_box(row, 0)
            here = row == self.cell[0] and self.hasFocus()
            painter.setPen(look.c("text" if here else "second"))
            line = QRect(px(_INSET), box.y(), self._left() - px(_INSET) - px(8), box.height())
            painter.drawText(line, Qt.AlignmentFlag.AlignVCenter, elided(self._names[place], look.body, line.width()))

    def tip_at(self, point: QPoint) -> str:
        """What a cell counts, and what it would if padding were counted."""
        at = self._at(QPointF(point))
        if self.evaluation is None:
            return ""
        if at is None:
            rows = (point.y() - self._head()) // self.look.px(_CELL[1])
            if point.x() < self._left() and 0 <= rows < len(self._order):
                return self._names[self._order[rows]]
            columns = int(point.x() - self._left() + self.horizontalScrollBar().value()) // self._wide()
            if point.y() < self._head() and point.x() >= self._left() and columns < len(self._order):
                return self._names[self._order[columns]]
            return ""
        label, guess = self._order[at[0]], self._order[at[1]]
        count = self.evaluation.metrics.confusion[label][guess]
        words = f"{count:,} {'token' if count == 1 else 'tokens'}: label {self._names[label]}, predicted"
        words = f"{words} {self._names[guess]}"
        padded = self.evaluation.if_padding_counted
        if padded is not None and padded.metrics.confusion[label][guess] != count:
            words += f"\nif padding were counted: {padded.metrics.confusion[label][guess]:,}"
        return f"{words}\nA click lists them."
