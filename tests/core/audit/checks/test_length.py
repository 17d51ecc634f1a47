"""LENGTH: models that it can't run are distinguished; a layer that reads other positions is named."""

from typing import Any

import keras
import pytest
from keras import layers, ops

from tests.core.audit.small_models import DIM, autoencoder, build, head, masking, probes_of, rnn, run

pytestmark = pytest.mark.keras


def test_a_model_whose_layers_need_their_number_of_positions_can_not_be_measured() -> None:
    found = run("LENGTH", autoencoder(True))
    assert found.verdict == "could not tell"
    assert "exactly 6 positions, so none can be added" in found.meaning
    found = run("LENGTH", build(layers.AveragePooling1D(2)))
    assert found.verdict == "could not tell"
    assert "not one prediction per position" in found.meaning


def test_a_model_with_several_outputs_can_not_be_measured() -> None:
    inputs = keras.Input((None, DIM))
    hidden = rnn()(masking()(inputs))
    probes = probes_of(keras.Model(inputs, [head(hidden), layers.Dense(2)(hidden)]))
    for check in ("LENGTH", "TIME", "RELOAD"):
        found = run(check, probes)
        assert found.verdict == "could not tell"
        assert "several outputs" in found.meaning


def test_embeddings_of_a_limited_number_of_positions_are_audited_within_it() -> None:
    def positions(x: Any) -> Any:
        number = ops.cumsum(ops.ones_like(x[:, :, 0], dtype="int32"), axis=1) - 1
        learned = layers.Embedding(40, DIM, embeddings_initializer="normal")(number)
        mask = ops.any(ops.not_equal(x, 0.0), axis=-1)
        return head(rnn()(layers.Add()([x, learned]), mask=mask))

    model = build(positions)
    model.compile("sgd", "binary_crossentropy")
    probes = probes_of(model)
    found = {check: run(check, probes) for check in ("LENGTH", "LOSS", "WEIGHTS", "TRAINING")}
    assert {check: each.verdict for check, each in found.items()} == dict.fromkeys(found, "passed"), found
    assert found["LENGTH"].meaning.startswith("Adding 1, 7 padded positions changes no")
    assert "with 64 more it does not run" in found["LENGTH"].meaning


def test_a_layer_that_reads_other_positions_is_named_and_a_loss_of_keras_is_not_blamed() -> None:
    model = build(lambda x: head(layers.GroupNormalization(1, name="over_positions")(masking()(x))))
    model.compile(loss="binary_crossentropy")
    probes = probes_of(model)
    for check in ("LENGTH", "WEIGHTS"):
        found = run(check, probes)
        assert (found.verdict, found.layer, found.repair) == ("failed", "over_positions", None)
        assert "replace over_positions" in found.advice
