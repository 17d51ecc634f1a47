"""Work for one page: one question at a time, computed beside the window; an answer to an earlier one is dropped."""

from collections.abc import Callable

from PySide6.QtCore import QObject, Signal

from maskscope.jobs import Job
from maskscope_gui.background.tasks import Task, words_of


class Background(QObject):
    """Runs a question's work in a thread, and tells.

    Signals:
        changed: there is another answer, another trouble, or another question.
        progressed: (words) of the work that runs; "" when it is over.
    """

    changed = Signal()
    progressed = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.trouble = ""
        self._task: Task | None = None
        self._ending: list[Task] = []

    @property
    def busy(self) -> bool:
        """True while something is computed."""
        return self._task is not None

    def begin(self, words: str, work: Callable[[Job], object], take: Callable[[object], None]) -> None:
        """Compute: `work` in a thread, then `take` its result here, unless another question has come by then."""
        self.cancel()
        self.trouble = ""
        task = Task(work, self)
        task.progressed.connect(lambda done, total, _: self._tell(task, words, done, total))
        task.finished.connect(lambda result: self._finish(task, take, result))
        task.failed.connect(lambda error: self._fail(task, error))
        task.cancelled.connect(lambda: self._over(task))
        self._task = task
        self.progressed.emit(f"{words}…")
        task.start()
        self.changed.emit()

    def cancel(self) -> None:
        """Stop what runs; an earlier answer stays."""
        if self._task is not None:
            # It ends at its next report; the window does not wait for that.
            self._task.cancel()
            self._ending.append(self._task)
            self._task = None
            self.progressed.emit("")
            self.changed.emit()

    def close(self) -> None:
        """Stop, and wait for what still runs: it reads a project that is about to be closed."""
        self.cancel()
        for task in self._ending:
            task.drop()
        self._ending.clear()

    def _tell(self, task: Task, words: str, done: int, total: int) -> None:
        if task is self._task:
            self.progressed.emit(f"{words}: {100 * done // max(total, 1)} %")

    def _over(self, task: Task) -> bool:
        """Note that a task has ended; False when nobody waits for it any more."""
        if task in self._ending:
            self._ending.remove(task)
        if task is not self._task:
            return False
        self._task = None
        self.progressed.emit("")
        return True

    def _finish(self, task: Task, take: Callable[[object], None], result: object) -> None:
        if self._over(task):
            take(result)
            self.changed.emit()

    def _fail(self, task: Task, error: object) -> None:
        if self._over(task):
            self.trouble = words_of(error)
            self.changed.emit()
