"""Long work of the core, run beside the window: progress, cancelling, and errors that nobody swallows."""

import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Literal, TypeAlias

from PySide6.QtCore import QObject, Signal

from maskscope.errors import Cancelled, MaskscopeError
from maskscope.jobs import FlagJob, Job

QUIET_SECONDS = 0.03
"""Progress is passed on no oftener than this: a window need not repaint for each of a million sentences."""

_End: TypeAlias = Literal["finished", "failed", "cancelled"]


class Task(QObject):
    """One piece of work in a thread of its own. It runs once.

    Args:
        work: gets a job, reports to it, and returns a result. It must not touch a widget or the session.
        take_back: undoes a result that came when it was no longer wanted, such as a folder already made.

    Signals:
        progressed: (done, total, text) as `Job.progress`; total is 0 when it is not known.
        figure_reported: (name, step, value) as `Job.figure`.
        finished: (result) `work` returned.
        failed: (error) `work` raised; an error that no person can act on stands on stderr with its traceback, too.
        cancelled: `work` has stopped and taken away what was half done.

    Exactly one of the last three is emitted, in the thread that made the task; none after `drop`.
    """

    progressed = Signal(int, int, str)
    figure_reported = Signal(str, int, float)
    finished = Signal(object)
    failed = Signal(object)
    cancelled = Signal()
    _ended = Signal(str, object)
    _told = Signal(object, object, str)
    _measured = Signal(str, int, float)

    def __init__(
        self,
        work: Callable[[Job], object],
        parent: QObject | None = None,
        *,
        take_back: Callable[[object], None] | None = None,
    ) -> None:
        super().__init__(parent)
        self._work = work
        self._take_back = take_back
        self._job = _TaskJob(self._tell, self._measure)
        self._thread = threading.Thread(target=self._run, name="maskscope-task")
        self._over = False
        # A thread knows no window: what it says is queued, and judged in the thread of this object.
        self._ended.connect(self._end)
        self._told.connect(self._pass_progress)
        self._measured.connect(self._pass_figure)

    @property
    def running(self) -> bool:
        """True from `start` until one of the last signals."""
        return not self._over and self._thread.ident is not None

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def cancel(self) -> None:
        """Ask the work to stop at its next report; `cancelled` follows once it has."""
        self._job.cancel()

    def drop(self) -> None:
        """Cancel, wait, and emit nothing any more: whoever asked has gone."""
        self._over = True
        self.cancel()
        self.wait()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the thread has ended, and say whether it has. Its signals come when events are handled."""
        if self._thread.ident is not None:
            self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        end: _End = "finished"
        value: object = None
        try:
            value = self._work(self._job)
            if self._job.cancelled and self._take_back is not None:
                self._take_back(value)
                end = "cancelled"
        except Cancelled:
            end = "cancelled"
        except (MaskscopeError, OSError, MemoryError) as error:
            end, value = "failed", error
        except Exception as error:  # noqa: BLE001 - a fault of ours is reported, in the window and on stderr
            traceback.print_exc()
            end, value = "failed", error
        if not self._over:
            # Qt's half of this object goes with its window; the thread may outlive it.
            with suppress(RuntimeError):
                self._ended.emit(end, value)

    def _tell(self, done: int, total: int, text: str) -> None:
        if not self._over:
            with suppress(RuntimeError):
                self._told.emit(done, total, text)

    def _measure(self, name: str, step: int, value: float) -> None:
        if not self._over:
            with suppress(RuntimeError):
                self._measured.emit(name, step, value)

    def _pass_progress(self, done: int, total: int, text: str) -> None:
        if not self._over and not self._job.cancelled:
            self.progressed.emit(*fit_32_bits(done, total), text)

    def _pass_figure(self, name: str, step: int, value: float) -> None:
        if not self._over and not self._job.cancelled:
            self.figure_reported.emit(name, step, value)

    def _end(self, end: _End, value: object) -> None:
        if self._over:
            return
        self._over = True
        self._thread.join()
        if end == "finished" and self._job.cancelled:
            # The person said stop between the last report and now.
            if self._take_back is not None:
                self._take_back(value)
            end = "cancelled"
        if end == "cancelled":
            self.cancelled.emit()
        elif end == "finished":
            self.finished.emit(value)
        else:
            self.failed.emit(value)


class _TaskJob(FlagJob):
    def __init__(self, tell: Callable[[int, int, str], None], measure: Callable[[str, int, float], None]) -> None:
        super().__init__()
        self._tell, self._measure = tell, measure
        self._told_at = -1.0
        self._text: str | None = None

    def progress(self, done: int, total: int, text: str = "") -> None:
        """Pass it on when the last is a while ago, it is another phase, or the end."""
        super().progress(done, total, text)
        now = time.monotonic()
        if now - self._told_at >= QUIET_SECONDS or text != self._text or (total and done >= total):
            self._told_at, self._text = now, text
            self._tell(done, total, text)

    def figure(self, name: str, step: int, value: float) -> None:
        """Pass it on."""
        super().figure(name, step, value)
        self._measure(name, step, value)


def fit_32_bits(done: int, total: int) -> tuple[int, int]:
    """Counts as a signal can carry them, in 32 bits: those of a very large corpus in larger units."""
    shift = max(0, max(done, total).bit_length() - 31)
    return done >> shift, total >> shift


def error_message(error: object) -> str:
    """An error of `Task.failed` as one sentence for a person."""
    if isinstance(error, MaskscopeError):
        return str(error)
    if isinstance(error, MemoryError):
        return "There is not enough memory for this; close other programs, or take a smaller file."
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename is not None else ""
        return f"{place}{error.strerror or error}"
    return f"This is a fault in Maskscope ({type(error).__name__}: {error}); please report it."


def rate_and_time_left(done: int, total: int, seconds: float, unit: str = "sentences") -> str:
    """Such as "1,240 sentences/s · 12 s left"; "" while nothing can be said yet.

    Args:
        done, total: units; total is 0 when it is not known, and then no time left is said.
        seconds: since the work began.
        unit: what is counted; "" says no rate.
    """
    if done <= 0 or seconds < 0.2:
        return ""
    rate = done / seconds
    words = []
    if unit:
        words.append(f"{rate:,.0f} {unit}/s" if rate >= 10 else f"{rate:.1f} {unit}/s")
    if total > 0:
        words.append(f"{duration(max(0, total - done) / rate)} left")
    return " · ".join(words)


def duration(seconds: float) -> str:
    """Such as "12 s", "3 min 20 s", "1 h 5 min"."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if minutes < 10 and rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"
