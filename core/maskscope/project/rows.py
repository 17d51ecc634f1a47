"""The values that a project returns: sentences, models, counts."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from maskscope.project.edits import ReviewState
from maskscope.runs import RunInfo
from maskscope.types import NO_EDIT, NO_LABEL, Labels, Mask, MaskValue, OutputKind, TagScheme


@dataclass(frozen=True, slots=True, eq=False)
class SentenceRow:
    """One sentence of a project.

    Attributes:
        id: its index in reading order, from 0.
        name: the source's own name ("" when it has none).
        tokens: T strings.
        gold: (T,) int16 labels from the source, NO_LABEL where it has none.
        edits: (T,) int16 labels from a person, NO_EDIT where the label was not edited, NO_LABEL where the token is
            ignored.
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
        """(T,) int16: the labels now, edits over gold."""
        return np.where(self.edits == NO_EDIT, self.gold, self.edits).astype(np.int16)

    @property
    def edited(self) -> Mask:
        """(T,) bool: True where a person has edited the label."""
        return np.asarray(self.edits != NO_EDIT)

    @property
    def ignored(self) -> Mask:
        """(T,) bool: True where a person ignores the token, so that it counts neither in training nor in metrics."""
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
        """Its name for a person, such as "BiLSTM 10"."""
        return self.run.name

    @property
    def created(self) -> float:
        """Seconds since 1970."""
        return self.run.created

    @property
    def scheme(self) -> TagScheme:
        """The label set that it was trained for."""
        return self.run.scheme

    @property
    def mask_value(self) -> MaskValue | None:
        """The mask_value of its Masking layer; None when it has none."""
        return self.run.mask_value

    @property
    def output_kind(self) -> OutputKind:
        """What the model's own outputs are; the scores kept with the project are probabilities, or values."""
        return self.run.output.kind

    @property
    def gives_values(self) -> bool:
        """Whether its scores are values of a regression: no probabilities of labels, and no predictions."""
        return self.output_kind == "values"

    @property
    def n_columns(self) -> int:
        """C of its scores."""
        return self.run.output.n_outputs if self.gives_values else self.scheme.n_outputs

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the C columns of its scores: labels, or the outputs of a regression ("0", "1", ... for none)."""
        if not self.gives_values:
            return self.scheme.output_names
        return self.run.output.names or tuple(str(place) for place in range(self.n_columns))

    @property
    def is_reconstruction(self) -> bool:
        """Whether its scores are values as many as an embedding's numbers, to be shown beside them."""
        return self.gives_values and self.n_columns == self.run.dim

    @property
    def f1(self) -> float | None:
        """Token F1 on the validation sentences; None when there were none."""
        return self.run.f1

    @property
    def keras_file(self) -> Path:
        """The plain Keras file."""
        return self.folder / "model.keras"

    @property
    def weights_file(self) -> Path:
        """The same weights for `engine.packed`, readable without h5py; exists only when `run.engine` is "packed"."""
        return self.folder / "weights.npz"


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts that a project updates with each edit.

    Attributes:
        labels: tokens by class, by edits over gold; one number for each of the scheme's classes.
        unlabelled: tokens without any label, ignored ones included.
        edited: tokens whose label a person has edited.
        accepted, flagged: sentences by review state.
        ignored: tokens that a person ignores.
    """

    labels: tuple[int, ...]
    unlabelled: int
    edited: int
    accepted: int
    flagged: int
    ignored: int = 0
