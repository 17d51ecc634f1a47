"""Run one job in a worker process and wait for it: the command line's end of the worker."""

import queue
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import IO, TypeAlias

from maskscope import errors
from maskscope.errors import Cancelled, MaskscopeError, WorkerError
from maskscope.jobs import Job, NullJob
from maskscope.worker import launch
from maskscope.worker.limits import CANCEL_SECONDS, LOOK_SECONDS, Limits, Watchdog, limits_of
from maskscope.worker.protocol import (
    Cancel,
    CancelledReply,
    Done,
    Event,
    Failed,
    Progress,
    Ready,
    Request,
    Value,
    decode_event,
)

LimitsOf: TypeAlias = Callable[[str, Mapping[str, Value]], Limits | None]
Warn: TypeAlias = Callable[[str], object]

_ID = "1"
_LINES_KEPT = 40
_END_SECONDS = 5.0


def run_job(
    name: str,
    arguments: Mapping[str, Value],
    job: Job | None = None,
    *,
    warn: Warn | None = None,
    one_core: bool = False,
    limits: LimitsOf = limits_of,
    command: Sequence[str] = launch.COMMAND,
) -> dict[str, Value]:
    """Start a worker, run one job in it, and end it.

    Args:
        name: of `worker.jobs.JOBS`.
        arguments: as that job takes them.
        job: gets the progress and the figures; once it raises Cancelled the worker is asked to stop, and killed
            when it does not.
        warn: gets the sentence about a Keras that loses masks, before the job is run; None: nobody is told.
        one_core: keep TensorFlow to one thread, where another worker runs beside this one.
        limits: of time and memory, by the job's name and arguments; beyond them the worker is killed.
        command: program and arguments to run instead of the worker (tests).

    Returns:
        The job's results.

    Raises:
        MaskscopeError: the job's own error, such as ModelError.
        WorkerError: the worker could not start, ended, or broke a limit.
        Cancelled: the job was cancelled.
    """
    job = NullJob() if job is None else job
    job.progress(0, 0, "starting TensorFlow")
    try:
        process = subprocess.Popen(
            list(command),
            env=launch.environment() | (launch.ONE_CORE if one_core else {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        raise WorkerError("the worker process can't be started", received=error.strerror or str(error)) from error
    run = _Run(process, Request(_ID, name, tuple(arguments.items())), job, limits(name, arguments), warn)
    try:
        return run.result()
    except Cancelled:
        run.stop_politely()
        raise
    finally:
        run.end()


class _Run:
    def __init__(
        self,
        process: "subprocess.Popen[str]",
        request: Request,
        job: Job,
        limits: Limits | None,
        warn: Warn | None,
    ) -> None:
        self.process, self.request, self.job, self.limits, self.warn = process, request, job, limits, warn
        self.said: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self.lines: deque[str] = deque(maxlen=_LINES_KEPT)
        assert process.stdout is not None
        assert process.stderr is not None
        self.readers = (
            threading.Thread(target=self._read, args=(process.stdout,), daemon=True),
            threading.Thread(target=self._keep_lines, args=(process.stderr,), daemon=True),
        )
        for reader in self.readers:
            reader.start()

    def result(self) -> dict[str, Value]:
        """What the job gives, reporting meanwhile."""
        watchdog: Watchdog | None = None
        shown: tuple[int, int, str] = (0, 0, "starting TensorFlow")
        while True:
            try:
                event = self.said.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                # Asks, too, whether the job is still wanted.
                self.job.progress(*shown)
                event = Progress("", 0, 0)
            if event is None:
                self._raise_end()
            elif isinstance(event, Ready):
                if event.warning and self.warn is not None:
                    self.warn(event.warning)
                self._send(self.request.encode())
                if self.limits is not None:
                    watchdog = Watchdog(self.process.pid, self.limits)
            elif isinstance(event, Failed):
                raise _error(event)
            elif isinstance(event, Done):
                return dict(event.result)
            elif isinstance(event, CancelledReply):
                raise Cancelled
            elif event.id == _ID:
                if watchdog is not None:
                    watchdog.heard()
                if isinstance(event, Progress):
                    shown = (event.done, event.total, event.text)
                    self.job.progress(*shown)
                elif event.value is not None:
                    self.job.figure(event.name, event.step, event.value)
            if watchdog is not None and (words := watchdog.look()):
                raise WorkerError(words.removesuffix("."))

    def stop_politely(self) -> None:
        """Ask a worker that has the job to stop, and give it some seconds to tidy up."""
        self._send(Cancel(_ID).encode())
        until = time.monotonic() + CANCEL_SECONDS
        while (left := until - time.monotonic()) > 0:
            try:
                event = self.said.get(timeout=left)
            except queue.Empty:
                return
            if event is None or isinstance(event, Done | Failed | CancelledReply):
                return

    def end(self) -> None:
        """Leave no process and no thread."""
        self.process.kill()
        self.process.wait(_END_SECONDS)
        for reader in self.readers:
            reader.join(_END_SECONDS)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                try:
                    stream.close()
                except OSError:
                    # What was still to be written has no reader any more.
                    continue

    def _send(self, line: str) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(line)
            self.process.stdin.flush()
        except OSError:
            # It has ended; the reader of its output says so.
            return

    def _read(self, stream: IO[str]) -> None:
        for line in stream:
            try:
                self.said.put(decode_event(line))
            except WorkerError as error:
                self.lines.append(str(error))
        self.said.put(None)

    def _keep_lines(self, stream: IO[str]) -> None:
        for line in stream:
            if line.strip():
                self.lines.append(line.rstrip())

    def _raise_end(self) -> None:
        code = self.process.wait()
        self.readers[1].join(_END_SECONDS)
        how = "crashed or was killed" if code < 0 else f"ended with code {code}"
        raise WorkerError(f"the worker process {how}.{launch.last_words(self.lines)}".removesuffix("."))


def _error(event: Failed) -> MaskscopeError:
    kind = getattr(errors, event.kind, None)
    if isinstance(kind, type) and issubclass(kind, MaskscopeError):
        return kind(event.message)
    return WorkerError(event.message)
