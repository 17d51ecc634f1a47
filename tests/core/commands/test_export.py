"""maskscope export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from maskscope.project import Project
from maskscope.workflows.export import LabelSource, export_project

if TYPE_CHECKING:
    from tests.core.commands.conftest import Run


def test_reviewed_only(run: Run, project: Path, tmp_path: Path) -> None:
    out = tmp_path / "o.conll"
    refusal = run("export", project, out, "--format", "conll", "--only", "reviewed").refused()
    assert "0 reviewed of 2 sentences" in refusal
    assert not out.exists()
    with Project.open(project) as opened:
        opened.edits.relabel(0, 1, [1], "went → LOC", state="accepted")
    record = run("export", project, out, "--format", "conll", "--only", "reviewed", "--json").json()
    expected = {"path": str(out), "format": "conll", "labels": "edited", "only": "reviewed", "decoding": "viterbi"}
    assert record == {**expected, "model": None, "sentences": 1}
    lines = [line for line in out.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    assert lines == ["Ann\tPER", "went\tLOC"]


def test_gold_leaves_edits_out(run: Run, project: Path, tmp_path: Path) -> None:
    with Project.open(project) as opened:
        opened.edits.relabel(0, 1, [1], "went → LOC")
    run("export", project, tmp_path / "o.jsonl", "--format", "jsonl", "--labels", "gold")
    first, second = map(json.loads, (tmp_path / "o.jsonl").read_text(encoding="utf-8").splitlines())
    assert (first["labels"], first["edited"]) == (["PER", "O"], [False, True])
    assert second["labels"] == ["O", None, "LOC"]
    assert second["mask"] == [True, False, True]
    assert second["predicted"] is None
    assert second["probabilities"] is None


def test_predictions_come_from_stored_scores(run: Run, with_model: Path, tmp_path: Path) -> None:
    out = tmp_path / "o.jsonl"
    assert (
        "no scores of model m1"
        in run("export", with_model, out, "--format", "jsonl", "--labels", "predicted").refused()
    )
    probs = np.array(
        [[0.1, 0.2, 0.7], [0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6], [0.5, 0.3, 0.2]], dtype=np.float32
    )
    with Project.open(with_model) as opened:
        opened.models.write_scores("m1", probs)
    result = run("export", with_model, out, "--format", "jsonl", "--labels", "predicted", "--model", "m1")
    assert result.code == 0
    assert result.out.strip().endswith("predicted labels of model m1")
    first, second = map(json.loads, out.read_text(encoding="utf-8").splitlines())
    assert first["labels"] == first["predicted"] == ["PER", "O"]
    # The token that the model masks has no prediction, whatever the model's output there is.
    assert second["labels"] == ["LOC", None, "O"]
    assert first["probabilities"][0] == pytest.approx([0.1, 0.2, 0.7])


@pytest.mark.parametrize("labels", ["edited", "gold"])
def test_labels_need_no_scores(with_model: Path, tmp_path: Path, labels: LabelSource) -> None:
    with Project.open(with_model, read_only=True) as opened:
        assert opened.models.scores("m1") is None
        assert export_project(opened, tmp_path / "o.jsonl", "jsonl", labels, model="m1") == 2
    first, _ = map(json.loads, (tmp_path / "o.jsonl").read_text(encoding="utf-8").splitlines())
    assert (first["labels"], first["predicted"]) == (["PER", "O"], None)


def test_without_a_model_there_are_no_predictions(run: Run, project: Path, tmp_path: Path) -> None:
    refusal = run("export", project, tmp_path / "o", "--format", "conll", "--labels", "predicted").refused()
    assert "no model yet" in refusal


def test_an_unknown_format(run: Run, project: Path, tmp_path: Path) -> None:
    assert "conll, jsonl" in run("export", project, tmp_path / "o", "--format", "xml").refused()
