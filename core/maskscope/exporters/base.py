"""What every exporter takes, and what the registry holds of each."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from maskscope.jobs import Job
from maskscope.types import Floats, Mask


@dataclass(frozen=True, eq=False)
class LabelledSentence:
    """One sentence, as an exporter receives it.

    Attributes:
        id: its index in reading order, counted from 0.
        name: its name in the source, "" without one.
        tokens: T strings.
        labels: T label names as chosen for the export (gold, predicted or edited), None for no label.
        gold: T label names of the source.
        predicted: T predicted label names, None for a masked token; None when there are no predictions.
        probabilities: (T, C) float32, None when there are none.
        mask: (T,) bool, True = real token that the model reads; False at a collision.
        edited: (T,) bool, True = a person has edited this token's label.
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
    """An export format, one row of the registry. The export dialog, `maskscope formats` and the docs are made from it.

    Attributes:
        name: the value of `--format`.
        title: the name in a dialog.
        suffixes: usual file suffixes, lower case, with their dot; the first is added to a new file's name.
        needs: one line: what the sentences must have.
        not_included: one line: what such a file does not hold.
        description: Markdown: the grammar of such a file, for docs/formats.md.
        write: writes sentences to a path, with the label names and a job; returns the number written.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    needs: str
    not_included: str
    description: str
    write: Callable[[Path, Iterable[LabelledSentence], tuple[str, ...], Job], int]
