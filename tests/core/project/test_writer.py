"""A project is written whole, or nothing stays behind."""

import gc
from pathlib import Path

import numpy as np
import pytest

from maskscope.errors import ProjectError, ReadError
from maskscope.project import Project, ProjectWriter, schema
from maskscope.types import Sentence
from tests.core.project.small_project import sentence, write


class TestWriter:
    def test_left_early_nothing_stays_behind(self, tmp_path: Path) -> None:
        def interrupted() -> None:
            with ProjectWriter(tmp_path / "p", 3, np.dtype(np.float32)) as writer:
                writer.add(sentence(["a"]))
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            interrupted()
        assert list(tmp_path.iterdir()) == []

    def test_without_a_sentence_there_is_no_project(self, tmp_path: Path) -> None:
        with (
            pytest.raises(ProjectError, match="holds no sentence"),
            ProjectWriter(tmp_path / "p", 3, np.dtype(np.float32)) as writer,
        ):
            writer.finish()
        assert list(tmp_path.iterdir()) == []

    def test_rows_that_do_not_fit_are_refused(self, tmp_path: Path) -> None:
        with ProjectWriter(tmp_path / "p", 3, np.dtype(np.float32)) as writer:
            writer.add(sentence(["a"]))
            with pytest.raises(ReadError, match=r"sentence 1: .*expected \(2, 3\) float32; received \(1, 3\)"):
                writer.add(Sentence(("b", "c"), np.zeros((1, 3), dtype=np.float32)))
        assert list(tmp_path.iterdir()) == []

    def test_a_taken_name_is_refused_and_an_empty_folder_used(self, tmp_path: Path) -> None:
        taken = tmp_path / "taken"
        taken.mkdir()
        (taken / "mine.txt").write_text("keep me", encoding="utf-8")
        with pytest.raises(ProjectError, match="there already"):
            write(taken, [sentence(["a"])])
        assert [file.name for file in taken.iterdir()] == ["mine.txt"]
        empty = tmp_path / "empty"
        empty.mkdir()
        with Project.open(write(empty, [sentence(["a"])])) as project:
            assert project.n_tokens == 1
        assert sorted(file.name for file in tmp_path.iterdir()) == ["empty", "taken"]

    def test_a_name_taken_meanwhile_is_left_alone(self, tmp_path: Path) -> None:
        target = tmp_path / "p"
        with ProjectWriter(target, 3, np.dtype(np.float32)) as writer:
            writer.add(sentence(["a"]))
            target.mkdir()
            (target / "theirs").write_text("x", encoding="utf-8")
            with pytest.raises(ProjectError, match="can't be put here"):
                writer.finish()
        assert [str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*")] == ["p", str(Path("p") / "theirs")]

    def test_a_database_that_cannot_be_made_leaves_nothing_open_or_behind(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(schema, "TABLES", "no SQL")
        with pytest.raises(ProjectError, match="can't be written here: near"):
            ProjectWriter(tmp_path / "p", 3, np.dtype(np.float32))
        gc.collect()
        assert list(tmp_path.iterdir()) == []

    def test_a_place_that_cannot_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("", encoding="utf-8")
        with pytest.raises(ProjectError, match="can't be written here"):
            write(tmp_path / "file" / "p", [sentence(["a"])])
