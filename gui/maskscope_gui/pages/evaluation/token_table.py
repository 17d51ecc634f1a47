"""Tokens of the corpus in a list, each in its sentence; choosing one moves the one cursor."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PySide6.QtWidgets import QWidget

from maskscope.types import Indices, Offsets
from maskscope_gui.session.session import Session
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.table import Cell, Column, Table
from maskscope_gui.widgets.token_text import shown

_AROUND = 14


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """Labels of the listed tokens in one column, with a number beside them; asked for the rows in sight only.

    Attributes:
        label: the class id of a place in the list, negative for none.
        number: the probability of it; None for no such column.
    """

    label: Callable[[int], int]
    number: Callable[[int], float] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Listing:
    """What a list shows.

    Attributes:
        rows: (n,) the tokens, counted through the project from 0.
        offsets: (n_sentences + 1,) of the project.
        sides: the columns of labels.
    """

    rows: Indices
    offsets: Offsets
    sides: tuple[Side, ...]

    def place(self, row: int) -> tuple[int, int]:
        """Sentence and position of a token of the list."""
        token = int(self.rows[row])
        sentence = int(np.searchsorted(self.offsets, token, side="right")) - 1
        return sentence, token - int(self.offsets[sentence])


class TokenTable(Table):
    """See the module. Only the sentences in sight are read."""

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
        self.listing: Listing | None = None
        self.moved.connect(self._reveal)

    def show_listing(self, listing: Listing | None, empty: str = "") -> None:
        """List these tokens."""
        self.listing = listing
        self.empty = empty
        self.set_rows(0 if listing is None else len(listing.rows), 0 if self.hasFocus() else -1)
        if self.row >= 0:
            self.go_to(self.row)

    def sentences(self) -> Indices:
        """Ids of the sentences that are listed, each once, rising."""
        if self.listing is None:
            return np.zeros(0, dtype=np.int64)
        return np.unique(np.searchsorted(self.listing.offsets, self.listing.rows, side="right") - 1)

    def focus_list(self) -> None:
        """Take the focus; the first token is chosen when none was."""
        self.setFocus()
        if self.row < 0:
            self.go_to(0)

    def _reveal(self, row: int) -> None:
        if self.listing is not None and row < len(self.listing.rows):
            self.session.cursor.reveal(*self.listing.place(row))

    def _cell_of(self, row: int, column: int) -> Cell:
        listing = self.listing
        if listing is None or self.session.project is None:
            return Cell("")
        sentence, position = listing.place(row)
        if column == 0:
            return Cell(str(sentence), "second")
        if column == 1:
            tokens = self.session.sentence_row(sentence).tokens
            before = " ".join(shown(token)[0] for token in tokens[max(0, position - _AROUND) : position])
            after = " ".join(shown(token)[0] for token in tokens[position + 1 : position + 1 + _AROUND])
            return Cell(shown(tokens[position])[0], "text", before or " ", after or " ")
        place = column - 2
        for side in listing.sides:
            if place == 0:
                label = side.label(row)
                if label < 0:
                    return Cell("–", "second")
                scheme = self.session.scheme
                return Cell(scheme.classes[label], self.look.label(label, scheme))
            place -= 1
            if side.number is None:
                continue
            if place == 0:
                return Cell(f"{side.number(row):.2f}", "second")
            place -= 1
        return Cell("")
