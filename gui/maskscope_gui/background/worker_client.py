"""The window's end of the worker process, in which TensorFlow lives: it may crash or be killed, the window goes on."""

import sys
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from PySide6.QtCore import QObject, QProcess, QProcessEnvironment, QTimer, Signal

from maskscope.errors import WorkerError
from maskscope.worker import launch
from maskscope.worker.limits import CANCEL_SECONDS, LOOK_SECONDS, Limits, Watchdog, limits_of
from maskscope.worker.protocol import (
    Cancel,
    CancelledReply,
    Done,
    Event,
    Failed,
    Figure,
    Progress,
    Ready,
    Request,
    Value,
    decode_event,
)
from maskscope_gui.background.tasks import fitting

State: TypeAlias = Literal["off", "starting", "ready", "busy", "failed"]

_LINES_KEPT = 40
_QUIET = frozenset({"padding"})
"""Asked at each move of a slider, and answered at once: to tell of it as work would make the status line flicker."""
_POLITE_MS = 2000
_KILL_MS = 3000


@dataclass(slots=True)
class _Pending:
    request: Request
    limits: Limits | None = None
    sent: bool = False
    cancelled: bool = False


class WorkerClient(QObject):
    """Runs the jobs of `maskscope.worker.jobs`, one at a time in the order in which they were asked for.

    Args:
        command: program and arguments to run instead of the worker (tests).
        limits: of time and memory, by a job's name and arguments; beyond them the worker is killed and the job fails
            with one sentence. A job with limits that does not stop when it is cancelled is killed, too.

    Signals:
        stateChanged: "off", "starting", "ready", "busy" or "failed"; questions about padding alone keep it "ready".
        ready: (version of Keras, version of TensorFlow).
        warned: (one sentence) this Keras loses masks; comes before `ready`, and stays in `warning`.
        progressed: (id, done, total, text); total is 0 when it is not known.
        figure_reported: (id, name, step, value); value is NaN when it was no finite number.
        done: (id, dict of results).
        failed: (id, one sentence).
        cancelled: (id) the job has stopped and taken away what was half done.
        late: (id, dict of results) the job ended before it heard that it was cancelled; `cancelled` follows.
            For the one who must take the result away.

    Each request ends in exactly one of `done`, `failed`, `cancelled`; none comes after `close`.
    """

    stateChanged = Signal(str)
    ready = Signal(str, str)
    warned = Signal(str)
    progressed = Signal(int, int, int, str)
    figure_reported = Signal(int, str, int, float)
    done = Signal(int, object)
    failed = Signal(int, str)
    cancelled = Signal(int)
    late = Signal(int, object)

    def __init__(
        self,
        parent: QObject | None = None,
        command: Sequence[str] | None = None,
        limits: Callable[[str, Mapping[str, Value]], Limits | None] = limits_of,
    ) -> None:
        super().__init__(parent)
        self._command = tuple(command) if command is not None else launch.COMMAND
        self._limits = limits
        self._watchdog: Watchdog | None = None
        self._watched = ""
        self._stopped: tuple[str, str] | None = None
        self._look = QTimer(self)
        self._look.setInterval(round(1000 * LOOK_SECONDS))
        self._look.timeout.connect(self._watch)
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.setInterval(round(1000 * CANCEL_SECONDS))
        self._patience.timeout.connect(self._stop_cancelled)
        self._process: QProcess | None = None
        self._greeted = False
        self._pending: OrderedDict[str, _Pending] = OrderedDict()
        self._last_id = 0
        self._out = b""
        self._lines: deque[str] = deque(maxlen=_LINES_KEPT)
        self.state: State = "off"
        self.error = ""
        self.warning = ""

    @property
    def process_id(self) -> int:
        """Of the worker; 0 while there is none."""
        return 0 if self._process is None else int(self._process.processId())

    def last_lines(self) -> tuple[str, ...]:
        """What the worker wrote on its standard error last."""
        return tuple(self._lines)

    def start(self) -> None:
        """Start the worker in the background, unless it runs."""
        if self._process is not None:
            return
        self._greeted, self._out, self.error = False, b"", ""
        self._lines.clear()
        process = QProcess(self)
        process.setProcessEnvironment(_environment())
        process.readyReadStandardOutput.connect(self._read)
        process.readyReadStandardError.connect(self._keep_lines)
        process.finished.connect(self._ended)
        process.errorOccurred.connect(self._error)
        self._process = process
        self._set_state("starting")
        process.start(self._command[0], list(self._command[1:]))

    def request(self, job: str, **arguments: Value) -> int:
        """Ask for a job and return its id. The worker is started when there is none; until then the job waits.

        Args:
            job: a name of `maskscope.worker.jobs.JOBS`.
            arguments: as that job takes them.
        """
        self._last_id += 1
        request = Request(str(self._last_id), job, tuple(arguments.items()))
        self._pending[request.id] = _Pending(request, self._limits(job, arguments))
        if self._process is None:
            self.start()
        else:
            self._send_waiting()
        return self._last_id

    def cancel(self, request_id: int) -> None:
        """Ask a job to stop; `cancelled` follows once it has. An id that is unknown, or done with, is ignored."""
        pending = self._pending.get(str(request_id))
        if pending is None or pending.cancelled:
            return
        if not pending.sent:
            del self._pending[pending.request.id]
            self.cancelled.emit(request_id)
            return
        pending.cancelled = True
        self._write(Cancel(pending.request.id).encode())
        self._attend()

    def close(self) -> None:
        """End the worker and leave nothing: first politely, after two seconds with force. Says nothing any more."""
        self._pending.clear()
        self._attend()
        process, self._process = self._process, None
        if process is not None:
            process.blockSignals(True)
            if process.state() == QProcess.ProcessState.Starting:
                process.waitForStarted(_POLITE_MS)
            process.closeWriteChannel()
            if process.state() != QProcess.ProcessState.NotRunning and not process.waitForFinished(_POLITE_MS):
                process.kill()
                process.waitForFinished(_KILL_MS)
            process.deleteLater()
        self._set_state("off")

    def _set_state(self, state: State) -> None:
        if state != self.state:
            self.state = state
            self.stateChanged.emit(state)

    def _state_now(self) -> State:
        return "busy" if any(pending.request.job not in _QUIET for pending in self._pending.values()) else "ready"

    def _write(self, line: str) -> None:
        if self._process is not None:
            self._process.write(line.encode("ascii"))

    def _send_waiting(self) -> None:
        if not self._greeted:
            return
        for pending in self._pending.values():
            if not pending.sent:
                pending.sent = True
                self._write(pending.request.encode())
        self._attend()
        self._set_state(self._state_now())

    # Limits

    def _attend(self) -> None:
        """Watch the job that runs now, which is the oldest, when it has limits."""
        head = next(iter(self._pending.values()), None)
        watched = head if head is not None and head.sent and head.limits is not None else None
        if watched is None or watched.limits is None:
            self._watchdog, self._watched = None, ""
            self._look.stop()
            self._patience.stop()
            return
        if watched.request.id != self._watched:
            self._watchdog, self._watched = Watchdog(self.process_id, watched.limits), watched.request.id
            self._look.start()
            self._patience.stop()
        if watched.cancelled and not self._patience.isActive():
            self._patience.start()

    def _watch(self) -> None:
        words = self._watchdog.look() if self._watchdog is not None else ""
        if words:
            self._stop(words)

    def _stop_cancelled(self) -> None:
        self._stop("The job did not stop when it was cancelled, so its process was stopped.")

    def _stop(self, words: str) -> None:
        self._look.stop()
        self._patience.stop()
        self._stopped = (self._watched, words)
        if self._process is not None:
            self._process.kill()

    # What the worker says

    def _read(self) -> None:
        process = self._process
        if process is None:
            return
        self._out += bytes(process.readAllStandardOutput().data())
        *lines, self._out = self._out.split(b"\n")
        for line in lines:
            try:
                event = decode_event(line.decode("utf-8", "replace"))
            except WorkerError as error:
                self._lines.append(str(error))
                continue
            self._take(event)
            if self._process is not process:
                # A slot closed the client, or restarted it.
                return

    def _take(self, event: Event) -> None:
        if isinstance(event, Ready):
            self._greeted = True
            self.warning = event.warning
            self._set_state("ready")
            if event.warning:
                self.warned.emit(event.warning)
            self.ready.emit(event.keras, event.tensorflow)
            self._send_waiting()
            return
        if isinstance(event, Failed) and not event.id:
            self.error = event.message
            return
        pending = self._pending.get(event.id)
        if pending is None:
            # Of a job that is done with; nobody waits for it.
            return
        number = int(event.id)
        if self._watchdog is not None and event.id == self._watched:
            self._watchdog.heard()
        if isinstance(event, Progress):
            if not pending.cancelled:
                self.progressed.emit(number, *fitting(event.done, event.total), event.text)
        elif isinstance(event, Figure):
            if not pending.cancelled:
                value = float("nan") if event.value is None else event.value
                self.figure_reported.emit(number, event.name, event.step, value)
        else:
            del self._pending[event.id]
            self._attend()
            self._set_state(self._state_now())
            self._tell_end(number, event, pending.cancelled)

    def _tell_end(self, number: int, event: Done | Failed | CancelledReply, was_cancelled: bool) -> None:
        if isinstance(event, Failed):
            if event.detail:
                self._lines.extend(event.detail.splitlines())
                print(event.detail, file=sys.stderr)
            if not was_cancelled:
                self.failed.emit(number, event.message)
                return
        elif isinstance(event, Done):
            if not was_cancelled:
                self.done.emit(number, dict(event.result))
                return
            self.late.emit(number, dict(event.result))
        self.cancelled.emit(number)

    def _keep_lines(self) -> None:
        if self._process is not None:
            text = bytes(self._process.readAllStandardError().data()).decode("utf-8", "replace")
            self._lines.extend(line.rstrip() for line in text.splitlines() if line.strip())

    # When it ends

    def _error(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart and self._process is not None:
            self._gone(f"The worker process can't be started: {self._process.errorString()}.")

    def _ended(self, code: int, status: QProcess.ExitStatus) -> None:
        if self._process is None:
            return
        self._read()
        self._keep_lines()
        if self.error:
            self._gone(self.error)
            return
        if self._stopped is not None:
            self._gone(self._stopped[1])
            return
        how = "crashed or was killed" if status == QProcess.ExitStatus.CrashExit else f"ended with code {code}"
        self._gone(
            f"The worker process {how}; nothing in the project was changed, and the next job starts it anew."
            f"{launch.last_words(self._lines)}"
        )

    def _gone(self, why: str) -> None:
        """The process is no more: the job that ran has failed; what waited behind it gets a new process."""
        greeted = self._greeted
        process, self._process = self._process, None
        if process is not None:
            process.blockSignals(True)
            process.deleteLater()
        self._greeted = False
        # A worker that could not even start would not start for the others either.
        lost = list(self._pending.values())[: 1 if greeted else None]
        if self._stopped is not None and self._stopped[0] not in self._pending:
            # The job that was to be stopped had ended by then, and no other is to blame.
            lost = []
        self._stopped = None
        for pending in lost:
            del self._pending[pending.request.id]
        for pending in self._pending.values():
            pending.sent = False
        self._attend()
        self.error = why
        self._set_state("failed")
        for pending in lost:
            number = int(pending.request.id)
            if pending.cancelled:
                self.cancelled.emit(number)
            else:
                self.failed.emit(number, why)
        for waiting in [number for number, pending in self._pending.items() if pending.cancelled]:
            del self._pending[waiting]
            self.cancelled.emit(int(waiting))
        if self._pending and self._process is None:
            self.start()


def _environment() -> QProcessEnvironment:
    environment = QProcessEnvironment()
    for name, value in launch.environment().items():
        environment.insert(name, value)
    return environment
