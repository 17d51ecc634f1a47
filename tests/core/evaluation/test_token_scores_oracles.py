"""All metrics against scikit-learn and Keras, as they are and with padding counted."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import (
    average_precision_score,
    confusion_matrix,
    f1_score,
    precision_recall_curve,
)

from maskscope.evaluation.calibration import Calibration
from maskscope.evaluation.curves import MOST_POINTS, PrecisionRecallCurve, precision_recall
from maskscope.evaluation.token_scores import Evaluation, PaddedMetrics, evaluate
from maskscope.types import Floats, Labels, TagScheme

BINARY = TagScheme("binary", ("O", "name"))
TYPED = TagScheme("multiclass", ("a", "O", "b"), 1)


def curve_equals(curve: PrecisionRecallCurve | None, positive: np.ndarray, scores: Floats) -> None:
    if not positive.any():
        assert curve is None
        return
    assert curve is not None
    precision, recall, thresholds = precision_recall_curve(positive, scores)
    assert curve.average_precision == pytest.approx(average_precision_score(positive, scores))
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    assert curve.best_f1 == pytest.approx(f1.max())
    assert f1_score(positive, scores >= np.float32(curve.best_threshold)) == pytest.approx(curve.best_f1)
    assert len(curve.threshold) == len(curve.precision) == len(curve.recall) <= MOST_POINTS
    places = np.searchsorted(thresholds, np.array(curve.threshold, dtype=np.float32))
    np.testing.assert_allclose(precision[places], curve.precision)
    np.testing.assert_allclose(recall[places], curve.recall)
    assert curve.recall[-1] == 1.0
    assert (curve.threshold[-1], curve.best_threshold in curve.threshold) == (scores.min(), True)


def calibration_equals(calibration: Calibration, right: np.ndarray, confidence: Floats) -> None:
    observed, predicted = calibration_curve(right, confidence.astype(np.float64), n_bins=10)
    filled = [each for each in calibration.bins if each.count]
    assert [each.observed for each in filled] == pytest.approx(observed.tolist(), rel=1e-7)
    assert [each.predicted for each in filled] == pytest.approx(predicted.tolist(), rel=1e-7)
    assert sum(each.count for each in filled) == len(confidence)
    # Guo et al. 2017, equation 3
    counts = np.array([each.count for each in filled])
    by_hand = (counts * np.abs(observed - predicted)).sum() / len(confidence)
    assert calibration.expected_calibration_error == pytest.approx(by_hand)


def metrics_equal(found: Evaluation | PaddedMetrics, labels: Labels, probs: Floats, scheme: TagScheme) -> None:
    """Metrics of tokens equal those of scikit-learn."""
    binary = scheme.kind == "binary"
    predicted = (probs[:, 0] >= 0.5).astype(int) if binary else probs.argmax(axis=1)
    classes = list(range(len(scheme.classes)))
    inside = [place for place in classes if place != scheme.outside]
    assert found.metrics.confusion == tuple(map(tuple, confusion_matrix(labels, predicted, labels=classes).tolist()))
    assert found.metrics.accuracy == pytest.approx((labels == predicted).mean())
    full = np.hstack([1 - probs, probs]) if binary else probs
    # as Keras clips; scikit-learn's log_loss clips elsewhere
    assert found.metrics.loss == pytest.approx(
        -np.log(np.maximum(full[np.arange(len(labels)), labels], 1e-7)).mean(), abs=1e-5
    )
    each = f1_score(labels, predicted, labels=classes, average=None, zero_division=0)
    np.testing.assert_allclose([scores.f1 for scores in found.metrics.per_class], each)
    micro = f1_score(labels, predicted, labels=inside, average="micro", zero_division=0)
    assert found.metrics.micro.f1 == pytest.approx(micro)
    if binary:
        curve_equals(found.metrics.curve, labels == 1, probs[:, 0])
        calibration_equals(found.metrics.calibration, labels == 1, probs[:, 0])
    else:
        assert found.metrics.curve is None
        calibration_equals(found.metrics.calibration, labels == predicted, probs.max(axis=1))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
@pytest.mark.parametrize("one_row", [True, False])
@pytest.mark.parametrize("scheme", [BINARY, TYPED])
@given(seed=st.integers(0, 2**32 - 1), n_sentences=st.integers(1, 6), coarse=st.booleans())
def test_metrics_of_tokens_and_of_the_padded_array_equal_scikit_learn(
    scheme: TagScheme, one_row: bool, seed: int, n_sentences: int, coarse: bool
) -> None:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, 9, n_sentences)
    lengths[0] += 1
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)

    def output(n: int) -> Floats:
        raw = rng.random((n, scheme.n_outputs))
        raw = raw if scheme.kind == "binary" else raw / raw.sum(axis=1, keepdims=True)
        # ties and numbers on the bins' edges, unless their sum must stay 1
        return (np.round(raw, 1) if coarse and scheme.kind == "binary" else raw).astype(np.float32)

    probs, rows = output(int(offsets[-1])), output(1 if one_row else n_sentences)
    labels = rng.integers(0, len(scheme.classes), len(probs)).astype(np.int16)
    # a sentence in which nothing is labelled is not evaluated, a token without a label never counts
    labels[rng.random(len(labels)) < 0.15] = -1
    labels[0] = 0
    evaluation = evaluate(labels, probs, scheme, None, offsets, padding=rows[0] if one_row else rows)
    metrics_equal(evaluation, labels[labels >= 0], probs[labels >= 0], scheme)

    parts = [slice(*each) for each in pairwise(offsets.tolist())]
    kept = [i for i, part in enumerate(parts) if (labels[part] >= 0).any()]
    longest = max(lengths[i] for i in kept)
    padded_labels, padded_probs = [], []
    for i in kept:
        padded_labels += [labels[parts[i]], np.full(longest - lengths[i], scheme.outside, dtype=np.int16)]
        padded_probs += [probs[parts[i]], np.repeat(rows[0 if one_row else i][None], longest - lengths[i], axis=0)]
    all_labels, all_probs = np.concatenate(padded_labels), np.concatenate(padded_probs)
    found = evaluation.if_padding_counted
    assert found is not None
    assert found.padded_positions == len(kept) * longest - sum(lengths[i] for i in kept)
    assert found.positions == (all_labels >= 0).sum()
    metrics_equal(found, all_labels[all_labels >= 0], all_probs[all_labels >= 0], scheme)


def test_a_long_curve_is_thinned_and_keeps_its_exact_averages() -> None:
    rng = np.random.default_rng(0)
    positive = rng.random(20_000) < 0.1
    scores = np.clip(rng.normal(0.3, 0.1, 20_000) + 0.3 * positive, 0, 1).astype(np.float32)
    curve = precision_recall(scores, positive)
    curve_equals(curve, positive, scores)
    assert curve is not None
    assert len(curve.threshold) > 150
    assert max(np.diff(curve.recall)) < 0.02


def test_counting_padding_raises_the_accuracy_of_a_model_that_finds_nothing() -> None:
    labels = np.array([1, 1, 0, 1, 0, 0, 0, 0, 0, 0], dtype=np.int16)
    probs = np.full((10, 1), 0.1, dtype=np.float32)
    evaluation = evaluate(labels, probs, BINARY, None, np.array([0, 1, 2, 10]), padding=np.array([0.1], np.float32))
    padded = evaluation.if_padding_counted
    assert padded is not None
    assert (evaluation.metrics.accuracy, evaluation.metrics.micro.f1) == (0.7, 0.0)
    assert (padded.padded_positions, padded.positions, padded.metrics.accuracy) == (14, 24, 21 / 24)


@pytest.mark.keras
def test_metrics_with_padding_counted_equal_those_of_keras(tmp_path: Path) -> None:
    """Keras's Precision, Recall and AUC see no mask, so they count padding: a model evaluated as in a notebook."""
    import keras

    from maskscope.engine import packed
    from maskscope.masks import pad

    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.Input((None, 4)),
            keras.layers.Masking(),
            keras.layers.Bidirectional(keras.layers.LSTM(3, return_sequences=True)),
            keras.layers.Dense(1, "sigmoid", bias_initializer=keras.initializers.Constant(0.4)),
        ]
    )
    metrics = [keras.metrics.Precision(), keras.metrics.Recall()]
    model.compile(loss="binary_crossentropy", metrics=metrics)
    rng = np.random.default_rng(3)
    lengths = np.array([3, 9, 1, 4])
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    embeddings = rng.normal(size=(17, 4)).astype(np.float32)
    labels = rng.integers(0, 2, 17).astype(np.int16)
    batch = pad(embeddings, offsets)
    padded_labels = np.zeros((4, 9, 1), dtype=np.float32)
    padded_labels[batch.mask_bt, 0] = labels
    _, precision, recall = model.evaluate(batch.x_btd, padded_labels, verbose=0)

    model.save(tmp_path / "model.keras")
    tagger = packed.load(tmp_path / "model.keras")
    probs = tagger.score(embeddings, offsets)
    evaluation = evaluate(labels, probs, BINARY, None, offsets, padding=tagger.masked_output)
    found = evaluation.if_padding_counted
    assert found is not None
    assert (found.metrics.micro.precision, found.metrics.micro.recall) == pytest.approx((precision, recall))
    # the bias makes a name of every padded position
    assert found.metrics.micro.precision < evaluation.metrics.micro.precision
