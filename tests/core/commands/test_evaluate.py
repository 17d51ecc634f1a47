"""maskscope evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from maskscope.project import Project

if TYPE_CHECKING:
    from tests.core.commands.conftest import Run


def test_against_gold_and_edited(run: Run, with_model: Path) -> None:
    probs = np.eye(3, dtype=np.float32)[[2, 0, 0, 0, 1]]
    with Project.open(with_model) as opened:
        opened.models.write_scores("m1", probs)
        opened.edits.relabel(0, 0, [0], "Ann → O")
    gold = run("evaluate", with_model, "--against", "gold", "--json").json()
    assert (gold["model"], gold["against"], gold["masked_by_model"]) == ("m1", "gold", 1)
    assert (gold["tokens"], gold["unlabelled"], gold["accuracy"]) == (4, 1, 1.0)
    assert gold["micro"]["f1"] == 1.0
    assert gold["validation"]["tokens"] == 2
    edited = run("evaluate", with_model, "--json").json()
    assert edited["accuracy"] == 0.75
    assert edited["confusion"] == [[2, 0, 1], [0, 1, 0], [0, 0, 0]]


def test_a_masked_token_with_a_label_counts(run: Run, with_model: Path) -> None:
    with Project.open(with_model) as opened:
        opened.models.write_scores("m1", np.eye(3, dtype=np.float32)[[2, 0, 0, 0, 1]])
        opened.edits.relabel(1, 1, [1], "\ufe0f → LOC")
    record = run("evaluate", with_model, "--json").json()
    assert (record["tokens"], record["masked"], record["masked_by_model"]) == (5, 0, 1)
    assert record["accuracy"] == 0.8


def test_words_without_stored_scores(run: Run, with_model: Path) -> None:
    result = run("evaluate", with_model)
    assert result.code == 0
    assert "validation sentences (2 tokens)" in result.out
    assert "all sentences (4 tokens), most of which it was trained on" in result.out
    assert "entities" in result.out
