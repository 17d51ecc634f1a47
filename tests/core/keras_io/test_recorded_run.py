"""The recorded run of a model: its outputs and masks are those of the model itself."""

from collections.abc import Callable

import keras
import numpy as np
import pytest
from keras import layers, ops

from maskscope import masks

pytestmark = [pytest.mark.keras, pytest.mark.filterwarnings("ignore:Layer .*mask:UserWarning")]


def functional() -> keras.Model:
    """A layer used twice, Concatenate with an unmasked branch, a model inside the model, a layer with two outputs."""
    inputs = keras.Input((None, 4), name="x")
    masked = layers.Masking(0.0, name="masking")(inputs)
    shared = layers.Dense(4, name="shared")
    rnn = layers.SimpleRNN(3, return_sequences=True)
    joined = layers.Concatenate(name="joined")([rnn(shared(shared(masked))), masked, inputs * 2.0])
    inner = keras.Sequential([keras.Input((None, 4)), layers.Masking(0.0), layers.Dropout(0.5)], name="inner")
    sequence, last = layers.SimpleRNN(3, return_sequences=True, return_state=True)(inner(inputs))
    both = layers.Add()([layers.Dense(3)(joined), sequence, ops.expand_dims(last, 1)])
    return keras.Model(inputs, layers.Dense(1)(both))


def sequential() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((None, 4)),
            layers.Masking(0.0),
            layers.Bidirectional(layers.LSTM(3, return_sequences=True, recurrent_dropout=0.5)),
            layers.BatchNormalization(),
            layers.Dense(2, "softmax"),
        ]
    )


def explicit_mask() -> keras.Model:
    """A layer that is given its mask with mask=."""
    inputs = keras.Input((None, 4), name="x")
    mask = ops.any(ops.not_equal(inputs, 0.0), axis=-1)
    hidden = layers.Masking(0.0, name="masking")(inputs) * 1.0
    return keras.Model(inputs, layers.LSTM(2, return_sequences=True, name="explicit")(hidden, mask=mask))


@pytest.mark.parametrize("build", [functional, sequential, explicit_mask], ids=lambda build: build.__name__)
def test_the_recorded_run_is_the_models_own(build: Callable[[], keras.Model]) -> None:
    from maskscope.keras_io import recorded_run

    model = build()
    x = np.random.default_rng(0).normal(size=(3, 5, 4)).astype(np.float32)
    x[~masks.mask_from_lengths([5, 2, 0], 5)] = 0
    run = recorded_run.run(model, (x,))
    outputs = model(x, training=False)
    np.testing.assert_array_equal(run.outputs[0], np.asarray(outputs))
    own = getattr(outputs, "_keras_mask", None)
    place, output = run.ends[0]
    recorded = run.visits[place].masks[output]
    assert (recorded is None) == (own is None)
    if own is not None:
        np.testing.assert_array_equal(np.asarray(recorded), np.asarray(own))
    visited = {visit.name.removesuffix(" (2)") for visit in run.visits if visit.kind != "operation"}
    assert {layer.name for layer in model.layers} <= visited | {"input_layer"}
