"""Runs long work of the core in a thread, with progress, cancelling and errors as Qt signals."""

import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Literal, TypeAlias

from PySide6.QtCore import QObject, Signal

from maskscope.errors import Cancelled, MaskscopeError
from maskscope.jobs import FlagJob, Job, format_duration
from maskscope_gui.session.window_words import window_words

PROGRESS_SECONDS = 0.03
"""Shortest time between two reports of progress: a window need not repaint for each of a million sentences."""

_End: TypeAlias = Literal["finished", "failed", "cancelled"]


class Task(QObject):
    """Runs one function once, in a thread of its own.

    Args:
        work: gets a job, reports to it, and returns a result. It must not use a widget or the session.
        undo: undoes a result that came after the task was cancelled, such as a folder that was made.

    Signals:
        progressed: (done, total, text) as `Job.progress`; total is 0 when it is not known.
        figure_reported: (name, step, value) as `Job.figure`.
        finished: (result) `work` returned.
        failed: (error) `work` raised; the traceback of an unexpected error is also printed to stderr.
        cancelled: `work` has stopped and removed what was half done.

    Exactly one of the last three is emitted, in the thread that created the task; none after `drop`.
    """

    progressed = Signal(int, int, str)
    figure_reported = Signal(str, int, float)
    finished = Signal(object)
    failed = Signal(object)
    cancelled = Signal()
    _ended = Signal(str, object)
    _progress_sent = Signal(object, object, str)
    _figure_sent = Signal(str, int, float)

    def __init__(
        self,
        work: Callable[[Job], object],
        parent: QObject | None = None,
        *,
        undo: Callable[[object], None] | None = None,
    ) -> None:
        super().__init__(parent)
        self._work = work
        self._undo = undo
        self._job = _TaskJob(self._send_progress, self._send_figure)
        self._thread = threading.Thread(target=self._run, name="maskscope-task")
        self._over = False
        # The thread emits these; Qt queues them, and calls the methods in the thread of this object.
        self._ended.connect(self._end)
        self._progress_sent.connect(self._emit_progress)
        self._figure_sent.connect(self._emit_figure)

    @property
    def running(self) -> bool:
        """True from `start` until one of the last signals."""
        return not self._over and self._thread.ident is not None

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def cancel(self) -> None:
        """Make the work stop at its next report; `cancelled` follows once it has."""
        self._job.cancel()

    def drop(self) -> None:
        """Cancel, wait for the thread, and emit nothing any more."""
        self._over = True
        self.cancel()
        self.wait()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the thread has ended, and return whether it has; the signals are emitted by the event loop."""
        if self._thread.ident is not None:
            self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        end: _End = "finished"
        value: object = None
        try:
            value = self._work(self._job)
            if self._job.cancelled and self._undo is not None:
                self._undo(value)
                end = "cancelled"
        except Cancelled:
            end = "cancelled"
        except (MaskscopeError, OSError, MemoryError) as error:
            end, value = "failed", error
        except Exception as error:  # noqa: BLE001 - an unexpected error is reported, in the window and on stderr
            traceback.print_exc()
            end, value = "failed", error
        if not self._over:
            # The C++ part of this object is deleted with its window; the thread may outlive it.
            with suppress(RuntimeError):
                self._ended.emit(end, value)

    def _send_progress(self, done: int, total: int, text: str) -> None:
        if not self._over:
            with suppress(RuntimeError):
                self._progress_sent.emit(done, total, text)

    def _send_figure(self, name: str, step: int, value: float) -> None:
        if not self._over:
            with suppress(RuntimeError):
                self._figure_sent.emit(name, step, value)

    def _emit_progress(self, done: int, total: int, text: str) -> None:
        if not self._over and not self._job.cancelled:
            self.progressed.emit(*fit_32_bits(done, total), text)

    def _emit_figure(self, name: str, step: int, value: float) -> None:
        if not self._over and not self._job.cancelled:
            self.figure_reported.emit(name, step, value)

    def _end(self, end: _End, value: object) -> None:
        if self._over:
            return
        self._over = True
        self._thread.join()
        if end == "finished" and self._job.cancelled:
            # The task was cancelled after the last report.
            if self._undo is not None:
                self._undo(value)
            end = "cancelled"
        if end == "cancelled":
            self.cancelled.emit()
        elif end == "finished":
            self.finished.emit(value)
        else:
            self.failed.emit(value)


class _TaskJob(FlagJob):
    def __init__(
        self, send_progress: Callable[[int, int, str], None], send_figure: Callable[[str, int, float], None]
    ) -> None:
        super().__init__()
        self._send_progress, self._send_figure = send_progress, send_figure
        self._last_sent = -1.0
        self._text: str | None = None

    def progress(self, done: int, total: int, text: str = "") -> None:
        """Report, unless the last report is recent, of the same phase, and this is not the end."""
        super().progress(done, total, text)
        now = time.monotonic()
        if now - self._last_sent >= PROGRESS_SECONDS or text != self._text or (total and done >= total):
            self._last_sent, self._text = now, text
            self._send_progress(done, total, text)

    def figure(self, name: str, step: int, value: float) -> None:
        """Report."""
        super().figure(name, step, value)
        self._send_figure(name, step, value)


def fit_32_bits(done: int, total: int) -> tuple[int, int]:
    """Return counts that fit a signal's 32 bits: those of a very large corpus in larger units."""
    shift = max(0, max(done, total).bit_length() - 31)
    return done >> shift, total >> shift


def capitalized(text: str) -> str:
    """A message with a capital letter first, unless it begins with the name of a file."""
    return text if text.partition(" ")[0].endswith(":") else f"{text[:1].upper()}{text[1:]}"


def error_message(error: object) -> str:
    """Return an error of `Task.failed` as one sentence for a person."""
    if isinstance(error, MaskscopeError):
        return window_words(str(error))
    if isinstance(error, MemoryError):
        return "There is not enough memory for this; close other programs, or use a smaller file."
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename is not None else ""
        return f"{place}{error.strerror or error}"
    return f"This is a bug in Maskscope ({type(error).__name__}: {error}); please report it."


def rate_and_time_left(done: int, total: int, seconds: float, unit: str = "sentences") -> str:
    """Return rate and time left, such as "1,240 sentences/s · 12 s left"; "" while they are not known.

    Args:
        done: how many units are done.
        total: how many there are; 0 when it is not known, which leaves out the time left.
        seconds: since the work began.
        unit: what is counted; "" leaves out the rate.
    """
    if done <= 0 or seconds < 0.2:
        return ""
    rate = done / seconds
    parts = []
    if unit:
        parts.append(f"{rate:,.0f} {unit}/s" if rate >= 10 else f"{rate:.1f} {unit}/s")
    if total > 0:
        parts.append(f"{format_duration(max(0, total - done) / rate)} left")
    return " · ".join(parts)
