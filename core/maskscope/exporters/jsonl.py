"""Export to JSON Lines: one object for each sentence, in UTF-8."""

import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path

from maskscope.errors import ExportError
from maskscope.exporters.base import ExportFormat, LabelledSentence
from maskscope.exporters.writing import Record, write_checked
from maskscope.jobs import Job
from maskscope.types import Floats

# Legal in JSON, but str.splitlines and other readers of lines take them for line ends.
_LINE_ENDS = str.maketrans({c: f"\\u{ord(c):04x}" for c in "\x85\u2028\u2029"})


def write(path: Path, sentences: Iterable[LabelledSentence], classes: tuple[str, ...], job: Job) -> int:
    """Write `sentences`, one object each, and return their number.

    `classes` are the label names; the columns of `probabilities` are all of them, or the last one alone
    when there is one column (the binary head); the key "classes" names them.
    Raises ExportError when something can't be written, Cancelled from `job`.
    """

    def records() -> Iterator[Record]:
        for s in sentences:
            value = _value(s, classes, path)
            text = json.dumps(value, ensure_ascii=False, allow_nan=False)
            yield Record(s.id, text.translate(_LINE_ENDS) + "\n", value)

    return write_checked(path, records(), _read_back, job)


def _value(s: LabelledSentence, classes: tuple[str, ...], path: Path) -> dict[str, object]:
    n_tokens = len(s.tokens)
    columns = (s.labels, s.gold, s.predicted, s.probabilities, s.mask, s.edited)
    for name, column in zip(("labels", "gold", "predicted", "probabilities", "mask", "edited"), columns, strict=True):
        if column is not None and len(column) != n_tokens:
            raise ExportError(
                f"{name} don't fit the tokens",
                file=path,
                sentence=s.id,
                expected=str(n_tokens),
                received=str(len(column)),
            )
    return {
        "id": s.id,
        "name": s.name,
        "tokens": list(s.tokens),
        "labels": list(s.labels),
        "gold": list(s.gold),
        "predicted": None if s.predicted is None else list(s.predicted),
        "probabilities": None if s.probabilities is None else _probabilities(s, s.probabilities, classes, path),
        "classes": None if s.probabilities is None else list(_columns(s.probabilities, classes)),
        "mask": [bool(real) for real in s.mask],
        "edited": [bool(edited) for edited in s.edited],
        "state": s.reviewed,
        "comments": list(s.comments),
    }


def _probabilities(s: LabelledSentence, probs_tc: Floats, classes: tuple[str, ...], path: Path) -> list[list[float]]:
    n_outputs = probs_tc.shape[1] if probs_tc.ndim == 2 else 0
    if n_outputs != len(_columns(probs_tc, classes)):
        raise ExportError(
            "probabilities don't fit the labels",
            file=path,
            sentence=s.id,
            expected=f"{len(classes)} columns, or 1 for a binary head",
            received=f"shape {probs_tc.shape}",
        )
    texts = probs_tc.astype("float32").astype("U32")
    rows = [[float(value) for value in row] for row in texts.tolist()]
    for position, row in enumerate(rows):
        for value in row:
            if not math.isfinite(value):
                raise ExportError(
                    f"the probability at position {position} is not finite",
                    file=path,
                    sentence=s.id,
                    expected="a finite number",
                    received=str(value),
                )
    return rows


def _columns(probs_tc: Floats, classes: tuple[str, ...]) -> tuple[str, ...]:
    return classes[-1:] if probs_tc.ndim == 2 and probs_tc.shape[1] == 1 else classes


def _read_back(path: Path) -> Iterator[object]:
    with path.open("rb") as stream:
        for line in stream:
            try:
                yield json.loads(line.decode("utf-8"))
            except ValueError as error:
                raise ExportError("the file can't be read back", file=path, received=str(error)) from None


_DESCRIPTION = """
UTF-8, one JSON object a line and a sentence (shown here on several lines):
```
{"id": 17, "name": "dev-17", "tokens": ["Anna", "sings"], "labels": ["name", null], "gold": ["O", null],
 "predicted": ["name", "O"], "probabilities": [[0.83], [0.02]], "classes": ["name"],
 "mask": [true, true], "edited": [true, false], "state": "accepted", "comments": []}
```
`labels` are the chosen labels; null means no label. `predicted`, `probabilities` and `classes` are null without scores.
`classes` names the columns of `probabilities`: all labels, or for a binary scheme the one that is not outside.
They have as many digits as it takes to read back the same float32. `mask` is true at a real token that the
model sees, false at a collision. `id` counts from 0 in reading order.
"""

FORMAT = ExportFormat(
    name="jsonl",
    title="JSON Lines",
    suffixes=(".jsonl",),
    needs="nothing; without scores, predicted and probabilities are null",
    not_included="embeddings, and the history of edits",
    description=_DESCRIPTION.strip(),
    write=write,
)
