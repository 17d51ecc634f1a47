"""Models from (B, T, D) to (B, C): every check holds for their one output a sentence."""

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from maskscope.audit import AuditReport, audit_model
from maskscope.audit.checks.registry import CHECKS
from maskscope.errors import ReadError
from maskscope.types import Floats
from tests.core.audit.small_models import DIM, LENGTHS, build, masking, padded

pytestmark = pytest.mark.keras


def classifier(masked: bool, n_positions: int | None = None) -> keras.Model:
    """The last output of an RNN, and two classes; biases off zero."""

    def recipe(x: Any) -> Any:
        hidden = layers.SimpleRNN(3, name="rnn")(masking()(x) if masked else x)
        return layers.Dense(2, "softmax", name="head")(hidden)

    model = build(recipe, n_positions)
    rng = np.random.default_rng(0)
    model.set_weights([each + rng.normal(0, 0.3, each.shape) for each in model.get_weights()])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def verdicts(report: AuditReport) -> dict[str, str]:
    return {finding.check: finding.verdict for finding in report.findings}


def test_a_masked_sentence_classifier_passes_every_check() -> None:
    report = audit_model(classifier(True), padded(), LENGTHS, labels=np.array([0, 1, 1, 0]))
    assert verdicts(report) == dict.fromkeys(CHECKS, "passed"), report.findings
    assert "of a sentence" in report.findings[0].meaning


def test_one_without_a_mask_fails_by_as_much_as_keras_moves() -> None:
    checks = ("LENGTH", "BATCH", "GRADIENT", "LOSS", "WEIGHTS", "METRICS", "TIME")
    model = classifier(False)
    report = audit_model(model, padded(), LENGTHS, checks=checks)
    expected = dict.fromkeys(checks, "failed") | {"METRICS": "passed", "TIME": "passed"}
    assert verdicts(report) == expected, report.findings
    length = report.findings[0]
    assert "a sentence's probability" in length.meaning
    assert length.position is None

    def moved(row: Floats, n: int) -> float:
        longer = np.concatenate([row[:n], np.zeros((64, DIM), dtype=np.float32)])
        return float(np.abs(model(longer[None]) - model(row[None, :n])).max())

    assert length.deviation is not None
    assert length.deviation >= max(moved(row, n) for row, n in zip(padded(), LENGTHS, strict=True)) - 1e-6


def test_the_loss_is_compared_with_that_of_the_sentences_alone() -> None:
    # padding of 0 is the largest number of short sentences alone, so that more of it changes nothing
    model = build(lambda x: layers.Dense(2, "softmax")(layers.GlobalMaxPooling1D()(x)))
    model.compile("sgd", "sparse_categorical_crossentropy")
    x, y = padded(), np.array([0, 1, 1, 0])
    (found,) = audit_model(model, x, LENGTHS, checks=("LOSS",), labels=y).findings
    assert found.verdict == "failed"
    assert "but of its sentences alone it is" in found.meaning

    def loss(x: Floats, y: Any) -> float:
        return float(np.mean(keras.losses.sparse_categorical_crossentropy(y, model(x))))

    alone = np.mean([loss(x[[row], :n], y[[row]]) for row, n in enumerate(LENGTHS)])
    assert found.deviation is not None
    assert found.deviation >= abs(loss(x[:, :5], y) - alone) / alone - 1e-3
    assert abs(loss(x, y) - loss(np.pad(x, ((0, 0), (0, 9), (0, 0))), y)) < 1e-6


def test_one_of_fixed_length_is_asked_on_a_copy() -> None:
    report = audit_model(classifier(True, 6), padded(), LENGTHS, checks=("LENGTH", "LOSS", "TIME"))
    assert set(verdicts(report).values()) == {"passed"}, report.findings
    assert any("6 positions" in note for note in report.about.copy)


def test_its_labels_are_one_a_sentence() -> None:
    with pytest.raises(ReadError, match=r"output for each sentence; expected \(4,\) or \(4, C\)"):
        audit_model(classifier(True), padded(), LENGTHS, labels=np.zeros((4, 6, 2)))
