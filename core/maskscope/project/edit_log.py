"""The log of a project's edits: it only grows, and undo and redo append to it."""

import time
from collections.abc import Sequence
from typing import Literal

import numpy as np

from maskscope.errors import ProjectError
from maskscope.project.corpus import Corpus
from maskscope.project.database import Database
from maskscope.project.edits import STATES, Edit, History, ReviewState, SentenceChange
from maskscope.project.schema import labels_blob, labels_from_blob, plain_text
from maskscope.types import NO_EDIT, NO_LABEL, Labels


class EditLog:
    """A project's edits. Every change is one transaction, on the disk when the method returns.

    The methods that change something raise ReadOnlyError when the project is open read-only, and ProjectError when
    the disk does not take the change; then nothing has changed.
    """

    def __init__(self, corpus: Corpus, db: Database) -> None:
        self._corpus = corpus
        self._db = db
        self._history = History.replay(db.execute("SELECT id, op, target FROM edit ORDER BY id"))

    def relabel(
        self,
        sentence: int,
        first: int,
        labels: Labels | Sequence[int],
        title: str,
        state: ReviewState | None = None,
    ) -> Edit | None:
        """Set the edited labels of consecutive tokens of a sentence, and its review state.

        Args:
            sentence: its id.
            first: position of the first token.
            labels: class ids from there on; NO_EDIT restores the gold label, NO_LABEL ignores the token.
            title: what the edit does, for the undo action.
            state: the new review state; None leaves it.

        Returns the edit, None when nothing would change. Raises ProjectError also when the labels don't fit.
        """
        row = self._corpus.sentence(sentence)
        classes = self._corpus.scheme.classes
        new = np.asarray(labels, dtype=np.int16)
        old = row.edits[first : first + len(new)]
        if len(old) != len(new) or first < 0:
            raise ProjectError(
                "the labels don't fit the sentence",
                sentence=sentence,
                expected=f"positions 0 to {len(row.tokens) - 1}",
                received=f"{first} to {first + len(new) - 1}",
            )
        if ((new < NO_EDIT) | (new >= len(classes))).any():
            raise ProjectError(
                "there is no such label", sentence=sentence, expected=", ".join(classes), received=str(new.tolist())
            )
        changes = []
        if (old != new).any():
            changes.append(SentenceChange(sentence, "labels", first, old, new))
        if state is not None and state != row.state:
            changes.append(SentenceChange.of_state(sentence, row.state, state))
        return self._append("do", None, title, changes) if changes else None

    def undo(self) -> Edit | None:
        """Append the inverse of the last edit that was not undone; None when there is none."""
        return self._revert("undo", self._history.undo)

    def redo(self) -> Edit | None:
        """Repeat the edit that was undone last; None when there is none."""
        return self._revert("redo", self._history.redo)

    def get(self, edit_id: int) -> Edit:
        """One entry of the log."""
        op, target, at, title = self._db.execute(
            "SELECT op, target, at, title FROM edit WHERE id = ?", (edit_id,)
        ).fetchone()
        rows = self._db.execute(
            "SELECT sentence, field, first, old, new FROM change WHERE edit = ? ORDER BY rowid", (edit_id,)
        )
        changes = tuple(
            SentenceChange(sentence, field, first, labels_from_blob(old), labels_from_blob(new))
            for sentence, field, first, old, new in rows.fetchall()
        )
        return Edit(edit_id, op, target, at, title, changes)

    def last(self) -> Edit | None:
        """The newest entry of the log, be it an edit, an undo or a redo; None for an empty log."""
        row = self._db.execute("SELECT max(id) FROM edit").fetchone()
        return None if row[0] is None else self.get(row[0])

    def count(self) -> int:
        """How many edits are in effect: made and not undone."""
        return len(self._history.undo)

    def next_titles(self) -> tuple[str | None, str | None]:
        """Titles of the edits that undo and redo would act on, None where there is none."""
        titles = []
        for stack in (self._history.undo, self._history.redo):
            row = self._db.execute("SELECT title FROM edit WHERE id = ?", (stack[-1],)).fetchone() if stack else None
            titles.append(row[0] if row else None)
        return titles[0], titles[1]

    def edited_at(self, sentence: int, position: int) -> float | None:
        """When the label of a token was changed last, in seconds since 1970; None when it never was."""
        rows = self._db.execute(
            "SELECT edit.at, change.first, change.old, change.new FROM change JOIN edit ON edit.id = change.edit"
            " WHERE change.sentence = ? AND change.field = 'labels' ORDER BY change.edit DESC",
            (sentence,),
        )
        for at, first, old, new in rows:
            before, after = labels_from_blob(old), labels_from_blob(new)
            index = position - first
            if 0 <= index < len(after) and before[index] != after[index]:
                return float(at)
        return None

    def _revert(self, op: Literal["undo", "redo"], stack: list[int]) -> Edit | None:
        if not stack:
            return None
        target = self.get(stack[-1])
        changes = target.changes if op == "redo" else tuple(change.inverse() for change in reversed(target.changes))
        return self._append(op, target.id, target.title, changes)

    def _append(
        self, op: Literal["do", "undo", "redo"], target: int | None, title: str, changes: Sequence[SentenceChange]
    ) -> Edit:
        at = time.time()
        title = plain_text(title)
        with self._db.transaction():
            cursor = self._db.execute(
                "INSERT INTO edit (op, target, at, title) VALUES (?, ?, ?, ?)", (op, target, at, title)
            )
            edit_id = int(cursor.lastrowid or 0)
            tally: dict[str, int] = {}
            for change in changes:
                self._db.execute(
                    "INSERT INTO change VALUES (?, ?, ?, ?, ?, ?)",
                    (
                        edit_id,
                        change.sentence,
                        change.field,
                        change.first,
                        labels_blob(change.old),
                        labels_blob(change.new),
                    ),
                )
                if change.field == "labels":
                    self._store_labels(change, tally)
                else:
                    self._store_state(change, tally)
            self._db.executemany(
                "INSERT INTO tally VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET n = n + excluded.n",
                list(tally.items()),
            )
        self._history.record(edit_id, op, target)
        return Edit(edit_id, op, target, at, title, tuple(changes))

    def _store_labels(self, change: SentenceChange, tally: dict[str, int]) -> None:
        """Write a change of labels into its sentence, and add to `tally` what it does to the counts."""
        row = self._corpus.sentence(change.sentence)
        edits = row.edits.copy()
        part = slice(change.first, change.first + len(change.new))
        if (edits[part] != change.old).any():
            raise ProjectError(
                "the sentence is not as the edit expects it",
                sentence=change.sentence,
                expected=str(change.old.tolist()),
                received=str(edits[part].tolist()),
            )
        gold = row.gold[part]
        before = np.where(change.old == NO_EDIT, gold, change.old)
        after = np.where(change.new == NO_EDIT, gold, change.new)
        for codes, step in ((before, -1), (after, 1)):
            for code in codes.tolist():
                tally[f"class:{code}"] = tally.get(f"class:{code}", 0) + step
        tally["edited"] = (
            tally.get("edited", 0) + int((change.new != NO_EDIT).sum()) - int((change.old != NO_EDIT).sum())
        )
        ignored = int((change.new == NO_LABEL).sum()) - int((change.old == NO_LABEL).sum())
        if ignored:
            tally["ignored"] = tally.get("ignored", 0) + ignored
        edits[part] = change.new
        blob = None if (edits == NO_EDIT).all() else labels_blob(edits)
        self._db.execute("UPDATE sentence SET edits = ? WHERE id = ?", (blob, change.sentence))

    def _store_state(self, change: SentenceChange, tally: dict[str, int]) -> None:
        for codes, step in ((change.old, -1), (change.new, 1)):
            key = f"state:{STATES[int(codes[0])]}"
            tally[key] = tally.get(key, 0) + step
        self._db.execute("UPDATE sentence SET state = ? WHERE id = ?", (int(change.new[0]), change.sentence))
