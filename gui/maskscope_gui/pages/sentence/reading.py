"""The reading strip: the sentence as a paragraph of token chips, to read and to select in."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QMouseEvent, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QLabel, QWidget

from maskscope.types import NO_EDIT, NO_LABEL, TagScheme, span_parts
from maskscope_gui.session.model_values import number_text
from maskscope_gui.session.session import Session
from maskscope_gui.theme.theme import Style, colour
from maskscope_gui.widgets.base import PaintedView, draw_collision, elided, recolour, text_width
from maskscope_gui.widgets.geometry import Box, flow, nearest, runs
from maskscope_gui.widgets.token_text import reads_right_to_left, token_text

_IGNORED = -3
"""In place of a label where a person marked a token as ignored."""


_VALUES_NOTE = "This model gives values, which are no probabilities: the tokens are not tinted."


class ReadingView(PaintedView):
    """Shows tokens as chips: tinted by probability, underlined by label, dotted when edited, hatched when masked."""

    def __init__(self, session: Session, style: Style, parent: QWidget | None = None) -> None:
        super().__init__(session, style, "The sentence, token by token", parent)
        self._boxes: tuple[Box, ...] = ()
        self._texts: list[tuple[str, bool]] = []
        self._height = 0
        self._rtl = False
        self._note = QLabel(self)
        self._note.setTextFormat(Qt.TextFormat.PlainText)
        session.cursor.sentence_changed.connect(self._show_sentence)
        session.model_changed.connect(self.arrange)
        session.decoding_changed.connect(self.viewport().update)
        session.editing.edited.connect(self._repaint_edited)
        session.cursor.moved.connect(self._follow_cursor)

    def _repaint_edited(self, sentence: int) -> None:
        if sentence == self.session.cursor.sentence:
            self.viewport().update()

    def _show_sentence(self) -> None:
        self.verticalScrollBar().setValue(0)
        self.arrange()
        self._follow_cursor()

    def arrange(self) -> None:
        """Lay the chips out; room for labels is kept whether there are any or not, so that labelling moves nothing."""
        focus = self.session.focus
        px = self.look.px
        self._texts = [token_text(token) for token in focus.row.tokens] if focus else []
        self._place_note()
        self._rtl = bool(focus) and reads_right_to_left(focus.row.tokens)  # type: ignore[union-attr]
        widths = [
            max(text_width(text, self.look.body if stand_in else self.look.reading) + px(16), px(22))
            for text, stand_in in self._texts
        ]
        room = self.viewport().width() - 2 * px(16)
        self._boxes, height = flow(
            widths, max(room, px(60)), px(33), px(3), self._label_room(), right_to_left=self._rtl
        )
        self._height = height + self._label_room() + px(6)
        bar = self.verticalScrollBar()
        bar.setRange(0, max(0, self._height - self.viewport().height()))
        bar.setPageStep(self.viewport().height())
        bar.setSingleStep(px(30))
        self.viewport().update()

    def _label_room(self) -> int:
        return self.look.px(24)

    def _place_note(self) -> None:
        """Show what is special about this sentence on a line under it that does not scroll."""
        text, px = self.note_text, self.look.px
        room = self.width() - 2 * px(16)
        if not text and self._note.isHidden():
            return
        self._note.setFont(self.look.body)
        recolour(self._note, self.look.c("second" if text == _VALUES_NOTE else "collision").name())
        self._note.setText(elided(text, self.look.body, room))
        self._note.setToolTip(text)
        height = px(24) if text else 0
        self._note.setVisible(bool(text))
        self._note.setGeometry(px(16), self.height() - height, room, height)
        self.setViewportMargins(0, 0, 0, height)

    @property
    def note_text(self) -> str:
        """What is special about this sentence, in one line; "" for nothing."""
        focus = self.session.focus
        if focus is None:
            return ""
        if focus.length == 0:
            return "This sentence has no tokens: all of its positions are padding."
        positions = np.flatnonzero(~focus.mask)
        if len(positions) == 0:
            return _VALUES_NOTE if self.session.gives_values else ""
        value = self.session.mask_value
        if isinstance(value, tuple):
            row = f"equals the mask value, a row of {len(value)} numbers"
        else:
            row = f"equals the mask value {value:g}" if value else "is all zeros"
        if len(positions) == 1:
            where = f"▲ Token {positions[0]}, “{self._texts[positions[0]][0]}”, is a collision: its embedding {row}"
            return f"{where}, so the model masks it as padding."
        listed = ", ".join(str(position) for position in positions[:6]) + ("…" if len(positions) > 6 else "")
        return f"▲ Tokens {listed} are collisions: each embedding {row}, so the model masks them as padding."

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Wrap for the new width."""
        super().resizeEvent(event)
        self.arrange()

    def _follow_cursor(self) -> None:
        if self._boxes and self.session.cursor.position < len(self._boxes):
            box = self._boxes[self.session.cursor.position]
            bar, margin = self.verticalScrollBar(), self.look.px(8)
            low = box.y + box.height + self._label_room() + margin - self.viewport().height()
            if bar.value() > box.y:
                bar.setValue(max(0, box.y - margin))
            elif bar.value() < low:
                bar.setValue(low)
        self.viewport().update()

    def box_of(self, position: int) -> QRect:
        """The rectangle of a token's chip in the viewport."""
        box = self._boxes[position]
        return QRect(box.x, box.y, box.width, box.height).translated(self._origin())

    def _origin(self) -> QPoint:
        return QPoint(self.look.px(16), self.look.px(4) - self.verticalScrollBar().value())

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the chips in sight."""
        painter = QPainter(self.viewport())
        painter.fillRect(event.rect(), self.look.c("panel"))
        focus = self.session.focus
        if focus is None or len(self._boxes) != focus.length:
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.translate(self._origin())
        self._paint_selection(painter)
        seen = self._in_sight(event.rect())
        for position in seen:
            self._paint_chip(painter, position)
        self._paint_labels(painter, seen)
        self._paint_cursor(painter)

    def _in_sight(self, area: QRect) -> range:
        """The chips on the lines that `area` of the viewport touches."""
        shift = self._origin().y()
        top, bottom = area.top() - shift - self.look.px(60), area.bottom() - shift
        heights = [box.y for box in self._boxes]
        return range(bisect_left(heights, top), bisect_right(heights, bottom))

    def _paint_selection(self, painter: QPainter) -> None:
        first, last = self.session.cursor.span
        if first == last:
            return
        pad = self.look.px(3)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self.look.c("accent_ground"))
        for position in range(first, last + 1):
            box = self._boxes[position]
            after = self._boxes[position + 1] if position < last else None
            joined = after is not None and after.y == box.y
            left = min(box.x, after.x) if after is not None and joined else box.x
            right = max(box.x + box.width, after.x + after.width if after is not None and joined else 0)
            painter.drawRoundedRect(
                QRectF(left - pad, box.y - pad, right - left + 2 * pad, box.height + self._label_room() - pad), 5, 5
            )

    def _paint_chip(self, painter: QPainter, position: int) -> None:
        focus = self.session.focus
        assert focus is not None
        box = self._boxes[position]
        text, stand_in = self._texts[position]
        body = QRectF(box.x, box.y, box.width, box.height)
        ground = self.look.theme.panel
        painter.setPen(Qt.PenStyle.NoPen)
        ignored = focus.row.edits[position] == NO_LABEL
        if ignored and focus.mask[position]:
            painter.setBrush(self.look.cross)
        elif not focus.mask[position]:
            ground = self.look.theme.pad_ground
            painter.setBrush(self.look.hatch)
        elif focus.inside is not None:
            ground = self.look.tint(float(focus.inside[position]))
            painter.setBrush(colour(ground))
        else:
            painter.setBrush(self.look.c("window"))
            ground = self.look.theme.window
        painter.drawRoundedRect(body, 3, 3)
        font = self.look.body if stand_in else self.look.reading
        painter.setFont(font)
        inset = self.look.px(4)
        if ignored or not focus.mask[position]:
            # A plate under the text keeps the hatching from running through it.
            width = text_width(text, font)
            plate = QRectF(box.x + (box.width - width) / 2 - 3, box.y + inset, width + 6, box.height - 2 * inset)
            painter.setBrush(self.look.c("panel" if focus.mask[position] else "pad_ground"))
            painter.drawRoundedRect(plate.intersected(body), 3, 3)
        if not focus.mask[position]:
            draw_collision(
                painter, QPointF(box.x + box.width - inset, box.y + inset), self.look.px(9), self.look.c("collision")
            )
        elif ignored:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(self.look.c("control"), 1, Qt.PenStyle.DashLine))
            painter.drawRoundedRect(body.adjusted(0.5, 0.5, -0.5, -0.5), 3, 3)
        painter.setPen(self.look.c("second") if stand_in and not focus.mask[position] else self.look.ink(ground))
        painter.drawText(body, Qt.AlignmentFlag.AlignCenter, elided(text, font, box.width - self.look.px(6)))

    def _paint_labels(self, painter: QPainter, seen: range) -> None:
        focus = self.session.focus
        assert focus is not None
        scheme = self.session.scheme
        labels = focus.row.labels.tolist()
        edits = focus.row.edits.tolist()
        thick = self.look.px(3)
        named = [
            _IGNORED if edit == NO_LABEL else label if label not in (NO_LABEL, scheme.outside) else NO_LABEL
            for label, edit in zip(labels, edits, strict=True)
        ]
        for first, last, label, name in underlined(named, scheme):
            if last < seen.start or first >= seen.stop:
                continue
            pieces = runs([self._boxes[position].y for position in range(first, last + 1)])
            for piece, (start, end, _) in enumerate(pieces):
                boxes = self._boxes[first + start : first + end + 1]
                left = min(box.x for box in boxes)
                right = max(box.x + box.width for box in boxes)
                low = boxes[0].y + boxes[0].height
                any_edit = any(edits[position] != NO_EDIT for position in range(first + start, first + end + 1))
                if label == _IGNORED:
                    painter.setPen(self.look.c("second"))
                    if piece == 0:
                        self._paint_name(painter, "ignored", left, right, low + thick + 2, any_edit)
                    continue
                if label != NO_LABEL:
                    ink = colour(self.look.label(label, scheme))
                    painter.fillRect(QRectF(left, low + 2, right - left, thick), ink)
                    painter.setPen(ink)
                    if piece == 0:
                        self._paint_name(painter, name, left, right, low + thick + 2, any_edit)
                    continue
                for position in range(first + start, first + end + 1):
                    if edits[position] != NO_EDIT:
                        # An edit that cleared a label has no name to show: the dot alone marks it.
                        box = self._boxes[position]
                        painter.setPen(Qt.PenStyle.NoPen)
                        painter.setBrush(self.look.c("accent"))
                        painter.drawEllipse(QPointF(box.x + box.width / 2, low + self.look.px(9)), 3.5, 3.5)

    def _paint_name(self, painter: QPainter, name: str, left: int, right: int, top: int, dot: bool) -> None:
        px = self.look.px
        painter.setFont(self.look.small_bold)
        room = right - left - (px(12) if dot else 0)
        text = elided(name, self.look.small_bold, max(room, px(14)))
        box = QRect(left, top, right - left, px(16))
        align = Qt.AlignmentFlag.AlignRight if self._rtl else Qt.AlignmentFlag.AlignLeft
        painter.drawText(box, align | Qt.AlignmentFlag.AlignVCenter, text)
        if dot:
            width = text_width(text, self.look.small_bold) + px(7)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(self.look.c("accent"))
            painter.drawEllipse(QPointF(right - width if self._rtl else left + width, top + px(8)), px(3.2), px(3.2))

    def _paint_cursor(self, painter: QPainter) -> None:
        if self.session.cursor.position >= len(self._boxes):
            return
        box = self._boxes[self.session.cursor.position]
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(self.look.c("panel"), 2))
        painter.drawRoundedRect(QRectF(box.x + 0.5, box.y + 0.5, box.width - 1, box.height - 1), 4, 4)
        painter.setPen(QPen(self.look.c("accent"), 2))
        painter.drawRoundedRect(QRectF(box.x - 1.5, box.y - 1.5, box.width + 3, box.height + 3), 5, 5)

    def _position_at(self, point: QPointF) -> int | None:
        in_text = point - QPointF(self._origin())
        return nearest(self._boxes, in_text.x(), in_text.y())

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Move the cursor to a token; Shift extends the selection."""
        position = self._position_at(event.position())
        if event.button() == Qt.MouseButton.LeftButton and position is not None:
            extend = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
            self.session.cursor.move(position, extend=extend)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Drag a selection over whole tokens."""
        position = self._position_at(event.position())
        if event.buttons() & Qt.MouseButton.LeftButton and position is not None:
            self.session.cursor.move(position, extend=True)

    def tip_at(self, point: QPoint) -> str:
        """Label and probability of the token under the mouse."""
        focus = self.session.focus
        in_text = QPointF(point) - QPointF(self._origin())
        hits = [p for p, box in enumerate(self._boxes) if box.contains(in_text.x(), in_text.y())]
        if focus is None or not hits:
            return ""
        position = hits[0]
        lines = [f"{self._texts[position][0]}, position {position}"]
        label = int(focus.row.labels[position])
        if focus.row.edits[position] == NO_LABEL:
            lines.append("ignored by you: it counts neither in training nor in scores")
        else:
            lines.append(f"label: {self.session.scheme.classes[label] if label >= 0 else 'none yet'}")
        if not focus.mask[position]:
            lines.append("masked as padding: no prediction")
        elif focus.inside is not None:
            lines.append(f"{self.session.shown_name} {focus.inside[position]:.2f}")
        elif focus.values is not None and self.session.values is not None:
            lanes = self.session.values.lanes(focus.values, focus.embeddings, self.session.first_output)
            lines += [f"{lane.name} {number_text(float(lane.values[position]))}" for lane in lanes]
        return "\n".join(lines)


def underlined(labels: Sequence[int], scheme: TagScheme) -> list[tuple[int, int, int, str]]:
    """Runs of tokens with one underline, as (first, last, label, name); a negative label has no underline and no name.

    A span of a span scheme is one run, named by its type; a span that its scheme does not allow to begin so keeps the
    name of its first class, which shows the error. In other label sets a run is neighbouring tokens of one label.
    """
    if scheme.spans is None:
        return [(*run, scheme.classes[run[2]] if run[2] >= 0 else "") for run in runs(labels)]
    found: list[tuple[int, int, int, str]] = []
    before = ("", "")
    for position, label in enumerate(labels):
        prefix, kind = span_parts(scheme.classes[label]) if label >= 0 else ("", str(label))
        continues = kind == before[1] and (not prefix or (prefix in "IMEL" and before[0] in tuple("BIM")))
        if found and continues:
            found[-1] = (found[-1][0], position, *found[-1][2:])
        else:
            name = "" if label < 0 else kind if prefix in "BSU" else scheme.classes[label]
            found.append((position, position, label, name))
        before = (prefix, kind)
    return found
