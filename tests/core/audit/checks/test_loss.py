"""LOSS: sound models pass; a loss that padding enters is found, with the numbers that numpy computes."""

import re
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from maskscope.audit import audit_model
from maskscope.errors import ModelError
from tests.core.audit.small_models import (
    DIM,
    LENGTHS,
    autoencoder,
    branches,
    build,
    head,
    masking,
    padded,
    probes_of,
    rnn,
    run,
)

pytestmark = pytest.mark.keras


def test_a_sound_model_passes_and_is_left_as_it_was() -> None:
    model = build(branches)
    weights = model.get_weights()
    found = run("LOSS", model)
    assert found.verdict == "passed", found.meaning
    assert "binary cross-entropy" in found.meaning
    assert found.deviation is not None
    assert found.deviation <= 1e-5
    assert all((one == other).all() for one, other in zip(weights, model.get_weights(), strict=True))
    assert not model.compiled


def test_a_collision_is_left_to_its_own_check() -> None:
    x = padded()
    x[2, 3] = 0
    assert run("LOSS", build(lambda x: head(masking()(x))), x).verdict == "passed"


def test_the_autoencoder_fails_and_the_repaired_one_passes() -> None:
    # on one sentence that leaves no padding: its last position is padded for the audit
    x = padded()[:1, :3]
    found = run("LOSS", autoencoder(False, 3), x)
    assert found.verdict == "failed"
    assert "mean squared error" in found.meaning
    assert "no position was added: the model takes exactly 3" in found.meaning
    assert run("LOSS", autoencoder(True, 3), x).verdict == "passed"


def test_the_losses_are_those_that_numpy_computes() -> None:
    # without a bias it gives 0 at padding, where the target is 0, and 1 once it is changed
    model = build(lambda x: layers.Dense(DIM, use_bias=False)(x))
    x = padded(5)
    (kernel,) = model.get_weights()
    squares = np.square(x.astype(np.float64) - x.astype(np.float64) @ kernel).mean(axis=-1)
    share = 1 - LENGTHS.sum() / squares.size
    found = run("LOSS", model, x)
    losses = re.search(r"from ([\d.]+) to ([\d.]+) ", found.meaning)
    assert losses is not None
    before, after = losses.groups()
    assert float(before) == pytest.approx(squares.mean(), rel=1e-5)
    assert float(after) == pytest.approx(squares.mean() + share, rel=1e-5)
    assert found.deviation == pytest.approx(share / squares.mean(), rel=1e-4)


def test_a_softmax_head_and_a_penalty_on_weights_are_supported() -> None:
    def recipe(x: Any) -> Any:
        return layers.Dense(3, "softmax", kernel_regularizer="l2")(masking()(x))

    found = run("LOSS", build(recipe))
    assert found.verdict == "passed", found.meaning
    assert "categorical cross-entropy" in found.meaning


def test_a_model_that_gives_no_positions_or_takes_no_batch_can_not_be_measured() -> None:
    pooled = build(lambda x: layers.Dense(1)(layers.AveragePooling1D(2)(x)))
    assert "not one prediction per position" in run("LOSS", pooled).meaning
    assert run("LOSS", autoencoder(False, 2), padded()[:1]).verdict == "could not tell"
    two = keras.Model([keras.Input((None, DIM)), b := keras.Input((None, 2))], layers.Dense(1)(b))
    with pytest.raises(ModelError, match="expected 6 numbers a token; received 4"):
        run("LOSS", two)


@pytest.mark.parametrize("kind", ["list", "dict"])
def test_one_output_in_a_list_or_a_dict_keeps_its_own_loss(kind: str) -> None:
    inputs = keras.Input((None, DIM))
    output = head(masking()(inputs))
    if kind == "list":
        model = keras.Model([inputs], [output])
        model.compile(loss=["mse"], metrics=[["mae"]])
    else:
        model = keras.Model(inputs, {"head": output})
        model.compile(loss={"head": "mse"}, metrics={"head": ["mae"]})
    found = run("LOSS", model)
    assert (found.verdict, "assumed" in found.meaning) == ("passed", False), found.meaning


@pytest.mark.parametrize(("masked", "verdict"), [(True, "passed"), (False, "failed")])
def test_a_subclassed_model_without_an_input_is_run_all_the_same(masked: bool, verdict: str) -> None:
    class Own(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.begin = layers.Masking() if masked else layers.Activation("linear")
            self.end = layers.Dense(1, "sigmoid")

        def call(self, x: Any) -> Any:
            return self.end(self.begin(x))

    model = Own()
    model(padded())
    probes = probes_of(model)
    assert run("LOSS", probes).verdict == verdict
    assert not model.compiled
    assert run("CONTENT", probes).verdict == "could not tell"


def test_a_penalty_on_outputs_counts_padding_and_the_layer_is_named() -> None:
    def recipe(x: Any) -> Any:
        return head(layers.Dense(3, activity_regularizer="l2", name="penalised")(masking()(x)))

    found = run("LOSS", build(recipe))
    assert (found.verdict, found.layer) == ("failed", "penalised")
    assert "activity_regularizer" in found.advice


def test_a_loss_that_padding_makes_nan_is_reported_with_the_one_of_the_real_tokens() -> None:
    # its output at padding is 0, and 0 / 0 is NaN
    model = build(lambda x: layers.Lambda(lambda h: h / h, mask=lambda _, mask: mask)(masking()(x)))
    found = run("LOSS", model)
    assert (found.verdict, found.deviation) == ("failed", np.inf)
    assert "is NaN or infinite, but over the real tokens alone it is" in found.meaning


def test_outputs_that_are_nan_without_padding_are_not_blamed_on_padding() -> None:
    model = build(lambda x: layers.Dense(1)(masking()(x)))
    *others, bias = model.get_weights()
    model.set_weights([*others, bias + np.inf])
    probes = probes_of(model)
    for check in ("LENGTH", "LOSS", "WEIGHTS"):
        found = run(check, probes)
        assert found.verdict == "could not tell", check


def test_a_confident_models_loss_is_the_one_that_keras_computes_from_the_logits() -> None:
    model = build(lambda x: layers.Dense(3, "softmax", name="head")(masking()(x)))
    kernel, bias = model.get_layer("head").get_weights()
    model.get_layer("head").set_weights([kernel * 100, bias])
    for loss in ("binary_crossentropy", "categorical_crossentropy"):
        model.compile(loss=loss)
        assert run("LOSS", model).verdict == "passed", loss


@pytest.mark.parametrize("masked", [True, False])
def test_the_mean_of_a_loss_leaves_out_tokens_of_the_class_that_it_ignores(masked: bool) -> None:
    begin = masking() if masked else layers.Activation("linear")
    model = build(lambda x: layers.Dense(3, "softmax")(begin(x)))
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(ignore_class=0))
    probes = probes_of(model)
    found = run("LOSS", probes)
    assert found.verdict == "passed", found.meaning
    # without a mask all depends on the labels at padding, and none were given
    assert ("where padded positions have the label 0" in found.meaning) == (not masked)
    assert run("WEIGHTS", probes).verdict == "passed"


def test_labels_at_padding_that_the_loss_does_not_ignore_enter_it() -> None:
    model = build(lambda x: layers.Dense(3, "softmax")(x))
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(ignore_class=-1))
    real = np.arange(6) < LENGTHS[:, None]
    for at_padding, verdict in ((-1, "passed"), (1, "failed")):
        labels = np.where(real, np.arange(6) % 3, at_padding)
        (found,) = audit_model(model, padded(), LENGTHS, checks=("LOSS",), labels=labels).findings
        assert found.verdict == verdict, found.meaning


def test_the_gradients_of_a_model_that_has_learned_its_labels_are_no_rounding() -> None:
    # its gradients are differences of numbers near 1, so rounding would be most of them
    model = build(lambda x: head(rnn()(masking()(x))))
    kernel, _ = model.get_layer("head").get_weights()
    model.get_layer("head").set_weights([kernel, np.array([14.0])])
    model.compile(loss="binary_crossentropy")
    report = audit_model(model, padded(), LENGTHS, checks=("WEIGHTS", "TRAINING"), labels=np.ones((4, 6)))
    assert [each.verdict for each in report.findings] == ["passed", "passed"]
