"""The form of the training dialog: a control for each field of `TrainSettings`, made from its metadata."""

from typing import TypeAlias

from PySide6.QtWidgets import QAbstractSpinBox, QComboBox, QDoubleSpinBox, QHBoxLayout, QSpinBox, QVBoxLayout, QWidget

from maskscope.runs import NumberSetting, Section, Setting, TrainSettings, train_settings
from maskscope_gui.dialogs.form import FieldGrid
from maskscope_gui.theme.theme import Style

_COLUMNS: tuple[tuple[tuple[Section, str], ...], ...] = (
    (("model", "The model"), ("data", "The data")),
    (("training", "The training"),),
)
"""Columns of sections, each with its title."""

_MAX_INT = 2**31 - 1
"""What a QSpinBox can hold."""

Control: TypeAlias = QSpinBox | QDoubleSpinBox | QComboBox


class TrainForm(QWidget):
    """All settings of a training run, at their defaults.

    Attributes:
        controls: by name of the field of `TrainSettings`.
    """

    def __init__(self, style: Style) -> None:
        super().__init__()
        self.controls: dict[str, Control] = {}
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(style.px(24))
        for sections in _COLUMNS:
            column = QVBoxLayout()
            grid = FieldGrid(style, wide_notes=True)
            for section, title in sections:
                grid.add_title(title)
                self._add_fields(grid, section)
            column.addLayout(grid)
            column.addStretch(1)
            row.addLayout(column)

    def _add_fields(self, grid: FieldGrid, section: Section) -> None:
        defaults = TrainSettings()
        for name, setting in train_settings().items():
            if setting.section != section:
                continue
            control = _control(setting)
            _set_value(control, getattr(defaults, name))
            control.setFixedWidth(grid.look.px(140))
            grid.add(setting.label, control, help_line(setting))
            self.controls[name] = control

    def settings(self) -> TrainSettings:
        """The settings as the controls show them. Raises ModelError for a value that makes no sense."""
        values = {name: _value(control) for name, control in self.controls.items()}
        return TrainSettings(**values)  # type: ignore[arg-type]


def help_line(setting: Setting) -> str:
    """What the line under the control of a setting shows."""
    return f"{setting.help[0].upper()}{setting.help[1:]}"


def _control(setting: Setting) -> Control:
    if isinstance(setting, NumberSetting):
        return _spin_box(setting)
    box = QComboBox()
    for value, text in setting.choices:
        box.addItem(text, value)
    return box


def _spin_box(setting: NumberSetting) -> QSpinBox | QDoubleSpinBox:
    if setting.decimals == 0:
        whole = QSpinBox()
        whole.setRange(int(setting.minimum), min(int(setting.maximum), _MAX_INT))
        whole.setSingleStep(int(setting.step))
        whole.setGroupSeparatorShown(True)
        whole.setCorrectionMode(QAbstractSpinBox.CorrectionMode.CorrectToNearestValue)
        return whole
    smallest = 10**-setting.decimals
    decimal = QDoubleSpinBox()
    decimal.setDecimals(setting.decimals)
    decimal.setRange(
        setting.minimum + (smallest if setting.above_minimum else 0),
        setting.maximum - (smallest if setting.below_maximum else 0),
    )
    decimal.setSingleStep(setting.step)
    return decimal


def _value(control: Control) -> int | float | str:
    if isinstance(control, QComboBox):
        return str(control.currentData())
    return control.value()


def _set_value(control: Control, value: int | float | str) -> None:
    if isinstance(control, QComboBox):
        control.setCurrentIndex(control.findData(value))
    elif isinstance(control, QSpinBox):
        control.setValue(int(value))
    else:
        control.setValue(float(value))
