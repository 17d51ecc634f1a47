"""The client's side of the protocol, without a process, a thread or a timer of its own.

The command line and the window each own a worker process and a `Conversation`. They call it for each event (a request,
a cancel, output of the process, its end, the time to check the limits), and carry out the actions that it returns.
"""

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

from maskscope import errors
from maskscope.errors import MaskscopeError, WorkerError
from maskscope.worker.launch import last_line
from maskscope.worker.limits import CANCEL_SECONDS, Limits, Watchdog, limits_of
from maskscope.worker.protocol import (
    CancelJob,
    CancelledReply,
    Done,
    Failed,
    Figure,
    FromWorker,
    Progress,
    Ready,
    RunJob,
    StartFailed,
    decode_from_worker,
    encode,
    job_id,
)
from maskscope.worker.requests import AnyRequest, PaddingRequest, RecoverRequest, Request, Result, TrainRequest

State: TypeAlias = Literal["off", "starting", "ready", "busy", "failed"]
LimitsOf: TypeAlias = Callable[[Request[Result]], Limits | None]

_LINES_KEPT = 40
_NOT_BUSY = PaddingRequest
"""Sent at each move of a slider and answered at once: shown as work, it would make the status line flicker."""
_SLOW_TO_CANCEL = (TrainRequest, RecoverRequest)
"""A cancelled training still writes its best epoch, so it is never killed for being slow to stop."""


@dataclass(frozen=True, slots=True)
class StartProcess:
    """Start the worker process."""


@dataclass(frozen=True, slots=True)
class SendBytes:
    """Write to the standard input of the process."""

    data: bytes


@dataclass(frozen=True, slots=True)
class KillProcess:
    """Kill the process; report its end as any other."""


@dataclass(frozen=True, slots=True)
class StateChanged:
    """The state is another."""

    state: State


@dataclass(frozen=True, slots=True)
class JobDone:
    """A job has ended with the result that belongs to its request."""

    id: int
    result: Result


@dataclass(frozen=True, slots=True)
class JobFailed:
    """A job has ended with an error."""

    id: int
    error: MaskscopeError


@dataclass(frozen=True, slots=True)
class JobCancelled:
    """A job has ended because it was cancelled; `late_result` is the result of one that ended first."""

    id: int
    late_result: Result | None = None


@dataclass(frozen=True, slots=True)
class UnexpectedError:
    """The traceback of an error that is not a MaskscopeError, for the developers."""

    traceback: str


Action: TypeAlias = (
    StartProcess
    | SendBytes
    | KillProcess
    | StateChanged
    | Ready
    | Progress
    | Figure
    | JobDone
    | JobFailed
    | JobCancelled
    | UnexpectedError
)
"""What the owner of the process does, or passes on."""


@dataclass(slots=True)
class _Pending:
    id: int
    request: Request[Result]
    limits: Limits | None
    sent: bool = False
    cancelled: bool = False


class Conversation:
    """Runs jobs in the order of the requests, and ends each in exactly one JobDone, JobFailed or JobCancelled.

    Args:
        memory: returns the memory of the process in bytes.
        limits: returns the limits of a request. The process of a job that exceeds them is killed, and so is that of a
            cancelled job, other than a training, that goes on for `limits.CANCEL_SECONDS`.
        clock: returns the time in seconds.

    Attributes:
        state: "off", "starting", "ready", "busy" or "failed"; requests about padding leave it "ready".
        error: why the process has ended, in one sentence; "" while it runs.
        warning: what the installed Keras does wrong with masks, in one sentence; "" for nothing.
        keras_version: of the installed Keras; "" before the process is ready.
    """

    def __init__(
        self,
        memory: Callable[[], int],
        limits: LimitsOf = limits_of,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._memory, self._limits, self._clock = memory, limits, clock
        self.state: State = "off"
        self.error = ""
        self.warning = ""
        self.keras_version = ""
        self._actions: deque[Action] = deque()
        self._pending: OrderedDict[int, _Pending] = OrderedDict()
        self._last_id = 0
        self._running = False
        self._ready = False
        self._partial_output = b""
        self._partial_log = b""
        self._log: deque[str] = deque(maxlen=_LINES_KEPT)
        self._watched: _Pending | None = None
        self._watchdog: Watchdog | None = None
        self._cancel_deadline: float | None = None
        self._killed_for: tuple[int, str] | None = None

    def actions(self) -> Iterator[Action]:
        """Yield what is to be done next, in order, until nothing is left; new actions may be added meanwhile."""
        while self._actions:
            yield self._actions.popleft()

    def log_lines(self) -> tuple[str, ...]:
        """Return the last lines that the process wrote to its standard error, and those that could not be decoded."""
        return tuple(self._log)

    @property
    def watching(self) -> bool:
        """True while `check_limits` is to be called every `limits.CHECK_SECONDS`."""
        return self._watchdog is not None or self._cancel_deadline is not None

    # What the program requests

    def start(self) -> None:
        """Start the process, unless it runs."""
        if self._running:
            return
        self._running, self._ready, self.error = True, False, ""
        self._partial_output, self._partial_log = b"", b""
        self._log.clear()
        self._set_state("starting")
        self._actions.append(StartProcess())

    def request(self, request: Request[Result]) -> int:
        """Run a job once those before it have ended, and return its id. Starts the process when there is none."""
        self._last_id += 1
        self._pending[self._last_id] = _Pending(self._last_id, request, self._limits(request))
        self.start()
        self._send_waiting()
        return self._last_id

    def cancel(self, job_id: int) -> None:
        """Cancel a job; JobCancelled follows once it has stopped. An id that is unknown, or has ended, is ignored."""
        pending = self._pending.get(job_id)
        if pending is None or pending.cancelled:
            return
        if not pending.sent:
            del self._pending[job_id]
            self._actions.append(JobCancelled(job_id))
            return
        pending.cancelled = True
        self._actions.append(SendBytes(encode(CancelJob(job_id))))
        self._watch_first()

    def close(self) -> None:
        """Forget every job and every action: the program ends the process, and hears of nothing any more."""
        self._pending.clear()
        self._actions.clear()
        self._running = self._ready = False
        self._killed_for = None
        self._watch_first()
        self._set_state("off")

    # What happens to the process

    def receive_output(self, data: bytes) -> None:
        """Take what the process wrote to its standard output."""
        *lines, self._partial_output = (self._partial_output + data).split(b"\n")
        for line in lines:
            try:
                message = decode_from_worker(line)
            except WorkerError as error:
                self._log.append(str(error))
                self._fail(job_id(line), error)
                continue
            self._receive(message)

    def receive_log(self, data: bytes) -> None:
        """Take what the process wrote to its standard error."""
        *lines, self._partial_log = (self._partial_log + data).split(b"\n")
        self._keep(lines)

    def start_failed(self, reason: str) -> None:
        """Note that the process could not be started."""
        self._end(f"The worker process can't be started: {reason}.")

    def process_ended(self, code: int | None) -> None:
        """Note that the process has ended, after all of its output; `code` is None when a signal or a crash ended it.

        The job that ran has failed. Those that wait run in a new process, unless this one did not even get ready.
        """
        self._keep([self._partial_log])
        how = "crashed or was killed" if code is None else f"ended with code {code}"
        reason = f"The worker process {how}; nothing in the project was changed.{last_line(self._log)}"
        if self._killed_for is not None:
            reason = self._killed_for[1]
        self._end(self.error or reason)

    def check_limits(self) -> None:
        """Kill the process when its job has exceeded a limit, or does not stop although it was cancelled."""
        reason = "" if self._watchdog is None else self._watchdog.exceeded()
        if not reason and self._cancel_deadline is not None and self._clock() > self._cancel_deadline:
            reason = "The job did not stop when it was cancelled, so its process was stopped."
        if reason and self._watched is not None:
            self._killed_for = (self._watched.id, reason)
            self._watchdog = self._cancel_deadline = None
            self._actions.append(KillProcess())

    # Inside

    def _set_state(self, state: State) -> None:
        if state != self.state:
            self.state = state
            self._actions.append(StateChanged(state))

    def _update_state(self) -> None:
        busy = any(not isinstance(pending.request, _NOT_BUSY) for pending in self._pending.values())
        self._set_state("busy" if busy else "ready")

    def _send_waiting(self) -> None:
        if not self._ready:
            return
        for pending in self._pending.values():
            if not pending.sent:
                pending.sent = True
                message = RunJob(pending.id, cast(AnyRequest, pending.request))
                self._actions.append(SendBytes(encode(message)))
        self._watch_first()
        self._update_state()

    def _watch_first(self) -> None:
        """Watch the job that runs now, which is the oldest."""
        if self._killed_for is not None:
            # Nothing is watched until the process has ended.
            return
        first = next(iter(self._pending.values()), None)
        if first is None or not first.sent:
            self._watched = self._watchdog = self._cancel_deadline = None
            return
        if first is not self._watched:
            self._watched, self._cancel_deadline = first, None
            self._watchdog = None if first.limits is None else Watchdog(first.limits, self._memory, self._clock)
        if first.cancelled and self._cancel_deadline is None and not isinstance(first.request, _SLOW_TO_CANCEL):
            self._cancel_deadline = self._clock() + CANCEL_SECONDS

    def _receive(self, message: FromWorker) -> None:
        if isinstance(message, Ready):
            self._ready, self.warning, self.keras_version = True, message.warning, message.keras
            self._set_state("ready")
            self._actions.append(message)
            self._send_waiting()
            return
        if isinstance(message, StartFailed):
            self.error = message.message
            return
        if isinstance(message, Failed) and message.id is None:
            self._log.append(message.message)
            return
        pending = self._pending.get(cast(int, message.id))
        if pending is None:
            # A message about a job that has ended already.
            return
        if self._watchdog is not None and pending is self._watched:
            self._watchdog.reset()
        if isinstance(message, Progress | Figure):
            if not pending.cancelled:
                self._actions.append(message)
            return
        del self._pending[pending.id]
        self._watch_first()
        self._update_state()
        self._end_job(pending, message)

    def _fail(self, failed: int | None, error: WorkerError) -> None:
        """End a job whose answer can't be decoded, since no other will come."""
        pending = None if failed is None else self._pending.pop(failed, None)
        if pending is not None:
            self._watch_first()
            self._update_state()
            self._actions.append(JobCancelled(pending.id) if pending.cancelled else JobFailed(pending.id, error))

    def _end_job(self, pending: _Pending, message: Done | Failed | CancelledReply) -> None:
        if isinstance(message, Failed) and message.detail:
            self._log.extend(message.detail.splitlines())
            self._actions.append(UnexpectedError(message.detail))
        if isinstance(message, Done) and isinstance(message.result, pending.request.result_type):
            ended = JobCancelled if pending.cancelled else JobDone
            self._actions.append(ended(pending.id, message.result))
        elif pending.cancelled or isinstance(message, CancelledReply):
            self._actions.append(JobCancelled(pending.id))
        elif isinstance(message, Failed):
            self._actions.append(JobFailed(pending.id, _error(message)))
        else:
            wanted, received = pending.request.result_type.__name__, type(message.result).__name__
            error = WorkerError("the worker sent the result of another job", expected=wanted, received=received)
            self._actions.append(JobFailed(pending.id, error))

    def _keep(self, lines: list[bytes]) -> None:
        decoded = (line.decode("utf-8", "replace").rstrip() for line in lines)
        self._log.extend(line for line in decoded if line)

    def _end(self, reason: str) -> None:
        # A process that did not get ready would not get ready for the other jobs either.
        lost = list(self._pending.values())[: 1 if self._ready else None]
        if self._killed_for is not None and self._killed_for[0] not in self._pending:
            # The job that exceeded a limit had ended by then, and no other is at fault.
            lost = []
        self._running = self._ready = False
        self._killed_for = None
        for pending in lost:
            del self._pending[pending.id]
        for pending in self._pending.values():
            pending.sent = False
        self._watch_first()
        self.error = reason
        self._set_state("failed")
        for pending in lost:
            failed = JobFailed(pending.id, WorkerError(reason.removesuffix(".")))
            self._actions.append(JobCancelled(pending.id) if pending.cancelled else failed)
        for pending in [each for each in self._pending.values() if each.cancelled]:
            del self._pending[pending.id]
            self._actions.append(JobCancelled(pending.id))
        if self._pending:
            self.start()


def _error(message: Failed) -> MaskscopeError:
    kind = getattr(errors, message.kind, None)
    if isinstance(kind, type) and issubclass(kind, MaskscopeError):
        return kind(message.message)
    return WorkerError(message.message)
