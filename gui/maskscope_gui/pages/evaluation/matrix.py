"""The confusion matrix as a heat map: labels in rows, predictions in columns."""

from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from maskscope.evaluation.token_scores import Evaluation
from maskscope_gui.session.session import Session
from maskscope_gui.theme.theme import Style, colour
from maskscope_gui.widgets.base import elided, text_width
from maskscope_gui.widgets.keyed_view import KeyedView

_MIN_COLUMN = 34
_ROW = 22
_MAX_COLUMN = 96
_MAX_NAME = 128
_MAX_HEADER = 96
_INSET = 12


class MatrixView(KeyedView):
    """Tints each cell by its share of the label's tokens. Arrow keys move; Enter or a click lists a cell's tokens.

    Signals:
        chosen: (label, prediction) a cell was clicked, or Enter was pressed on it.
        cursor_moved: a key moved the cursor to another cell.
    """

    chosen = Signal(int, int)
    cursor_moved = Signal()
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
        super().__init__(session, style, "Confusion matrix: labels in rows, predictions in columns", parent)
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
        """Show a matrix; with another label set than before, the cursor goes to the most frequent error."""
        new_labels = classes != self._names
        self.evaluation, self._names = evaluation, classes
        # Outside comes last, as in the palette: the labels that one looks for are at the top.
        self._order = [*(label for label in range(len(classes)) if label != outside), outside]
        if evaluation is not None and new_labels:
            wrong = [
                (evaluation.metrics.confusion[label][prediction], -row, -column)
                for row, label in enumerate(self._order)
                for column, prediction in enumerate(self._order)
                if label != prediction
            ]
            _, row, column = max(wrong, default=(0, 0, 0))
            self.cell = (-row, -column)
        self.listed = None
        self.arrange()

    def sizeHint(self) -> QSize:
        """All rows; columns are scrolled where they don't fit."""
        px = self.look.px
        height = self._header_height() + max(1, len(self._order)) * px(_ROW) + px(6)
        bar = self.horizontalScrollBar()
        return QSize(px(240), height + (px(12) if bar.maximum() > 0 else 0))

    def arrange(self) -> None:
        """Room for the rows, and a scroll range for the columns."""
        bar = self.horizontalScrollBar()
        whole = self._names_width() + self._column_width() * len(self._order) + self.look.px(_INSET)
        bar.setRange(0, max(0, whole - self.viewport().width()))
        bar.setPageStep(max(1, self.viewport().width()))
        bar.setSingleStep(self._column_width())
        # Not setFixedHeight: inside a resize it would leave the viewport at the size it had before.
        self.updateGeometry()
        self.viewport().update()

    def minimumSizeHint(self) -> QSize:
        """All rows, always."""
        return self.sizeHint()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Lay out for the new width."""
        super().resizeEvent(event)
        self.arrange()

    def _names_width(self) -> int:
        px = self.look.px
        longest = max((text_width(name, self.look.body) for name in self._names), default=0)
        return px(_INSET) + min(px(_MAX_NAME), longest + px(14))

    def _column_width(self) -> int:
        """Pixels of a column: what its numbers need, and more where there is room for its name."""
        px = self.look.px
        most = max((max(row) for row in self.evaluation.metrics.confusion), default=0) if self.evaluation else 0
        least = max(px(_MIN_COLUMN), text_width(f"{most:,}", self.look.small) + px(10))
        longest = max((text_width(name, self.look.small) for name in self._names), default=0) + px(10)
        room = (self.viewport().width() - self._names_width() - px(_INSET)) // max(1, len(self._order))
        return max(least, min(px(_MAX_COLUMN), longest, room))

    def _names_fit(self) -> bool:
        """True when every name fits over its column without being rotated."""
        return all(text_width(name, self.look.small) + self.look.px(8) <= self._column_width() for name in self._names)

    def _header_height(self) -> int:
        px = self.look.px
        if self._names_fit():
            return px(42)
        longest = max((text_width(name, self.look.small) for name in self._names), default=0)
        return px(26) + min(px(_MAX_HEADER), longest + px(6))

    def cell_box(self, row: int, column: int) -> QRect:
        """The rectangle of a cell in the viewport, by its row and column on the screen."""
        px = self.look.px
        left = self._names_width() + column * self._column_width() - self.horizontalScrollBar().value()
        return QRect(left, self._header_height() + row * px(_ROW), self._column_width(), px(_ROW))

    def box_of(self, label: int, prediction: int) -> QRect:
        """The rectangle of the cell of a label and a prediction, in the viewport."""
        return self.cell_box(self._order.index(label), self._order.index(prediction))

    def _cell_at(self, point: QPointF) -> tuple[int, int] | None:
        if self.evaluation is None or point.x() < self._names_width() or point.y() < self._header_height():
            return None
        column = int(point.x() - self._names_width() + self.horizontalScrollBar().value()) // self._column_width()
        row = int(point.y() - self._header_height()) // self.look.px(_ROW)
        inside = 0 <= row < len(self._order) and 0 <= column < len(self._order)
        return (row, column) if inside else None

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Move over the cells, or list the tokens of one."""
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
            self._scroll_to_cell()
            self.viewport().update()
            self.cursor_moved.emit()
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self._list_cell()
        else:
            event.ignore()

    def _scroll_to_cell(self) -> None:
        box, bar = self.cell_box(*self.cell), self.horizontalScrollBar()
        if box.left() < self._names_width():
            bar.setValue(bar.value() + box.left() - self._names_width())
        elif box.right() > self.viewport().width() - self.look.px(_INSET):
            bar.setValue(bar.value() + box.right() - self.viewport().width() + self.look.px(_INSET))

    def _list_cell(self) -> None:
        if self.evaluation is not None:
            row, column = self.cell
            self.listed = (self._order[row], self._order[column])
            self.viewport().update()
            self.chosen.emit(*self.listed)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """List the tokens of the cell that was clicked."""
        at = self._cell_at(event.position())
        if at is not None and event.button() == Qt.MouseButton.LeftButton:
            self.cell = at
            self._list_cell()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Highlight the cell under the mouse."""
        at = self._cell_at(event.position())
        if at != self._hover:
            self._hover = at
            self.viewport().update()

    def leaveEvent(self, event: object) -> None:
        """Clear the highlight."""
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
        room = QRect(self._names_width(), 0, self.viewport().width() - self._names_width(), self.viewport().height())
        painter.save()
        painter.setClipRect(room)
        self._paint_columns(painter)
        self._paint_cells(painter)
        painter.restore()
        self._paint_rows(painter)

    def _paint_columns(self, painter: QPainter) -> None:
        px, look, width, header = self.look.px, self.look, self._column_width(), self._header_height()
        painter.setFont(look.small)
        for column, label in enumerate(self._order):
            box = self.cell_box(0, column)
            if box.right() < self._names_width() or box.left() > self.viewport().width():
                continue
            at_cursor = column == self.cell[1] and self.hasFocus()
            painter.setPen(look.c("text" if at_cursor else "second"))
            name = self._names[label]
            if self._names_fit():
                line = QRect(box.left(), px(20), width, header - px(20))
                painter.drawText(line, Qt.AlignmentFlag.AlignCenter, name)
                continue
            painter.save()
            painter.translate(box.left() + width / 2, header - px(6))
            painter.rotate(-90)
            line = QRect(0, -px(10), header - px(26), px(20))
            painter.drawText(line, Qt.AlignmentFlag.AlignVCenter, elided(name, look.small, line.width()))
            painter.restore()

    def _paint_cells(self, painter: QPainter) -> None:
        assert self.evaluation is not None
        look, confusion = self.look, self.evaluation.metrics.confusion
        painter.setFont(look.small)
        for row, label in enumerate(self._order):
            total = sum(confusion[label])
            for column, prediction in enumerate(self._order):
                box = self.cell_box(row, column)
                if box.right() < self._names_width() or box.left() > self.viewport().width():
                    continue
                count = confusion[label][prediction]
                ground = look.tint(count / total) if count else look.theme.window
                plate = QRectF(box).adjusted(0, 0, -1, -1)
                painter.fillRect(plate, colour(ground))
                painter.setPen(look.ink(ground) if count else look.c("control"))
                painter.drawText(plate, Qt.AlignmentFlag.AlignCenter, f"{count:,}" if count else "·")
        self._paint_rings(painter)

    def _paint_rings(self, painter: QPainter) -> None:
        """Mark the cell under the mouse, the cell whose tokens are listed, and the cell at the cursor."""
        look = self.look
        for box, role, width in (
            (None if self._hover is None else self.cell_box(*self._hover), "second", 1.0),
            (None if self.listed is None else self.box_of(*self.listed), "accent", 1.4),
            (self.cell_box(*self.cell) if self.hasFocus() else None, "accent", 2.4),
        ):
            if box is None:
                continue
            ring = QRectF(box).adjusted(0.5, 0.5, -1.5, -1.5)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            if role == "accent":
                # A line in the background colour around the ring makes it visible on any tint.
                painter.setPen(QPen(look.c("panel"), width + 2))
                painter.drawRect(ring)
            painter.setPen(QPen(look.c(role), width))
            painter.drawRect(ring)

    def _paint_rows(self, painter: QPainter) -> None:
        px, look = self.look.px, self.look
        painter.fillRect(QRect(0, 0, self._names_width(), self.viewport().height()), look.c("panel"))
        painter.setFont(look.small)
        painter.setPen(look.c("second"))
        painter.drawText(QRect(px(_INSET), 0, self._names_width(), px(20)), Qt.AlignmentFlag.AlignVCenter, "label")
        across = QRect(self._names_width(), 0, self.viewport().width() - self._names_width(), px(20))
        painter.fillRect(across, look.c("panel"))
        painter.drawText(across, Qt.AlignmentFlag.AlignVCenter, "predicted")
        painter.setFont(look.body)
        for row, label in enumerate(self._order):
            box = self.cell_box(row, 0)
            at_cursor = row == self.cell[0] and self.hasFocus()
            painter.setPen(look.c("text" if at_cursor else "second"))
            line = QRect(px(_INSET), box.y(), self._names_width() - px(_INSET) - px(8), box.height())
            painter.drawText(line, Qt.AlignmentFlag.AlignVCenter, elided(self._names[label], look.body, line.width()))

    def tip_at(self, point: QPoint) -> str:
        """Explain the cell or the name under the mouse."""
        at = self._cell_at(QPointF(point))
        if self.evaluation is None:
            return ""
        if at is None:
            rows = (point.y() - self._header_height()) // self.look.px(_ROW)
            if point.x() < self._names_width() and 0 <= rows < len(self._order):
                return self._names[self._order[rows]]
            columns = int(point.x() - self._names_width() + self.horizontalScrollBar().value()) // self._column_width()
            if point.y() < self._header_height() and point.x() >= self._names_width() and columns < len(self._order):
                return self._names[self._order[columns]]
            return ""
        label, prediction = self._order[at[0]], self._order[at[1]]
        count = self.evaluation.metrics.confusion[label][prediction]
        text = f"{count:,} {'token' if count == 1 else 'tokens'}: label {self._names[label]}, predicted"
        text = f"{text} {self._names[prediction]}"
        padded = self.evaluation.if_padding_counted
        if padded is not None and padded.metrics.confusion[label][prediction] != count:
            text += f"\nif padding were counted: {padded.metrics.confusion[label][prediction]:,}"
        return f"{text}\nA click lists them."
