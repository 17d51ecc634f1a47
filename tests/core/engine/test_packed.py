"""Packed scoring, on arrays small enough to check by hand and against itself."""

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from maskscope.engine import packed, projector
from maskscope.engine.packed import PackedTagger
from maskscope.engine.recurrence import RecurrentWeights
from maskscope.engine.weights import TaggerWeights
from maskscope.errors import Cancelled, ModelError
from maskscope.jobs import FlagJob
from maskscope.masks import masking_layer
from maskscope.types import Floats, Mask, MaskValue
from tests.core.engine.taggers import branched_tagger, general_tagger, offsets_of, random_tagger


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_one_unit_one_step_by_hand() -> None:
    # x = 2, forward gates i, f, c, o = x * (0.5, 0, 1, -0.5) + (0, 0, 0.1, 0.3); backward unit reads nothing
    kernel = np.array([[[0.5, 0.0, 1.0, -0.5]], [[0.0, 0.0, 0.0, 0.0]]], dtype=np.float32)
    bias = np.array([[0.0, 0.0, 0.1, 0.3], [0.0, 0.0, 0.0, 0.0]], dtype=np.float32)
    recurrent = np.zeros((2, 1, 4), dtype=np.float32)
    tagger = PackedTagger(
        TaggerWeights.stack(
            0.0,
            (RecurrentWeights(kernel, recurrent, bias),),
            np.array([[3.0], [5.0]], dtype=np.float32),
            np.array([0.25], dtype=np.float32),
            "sigmoid",
        )
    )
    c = sigmoid(1.0) * math.tanh(2.1)
    h = sigmoid(-0.7) * math.tanh(c)
    outputs = tagger.score(np.array([[2.0]], dtype=np.float32), offsets_of(1))
    assert outputs[0, 0] == pytest.approx(sigmoid(3 * h + 0.25), abs=1e-6)
    assert tagger.masked_output[0] == pytest.approx(sigmoid(0.25), abs=1e-7)


@pytest.mark.parametrize("outputs", [1, 3])
def test_each_sentence_is_scored_as_if_alone(outputs: int) -> None:
    tagger = random_tagger(units=(2, 3), outputs=outputs)
    rng = np.random.default_rng(1)
    offsets = offsets_of(4, 1, 0, 7, 2, 7)
    x = rng.normal(size=(offsets[-1], 3)).astype(np.float32)
    together = tagger.score(x, offsets)
    for begin, end in pairwise(offsets):
        alone = tagger.score(x[begin:end], offsets_of(end - begin))
        np.testing.assert_allclose(together[begin:end], alone, atol=2e-6)
    if outputs == 3:
        np.testing.assert_allclose(together.sum(axis=1), 1, atol=1e-6)


def test_masked_rows_are_skipped_and_have_the_output_of_the_bias() -> None:
    tagger = random_tagger(units=(2, 2))
    x = np.random.default_rng(2).normal(size=(6, 3)).astype(np.float32)
    x[2] = 0
    offsets = offsets_of(4, 2)
    deleted = tagger.score(np.delete(x, 2, axis=0), offsets_of(3, 2))
    outputs = tagger.score(x, offsets)
    np.testing.assert_allclose(np.delete(outputs, 2, axis=0), deleted, atol=2e-6)
    assert outputs[2] == tagger.masked_output
    by_lengths = tagger.score(x, offsets, "lengths")
    assert np.abs(by_lengths[2] - tagger.masked_output).max() > 1e-3
    assert np.abs(by_lengths[1] - outputs[1]).max() > 1e-4
    own = tagger.score(x, offsets, masking_layer(x, 0.0))
    np.testing.assert_array_equal(own, outputs)
    nothing = tagger.score(x, offsets, np.zeros(6, dtype=np.bool_))
    np.testing.assert_array_equal(nothing, np.broadcast_to(tagger.masked_output, (6, 1)))


@pytest.mark.parametrize(
    ("value", "rows", "masked"),
    [
        (0.0, [[0, 0, 0], [0, -0.0, 0], [1e-30, 0, 0], [1e-40, 0, 0], [0, 0, 1]], [0, 1, 3]),
        (-1.5, [[-1.5, -1.5, -1.5], [0, 0, 0], [-1.5, -1.5, -1.4999999]], [0]),
        (None, [[0, 0, 0]], []),
    ],
)
def test_the_model_rule_is_that_of_the_masking_layer(
    value: float | None, rows: list[list[float]], masked: list[int]
) -> None:
    tagger = random_tagger(mask_value=value)
    x = np.array(rows, dtype=np.float32)
    outputs = tagger.score(x, offsets_of(len(x)))
    assert np.flatnonzero((outputs == tagger.masked_output).all(axis=1)).tolist() == masked


def test_float16_and_memory_maps_score_as_their_float32_copies(tmp_path: Path) -> None:
    tagger = random_tagger(dim=5, outputs=2)
    rng = np.random.default_rng(3)
    x = rng.normal(size=(50, 5)).astype(np.float16)
    x[0] = [0, -0.0, 6e-8, -6e-8, 65504]
    x[7] = 0
    offsets = offsets_of(20, 1, 29)
    expected = tagger.score(x.astype(np.float32), offsets)
    np.testing.assert_allclose(tagger.score(x, offsets), expected, atol=2e-6)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    np.testing.assert_allclose(tagger.score(mapped, offsets), expected, atol=2e-6)
    del mapped
    wide = np.zeros((50, 9), dtype=np.float16)
    wide[:, :5] = x
    np.testing.assert_allclose(tagger.score(wide[:, :5], offsets), expected, atol=2e-6)


def test_blocks_and_groups_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    tagger = random_tagger(units=(2, 1), outputs=2)
    rng = np.random.default_rng(4)
    offsets = offsets_of(*rng.integers(0, 30, 40))
    x = rng.normal(size=(offsets[-1], 3)).astype(np.float32)
    x[rng.integers(len(x), size=20)] = 0
    whole = tagger.score(x, offsets)
    monkeypatch.setattr(packed, "_GROUP_TOKENS", 10)
    np.testing.assert_allclose(tagger.score(x, offsets), whole, atol=2e-6)


def test_no_tokens_give_no_probabilities() -> None:
    tagger = random_tagger(outputs=4)
    empty = np.zeros((0, 3), dtype=np.float32)
    assert tagger.score(empty, offsets_of()).shape == (0, 4)
    assert tagger.score(empty, offsets_of(0, 0)).shape == (0, 4)


def test_large_numbers_saturate_without_a_warning() -> None:
    tagger = random_tagger()
    x = np.full((2, 3), 1e30, dtype=np.float32)
    assert np.isfinite(tagger.score(x, offsets_of(2))).all()


@pytest.mark.parametrize(
    ("x", "offsets", "mask", "words"),
    [
        (np.zeros((2, 4), np.float32), [0, 2], "model", "(n, 3) float16 or float32; received (2, 4) float32"),
        (np.zeros((2, 3), np.float64), [0, 2], "model", "received (2, 3) float64"),
        (np.zeros((2, 3), np.float32), [0, 3], "model", "rising from 0 to 2"),
        (np.zeros((2, 3), np.float32), [0, 2, 1, 2], "model", "rising from 0 to 2"),
        (np.zeros((2, 3), np.float32), [0, 2], np.ones(3, np.bool_), "(2,) bool; received (3,) bool"),
        (np.zeros((2, 3), np.float32), [0, 2], "all", "model or lengths; received all"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(x: Floats, offsets: list[int], mask: Mask, words: str) -> None:
    with pytest.raises(ModelError) as caught:
        random_tagger().score(x, np.array(offsets), mask)
    assert words in str(caught.value)


def test_scoring_can_be_cancelled() -> None:
    job = FlagJob()
    job.cancel()
    with pytest.raises(Cancelled):
        random_tagger().score(np.zeros((1, 3), np.float32), offsets_of(1), job=job)


def test_a_plain_lstm_repeats_its_last_output_where_it_is_masked() -> None:
    tagger = general_tagger(plain_last=True)
    x = np.random.default_rng(4).normal(size=(8, 4)).astype(np.float32)
    offsets = offsets_of(5, 0, 3)
    mask = np.array([False, True, False, False, True, False, True, False])
    outputs = tagger.score(x, offsets, mask)
    kept = tagger.score(x[mask], offsets_of(2, 0, 1))
    before = tagger.masked_output
    expected = np.stack([before, kept[0], kept[0], kept[0], kept[1], before, kept[2], kept[2]])
    np.testing.assert_allclose(outputs, expected, atol=2e-6)
    assert tagger.repeats_last_output
    both = general_tagger()
    assert not both.repeats_last_output
    assert np.abs(both.score(x, offsets, mask)[~mask] - both.masked_output).max() == 0


def test_blocks_groups_and_shared_memory_change_nothing_in_any_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    tagger = general_tagger(plain_last=True)
    rng = np.random.default_rng(4)
    offsets = offsets_of(*rng.integers(0, 30, 40))
    x = rng.normal(size=(offsets[-1], 4)).astype(np.float16)
    x[rng.integers(len(x), size=20)] = 0
    whole = tagger.score(x, offsets)
    monkeypatch.setattr(packed, "_GROUP_TOKENS", 70)
    monkeypatch.setattr(projector, "_BLOCK_BYTES", 1)
    np.testing.assert_allclose(tagger.score(x, offsets), whole, atol=2e-6)
    empty = np.zeros((0, 4), dtype=np.float32)
    assert tagger.score(empty, offsets_of(0, 0)).shape == (0, 3)


@pytest.mark.parametrize("value", [float("inf"), float("nan"), (1.0, float("inf"), 2.0, 3.0)])
def test_mask_values_that_are_no_numbers_leave_finite_scores_elsewhere(value: MaskValue) -> None:
    tagger = branched_tagger(value)
    x: Floats = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    masks_nothing = isinstance(value, float) and math.isnan(value)
    if not masks_nothing:
        x[2] = value
    scores = tagger.score(x, offsets_of(6))
    assert np.isfinite(scores).all()
    padding = tagger.score_padding(x, offsets_of(6), scores)
    assert (padding is None) == masks_nothing
    assert padding is None or np.isfinite(padding).all()
