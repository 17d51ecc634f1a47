"""An open project: its sentences, edits, models and scores."""

import sqlite3
from pathlib import Path
from types import TracebackType

from maskscope.errors import ProjectError
from maskscope.project.corpus import Corpus
from maskscope.project.database import Database
from maskscope.project.edit_log import EditLog
from maskscope.project.lock import WriterLock
from maskscope.project.model_store import ModelStore, remove_leftovers


class Project(Corpus):
    """A project folder, opened by `Project.open`. To read it is a `Corpus`; it is changed by `edits` and `models`.

    Attributes:
        read_only: True when it can't be changed: asked for, or another program holds the lock.
        edits: the log of a person's edits.
        models: the models, with their scores.
    """

    def __init__(self, path: Path, db: Database, lock: WriterLock | None) -> None:
        super().__init__(path, db)
        self._lock = lock
        self.read_only = db.read_only
        self.edits = EditLog(self, db)
        self.models = ModelStore(self, db)

    @classmethod
    def open(cls, path: Path | str, *, read_only: bool = False) -> "Project":
        """Open a project folder.

        Without `read_only` it takes the writer's lock; when another program holds it, or the folder can't be
        written, the project opens read-only all the same: see its attribute `read_only`.
        Raises ProjectError when `path` is no project, is damaged, or was written by a later version.
        """
        path = Path(path)
        if not path.exists():
            raise ProjectError("there is no such project; import one, or check its name", file=path)
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
        db: Database | None = None
        try:
            db = Database(file, read_only=lock is None)
            if lock is not None:
                remove_leftovers(path)
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

    def reader(self) -> "Project":
        """Open the same folder once more, read-only, for another thread; close it when done."""
        return Project.open(self.path, read_only=True)
