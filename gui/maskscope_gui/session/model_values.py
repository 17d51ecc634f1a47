"""The outputs of a model that gives values instead of probabilities, as lanes with an axis each."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from maskscope.project import ModelRecord
from maskscope.types import Embeddings, Floats

MOST_LANES = 3
"""Outputs that are shown at once."""
_SAMPLED = 4096


@dataclass(frozen=True, slots=True, eq=False)
class ValueLane:
    """One number a position.

    Attributes:
        name: of the output, or "error".
        values: (T + k,) of a sentence with k padded positions, or (T,) where there is nothing to say of padding.
        low, high: ends of its axis.
    """

    name: str
    values: Floats
    low: float
    high: float

    def share(self, value: float) -> float:
        """Where a value is on the axis, 0 at the lower end and 1 at the upper; a value outside is at the end."""
        return min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)


class ModelValues:
    """The values of a model for all tokens of a project.

    Args:
        model: gives values.
        outputs: (n_tokens, C), memory-mapped.
        embeddings: (n_tokens, D) of the project.

    Attributes:
        reconstructs: the outputs are as many as the numbers of an embedding, and are shown beside them.
    """

    def __init__(self, model: ModelRecord, outputs: Floats, embeddings: Embeddings) -> None:
        self.outputs, self._embeddings = outputs, embeddings
        self.names = model.output_names
        self.reconstructs = model.is_reconstruction and outputs.shape[1] > 1
        self._ends: dict[int, tuple[float, float]] = {}

    @property
    def n_outputs(self) -> int:
        """C."""
        return int(self.outputs.shape[1])

    def name(self, output: int) -> str:
        """An output by its name; by its number where it has none; "value" where it is the only one."""
        if self.names[output] != str(output):
            return self.names[output]
        return "value" if self.n_outputs == 1 else f"value {output}"

    def lanes(self, values_tc: Floats, embeddings_td: Floats, first: int) -> tuple[ValueLane, ...]:
        """The lanes of one sentence: of at most `MOST_LANES` outputs, or the error of a reconstruction.

        Args:
            values_tc: (T + k, C), with k padded positions.
            embeddings_td: (T, D) of the sentence.
            first: the first output that is shown.
        """
        if self.reconstructs:
            error = errors(values_tc[: len(embeddings_td)], embeddings_td)
            return (self._lane("error", error, -1),)
        last = min(first + MOST_LANES, self.n_outputs)
        return tuple(self._lane(self.name(output), values_tc[:, output], output) for output in range(first, last))

    def first_lane(self, rows: slice, first: int) -> ValueLane:
        """The first of the lanes of a sentence, whose tokens are these rows of the corpus.

        Embeddings are read for a reconstruction alone, since lists paint many sentences at once.
        """
        if self.reconstructs:
            return self._lane("error", self._errors_of(rows), -1)
        return self._lane(self.name(first), np.asarray(self.outputs[rows, first]), first)

    def _lane(self, name: str, values: Floats, output: int) -> ValueLane:
        low, high = self._ends_of(output)
        finite = values[np.isfinite(values)]
        if len(finite):
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
        return ValueLane(name, values, low, high if high > low else low + 1.0)

    def _ends_of(self, output: int) -> tuple[float, float]:
        """The range of an output over tokens from everywhere in the corpus, with 0; -1 for that of the error."""
        if output not in self._ends:
            step = max(1, len(self.outputs) // _SAMPLED)
            # An autoencoder has as many outputs as an embedding has numbers: fewer tokens of it are read.
            sampled = slice(None, None, step if output >= 0 else step * 16)
            values = np.asarray(self.outputs[sampled, output] if output >= 0 else self._errors_of(sampled))
            finite = values[np.isfinite(values)]
            self._ends[output] = (min(0.0, float(finite.min(initial=0))), max(0.0, float(finite.max(initial=0))))
        return self._ends[output]

    def _errors_of(self, rows: slice) -> Floats:
        return errors(np.asarray(self.outputs[rows]), np.asarray(self._embeddings[rows], dtype=np.float32))


def common_axis(lanes: Sequence[ValueLane]) -> ValueLane | None:
    """A lane without values, whose axis holds those of all; None for no lanes."""
    if not lanes:
        return None
    low, high = min(lane.low for lane in lanes), max(lane.high for lane in lanes)
    return ValueLane(lanes[0].name, np.zeros(0, dtype=np.float32), low, high)


def errors(values_td: Floats, embeddings_td: Floats) -> Floats:
    """Root mean square of the difference between each embedding and its reconstruction: (T,)."""
    difference = values_td - embeddings_td
    found: Floats = np.sqrt(np.einsum("td,td->t", difference, difference) / max(1, difference.shape[1]))
    return found.astype(np.float32)


def number_text(value: float) -> str:
    """A value in a few letters: "1.23", "-0.0041", "12300"."""
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
