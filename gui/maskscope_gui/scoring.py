"""Scores for a model that has none yet, computed beside the window, without TensorFlow."""

from functools import partial

from PySide6.QtCore import QObject, Signal

from maskscope_gui.session import Session
from maskscope_gui.tasks import Task


class Scoring(QObject):
    """Watches the session, and scores when its model's scores are missing or stale.

    Signals:
        progressed: (words) for the status line; "" when it is over.
    """

    progressed = Signal(str)

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._task: Task | None = None
        self._for: tuple[object, str] | None = None
        session.modelChanged.connect(self._look)
        session.projectChanged.connect(self._look)

    def close(self) -> None:
        """Stop, and wait for what still runs."""
        if self._task is not None:
            self._task.drop()
            self._task = None
            self._for = None
            self.progressed.emit("")

    def _look(self) -> None:
        session = self._session
        wanted = None
        if session.project is not None and session.model is not None and session.scores is None:
            wanted = (session.project, session.model.id)
        if wanted == self._for:
            return
        self.close()
        if wanted is None or session.tagger is None or session.project is None:
            return
        self._for = wanted
        project, tagger = session.project, session.tagger
        task = Task(lambda job: tagger.score(project.embeddings, project.offsets, job=job), self)
        task.progressed.connect(self._tell)
        task.finished.connect(partial(self._finish, wanted[1]))
        task.failed.connect(self._fail)
        self._task = task
        task.start()

    def _tell(self, done: int, total: int, text: str) -> None:
        self.progressed.emit(f"Scoring: {100 * done // max(total, 1)} %")

    def _finish(self, model_id: str, probs: object) -> None:
        self._task = self._for = None
        self.progressed.emit("")
        self._session.take_scores(model_id, probs)  # type: ignore[arg-type]

    def _fail(self, error: object) -> None:
        self._task = None
        self.progressed.emit("")
        self._session.said.emit(f"Scoring failed: {error}", "error")
