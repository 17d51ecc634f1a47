"""The details of one finding: what was found, what to do about it, where it was found, and what the check saw."""

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QBoxLayout, QFrame, QLabel, QScrollArea, QVBoxLayout, QWidget

from maskscope.audit.report import Evidence, Finding
from maskscope_gui.pages.audit.audit_text import mark_and_verb
from maskscope_gui.pages.audit.deviation_scale import deviation_text
from maskscope_gui.pages.audit.evidence import EvidenceStrip
from maskscope_gui.session.session import Session
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.base import KeyHint, WrappedLabel

_LAYER_NAME_LENGTH = 28
"""Characters of a layer's name in its key hint; a longer one ends in an ellipsis."""


class FindingDetails(QScrollArea):
    """Shows one finding at a time.

    Args:
        session: for the tokens of sentences.
        style: fonts and colours.
        parent: as in Qt.

    Attributes:
        to_place: a click shows the sentence of the finding.
        to_layer: a click shows the layer of the finding in the model's picture.
        strip: the evidence, by position.
        picture_is_beside: True while the model's picture is next to the details, False while it would replace them.
    """

    def __init__(self, session: Session, style: Style, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.look = style
        self.picture_is_beside = False
        self._finding: Finding | None = None
        self.title = WrappedLabel(style, "", "text", size=15, bold=True)
        self.deviation = WrappedLabel(style, "", "second")
        self.meaning = WrappedLabel(style, "", "text")
        self.advice = WrappedLabel(style, "", "text", bold=True)
        self.to_place = KeyHint("", "Enter", style)
        self.to_layer = KeyHint("", "Space", style)
        self.evidence_title = QLabel()
        self.strip = EvidenceStrip(session, style)
        self.readout = WrappedLabel(style, "", "second", size=12)
        self.strip.moved.connect(self._show_numbers)
        self._arrange()

    def _arrange(self) -> None:
        px = self.look.px
        inner = _Content()
        inner.setObjectName("panel")
        column = QVBoxLayout(inner)
        column.setContentsMargins(0, px(4), 0, px(8))
        column.setSpacing(px(6))
        for label in (self.title, self.deviation, self.meaning, self.advice, self.evidence_title, self.readout):
            label.setContentsMargins(px(12), 0, px(12), 0)
        for label in (self.title, self.deviation, self.meaning, self.advice):
            column.addWidget(label)
        self._links = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        self._links.setContentsMargins(px(12), 0, px(12), 0)
        for hint in (self.to_place, self.to_layer):
            self._links.addWidget(hint)
        self._links.addStretch(1)
        column.addLayout(self._links)
        self.evidence_title.setObjectName("caps")
        self.evidence_title.setTextFormat(Qt.TextFormat.PlainText)
        column.addSpacing(px(4))
        for widget in (self.evidence_title, self.strip, self.readout):
            column.addWidget(widget)
        column.addStretch(1)
        self.setObjectName("panel")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidget(inner)
        self.setMinimumSize(px(280), px(120))

    def set_look(self, style: Style) -> None:
        """Use the fonts and colours of another theme."""
        self.look = style
        for view in (self.strip, self.to_place, self.to_layer):
            view.set_look(style)
        for label in (self.title, self.deviation, self.meaning, self.advice, self.readout):
            label.set_look(style)
        self.evidence_title.setFont(style.caps)

    def show_finding(self, finding: Finding) -> None:
        """Show another finding, from its beginning."""
        self._finding = finding
        mark, role, verb = mark_and_verb(finding)
        self.title.set_text(f"{mark} {finding.check} {verb}", role)
        self.deviation.set_text(deviation_text(finding))
        self.meaning.set_text(finding.meaning, "text")
        self.advice.set_text(f"To repair: {finding.advice}." if finding.advice else "", "text")
        for label in (self.deviation, self.advice):
            label.setVisible(bool(label.text()))
        self.fit_links()
        self._show_evidence(finding)
        self.verticalScrollBar().setValue(0)

    def _show_evidence(self, finding: Finding) -> None:
        evidence = finding.evidence
        for widget in (self.evidence_title, self.strip, self.readout):
            widget.setVisible(evidence is not None)
        self.strip.show_evidence(evidence, finding.tolerance, finding.position)
        if evidence is not None:
            self.evidence_title.setText(_evidence_title(evidence))
            self._show_numbers(self.strip.at)

    def _show_numbers(self, position: int) -> None:
        self.readout.set_text(" · ".join(self.strip.lines_at(position)))

    def fit_links(self) -> None:
        """Name the two key hints, and put them side by side or one below the other, as there is room."""
        finding, px = self._finding, self.look.px
        if finding is None:
            return
        place, layer = _place_text(finding), _shortened(finding.layer or "")
        self.to_place.setVisible(bool(place))
        self.to_layer.setVisible(bool(layer) or not self.picture_is_beside)
        _rename(self.to_place, f"Show {place}", "Enter")
        _rename(self.to_layer, f"Show layer {layer}" if layer else "Show the model's picture", "Space")
        width = self.to_place.sizeHint().width() + px(12) + self.to_layer.sizeHint().width()
        side_by_side = width <= self.width() - 2 * px(12) or not place
        self._links.setDirection(QBoxLayout.Direction.LeftToRight if side_by_side else QBoxLayout.Direction.TopToBottom)
        self._links.setSpacing(px(12) if side_by_side else 0)


class _Content(QWidget):
    """What is scrolled. It needs the height that it has at its width, since its labels wrap, and no more."""

    def minimumSizeHint(self) -> QSize:
        """The width of the layout; QScrollArea asks for the height for a width itself."""
        return QSize(super().minimumSizeHint().width(), 0)


def _rename(hint: KeyHint, text: str, key: str) -> None:
    hint.setText(text)
    hint.setAccessibleName(f"{text} ({key})")
    hint.updateGeometry()


def _shortened(name: str) -> str:
    return name if len(name) <= _LAYER_NAME_LENGTH else f"{name[: _LAYER_NAME_LENGTH - 1]}…"


def _place_text(finding: Finding) -> str:
    """Sentence and position of a finding; "" without a sentence."""
    if finding.sentence is None:
        return ""
    position = "" if finding.position is None else f", position {finding.position:,}"
    return f"sentence {finding.sentence:,}{position}"


def _evidence_title(evidence: Evidence) -> str:
    sentence = "a sentence made for this check" if evidence.sentence is None else f"sentence {evidence.sentence:,}"
    last = evidence.first + len(evidence.real) - 1
    cut = f", positions {evidence.first} to {last}" if evidence.first else ""
    return f"Seen in {sentence}{cut}"
