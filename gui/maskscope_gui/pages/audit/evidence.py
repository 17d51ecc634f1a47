"""The strip of a finding's evidence: what a check saw in one padded sentence, one column per position."""

import math

from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from maskscope.audit.report import Evidence, EvidenceRow
from maskscope_gui.pages.audit.audit_text import format_deviation
from maskscope_gui.pages.audit.deviation_scale import decades_above, share_of_scale, tolerance_share
from maskscope_gui.session.session import Session
from maskscope_gui.theme.theme import Style, colour
from maskscope_gui.widgets.base import elided, text_width
from maskscope_gui.widgets.keyed_view import KeyedView
from maskscope_gui.widgets.token_text import token_text

_INSET = 12
_NARROWEST, _WIDEST = 15, 30
_MARKER, _TOKENS, _CAPTION, _GAP, _NUMBERS, _BAR = 12, 68, 16, 4, 16, 10
_CELL = {"real": 10, "mask": 16, "value": 16, "change": 30}
_NUMBERED = 5
"""Every fifth position is numbered."""
_BY_LENGTHS = "mask from the lengths"


class EvidenceStrip(KeyedView):
    """The evidence of one finding. Left, Right, Home and End move the cursor; Enter shows the token there.

    Signals:
        moved: (position) the cursor has moved there.
        entered: (position) Enter was pressed, or the position was double-clicked.
        space_pressed: Space was pressed.
    """

    moved = Signal(int)
    entered = Signal(int)
    space_pressed = Signal()
    KEYS = frozenset(
        {
            Qt.Key.Key_Left,
            Qt.Key.Key_Right,
            Qt.Key.Key_Home,
            Qt.Key.Key_End,
            Qt.Key.Key_Return,
            Qt.Key.Key_Enter,
            Qt.Key.Key_Space,
        }
    )

    def __init__(self, session: Session, style: Style, parent: QWidget | None = None) -> None:
        super().__init__(session, style, "What the check saw, by position", parent)
        self.evidence: Evidence | None = None
        self.tolerance: float | None = None
        self.found: int | None = None
        self.at = 0
        self.tokens: tuple[str, ...] = ()
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)

    def show_evidence(self, evidence: Evidence | None, tolerance: float | None, found: int | None) -> None:
        """Show other evidence, or none.

        Args:
            evidence: of the finding.
            tolerance: of the finding.
            found: position of the finding, which is marked and gets the cursor.
        """
        self.evidence, self.tolerance = evidence, tolerance
        self.tokens = ()
        project = self.session.project
        sentence = -1 if evidence is None or evidence.sentence is None else evidence.sentence
        if project is not None and 0 <= sentence < project.n_sentences:
            self.tokens = self.session.sentence_row(sentence).tokens
        n = 0 if evidence is None else len(evidence.real)
        first = 0 if evidence is None else evidence.first
        self.found = found if found is not None and first <= found < first + n else None
        self.at = self.found if self.found is not None else first
        self.setAccessibleDescription(", ".join(self.lines_at(self.at)))
        self.arrange()
        self._scroll_to_cursor()

    # Places

    @property
    def cell_width(self) -> int:
        """Width of a position in pixels."""
        px, n = self.look.px, 0 if self.evidence is None else len(self.evidence.real)
        room = self.width() - 2 * px(_INSET)
        return min(max(room // max(n, 1), px(_NARROWEST)), px(_WIDEST))

    def _tokens_height(self) -> int:
        px = self.look.px
        # measured in bold, as the chosen token is painted, so that the height stays when another one is chosen
        longest = max((text_width(self._word(place)[0], self.look.small_bold) for place in self._places()), default=0)
        return min(longest + px(6), px(_TOKENS)) if longest else 0

    def _places(self) -> range:
        evidence = self.evidence
        return range(0) if evidence is None else range(evidence.first, evidence.first + len(evidence.real))

    def _word(self, position: int) -> tuple[str, bool]:
        evidence = self.evidence
        real = evidence is not None and evidence.real[position - evidence.first]
        return token_text(self.tokens[position]) if real and position < len(self.tokens) else ("", False)

    def _rows(self) -> list[tuple[int, EvidenceRow | None]]:
        """The upper edge of the cells of each row; the first row, None, is the mask from the lengths."""
        if self.evidence is None:
            return []
        px = self.look.px
        top = px(_MARKER) + self._tokens_height()
        rows: list[tuple[int, EvidenceRow | None]] = []
        for row in (None, *self.evidence.rows):
            top += px(_CAPTION)
            rows.append((top, row))
            top += px(_CELL["real" if row is None else row.kind]) + px(_GAP)
        return rows

    def _content_height(self) -> int:
        rows = self._rows()
        if not rows:
            return 0
        top, row = rows[-1]
        return top + self.look.px(_CELL["real" if row is None else row.kind]) + self.look.px(_NUMBERS)

    def sizeHint(self) -> QSize:
        """All rows in height; any width will do."""
        bar = self.look.px(_BAR) if self.horizontalScrollBar().maximum() else 0
        return QSize(self.look.px(240), self._content_height() + bar)

    def minimumSizeHint(self) -> QSize:
        """All rows in height."""
        return QSize(self.look.px(120), self.sizeHint().height())

    def arrange(self) -> None:
        """Fit the height and the scroll bar to the content."""
        px, bar = self.look.px, self.horizontalScrollBar()
        whole = self.cell_width * len(self._places()) + 2 * px(_INSET)
        bar.setRange(0, max(0, whole - self.width()))
        bar.setPageStep(max(1, self.width()))
        bar.setSingleStep(self.cell_width)
        height = self.sizeHint().height()
        if height != self.height():
            self.setFixedHeight(height)
        self.viewport().update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit the cells to the new width."""
        super().resizeEvent(event)
        self.arrange()
        self._scroll_to_cursor()

    def _left(self, position: int) -> int:
        first = 0 if self.evidence is None else self.evidence.first
        return self.look.px(_INSET) + (position - first) * self.cell_width - self.horizontalScrollBar().value()

    def column_box(self, position: int) -> QRect:
        """The box of a position in the viewport, from its marker to its number."""
        return QRect(self._left(position), 0, self.cell_width, self._content_height())

    def position_at(self, x: float) -> int | None:
        """The position at an x of the viewport; None outside."""
        places = self._places()
        if not places:
            return None
        position = places.start + math.floor((x - self._left(places.start)) / self.cell_width)
        return position if position in places else None

    def _scroll_to_cursor(self) -> None:
        if not self._places():
            return
        bar, box = self.horizontalScrollBar(), self.column_box(self.at)
        if box.left() < 0 or box.right() > self.viewport().width():
            bar.setValue(bar.value() + box.center().x() - self.viewport().width() // 2)

    # Painting

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint tokens, rows, numbers and the cursor."""
        painter = QPainter(self.viewport())
        painter.fillRect(event.rect(), self.look.c("panel"))
        if self.evidence is None:
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        width = self.viewport().width()
        for position in self._places():
            left = self._left(position)
            if left + self.cell_width >= 0 and left <= width:
                self._paint_token(painter, position)
        for top, row in self._rows():
            self._paint_row(painter, top, row)
        self._paint_numbers(painter)
        self._paint_cursor(painter)

    def _paint_token(self, painter: QPainter, position: int) -> None:
        word, is_stand_in = self._word(position)
        if not word:
            return
        px, look, cell = self.look.px, self.look, self.cell_width
        here = position in (self.at, self.found)
        font = look.small_bold if here else look.small
        painter.save()
        # rotated, so that tokens of any length fit above cells of one width
        painter.translate(self._left(position), px(_MARKER) + self._tokens_height())
        painter.rotate(-90)
        painter.setFont(font)
        painter.setPen(look.c("second" if is_stand_in else "text"))
        room = QRect(px(2), 0, self._tokens_height() - px(2), cell)
        flags = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignAbsolute | Qt.AlignmentFlag.AlignVCenter
        painter.drawText(room, flags, elided(word, font, room.width()))
        painter.restore()

    def _paint_row(self, painter: QPainter, top: int, row: EvidenceRow | None) -> None:
        assert self.evidence is not None
        px, look = self.look.px, self.look
        room = self.viewport().width() - 2 * px(_INSET)
        caption = QRect(px(_INSET), top - px(_CAPTION), room, px(_CAPTION))
        painter.setFont(look.small)
        painter.setPen(look.c("second"))
        label = _BY_LENGTHS if row is None else row.label
        painter.drawText(caption, Qt.AlignmentFlag.AlignVCenter, elided(label, look.small, room))
        height = px(_CELL["real" if row is None else row.kind])
        decades = 0
        if row is not None and row.kind == "change":
            decades = decades_above((value, self.tolerance) for value in row.values)
        for position in self._places():
            place = position - self.evidence.first
            left = self._left(position)
            if left + self.cell_width < 0 or left > self.viewport().width():
                continue
            real = self.evidence.real[place]
            box = QRectF(left, top, self.cell_width - 1, height)
            if row is None:
                painter.fillRect(box, look.c("mask") if real else look.hatch)
            elif row.kind == "mask":
                self._paint_mask(painter, box, row.values[place], real)
            else:
                painter.fillRect(box, look.c("window") if real else look.hatch)
                if row.values[place] is None and not real:
                    # padding without an output, or without one to compare: no fault
                    continue
                if row.kind == "change":
                    self._paint_change(painter, box, row.values[place], decades)
                else:
                    self._paint_value(painter, box, row, place, real)
        if decades and self.tolerance is not None and self.tolerance > 0:
            y = top + height * (1 - tolerance_share(decades))
            end = min(self._left(self._places().stop), self.viewport().width())
            painter.setPen(QPen(look.c("text"), 1, Qt.PenStyle.DashLine))
            painter.drawLine(QPointF(max(self._left(self._places().start), 0), y), QPointF(end, y))

    def _paint_mask(self, painter: QPainter, box: QRectF, value: float | None, real: bool) -> None:
        look = self.look
        if value is None:
            self._paint_none(painter, box)
            return
        taken = value >= 0.5
        painter.fillRect(box, look.c("mask") if taken else look.hatch)
        if taken != real:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(look.c("fails"), look.px(2)))
            painter.drawRect(box.adjusted(1, 1, -1, -1))

    def _paint_change(self, painter: QPainter, box: QRectF, value: float | None, decades: int) -> None:
        if value is None:
            self._paint_none(painter, box)
            return
        tolerance = 0.0 if self.tolerance is None else self.tolerance
        high = box.height() * share_of_scale(abs(value), tolerance, decades)
        if high > 0:
            inner = QRectF(box.x() + 2, box.bottom() - high, box.width() - 4, high)
            painter.fillRect(inner, self.look.c("fails" if abs(value) > tolerance else "second"))

    def _paint_value(self, painter: QPainter, box: QRectF, row: EvidenceRow, place: int, real: bool) -> None:
        value, look = row.values[place], self.look
        if value is None:
            self._paint_none(painter, box)
        elif real:
            painter.fillRect(box, colour(look.tint(_as_share(value, row.values))))
        else:
            # an output at padding is not a prediction, and must not look like one
            painter.setBrush(look.c("pad_ground"))
            painter.setPen(QPen(look.c("second"), 1.4))
            size = min(box.width(), box.height()) - look.px(5)
            painter.drawEllipse(box.center(), size / 2, size / 2)

    def _paint_none(self, painter: QPainter, box: QRectF) -> None:
        painter.setFont(self.look.small_bold)
        painter.setPen(self.look.c("fails"))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, "×")

    def _paint_numbers(self, painter: QPainter) -> None:
        px, look = self.look.px, self.look
        top = self._content_height() - px(_NUMBERS)
        painter.setFont(look.tiny)
        for position in self._places():
            here = position in (self.at, self.found)
            near = any(0 < abs(position - each) < 3 for each in (self.at, self.found) if each is not None)
            if here or (position % _NUMBERED == 0 and not near):
                painter.setPen(look.c("text" if here else "second"))
                box = QRectF(self._left(position) - px(12), top, self.cell_width + px(24), px(_NUMBERS))
                painter.drawText(box, Qt.AlignmentFlag.AlignCenter, str(position))

    def _paint_cursor(self, painter: QPainter) -> None:
        px, look = self.look.px, self.look
        if self.found is not None:
            centre = self._left(self.found) + (self.cell_width - 1) / 2
            low = float(px(_MARKER) - px(2))
            corners = [QPointF(centre, low), QPointF(centre - px(5), low - px(8)), QPointF(centre + px(5), low - px(8))]
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(look.c("fails"))
            painter.drawPolygon(QPolygonF(corners))
        box = QRectF(self.column_box(self.at)).adjusted(-1, px(_MARKER), 0, -1)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(look.c("accent" if self.hasFocus() else "control"), 1.6 if self.hasFocus() else 1))
        painter.drawRoundedRect(box, 3, 3)

    # Text

    def lines_at(self, position: int) -> list[str]:
        """The numbers at a position as text, one line per row."""
        evidence = self.evidence
        if evidence is None or position not in self._places():
            return []
        place = position - evidence.first
        real = evidence.real[place]
        word, _ = self._word(position)
        lines = [f"position {position}" + (f" · {word}" if word else "") + (" · real token" if real else " · padding")]
        for row in evidence.rows:
            value = row.values[place]
            if value is None and not real:
                continue
            if row.kind == "mask":
                taken = "not a number" if value is None else "1, a token" if value >= 0.5 else "0, padding"
                lines.append(f"{row.label}: {taken}")
            elif value is None:
                lines.append(f"{row.label}: not a number")
            elif row.kind == "change":
                tolerance = "" if self.tolerance is None else f", tolerance {format_deviation(self.tolerance)}"
                lines.append(f"{row.label}: {value:.3g}{tolerance}")
            else:
                lines.append(f"{row.label}: {value:.6g}" + ("" if real else ", not a prediction"))
        return lines

    def tip_at(self, point: QPoint) -> str:
        """The numbers at the position under the mouse."""
        position = self.position_at(point.x())
        return "" if position is None else "\n".join(self.lines_at(position))

    # The cursor

    def go_to(self, position: int) -> None:
        """Move the cursor to a position, or to the nearest one."""
        places = self._places()
        if not places:
            return
        self.at = min(max(position, places.start), places.stop - 1)
        self._scroll_to_cursor()
        self.viewport().update()
        self.setAccessibleDescription(", ".join(self.lines_at(self.at)))
        self.moved.emit(self.at)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Move the cursor, show its token, or show the model's picture."""
        places = self._places()
        steps = {
            Qt.Key.Key_Left: self.at - 1,
            Qt.Key.Key_Right: self.at + 1,
            Qt.Key.Key_Home: places.start,
            Qt.Key.Key_End: places.stop - 1,
        }
        key = Qt.Key(event.key())
        if key in steps:
            self.go_to(steps[key])
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.entered.emit(self.at)
        elif key == Qt.Key.Key_Space:
            self.space_pressed.emit()
        else:
            event.ignore()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Move the cursor to the clicked position."""
        position = self.position_at(event.position().x())
        if position is not None and event.button() == Qt.MouseButton.LeftButton:
            self.go_to(position)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Show the token, as Enter does."""
        position = self.position_at(event.position().x())
        if position is not None and event.button() == Qt.MouseButton.LeftButton:
            self.entered.emit(position)


def _as_share(value: float, values: tuple[float | None, ...]) -> float:
    """A value as a share for its colour: a probability itself; another output between the extremes of its row."""
    known = [each for each in values if each is not None]
    low, high = min(known), max(known)
    if low >= 0 and high <= 1:
        return value
    return 0.5 if high == low else (value - low) / (high - low)
