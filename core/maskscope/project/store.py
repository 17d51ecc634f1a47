"""An open project: its sentences, edits, models and scores."""

import json
import shutil
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Literal

import numpy as np
import numpy.typing as npt

from maskscope.errors import MaskscopeError, ModelError, ProjectError, ReadOnlyError
from maskscope.files import replace_durably, sync_folder
from maskscope.masks import collisions
from maskscope.project import schema
from maskscope.project.edits import STATES, Change, Edit, History, ReviewState
from maskscope.project.lock import WriterLock
from maskscope.project.rows import Counts, ModelRecord, SentenceRow
from maskscope.project.writer import plain_text, scheme_from_json
from maskscope.runs import RunInfo
from maskscope.types import NO_EDIT, NO_LABEL, Embeddings, Floats, Indices, Labels, Offsets

CHECKPOINT = "checkpoint.npy"
"""In a folder that is trained into: the weights that would be kept if training ended now."""
TRAINING_LOCK = "training.lock"
"""In the same folder: held by the process that trains."""

_READ_BLOCK = 2048
_STALE_S = 86_400
_COLUMNS = "id, name, tokens, gold, edits, state, comments"


class Project:
    """A project folder, opened by `Project.open`.

    Attributes:
        path: the folder, absolute and without symbolic links.
        read_only: True when it can't be changed: asked for, or another program holds the lock.
        scheme: the label set.
        n_sentences, n_tokens, dim: its size.
        dtype: float16 or float32, of the embeddings as stored.
        offsets: (n_sentences + 1,) int64; sentence i has rows offsets[i] to offsets[i + 1].
        embeddings: (n_tokens, D), memory-mapped.
        fingerprint: changes when embeddings or sentence bounds do.
        lengths_from: "source", or "inferred" from trailing zero rows.
        history: what can be undone and redone.
    """

    def __init__(self, path: Path, db: sqlite3.Connection, lock: WriterLock | None) -> None:
        self.path = path
        self.read_only = lock is None
        self._db = db
        self._lock = lock
        self._meta: dict[str, str] = dict(db.execute("SELECT key, value FROM meta"))
        self.scheme = scheme_from_json(self._meta["scheme"])
        self.n_sentences = int(self._meta["n_sentences"])
        self.n_tokens = int(self._meta["n_tokens"])
        self.dim = int(self._meta["dim"])
        self.dtype = np.dtype(self._meta["dtype"])
        self.fingerprint = self._meta["fingerprint"]
        self.lengths_from: Literal["source", "inferred"] = (
            "inferred" if self._meta.get("lengths_from") == "inferred" else "source"
        )
        self.source = self._meta.get("source", "")
        blocks = [np.frombuffer(row[0], dtype="<i4") for row in db.execute("SELECT lengths FROM block ORDER BY first")]
        self.offsets: Offsets = np.zeros(self.n_sentences + 1, dtype=np.int64)
        np.cumsum(np.concatenate(blocks), out=self.offsets[1:])
        self.embeddings = self._map_embeddings()
        self.history = History.replay(db.execute("SELECT id, op, target FROM edit ORDER BY id"))

    @classmethod
    def open(cls, path: Path | str, *, read_only: bool = False) -> "Project":
        """Open a project folder.

        Without `read_only` it takes the writer's lock; when another program holds it, or the folder can't be
        written, the project opens read-only all the same: look at `read_only`.
        Raises ProjectError when `path` is no project, is damaged, or was written by a later version.
        """
        path = Path(path)
        if not path.exists():
            raise ProjectError("there is no such project; import one, or look at its name again", file=path)
        # Two names of one folder must compare equal, whatever the current folder is by then.
        path = path.resolve()
        file = path / "project.sqlite"
        if not file.is_file():
            raise ProjectError("is no Maskscope project; expected a folder with project.sqlite in it", file=path)
        lock: WriterLock | None = None
        if not read_only:
            lock = WriterLock(path / "project.lock")
            if not lock.acquire():
                lock = None
        db: sqlite3.Connection | None = None
        try:
            db = schema.connect(file, read_only=lock is None)
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version > schema.VERSION:
                raise ProjectError(
                    "was written by a later Maskscope; install that version to open it",
                    file=path,
                    expected=f"version {schema.VERSION}",
                    received=f"version {version}",
                )
            if lock is not None:
                _sweep(path)
            return cls(path, db, lock)
        except BaseException as error:
            if db is not None:
                db.close()
            if lock is not None:
                lock.release()
            if isinstance(error, sqlite3.Error | KeyError | ValueError | TypeError):
                raise ProjectError(
                    "is damaged; restore project.sqlite from a copy, or import the source again",
                    file=path,
                    received=str(error),
                ) from error
            raise

    def _map_embeddings(self) -> Embeddings:
        file = self.path / "embeddings.npy"
        expected = f"{(self.n_tokens, self.dim)} {self.dtype}"
        if self.n_tokens == 0:
            return np.zeros((0, self.dim), dtype=self.dtype)
        try:
            rows = np.load(file, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise ProjectError(
                "the embeddings can't be read", file=file, expected=expected, received=str(error)
            ) from error
        if rows.shape != (self.n_tokens, self.dim) or rows.dtype != self.dtype:
            raise ProjectError(
                "the embeddings are not those of this project",
                file=file,
                expected=expected,
                received=f"{rows.shape} {rows.dtype}",
            )
        # A view as a plain array: each slice of a memmap object would cost some microseconds more.
        mapped: Embeddings = np.asarray(rows)
        return mapped

    def __enter__(self) -> "Project":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the database and the lock. Nothing is written: every edit was durable before."""
        self._db.close()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    @property
    def name(self) -> str:
        """The folder's name without its suffix."""
        return self.path.name.removesuffix(".maskscope")

    @property
    def notes(self) -> tuple[str, ...]:
        """What the import had to say, a sentence each."""
        return tuple(json.loads(self._meta.get("notes", "[]")))

    def sentence(self, sentence: int) -> SentenceRow:
        """One sentence. Raises ProjectError when there is none of this number."""
        row = self._db.execute(
            "SELECT id, name, tokens, gold, edits, state, comments FROM sentence WHERE id = ?",
            (int(sentence),),
        ).fetchone()
        if row is None:
            raise ProjectError(
                "there is no such sentence",
                file=self.path,
                expected=f"0 to {self.n_sentences - 1}",
                received=str(sentence),
            )
        return _row(row)

    def rows(self, sentence: int) -> Embeddings:
        """The embeddings (T, D) of a sentence, memory-mapped."""
        return self.embeddings[self.offsets[sentence] : self.offsets[sentence + 1]]

    def sentences(self, ids: Iterable[int] | None = None) -> Iterator[SentenceRow]:
        """Sentences in reading order, or those of `ids` in that order; streaming."""
        if ids is not None:
            for sentence in ids:
                yield self.sentence(sentence)
            return
        for first in range(0, self.n_sentences, _READ_BLOCK):
            rows = self._db.execute(
                f"SELECT {_COLUMNS} FROM sentence WHERE id >= ? AND id < ? ORDER BY id",
                (first, first + _READ_BLOCK),
            ).fetchall()
            yield from map(_row, rows)

    def labels(self, kind: Literal["gold", "edited"]) -> Labels:
        """Labels (n_tokens,) int16 of the whole corpus; "edited" is a person's edits over gold."""
        labels: Labels = np.full(self.n_tokens, NO_LABEL, dtype=np.int16)
        for sentence, gold in self._db.execute("SELECT id, gold FROM sentence WHERE gold IS NOT NULL"):
            labels[self.offsets[sentence] : self.offsets[sentence + 1]] = np.frombuffer(gold, dtype="<i2")
        if kind == "edited":
            for sentence, blob in self._db.execute("SELECT id, edits FROM sentence WHERE edits IS NOT NULL"):
                edits = np.frombuffer(blob, dtype="<i2")
                part = labels[self.offsets[sentence] : self.offsets[sentence + 1]]
                np.copyto(part, edits, where=edits != NO_EDIT)
        return labels

    def states(self) -> npt.NDArray[np.int8]:
        """Review states (n_sentences,), as places in STATES."""
        states = np.zeros(self.n_sentences, dtype=np.int8)
        for sentence, state in self._db.execute("SELECT id, state FROM sentence WHERE state != 0"):
            states[sentence] = state
        return states

    def edited_sentences(self) -> Indices:
        """Ids of the sentences on which an edit stands, ascending."""
        rows = self._db.execute("SELECT id FROM sentence WHERE edits IS NOT NULL ORDER BY id").fetchall()
        return np.array([row[0] for row in rows], dtype=np.int64)

    def collisions(self) -> Indices:
        """Real tokens whose embedding is all zeros: (k, 2) of sentence and position, found at import."""
        rows = self._db.execute("SELECT sentence, position FROM collision").fetchall()
        return np.array(rows, dtype=np.int64).reshape(-1, 2)

    def counts(self) -> Counts:
        """How many labels, edits and reviewed sentences there are now."""
        tally: dict[str, int] = dict(self._db.execute("SELECT key, n FROM tally"))
        return Counts(
            tuple(tally.get(f"class:{code}", 0) for code in range(len(self.scheme.classes))),
            tally.get(f"class:{NO_LABEL}", 0),
            tally.get("edited", 0),
            tally.get("state:accepted", 0),
            tally.get("state:flagged", 0),
            tally.get("ignored", 0),
        )

    def n_edits(self) -> int:
        """How many acts of a person stand: done and not undone."""
        return len(self.history.undo)

    def find(self, text: str, stale: Callable[[], bool] | None = None) -> Iterator[int]:
        """Ids of the sentences that hold `text`, ignoring case; several words must stand in a row.

        It ends early once `stale` answers True, which is asked before each 2,048 sentences.
        """
        needle = text.casefold()
        for first in self._blocks(stale):
            rows = self._db.execute(
                "SELECT id, tokens FROM sentence WHERE id >= ? AND id < ? ORDER BY id",
                (first, first + _READ_BLOCK),
            ).fetchall()
            for sentence, tokens in rows:
                if needle in " ".join(json.loads(tokens)).casefold():
                    yield sentence

    def find_label(self, label: int, stale: Callable[[], bool] | None = None) -> Iterator[int]:
        """Ids of the sentences in which a token has this label, by edits over gold; `stale` as for `find`."""
        for first in self._blocks(stale):
            rows = self._db.execute(
                f"SELECT {_COLUMNS} FROM sentence WHERE id >= ? AND id < ? AND (gold IS NOT NULL OR edits IS NOT NULL)",
                (first, first + _READ_BLOCK),
            ).fetchall()
            for row in map(_row, rows):
                if (row.labels == label).any():
                    yield row.id

    def _blocks(self, stale: Callable[[], bool] | None) -> Iterator[int]:
        for first in range(0, self.n_sentences, _READ_BLOCK):
            if stale is not None and stale():
                return
            yield first

    def reader(self) -> "Project":
        """A second, read-only view of the same folder, for another thread; close it when done."""
        return Project.open(self.path, read_only=True)

    def relabel(
        self,
        sentence: int,
        first: int,
        labels: Labels | Sequence[int],
        title: str,
        state: ReviewState | None = None,
    ) -> Edit | None:
        """Set the edits of positions `first`... of a sentence (NO_EDIT returns to gold), durable on return.

        `state` changes the review state in the same edit. None when nothing would change.
        Raises ReadOnlyError, or ProjectError when the disk does not take it: then nothing has changed.
        """
        row = self.sentence(sentence)
        new = np.asarray(labels, dtype=np.int16)
        old = row.edits[first : first + len(new)]
        if len(old) != len(new) or first < 0:
            raise ProjectError(
                "the labels don't fit the sentence",
                sentence=sentence,
                expected=f"positions 0 to {len(row.tokens) - 1}",
                received=f"{first} to {first + len(new) - 1}",
            )
        if ((new < NO_EDIT) | (new >= len(self.scheme.classes))).any():
            raise ProjectError(
                "there is no such label",
                sentence=sentence,
                expected=", ".join(self.scheme.classes),
                received=str(new.tolist()),
            )
        changes = []
        if (old != new).any():
            changes.append(Change(sentence, "labels", first, old, new))
        if state is not None and state != row.state:
            changes.append(Change.of_state(sentence, row.state, state))
        return self.apply(title, changes) if changes else None

    def review(self, sentence: int, state: ReviewState, title: str) -> Edit | None:
        """Set the review state of a sentence, durable on return; None when it has it already."""
        return self.relabel(sentence, 0, [], title, state)

    def apply(self, title: str, changes: Sequence[Change]) -> Edit:
        """Carry out `changes` as one edit, in one transaction that is durable on return."""
        return self._append("do", None, title, changes)

    def undo(self) -> Edit | None:
        """Append the inverse of the last standing edit; None when there is none."""
        return self._revert("undo", self.history.undo)

    def redo(self) -> Edit | None:
        """Do again what was last undone; None when there is nothing."""
        return self._revert("redo", self.history.redo)

    def _revert(self, op: Literal["undo", "redo"], stack: list[int]) -> Edit | None:
        if not stack:
            return None
        target = self.edit(stack[-1])
        changes = target.changes if op == "redo" else tuple(change.inverse() for change in reversed(target.changes))
        return self._append(op, target.id, target.title, changes)

    def edit(self, edit_id: int) -> Edit:
        """One entry of the log."""
        op, target, at, title = self._db.execute(
            "SELECT op, target, at, title FROM edit WHERE id = ?", (edit_id,)
        ).fetchone()
        rows = self._db.execute(
            "SELECT sentence, field, first, old, new FROM change WHERE edit = ? ORDER BY rowid", (edit_id,)
        )
        changes = tuple(
            Change(sentence, field, first, np.frombuffer(old, "<i2"), np.frombuffer(new, "<i2"))
            for sentence, field, first, old, new in rows.fetchall()
        )
        return Edit(edit_id, op, target, at, title, changes)

    def last_edit(self) -> Edit | None:
        """The newest entry of the log, whatever it was."""
        row = self._db.execute("SELECT max(id) FROM edit").fetchone()
        return None if row[0] is None else self.edit(row[0])

    def next_titles(self) -> tuple[str | None, str | None]:
        """What undo and redo would take back and do again, in words."""
        titles = []
        for stack in (self.history.undo, self.history.redo):
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
            place = 2 * (position - first)
            if 0 <= place < len(new) and old[place : place + 2] != new[place : place + 2]:
                return float(at)
        return None

    def _append(
        self, op: Literal["do", "undo", "redo"], target: int | None, title: str, changes: Sequence[Change]
    ) -> Edit:
        at = time.time()
        title = plain_text(title)
        with self._transaction():
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
                        change.old.astype("<i2").tobytes(),
                        change.new.astype("<i2").tobytes(),
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
        self.history.record(edit_id, op, target)
        return Edit(edit_id, op, target, at, title, tuple(changes))

    def _store_labels(self, change: Change, tally: dict[str, int]) -> None:
        row = self.sentence(change.sentence)
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
        blob = None if (edits == NO_EDIT).all() else edits.astype("<i2").tobytes()
        self._db.execute("UPDATE sentence SET edits = ? WHERE id = ?", (blob, change.sentence))

    def _store_state(self, change: Change, tally: dict[str, int]) -> None:
        for codes, step in ((change.old, -1), (change.new, 1)):
            key = f"state:{STATES[int(codes[0])]}"
            tally[key] = tally.get(key, 0) + step
        self._db.execute("UPDATE sentence SET state = ? WHERE id = ?", (int(change.new[0]), change.sentence))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        if self.read_only:
            raise ReadOnlyError(
                "is open read-only, so nothing can be changed; close the other window that has it open",
                file=self.path,
            )
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                # On some failures (a full disk) SQLite has rolled back by itself.
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise ProjectError(
                "the change could not be saved, and was not made; is the disk full?",
                file=self.path,
                received=str(error),
            ) from error

    def models(self) -> list[ModelRecord]:
        """The project's models, oldest first."""
        rows = self._db.execute("SELECT id, run FROM model ORDER BY number").fetchall()
        return [ModelRecord(key, self.path / "models" / key, RunInfo.from_json(run)) for key, run in rows]

    def model(self, model_id: str | None = None) -> ModelRecord:
        """A model by id, the newest without one. Raises ProjectError when there is none."""
        models = self.models()
        if not models:
            raise ProjectError("has no model yet; train one first", file=self.path)
        for model in models:
            if model.id == model_id:
                return model
        if model_id is None:
            return models[-1]
        raise ProjectError(
            "has no such model",
            file=self.path,
            expected=" or ".join(model.id for model in models),
            received=model_id,
        )

    def new_model_folder(self) -> Path:
        """A new folder to make a model in, for `adopt_model`; the one who asked takes it away on failure.

        Opening the project sweeps it away after a day, unless it was adopted or `set_aside`, or an epoch of training
        in it has ended.
        """
        folder = self.path / "models" / f".partial-{uuid.uuid4().hex[:8]}"
        folder.mkdir(parents=True)
        return folder

    def unfinished_trainings(self) -> list[Path]:
        """Folders of trainings that nobody adopted after an epoch of them had ended, for `recover_training`.

        Their process has died, or the one who asked for the model had gone; oldest first.
        """
        found = []
        for folder in (self.path / "models").glob(".partial-*"):
            if _worth_keeping(folder):
                lock = WriterLock(folder / TRAINING_LOCK)
                if lock.acquire():
                    lock.release()
                    found.append(folder)
        return sorted(found, key=lambda folder: folder.stat().st_mtime)

    def adopt_model(self, folder: Path) -> ModelRecord:
        """Make a finished folder (model.keras, run.json, weights.npz unless the model runs in Keras, and scores.npy
        and padding.npy if any) the newest model.

        The folder is moved into the project; on failure it is where it was. Scores that don't fit, or can't be
        kept, are left out: they can be computed again. Raises ModelError when a file is missing, ReadOnlyError, or
        ProjectError when the disk does not take it.
        """
        _require(folder, "run.json", "model.keras")
        try:
            text = (folder / "run.json").read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ModelError("can't be read", file=folder / "run.json", received=str(error)) from error
        run = RunInfo.from_json(text, folder / "run.json")
        if run.engine == "packed":
            _require(folder, "weights.npz")
        goal: Path | None = None
        try:
            with self._transaction():
                number = int(
                    self._db.execute("INSERT INTO model (id, run) VALUES (?, ?)", (uuid.uuid4().hex, text)).lastrowid
                    or 0
                )
                model_id = f"m{number}"
                self._db.execute("UPDATE model SET id = ? WHERE number = ?", (model_id, number))
                goal = self.path / "models" / model_id
                if goal.exists():
                    # Left by a crash between this rename and the commit.
                    shutil.rmtree(goal)
                folder.rename(goal)
                sync_folder(goal.parent)
        except (ProjectError, OSError) as error:
            if goal is not None and goal.exists() and not folder.exists():
                # The commit failed: the model is given back, or the next one would sweep it away.
                goal.rename(folder)
            if isinstance(error, OSError):
                raise ProjectError(
                    "the model could not be moved into the project", file=self.path, received=_reason(error)
                ) from error
            raise
        with suppress(OSError):
            (goal / TRAINING_LOCK).unlink(missing_ok=True)
        record = ModelRecord(model_id, goal, run)
        scores = goal / "scores.npy"
        # The model is in the project by now, and must not be called lost for scores that any score run makes again.
        with suppress(MaskscopeError, OSError, ValueError, EOFError):
            if scores.is_file():
                self.write_scores(model_id, np.load(scores, allow_pickle=False))
            self._keep_padding(record, goal / "padding.npy")
        for file in (scores, goal / "padding.npy"):
            with suppress(OSError):
                file.unlink(missing_ok=True)
        return record

    def _keep_padding(self, record: ModelRecord, file: Path) -> None:
        if file.is_file():
            padding = np.load(file, allow_pickle=False)
            if padding.shape == (self.n_sentences, record.scheme.n_outputs):
                _write_array(self.path / "scores" / f"{record.id}.padding.npy", padding.astype(np.float32, copy=False))

    def write_scores(self, model_id: str, probs_nc: Floats) -> None:
        """Keep a model's probabilities (n_tokens, C) float32 and, for sorting, each sentence's largest doubt."""
        model = self.model(model_id)
        expected = (self.n_tokens, model.scheme.n_outputs)
        if probs_nc.shape != expected:
            raise ModelError(
                "the scores don't fit the project",
                file=self.path,
                expected=str(expected),
                received=str(probs_nc.shape),
            )
        _write_array(self.path / "scores" / f"{model_id}.doubt.npy", self.largest_doubts(model, probs_nc))
        _write_array(self.path / "scores" / f"{model_id}.npy", probs_nc.astype(np.float32, copy=False))
        with self._transaction():
            self._db.execute("INSERT OR REPLACE INTO score VALUES (?, ?, ?)", (model_id, self.fingerprint, time.time()))

    def largest_doubts(self, model: ModelRecord, probs_nc: Floats) -> Floats:
        """Each sentence's largest doubt (n_sentences,) over the tokens that the model does not mask."""
        doubts = model.scheme.doubt(probs_nc)
        # A masked token has no prediction to be in doubt about.
        doubts[self._masked_rows(model.mask_value)] = 0
        return _largest(doubts, self.offsets)

    def _masked_rows(self, mask_value: float | None) -> Indices:
        if mask_value == 0:
            places = self.collisions()
            return np.asarray(self.offsets[places[:, 0]] + places[:, 1])
        starts = range(0, self.n_tokens, _READ_BLOCK)
        found = [start + collisions(self.embeddings[start : start + _READ_BLOCK], mask_value) for start in starts]
        return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)

    def scores(self, model_id: str) -> Floats | None:
        """A model's probabilities (n_tokens, C), memory-mapped; None when there are none or they are stale."""
        model = self.model(model_id)
        return self._score_array(f"{model_id}.npy", model_id, (self.n_tokens, model.scheme.n_outputs))

    def is_scored(self, model_id: str) -> bool:
        """True when `scores` has something to give, found without reading it."""
        row = self._db.execute("SELECT fingerprint FROM score WHERE model = ?", (model_id,)).fetchone()
        return row is not None and row[0] == self.fingerprint and (self.path / "scores" / f"{model_id}.npy").is_file()

    def doubts(self, model_id: str) -> Floats | None:
        """Each sentence's largest doubt (n_sentences,) under a model; None as for `scores`."""
        return self._score_array(f"{model_id}.doubt.npy", model_id, (self.n_sentences,))

    def padding_scores(self, model_id: str) -> Floats | None:
        """What a model that runs in Keras prints at the first padded position behind each sentence.

        (n_sentences, C) float32, memory-mapped; None as for `scores`, and for a model
        that the packed engine runs.
        """
        model = self.model(model_id)
        return self._score_array(f"{model_id}.padding.npy", model_id, (self.n_sentences, model.scheme.n_outputs))

    def _score_array(self, name: str, model_id: str, shape: tuple[int, ...]) -> Floats | None:
        row = self._db.execute("SELECT fingerprint FROM score WHERE model = ?", (model_id,)).fetchone()
        file = self.path / "scores" / name
        if row is None or row[0] != self.fingerprint or not file.is_file():
            return None
        try:
            array = np.load(file, mmap_mode="r" if self.n_tokens else None, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        return np.asarray(array) if array.shape == shape else None


def _require(folder: Path, *names: str) -> None:
    for name in names:
        if not (folder / name).is_file():
            raise ModelError(f"the model's folder lacks {name}", file=folder)


def set_aside(folder: Path) -> Path | None:
    """Rename the folder of a model that could not be adopted, so that nothing sweeps it away; its place from then on.

    None when no finished model is in it.
    """
    if not (folder / "model.keras").is_file():
        return None
    kept = folder.with_name(f"kept-{folder.name.removeprefix('.partial-')}")
    try:
        return folder.rename(kept)
    except OSError:
        return folder


def _worth_keeping(folder: Path) -> bool:
    finished = (folder / "model.keras").is_file() and (folder / "run.json").is_file()
    return (folder / TRAINING_LOCK).is_file() and (finished or (folder / CHECKPOINT).is_file())


def _sweep(path: Path) -> None:
    """Take away what training or scoring left half-made when its process was killed.

    Only after a day: a worker may be training for this project while no writer has it open.
    """
    stale = time.time() - _STALE_S
    with suppress(OSError):
        for folder in (path / "models").glob(".partial-*"):
            if folder.stat().st_mtime < stale and not _worth_keeping(folder):
                shutil.rmtree(folder, ignore_errors=True)
        for file in (path / "scores").glob("*.partial"):
            if file.stat().st_mtime < stale:
                file.unlink(missing_ok=True)


def _row(row: tuple[int, str, str, bytes | None, bytes | None, int, str | None]) -> SentenceRow:
    key, name, tokens_text, gold, edits, state, comments = row
    tokens = tuple(json.loads(tokens_text))
    return SentenceRow(
        key,
        name,
        tokens,
        np.full(len(tokens), NO_LABEL, dtype=np.int16) if gold is None else np.frombuffer(gold, dtype="<i2"),
        np.full(len(tokens), NO_EDIT, dtype=np.int16) if edits is None else np.frombuffer(edits, dtype="<i2"),
        STATES[state],
        tuple(json.loads(comments)) if comments else (),
    )


def _largest(values: Floats, offsets: Offsets) -> Floats:
    """Largest value of each sentence; 0 for an empty one, for which reduceat would take its neighbour's."""
    largest: Floats = np.zeros(len(offsets) - 1, dtype=np.float32)
    filled = np.flatnonzero(np.diff(offsets))
    if len(filled):
        largest[filled] = np.maximum.reduceat(values, offsets[:-1][filled])
    return largest


def _write_array(file: Path, array: Floats) -> None:
    partial = file.with_name(f"{file.name}.partial")
    try:
        with partial.open("wb") as out:
            np.save(out, array)
        replace_durably(partial, file)
    except OSError as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise ProjectError("the scores can't be kept; is the disk full?", file=file, received=_reason(error)) from error


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
