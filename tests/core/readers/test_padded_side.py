"""Arrays padded in front or behind, with one number, one row, or rows that differ: the tokens, the side, the rows."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskscope.padding import MOST_ROWS, Padding, Side
from maskscope.readers import ReadOptions, arrays, open_source
from maskscope.types import Embeddings, Floats

LENGTHS = [4, 2, 0, 3, 1]
TOKENS = [
    np.random.default_rng(seed).normal(size=(length, 3)).astype(np.float32) for seed, length in enumerate(LENGTHS)
]
ROW = [0.25, 0.5, 0.125]


def padded(side: Side, fill: object) -> Floats:
    """The five sentences in an array (5, 4, 3), its padding filled with a number, or a row."""
    x: Floats = np.empty((5, 4, 3), dtype=np.float32)
    x[:] = np.asarray(fill, dtype=np.float32)
    for row, tokens in zip(x, TOKENS, strict=True):
        row[slice(0, len(tokens)) if side == "back" else slice(4 - len(tokens), 4)] = tokens
    return x


def read(path: Path, **members: object) -> tuple[list[Embeddings], list[object], Padding | None]:
    np.savez(path, **members)  # type: ignore[arg-type]
    with open_source(path, ReadOptions()) as source:
        sentences = list(source)
        return [each.embeddings for each in sentences], [each.labels for each in sentences], source.padding


@pytest.mark.parametrize("side", ["back", "front"])
@pytest.mark.parametrize("fill", [0.0, -2.0, ROW], ids=["zeros", "-2", "one row"])
@pytest.mark.parametrize("given_by", ["lengths", "mask", "both"])
def test_the_tokens_are_those_of_the_lengths(tmp_path: Path, side: Side, fill: object, given_by: str) -> None:
    mask = np.arange(4)[None] < np.array(LENGTHS)[:, None]
    mask = mask if side == "back" else mask[:, ::-1]
    members: dict[str, object] = {"X": padded(side, fill), "y": np.where(mask, np.arange(4)[None] + 5, 0)}
    members |= {"lengths": LENGTHS} if given_by != "mask" else {}
    members |= {"mask": mask} if given_by != "lengths" else {}
    embeddings, labels, padding = read(tmp_path / "x.npz", **members)
    for tokens, found in zip(TOKENS, embeddings, strict=True):
        np.testing.assert_array_equal(found, tokens)
    assert labels[1] == (("5", "6") if side == "back" else ("7", "8"))
    assert padding is not None
    assert (padding.side, padding.origin) == (side, "data")
    np.testing.assert_array_equal(padding.rows, np.broadcast_to(np.asarray(fill, dtype=np.float32), (1, 3)))


@pytest.mark.parametrize("side", ["back", "front"])
def test_the_side_is_that_of_the_rows_that_are_alike_but_for_a_few(tmp_path: Path, side: Side) -> None:
    x = np.concatenate([padded(side, 0.0)] * 3)
    x[1, 3 if side == "back" else 0] = [7, 8, 9]
    embeddings, _, padding = read(tmp_path / "x.npz", X=x, lengths=LENGTHS * 3)
    np.testing.assert_array_equal(embeddings[6], TOKENS[1])
    assert padding is not None
    assert (padding.side, padding.value) == (side, 0.0)


def test_padding_that_varies_is_kept_as_examples(tmp_path: Path) -> None:
    x = np.random.default_rng(9).normal(size=(40, 4, 3)).astype(np.float32)
    _, _, padding = read(tmp_path / "x.npz", X=x, lengths=[1] * 40)
    assert padding is not None
    assert padding.side == "back"
    assert padding.rows.shape == (MOST_ROWS, 3)
    assert {tuple(row) for row in padding.rows.tolist()} <= {tuple(row) for row in x[:, 1:].reshape(-1, 3).tolist()}
    assert len(np.unique(padding.rows, axis=0)) == MOST_ROWS


def test_padding_of_nan_is_one_number(tmp_path: Path) -> None:
    _, _, padding = read(tmp_path / "x.npz", X=padded("front", np.nan), lengths=LENGTHS)
    assert padding is not None
    assert (padding.side, len(padding.rows), padding.text) == ("front", 1, "nan")


def test_without_lengths_padding_is_zero_and_behind(tmp_path: Path) -> None:
    _, _, padding = read(tmp_path / "x.npz", X=padded("back", 0.0))
    assert padding is not None
    assert (padding.value, padding.side) == (0.0, "back")


def test_without_lengths_leading_zeros_are_padding_where_no_sentence_ends_in_zeros(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", X=padded("front", 0.0))
    with open_source(tmp_path / "x.npz", ReadOptions()) as source:
        sentences = list(source)
        assert source.lengths_from == "inferred"
        assert source.scan().problem is None
        notes = {note.kind: note.text for note in source.notes()}
        assert source.padding is not None
        assert (source.padding.value, source.padding.side) == (0.0, "front")
    for tokens, found in zip(TOKENS, sentences, strict=True):
        np.testing.assert_array_equal(found.embeddings, tokens)
    assert "inferred from the leading zero rows, so a sentence that begins with tokens" in notes["lengths-inferred"]
    # a sentence that ends in zeros says that these are the padding
    x = padded("front", 0.0)
    x[0, 3] = 0
    embeddings, _, padding = read(tmp_path / "y.npz", X=x)
    assert padding is not None
    assert padding.side == "back"
    np.testing.assert_array_equal(embeddings[1], x[1])


def test_an_array_without_padding_has_none(tmp_path: Path) -> None:
    _, _, padding = read(tmp_path / "x.npz", X=np.ones((2, 3, 2), dtype=np.float32), lengths=[3, 3])
    assert padding is None


@given(st.integers(1, 400), st.sampled_from(["back", "front"]))
def test_blocks_make_no_difference(tmp_path_factory: pytest.TempPathFactory, block: int, side: Side) -> None:
    path = tmp_path_factory.mktemp("blocks") / "x.npz"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arrays, "BLOCK_BYTES", block)
        embeddings, _, padding = read(path, X=padded(side, ROW), lengths=LENGTHS)
    for tokens, found in zip(TOKENS, embeddings, strict=True):
        np.testing.assert_array_equal(found, tokens)
    assert padding is not None
    assert (padding.side, padding.rows.tolist()) == (side, [ROW])


def test_one_row_as_padding_is_no_fault_of_the_data(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", X=padded("front", ROW), lengths=LENGTHS)
    with open_source(tmp_path / "x.npz", ReadOptions()) as source:
        list(source)
        assert source.scan().problem is None
    x = padded("front", ROW)
    x[3, 0] = 1
    np.savez(tmp_path / "x.npz", X=x, lengths=LENGTHS)
    with open_source(tmp_path / "x.npz", ReadOptions()) as source:
        list(source)
        problem = source.scan().problem
    assert problem is not None
    assert (problem.kind, problem.sentence) == ("after", 3)
