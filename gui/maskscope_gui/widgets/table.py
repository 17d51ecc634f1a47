"""A table that reads and paints only the rows in sight, so that a million rows cost no more than twenty."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QPoint, QRect, QRectF, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QWidget

from maskscope_gui.session.session import Session
from maskscope_gui.theme.theme import Style, colour
from maskscope_gui.widgets.base import elided, text_width
from maskscope_gui.widgets.keyed_view import KeyedView

ROW = 26
HEAD = 24
_INSET = 12
_MIN_SHRINKABLE = 90
_MIN_FREE = 190


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Attributes:
        title: the text in the header.
        width: pixels at 100 %; 0 for the room that the other columns leave.
        right: align to the right, as numbers are.
    """

    title: str
    width: int = 0
    right: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """The content of one cell.

    Attributes:
        text: what the cell shows.
        ink: the text colour, a role of the theme or "#RRGGBB".
        before, after: for a token, the text around it, in the second colour; the tokens of all rows are aligned.
        bold: use a heavier weight.
        tip: the tooltip; "" for the text itself, in full.
    """

    text: str
    ink: str = "text"
    before: str = ""
    after: str = ""
    bold: bool = False
    tip: str = ""


class Table(KeyedView):
    """Shows rows of cells. Up, Down, Home, End and the page keys move the cursor, Enter chooses a row, Space marks it.

    Signals:
        moved: (row) the cursor was put on a row.
        entered: (row) Enter was pressed, or the row was double-clicked.
        marked: (row) Space was pressed.
    """

    moved = Signal(int)
    entered = Signal(int)
    marked = Signal(int)
    KEYS = frozenset(
        {
            Qt.Key.Key_Up,
            Qt.Key.Key_Down,
            Qt.Key.Key_Home,
            Qt.Key.Key_End,
            Qt.Key.Key_PageUp,
            Qt.Key.Key_PageDown,
            Qt.Key.Key_Return,
            Qt.Key.Key_Enter,
        }
    )

    def __init__(
        self,
        session: Session,
        style: Style,
        name: str,
        columns: Sequence[Column],
        cell: Callable[[int, int], Cell],
        parent: QWidget | None = None,
        *,
        marks: bool = False,
    ) -> None:
        super().__init__(session, style, name, parent)
        self.columns = tuple(columns)
        self.n_rows = 0
        self.row = -1
        self.marks: list[int] = []
        self.empty = ""
        self._cell = cell
        self._hover = -1
        if marks:
            self.KEYS = self.KEYS | {Qt.Key.Key_Space}

    def set_rows(self, n_rows: int, row: int = -1) -> None:
        """Set the number of rows, and put the cursor on `row`, or on none for -1."""
        self.n_rows = n_rows
        self.row = min(row, n_rows - 1)
        self.arrange()
        self.verticalScrollBar().setValue(0)
        self._scroll_to_row()

    def arrange(self) -> None:
        """Set the scroll range to the number of rows."""
        px, bar = self.look.px, self.verticalScrollBar()
        room = max(0, self.viewport().height() - px(HEAD))
        bar.setRange(0, max(0, px(ROW) * self.n_rows - room))
        bar.setPageStep(max(1, room))
        bar.setSingleStep(px(ROW))
        self.viewport().update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Set the scroll range for the new height."""
        super().resizeEvent(event)
        self.arrange()

    def height_of(self, n_rows: int) -> int:
        """Pixels that the header and `n_rows` rows take."""
        return self.look.px(HEAD) + n_rows * self.look.px(ROW) + 2

    def go_to(self, row: int) -> None:
        """Put the cursor on a row, or on the nearest one there is."""
        if not self.n_rows:
            return
        self.row = min(max(row, 0), self.n_rows - 1)
        self._scroll_to_row()
        self.viewport().update()
        self.moved.emit(self.row)

    def _scroll_to_row(self) -> None:
        if self.row < 0:
            return
        px, bar = self.look.px, self.verticalScrollBar()
        top, room = self.row * px(ROW), self.viewport().height() - px(HEAD)
        if top < bar.value():
            bar.setValue(top)
        elif top + px(ROW) > bar.value() + room:
            bar.setValue(top + px(ROW) - room)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Move the cursor, choose or mark the row."""
        page = max(1, (self.viewport().height() - self.look.px(HEAD)) // self.look.px(ROW) - 1)
        steps = {
            Qt.Key.Key_Up: self.row - 1,
            Qt.Key.Key_Down: self.row + 1,
            Qt.Key.Key_Home: 0,
            Qt.Key.Key_End: self.n_rows - 1,
            Qt.Key.Key_PageUp: self.row - page,
            Qt.Key.Key_PageDown: self.row + page,
        }
        key = Qt.Key(event.key())
        if key in steps:
            self.go_to(steps[key])
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.row >= 0:
            self.entered.emit(self.row)
        elif key == Qt.Key.Key_Space and self.row >= 0 and key in self.KEYS:
            self.marked.emit(self.row)
        else:
            event.ignore()

    def row_box(self, row: int) -> QRect:
        """The rectangle of a row in the viewport."""
        px = self.look.px
        top = px(HEAD) + row * px(ROW) - self.verticalScrollBar().value()
        return QRect(0, top, self.viewport().width(), px(ROW))

    def row_at(self, y: float) -> int:
        """The row at a height of the viewport; -1 in the header and below the last row."""
        px = self.look.px
        if y < px(HEAD):
            return -1
        row = int(y - px(HEAD) + self.verticalScrollBar().value()) // px(ROW)
        return row if 0 <= row < self.n_rows else -1

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Put the cursor on the row that was clicked."""
        row = self.row_at(event.position().y())
        if row >= 0 and event.button() == Qt.MouseButton.LeftButton:
            self.go_to(row)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Choose the row, as Enter does."""
        row = self.row_at(event.position().y())
        if row >= 0 and event.button() == Qt.MouseButton.LeftButton:
            self.entered.emit(row)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Highlight the row under the mouse."""
        self._highlight(self.row_at(event.position().y()))

    def leaveEvent(self, event: QEvent) -> None:
        """Clear the highlight."""
        self._highlight(-1)

    def _highlight(self, row: int) -> None:
        if row != self._hover:
            self._hover = row
            self.viewport().update()

    def _column_places(self) -> list[tuple[int, int]]:
        """Left edge and width of each column."""
        px = self.look.px
        room = self.viewport().width() - 2 * px(_INSET)
        widths = [px(column.width) for column in self.columns]
        free = sum(not width for width in widths)
        missing = free * px(_MIN_FREE) + sum(widths) - room
        shrinkable = sum(width for width in widths if width >= px(_MIN_SHRINKABLE))
        if free and missing > 0 and shrinkable:
            # The widest columns shrink first: their text is elided, and the tooltip has it in full.
            keep = max(0.5, 1 - missing / shrinkable)
            widths = [round(width * keep) if width >= px(_MIN_SHRINKABLE) else width for width in widths]
        share = max(px(60), (room - sum(widths)) // max(1, free))
        places, left = [], px(_INSET)
        for width in (width or share for width in widths):
            places.append((left, width))
            left += width
        return places

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the header and the rows in sight."""
        painter = QPainter(self.viewport())
        px, look = self.look.px, self.look
        painter.fillRect(event.rect(), look.c("panel"))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        places = self._column_places()
        first = max(0, self.verticalScrollBar().value() // px(ROW))
        last = min(self.n_rows, first + (self.viewport().height() - px(HEAD)) // px(ROW) + 2)
        painter.save()
        painter.setClipRect(0, px(HEAD), self.viewport().width(), self.viewport().height())
        for row in range(first, last):
            self._paint_row(painter, row, places)
        painter.restore()
        self._paint_header(painter, places)
        if not self.n_rows and self.empty:
            painter.setFont(look.body)
            painter.setPen(look.c("second"))
            box = self.viewport().rect().adjusted(px(_INSET), px(HEAD + 8), -px(_INSET), 0)
            flags = Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft | Qt.TextFlag.TextWordWrap
            painter.drawText(box, int(flags), self.empty)

    def _paint_header(self, painter: QPainter, places: list[tuple[int, int]]) -> None:
        px, look = self.look.px, self.look
        painter.fillRect(QRect(0, 0, self.viewport().width(), px(HEAD)), look.c("panel"))
        painter.fillRect(QRect(0, px(HEAD) - 1, self.viewport().width(), 1), look.c("line"))
        painter.setFont(look.small)
        painter.setPen(look.c("second"))
        for column, (left, width) in zip(self.columns, places, strict=True):
            side = Qt.AlignmentFlag.AlignRight if column.right else Qt.AlignmentFlag.AlignLeft
            box = QRect(left, 0, width - px(10), px(HEAD) - 1)
            painter.drawText(box, side | Qt.AlignmentFlag.AlignVCenter, elided(column.title, look.small, box.width()))

    def _paint_row(self, painter: QPainter, row: int, places: list[tuple[int, int]]) -> None:
        px, look = self.look.px, self.look
        box = self.row_box(row)
        if row == self.row:
            painter.fillRect(box, look.c("accent_ground"))
            if self.hasFocus():
                painter.fillRect(QRect(box.x(), box.y(), px(3), box.height()), look.c("accent"))
        elif row == self._hover:
            painter.fillRect(box, look.c("hover"))
        if row in self.marks:
            name = "AB"[self.marks.index(row)] if len(self.marks) <= 2 else "•"
            mark = QRectF(px(4), box.center().y() - px(8) + 0.5, px(16), px(16))
            painter.setPen(QPen(look.c("accent"), 1.4))
            painter.setBrush(look.c("panel"))
            painter.drawRoundedRect(mark, 3, 3)
            painter.setFont(look.small_bold)
            painter.drawText(mark, Qt.AlignmentFlag.AlignCenter, name)
        for number, (column, (left, width)) in enumerate(zip(self.columns, places, strict=True)):
            cell = self._cell(row, number)
            room = QRect(left, box.y(), width - px(10), box.height())
            if cell.before or cell.after:
                self._paint_token(painter, room, cell)
                continue
            font = look.bold if cell.bold else look.body
            painter.setFont(font)
            painter.setPen(colour(cell.ink) if cell.ink.startswith("#") else look.c(cell.ink))
            side = Qt.AlignmentFlag.AlignRight if column.right else Qt.AlignmentFlag.AlignLeft
            painter.drawText(room, side | Qt.AlignmentFlag.AlignVCenter, elided(cell.text, font, room.width()))

    def _paint_token(self, painter: QPainter, room: QRect, cell: Cell) -> None:
        """Paint a token with as much of its sentence around it as fits; the tokens of all rows are aligned."""
        px, look = self.look.px, self.look
        middle = Qt.AlignmentFlag.AlignVCenter
        before_room = room.width() * 2 // 5
        token = elided(cell.text, look.bold, room.width() - before_room)
        width = text_width(token, look.bold)
        before = _last_words(cell.before, look, before_room - px(6))
        painter.setFont(look.body)
        painter.setPen(look.c("second"))
        left = QRect(room.x(), room.y(), before_room - px(6), room.height())
        painter.drawText(left, middle | Qt.AlignmentFlag.AlignRight, before)
        start = room.x() + before_room
        rest = QRect(start + width + px(6), room.y(), room.right() - start - width - px(6), room.height())
        if rest.width() > px(16):
            painter.drawText(rest, middle, elided(cell.after, look.body, rest.width()))
        painter.setFont(look.bold)
        painter.setPen(look.c("text"))
        painter.drawText(QRect(start, room.y(), width + 2, room.height()), middle, token)

    def tip_at(self, point: QPoint) -> str:
        """The text of the cell under the mouse, in full."""
        row = self.row_at(point.y())
        if row < 0:
            return ""
        for number, (left, width) in enumerate(self._column_places()):
            if left <= point.x() < left + width:
                cell = self._cell(row, number)
                return cell.tip or " ".join(part for part in (cell.before, cell.text, cell.after) if part)
        return ""


def _last_words(text: str, style: Style, room: int) -> str:
    if text_width(text, style.body) <= room:
        return text
    parts = text.split(" ")
    while len(parts) > 1 and text_width("…" + " ".join(parts), style.body) > room:
        parts.pop(0)
    return "…" + " ".join(parts) if text_width("…" + " ".join(parts), style.body) <= room else "…"
