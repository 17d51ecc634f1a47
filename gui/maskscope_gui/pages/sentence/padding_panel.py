"""The PADDING panel: how much padding is added, with which content and mask, and what it does to real tokens."""

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QPaintEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QHBoxLayout,
    QLabel,
    QLayout,
    QMenu,
    QPushButton,
    QSizePolicy,
    QSlider,
    QStyle,
    QStyleOptionToolButton,
    QStylePainter,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from maskscope.engine.padding_probe import Fill
from maskscope.project import ModelRecord
from maskscope_gui.actions import key_of_action
from maskscope_gui.background.padding_experiment import (
    FILLS,
    MASK_SOURCES,
    MAX_ADDED,
    PaddingExperiment,
    own_mask_reason,
)
from maskscope_gui.pages.sentence.padding_message import NO_FIGURE, padding_message
from maskscope_gui.session.session import Session
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.base import Role, recolour

CURVE_HEIGHT = 120
"""Pixels at 100 % that the curve takes once it is made."""
_EXPLANATION_LINES = 2
_OPENS = " ▾"


class PaddingPanel(QWidget):
    """Sets up the padding experiment and shows its result.

    Attributes:
        figure: the largest change at a real token.
        verdict: whether padding is ignored.
        explanation: why, in a sentence.
        curve_room: takes the curve, which is made later than the panel.

    Signals:
        audit_requested: the note that the audit fails was clicked.
    """

    audit_requested = Signal()

    def __init__(
        self, session: Session, experiment: PaddingExperiment, style: Style, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.session, self.experiment = session, experiment
        self.look = style
        self.setAccessibleName("Padding")
        self.added_title = QLabel()
        self.added = QLabel()
        self.added.setObjectName("strong")
        self.slider = self._make_slider()
        self.fill = self._make_fill_button()
        self.sources = QButtonGroup(self)
        self.figure = QLabel()
        self.figure.setObjectName("figure")
        self.verdict = self._make_sentence()
        self.explanation = self._make_sentence()
        self.explanation.setObjectName("second")
        self.audit = self._make_audit_button()
        self.curve_room = QVBoxLayout()
        self._explained_model: ModelRecord | None = None
        self._lay_out()
        self.slider.valueChanged.connect(experiment.set_added)
        self.sources.idClicked.connect(lambda number: experiment.set_mask_source(list(MASK_SOURCES)[number]))
        experiment.changed.connect(self.refresh)
        experiment.curves_changed.connect(self.refresh)
        session.model_changed.connect(self.refresh)
        self.refresh()

    # Assembly

    def _make_slider(self) -> QSlider:
        slider = QSlider(Qt.Orientation.Horizontal)
        slider.setRange(0, MAX_ADDED)
        slider.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        slider.setAccessibleName("Added positions")
        slider.setToolTip(
            f"Add 0 to {MAX_ADDED} padded positions to this sentence. Keys [ and ] change it by one, {{ and }} by ten."
        )
        return slider

    def _make_fill_button(self) -> "MenuButton":
        button = MenuButton()
        button.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        button.setObjectName("flat")
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        button.setAccessibleName("Padding content")
        button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(button)
        for fill in FILLS:
            action = menu.addAction(FILLS[fill])
            action.setData(fill)
            action.triggered.connect(lambda _=False, fill=fill: self.experiment.set_fill(fill))
        menu.aboutToShow.connect(lambda: self._name_fills(menu))
        button.setMenu(menu)
        return button

    def _make_sentence(self) -> QLabel:
        label = QLabel()
        label.setWordWrap(True)
        label.setAlignment(Qt.AlignmentFlag.AlignTop)
        # The names of models and layers are in it, and a name may look like HTML.
        label.setTextFormat(Qt.TextFormat.PlainText)
        return label

    def _make_audit_button(self) -> QPushButton:
        button = QPushButton()
        button.setObjectName("flat")
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        button.setCursor(Qt.CursorShape.PointingHandCursor)
        button.clicked.connect(self.audit_requested)
        button.hide()
        return button

    def _lay_out(self) -> None:
        px = self.look.px
        column = QVBoxLayout(self)
        column.setContentsMargins(px(12), 0, px(12), px(8))
        column.setSpacing(px(4))
        column.addLayout(_setting_line(self.added_title, "[ ]", self.added))
        column.addWidget(self.slider)
        column.addLayout(_setting_line(QLabel("Padding content"), key_of_action("fill"), self.fill))
        column.addLayout(_setting_line(QLabel("Mask source"), key_of_action("mask_source")))
        column.addLayout(self._segments())
        column.addSpacing(px(4))
        caption = QLabel("largest change at a real token")
        caption.setObjectName("second")
        column.addWidget(caption)
        column.addWidget(self.figure)
        column.addWidget(self.verdict)
        column.addWidget(self.audit, 0, Qt.AlignmentFlag.AlignLeft)
        column.addLayout(self.curve_room)
        column.addWidget(self.explanation)
        column.addStretch(1)

    def _segments(self) -> QLayout:
        """One button for each mask source, side by side."""
        segments = QHBoxLayout()
        segments.setSpacing(0)
        for number, text in enumerate(MASK_SOURCES.values()):
            button = QPushButton(text)
            button.setCheckable(True)
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            button.setObjectName(("segment_first", "segment", "segment_last")[number])
            button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            self.sources.addButton(button, number)
            segments.addWidget(button)
        return segments

    def set_look(self, style: Style) -> None:
        """Use other colours and fonts."""
        self.look = style
        self.figure.setFont(style.figure)
        self.explanation.setFont(style.small)
        recolour(self.audit, style.c("fails").name())
        # Room for the longest verdict, so that the curve never moves.
        self.verdict.setMinimumHeight(self.verdict.fontMetrics().lineSpacing() * 2 + 2)
        self.refresh()

    def reserved_height(self, width: int) -> int:
        """Pixels that the panel needs at a width, whatever it shows now: with its curve and two lines under it."""
        inner = width - 2 * self.look.px(12)
        # A label without text has no height for a width.
        explanation = max(self.explanation.heightForWidth(inner), self.explanation.sizeHint().height())
        verdict = max(self.verdict.heightForWidth(inner), self.verdict.minimumHeight())
        audit = self.audit.sizeHint().height() + self.look.px(4) if self.audit.isVisibleTo(self) else 0
        shown_now = explanation + verdict + audit
        lines = _EXPLANATION_LINES * self.explanation.fontMetrics().lineSpacing()
        curve = 0 if self.curve_room.count() else self.look.px(CURVE_HEIGHT)
        return self.heightForWidth(width) - shown_now + lines + self.verdict.minimumHeight() + curve

    # What is shown

    def show_audit(self, failed: Sequence[str]) -> None:
        """Show which checks of the last audit failed, by name; an empty sequence removes the note.

        Outputs that stay the same at real tokens are no proof: a loss that counts padding changes none of them.
        """
        which = failed[0] if len(failed) == 1 else f"{len(failed)} checks"
        self.audit.setText(f"✗ the audit fails: {which}   {key_of_action('page_audit')}" if failed else "")
        self.audit.setToolTip(f"Failed: {', '.join(failed)}. Click to see what was found." if failed else "")
        self.audit.setVisible(bool(failed))
        recolour(self.audit, self.look.c("fails").name())

    def refresh(self) -> None:
        """Show the settings of the experiment and its result."""
        self._show_settings()
        if self.experiment.waiting:
            # The last figure and explanation stay, so that nothing moves.
            self._set(self.figure, self.figure.text() or NO_FIGURE, "second")
            self._set(self.verdict, self.experiment.waiting, "second")
            if self.session.model is not self._explained_model:
                self.explanation.setText("")
            return
        self._explained_model = self.session.model
        message = padding_message(self.session, self.experiment)
        self._set(self.figure, message.figure, message.figure_role)
        self._set(self.verdict, message.verdict, message.role)
        self.explanation.setText(message.explanation)

    def _show_settings(self) -> None:
        setting = self.experiment.settings
        self.slider.blockSignals(True)
        self.slider.setRange(0, self.experiment.most)
        self.slider.setEnabled(self.experiment.most > 0)
        self.slider.setValue(setting.added)
        self.slider.blockSignals(False)
        self.added.setText(str(setting.added))
        self.added_title.setText(f"Added {'in front' if self.experiment.padding.side == 'front' else 'positions'}")
        self.fill.setText(f"{self._fill_text(setting.fill)}{_OPENS}")
        content = self.experiment.padding.text if setting.fill == "source" else FILLS[setting.fill]
        self.fill.setToolTip(f"Padded positions hold {content}")
        for number, source in enumerate(MASK_SOURCES):
            button = self.sources.button(number)
            available = source == "model" or not self.experiment.in_keras
            button.setChecked(source == setting.mask_source)
            button.setEnabled(available)
            button.setToolTip("" if available else own_mask_reason())

    def _name_fills(self, menu: QMenu) -> None:
        """Offer what padding can hold here, the source's with its content."""
        for action in menu.actions():
            fill = action.data()
            action.setVisible(fill in self.experiment.fills)
            if fill == "source":
                action.setText(f"{FILLS[fill]}: {self.experiment.padding.text}")

    def _fill_text(self, fill: Fill) -> str:
        """What padded positions hold; that of the source by its number, where it is one."""
        padding = self.experiment.padding
        return padding.text if fill == "source" and padding.value is not None else FILLS[fill]

    def _set(self, label: QLabel, text: str, role: Role) -> None:
        label.setText(text)
        recolour(label, self.look.c(role).name())


class MenuButton(QToolButton):
    """Shows what was chosen from its menu, and cuts it where the line is too narrow."""

    def minimumSizeHint(self) -> QSize:
        """Room for a few letters: a long text must not widen the whole column."""
        hint = self.sizeHint()
        return QSize(min(hint.width(), self._frame + self.fontMetrics().horizontalAdvance("0" * 6)), hint.height())

    @property
    def _frame(self) -> int:
        return self.sizeHint().width() - self.fontMetrics().horizontalAdvance(self.text())

    @property
    def painted_text(self) -> str:
        """The text, cut only where the line is too narrow for it."""
        if self.width() >= self.sizeHint().width():
            return self.text()
        metrics, name = self.fontMetrics(), self.text().removesuffix(_OPENS)
        room = self.width() - self._frame - metrics.horizontalAdvance(_OPENS)
        return metrics.elidedText(name, Qt.TextElideMode.ElideRight, room) + _OPENS

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the text with its arrow, cut to the width."""
        option = QStyleOptionToolButton()
        self.initStyleOption(option)
        option.text = self.painted_text
        QStylePainter(self).drawComplexControl(QStyle.ComplexControl.CC_ToolButton, option)


def _setting_line(title: QLabel, key: str, value: QWidget | None = None) -> QLayout:
    """The title of a setting with its key, and its value at the right end."""
    line = QHBoxLayout()
    line.addWidget(title)
    key_label = QLabel(key)
    key_label.setObjectName("key")
    line.addWidget(key_label)
    line.addStretch(1)
    if value is not None:
        line.addWidget(value)
    return line
