"""maskscope train."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from maskscope.errors import ProjectError
from maskscope.project import ModelStore, Project

if TYPE_CHECKING:
    from tests.core.commands.conftest import Run


@pytest.mark.keras
def test_a_trained_model_is_added_and_its_file_can_be_used(run: Run, demo: Path, tmp_path: Path) -> None:
    before = run("info", demo, "--json").json()
    record = run("train", demo, "--epochs", 1, "--units", 4, "--json").json()
    model = record["model"]
    assert record["settings"]["units"] == 4
    assert len(record["history"]) == 1
    assert 0 <= record["metrics"]["f1"] <= 1
    after = run("info", demo, "--json").json()
    assert [each["id"] for each in after["models"]] == [*(each["id"] for each in before["models"]), model]
    assert after["models"][-1]["scored"] is True
    # Training is no act of a person: no label and no review state has changed.
    for key in ("labels", "edits", "reviewed", "flagged"):
        assert after[key] == before[key]
    file = Path(record["path"]) / "model.keras"
    out = tmp_path / "file.npz"
    assert run("score", demo, "--model", file, "--out", out).code == 0
    with np.load(out) as arrays, Project.open(demo) as opened:
        np.testing.assert_array_equal(arrays["probabilities"], opened.models.scores(model))


@pytest.mark.keras
def test_a_trained_model_that_cannot_be_added_is_kept(run: Run, demo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise ProjectError("the change could not be saved")

    before = run("info", demo, "--json").json()["models"]
    monkeypatch.setattr(ModelStore, "adopt", full)
    result = run("train", demo, "--epochs", 1, "--units", 2)
    assert result.code != 0
    (kept,) = (demo / "models").glob("kept-*")
    assert str(kept) in result.err
    assert "could not be saved" in result.err
    assert (kept / "model.keras").is_file()
    assert run("info", demo, "--json").json()["models"] == before
