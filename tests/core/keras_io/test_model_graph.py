"""The graph of a model: its names are distinct, and its edges lead forward."""

import json
from dataclasses import replace

import pytest

from maskscope.errors import ModelError
from maskscope.keras_io.model_graph import GraphEdge, GraphNode, ModelGraph

GRAPH = ModelGraph(
    "mödel.keras",
    (
        GraphNode("in", "InputLayer", "(B, T, 4)", 0, "input", "none", "none yet"),
        GraphNode("loss", "Output", "(B, T, 4)", 0, "output", "none", "no mask"),
    ),
    (GraphEdge("in", "loss", "none", True, "no mask"),),
)


def test_a_graph_is_one_json_object() -> None:
    record = json.loads(GRAPH.to_json())
    assert record["model"] == "mödel.keras"
    assert [node["name"] for node in record["nodes"]] == ["in", "loss"]
    assert record["edges"] == [
        {"source": "in", "target": "loss", "mask": "none", "fault": True, "words": "no mask"},
    ]


@pytest.mark.parametrize(("source", "target"), [("loss", "in"), ("in", "in"), ("in", "more"), ("more", "loss")])
def test_an_edge_that_leads_nowhere_or_back_is_refused(source: str, target: str) -> None:
    with pytest.raises(ModelError, match=f"received '{source}' to '{target}'"):
        replace(GRAPH, edges=(replace(GRAPH.edges[0], source=source, target=target),))


def test_two_nodes_of_one_name_are_refused() -> None:
    with pytest.raises(ModelError, match="two nodes of one name"):
        replace(GRAPH, nodes=(GRAPH.nodes[0], replace(GRAPH.nodes[1], name="in")), edges=())
