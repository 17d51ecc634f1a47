"""Import: the project holds what the source holds, and an import that is refused or cancelled leaves nothing."""

import gc
import json
import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskscope.errors import Cancelled, ProjectError, ReadError
from maskscope.jobs import FlagJob
from maskscope.project import Project
from maskscope.readers import ReadOptions
from maskscope.types import NO_LABEL
from maskscope.workflows.export import export_project
from maskscope.workflows.import_ import import_project


def padded(tmp_path: Path) -> Path:
    """Two sentences of 3 and 2 tokens, the first with a zero row inside it, padded to 4."""
    x = np.zeros((2, 4, 2), dtype=np.float32)
    x[0, 0], x[0, 2] = 1, 2
    x[1, :2] = 3
    np.save(tmp_path / "X.npy", x)
    return tmp_path / "X.npy"


def left(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


class TestPadded:
    def test_lengths_are_inferred_with_a_note(self, tmp_path: Path) -> None:
        report = import_project(tmp_path / "p", padded(tmp_path))
        assert report.lengths_from == "inferred"
        assert (report.n_sentences, report.n_tokens, report.dim, report.dtype) == (2, 5, 2, "float32")
        assert report.collisions == ((0, 1),)
        assert any("0" in note.text and 0 in note.sentences for note in report.notes)
        with Project.open(tmp_path / "p") as project:
            assert project.offsets.tolist() == [0, 3, 5]
            assert project.embeddings.tolist() == [[1, 1], [0, 0], [2, 2], [3, 3], [3, 3]]
            assert project.lengths_from == "inferred"
            assert len(project.notes) == len(report.notes)

    def test_given_lengths_keep_a_zero_token_at_the_end(self, tmp_path: Path) -> None:
        np.save(tmp_path / "L.npy", np.array([4, 2]))
        report = import_project(tmp_path / "p", padded(tmp_path), ReadOptions(lengths=tmp_path / "L.npy"))
        assert report.lengths_from == "source"
        assert report.collisions == ((0, 1), (0, 3))

    @pytest.mark.parametrize(
        ("y", "kind", "expected"),
        [
            (np.array([[0, 1, 1, 0], [1, 0, 0, 0]]), "binary", [0, 1, 1, 1, 0]),
            (np.array([[[0.0], [1.0], [1.0], [0.0]], [[1.0], [0.0], [0.0], [0.0]]]), "binary", [0, 1, 1, 1, 0]),
            (np.array([[2, 1, 0, 0], [10, 2, 0, 0]]), "multiclass", [2, 1, 0, 3, 2]),
            (np.eye(3)[np.array([[2, 1, 0, 0], [1, 2, 0, 0]])], "multiclass", [2, 1, 0, 1, 2]),
        ],
    )
    def test_labels_in_every_shape(self, tmp_path: Path, y: np.ndarray, kind: str, expected: list[int]) -> None:
        np.save(tmp_path / "y.npy", y)
        report = import_project(tmp_path / "p", padded(tmp_path), ReadOptions(labels=tmp_path / "y.npy"))
        assert report.scheme.kind == kind
        with Project.open(tmp_path / "p") as project:
            assert project.labels("gold").tolist() == expected

    def test_float64_is_stored_as_float32_with_a_note(self, tmp_path: Path) -> None:
        np.save(tmp_path / "X.npy", np.full((1, 2, 3), 0.1))
        report = import_project(tmp_path / "p", tmp_path / "X.npy")
        assert report.dtype == "float32"
        assert any("float32" in note.text for note in report.notes)


class TestText:
    def write(self, tmp_path: Path, text: str, arrays: list[np.ndarray]) -> tuple[Path, ReadOptions]:
        (tmp_path / "s.conll").write_text(text, encoding="utf-8", newline="\n")
        with h5py.File(tmp_path / "e.hdf5", "w") as file:
            for i, array in enumerate(arrays):
                file[str(i)] = array
        return tmp_path / "s.conll", ReadOptions(embeddings=tmp_path / "e.hdf5", layer="concat")

    def test_a_text_with_layers_is_imported(self, tmp_path: Path) -> None:
        first = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
        second = -np.ones((2, 1, 3), dtype=np.float32)
        source, options = self.write(tmp_path, "Ann\tPER\nsings\tO\n\n!\tO\n", [first, second])
        report = import_project(tmp_path / "p", source, options)
        assert report.dim == 6
        with Project.open(tmp_path / "p") as project:
            assert [row.tokens for row in project.sentences()] == [("Ann", "sings"), ("!",)]
            assert project.embeddings[0].tolist() == [0, 1, 2, 6, 7, 8]
            assert project.labels("gold").tolist() == [1, 0, 0]

    @pytest.mark.parametrize(
        ("labels", "taken"),
        [
            (["VERB", "ADJ", "NOUN"], "ADJ"),
            (["pos", "neg"], "neg"),
            (["VERB", "O", "NOUN"], None),
            (["name"], None),
        ],
    )
    def test_a_label_taken_as_outside_has_a_note(self, tmp_path: Path, labels: list[str], taken: str | None) -> None:
        text = "".join(f"t\t{label}\n" for label in labels)
        source, options = self.write(tmp_path, text, [np.ones((len(labels), 3), dtype=np.float32)])
        report = import_project(tmp_path / "p", source, options)
        texts = [note.text for note in report.notes if note.kind == "outside-guessed"]
        words = (
            f"No label has a name that means outside, such as O, so {taken} was taken as the outside label: key 0 sets"
            " it, and F1 leaves it out."
        )
        assert texts == ([] if taken is None else [words])
        with Project.open(tmp_path / "p") as project:
            assert (words in project.notes) == (taken is not None)
            if taken is not None:
                assert project.scheme.classes[project.scheme.outside] == taken

    def test_a_refusal_halfway_leaves_nothing(self, tmp_path: Path) -> None:
        good, bad = np.ones((1, 3), dtype=np.float32), np.ones((2, 3), dtype=np.float32)
        text = "a\tO\n\n" * 300 + "b\tO\n"
        source, options = self.write(tmp_path, text, [good] * 300 + [bad])
        before = left(tmp_path)
        with pytest.raises(ReadError, match="sentence 300"):
            import_project(tmp_path / "p", source, options)
        assert left(tmp_path) == before

    def test_cancelling_leaves_nothing(self, tmp_path: Path) -> None:
        source, options = self.write(tmp_path, "a\tO\n\n" * 200, [np.ones((1, 3), dtype=np.float32)] * 200)
        before = left(tmp_path)

        class Impatient(FlagJob):
            def progress(self, done: int, total: int, text: str = "") -> None:
                if done >= 128:
                    self.cancel()
                super().progress(done, total, text)

        with pytest.raises(Cancelled):
            import_project(tmp_path / "p", source, options, job=Impatient())
        assert left(tmp_path) == before


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.ones((2, 3, 4), dtype=np.int64), "int64"),
        (np.full((2, 3, 4), np.nan, dtype=np.float32), "sentence 0"),
        (np.full((1, 3, 4), np.inf, dtype=np.float16), "sentence 0"),
        (np.ones((2, 3), dtype=np.float32), r"\(2, 3\)"),
        (np.array([[[None]]], dtype=object), "pickle"),
        (np.zeros((0, 3, 4), dtype=np.float32), r"X\.npy|no sentence"),
        (np.zeros((2, 0, 4), dtype=np.float32), r"X\.npy|no sentence"),
    ],
)
def test_what_is_no_padded_array_is_refused_by_name(tmp_path: Path, x: np.ndarray, words: str) -> None:
    np.save(tmp_path / "X.npy", x)
    with pytest.raises((ReadError, ProjectError), match=words) as caught:
        import_project(tmp_path / "p", tmp_path / "X.npy")
    assert "\n" not in str(caught.value)
    assert left(tmp_path) == ["X.npy"]


def test_a_truncated_file_and_a_missing_one(tmp_path: Path) -> None:
    source = padded(tmp_path)
    source.write_bytes(source.read_bytes()[:-3])
    with pytest.raises(ReadError, match="truncated"):
        import_project(tmp_path / "p", source)
    with pytest.raises(ReadError, match=r"gone\.npy"):
        import_project(tmp_path / "p", tmp_path / "gone.npy")
    assert left(tmp_path) == ["X.npy"]


def test_the_path_is_used_as_it_was_given(tmp_path: Path) -> None:
    report = import_project(tmp_path / "plain", padded(tmp_path))
    assert report.path == tmp_path / "plain"
    with pytest.raises(ProjectError, match="there already"):
        import_project(tmp_path / "plain", padded(tmp_path))


token = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(
    [
        "",
        " ",
        "\t",
        "a b",
        '"',
        "\\",
        "#",
        "# x",
        "-DOCSTART-",
        "שלום",
        "👩‍👩‍👧",
        "e\u0301",
        "\ufe0f",
        "\r\n",
        "\x85",
        "\u2028",
    ]
)
labelled = st.lists(st.tuples(token, st.sampled_from(["O", "B x", "naïve", None])), min_size=1, max_size=5)


@given(st.lists(labelled, min_size=1, max_size=4))
def test_an_exported_text_imports_again_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, sentences: list[list[tuple[str, str | None]]]
) -> None:
    from maskscope.project import ProjectWriter
    from maskscope.types import Sentence

    folder = tmp_path_factory.mktemp("trip")
    total = sum(map(len, sentences))
    with ProjectWriter(folder / "p", 2, np.dtype(np.float32)) as writer:
        for each in sentences:
            tokens, labels = zip(*each, strict=True)
            writer.add(Sentence(tokens, np.ones((len(each), 2), dtype=np.float32), labels))
        writer.finish()
    np.save(folder / "rows.npy", np.ones((total, 2), dtype=np.float32))
    with Project.open(folder / "p") as project:
        assert export_project(project, folder / "out.conll", "conll") == len(sentences)
    import_project(folder / "again", folder / "out.conll", ReadOptions(embeddings=folder / "rows.npy"))
    with Project.open(folder / "again") as project:
        names = project.scheme.classes
        again = [
            [
                (word, names[label] if label != NO_LABEL else None)
                for word, label in zip(row.tokens, row.gold, strict=True)
            ]
            for row in project.sentences()
        ]
    assert again == sentences


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_sentences(tmp_path: Path) -> None:
    def peak(n_sentences: int) -> int:
        x = np.ones((n_sentences, 10, 64), dtype=np.float16)
        np.save(tmp_path / f"{n_sentences}.npy", x)
        del x
        gc.collect()
        tracemalloc.start()
        try:
            import_project(tmp_path / f"p{n_sentences}", tmp_path / f"{n_sentences}.npy")
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    small, large = peak(8_000), peak(16_000)
    # 10 MB more in the file; a few numbers a sentence may stay.
    assert large < small + 1_000_000


def test_notes_are_kept_in_the_project(tmp_path: Path) -> None:
    report = import_project(tmp_path / "p", padded(tmp_path))
    with Project.open(tmp_path / "p") as project:
        assert json.dumps(project.notes) == json.dumps([note.text for note in report.notes])


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ("B-x I-x O B-y", None),
        ("O I-x B-x I-x O I-y I-y O I-x", "Most spans begin with I-, as in IOB1 (the first in sentence 0, position 1)"),
        ("B-x I-x O I-y B-x B-y", "1 span begins without B-, against BIO (the first in sentence 0, position 3)."),
        ("B-x E-x S-x O", None),
    ],
)
def test_a_note_tells_of_spans_that_begin_with_i(tmp_path: Path, labels: str, expected: str | None) -> None:
    names = labels.split()
    (tmp_path / "s.conll").write_text("".join(f"w{i}\t{name}\n" for i, name in enumerate(names)), encoding="utf-8")
    np.save(tmp_path / "e.npy", np.ones((len(names), 2), dtype=np.float32))
    options = ReadOptions(embeddings=tmp_path / "e.npy")
    report = import_project(tmp_path / "p", tmp_path / "s.conll", options)
    texts = [note.text for note in report.notes if note.kind == "span-labels"]
    assert len(texts) == (expected is not None)
    assert all(text.startswith(str(expected)) for text in texts)
