"""The start page, shown while no project is open."""

from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from maskscope_gui.actions import printed_key
from maskscope_gui.theme.theme import Style


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
        what = QLabel(
            "Maskscope reads sentences with an embedding for each token, runs a masked BiLSTM over them, and shows "
            "each token's probability beside the mask. Drop a file or a project folder anywhere in this window, or:"
        )
        what.setObjectName("second")
        what.setWordWrap(True)
        column = QVBoxLayout()
        column.setSpacing(px(10))
        column.addWidget(title)
        column.addWidget(what)
        column.addSpacing(px(6))
        rows = (
            ("open_demo", "Open the demo", "200 sentences with a trained tagger"),
            ("import", "Import…", "X.npy, X.npz, or CoNLL with an HDF5 file of embeddings"),
            ("open", "Open project…", "a folder that ends in .maskscope"),
        )
        for action_id, text, note in rows:
            button = QPushButton(text)
            button.setObjectName("primary" if action_id == "open_demo" else "")
            button.setFixedWidth(px(150))
            button.clicked.connect(actions[action_id].trigger)
            label = QLabel(note)
            label.setObjectName("second")
            line = QHBoxLayout()
            line.setSpacing(px(10))
            line.addWidget(button)
            line.addWidget(label)
            key = printed_key(action_id)
            if key:
                cap = QLabel(key)
                cap.setObjectName("key")
                line.addWidget(cap)
            line.addStretch(1)
            column.addLayout(line)
        self._list = QVBoxLayout()
        self._list.setSpacing(px(2))
        column.addSpacing(px(10))
        column.addLayout(self._list)
        middle = QWidget()
        middle.setLayout(column)
        middle.setFixedWidth(px(560))
        whole = QVBoxLayout(self)
        whole.addStretch(1)
        whole.addWidget(middle, 0, Qt.AlignmentFlag.AlignHCenter)
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
