"""Editing of labels and review states: every change is one step to undo, on the disk at once."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from PySide6.QtCore import QObject, Signal

from maskscope.errors import MaskscopeError
from maskscope.project import Edit, ReviewState
from maskscope.types import NO_EDIT, NO_LABEL, Labels, Mask
from maskscope_gui.session.cursor import no_predictions

if TYPE_CHECKING:
    from maskscope_gui.session.session import Session

_TITLE_CHARACTERS = 28


class Editing(QObject):
    """Changes labels and review state of the sentence on screen.

    Attributes:
        saved_at: when the last edit was saved, in seconds since the epoch; None before the first.
        labels_version: counts the edits that changed a label, so that results know what they were computed from.

    Signals:
        edited: (sentence) its labels or its review state changed.
    """

    edited = Signal(int)

    def __init__(self, session: "Session") -> None:
        super().__init__(session)
        self._session = session
        self.saved_at: float | None = None
        self.labels_version = 0
        self._last_label: int | None = None

    def reset(self) -> None:
        """Take over the state of the project that was opened, or of none."""
        project = self._session.project
        last = project.edits.last() if project is not None else None
        self.saved_at = last.at if last else None
        self._last_label = None

    # Labels

    def set_label(self, label: int) -> None:
        """Label the selected tokens; a token whose original label is `label` loses its edit.

        Where classes follow a span scheme, a class that begins a span makes one span of several selected tokens.
        """
        if self._nothing_selected():
            return
        focus, scheme = self._session.focus, self._session.scheme
        assert focus is not None
        first, last = self._session.cursor.span
        gold = focus.row.gold[first : last + 1]
        labels = scheme.span(label, last - first + 1)
        new = np.where(gold == labels, NO_EDIT, labels).astype(np.int16)
        if label != scheme.outside:
            self._last_label = label
        self._relabel(first, new, f"{self._selected_text()} → {scheme.classes[label]}")

    def clear_label(self) -> None:
        """Label the selected tokens as outside."""
        if self._session.project is not None:
            self.set_label(self._session.scheme.outside)

    def ignore(self) -> None:
        """Leave the selected tokens out of training and of scores."""
        self._fill_selection(NO_LABEL, "ignored")

    def revert_label(self) -> None:
        """Remove the edits of the selected tokens, so that their original labels count again."""
        self._fill_selection(NO_EDIT, "→ original label")

    def toggle_label(self) -> None:
        """Clear the selected tokens when all have a label; else set the predicted label, or the last one used."""
        if self._nothing_selected():
            return
        focus, outside = self._session.focus, self._session.scheme.outside
        assert focus is not None
        first, last = self._session.cursor.span
        labels = focus.row.labels[first : last + 1]
        if ((labels != outside) & (labels != NO_LABEL)).all():
            self.set_label(outside)
            return
        predicted = NO_LABEL if focus.predicted is None else int(focus.predicted[self._session.cursor.position])
        fallback = self._last_label if self._last_label is not None else (1 if outside == 0 else 0)
        self.set_label(predicted if predicted not in (NO_LABEL, outside) else fallback)

    def use_predictions(self) -> None:
        """Label the sentence as the model does; masked tokens, which have no prediction, and ignored ones stay."""
        focus = self._session.focus
        if focus is None:
            return
        if focus.predicted is None:
            self._session.message_requested.emit(no_predictions(self._session), "info")
            return
        new = self._with_predictions(focus.mask & ~focus.row.ignored)
        self._relabel(0, new, f"sentence {focus.row.id}: the model's labels")

    # Review

    def accept(self) -> None:
        """Mark the sentence as accepted, with predictions where it had no label at all, and show the next one."""
        focus = self._session.focus
        if focus is None:
            return
        if focus.predicted is None:
            new = focus.row.edits
        else:
            new = self._with_predictions((focus.row.labels == NO_LABEL) & focus.mask & ~focus.row.ignored)
        if self._relabel(0, new, f"sentence {focus.row.id} accepted", "accepted"):
            self._session.cursor.next_to_review()

    def toggle_flag(self) -> None:
        """Flag the sentence, or remove the flag."""
        focus = self._session.focus
        if focus is None:
            return
        flagged = focus.row.state == "flagged"
        title = f"sentence {focus.row.id} {'no longer flagged' if flagged else 'flagged'}"
        self._relabel(0, focus.row.edits, title, "unreviewed" if flagged else "flagged")

    # History

    def undo(self) -> None:
        """Undo the last edit and show where it was."""
        self._step_history("undo")

    def redo(self) -> None:
        """Redo the last undone edit and show where it is."""
        self._step_history("redo")

    def show_last_edit(self) -> None:
        """Show the sentence and the tokens that were changed last."""
        project = self._session.project
        edit = project.edits.last() if project else None
        if edit is None:
            self._session.message_requested.emit("Nothing has been edited yet.", "info")
        else:
            self._show(edit)

    def _nothing_selected(self) -> bool:
        return self._session.focus is None or self._session.focus.length == 0

    def _fill_selection(self, value: int, title: str) -> None:
        if self._nothing_selected():
            return
        first, last = self._session.cursor.span
        self._relabel(first, np.full(last - first + 1, value, dtype=np.int16), f"{self._selected_text()} {title}")

    def _with_predictions(self, where: Mask) -> Labels:
        focus = self._session.focus
        assert focus is not None
        assert focus.predicted is not None
        taken = np.where(focus.predicted == focus.row.gold, NO_EDIT, focus.predicted)
        return np.where(where, taken, focus.row.edits).astype(np.int16)

    def _selected_text(self) -> str:
        assert self._session.focus is not None
        first, last = self._session.cursor.span
        text = " ".join(self._session.focus.row.tokens[first : last + 1]) or f"token {first}"
        return text if len(text) <= _TITLE_CHARACTERS else text[: _TITLE_CHARACTERS - 1] + "…"

    def _relabel(self, first: int, new: Labels | Sequence[int], title: str, state: ReviewState | None = None) -> bool:
        project = self._session.project
        assert project is not None
        try:
            edit = project.edits.relabel(self._session.cursor.sentence, first, new, title, state)
        except MaskscopeError as error:
            self._session.message_requested.emit(str(error), "error")
            return False
        if edit is not None:
            self._apply(edit)
        return True

    def _step_history(self, step: Literal["undo", "redo"]) -> None:
        project = self._session.project
        if project is None:
            return
        try:
            edit = project.edits.undo() if step == "undo" else project.edits.redo()
        except MaskscopeError as error:
            self._session.message_requested.emit(str(error), "error")
            return
        if edit is None:
            self._session.message_requested.emit(f"There is nothing to {step}.", "info")
            return
        self._apply(edit)
        self._show(edit)

    def _apply(self, edit: Edit) -> None:
        self.saved_at = edit.at
        self.labels_version += any(change.field == "labels" for change in edit.changes)
        for sentence in {change.sentence for change in edit.changes}:
            self._session.reload_sentence(sentence)
            self.edited.emit(sentence)

    def _show(self, edit: Edit) -> None:
        cursor = self._session.cursor
        change = next((change for change in edit.changes if change.field == "labels"), None)
        if change is None:
            cursor.reveal(edit.changes[0].sentence)
            return
        changed = change.first + np.flatnonzero(change.old != change.new)
        first, last = int(changed[0]), int(changed[-1])
        cursor.reveal(change.sentence, first)
        if len(changed) == last - first + 1:
            cursor.select_span(first, last)
