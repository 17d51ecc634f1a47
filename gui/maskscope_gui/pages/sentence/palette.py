"""The label palette: each label, or each type of a span scheme, with its colour, its count and its keys."""

from dataclasses import dataclass

from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from maskscope.types import NO_LABEL, TagScheme, span_parts
from maskscope_gui.actions import LABEL_KEYS, key_of_action
from maskscope_gui.session.session import Session
from maskscope_gui.theme.theme import Style, colour
from maskscope_gui.widgets.base import PaintedView, draw_key, elided, key_width, text_width

_ROW = 26
_MIN_ROWS = 6
_PREFIX_ORDER = "BIMELSU"
"""Prefixes of BIO and BIOES schemes as they follow one another in a span; those of single tokens come last."""
_SPAN_BEGINS = "BSU"


@dataclass(frozen=True, slots=True)
class PaletteRow:
    """One row of the palette.

    Attributes:
        name: the label, or the type that several classes of a span scheme share.
        keys: the classes as (class id, prefix), in the order of a span; the prefix is "" where a label has none, and
            the class id is NO_LABEL for the row that marks tokens as ignored.
        clicked: the class id that a click on the name sets: the one that begins a span, where there is one.
    """

    name: str
    keys: tuple[tuple[int, str], ...]
    clicked: int

    @property
    def labels(self) -> tuple[int, ...]:
        """The class ids."""
        return tuple(label for label, _ in self.keys)


def palette_rows(scheme: TagScheme) -> tuple[PaletteRow, ...]:
    """The rows of a label set: its labels or span types, then the outside label, then "ignored"."""
    types: dict[str, list[tuple[int, str]]] = {}
    for label, name in enumerate(scheme.classes):
        if label != scheme.outside:
            prefix, kind = ("", name) if scheme.spans is None else span_parts(name)
            types.setdefault(kind, []).append((label, prefix))
    rows = []
    for kind, classes in types.items():
        classes.sort(key=lambda pair: _PREFIX_ORDER.find(pair[1]))
        begins = [label for label, prefix in classes if prefix and prefix in _SPAN_BEGINS]
        rows.append(PaletteRow(kind, tuple(classes), begins[0] if begins else classes[0][0]))
    outside = PaletteRow(scheme.classes[scheme.outside], ((scheme.outside, ""),), scheme.outside)
    return (*rows, outside, PaletteRow("ignored", ((NO_LABEL, ""),), NO_LABEL))


def keys_of(n_classes: int, outside: int) -> list[str]:
    """The key of each class: digits, then free letters, in order; 0 for outside, "" when none is left."""
    free = iter(LABEL_KEYS)
    return ["0" if place == outside else next(free, "").upper() for place in range(n_classes)]


class PaletteView(PaintedView):
    """Labels the selected tokens: a click on a row does what its key does.

    Signals:
        picked: (class id) a label was clicked.
        ignored: the row that marks tokens as ignored was clicked.
    """

    picked = Signal(int)
    ignored = Signal()

    def __init__(self, session: Session, style: Style, parent: QWidget | None = None) -> None:
        super().__init__(session, style, "Labels and their keys", parent)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAsNeeded)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self._room = 0
        self._rows: tuple[PaletteRow, ...] = ()
        # Of a span scheme; each has a column of keys of its own.
        self._prefixes: tuple[str, ...] = ()
        self._keys: list[str] = []
        self._counts: tuple[int, ...] = ()
        self._n_ignored = 0
        session.project_changed.connect(self.refresh)
        session.editing.edited.connect(self._recount)
        session.cursor.sentence_changed.connect(self._show_current)
        session.cursor.moved.connect(self._show_current)

    def refresh(self) -> None:
        """Show the label set of the open project."""
        project = self.session.project
        self._rows, self._keys, self._counts = (), [], ()
        if project is not None:
            self._rows = palette_rows(project.scheme)
            prefixes = {prefix for row in self._rows for _, prefix in row.keys if prefix}
            self._prefixes = tuple(sorted(prefixes, key=_PREFIX_ORDER.find))
            self._keys = keys_of(len(project.scheme.classes), project.scheme.outside)
            self._recount(-1)
        self.arrange()

    def _recount(self, sentence: int) -> None:
        if self.session.project is not None:
            counts = self.session.project.counts()
            self._counts, self._n_ignored = counts.labels, counts.ignored
            self.viewport().update()

    # Layout

    def set_room(self, height: int) -> None:
        """Show as many rows as fit into `height` pixels, but never fewer than six; further ones are scrolled."""
        if height != self._room:
            self._room = height
            self.arrange()

    def sizeHint(self) -> QSize:
        """All rows, or as many as there is room for."""
        px = self.look.px
        fitting = max(self._room // px(_ROW), _MIN_ROWS)
        return QSize(px(240), px(_ROW) * min(max(len(self._rows), 2), fitting))

    def arrange(self) -> None:
        """Set the height and the scroll range to the rows."""
        height = self.sizeHint().height()
        self.updateGeometry()
        self.setFixedHeight(height)
        self.verticalScrollBar().setRange(0, max(0, self.look.px(_ROW) * len(self._rows) - height))
        self.verticalScrollBar().setSingleStep(self.look.px(_ROW))
        self._show_current()

    def _row_of(self, label: int) -> int | None:
        return next((number for number, row in enumerate(self._rows) if label in row.labels), None)

    def _box(self, number: int) -> QRect:
        height = self.look.px(_ROW)
        return QRect(0, number * height - self.verticalScrollBar().value(), self.viewport().width(), height)

    def row_box(self, label: int) -> QRect:
        """The rectangle of the row of a class in the viewport. Raises ValueError for an unknown class."""
        number = self._row_of(label)
        if number is None:
            raise ValueError(f"no row for label {label}")
        return self._box(number)

    def key_box(self, label: int) -> QRect:
        """The rectangle of a class's prefix and key, at the right end of its row. Raises ValueError as `row_box`."""
        box = self.row_box(label)
        prefix = next(prefix for row in self._rows for each, prefix in row.keys if each == label)
        return self._key_box(box, prefix)

    def _key_box(self, row_box: QRect, prefix: str) -> QRect:
        right, width = row_box.right() + 1 - self.look.px(12), self._key_column_width
        columns_to_right_edge = len(self._prefixes) - self._prefixes.index(prefix) if prefix else 1
        return QRect(right - columns_to_right_edge * width, row_box.y(), width, row_box.height())

    @property
    def _key_column_width(self) -> int:
        """Pixels for a key and, in a span scheme, the prefix before it."""
        return self.look.px(38 if self._prefixes else 26)

    @property
    def _keys_width(self) -> int:
        """Pixels for all keys of a row."""
        return max(len(self._prefixes), 1) * self._key_column_width

    def _current(self) -> int | None:
        """The label of the token at the cursor; None for a token without any."""
        focus = self.session.focus
        if focus is None or not focus.length:
            return None
        at = self.session.cursor.position
        label = int(focus.row.labels[at])
        # A token without any label is ignored only when a person marked it so.
        return label if label != NO_LABEL or focus.row.edits[at] == NO_LABEL else None

    def _show_current(self) -> None:
        """Scroll to the label of the token at the cursor, unless that is outside or ignored."""
        current = self._current()
        if current is not None and current not in (NO_LABEL, self.session.scheme.outside):
            number, bar = self._row_of(current), self.verticalScrollBar()
            if number is not None:
                box, room = self._box(number), self.viewport().height()
                if box.top() < 0:
                    bar.setValue(bar.value() + box.top())
                elif box.bottom() >= room:
                    # by whole rows, so that the first one is not cut off
                    bar.setValue(-(-(bar.value() + box.bottom() + 1 - room) // box.height()) * box.height())
        self.viewport().update()

    # Painting

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the rows in sight."""
        painter = QPainter(self.viewport())
        painter.fillRect(event.rect(), self.look.c("panel"))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self.session.project is None:
            return
        height, scroll = self.look.px(_ROW), self.verticalScrollBar().value()
        first = max(0, (event.rect().top() + scroll) // height)
        last = min(len(self._rows), (event.rect().bottom() + scroll) // height + 1)
        for number in range(first, last):
            self._paint_row(painter, self._rows[number], self._box(number))

    def _paint_row(self, painter: QPainter, row: PaletteRow, box: QRect) -> None:
        px, look = self.look.px, self.look
        current = self._current()
        if current in row.labels:
            painter.fillRect(box, look.c("accent_ground"))
        self._paint_swatch(painter, row, QRectF(px(12), box.y() + px(7), px(12), px(12)))
        for label, prefix in row.keys:
            self._paint_key(painter, self._key_box(box, prefix), label, prefix, strong=label == current)
        count = f"{self._count(row):,}"
        left = box.width() - px(12) - self._keys_width - text_width(count, look.small)
        painter.setFont(look.small)
        painter.setPen(look.c("second"))
        self._draw_text(painter, QRect(left, box.y(), box.width() - left, box.height()), count)
        painter.setFont(look.body)
        painter.setPen(look.c("text"))
        room = left - px(32) - px(8)
        self._draw_text(painter, QRect(px(32), box.y(), room, box.height()), elided(row.name, look.body, room))

    def _paint_swatch(self, painter: QPainter, row: PaletteRow, swatch: QRectF) -> None:
        scheme, look = self.session.scheme, self.look
        painter.setPen(QPen(look.c("control"), 1))
        if row.clicked == NO_LABEL:
            painter.setBrush(look.cross)
        elif row.clicked == scheme.outside:
            painter.setBrush(Qt.BrushStyle.NoBrush)
        else:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(colour(look.label(row.clicked, scheme)))
            painter.drawRoundedRect(swatch, 3, 3)
            return
        painter.drawRoundedRect(swatch.adjusted(0.5, 0.5, -0.5, -0.5), 3, 3)

    def _paint_key(self, painter: QPainter, box: QRect, label: int, prefix: str, *, strong: bool) -> None:
        look, key = self.look, self._key(label)
        width = key_width(key, look)
        if key:
            draw_key(painter, box.right() + 1 - width, box.center().y() + 1, key, look)
        if prefix:
            font = look.small_bold if strong else look.small
            painter.setFont(font)
            painter.setPen(look.c("text" if strong else "second"))
            left = box.right() + 1 - width - look.px(4) - text_width(prefix, font)
            self._draw_text(painter, QRect(left, box.y(), box.width(), box.height()), prefix)

    def _draw_text(self, painter: QPainter, box: QRect, text: str) -> None:
        painter.drawText(box, Qt.AlignmentFlag.AlignVCenter, text)

    def _key(self, label: int) -> str:
        return key_of_action("ignore") if label == NO_LABEL else self._keys[label]

    def _count(self, row: PaletteRow) -> int:
        if row.clicked == NO_LABEL:
            return self._n_ignored
        return sum(self._counts[label] for label in row.labels)

    # Mouse

    def _label_at(self, point: QPointF) -> int | None:
        """The class id under a point: on a key its own class, else the one that a click on the name sets."""
        number = int(point.y() + self.verticalScrollBar().value()) // self.look.px(_ROW)
        if not 0 <= number < len(self._rows):
            return None
        row = self._rows[number]
        on_key = (label for label in row.labels if self.key_box(label).contains(point.toPoint()))
        return next(on_key, row.clicked)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Label the selected tokens."""
        label = self._label_at(event.position())
        if event.button() != Qt.MouseButton.LeftButton or label is None:
            return
        if label == NO_LABEL:
            self.ignored.emit()
        else:
            self.picked.emit(label)

    def tip_at(self, point: QPoint) -> str:
        """What a click does."""
        label = self._label_at(QPointF(point))
        if label is None:
            return ""
        key = f" ({self._key(label)})" if self._key(label) else ""
        if label == NO_LABEL:
            text = f"Ignore the selected tokens{key}: they count neither in training nor in scores."
            return f"{text} {self._n_ignored:,} are ignored now."
        scheme = self.session.scheme
        text = f"Label the selected tokens “{scheme.classes[label]}”{key}."
        if scheme.spans is not None and len(set(scheme.span(label, 2).tolist())) > 1:
            text = f"{text} Several tokens become one span."
        return f"{text} {self._counts[label]:,} tokens have it now."
