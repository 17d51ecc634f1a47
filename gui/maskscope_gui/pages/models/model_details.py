"""The model at the cursor of the Models page in full: engine, outputs, classes, mask, padding and notes."""

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QFrame, QGridLayout, QLabel, QScrollArea, QWidget

from maskscope.masks import mask_value_text
from maskscope.padding import Padding
from maskscope.project import ModelRecord
from maskscope.types import MaskValue
from maskscope_gui.pages.models.models_table import settings_text
from maskscope_gui.session.model_text import engine_text, mapping_text, output_text, padding_text, sentence
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.base import WrappedLabel
from maskscope_gui.widgets.pages import BUTTON_KEYS, SCROLL_KEYS

_HEIGHT = 152
_LABEL_WIDTH = 76
_VALUE_WIDTH = 400
_MOST_NAMES = 40


class ModelDetails(QScrollArea):
    """One line for each property; it scrolls when there are more lines than its height holds.

    Attributes:
        texts: what is shown, by the name of its line.
    """

    def __init__(self, style: Style) -> None:
        super().__init__()
        self.look = style
        self.texts: dict[str, str] = {}
        self._model: ModelRecord | None = None
        self._padding: Padding | None = None
        self.setAccessibleName("The model at the cursor")
        self.setObjectName("panel")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setFixedHeight(style.px(_HEIGHT))

    def set_look(self, style: Style) -> None:
        """Use other colours and fonts."""
        self.look = style
        self.setFixedHeight(style.px(_HEIGHT))
        self._fill()

    def show_model(self, model: ModelRecord | None, padding: Padding | None) -> None:
        """Show a model, and the padding that the project's source had; None for no model."""
        if model is not self._model or padding is not self._padding:
            self._model, self._padding = model, padding
            self._fill()

    def event(self, event: QEvent) -> bool:
        """Keep the keys that scroll from being shortcuts of the window, and Enter and Space from acting on it."""
        keys = SCROLL_KEYS | BUTTON_KEYS - {Qt.Key.Key_Tab, Qt.Key.Key_Backtab}
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent) and event.key() in keys:
            event.accept()
            return True
        return super().event(event)

    def _fill(self) -> None:
        px = self.look.px
        self.texts = {} if self._model is None else _lines(self._model, self._padding)
        page = QWidget()
        grid = QGridLayout(page)
        grid.setContentsMargins(px(12), px(8), px(12), px(8))
        grid.setHorizontalSpacing(px(12))
        grid.setVerticalSpacing(px(3))
        grid.setColumnStretch(1, 1)
        grid.setColumnMinimumWidth(0, px(_LABEL_WIDTH))
        for row, (name, text) in enumerate(self.texts.items()):
            label = QLabel(name)
            label.setObjectName("second")
            grid.addWidget(label, row, 0, Qt.AlignmentFlag.AlignTop)
            value = WrappedLabel(self.look, text, "text")
            # Without a minimum, the page is as high as the text at its least width, and scrolls needlessly.
            value.setMinimumWidth(px(_VALUE_WIDTH))
            grid.addWidget(value, row, 1, Qt.AlignmentFlag.AlignTop)
        grid.setRowStretch(len(self.texts), 1)
        self.setWidget(page)


def _lines(model: ModelRecord, padding: Padding | None) -> dict[str, str]:
    run = model.run
    mapping = mapping_text(run.output, model.scheme, most=40)
    lines = {
        "model": f"{model.id} · {model.name} · {settings_text(model)}",
        "engine": sentence(engine_text(run)),
        "outputs": sentence(_outputs_text(model)),
        "classes": sentence(mapping),
        "mask": sentence(_mask_text(model.mask_value)),
        "padding": "" if padding is None else padding_text(padding),
        "notes": "\n".join(run.notes),
    }
    return {name: text for name, text in lines.items() if text}


def _outputs_text(model: ModelRecord) -> str:
    if not model.gives_values:
        return output_text(model.run.output)
    if model.is_reconstruction and model.n_columns > 1:
        return f"values, as many as an embedding has numbers ({model.n_columns:,}): shown beside it"
    names = ", ".join(model.output_names[:_MOST_NAMES]) if model.run.output.names else ""
    return f"{model.n_columns:,} value{'s' if model.n_columns != 1 else ''} a token{f': {names}' if names else ''}"


def _mask_text(value: MaskValue | None) -> str:
    return "No Masking layer reads the embeddings" if value is None else mask_value_text(value)
