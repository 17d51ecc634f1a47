"""maskscope score."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from maskscope.project import Project

if TYPE_CHECKING:
    from tests.core.commands.conftest import Run


def test_scores_are_kept_and_written(run: Run, with_model: Path, tmp_path: Path) -> None:
    out = tmp_path / "s.npz"
    record = run("score", with_model, "--out", out, "--json").json()
    assert (record["model"], record["engine"], record["tokens"], record["masked"]) == ("m1", "packed", 5, 1)
    assert (record["stored"], record["out"]) == (True, str(out))
    with np.load(out, allow_pickle=False) as arrays:
        assert sorted(arrays) == ["classes", "mask", "offsets", "probabilities"]
        assert (arrays["probabilities"].shape, arrays["probabilities"].dtype) == ((5, 3), np.float32)
        assert (arrays["offsets"].tolist(), arrays["offsets"].dtype) == ([0, 2, 5], np.int64)
        assert (arrays["mask"].tolist(), arrays["mask"].dtype) == ([True, True, True, False, True], np.bool_)
        assert arrays["classes"].tolist() == ["O", "LOC", "PER"]
        np.testing.assert_allclose(arrays["probabilities"].sum(axis=1), 1, rtol=1e-5)
        with Project.open(with_model) as opened:
            np.testing.assert_array_equal(opened.models.scores("m1"), arrays["probabilities"])
    assert run("info", with_model, "--json").json()["models"][0]["scored"] is True
    assert [file.name for file in tmp_path.iterdir() if "partial" in file.name] == []


def test_a_file_that_is_a_model_needs_out(run: Run, with_model: Path, tmp_path: Path) -> None:
    model = resources.files("maskscope_resources") / "demo" / "binary" / "model.keras"
    (tmp_path / "m.keras").write_bytes(model.read_bytes())
    assert "--out FILE.npz" in run("score", with_model, "--model", tmp_path / "m.keras").refused()
    # An error in the file itself comes first.
    (tmp_path / "m.keras").write_bytes(b"")
    assert "is not a complete .keras file" in run("score", with_model, "--model", tmp_path / "m.keras").refused()
    out = tmp_path / "o.npz"
    assert "m.keras" in run("score", with_model, "--model", tmp_path / "m.keras", "--out", out).refused()
    assert "no such file" in run("score", with_model, "--model", "gone.keras", "--out", out).refused()
    assert not out.exists()


def test_a_model_that_is_not_there(run: Run, with_model: Path) -> None:
    assert "expected m1; received m7" in run("score", with_model, "--model", "m7").refused()


def test_a_read_only_project_is_scored_but_not_changed(run: Run, with_model: Path) -> None:
    with Project.open(with_model):
        result = run("score", with_model, "--json")
    assert result.json()["stored"] is False
    assert "not kept" in result.err


def test_a_folder_that_is_not_there(run: Run, with_model: Path, tmp_path: Path) -> None:
    assert "can't be written" in run("score", with_model, "--out", tmp_path / "no" / "o.npz").refused()


@pytest.mark.keras
def test_both_engines_agree(run: Run, demo: Path, tmp_path: Path) -> None:
    files = []
    for engine in ("packed", "keras"):
        out = tmp_path / f"{engine}.npz"
        record = run("score", demo, "--engine", engine, "--out", out, "--json").json()
        assert record["engine"] == engine
        with np.load(out) as arrays:
            files.append({name: arrays[name] for name in arrays})
    np.testing.assert_allclose(files[0]["probabilities"], files[1]["probabilities"], atol=2e-6)
