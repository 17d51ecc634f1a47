"""A model's picture: its layers from top to bottom, and on every edge whether the mask is there.

The layout is the usual one for layered graphs (Sugiyama, Tagawa and Toda 1981), in its simplest form: layers by
longest path, fewer crossings by barycentres, places by the mean of the neighbours.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from PySide6.QtCore import QByteArray, QEvent, QMarginsF, QPoint, QPointF, QRectF, QSize, QSizeF, Qt, Signal
from PySide6.QtGui import QHelpEvent, QImage, QImageWriter, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QFrame, QLabel, QScrollArea, QStackedLayout, QToolTip, QWidget

from maskscope.errors import MaskscopeError
from maskscope.files import write_durably
from maskscope.keras_io.model_graph import GraphEdge, GraphNode, ModelGraph
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.base import elided, plain_tip, text_width
from maskscope_resources.colours import Theme

_MARGIN, _GAP, _ASIDE = 20, 58, 28
_NARROWEST, _LINE, _PAD, _BETWEEN = 176, 19, 12, 16
_NAME, _CLASS, _SHAPE = 240, 200, 300
"""Widest text of each kind; longer ones end in an ellipsis."""
_MARK, _MARK_PAD, _HEAD, _STUB = 18, 6, 4, 9
_SLACK = 1.08
"""An SVG is drawn again with the fonts of whoever looks at it, and these may run wider."""
_SWEEPS = 8
_PNG_SCALE, _PNG_HIGHEST = 2.0, 16_000

EMPTY = "There is no picture of a model to show."

_LEGEND = (
    ("same", "the mask is there"),
    ("fault", "no mask, or another one: padding counts from here"),
    ("free", "no mask yet, no positions, or the mask is given apart, by mask="),
)


@dataclass(frozen=True, slots=True)
class Wire:
    """An edge with its place.

    Attributes:
        edge: the edge.
        points: from the lower side of its source to the upper side of its target.
        mark: the plate that says whether the mask is there.
    """

    edge: GraphEdge
    points: tuple[QPointF, ...]
    mark: QRectF


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything stands, in pixels.

    Attributes:
        boxes: a box a node, in the order of the graph's nodes.
        wires: each drawn edge; two edges that would say the same between the same nodes are drawn once.
        legend: the upper left corner of the legend.
        size: of the whole picture.
    """

    boxes: tuple[QRectF, ...]
    wires: tuple[Wire, ...]
    legend: QPointF
    size: QSizeF


def picture_size(graph: ModelGraph, style: Style) -> QSize:
    """Width and height of the picture in pixels."""
    return lay_out(graph, style).size.toSize()


def lay_out(graph: ModelGraph, style: Style) -> Layout:
    """Place a graph. Nothing overlaps: no two boxes, no two marks, no mark and box."""
    return _Placing(graph, style).layout()


def paint_picture(painter: QPainter, graph: ModelGraph, style: Style) -> None:
    """Paint the picture with its upper left corner at the painter's origin; the ground is left as it is."""
    _paint(painter, graph, lay_out(graph, style), style)


def _paint(painter: QPainter, graph: ModelGraph, layout: Layout, style: Style) -> None:
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    # lines first, and what must stand out above the others last
    for wire in sorted(layout.wires, key=lambda wire: (wire.edge.fault, wire.edge.mask == "same")):
        _paint_wire(painter, wire, style)
    for wire in layout.wires:
        _paint_mark(painter, wire, style)
    for node, box in zip(graph.nodes, layout.boxes, strict=True):
        _paint_node(painter, node, box, style)
    _paint_legend(painter, layout.legend, style)
    painter.restore()


def write_picture(graph: ModelGraph, path: Path, theme: Theme) -> None:
    """Write the picture as .svg or .png, by the name's end; an application must be there, a screen need not.

    Raises MaskscopeError for another end, or when the file can't be written.
    """
    from PySide6.QtWidgets import QApplication

    style = Style(theme, QApplication.font())
    writers: dict[str, Callable[[ModelGraph, Style], bytes]] = {".svg": _svg, ".png": _png}
    writer = writers.get(path.suffix.lower())
    if writer is None:
        raise MaskscopeError("is no name for a picture", file=path, expected="NAME.svg or NAME.png", received=path.name)
    try:
        write_durably(path, writer(graph, style))
    except OSError as error:
        raise MaskscopeError(f"the picture can't be written: {error.strerror or error}", file=path) from error


def svg_picture(graph: ModelGraph, theme: Theme) -> str:
    """The picture as the text of an .svg file; an application must be there, a screen need not."""
    from PySide6.QtWidgets import QApplication

    return _svg(graph, Style(theme, QApplication.font())).decode()


def in_words(graph: ModelGraph) -> str:
    """The picture for those who can't see it: each edge on a line."""
    return "\n".join(f"{edge.source} to {edge.target}: {edge.words}" for edge in graph.edges)


def nodes_of(graph: ModelGraph, layer: str) -> tuple[str, ...]:
    """Names of the nodes that are one layer, which has several when the model uses it more than once."""
    return tuple(
        node.name
        for node in graph.nodes
        if node.name == layer or re.fullmatch(re.escape(layer) + r" \(\d+\)", node.name)
    )


class ModelPicture(QWidget):
    """The picture in a scrollable frame, or a sentence where there is none.

    Args:
        style: fonts and colours.
        parent: as in Qt.

    Signals:
        clicked: (name of a node) its box was clicked.
    """

    clicked = Signal(str)

    def __init__(self, style: Style, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.look = style
        self._canvas = _Canvas(style)
        self._canvas.clicked.connect(self.clicked)
        self._area = QScrollArea()
        self._area.setFrameShape(QFrame.Shape.NoFrame)
        self._area.setAlignment(Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop)
        self._area.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._area.setAccessibleName("Picture of the model")
        self._area.setWidget(self._canvas)
        self._words = QLabel(EMPTY)
        self._words.setTextFormat(Qt.TextFormat.PlainText)
        self._words.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._words.setWordWrap(True)
        self._pages = QStackedLayout(self)
        self._pages.addWidget(self._words)
        self._pages.addWidget(self._area)
        self.set_look(style)

    @property
    def graph(self) -> ModelGraph | None:
        """What is shown; None while there is only a sentence."""
        return self._canvas.graph

    @property
    def area(self) -> QScrollArea:
        """What scrolls, and takes the focus."""
        return self._area

    def mark(self, blamed: Mapping[str, str], chosen: Collection[str] = ()) -> None:
        """Frame the boxes of some nodes.

        Args:
            blamed: what is wrong with each, by the node's name, for its tooltip.
            chosen: nodes that stand out among all; the first of them is brought into sight.
        """
        self._canvas.blamed, self._canvas.chosen = dict(blamed), frozenset(chosen)
        self._canvas.update()
        first = next(iter(chosen), None)
        box = None if first is None else self.box_of(first)
        if box is not None:
            middle = box.center().toPoint()
            self._area.ensureVisible(middle.x(), middle.y(), round(box.width() / 2) + 8, round(box.height() / 2) + 24)

    def box_of(self, name: str) -> QRectF | None:
        """Where a node's box is on the canvas; None for an unknown name."""
        return self._canvas.box_of(name)

    def show_graph(self, graph: ModelGraph) -> None:
        """Show a model's picture, from its top."""
        self._canvas.show_graph(graph)
        self._area.setAccessibleDescription(in_words(graph))
        self._area.verticalScrollBar().setValue(0)
        self._pages.setCurrentWidget(self._area)

    def show_words(self, words: str = EMPTY) -> None:
        """Show a sentence in place of a picture, such as why there is none."""
        self._canvas.graph = None
        self._canvas.blamed, self._canvas.chosen = {}, frozenset()
        self._words.setText(words)
        self._pages.setCurrentWidget(self._words)

    def set_look(self, style: Style) -> None:
        """Fonts and colours of another theme."""
        self.look = style
        self._words.setFont(style.body)
        self._words.setStyleSheet(f"color: {style.theme.second}")
        self._area.setStyleSheet(f"QScrollArea {{ background: {style.theme.window}; }}")
        self._canvas.set_look(style)


class _Canvas(QWidget):
    """The picture itself, as large as it is."""

    clicked = Signal(str)

    def __init__(self, style: Style) -> None:
        super().__init__()
        self.look = style
        self.graph: ModelGraph | None = None
        self.blamed: dict[str, str] = {}
        self.chosen: frozenset[str] = frozenset()
        self._layout: Layout | None = None
        self.setMouseTracking(True)

    def show_graph(self, graph: ModelGraph) -> None:
        self.graph = graph
        # kept, since each repaint would lay it out anew
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
        """Paint."""
        if self.graph is not None and self._layout is not None:
            painter = QPainter(self)
            painter.fillRect(self.rect(), self.look.c("window"))
            _paint(painter, self.graph, self._layout, self.look)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            for name, box in self._boxes().items():
                if name in self.blamed or name in self.chosen:
                    self._frame(painter, box, name)
            painter.end()

    def _frame(self, painter: QPainter, box: QRectF, name: str) -> None:
        px = self.look.px
        painter.setBrush(Qt.BrushStyle.NoBrush)
        if name in self.blamed:
            painter.setPen(QPen(self.look.c("fails"), px(2)))
            painter.drawRect(box)
        if name in self.chosen:
            painter.setPen(QPen(self.look.c("accent"), px(2)))
            painter.drawRoundedRect(box.adjusted(-px(4), -px(4), px(4), px(4)), 3, 3)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Tell which box was clicked."""
        name = self.node_at(event.position())
        if name is not None and event.button() == Qt.MouseButton.LeftButton:
            self.clicked.emit(name)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """A box that is blamed leads somewhere."""
        leads = self.node_at(event.position()) in self.blamed
        self.setCursor(Qt.CursorShape.PointingHandCursor if leads else Qt.CursorShape.ArrowCursor)

    def event(self, event: QEvent) -> bool:
        """What is wrong with the box under the mouse."""
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip and self.blamed:
            words = self.blamed.get(self.node_at(event.pos()) or "", "")
            QToolTip.showText(event.globalPos(), plain_tip(words) if words else "", self)
            return True
        return super().event(event)


# One thing that stands in a layer: a node (its place), or the way of an edge through it (minus one, minus its number).
_Thing = int


class _Placing:
    def __init__(self, graph: ModelGraph, style: Style) -> None:
        self.graph, self.style = graph, style
        px = style.px
        self.height = 2 * px(_LINE) + 2 * px(8)
        self.edges = list({(edge.source, edge.target, edge.words): edge for edge in graph.edges}.values())
        places = {node.name: place for place, node in enumerate(graph.nodes)}
        self.ends = [(places[edge.source], places[edge.target]) for edge in self.edges]
        self.marks = [text_width(edge.words, style.small) * _SLACK + 2 * px(_MARK_PAD) for edge in self.edges]
        self.widths = [self._box_width(node) for node in graph.nodes]
        self.layer_of = self._layers()
        self.layers, self.chains = self._things()
        self._uncross()
        self.x = self._spread()

    def _box_width(self, node: GraphNode) -> float:
        style, px = self.style, self.style.px
        first = min(text_width(node.name, style.bold), px(_NAME)) + min(
            text_width(node.class_name, style.body), px(_CLASS)
        )
        second = min(text_width(node.shape, style.small), px(_SHAPE)) + text_width(_parameters(node), style.small)
        return max(px(_NARROWEST), _SLACK * (max(first, second) + px(_BETWEEN)) + 2 * px(_PAD))

    def _layers(self) -> list[int]:
        """The longest way from an input; nodes come after all that they need."""
        layer = [0] * len(self.graph.nodes)
        for place in range(len(layer)):
            for source, target in self.ends:
                if target == place:
                    layer[place] = max(layer[place], layer[source] + 1)
        return layer

    def _things(self) -> tuple[list[list[_Thing]], list[list[_Thing]]]:
        """What stands in each layer, and of each edge the things it goes through from source to target."""
        layers: list[list[_Thing]] = [[] for _ in range(max(self.layer_of, default=0) + 1)]
        for place, layer in enumerate(self.layer_of):
            layers[layer].append(place)
        self.way_width: dict[_Thing, float] = {}
        chains = []
        for number, (source, target) in enumerate(self.ends):
            chain = [source]
            for layer in range(self.layer_of[source] + 1, self.layer_of[target]):
                way = -1 - len(self.way_width)
                self.way_width[way] = self.marks[number]
                layers[layer].append(way)
                chain.append(way)
            chains.append([*chain, target])
        return layers, chains

    def _neighbours(self) -> tuple[dict[_Thing, list[_Thing]], dict[_Thing, list[_Thing]]]:
        above: dict[_Thing, list[_Thing]] = {}
        below: dict[_Thing, list[_Thing]] = {}
        for chain in self.chains:
            for upper, lower in pairwise(chain):
                above.setdefault(lower, []).append(upper)
                below.setdefault(upper, []).append(lower)
        return above, below

    def _uncross(self) -> None:
        """Order each layer by the mean place of its neighbours above, then below, and keep the best order seen."""
        above, below = self._neighbours()
        best, fewest = [list(layer) for layer in self.layers], self._crossings()
        for sweep in range(_SWEEPS):
            down = sweep % 2 == 0
            rows = range(1, len(self.layers)) if down else range(len(self.layers) - 2, -1, -1)
            for row in rows:
                fixed = {thing: place for place, thing in enumerate(self.layers[row - 1 if down else row + 1])}
                near = above if down else below
                old = {thing: float(place) for place, thing in enumerate(self.layers[row])}
                means = {thing: _mean([fixed[each] for each in near.get(thing, [])], old[thing]) for thing in old}
                self.layers[row].sort(key=means.__getitem__)
            count = self._crossings()
            if count < fewest:
                best, fewest = [list(layer) for layer in self.layers], count
        self.layers = best

    def _crossings(self) -> int:
        order = {thing: place for layer in self.layers for place, thing in enumerate(layer)}
        count = 0
        by_row: dict[int, list[tuple[int, int]]] = {}
        for (source, _), chain in zip(self.ends, self.chains, strict=True):
            for step, (upper, lower) in enumerate(pairwise(chain)):
                by_row.setdefault(self.layer_of[source] + step, []).append((order[upper], order[lower]))
        for pairs in by_row.values():
            count += sum((a - c) * (b - d) < 0 for place, (a, b) in enumerate(pairs) for c, d in pairs[place + 1 :])
        return count

    def _width(self, thing: _Thing) -> float:
        return self.widths[thing] if thing >= 0 else self.way_width[thing]

    def _spread(self) -> dict[_Thing, float]:
        """The middle of each thing: near its neighbours' middles, with room beside the others of its layer."""
        aside = self.style.px(_ASIDE)
        x: dict[_Thing, float] = {}
        for layer in self.layers:
            at = -sum(self._width(thing) + aside for thing in layer) / 2
            for thing in layer:
                x[thing] = at + (self._width(thing) + aside) / 2
                at += self._width(thing) + aside
        above, below = self._neighbours()
        for sweep in range(4 * _SWEEPS):
            down = sweep % 2 == 0
            for layer in self.layers if down else reversed(self.layers):
                near = above if down else below
                wish = [_mean([x[each] for each in near.get(thing, [])], x[thing]) for thing in layer]
                room = [(self._width(one) + self._width(other)) / 2 + aside for one, other in pairwise(layer)]
                x.update(zip(layer, _apart(wish, room), strict=True))
        return x

    def layout(self) -> Layout:
        px = self.style.px
        margin, step = px(_MARGIN), self.height + px(_GAP)
        legend = _legend_size(self.style)
        left = min((self.x[thing] - self._width(thing) / 2 for thing in self.x), default=0.0)
        right = max((self.x[thing] + self._width(thing) / 2 for thing in self.x), default=0.0)
        width = max(right - left, legend.width())
        shift = margin - left + (width - (right - left)) / 2
        boxes = tuple(
            QRectF(
                self.x[place] + shift - self.widths[place] / 2,
                margin + self.layer_of[place] * step,
                self.widths[place],
                self.height,
            )
            for place in range(len(self.graph.nodes))
        )
        bottom = margin + (len(self.layers) - 1) * step + self.height if boxes else margin
        corner = QPointF(margin, bottom + px(28))
        size = QSizeF(width + 2 * margin, corner.y() + legend.height() + margin)
        return Layout(boxes, self._wires(boxes, shift), corner, QSizeF(round(size.width()), round(size.height())))

    def _ports(self, boxes: tuple[QRectF, ...], upper: bool) -> dict[int, float]:
        """Where each edge leaves (or, with `upper`, enters) its box: side by side, in the order of the other ends."""
        ports: dict[int, float] = {}
        for place, box in enumerate(boxes):
            mine = [number for number, ends in enumerate(self.ends) if ends[upper] == place]
            mine.sort(key=lambda number: self.x[self.chains[number][-2 if upper else 1]])
            for rank, number in enumerate(mine):
                ports[number] = box.left() + box.width() * (rank + 1) / (len(mine) + 1)
        return ports

    def _wires(self, boxes: tuple[QRectF, ...], shift: float) -> tuple[Wire, ...]:
        px = self.style.px
        leave, enter = self._ports(boxes, False), self._ports(boxes, True)
        step = self.height + px(_GAP)
        wires: list[Wire] = []
        taken: list[QRectF] = []
        for number, edge in enumerate(self.edges):
            source, target = self.ends[number]
            stub = QPointF(0, px(_STUB))
            start, end = QPointF(leave[number], boxes[source].bottom()), QPointF(enter[number], boxes[target].top())
            points = [start + stub]
            ways = self.chains[number][1:-1]
            for rank, way in enumerate(ways):
                top, x = boxes[source].top() + (rank + 1) * step, self.x[way] + shift
                if rank and abs(x - points[-1].x()) < px(_ASIDE) / 3:
                    # a line that is nearly straight looks bent by mistake
                    x = points[-1].x()
                points += [QPointF(x, top), QPointF(x, top + self.height)]
            points.append(end - stub)
            mark = self._mark(number, points, taken)
            taken.append(mark)
            wires.append(Wire(edge, (start, *points, end), mark))
        return tuple(wires)

    def _mark(self, number: int, points: Sequence[QPointF], taken: Sequence[QRectF]) -> QRectF:
        """On the way beside another layer's boxes where the edge has one; else in the gap, where no other mark is."""
        width, height = self.marks[number], self.style.px(_MARK)
        if len(points) > 2:
            middle = 2 * ((len(points) - 2) // 4) + 1
            return _around((points[middle] + points[middle + 1]) * 0.5, width, height)
        source, target = self.ends[number]
        shared = sum(ends[0] == source for ends in self.ends) > 1
        joined = sum(ends[1] == target for ends in self.ends) > 1
        preferred = 0.5 if shared == joined else 0.64 if shared else 0.36
        spots = [_around(points[0] + (points[1] - points[0]) * t, width, height) for t in (preferred, 0.5, 0.25, 0.75)]
        room = QMarginsF(2, 1, 2, 1)
        free = (spot for spot in spots if not any(spot.marginsAdded(room).intersects(other) for other in taken))
        return next(free, spots[0])


def _around(middle: QPointF, width: float, height: float) -> QRectF:
    return QRectF(middle.x() - width / 2, middle.y() - height / 2, width, height)


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _apart(wish: Sequence[float], room: Sequence[float]) -> list[float]:
    """Places near `wish`, rising by at least `room`: the mean of the leftmost and the rightmost way to do it."""
    forth, back = list(wish), list(wish)
    for place in range(1, len(forth)):
        forth[place] = max(forth[place], forth[place - 1] + room[place - 1])
    for place in range(len(back) - 2, -1, -1):
        back[place] = min(back[place], back[place + 1] - room[place])
    return [(one + other) / 2 for one, other in zip(forth, back, strict=True)]


def _parameters(node: GraphNode) -> str:
    if not node.parameters:
        return ""
    return "1 parameter" if node.parameters == 1 else f"{node.parameters:,} parameters"


def _kind(edge: GraphEdge) -> str:
    return "fault" if edge.fault else "same" if edge.mask == "same" else "free"


def _pen(kind: str, style: Style) -> QPen:
    px = style.px
    if kind == "fault":
        pen = QPen(style.c("fails"), px(2))
        # lengths of dashes count in widths of the pen
        pen.setDashPattern([3.0, 2.0])
        pen.setCapStyle(Qt.PenCapStyle.FlatCap)
        return pen
    return QPen(style.c("mask"), px(2)) if kind == "same" else QPen(style.c("control"), 1)


def _ink(kind: str) -> str:
    return {"fault": "fails", "same": "mask", "free": "second"}[kind]


def _paint_wire(painter: QPainter, wire: Wire, style: Style) -> None:
    kind = _kind(wire.edge)
    painter.setPen(_pen(kind, style))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawPolyline(QPolygonF(list(wire.points)))
    tip, half = wire.points[-1], style.px(_HEAD)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(style.c({"fault": "fails", "same": "mask", "free": "control"}[kind]))
    head = [tip, QPointF(tip.x() - half, tip.y() - 1.6 * half), QPointF(tip.x() + half, tip.y() - 1.6 * half)]
    painter.drawPolygon(QPolygonF(head))


def _paint_mark(painter: QPainter, wire: Wire, style: Style) -> None:
    kind = _kind(wire.edge)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(style.c("fails_ground" if kind == "fault" else "window"))
    painter.drawRoundedRect(wire.mark, 3, 3)
    painter.setPen(style.c(_ink(kind)))
    painter.setFont(style.small if kind == "free" else style.small_bold)
    painter.drawText(wire.mark, Qt.AlignmentFlag.AlignCenter, wire.edge.words)


def _paint_node(painter: QPainter, node: GraphNode, box: QRectF, style: Style) -> None:
    px = style.px
    painter.setPen(QPen(style.c("line" if node.kind == "layer" else "control"), 1))
    painter.setBrush(style.c("panel"))
    painter.drawRect(box.adjusted(0.5, 0.5, -0.5, -0.5))
    inner = box.adjusted(px(_PAD), px(8), -px(_PAD), -px(8))
    first = QRectF(inner.left(), inner.top(), inner.width(), px(_LINE))
    second = first.translated(0, px(_LINE))
    left = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
    right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
    painter.setPen(style.c("text"))
    painter.setFont(style.bold)
    painter.drawText(first, left, elided(node.name, style.bold, px(_NAME)))
    painter.setFont(style.small)
    painter.drawText(second, left, elided(node.shape, style.small, px(_SHAPE)))
    painter.setPen(style.c("second"))
    painter.drawText(second, right, _parameters(node))
    painter.setFont(style.body)
    painter.drawText(first, right, elided(node.class_name, style.body, px(_CLASS)))


def _legend_size(style: Style) -> QSizeF:
    px = style.px
    wide = max(text_width(words, style.small) for _, words in _LEGEND)
    return QSizeF(px(36) + wide * _SLACK, px(_LINE) * len(_LEGEND))


def _paint_legend(painter: QPainter, corner: QPointF, style: Style) -> None:
    px = style.px
    painter.setFont(style.small)
    for row, (kind, words) in enumerate(_LEGEND):
        middle = corner.y() + px(_LINE) * (row + 0.5)
        painter.setPen(_pen(kind, style))
        painter.drawLine(QPointF(corner.x(), middle), QPointF(corner.x() + px(26), middle))
        painter.setPen(style.c("second"))
        box = QRectF(corner.x() + px(36), middle - px(_LINE) / 2, _legend_size(style).width(), px(_LINE))
        painter.drawText(box, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, words)


def _svg(graph: ModelGraph, style: Style) -> bytes:
    from PySide6.QtCore import QBuffer
    from PySide6.QtSvg import QSvgGenerator

    size = picture_size(graph, style)
    held = QByteArray()
    buffer = QBuffer(held)
    generator = QSvgGenerator()
    generator.setOutputDevice(buffer)
    generator.setSize(size)
    generator.setViewBox(QRectF(QPointF(0, 0), QSizeF(size)))
    # so that a pixel of the design is one of the picture
    generator.setResolution(96)
    generator.setTitle(f"Layers of {graph.model}" if graph.model else "Layers of a model")
    generator.setDescription(in_words(graph))
    painter = QPainter(generator)
    painter.fillRect(QRectF(QPointF(0, 0), QSizeF(size)), style.c("window"))
    paint_picture(painter, graph, style)
    painter.end()
    # where the font is missing, any other without serifs will do
    family = f'font-family="{style.body.family()}"'.encode()
    return bytes(held.data()).replace(family, family[:-1] + b', sans-serif"')


def _png(graph: ModelGraph, style: Style) -> bytes:
    from PySide6.QtCore import QBuffer

    size = picture_size(graph, style)
    # Qt paints no picture that is higher than 32,767 pixels, and few programs show one
    scale = min(_PNG_SCALE, _PNG_HIGHEST / size.height())
    image = QImage(size * scale, QImage.Format.Format_RGB32)
    image.setDevicePixelRatio(scale)
    image.fill(style.c("window"))
    painter = QPainter(image)
    paint_picture(painter, graph, style)
    painter.end()
    held = QByteArray()
    buffer = QBuffer(held)
    buffer.open(QBuffer.OpenModeFlag.WriteOnly)
    QImageWriter(buffer, QByteArray(b"png")).write(image)
    return bytes(held.data())
