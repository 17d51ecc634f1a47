"""The layout of a model's graph: nothing overlaps, and every text has room."""

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QFontMetricsF

from maskscope.keras_io.model_graph import GraphEdge, GraphNode, MaskState, ModelGraph, NodeKind
from maskscope_gui.pages.picture.graph_layout import lay_out, text_description
from maskscope_gui.theme.theme import Style

MASKS: dict[str, MaskState] = {"mask": "same", "mask altered": "altered"}


def node(name: str, class_name: str = "Dense", kind: NodeKind = "layer", shape: str = "(B, T, 20)") -> GraphNode:
    return GraphNode(name, class_name, shape, 1760, kind, "same", "the same")


def edge(source: str, target: str, words: str = "mask") -> GraphEdge:
    return GraphEdge(source, target, MASKS.get(words, "none"), words in ("no mask", "mask altered"), words)


SHORT = ModelGraph("short.keras", (node("a", "LSTM"), node("b")), (edge("a", "b"),))
LONG = ModelGraph(
    "long.keras",
    (
        node("a_layer_whose_name_is_so_long_that_no_box_could_hold_the_whole_of_it_on_a_line", "InputLayer", "input"),
        node("b", "Bidirectional(AnotherVeryLongLayerClassNameOfSomebody)", shape="(B, T, 20), (B, 20), (B, 20)" * 4),
        node("loss", "Output", "output"),
    ),
    (edge("b", "loss", "mask altered"),),
)


@st.composite
def graphs(draw: st.DrawFn) -> ModelGraph:
    """Any directed acyclic graph, edges in any number, also twice between two nodes."""
    count = draw(st.integers(1, 9))
    pairs = list(itertools.combinations(range(count), 2))
    chosen = draw(st.lists(st.sampled_from(pairs), max_size=14)) if pairs else []
    words = st.sampled_from(["mask", "no mask", "mask altered", "no mask yet", "mask, by mask="])
    nodes = tuple(node(f"layer_{place}" * draw(st.integers(1, 6))) for place in range(count))
    return ModelGraph("m", nodes, tuple(edge(nodes[a].name, nodes[b].name, draw(words)) for a, b in chosen))


@given(graph=graphs())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_box_overlaps_another_and_edges_lead_down(style: Style, graph: ModelGraph) -> None:
    layout = lay_out(graph, style)
    inside = QRectF(QPointF(0, 0), layout.size)
    for one, other in itertools.combinations(layout.boxes, 2):
        assert not one.intersects(other)
    boxes = dict(zip((node.name for node in graph.nodes), layout.boxes, strict=True))
    for wire in layout.wires:
        start, end = wire.points[0], wire.points[-1]
        assert start.y() == boxes[wire.edge.source].bottom()
        assert end.y() == boxes[wire.edge.target].top()
        assert all(lower.y() > upper.y() for upper, lower in itertools.pairwise(wire.points))
        assert not any(wire.label.intersects(box) for box in layout.boxes)
        assert inside.contains(wire.label)
    assert all(inside.contains(box) for box in layout.boxes)
    # each different label is drawn
    assert {(w.edge.source, w.edge.target, w.edge.text) for w in layout.wires} == {
        (e.source, e.target, e.text) for e in graph.edges
    }


@pytest.mark.parametrize("graph", [SHORT, LONG], ids=["short", "long"])
def test_all_texts_of_a_layer_fit_into_its_box(style: Style, graph: ModelGraph) -> None:
    for drawn, box in zip(graph.nodes, lay_out(graph, style).boxes, strict=True):
        name = min(QFontMetricsF(style.bold).horizontalAdvance(drawn.name), style.px(240))
        class_name = min(QFontMetricsF(style.body).horizontalAdvance(drawn.class_name), style.px(200))
        shape = min(QFontMetricsF(style.small).horizontalAdvance(drawn.shape), style.px(300))
        parameters = QFontMetricsF(style.small).horizontalAdvance("1,760 parameters")
        inner = box.width() - 2 * style.px(12)
        assert name + class_name + style.px(8) <= inner
        assert shape + parameters + style.px(8) <= inner


def test_a_branch_crosses_no_edge_needlessly(style: Style) -> None:
    names = ["in", "left", "right", "far left", "far right", "joined"]
    graph = ModelGraph(
        "m",
        tuple(node(name) for name in names),
        (
            # given crosswise, so that the order of the nodes alone would cross them
            edge("in", "left"),
            edge("in", "right"),
            edge("left", "far right"),
            edge("right", "far left"),
            edge("far left", "joined"),
            edge("far right", "joined"),
        ),
    )
    boxes = dict(zip(names, lay_out(graph, style).boxes, strict=True))
    left_first = boxes["left"].x() < boxes["right"].x()
    assert left_first == (boxes["far right"].x() < boxes["far left"].x())
    labels = [wire.label for wire in lay_out(graph, style).wires]
    assert not any(one.intersects(other) for one, other in itertools.combinations(labels, 2))


def test_labels_of_edges_between_the_same_two_layers_do_not_overlap(style: Style) -> None:
    edges = (edge("a", "b", "mask not used"), edge("a", "b", "no positions"), edge("a", "b", "mask, by mask="))
    layout = lay_out(ModelGraph("m", (node("a"), node("b")), edges), style)
    for one, other in itertools.combinations(layout.wires, 2):
        assert not one.label.intersects(other.label)


def test_the_description_has_a_line_per_edge(autoencoder: ModelGraph) -> None:
    lines = text_description(autoencoder).splitlines()
    assert len(lines) == 4
    assert lines[-1] == "repeat to loss: no mask"
