"""Lengths, masks, padding and collisions, against plain loops and (marked) Keras itself."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from maskscope.masks import (
    as_mask_value,
    collisions,
    equal_rows,
    mask_from_lengths,
    masking_layer,
    pad,
    token_places,
    token_rows,
)
from maskscope.types import Embeddings

ragged = st.lists(st.integers(0, 5), max_size=6)


def corpus(lengths: list[int], dim: int = 2) -> tuple[Embeddings, np.ndarray]:
    rows = np.arange(1, sum(lengths) * dim + 1, dtype=np.float32).reshape(-1, dim)
    return rows, np.cumsum([0, *lengths]).astype(np.int64)


def test_a_mask_is_true_at_real_tokens() -> None:
    assert mask_from_lengths([2, 0, 3], 3).tolist() == [
        [True, True, False],
        [False, False, False],
        [True, True, True],
    ]


@given(ragged)
def test_a_mask_counts_its_lengths(lengths: list[int]) -> None:
    mask = mask_from_lengths(lengths, 5)
    assert mask.dtype == np.bool_
    assert mask.shape == (len(lengths), 5)
    assert mask.sum(axis=1).tolist() == lengths
    for row, length in zip(mask, lengths, strict=True):
        assert row[:length].all()


@given(ragged, st.integers(0, 4))
def test_padding_puts_each_token_where_it_belongs(lengths: list[int], extra: int) -> None:
    rows, offsets = corpus(lengths)
    longest = max(lengths, default=0)
    batch = pad(rows, offsets, longest + extra)
    assert batch.x_btd.shape == (len(lengths), longest + extra, 2)
    for b, length in enumerate(lengths):
        for t in range(longest + extra):
            expected = rows[offsets[b] + t].tolist() if t < length else [0.0, 0.0]
            assert batch.x_btd[b, t].tolist() == expected
            assert batch.mask_bt[b, t] == (t < length)
    assert batch.lengths.tolist() == lengths


def test_some_sentences_of_a_corpus_are_padded_by_their_own_offsets() -> None:
    rows, offsets = corpus([2, 3, 1])
    batch = pad(rows, offsets[1:])
    assert batch.x_btd[0].tolist() == rows[2:5].tolist()
    assert batch.x_btd[1].tolist() == [rows[5].tolist(), [0, 0], [0, 0]]


def test_a_sentence_longer_than_the_batch_is_refused() -> None:
    rows, offsets = corpus([2, 3])
    with pytest.raises(ValueError, match="at most 2 tokens; received one of 3"):
        pad(rows, offsets, 2)


def test_a_zero_row_is_a_collision() -> None:
    rows = [[1, 0], [0, 0], [0, -0.0], [0, 6e-8]]
    assert collisions(np.array(rows, dtype=np.float16)).tolist() == [1, 2]
    assert collisions(np.array(rows, dtype=np.float32)).tolist() == [1, 2]


def test_denormals_are_masked_as_tensorflow_masks_them() -> None:
    rows = np.array([[1e-40, 0], [1e-30, 0]], dtype=np.float32)
    assert collisions(rows).tolist() == [0]


def test_other_mask_values_and_none() -> None:
    rows = np.array([[-1, -1], [-1, 0], [0, 0]], dtype=np.float32)
    assert collisions(rows, -1.0).tolist() == [0]
    assert collisions(rows, None).tolist() == []


def test_no_rows() -> None:
    assert collisions(np.zeros((0, 3), dtype=np.float32)).tolist() == []
    assert pad(np.zeros((0, 3), dtype=np.float32), np.zeros(1, dtype=np.int64)).x_btd.shape == (0, 0, 3)


@given(hnp.arrays(np.float32, st.tuples(st.integers(0, 6), st.integers(1, 3)), elements=st.sampled_from([0, 1, -999])))
def test_the_rule_is_any_number_that_differs(rows: np.ndarray) -> None:
    for value in (0.0, 1.0, -999.0):
        expected = [any(number != value for number in row) for row in rows.tolist()]
        assert masking_layer(rows, value).tolist() == expected


@pytest.mark.keras
@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_keras_itself_masks_the_same_rows(policy: str) -> None:
    import keras
    from keras.src.backend import get_keras_mask

    numbers = np.array(
        [
            0.0,
            -0.0,
            1e-40,
            1.17e-38,
            1.174e-38,
            1e-30,
            1e-9,
            2.0**-25,
            3e-8,
            2.0**-24,
            1.0,
            0.1,
            -5.01,
            -999.0,
            -1000.0,
        ],
        dtype=np.float32,
    )
    rows = np.stack(np.meshgrid(numbers, numbers), axis=-1).reshape(-1, 2)
    compute = policy.removeprefix("mixed_")
    for value in (0.0, 1.0, 0.1, 1e-40, -5.0, -999.0, -1000.0):
        # Called as a layer of a model, since the cast to the policy's type is the call's.
        layer = keras.layers.Masking(value, dtype=policy)
        for kept in (rows, rows.astype(np.float16)):
            theirs = np.asarray(get_keras_mask(layer(kept[None].astype(np.float32))))[0]
            np.testing.assert_array_equal(masking_layer(kept, value, compute), theirs, f"Masking({value})")


def test_the_tokens_of_some_sentences_and_the_sentences_of_some_tokens() -> None:
    offsets = np.array([0, 2, 2, 5, 6], dtype=np.int64)
    rows, own = token_rows(np.array([2, 1, 0], dtype=np.int64), offsets)
    assert rows.tolist() == [2, 3, 4, 0, 1]
    assert own.tolist() == [0, 3, 3, 5]
    assert token_places(rows, offsets).tolist() == [[2, 0], [2, 1], [2, 2], [0, 0], [0, 1]]
    none = np.zeros(0, dtype=np.int64)
    assert token_rows(none, offsets)[1].tolist() == [0]
    assert token_places(none, offsets).shape == (0, 2)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, 0.0), (np.float32(-1), -1.0), ([-1.0, -1.0], -1.0), (np.array([1.0, 2.0]), (1.0, 2.0)), ((3,), 3.0),
     ({"class_name": "__numpy__", "config": {"value": [-2.0, -2.0], "dtype": "float32"}}, -2.0)],
)  # fmt: skip
def test_mask_values_are_one_number_or_a_row(value: object, expected: object) -> None:
    assert as_mask_value(value) == expected


@pytest.mark.parametrize("value", ["zero", None, [], [[1.0], [2.0]], {"config": "x"}])
def test_what_is_no_mask_value_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="mask_value"):
        as_mask_value(value)


def test_a_row_of_mask_values_masks_that_row_alone() -> None:
    rows: Embeddings = np.array([[1, 2, 3], [1, 2, 0], [3, 2, 1]], dtype=np.float32)
    assert equal_rows(rows, (1.0, 2.0, 3.0)).tolist() == [True, False, False]
    many = np.tile(rows, (5000, 1))
    assert equal_rows(many, (1.0, 2.0, 3.0)).tolist() == [True, False, False] * 5000


def test_masking_nan_masks_nothing() -> None:
    assert masking_layer(np.full((2, 3), np.nan, dtype=np.float32), float("nan")).all()
