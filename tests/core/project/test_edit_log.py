"""Edits are counted, logged, undone and redone, and a failure changes nothing."""

from pathlib import Path

import pytest

from maskscope.errors import ProjectError
from maskscope.project import Project
from maskscope.types import NO_EDIT, NO_LABEL
from tests.core.project.small_project import LOC, OUT, PER, counted, fill_disk, free_disk, recounted, sentence, write


class TestEditing:
    def test_a_token_that_utf8_cannot_hold_can_be_edited(self, tmp_path: Path) -> None:
        target = write(tmp_path / "odd", [sentence(["\ud800"], ["O"])])
        with Project.open(target) as project:
            edit = project.edits.relabel(0, 0, [1], "\ud800 → label")
            assert edit is not None
            assert edit.title == project.edits.next_titles()[0] == "\\ud800 → label"

    def test_counts_follow_each_edit(self, folder: Path) -> None:
        with Project.open(folder) as project:
            project.edits.relabel(2, 0, [PER, PER], "to Rome → PER")
            assert counted(project) == ([1, 0, 3], 1, 2, 0, 0) == recounted(project)
            project.edits.relabel(2, 2, [NO_LABEL], "? has no label", state="accepted")
            assert counted(project) == ([1, 0, 3], 1, 3, 1, 0) == recounted(project)
            project.edits.relabel(2, 0, [NO_EDIT, NO_EDIT, NO_EDIT], "back to gold")
            assert counted(project) == ([2, 1, 1], 1, 0, 1, 0) == recounted(project)
            project.edits.relabel(0, 0, [], "flag", "flagged")
            project.edits.relabel(2, 0, [], "unflag", "unreviewed")
            assert counted(project) == ([2, 1, 1], 1, 0, 0, 1) == recounted(project)
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
            assert counted(project) == recounted(project) == ([2, 1, 1], 1, 0, 0, 0)
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
            assert counted(project)[3:] == (0, 1)

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
            last = project.edits.last()
            assert last is not None
            assert last.id == 3
            assert [(edit.op, edit.target, edit.title) for edit in log] == [
                ("do", None, "a"),
                ("undo", 1, "a"),
                ("redo", 1, "a"),
            ]
            assert project.edits.count() == 1


class TestFullDisk:
    def test_an_edit_that_cannot_be_saved_changes_nothing(self, folder: Path) -> None:
        with Project.open(folder) as project:
            project.edits.relabel(0, 0, [OUT], "first")
            fill_disk(project)
            done, message = 0, ""
            while not message:
                before = (project.labels("edited").tolist(), counted(project), project.edits.count())
                try:
                    project.edits.relabel(2, 0, [done % 3, 2 - done % 3, done % 2], "x" * 500)
                    done += 1
                except ProjectError as error:
                    message = str(error)
            assert "could not be saved" in message
            assert "disk full" in message
            assert (project.labels("edited").tolist(), counted(project), project.edits.count()) == before
            assert counted(project) == recounted(project)
            free_disk(project)
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
            fill_disk(project)
            with pytest.raises(ProjectError, match="could not be saved"):
                project.edits.undo()
            assert project.sentence(0).labels[0] == OUT
            free_disk(project)
            assert project.edits.undo() is not None
            assert project.sentence(0).labels[0] == PER
