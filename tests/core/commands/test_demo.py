"""maskscope demo."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from maskscope.project import Project

if TYPE_CHECKING:
    from tests.core.commands.conftest import Run


@pytest.mark.parametrize(
    ("typed", "classes"), [(False, ["none", "name"]), (True, ["none", "person", "place", "organisation", "work"])]
)
def test_the_demo_project_is_complete(run: Run, tmp_path: Path, typed: bool, classes: list[str]) -> None:
    arguments = ["--typed"] if typed else []
    target = tmp_path / "d"
    result = run("demo", target, *arguments)
    assert (result.code, result.out) == (0, f"{target}\n")
    record = run("info", target, "--json").json()
    assert record["scheme"]["classes"] == classes
    assert record["scheme"]["kind"] == ("multiclass" if typed else "binary")
    assert record["sentences"] >= 150
    assert record["collision_count"] >= 1
    assert [model["scored"] for model in record["models"]] == [True]
    assert (record["edits"], record["reviewed"], record["flagged"]) == (0, 0, 0)
    with Project.open(target) as opened:
        lengths = np.diff(opened.offsets)
        assert (lengths.min(), lengths.max()) == (1, 60)
        stored = np.array(opened.models.scores("m1"))
    assert [file.name for file in tmp_path.iterdir()] == ["d"]
    # The scores that come along are those of the model that comes along.
    assert run("score", target).code == 0
    with Project.open(target) as opened:
        np.testing.assert_allclose(np.array(opened.models.scores("m1")), stored, atol=2e-6)


def test_an_empty_folder_is_used_and_a_full_one_refused(run: Run, tmp_path: Path, project: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert run("demo", tmp_path / "empty", "--json").json()["path"] == str(tmp_path / "empty")
    assert "there already" in run("demo", project).refused()
