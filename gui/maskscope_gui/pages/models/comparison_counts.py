"""The counts of a comparison of two models; choosing one lists its tokens."""

from PySide6.QtCore import QPoint, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from maskscope_gui.background.comparison_job import ComparisonResult, Group
from maskscope_gui.session.session import Session
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.base import text_width
from maskscope_gui.widgets.keyed_view import KeyedView


class ComparisonCounts(KeyedView):
    """How many tokens both models, one of them or neither predicts right; the chosen group is listed below.

    Signals:
        chosen: (group) its tokens are to be listed.
        entered: Enter was pressed, to go to the list.
    """

    chosen = Signal(str)
    entered = Signal()
    KEYS = frozenset({Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Return, Qt.Key.Key_Enter})

    def __init__(self, session: Session, style: Style, parent: QWidget | None = None) -> None:
        super().__init__(session, style, "Counts of the comparison", parent)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.boxes: list[tuple[Group | None, int, str]] = []
        self.group: Group = "differ"
        self.arrange()

    def sizeHint(self) -> QSize:
        """Room for a count above its caption."""
        return QSize(self.look.px(300), self.look.px(54))

    def arrange(self) -> None:
        """Set the height to that of the size hint."""
        self.setFixedHeight(self.sizeHint().height())
        self.viewport().update()

    def show_counts(self, compared: ComparisonResult) -> None:
        """Show the counts of a comparison."""
        self.group = "differ"
        found = compared.comparison
        self.boxes = [
            ("differ", len(found.rows), "differ"),
            (None, found.both_right, "both right"),
            ("only_a", found.only_a, f"only A right, {found.a}"),
            ("only_b", found.only_b, f"only B right, {found.b}"),
            ("both_wrong", found.both_wrong, "both wrong"),
        ]
        if found.unlabelled:
            self.boxes.append(("unlabelled", found.unlabelled, "without a label"))
        self.viewport().update()

    def box(self, wanted: int) -> QRect:
        """The rectangle of a count in the viewport, by its number from the left."""
        px, look = self.look.px, self.look
        left = px(12)
        for number, (_, count, caption) in enumerate(self.boxes):
            width = max(text_width(caption, look.small), text_width(f"{count:,}", look.token_title)) + px(4)
            if number == wanted:
                return QRect(left, 0, width, self.viewport().height())
            left += width + px(22)
        return QRect()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint each count above its caption, the chosen group underlined."""
        painter = QPainter(self.viewport())
        px, look = self.look.px, self.look
        painter.fillRect(event.rect(), look.c("panel"))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for number, (group, count, caption) in enumerate(self.boxes):
            box = self.box(number)
            chosen = group is not None and group == self.group
            painter.setFont(look.token_title)
            painter.setPen(look.c("accent" if chosen else "text"))
            painter.drawText(box.adjusted(0, px(2), 0, -px(24)), Qt.AlignmentFlag.AlignVCenter, f"{count:,}")
            painter.setFont(look.small)
            painter.setPen(look.c("accent" if chosen else "second"))
            painter.drawText(box.adjusted(0, px(28), 0, -px(6)), Qt.AlignmentFlag.AlignVCenter, caption)
            if chosen:
                painter.fillRect(QRect(box.x(), box.bottom() - px(3), box.width(), px(2)), look.c("accent"))
                if self.hasFocus():
                    painter.setPen(QPen(look.c("accent"), 1.4))
                    painter.setBrush(Qt.BrushStyle.NoBrush)
                    painter.drawRoundedRect(QRectF(box).adjusted(-px(5), 1, px(5), -1), 4, 4)

    def _listable(self) -> list[Group]:
        return [group for group, count, _ in self.boxes if group is not None and (count or group == "differ")]

    def choose(self, group: Group) -> None:
        """List the tokens of a group."""
        if group in self._listable():
            self.group = group
            self.viewport().update()
            self.chosen.emit(group)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Choose another group, or go to its list."""
        groups = self._listable()
        key = Qt.Key(event.key())
        if not groups or key not in self.KEYS:
            event.ignore()
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.entered.emit()
        else:
            step = 1 if key == Qt.Key.Key_Right else -1
            self.choose(groups[min(max(groups.index(self.group) + step, 0), len(groups) - 1)])

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """List the group that was clicked."""
        for number, (group, _, _) in enumerate(self.boxes):
            if group is not None and self.box(number).contains(event.position().toPoint()):
                self.choose(group)

    def tip_at(self, point: QPoint) -> str:
        """Explain the count under the mouse."""
        for number, (group, count, caption) in enumerate(self.boxes):
            if not self.box(number).contains(point):
                continue
            if group is None:
                return f"{count:,} tokens with a label: {caption}. The models agree on them, so they are not listed."
            if group == "both_wrong":
                return f"{count:,} tokens: {caption}. A click lists those on which the two models differ."
            return f"{count:,} tokens: {caption}. A click lists them."
        return ""
