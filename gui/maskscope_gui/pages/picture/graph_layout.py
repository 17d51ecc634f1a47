"""The layout of a model's graph: a box per layer from top to bottom, and a line per edge that carries its label.

It is the usual layout for layered graphs (Sugiyama, Tagawa and Toda 1981) in its simplest form: ranks by longest path,
fewer crossings by barycentres, horizontal places by the mean of the neighbours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import TypeAlias

from PySide6.QtCore import QMarginsF, QPointF, QRectF, QSizeF

from maskscope.keras_io.model_graph import GraphEdge, GraphNode, ModelGraph
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.base import text_width

BOX_PADDING_X, BOX_PADDING_Y, LINE_HEIGHT = 12, 8, 19
NAME_WIDTH, CLASS_WIDTH, SHAPE_WIDTH = 240, 200, 300
"""The widest text of each kind, in pixels; a longer text ends in an ellipsis."""
LEGEND_INDENT = 36
LEGEND = (
    ("same", "mask present"),
    ("fault", "mask missing or wrong: padding counts from here on"),
    ("free", "mask not needed: not made yet, no positions, or passed by mask="),
)
"""Kind of an edge, and what its line means."""

_MARGIN, _RANK_GAP, _COLUMN_GAP, _LEGEND_GAP = 20, 58, 28, 28
_BOX_WIDTH, _TEXT_GAP = 176, 16
"""The narrowest box, and the least room between the two texts of one line of a box."""
_LABEL_HEIGHT, _LABEL_PADDING, _STUB = 18, 6, 9
_FONT_SLACK = 1.08
"""An SVG picture is painted with the fonts of whoever opens it, and these may be wider."""
_SWEEPS = 8


@dataclass(frozen=True, slots=True)
class Wire:
    """An edge with its place.

    Attributes:
        edge: the edge.
        points: from the lower side of its source to the upper side of its target.
        label: the box of the text about the mask.
    """

    edge: GraphEdge
    points: tuple[QPointF, ...]
    label: QRectF


@dataclass(frozen=True, slots=True)
class GraphLayout:
    """Where everything is, in pixels.

    Attributes:
        boxes: one for each node, in the order of the graph's nodes.
        wires: one for each drawn edge; edges with the same label between the same nodes are drawn once.
        legend: the upper left corner of the legend.
        size: of the whole picture.
    """

    boxes: tuple[QRectF, ...]
    wires: tuple[Wire, ...]
    legend: QPointF
    size: QSizeF


def lay_out(graph: ModelGraph, style: Style) -> GraphLayout:
    """Place a graph so that no boxes, no labels, and no label and box overlap."""
    return _Placing(graph, style).layout()


def text_description(graph: ModelGraph) -> str:
    """The picture for screen readers: one edge per line, with its label."""
    return "\n".join(f"{edge.source} to {edge.target}: {edge.text}" for edge in graph.edges)


def parameters_text(node: GraphNode) -> str:
    """The number of a node's parameters; "" for none."""
    if not node.parameters:
        return ""
    return "1 parameter" if node.parameters == 1 else f"{node.parameters:,} parameters"


def legend_size(style: Style) -> QSizeF:
    """Width and height of the legend in pixels."""
    width = max(text_width(text, style.small) for _, text in LEGEND)
    return QSizeF(style.px(LEGEND_INDENT) + width * _FONT_SLACK, style.px(LINE_HEIGHT) * len(LEGEND))


_Item: TypeAlias = int
"""What takes room in a rank: a node (its index), or an edge that passes through the rank (a negative number)."""


class _Placing:
    """The steps of the layout: ranks, order in each rank, horizontal places, then boxes and wires.

    Attributes:
        ends: indices of the source and the target node of each edge.
        rank_of: the rank of each node.
        ranks: the items of each rank from left to right.
        chains: the items of each edge from its source to its target: these two, and one in each rank between them.
        widths: of each item, in pixels.
        x: the horizontal middle of each item.
    """

    def __init__(self, graph: ModelGraph, style: Style) -> None:
        self.graph, self.style = graph, style
        px = style.px
        self.box_height = 2 * px(LINE_HEIGHT) + 2 * px(BOX_PADDING_Y)
        self.edges = list({(edge.source, edge.target, edge.text): edge for edge in graph.edges}.values())
        index_of = {node.name: index for index, node in enumerate(graph.nodes)}
        self.ends = [(index_of[edge.source], index_of[edge.target]) for edge in self.edges]
        self.label_widths = [
            text_width(edge.text, style.small) * _FONT_SLACK + 2 * px(_LABEL_PADDING) for edge in self.edges
        ]
        self.box_widths = [
            max(self._box_width(node), self._width_of_labels(index)) for index, node in enumerate(graph.nodes)
        ]
        self.widths: dict[_Item, float] = dict(enumerate(self.box_widths))
        self.rank_of = self._longest_paths()
        self.ranks, self.chains = self._items_in_ranks()
        self._reduce_crossings()
        self.x = self._place_horizontally()

    def _box_width(self, node: GraphNode) -> float:
        style, px = self.style, self.style.px
        name = min(text_width(node.name, style.bold), px(NAME_WIDTH))
        class_name = min(text_width(node.class_name, style.body), px(CLASS_WIDTH))
        shape = min(text_width(node.shape, style.small), px(SHAPE_WIDTH))
        parameters = text_width(parameters_text(node), style.small)
        texts = max(name + class_name, shape + parameters) + px(_TEXT_GAP)
        return max(px(_BOX_WIDTH), _FONT_SLACK * texts + 2 * px(BOX_PADDING_X))

    def _width_of_labels(self, index: int) -> float:
        """The width of a node's box at which labels of edges that lead to one and the same other node don't overlap."""
        needed = 0.0
        for end in (0, 1):
            edges = [edge for edge, ends in enumerate(self.ends) if ends[end] == index]
            others = [self.ends[edge][1 - end] for edge in edges]
            parallel = [edge for edge, other in zip(edges, others, strict=True) if others.count(other) > 1]
            apart = max((self.label_widths[edge] for edge in parallel), default=0.0)
            needed = max(needed, apart and (apart + self.style.px(_LABEL_PADDING)) * (len(edges) + 1))
        return needed

    # Ranks

    def _longest_paths(self) -> list[int]:
        """The length of the longest path to each node from an input, so that edges only lead downward."""
        ranks = [0] * len(self.graph.nodes)
        for index in range(len(ranks)):
            for source, target in self.ends:
                if target == index:
                    ranks[index] = max(ranks[index], ranks[source] + 1)
        return ranks

    def _items_in_ranks(self) -> tuple[list[list[_Item]], list[list[_Item]]]:
        """The attributes `ranks` and `chains`."""
        ranks: list[list[_Item]] = [[] for _ in range(max(self.rank_of, default=0) + 1)]
        for index, rank in enumerate(self.rank_of):
            ranks[rank].append(index)
        chains = []
        passing = 0
        for edge, (source, target) in enumerate(self.ends):
            chain = [source]
            for rank in range(self.rank_of[source] + 1, self.rank_of[target]):
                passing -= 1
                self.widths[passing] = self.label_widths[edge]
                ranks[rank].append(passing)
                chain.append(passing)
            chains.append([*chain, target])
        return ranks, chains

    def _neighbours(self) -> tuple[dict[_Item, list[_Item]], dict[_Item, list[_Item]]]:
        """The items that each item is connected to in the rank above it, and in the rank below it."""
        above: dict[_Item, list[_Item]] = {}
        below: dict[_Item, list[_Item]] = {}
        for chain in self.chains:
            for upper, lower in pairwise(chain):
                above.setdefault(lower, []).append(upper)
                below.setdefault(upper, []).append(lower)
        return above, below

    # Order

    def _reduce_crossings(self) -> None:
        """Sort each rank by the mean place of its neighbours above, then below, and keep the best order seen."""
        above, below = self._neighbours()
        best, fewest = [list(items) for items in self.ranks], self._crossings()
        for sweep in range(_SWEEPS):
            downward = sweep % 2 == 0
            neighbours, step = (above, -1) if downward else (below, 1)
            for rank in range(1, len(self.ranks)) if downward else range(len(self.ranks) - 2, -1, -1):
                fixed = {item: place for place, item in enumerate(self.ranks[rank + step])}
                means = {
                    item: _mean([fixed[each] for each in neighbours.get(item, [])], place)
                    for place, item in enumerate(self.ranks[rank])
                }
                self.ranks[rank].sort(key=means.__getitem__)
            crossings = self._crossings()
            if crossings < fewest:
                best, fewest = [list(items) for items in self.ranks], crossings
        self.ranks = best

    def _crossings(self) -> int:
        """How many pairs of edges cross."""
        place_of = {item: place for items in self.ranks for place, item in enumerate(items)}
        steps_from: dict[int, list[tuple[int, int]]] = {}
        for (source, _), chain in zip(self.ends, self.chains, strict=True):
            for step, (upper, lower) in enumerate(pairwise(chain)):
                rank = self.rank_of[source] + step
                steps_from.setdefault(rank, []).append((place_of[upper], place_of[lower]))
        return sum((a - c) * (b - d) < 0 for steps in steps_from.values() for (a, b), (c, d) in combinations(steps, 2))

    # Places

    def _place_horizontally(self) -> dict[_Item, float]:
        """The middle of each item: near the middles of its neighbours, without overlap in its rank."""
        gap = self.style.px(_COLUMN_GAP)
        x: dict[_Item, float] = {}
        for items in self.ranks:
            left = -sum(self.widths[item] + gap for item in items) / 2
            for item in items:
                x[item] = left + (self.widths[item] + gap) / 2
                left += self.widths[item] + gap
        above, below = self._neighbours()
        for sweep in range(4 * _SWEEPS):
            downward = sweep % 2 == 0
            neighbours = above if downward else below
            for items in self.ranks if downward else reversed(self.ranks):
                wanted = [_mean([x[each] for each in neighbours.get(item, [])], x[item]) for item in items]
                distances = [(self.widths[one] + self.widths[other]) / 2 + gap for one, other in pairwise(items)]
                x.update(zip(items, _spread_out(wanted, distances), strict=True))
        return x

    def layout(self) -> GraphLayout:
        """The layout in pixels."""
        px = self.style.px
        margin, step = px(_MARGIN), self.box_height + px(_RANK_GAP)
        legend = legend_size(self.style)
        left = min((x - self.widths[item] / 2 for item, x in self.x.items()), default=0.0)
        right = max((x + self.widths[item] / 2 for item, x in self.x.items()), default=0.0)
        content_width = max(right - left, legend.width())
        shift = margin - left + (content_width - (right - left)) / 2
        boxes = tuple(
            QRectF(
                self.x[index] + shift - self.widths[index] / 2,
                margin + rank * step,
                self.widths[index],
                self.box_height,
            )
            for index, rank in enumerate(self.rank_of)
        )
        bottom = margin + (len(self.ranks) - 1) * step + self.box_height if boxes else margin
        corner = QPointF(margin, bottom + px(_LEGEND_GAP))
        height = corner.y() + legend.height() + margin
        return GraphLayout(
            boxes, self._wires(boxes, shift), corner, QSizeF(round(content_width + 2 * margin), round(height))
        )

    def _ports(self, boxes: Sequence[QRectF], *, entering: bool) -> dict[int, float]:
        """The x at which each edge leaves or enters its box: evenly spaced, in the order of the other ends."""
        end, neighbour = (1, -2) if entering else (0, 1)
        ports: dict[int, float] = {}
        for index, box in enumerate(boxes):
            mine = [edge for edge, ends in enumerate(self.ends) if ends[end] == index]
            mine.sort(key=lambda edge: self.x[self.chains[edge][neighbour]])
            for place, edge in enumerate(mine, start=1):
                ports[edge] = box.left() + box.width() * place / (len(mine) + 1)
        return ports

    def _wires(self, boxes: Sequence[QRectF], shift: float) -> tuple[Wire, ...]:
        px = self.style.px
        leaving, entering = self._ports(boxes, entering=False), self._ports(boxes, entering=True)
        step = self.box_height + px(_RANK_GAP)
        stub = QPointF(0, px(_STUB))
        wires: list[Wire] = []
        for edge, (source, target) in enumerate(self.ends):
            start, end = QPointF(leaving[edge], boxes[source].bottom()), QPointF(entering[edge], boxes[target].top())
            points = [start + stub]
            for rank, item in enumerate(self.chains[edge][1:-1], start=1):
                top, x = boxes[source].top() + rank * step, self.x[item] + shift
                if rank > 1 and abs(x - points[-1].x()) < px(_COLUMN_GAP) / 3:
                    # a line that is nearly straight looks bent by mistake
                    x = points[-1].x()
                points += [QPointF(x, top), QPointF(x, top + self.box_height)]
            points.append(end - stub)
            label = self._label(edge, points, [wire.label for wire in wires])
            wires.append(Wire(self.edges[edge], (start, *points, end), label))
        return tuple(wires)

    def _label(self, edge: int, points: Sequence[QPointF], taken: Sequence[QRectF]) -> QRectF:
        """The label's box: next to another rank's boxes where the edge passes one; else between two ranks."""
        width, height = self.label_widths[edge], self.style.px(_LABEL_HEIGHT)
        if len(points) > 2:
            middle = 2 * ((len(points) - 2) // 4) + 1
            return _centred((points[middle] + points[middle + 1]) * 0.5, width, height)
        source, target = self.ends[edge]
        source_is_shared = sum(ends[0] == source for ends in self.ends) > 1
        target_is_shared = sum(ends[1] == target for ends in self.ends) > 1
        # nearer to the end that it does not share with other edges
        preferred = 0.5 if source_is_shared == target_is_shared else 0.64 if source_is_shared else 0.36
        boxes = [
            _centred(points[0] + (points[1] - points[0]) * share, width, height)
            for share in (preferred, 0.5, 0.25, 0.75)
        ]
        margin = QMarginsF(2, 1, 2, 1)
        free = (box for box in boxes if not any(box.marginsAdded(margin).intersects(other) for other in taken))
        return next(free, boxes[0])


def _centred(middle: QPointF, width: float, height: float) -> QRectF:
    return QRectF(middle.x() - width / 2, middle.y() - height / 2, width, height)


def _mean(values: Sequence[float], default: float) -> float:
    return sum(values) / len(values) if values else default


def _spread_out(wanted: Sequence[float], distances: Sequence[float]) -> list[float]:
    """Places near the wanted ones, at least `distances` apart: the mean of the leftmost and the rightmost solution."""
    from_left, from_right = list(wanted), list(wanted)
    for place in range(1, len(from_left)):
        from_left[place] = max(from_left[place], from_left[place - 1] + distances[place - 1])
    for place in range(len(from_right) - 2, -1, -1):
        from_right[place] = min(from_right[place], from_right[place + 1] - distances[place])
    return [(one + other) / 2 for one, other in zip(from_left, from_right, strict=True)]
