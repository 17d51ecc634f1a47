"""A model's weights with perturbed biases, for a while.

With fresh weights a model can pass falsely: over zero padding, a layer whose biases are 0 stays at 0, mask or no mask.
So each check also runs the model with biases that are off by N(0, 0.5); docs/masking.md shows the effect.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from maskscope.keras_io.keras_model import KerasModel

Weights: TypeAlias = Literal["as given", "with perturbed biases"]
WEIGHTS: tuple[Weights, ...] = ("as given", "with perturbed biases")

PERTURBATION = 0.5
"""Standard deviation of what is added to each bias."""

_BIASES = ("bias", "beta", "moving_mean")
"""Parts of variable names: what a layer adds to a row of zeros (Dense, convolution, LSTM; normalization layers)."""


@contextmanager
def perturbed_biases(model: "KerasModel") -> Iterator[None]:
    """Inside the block N(0, `PERTURBATION`) is added to every bias; afterwards the weights are as before."""
    kept = model.get_weights()
    rng = np.random.default_rng(0)
    try:
        model.set_weights(
            [
                weights + rng.normal(0, PERTURBATION, weights.shape)
                if any(name in variable.name for name in _BIASES)
                else weights
                for variable, weights in zip(model.weights, kept, strict=True)
            ]
        )
        yield
    finally:
        model.set_weights(kept)
