"""maskscope evaluate."""

from __future__ import annotations

import re
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


def test_text_without_stored_scores(run: Run, with_model: Path) -> None:
    result = run("evaluate", with_model)
    assert result.code == 0
    assert "validation sentences (2 tokens)" in result.out
    assert "all sentences (4 tokens), most of which it was trained on" in result.out
    assert "entities" in result.out


def test_each_metric_is_shown_with_its_value_if_padding_were_counted(run: Run, scored_spans: Path) -> None:
    record = run("evaluate", scored_spans, "--model", "m1", "--json").json()
    assert record["decoding"] == "viterbi"
    assert record["argmax"]["violations"] == 1
    assert record["entities"]["rule"] == "prefixes"
    assert set(record["entities"]["strict"]) == {"micro", "macro", "weighted", "per_type"}
    assert record["curve"] is None
    assert len(record["calibration"]["bins"]) == 10
    padded = record["if_padding_counted"]
    assert (padded["padded_positions"], padded["positions"]) == (3, 11)
    raw = run("evaluate", scored_spans, "--model", "m1", "--decoding", "argmax", "--json").json()
    assert (raw["decoding"], raw["accuracy"]) == ("argmax", record["argmax"]["accuracy"])
    assert raw["entities"]["strict"]["micro"]["predicted"] < raw["entities"]["micro"]["predicted"]

    result = run("evaluate", scored_spans, "--model", "m1")
    assert result.code == 0
    text = result.out
    # two blocks, with a metric in each line and its padded value last
    lines = re.findall(r"^  accuracy +([\d.]+) +([\d.]+)$", text, re.MULTILINE)
    assert lines[1] == (f"{record['accuracy']:.3f}", f"{padded['accuracy']:.3f}")
    strict = record["entities"]["strict"]["micro"]["f1"]
    assert f"{strict:.3f}  3 entities  {padded['entities']['strict']['micro']['f1']:.3f}" in text
    assert "if padding were counted, 3 positions more" in text
    assert "breaks the span scheme on 1: entity F1" in text


def test_without_a_masking_layer_there_is_no_such_column(run: Run, scored_spans: Path) -> None:
    with np.load(scored_spans / "models" / "m1" / "weights.npz") as arrays:
        weights = {**arrays, "mask_value": np.zeros(0)}
    np.savez(scored_spans / "models" / "m1" / "weights.npz", **weights)
    assert run("evaluate", scored_spans, "--model", "m1", "--json").json()["if_padding_counted"] is None
    result = run("evaluate", scored_spans, "--model", "m1")
    assert result.code == 0
    text = result.out
    assert "if padding" not in text
    assert "the model's output at padded positions is not known" in text
