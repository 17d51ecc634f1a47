"""What a project hands out: sentences, models, counts."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from maskscope.project.edits import ReviewState
from maskscope.runs import RunInfo
from maskscope.types import NO_EDIT, NO_LABEL, Labels, Mask, TagScheme


@dataclass(frozen=True, slots=True, eq=False)
class SentenceRow:
    """One sentence of a project.

    Attributes:
        id: its place in reading order, from 0.
        name: the source's own name ("" when it has none).
        tokens: T strings.
        gold: (T,) int16 labels from the source, NO_LABEL where it has none.
        edits: (T,) int16 labels from a person, NO_EDIT where nobody changed anything, NO_LABEL where the token is
            to be ignored.
        state: the review state, set by a person only.
        comments: comment lines of the source.
    """

    id: int
    name: str
    tokens: tuple[str, ...]
    gold: Labels
    edits: Labels
    state: ReviewState
    comments: tuple[str, ...] = ()

    @property
    def labels(self) -> Labels:
        """(T,) int16: edits over gold, what the sentence says now."""
        return np.where(self.edits == NO_EDIT, self.gold, self.edits).astype(np.int16)

    @property
    def edited(self) -> Mask:
        """(T,) bool: True where a person's edit stands."""
        return np.asarray(self.edits != NO_EDIT)

    @property
    def ignored(self) -> Mask:
        """(T,) bool: True where a person said that the token counts neither in training nor in scores."""
        return np.asarray(self.edits == NO_LABEL)


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """A tagger that belongs to a project.

    Attributes:
        id: "m1", "m2", ... in the order they were added.
        folder: holds model.keras, weights.npz and run.json.
        run: how it was made and what it scored.
    """

    id: str
    folder: Path
    run: RunInfo

    @property
    def name(self) -> str:
        """For a person: "BiLSTM 10"."""
        return self.run.name

    @property
    def created(self) -> float:
        """Seconds since 1970."""
        return self.run.created

    @property
    def scheme(self) -> TagScheme:
        """The label set of its head."""
        return self.run.scheme

    @property
    def mask_value(self) -> float | None:
        """Of its Masking layer; None when it has none."""
        return self.run.mask_value

    @property
    def f1(self) -> float | None:
        """Token F1 on the validation sentences, None when there were none."""
        return self.run.f1

    @property
    def keras_file(self) -> Path:
        """The plain Keras file."""
        return self.folder / "model.keras"

    @property
    def weights_file(self) -> Path:
        """The same weights for `tagger.packed`, readable without h5py; there only when `run.engine` is "packed"."""
        return self.folder / "weights.npz"


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts that a project keeps up with each edit.

    Attributes:
        labels: tokens by class, by edits over gold; one number for each of the scheme's classes.
        unlabelled: tokens without any label, those that a person ignores among them.
        edited: tokens on which a person's edit stands.
        accepted, flagged: sentences by review state.
        ignored: tokens that a person marked to be ignored.
    """

    labels: tuple[int, ...]
    unlabelled: int
    edited: int
    accepted: int
    flagged: int
    ignored: int = 0
