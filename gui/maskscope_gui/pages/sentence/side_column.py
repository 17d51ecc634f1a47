"""The right column: the labels, the token at the cursor and the PADDING panel, one above the other."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent, QShowEvent
from PySide6.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from maskscope_gui.pages.sentence.padding_panel import PaddingPanel
from maskscope_gui.pages.sentence.palette import PaletteView
from maskscope_gui.pages.sentence.token_panel import TokenView
from maskscope_gui.session.session import Session
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.base import Panel, line


class SideColumn(QScrollArea):
    """Gives the palette all the height that the panels below it leave; scrolls as a whole in a low window."""

    def __init__(
        self, session: Session, palette: PaletteView, token: TokenView, padding: PaddingPanel, style: Style
    ) -> None:
        super().__init__()
        self._palette, self._token, self._padding = palette, token, padding
        self._look = style
        self.heads: list[Panel] = []
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        views: tuple[tuple[str, QWidget], ...] = (("Labels", palette), ("Token", token), ("Padding", padding))
        for title, view in views:
            if self.heads:
                column.addSpacing(style.px(6))
                column.addWidget(line())
            head = Panel(title, style)
            self.heads.append(head)
            column.addWidget(head)
            column.addWidget(view, 1 if view is padding else 0)
        self.setObjectName("panel")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidget(inner)
        session.project_changed.connect(self._share_height)

    def set_look(self, style: Style) -> None:
        """Paint the titles with other colours and fonts; the views in the column are styled by the window."""
        self._look = style
        for head in self.heads:
            head.set_look(style)
        self._share_height()

    def showEvent(self, event: QShowEvent) -> None:
        """Set the fonts again: Qt's style sheets forget those of widgets that were never shown."""
        super().showEvent(event)
        self._padding.set_look(self._look)
        self.set_look(self._look)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Share out the new height."""
        super().resizeEvent(event)
        self._share_height()

    def _share_height(self) -> None:
        titles = sum(head.sizeHint().height() for head in self.heads) + 2 * (self._look.px(6) + 1)
        below = self._token.sizeHint().height() + self._padding.reserved_height(self.viewport().width())
        self._palette.set_room(self.viewport().height() - titles - below)
