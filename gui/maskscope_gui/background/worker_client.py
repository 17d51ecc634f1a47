"""The window's client of the worker process, which TensorFlow runs in: when that crashes, the window goes on."""

import sys
from collections.abc import Sequence

from PySide6.QtCore import QObject, QProcess, QProcessEnvironment, QTimer, Signal

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
    StartProcess,
    State,
    StateChanged,
    UnexpectedError,
)
from maskscope.worker.limits import CHECK_SECONDS, limits_of, process_memory
from maskscope.worker.protocol import Figure, Progress, Ready
from maskscope.worker.requests import Request, Result
from maskscope_gui.background.tasks import fit_32_bits
from maskscope_gui.session.window_words import window_words

_CLOSE_MS = 2000
_KILL_MS = 3000


class WorkerClient(QObject):
    """Runs jobs in the worker, one at a time in the order of the requests.

    Args:
        command: program and arguments to run instead of the worker (tests).
        limits: returns the limits of a request; a worker whose job exceeds them is killed, and the job fails.

    Signals:
        state_changed: "off", "starting", "ready", "busy" or "failed"; requests about padding alone leave it "ready".
        ready: (version of Keras, version of TensorFlow).
        warned: (one sentence) the installed Keras drops masks; comes before `ready`, and stays in `warning`.
        progressed: (id, done, total, text); total is 0 when it is not known.
        figure_reported: (id, name, step, value); value is NaN when it was no finite number.
        done: (id, the result that belongs to the request).
        failed: (id, one sentence).
        cancelled: (id) the job has stopped, and what it had half done is removed.
        late: (id, result) the job had ended before the cancel reached it; `cancelled` follows.
            For the receiver that removes what the job has made.

    Each request ends in exactly one of `done`, `failed`, `cancelled`; nothing is emitted after `close`.
    """

    state_changed = Signal(str)
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
        command: Sequence[str] = launch.COMMAND,
        limits: LimitsOf = limits_of,
    ) -> None:
        super().__init__(parent)
        self._command = tuple(command)
        self._process: QProcess | None = None
        self._conversation = Conversation(lambda: process_memory(self.process_id), limits)
        self._limit_timer = QTimer(self)
        self._limit_timer.setInterval(round(1000 * CHECK_SECONDS))
        self._limit_timer.timeout.connect(self._check_limits)

    @property
    def state(self) -> State:
        """As in `state_changed`."""
        return self._conversation.state

    @property
    def error(self) -> str:
        """Why the worker has ended, in one sentence; "" while it runs."""
        return self._conversation.error

    @property
    def warning(self) -> str:
        """What the installed Keras does wrong with masks, in one sentence; "" for nothing, and before it is ready."""
        return self._conversation.warning

    @property
    def keras_version(self) -> str:
        """Version of Keras in the worker; "" before it is ready."""
        return self._conversation.keras_version

    @property
    def process_id(self) -> int:
        """Id of the worker process; 0 while there is none."""
        return 0 if self._process is None else int(self._process.processId())

    def log_lines(self) -> tuple[str, ...]:
        """Return the last lines that the worker wrote to its standard error."""
        return self._conversation.log_lines()

    def start(self) -> None:
        """Start the worker in the background, unless it runs."""
        self._conversation.start()
        self._carry_out_actions()

    def request(self, request: Request[Result]) -> int:
        """Ask for a job and return its id. The worker is started when there is none; until then the job waits."""
        job_id = self._conversation.request(request)
        self._carry_out_actions()
        return job_id

    def cancel(self, job_id: int) -> None:
        """Ask a job to stop; `cancelled` follows once it has. An id that is unknown, or has ended, is ignored."""
        self._conversation.cancel(job_id)
        self._carry_out_actions()

    def close(self) -> None:
        """End the worker, after two seconds by force; no job's end is emitted any more."""
        process, self._process = self._process, None
        self._conversation.close()
        if process is not None:
            process.blockSignals(True)
            if process.state() == QProcess.ProcessState.Starting:
                process.waitForStarted(_CLOSE_MS)
            process.closeWriteChannel()
            if process.state() != QProcess.ProcessState.NotRunning and not process.waitForFinished(_CLOSE_MS):
                process.kill()
                process.waitForFinished(_KILL_MS)
            process.deleteLater()
        self._carry_out_actions()

    def _carry_out_actions(self) -> None:
        for action in self._conversation.actions():
            self._carry_out(action)
        if self._conversation.watching != self._limit_timer.isActive():
            if self._conversation.watching:
                self._limit_timer.start()
            else:
                self._limit_timer.stop()

    def _carry_out(self, action: Action) -> None:
        match action:
            case StartProcess():
                self._start_process()
            case SendBytes(data=data):
                if self._process is not None:
                    self._process.write(data)
            case KillProcess():
                if self._process is not None:
                    self._process.kill()
            case StateChanged(state=state):
                self.state_changed.emit(state)
            case Ready():
                if action.warning:
                    self.warned.emit(action.warning)
                self.ready.emit(action.keras, action.tensorflow)
            case Progress():
                self.progressed.emit(action.id, *fit_32_bits(action.done, action.total), action.text)
            case Figure():
                value = float("nan") if action.value is None else action.value
                self.figure_reported.emit(action.id, action.name, action.step, value)
            case UnexpectedError(traceback=traceback):
                print(traceback, file=sys.stderr)
            case JobDone(id=job_id, result=result):
                self.done.emit(job_id, result)
            case JobFailed(id=job_id, error=error):
                self.failed.emit(job_id, window_words(str(error)))
            case JobCancelled(id=job_id, late_result=late_result):
                if late_result is not None:
                    self.late.emit(job_id, late_result)
                self.cancelled.emit(job_id)

    def _start_process(self) -> None:
        environment = QProcessEnvironment()
        for name, value in launch.environment().items():
            environment.insert(name, value)
        process = QProcess(self)
        process.setProcessEnvironment(environment)
        process.readyReadStandardOutput.connect(self._read_output)
        process.readyReadStandardError.connect(self._read_log)
        process.finished.connect(self._process_ended)
        process.errorOccurred.connect(self._process_failed)
        self._process = process
        process.start(self._command[0], list(self._command[1:]))

    def _check_limits(self) -> None:
        self._conversation.check_limits()
        self._carry_out_actions()

    def _read_output(self) -> None:
        if self._process is not None:
            self._conversation.receive_output(bytes(self._process.readAllStandardOutput().data()))
            self._carry_out_actions()

    def _read_log(self) -> None:
        if self._process is not None:
            self._conversation.receive_log(bytes(self._process.readAllStandardError().data()))

    def _process_failed(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart and self._process is not None:
            reason = self._process.errorString()
            self._forget_process()
            self._conversation.start_failed(reason)
            self._carry_out_actions()

    def _process_ended(self, code: int, status: QProcess.ExitStatus) -> None:
        if self._process is None:
            return
        self._conversation.receive_output(bytes(self._process.readAllStandardOutput().data()))
        self._read_log()
        self._forget_process()
        self._conversation.process_ended(None if status == QProcess.ExitStatus.CrashExit else code)
        self._carry_out_actions()

    def _forget_process(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.blockSignals(True)
            process.deleteLater()
