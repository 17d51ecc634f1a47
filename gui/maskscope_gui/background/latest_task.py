"""A background task for one page: starting another one drops the result of the one before."""

from collections.abc import Callable

from PySide6.QtCore import QObject, Signal

from maskscope.jobs import Job
from maskscope_gui.background.tasks import Task, error_message


class LatestTask(QObject):
    """Runs at most one task that counts, in a thread; base of the jobs that compute what a page shows.

    Attributes:
        error: why the last task failed, as one sentence; "" when it did not.

    Signals:
        changed: a task has started or ended.
        progressed: (text) for the status line; "" once nothing runs.
    """

    changed = Signal()
    progressed = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.error = ""
        self._task: Task | None = None
        self._cancelled: list[Task] = []

    @property
    def busy(self) -> bool:
        """True while the task runs."""
        return self._task is not None

    def start(self, text: str, work: Callable[[Job], object], use_result: Callable[[object], None]) -> None:
        """Cancel the task that runs, and start another.

        Args:
            text: shown in the status line while it runs.
            work: runs in a thread of its own, as in `Task`.
            use_result: gets what `work` returned, in the window's thread; not called once the task was cancelled.
        """
        self.cancel()
        self.error = ""
        task = Task(work, self)
        task.progressed.connect(lambda done, total, _: self._show_progress(task, text, done, total))
        task.finished.connect(lambda result: self._finish(task, use_result, result))
        task.failed.connect(lambda error: self._fail(task, error))
        task.cancelled.connect(lambda: self._remove(task))
        self._task = task
        self.progressed.emit(f"{text}…")
        task.start()
        self.changed.emit()

    def cancel(self) -> None:
        """Cancel the task that runs, without waiting for its thread; the last result stays."""
        if self._task is not None:
            self._task.cancel()
            self._cancelled.append(self._task)
            self._task = None
            self.progressed.emit("")
            self.changed.emit()

    def close(self) -> None:
        """Cancel, and wait for every thread: they read a project that is about to be closed."""
        self.cancel()
        for task in self._cancelled:
            task.drop()
        self._cancelled.clear()

    def _show_progress(self, task: Task, text: str, done: int, total: int) -> None:
        if task is self._task:
            self.progressed.emit(f"{text}: {100 * done // max(total, 1)} %")

    def _remove(self, task: Task) -> bool:
        """Forget a task that has ended; False when it had been cancelled."""
        if task in self._cancelled:
            self._cancelled.remove(task)
        if task is not self._task:
            return False
        self._task = None
        self.progressed.emit("")
        return True

    def _finish(self, task: Task, use_result: Callable[[object], None], result: object) -> None:
        if self._remove(task):
            use_result(result)
            self.changed.emit()

    def _fail(self, task: Task, error: object) -> None:
        if self._remove(task):
            self.error = error_message(error)
            self.changed.emit()
