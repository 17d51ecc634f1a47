"""Which sentences the list shows, and in which order: plain arrays, fast with a million sentences."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QObject, Signal

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
class SentenceFacts:
    """What sorting and filtering need to know of each sentence; every array is (n_sentences,).

    Attributes:
        lengths: tokens per sentence.
        states: review states, as positions in STATES.
        edited: True where a label was edited.
        collides: True where the model masks a real token; without a model, where a real token's embedding is all zeros.
        n_collisions: how many such tokens there are.
        uncertainty: largest uncertainty of a token; None without scores.
        disagreement: tokens whose label is not the model's; None until it is counted.
    """

    lengths: Indices
    states: npt.NDArray[np.int8]
    edited: Mask
    collides: Mask
    n_collisions: int = 0
    uncertainty: npt.NDArray[np.float32] | None = None
    disagreement: npt.NDArray[np.int32] | None = None

    def set_collisions(self, collisions: Indices) -> None:
        """Set the real tokens that the model masks, (k, 2) of sentence and position."""
        self.collides = np.zeros(len(self.lengths), dtype=np.bool_)
        self.collides[collisions[:, 0]] = True
        self.n_collisions = len(collisions)

    def passes(self, wanted: Filter) -> Mask:
        """(n_sentences,) True where a sentence passes the filter."""
        if wanted == "all":
            return np.ones(len(self.lengths), dtype=np.bool_)
        if wanted == "edited":
            return self.edited
        if wanted == "collision":
            return self.collides
        return np.asarray(self.states == STATES.index(wanted))

    def sorted_sentences(self, sort: Sort, wanted: Filter, found: Indices | None) -> Indices:
        """Sentences that pass the filter, sorted; `found` restricts them to the result of a search."""
        keep = self.passes(wanted)
        if found is not None:
            hit = np.zeros(len(keep), dtype=np.bool_)
            hit[found] = True
            keep = keep & hit
        sentences = np.flatnonzero(keep).astype(np.int64)
        keys = {"uncertain": self.uncertainty, "longest": self.lengths, "disagreement": self.disagreement}
        key = keys.get(sort)
        return sentences if key is None else sentences[np.argsort(-key[sentences], kind="stable")]


class ListOrder(QObject):
    """The order, the filter and the search of the sentence list.

    Attributes:
        sort: the order.
        filter: which sentences are shown.
        search_text: the text that the shown sentences contain; "" without a search.
        sentences: the sentences shown, in order.
        facts: what is known of each sentence; None while no project is open.

    Signals:
        changed: the list shows other sentences, or in another order.
        search_cleared: the list is no longer restricted to the result of a search.
        disagreement_requested: the list is sorted by disagreement, which has yet to be counted over the corpus.
    """

    changed = Signal()
    search_cleared = Signal()
    disagreement_requested = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.sort: Sort = "uncertain"
        self.filter: Filter = "all"
        self.search_text = ""
        self.sentences: Indices = np.zeros(0, dtype=np.int64)
        self.facts: SentenceFacts | None = None
        self._found: Indices | None = None
        self._rows: Indices = np.zeros(0, dtype=np.int64)

    def set_facts(self, facts: SentenceFacts | None) -> None:
        """Prepare for the sentences of another project, or of none; `update_sentences` then lists them."""
        self.facts = facts
        self.filter, self.search_text, self._found = "all", "", None
        self.sentences = self._rows = np.zeros(0, dtype=np.int64)

    def update_sentences(self) -> None:
        """Filter and sort again, without emitting `changed`."""
        assert self.facts is not None
        if self.sort == "disagreement" and self.facts.disagreement is None:
            # Counted over the corpus in the background; until then the list is in reading order.
            self.disagreement_requested.emit()
        self.sentences = self.facts.sorted_sentences(self.sort, self.filter, self._found)
        self._rows = np.full(len(self.facts.lengths), -1, dtype=np.int64)
        self._rows[self.sentences] = np.arange(len(self.sentences))

    def refresh(self) -> None:
        """Filter and sort again, and emit `changed`."""
        if self.facts is not None:
            self.update_sentences()
            self.changed.emit()

    def row_of(self, sentence: int) -> int:
        """The row of a sentence in the list; -1 when it is not shown."""
        return int(self._rows[sentence]) if 0 <= sentence < len(self._rows) else -1

    def set_sort(self, sort: Sort) -> None:
        """Sort the list by something else; the sentence on screen stays."""
        self.sort = sort
        self.refresh()

    def next_sort(self) -> None:
        """Change to the next order, after the last one to the first."""
        sorts = list(SORTS)
        self.set_sort(sorts[(sorts.index(self.sort) + 1) % len(sorts)])

    def set_filter(self, wanted: Filter) -> None:
        """Show only some sentences; the one on screen stays while it is among them."""
        self.filter = wanted
        self.refresh()

    def next_filter(self) -> None:
        """Change to the next filter, after the last one to the first."""
        filters = list(FILTERS)
        self.set_filter(filters[(filters.index(self.filter) + 1) % len(filters)])

    def set_found(self, text: str, found: Indices | None) -> None:
        """Restrict the list to the sentences `found` for `text`; None removes the restriction."""
        self.search_text, self._found = text, found
        if found is None:
            self.search_cleared.emit()
        self.refresh()

    def show_all(self) -> None:
        """Clear the filter and the search."""
        self.filter = "all"
        self.set_found("", None)

    def set_disagreement(self, counts: npt.NDArray[np.int32] | None) -> None:
        """Set the tokens per sentence whose label is not the model's; None asks for a new count when one is needed."""
        if self.facts is None:
            return
        self.facts.disagreement = counts
        if self.sort != "disagreement":
            return
        if counts is None:
            self.disagreement_requested.emit()
        else:
            self.refresh()
