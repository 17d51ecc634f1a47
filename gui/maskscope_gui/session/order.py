"""Which sentences the list shows, and in which order: plain arrays, ready for a million sentences."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from maskscope.project import STATES
from maskscope.types import Indices, Mask

Sort: TypeAlias = Literal["uncertain", "reading", "longest", "disagreement"]
Filter: TypeAlias = Literal["all", "unreviewed", "accepted", "flagged", "edited", "collision"]

SORTS: dict[Sort, str] = {
    "uncertain": "Most uncertain",
    "reading": "Reading order",
    "longest": "Longest first",
    "disagreement": "Most disagreement",
}
FILTERS: dict[Filter, str] = {
    "all": "all",
    "unreviewed": "not reviewed",
    "accepted": "accepted",
    "flagged": "flagged",
    "edited": "edited",
    "collision": "with a collision",
}


@dataclass(slots=True, eq=False)
class Facts:
    """What sorting and filtering need to know of each sentence; every array is (n_sentences,).

    Attributes:
        lengths: tokens per sentence.
        states: review states, as places in STATES.
        edited: True where an edit stands.
        collides: True where a real token's embedding is all zeros.
        doubt: largest doubt of a token, None without scores.
        n_collisions: real tokens whose embedding is all zeros.
        disagreement: tokens whose label is not the model's, None until it was asked for.
    """

    lengths: Indices
    states: npt.NDArray[np.int8]
    edited: Mask
    collides: Mask
    n_collisions: int = 0
    doubt: npt.NDArray[np.float32] | None = None
    disagreement: npt.NDArray[np.int32] | None = None

    def shown(self, wanted: Filter) -> Mask:
        """(n_sentences,) True where a sentence passes the filter."""
        if wanted == "all":
            return np.ones(len(self.lengths), dtype=np.bool_)
        if wanted == "edited":
            return self.edited
        if wanted == "collision":
            return self.collides
        return np.asarray(self.states == STATES.index(wanted))

    def order(self, sort: Sort, wanted: Filter = "all", found: Indices | None = None) -> Indices:
        """Ids in the order of the list; `found` restricts them to the sentences of a search."""
        keep = self.shown(wanted)
        if found is not None:
            hit = np.zeros(len(keep), dtype=np.bool_)
            hit[found] = True
            keep = keep & hit
        ids = np.flatnonzero(keep).astype(np.int64)
        if sort == "uncertain" and self.doubt is not None:
            return ids[np.argsort(-self.doubt[ids], kind="stable")]
        if sort == "longest":
            return ids[np.argsort(-self.lengths[ids], kind="stable")]
        if sort == "disagreement" and self.disagreement is not None:
            return ids[np.argsort(-self.disagreement[ids], kind="stable")]
        return ids
