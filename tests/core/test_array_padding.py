"""What padded positions of an array hold, on which side they are, and lengths that are inferred from them."""

import numpy as np
import pytest

from maskscope.array_padding import find_padding, infer_lengths
from maskscope.errors import ReadError
from maskscope.padding import Padding, Side
from maskscope.types import Floats, Indices

DIM, T = 3, 6
LENGTHS: Indices = np.array([3, 1, 6, 2], dtype=np.int64)
ROW: Floats = np.array([[0.5, -1.0, 2.0]], dtype=np.float32)


def array(padding: Padding) -> Floats:
    """Sentences of random numbers, padded: (4, 6, 3)."""
    rng = np.random.default_rng(0)
    tokens = [rng.normal(size=(n, DIM)).astype(np.float32) for n in LENGTHS]
    return np.stack([padding.add(each, T - len(each)) for each in tokens])


def same(one: Padding | None, other: Padding) -> bool:
    return one is not None and one.side == other.side and np.array_equal(one.rows, other.rows, equal_nan=True)


@pytest.mark.parametrize("side", ["back", "front"])
@pytest.mark.parametrize("rows", [np.zeros((1, DIM)), np.full((1, DIM), -1.0), ROW, np.full((1, DIM), np.nan)])
def test_one_row_is_found_on_its_side_and_lengths_are_inferred_from_it(rows: Floats, side: Side) -> None:
    padding = Padding(rows.astype(np.float32), side)
    x = array(padding)
    assert same(find_padding(x, LENGTHS), padding)
    lengths, found = infer_lengths(x)
    assert lengths.tolist() == LENGTHS.tolist()
    assert same(found, padding)


def test_rows_of_zeros_inside_a_sentence_are_tokens_and_those_at_its_end_padding() -> None:
    x = np.zeros((3, 4, 1), dtype=np.float32)
    x[0, [0, 2], 0] = 1  # token, zero token, token, padding
    x[1, 0, 0] = 1
    assert infer_lengths(x)[0].tolist() == [3, 1, 0]


def test_a_single_padded_position_is_found_by_its_one_number() -> None:
    x = np.random.default_rng(0).normal(size=(2, 4, DIM)).astype(np.float32)
    x[1, 0] = -1.0
    found = find_padding(x, np.array([4, 3]))
    assert found is not None
    assert (found.side, found.value) == ("front", -1.0)


def test_rows_that_vary_are_kept_as_examples_and_a_few_odd_ones_are_not() -> None:
    rng = np.random.default_rng(1)
    x = array(Padding(np.zeros((1, DIM), dtype=np.float32)))
    x[1, 4] = 7.0
    found = find_padding(x, LENGTHS)
    assert found is not None
    assert found.value == 0
    padded = np.arange(T)[None] >= LENGTHS[:, None]
    x[padded] = rng.normal(size=(int(padded.sum()), DIM))
    found = find_padding(x, LENGTHS)
    assert found is not None
    assert (found.side, found.text) == ("back", "rows that vary")
    np.testing.assert_array_equal(found.rows, x[padded])
    in_front = find_padding(x, LENGTHS, "front")
    assert in_front is not None
    np.testing.assert_array_equal(in_front.rows[:3], x[0, :3])


def test_an_array_without_padding_has_none() -> None:
    x = array(Padding(ROW))[2:3]
    assert find_padding(x, np.array([T])) is None
    lengths, found = infer_lengths(x)
    assert (lengths.tolist(), found) == ([T], None)


def test_lengths_are_not_inferred_from_what_may_be_tokens() -> None:
    x = array(Padding(np.full((1, DIM), -1.0, dtype=np.float32)))
    x[2, 1] = -1.0
    with pytest.raises(ReadError, match=r"--lengths.*5 rows of -1 at the end of sentence 1, which may be"):
        infer_lengths(x)
    # a first token that all sentences have is no padding: its runs are of one length
    x = array(Padding(np.zeros((1, DIM), dtype=np.float32)))
    x[:, 0] = ROW
    lengths, found = infer_lengths(x)
    assert lengths.tolist() == LENGTHS.tolist()
    assert found is not None
    assert (found.side, found.value) == ("back", 0)
