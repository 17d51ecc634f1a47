"""TRACE: sound models pass; the first layer that loses or alters the mask is named."""

from typing import Any

import keras
import pytest
from keras import layers

from tests.core.audit.small_models import DIM, autoencoder, branches, build, head, masking, padded, rnn, run

pytestmark = pytest.mark.keras


def test_a_model_passes_whose_branches_all_start_at_masking() -> None:
    model = build(branches)
    assert run("TRACE", model).verdict == "passed"
    x = padded()
    x[2, 3] = 0
    # a collision is left to its own check
    assert run("TRACE", model, x).verdict == "passed"


def test_the_autoencoder_fails_at_repeat_vector_and_the_repaired_one_passes() -> None:
    found = run("TRACE", autoencoder(repaired=False))
    assert (found.verdict, found.layer) == ("failed", "repeat")
    assert run("TRACE", autoencoder(repaired=True)).verdict == "passed"


def test_a_model_of_fixed_length_is_traced_when_no_sentence_leaves_padding() -> None:
    for repaired, verdict in ((False, "failed"), (True, "passed")):
        assert run("TRACE", autoencoder(repaired, 3), padded()[:1, :3]).verdict == verdict


def test_a_model_with_its_own_code_can_not_be_traced() -> None:
    class Own(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.dense = layers.Dense(1)

        def call(self, x: Any) -> Any:
            return self.dense(x)

    found = run("TRACE", Own())
    assert (found.verdict, found.layer) == ("could not tell", None)
    assert "its own code" in found.meaning


def test_a_second_masking_that_makes_another_mask_is_to_be_removed() -> None:
    found = run(
        "TRACE", build(lambda x: head(layers.Masking(0.0, name="second")(layers.Dense(3)(rnn()(masking()(x))))))
    )
    assert (found.verdict, found.advice) == ("failed", "remove second: there is a mask before it")


@pytest.mark.filterwarnings("ignore:Layer 'inner'.*mask:UserWarning")
def test_what_joins_positions_passes_where_it_uses_the_mask_also_inside_a_model() -> None:
    pooled = build(lambda x: layers.Dense(1)(layers.GlobalAveragePooling1D()(masking()(x))))
    assert run("TRACE", pooled).verdict == "passed"
    inner = keras.Sequential([keras.Input((None, DIM)), layers.GlobalAveragePooling1D()], name="inner")
    assert run("TRACE", build(lambda x: layers.Dense(1)(inner(masking()(x))))).verdict == "passed"


@pytest.mark.filterwarnings("ignore:Layer 'inner'.*mask:UserWarning")
def test_a_model_in_own_code_inside_the_model_is_unclear_where_it_joins_positions() -> None:
    class Own(keras.Model):
        def call(self, x: Any, mask: Any = None) -> Any:
            return x[:, 0]

    found = run("TRACE", build(lambda x: layers.Dense(1)(Own(name="inner")(masking()(x)))))
    assert (found.verdict, found.layer) == ("could not tell", "inner")


def test_a_model_that_fails_at_a_layer_could_not_be_told_and_the_layer_is_named() -> None:
    class Failing(layers.Layer):
        """Runs on symbolic tensors alone."""

        def call(self, x: Any) -> Any:
            if not isinstance(x, keras.KerasTensor) and x.shape[1] is not None:
                raise ValueError("no such batch")
            return x

        def compute_output_shape(self, shape: Any) -> Any:
            return shape

    found = run("TRACE", build(lambda x: Failing(name="own")(layers.Dense(3)(x))))
    assert (found.verdict, found.layer) == ("could not tell", "own")
    assert "does not run on a padded batch" in found.meaning


def test_without_a_sentence_that_fits_the_model_nothing_is_traced() -> None:
    assert run("TRACE", autoencoder(False, 2), padded()[:1]).verdict == "could not tell"


def test_a_model_inside_that_makes_a_mask_and_loses_it_is_named() -> None:
    within = keras.Input((None, DIM))
    inner = keras.Model(within, masking()(within) * 1.0, name="inner")
    found = run("TRACE", build(lambda x: head(rnn()(inner(x)))))
    assert found.verdict == "failed"
    assert str(found.layer).startswith("inner/multiply")
    assert "loses the mask" in found.meaning
