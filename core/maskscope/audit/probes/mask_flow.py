"""Where the mask is in a model: the masks noted in two runs of a padded batch, compared with the true mask."""

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from maskscope.keras_io.model_graph import MaskState
from maskscope.types import Mask

if TYPE_CHECKING:
    from maskscope.keras_io.keras_graph import Array
    from maskscope.keras_io.recorded_run import Arrival, Run, Shape, Visit


_BY_POSITION = frozenset(
    {"Dense", "EinsumDense", "Dropout", "SpatialDropout1D", "GaussianDropout", "GaussianNoise", "AlphaDropout"}
    | {"Activation", "ReLU", "LeakyReLU", "ELU", "PReLU", "Softmax", "Identity", "Rescaling", "ActivityRegularization"}
    | {"LayerNormalization", "RMSNormalization", "UnitNormalization", "Normalization"}
    | {"Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Divide", "TrueDivide", "Where", "Cast"}
    | {"Relu", "Sigmoid", "Tanh", "Softplus", "Silu", "Gelu", "Exp", "Log", "Negative", "Square", "Sqrt", "Absolute"}
)
"""Layers and operations that work on each position by itself, so that a missing mask does no harm in them."""


def has_positions(shape: "Shape") -> bool:
    """Whether a tensor of this shape has an axis of positions: (B, T, ...) but not (B, 1, ...), or (B, T), T free."""
    return (len(shape) >= 3 and shape[1] != 1) or (len(shape) == 2 and shape[1] is None)


class MaskFlow:
    """The masks of two runs of one model, with the weights as given and with perturbed biases: the worse one counts.

    A place is a visit's index in the run, so that each place comes after those that it takes tensors from.

    Attributes:
        run: the first of the two runs.
        visits: its visits.
        true_mask: (B, T) True = real token.
        padding: code for what padded positions hold: a number, or "row" for different ones; None where they vary.
        mask_makers: places of plain operations that serve masks alone; Keras has NotEqual and Any next to Masking.
        after: by place, the mask after the visit: that of its first output with positions.
        remade: places of Masking layers that make the right mask, and of operations whose results only they take.
        begun: by place, whether a mask exists before or at the visit.
        reversed_by: by place, the place of the layer that reversed the positions of its outputs; None where they are
            in order. The mask that Keras attaches is in order all the same.
    """

    def __init__(self, given: "Run", perturbed: "Run", true_mask: Mask, padding: str | None = None) -> None:
        self.run, self._perturbed, self.true_mask, self.padding = given, perturbed, true_mask, padding
        self.visits = given.visits
        self._needs: dict[int, bool] = {}
        self.mask_makers = self._find_mask_makers()
        self.after = [self._state_after(place) for place in range(len(self.visits))]
        self.remade = self._find_remade()
        self.begun = self._find_begun()
        self.reversed_by = self._find_reversed()

    def end_state(self, place: int, output: int) -> MaskState:
        """The mask on one output of a visit."""
        return self._state(self.visits[place].masks[output], self._perturbed.visits[place].masks[output])

    def arrival_states(self, place: int, number: int) -> tuple[MaskState, MaskState]:
        """The mask on a tensor that a visit takes, and the mask that the visit uses for it.

        They differ where the layer is given another mask with `mask=`, or where Keras passes it none.
        """
        one, other = self.visits[place].arrivals[number], self._perturbed.visits[place].arrivals[number]
        own = self._state(one.mask, other.mask)
        if self.visits[place].gets_no_mask:
            return own, "none"
        if one.role == "values" and one.given is not None:
            return own, self._state(one.given, other.given)
        return own, own

    def at_padding(self, place: int) -> "Array | None":
        """What the first tensor that a visit takes holds at padded positions (n, ...), with perturbed biases.

        None where it has no positions.
        """
        for arrival in self._perturbed.visits[place].arrivals:
            values = self._perturbed.visits[arrival.source].values
            if arrival.role == "values" and values and values[arrival.output].shape[:2] == self.true_mask.shape:
                found: Array = values[arrival.output][~self.true_mask]
                return found
        return None

    def users(self, place: int) -> list[int]:
        """The places of the visits that take values from a visit."""
        return [user for user, arrival in self._users.get(place, []) if arrival.role == "values"]

    def needs_mask(self, place: int) -> bool:
        """Whether padding counts because a visit gives its outputs no mask: the loss, or a layer, would need it.

        Not where all that takes them works position by position, or reads zeros at padding as a convolution does, and
        a later layer is given the mask with `mask=`.
        """
        if place not in self._needs:
            ends = any(place == end for end, _ in self.run.ends)
            self._needs[place] = ends or any(self._misses_mask(user, place) for user in self.users(place))
        return self._needs[place]

    def _misses_mask(self, user: int, place: int) -> bool:
        visit = self.visits[user]
        if user in self.mask_makers or user in self.remade:
            return False
        used = {
            self.arrival_states(user, number)[1]
            for number, arrival in enumerate(visit.arrivals)
            if arrival.role == "values" and arrival.source == place
        }
        if visit.kind == "layer" and visit.takes_mask and visit.class_name != "Softmax":
            return used != {"same"}
        if visit.reads:
            return self.reads_padding(user) or self.needs_mask(user)
        return visit.class_name not in _BY_POSITION or self.needs_mask(user)

    def resampled_after(self, place: int) -> str | None:
        """The name of the first visit from a place on that gives another number of positions; None when none does."""
        n_positions = self.true_mask.shape[1]
        for each in range(place, len(self.visits)):
            visit = self.visits[each]
            other_sizes = {array.shape[1] for array in visit.values if array.ndim == 3} - {1, n_positions}
            joins = visit.kind == "layer" and visit.class_name != "RepeatVector" and bool(other_sizes)
            if joins and place in self._before(each):
                return visit.name
        return None

    def reads_padding(self, place: int) -> bool:
        """Whether a convolution reads padding that is not 0, as what it reads beyond the ends of a sentence is."""
        reads = self.visits[place].reads
        later = np.arange(self.true_mask.shape[1]) >= self.true_mask.argmax(axis=1)[:, None]
        if not reads or (reads == "left" and not (~self.true_mask & ~later).any()):
            return False
        padded = self.at_padding(place)
        return padded is not None and bool(np.any(padded))

    def only_input(self, place: int) -> int | None:
        """The place of the one input with positions that a visit depends on; None when there are several, or none."""
        found = [each for each in self._before(place) if self.visits[each].kind == "input"]
        found = [each for each in found if has_positions(self.visits[each].shapes[0])]
        return found[0] if len(found) == 1 else None

    def is_masked(self, place: int) -> bool:
        """Whether a Masking layer depends on a visit."""
        return any(visit.masking and place in self._before(each) for each, visit in enumerate(self.visits))

    def _before(self, place: int) -> set[int]:
        """The places of a visit and of all on which it depends."""
        found, todo = {place}, [place]
        while todo:
            for arrival in self.visits[todo.pop()].arrivals:
                if arrival.source not in found:
                    found.add(arrival.source)
                    todo.append(arrival.source)
        return found

    def gives_no_positions(self, place: int) -> bool:
        """Whether no output of a visit has positions."""
        return not any(has_positions(shape) for shape in self.visits[place].shapes)

    def ignores_mask(self, place: int) -> bool:
        """Whether a visit joins masked positions without using the mask."""
        visit = self.visits[place]
        if not self.gives_no_positions(place) or visit.takes_mask or visit.kind == "input":
            return False
        return any(
            arrival.role == "values"
            and self.begun[arrival.source]
            and has_positions(self.visits[arrival.source].shapes[arrival.output])
            for arrival in visit.arrivals
        )

    def joins_positions(self, name: str) -> bool:
        """Whether the visit of that name makes one position of all, or none."""
        place = next((place for place, visit in enumerate(self.visits) if visit.name == name), None)
        return place is not None and self.gives_no_positions(place)

    def joiner_before(self, place: int) -> "Visit | None":
        """The visit that joins all positions on one of the branches that a visit merges; None when there is none."""
        visit = self.visits[place]
        if len(visit.arrivals) < 2:
            return None
        for arrival in visit.arrivals:
            before = arrival.source
            if arrival.role == "mask":
                continue
            while self.gives_no_positions(before) and self.visits[before].arrivals:
                source = self.visits[before].arrivals[0].source
                if not self.gives_no_positions(source):
                    return self.visits[before]
                before = source
        return None

    def mask_source(self, place: int) -> int:
        """The nearest place before a mask maker that is not a mask maker itself."""
        while place in self.mask_makers:
            place = self.visits[place].arrivals[0].source
        return place

    def mask_after(self, place: int) -> Mask | None:
        """(B, T) the mask after a visit, of the run with perturbed biases, in which more masks differ."""
        for output, shape in enumerate(self.visits[place].shapes):
            if has_positions(shape):
                mask = self._perturbed.visits[place].masks[output]
                return None if mask is None else np.asarray(mask, dtype=np.bool_)
        return None

    def _state(self, one: object, other: object) -> MaskState:
        states = {self._compare(one), self._compare(other)}
        return "altered" if "altered" in states else "none" if "none" in states else "same"

    def _compare(self, mask: object) -> MaskState:
        if mask is None:
            return "none"
        found = np.asarray(mask)
        return "same" if np.array_equal(found, self.true_mask) else "altered"

    def _state_after(self, place: int) -> MaskState:
        for output, shape in enumerate(self.visits[place].shapes):
            if has_positions(shape):
                return self.end_state(place, output)
        return "none"

    @cached_property
    def _users(self) -> "dict[int, list[tuple[int, Arrival]]]":
        """By place, the places that take its outputs, with what they take."""
        users: dict[int, list[tuple[int, Arrival]]] = {}
        for place, visit in enumerate(self.visits):
            for arrival in visit.arrivals:
                users.setdefault(arrival.source, []).append((place, arrival))
        return users

    def _inner_operations(self) -> list[int]:
        """Places of plain operations whose outputs are not the model's, the last first."""
        ends = {place for place, _ in self.run.ends}
        last_first = range(len(self.visits) - 1, -1, -1)
        return [place for place in last_first if self.visits[place].kind == "operation" and place not in ends]

    def _find_mask_makers(self) -> set[int]:
        users = self._users
        makers: set[int] = set()
        for place in self._inner_operations():
            used = users.get(place, [])
            if used and all(user in makers or arrival.role == "mask" for user, arrival in used):
                makers.add(place)
        return makers

    def _find_remade(self) -> set[int]:
        users = self._users
        remade = {place for place, visit in enumerate(self.visits) if visit.masking and self.after[place] == "same"}
        for place in self._inner_operations():
            used = users.get(place, [])
            if used and all(user in remade for user, _ in used):
                remade.add(place)
        return remade

    def _find_begun(self) -> list[bool]:
        begun: list[bool] = []
        for place, visit in enumerate(self.visits):
            before = any(
                arrival.source not in self.mask_makers
                and arrival.role == "values"
                and (begun[arrival.source] or self.arrival_states(place, number)[1] != "none")
                for number, arrival in enumerate(visit.arrivals)
            )
            here = visit.masking or visit.masks_inside or self.after[place] != "none"
            begun.append(place not in self.mask_makers and (before or here))
        return begun

    def _find_reversed(self) -> list[int | None]:
        found: list[int | None] = []
        for place, visit in enumerate(self.visits):
            values = [arrival for arrival in visit.arrivals if arrival.role == "values"]
            before = found[values[0].source] if values else None
            if visit.reverses or (visit.kind == "operation" and before is not None and self._flips(place)):
                found.append(place if before is None else None)
            else:
                # a branch that meets others is a fault where it meets them
                found.append(before if len(values) == 1 else None)
        return found

    def _flips(self, place: int) -> bool:
        """Whether an operation reverses the positions of the tensor that it takes, and does nothing else."""
        visit, arrival = self.visits[place], self.visits[place].arrivals[0]
        taken = self.visits[arrival.source].values[arrival.output]
        return taken.ndim > 1 and any(
            each.shape == taken.shape and np.allclose(each, taken[:, ::-1], equal_nan=True) for each in visit.values
        )
