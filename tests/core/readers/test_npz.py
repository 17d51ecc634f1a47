"""Reading .npz: X and its optional members."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from maskscope.readers import Note, ReadOptions, Source, arrays, open_source
from maskscope.types import Sentence


def read(path: Path, options: ReadOptions | None = None) -> tuple[list[Sentence], dict[str, Note], Source]:
    with open_source(path, options) as source:
        sentences = list(source)
    return sentences, {note.kind: note for note in source.notes()}, source


X = np.arange(1, 25, dtype=np.float32).reshape(3, 4, 2)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("order", ["C", "F"])
def test_members_are_read_together(
    tmp_path: Path, save: Callable[..., None], order: Literal["C", "F"], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrays, "BLOCK_BYTES", 2 * X[0].nbytes)
    monkeypatch.setattr(arrays, "FORTRAN_BLOCK_BYTES", 2 * X[0].nbytes)
    tokens = np.array([["I", "am", "", ""], ["", "b c", "", ""], ["שלום", "😀", "é", "x"]])
    path = tmp_path / "x.npz"
    save(
        path,
        X=np.asarray(X, order=order),
        y=np.arange(12).reshape(3, 4),
        lengths=[2, 2, 4],
        tokens=tokens,
    )
    sentences, notes, source = read(path)
    assert [s.tokens for s in sentences] == [("I", "am"), ("", "b c"), ("שלום", "😀", "é", "x")]
    assert [s.labels for s in sentences] == [("0", "1"), ("4", "5"), ("8", "9", "10", "11")]
    assert source.lengths_from == "source"
    assert "tokens-made" not in notes
    for b, sentence in enumerate(sentences):
        np.testing.assert_array_equal(sentence.embeddings, X[b, : len(sentence.tokens)])


def test_tokens_may_be_one_row(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", X=X, lengths=[2, 0, 1], tokens=["a", "b", "c"])
    assert [s.tokens for s in read(tmp_path / "x.npz")[0]] == [("a", "b"), (), ("c",)]


@pytest.mark.parametrize("dtype", [bool, np.int64])
def test_a_mask_gives_the_lengths(tmp_path: Path, dtype: type[bool] | type[np.int64]) -> None:
    mask: np.ndarray = np.array([[1, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1]], dtype=dtype)
    np.savez(tmp_path / "x.npz", X=X, mask=mask, lengths=[2, 0, 4])
    sentences, notes, source = read(tmp_path / "x.npz")
    assert [len(s.tokens) for s in sentences] == [2, 0, 4]
    assert source.lengths_from == "source"
    assert notes["padding-not-zero"].sentences == (0, 1)


def test_options_override_members(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", X=X, y=np.zeros((3, 4), int), lengths=[4, 4, 4])
    np.save(tmp_path / "y.npy", np.ones((3, 4), int))
    (tmp_path / "l.txt").write_text("1\n2\n3\n", encoding="utf-8")
    options = ReadOptions(labels=tmp_path / "y.npy", lengths=tmp_path / "l.txt")
    sentences, _, _ = read(tmp_path / "x.npz", options)
    assert [s.labels for s in sentences] == [("1",), ("1", "1"), ("1", "1", "1")]


def test_other_members_are_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", X=X, vocab=np.arange(3))
    assert "vocab" in read(tmp_path / "x.npz")[1]["members-ignored"].text
