"""Scores the project with the model in use when it has no scores: in a thread without TensorFlow, or in the worker."""

from functools import partial
from pathlib import Path

import numpy as np
from PySide6.QtCore import QObject, Signal

from maskscope.worker.requests import ScoreRequest
from maskscope_gui.background.tasks import Task, error_message
from maskscope_gui.background.worker_client import WorkerClient
from maskscope_gui.session.session import Session


class ScoreJob(QObject):
    """Starts by itself when the session's model has no scores, or scores of other embeddings.

    Signals:
        progressed: (text) for the status line; "" once nothing runs.
    """

    progressed = Signal(str)

    def __init__(self, session: Session, client: WorkerClient, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._task: Task | None = None
        self._client = client
        self._job: int | None = None
        self._out = Path()
        self._target: tuple[object, str] | None = None
        session.model_changed.connect(self._update)
        session.project_changed.connect(self._update)
        client.progressed.connect(self._job_progressed)
        client.done.connect(self._job_done)
        client.failed.connect(self._job_failed)
        client.cancelled.connect(self._job_cancelled)

    def close(self) -> None:
        """Stop: wait for the thread, but not for the worker."""
        if self._task is not None:
            self._task.drop()
            self._task = None
            self._target = None
            self.progressed.emit("")
        if self._job is not None:
            job, self._job, self._target = self._job, None, None
            self._client.cancel(job)
            self.progressed.emit("")

    def _update(self) -> None:
        session = self._session
        wanted = None
        if session.project is not None and session.model is not None and not session.is_scored:
            wanted = (session.project, session.model.id)
        if wanted == self._target:
            return
        self.close()
        if wanted is None or session.model is None or session.project is None:
            return
        if session.model.run.engine == "keras":
            self._start_in_worker(wanted)
        elif session.tagger is not None:
            self._target = wanted
            project, tagger = session.project, session.tagger
            task = Task(lambda job: tagger.score(project.embeddings, project.offsets, job=job), self)
            task.progressed.connect(self._show_progress)
            task.finished.connect(partial(self._finish, wanted[1]))
            task.failed.connect(self._fail)
            self._task = task
            task.start()

    def _show_progress(self, done: int, total: int, text: str) -> None:
        self.progressed.emit(f"Scoring: {100 * done // max(total, 1)} %")

    def _finish(self, model_id: str, probs: object) -> None:
        self._task = self._target = None
        self.progressed.emit("")
        self._session.set_scores(model_id, probs)  # type: ignore[arg-type]

    def _fail(self, error: object) -> None:
        self._task = None
        self.progressed.emit("")
        self._session.message_requested.emit(f"Scoring failed: {error_message(error)}", "error")

    # In the worker

    def _start_in_worker(self, wanted: tuple[object, str]) -> None:
        project, model = self._session.project, self._session.model
        if project is None or model is None:
            return
        self._target = wanted
        folder = project.path / "scores"
        # Opening a project removes files that end in .partial, should this process be killed.
        self._out = folder / f"{model.id}.worker.partial"
        self._job = self._client.request(ScoreRequest(project.path, model.keras_file, self._out))
        self.progressed.emit("Scoring in Keras: starting")

    def _job_progressed(self, job: int, done: int, total: int, text: str) -> None:
        if job == self._job:
            self.progressed.emit(f"Scoring in Keras: {f'{100 * done // total} %' if total > 0 else text}")

    def _job_done(self, job: int, result: object) -> None:
        if job != self._job or self._target is None:
            return
        model_id = self._target[1]
        self._job = self._target = None
        self.progressed.emit("")
        try:
            probs_nc = np.load(self._out, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            self._session.message_requested.emit(f"Scoring failed: {error}", "error")
            return
        finally:
            self._out.unlink(missing_ok=True)
        self._session.set_scores(model_id, probs_nc)

    def _job_failed(self, job: int, error: str) -> None:
        if job == self._job:
            # `_target` stays, so that the same failure is not repeated without end.
            self._job = None
            self.progressed.emit("")
            self._session.message_requested.emit(f"Scoring failed: {error}", "error")

    def _job_cancelled(self, job: int) -> None:
        if job == self._job:
            self._job = self._target = None
            self.progressed.emit("")
