"""Edits as values with an inverse, and the undo and redo stacks."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np

from maskscope.types import Labels

ReviewState: TypeAlias = Literal["unreviewed", "accepted", "flagged"]
STATES: tuple[ReviewState, ...] = ("unreviewed", "accepted", "flagged")


@dataclass(frozen=True, slots=True, eq=False)
class SentenceChange:
    """One field of one sentence, before and after.

    Attributes:
        sentence: its id.
        field: "labels" (a run of edits, from position `first` on) or "state" (one review state).
        first: position of the first token that changes; 0 for "state".
        old, new: int16 arrays of equal length: class ids, NO_LABEL or NO_EDIT; for "state" one index into STATES.
    """

    sentence: int
    field: Literal["labels", "state"]
    first: int
    old: Labels
    new: Labels

    def inverse(self) -> "SentenceChange":
        """The change that undoes this one."""
        return SentenceChange(self.sentence, self.field, self.first, self.new, self.old)

    @classmethod
    def of_state(cls, sentence: int, old: ReviewState, new: ReviewState) -> "SentenceChange":
        """A change of a sentence's review state."""
        before, after = (np.array([STATES.index(state)], dtype=np.int16) for state in (old, new))
        return cls(sentence, "state", 0, before, after)


@dataclass(frozen=True, slots=True, eq=False)
class Edit:
    """One entry of the log of edits: what one action of a person changed.

    Attributes:
        id: its number in the log, ascending.
        op: "do", or "undo" / "redo" of the edit `target`.
        at: seconds since 1970.
        title: what it did, for the undo action ("Badajoz → place").
    """

    id: int
    op: Literal["do", "undo", "redo"]
    target: int | None
    at: float
    title: str
    changes: tuple[SentenceChange, ...]


@dataclass(slots=True)
class History:
    """The edits that can be undone and redone: two stacks of edit ids, rebuilt from the log."""

    undo: list[int] = field(default_factory=list)
    redo: list[int] = field(default_factory=list)

    @classmethod
    def replay(cls, log: Iterable[tuple[int, str, int | None]]) -> "History":
        """The history after all entries of a log, each (id, op, target)."""
        history = cls()
        for edit_id, op, target in log:
            history.record(edit_id, op, target)
        return history

    def record(self, edit_id: int, op: str, target: int | None) -> None:
        """Add one more entry of the log. Raises ValueError when it does not fit the history."""
        if op == "do":
            self.undo.append(edit_id)
            self.redo.clear()
            return
        source, target_stack = (self.undo, self.redo) if op == "undo" else (self.redo, self.undo)
        if not source or source[-1] != target:
            raise ValueError(f"edit {edit_id}: expected {op} of {source[-1:]}; received {op} of {target}")
        target_stack.append(source.pop())
