"""METRICS: a metric that counts padding is found even where the model predicts nothing at padding."""

import numpy as np
import pytest

from tests.core.audit.small_models import build, head, masking, run

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
