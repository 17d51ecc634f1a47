"""The three columns of the window. In a narrow window the right one becomes a tab of the left one."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QSplitter, QStackedWidget, QTabBar, QVBoxLayout, QWidget

from maskscope_gui.theme.theme import Style

_SIDE_WIDTH = 284


class Columns(QSplitter):
    """The sentence list, the middle column, and the labels and padding at the right."""

    def __init__(self, sentences: QWidget, middle: QWidget, side: QWidget, style: Style) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self._sentences, self._side = sentences, side
        self._px = style.px
        self.side_folded = False
        self.tabs = QTabBar()
        self.tabs.addTab("Sentences")
        self.tabs.addTab("Labels and padding")
        self.tabs.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.tabs.setVisible(False)
        self.tabs.currentChanged.connect(self._show_tab)
        self._stack = QStackedWidget()
        self._stack.addWidget(sentences)
        self._left = QWidget()
        column = QVBoxLayout(self._left)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.tabs)
        column.addWidget(self._stack)
        for place, (widget, least) in enumerate(((self._left, 230), (middle, 360), (side, _SIDE_WIDTH))):
            self.addWidget(widget)
            widget.setMinimumWidth(style.px(least))
            self.setStretchFactor(place, 1 if widget is middle else 0)
            self.setCollapsible(place, False)
        self.setSizes([style.px(316), style.px(840), style.px(_SIDE_WIDTH)])
        self.setHandleWidth(1)

    def fold_side(self, fold: bool) -> None:
        """Make the right column a tab of the left one, or a column again."""
        if fold == self.side_folded:
            return
        self.side_folded = fold
        if fold:
            self._stack.addWidget(self._side)
        else:
            width = self._px(_SIDE_WIDTH)
            self.addWidget(self._side)
            self.setStretchFactor(2, 0)
            self.setSizes([self._left.width(), self.width() - self._left.width() - width, width])
            self._side.show()
            self.tabs.setCurrentIndex(0)
        self.tabs.setVisible(fold)

    def switch_side_tab(self) -> None:
        """In a narrow window, change between the sentences and the right column."""
        if self.side_folded:
            self.tabs.setCurrentIndex(1 - self.tabs.currentIndex())

    def _show_tab(self, tab: int) -> None:
        self._stack.setCurrentWidget(self._side if tab == 1 and self.side_folded else self._sentences)
