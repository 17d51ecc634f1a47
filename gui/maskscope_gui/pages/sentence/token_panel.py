"""The TOKEN panel: position, mask, probabilities, labels and norm of the token at the cursor."""

import time

from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from maskscope.types import NO_EDIT, NO_LABEL
from maskscope_gui.session.session import Focus, Session
from maskscope_gui.theme.theme import Style, colour
from maskscope_gui.widgets.base import PaintedView, elided, text_width
from maskscope_gui.widgets.token_text import token_text

_LINE = 21


def ago(seconds: float) -> str:
    """A time span as text, such as "5 min ago"."""
    if seconds < 60:
        return "just now"
    if seconds < 3600:
        return f"{int(seconds // 60)} min ago"
    if seconds < 86400:
        return f"{int(seconds // 3600)} h ago"
    return f"{int(seconds // 86400)} days ago"


class TokenView(PaintedView):
    """Shows one line for each property of the token; several selected tokens share the title."""

    def __init__(self, session: Session, style: Style, parent: QWidget | None = None) -> None:
        super().__init__(session, style, "The token at the cursor", parent)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        for signal in (session.cursor.sentence_changed, session.cursor.moved, session.project_changed):
            signal.connect(self.viewport().update)
        session.editing.edited.connect(lambda _: self.viewport().update())
        session.project_changed.connect(self.arrange)
        session.model_changed.connect(self.arrange)
        session.decoding_changed.connect(self.viewport().update)
        self.arrange()

    def sizeHint(self) -> QSize:
        """Room for the title and the lines: always as many for a label set, so that nothing below moves."""
        lines = 8 if self.session.decodes_spans or self.session.gives_values else 7
        return QSize(self.look.px(240), self.look.px(30) + lines * self.look.px(_LINE) + self.look.px(4))

    def arrange(self) -> None:
        """Set the height to that of the size hint."""
        self.setFixedHeight(self.sizeHint().height())
        self.viewport().update()

    def lines(self) -> list[tuple[str, str, QColor]]:
        """The lines as (name, value, colour of the value)."""
        focus, session = self.session.focus, self.session
        if focus is None or focus.length == 0:
            return []
        at, row = session.cursor.position, focus.row
        text, second = self.look.c("text"), self.look.c("second")
        real = bool(focus.mask[at])
        lines = [("position", f"{at} of {focus.length}", text)]
        if real:
            lines.append(("mask", "1 · real token", text))
        else:
            lines.append(("mask", "0 · collision, masked as padding", self.look.c("collision")))
        if focus.inside is not None:
            value = f"{focus.inside[at]:.3f}"
            lines.append(
                (session.shown_name, value if real else f"{value} is not a prediction", text if real else second)
            )
        if focus.values is not None and session.values is not None:
            for lane in session.values.lanes(focus.values, focus.embeddings, session.first_output):
                value = f"{float(lane.values[at]):.6g}"
                lines.append((lane.name, value if real else f"{value} means nothing", text if real else second))
        if focus.predicted is not None:
            lines.append(("predicted", *self._label(int(focus.predicted[at]), "no prediction")))
        if focus.argmax is not None and session.decodes_spans:
            lines.append(("argmax", *self._argmax(focus, at)))
        lines.append(("gold", *self._label(int(row.gold[at]), "no label")))
        if row.edits[at] == NO_LABEL:
            lines.append(("edited", f"ignored by you{self._edited_ago(at)}", self.look.c("accent")))
        elif row.edits[at] != NO_EDIT:
            name, ink = self._label(int(row.edits[at]), "no label")
            lines.append(("edited", f"{name} by you{self._edited_ago(at)}", ink))
        else:
            lines.append(("edited", "–", second))
        lines.append(("norm", f"{focus.norms[at]:.2f}", text))
        return lines

    def _argmax(self, focus: Focus, at: int) -> tuple[str, QColor]:
        assert focus.argmax is not None
        assert focus.refused is not None
        name, ink = self._label(int(focus.argmax[at]), "no prediction")
        if focus.argmax[at] == NO_LABEL:
            return name, ink
        taken = focus.predicted is not None and focus.predicted[at] == focus.argmax[at]
        if taken and self.session.decoding == "viterbi":
            return name, ink
        if focus.refused[at]:
            why = " · not allowed here"
        elif not taken:
            why = " · not chosen"
        else:
            return name, ink
        room = self.viewport().width() - self.look.px(108) - text_width(why, self.look.body)
        return elided(name, self.look.body, max(room, self.look.px(40))) + why, self.look.c("collision")

    def _edited_ago(self, position: int) -> str:
        project = self.session.project
        if project is None:
            return ""
        at = project.edits.edited_at(self.session.cursor.sentence, position)
        return "" if at is None else f", {ago(time.time() - at)}"

    def _label(self, label: int, none: str) -> tuple[str, QColor]:
        if label == NO_LABEL:
            return none, self.look.c("second")
        return self.session.scheme.classes[label], colour(self.look.label(label, self.session.scheme))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the title and the lines."""
        painter = QPainter(self.viewport())
        painter.fillRect(event.rect(), self.look.c("panel"))
        focus, px = self.session.focus, self.look.px
        if focus is None:
            return
        room = self.viewport().width() - px(24)
        painter.setFont(self.look.token_title)
        painter.setPen(self.look.c("text"))
        first, last = self.session.cursor.span
        if focus.length == 0:
            title = "(no tokens)"
        elif first == last:
            title = token_text(focus.row.tokens[first])[0]
        else:
            title = f"{last - first + 1} tokens: " + " ".join(
                token_text(token)[0] for token in focus.row.tokens[first : last + 1]
            )
        painter.drawText(
            QRect(px(12), 0, room, px(28)), Qt.AlignmentFlag.AlignVCenter, elided(title, self.look.token_title, room)
        )
        y = px(30)
        painter.setFont(self.look.body)
        for name, value, ink in self.lines():
            painter.setPen(self.look.c("second"))
            painter.drawText(
                QRect(px(12), y, px(82), px(_LINE)), Qt.AlignmentFlag.AlignVCenter, elided(name, self.look.body, px(80))
            )
            painter.setPen(ink)
            painter.drawText(
                QRect(px(96), y, room - px(84), px(_LINE)),
                Qt.AlignmentFlag.AlignVCenter,
                elided(value, self.look.body, room - px(84)),
            )
            y += px(_LINE)
