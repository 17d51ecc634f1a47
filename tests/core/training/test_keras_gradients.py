"""Gradients, fresh weights and the optimizer, against Keras' own on the padded, masked batch."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from maskscope import masks
from maskscope.keras_io import keras_model
from maskscope.runs import TrainSettings
from maskscope.training.backprop import Batch
from maskscope.training.dropouts import Dropouts
from maskscope.training.optimizer import Adam
from maskscope.training.parameters import Parameters
from maskscope.training.spec import TaggerSpec
from maskscope.types import Floats, TagScheme

pytestmark = pytest.mark.keras

BINARY = TagScheme("binary", ("O", "name"))
TYPED = TagScheme("multiclass", ("O", "a", "b"))
LENGTHS = np.array([5, 1, 9, 9, 3, 2], dtype=np.int64)
TOLERANCE = 1e-5


def data(spec: TaggerSpec, seed: int = 0) -> tuple[Floats, np.ndarray, Floats]:
    rng = np.random.default_rng(seed)
    n_tokens = int(LENGTHS.sum())
    x: Floats = rng.normal(size=(n_tokens, spec.dim)).astype(np.float32)
    labels = rng.integers(0, len(spec.scheme.classes), n_tokens)
    weights: Floats = rng.choice([0.0, 1.0, 2.5], n_tokens).astype(np.float32)
    return x, labels, weights


def by_keras(model: Any, x: Floats, labels: np.ndarray, weights: Floats) -> list[Floats]:
    """Gradients of sum(w l) / sum(w) by Keras, on the batch as one pads it, 7 positions wider than it must be."""
    offsets = np.concatenate([[0], np.cumsum(LENGTHS)])
    padded = masks.pad(x, offsets, int(LENGTHS.max()) + 7)
    y = np.zeros(padded.mask_bt.shape, dtype=np.int32)
    w = np.zeros(padded.mask_bt.shape, dtype=np.float32)
    y[padded.mask_bt], w[padded.mask_bt] = labels, weights
    with tf.GradientTape() as tape:
        outputs = model(padded.x_btd, training=True)
        if outputs.shape[-1] == 1:
            loss = keras.losses.binary_crossentropy(y[..., None].astype(np.float32), outputs)
        else:
            loss = keras.losses.sparse_categorical_crossentropy(y, outputs)
        mean = tf.reduce_sum(loss * w) / tf.reduce_sum(w)
    return [g.numpy() for g in tape.gradient(mean, [v.value for v in model.trainable_variables])]


def assert_same(ours: Parameters, theirs: list[Floats]) -> None:
    for name, a, b in zip(range(len(theirs)), ours.to_keras(), theirs, strict=True):
        assert a.shape == b.shape
        assert np.linalg.norm(a - b) <= TOLERANCE * np.linalg.norm(b), f"weight {name}"


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("scheme", [BINARY, TYPED])
def test_gradients_are_those_of_keras(scheme: TagScheme, layers: int) -> None:
    spec = TaggerSpec(scheme, 7, units=4, layers=layers, recurrent_dropout=0.0)
    parameters = Parameters.fresh(spec, np.random.default_rng(1))
    parameters.flat += np.random.default_rng(2).normal(0, 0.3, parameters.flat.shape).astype(np.float32)
    model = keras_model.build(spec)
    model.set_weights(parameters.to_keras())
    x, labels, weights = data(spec)
    batch = Batch(parameters, x, LENGTHS, Dropouts.draw(spec, len(x), len(LENGTHS), np.random.default_rng(0)))
    assert_same(batch.gradients(labels, weights), by_keras(model, x, labels, weights))


def test_recurrent_dropout_means_what_it_means_in_keras(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keras is given our masks: one for each gate, (B, units), the same at every step."""
    spec = TaggerSpec(TYPED, 6, units=3, recurrent_dropout=0.4)
    parameters = Parameters.fresh(spec, np.random.default_rng(3))
    x, labels, weights = data(spec)
    drawn = Dropouts.draw(spec, len(x), len(LENGTHS), np.random.default_rng(4))
    dropped = drawn.recurrent[0]
    assert dropped is not None
    in_order = np.empty_like(dropped)
    in_order[..., np.argsort(-LENGTHS, kind="stable")] = dropped
    model = keras_model.build(spec)
    model.set_weights(parameters.to_keras())
    bidirectional = next(layer for layer in model.layers if isinstance(layer, keras.layers.Bidirectional))
    for direction, layer in enumerate((bidirectional.forward_layer, bidirectional.backward_layer)):
        given = [tf.constant(in_order[direction, gate].T) for gate in range(4)]
        monkeypatch.setattr(layer.cell, "get_recurrent_dropout_mask", lambda _, given=given: given)
    batch = Batch(parameters, x, LENGTHS, drawn)
    assert_same(batch.gradients(labels, weights), by_keras(model, x, labels, weights))


def test_fresh_weights_are_drawn_as_keras_draws_them() -> None:
    keras.utils.set_random_seed(0)
    spec = TaggerSpec(TYPED, 200, units=32, recurrent_dropout=0.0)
    ours = Parameters.fresh(spec, np.random.default_rng(0)).to_keras()
    theirs = keras_model.build(spec).get_weights()
    for a, b in zip(ours, theirs, strict=True):
        assert a.shape == b.shape
        assert np.abs(a).max() == pytest.approx(np.abs(b).max(), rel=0.2, abs=1e-6)
        assert a.std() == pytest.approx(b.std(), rel=0.25, abs=1e-6)
    assert np.allclose(ours[1] @ ours[1].T, np.eye(32), atol=1e-5)
    assert np.array_equal(ours[2], theirs[2])


def test_a_step_of_adam_is_that_of_keras_with_clipped_gradients() -> None:
    spec = TaggerSpec(BINARY, 3, units=2)
    rng = np.random.default_rng(0)
    parameters = Parameters.fresh(spec, rng)
    variable = keras.Variable(parameters.flat.copy())
    theirs = keras.optimizers.Adam(0.02, global_clipnorm=1.0)
    theirs.build([variable])
    ours = Adam(parameters, TrainSettings(learning_rate=0.02), 100)
    for spread in (0.01, 0.5, 3.0, 0.1):
        gradients = Parameters(spec, rng.normal(0, spread, parameters.flat.shape).astype(np.float32))
        theirs.apply([tf.constant(gradients.flat)], [variable])
        ours.step(gradients)
        np.testing.assert_allclose(parameters.flat, variable.numpy(), rtol=0, atol=2e-6)
