"""Any sequence of acts on a project equals the same acts on a plain model of it, also after a restart."""

import shutil
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from maskscope.project import STATES, Project, ProjectWriter, ReviewState
from maskscope.types import NO_EDIT, NO_LABEL, Sentence

LENGTHS = (3, 0, 1, 5)
GOLD: tuple[list[int], ...] = ([0, 1, 2], [], [NO_LABEL], [0, 0, 2, 1, NO_LABEL])
NAMES = ("O", "LOC", "PER")

Snapshot = tuple[tuple[tuple[int, ...], ...], tuple[str, ...]]


class ProjectMachine(RuleBasedStateMachine):
    """The project against two lists: the edits with the states now, and snapshots of both to go back to."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.project: Project | None = None

    @initialize()
    def make(self) -> None:
        target = self.folder / "p"
        with ProjectWriter(target, 2, np.dtype(np.float16), classes=NAMES, kind="multiclass") as writer:
            for length, gold in zip(LENGTHS, GOLD, strict=True):
                names = tuple(None if code == NO_LABEL else NAMES[code] for code in gold)
                writer.add(Sentence(tuple("t" * length), np.ones((length, 2), dtype=np.float16), names))
            writer.finish()
        self.project = Project.open(target)
        self.now: Snapshot = (tuple((NO_EDIT,) * n for n in LENGTHS), ("unreviewed",) * len(LENGTHS))
        self.past: list[Snapshot] = []
        self.future: list[Snapshot] = []

    def opened(self) -> Project:
        assert self.project is not None
        return self.project

    @rule(
        place=st.integers(0, 3),
        at=st.integers(0, 4),
        labels=st.lists(st.integers(NO_EDIT, 2), min_size=1, max_size=3),
        state=st.sampled_from([None, *STATES]),
    )
    def relabel(self, place: int, at: int, labels: list[int], state: ReviewState | None) -> None:
        labels = labels[: max(0, LENGTHS[place] - at)]
        edits, states = list(self.now[0]), list(self.now[1])
        first = min(at, LENGTHS[place])
        row = list(edits[place])
        row[first : first + len(labels)] = labels
        edits[place] = tuple(row)
        states[place] = state or states[place]
        self.follow(self.opened().edits.relabel(place, first, labels, "act", state), (tuple(edits), tuple(states)))

    @rule(place=st.integers(0, 3), state=st.sampled_from(STATES))
    def review(self, place: int, state: ReviewState) -> None:
        states = list(self.now[1])
        states[place] = state
        self.follow(self.opened().edits.relabel(place, 0, [], "act", state), (self.now[0], tuple(states)))

    def follow(self, edit: object, new: Snapshot) -> None:
        assert (edit is None) == (new == self.now)
        if edit is not None:
            self.past.append(self.now)
            self.future.clear()
            self.now = new

    @rule(times=st.integers(1, 4))
    def undo(self, times: int) -> None:
        for _ in range(times):
            edit = self.opened().edits.undo()
            assert (edit is None) == (not self.past)
            if self.past:
                self.future.append(self.now)
                self.now = self.past.pop()

    @rule(times=st.integers(1, 4))
    def redo(self, times: int) -> None:
        for _ in range(times):
            edit = self.opened().edits.redo()
            assert (edit is None) == (not self.future)
            if self.future:
                self.past.append(self.now)
                self.now = self.future.pop()

    @rule()
    def reopen(self) -> None:
        self.opened().close()
        self.project = Project.open(self.folder / "p")

    @invariant()
    def equal(self) -> None:
        if self.project is None:
            return
        rows = list(self.project.sentences())
        assert tuple(tuple(row.edits.tolist()) for row in rows) == self.now[0]
        assert tuple(row.state for row in rows) == self.now[1]
        flat = [
            gold if edit == NO_EDIT else edit
            for golds, edits in zip(GOLD, self.now[0], strict=True)
            for gold, edit in zip(golds, edits, strict=True)
        ]
        assert self.project.labels("edited").tolist() == flat
        counts = self.project.counts()
        assert list(counts.labels) == [flat.count(code) for code in range(3)]
        assert counts.unlabelled == flat.count(NO_LABEL)
        assert counts.edited == sum(edit != NO_EDIT for edits in self.now[0] for edit in edits)
        assert (counts.accepted, counts.flagged) == (self.now[1].count("accepted"), self.now[1].count("flagged"))
        assert self.project.edits.count() == len(self.past)

    def teardown(self) -> None:
        if self.project is not None:
            self.project.close()
        shutil.rmtree(self.folder, ignore_errors=True)


TestProjectMachine = ProjectMachine.TestCase
TestProjectMachine.settings = settings(stateful_step_count=25)
