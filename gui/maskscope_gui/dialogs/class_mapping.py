"""The classes of a project side by side with the outputs of a model: one row a class, with a chooser of its output."""

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QComboBox, QFrame, QGridLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from maskscope.types import TagScheme
from maskscope_gui.session.model_text import output_name
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.base import WrappedLabel, elided, plain_tip

_NOT_CHOSEN = -2
_NO_OUTPUT = -1
_ROWS_IN_SIGHT = 7
_ROW = 34
_SWATCH, _NAME_WIDTH, _COUNT_WIDTH, _GAP = 12, 210, 56, 10


class _Chooser(QComboBox):
    """A chooser that takes the wheel only when it has the focus: scrolling through the rows must not change them."""

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Leave the wheel to the list."""
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


class ClassMapping(QWidget):
    """Lets a person choose which output of a model stands for each class of the project.

    Signals:
        changed: another output was chosen.

    Attributes:
        choosers: one for each class that has a column in the project's scores.
        note: what is not used, or what is wrong with the choice.
    """

    changed = Signal()

    def __init__(self, style: Style, scheme: TagScheme, counts: Sequence[int], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.look, self._scheme = style, scheme
        self._names: tuple[str, ...] = ()
        self.choosers: list[QComboBox] = []
        self.note = WrappedLabel(style, "", "second", size=12)
        px = style.px
        rows = QWidget()
        rows.setObjectName("window")
        self._grid = QGridLayout(rows)
        # Beside the scroll bar, where there is one.
        margin = px(12) if len(scheme.output_names) > _ROWS_IN_SIGHT else 0
        self._grid.setContentsMargins(0, 0, margin, 0)
        self._grid.setHorizontalSpacing(px(_GAP))
        self._grid.setVerticalSpacing(px(4))
        self._grid.setColumnStretch(3, 1)
        for row, name in enumerate(scheme.output_names):
            self._add_row(row, name, counts)
        self._grid.setRowStretch(len(self.choosers), 1)
        scroll = QScrollArea()
        scroll.setWidget(rows)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        scroll.setMinimumHeight(px(_ROW * min(len(self.choosers), _ROWS_IN_SIGHT)))
        heads = QGridLayout()
        heads.setHorizontalSpacing(px(_GAP))
        for column, text in enumerate(("This project's classes", "The model's outputs")):
            head = QLabel(text)
            head.setObjectName("second")
            heads.addWidget(head, 0, column)
        heads.setColumnMinimumWidth(0, px(_SWATCH + _NAME_WIDTH + _COUNT_WIDTH) + 2 * px(_GAP))
        heads.setColumnStretch(1, 1)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(px(4))
        whole.addLayout(heads)
        whole.addWidget(scroll, 1)
        whole.addWidget(self.note)

    def _add_row(self, row: int, name: str, counts: Sequence[int]) -> None:
        px, scheme = self.look.px, self._scheme
        class_id = row + 1 if scheme.kind == "binary" else row
        swatch = QFrame()
        swatch.setFixedSize(px(_SWATCH), px(_SWATCH))
        code = self.look.label(class_id, scheme)
        outlined = class_id == scheme.outside
        swatch.setStyleSheet(
            f"border: 1px solid {code}; border-radius: 3px; background: {'transparent' if outlined else code};"
        )
        label = QLabel(elided(name, self.look.body, px(_NAME_WIDTH)))
        # On the left also where the name is written from the right.
        label.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignAbsolute | Qt.AlignmentFlag.AlignVCenter)
        label.setToolTip(plain_tip(name))
        label.setTextFormat(Qt.TextFormat.PlainText)
        label.setFixedWidth(px(_NAME_WIDTH))
        count = counts[class_id] if class_id < len(counts) else 0
        tokens = QLabel(f"{count:,}")
        tokens.setObjectName("second")
        tokens.setFixedWidth(px(_COUNT_WIDTH))
        tokens.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        tokens.setToolTip(f"{count:,} tokens have this label")
        chooser = _Chooser()
        chooser.setAccessibleName(f"Output for {name}")
        chooser.setMinimumHeight(px(28))
        chooser.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        chooser.currentIndexChanged.connect(self._show_choice)
        label.setBuddy(chooser)
        self.choosers.append(chooser)
        for column, widget in enumerate((swatch, label, tokens, chooser)):
            self._grid.addWidget(widget, row, column)

    def set_outputs(self, names: tuple[str, ...], columns: Sequence[int | None] | None) -> None:
        """Offer other outputs.

        Args:
            names: of the outputs.
            columns: the output that is chosen for each class, -1 for none; None where the person must choose.
        """
        self._names = names
        for row, chooser in enumerate(self.choosers):
            wanted = None if columns is None else columns[row]
            chooser.blockSignals(True)
            chooser.clear()
            if wanted is None:
                chooser.addItem("choose…", _NOT_CHOSEN)
            for output in range(len(names)):
                # The number comes first, so that typing it chooses the output.
                chooser.addItem(output_name(names, output).removeprefix("output "), output)
            chooser.addItem("none: its probability is 0", _NO_OUTPUT)
            chooser.setCurrentIndex(0 if wanted is None else max(0, chooser.findData(wanted)))
            chooser.blockSignals(False)
        self._show_choice()

    @property
    def columns(self) -> tuple[int, ...]:
        """The chosen output of each class: -1 for none, -2 where none is chosen yet."""
        return tuple(int(chooser.currentData()) for chooser in self.choosers)

    @property
    def is_complete(self) -> bool:
        """Whether something is chosen for each class."""
        return _NOT_CHOSEN not in self.columns

    def fill_in_order(self) -> None:
        """Give each class without a choice the output after that of the class above; the first class output 0."""
        following = 0
        for chooser in self.choosers:
            if chooser.currentData() == _NOT_CHOSEN and following < len(self._names):
                chooser.setCurrentIndex(chooser.findData(following))
            if chooser.currentData() >= 0:
                following = int(chooser.currentData()) + 1

    @property
    def error(self) -> str:
        """What is wrong with the choice, in a sentence; "" when nothing is."""
        columns, names = self.columns, self._scheme.output_names
        open_rows = [name for name, column in zip(names, columns, strict=True) if column == _NOT_CHOSEN]
        if open_rows:
            more = f" and {len(open_rows) - 1} more" if len(open_rows) > 1 else ""
            return f"Choose an output for {open_rows[0]}{more}."
        chosen = [column for column in columns if column >= 0]
        if not chosen:
            return "Choose an output for at least one class."
        for column in chosen:
            users = [name for name, other in zip(names, columns, strict=True) if other == column]
            if len(users) > 1:
                return (
                    f"{output_name(self._names, column).capitalize()} stands for {' and '.join(users[:2])}; choose one."
                )
        return ""

    def _show_choice(self) -> None:
        error = self.error
        if error:
            self.note.set_text(error, "collision")
        else:
            unused = [output_name(self._names, at) for at in range(len(self._names)) if at not in self.columns]
            listed = ", ".join(unused[:4]) + (f" and {len(unused) - 4} more" if len(unused) > 4 else "")
            self.note.set_text(f"Not used: {listed}." if unused else "Every output is used.")
        self.changed.emit()
