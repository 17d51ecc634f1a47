"""A model's weights with perturbed biases, for a while.

With fresh weights a model can pass falsely: over zero padding, a layer whose biases are 0 stays at 0, mask or no mask.
So each check also runs the model with biases that are off by N(0, 0.5); docs/masking.md shows the effect. What training
can't change stays: a frozen Dense layer whose biases are 0 keeps a row of zeros at 0 for ever.
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
    """Inside the block N(0, `PERTURBATION`) is added to every bias that training can change; then all is as before."""
    kept = model.get_weights()
    rng = np.random.default_rng(0)
    frozen = frozen_weights(model)
    try:
        model.set_weights(
            [
                weights + rng.normal(0, PERTURBATION, weights.shape)
                if any(name in variable.name for name in _BIASES) and id(variable) not in frozen
                else weights
                for variable, weights in zip(model.weights, kept, strict=True)
            ]
        )
        yield
    finally:
        model.set_weights(kept)


def frozen_weights(model: "KerasModel") -> frozenset[int]:
    """The ids of the variables that training leaves as they are: those of layers with `trainable=False`."""
    from maskscope.keras_io import keras_graph

    layers = [layer for layer in keras_graph.every_layer(model) if not layer.trainable]
    return frozenset(id(variable) for layer in layers for variable in layer.weights)
