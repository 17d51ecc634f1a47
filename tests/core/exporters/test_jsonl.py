"""Export to JSON Lines: one object for each sentence."""

import json
from pathlib import Path

import numpy as np
import pytest

from maskscope.errors import ExportError
from maskscope.exporters import LabelledSentence, export


def sentence(
    probabilities: np.ndarray | None, tokens: tuple[str, ...] = ("Anna", "\u2028\x85é😀\n\t")
) -> LabelledSentence:
    return LabelledSentence(
        id=12,
        name="s-12",
        tokens=tokens,
        labels=("name", None),
        gold=("O", None),
        predicted=None if probabilities is None else ("name", "O"),
        probabilities=probabilities,
        mask=np.array([True, False]),
        edited=np.array([True, False]),
        reviewed="flagged",
        comments=("text = Anna",),
    )


def test_one_object_for_each_sentence(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    probs = np.array([[0.1, 0.9], [1, 1e-7]], dtype=np.float32)
    assert export(path, [sentence(probs), sentence(None)], "jsonl", ("O", "name")) == 2
    text = path.read_bytes().decode("utf-8")
    assert "é😀" in text
    lines = text.splitlines()
    assert len(lines) == 2
    assert json.loads(lines[0]) == {
        "id": 12,
        "name": "s-12",
        "tokens": ["Anna", "\u2028\x85é😀\n\t"],
        "labels": ["name", None],
        "gold": ["O", None],
        "predicted": ["name", "O"],
        "probabilities": [[0.1, 0.9], [1.0, 1e-07]],
        "classes": ["O", "name"],
        "mask": [True, False],
        "edited": [True, False],
        "state": "flagged",
        "comments": ["text = Anna"],
    }
    assert json.loads(lines[1])["predicted"] is None
    assert json.loads(lines[1])["probabilities"] is None


def test_a_binary_head_gives_the_probability_of_its_label(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    export(path, [sentence(np.array([[0.25], [0.5]], dtype=np.float32))], "jsonl", ("O", "name"))
    assert json.loads(path.read_text(encoding="utf-8"))["probabilities"] == [[0.25], [0.5]]


def test_probabilities_keep_every_bit(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    probs = np.random.default_rng(0).random((2, 1)).astype(np.float32)
    export(path, [sentence(probs)], "jsonl", ("O", "name"))
    back = [row[0] for row in json.loads(path.read_text(encoding="utf-8"))["probabilities"]]
    assert np.array_equal(np.array(back, dtype=np.float32), probs[:, 0])


@pytest.mark.parametrize(
    ("invalid", "message"),
    [
        (sentence(np.array([[0.5], [np.nan]], dtype=np.float32)), "position 1"),
        (sentence(np.ones((2, 3), dtype=np.float32)), r"expected 2 columns, or 1 for a binary head; received shape"),
        (sentence(np.ones((1, 1), dtype=np.float32)), "probabilities don't fit the tokens; expected 2; received 1"),
        (sentence(None, ("a",)), "labels don't fit the tokens"),
        (sentence(None, ("a", "\ud800")), "U\\+D800"),
    ],
)
def test_what_cannot_be_written_is_refused(tmp_path: Path, invalid: LabelledSentence, message: str) -> None:
    with pytest.raises(ExportError, match=f"sentence 12 of x.jsonl: .*{message}"):
        export(tmp_path / "x.jsonl", [invalid], "jsonl", ("O", "name"))
    assert list(tmp_path.iterdir()) == []
