"""The values that every exporter shares."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from maskscope.jobs import Job
from maskscope.types import Floats, Mask


@dataclass(frozen=True, eq=False)
class LabelledSentence:
    """One sentence as an exporter takes it.

    Attributes:
        id: its place in reading order, counted from 0.
        name: the source's name for it, "" without one.
        tokens: T strings.
        labels: T label names as chosen for the export (gold, predicted or edited), None for no label.
        gold: T label names of the source.
        predicted: T label names of the model, None when there are no predictions.
        probabilities: (T, C) float32, None when there are none.
        mask: (T,) bool, True = real token that the model sees; False at a collision.
        edited: (T,) bool, True = a person set this token's label.
        reviewed: the review state: "unreviewed", "accepted" or "flagged".
        comments: comment lines of the source, without "# ".
    """

    id: int
    name: str
    tokens: tuple[str, ...]
    labels: tuple[str | None, ...]
    gold: tuple[str | None, ...]
    predicted: tuple[str | None, ...] | None
    probabilities: Floats | None
    mask: Mask
    edited: Mask
    reviewed: str
    comments: tuple[str, ...] = ()


@dataclass(frozen=True)
class ExportFormat:
    """One row of the registry.

    Attributes:
        name: as `--format` takes it.
        title: as a dialog shows it.
        suffix: usual file suffix, with its dot.
        needs: one line: what the sentences must bring.
        loses: one line: what such a file does not hold.
        write: write sentences to a path, with the label names and a job; returns how many were written.
    """

    name: str
    title: str
    suffix: str
    needs: str
    loses: str
    write: Callable[[Path, Iterable[LabelledSentence], tuple[str, ...], Job], int]
