"""What the dialogs share: the base class, labelled fields with help or an error below, a progress page, a table."""

import time
from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLayout,
    QProgressBar,
    QPushButton,
    QTableWidget,
    QVBoxLayout,
    QWidget,
)

from maskscope_gui.background.tasks import rate_and_time_left
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.base import Role, WrappedLabel, text_width

_LABEL_COLUMN, _CONTROL_COLUMN, _BUTTON_COLUMN = range(3)
_BAR_STEPS = 1000


class Field:
    """A labelled control with a line under it that holds its help text or an error."""

    def __init__(
        self, label: QLabel, control: QWidget, note: WrappedLabel, button: QPushButton | None, help_text: str
    ) -> None:
        self.label, self.control, self.note, self.button = label, control, note, button
        self._help = help_text
        self._parts = [part for part in (label, control, note, button) if part is not None]

    @property
    def error(self) -> str:
        """The error that is shown; "" without one."""
        return self.note.text() if self.note.role == "fails" else ""

    def set_note(self, text: str, role: Role = "second") -> None:
        """Show `text` in the line under the control."""
        self.note.set_text(text, role)
        self.control.setAccessibleDescription(text)

    def show_error(self, text: str) -> None:
        """Show an error in the line under the control."""
        self.set_note(text, "fails")

    def show_help(self) -> None:
        """Show the help text again in the line under the control."""
        self.set_note(self._help)

    def set_help(self, text: str) -> None:
        """Set another help text; one that is shown is replaced."""
        if self.note.text() == self._help:
            self.set_note(text)
        self._help = text

    def set_visible(self, visible: bool) -> None:
        """Show or hide the whole field."""
        for part in self._parts:
            part.setVisible(visible)

    def set_enabled(self, enabled: bool) -> None:
        """Enable or disable the control; the line under it stays readable."""
        for part in (self.label, self.control, self.button):
            if part is not None:
                part.setEnabled(enabled)

    @property
    def shown(self) -> bool:
        """Whether the field is not hidden."""
        return not self.control.isHidden()


class FieldGrid(QGridLayout):
    """A grid of fields one below another, their labels in a column of their own.

    Args:
        style: fonts and measures.
        wide_notes: let the line under a control begin below its label, for a form of narrow controls.
    """

    def __init__(self, style: Style, *, wide_notes: bool = False) -> None:
        super().__init__()
        self.look = style
        self._note_column = _LABEL_COLUMN if wide_notes else _CONTROL_COLUMN
        self.setHorizontalSpacing(style.px(12))
        self.setVerticalSpacing(style.px(2))
        self.setColumnStretch(_CONTROL_COLUMN, 1)

    def add_title(self, text: str) -> None:
        """Append a title for the fields that follow."""
        title = WrappedLabel(self.look, text, "text", bold=True)
        title.setContentsMargins(0, 0, 0, self.look.px(4))
        self.addWidget(title, self.rowCount(), _LABEL_COLUMN, 1, -1)

    def add(self, label: str, control: QWidget, help_text: str = "", button: QPushButton | None = None) -> Field:
        """Append a field. `label` holds the mnemonic ("&File") and is the control's accessible name, too."""
        title = QLabel(label)
        title.setBuddy(control)
        control.setAccessibleName(label.replace("&", ""))
        control.setAccessibleDescription(help_text)
        note = WrappedLabel(self.look, help_text, "second", size=12)
        row = self.rowCount()
        self.addWidget(title, row, _LABEL_COLUMN, Qt.AlignmentFlag.AlignVCenter)
        if button is None:
            self.addWidget(control, row, _CONTROL_COLUMN, 1, 2)
        else:
            self.addWidget(control, row, _CONTROL_COLUMN)
            self.addWidget(button, row, _BUTTON_COLUMN)
        self.addWidget(note, row + 1, self._note_column, 1, -1, Qt.AlignmentFlag.AlignTop)
        # The gap to the next field, which goes when this field is hidden.
        note.setContentsMargins(0, 0, 0, self.look.px(8))
        return Field(title, control, note, button, help_text)


class Dialog(QDialog):
    """A dialog with margins, a row of buttons below, and a style that can change."""

    def __init__(self, parent: QWidget | None, style: Style, title: str, size: tuple[int, int] = (480, 240)) -> None:
        super().__init__(parent)
        self.look = style
        self._first_size: tuple[int, int] | None = size
        self.setWindowTitle(title)
        self.setMinimumWidth(style.px(size[0]))
        self.column = QVBoxLayout(self)
        margin = style.px(16)
        self.column.setContentsMargins(margin, margin, margin, margin)
        self.column.setSpacing(style.px(12))
        # Qt would not make it lower than the text needs at the least width; `fit` asks at the actual one.
        self.column.setSizeConstraint(QLayout.SizeConstraint.SetNoConstraint)

    def button(self, text: str, *, primary: bool = False) -> QPushButton:
        """A button; `primary` is the one that Enter presses."""
        made = QPushButton(text, self)
        made.setAutoDefault(primary)
        made.setDefault(primary)
        if primary:
            # Its text is bold, which Qt's size hint does not know.
            made.setMinimumWidth(text_width(text.replace("&", ""), self.look.bold) + self.look.px(30))
        return made

    def button_row(self, *buttons: QPushButton, left: QWidget | None = None) -> QHBoxLayout:
        """A row of buttons at the right end, which the caller adds to a layout."""
        row = QHBoxLayout()
        row.setSpacing(self.look.px(8))
        if left is not None:
            row.addWidget(left, 1)
        else:
            row.addStretch(1)
        for made in buttons:
            row.addWidget(made, 0, Qt.AlignmentFlag.AlignBottom)
        return row

    def fit(self) -> None:
        """Grow to the height that the content needs now; never shrink."""
        layout = self.layout()
        if layout is None or not self.isVisible():
            return
        layout.activate()
        by_width = layout.totalMinimumHeightForWidth(self.width())
        needed = by_width if by_width >= 0 else layout.totalMinimumSize().height()
        self.setMinimumHeight(needed)
        if needed > self.height():
            self.resize(self.width(), needed)

    def showEvent(self, event: QShowEvent) -> None:
        """Begin at the first size."""
        super().showEvent(event)
        if self._first_size is not None:
            self.column.activate()
            self.resize(*(self.look.px(side) for side in self._first_size))
            self._first_size = None
        self.fit()

    def set_look(self, style: Style) -> None:
        """Use the fonts and colours of another theme."""
        self.look = style
        for label in self.findChildren(WrappedLabel):
            label.set_look(style)


class ProgressPage(QWidget):
    """A progress bar with a title, the rate and the time left."""

    def __init__(self, style: Style, unit: str = "sentences") -> None:
        super().__init__()
        self._unit = unit
        self._began = 0.0
        self.title = WrappedLabel(style, "", "text", bold=True)
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.count = WrappedLabel(style, "", "second")
        self.rate = WrappedLabel(style, "", "second")
        self.rate.setAlignment(Qt.AlignmentFlag.AlignRight)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(style.px(8))
        column.addWidget(self.title)
        column.addWidget(self.bar)
        row = QHBoxLayout()
        row.addWidget(self.count, 1)
        row.addWidget(self.rate, 1)
        column.addLayout(row)
        column.addStretch(1)

    def begin(self, title: str) -> None:
        """Start at 0, under a title."""
        self._began = time.monotonic()
        self.title.set_text(title, "text")
        self.bar.setRange(0, 0)
        self.bar.setAccessibleName(title)
        self.count.set_text("")
        self.rate.set_text("")

    def show_progress(self, done: int, total: int, text: str) -> None:
        """Show what `Task.progressed` reports; without a total the bar only moves."""
        unit = text or self._unit
        if total > 0:
            self.bar.setRange(0, _BAR_STEPS)
            self.bar.setValue(min(done, total) * _BAR_STEPS // total)
            self.count.set_text(f"{done:,} of {total:,} {unit}")
        else:
            self.bar.setRange(0, 0)
            self.count.set_text(f"{done:,} {unit}")
        self.rate.set_text(rate_and_time_left(done, total, time.monotonic() - self._began, unit))


def plain_table(style: Style, name: str, headers: Sequence[str]) -> QTableWidget:
    """A read-only table: whole rows, no grid, and a last column that takes the room that is left."""
    table = QTableWidget(0, len(headers))
    table.setAccessibleName(name)
    table.setHorizontalHeaderLabels(list(headers))
    table.verticalHeader().hide()
    table.verticalHeader().setDefaultSectionSize(style.px(26))
    table.setShowGrid(False)
    table.setWordWrap(False)
    table.setTabKeyNavigation(False)
    table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
    table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
    table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
    table.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
    header = table.horizontalHeader()
    header.setStretchLastSection(True)
    header.setHighlightSections(False)
    header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    # Align cells with their headers.
    table.setStyleSheet(f"QTableWidget::item {{ padding: 0 {style.px(5)}px; }}")
    return table
