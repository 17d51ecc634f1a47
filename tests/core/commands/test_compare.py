"""maskscope compare."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from maskscope.project import Project

if TYPE_CHECKING:
    from tests.core.commands.conftest import AddModel, Run


@pytest.fixture
def two_models(project: Path, add_model: AddModel) -> Path:
    """m1 is right everywhere; m2 predicts LOC for "Ann" (PER), and O for the token without a label, unlike m1."""
    for _ in range(2):
        add_model(project)
    identity = np.eye(3, dtype=np.float32)
    with Project.open(project) as opened:
        opened.models.write_scores("m1", identity[[2, 0, 0, 2, 1]])
        opened.models.write_scores("m2", identity[[1, 0, 0, 0, 1]])
    return project


def test_json_counts_and_lists_differences(run: Run, two_models: Path) -> None:
    record = run("compare", two_models, "--model", "m1", "--with", "m2", "--json").json()
    assert (record["a"], record["b"], record["against"], record["tokens"]) == ("m1", "m2", "edited", 4)
    assert [record[key] for key in ("both_right", "only_a", "only_b", "both_wrong")] == [3, 1, 0, 0]
    assert (record["differing"], record["differing_unlabelled"]) == (2, 1)
    first, second = record["differences"]
    assert first == {
        "sentence": 0,
        "position": 0,
        "token": "Ann",
        "label": "PER",
        "a": "PER",
        "b": "LOC",
        "p_a": 1.0,
        "p_b": 1.0,
    }
    assert (second["sentence"], second["position"], second["label"]) == (1, 1, None)


def test_the_table(run: Run, two_models: Path) -> None:
    out = run("compare", two_models, "--model", "m1", "--with", "m2").out
    assert "A is m1, B is m2, compared with edited labels (4 tokens)" in out
    assert "they differ on 2 tokens, 1 of them without a label:" in out
    assert "Ann" in out
    same = run("compare", two_models, "--model", "m1", "--with", "m1").out
    assert "both predict the same label for every token" in same


def test_a_model_that_is_not_there(run: Run, two_models: Path) -> None:
    assert "received m7" in run("compare", two_models, "--with", "m7").refused()
