"""maskscope info."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from maskscope.project import Project

if TYPE_CHECKING:
    from tests.core.commands.conftest import Run


def test_json(run: Run, with_model: Path) -> None:
    with Project.open(with_model) as opened:
        opened.edits.relabel(0, 1, [2], "went → PER", state="accepted")
        opened.edits.relabel(1, 0, [], "flag", "flagged")
    record = run("info", with_model, "--json").json()
    fingerprint = record.pop("fingerprint")
    assert len(fingerprint) == 32
    models = record.pop("models")
    assert record == {
        "path": str(with_model),
        "sentences": 2,
        "tokens": 5,
        "longest": 3,
        "dim": 4,
        "dtype": "float16",
        "labels": {"O": 1, "LOC": 1, "PER": 2},
        "unlabelled": 1,
        "scheme": {"kind": "multiclass", "classes": ["O", "LOC", "PER"], "outside": "O", "spans": None},
        "edits": 2,
        "edited_tokens": 1,
        "reviewed": 1,
        "flagged": 1,
        "collisions": [{"sentence": 1, "position": 1, "token": "\ufe0f"}],
        "collision_count": 1,
        "source": "x.conll",
        "lengths_from": "source",
        "padding": None,
        "notes": ["A note."],
    }
    assert [(m["id"], m["name"], m["f1"], m["created"], m["scored"]) for m in models] == [
        ("m1", "BiLSTM 3", None, 1.5, False)
    ]


def test_text(run: Run, project: Path) -> None:
    out = run("info", project).out
    assert "2 sentences, 5 tokens, the longest has 3" in out
    assert "sentence 1, position 1: '\\ufe0f'" in out


def test_while_another_program_has_it_open(run: Run, project: Path) -> None:
    with Project.open(project):
        assert run("info", project, "--json").json()["sentences"] == 2
