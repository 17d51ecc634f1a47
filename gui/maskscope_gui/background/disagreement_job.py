"""Where labels and predictions differ, counted over the corpus beside the window, for the list's order."""

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QObject, Signal

from maskscope.evaluation.decoding import Decoding, predict
from maskscope.jobs import Job
from maskscope.project import Project
from maskscope.types import NO_LABEL, Floats
from maskscope_gui.background.tasks import Task, error_message
from maskscope_gui.session.session import Session

_BLOCK = 4096


def count_differing(
    project: Project, probs_nc: Floats, decoding: Decoding, threshold: float, job: Job
) -> npt.NDArray[np.int32]:
    """Tokens of each sentence (n_sentences,) whose label is not the prediction; unlabelled and masked ones never are.

    Args:
        project: a view of its own for this thread.
        probs_nc: (n_tokens, C) float32, as the model prints them.
        decoding, threshold: as for `predict`.
        job: progress in sentences; it may cancel.
    """
    labels = project.labels("edited")
    counted = labels != NO_LABEL
    # A masked token has no prediction that a label could disagree with.
    masked = project.collisions()
    counted[project.offsets[masked[:, 0]] + masked[:, 1]] = False
    counts = np.zeros(project.n_sentences, dtype=np.int32)
    for first in range(0, project.n_sentences, _BLOCK):
        job.progress(first, project.n_sentences, "sentences")
        last = min(first + _BLOCK, project.n_sentences)
        begin, end = int(project.offsets[first]), int(project.offsets[last])
        bounds = project.offsets[first : last + 1] - begin
        predicted = predict(project.scheme, np.asarray(probs_nc[begin:end]), bounds, None, decoding, threshold)
        differs = counted[begin:end] & (labels[begin:end] != predicted)
        total = np.concatenate([[0], np.cumsum(differs)])
        counts[first:last] = np.diff(total[bounds])
    return counts


class DisagreementJob(QObject):
    """Counts when the session asks, and hands the counts over; a count that is no longer wanted is dropped.

    Signals:
        progressed: (words) for the status line; "" when it is over.
    """

    progressed = Signal(str)

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._task: Task | None = None
        self._for: tuple[object, ...] | None = None
        self._touched: set[int] = set()
        session.disagreementWanted.connect(self._look)
        session.projectChanged.connect(self.close)
        session.edited.connect(self._touched.add)

    def close(self) -> None:
        """Stop, and wait for what still runs."""
        if self._task is not None:
            self._task.drop()
            self._end()

    def _end(self) -> None:
        self._task = self._for = None
        self.progressed.emit("")

    def _look(self) -> None:
        session = self._session
        project, scores, model = session.project, session.scores, session.model
        if project is None or scores is None or model is None:
            self.close()
            return
        decoding, threshold = session.decoding, session.threshold
        wanted = (id(project), model.id, decoding, threshold)
        if wanted == self._for:
            return
        self.close()
        self._for = wanted
        self._touched.clear()

        def work(job: Job) -> object:
            with project.reader() as reader:
                return count_differing(reader, scores, decoding, threshold, job)

        task = Task(work, self)
        task.progressed.connect(lambda done, total, _: self._tell(done, total))
        task.finished.connect(self._finish)
        task.failed.connect(self._fail)
        self._task = task
        self.progressed.emit("Comparing labels and predictions")
        task.start()

    def _tell(self, done: int, total: int) -> None:
        self.progressed.emit(f"Comparing labels and predictions: {100 * done // max(total, 1)} %")

    def _finish(self, counts: object) -> None:
        self._end()
        assert isinstance(counts, np.ndarray)
        # What was edited meanwhile may have been read as it was before.
        self._session.take_disagreement(counts, frozenset(self._touched))

    def _fail(self, error: object) -> None:
        self._end()
        self._session.said.emit(f"Labels and predictions can't be compared: {error_message(error)}", "error")
