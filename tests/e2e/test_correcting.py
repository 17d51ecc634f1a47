"""Open the demo, correct a label, undo, redo, correct again, quit, reopen, export: in the real program."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from maskscope.project import Project

if TYPE_CHECKING:
    from tests.e2e.conftest import Person

BADAJOZ = (41, 11)
"""A name in the demo that has no label: its sentence and position."""


def label(path: Path, sentence: int, position: int) -> str:
    with Project.open(path, read_only=True) as project:
        return project.scheme.classes[int(project.sentence(sentence).labels[position])]


def edits(path: Path) -> int:
    # a connection as a context manager ends its transaction, and stays open
    with closing(sqlite3.connect(f"{path.as_uri()}/project.sqlite?mode=ro", uri=True)) as db:
        return int(db.execute("SELECT count(*) FROM edit").fetchone()[0])


def test_a_persons_whole_way_from_the_demo_to_an_export(person: "Person", tmp_path: Path) -> None:
    demo = tmp_path / "demo.maskscope"
    person.command("demo", str(demo), "--typed")
    assert label(demo, *BADAJOZ) == "none"

    person.open(str(demo))
    person.find("until badajoz")
    person.keys(*["Right"] * BADAJOZ[1])
    person.keys("2")
    person.wait_for(lambda: label(demo, *BADAJOZ) == "place", "the label")
    person.keys("ctrl+z")
    person.wait_for(lambda: label(demo, *BADAJOZ) == "none", "the undo")
    person.keys("ctrl+shift+z")
    person.wait_for(lambda: label(demo, *BADAJOZ) == "place", "the redo")
    person.keys("Home", "shift+Right", "4")
    person.wait_for(lambda: label(demo, BADAJOZ[0], 1) == "work", "the span")
    assert label(demo, BADAJOZ[0], 0) == "work"
    person.keys("Return")
    person.wait_for(lambda: edits(demo) == 5, "the sentence to be accepted")
    person.quit()

    person.open(str(demo))
    person.keys("ctrl+z", "ctrl+z")
    person.wait_for(lambda: label(demo, BADAJOZ[0], 1) == "none", "an undo after a restart")
    person.keys("ctrl+shift+z")
    person.wait_for(lambda: label(demo, BADAJOZ[0], 1) == "work", "a redo after a restart")
    person.keys("ctrl+e")
    person.wait_for_dialog("Export")
    person.keys("Return")
    written = tmp_path / "demo.conll"
    person.wait_for(written.exists, "the export")
    person.keys("Escape")
    person.quit()
    sentences = written.read_text(encoding="utf-8").split("\n\n")
    rows = [line for line in sentences[BADAJOZ[0]].splitlines() if not line.startswith("# ")]
    assert [row.split("\t")[1] for row in rows[:2]] == ["work", "work"]
    assert rows[BADAJOZ[1]] == "Badajoz\tplace"

    out = tmp_path / "out.jsonl"
    person.command("export", str(demo), str(out), "--format", "jsonl", "--labels", "edited")
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert len(lines) == 200
    changed = lines[BADAJOZ[0]]
    assert changed["tokens"][BADAJOZ[1]] == "Badajoz"
    assert changed["labels"][:2] == ["work", "work"]
    assert changed["labels"][BADAJOZ[1]] == "place"
    assert [place for place, edited in enumerate(changed["edited"]) if edited] == [0, 1, BADAJOZ[1]]
    assert all(line["labels"] == line["gold"] for line in lines if line is not changed)


def test_every_edit_that_was_shown_is_there_after_the_program_is_killed(person: "Person", tmp_path: Path) -> None:
    demo = tmp_path / "demo.maskscope"
    person.command("demo", str(demo))
    person.open(str(demo))
    person.keys("ctrl+Home", *["Right", "space"] * 6)
    person.wait_for(lambda: edits(demo) >= 6, "six edits")
    person.kill()
    kept = edits(demo)
    assert kept >= 6
    person.open(str(demo))
    person.keys("ctrl+z")
    person.wait_for(lambda: edits(demo) == kept + 1, "an undo after the crash")
    person.quit()


def test_with_nothing_to_open_the_demo_is_shown(person: "Person") -> None:
    person.open()
    person.keys("Tab", "space")
    found = list(Path(person._environment["XDG_DATA_HOME"]).rglob("project.sqlite"))
    assert len(found) == 1
    person.wait_for(lambda: edits(found[0].parent) == 1, "an edit in the demo")
    person.quit()


def test_a_click_on_the_palette_labels_the_token_that_was_clicked(person: "Person", tmp_path: Path) -> None:
    demo = tmp_path / "demo.maskscope"
    person.command("demo", str(demo), "--typed")
    person.open(str(demo))
    person.find("until badajoz")
    # The first chip of the reading strip, and the second row of the palette, at the size of the design.
    left = 340
    person.click(left, 122)
    person.click(person.geometry()[2] - 200, 132)
    person.wait_for(lambda: edits(demo) == 1, "the label")
    assert label(demo, BADAJOZ[0], 0) == "place"
    person.quit()
