"""What a project keeps, what it refuses, and that a failure changes nothing."""

import errno
import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath

import numpy as np
import pytest

from maskscope.errors import ModelError, ProjectError, ReadError, ReadOnlyError
from maskscope.project import Project, ProjectWriter, set_aside
from maskscope.project.database import Database, file_uri
from maskscope.runs import RunInfo, TrainSettings
from maskscope.types import NO_EDIT, NO_LABEL, Labels, Sentence, TagScheme

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


def sentence(tokens: Sequence[str], labels: Sequence[str | None] | None = None, fill: float = 1.0) -> Sentence:
    rows = np.full((len(tokens), 3), fill, dtype=np.float32)
    return Sentence(tuple(tokens), rows, None if labels is None else tuple(labels))


def write(target: Path, sentences: Sequence[Sentence]) -> Path:
    with ProjectWriter(target, 3, np.dtype(np.float32)) as writer:
        for each in sentences:
            writer.add(each)
        writer.finish({"source": "x", "lengths_from": "source", "notes": "[]"})
    return target


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ann(PER) went(OUT) | an empty sentence | to(OUT) Rome(LOC) ?(no label)."""
    return write(
        tmp_path / "p.maskscope",
        [
            sentence(["Ann", "went"], ["PER", "O"]),
            sentence([], []),
            sentence(["to", "Rome", "?"], ["O", "LOC", None]),
        ],
    )


OUT, LOC, PER = 0, 1, 2


def recount(project: Project) -> tuple[list[int], int, int, int, int]:
    """The counts from the sentences alone, to hold the kept ones against."""
    now = np.concatenate([row.labels for row in project.sentences()])
    edits = np.concatenate([row.edits for row in project.sentences()])
    states = [row.state for row in project.sentences()]
    return (
        [int((now == code).sum()) for code in range(len(project.scheme.classes))],
        int((now == NO_LABEL).sum()),
        int((edits != NO_EDIT).sum()),
        states.count("accepted"),
        states.count("flagged"),
    )


def kept(project: Project) -> tuple[list[int], int, int, int, int]:
    counts = project.counts()
    return list(counts.labels), counts.unlabelled, counts.edited, counts.accepted, counts.flagged


class TestRoundTrip:
    def test_odd_tokens_come_back_as_they_were(self, tmp_path: Path) -> None:
        target = write(tmp_path / "odd", [sentence(ODD_TOKENS), sentence([]), sentence(ODD_TOKENS[::-1])])
        with Project.open(target) as project:
            assert [row.tokens for row in project.sentences()] == [ODD_TOKENS, (), ODD_TOKENS[::-1]]

    def test_a_token_that_utf8_cannot_hold_can_be_edited(self, tmp_path: Path) -> None:
        target = write(tmp_path / "odd", [sentence(["\ud800"], ["O"])])
        with Project.open(target) as project:
            edit = project.edits.relabel(0, 0, [1], "\ud800 → label")
            assert edit is not None
            assert edit.title == project.edits.next_titles()[0] == "\\ud800 → label"

    def test_names_comments_and_labels_come_back(self, tmp_path: Path) -> None:
        rows = np.ones((2, 3), dtype=np.float32)
        odd = Sentence(("a", "b"), rows, ("naïve label", "人名"), "s-1 “x”", ("text = a b", "\ud800"))
        target = write(tmp_path / "p", [odd])
        with Project.open(target) as project:
            row = project.sentence(0)
            assert (row.name, row.comments) == (odd.name, odd.comments)
            assert [project.scheme.classes[label] for label in row.gold] == ["naïve label", "人名"]

    @pytest.mark.parametrize("dtype", [np.float16, np.float32])
    def test_embeddings_keep_their_bits(self, tmp_path: Path, dtype: type[np.float16] | type[np.float32]) -> None:
        rng = np.random.default_rng(0)
        parts = [rng.normal(size=(n, 5)).astype(dtype) for n in (3, 0, 1, 7)]
        with ProjectWriter(tmp_path / "p", 5, np.dtype(dtype)) as writer:
            for part in parts:
                writer.add(Sentence(tuple("t" * len(part)), part))
            writer.finish({})
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
            assert kept(project) == ([2, 1, 1], 1, 0, 0, 0) == recount(project)

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

    def test_the_fingerprint_follows_rows_and_bounds(self, tmp_path: Path) -> None:
        def fingerprint(name: str, sentences: Sequence[Sentence]) -> str:
            with Project.open(write(tmp_path / name, sentences)) as project:
                return project.fingerprint

        one = fingerprint("a", [sentence(["x", "y"]), sentence(["z"])])
        assert one == fingerprint("b", [sentence(["X", "Y"], ["O", "O"]), sentence(["Z"], ["O"])])
        assert one != fingerprint("c", [sentence(["x"]), sentence(["y", "z"])])
        assert one != fingerprint("d", [sentence(["x", "y"], fill=2.0), sentence(["z"])])


class TestEditing:
    def test_counts_follow_each_edit(self, folder: Path) -> None:
        with Project.open(folder) as project:
            project.edits.relabel(2, 0, [PER, PER], "to Rome → PER")
            assert kept(project) == ([1, 0, 3], 1, 2, 0, 0) == recount(project)
            project.edits.relabel(2, 2, [NO_LABEL], "? has no label", state="accepted")
            assert kept(project) == ([1, 0, 3], 1, 3, 1, 0) == recount(project)
            project.edits.relabel(2, 0, [NO_EDIT, NO_EDIT, NO_EDIT], "back to gold")
            assert kept(project) == ([2, 1, 1], 1, 0, 1, 0) == recount(project)
            project.edits.relabel(0, 0, [], "flag", "flagged")
            project.edits.relabel(2, 0, [], "unflag", "unreviewed")
            assert kept(project) == ([2, 1, 1], 1, 0, 0, 1) == recount(project)
            assert project.states().tolist() == [2, 0, 0]

    def test_an_edit_leaves_the_gold_label_alone(self, folder: Path) -> None:
        with Project.open(folder) as project:
            project.edits.relabel(0, 1, [LOC], "went → LOC")
            row = project.sentence(0)
            assert row.gold.tolist() == [PER, OUT]
            assert row.labels.tolist() == [PER, LOC]
            assert row.edited.tolist() == [False, True]
            assert project.labels("gold").tolist() == [PER, OUT, OUT, LOC, NO_LABEL]
            assert project.labels("edited").tolist() == [PER, LOC, OUT, LOC, NO_LABEL]
            assert project.edited_sentences().tolist() == [0]

    def test_nothing_to_change_is_no_edit(self, folder: Path) -> None:
        with Project.open(folder) as project:
            assert project.edits.relabel(0, 0, [NO_EDIT], "nothing") is None
            assert project.edits.relabel(0, 0, [], "nothing", "unreviewed") is None
            assert project.edits.undo() is None
            assert project.edits.redo() is None
            assert project.edits.last() is None

    @pytest.mark.parametrize(
        ("place", "first", "labels"),
        [(0, 0, [3]), (0, 0, [-3]), (0, 1, [OUT, OUT]), (0, -1, [OUT]), (1, 0, [OUT]), (3, 0, [OUT]), (-1, 0, [OUT])],
    )
    def test_what_does_not_fit_is_refused(self, folder: Path, place: int, first: int, labels: list[int]) -> None:
        with Project.open(folder) as project:
            with pytest.raises(ProjectError):
                project.edits.relabel(place, first, labels, "wrong")
            assert kept(project) == recount(project) == ([2, 1, 1], 1, 0, 0, 0)
            assert project.edits.count() == 0

    def test_undo_goes_back_through_sentences_and_a_restart(self, folder: Path) -> None:
        acts: list[tuple[int, int, int]] = [(0, 0, OUT), (2, 1, PER), (0, 1, LOC), (2, 0, LOC), (0, 0, LOC)]
        snapshots: list[list[int]] = []
        for place, first, label in acts:
            with Project.open(folder) as project:
                snapshots.append(project.labels("edited").tolist())
                project.edits.relabel(place, first, [label], f"{place}.{first} → {label}")
        with Project.open(folder) as project:
            last = project.labels("edited").tolist()
        for place, first, _ in reversed(acts):
            with Project.open(folder) as project:
                undone = project.edits.undo()
                assert undone is not None
                assert (undone.changes[0].sentence, undone.changes[0].first) == (place, first)
                assert project.labels("edited").tolist() == snapshots.pop()
        with Project.open(folder) as project:
            assert project.edits.undo() is None
            for place, _, _ in acts:
                redone = project.edits.redo()
                assert redone is not None
                assert redone.changes[0].sentence == place
            assert project.edits.redo() is None
            assert project.labels("edited").tolist() == last

    def test_undo_has_no_limit(self, folder: Path) -> None:
        with Project.open(folder) as project:
            for i in range(300):
                project.edits.relabel(0, 0, [i % 2], "flip")
        with Project.open(folder) as project:
            steps = 0
            while project.edits.undo() is not None:
                steps += 1
            assert steps == 300
            assert project.labels("edited").tolist() == [PER, OUT, OUT, LOC, NO_LABEL]

    def test_a_new_edit_ends_redo(self, folder: Path) -> None:
        with Project.open(folder) as project:
            project.edits.relabel(0, 0, [OUT], "first")
            project.edits.undo()
            assert project.edits.next_titles() == (None, "first")
            project.edits.relabel(0, 1, [LOC], "second")
            assert project.edits.next_titles() == ("second", None)
            assert project.edits.redo() is None
        with Project.open(folder) as project:
            assert project.edits.next_titles() == ("second", None)

    def test_labels_and_state_of_one_act_are_undone_together(self, folder: Path) -> None:
        with Project.open(folder) as project:
            project.edits.relabel(0, 0, [OUT], "accept", state="accepted")
            project.edits.undo()
            row = project.sentence(0)
            assert (row.edits.tolist(), row.state) == ([NO_EDIT, NO_EDIT], "unreviewed")

    def test_a_sentence_has_one_review_state(self, folder: Path) -> None:
        with Project.open(folder) as project:
            project.edits.relabel(0, 0, [], "accept", "accepted")
            project.edits.relabel(0, 0, [], "flag", "flagged")
            assert project.sentence(0).state == "flagged"
            assert kept(project)[3:] == (0, 1)

    def test_when_a_token_was_changed_last(self, folder: Path) -> None:
        with Project.open(folder) as project:
            assert project.edits.edited_at(0, 1) is None
            first = project.edits.relabel(0, 1, [OUT], "the second token")
            assert first is not None
            assert project.edits.edited_at(0, 1) == first.at
            assert project.edits.edited_at(0, 0) is None
            project.edits.relabel(0, 0, [], "a state is no label", "accepted")
            row = project.sentence(0)
            whole = row.edits.copy()
            whole[0] = OUT
            later = project.edits.relabel(0, 0, whole, "an edit over the whole sentence that changes the first token")
            assert later is not None
            assert project.edits.edited_at(0, 0) == later.at
            assert project.edits.edited_at(0, 1) == first.at

    def test_the_log_only_grows(self, folder: Path) -> None:
        with Project.open(folder) as project:
            project.edits.relabel(0, 0, [OUT], "a")
            project.edits.undo()
            project.edits.redo()
            log = [project.edits.get(entry) for entry in (1, 2, 3)]
            assert project.edits.last().id == 3  # type: ignore[union-attr]
            assert [(edit.op, edit.target, edit.title) for edit in log] == [
                ("do", None, "a"),
                ("undo", 1, "a"),
                ("redo", 1, "a"),
            ]
            assert project.edits.count() == 1


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
    def test_a_missing_folder_and_a_strange_one(self, tmp_path: Path) -> None:
        with pytest.raises(ProjectError, match=r"nowhere: there is no such project"):
            Project.open(tmp_path / "nowhere")
        with pytest.raises(ProjectError, match="is no Maskscope project"):
            Project.open(tmp_path)

    def test_a_later_version(self, folder: Path) -> None:
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

    def test_embeddings_that_are_cut_missing_or_others(self, folder: Path) -> None:
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


class TestDatabase:
    def test_a_commit_is_on_the_disk_when_it_returns(self, folder: Path) -> None:
        with Project.open(folder):
            db = Database(folder / "project.sqlite", read_only=False)
            try:
                told = {
                    name: db.execute(f"PRAGMA {name}").fetchone()[0]
                    for name in ("journal_mode", "synchronous", "fullfsync")
                }
            finally:
                db.close()
        # 2 is FULL; fullfsync is what makes a Mac's disk write its own cache
        assert told == {"journal_mode": "wal", "synchronous": 2, "fullfsync": 1}

    @pytest.mark.parametrize(
        ("path", "uri"),
        [
            (PurePosixPath("/home/a b/p#1?x=%41/é.sqlite"), "file:///home/a%20b/p%231%3Fx%3D%2541/%C3%A9.sqlite"),
            (PureWindowsPath("C:\\a b\\p#1%.sqlite"), "file:///C:/a%20b/p%231%25.sqlite"),
            # SQLite refuses an authority other than localhost, so the server's name must be in the path.
            (PureWindowsPath("\\\\server\\my share\\é\\x"), "file:////server/my%20share/%C3%A9/x"),
        ],
    )
    def test_a_path_as_a_uri_that_sqlite_takes(self, path: PurePath, uri: str) -> None:
        assert file_uri(path) == uri

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
            writer.finish({})
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
                writer.finish({})
        assert [str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*")] == ["p", str(Path("p") / "theirs")]

    def test_a_place_that_cannot_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("", encoding="utf-8")
        with pytest.raises(ProjectError, match="can't be written here"):
            write(tmp_path / "file" / "p", [sentence(["a"])])


class TestFullDisk:
    def fill(self, project: Project) -> None:
        """Forbid the database to grow, as a full disk does."""
        pages = project._db.execute("PRAGMA page_count").fetchone()[0]
        project._db.execute(f"PRAGMA max_page_count = {pages}")

    def test_an_edit_that_cannot_be_saved_changes_nothing(self, folder: Path) -> None:
        with Project.open(folder) as project:
            project.edits.relabel(0, 0, [OUT], "first")
            self.fill(project)
            done, message = 0, ""
            while not message:
                before = (project.labels("edited").tolist(), kept(project), project.edits.count())
                try:
                    project.edits.relabel(2, 0, [done % 3, 2 - done % 3, done % 2], "x" * 500)
                    done += 1
                except ProjectError as error:
                    message = str(error)
            assert "could not be saved" in message
            assert "disk full" in message
            assert (project.labels("edited").tolist(), kept(project), project.edits.count()) == before
            assert kept(project) == recount(project)
            project._db.execute("PRAGMA max_page_count = 1000000")
            assert project.edits.relabel(0, 1, [PER], "room again") is not None
            after = project.labels("edited").tolist()
        with Project.open(folder) as project:
            assert project.labels("edited").tolist() == after
            assert project.edits.count() == done + 2
            while project.edits.undo() is not None:
                pass
            assert project.labels("edited").tolist() == [PER, OUT, OUT, LOC, NO_LABEL]

    def test_an_undo_that_cannot_be_saved_can_be_tried_again(self, folder: Path) -> None:
        with Project.open(folder) as project:
            project.edits.relabel(0, 0, [OUT], "y" * 50_000)
            self.fill(project)
            with pytest.raises(ProjectError, match="could not be saved"):
                project.edits.undo()
            assert project.sentence(0).labels[0] == OUT
            project._db.execute("PRAGMA max_page_count = 1000000")
            assert project.edits.undo() is not None
            assert project.sentence(0).labels[0] == PER

    def test_a_model_that_cannot_be_recorded_is_given_back(self, folder: Path) -> None:
        with Project.open(folder) as project:
            made = model_folder(project, name="z" * 50_000)
            self.fill(project)
            with pytest.raises(ProjectError, match="could not be saved"):
                project.models.adopt(made)
            assert project.models.all() == []
            assert (made / "model.keras").is_file()
            project._db.execute("PRAGMA max_page_count = 1000000")
            assert project.models.adopt(made).id == "m1"


def model_folder(project: Project, name: str = "BiLSTM 10", scores: np.ndarray | None = None) -> Path:
    made = project.models.new_folder()
    (made / "model.keras").write_bytes(b"keras")
    (made / "weights.npz").write_bytes(b"npz")
    run = RunInfo(name, 12.5, TrainSettings(), project.scheme, project.dim, fingerprint=project.fingerprint)
    (made / "run.json").write_text(run.to_json(), encoding="utf-8")
    if scores is not None:
        np.save(made / "scores.npy", scores)
    return made


def no_room(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class TestModels:
    def test_models_are_kept_in_order_with_their_scores(self, folder: Path) -> None:
        scores = np.full((5, 3), 1 / 3, dtype=np.float32)
        scores[3] = (0.1, 0.8, 0.1)
        with Project.open(folder) as project:
            with pytest.raises(ProjectError, match="no model yet"):
                project.models.get()
            assert project.models.adopt(model_folder(project)).id == "m1"
            assert project.models.adopt(model_folder(project, "second", scores)).id == "m2"
        with Project.open(folder) as project:
            assert [model.id for model in project.models.all()] == ["m1", "m2"]
            assert project.models.get().name == "second"
            assert project.models.get("m1").keras_file.read_bytes() == b"keras"
            assert project.models.scores("m1") is None
            np.testing.assert_array_equal(project.models.scores("m2"), scores)
            np.testing.assert_allclose(project.models.uncertainties("m2"), [2 / 3, 0, 2 / 3], rtol=1e-6)
            with pytest.raises(ProjectError, match="expected m1 or m2; received m9"):
                project.models.get("m9")
            assert [file.name for file in (folder / "models").iterdir() if file.name.startswith(".")] == []

    def test_a_model_without_all_its_files_is_refused(self, folder: Path) -> None:
        with Project.open(folder) as project:
            made = model_folder(project)
            (made / "weights.npz").unlink()
            with pytest.raises(ModelError, match=r"lacks weights\.npz"):
                project.models.adopt(made)

    def test_a_full_disk_refuses_scores_in_words(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with Project.open(folder) as project:
            project.models.adopt(model_folder(project))
            monkeypatch.setattr(np, "save", no_room)
            with pytest.raises(ProjectError, match="No space left"):
                project.models.write_scores("m1", np.zeros((5, 3), dtype=np.float32))
            assert project.models.scores("m1") is None
            assert list((folder / "scores").iterdir()) == []

    def test_scores_that_cannot_be_kept_do_not_cost_the_model(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with Project.open(folder) as project:
            made = model_folder(project, scores=np.zeros((5, 3), dtype=np.float32))
            monkeypatch.setattr(np, "save", no_room)
            assert project.models.adopt(made).id == "m1"
            assert project.models.scores("m1") is None
            monkeypatch.undo()
            wrong = model_folder(project, scores=np.zeros((4, 3), dtype=np.float32))
            assert project.models.adopt(wrong).id == "m2"
            cut = model_folder(project)
            (cut / "scores.npy").write_bytes(b"")
            assert project.models.adopt(cut).id == "m3"
            # They can be computed, and kept, at any time.
            project.models.write_scores("m1", np.zeros((5, 3), dtype=np.float32))
            assert project.models.scores("m1") is not None
        assert list((folder / "models").glob("*/scores.npy")) == []

    def test_a_model_that_cannot_be_moved_is_given_back(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with Project.open(folder) as project:
            made = model_folder(project)
            monkeypatch.setattr(Path, "rename", no_room)
            with pytest.raises(ProjectError, match="No space left"):
                project.models.adopt(made)
            assert project.models.all() == []
            assert (made / "model.keras").is_file()
            monkeypatch.undo()
            assert project.models.adopt(made).id == "m1"

    def test_a_model_set_aside_is_never_swept_away(self, folder: Path) -> None:
        with Project.open(folder) as project:
            made = model_folder(project)
            kept = set_aside(made)
            assert kept is not None
            assert not made.exists()
            assert set_aside(project.models.new_folder()) is None, "nothing was finished there"
            assert set_aside(folder / "nowhere") is None
        day_before = time.time() - 90_000
        os.utime(kept, (day_before, day_before))
        with Project.open(folder) as project:
            assert (kept / "model.keras").read_bytes() == b"keras"
            assert project.models.adopt(kept).id == "m1"

    def test_scores_of_the_wrong_shape_are_refused(self, folder: Path) -> None:
        with Project.open(folder) as project:
            project.models.adopt(model_folder(project))
            with pytest.raises(ModelError, match=r"expected \(5, 3\); received \(5, 1\)"):
                project.models.write_scores("m1", np.zeros((5, 1), dtype=np.float32))

    def test_scores_of_another_fingerprint_are_stale(self, folder: Path) -> None:
        with Project.open(folder) as project:
            project.models.adopt(model_folder(project, scores=np.zeros((5, 3), dtype=np.float32)))
            project._db.execute("UPDATE score SET fingerprint = 'other'")
            assert project.models.scores("m1") is None

    def test_a_model_and_its_scores_set_no_review_state(self, folder: Path) -> None:
        with Project.open(folder) as project:
            project.models.adopt(model_folder(project, scores=np.ones((5, 3), dtype=np.float32)))
            assert project.states().tolist() == [0, 0, 0]
            assert project.edits.last() is None


class TestFinding:
    def test_find_ignores_case_and_takes_words_in_a_row(self, folder: Path) -> None:
        with Project.open(folder) as project:
            assert list(project.find("ROME")) == [2]
            assert list(project.find("ann went")) == [0]
            assert list(project.find("ann rome")) == []

    def test_an_answer_that_nobody_waits_for_stops_at_the_next_block(self, tmp_path: Path) -> None:
        target = write(tmp_path / "p", [sentence(["a"], ["O"])] * 5000)
        with Project.open(target, read_only=True) as project:
            for ask in (lambda stale: project.find("a", stale), lambda stale: project.find_label(OUT, stale)):
                asked: list[int] = []

                def stale(asked: list[int] = asked) -> bool:
                    asked.append(1)
                    return len(asked) > 2

                assert len(list(ask(stale))) == 2 * 2048
                assert len(list(ask(lambda: False))) == 5000
                # Asked also where nothing is found, so that a rare word does not read on to the end.
                assert list(ask(lambda: True)) == []


def test_notes_are_kept(tmp_path: Path) -> None:
    with ProjectWriter(tmp_path / "p", 3, np.dtype(np.float32)) as writer:
        writer.add(sentence(["a"]))
        writer.finish({"notes": json.dumps(["Lengths were inferred."]), "lengths_from": "inferred"})
    with Project.open(tmp_path / "p") as project:
        assert project.notes == ("Lengths were inferred.",)
        assert project.lengths_from == "inferred"


def test_labels_of_a_run_keep_their_type(folder: Path) -> None:
    with Project.open(folder) as project:
        labels: Labels = project.sentence(0).labels
        assert labels.dtype == np.int16


def test_opening_takes_away_what_a_killed_training_left(tmp_path: Path) -> None:
    target = tmp_path / "left.maskscope"
    with ProjectWriter(target, 2, np.dtype(np.float32)) as writer:
        writer.add(Sentence(("a",), np.ones((1, 2), dtype=np.float32)))
        writer.finish({})
    with Project.open(target) as project:
        left = project.models.new_folder()
        (left / "model.keras").write_bytes(b"half")
    with Project.open(target):
        assert left.exists(), "a worker may still be at it"
    day_before = time.time() - 90_000
    os.utime(left, (day_before, day_before))
    with Project.open(target, read_only=True):
        assert left.exists()
    with Project.open(target):
        assert not left.exists()
