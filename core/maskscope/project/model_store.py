"""The models of a project, in its folders ``models/`` and ``scores/``."""

import shutil
import time
import uuid
from contextlib import suppress
from pathlib import Path

import numpy as np

from maskscope.errors import MaskscopeError, ModelError, ProjectError
from maskscope.files import replace_durably, sync_folder
from maskscope.project.corpus import Corpus
from maskscope.project.database import Database
from maskscope.project.lock import WriterLock
from maskscope.project.rows import ModelRecord
from maskscope.runs import RunInfo
from maskscope.types import Floats, Offsets

CHECKPOINT = "checkpoint.npy"
"""In a folder that is trained into: the weights that would be kept if training ended now."""
TRAINING_LOCK = "training.lock"
"""In the same folder: held by the process that trains."""

_STALE_S = 86_400


class ModelStore:
    """A project's models, oldest first, with the scores of each.

    The scores of a model are its probabilities, or the values of a regression, (n_tokens, C) for the whole project,
    kept in ``scores/ID.npy``; they are stale, and not returned, once the project's fingerprint differs from the one
    they were computed with.
    """

    def __init__(self, corpus: Corpus, db: Database) -> None:
        self._corpus = corpus
        self._db = db
        self._models = corpus.path / "models"
        self._scores = corpus.path / "scores"

    def all(self) -> list[ModelRecord]:
        """Every model, oldest first."""
        rows = self._db.execute("SELECT id, run FROM model ORDER BY number").fetchall()
        return [ModelRecord(key, self._models / key, RunInfo.from_json(run)) for key, run in rows]

    def get(self, model_id: str | None = None) -> ModelRecord:
        """A model by its id; None for the newest. Raises ProjectError when there is no such model."""
        models = self.all()
        if not models:
            raise ProjectError("has no model yet; train one first", file=self._corpus.path)
        for model in models:
            if model.id == model_id:
                return model
        if model_id is None:
            return models[-1]
        raise ProjectError(
            "has no such model",
            file=self._corpus.path,
            expected=" or ".join(model.id for model in models),
            received=model_id,
        )

    def new_folder(self) -> Path:
        """Make a folder for a new model, to be passed to `adopt`; on failure the caller removes it.

        Opening the project removes it after a day, unless it was adopted or `set_aside`, or an epoch of training
        in it has ended.
        """
        folder = self._models / f".partial-{uuid.uuid4().hex[:8]}"
        folder.mkdir(parents=True)
        return folder

    def unfinished_trainings(self) -> list[Path]:
        """Folders of trainings that ended after an epoch without being adopted, for `recover_training`; oldest first.

        Their process has died, or the program that wanted the model had closed.
        """
        found = []
        for folder in self._models.glob(".partial-*"):
            if _worth_keeping(folder):
                lock = WriterLock(folder / TRAINING_LOCK)
                if lock.acquire():
                    lock.release()
                    found.append(folder)
        return sorted(found, key=lambda folder: folder.stat().st_mtime)

    def adopt(self, folder: Path) -> ModelRecord:
        """Make a finished folder the newest model, by moving it into the project; on failure it is where it was.

        Args:
            folder: holds model.keras, run.json, weights.npz unless the model runs in Keras, and scores.npy and
                padding.npy if any. Scores that don't fit, or can't be kept, are left out: they can be computed again.

        Raises ModelError when a file is missing, ReadOnlyError, or ProjectError when the disk does not take it.
        """
        run_json = _finished_run(folder)
        record = self._move_in(folder, run_json)
        with suppress(OSError):
            (record.folder / TRAINING_LOCK).unlink(missing_ok=True)
        scores, padding = record.folder / "scores.npy", record.folder / "padding.npy"
        # The model is in the project by now, and must not be called lost for scores that any score run makes again.
        with suppress(MaskscopeError, OSError, ValueError, EOFError):
            if scores.is_file():
                self.write_scores(record.id, np.load(scores, allow_pickle=False))
            self._keep_padding(record, padding)
        for file in (scores, padding):
            with suppress(OSError):
                file.unlink(missing_ok=True)
        return record

    def _move_in(self, folder: Path, run_json: str) -> ModelRecord:
        target: Path | None = None
        try:
            with self._db.transaction():
                cursor = self._db.execute("INSERT INTO model (id, run) VALUES (?, ?)", (uuid.uuid4().hex, run_json))
                number = int(cursor.lastrowid or 0)
                model_id = f"m{number}"
                self._db.execute("UPDATE model SET id = ? WHERE number = ?", (model_id, number))
                target = self._models / model_id
                if target.exists():
                    # Left by a crash between this rename and the commit.
                    shutil.rmtree(target)
                folder.rename(target)
                sync_folder(target.parent)
        except (ProjectError, OSError) as error:
            if target is not None and target.exists() and not folder.exists():
                # The commit failed: the model is given back, or the next one would replace it.
                target.rename(folder)
            if isinstance(error, OSError):
                raise ProjectError(
                    "the model could not be moved into the project", file=self._corpus.path, received=_reason(error)
                ) from error
            raise
        return ModelRecord(model_id, target, RunInfo.from_json(run_json))

    def _keep_padding(self, record: ModelRecord, file: Path) -> None:
        if file.is_file():
            padding = np.load(file, allow_pickle=False)
            if padding.shape == (self._corpus.n_sentences, record.n_columns):
                _write_array(self._scores / f"{record.id}.padding.npy", padding.astype(np.float32, copy=False))

    def write_scores(self, model_id: str, probs_nc: Floats) -> None:
        """Keep a model's scores (n_tokens, C) float32 and, for sorting, each sentence's largest uncertainty."""
        model = self.get(model_id)
        expected = (self._corpus.n_tokens, model.n_columns)
        if probs_nc.shape != expected:
            raise ModelError(
                "the scores don't fit the project",
                file=self._corpus.path,
                expected=str(expected),
                received=str(probs_nc.shape),
            )
        _write_array(self._scores / f"{model_id}.uncertainty.npy", self.largest_uncertainties(model, probs_nc))
        _write_array(self._scores / f"{model_id}.npy", probs_nc.astype(np.float32, copy=False))
        with self._db.transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO score VALUES (?, ?, ?)", (model_id, self._corpus.fingerprint, time.time())
            )

    def scores(self, model_id: str) -> Floats | None:
        """A model's scores (n_tokens, C), memory-mapped; None when there are none or they are stale.

        They are probabilities of the project's labels, unless the model `gives_values`.
        """
        model = self.get(model_id)
        return self._score_array(f"{model_id}.npy", model_id, (self._corpus.n_tokens, model.n_columns))

    def is_scored(self, model_id: str) -> bool:
        """True when `scores` has something to return, found without reading it."""
        return self._scores_are_current(model_id) and (self._scores / f"{model_id}.npy").is_file()

    def uncertainties(self, model_id: str) -> Floats | None:
        """Each sentence's largest uncertainty (n_sentences,) under a model; None as for `scores`, and for values."""
        if self.get(model_id).gives_values:
            return None
        kept = self._score_array(f"{model_id}.uncertainty.npy", model_id, (self._corpus.n_sentences,))
        if kept is not None:
            return kept
        scores = self.scores(model_id)
        return None if scores is None else self.largest_uncertainties(self.get(model_id), scores)

    def largest_uncertainties(self, model: ModelRecord, probs_nc: Floats) -> Floats:
        """Compute each sentence's largest uncertainty (n_sentences,), over the tokens that the model does not mask.

        0 for a model of values, which predicts no label.
        """
        if model.gives_values:
            return np.zeros(self._corpus.n_sentences, dtype=np.float32)
        uncertainty = model.scheme.uncertainty(probs_nc)
        # A masked token has no prediction that could be uncertain.
        uncertainty[self._corpus.masked_tokens(model.mask_value)] = 0
        return _largest(uncertainty, self._corpus.offsets)

    def padding_scores(self, model_id: str) -> Floats | None:
        """The output of a model that runs in Keras at the first padded position after each sentence.

        (n_sentences, C) float32, memory-mapped; None as for `scores`, and for a model that the built-in engine runs.
        """
        model = self.get(model_id)
        shape = (self._corpus.n_sentences, model.n_columns)
        return self._score_array(f"{model_id}.padding.npy", model_id, shape)

    def _scores_are_current(self, model_id: str) -> bool:
        row = self._db.execute("SELECT fingerprint FROM score WHERE model = ?", (model_id,)).fetchone()
        return row is not None and row[0] == self._corpus.fingerprint

    def _score_array(self, name: str, model_id: str, shape: tuple[int, ...]) -> Floats | None:
        file = self._scores / name
        if not self._scores_are_current(model_id) or not file.is_file():
            return None
        try:
            array = np.load(file, mmap_mode="r" if self._corpus.n_tokens else None, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        return np.asarray(array) if array.shape == shape else None


def set_aside(folder: Path) -> Path | None:
    """Rename the folder of a model that could not be adopted, so that it is never removed; returns its new path.

    None when no finished model is in it.
    """
    if not (folder / "model.keras").is_file():
        return None
    kept = folder.with_name(f"kept-{folder.name.removeprefix('.partial-')}")
    try:
        return folder.rename(kept)
    except OSError:
        return folder


def remove_leftovers(project_folder: Path) -> None:
    """Remove what a killed training or scoring left half-made in a project's folder.

    Only after a day: a worker may be training for this project while no writer has it open.
    """
    stale = time.time() - _STALE_S
    with suppress(OSError):
        for folder in (project_folder / "models").glob(".partial-*"):
            if folder.stat().st_mtime < stale and not _worth_keeping(folder):
                shutil.rmtree(folder, ignore_errors=True)
        for file in (project_folder / "scores").glob("*.partial"):
            if file.stat().st_mtime < stale:
                file.unlink(missing_ok=True)


def _finished_run(folder: Path) -> str:
    """The run.json of a folder that holds a whole model. Raises ModelError when a file is missing or can't be read."""
    _require(folder, "run.json", "model.keras")
    file = folder / "run.json"
    try:
        run_json = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError("can't be read", file=file, received=str(error)) from error
    if RunInfo.from_json(run_json, file).engine == "packed":
        _require(folder, "weights.npz")
    return run_json


def _require(folder: Path, *names: str) -> None:
    for name in names:
        if not (folder / name).is_file():
            raise ModelError(f"the model's folder lacks {name}", file=folder)


def _worth_keeping(folder: Path) -> bool:
    finished = (folder / "model.keras").is_file() and (folder / "run.json").is_file()
    return (folder / TRAINING_LOCK).is_file() and (finished or (folder / CHECKPOINT).is_file())


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
