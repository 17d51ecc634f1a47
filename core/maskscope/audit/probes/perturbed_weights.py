"""Weights moved for a while. Fresh weights pass falsely: over zero padding, a layer whose biases are 0 stays at 0."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from maskscope.keras_io.keras_model import KerasModel

Weights: TypeAlias = Literal["as given", "with moved biases"]
WEIGHTS: tuple[Weights, ...] = ("as given", "with moved biases")

MOVED = 0.5
"""Standard deviation by which they are moved: AUDIT.md, fact 11."""

_NAMES = ("bias", "beta", "moving_mean")
"""What decides where a layer sends a row of zeros: of Dense, convolution and LSTM; of the normalizations."""


@contextmanager
def moved_biases(model: "KerasModel", moved: bool) -> Iterator[None]:
    """Inside the block, every bias is off by N(0, `MOVED`); nothing is changed when `moved` is False."""
    if not moved:
        yield
        return
    kept = model.get_weights()
    rng = np.random.default_rng(0)
    try:
        model.set_weights(
            [
                weights + rng.normal(0, MOVED, weights.shape)
                if any(name in variable.name for name in _NAMES)
                else weights
                for variable, weights in zip(model.weights, kept, strict=True)
            ]
        )
        yield
    finally:
        model.set_weights(kept)
