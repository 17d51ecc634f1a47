"""What the loss compares a padded batch's outputs with: labels, and sample weights where there are some."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from maskscope.padding import Side
from maskscope.types import Floats, Mask


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """Labels and sample weights of a padded batch.

    Attributes:
        labels: (B, T, ...) float32, or (B, ...) for a sentence classifier.
        side: on which the batch is padded.
        per_sentence: whether they are those of a sentence classifier, which has no labels at padding.
        weights: (B, T) sample weights, or (B,) for a sentence classifier; None for none.
    """

    labels: Floats
    side: Side
    per_sentence: bool = False
    weights: Floats | None = None

    @property
    def each_weight(self) -> Floats:
        """The sample weights, or ones in their place."""
        if self.weights is not None:
            return self.weights
        return np.ones(self.labels.shape[: 1 if self.per_sentence else 2], dtype=np.float32)

    def __len__(self) -> int:
        """B."""
        return len(self.labels)

    def __getitem__(self, rows: npt.NDArray[np.integer]) -> "Targets":
        """Those of some sentences, in another order."""
        weights = None if self.weights is None else self.weights[rows]
        return replace(self, labels=self.labels[rows], weights=weights)

    def cut(self, rows: npt.NDArray[np.integer], tokens: slice) -> "Targets":
        """Those of some sentences at some positions."""
        if self.per_sentence:
            return self[rows]
        weights = None if self.weights is None else self.weights[rows, tokens]
        return replace(self, labels=self.labels[rows, tokens], weights=weights)

    def longer(self, n: int, mask_bt: Mask) -> "Targets":
        """The same with n more padded positions, which have the labels and weights of those that are padded already.

        `mask_bt` (B, T) is True at real tokens.
        """
        if self.per_sentence:
            return self
        weights = None if self.weights is None else self._extended(self.weights, n, mask_bt)
        return replace(self, labels=self._extended(self.labels, n, mask_bt), weights=weights)

    def _extended(self, array: Floats, n: int, mask_bt: Mask) -> Floats:
        """(B, T, ...) with n positions more; a sentence that fills the batch gets what another one has at padding."""
        padded = np.argwhere(~mask_bt)
        outer = -1 if self.side == "back" else 0
        edge = array[:, outer].copy()
        if len(padded):
            edge[mask_bt[:, outer]] = array[tuple(padded[0])]
        more = np.repeat(edge[:, None], n, axis=1)
        return np.concatenate([array, more] if self.side == "back" else [more, array], axis=1)
