"""Counts where labels and predictions differ, over the whole corpus in a background thread, to sort the list by."""

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QObject, Signal

from maskscope.evaluation.decoding import Decoding, disagreements
from maskscope.jobs import Job
from maskscope.project import ModelRecord, Project
from maskscope.types import Floats
from maskscope_gui.background.tasks import Task, error_message
from maskscope_gui.session.session import Session

_BLOCK = 4096


def count_differing(
    project: Project, model: ModelRecord, probs_nc: Floats, decoding: Decoding, threshold: float, job: Job
) -> npt.NDArray[np.int32]:
    """Count the tokens of each sentence (n_sentences,) whose label differs from the prediction (`disagreements`).

    Args:
        project: opened for this thread alone.
        model: the model that predicts.
        probs_nc: (n_tokens, C) float32, its output.
        decoding: how labels come from probabilities, as in `predict`.
        threshold: of the one class of a binary scheme.
        job: receives the progress in sentences; it may cancel.
    """
    labels = project.labels("edited")
    real = np.ones(project.n_tokens, dtype=np.bool_)
    real[project.masked_tokens(model.mask_value)] = False
    counts = np.zeros(project.n_sentences, dtype=np.int32)
    for first in range(0, project.n_sentences, _BLOCK):
        job.progress(first, project.n_sentences, "sentences")
        last = min(first + _BLOCK, project.n_sentences)
        begin, end = int(project.offsets[first]), int(project.offsets[last])
        bounds = project.offsets[first : last + 1] - begin
        probs = np.asarray(probs_nc[begin:end])
        differs = disagreements(project.scheme, labels[begin:end], probs, bounds, real[begin:end], decoding, threshold)
        total = np.concatenate([[0], np.cumsum(differs)])
        counts[first:last] = np.diff(total[bounds])
    return counts


class DisagreementJob(QObject):
    """Counts when the session requests it, and passes the counts to the session; an outdated count is dropped.

    Signals:
        progressed: (text) for the status line; "" when the count has ended.
    """

    progressed = Signal(str)

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._task: Task | None = None
        self._inputs: tuple[object, ...] | None = None
        self._edited: set[int] = set()
        session.list_order.disagreement_requested.connect(self._start)
        session.project_changed.connect(self.close)
        session.editing.edited.connect(self._edited.add)

    def close(self) -> None:
        """Stop counting, and wait for the thread."""
        if self._task is not None:
            self._task.drop()
            self._end()

    def _end(self) -> None:
        self._task = self._inputs = None
        self.progressed.emit("")

    def _start(self) -> None:
        session = self._session
        project, scores, model = session.project, session.scores, session.model
        if project is None or scores is None or model is None:
            self.close()
            return
        decoding, threshold = session.decoding, session.threshold
        wanted = (id(project), model.id, decoding, threshold)
        if wanted == self._inputs:
            return
        self.close()
        self._inputs = wanted
        self._edited.clear()

        def work(job: Job) -> object:
            with project.reader() as reader:
                return count_differing(reader, model, scores, decoding, threshold, job)

        task = Task(work, self)
        task.progressed.connect(lambda done, total, _: self._show_progress(done, total))
        task.finished.connect(self._finish)
        task.failed.connect(self._fail)
        self._task = task
        self.progressed.emit("Comparing labels and predictions")
        task.start()

    def _show_progress(self, done: int, total: int) -> None:
        self.progressed.emit(f"Comparing labels and predictions: {100 * done // max(total, 1)} %")

    def _finish(self, counts: object) -> None:
        self._end()
        assert isinstance(counts, np.ndarray)
        # The sentences edited since the start may have been read before the edit.
        self._session.set_disagreement(counts, frozenset(self._edited))

    def _fail(self, error: object) -> None:
        self._end()
        self._session.message_requested.emit(
            f"Labels and predictions can't be compared: {error_message(error)}", "error"
        )
