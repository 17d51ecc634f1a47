"""Runs a model in training without what its layers add or drop at random."""

from collections.abc import Iterator
from contextlib import contextmanager

from maskscope.keras_io.keras_graph import every_layer
from maskscope.keras_io.keras_model import KerasModel

_NOISE = ("rate", "stddev", "dropout", "recurrent_dropout", "_dropout")
"""Attributes of Keras's layers and cells that say how much of it they add in training; at 0 they draw no numbers.

`_dropout` is a private one, of MultiHeadAttention."""


@contextmanager
def without_noise(model: KerasModel) -> Iterator[None]:
    """Inside the block no layer of Keras drops or adds anything at random; functions traced there never do."""
    layers = [each for each in every_layer(model) if type(each).__module__.startswith("keras.")]
    kept = [
        (layer, name, vars(layer)[name])
        for layer in layers
        for name in _NOISE
        if isinstance(vars(layer).get(name), float | int)
    ]
    try:
        for layer, name, _ in kept:
            setattr(layer, name, 0.0)
        yield
    finally:
        for layer, name, value in kept:
            setattr(layer, name, value)
