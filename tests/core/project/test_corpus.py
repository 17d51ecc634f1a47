"""What is imported comes back as it was, can be searched, and is counted."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from maskscope.padding import Padding
from maskscope.project import Project, ProjectWriter
from maskscope.readers.base import StoredDtype, narrowed
from maskscope.types import NO_LABEL, Embeddings, Labels, Sentence, TagScheme
from tests.core.project.small_project import LOC, OUT, PER, counted, recounted, sentence, write, write_small

ODD_TOKENS = (
    "",
    " ",
    "two words",
    "\t",
    "a\tb",
    "line\nfeed",
    'quo"te',
    "it's",
    "\\back\\slash",
    "שלום",
    "\u202emirrored\u202c",
    "👩‍👩‍👧",
    "e\u0301",
    "\ufe0f",
    "\x00nul",
    "\ufeffbom",
    "\ud800",
    "\udfff end",
    "💩\ud83d",
)


class TestRoundTrip:
    def test_odd_tokens_come_back_as_they_were(self, tmp_path: Path) -> None:
        target = write(tmp_path / "odd", [sentence(ODD_TOKENS), sentence([]), sentence(ODD_TOKENS[::-1])])
        with Project.open(target) as project:
            assert [row.tokens for row in project.sentences()] == [ODD_TOKENS, (), ODD_TOKENS[::-1]]

    def test_names_comments_and_labels_come_back(self, tmp_path: Path) -> None:
        rows = np.ones((2, 3), dtype=np.float32)
        odd = Sentence(("a", "b"), rows, ("naïve label", "人名"), "s-1 “x”", ("text = a b", "\ud800"))
        target = write(tmp_path / "p", [odd])
        with Project.open(target) as project:
            row = project.sentence(0)
            assert (row.name, row.comments) == (odd.name, odd.comments)
            assert [project.scheme.classes[label] for label in row.gold] == ["naïve label", "人名"]

    @pytest.mark.parametrize("dtype", [np.dtype(np.float16), np.dtype(np.float32)], ids=str)
    def test_embeddings_keep_their_bits(self, tmp_path: Path, dtype: StoredDtype) -> None:
        rng = np.random.default_rng(0)
        parts: list[Embeddings] = [narrowed(rng.normal(size=(n, 5)), dtype) for n in (3, 0, 1, 7)]
        with ProjectWriter(tmp_path / "p", 5, dtype) as writer:
            for part in parts:
                writer.add(Sentence(tuple("t" * len(part)), part))
            writer.finish()
        with Project.open(tmp_path / "p") as project:
            assert project.dtype == dtype
            assert project.offsets.tolist() == [0, 3, 3, 4, 11]
            np.testing.assert_array_equal(project.embeddings, np.concatenate(parts))
        # numpy itself is the judge of the file
        np.testing.assert_array_equal(np.load(tmp_path / "p" / "embeddings.npy"), np.concatenate(parts))

    def test_sizes_labels_and_scheme(self, folder: Path) -> None:
        with Project.open(folder) as project:
            assert (project.n_sentences, project.n_tokens, project.dim) == (3, 5, 3)
            assert project.scheme == TagScheme("multiclass", ("O", "LOC", "PER"))
            assert project.labels("gold").tolist() == [PER, OUT, OUT, LOC, NO_LABEL]
            assert counted(project) == ([2, 1, 1], 1, 0, 0, 0) == recounted(project)

    def test_two_labels_make_it_binary_and_outside_comes_first(self, tmp_path: Path) -> None:
        target = write(tmp_path / "p", [sentence(["a", "b", "c"], ["name", "none", None])])
        with Project.open(target) as project:
            assert project.scheme == TagScheme("binary", ("none", "name"))
            assert project.labels("gold").tolist() == [1, 0, NO_LABEL]

    def test_more_sentences_than_a_block_are_renumbered_and_found(self, tmp_path: Path) -> None:
        n = 4096 + 300
        target = write(tmp_path / "p", [sentence(["w"], ["Z" if i % 3 else "O"]) for i in range(n)])
        with Project.open(target) as project:
            assert project.offsets.tolist() == list(range(n + 1))
            expected = [0 if i % 3 == 0 else 1 for i in range(n)]
            assert project.labels("gold").tolist() == expected
            assert [row.gold[0] for row in project.sentences()] == expected

    def test_a_zero_row_is_a_collision(self, tmp_path: Path) -> None:
        target = write(tmp_path / "p", [sentence(["a"]), sentence(["b", "c"], fill=0.0), sentence(["d"])])
        with Project.open(target) as project:
            assert project.collisions().tolist() == [[1, 0], [1, 1]]

    @pytest.mark.parametrize("mask_value", [0.0, -0.0, None, -1.0, 2.0])
    def test_a_token_is_masked_by_the_mask_value_of_the_model(self, tmp_path: Path, mask_value: float | None) -> None:
        fills: list[list[float]] = [[1.0, 0.0, -1.0], [], [-1.0], [0.0, 0.0, 3.0]]
        with ProjectWriter(tmp_path / "p", 3, np.dtype(np.float16)) as writer:
            for fill in fills:
                rows = np.repeat(np.array(fill, dtype=np.float16), 3).reshape(-1, 3)
                writer.add(Sentence(tuple("t" * len(fill)), rows))
            writer.finish()
        expected = [value == mask_value for fill in fills for value in fill]
        with Project.open(tmp_path / "p") as project:
            assert project.masked_tokens(mask_value).tolist() == np.flatnonzero(expected).tolist()
            masks = [project.mask(i, mask_value) for i in range(4)]
        assert [len(mask) for mask in masks] == [3, 0, 1, 3]
        assert np.concatenate(masks).tolist() == [not masked for masked in expected]

    def test_the_fingerprint_follows_rows_and_bounds(self, tmp_path: Path) -> None:
        def fingerprint(name: str, sentences: Sequence[Sentence]) -> str:
            with Project.open(write(tmp_path / name, sentences)) as project:
                return project.fingerprint

        one = fingerprint("a", [sentence(["x", "y"]), sentence(["z"])])
        assert one == fingerprint("b", [sentence(["X", "Y"], ["O", "O"]), sentence(["Z"], ["O"])])
        assert one != fingerprint("c", [sentence(["x"]), sentence(["y", "z"])])
        assert one != fingerprint("d", [sentence(["x", "y"], fill=2.0), sentence(["z"])])


def test_notes_are_kept(tmp_path: Path) -> None:
    with ProjectWriter(tmp_path / "p", 3, np.dtype(np.float32)) as writer:
        writer.add(sentence(["a"]))
        writer.finish(lengths_from="inferred", notes=["Lengths were inferred."])
    with Project.open(tmp_path / "p") as project:
        assert project.notes == ("Lengths were inferred.",)
        assert project.lengths_from == "inferred"


def test_labels_of_a_run_keep_their_type(folder: Path) -> None:
    with Project.open(folder) as project:
        labels: Labels = project.sentence(0).labels
        assert labels.dtype == np.int16


class TestFinding:
    def test_find_ignores_case_and_takes_words_in_a_row(self, folder: Path) -> None:
        with Project.open(folder) as project:
            assert list(project.find("ROME")) == [2]
            assert list(project.find("ann went")) == [0]
            assert list(project.find("ann rome")) == []

    def test_a_stale_search_stops_at_the_next_block(self, tmp_path: Path) -> None:
        target = write(tmp_path / "p", [sentence(["a"], ["O"])] * 5000)
        with Project.open(target, read_only=True) as project:
            searches: list[Callable[[Callable[[], bool]], Iterator[int]]] = [
                lambda stale: project.find("a", stale),
                lambda stale: project.find_label(OUT, stale),
            ]
            for ask in searches:
                asked: list[int] = []

                def stale(asked: list[int] = asked) -> bool:
                    asked.append(1)
                    return len(asked) > 2

                assert len(list(ask(stale))) == 2 * 2048
                assert len(list(ask(lambda: False))) == 5000
                # Asked also where nothing is found, so that a rare word does not read on to the end.
                assert list(ask(lambda: True)) == []


@pytest.mark.parametrize("rows", [[[0.0, 0.0, 0.0]], [[np.nan] * 3], [[0.1, 1e-40, 3.0]], [[1.0, 2, 3], [4, 5, 6]]])
@pytest.mark.parametrize("side", ["back", "front"])
def test_a_project_remembers_what_its_source_was_padded_with(
    tmp_path: Path, rows: list[list[float]], side: Literal["back", "front"]
) -> None:
    given = Padding(np.array(rows, dtype=np.float32), side)
    with ProjectWriter(tmp_path / "p", 3, np.dtype(np.float32)) as writer:
        writer.add(sentence(["a"]))
        writer.finish(padding=given)
    with Project.open(tmp_path / "p") as project:
        found = project.padding
        assert found is not None
        np.testing.assert_array_equal(found.rows, given.rows)
        assert (found.side, found.origin) == (side, "data")


def test_a_project_of_an_earlier_version_does_not_know_its_padding(tmp_path: Path) -> None:
    path = write_small(tmp_path / "p")
    with sqlite3.connect(path / "project.sqlite") as db:
        assert db.execute("SELECT value FROM meta WHERE key = 'padding'").fetchone() == ("",)
        db.execute("DELETE FROM meta WHERE key = 'padding'")
    db.close()
    with Project.open(path) as project:
        assert project.padding is None
