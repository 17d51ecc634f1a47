"""LOSS and METRICS with the labels and sample weights that a model is trained with."""

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from maskscope.audit import Finding, audit_model
from maskscope.audit.probes.given_targets import with_real_labels_at_padding
from maskscope.errors import ReadError
from maskscope.types import Floats, Mask
from tests.core.audit.small_models import LENGTHS, build, masking, padded

pytestmark = pytest.mark.keras

REAL: Mask = np.arange(6)[None] < LENGTHS[:, None]
CLASSES = np.where(REAL, np.random.default_rng(0).integers(0, 3, REAL.shape), -1)


def tagger(loss: Any, masked: bool = False, metrics: list[Any] | None = None) -> keras.Model:
    """An RNN and three classes; biases off zero. Padding behind the tokens does not move its outputs."""

    def recipe(x: Any) -> Any:
        hidden = layers.SimpleRNN(3, return_sequences=True)(masking()(x) if masked else x)
        return layers.Dense(3, "softmax")(hidden)

    model = build(recipe)
    rng = np.random.default_rng(0)
    model.set_weights([each + rng.normal(0, 0.3, each.shape) for each in model.get_weights()])
    model.compile("sgd", loss, metrics=metrics)
    return model


def loss_finding(model: keras.Model, **given: Any) -> Finding:
    (found,) = audit_model(model, padded(), LENGTHS, checks=("LOSS",), **given).findings
    return found


def test_an_ignored_class_at_padding_keeps_it_out_of_the_loss() -> None:
    loss = keras.losses.SparseCategoricalCrossentropy(ignore_class=-1)
    found = loss_finding(tagger(loss), labels=CLASSES)
    assert found.verdict == "passed", found.meaning
    assert "left out by the labels that it was given" in found.meaning
    # with labels that the loss does not ignore, padding enters it
    assert loss_finding(tagger(loss), labels=np.where(REAL, CLASSES, 0)).verdict == "failed"
    # without labels, padding is taken to have the ignored class
    found = loss_finding(tagger(loss))
    assert found.verdict == "passed"
    assert "where padded positions have the label -1" in found.meaning


def test_weights_of_zero_at_padding_keep_it_out_of_the_loss_of_a_model_without_a_mask() -> None:
    labels, weights = np.where(REAL, CLASSES, 0), REAL.astype(np.float32)
    found = loss_finding(tagger("sparse_categorical_crossentropy"), labels=labels, weights=weights)
    assert found.verdict == "passed", found.meaning
    assert "divides the loss by all positions" in found.meaning
    (step,) = audit_model(
        tagger("sparse_categorical_crossentropy"),
        padded(),
        LENGTHS,
        checks=("TRAINING",),
        labels=labels,
        weights=weights,
    ).findings
    assert step.verdict == "passed", step.meaning
    # the step of plain SGD gets smaller
    assert "goes the same way with 30 more padded positions" in step.meaning
    assert "divides the loss by all positions" in step.meaning
    by_weights = keras.losses.SparseCategoricalCrossentropy(reduction="mean_with_sample_weight")
    found = loss_finding(tagger(by_weights), labels=labels, weights=weights)
    assert found.verdict == "passed", found.meaning
    assert "divides" not in found.meaning
    assert loss_finding(tagger("sparse_categorical_crossentropy"), labels=labels).verdict == "failed"
    counting = loss_finding(tagger("sparse_categorical_crossentropy"), labels=labels, weights=weights + 0.5)
    assert counting.verdict == "failed"


@pytest.mark.parametrize(
    ("loss", "given", "said"),
    [
        ("sparse_categorical_crossentropy", {}, "the loss counts padding"),
        (keras.losses.SparseCategoricalCrossentropy(ignore_class=-1), {"labels": CLASSES}, "by its label -1"),
        ("sparse_categorical_crossentropy", {"weights": REAL.astype(np.float32)}, "by its sample weights"),
        (None, {}, ""),
    ],
    ids=["counts", "ignored class", "weights", "not compiled"],
)
def test_the_trace_of_a_model_without_a_mask_says_where_that_shows(loss: Any, given: dict[str, Any], said: str) -> None:
    (found,) = audit_model(tagger(loss), padded(), LENGTHS, checks=("TRACE",), **given).findings
    # read in order, a sentence never meets the padding behind it
    assert "with padding behind the tokens that does not show in the outputs of real tokens" in found.meaning
    assert (said or ".") in found.meaning
    assert ("the loss" in found.meaning.partition(":")[2]) == bool(said), found.meaning
    if loss is None:
        (front,) = audit_model(tagger(loss), padded()[:, ::-1], LENGTHS, checks=("TRACE",)).findings
        assert "with padding in front of the tokens the outputs of real tokens depend on it" in front.meaning


def test_the_loss_is_that_which_keras_computes_with_these_labels() -> None:
    labels = np.where(REAL, CLASSES, 0)
    model = tagger("sparse_categorical_crossentropy")
    found = loss_finding(model, labels=labels)
    x = padded()[:, :5]
    total = model.test_on_batch(x, labels[:, :5])
    kept = keras.losses.sparse_categorical_crossentropy(labels[:, :5], model(x))
    kept = np.asarray(kept)[REAL[:, :5]].mean()
    # the audit's batch has one padded position: the longest sentence gives up its last token
    assert found.deviation is not None
    assert found.deviation > 1e-3
    assert abs(total - kept) > 1e-3


@pytest.mark.parametrize("shape", ["(N, T)", "(N, T, 1)", "one-hot", "one-hot, zeros at padding"])
def test_labels_come_in_the_shapes_that_keras_takes(shape: str) -> None:
    labels = np.where(REAL, CLASSES, 0)
    if shape == "(N, T)":
        found = loss_finding(tagger("sparse_categorical_crossentropy", masked=True), labels=labels)
    elif shape == "(N, T, 1)":
        found = loss_finding(tagger("sparse_categorical_crossentropy", masked=True), labels=labels[..., None])
    else:
        one_hot = np.eye(3)[labels]
        if "zeros" in shape:
            one_hot[~REAL] = 0
        found = loss_finding(tagger("categorical_crossentropy", masked=True), labels=one_hot)
    assert found.verdict == "passed", found.meaning
    assert "left out by" not in found.meaning


def test_a_model_that_was_not_compiled_gets_the_loss_that_fits_the_labels() -> None:
    model = tagger(None, masked=True)
    found = loss_finding(model, labels=np.where(REAL, CLASSES, 0))
    assert (found.verdict, "assumed" in found.meaning) == ("passed", True), found.meaning


def test_metrics_are_computed_with_the_given_labels() -> None:
    labels = np.where(REAL, CLASSES, 0)
    model = tagger("sparse_categorical_crossentropy", metrics=["accuracy"])
    (found,) = audit_model(model, padded(), LENGTHS, checks=("METRICS",), labels=labels).findings
    assert found.verdict == "failed"
    assert "accuracy counts padding" in found.meaning


def test_flipped_labels_are_labels_of_real_tokens() -> None:
    labels: Floats = np.where(REAL, CLASSES, -1).astype(np.float32)
    flipped = with_real_labels_at_padding(labels, REAL)
    assert (flipped[REAL] == labels[REAL]).all()
    assert set(flipped[~REAL]) <= set(labels[REAL])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"labels": np.zeros((4, 5))}, r"the labels don't fit the model.*expected \(4, 6\)"),
        ({"labels": np.zeros((3, 6))}, r"the labels don't fit the array.*received \(3, 6\)"),
        ({"labels": np.full((4, 6), np.nan)}, "hold NaN"),
        ({"weights": np.zeros((4, 5))}, r"the sample weights don't fit the array; expected \(4, 6\) or \(4,\)"),
        ({"weights": -np.ones((4, 6))}, "no weight"),
    ],
)
def test_labels_and_weights_of_another_shape_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ReadError, match=message):
        loss_finding(tagger("sparse_categorical_crossentropy"), **given)


def test_labels_that_the_loss_can_not_take_are_named() -> None:
    found = loss_finding(tagger("sparse_categorical_crossentropy"), labels=np.where(REAL, 7, 0))
    assert (found.verdict, "hold class 0 to 7, but the model has 3 outputs" in found.meaning) == (
        "could not tell",
        True,
    )
    found = loss_finding(tagger("categorical_crossentropy"), labels=np.zeros((4, 6, 5)))
    assert (found.verdict, "takes 3 numbers each" in found.meaning) == ("could not tell", True)
