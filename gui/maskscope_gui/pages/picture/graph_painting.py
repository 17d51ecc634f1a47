"""The painting of a model's graph, from its layout."""

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QPainter, QPen, QPolygonF

from maskscope.keras_io.model_graph import GraphEdge, GraphNode, ModelGraph
from maskscope_gui.pages.picture.graph_layout import (
    BOX_PADDING_X,
    BOX_PADDING_Y,
    CLASS_WIDTH,
    LEGEND,
    LEGEND_INDENT,
    LINE_HEIGHT,
    NAME_WIDTH,
    SHAPE_WIDTH,
    GraphLayout,
    Wire,
    legend_size,
    parameters_text,
)
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.base import elided

_ARROW_HALF_WIDTH = 4
_LEGEND_LINE = 26
_LINE_COLOURS = {"fault": "fails", "same": "mask", "free": "control"}
_TEXT_COLOURS = {"fault": "fails", "same": "mask", "free": "second"}
"""Roles of the theme by kind of edge, as in the legend."""

_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


def paint_graph(painter: QPainter, graph: ModelGraph, layout: GraphLayout, style: Style) -> None:
    """Paint the graph with its upper left corner at the painter's origin, without a background."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    # lines first, and faults above all other lines
    for wire in sorted(layout.wires, key=lambda wire: (wire.edge.fault, wire.edge.mask == "same")):
        _paint_wire(painter, wire, style)
    for wire in layout.wires:
        _paint_label(painter, wire, style)
    for node, box in zip(graph.nodes, layout.boxes, strict=True):
        _paint_node(painter, node, box, style)
    _paint_legend(painter, layout.legend, style)
    painter.restore()


def _kind(edge: GraphEdge) -> str:
    return "fault" if edge.fault else "same" if edge.mask == "same" else "free"


def _pen(kind: str, style: Style) -> QPen:
    pen = QPen(style.c(_LINE_COLOURS[kind]), 1 if kind == "free" else style.px(2))
    if kind == "fault":
        # lengths of dashes count in widths of the pen
        pen.setDashPattern([3.0, 2.0])
        pen.setCapStyle(Qt.PenCapStyle.FlatCap)
    return pen


def _paint_wire(painter: QPainter, wire: Wire, style: Style) -> None:
    kind = _kind(wire.edge)
    painter.setPen(_pen(kind, style))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawPolyline(QPolygonF(list(wire.points)))
    tip, half = wire.points[-1], style.px(_ARROW_HALF_WIDTH)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(style.c(_LINE_COLOURS[kind]))
    arrow = [tip, QPointF(tip.x() - half, tip.y() - 1.6 * half), QPointF(tip.x() + half, tip.y() - 1.6 * half)]
    painter.drawPolygon(QPolygonF(arrow))


def _paint_label(painter: QPainter, wire: Wire, style: Style) -> None:
    kind = _kind(wire.edge)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(style.c("fails_ground" if kind == "fault" else "window"))
    painter.drawRoundedRect(wire.label, 3, 3)
    painter.setPen(style.c(_TEXT_COLOURS[kind]))
    painter.setFont(style.small if kind == "free" else style.small_bold)
    painter.drawText(wire.label, Qt.AlignmentFlag.AlignCenter, wire.edge.text)


def _paint_node(painter: QPainter, node: GraphNode, box: QRectF, style: Style) -> None:
    px = style.px
    painter.setPen(QPen(style.c("line" if node.kind == "layer" else "control"), 1))
    painter.setBrush(style.c("panel"))
    painter.drawRect(box.adjusted(0.5, 0.5, -0.5, -0.5))
    inner = box.adjusted(px(BOX_PADDING_X), px(BOX_PADDING_Y), -px(BOX_PADDING_X), -px(BOX_PADDING_Y))
    first = QRectF(inner.left(), inner.top(), inner.width(), px(LINE_HEIGHT))
    second = first.translated(0, px(LINE_HEIGHT))
    painter.setPen(style.c("text"))
    painter.setFont(style.bold)
    painter.drawText(first, _LEFT, elided(node.name, style.bold, px(NAME_WIDTH)))
    painter.setFont(style.small)
    painter.drawText(second, _LEFT, elided(node.shape, style.small, px(SHAPE_WIDTH)))
    painter.setPen(style.c("second"))
    painter.drawText(second, _RIGHT, parameters_text(node))
    painter.setFont(style.body)
    painter.drawText(first, _RIGHT, elided(node.class_name, style.body, px(CLASS_WIDTH)))


def _paint_legend(painter: QPainter, corner: QPointF, style: Style) -> None:
    px, width = style.px, legend_size(style).width()
    painter.setFont(style.small)
    for row, (kind, text) in enumerate(LEGEND):
        middle = corner.y() + px(LINE_HEIGHT) * (row + 0.5)
        painter.setPen(_pen(kind, style))
        painter.drawLine(QPointF(corner.x(), middle), QPointF(corner.x() + px(_LEGEND_LINE), middle))
        painter.setPen(style.c("second"))
        box = QRectF(corner.x() + px(LEGEND_INDENT), middle - px(LINE_HEIGHT) / 2, width, px(LINE_HEIGHT))
        painter.drawText(box, _LEFT, text)
