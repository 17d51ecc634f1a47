"""The aligned tracks: one column a position, every lane under it, padding hatched to the right."""

import numpy as np
from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, Qt
from PySide6.QtGui import (
    QColor,
    QLinearGradient,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QWidget

from maskscope.types import NO_EDIT, NO_LABEL, Floats
from maskscope_gui.actions import printed_key
from maskscope_gui.background.padding_experiment import PaddingExperiment
from maskscope_gui.session.session import Focus, Session
from maskscope_gui.theme.theme import Style, colour
from maskscope_gui.widgets.base import PaintedView, draw_collision, draw_key, elided, text_width
from maskscope_gui.widgets.geometry import Columns
from maskscope_gui.widgets.token_text import shown

_LANES = ("position", "token", "gold", "predicted", "edited", "probability", "mask", "norm")
_HEIGHTS = {"position": 22, "token": 24, "gold": 22, "predicted": 22, "edited": 22, "mask": 30, "norm": 40}
_RAW = 13
"""Under the predicted labels of a span scheme: the argmax where decoding took another label."""
_LEAST_BAR = 64
_MOST_BAR = 150
_WIDEST = 132


class TracksView(PaintedView):
    """See the module. Clicking the mask lane masks a real token by hand and shows what moves."""

    def __init__(self, session: Session, lab: PaddingExperiment, style: Style, parent: QWidget | None = None) -> None:
        super().__init__(
            session, style, "Tracks: gold, predicted, edited, probability, mask and norm of each token", parent
        )
        self.lab = lab
        self._columns = Columns((0,))
        self._texts: list[tuple[str, bool]] = []
        self._tops: dict[str, int] = {}
        self._bar = 0
        self._fades: tuple[QPixmap, QPixmap] | None = None
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        session.sentenceChanged.connect(self._show_sentence)
        session.cursorChanged.connect(self._follow_cursor)
        session.edited.connect(self._repaint_edited)
        session.decodingChanged.connect(self.arrange)
        lab.changed.connect(self.arrange)

    def _repaint_edited(self, sentence: int) -> None:
        if sentence == self.session.sentence:
            self.viewport().update()

    def _show_sentence(self) -> None:
        self._texts = [shown(token) for token in self.session.focus.row.tokens] if self.session.focus else []
        self.arrange()
        self.horizontalScrollBar().setValue(0)
        self._follow_cursor()

    @property
    def _left(self) -> int:
        return self.look.px(86)

    @property
    def _pad_width(self) -> int:
        return self.look.px(15)

    def set_look(self, style: Style) -> None:
        """Paint with other colours and fonts."""
        self._fades = None
        super().set_look(style)

    def arrange(self) -> None:
        """Lay out columns and lanes."""
        px = self.look.px
        widths = [
            min(max(text_width(text, self.look.small if stand_in else self.look.bold) + px(10), px(28)), px(_WIDEST))
            for text, stand_in in self._texts
        ]
        for position, name in self._raw_names().items():
            if position >= len(widths):
                # The lab tells of another sentence before the session does.
                break
            widths[position] = max(widths[position], text_width(name, self.look.tiny) + px(6))
        added = self.lab.setting.added if self.session.focus is not None else 0
        self._columns = Columns.of([*widths, *[self._pad_width] * added])
        fixed = sum(self._tall(lane) for lane in _HEIGHTS) + px(18)
        self._bar = min(max(self.viewport().height() - fixed, px(_LEAST_BAR)), px(_MOST_BAR))
        top = px(2)
        for lane in _LANES:
            self._tops[lane] = top
            top += self._bar if lane == "probability" else self._tall(lane)
        self._tops["end"] = top
        across, down = self.horizontalScrollBar(), self.verticalScrollBar()
        across.setRange(0, max(0, self._columns.width + px(12) - self._room()))
        across.setPageStep(self._room())
        down.setRange(0, max(0, top + px(14) - self.viewport().height()))
        down.setPageStep(self.viewport().height())
        self.viewport().update()

    def _tall(self, lane: str) -> int:
        # Room for the raw label under the decoded one is there for every sentence, so that nothing moves.
        extra = _RAW if lane == "predicted" and self.session.decodes_spans else 0
        return self.look.px(_HEIGHTS[lane] + extra)

    def _raw_names(self) -> dict[int, str]:
        """The argmax where decoding took another label, by position, as it is printed."""
        focus = self.session.focus
        if focus is None or focus.predicted is None or focus.argmax is None or not self.session.decodes_spans:
            return {}
        places = np.flatnonzero(focus.predicted != focus.argmax).tolist()
        return {place: f"≠ {self.session.scheme.classes[int(focus.argmax[place])]}" for place in places}

    def _room(self) -> int:
        return max(1, self.viewport().width() - self._left)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Lay out anew."""
        super().resizeEvent(event)
        self.arrange()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """A wheel scrolls along the sentence."""
        turn = event.angleDelta()
        step = turn.x() if abs(turn.x()) > abs(turn.y()) else turn.y()
        self.horizontalScrollBar().setValue(self.horizontalScrollBar().value() - step // 2)
        self.viewport().update()

    def _follow_cursor(self) -> None:
        if self.session.cursor < len(self._texts):
            self._bring(self.session.cursor)
        self.viewport().update()

    def _bring(self, column: int) -> None:
        bar, margin = self.horizontalScrollBar(), self.look.px(40)
        left, right = self._columns.edges[column], self._columns.edges[column + 1]
        if left - margin < bar.value():
            bar.setValue(left - margin)
        elif right + margin > bar.value() + self._room():
            bar.setValue(right + margin - self._room())

    def show_padding_edge(self) -> None:
        """Scroll so that the last tokens and the first padded positions are both in sight."""
        edge = self._columns.edges[len(self._texts)]
        self.horizontalScrollBar().setValue(edge - self._room() * 2 // 3)
        self.viewport().update()

    def column_box(self, position: int, lane: str) -> QRect:
        """Where a position's place in a lane is, in the viewport."""
        left = self._left - self.horizontalScrollBar().value() + self._columns.edges[position]
        width = self._columns.edges[position + 1] - self._columns.edges[position]
        height = self._bar if lane == "probability" else self._tall(lane)
        return QRect(left, self._tops[lane] - self.verticalScrollBar().value(), width, height)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the columns in sight."""
        painter = QPainter(self.viewport())
        painter.fillRect(event.rect(), self.look.c("panel"))
        focus = self.session.focus
        if focus is None or not self._tops:
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        shift = self.horizontalScrollBar().value()
        painter.translate(0, -self.verticalScrollBar().value())
        painter.save()
        painter.setClipRect(self._left, 0, self._room(), self._tops["end"] + self.look.px(20))
        painter.translate(self._left - shift, 0)
        seen = self._columns.between(shift, shift + self._room())
        self._paint_grounds(painter, focus, seen)
        real = range(seen.start, min(seen.stop, focus.length))
        self._paint_scale(painter, focus)
        self._paint_lanes(painter, focus, real)
        self._paint_mask(painter, focus, seen)
        self._paint_padding(painter, focus, range(max(seen.start, focus.length), seen.stop))
        painter.restore()
        self._paint_edges(painter)
        self._paint_names(painter)
        self._paint_strip(painter, focus)

    def _paint_grounds(self, painter: QPainter, focus: Focus, seen: range) -> None:
        edges, end = self._columns.edges, self._tops["end"]
        if self._columns.width > edges[focus.length]:
            painter.setBrushOrigin(edges[focus.length], 0)
            painter.fillRect(
                QRectF(edges[focus.length], 0, self._columns.width - edges[focus.length], end), self.look.hatch
            )
        first, last = self.session.span
        if focus.length:
            if first != last:
                span = QRectF(edges[first], 0, edges[last + 1] - edges[first], end)
                painter.fillRect(span, self.look.c("accent_ground"))
            cursor = self.session.cursor
            column = QRectF(edges[cursor], 0, edges[cursor + 1] - edges[cursor], end)
            painter.fillRect(column, self.look.c("accent_ground"))
        mask = self._mask(focus)
        for position in range(seen.start, min(seen.stop, focus.length)):
            if not mask[position]:
                top = self._tops["probability"]
                painter.fillRect(
                    QRectF(
                        edges[position] + 1, top, edges[position + 1] - edges[position] - 2, self._tops["norm"] - top
                    ),
                    self.look.hatch,
                )
        if focus.length and first != last:
            painter.setPen(QPen(self.look.c("accent"), 1))
            painter.drawLine(
                QPointF(edges[self.session.cursor] + 0.5, 0), QPointF(edges[self.session.cursor] + 0.5, end)
            )
            painter.drawLine(
                QPointF(edges[self.session.cursor + 1] - 0.5, 0), QPointF(edges[self.session.cursor + 1] - 0.5, end)
            )

    def _mask(self, focus: Focus) -> np.ndarray:
        run = self.lab.run
        return focus.mask if run is None else run.mask[: focus.length]

    def _shown(self, focus: Focus) -> Floats | None:
        run = self.lab.run
        if run is not None:
            return self.session.shown_probability(run.probs_tc)
        return focus.inside

    def _paint_scale(self, painter: QPainter, focus: Focus) -> None:
        if self._shown(focus) is None:
            return
        low = self._tops["probability"] + self._bar - self.look.px(6)
        right = self._columns.width
        painter.setPen(QPen(self.look.c("line"), 1))
        painter.drawLine(QPointF(0, low + 0.5), QPointF(right, low + 0.5))
        if self.session.scheme.kind == "binary":
            height = self._height(self.session.threshold)
            painter.setPen(QPen(self.look.c("second"), 1, Qt.PenStyle.DotLine))
            painter.drawLine(QPointF(0, low - height + 0.5), QPointF(right, low - height + 0.5))

    def _height(self, probability: float) -> float:
        return float(probability) * (self._bar - self.look.px(6) - self.look.px(18))

    def _paint_lanes(self, painter: QPainter, focus: Focus, real: range) -> None:
        """Lane by lane rather than column by column: a change of font or pen costs as much as a word."""
        px, look, edges = self.look.px, self.look, self._columns.edges
        centred = Qt.AlignmentFlag.AlignCenter

        def box(lane: str, position: int) -> QRect:
            left = edges[position]
            return QRect(left, self._tops[lane], edges[position + 1] - left, px(_HEIGHTS[lane]))

        painter.setFont(look.small)
        painter.setPen(look.c("second"))
        for position in real:
            painter.drawText(box("position", position), centred, str(position))
            text, stand_in = self._texts[position]
            if stand_in:
                place = box("token", position)
                painter.drawText(place, centred, elided(text, look.small, place.width() - px(4)))
        painter.setFont(look.body)
        painter.setPen(look.c("text"))
        for position in real:
            text, stand_in = self._texts[position]
            if stand_in:
                continue
            at_cursor = position == self.session.cursor
            if at_cursor:
                painter.setFont(look.bold)
            place = box("token", position)
            font = look.bold if at_cursor else look.body
            painter.drawText(place, centred, elided(text, font, place.width() - px(4)))
            if at_cursor:
                painter.setFont(look.body)
        lanes = [("gold", focus.row.gold.tolist())]
        if focus.predicted is not None:
            lanes.append(("predicted", focus.predicted.tolist()))
        outside = self.session.scheme.outside
        dots = []
        for lane, labels in lanes:
            for position in real:
                if labels[position] == outside:
                    centre = box(lane, position).center()
                    dots.append(QRectF(centre.x() - 0.5, centre.y() - 0.5, 2.6, 2.6))
                else:
                    self._paint_label(painter, box(lane, position), labels[position])
        self._paint_raw(painter, real)
        edits = focus.row.edits.tolist()
        for position in real:
            if edits[position] == NO_LABEL:
                self._paint_ignored(painter, box("edited", position))
            elif edits[position] != NO_EDIT:
                self._paint_label(painter, box("edited", position), edits[position])
        room = px(_HEIGHTS["norm"]) - px(10)
        low = self._tops["norm"] + room + px(4)
        talls = (room * focus.norms / (float(focus.norms.max(initial=0)) or 1.0)).tolist()
        bars = [
            QRectF((edges[position] + edges[position + 1]) / 2 - px(3), low - talls[position], px(6), talls[position])
            for position in real
        ]
        painter.setPen(Qt.PenStyle.NoPen)
        for role, boxes in (("norm", bars), ("control", dots)):
            # drawRects of an empty list ends the process (PySide6 6.10).
            if boxes:
                painter.setBrush(look.c(role))
                painter.drawRects(boxes)
        self._paint_probabilities(painter, focus, real)

    def _paint_label(self, painter: QPainter, box: QRect, label: int) -> None:
        outside = self.session.scheme.outside
        px = self.look.px
        if label == NO_LABEL:
            return
        code = self.look.label(label, self.session.scheme)
        plate = QRectF(box.x() + 2, box.y() + px(3), box.width() - 4, box.height() - px(6))
        if label == outside:
            painter.setPen(QPen(self.look.c("second"), 1))
            painter.setBrush(self.look.c("panel"))
            ink = self.look.c("second")
        else:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(colour(code))
            ink = self.look.ink(code)
        painter.drawRoundedRect(plate, 3, 3)
        painter.setFont(self.look.small_bold)
        painter.setPen(ink)
        painter.drawText(plate, Qt.AlignmentFlag.AlignCenter, self._abbreviated(label, int(plate.width()) - px(4)))

    def _paint_raw(self, painter: QPainter, real: range) -> None:
        px, edges = self.look.px, self._columns.edges
        painter.setFont(self.look.tiny)
        painter.setPen(self.look.c("collision"))
        top = self._tops["predicted"] + px(_HEIGHTS["predicted"]) - px(2)
        for position, name in self._raw_names().items():
            if position in real:
                box = QRect(edges[position], top, edges[position + 1] - edges[position], px(_RAW))
                painter.drawText(box, Qt.AlignmentFlag.AlignCenter, name)

    def _paint_ignored(self, painter: QPainter, box: QRect) -> None:
        px = self.look.px
        plate = QRectF(box.x() + 2.5, box.y() + px(3) + 0.5, box.width() - 5, box.height() - px(6) - 1)
        painter.setPen(QPen(self.look.c("control"), 1, Qt.PenStyle.DashLine))
        painter.setBrush(self.look.cross)
        painter.drawRoundedRect(plate, 3, 3)
        words = "ignored"
        wide = text_width(words, self.look.tiny) + px(4)
        if wide <= plate.width() - px(4):
            under = QRectF(plate.center().x() - wide / 2, plate.y() + 1, wide, plate.height() - 2)
            painter.fillRect(under, self.look.c("panel"))
            painter.setFont(self.look.tiny)
            painter.setPen(self.look.c("second"))
            painter.drawText(under, Qt.AlignmentFlag.AlignCenter, words)

    def _abbreviated(self, label: int, room: int) -> str:
        name = self.session.scheme.classes[label]
        while name and text_width(name, self.look.small_bold) > room:
            name = name[:-1]
        return name

    def _paint_probabilities(self, painter: QPainter, focus: Focus, real: range) -> None:
        shown_values = self._shown(focus)
        if shown_values is None:
            return
        px, look, edges = self.look.px, self.look, self._columns.edges
        low = self._tops["probability"] + self._bar - px(6)
        values, mask = shown_values.tolist(), self._mask(focus).tolist()
        alone = values if focus.inside is None else focus.inside.tolist()
        painter.setPen(Qt.PenStyle.NoPen)
        for position in real:
            if mask[position]:
                value, left = values[position], edges[position]
                tall = max(self._height(value), 2.0)
                painter.setBrush(colour(look.tint(value)) if value > 0.12 else self._faint(value))
                painter.drawRoundedRect(QRectF(left + 2, low - tall, edges[position + 1] - left - 4, tall), 2, 2)
        painter.setFont(look.tiny)
        painter.setPen(look.c("second"))
        for position in real:
            if mask[position]:
                value, left = values[position], edges[position]
                box = QRectF(
                    left - px(4), low - self._height(value) - px(16), edges[position + 1] - left + px(8), px(14)
                )
                painter.drawText(box, Qt.AlignmentFlag.AlignCenter, f"{value:.2f}".removeprefix("0"))
        for position in real:
            value, left, right = values[position], edges[position], edges[position + 1]
            if not mask[position]:
                self._paint_ring(painter, (left + right) / 2, low - self._height(value))
                if not focus.mask[position]:
                    top = QPointF((left + right) / 2, self._tops["probability"] + px(7))
                    draw_collision(painter, top, px(9), look.c("collision"))
            elif abs(alone[position] - value) > 0.005:
                # What the sentence alone gives: the distance to the bar is what padding, or a hand-set mask, moved.
                painter.setPen(QPen(look.c("fails"), 2))
                y = low - self._height(alone[position])
                painter.drawLine(QPointF(left + 2, y), QPointF(right - 2, y))

    def _faint(self, value: float) -> object:
        # The ramp's first steps are as pale as the panel; a low bar must still be seen.
        return colour(self.look.tint(max(value, 0.22)))

    def _paint_ring(self, painter: QPainter, x: float, y: float) -> None:
        size = self.look.px(3.5)
        painter.setBrush(self.look.c("panel"))
        painter.setPen(QPen(self.look.c("second"), 1.3))
        painter.drawEllipse(QPointF(x, y), size, size)

    def _paint_mask(self, painter: QPainter, focus: Focus, seen: range) -> None:
        px = self.look.px
        mask = self._mask(focus) if self.lab.run is None else self.lab.run.mask
        painter.setFont(self.look.small_bold)
        for position in seen:
            if position >= len(mask):
                break
            left = self._columns.edges[position]
            width = self._columns.edges[position + 1] - left
            plate = QRectF(left + 1, self._tops["mask"] + px(7), width - 2, px(16))
            real = position < focus.length
            if mask[position]:
                # A padded position that is not masked is the fault this program exists to show.
                ground = self.look.theme.mask if real else self.look.theme.fails
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(colour(ground))
                painter.drawRoundedRect(plate, 3, 3)
                painter.setPen(self.look.ink(ground))
            else:
                by_hand = position in self.lab.setting.masked
                role = "accent" if by_hand else ("collision" if real else "pad_stroke")
                painter.setPen(QPen(self.look.c(role), 1.6 if real else 1))
                painter.setBrush(self.look.c("panel"))
                painter.drawRoundedRect(plate.adjusted(0.5, 0.5, -0.5, -0.5), 3, 3)
                painter.setPen(self.look.c(role) if real else self.look.c("second"))
            painter.drawText(plate, Qt.AlignmentFlag.AlignCenter, "1" if mask[position] else "0")

    def _paint_padding(self, painter: QPainter, focus: Focus, seen: range) -> None:
        added = len(self._columns) - focus.length
        if not added:
            return
        px = self.look.px
        edges = self._columns.edges
        painter.setFont(self.look.small)
        painter.setPen(self.look.c("second"))
        for position in seen:
            if (position - focus.length) % 4 == 0 and edges[position] + px(30) <= self._columns.width + px(12):
                middle = (edges[position] + edges[position + 1]) / 2
                box = QRectF(middle - px(15), self._tops["position"], px(30), px(_HEIGHTS["position"]))
                painter.drawText(box, Qt.AlignmentFlag.AlignCenter, str(position))
        shift = self.horizontalScrollBar().value()
        left = max(edges[focus.length], shift)
        room = min(self._columns.width, shift + self._room()) - left
        words = f"{added} padded position{'s' if added != 1 else ''}"
        self._plate_text(
            painter, QRect(left, self._tops["token"], room, px(_HEIGHTS["token"])), words, f"{added} padded"
        )
        values = self._shown(focus)
        if values is None or self.lab.run is None:
            return
        low = self._tops["probability"] + self._bar - px(6)
        padded = values[focus.length :]
        if not len(padded):
            return
        # while Keras is asked, the last answer may be about fewer positions
        for position in range(seen.start, min(seen.stop, len(values))):
            middle = (edges[position] + edges[position + 1]) / 2
            self._paint_ring(painter, middle, low - self._height(float(values[position])))
        words = f"{float(padded[0]):.2f} here is not a prediction"
        if float(padded.max() - padded.min()) > 0.005:
            words = "what is printed here is not a prediction"
        highest = low - self._height(float(padded.max())) - px(24)
        y = max(int(highest), self._tops["probability"] - px(2))
        self._plate_text(painter, QRect(left, y, room, px(18)), words, "no prediction")

    def _plate_text(self, painter: QPainter, box: QRect, words: str, short: str) -> None:
        text = next((text for text in (words, short) if text_width(text, self.look.small) + 10 <= box.width()), "")
        if not text:
            return
        wide = text_width(text, self.look.small) + self.look.px(8)
        plate = QRectF(box.center().x() - wide / 2, box.y() + 1, wide, box.height() - 2)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self.look.c("pad_ground"))
        painter.drawRoundedRect(plate, 3, 3)
        painter.setFont(self.look.small)
        painter.setPen(self.look.c("second"))
        painter.drawText(plate, Qt.AlignmentFlag.AlignCenter, text)

    def _paint_edges(self, painter: QPainter) -> None:
        """Fade out where there is more to scroll to, so that no column looks cut off by mistake."""
        bar, end = self.horizontalScrollBar(), self._tops["end"]
        width = self.look.px(28)
        if self._fades is None or self._fades[0].height() != end:
            self._fades = (self._fade(width, end, 0, width), self._fade(width, end, width, 0))
        if bar.value() > 0:
            painter.drawPixmap(self._left, 0, self._fades[0])
        if bar.value() < bar.maximum():
            painter.drawPixmap(self._left + self._room() - width, 0, self._fades[1])

    def _fade(self, width: int, height: int, start: int, stop: int) -> QPixmap:
        picture = QPixmap(width, height)
        picture.fill(Qt.GlobalColor.transparent)
        clear = QColor(self.look.c("panel"))
        clear.setAlpha(0)
        fade = QLinearGradient(start, 0, stop, 0)
        fade.setColorAt(0, self.look.c("panel"))
        fade.setColorAt(1, clear)
        painter = QPainter(picture)
        painter.fillRect(picture.rect(), fade)
        painter.end()
        return picture

    def _paint_names(self, painter: QPainter) -> None:
        px = self.look.px
        painter.setFont(self.look.body)
        painter.setPen(self.look.c("second"))
        for lane in _LANES:
            height = self._bar if lane == "probability" else px(_HEIGHTS[lane])
            box = QRect(px(12), self._tops[lane], self._left - px(14), height)
            painter.drawText(box, Qt.AlignmentFlag.AlignVCenter, lane)
            if lane == "mask":
                left = box.x() + text_width(lane, self.look.body) + px(8)
                draw_key(painter, left, box.center().y() + 1, printed_key("mask_token"), self.look)
                painter.setFont(self.look.body)
                painter.setPen(self.look.c("second"))
        if self.session.scores is None:
            without = self.session.model is None
            words = "No model yet: train one with Ctrl+T." if without else "Scoring…"
            # the PADDING panel may know the probabilities before the corpus is scored: then bars stand there
            lane = "probability" if self.lab.run is None else "predicted"
            tall = self._bar if lane == "probability" else self.look.px(_HEIGHTS[lane])
            box = QRect(self._left, self._tops[lane], self._room(), tall)
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter, words)

    def _paint_strip(self, painter: QPainter, focus: Focus) -> None:
        """Where in the sentence one is: all positions on one line, with a frame around those in sight."""
        whole = self._columns.width
        if whole <= self._room():
            return
        px = self.look.px
        top, tall = self._tops["end"] + px(4), px(6)
        share = (self._room() - px(12)) / whole
        edge = self._columns.edges[focus.length] * share
        painter.fillRect(QRectF(self._left, top, edge, tall), self.look.c("accent_ground"))
        painter.fillRect(QRectF(self._left + edge, top, whole * share - edge, tall), self.look.hatch)
        cursor = self._columns.edges[self.session.cursor] * share if focus.length else 0
        painter.fillRect(QRectF(self._left + cursor, top, px(2), tall), self.look.c("accent"))
        shift = self.horizontalScrollBar().value()
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(self.look.c("second"), 1))
        painter.drawRoundedRect(
            QRectF(self._left + shift * share + 0.5, top - 1.5, min(self._room(), whole) * share - 1, tall + 3), 3, 3
        )

    def _lane_at(self, y: float) -> str:
        tops = [(self._tops[lane], lane) for lane in (*_LANES, "end")]
        return next((lane for top, lane in reversed(tops) if y + self.verticalScrollBar().value() >= top), "position")

    def _column_at(self, x: float) -> int | None:
        return self._columns.at(x - self._left + self.horizontalScrollBar().value()) if x >= self._left else None

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Move the cursor; in the mask lane, mask the token by hand; in the strip, go there."""
        if event.button() != Qt.MouseButton.LeftButton or self.session.focus is None or not self._tops:
            return
        lane = self._lane_at(event.position().y())
        if lane == "end":
            self._go_along(event.position().x())
            return
        column = self._column_at(event.position().x())
        if column is None:
            return
        if column >= self.session.focus.length:
            return
        extend = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        self.session.move_cursor(column, extend=extend)
        if lane == "mask":
            self.lab.toggle_masked(column)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Drag a selection over whole tokens."""
        focus = self.session.focus
        if not event.buttons() & Qt.MouseButton.LeftButton or focus is None or not self._tops:
            return
        if self._lane_at(event.position().y()) == "end":
            self._go_along(event.position().x())
            return
        column = self._column_at(event.position().x())
        if column is not None and self._lane_at(event.position().y()) != "mask":
            self.session.move_cursor(min(column, focus.length - 1), extend=True)

    def _go_along(self, x: float) -> None:
        share = (x - self._left) / max(1, self._room() - self.look.px(12))
        self.horizontalScrollBar().setValue(int(share * self._columns.width - self._room() / 2))
        self.viewport().update()

    def tip_at(self, point: QPoint) -> str:
        """What a lane says at a position."""
        focus = self.session.focus
        column = self._column_at(point.x())
        if focus is None or column is None or not self._tops:
            return ""
        if column >= focus.length:
            return f"Position {column} is padding. What the model prints here is not a prediction."
        lane = self._lane_at(point.y())
        if lane == "mask":
            return "Click to mask this real token and see what moves; again to take the mask off (K)."
        if lane == "norm":
            return f"Euclidean norm of the embedding: {focus.norms[column]:.3f}"
        words = f"{self._texts[column][0]}, position {column}"
        if lane == "predicted" and column in self._raw_names():
            assert focus.argmax is not None
            assert focus.refused is not None
            name = self.session.scheme.classes[int(focus.argmax[column])]
            why = "the span scheme does not allow it here" if focus.refused[column] else "another sequence is likelier"
            return f"{words}\nBy itself this token is likeliest {name} (argmax), but {why}."
        if lane == "edited" and focus.row.edits[column] == NO_LABEL:
            return f"{words}\nIgnored by you: it counts neither in training nor in scores."
        return words
