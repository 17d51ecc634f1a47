"""Each refusal of a reader: one sentence that names the file, the sentence, what was expected and received."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from maskscope.errors import ReadError
from maskscope.readers import ReadOptions, open_source

X = np.arange(1, 17, dtype=np.float32).reshape(2, 4, 2)
NAN = X.copy()
NAN[1, 2, 0] = np.nan
LARGE = X.astype(np.float64)
LARGE[1, 3, 1] = 1e300
Y = np.zeros((2, 4), dtype=int)
TEXT = "a\tO\nb\tO\n\nc\tO\n"
ROWS = {"0": np.ones((2, 3), "f4"), "1": np.ones((1, 3), "f4")}


def npy(x: object = X, *, cut: int = 0, **companions: Any) -> Callable[[Path], tuple[Path, ReadOptions]]:
    def make(folder: Path) -> tuple[Path, ReadOptions]:
        np.save(folder / "x.npy", np.asarray(x), allow_pickle=True)
        whole = (folder / "x.npy").read_bytes()
        (folder / "x.npy").write_bytes(whole[: len(whole) - cut])
        paths: dict[str, Any] = {}
        for name, value in companions.items():
            paths[name] = folder / f"{name}{'.txt' if isinstance(value, str) else '.npy'}"
            if isinstance(value, str):
                paths[name].write_text(value, encoding="utf-8")
            else:
                np.save(paths[name], value)
        return folder / "x.npy", ReadOptions(**paths)

    return make


def npz(*, cut: int = 0, spoil: int | None = None, **members: Any) -> Callable[[Path], tuple[Path, ReadOptions]]:
    def make(folder: Path) -> tuple[Path, ReadOptions]:
        np.savez(folder / "x.npz", **members)
        content = bytearray((folder / "x.npz").read_bytes())
        if spoil is not None:
            content[content.index(b"\x00\x00\x80?") + spoil] ^= 0xFF
        (folder / "x.npz").write_bytes(content[: len(content) - cut])
        return folder / "x.npz", ReadOptions()

    return make


def conll(
    text: str | bytes = TEXT, rows: dict[str, np.ndarray] | np.ndarray | bytes | None = None, **options: Any
) -> Callable[[Path], tuple[Path, ReadOptions]]:
    def make(folder: Path) -> tuple[Path, ReadOptions]:
        (folder / "x.conll").write_bytes(text.encode("utf-8") if isinstance(text, str) else text)
        path = folder / "e.hdf5"
        if isinstance(rows, bytes):
            path.write_bytes(rows)
        elif isinstance(rows, np.ndarray):
            path = folder / "e.npy"
            np.save(path, rows)
        else:
            with h5py.File(path, "w") as file:
                for name, value in (ROWS if rows is None else rows).items():
                    file[name] = value
        return folder / "x.conll", ReadOptions(embeddings=path, **options)

    return make


def truncated_hdf5(folder: Path) -> tuple[Path, ReadOptions]:
    path, options = conll(rows={"0": np.ones((2, 999), "f4"), "1": np.ones((1, 999), "f4")})(folder)
    assert options.embeddings is not None
    whole = options.embeddings.read_bytes()
    options.embeddings.write_bytes(whole[: len(whole) - 4000])
    return path, options


def without_embeddings(folder: Path) -> tuple[Path, ReadOptions]:
    return conll()(folder)[0], ReadOptions()


def huge_header(folder: Path) -> tuple[Path, ReadOptions]:
    """A header that is valid, but too long to be that of an array of numbers."""
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 1)}" + b" " * 20_000 + b"\n"
    start = b"\x93NUMPY\x02\x00" + len(header).to_bytes(4, "little")
    (folder / "x.npy").write_bytes(start + header + b"\0\0\x80?")
    return folder / "x.npy", ReadOptions()


def unknown(folder: Path) -> tuple[Path, ReadOptions]:
    (folder / "x.json").write_text("{}", encoding="utf-8")
    return folder / "x.json", ReadOptions()


def only_hdf5(folder: Path) -> tuple[Path, ReadOptions]:
    _, options = conll()(folder)
    assert options.embeddings is not None
    return options.embeddings, ReadOptions()


def missing(folder: Path) -> tuple[Path, ReadOptions]:
    return folder / "no.npy", ReadOptions()


def with_row(row: int, values: list[float]) -> dict[str, np.ndarray]:
    spoilt = np.ones((2, 3), "f4")
    spoilt[row] = values
    return {**ROWS, "0": spoilt}


# name: how to make it, file, sentence, what the message expects, what it received
CASES: dict[str, tuple[Callable[[Path], tuple[Path, ReadOptions]], str, int | None, str, str]] = {
    "no such file": (missing, "no.npy", None, "readable file", "No such file"),
    "unknown format": (unknown, "x.json", None, "npy, npz, conll", ".json"),
    "HDF5 alone": (only_hdf5, "e.hdf5", None, "--embeddings", "HDF5"),
    "integers": (npy(X.astype(int)), "x.npy", None, "float16 or float32", "int64"),
    "booleans": (npy(X > 0), "x.npy", None, "float16 or float32", "bool"),
    "complex": (npy(X.astype(complex)), "x.npy", None, "float16 or float32", "complex128"),
    "pickle": (npy(np.array([[1.0], None], dtype=object)), "x.npy", None, "numbers", "object"),
    "two axes": (npy(X[0]), "x.npy", None, "(N, T, D)", "(4, 2) float32"),
    "no sentence": (npy(X[:0]), "x.npy", None, "none of them 0", "(0, 4, 2)"),
    "NaN": (npy(NAN), "x.npy", 1, "finite", "nan"),
    "infinite": (npy(np.where(X == 13, -np.inf, X)), "x.npy", 1, "finite", "-inf"),
    "overflow": (npy(LARGE), "x.npy", 1, "3.4e+38", "1e+300"),
    "truncated": (npy(cut=5), "x.npy", 1, "64 bytes", "59 bytes"),
    "huge header": (huge_header, "x.npy", None, "header", "is large"),
    "header only": (npy(cut=150), "x.npy", None, "header", "EOF"),
    "Fortran truncated": (npy(np.asfortranarray(X), cut=5), "x.npy", 0, "64 bytes", "59 bytes"),
    "layer of an array": (
        lambda folder: (npy()(folder)[0], ReadOptions(layer=1)),
        "x.npy",
        None,
        "no --layer",
        "--layer 1",
    ),
    "too few lengths": (npy(lengths=np.array([4])), "lengths.npy", None, "(2,)", "(1,) int64"),
    "float lengths": (npy(lengths=np.array([4.0, 4.0])), "lengths.npy", None, "integers", "float64"),
    "length beyond T": (npy(lengths=np.array([4, 5])), "lengths.npy", 1, "0 to 4", "5"),
    "negative length": (npy(lengths="4\n-1\n"), "lengths.txt", 1, "0 to 4", "-1"),
    "length no number": (npy(lengths="4\nx\n"), "lengths.txt", 1, "one integer a line", "'x'"),
    "too few lines": (npy(lengths="4\n"), "lengths.txt", 1, "2 lengths", "1"),
    "too many lines": (npy(lengths="4\n4\n4\n"), "lengths.txt", 1, "2 lengths", "line 3"),
    "labels of other shape": (npy(labels=Y[:, :3]), "labels.npy", None, "(2, 4)", "(2, 3)"),
    "labels of text": (npy(labels=Y.astype(str)), "labels.npy", None, "integers", "<U"),
    "labels no array": (npy(labels="0 1"), "labels.txt", None, ".npy", "something else"),
    "float label": (npy(labels=Y + 0.5), "labels.npy", 0, "0.0 or 1.0", "0.5"),
    "NaN label": (npy(labels=Y * np.nan), "labels.npy", 0, "0.0 or 1.0", "nan"),
    "negative label": (npy(labels=Y - [[0], [2]]), "labels.npy", 1, "-1 for no label", "-2"),
    "not one-hot": (npy(labels=np.ones((2, 4, 3))), "labels.npy", 0, "one 1", "[1. 1. 1.]"),
    "one-hot without a 1": (npy(labels=np.zeros((2, 4, 3))), "labels.npy", 0, "one 1", "[0. 0. 0.]"),
    "no X": (npz(x=X), "x.npz", None, "X", "x"),
    "broken archive": (npz(X=X, cut=30), "x.npz", None, "zip archive", "zip"),
    "spoilt archive": (npz(X=X, spoil=3), "x.npz", None, "zip archive", "CRC"),
    "tokens as pickle": (npz(X=X, tokens=np.array([["a"] * 4] * 2, object)), "x.npz", None, "text", "object"),
    "tokens of bytes": (npz(X=X, tokens=np.array([[b"a"] * 4] * 2)), "x.npz", None, "unicode", "|S1"),
    "tokens of other shape": (npz(X=X, tokens=np.array([["a"] * 3] * 2)), "x.npz", None, "(2, 4)", "(2, 3)"),
    "too few tokens": (npz(X=X, tokens=["a"] * 7), "x.npz", 1, "4 tokens", "3 left of 7"),
    "too many tokens": (npz(X=X, tokens=["a"] * 9), "x.npz", 1, "8 tokens", "9"),
    "surrogate": (npz(X=X, tokens=["a"] * 7 + ["\udc80"]), "x.npz", 1, "Unicode", "U+DC80"),
    "mask on both sides": (
        npz(X=X, mask=[[1, 1, 1, 0], [0, 1, 1, 1]]),
        "x.npz",
        1,
        "real tokens (True) first",
        "position 0",
    ),
    "mask on other side": (npz(X=X, mask=[[0, 0, 1, 1], [1, 1, 1, 0]]), "x.npz", 1, "padding (False) first", "3 after"),
    "mask with a hole": (npz(X=X, mask=[[0, 0, 1, 1], [0, 1, 0, 1]]), "x.npz", 1, "padding (False) first", "2 after"),
    "mask of twos": (npz(X=X, mask=[[1] * 4, [2, 1, 1, 1]]), "x.npz", 1, "True or 1", "2"),
    "mask of floats": (npz(X=X, mask=np.ones((2, 4))), "x.npz", None, "booleans", "float64"),
    "mask against lengths": (npz(X=X, mask=Y == 0, lengths=[4, 3]), "x.npz", 1, "4 tokens", "3"),
    "no embeddings": (without_embeddings, "x.conll", None, "--embeddings", "none"),
    "labels for a text": (conll(labels=Path("y.npy")), "x.conll", None, "no --labels", "y.npy"),
    "lengths for a text": (conll(lengths=Path("l.npy")), "x.conll", None, "no --lengths", "l.npy"),
    "not UTF-8": (conll(b"a\tO\n\xe9\tO\n"), "x.conll", None, "UTF-8", "0xE9"),
    "ragged columns": (conll("a\tO\nb\tO\n\nb\tX\tO\n"), "x.conll", 1, "2 columns", "3"),
    "no token": (conll("# nothing\n\n"), "x.conll", None, "a line a token", "no token line"),
    "empty text": (conll(""), "x.conll", None, "a line a token", "no token line"),
    "unknown escape": (conll("# maskscope.escaped = backslash\na\\q\tO\n"), "x.conll", 0, r"\uXXXX", "q"),
    "escaped surrogate": (conll("# maskscope.escaped = backslash\n\\ud800\tO\n"), "x.conll", 0, r"\uXXXX", "ud800"),
    "other escape": (conll("# maskscope.escaped = percent\na\tO\n"), "x.conll", 0, "backslash", "percent"),
    "fewer rows": (conll(rows={**ROWS, "1": np.ones((3, 3), "f4")}), "e.hdf5", 1, "1 rows", "(3, 3) float32"),
    "fewer datasets": (conll(rows={"0": ROWS["0"]}), "e.hdf5", 1, '"1"', "1 datasets"),
    "more datasets": (conll(rows={**ROWS, "2": ROWS["1"]}), "e.hdf5", 2, "2 datasets", "3"),
    "no datasets": (conll(rows={"x": ROWS["0"]}), "e.hdf5", 0, '"0"', "1 datasets"),
    "a group": (conll(rows={"0/x": ROWS["0"]}), "e.hdf5", 0, "(T, D)", "group"),
    "one axis": (conll(rows={"0": np.ones(2, "f4")}), "e.hdf5", 0, "(T, D)", "(2,)"),
    "ragged dims": (conll(rows={**ROWS, "1": np.ones((1, 4), "f4")}), "e.hdf5", 1, "(n, 3)", "(1, 4) float32"),
    "ragged layers": (
        conll(rows={"0": np.ones((3, 2, 3), "f4"), "1": np.ones((2, 1, 3), "f4")}),
        "e.hdf5",
        1,
        "(3, n, 3)",
        "(2, 1, 3)",
    ),
    "mixed dtypes": (conll(rows={**ROWS, "1": np.ones((1, 3), "f2")}), "e.hdf5", 1, "float32", "float16"),
    "HDF5 integers": (conll(rows={"0": np.ones((2, 3), int)}), "e.hdf5", 0, "float16 or float32", "int64"),
    "HDF5 NaN": (conll(rows=with_row(1, [1, np.nan, 1])), "e.hdf5", 0, "finite", "nan in column 1"),
    "HDF5 overflow": (
        conll(rows={**ROWS, "0": np.full((2, 3), 1e99)} | {"1": np.ones((1, 3))}),
        "e.hdf5",
        0,
        "3.4e+38",
        "1e+99",
    ),
    "no such layer": (conll(layer=1), "e.hdf5", 0, "0 to 0", "--layer 1"),
    "negative layer": (conll(layer=-1), "e.hdf5", None, "0, 1", "-1"),
    "truncated HDF5": (truncated_hdf5, "e.hdf5", None, "whole HDF5", "truncated"),
    "no HDF5": (conll(rows=b"nothing"), "e.hdf5", None, "HDF5", "nothing"),
    "empty HDF5": (conll(rows=b""), "e.hdf5", None, "HDF5", "empty file"),
    "flat: fewer rows": (conll(rows=np.ones((2, 3), "f4")), "e.npy", 1, "1 rows", "0 left of 2"),
    "flat: more rows": (conll(rows=np.ones((4, 3), "f4")), "e.npy", 1, "3 rows", "4"),
    "flat: three axes": (conll(rows=np.ones((1, 4, 3), "f4")), "e.npy", None, "(n_tokens, D)", "(1, 4, 3)"),
    "flat: NaN": (conll(rows=np.full((3, 3), np.nan, "f4")), "e.npy", 0, "finite", "nan"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_broken_source_is_refused_with_one_sentence(tmp_path: Path, name: str) -> None:
    make, file, sentence, expected, received = CASES[name]
    path, options = make(tmp_path)
    with pytest.raises(ReadError) as caught, open_source(path, options) as source:
        list(source)
    error = caught.value
    assert error.file is not None
    assert error.file.name == file
    assert error.sentence == sentence
    assert error.expected is not None
    assert expected in error.expected
    assert error.received is not None
    assert received in error.received
    words = str(error)
    assert file in words
    assert "\n" not in words
    assert len(words) < 300
    if sentence is not None:
        assert words.startswith(f"sentence {sentence} of {file}: ")


def test_a_value_that_is_no_number_names_its_position(tmp_path: Path) -> None:
    path, options = npy(NAN)(tmp_path)
    with pytest.raises(ReadError, match="position 2"), open_source(path, options) as source:
        list(source)


def test_padding_that_is_no_number_is_left_out(tmp_path: Path) -> None:
    path, options = npy(NAN, lengths=np.array([4, 2]))(tmp_path)
    with open_source(path, options) as source:
        assert len(list(source)) == 2
    assert "padding-not-zero" in [note.kind for note in source.notes()]


def test_an_unknown_format_lists_the_known_ones(tmp_path: Path) -> None:
    path, options = npy()(tmp_path)
    with pytest.raises(ReadError, match=r"expected one of npy, npz, conll.*; received parquet"):
        open_source(path, options, "parquet")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="folder"):
        open_source(tmp_path)


def test_a_refusal_closes_the_files(tmp_path: Path) -> None:
    path, options = conll(rows={**ROWS, "1": np.ones((3, 3), "f4")})(tmp_path)
    with pytest.raises(ReadError), open_source(path, options) as source:
        list(source)
    assert options.embeddings is not None
    with h5py.File(options.embeddings, "a") as file:  # fails while another handle is open
        file["x"] = 1
