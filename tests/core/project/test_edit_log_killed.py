"""Killing the program at any moment loses no edit that was reported as saved, and the project opens again."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import maskscope
from maskscope.project import Project, ProjectWriter
from maskscope.types import NO_EDIT, Sentence

KILLS = 25
N_SENTENCES, N_TOKENS = 6, 8

# It keeps its own copy of what the project must hold, and prints it only after the call has returned.
CHILD = """
import random, sys
from maskscope.project import STATES, Project
seed, path = int(sys.argv[1]), sys.argv[2]
draw = random.Random(seed)
with Project.open(path) as project:
    assert not project.read_only
    print("open", flush=True)
    while True:
        act = draw.random()
        place = draw.randrange(6)
        if act < 0.15:
            project.edits.undo()
        elif act < 0.25:
            project.edits.redo()
        else:
            first = draw.randrange(8)
            labels = [draw.randrange(-2, 3) for _ in range(draw.randrange(1, 9 - first))]
            project.edits.relabel(place, first, labels, "act", draw.choice([None, *STATES]))
        last = project.edits.last()
        if last is not None:
            for i in range(6):
                row = project.sentence(i)
                print(last.id, i, STATES.index(row.state), *row.edits.tolist(), sep=",")
            print("saved", last.id, flush=True)
"""


def consistent(project: Project) -> None:
    rows = list(project.sentences())
    now = np.concatenate([row.labels for row in rows])
    counts = project.counts()
    assert list(counts.labels) == [int((now == code).sum()) for code in range(3)]
    assert counts.unlabelled == int((now == -1).sum())
    assert counts.edited == sum(int((row.edits != NO_EDIT).sum()) for row in rows)
    assert counts.accepted == sum(row.state == "accepted" for row in rows)
    assert counts.flagged == sum(row.state == "flagged" for row in rows)


def reported(text: str) -> tuple[int, dict[int, list[int]]]:
    """The last edit that the child called saved, and the sentences as they were then."""
    complete = text[: text.rfind("\n") + 1].splitlines()
    saved = next((int(line.split()[1]) for line in reversed(complete) if line.startswith("saved")), 0)
    sentences = {}
    for line in complete:
        if line[:1].isdigit():
            edit, place, *values = map(int, line.split(","))
            if edit == saved:
                sentences[place] = values
    return saved, sentences


def rolled_back(project: Project, to: int) -> dict[int, list[int]]:
    """The sentences as they were after edit `to`, by taking back from the log what came later."""
    sentences = {
        row.id: [["unreviewed", "accepted", "flagged"].index(row.state), *row.edits] for row in project.sentences()
    }
    last = project.edits.last()
    for edit_id in range(last.id if last else 0, to, -1):
        for change in reversed(project.edits.get(edit_id).changes):
            place = 0 if change.field == "state" else 1 + change.first
            values = sentences[change.sentence]
            assert values[place : place + len(change.new)] == change.new.tolist()
            values[place : place + len(change.old)] = change.old.tolist()
    return {place: [int(value) for value in values] for place, values in sentences.items()}


@pytest.mark.slow
def test_killed_at_any_moment(tmp_path: Path) -> None:
    target = tmp_path / "p.maskscope"
    with ProjectWriter(target, 2, np.dtype(np.float16), classes=("O", "A", "B"), kind="multiclass") as writer:
        for i in range(N_SENTENCES):
            labels = tuple(("O", "A", "B", None)[(i + t) % 4] for t in range(N_TOKENS))
            rows = np.ones((N_TOKENS, 2), dtype=np.float16)
            writer.add(Sentence(tuple(f"t{t}" for t in range(N_TOKENS)), rows, labels))
        writer.finish()
    root = str(Path(maskscope.__file__).parent.parent)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))}
    draw = random.Random(5)
    total = 0
    for kill in range(KILLS):
        output = tmp_path / f"out-{kill}.txt"
        with output.open("wb") as out:
            child = subprocess.Popen([sys.executable, "-c", CHILD, str(kill), str(target)], stdout=out, env=environment)
            try:
                give_up = time.monotonic() + 30
                while not output.stat().st_size and child.poll() is None and time.monotonic() < give_up:
                    time.sleep(0.005)
                time.sleep(draw.uniform(0, 0.25))
                assert child.poll() is None, "the child ended by itself"
            finally:
                child.kill()
                child.wait()
        saved, sentences = reported(output.read_text(encoding="utf-8"))
        with Project.open(target) as project:
            assert not project.read_only
            consistent(project)
            last = project.edits.last()
            if saved:
                assert last is not None
                # The kill may fall between the commit and its report, so one act more may be there.
                assert saved <= last.id <= saved + 1
                assert rolled_back(project, saved) == sentences
                total = last.id
    assert total > KILLS, "the children did hardly anything"
    with Project.open(target) as project:
        while project.edits.undo() is not None:
            pass
        consistent(project)
        assert project.counts().edited == 0
