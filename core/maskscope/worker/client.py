"""Runs one job in a worker process and waits for it: the client of the command line."""

import queue
import subprocess
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import BufferedReader
from typing import Literal, TypeAlias, TypeVar, cast

from maskscope.errors import Cancelled, WorkerError
from maskscope.jobs import Job, NullJob
from maskscope.worker import launch
from maskscope.worker.conversation import (
    Action,
    Conversation,
    JobCancelled,
    JobDone,
    JobFailed,
    KillProcess,
    LimitsOf,
    SendBytes,
)
from maskscope.worker.limits import CHECK_SECONDS, limits_of, process_memory
from maskscope.worker.protocol import Figure, Progress, Ready
from maskscope.worker.requests import Request, Result

ResultT = TypeVar("ResultT", bound=Result)
Warn: TypeAlias = Callable[[str], object]

_END_SECONDS = 5.0
_CHUNK = 1 << 16


def run_job(
    request: Request[ResultT],
    job: Job | None = None,
    *,
    warn: Warn | None = None,
    one_core: bool = False,
    limits: LimitsOf = limits_of,
    command: Sequence[str] = launch.COMMAND,
) -> ResultT:
    """Start a worker, run one job in it, and end it.

    Args:
        request: the job and its arguments.
        job: gets the progress and the figures; once it raises Cancelled the worker is asked to stop, and killed when
            it does not.
        warn: gets the sentence about a Keras that loses masks, before the job runs; None to ignore it.
        one_core: keep TensorFlow to one thread, where another worker runs at the same time.
        limits: returns the limits of the request; a worker that exceeds them is killed.
        command: program and arguments to run instead of the worker (tests).

    Raises:
        MaskscopeError: the job's own error, such as ModelError.
        WorkerError: the worker could not start, ended, or exceeded a limit.
        Cancelled: the job was cancelled.
    """
    job = NullJob() if job is None else job
    job.progress(0, 0, "starting TensorFlow")
    process = _Process(command, one_core)
    try:
        return cast(ResultT, _Run(process, job, limits, warn).result(request))
    finally:
        process.close()


@dataclass(frozen=True, slots=True)
class _Output:
    """What the process wrote; `data` is empty at the end of a stream."""

    stream: Literal["stdout", "stderr"]
    data: bytes


class _Process:
    """A worker process, whose output two threads put into one queue."""

    def __init__(self, command: Sequence[str], one_core: bool) -> None:
        try:
            self._process = subprocess.Popen(
                list(command),
                env=launch.environment() | (launch.ONE_CORE if one_core else {}),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        except OSError as error:
            raise WorkerError("the worker process can't be started", received=error.strerror or str(error)) from error
        self._outputs: queue.SimpleQueue[_Output] = queue.SimpleQueue()
        self._stdout = threading.Thread(target=self._read, args=("stdout", self._process.stdout), daemon=True)
        self._stderr = threading.Thread(target=self._read, args=("stderr", self._process.stderr), daemon=True)
        self._stdout.start()
        self._stderr.start()

    def memory(self) -> int:
        """Return its memory in bytes."""
        return process_memory(self._process.pid)

    def output(self, timeout: float) -> _Output | None:
        """Return what it wrote next; None when it wrote nothing for `timeout` seconds."""
        try:
            return self._outputs.get(timeout=timeout)
        except queue.Empty:
            return None

    def rest_of_stderr(self) -> bytes:
        """Return what is left of its standard error, once its standard output has ended."""
        self._stderr.join(_END_SECONDS)
        rest = b""
        while not self._outputs.empty():
            rest += self._outputs.get().data
        return rest

    def exit_code(self) -> int | None:
        """Wait for its end and return the code; None when a signal or a crash ended it."""
        code = self._process.wait()
        return None if code < 0 else code

    def write(self, data: bytes) -> None:
        """Write to its standard input; nothing happens when it has ended, which the end of its output shows."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(data)
            self._process.stdin.flush()
        except OSError:
            return

    def kill(self) -> None:
        """Kill it."""
        self._process.kill()

    def close(self) -> None:
        """Kill it, and leave no process, no thread and no pipe."""
        self._process.kill()
        self._process.wait(_END_SECONDS)
        for thread in (self._stdout, self._stderr):
            thread.join(_END_SECONDS)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            assert stream is not None
            # What was still to be written has no reader any more.
            with suppress(OSError):
                stream.close()

    def _read(self, name: Literal["stdout", "stderr"], stream: BufferedReader) -> None:
        while data := stream.read1(_CHUNK):
            self._outputs.put(_Output(name, data))
        self._outputs.put(_Output(name, b""))


class _Run:
    """One request, from the start of the process to its result."""

    def __init__(self, process: _Process, job: Job, limits: LimitsOf, warn: Warn | None) -> None:
        self._process, self._job, self._warn = process, job, warn
        self._conversation = Conversation(process.memory, limits)
        self._job_id = 0
        self._last_progress = Progress(0, 0, 0, "starting TensorFlow")
        self._cancelled = False

    def result(self, request: Request[Result]) -> Result:
        """Return the result of the job, reporting its progress meanwhile."""
        self._job_id = self._conversation.request(request)
        while True:
            for action in self._conversation.actions():
                if isinstance(action, JobDone):
                    return action.result
                if isinstance(action, JobFailed):
                    raise action.error
                if isinstance(action, JobCancelled):
                    raise Cancelled
                self._carry_out(action)
            self._receive(self._process.output(CHECK_SECONDS))
            self._conversation.check_limits()

    def _carry_out(self, action: Action) -> None:
        if isinstance(action, SendBytes):
            self._process.write(action.data)
        elif isinstance(action, KillProcess):
            self._process.kill()
        elif isinstance(action, Ready):
            if action.warning and self._warn is not None:
                self._warn(action.warning)
        elif isinstance(action, Progress):
            self._last_progress = action
            self._report(action)
        elif isinstance(action, Figure):
            self._report(action)

    def _receive(self, output: _Output | None) -> None:
        if output is None:
            # A job that was cancelled raises Cancelled at its next report, so there has to be one.
            self._report(self._last_progress)
        elif output.stream == "stderr":
            self._conversation.receive_log(output.data)
        elif output.data:
            self._conversation.receive_output(output.data)
        else:
            self._conversation.receive_log(self._process.rest_of_stderr())
            self._conversation.process_ended(self._process.exit_code())

    def _report(self, message: Progress | Figure) -> None:
        if self._cancelled:
            return
        try:
            if isinstance(message, Progress):
                self._job.progress(message.done, message.total, message.text)
            elif message.value is not None:
                self._job.figure(message.name, message.step, message.value)
        except Cancelled:
            self._cancelled = True
            self._conversation.cancel(self._job_id)
