"""Painting of the tracks' columns: labels, probabilities, mask, norm and padding."""

import numpy as np
from PySide6.QtCore import QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QPainter, QPen

from maskscope.types import NO_EDIT, NO_LABEL, Floats, Mask, TagScheme
from maskscope_gui.background.padding_experiment import PaddingExperiment
from maskscope_gui.pages.sentence.tracks_layout import ARGMAX_HEIGHT, LANE_HEIGHTS, Lane, TracksLayout
from maskscope_gui.pages.sentence.tracks_values import ValueLanesPainter
from maskscope_gui.session.model_values import ValueLane
from maskscope_gui.session.session import Focus, Session
from maskscope_gui.theme.theme import Style, colour
from maskscope_gui.widgets.base import draw_collision, elided, text_width

_CENTRE = Qt.AlignmentFlag.AlignCenter


def argmax_notes(focus: Focus | None, scheme: TagScheme) -> dict[int, str]:
    """By position, the argmax of each token for which span decoding chose another label, as text to show."""
    if focus is None or focus.predicted is None or focus.argmax is None or scheme.spans is None:
        return {}
    positions = np.flatnonzero(focus.predicted != focus.argmax).tolist()
    return {position: f"≠ {scheme.classes[int(focus.argmax[position])]}" for position in positions}


class TracksPainter:
    """Paints the columns of the sentence on screen for one paint event.

    It paints lane by lane, not column by column: a change of font or pen costs as much as drawing a word.

    Args:
        painter: moved so that x = 0 is the left edge of position 0.
        focus: the sentence on screen.
        texts: each token as it is shown, and whether that is a stand-in for a token that can't be seen.
        in_sight: (left, right) of the part of the picture that is in sight, in pixels.
        value_lanes: of a model that gives values; empty for any other.
    """

    def __init__(
        self,
        painter: QPainter,
        layout: TracksLayout,
        look: Style,
        session: Session,
        experiment: PaddingExperiment,
        focus: Focus,
        texts: list[tuple[str, bool]],
        in_sight: tuple[int, int],
        value_lanes: tuple[ValueLane, ...] = (),
    ) -> None:
        self.painter, self.layout, self.look = painter, layout, look
        self.session, self.experiment, self.focus, self.texts = session, experiment, focus, texts
        self._in_sight = in_sight
        self._visible = layout.columns.between(*in_sight)
        self._real = range(self._visible.start, min(self._visible.stop, focus.length))
        self._edges = layout.columns.edges
        self._mask: Mask = focus.mask if experiment.run is None else experiment.run.mask
        self._values: Floats | None = None
        if not session.gives_values:
            self._values = (
                focus.inside if experiment.run is None else session.shown_probability(experiment.run.probs_tc)
            )
        self._value_lanes = ValueLanesPainter(painter, layout, look, value_lanes, self._lanes_alone())

    def _lanes_alone(self) -> tuple[ValueLane, ...] | None:
        """The lanes of values without padding."""
        session, focus = self.session, self.focus
        if session.values is None or focus.values is None:
            return None
        return session.values.lanes(focus.values, focus.embeddings, session.first_output)

    def paint(self) -> None:
        """Paint all lanes."""
        self._paint_grounds()
        self._paint_scale()
        self._paint_positions()
        self._paint_tokens()
        self._paint_labels()
        self._paint_argmax_notes()
        self._paint_edits()
        self._paint_norms()
        self._paint_probabilities()
        self._value_lanes.paint(self._real, self._mask)
        self._paint_mask()
        self._paint_padding()

    def _box(self, lane: Lane, position: int) -> QRect:
        """As the layout's box, without the room for a note under the predicted label."""
        box = self.layout.box(lane, position)
        if lane != "probability":
            box.setHeight(self.look.px(LANE_HEIGHTS[lane]))
        return box

    @property
    def _zero(self) -> int:
        """Height of probability 0 on the screen."""
        top, height = self.layout.lanes["probability"]
        return top + height - self.look.px(6)

    def _bar(self, probability: float) -> float:
        """Pixels of the bar of a probability."""
        _, height = self.layout.lanes["probability"]
        return float(probability) * (height - self.look.px(6) - self.look.px(18))

    # Grounds

    def _paint_grounds(self) -> None:
        """Hatch padding and masked tokens, tint the selection."""
        painter, edges, bottom, length = self.painter, self._edges, self.layout.bottom, self.focus.length
        width = self.layout.columns.width
        if width > edges[length]:
            painter.setBrushOrigin(edges[length], 0)
            painter.fillRect(QRectF(edges[length], 0, width - edges[length], bottom), self.look.hatch)
        first, last = self.session.cursor.span
        cursor = self.session.cursor.position
        if length:
            painter.fillRect(
                QRectF(edges[first], 0, edges[last + 1] - edges[first], bottom), self.look.c("accent_ground")
            )
        top = self.layout.top("probability")
        for position in self._real:
            if not self._mask[position]:
                width = edges[position + 1] - edges[position] - 2
                painter.fillRect(
                    QRectF(edges[position] + 1, top, width, self.layout.top("norm") - top), self.look.hatch
                )
        if length and first != last:
            painter.setPen(QPen(self.look.c("accent"), 1))
            for x in (edges[cursor] + 0.5, edges[cursor + 1] - 0.5):
                painter.drawLine(QPointF(x, 0), QPointF(x, bottom))

    def _paint_scale(self) -> None:
        """The line of probability 0 and, for a binary tagger, the threshold."""
        if self._values is None:
            return
        painter, right = self.painter, self.layout.columns.width
        painter.setPen(QPen(self.look.c("line"), 1))
        painter.drawLine(QPointF(0, self._zero + 0.5), QPointF(right, self._zero + 0.5))
        if self.session.scheme.kind == "binary":
            y = self._zero - self._bar(self.session.threshold) + 0.5
            painter.setPen(QPen(self.look.c("second"), 1, Qt.PenStyle.DotLine))
            painter.drawLine(QPointF(0, y), QPointF(right, y))

    # Tokens and labels

    def _paint_positions(self) -> None:
        self.painter.setFont(self.look.small)
        self.painter.setPen(self.look.c("second"))
        for position in self._real:
            self.painter.drawText(self._box("position", position), _CENTRE, str(position))

    def _paint_tokens(self) -> None:
        painter, look, px = self.painter, self.look, self.look.px
        cursor = self.session.cursor.position
        styles = (
            (look.small, "second", [p for p in self._real if self.texts[p][1]]),
            (look.body, "text", [p for p in self._real if not self.texts[p][1] and p != cursor]),
            (look.bold, "text", [p for p in self._real if not self.texts[p][1] and p == cursor]),
        )
        for font, role, positions in styles:
            painter.setFont(font)
            painter.setPen(look.c(role))
            for position in positions:
                box = self._box("token", position)
                painter.drawText(box, _CENTRE, elided(self.texts[position][0], font, box.width() - px(4)))

    def _paint_labels(self) -> None:
        """Gold and predicted labels; a dot stands for the outside label."""
        lanes: list[tuple[Lane, list[int]]] = [("gold", self.focus.row.gold.tolist())]
        if self.focus.predicted is not None:
            lanes.append(("predicted", self.focus.predicted.tolist()))
        dots = []
        for lane, labels in lanes:
            for position in self._real:
                if labels[position] == self.session.scheme.outside:
                    centre = self._box(lane, position).center()
                    dots.append(QRectF(centre.x() - 0.5, centre.y() - 0.5, 2.6, 2.6))
                else:
                    self._paint_label(self._box(lane, position), labels[position])
        self._fill_rectangles("control", dots)

    def _paint_label(self, box: QRect, label: int) -> None:
        if label == NO_LABEL:
            return
        painter, look, px = self.painter, self.look, self.look.px
        plate = QRectF(box.x() + 2, box.y() + px(3), box.width() - 4, box.height() - px(6))
        if label == self.session.scheme.outside:
            painter.setPen(QPen(look.c("second"), 1))
            painter.setBrush(look.c("panel"))
            ink = look.c("second")
        else:
            code = look.label(label, self.session.scheme)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(colour(code))
            ink = look.ink(code)
        painter.drawRoundedRect(plate, 3, 3)
        painter.setFont(look.small_bold)
        painter.setPen(ink)
        painter.drawText(plate, _CENTRE, self._abbreviated(label, int(plate.width()) - px(4)))

    def _abbreviated(self, label: int, room: int) -> str:
        """As many letters of a label's name as fit: an ellipsis would take the room of two."""
        name = self.session.scheme.classes[label]
        while name and text_width(name, self.look.small_bold) > room:
            name = name[:-1]
        return name

    def _paint_argmax_notes(self) -> None:
        px, painter = self.look.px, self.painter
        painter.setFont(self.look.tiny)
        painter.setPen(self.look.c("collision"))
        for position, name in argmax_notes(self.focus, self.session.scheme).items():
            if position in self._real:
                box = self._box("predicted", position)
                painter.drawText(
                    QRect(box.x(), box.bottom() + 1 - px(2), box.width(), px(ARGMAX_HEIGHT)), _CENTRE, name
                )

    def _paint_edits(self) -> None:
        edits = self.focus.row.edits.tolist()
        for position in self._real:
            if edits[position] == NO_LABEL:
                self._paint_ignored(self._box("edited", position))
            elif edits[position] != NO_EDIT:
                self._paint_label(self._box("edited", position), edits[position])

    def _paint_ignored(self, box: QRect) -> None:
        px, painter, look = self.look.px, self.painter, self.look
        plate = QRectF(box.x() + 2.5, box.y() + px(3) + 0.5, box.width() - 5, box.height() - px(6) - 1)
        painter.setPen(QPen(look.c("control"), 1, Qt.PenStyle.DashLine))
        painter.setBrush(look.cross)
        painter.drawRoundedRect(plate, 3, 3)
        width = text_width("ignored", look.tiny) + px(4)
        if width <= plate.width() - px(4):
            under = QRectF(plate.center().x() - width / 2, plate.y() + 1, width, plate.height() - 2)
            painter.fillRect(under, look.c("panel"))
            painter.setFont(look.tiny)
            painter.setPen(look.c("second"))
            painter.drawText(under, _CENTRE, "ignored")

    def _paint_norms(self) -> None:
        """Bars of the embeddings' Euclidean norms; the largest of the sentence is full height."""
        px, edges = self.look.px, self._edges
        room = px(LANE_HEIGHTS["norm"]) - px(10)
        low = self.layout.top("norm") + room + px(4)
        heights = (room * self.focus.norms / (float(self.focus.norms.max(initial=0)) or 1.0)).tolist()
        bars = [
            QRectF(
                (edges[position] + edges[position + 1]) / 2 - px(3), low - heights[position], px(6), heights[position]
            )
            for position in self._real
        ]
        self._fill_rectangles("norm", bars)

    def _fill_rectangles(self, role: str, rectangles: list[QRectF]) -> None:
        # drawRects of an empty list ends the process (PySide6 6.10).
        if rectangles:
            self.painter.setPen(Qt.PenStyle.NoPen)
            self.painter.setBrush(self.look.c(role))
            self.painter.drawRects(rectangles)

    # Probabilities

    def _paint_probabilities(self) -> None:
        """Bars with their numbers, a hollow ring at masked tokens, a red line where the token's own value was."""
        if self._values is None:
            return
        px, look, painter, edges, low = self.look.px, self.look, self.painter, self._edges, self._zero
        values, mask = self._values.tolist(), self._mask.tolist()
        unmasked = [position for position in self._real if mask[position]]
        painter.setPen(Qt.PenStyle.NoPen)
        for position in unmasked:
            value, left = values[position], edges[position]
            height = max(self._bar(value), 2.0)
            # The ramp's first steps are as pale as the panel; a low bar must still be seen.
            painter.setBrush(colour(look.tint(value if value > 0.12 else max(value, 0.22))))
            painter.drawRoundedRect(QRectF(left + 2, low - height, edges[position + 1] - left - 4, height), 2, 2)
        painter.setFont(look.tiny)
        painter.setPen(look.c("second"))
        for position in unmasked:
            value, left = values[position], edges[position]
            box = QRectF(left - px(4), low - self._bar(value) - px(16), edges[position + 1] - left + px(8), px(14))
            painter.drawText(box, _CENTRE, f"{value:.2f}".removeprefix("0"))
        self._paint_masked_and_changed(values, mask)

    def _paint_masked_and_changed(self, values: list[float], mask: list[bool]) -> None:
        painter, edges, focus = self.painter, self._edges, self.focus
        alone = values if focus.inside is None else focus.inside.tolist()
        for position in self._real:
            left, right = edges[position], edges[position + 1]
            if not mask[position]:
                self._paint_ring((left + right) / 2, values[position])
                if not focus.mask[position]:
                    top = QPointF((left + right) / 2, self.layout.top("probability") + self.look.px(7))
                    draw_collision(painter, top, self.look.px(9), self.look.c("collision"))
            elif abs(alone[position] - values[position]) > 0.005:
                # The distance from the bar to this line is what padding, or a token masked by hand, changed.
                painter.setPen(QPen(self.look.c("fails"), 2))
                y = self._zero - self._bar(alone[position])
                painter.drawLine(QPointF(left + 2, y), QPointF(right - 2, y))

    def _paint_ring(self, x: float, probability: float) -> None:
        """The hollow mark of an output that is not a prediction."""
        size = self.look.px(3.5)
        self.painter.setBrush(self.look.c("panel"))
        self.painter.setPen(QPen(self.look.c("second"), 1.3))
        self.painter.drawEllipse(QPointF(x, self._zero - self._bar(probability)), size, size)

    # Mask and padding

    def _paint_mask(self) -> None:
        px, painter, look = self.look.px, self.painter, self.look
        painter.setFont(look.small_bold)
        for position in self._visible:
            if position >= len(self._mask):
                break
            box = self._box("mask", position)
            plate = QRectF(box.x() + 1, box.y() + px(7), box.width() - 2, px(16))
            real = position < self.focus.length
            if self._mask[position]:
                # A padded position that is not masked is the fault that this program exists to show.
                ground = look.theme.mask if real else look.theme.fails
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(colour(ground))
                painter.drawRoundedRect(plate, 3, 3)
                painter.setPen(look.ink(ground))
            else:
                by_hand = position in self.experiment.settings.masked
                role = "accent" if by_hand else ("collision" if real else "pad_stroke")
                painter.setPen(QPen(look.c(role), 1.6 if real else 1))
                painter.setBrush(look.c("panel"))
                painter.drawRoundedRect(plate.adjusted(0.5, 0.5, -0.5, -0.5), 3, 3)
                painter.setPen(look.c(role) if real else look.c("second"))
            painter.drawText(plate, _CENTRE, "1" if self._mask[position] else "0")

    def _paint_padding(self) -> None:
        """Positions of the padding, how many there are, and what the model's output is there."""
        length = self.focus.length
        padded = range(max(self._visible.start, length), self._visible.stop)
        added = len(self.layout.columns) - length
        if not added:
            return
        in_front = self.experiment.padding.side == "front"
        if not in_front:
            self._paint_padded_positions(padded)
        left = max(self._edges[length], self._in_sight[0])
        room = min(self.layout.columns.width, self._in_sight[1]) - left
        count = f"{added} padded position{'s' if added != 1 else ''}{', added in front' if in_front else ''}"
        height = self.look.px(LANE_HEIGHTS["token"])
        self._paint_plate(
            QRect(left, self.layout.top("token"), room, height),
            count,
            f"{added} {'in front' if in_front else 'padded'}",
        )
        if self.session.gives_values:
            self._value_lanes.paint_padding(padded)
            box = QRect(left, self.layout.top("probability"), room, self.look.px(18))
            self._paint_plate(box, "outputs here are no token's values", "no values")
            return
        # While Keras computes, the last answer may be about fewer positions.
        if self._values is None or self.experiment.run is None or len(self._values) <= length:
            return
        for position in range(padded.start, min(padded.stop, len(self._values))):
            middle = (self._edges[position] + self._edges[position + 1]) / 2
            self._paint_ring(middle, float(self._values[position]))
        outputs = self._values[length:]
        note = f"{float(outputs[0]):.2f} here is not a prediction"
        if float(outputs.max() - outputs.min()) > 0.005:
            note = "the output here is not a prediction"
        px = self.look.px
        highest = self._zero - self._bar(float(outputs.max())) - px(24)
        y = max(int(highest), self.layout.top("probability") - px(2))
        self._paint_plate(QRect(left, y, room, px(18)), note, "no prediction")

    def _paint_padded_positions(self, padded: range) -> None:
        """The number of every fourth padded position."""
        px, painter, edges = self.look.px, self.painter, self._edges
        painter.setFont(self.look.small)
        painter.setPen(self.look.c("second"))
        for position in padded:
            fits = edges[position] + px(30) <= self.layout.columns.width + px(12)
            if (position - self.focus.length) % 4 == 0 and fits:
                middle = (edges[position] + edges[position + 1]) / 2
                top, height = self.layout.top("position"), px(LANE_HEIGHTS["position"])
                painter.drawText(QRectF(middle - px(15), top, px(30), height), _CENTRE, str(position))

    def _paint_plate(self, box: QRect, text: str, short: str) -> None:
        """`text` on a plate in the middle of `box`; `short` where that does not fit, and nothing where neither does."""
        font = self.look.small
        fitting = next((each for each in (text, short) if text_width(each, font) + 10 <= box.width()), "")
        if not fitting:
            return
        painter, width = self.painter, text_width(fitting, font) + self.look.px(8)
        plate = QRectF(box.center().x() - width / 2, box.y() + 1, width, box.height() - 2)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self.look.c("pad_ground"))
        painter.drawRoundedRect(plate, 3, 3)
        painter.setFont(font)
        painter.setPen(self.look.c("second"))
        painter.drawText(plate, _CENTRE, fitting)
