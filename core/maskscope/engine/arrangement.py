"""The graph of a tagger, arranged for scoring: what comes before its recurrent layers, and what follows.

Before them stand pointwise layers and, as one matrix product for all recurrent layers that read the same features, the
input's part of their gates. `Projector` computes this part block by block; its result, one row a token, is called
projected. `evaluate` computes the rest, in the slots of a schedule.
"""

from dataclasses import dataclass

import numpy as np

from maskscope.engine.pointwise import DenseWeights, MergeWeights, Product
from maskscope.engine.recurrence import (
    PreparedRecurrent,
    RecurrentWeights,
    Schedule,
    Scratch,
    inputs_of,
    inputs_over,
    merged,
    prepare,
    run,
    run_masked,
    turned,
)
from maskscope.engine.weights import EMBEDDINGS, Node, TaggerWeights
from maskscope.types import Floats, Mask


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """Columns of the projected rows.

    Attributes:
        source: the node whose features they come from.
        begin, end: which columns.
        kernel: (W, columns) what the features are multiplied with; None for the features themselves.
    """

    source: int
    begin: int
    end: int
    kernel: Floats | None


class Arrangement:
    """The layers of a tagger in the order in which they are computed.

    Attributes:
        width: columns of the projected rows.
        kernel: (D, width) float32 when these are just one product of the embeddings; None else.
        widest: numbers a token of the widest array that is kept.
        repeats_last: whether the output at a masked position is that of the last real token.
        same_at_masked: whether the output at a masked position is the same everywhere.
        reverses: whether a layer leaves its outputs in reversed order, so that a position's output depends on how
            many masked ones its sentence has.
    """

    def __init__(self, weights: TaggerWeights) -> None:
        self._nodes = weights.nodes
        self._recurrent: dict[int, PreparedRecurrent] = {
            place: prepare(node.layer)
            for place, node in enumerate(weights.nodes)
            if isinstance(node.layer, RecurrentWeights)
        }
        above: set[int] = set()
        for place, node in enumerate(weights.nodes):
            if place in self._recurrent or above.intersection(node.inputs):
                above.add(place)
        self._below = [
            (place, node.layer, node.inputs)
            for place, node in enumerate(weights.nodes)
            if place not in above and not isinstance(node.layer, RecurrentWeights)
        ]
        self._above = [(place, node) for place, node in enumerate(weights.nodes) if place in above]
        self._last_use = {at: place for place, node in self._above for at in node.inputs}
        self._parts: list[_Part] = []
        self._columns: dict[int, slice] = {}
        self._make_parts({EMBEDDINGS: weights.dim} | dict(enumerate(weights.widths)))
        self.width = self._parts[-1].end
        self._from_embeddings = len(self._parts) == 1 and self._parts[0].source == EMBEDDINGS
        self.kernel = self._parts[0].kernel if self._from_embeddings else None
        self.widest = max([self.width, *weights.widths, *(layer.kernel.shape[1] for layer in self._recurrent.values())])
        self.reverses = any(layer.reading == "reversed" for layer in self._recurrent.values())
        self._find_masked_output()

    def project(self, features_dn: Floats, out: Floats, product: Product = np.matmul, *, masked: bool = False) -> None:
        """Compute the projected rows (n, width) of embeddings (D, n).

        Args:
            features_dn: the embeddings.
            out: is written.
            product: multiplies matrices.
            masked: whether all of them are masked; else none is.
        """
        values = {EMBEDDINGS: features_dn}
        for place, layer, inputs in self._below:
            read = [values[at] for at in inputs]
            if masked and isinstance(layer, MergeWeights):
                values[place] = layer.apply_masked(np.ones(features_dn.shape[1], dtype=np.bool_), *read)
            else:
                values[place] = layer.apply(*read, product=product)
        for part in self._parts:
            rows = values[part.source].T
            out[:, part.begin : part.end] = rows if part.kernel is None else product(rows, part.kernel)

    def evaluate(self, projected: Floats, plan: Schedule, scratch: Scratch, real: Mask | None) -> Floats:
        """The outputs (C, N) at the forward slots of a schedule.

        Args:
            projected: (n, width) of the tokens.
            plan: the schedule.
            scratch: memory that is used again.
            real: (n,) bool, True = real token, steps through masked positions as Keras does; None has none masked.
        """
        values: dict[int, Floats] = {}
        unmerged: dict[int, Floats] = {}
        masked = None if real is None else ~real[plan.tokens[0]]
        for part in self._parts:
            if part.kernel is None:
                features = np.take(projected[:, part.begin : part.end], plan.tokens[0], axis=0)
                values[part.source] = np.ascontiguousarray(features.T)
        for place, node in self._above:
            source = node.inputs[0]
            if isinstance(node.layer, RecurrentWeights):
                layer = self._recurrent[place]
                if place in self._columns:
                    inputs = inputs_of(projected[:, self._columns[place]], plan, layer, scratch)
                else:
                    inputs = inputs_over(values[source], plan, layer, scratch)
                name = f"hidden {place}"
                if real is None:
                    hidden = run(inputs, plan, layer, scratch, name)
                else:
                    hidden = run_masked(inputs, plan, real, layer, scratch, name)
                if self._is_split(place):
                    unmerged[place] = hidden
                else:
                    values[place] = merged(hidden, plan, layer)
            elif source in unmerged:
                values[place] = _dense_of_halves(node, unmerged.pop(source), plan)
            elif masked is not None and isinstance(node.layer, MergeWeights):
                values[place] = node.layer.apply_masked(masked, *(values[at] for at in node.inputs))
            else:
                values[place] = node.layer.apply(*(values[at] for at in node.inputs))
            for at in set(node.inputs):
                if self._last_use[at] == place:
                    values.pop(at, None)
        return values[len(self._nodes) - 1]

    def _make_parts(self, widths: dict[int, int]) -> None:
        """What crosses from below to above, the gates of all recurrent layers with one source side by side."""
        kernels: dict[int, list[Floats]] = {}
        end = 0
        for place, node in self._above:
            if place in self._recurrent and not self._is_above(node.inputs[0]):
                kernels.setdefault(node.inputs[0], []).append(self._recurrent[place].kernel)
        for source, group in kernels.items():
            begin = end
            for place, node in self._above:
                if place in self._recurrent and node.inputs[0] == source:
                    width = self._recurrent[place].kernel.shape[1]
                    self._columns[place] = slice(end, end + width)
                    end += width
            self._parts.append(_Part(source, begin, end, np.concatenate(group, axis=1)))
        features = {at for place, node in self._above if place not in self._recurrent for at in node.inputs}
        last = len(self._nodes) - 1
        for source in sorted(at for at in features | {last} if not self._is_above(at)):
            self._parts.append(_Part(source, end, end + widths[source], None))
            end += widths[source]

    def _is_above(self, place: int) -> bool:
        return any(place == other for other, _ in self._above)

    def _is_split(self, place: int) -> bool:
        """Whether a Dense layer alone reads the two directions, and has fewer outputs: each is multiplied by itself."""
        readers = [node for _, node in self._above if place in node.inputs]
        layer = self._recurrent[place]
        return (
            layer.concatenates
            and len(readers) == 1
            and isinstance(readers[0].layer, DenseWeights)
            and len(readers[0].layer.bias) <= layer.units
        )

    def _find_masked_output(self) -> None:
        # what each node gives at masked positions: "same" everywhere, that of the "last" real token, or "other"
        kinds = {EMBEDDINGS: "same"}
        for place, node in enumerate(self._nodes):
            found = {kinds[at] for at in node.inputs}
            if place in self._recurrent:
                layer = self._recurrent[place]
                found = {"same" if layer.zeroes_masked else "last"}
                if layer.reading == "backward" and not layer.zeroes_masked:
                    found = {"other"}
            elif isinstance(node.layer, MergeWeights) and node.layer.mode in ("multiply", "maximum", "minimum"):
                # see `MergeWeights.apply_masked`
                zeros = node.layer.mode == "multiply" or kinds[node.inputs[0]] == "same"
                found = {"same"} if zeros else {"other"}
            kinds[place] = found.pop() if len(found) == 1 else "other"
        kind = "other" if self.reverses else kinds[len(self._nodes) - 1]
        self.same_at_masked, self.repeats_last = kind == "same", kind == "last"


def _dense_of_halves(node: Node, hidden: Floats, plan: Schedule) -> Floats:
    """A Dense layer over a bidirectional one: the backward half is put in order after the product, which is smaller."""
    assert isinstance(node.layer, DenseWeights)
    kernel, units = node.layer.kernel.T, hidden.shape[1]
    sums = kernel[:, :units] @ hidden[0]
    sums += turned(kernel[:, units:] @ hidden[1], plan)
    return node.layer.activated(sums)
