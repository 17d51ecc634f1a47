"""METRICS: a metric that counts padding is found even where the model predicts nothing at padding."""

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from maskscope.audit import audit_model
from tests.core.audit.small_models import LENGTHS, build, head, masking, padded, run

pytestmark = pytest.mark.keras


def test_a_metric_that_counts_padding_is_found_though_no_threshold_is_crossed_there() -> None:
    model = build(lambda x: head(masking()(x)))
    kernel, bias = model.get_weights()
    # the probability at padding is 0.007, and not much more or less with perturbed biases
    model.set_weights([kernel, bias - 5])
    model.compile(loss="binary_crossentropy", metrics=["Precision", "Recall", "binary_accuracy"])
    found = run("METRICS", model)
    assert found.verdict == "failed"
    assert "Precision counts padding" in found.meaning
    assert "Recall counts padding" in found.meaning
    assert "binary_accuracy" not in found.meaning
    assert found.deviation is not None
    assert np.isfinite(found.deviation)
    model.compile(loss="binary_crossentropy", metrics=["binary_accuracy"])
    assert run("METRICS", model).verdict == "passed"


def test_a_metric_may_ignore_the_given_labels_at_padding() -> None:
    model = build(lambda x: layers.Dense(3, "softmax")(masking()(x)))
    iou = keras.metrics.MeanIoU(3, sparse_y_pred=False, ignore_class=-1, name="iou")
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(ignore_class=-1), metrics=[iou])
    real = np.arange(6) < LENGTHS[:, None]
    for at_padding, verdict in ((-1, "passed"), (1, "failed")):
        labels = np.where(real, np.arange(6) % 3, at_padding)
        (found,) = audit_model(model, padded(), LENGTHS, checks=("METRICS",), labels=labels).findings
        assert found.verdict == verdict, found.meaning


def test_metrics_are_found_in_a_dict_a_list_and_among_the_users_own() -> None:
    model = build(lambda x: head(masking()(x)))

    def own(y_true: Any, y_pred: Any) -> Any:
        return keras.ops.mean(keras.ops.abs(y_true - y_pred), axis=-1)

    for metrics, verdict in (({"head": [own, "Precision"]}, "failed"), ([[own, "accuracy"]], "passed")):
        model.compile(loss="binary_crossentropy", metrics=metrics)
        found = run("METRICS", model)
        assert found.verdict == verdict, found.meaning
        assert "own counts padding" not in found.meaning
