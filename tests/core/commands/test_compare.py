"""maskscope compare."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.core.commands.conftest import Run


def test_two_models_token_by_token(run: Run, scored_spans: Path) -> None:
    record = run("compare", scored_spans, "--model", "m1", "--with", "m2", "--decoding", "argmax", "--json").json()
    first, new, rome, unlabelled = record.pop("differences")
    assert record == {
        "a": "m1", "b": "m2", "against": "edited", "decoding": "argmax", "tokens": 8,
        "both_right": 5, "only_a": 1, "only_b": 2, "both_wrong": 0, "differing": 4, "differing_unlabelled": 1,
    }  # fmt: skip
    assert first == {
        "sentence": 0, "position": 0, "token": "Ann", "label": "B-PER", "a": "B-PER", "b": "O",
        "p_a": pytest.approx(0.7), "p_b": pytest.approx(0.7),
    }  # fmt: skip
    assert (new["token"], new["a"], new["b"]) == ("New", "O", "B-LOC")
    assert (rome["sentence"], rome["position"], rome["label"]) == (2, 0, "B-LOC")
    assert (unlabelled["token"], unlabelled["label"]) == ("?", None)

    result = run("compare", scored_spans, "--model", "m1", "--with", "m2")
    assert result.code == 0
    text = result.out
    assert "A is m1, B is m2" in text
    assert re.search(r"^  2 +0 +Rome +B-LOC +O +0\.70 +B-LOC +0\.70$", text, re.MULTILINE)
    same = run("compare", scored_spans, "--model", "m1", "--with", "m1")
    assert "both predict the same label for every token" in same.out
    assert "expected m1 or m2; received m9" in run("compare", scored_spans, "--with", "m9").refused()
