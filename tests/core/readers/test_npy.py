"""Reading padded arrays from .npy: lengths, labels, dtypes, and memory that stays where it is."""

import tracemalloc
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskscope.readers import Note, ReadOptions, Source, arrays, open_source
from maskscope.types import Sentence, TagScheme


def read(path: Path, **options: Any) -> tuple[list[Sentence], dict[str, Note], Source]:
    with open_source(path, ReadOptions(**options)) as source:
        sentences = list(source)
    return sentences, {note.kind: note for note in source.notes()}, source


def save(path: Path, array: object) -> Path:
    np.save(path, np.asarray(array))
    return path


def two_sentences(dtype: str = "float32") -> np.ndarray:
    """Lengths 3 and 1 of 4 positions; the second row of sentence 0 is all zeros."""
    x = np.zeros((2, 4, 2), dtype=dtype)
    x[0, 0] = [1, 2]
    x[0, 2] = [3, 4]
    x[1, 0] = [5, 6]
    return x


def test_lengths_without_a_source_are_inferred_with_a_note(tmp_path: Path) -> None:
    sentences, notes, source = read(save(tmp_path / "x.npy", two_sentences()))
    assert source.lengths_from == "inferred"
    assert [len(s.tokens) for s in sentences] == [3, 1]
    assert "inferred" in notes["lengths-inferred"].text
    assert notes["interior-zero-rows"].sentences == (0,)
    assert "1 sentence (0)" in notes["interior-zero-rows"].text
    assert sentences[0].tokens == ("t0", "t1", "t2")
    assert "tokens-made" in notes
    assert sentences[0].labels is None
    assert "no-labels" in notes
    np.testing.assert_array_equal(sentences[0].embeddings, [[1, 2], [0, 0], [3, 4]])


@pytest.mark.parametrize("how", ["npy", "txt", "txt-crlf"])
def test_lengths_given_win_over_zero_rows(tmp_path: Path, how: str) -> None:
    if how == "npy":
        lengths = save(tmp_path / "l.npy", np.array([4, 1], dtype=">i2"))
    else:
        lengths = tmp_path / "l.txt"
        lengths.write_bytes(b"4\n1\n" if how == "txt" else b"4\r\n1\r\n\r\n")
    sentences, notes, source = read(save(tmp_path / "x.npy", two_sentences()), lengths=lengths)
    assert source.lengths_from == "source"
    assert [len(s.tokens) for s in sentences] == [4, 1]
    assert "lengths-inferred" not in notes
    assert "padding-not-zero" not in notes


def test_lengths_that_cut_off_embeddings_have_a_note(tmp_path: Path) -> None:
    lengths = save(tmp_path / "l.npy", np.array([2, 0]))
    sentences, notes, _ = read(save(tmp_path / "x.npy", two_sentences()), lengths=lengths)
    assert [len(s.tokens) for s in sentences] == [2, 0]
    assert sentences[1].embeddings.shape == (0, 2)
    assert notes["padding-not-zero"].sentences == (0, 1)


def test_a_sentence_of_zeros_alone_is_empty(tmp_path: Path) -> None:
    x = two_sentences()
    x[1] = 0
    sentences, notes, _ = read(save(tmp_path / "x.npy", x))
    assert [len(s.tokens) for s in sentences] == [3, 0]
    assert notes["lengths-inferred"].sentences == (1,)


@pytest.mark.parametrize(
    ("labels", "expected", "kind", "classes"),
    [
        (np.array([[2, -1, 0, 9], [1, 9, 9, 9]]), ("2", None, "0"), None, None),
        (np.array([[2, 1, 0, 9], [1, 9, 9, 9]], dtype=np.uint8), ("2", "1", "0"), None, None),
        (np.array([[1, 0, 1, 7.5], [0, np.nan, 0, 0]]), ("1", "0", "1"), "binary", ("0", "1")),
        (np.array([[2, 1, 0, 9], [1, 9, 9, -1]], dtype=np.float32), ("2", "1", "0"), None, None),
        (np.array([[[2.0], [-1], [0], [0]], [[1]] * 4]), ("2", None, "0"), None, None),
        (np.array([[1.0, -1, 0, -1], [0] * 4]), ("1", None, "0"), "binary", ("0", "1")),
        (np.array([[True, False, True, True], [False] * 4]), ("1", "0", "1"), "binary", ("0", "1")),
        (np.array([[[1], [0], [1], [0]], [[0]] * 4]), ("1", "0", "1"), None, None),
        (np.eye(3)[[[2, 1, 0, 0], [1, 0, 0, 0]]], ("2", "1", "0"), "multiclass", ("0", "1", "2")),
        (np.eye(2, dtype=int)[[[1, 1, 0, 0], [1, 0, 0, 0]]], ("1", "1", "0"), "multiclass", ("0", "1")),
    ],
    ids=[
        "ints",
        "unsigned",
        "floats",
        "whole floats",
        "a column of floats",
        "floats with -1",
        "bools",
        "one column",
        "one-hot floats",
        "one-hot of two",
    ],
)
def test_labels_beyond_the_length_are_ignored(
    tmp_path: Path, labels: np.ndarray, expected: tuple[str | None, ...], kind: str | None, classes: object
) -> None:
    sentences, notes, source = read(save(tmp_path / "x.npy", two_sentences()), labels=save(tmp_path / "y.npy", labels))
    assert sentences[0].labels == expected
    assert sentences[1].labels is not None
    assert len(sentences[1].labels) == 1
    assert (source.kind, source.classes) == (kind, classes)
    assert "no-labels" not in notes


@pytest.mark.parametrize(
    ("stored", "carried"),
    [("<f2", "f2"), (">f2", "f2"), ("<f4", "f4"), (">f4", "f4"), ("<f8", "f4"), (">f8", "f4")],
)
@pytest.mark.parametrize("order", ["C", "F"])
def test_floats_keep_their_values(tmp_path: Path, stored: str, carried: str, order: Literal["C", "F"]) -> None:
    x = np.asarray(two_sentences() / 3, dtype=stored, order=order)
    path = save(tmp_path / "x.npy", x)
    assert (b"'fortran_order': True" in path.read_bytes()) == (order == "F")
    sentences, notes, source = read(path)
    assert source.dtype == np.dtype(carried)
    assert source.dim == 2
    assert source.n_sentences == 2
    for b, sentence in enumerate(sentences):
        assert sentence.embeddings.dtype == np.dtype(carried)
        assert sentence.embeddings.dtype.isnative
        np.testing.assert_array_equal(sentence.embeddings, x[b, : len(sentence.tokens)].astype(carried))
    assert ("float64-stored-as-float32" in notes) == stored.endswith("8")


def test_a_row_too_small_for_float32_is_a_collision_with_a_note(tmp_path: Path) -> None:
    x = two_sentences("float64")
    x[0, 1] = 1e-60
    _, notes, _ = read(save(tmp_path / "x.npy", x))
    assert notes["interior-zero-rows"].sentences == (0,)
    assert notes["float64-stored-as-float32"].sentences == (0,)


def test_a_source_can_be_read_twice(tmp_path: Path) -> None:
    with open_source(save(tmp_path / "x.npy", two_sentences())) as source:
        first, second = list(source), list(source)
    assert [s.tokens for s in first] == [s.tokens for s in second]
    assert [note.sentences for note in source.notes() if note.kind == "interior-zero-rows"] == [(0,)]


def test_a_note_lists_a_thousand_sentences_and_counts_all(tmp_path: Path) -> None:
    x = np.zeros((1500, 2, 1), dtype=np.float16)
    x[:, 1] = 1
    _, notes, _ = read(save(tmp_path / "x.npy", x))
    assert len(notes["interior-zero-rows"].sentences) == 1000
    assert "1500 sentences" in notes["interior-zero-rows"].text


def test_zero_one_floats_of_one_kind_still_make_a_binary_scheme(tmp_path: Path) -> None:
    labels = save(tmp_path / "y.npy", np.zeros((2, 4)))
    _, _, source = read(save(tmp_path / "x.npy", two_sentences()), labels=labels)
    assert source.classes is not None
    assert TagScheme.from_labels(source.classes) == TagScheme("binary", ("0", "1"))


@given(data=st.data())
def test_any_ragged_batch_comes_back(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("ragged")
    lengths = data.draw(st.lists(st.integers(0, 5), min_size=1, max_size=9))
    orders: tuple[Literal["C", "F"], ...] = ("C", "F")
    order = data.draw(st.sampled_from(orders))
    dtype = np.dtype(data.draw(st.sampled_from(["f2", ">f4", "f8"])))
    x = np.zeros((len(lengths), 5, 3), dtype=dtype, order=order)
    for b, length in enumerate(lengths):
        x[b, :length] = np.arange(length * 3).reshape(length, 3) + 7 * b
    options = {"lengths": save(folder / "l.npy", np.array(lengths))}
    with pytest.MonkeyPatch.context() as patch:
        # Blocks of two sentences, so that several are read.
        patch.setattr(arrays, "BLOCK_BYTES", 2 * x[0].nbytes)
        patch.setattr(arrays, "FORTRAN_BLOCK_BYTES", 2 * x[0].nbytes)
        sentences, _, _ = read(save(folder / "x.npy", x), **options)
    assert [len(s.tokens) for s in sentences] == lengths
    for b, sentence in enumerate(sentences):
        np.testing.assert_array_equal(sentence.embeddings, x[b, : lengths[b]])


def _write_padded(folder: Path, n_sentences: int, kind: str) -> tuple[Path, ReadOptions]:
    rng = np.random.default_rng(n_sentences)
    if kind == "conll":
        text = folder / "x.conll"
        with text.open("w", encoding="utf-8", newline="\n") as stream, h5py.File(folder / "e.hdf5", "w") as file:
            for i in range(n_sentences):
                stream.write("one\tO\ntwo\tB\n\n")
                file[str(i)] = rng.normal(size=(2, 64)).astype("f2")
        return text, ReadOptions(embeddings=folder / "e.hdf5")
    x = rng.normal(size=(n_sentences, 8, 16)).astype("f4")
    y = rng.integers(0, 3, size=(n_sentences, 8))
    lengths = rng.integers(1, 9, size=n_sentences)
    if kind == "npy":
        options = ReadOptions(labels=save(folder / "y.npy", y), lengths=save(folder / "l.npy", lengths))
        return save(folder / "x.npy", x), options
    tokens = np.array([[f"w{b}.{t}" for t in range(8)] for b in range(n_sentences)])
    save_as = np.savez if kind == "npz" else np.savez_compressed
    save_as(folder / "x.npz", X=x, y=y, lengths=lengths, tokens=tokens)
    return folder / "x.npz", ReadOptions()


@pytest.mark.parametrize("kind", ["npy", "npz", "npz-deflated", "conll"])
@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_sentences(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(arrays, "BLOCK_BYTES", 2**15)
    peaks = []
    for n_sentences in (20, 200, 4000):  # the first warms caches up
        folder = tmp_path / str(n_sentences)
        folder.mkdir()
        path, options = _write_padded(folder, n_sentences, kind)
        tracemalloc.start()
        try:
            with open_source(path, options) as source:
                assert sum(1 for _ in source) == n_sentences
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[2] < peaks[1] * 1.2 + 2**15
