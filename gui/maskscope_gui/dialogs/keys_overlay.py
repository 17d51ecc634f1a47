"""The key overlay: every key on one page."""

from typing import NamedTuple, TypeAlias

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from maskscope_gui.actions import ACTIONS, MENUS, key_text
from maskscope_gui.dialogs.form import Dialog
from maskscope_gui.pages.sentence.palette import keys_of
from maskscope_gui.session.session import Session
from maskscope_gui.theme.theme import Style

_COLUMNS = 4
_SIZE = (1230, 580)


class Row(NamedTuple):
    """An action and its keys."""

    text: str
    keys: tuple[str, ...]


Block: TypeAlias = tuple[str, list[Row]]


class KeysOverlay(Dialog):
    """The table of actions by menu, and the keys of the labels; "?" and Escape close it."""

    def __init__(self, parent: QWidget | None, style: Style, session: Session | None = None) -> None:
        super().__init__(parent, style, "Keys", _SIZE)
        self.setMinimumWidth(style.px(560))
        page = QWidget()
        page.setObjectName("window")
        row = QHBoxLayout(page)
        row.setContentsMargins(0, 0, style.px(8), 0)
        row.setSpacing(style.px(32))
        for blocks in _in_columns(_blocks(session)):
            column = QVBoxLayout()
            column.setSpacing(style.px(16))
            for title, rows in blocks:
                column.addLayout(self._block(title, rows))
            column.addStretch(1)
            row.addLayout(column, 1)
        scroll = QScrollArea()
        scroll.setWidget(page)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        self.column.addWidget(scroll, 1)
        foot = QLabel(
            f"Letters and digits work wherever the focus is, except in a text field. {key_text('?')} or Esc closes."
        )
        foot.setObjectName("second")
        close = self.button("Close", primary=True)
        close.clicked.connect(self.reject)
        self.column.addLayout(self.button_row(close, left=foot))
        close.setFocus()

    def _block(self, title: str, rows: list[Row]) -> QGridLayout:
        px = self.look.px
        grid = QGridLayout()
        grid.setHorizontalSpacing(px(8))
        grid.setVerticalSpacing(px(3))
        grid.setColumnStretch(0, 1)
        head = QLabel(title)
        head.setObjectName("caps")
        head.setFont(self.look.caps)
        grid.addWidget(head, 0, 0, 1, 2)
        for number, (text, keys) in enumerate(rows, start=1):
            grid.addWidget(QLabel(text), number, 0)
            line = QHBoxLayout()
            line.setSpacing(px(4))
            line.addStretch(1)
            for key in keys:
                label = QLabel(key)
                label.setObjectName("key")
                line.addWidget(label)
            if not keys:
                menu = QLabel("menu")
                menu.setObjectName("small")
                line.addWidget(menu)
            grid.addLayout(line, number, 1)
        return grid

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Close on the key that opens the overlay."""
        if event.text() == "?" or event.key() == Qt.Key.Key_F1:
            self.reject()
            return
        super().keyPressEvent(event)


def _blocks(session: Session | None) -> list[Block]:
    blocks: list[Block] = []
    for menu in MENUS:
        rows = [Row(action.text.rstrip("…"), _key_texts(action.keys)) for action in ACTIONS if action.menu == menu]
        blocks.append((menu, rows))
    if session is not None and session.project is not None:
        scheme = session.project.scheme
        keys = keys_of(len(scheme.classes), scheme.outside)
        pairs = zip(scheme.classes, keys, strict=True)
        blocks.append(("Labels", [Row(name, (key,)) for name, key in pairs if key]))
    return blocks


def _key_texts(keys: tuple[str, ...]) -> tuple[str, ...]:
    # Backtab is Qt's name for Shift+Tab; Return and Enter have the same text.
    return tuple(dict.fromkeys(key_text(key) for key in keys if key != "Backtab"))


def _in_columns(blocks: list[Block]) -> list[list[Block]]:
    """Blocks in columns of about the same height: the tallest first, each into the shortest column."""
    filled = [0] * _COLUMNS
    columns: list[list[int]] = [[] for _ in range(_COLUMNS)]
    for place in sorted(range(len(blocks)), key=lambda place: -len(blocks[place][1])):
        shortest = filled.index(min(filled))
        columns[shortest].append(place)
        filled[shortest] += len(blocks[place][1]) + 2
    # Within a column, and from column to column, in the order of the menus.
    ordered = sorted(sorted(column) for column in columns if column)
    return [[blocks[place] for place in column] for column in ordered]
