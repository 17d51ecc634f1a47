"""A model that can't be opened: why, what is known of it, and what can be done with its file."""

from typing import Literal, TypeAlias

from PySide6.QtWidgets import QPushButton, QWidget

from maskscope.workflows.model_description import ModelDescription
from maskscope_gui.actions import key_text
from maskscope_gui.dialogs.model_facts import ModelFacts
from maskscope_gui.dialogs.unasked_dialog import UnaskedDialog
from maskscope_gui.session.model_text import sentence
from maskscope_gui.session.window_words import window_words
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.base import WrappedLabel

Way: TypeAlias = Literal["picture", "audit", "cut"]
"""What can be done with the file itself."""

_SIZE = (640, 220)
_WAYS: dict[Way, str] = {
    "picture": "Show its &picture",
    "audit": "&Audit it on these sentences",
    "cut": "&Save the part that is known…",
}


class RefusedModelDialog(UnaskedDialog):
    """Says in one sentence why a file can't be opened. Accepted when one of the ways out was chosen, which is in `way`.

    Attributes:
        way: what is to be done; None until a button is pressed.
        buttons: one for each way out.
    """

    def __init__(self, parent: QWidget | None, style: Style, described: ModelDescription) -> None:
        super().__init__(parent, style, "This model can't be opened", _SIZE)
        self.way: Way | None = None
        self.column.addWidget(WrappedLabel(style, described.name, "text", size=17, bold=True))
        refusal = window_words(described.refusal.removeprefix(f"{described.name}: "))
        self.refusal = WrappedLabel(style, sentence(refusal), "fails")
        self.column.addWidget(self.refusal)
        self.facts = ModelFacts(described, style)
        self.column.addLayout(self.facts)
        self.column.addStretch(1)
        self.buttons: dict[Way, QPushButton] = {}
        for way in (way for way in _WAYS if way in described.way_out):
            made = self.button(_WAYS[way])
            made.clicked.connect(lambda _=False, way=way: self._take(way))
            self.buttons[way] = made
        close = self.button(f"Close   {key_text('Esc')}")
        close.clicked.connect(self.reject)
        self.column.addLayout(self.button_row(*self.buttons.values(), close))

    def _take(self, way: Way) -> None:
        self.way = way
        self.accept()
