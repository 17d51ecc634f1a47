"""What is known of a model's file, as lines of a dialog."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QLabel

from maskscope.workflows.model_description import ModelDescription
from maskscope_gui.actions import key_of_action
from maskscope_gui.session.model_text import engine_text, sentence
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.base import Role, WrappedLabel

LABEL_WIDTH = 92
"""Pixels at 100 % for the names of the lines."""


class ModelFacts(QGridLayout):
    """One line for each fact: layers, mask, length, padding, engine and notes; what is not known is left out.

    Attributes:
        texts: what is shown, by the name of its line.
    """

    def __init__(self, described: ModelDescription, style: Style) -> None:
        super().__init__()
        px = style.px
        self.setHorizontalSpacing(px(12))
        self.setVerticalSpacing(px(6))
        self.setColumnStretch(1, 1)
        self.setColumnMinimumWidth(0, px(LABEL_WIDTH))
        self.texts: dict[str, str] = {}
        for row, (name, text, role) in enumerate(_lines(described)):
            label = QLabel(name)
            label.setObjectName("second")
            self.addWidget(label, row, 0, Qt.AlignmentFlag.AlignTop)
            self.addWidget(WrappedLabel(style, text, role), row, 1, Qt.AlignmentFlag.AlignTop)
            self.texts[name] = text


def _lines(described: ModelDescription) -> list[tuple[str, str, Role]]:
    positions = described.n_positions
    lines: list[tuple[str, str, Role]] = [
        ("Layers", described.layers, "text"),
        ("Mask", sentence(described.mask), "text"),
        ("Length", "" if positions is None else f"Sentences are padded to exactly {positions} positions.", "text"),
        ("Padding", _padding_text(described), "collision" if described.padding_assumed else "text"),
        ("Engine", "" if described.refusal else sentence(engine_text(described)), "text"),
        ("Notes", "\n".join(sentence(note) for note in described.notes), "second"),
    ]
    return [each for each in lines if each[1]]


def _padding_text(described: ModelDescription) -> str:
    text = sentence(described.padding)
    if not described.padding_assumed:
        return text
    return f"{text} Import the padded arrays themselves ({key_of_action('import')}), and it is known."
