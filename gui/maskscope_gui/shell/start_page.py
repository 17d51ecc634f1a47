"""The start page, shown while no project is open."""

from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from maskscope_gui.actions import key_of_action
from maskscope_gui.theme.theme import Style

_WIDTH = 640
_INTRODUCTION = (
    "Maskscope reads sentences with an embedding for each token, runs a masked BiLSTM over them, and shows the "
    "probability of each token next to the mask. Drop a file or a project folder anywhere on this window, or:"
)
_NOTES = {
    "open_demo": "200 sample sentences with a trained tagger",
    "import": "X.npy, X.npz, or CoNLL with an HDF5 file of embeddings",
    "open": "a folder that ends in .maskscope",
}


class StartPage(QWidget):
    """Offers the demo, an import, a project folder, and the recent projects.

    Signals:
        chosen: (path) a recent project was clicked.
    """

    chosen = Signal(Path)

    def __init__(
        self,
        actions: dict[str, QAction],
        recent: Callable[[], Sequence[Path]],
        style: Style,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._recent = recent
        self.setObjectName("panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        px = style.px
        title = QLabel("See whether your tagger ignores its padding")
        title.setObjectName("title")
        self.introduction = QLabel(_INTRODUCTION)
        self.introduction.setObjectName("second")
        self.introduction.setWordWrap(True)
        self._list = QVBoxLayout()
        self._list.setSpacing(px(2))
        middle = QWidget()
        middle.setFixedWidth(px(_WIDTH))
        column = QVBoxLayout(middle)
        column.setSpacing(px(10))
        column.addWidget(title)
        column.addWidget(self.introduction)
        column.addSpacing(px(6))
        for action_id, note in _NOTES.items():
            column.addLayout(_choice(actions[action_id], action_id, note, style))
        column.addSpacing(px(10))
        column.addLayout(self._list)
        # Stretches instead of an alignment, with which Qt would ask no height of the wrapped text for its width.
        centred = QHBoxLayout()
        centred.addStretch(1)
        centred.addWidget(middle)
        centred.addStretch(1)
        whole = QVBoxLayout(self)
        whole.addStretch(1)
        whole.addLayout(centred)
        whole.addStretch(2)

    def refresh(self) -> None:
        """List the recent projects that still exist."""
        while (item := self._list.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.deleteLater()
        paths = self._recent()
        if not paths:
            return
        caps = QLabel("Recent projects")
        caps.setObjectName("caps")
        self._list.addWidget(caps)
        for path in paths:
            button = QPushButton(f"{path.name.removesuffix('.maskscope')}   {path.parent}")
            button.setObjectName("flat")
            button.setStyleSheet("text-align: left")
            button.clicked.connect(lambda _=False, path=path: self.chosen.emit(path))
            self._list.addWidget(button)


def _choice(action: QAction, action_id: str, note: str, style: Style) -> QHBoxLayout:
    button = QPushButton(action.text())
    button.setObjectName("primary" if action_id == "open_demo" else "")
    button.setFixedWidth(style.px(150))
    button.clicked.connect(action.trigger)
    label = QLabel(note)
    label.setObjectName("second")
    line = QHBoxLayout()
    line.setSpacing(style.px(10))
    line.addWidget(button)
    line.addWidget(label)
    key = key_of_action(action_id)
    if key:
        cap = QLabel(key)
        cap.setObjectName("key")
        line.addWidget(cap, 0, Qt.AlignmentFlag.AlignVCenter)
    line.addStretch(1)
    return line
