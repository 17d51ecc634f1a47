"""The aligned tracks: one column for each position, one lane for each property, padding hatched at the right."""

from PySide6.QtCore import QPoint, QRect, QRectF, Qt
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

from maskscope.types import NO_LABEL
from maskscope_gui.actions import key_of_action
from maskscope_gui.background.padding_experiment import PaddingExperiment
from maskscope_gui.pages.sentence.tracks_layout import (
    LANES,
    Lane,
    column_widths,
    lay_out,
    scroll_to_column,
    scroll_to_strip,
)
from maskscope_gui.pages.sentence.tracks_painting import TracksPainter, argmax_notes
from maskscope_gui.pages.sentence.tracks_values import ValueLanesPainter
from maskscope_gui.session.model_values import ValueLane
from maskscope_gui.session.session import Focus, Session
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.base import PaintedView, draw_key, text_width
from maskscope_gui.widgets.geometry import ColumnEdges
from maskscope_gui.widgets.token_text import token_text


class TracksView(PaintedView):
    """Shows the tracks of the sentence on screen and scrolls through them.

    A click moves the cursor, a drag selects tokens, and a click in the mask lane masks a real token by hand.

    Attributes:
        value_lanes: the lanes of a model that gives values; empty for any other.
    """

    def __init__(
        self, session: Session, experiment: PaddingExperiment, style: Style, parent: QWidget | None = None
    ) -> None:
        super().__init__(
            session, style, "Tracks: gold, predicted, edited, probability, mask and norm of each token", parent
        )
        self.experiment = experiment
        self._texts: list[tuple[str, bool]] = []
        self._layout = lay_out(ColumnEdges((0,)), 0, style.px, with_argmax=False)
        self.value_lanes: tuple[ValueLane, ...] = ()
        self._fades: tuple[QPixmap, QPixmap] | None = None
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        session.cursor.sentence_changed.connect(self._show_sentence)
        session.cursor.moved.connect(self._follow_cursor)
        session.editing.edited.connect(self._repaint_edited)
        session.decoding_changed.connect(self.arrange)
        experiment.changed.connect(self.arrange)

    def _repaint_edited(self, sentence: int) -> None:
        if sentence == self.session.cursor.sentence:
            self.viewport().update()

    def _show_sentence(self) -> None:
        self._texts = [token_text(token) for token in self.session.focus.row.tokens] if self.session.focus else []
        self.arrange()
        self.horizontalScrollBar().setValue(0)
        self._follow_cursor()

    def set_look(self, style: Style) -> None:
        """Paint with other colours and fonts."""
        self._fades = None
        super().set_look(style)

    # Layout

    @property
    def _names_width(self) -> int:
        """Pixels at the left for the names of the lanes."""
        return self.look.px(86)

    @property
    def _room(self) -> int:
        """Pixels next to the names of the lanes."""
        return max(1, self.viewport().width() - self._names_width)

    def arrange(self) -> None:
        """Lay out columns and lanes, and set the scroll ranges."""
        px, look = self.look.px, self.look
        texts = [text_width(text, look.small if stand_in else look.bold) for text, stand_in in self._texts]
        notes = {position: text_width(note, look.tiny) for position, note in self._argmax_notes().items()}
        added = self.experiment.settings.added if self.session.focus is not None else 0
        columns = ColumnEdges.of([*column_widths(texts, notes, px), *[px(15)] * added])
        height = self.viewport().height()
        self.value_lanes = self._lanes_of_values()
        self._layout = lay_out(columns, height, px, with_argmax=self.session.decodes_spans, bands=len(self.value_lanes))
        across, down = self.horizontalScrollBar(), self.verticalScrollBar()
        across.setRange(0, max(0, columns.width + px(12) - self._room))
        across.setPageStep(self._room)
        down.setRange(0, max(0, self._layout.bottom + px(14) - height))
        down.setPageStep(height)
        self.viewport().update()

    def _lanes_of_values(self) -> tuple[ValueLane, ...]:
        """The lanes of a model that gives values, with padding where that is computed; empty for any other model."""
        focus, values, run = self.session.focus, self.session.values, self.experiment.run
        if focus is None or values is None or focus.values is None:
            return ()
        # The last answer may be about the model that was in use before.
        fits = run is not None and run.probs_tc.shape[1] == focus.values.shape[1]
        shown = run.probs_tc if run is not None and fits else focus.values
        return values.lanes(shown, focus.embeddings, self.session.first_output)

    def _argmax_notes(self) -> dict[int, str]:
        return argmax_notes(self.session.focus, self.session.scheme) if self.session.focus is not None else {}

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Lay out for the new size."""
        super().resizeEvent(event)
        self.arrange()

    def column_box(self, position: int, lane: Lane) -> QRect:
        """The rectangle of a position in a lane, in the viewport."""
        left = self._names_width - self.horizontalScrollBar().value()
        return self._layout.box(lane, position).translated(left, -self.verticalScrollBar().value())

    def _lane_at(self, y: float) -> Lane | None:
        """The lane at a height of the viewport; None below the last, where the overview strip is."""
        return self._layout.lane_at(y + self.verticalScrollBar().value())

    def _position_at(self, x: float) -> int | None:
        if x < self._names_width:
            return None
        return self._layout.columns.at(x - self._names_width + self.horizontalScrollBar().value())

    # Scrolling

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Scroll along the sentence."""
        turn = event.angleDelta()
        step = turn.x() if abs(turn.x()) > abs(turn.y()) else turn.y()
        self.horizontalScrollBar().setValue(self.horizontalScrollBar().value() - step // 2)
        self.viewport().update()

    def _follow_cursor(self) -> None:
        if self.session.cursor.position < len(self._texts):
            bar, columns = self.horizontalScrollBar(), self._layout.columns
            bar.setValue(
                scroll_to_column(columns, self.session.cursor.position, bar.value(), self._room, self.look.px(40))
            )
        self.viewport().update()

    def show_padding_edge(self) -> None:
        """Scroll so that the last tokens and the first padded positions are both in sight."""
        edge = self._layout.columns.edges[len(self._texts)]
        self.horizontalScrollBar().setValue(edge - self._room * 2 // 3)
        self.viewport().update()

    def _scroll_to_strip(self, x: float) -> None:
        strip_width, whole = self._room - self.look.px(12), self._layout.columns.width
        self.horizontalScrollBar().setValue(scroll_to_strip(x - self._names_width, strip_width, whole, self._room))
        self.viewport().update()

    # Painting

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the columns in sight, the names of the lanes and the overview strip."""
        painter = QPainter(self.viewport())
        painter.fillRect(event.rect(), self.look.c("panel"))
        focus = self.session.focus
        if focus is None or len(self._layout.columns) < focus.length:
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        scroll = self.horizontalScrollBar().value()
        painter.translate(0, -self.verticalScrollBar().value())
        painter.save()
        painter.setClipRect(self._names_width, 0, self._room, self._layout.bottom + self.look.px(20))
        painter.translate(self._names_width - scroll, 0)
        in_sight = (scroll, scroll + self._room)
        TracksPainter(
            painter,
            self._layout,
            self.look,
            self.session,
            self.experiment,
            focus,
            self._texts,
            in_sight,
            self.value_lanes,
        ).paint()
        painter.restore()
        self._paint_fades(painter)
        self._paint_names(painter)
        self._paint_reason_without_scores(painter)
        self._paint_strip(painter, focus)

    def _paint_fades(self, painter: QPainter) -> None:
        """Fade out where there is more to scroll to, so that no column looks cut off by mistake."""
        bar, height = self.horizontalScrollBar(), self._layout.bottom
        width = self.look.px(28)
        if self._fades is None or self._fades[0].height() != height:
            self._fades = (self._fade(width, height, 0, width), self._fade(width, height, width, 0))
        if bar.value() > 0:
            painter.drawPixmap(self._names_width, 0, self._fades[0])
        if bar.value() < bar.maximum():
            painter.drawPixmap(self._names_width + self._room - width, 0, self._fades[1])

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
        values = bool(self.value_lanes)
        lanes = [lane for lane in LANES if not (values and lane in ("predicted", "probability"))]
        if values:
            ValueLanesPainter(painter, self._layout, self.look, self.value_lanes).paint_names(
                px(12), self._names_width - px(14)
            )
        for lane in lanes:
            top, height = self._layout.lanes[lane]
            box = QRect(px(12), top, self._names_width - px(14), height)
            painter.setFont(self.look.body)
            painter.setPen(self.look.c("second"))
            painter.drawText(box, Qt.AlignmentFlag.AlignVCenter, lane)
            if lane == "mask":
                left = box.x() + text_width(lane, self.look.body) + px(8)
                draw_key(painter, left, box.center().y() + 1, key_of_action("mask_token"), self.look)

    def _paint_reason_without_scores(self, painter: QPainter) -> None:
        if self.session.is_scored:
            return
        px, no_model = self.look.px, self.session.model is None
        ways = f"train one ({key_of_action('train')}), or open one ({key_of_action('open_model')})"
        text = f"No model yet: {ways}." if no_model else "Scoring…"
        # The PADDING panel may know this sentence's probabilities before the corpus is scored; then bars are there.
        lane: Lane = "probability" if self.experiment.run is None else "predicted"
        top, height = self._layout.lanes[lane]
        painter.setFont(self.look.body)
        painter.setPen(self.look.c("second"))
        box = QRect(self._names_width, top, self._room, height)
        # On a ground of its own, since padding is hatched.
        ground = painter.boundingRect(box, Qt.AlignmentFlag.AlignCenter, text)
        painter.fillRect(ground.adjusted(-px(4), -px(2), px(4), px(2)), self.look.c("panel"))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)

    def _paint_strip(self, painter: QPainter, focus: Focus) -> None:
        """The overview strip: all positions on one line, with a frame around those in sight."""
        columns = self._layout.columns
        if columns.width <= self._room:
            return
        px, left = self.look.px, self._names_width
        top, height = self._layout.bottom + px(4), px(6)
        share = (self._room - px(12)) / columns.width
        edge = columns.edges[focus.length] * share
        painter.fillRect(QRectF(left, top, edge, height), self.look.c("accent_ground"))
        painter.fillRect(QRectF(left + edge, top, columns.width * share - edge, height), self.look.hatch)
        cursor = columns.edges[self.session.cursor.position] * share if focus.length else 0
        painter.fillRect(QRectF(left + cursor, top, px(2), height), self.look.c("accent"))
        scroll = self.horizontalScrollBar().value()
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(self.look.c("second"), 1))
        frame = QRectF(left + scroll * share + 0.5, top - 1.5, self._room * share - 1, height + 3)
        painter.drawRoundedRect(frame, 3, 3)

    # Mouse

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Move the cursor; in the mask lane, mask the token by hand; in the overview strip, scroll there."""
        focus = self.session.focus
        if event.button() != Qt.MouseButton.LeftButton or focus is None:
            return
        lane, position = self._lane_at(event.position().y()), self._position_at(event.position().x())
        if lane is None:
            self._scroll_to_strip(event.position().x())
        elif position is not None and position < focus.length:
            extend = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
            self.session.cursor.move(position, extend=extend)
            if lane == "mask":
                self.experiment.toggle_masked(position)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Drag a selection over whole tokens."""
        focus = self.session.focus
        if not event.buttons() & Qt.MouseButton.LeftButton or focus is None:
            return
        lane, position = self._lane_at(event.position().y()), self._position_at(event.position().x())
        if lane is None:
            self._scroll_to_strip(event.position().x())
        elif position is not None and lane != "mask":
            self.session.cursor.move(min(position, focus.length - 1), extend=True)

    def tip_at(self, point: QPoint) -> str:
        """Explain the position and the lane under the mouse."""
        focus, lane, position = self.session.focus, self._lane_at(point.y()), self._position_at(point.x())
        if focus is not None and point.x() < self._names_width and lane == "probability":
            return self._value_name_at(point.y())
        if focus is None or position is None:
            return ""
        if position >= focus.length:
            in_front = self.experiment.padding.side == "front"
            where = ", added in front of the tokens and drawn behind them" if in_front else ""
            return f"Position {position} is padding{where}. The model's output here is not a prediction."
        if lane == "mask":
            key = key_of_action("mask_token")
            return f"Click to mask this real token and see what changes; click again to remove the mask ({key})."
        if lane == "probability" and self.value_lanes:
            return self._values_tip(position)
        if lane == "norm":
            return f"Euclidean norm of the embedding: {focus.norms[position]:.3f}"
        token = f"{self._texts[position][0]}, position {position}"
        if lane == "predicted" and position in self._argmax_notes():
            return f"{token}\n{self._why_not_argmax(focus, position)}"
        if lane == "edited" and focus.row.edits[position] == NO_LABEL:
            return f"{token}\nIgnored by you: it counts neither in training nor in scores."
        return token

    def _value_name_at(self, y: float) -> str:
        """The whole name of a lane of values, which may be cut in the column of names."""
        bands = zip(self._layout.bands(len(self.value_lanes)), self.value_lanes, strict=True)
        down = y + self.verticalScrollBar().value()
        return next((lane.name for (top, height), lane in bands if top <= down < top + height), "")

    def _values_tip(self, position: int) -> str:
        lines = [f"{lane.name}: {float(lane.values[position]):.6g}" for lane in self.value_lanes]
        return "\n".join([f"{self._texts[position][0]}, position {position}", *lines])

    def _why_not_argmax(self, focus: Focus, position: int) -> str:
        assert focus.argmax is not None
        assert focus.refused is not None
        name = self.session.scheme.classes[int(focus.argmax[position])]
        why = "the span scheme does not allow it here" if focus.refused[position] else "another sequence is likelier"
        return f"The most likely label of this token alone is {name} (argmax), but {why}."
