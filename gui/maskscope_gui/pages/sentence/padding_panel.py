"""The PADDING panel: how much padding, filled with what, masked by whom, and what it does to real tokens."""

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QButtonGroup,
    QHBoxLayout,
    QLabel,
    QMenu,
    QPushButton,
    QSizePolicy,
    QSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from maskscope.project import ModelRecord
from maskscope_gui.actions import printed_key
from maskscope_gui.background.padding_experiment import (
    FILLS,
    MASK_SOURCES,
    MAX_ADDED,
    TOLERANCE,
    PaddingExperiment,
    own_mask_reason,
)
from maskscope_gui.session.session import Session
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.base import recolour


class PaddingPanel(QWidget):
    """Sets the lab, and says in one sentence what its answer means. `curve_room` takes the curve once it is made.

    Signals:
        audit_wanted: the person wants to see why the audit fails.
    """

    audit_wanted = Signal()

    def __init__(self, session: Session, lab: PaddingExperiment, style: Style, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.session, self.lab = session, lab
        self.look = style
        px = style.px
        self.setAccessibleName("Padding")
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setRange(0, MAX_ADDED)
        self.slider.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.slider.setAccessibleName("Added positions")
        self.slider.setToolTip(
            "Add padded positions to the sentence on screen, 0 to 200. Keys [ and ], { and } by ten."
        )
        self.added = QLabel()
        self.added.setObjectName("strong")
        self.fill = QToolButton()
        self.fill.setObjectName("flat")
        self.fill.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.fill.setAccessibleName("Filled with")
        self.fill.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        fills = QMenu(self.fill)
        for key, words in FILLS.items():
            fills.addAction(words).triggered.connect(lambda _=False, key=key: lab.set_fill(key))
        self.fill.setMenu(fills)
        self.sources = QButtonGroup(self)
        self.figure = QLabel()
        self.figure.setObjectName("figure")
        self.verdict = QLabel()
        self.verdict.setWordWrap(True)
        self.verdict.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.lesson = QLabel()
        self.lesson.setObjectName("second")
        self.lesson.setWordWrap(True)
        self.lesson.setAlignment(Qt.AlignmentFlag.AlignTop)
        for label in (self.verdict, self.lesson):
            # Names of a model and of its layers stand in them, and a name may look like HTML.
            label.setTextFormat(Qt.TextFormat.PlainText)
        self.audit = QPushButton()
        self.audit.setObjectName("flat")
        self.audit.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.audit.setCursor(Qt.CursorShape.PointingHandCursor)
        self.audit.clicked.connect(self.audit_wanted)
        self.audit.hide()
        self._explained: ModelRecord | None = None
        self.curve_room = QVBoxLayout()
        self._build(px)
        self.slider.valueChanged.connect(self.lab.set_added)
        self.sources.idClicked.connect(lambda place: self.lab.set_mask_from(list(MASK_SOURCES)[place]))
        lab.changed.connect(self.refresh)
        lab.curvesChanged.connect(self.refresh)
        session.model_changed.connect(self.refresh)
        self.refresh()

    def _build(self, px: object) -> None:
        px = self.look.px
        column = QVBoxLayout(self)
        column.setContentsMargins(px(12), 0, px(12), px(8))
        column.setSpacing(px(4))
        line = QHBoxLayout()
        line.addWidget(QLabel("Added positions"))
        line.addWidget(_key_label("[ ]"))
        line.addStretch(1)
        line.addWidget(self.added)
        column.addLayout(line)
        column.addWidget(self.slider)
        line = QHBoxLayout()
        line.addWidget(QLabel("Filled with"))
        line.addWidget(_key_label(printed_key("fill")))
        line.addStretch(1)
        line.addWidget(self.fill)
        column.addLayout(line)
        line = QHBoxLayout()
        line.addWidget(QLabel("Mask from"))
        line.addWidget(_key_label(printed_key("mask_from")))
        line.addStretch(1)
        column.addLayout(line)
        segments = QHBoxLayout()
        segments.setSpacing(0)
        for place, words in enumerate(MASK_SOURCES.values()):
            button = QPushButton(words)
            button.setCheckable(True)
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            button.setObjectName(("segment_first", "segment", "segment_last")[place])
            button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
            self.sources.addButton(button, place)
            segments.addWidget(button)
        column.addLayout(segments)
        column.addSpacing(px(4))
        caption = QLabel("largest change at a real token")
        caption.setObjectName("second")
        column.addWidget(caption)
        column.addWidget(self.figure)
        column.addWidget(self.verdict)
        column.addWidget(self.audit, 0, Qt.AlignmentFlag.AlignLeft)
        column.addLayout(self.curve_room)
        column.addWidget(self.lesson)
        column.addStretch(1)

    def set_look(self, style: Style) -> None:
        """Fonts and colours of another theme."""
        self.look = style
        self.figure.setFont(style.figure)
        self.lesson.setFont(style.small)
        recolour(self.audit, style.c("fails").name())
        # Room for the longest sentence, so that the curve never moves.
        self.verdict.setMinimumHeight(self.verdict.fontMetrics().lineSpacing() * 2 + 2)
        self.refresh()

    def reserved_height(self, width: int) -> int:
        """Pixels that the panel needs at a width, whatever it shows now: with its curve and three lines under it."""
        inner = width - 2 * self.look.px(12)
        # A label without text has no height for a width.
        lesson = max(self.lesson.heightForWidth(inner), self.lesson.sizeHint().height())
        verdict = max(self.verdict.heightForWidth(inner), self.verdict.minimumHeight())
        audit = self.audit.sizeHint().height() + self.look.px(4) if self.audit.isVisibleTo(self) else 0
        shown_now = lesson + verdict + audit
        reserved = 3 * self.lesson.fontMetrics().lineSpacing() + self.verdict.minimumHeight()
        curve = 0 if self.curve_room.count() else self.look.px(112)
        return self.heightForWidth(width) - shown_now + reserved + curve

    def show_audit(self, failed: Sequence[str]) -> None:
        """Say that the last audit of the model failed, by the names of its failed checks; none says nothing.

        What holds at real tokens is no proof: a loss that counts padding moves none of them.
        """
        which = failed[0] if len(failed) == 1 else f"{len(failed)} checks"
        self.audit.setText(f"✗ the audit fails: {which}   {printed_key('page_audit')}" if failed else "")
        self.audit.setToolTip(f"Failed: {', '.join(failed)}. A click shows what was found." if failed else "")
        self.audit.setVisible(bool(failed))
        recolour(self.audit, self.look.c("fails").name())

    def refresh(self) -> None:
        """Show the setting and its answer."""
        setting, run = self.lab.setting, self.lab.run
        self.slider.blockSignals(True)
        self.slider.setValue(setting.added)
        self.slider.blockSignals(False)
        self.added.setText(str(setting.added))
        self.fill.setText(f"{FILLS[setting.fill]} ▾")
        button = self.sources.button(list(MASK_SOURCES).index(setting.mask_from))
        button.setChecked(True)
        for place, source in enumerate(MASK_SOURCES):
            offered = source == "model" or not self.lab.in_keras
            self.sources.button(place).setEnabled(offered)
            self.sources.button(place).setToolTip("" if offered else own_mask_reason())
        if self.lab.waiting:
            # the last figure, and what was said of it, stay in their place, so that nothing moves
            self.figure.setText(self.figure.text() or "–")
            recolour(self.figure, self.look.c("second").name())
            self._say(self.verdict, self.lab.waiting, "second")
            if self.session.model is not self._explained:
                self.lesson.setText("")
            return
        self._explained = self.session.model
        if run is None:
            self.figure.setText("–")
            recolour(self.figure, self.look.c("second").name())
            if self.lab.error:
                self._say(self.verdict, "Keras gave no answer.", "fails")
                self.lesson.setText(self.lab.error)
                return
            model = self.session.model
            if model is not None and self.lab.in_keras:
                self._say(self.verdict, f"{model.name} runs in Keras, in a process that is not there now.", "second")
                self.lesson.setText(self._why_keras())
                return
            self._say(self.verdict, "Train a model to see what padding does to it.", "second")
            self.lesson.setText("")
            return
        if run.at is None:
            self.figure.setText("–")
            recolour(self.figure, self.look.c("second").name())
            self._say(self.verdict, "There is no real token here that could move.", "second")
            self.lesson.setText("")
            return
        self.figure.setText(f"{run.largest_change:.6f}")
        recolour(self.figure, self.look.c("holds" if self.lab.within_tolerance else "fails").name())
        words, role = self._verdict()
        self._say(self.verdict, words, role)
        self.lesson.setText(self._lesson())

    def _say(self, label: QLabel, words: str, role: str) -> None:
        label.setText(words)
        recolour(label, self.look.c(role).name())

    def _verdict(self) -> tuple[str, str]:
        run, setting, curves = self.lab.run, self.lab.setting, self.lab.curves
        assert run is not None
        if not self.lab.within_tolerance:
            at = f" at position {run.at}" if run.at is not None else ""
            if setting.masked and setting.mask_from != "none":
                return f"✗ masking a token by hand moved the others, most{at}", "fails"
            return f"✗ padding changes the tagger, most{at}", "fails"
        if curves is None:
            return "✓ padding is ignored here", "holds"
        tried = len(curves.added)
        if float(curves.chosen.max()) <= TOLERANCE:
            if tried <= MAX_ADDED:
                return f"✓ ignored at all {tried} lengths tried, up to {MAX_ADDED}", "holds"
            return f"✓ ignored at every length up to {MAX_ADDED}", "holds"
        first = int(curves.added[(curves.chosen > TOLERANCE).argmax()])
        if tried <= MAX_ADDED:
            return f"✗ ignored here, but not with {first} added position{'s' if first != 1 else ''}", "fails"
        return f"✗ ignored here, but not from {first} added positions on", "fails"

    def _lesson(self) -> str:
        setting, run = self.lab.setting, self.lab.run
        assert run is not None
        focus = self.session.focus
        if focus is None or focus.length == 0:
            return ""
        if setting.masked:
            listed = ", ".join(str(place) for place in sorted(setting.masked)[:6])
            return f"Masked by hand: position {listed}. {printed_key('unmask_all')} takes that back."
        if setting.mask_from == "none":
            return "The same weights without a mask: the LSTM reads the padding before, and beside, the sentence."
        if self.lab.error:
            return self.lab.error
        if setting.fill == "previous" and focus.row.id == 0:
            return "There is no sentence before the first one, so zeros stand in its place."
        if self.lab.in_keras and (words := self._where_the_mask_is_lost(run.mask[focus.length :].tolist())):
            return words
        if setting.mask_from == "model" and run.mask[focus.length :].any():
            return (
                "Masking only knows rows that equal its mask value. This fill does not, "
                "so the model takes it for tokens: the mask lane shows 1 there."
            )
        return self._why_keras()

    def _where_the_mask_is_lost(self, mask: list[bool]) -> str:
        """Of a model that only Keras runs, by its mask at the added positions; "" when there is nothing to say."""
        if any(mask) and self.session.mask_value is None:
            words = "No Masking layer reads the embeddings in this model, so the mask lane shows 1 at padding"
            return f"{words}; yet it changes no token here." if self.lab.within_tolerance else f"{words}."
        if mask and not any(mask) and not self.lab.within_tolerance:
            return (
                "Its Masking layer masks these positions, but further up the mask is lost or left unused; "
                f"the audit says where ({printed_key('audit')})."
            )
        return ""

    def _why_keras(self) -> str:
        model = self.session.model
        return f"Why Keras: it {model.run.engine_reason}." if model is not None and self.lab.in_keras else ""


def _key_label(text: str) -> QLabel:
    label = QLabel(text)
    label.setObjectName("key")
    return label
