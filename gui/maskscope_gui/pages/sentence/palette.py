"""The label palette: each label with its colour, its count and its key."""

from PySide6.QtCore import QPoint, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from maskscope.types import NO_LABEL
from maskscope_gui.actions import LABEL_KEYS, printed_key
from maskscope_gui.session.session import Session
from maskscope_gui.theme.theme import Style, colour
from maskscope_gui.widgets.base import PaintedView, draw_key, elided, key_width, text_width

_ROW = 26
_ROWS_SHOWN = 7


def keys_of(n_classes: int, outside: int) -> list[str]:
    """The key of each class: digits, then free letters, in order; 0 for outside, "" when none is left."""
    free = iter(LABEL_KEYS)
    return ["0" if place == outside else next(free, "").upper() for place in range(n_classes)]


class PaletteView(PaintedView):
    """A click on a row, like its key, labels the selected tokens.

    Signals:
        picked: (class id) a row was clicked.
        ignored: the last row was clicked, which marks tokens to be ignored.
    """

    picked = Signal(int)
    ignored = Signal()

    def __init__(self, session: Session, style: Style, parent: QWidget | None = None) -> None:
        super().__init__(session, style, "Labels and their keys", parent)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self._most_rows = _ROWS_SHOWN
        self._rows: list[int] = []
        self._keys: list[str] = []
        self._counts: tuple[int, ...] = ()
        self._n_ignored = 0
        session.projectChanged.connect(self.refresh)
        session.edited.connect(self._recount)
        session.sentenceChanged.connect(self._show_current)
        session.cursorChanged.connect(self._show_current)

    def refresh(self) -> None:
        """Another label set."""
        project = self.session.project
        self._rows, self._keys, self._counts = [], [], ()
        if project is not None:
            outside = project.scheme.outside
            places = range(len(project.scheme.classes))
            self._rows = [*(place for place in places if place != outside), outside, NO_LABEL]
            self._keys = keys_of(len(project.scheme.classes), outside)
            self._recount(-1)
        self.arrange()

    def _recount(self, sentence: int) -> None:
        if self.session.project is not None:
            counts = self.session.project.counts()
            self._counts, self._n_ignored = counts.labels, counts.ignored
            self.viewport().update()

    def set_most_rows(self, most: int) -> None:
        """How many labels are in sight without scrolling."""
        if most != self._most_rows:
            self._most_rows = most
            self.arrange()

    def sizeHint(self) -> QSize:
        """Room for some labels; more are scrolled."""
        return QSize(
            self.look.px(240), self.look.px(_ROW) * min(max(len(self._rows), 2), self._most_rows) + self.look.px(4)
        )

    def arrange(self) -> None:
        """Room for the rows."""
        self.updateGeometry()
        self.setFixedHeight(self.sizeHint().height())
        tall = self.look.px(_ROW) * len(self._rows)
        self.verticalScrollBar().setRange(0, max(0, tall - self.sizeHint().height()))
        self.verticalScrollBar().setSingleStep(self.look.px(_ROW))
        self.viewport().update()

    def _current(self) -> int | None:
        """The label of the token at the cursor; None for a token without any."""
        focus = self.session.focus
        if focus is None or not focus.length:
            return None
        at = self.session.cursor
        label = int(focus.row.labels[at])
        # A token without any label is ignored only when a person said so.
        return label if label != NO_LABEL or focus.row.edits[at] == NO_LABEL else None

    def _show_current(self) -> None:
        """Scroll to the label of the token at the cursor, unless it is in sight or says that there is nothing here."""
        current = self._current()
        if current in self._rows and current not in (NO_LABEL, self.session.scheme.outside):
            box, bar = self.row_box(current), self.verticalScrollBar()
            room = self.viewport().height()
            if box.top() < 0 or box.bottom() > room:
                bar.setValue(bar.value() + (box.top() if box.top() < 0 else box.bottom() - room + self.look.px(4)))
        self.viewport().update()

    def row_box(self, label: int) -> QRect:
        """Where the row of a class is in the viewport."""
        top = self._rows.index(label) * self.look.px(_ROW) - self.verticalScrollBar().value()
        return QRect(0, top, self.viewport().width(), self.look.px(_ROW))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the rows in sight."""
        painter = QPainter(self.viewport())
        painter.fillRect(event.rect(), self.look.c("panel"))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        project, px = self.session.project, self.look.px
        if project is None:
            return
        current = self._current()
        tall, shift = self.look.px(_ROW), self.verticalScrollBar().value()
        first = max(0, (event.rect().top() + shift) // tall)
        for row in range(first, min(len(self._rows), (event.rect().bottom() + shift) // tall + 1)):
            label = self._rows[row]
            box = QRect(0, row * tall - shift, self.viewport().width(), tall)
            if label == current:
                painter.fillRect(box, self.look.c("accent_ground"))
            swatch = QRectF(px(12), box.y() + px(7), px(12), px(12))
            if label == NO_LABEL:
                painter.setPen(QPen(self.look.c("control"), 1))
                painter.setBrush(self.look.cross)
                swatch = swatch.adjusted(0.5, 0.5, -0.5, -0.5)
            elif label == project.scheme.outside:
                painter.setPen(QPen(self.look.c("control"), 1))
                painter.setBrush(Qt.BrushStyle.NoBrush)
                swatch = swatch.adjusted(0.5, 0.5, -0.5, -0.5)
            else:
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(colour(self.look.label(label, project.scheme)))
            painter.drawRoundedRect(swatch, 3, 3)
            right = box.width() - px(12)
            key = self._key(label)
            if key:
                draw_key(painter, right - key_width(key, self.look), box.center().y() + 1, key, self.look)
            count = f"{self._count(label):,}"
            painter.setFont(self.look.small)
            painter.setPen(self.look.c("second"))
            wide = text_width(count, self.look.small)
            left = right - px(26) - wide
            painter.drawText(QRect(left, box.y(), wide + 2, box.height()), Qt.AlignmentFlag.AlignVCenter, count)
            painter.setFont(self.look.body)
            painter.setPen(self.look.c("text"))
            room = left - px(32) - px(8)
            name = elided(self._name(label), self.look.body, room)
            painter.drawText(QRect(px(32), box.y(), room, box.height()), Qt.AlignmentFlag.AlignVCenter, name)

    def _key(self, label: int) -> str:
        return printed_key("ignore") if label == NO_LABEL else self._keys[label]

    def _count(self, label: int) -> int:
        return self._n_ignored if label == NO_LABEL else self._counts[label]

    def _name(self, label: int) -> str:
        return "ignored" if label == NO_LABEL else self.session.scheme.classes[label]

    def _label_at(self, y: float) -> int | None:
        row = int(y + self.verticalScrollBar().value()) // self.look.px(_ROW)
        return self._rows[row] if 0 <= row < len(self._rows) else None

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Label the selected tokens."""
        label = self._label_at(event.position().y())
        if event.button() != Qt.MouseButton.LeftButton or label is None:
            return
        if label == NO_LABEL:
            self.ignored.emit()
        else:
            self.picked.emit(label)

    def tip_at(self, point: QPoint) -> str:
        """What a click does."""
        label = self._label_at(point.y())
        project = self.session.project
        if label is None or project is None:
            return ""
        key = f" ({self._key(label)})" if self._key(label) else ""
        if label == NO_LABEL:
            words = f"Ignore the selected tokens{key}: they count neither in training nor in scores."
            return f"{words} {self._n_ignored:,} are ignored now."
        name = project.scheme.classes[label]
        return f"Label the selected tokens “{name}”{key}. {self._counts[label]:,} tokens have it now."
