"""A model as a graph: its layers, and on every edge whether the mask is there. Reading it needs no Keras."""

import json
from dataclasses import asdict, dataclass
from typing import Literal, TypeAlias

from maskscope.errors import ModelError

MaskState: TypeAlias = Literal["same", "none", "altered"]
"""The mask of a padded batch after a layer or on an edge: the true one, none, or a different one."""

NodeKind: TypeAlias = Literal["input", "layer", "output"]


@dataclass(frozen=True, slots=True)
class GraphNode:
    """A layer, an input, or the place where the model ends and its loss begins.

    Attributes:
        name: of the layer; a layer that is used twice has two nodes, the second called "NAME (2)".
        class_name: such as "Bidirectional(LSTM)"; a plain operation has its own, such as "Multiply".
        shape: of its output, such as "(B, T, 20)"; B sentences and T positions are free, "?" is another free axis.
        parameters: count of its weights' numbers.
        kind: which of the three.
        mask: the mask after it.
        text: a description of the mask, such as "the same" or "none yet".
    """

    name: str
    class_name: str
    shape: str
    parameters: int
    kind: NodeKind
    mask: MaskState
    text: str


@dataclass(frozen=True, slots=True)
class GraphEdge:
    """A tensor that one layer passes to another.

    Attributes:
        source: name of the node it comes from.
        target: name of the node it goes to.
        mask: the mask on it.
        fault: True where a needed mask is missing or altered: padding counts from here on.
        text: the text on the edge, such as "mask", "no mask", "no mask yet".
    """

    source: str
    target: str
    mask: MaskState
    fault: bool
    text: str


@dataclass(frozen=True, slots=True)
class ModelGraph:
    """A model, in the order in which it computes.

    Attributes:
        model: name of the model's file.
        nodes: each after those that it takes tensors from.
        edges: those of one target in the order in which it takes them.
    """

    model: str
    nodes: tuple[GraphNode, ...]
    edges: tuple[GraphEdge, ...]

    def __post_init__(self) -> None:
        """Check names and edges. Raises ModelError for two nodes of one name, or an edge that leads nowhere or back."""
        names = [node.name for node in self.nodes]
        if len(set(names)) != len(names):
            raise ModelError("a graph of a model has two nodes of one name")
        places = {name: place for place, name in enumerate(names)}
        for edge in self.edges:
            if places.get(edge.source, len(places)) >= places.get(edge.target, -1):
                raise ModelError(
                    "a graph of a model has a wrong edge",
                    expected="an edge from one node to a later one",
                    received=f"{edge.source!r} to {edge.target!r}",
                )

    def to_json(self) -> str:
        """One JSON object on one line, keys in snake_case; `text` has the key "words" there (docs/command-line.md)."""
        record = asdict(self)
        for each in (*record["nodes"], *record["edges"]):
            each["words"] = each.pop("text")
        return json.dumps(record, ensure_ascii=False, allow_nan=False)
