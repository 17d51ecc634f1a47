"""TRACE: the mask after each layer; the first layer that loses or alters it."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from maskscope import masks
from maskscope.audit.probes.context import Subject
from maskscope.audit.probes.model_runner import error_words
from maskscope.audit.probes.padded_sample import PaddedSample
from maskscope.audit.probes.perturbed_weights import moved_biases
from maskscope.audit.report import Evidence, Finding
from maskscope.errors import ModelError
from maskscope.jobs import Job
from maskscope.keras_io.model_graph import GraphEdge, GraphNode, MaskState, ModelGraph, NodeKind
from maskscope.types import Floats, Mask

if TYPE_CHECKING:
    from maskscope.keras_io.keras_graph import Arrival, Run, Shape, Visit
    from maskscope.keras_io.keras_model import KerasModel

_GO_ACROSS = frozenset(
    {"LSTM", "GRU", "SimpleRNN", "RNN", "Bidirectional", "ConvLSTM1D", "Attention", "AdditiveAttention"}
    | {"MultiHeadAttention", "GroupQueryAttention", "GlobalAveragePooling1D"}
)
"""Layers that go from position to position and heed a mask: without one, padding enters every position."""
_ONLY_REAL = "take only real tokens together, as GlobalAveragePooling1D or an LSTM without return_sequences does"
_BATCH, _POSITIONS, _FREE = 3, 7, 4
"""Size of a made-up batch, and of an axis that is free in a model's input."""

OUTPUT = "loss"
"""Name of the node where a model ends, unless a layer has it."""


@dataclass(frozen=True, slots=True)
class Trace:
    """What became of the mask in a model.

    Attributes:
        graph: the model with it.
        culprit: name of the first layer that loses or alters the mask; None when none does, or when none makes one.
        why: "" when the mask reaches whatever needs it, else what becomes of it, in one sentence.
        advice: the smallest change that would repair it.
        repair: name of the mechanical repair that makes it, of `repair.REPAIRS`; None for none.
        unclear: name of a model inside the model that hides what it does with the mask; None when there is none.
        sentence: the sentence that shows it best; None for made-up ones.
        mask_bt: (B, T) the true one.
        found_bt: (B, T) the one that the first faulty edge carries; None where it carries none.
    """

    graph: ModelGraph
    culprit: str | None
    why: str
    advice: str = ""
    repair: str | None = None
    unclear: str | None = None
    mask_bt: Mask | None = None
    found_bt: Mask | None = None


def check(subject: Subject, job: Job) -> Finding:
    """Run the sample, padded, through the model node by node and hold every mask against the lengths.

    Once with the weights as given, once with moved biases, and, where something stands before a Masking layer, once as
    in training: noise fills padding there. A model inside the model counts as one layer.
    """
    job.progress(0, 0, "TRACE")
    found = subject.trace
    if isinstance(found, str):
        return Finding("TRACE", "could not tell", found)
    if found.why:
        sentence, evidence = _evidence(subject, found)
        return Finding(
            "TRACE",
            "failed",
            found.why,
            sentence=sentence,
            layer=found.culprit,
            advice=found.advice,
            repair=found.repair,
            evidence=evidence,
        )
    if found.unclear is not None:
        return Finding(
            "TRACE",
            "could not tell",
            f"{found.unclear} is a model in itself that gives no positions, so its use of the mask can't be seen.",
            layer=found.unclear,
            advice=f"audit {found.unclear} alone",
        )
    loss = ", and the loss" if found.graph.nodes[-1].mask == "same" else ""
    return Finding("TRACE", "passed", f"The mask of the true lengths reaches every layer that needs it{loss}.")


def trace_sample(subject: Subject) -> Trace | str:
    """Trace a subject's model on a few of its sentences; where that can't be, why, in one sentence."""
    from maskscope.keras_io import keras_graph

    if keras_graph.functional(subject.model) is None:
        name = type(subject.model).__name__
        if name == "Sequential":
            return "The model is not built yet, so it has no layers to trace; call it on a batch once."
        return f"The model is a {name} with code of its own, so its layers can't be traced."
    try:
        sample = subject.small
    except ModelError as error:
        return str(error)
    try:
        return trace(subject.model, (sample.x_btd,), sample.mask_bt, given=subject.run)
    except Exception as error:  # noqa: BLE001
        # a model of other people's making may raise anything at all
        return _does_not_run(sample, error)


def _evidence(subject: Subject, found: Trace) -> tuple[int | None, Evidence | None]:
    """The mask that the first faulty edge carries, of the sentence in which it errs most."""
    if found.mask_bt is None:
        return None, None
    carried = np.ones_like(found.mask_bt) if found.found_bt is None else found.found_bt
    if carried.shape != found.mask_bt.shape:
        return None, None
    row = int((carried != found.mask_bt).sum(axis=1).argmax())
    sample = subject.small
    label = "no mask: all count" if found.found_bt is None else "the mask that is handed on"
    sentence = sample.sentences[row]
    return sentence, Evidence.of(sentence, found.mask_bt[row], [(label, "mask", carried[row])])


def model_graph(keras_file: Path) -> ModelGraph:
    """Load a model and trace it on a small padded batch of made-up numbers, padded with its own mask value.

    Raises ModelError when it can't be loaded, is no Functional or Sequential model, or does not run.
    """
    from maskscope.keras_io import keras_graph, keras_model

    model = keras_model.load(keras_file)
    graph = keras_graph.functional(model)
    if graph is None:
        raise ModelError(
            "has code of its own, so its layers can't be traced",
            file=keras_file,
            expected="a Functional or Sequential model",
            received=type(model).__name__,
        )
    value = keras_model.mask_value(model)
    try:
        inputs, mask_bt = made_up(graph.inputs, 0.0 if value is None else value)
        return trace(model, inputs, mask_bt, Path(keras_file).name).graph
    except Exception as error:
        words = " ".join(str(error).split())[:200]
        raise ModelError(
            "does not run on a small padded batch", file=keras_file, received=f"{type(error).__name__}: {words}"
        ) from error


def trace(
    model: "KerasModel", inputs: tuple[Floats, ...], mask_bt: Mask, name: str = "", given: "Run | None" = None
) -> Trace:
    """Trace a padded batch.

    Args:
        model: Functional or Sequential.
        inputs: one array each of its inputs, (B, T, D) where it has positions.
        mask_bt: (B, T) the true mask, True = real token that the Masking layer may let through.
        name: of the model, for the graph.
        given: the run with the weights as given, if there is one already.
    """
    from maskscope.keras_io import keras_graph

    given = keras_graph.run(model, inputs) if given is None else given
    with moved_biases(model, True):
        moved = keras_graph.run(model, inputs)
    found = _Tracer(given, moved, mask_bt).trace(name)
    above = any(
        visit.masking and any(given.visits[each.source].kind != "input" for each in visit.arrivals)
        for visit in given.visits
    )
    if found.why or not above:
        return found
    # noise before Masking, and its like, change padded rows in training alone
    training = _Tracer(given, keras_graph.run(model, inputs, training=True), mask_bt).trace(name)
    return replace(training, why=f"In training {training.why}") if training.why else found


def _does_not_run(sample: PaddedSample, error: Exception) -> str:
    words = error_words(error)
    return f"The model does not run on a batch of {sample.x_btd.shape} ({type(error).__name__}: {words})."


def made_up(inputs: "list[object]", padding: float) -> tuple[tuple[Floats, ...], Mask]:
    """A small padded batch for symbolic inputs, padded with `padding`, and its true mask (B, T)."""
    shapes = [tuple(getattr(each, "shape", ())) for each in inputs]
    lengths = {shape[1] for shape in shapes if len(shape) == 3 and shape[1] is not None}
    n_positions = lengths.pop() if len(lengths) == 1 else _POSITIONS
    longest = max(1, n_positions - 2)
    mask_bt = masks.mask_from_lengths(
        [max(0, min(n_positions - 1, longest - row)) for row in range(_BATCH)], n_positions
    )
    rng = np.random.default_rng(0)
    arrays = []
    for shape in shapes:
        free = [_BATCH, n_positions] if len(shape) == 3 else [_BATCH]
        sizes = [free[axis] if axis < len(free) else size or _FREE for axis, size in enumerate(shape)]
        if len(shape) == 3 and shape[1] is not None:
            sizes[1] = shape[1]
        array = rng.uniform(1, 2, sizes).astype(np.float32) + np.float32(abs(padding))
        if array.shape[:2] == mask_bt.shape and array.ndim == 3:
            array[~mask_bt] = padding
        arrays.append(array)
    return tuple(arrays), mask_bt


def _positional(shape: "Shape") -> bool:
    """Whether a tensor of this shape has an axis of positions: (B, T, ...) but not (B, 1, ...), or (B, T), T free."""
    return (len(shape) >= 3 and shape[1] != 1) or (len(shape) == 2 and shape[1] is None)


class _Tracer:
    """The masks of two runs of one model, taken together: the worse of both counts."""

    def __init__(self, given: "Run", moved: "Run", mask_bt: Mask) -> None:
        self.run, self.other, self.true = given, moved, mask_bt
        self.visits = given.visits
        self.hidden = self._mask_makers()
        self.after = [self._after(place) for place in range(len(self.visits))]
        self.remade = self._remade()
        self.began = self._where_masks_have_begun()

    def _state(self, one: object, other: object) -> MaskState:
        states = {self._of(one), self._of(other)}
        return "altered" if "altered" in states else "none" if "none" in states else "same"

    def _of(self, mask: object) -> MaskState:
        if mask is None:
            return "none"
        found = np.asarray(mask)
        return "same" if found.shape == self.true.shape and bool((found == self.true).all()) else "altered"

    def _after(self, place: int) -> MaskState:
        """The mask after a node: that of its first output with positions."""
        visit, again = self.visits[place], self.other.visits[place]
        for output, shape in enumerate(visit.shapes):
            if _positional(shape):
                return self._state(visit.masks[output], again.masks[output])
        return "none"

    def _arrives(self, place: int, number: int) -> tuple[MaskState, MaskState]:
        """The mask on a tensor as it arrives, and the one that its taker uses: handed over, or the tensor's own."""
        one, other = self.visits[place].arrivals[number], self.other.visits[place].arrivals[number]
        own = self._state(one.mask, other.mask)
        if one.role == "values" and one.given is not None:
            return own, self._state(one.given, other.given)
        return own, own

    def _mask_makers(self) -> set[int]:
        """Plain operations that serve masks alone: Keras draws NotEqual and Any beside a Masking layer, too."""
        users: dict[int, list[tuple[int, Arrival]]] = {}
        for place, visit in enumerate(self.visits):
            for arrival in visit.arrivals:
                users.setdefault(arrival.source, []).append((place, arrival))
        ends = {place for place, _ in self.run.ends}
        hidden: set[int] = set()
        for place in range(len(self.visits) - 1, -1, -1):
            used = users.get(place, [])
            alone = bool(used) and all(user in hidden or arrival.role == "mask" for user, arrival in used)
            if alone and self.visits[place].kind == "operation" and place not in ends:
                hidden.add(place)
        return hidden

    def _remade(self) -> set[int]:
        """Masking layers that make the right mask, and the plain operations whose results go to them alone."""
        users: dict[int, set[int]] = {}
        for place, visit in enumerate(self.visits):
            for arrival in visit.arrivals:
                users.setdefault(arrival.source, set()).add(place)
        ends = {place for place, _ in self.run.ends}
        remade: set[int] = set()
        for place in range(len(self.visits) - 1, -1, -1):
            visit, used = self.visits[place], users.get(place, set())
            only = visit.kind == "operation" and place not in ends and bool(used) and used <= remade
            if only or (visit.masking and self.after[place] == "same"):
                remade.add(place)
        return remade

    def _where_masks_have_begun(self) -> list[bool]:
        began: list[bool] = []
        for place, visit in enumerate(self.visits):
            inside = any(
                arrival.source not in self.hidden
                and arrival.role == "values"
                and (began[arrival.source] or self._arrives(place, number)[1] != "none")
                for number, arrival in enumerate(visit.arrivals)
            )
            here = visit.masking or visit.masks_inside or self.after[place] != "none"
            began.append(place not in self.hidden and (inside or here))
        return began

    def _maker(self, place: int) -> int:
        """The node in sight that a mask was made from."""
        while place in self.hidden:
            place = self.visits[place].arrivals[0].source
        return place

    def _gives_none(self, place: int) -> bool:
        return not any(_positional(shape) for shape in self.visits[place].shapes)

    def _ignores(self, place: int) -> bool:
        """Whether a node takes positions together over a mask that it has no use for."""
        visit = self.visits[place]
        if not self._gives_none(place) or visit.takes_mask or visit.kind == "input":
            return False
        return any(
            arrival.role == "values"
            and self.began[arrival.source]
            and _positional(self.visits[arrival.source].shapes[arrival.output])
            for arrival in visit.arrivals
        )

    def _words(self, source: int, output: int, state: MaskState, used: MaskState) -> tuple[str, bool]:
        """What to write on an edge, and whether it is where padding comes in."""
        if not _positional(self.visits[source].shapes[output]):
            return ("mask ignored", True) if self._ignores(source) else ("no positions", False)
        if used == "same":
            return ("mask" if state == "same" else "none of its own", False)
        if not self.began[source]:
            return "no mask yet", False
        return ("mask altered" if used == "altered" else "no mask"), True

    def _edges(self) -> list[tuple[int, GraphEdge]]:
        """Every edge in sight with the place of its source."""
        edges: list[tuple[int, GraphEdge]] = []
        names = [visit.name for visit in self.visits]
        for place, visit in enumerate(self.visits):
            if place in self.hidden:
                continue
            for number, arrival in enumerate(visit.arrivals):
                if arrival.role == "mask":
                    continue
                state, used = self._arrives(place, number)
                words, fault = self._words(arrival.source, arrival.output, state, used)
                if words == "no mask yet" and visit.takes_mask and visit.class_name.split("(")[0] in _GO_ACROSS:
                    # it goes from position to position, and would heed a mask if there were one
                    words, fault = "no mask", True
                if place in self.remade:
                    # the mask is made anew from the numbers, and what is made is right
                    fault = False
                edges.append((arrival.source, GraphEdge(names[arrival.source], names[place], state, fault, words)))
            edges += self._handed(place)
        for source, output in self.run.ends:
            state = self._state(self.visits[source].masks[output], self.other.visits[source].masks[output])
            words, fault = self._words(source, output, state, state)
            if words == "no mask yet":
                # the loss needs one, wherever it should have begun
                words, fault = "no mask", True
            edges.append((source, GraphEdge(names[source], self._output_name(), state, fault, words)))
        return edges

    def _handed(self, place: int) -> list[tuple[int, GraphEdge]]:
        """The masks that a node is handed beside its tensors, where those do not carry the same ones themselves."""
        visit, again = self.visits[place], self.other.visits[place]
        states = [self._arrives(place, number) for number, each in enumerate(visit.arrivals) if each.role == "values"]
        if all(own == used for own, used in states):
            return []
        edges = []
        for one, other in zip(visit.arrivals, again.arrivals, strict=True):
            if one.role == "mask":
                maker = self._maker(one.source)
                state = self._state(one.mask, other.mask)
                words = "mask, by mask=" if state == "same" else "mask altered"
                edges.append((maker, GraphEdge(self.visits[maker].name, visit.name, state, state != "same", words)))
        return edges

    def _output_name(self) -> str:
        name = OUTPUT
        while any(visit.name == name for visit in self.visits):
            name += "'"
        return name

    def _node(self, place: int) -> GraphNode:
        visit, state = self.visits[place], self.after[place]
        if self._gives_none(place):
            words = "ignored" if self._ignores(place) else "no positions"
        elif state == "none" and not self.began[place]:
            words = "none yet"
        else:
            words = {"same": "the same", "none": "none", "altered": "altered"}[state]
        shape = ", ".join(_shape_words(shape) for shape in visit.shapes)
        kind: NodeKind = "input" if visit.kind == "input" else "layer"
        return GraphNode(visit.name, visit.class_name, shape, visit.parameters, kind, state, words)

    def trace(self, name: str) -> Trace:
        edges = self._edges()
        nodes = [self._node(place) for place in range(len(self.visits)) if place not in self.hidden]
        ends = [edge for _, edge in edges if edge.target == self._output_name()]
        end: MaskState = ends[0].mask if ends else "none"
        last = self.run.ends[0]
        shape = _shape_words(self.visits[last[0]].shapes[last[1]])
        nodes.append(GraphNode(self._output_name(), "Output", shape, 0, "output", end, ends[0].words if ends else ""))
        graph = ModelGraph(name, tuple(nodes), tuple(edge for _, edge in edges))
        faults = sorted(source for source, edge in edges if edge.fault)
        nested = next(
            (
                visit.name
                for place, visit in enumerate(self.visits)
                if visit.kind == "model" and self._gives_none(place) and self.began[place]
            ),
            None,
        )
        if not any(self.began):
            why = (
                "There is no mask anywhere: the model has no Masking layer, so every layer and the loss take padding "
                "for tokens."
            )
            return Trace(graph, None, why, "begin the model with Masking", "mask_input", nested, self.true, None)
        if not faults:
            return Trace(graph, None, "", unclear=nested, mask_bt=self.true)
        edge = next(edge for source, edge in edges if edge.fault and source == faults[0])
        culprit, why, advice, repair = self._blame(faults[0], edge)
        return Trace(graph, culprit, why, advice, repair, nested, self.true, self._carried(faults[0]))

    def _carried(self, place: int) -> Mask | None:
        """The mask that a node hands on: the one of the run with moved biases, which shows more."""
        for output, shape in enumerate(self.visits[place].shapes):
            if _positional(shape):
                mask = self.other.visits[place].masks[output]
                return None if mask is None else np.asarray(mask, dtype=np.bool_)
        return None

    def _blame(self, place: int, edge: GraphEdge) -> tuple[str, str, str, str | None]:
        """The layer to blame, what it does, what would repair it, and the repair that does."""
        visit = self.visits[place]
        title = visit.name if visit.kind == "input" else f"{visit.name} ({visit.class_name})"
        if visit.masking and self.after[place] == "altered":
            before = visit.arrivals[0].source
            if self.visits[before].kind == "input":
                return (
                    visit.name,
                    f"{title} masks other positions than padding.",
                    f"give {visit.name} the mask_value that stands at padded positions, or pad with its own",
                    "mask_input",
                )
            changer = self.visits[before]
            return (
                changer.name,
                f"{changer.name} ({changer.class_name}) changes padded rows before {visit.name} can see that they "
                "are padding.",
                f"put {visit.name} before {changer.name}",
                "mask_input",
            )
        if edge.words == "mask ignored":
            return (
                visit.name,
                f"{title} takes all positions together without using the mask, so padding counts.",
                _ONLY_REAL,
                None,
            )
        if visit.kind == "input" and self._joins_positions(edge.target):
            why = f"{edge.target} takes all positions of {title} together, past the Masking layer, so padding counts."
            return edge.target, why, _ONLY_REAL, None
        if visit.kind == "input":
            return (
                visit.name,
                f"{title} goes to {_followers(edge)} past the Masking layer, so padding counts there.",
                f"let {edge.target} take what Masking gives",
                "mask_input",
            )
        verb = "alters" if edge.mask == "altered" else "loses"
        why = f"{title} {verb} the mask, so padding counts in {_followers(edge)}."
        advice, repair = self._cure(place)
        return visit.name, why, advice, repair

    def _joiner(self, place: int) -> "Visit | None":
        """What makes one position of all on the way to a node that takes several tensors, if they have no mask."""
        visit = self.visits[place]
        if len(visit.arrivals) < 2:
            return None
        for arrival in visit.arrivals:
            before = arrival.source
            if arrival.role == "mask":
                continue
            while self._joins_positions(self.visits[before].name) and self.visits[before].arrivals:
                source = self.visits[before].arrivals[0].source
                if not self._joins_positions(self.visits[source].name):
                    return self.visits[before]
                before = source
        return None

    def _joins_positions(self, name: str) -> bool:
        """Whether a node makes one position of all, or none."""
        visit = next((each for each in self.visits if each.name == name), None)
        return visit is not None and not any(_positional(shape) for shape in visit.shapes)

    def _cure(self, place: int) -> tuple[str, str | None]:
        visit = self.visits[place]
        bare = [
            self.visits[arrival.source].name
            for number, arrival in enumerate(visit.arrivals)
            if arrival.role == "values" and self._arrives(place, number)[1] == "none"
        ]
        joiner = self._joiner(place)
        if joiner is not None and not joiner.takes_mask:
            return f"let {joiner.name} {_ONLY_REAL}, and hand the mask on behind {visit.name}", None
        if joiner is not None:
            return f"hand the mask on behind {visit.name}, which {joiner.name} comes to without one", "carry_mask"
        if len(visit.arrivals) > 1 and bare:
            return f"let every branch begin at the Masking layer: {' and '.join(dict.fromkeys(bare))} has no mask", (
                "mask_input"
            )
        if self._joins_positions(visit.name):
            return _ONLY_REAL, None
        if visit.class_name == "Flip":
            return (
                "use Bidirectional in place of the flipped layer: a flip puts padding first, and takes the mask off",
                None,
            )
        if visit.kind == "operation":
            return (
                "use a layer in place of the plain operation, which hands no mask on (an activation belongs in Dense "
                "or Activation), or give the next layer the mask with mask=",
                "carry_mask",
            )
        if visit.class_name == "RepeatVector":
            return (
                "give the next layer the mask with mask=: RepeatVector makes new positions, which nobody has masked",
                ("carry_mask"),
            )
        if visit.kind == "model":
            return f"audit {visit.name} alone", None
        return (
            f"put a layer that supports masks in place of {visit.name}, or give the next layer the mask with mask=",
            ("carry_mask"),
        )


def _followers(edge: GraphEdge) -> str:
    return "the loss" if edge.target.rstrip("'") == OUTPUT else f"{edge.target} and what follows"


def _shape_words(shape: "Shape") -> str:
    names = {0: "B", 1: "T"}
    return f"({', '.join(names.get(axis, '?') if size is None else str(size) for axis, size in enumerate(shape))})"
