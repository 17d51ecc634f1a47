"""maskscope import."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from tests.core.commands.conftest import Run


def test_json_and_text(run: Run, tmp_path: Path) -> None:
    x = np.zeros((2, 3, 2), dtype=np.float32)
    x[0] = [[1, 1], [0, 0], [1, 1]]
    x[1, 0] = 1
    np.save(tmp_path / "X.npy", x)
    record = run("import", tmp_path / "a", tmp_path / "X.npy", "--json").json()
    notes, data = record.pop("notes"), record.pop("data")
    assert notes
    assert data["verdict"] == "could not tell"
    assert "inferred" in data["meaning"]
    assert record == {
        "path": str(tmp_path / "a"),
        "sentences": 2,
        "tokens": 4,
        "dim": 2,
        "dtype": "float32",
        "scheme": {"kind": "binary", "classes": ["O", "label"], "outside": "O", "spans": None},
        "lengths_from": "inferred",
        "collisions": [{"sentence": 0, "position": 1, "token": "t1"}],
        "collision_count": 1,
        "free_values": [-5.0, -10.0, -1.0, -999.0, -1e9],
        "padding": {"value": 0.0, "side": "back", "text": "0"},
    }
    result = run("import", tmp_path / "b", tmp_path / "X.npy")
    assert result.code == 0
    assert "2 sentences, 4 tokens, 2 numbers each (float32)" in result.out
    assert "lengths: inferred" in result.out
    assert "padding: 0, behind each sentence" in result.out
    assert "sentence 0, position 1: t1" in result.out
    assert "data: could not tell: The lengths were inferred" in result.out


def test_data_that_is_not_what_its_lengths_say(run: Run, tmp_path: Path) -> None:
    x = np.full((2, 3, 2), -5, dtype=np.float32)
    x[0, :2] = x[1, :1] = 1
    np.save(tmp_path / "X.npy", x)
    np.save(tmp_path / "lengths.npy", np.array([2, 1]))
    with_lengths = (tmp_path / "X.npy", "--lengths", tmp_path / "lengths.npy")
    passed = run("import", tmp_path / "a", *with_lengths, "--json").json()
    assert passed["data"]["verdict"] == "passed"
    assert "nothing but -5 after" in passed["data"]["meaning"]
    assert any("are -5 and not zero in 2 sentences" in note for note in passed["notes"])
    guessed = run("import", tmp_path / "b", tmp_path / "X.npy", "--json").json()
    # Sentence 0 has one padded row, which could be a token; sentence 1 has two.
    where = ("verdict", "sentence", "position")
    assert [guessed["data"][key] for key in where] == ["failed", 1, 1]
    assert -5.0 not in guessed["free_values"]
    failed = run("import", tmp_path / "c", tmp_path / "X.npy")
    assert "data: failed: A sentence ends in rows of -5 alone" in failed.out
    # Padded in front, as pad_sequences does by default.
    x = np.concatenate([x, x])
    x[3] = [[0, 0], [0, 0], [1, 2]]
    np.save(tmp_path / "X.npy", x)
    np.save(tmp_path / "lengths.npy", np.array([2, 1, 2, 1]))
    front = run("import", tmp_path / "d", *with_lengths, "--json").json()
    assert [front["data"][key] for key in where] == ["failed", 3, 1]
    assert "in front of the tokens" in front["data"]["meaning"]
    assert front["data"]["meaning"].removesuffix(".") in " ".join(front["notes"])


def test_a_source_padded_in_front_says_so(run: Run, tmp_path: Path) -> None:
    x = np.full((2, 3, 2), -2, dtype=np.float32)
    x[0, 1:], x[1, 2] = [[1, 2], [3, 4]], [5, 6]
    np.savez(tmp_path / "x.npz", X=x, lengths=[2, 1])
    result = run("import", tmp_path / "a", tmp_path / "x.npz")
    assert "padding: -2, in front of each sentence" in result.out
    assert "the tokens of a sentence are its last rows" in result.out
    assert "data: passed: The array holds finite numbers, and nothing but -2 before each sentence." in result.out
    assert run("info", tmp_path / "a", "--json").json()["padding"] == {"value": -2.0, "side": "front", "text": "-2"}
    assert "padding of the source: -2, in front of each sentence" in run("info", tmp_path / "a").out


def test_a_refusal_is_one_line_and_leaves_nothing(run: Run, tmp_path: Path) -> None:
    np.save(tmp_path / "X.npy", np.ones((2, 3), dtype=np.int64))
    assert "X.npy" in run("import", tmp_path / "a", tmp_path / "X.npy").refused()
    assert [file.name for file in tmp_path.iterdir()] == ["X.npy"]


def test_a_taken_name(run: Run, project: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "X.npy", np.ones((1, 2, 2), dtype=np.float32))
    assert "there already" in run("import", project, tmp_path / "X.npy").refused()


def test_a_project_needs_a_name(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "X.npy", np.ones((1, 2, 2), dtype=np.float32))
    monkeypatch.chdir(tmp_path)
    for path in (".", ".."):
        assert "name of its own" in run("import", path, "X.npy").refused()
