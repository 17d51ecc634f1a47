"""The cursor: which sentence is on screen, and which of its tokens are selected."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from maskscope_gui.actions import key_of_action

if TYPE_CHECKING:
    from maskscope_gui.session.session import Session


def no_predictions(session: "Session") -> str:
    """The message for what needs predictions while there are none."""
    if session.model is not None and session.gives_values:
        return f"{session.model.name} gives values, which predict no labels and have no uncertainty."
    return f"There are no predictions yet. Train a model first ({key_of_action('train')})."


class Cursor(QObject):
    """The sentence on screen, the token that keys act on, and the selection around it.

    Attributes:
        sentence: the sentence on screen; -1 for none.
        position: the token under the cursor.
        anchor: the other end of the selection; the same as `position` when one token is selected.

    Signals:
        sentence_changed: another sentence is on screen, or the model has other predictions for it.
        moved: the cursor or the selection moved within the sentence.
    """

    sentence_changed = Signal()
    moved = Signal()

    def __init__(self, session: "Session") -> None:
        super().__init__(session)
        self._session = session
        self.sentence = -1
        self.position = 0
        self.anchor = 0
        session.list_order.changed.connect(self._stay_in_list)

    @property
    def row(self) -> int:
        """The row of the sentence in the list; -1 when the list does not show it."""
        return self._session.list_order.row_of(self.sentence)

    @property
    def span(self) -> tuple[int, int]:
        """First and last selected position."""
        return min(self.position, self.anchor), max(self.position, self.anchor)

    # Sentences

    def select(self, sentence: int, position: int = 0) -> None:
        """Show a sentence, with the cursor at `position`."""
        project = self._session.project
        if project is None or not 0 <= sentence < project.n_sentences:
            return
        if sentence != self.sentence:
            self._show(sentence, position)
        else:
            self.move(position)

    def select_row(self, row: int) -> None:
        """Show the sentence in a row of the list; past either end of the list, its first or last row."""
        sentences = self._session.list_order.sentences
        if len(sentences):
            self.select(int(sentences[min(max(row, 0), len(sentences) - 1)]))

    def reveal(self, sentence: int, position: int = 0) -> None:
        """Show a sentence as `select` does, clearing filter and search when they would hide it."""
        order = self._session.list_order
        if self._session.project is not None and order.row_of(sentence) < 0:
            order.show_all()
        self.select(sentence, position)

    def clear(self) -> None:
        """Show no sentence, because no project is open."""
        self.sentence, self.position, self.anchor = -1, 0, 0

    def _show(self, sentence: int, position: int) -> None:
        self.sentence = sentence
        self._session.update_focus()
        focus = self._session.focus
        self.position = self.anchor = min(max(position, 0), max(focus.length - 1, 0)) if focus else 0
        self.sentence_changed.emit()

    def _stay_in_list(self) -> None:
        """Show the first sentence of the list when the list no longer has the one on screen."""
        sentences = self._session.list_order.sentences
        if self.row < 0 and len(sentences):
            self._show(int(sentences[0]), 0)

    # Tokens

    def move(self, position: int, *, extend: bool = False) -> None:
        """Put the cursor on a token; `extend` keeps the other end of the selection."""
        focus = self._session.focus
        if focus is None or focus.length == 0:
            return
        position = min(max(position, 0), focus.length - 1)
        anchor = self.anchor if extend else position
        if (position, anchor) != (self.position, self.anchor):
            self.position, self.anchor = position, anchor
            self.moved.emit()

    def select_span(self, first: int, last: int) -> None:
        """Select tokens `first` to `last`, with the cursor on `last`."""
        self.move(first)
        self.move(last, extend=True)

    # Jumps

    def next_uncertain(self, step: int) -> None:
        """Go to the next (+1) or previous (-1) uncertain token along the list."""
        if self._session.scores is None:
            self._session.message_requested.emit(no_predictions(self._session), "info")
            return
        place = self._find_uncertain(step)
        if place is None:
            direction = "further down" if step > 0 else "further up"
            self._session.message_requested.emit(f"There is no uncertain token {direction} this list.", "info")
            return
        self.select(*place)

    def _find_uncertain(self, step: int) -> tuple[int, int] | None:
        sentences = self._session.list_order.sentences
        row = self.row
        while 0 <= row < len(sentences):
            sentence = int(sentences[row])
            positions = self._session.uncertain_positions(sentence)
            if sentence == self.sentence:
                positions = positions[positions > self.position] if step > 0 else positions[positions < self.position]
            if len(positions):
                return sentence, int(positions[0 if step > 0 else -1])
            row += step
        return None

    def next_collision(self) -> None:
        """Go to the next collision in reading order, after the last one to the first."""
        project = self._session.project
        if project is None:
            return
        mask_value = self._session.mask_value
        places = [(int(sentence), int(position)) for sentence, position in project.collisions(mask_value)]
        if not places:
            without = "No real token of this project has an all-zero embedding."
            text = without if mask_value == 0 else "This model masks no real token."
            self._session.message_requested.emit(text, "info")
            return
        here = (self.sentence, self.position)
        self.reveal(*next((place for place in places if place > here), places[0]))

    def next_to_review(self) -> None:
        """Show the next sentence of the list; where the list is of unreviewed ones, skip those reviewed since."""
        order = self._session.list_order
        assert order.facts is not None
        row = self.row + 1
        # No numpy over the rest of the list here: it may be a million sentences long, and this runs on a key.
        while row < len(order.sentences) and order.filter == "unreviewed" and order.facts.states[order.sentences[row]]:
            row += 1
        if row < len(order.sentences):
            self.select_row(row)
        else:
            self._session.message_requested.emit("That was the last sentence of this list.", "info")
