"""Reading CoNLL-like text with its file of embeddings."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from maskscope.errors import ReadError
from maskscope.readers import Note, ReadOptions, Source, embeddings_file, formats, open_source
from maskscope.types import Sentence


def read(
    folder: Path, text: str, counts: list[int] | None = None, *, name: str = "x.conll", **options: Any
) -> tuple[list[Sentence], dict[str, Note], Source]:
    """Read `text`, with made-up embeddings for sentences of `counts` tokens (None: those already there)."""
    path = folder / name
    path.write_bytes(text.encode("utf-8"))
    if counts is not None:
        with h5py.File(folder / "e.hdf5", "w") as file:
            for i, count in enumerate(counts):
                file[str(i)] = np.full((count, 3), i + 1, dtype="f4")
    with open_source(path, ReadOptions(embeddings=folder / "e.hdf5", **options), "conll") as source:
        sentences = list(source)
    return sentences, {note.kind: note for note in source.notes()}, source


def tokens_of(sentences: list[Sentence]) -> list[tuple[str, ...]]:
    return [s.tokens for s in sentences]


def test_tokens_labels_and_embeddings(tmp_path: Path) -> None:
    sentences, notes, source = read(tmp_path, "Anna\tB\nsings\tO\n\n\n.\tO\n", [2, 1])
    assert tokens_of(sentences) == [("Anna", "sings"), (".",)]
    assert [s.labels for s in sentences] == [("B", "O"), ("O",)]
    assert sentences[1].embeddings.tolist() == [[2, 2, 2]]
    assert (source.n_sentences, source.dim, source.dtype) == (2, 3, np.dtype(np.float32))
    assert source.lengths_from == "source"
    assert notes == {}


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("a b\tO\n#tag\tO\n#\tO\n \tO\n", ("a b", "#tag", "#", " ")),
        ("#tag\tO\n#\tO\n", ("#tag", "#")),
        ("a O\n# O\n#b O\n", ("a", "#", "#b")),
        ("#tag\nb\n", ("#tag", "b")),
        ("\ufeffa\tO\r\nb\tO\r\n", ("a", "b")),
        ("a\u2028b\tO\nc\x85\x0b\x1c\xa0d\tO\n", ("a\u2028b", "c\x85\x0b\x1c\xa0d")),
        ("\tO\nb\tO\n", ("", "b")),
        (r"a\t\N" + "\tO\n", (r"a\t\N",)),
    ],
    ids=["tabs keep spaces and #", "all #", "spaces", "one column", "bom, crlf", "line ends", "empty", "backslash"],
)
def test_what_counts_as_a_token(tmp_path: Path, text: str, tokens: tuple[str, ...]) -> None:
    sentences, _, _ = read(tmp_path, text, [len(tokens)])
    assert tokens_of(sentences) == [tokens]


def test_runs_of_spaces_part_columns(tmp_path: Path) -> None:
    sentences, _, _ = read(tmp_path, "U.N.   NNP  I-ORG\nofficial NN O \n", [2])
    assert tokens_of(sentences) == [("U.N.", "official")]
    assert sentences[0].labels == ("I-ORG", "O")


def test_comments_are_kept_apart(tmp_path: Path) -> None:
    text = "# newdoc\n#x\n# sent_id = s-1\n# text = a b\n#\na\tO\nb\tO\n\n# only\n\nc\tO\n"
    sentences, _, _ = read(tmp_path, text, [2, 1])
    assert [s.name for s in sentences] == ["s-1", ""]
    assert [s.comments for s in sentences] == [("newdoc", "x", "text = a b", ""), ("only",)]
    assert tokens_of(sentences) == [("a", "b"), ("c",)]


def test_a_label_left_empty_is_no_label(tmp_path: Path) -> None:
    assert read(tmp_path, "a\tO\nb\t\n", [2])[0][0].labels == ("O", None)


def test_a_single_column_has_no_labels(tmp_path: Path) -> None:
    sentences, notes, _ = read(tmp_path, "a\nb\n", [2])
    assert sentences[0].labels is None
    assert "no-labels" in notes


def test_docstart_lines_are_skipped_before_a_sentence_only(tmp_path: Path) -> None:
    text = "-DOCSTART- -X- O\n\na X O\n-DOCSTART- X B\n\n-DOCSTART-\n\nb X O\n"
    sentences, notes, _ = read(tmp_path, text, [2, 1])
    assert tokens_of(sentences) == [("a", "-DOCSTART-"), ("b",)]
    assert "2" in notes["docstart-skipped"].text


def test_conllu_ranges_and_empty_nodes_are_skipped(tmp_path: Path) -> None:
    rest = "\t_" * 7
    text = (
        f"# text = vámonos al mar\ttab\n1-2\tvámonos{rest}\t_\n1\tvamos{rest}\tO\n2\tnos{rest}\tO\n"
        f"2.1\t_{rest}\t_\n3\tal mar{rest}\tB\n"
    )
    sentences, notes, _ = read(tmp_path, text, [3])
    assert tokens_of(sentences) == [("vamos", "nos", "al mar")]
    assert sentences[0].labels == ("O", "O", "B")
    assert sentences[0].comments == ("text = vámonos al mar\ttab",)
    assert "conll-u" in notes


LAYERS = np.arange(24, dtype=np.float16).reshape(3, 2, 4)


@pytest.mark.parametrize(
    ("layer", "expected", "says"),
    [
        (None, LAYERS.mean(axis=0), "mean"),
        ("mean", LAYERS.mean(axis=0), "mean"),
        (2, LAYERS[2], "layer 2"),
        ("concat", np.hstack([LAYERS[0], LAYERS[1], LAYERS[2]]), "12 columns"),
    ],
)
def test_layers_are_chosen_averaged_or_joined(tmp_path: Path, layer: object, expected: np.ndarray, says: str) -> None:
    with h5py.File(tmp_path / "e.hdf5", "w") as file:
        file["0"] = LAYERS
    sentences, notes, source = read(tmp_path, "a\tO\nb\tO\n", layer=layer)
    np.testing.assert_array_equal(sentences[0].embeddings, expected)
    assert sentences[0].embeddings.dtype == np.float16
    assert source.dim == expected.shape[1]
    assert "3 layers" in notes["layers"].text
    assert says in notes["layers"].text


def test_a_mean_of_large_float16_layers_does_not_overflow(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "e.hdf5", "w") as file:
        file["0"] = np.full((3, 1, 2), 60000, dtype="f2")
    assert read(tmp_path, "a\tO\n")[0][0].embeddings.tolist() == [[60000, 60000]]


def test_zero_rows_are_found_and_float64_is_narrowed(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "e.hdf5", "w") as file:
        file["0"] = np.array([[1.0, 2.0], [0.0, 0.0]], dtype=">f8")
    sentences, notes, source = read(tmp_path, "a\tO\n\ufe0f\tO\n")
    assert source.dtype == np.float32
    assert sentences[0].embeddings.dtype.isnative
    assert notes["interior-zero-rows"].sentences == (0,)
    assert "float64" in notes["float64-stored-as-float32"].text


def _index(folder: Path, counts: list[int], index: object) -> None:
    with h5py.File(folder / "e.hdf5", "w") as file:
        for i, count in enumerate(counts):
            file[str(i)] = np.ones((count, 2), dtype="f4")
        stored = file.create_dataset("sentence_to_index", (1,), dtype=h5py.string_dtype(encoding="utf-8"))
        stored[0] = index if isinstance(index, str) else json.dumps(index)


def test_equal_sentences_share_one_place_in_the_index(tmp_path: Path) -> None:
    _index(tmp_path, [1, 1, 1, 1], {"a": "2", "b": "1", "c$period$": "3"})
    sentences, notes, source = read(tmp_path, "a\tO\n\nb\tO\n\na\tO\n\nc.\tO\n")
    assert tokens_of(sentences) == [("a",), ("b",), ("a",), ("c.",)]
    assert source.n_sentences == 4
    assert notes == {}


def test_another_order_is_refused(tmp_path: Path) -> None:
    _index(tmp_path, [1, 1], {"b": "0", "a": "1"})
    with pytest.raises(ReadError, match=r"sentence 0 of e.hdf5: .*order.*expected 'b'; received 'a'"):
        read(tmp_path, "a\tO\n\nb\tO\n")


def test_an_index_that_cannot_be_used_has_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _index(tmp_path, [1], "{broken")
    assert "order-unchecked" in read(tmp_path, "a\tO\n")[1]
    monkeypatch.setattr(embeddings_file, "MOST_INDEXED", 1)
    _index(tmp_path, [1, 1], {"b": "0", "a": "1"})
    assert "order-unchecked" in read(tmp_path, "a\tO\n\nb\tO\n")[1]


def test_rows_of_a_project_serve_as_embeddings(tmp_path: Path) -> None:
    x = np.arange(1, 7, dtype=np.float16).reshape(3, 2)
    np.save(tmp_path / "embeddings.npy", x)
    path = tmp_path / "x.conll"
    path.write_text("# maskscope.empty = true\n\na\tO\nb\tO\n\nc\tO\n", encoding="utf-8")
    with open_source(path, ReadOptions(embeddings=tmp_path / "embeddings.npy")) as source:
        sentences = list(source)
    assert tokens_of(sentences) == [(), ("a", "b"), ("c",)]
    assert sentences[0].labels == ()
    np.testing.assert_array_equal(np.vstack([s.embeddings for s in sentences]), x)


def test_formats_are_recognised_by_content_then_suffix(tmp_path: Path) -> None:
    assert [f.name for f in formats()] == ["npy", "npz", "conll"]
    read(tmp_path, "a O\n", [1])
    np.save(tmp_path / "x.npy", np.ones((1, 1, 1), "f4"))
    (tmp_path / "x.npy").rename(tmp_path / "x.data")
    assert next(iter(open_source(tmp_path / "x.data"))).tokens == ("t0",)
    for name, text in (("x.txt", "a O\n"), ("x.tagged", "é\tO\n")):
        (tmp_path / name).write_text(text, encoding="utf-8")
        with open_source(tmp_path / name, ReadOptions(embeddings=tmp_path / "e.hdf5")) as source:
            assert len(list(source)) == 1
