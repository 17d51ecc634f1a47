"""Dropout masks of one training batch."""

from dataclasses import dataclass

import numpy as np

from maskscope.engine.lstm_cell import N_GATES
from maskscope.training.spec import TaggerSpec
from maskscope.types import Floats


@dataclass(frozen=True, slots=True, eq=False)
class Dropouts:
    """What is dropped from one batch. Each array holds 0 where it is dropped, 1 / (1 - rate) elsewhere.

    Attributes:
        recurrent: for each layer (2, 4, units, B), sentences in the order of the schedule, longest first; the same at
            every step of a sentence and different for each gate, as in Keras; None drops nothing.
        outputs: for each layer (n, 2 units), different at each token; None drops nothing.
    """

    recurrent: tuple[Floats | None, ...]
    outputs: tuple[Floats | None, ...]

    @classmethod
    def draw(cls, spec: TaggerSpec, n_tokens: int, n_sentences: int, rng: np.random.Generator) -> "Dropouts":
        """Draw masks at the rates of `spec`."""
        shape = (2, N_GATES, spec.units, n_sentences)
        return cls(
            tuple(_draw(spec.recurrent_dropout, shape, rng) for _ in range(spec.layers)),
            tuple(_draw(spec.dropout, (n_tokens, 2 * spec.units), rng) for _ in range(spec.layers)),
        )


def drop_inputs(x_nd: Floats, spec: TaggerSpec, rng: np.random.Generator) -> Floats:
    """Embeddings (n, D) after a Dropout layer with the rate `spec.input_dropout`; they are overwritten."""
    kept = _draw(spec.input_dropout, x_nd.shape, rng)
    if kept is not None:
        x_nd *= kept
    return x_nd


def _draw(rate: float, shape: tuple[int, ...], rng: np.random.Generator) -> Floats | None:
    if rate <= 0:
        return None
    kept: Floats = (rng.random(shape, dtype=np.float32) >= rate).astype(np.float32)
    kept *= np.float32(1 / (1 - rate))
    return kept
