"""A table of tokens of the corpus, each in its sentence; moving in it moves the window's cursor."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PySide6.QtWidgets import QWidget

from maskscope.types import Indices, Offsets
from maskscope_gui.session.session import Session
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.table import Cell, Column, Table
from maskscope_gui.widgets.token_text import token_text

_CONTEXT = 14
"""Tokens that are read on each side of a listed token; as many as fit are shown."""


@dataclass(frozen=True, slots=True, eq=False)
class TokenLabels:
    """A column of labels, and one of their probabilities; both functions are called for the rows in sight only.

    Attributes:
        label: the class id of a row of the list, negative for none.
        probability: the probability of that label; None for no column of probabilities.
    """

    label: Callable[[int], int]
    probability: Callable[[int], float] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class TokenListing:
    """What a token table shows.

    Attributes:
        tokens: (n,) the listed tokens, by their number in the project, from 0.
        offsets: (n_sentences + 1,) of the project.
        labels: the columns of labels.
    """

    tokens: Indices
    offsets: Offsets
    labels: tuple[TokenLabels, ...]

    def position(self, row: int) -> tuple[int, int]:
        """Sentence, and position in it, of a listed token."""
        token = int(self.tokens[row])
        sentence = int(np.searchsorted(self.offsets, token, side="right")) - 1
        return sentence, token - int(self.offsets[sentence])


class TokenTable(Table):
    """Lists tokens with their sentence and their labels. Only the sentences in sight are read.

    Args:
        titles: title and width, in pixels at 100 %, of each column of labels and of probabilities.
    """

    def __init__(
        self,
        session: Session,
        style: Style,
        titles: Sequence[tuple[str, int]],
        parent: QWidget | None = None,
    ) -> None:
        columns = [Column("sentence", 72, right=True), Column("token in its sentence")]
        columns += [Column(title, width, right=title.startswith("P")) for title, width in titles]
        super().__init__(session, style, "Tokens", columns, self._cell_of, parent)
        self.listing: TokenListing | None = None
        self.moved.connect(self._reveal)

    def show_listing(self, listing: TokenListing | None, empty: str = "") -> None:
        """List these tokens; `empty` is the text without any."""
        self.listing = listing
        self.empty = empty
        self.set_rows(0 if listing is None else len(listing.tokens), 0 if self.hasFocus() else -1)
        if self.row >= 0:
            self.go_to(self.row)

    def sentences(self) -> Indices:
        """Ids of the sentences of the listed tokens, each once, rising."""
        if self.listing is None:
            return np.zeros(0, dtype=np.int64)
        return np.unique(np.searchsorted(self.listing.offsets, self.listing.tokens, side="right") - 1)

    def focus_list(self) -> None:
        """Take the focus, and go to the first token when none is chosen."""
        self.setFocus()
        if self.row < 0:
            self.go_to(0)

    def _reveal(self, row: int) -> None:
        if self.listing is not None and row < len(self.listing.tokens):
            self.session.cursor.reveal(*self.listing.position(row))

    def _cell_of(self, row: int, column: int) -> Cell:
        listing = self.listing
        if listing is None or self.session.project is None:
            return Cell("")
        sentence, position = listing.position(row)
        if column == 0:
            return Cell(str(sentence), "second")
        if column == 1:
            tokens = self.session.sentence_row(sentence).tokens
            before = " ".join(token_text(token)[0] for token in tokens[max(0, position - _CONTEXT) : position])
            after = " ".join(token_text(token)[0] for token in tokens[position + 1 : position + 1 + _CONTEXT])
            return Cell(token_text(tokens[position])[0], "text", before or " ", after or " ")
        return self._label_cells(listing, row)[column - 2]

    def _label_cells(self, listing: TokenListing, row: int) -> list[Cell]:
        cells = []
        scheme = self.session.scheme
        for labels in listing.labels:
            label = labels.label(row)
            cells.append(
                Cell("–", "second") if label < 0 else Cell(scheme.classes[label], self.look.label(label, scheme))
            )
            if labels.probability is not None:
                cells.append(Cell(f"{labels.probability(row):.2f}", "second"))
        return cells
