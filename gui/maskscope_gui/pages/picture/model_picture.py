"""The widget that shows a model's picture: its layers, and on every edge whether the mask is there."""

import re
from collections.abc import Collection, Mapping

from PySide6.QtCore import QEvent, QPoint, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QHelpEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QFrame, QLabel, QScrollArea, QStackedLayout, QToolTip, QWidget

from maskscope.keras_io.model_graph import ModelGraph
from maskscope_gui.pages.picture.graph_layout import GraphLayout, lay_out, text_description
from maskscope_gui.pages.picture.graph_painting import paint_graph
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.base import plain_tip

NO_PICTURE = "There is no picture of a model to show."


def nodes_of(graph: ModelGraph, layer: str) -> tuple[str, ...]:
    """Names of the nodes of a layer; there are several when the model uses it more than once."""
    return tuple(
        node.name
        for node in graph.nodes
        if node.name == layer or re.fullmatch(re.escape(layer) + r" \(\d+\)", node.name)
    )


class ModelPicture(QWidget):
    """The picture in a scroll area, or a message where there is none.

    Args:
        style: fonts and colours.
        parent: as in Qt.

    Signals:
        clicked: (name of a node) its box was clicked.

    Attributes:
        area: the scroll area, which takes the focus.
        message: the label of the message.
    """

    clicked = Signal(str)

    def __init__(self, style: Style, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.look = style
        self._canvas = _Canvas(style)
        self._canvas.clicked.connect(self.clicked)
        self.area = QScrollArea()
        self.area.setFrameShape(QFrame.Shape.NoFrame)
        self.area.setAlignment(Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop)
        self.area.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.area.setAccessibleName("Picture of the model")
        self.area.setWidget(self._canvas)
        self.message = QLabel(NO_PICTURE)
        self.message.setTextFormat(Qt.TextFormat.PlainText)
        self.message.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.message.setWordWrap(True)
        self._pages = QStackedLayout(self)
        self._pages.addWidget(self.message)
        self._pages.addWidget(self.area)
        self.set_look(style)

    @property
    def graph(self) -> ModelGraph | None:
        """The model that is shown; None while there is a message instead."""
        return self._canvas.graph

    def mark(self, faulty: Mapping[str, str], chosen: Collection[str] = ()) -> None:
        """Frame the boxes of some nodes.

        Args:
            faulty: tooltips by the node's name: what is wrong with it.
            chosen: names of nodes to highlight; the first is scrolled into view.
        """
        self._canvas.faulty, self._canvas.chosen = dict(faulty), frozenset(chosen)
        self._canvas.update()
        first = next(iter(chosen), None)
        box = None if first is None else self.box_of(first)
        if box is not None:
            middle = box.center().toPoint()
            self.area.ensureVisible(middle.x(), middle.y(), round(box.width() / 2) + 8, round(box.height() / 2) + 24)

    def box_of(self, name: str) -> QRectF | None:
        """The box of a node on the canvas; None for an unknown name."""
        return self._canvas.box_of(name)

    def show_graph(self, graph: ModelGraph) -> None:
        """Show a model's picture, from its top."""
        self._canvas.show_graph(graph)
        self.area.setAccessibleDescription(text_description(graph))
        self.area.verticalScrollBar().setValue(0)
        self._pages.setCurrentWidget(self.area)

    def show_message(self, text: str) -> None:
        """Show a message in place of a picture, such as why there is none."""
        self._canvas.graph = None
        self._canvas.faulty, self._canvas.chosen = {}, frozenset()
        self.message.setText(text)
        self._pages.setCurrentWidget(self.message)

    def set_look(self, style: Style) -> None:
        """Use the fonts and colours of another theme."""
        self.look = style
        self.message.setFont(style.body)
        self.message.setStyleSheet(f"color: {style.theme.second}")
        self.area.setStyleSheet(f"QScrollArea {{ background: {style.theme.window}; }}")
        self._canvas.set_look(style)


class _Canvas(QWidget):
    """The picture at its full size.

    Attributes:
        faulty: tooltips of the nodes with a red frame.
        chosen: names of the nodes with a frame in the colour of the cursor.
    """

    clicked = Signal(str)

    def __init__(self, style: Style) -> None:
        super().__init__()
        self.look = style
        self.graph: ModelGraph | None = None
        self.faulty: dict[str, str] = {}
        self.chosen: frozenset[str] = frozenset()
        self._layout: GraphLayout | None = None
        self.setMouseTracking(True)

    def show_graph(self, graph: ModelGraph) -> None:
        self.graph = graph
        # kept, so that it is not laid out again at each repaint
        self._layout = lay_out(graph, self.look)
        self.setFixedSize(self._layout.size.toSize())
        self.update()

    def set_look(self, style: Style) -> None:
        self.look = style
        if self.graph is not None:
            self.show_graph(self.graph)

    def _boxes(self) -> dict[str, QRectF]:
        if self.graph is None or self._layout is None:
            return {}
        return {node.name: box for node, box in zip(self.graph.nodes, self._layout.boxes, strict=True)}

    def box_of(self, name: str) -> QRectF | None:
        return self._boxes().get(name)

    def node_at(self, point: QPointF | QPoint) -> str | None:
        at = QPointF(point)
        return next((name for name, box in self._boxes().items() if box.contains(at)), None)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the picture, and frames around faulty and chosen nodes."""
        if self.graph is not None and self._layout is not None:
            painter = QPainter(self)
            painter.fillRect(self.rect(), self.look.c("window"))
            paint_graph(painter, self.graph, self._layout, self.look)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            for name, box in self._boxes().items():
                if name in self.faulty or name in self.chosen:
                    self._frame(painter, box, name)
            painter.end()

    def _frame(self, painter: QPainter, box: QRectF, name: str) -> None:
        px = self.look.px
        painter.setBrush(Qt.BrushStyle.NoBrush)
        if name in self.faulty:
            painter.setPen(QPen(self.look.c("fails"), px(2)))
            painter.drawRect(box)
        if name in self.chosen:
            painter.setPen(QPen(self.look.c("accent"), px(2)))
            painter.drawRoundedRect(box.adjusted(-px(4), -px(4), px(4), px(4)), 3, 3)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Emit `clicked` for the node under the mouse."""
        name = self.node_at(event.position())
        if name is not None and event.button() == Qt.MouseButton.LeftButton:
            self.clicked.emit(name)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Show the hand cursor over faulty nodes, which lead to their findings."""
        is_faulty = self.node_at(event.position()) in self.faulty
        self.setCursor(Qt.CursorShape.PointingHandCursor if is_faulty else Qt.CursorShape.ArrowCursor)

    def event(self, event: QEvent) -> bool:
        """Show what is wrong with the node under the mouse as its tooltip."""
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip and self.faulty:
            text = self.faulty.get(self.node_at(event.pos()) or "", "")
            QToolTip.showText(event.globalPos(), plain_tip(text) if text else "", self)
            return True
        return super().event(event)
