"""One writer opens a project; damage is refused with a message, and a failure leaves nothing open."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from maskscope.errors import ProjectError, ReadOnlyError
from maskscope.project import Project
from tests.core.project.small_project import OUT, sentence, write


class TestOneWriter:
    def test_a_second_opener_reads_only_and_sees_new_edits(self, folder: Path) -> None:
        with Project.open(folder) as first, Project.open(folder) as second:
            assert (first.read_only, second.read_only) == (False, True)
            with pytest.raises(ReadOnlyError, match="read-only"):
                second.edits.relabel(0, 0, [OUT], "no")
            with pytest.raises(ReadOnlyError):
                second.edits.relabel(0, 0, [], "no", "flagged")
            first.edits.relabel(0, 0, [OUT], "yes")
            assert second.sentence(0).labels.tolist() == [OUT, OUT]
        with Project.open(folder) as third:
            assert not third.read_only

    def test_asking_for_read_only_takes_no_lock(self, folder: Path) -> None:
        with Project.open(folder, read_only=True) as reader, Project.open(folder) as writer:
            assert reader.read_only
            assert not writer.read_only

    def test_the_lock_goes_with_a_killed_process(self, folder: Path) -> None:
        code = (
            "import sys; from maskscope.project import Project\n"
            "p = Project.open(sys.argv[1]); p.edits.relabel(0, 0, [0], 'saved'); print(p.read_only, flush=True)\n"
            "sys.stdin.read()"
        )
        with subprocess.Popen(
            [sys.executable, "-c", code, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=child_environment(),
        ) as child:
            assert child.stdout is not None
            assert child.stdout.readline().strip() == "False"
            with Project.open(folder) as project:
                assert project.read_only
            child.kill()
            child.wait()
            with Project.open(folder) as project:
                assert not project.read_only
                assert project.sentence(0).labels[0] == OUT


def child_environment() -> dict[str, str]:
    """The environment of a child that imports the same maskscope as this test."""
    import os

    import maskscope

    root = str(Path(maskscope.__file__).parent.parent)
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))}


class TestDamage:
    def test_a_missing_folder_and_one_that_is_no_project_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ProjectError, match=r"nowhere: there is no such project"):
            Project.open(tmp_path / "nowhere")
        with pytest.raises(ProjectError, match="is no Maskscope project"):
            Project.open(tmp_path)

    def test_a_project_of_a_later_version_is_refused(self, folder: Path) -> None:
        with sqlite3.connect(folder / "project.sqlite") as db:
            db.execute("PRAGMA user_version = 99")
        db.close()
        for read_only in (False, True):
            with pytest.raises(ProjectError, match=r"later Maskscope.*received version 99"):
                Project.open(folder, read_only=read_only)

    @pytest.mark.parametrize("read_only", [False, True])
    def test_a_file_that_is_no_database(self, folder: Path, read_only: bool) -> None:
        (folder / "project.sqlite").write_bytes(b"no database" * 1000)
        with pytest.raises(ProjectError, match="is damaged"):
            Project.open(folder, read_only=read_only)

    @pytest.mark.parametrize("read_only", [False, True])
    def test_an_empty_database(self, folder: Path, read_only: bool) -> None:
        (folder / "project.sqlite").write_bytes(b"")
        with pytest.raises(ProjectError, match="is damaged"):
            Project.open(folder, read_only=read_only)

    @pytest.mark.parametrize("key", ["scheme", "n_tokens", "dtype"])
    def test_a_meta_row_that_makes_no_sense(self, folder: Path, key: str) -> None:
        with sqlite3.connect(folder / "project.sqlite") as db:
            db.execute("UPDATE meta SET value = '[1]' WHERE key = ?", (key,))
        db.close()
        with pytest.raises(ProjectError, match="is damaged"):
            Project.open(folder)

    def test_embeddings_that_are_cut_missing_or_of_another_shape_are_refused(self, folder: Path) -> None:
        file = folder / "embeddings.npy"
        whole = file.read_bytes()
        file.write_bytes(whole[:-4])
        with pytest.raises(ProjectError, match="can't be read"):
            Project.open(folder)
        np.save(file, np.zeros((5, 4), dtype=np.float32))
        with pytest.raises(ProjectError, match="not those of this project"):
            Project.open(folder)
        file.unlink()
        with pytest.raises(ProjectError, match=r"embeddings\.npy"):
            Project.open(folder)

    def test_the_lock_is_free_after_a_failed_opening(self, folder: Path) -> None:
        file = folder / "embeddings.npy"
        whole = file.read_bytes()
        file.write_bytes(b"")
        with pytest.raises(ProjectError):
            Project.open(folder)
        file.write_bytes(whole)
        with Project.open(folder) as project:
            assert not project.read_only


class TestPath:
    @pytest.mark.parametrize("name", ["a b", "p#1", "x%41", "é人"] + ([] if os.name == "nt" else ["why?mode=rw&x"]))
    def test_any_name_opens_read_only(self, tmp_path: Path, name: str) -> None:
        target = write(tmp_path / name, [sentence(["a"])])
        with Project.open(target, read_only=True) as project:
            assert project.sentence(0).tokens == ("a",)

    def test_the_path_stays_the_same_wherever_the_program_goes(
        self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(folder.parent)
        with Project.open(folder.name) as project:
            monkeypatch.chdir(tmp_path.parent)
            assert project.path == folder.resolve()
            assert project.models.new_folder().is_absolute()
