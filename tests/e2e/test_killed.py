"""The real program, killed during a burst of keys: every saved edit is complete on the disk, and no half of one."""

import random
import sqlite3
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from maskscope.project import STATES, Project
from maskscope.types import NO_EDIT, NO_LABEL

if TYPE_CHECKING:
    from tests.e2e.conftest import Person

KILLS = 8
BURST = 150
"""Keys of a burst, far more than the program handles before it is killed."""


def committed(path: Path) -> int:
    """The number of edits that another process can read, which are those that the program shows as saved."""
    db = sqlite3.connect(f"{path.as_uri()}/project.sqlite?mode=ro", uri=True)
    try:
        return int(db.execute("SELECT count(*) FROM edit").fetchone()[0])
    finally:
        db.close()


def burst(draw: random.Random) -> list[str]:
    """Keys in quick succession: labels, moves, undo, redo, accept."""
    keys: list[str] = []
    while len(keys) < BURST:
        keys += draw.choice(
            [["1"], ["2"], ["0"], ["space"], ["Right", "3"], ["Right", "1"], ["ctrl+z"], ["ctrl+shift+z"], ["Return"]]
        )
    return keys


def replayed(project: Project) -> dict[int, tuple[str, list[int]]]:
    """Review state and edits of each sentence, from the log alone; each change must replace what it names."""
    states = [0] * project.n_sentences
    edits = [[NO_EDIT] * int(length) for length in np.diff(project.offsets)]
    last = project.edits.last()
    for edit_id in range(1, (last.id if last else 0) + 1):
        for change in project.edits.get(edit_id).changes:
            if change.field == "state":
                assert states[change.sentence] == change.old[0]
                states[change.sentence] = int(change.new[0])
                continue
            part = slice(change.first, change.first + len(change.new))
            assert edits[change.sentence][part] == change.old.tolist()
            edits[change.sentence][part] = change.new.tolist()
    return {i: (STATES[states[i]], edits[i]) for i in range(project.n_sentences)}


def check_whole(project: Project) -> None:
    rows = list(project.sentences())
    assert {row.id: (row.state, row.edits.tolist()) for row in rows} == replayed(project)
    labels = np.concatenate([row.labels for row in rows])
    counts = project.counts()
    assert list(counts.labels) == [int((labels == code).sum()) for code in range(len(project.scheme.classes))]
    assert counts.unlabelled == int((labels == NO_LABEL).sum())
    assert counts.edited == sum(int((row.edits != NO_EDIT).sum()) for row in rows)
    assert counts.accepted == sum(row.state == "accepted" for row in rows)
    assert counts.flagged == sum(row.state == "flagged" for row in rows)


@pytest.mark.slow
def test_killed_in_a_burst_of_keys_it_loses_no_saved_edit(person: "Person", tmp_path: Path) -> None:
    demo = tmp_path / "demo.maskscope"
    person.command("demo", str(demo), "--typed")
    draw = random.Random(11)
    for _ in range(KILLS):
        person.open(str(demo))
        before = committed(demo)
        goal = before + draw.randrange(3, 25)
        typing = subprocess.Popen(
            ["xdotool", "key", "--delay", "15", *burst(draw)], env=person._environment, stderr=subprocess.DEVNULL
        )
        try:
            # Keys go on between two samples, so that the kill comes at any time, also during a commit.
            saved = before
            give_up = time.monotonic() + 20
            while saved < goal and time.monotonic() < give_up:
                saved = committed(demo)
            time.sleep(draw.uniform(0, 0.03))
            saved = committed(demo)
            in_the_midst = typing.poll() is None
            person.kill()
        finally:
            typing.kill()
            typing.wait()
        assert saved >= goal, "the keys did not arrive"
        assert in_the_midst, "the burst was over before the kill"
        with Project.open(demo) as project:
            assert not project.read_only, "the lock is still held"
            last = project.edits.last()
            assert last is not None
            assert last.id >= saved
            check_whole(project)

    person.open(str(demo))
    kept = committed(demo)
    person.keys("ctrl+Home", "3", "1")
    person.wait_for(lambda: committed(demo) > kept, "an edit after the last kill")
    person.quit()
    with Project.open(demo) as project:
        check_whole(project)
