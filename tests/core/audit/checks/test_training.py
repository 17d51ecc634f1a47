"""TRAINING: a step with more padding; what it finds that no run in inference shows, and what it leaves behind."""

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

from tests.core.audit.small_models import build, head, masking, probes_of, run

pytestmark = pytest.mark.keras


def normalized(x: Any, **mask: Any) -> Any:
    hidden = layers.BatchNormalization(name="normalization")(x, **mask)
    return head(
        layers.SimpleRNN(2, return_sequences=True, dropout=0.2)(hidden, mask=ops.any(ops.not_equal(x, 0.0), -1))
    )


def test_statistics_of_padding_are_found_and_the_model_is_left_as_it_was() -> None:
    model = build(normalized)
    before = model.get_weights()
    probes = probes_of(model)
    found = run("TRAINING", probes)
    assert (found.verdict, found.layer) == ("failed", "normalization")
    assert "another moving " in found.meaning
    assert "mask=" in found.advice
    assert all((one == other).all() for one, other in zip(before, model.get_weights(), strict=True))
    assert [each.cell.dropout for each in model.layers if isinstance(each, layers.SimpleRNN)] == [0.2]
    # no run in inference shows it
    assert run("WEIGHTS", probes).verdict == "passed"


def test_a_layer_whose_random_numbers_can_not_be_switched_off_is_no_fault() -> None:
    class Noisy(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.supports_masking = True
            self.numbers = keras.random.SeedGenerator(0)

        def call(self, x: Any, training: bool = False) -> Any:
            return x + keras.random.normal(ops.shape(x), seed=self.numbers) if training else x

    found = run("TRAINING", build(lambda x: head(Noisy()(masking()(x)))))
    assert found.verdict == "could not tell"
    assert "random numbers" in found.meaning


def test_statistics_that_are_not_trained_any_more_count_no_padding() -> None:
    frozen = layers.BatchNormalization(center=False, trainable=False)
    model = build(lambda x: head(frozen(masking()(x))))
    found = run("TRAINING", model)
    assert found.verdict == "passed", found.meaning
    assert np.isfinite(found.deviation or 0.0)


def test_what_a_copy_does_not_show_of_a_training_step_is_not_passed() -> None:
    model = build(lambda x: head(layers.TimeDistributed(layers.BatchNormalization(), name="each")(masking()(x))), 6)
    found = run("TRAINING", model)
    assert (found.verdict, found.layer) == ("could not tell", "each")
    assert "BatchNormalization layer, which takes the mask" in found.advice
