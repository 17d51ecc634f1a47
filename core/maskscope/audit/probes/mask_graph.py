"""The model's graph with the mask on every edge."""

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from maskscope.audit.probes.mask_flow import MaskFlow, has_positions
from maskscope.keras_io.model_graph import GraphEdge, GraphNode, MaskState, ModelGraph, NodeKind

if TYPE_CHECKING:
    from maskscope.keras_io.recorded_run import Shape

LOSS = "loss"
"""Name of the node where a model ends, unless a layer has it."""

_MIX_POSITIONS = frozenset(
    {"LSTM", "GRU", "SimpleRNN", "RNN", "Bidirectional", "ConvLSTM1D", "Attention", "AdditiveAttention"}
    | {"MultiHeadAttention", "GroupQueryAttention", "GlobalAveragePooling1D"}
)
"""Layers that use a mask and mix positions: without a mask, padding enters every position."""


FaultKind: TypeAlias = Literal["lost", "not used", "removed", "reversed", "reads", "statistics", "fails"]
"""What happens to a mask at a fault.

"lost": the layer before loses or alters it. "not used": Keras does not pass it to a layer that is called with several
tensors. "removed": another layer takes it off the tensor. "reversed": it is in order, and the positions are not.
"reads": a convolution reads padding that is not 0. "statistics": none is there where training takes statistics.
"fails": the layer raises an error.
"""


class PlacedEdge(NamedTuple):
    """An edge, and where its fault is.

    Attributes:
        edge: with its text.
        place: of the visit that is at fault.
        kind: what happens to the mask there, if the edge has a fault.
        target: place of the visit that it goes to; None for the loss.
    """

    edge: GraphEdge
    place: int
    kind: FaultKind = "lost"
    target: int | None = None


def mask_graph(flow: MaskFlow, name: str) -> tuple[ModelGraph, list[PlacedEdge]]:
    """The graph of a model called `name`, without operations that only make masks, and its edges with their places."""
    visible = [place for place in range(len(flow.visits)) if place not in flow.mask_makers]
    edges = [edge for place in visible for edge in (*_value_edges(flow, place), *_mask_edges(flow, place))]
    end = _end_name(flow)
    edges += _end_edges(flow, end)
    first = next(each.edge for each in edges if each.edge.target == end)
    place, output = flow.run.ends[0]
    shape = _shape_text(flow.visits[place].shapes[output])
    nodes = [_node(flow, place) for place in visible]
    nodes.append(GraphNode(end, "Output", shape, 0, "output", first.mask, first.text))
    return ModelGraph(name, tuple(nodes), tuple(each.edge for each in edges)), edges


def is_loss(edge: GraphEdge) -> bool:
    """Whether an edge goes to the loss."""
    return edge.target.rstrip("'") == LOSS


def _value_edges(flow: MaskFlow, place: int) -> list[PlacedEdge]:
    """The tensors that a visit takes."""
    visit = flow.visits[place]
    edges: list[PlacedEdge] = []
    for number, arrival in enumerate(visit.arrivals):
        if arrival.role == "mask":
            continue
        state, _ = flow.arrival_states(place, number)
        if visit.error and not edges:
            text, fault, at_fault, kind = _Fault("fails", True, place, "fails")
        else:
            text, fault, at_fault, kind = _value_fault(flow, place, number)
        if place in flow.remade:
            # the mask is made anew from the numbers, correctly, so the missing one does no harm
            fault = False
        source = flow.visits[arrival.source].name
        edges.append(PlacedEdge(GraphEdge(source, visit.name, state, fault, text), at_fault, kind, place))
    return edges


class _Fault(NamedTuple):
    """The text on an edge, whether it is a fault, and the place and kind of that."""

    text: str
    fault: bool
    place: int
    kind: FaultKind = "lost"


def _value_fault(flow: MaskFlow, place: int, number: int) -> _Fault:
    """What is on a tensor that a visit takes."""
    visit, arrival = flow.visits[place], flow.visits[place].arrivals[number]
    state, used = flow.arrival_states(place, number)
    text, fault = _edge_text(flow, arrival.source, arrival.output, state, used)
    mixes = visit.takes_mask and visit.class_name.split("(")[0] in _MIX_POSITIONS
    joins = sum(each.role == "values" for each in visit.arrivals) > 1
    if visit.gets_no_mask and state == "same":
        return _Fault("mask not used", True, place, "not used")
    if arrival.removed_by is not None and text == "no mask":
        return _Fault("mask removed", True, arrival.removed_by, "removed")
    reversed_by = flow.reversed_by[arrival.source]
    if reversed_by is not None and text == "mask" and (mixes or joins):
        return _Fault("reversed order", True, reversed_by, "reversed")
    if flow.reads_padding(place) and any(flow.begun):
        return _Fault("padding read", True, place, "reads")
    if text == "no mask yet" and mixes:
        # the layer mixes positions, so it would need a mask here
        return _Fault("no mask", True, arrival.source)
    if text == "no mask yet" and visit.class_name == "BatchNormalization" and visit.trainable:
        return _Fault("no mask", True, place, "statistics")
    return _Fault(text, fault, arrival.source)


def _mask_edges(flow: MaskFlow, place: int) -> list[PlacedEdge]:
    """The masks that a visit is given with `mask=`, where its tensors do not carry the same ones themselves."""
    visit = flow.visits[place]
    values = [number for number, each in enumerate(visit.arrivals) if each.role == "values"]
    states = [flow.arrival_states(place, number) for number in values]
    if all(own == used for own, used in states):
        return []
    edges = []
    for number, arrival in enumerate(visit.arrivals):
        if arrival.role == "mask":
            source = flow.mask_source(arrival.source)
            state, _ = flow.arrival_states(place, number)
            text = "mask, by mask=" if state == "same" else "mask altered"
            edge = GraphEdge(flow.visits[source].name, visit.name, state, state != "same", text)
            edges.append(PlacedEdge(edge, source, target=place))
    return edges


def _end_edges(flow: MaskFlow, end: str) -> list[PlacedEdge]:
    """The model's outputs, which go to the loss."""
    edges = []
    for source, output in flow.run.ends:
        state = flow.end_state(source, output)
        text, fault = _edge_text(flow, source, output, state, state)
        reversed_by = flow.reversed_by[source]
        at_fault = source
        kind: FaultKind = "lost"
        if text == "no mask yet":
            # the loss needs a mask, wherever it should have begun
            text, fault = "no mask", True
        elif reversed_by is not None and text == "mask":
            text, fault, at_fault, kind = "reversed order", True, reversed_by, "reversed"
        edges.append(PlacedEdge(GraphEdge(flow.visits[source].name, end, state, fault, text), at_fault, kind))
    return edges


def _edge_text(flow: MaskFlow, source: int, output: int, state: MaskState, used: MaskState) -> tuple[str, bool]:
    """The text on an edge, and whether padding starts to count there."""
    if not has_positions(flow.visits[source].shapes[output]):
        return ("mask ignored", True) if flow.ignores_mask(source) else ("no positions", False)
    if used == "same":
        return ("mask" if state == "same" else "none of its own", False)
    if not flow.begun[source]:
        return "no mask yet", False
    if used == "none" and not flow.needs_mask(source):
        return "mask given later", False
    return ("mask altered" if used == "altered" else "no mask"), True


def _node(flow: MaskFlow, place: int) -> GraphNode:
    visit, state = flow.visits[place], flow.after[place]
    if flow.gives_no_positions(place):
        text = "ignored" if flow.ignores_mask(place) else "no positions"
    elif state == "none" and not flow.begun[place]:
        text = "none yet"
    else:
        text = {"same": "the same", "none": "none", "altered": "altered"}[state]
    shape = ", ".join(_shape_text(shape) for shape in visit.shapes)
    kind: NodeKind = "input" if visit.kind == "input" else "layer"
    return GraphNode(visit.name, visit.class_name, shape, visit.parameters, kind, state, text)


def _end_name(flow: MaskFlow) -> str:
    name = LOSS
    while any(visit.name == name for visit in flow.visits):
        name += "'"
    return name


def _shape_text(shape: "Shape") -> str:
    names = {0: "B", 1: "T"}
    return f"({', '.join(names.get(axis, '?') if size is None else str(size) for axis, size in enumerate(shape))})"
