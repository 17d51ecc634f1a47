"""`python -m maskscope.worker`: runs jobs, one at a time, until its standard input ends."""

import contextlib
import os
import queue
import signal
import sys
import threading
import time
import traceback
from typing import cast

from maskscope.errors import Cancelled, MaskscopeError, WorkerError
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
    decode_to_worker,
    encode,
    job_id,
)
from maskscope.worker.requests import AnyResult

_REPORT_SECONDS = 0.05
_GRACE_SECONDS = 10.0


class Channel:
    """Writes messages to the standard output; what libraries print goes to the standard error instead."""

    def __init__(self) -> None:
        sys.stdout.flush()
        self._out = os.fdopen(os.dup(1), "wb")
        # Also for what TensorFlow's native code writes.
        os.dup2(2, 1)
        sys.stdout = sys.stderr
        self._lock = threading.Lock()

    def send(self, message: FromWorker) -> None:
        """Write one message at once. Raises Cancelled when nobody reads it any more."""
        with self._lock:
            try:
                self._out.write(encode(message))
                self._out.flush()
            except OSError as error:
                raise Cancelled from error


class Inbox:
    """Reads messages in a thread of its own, so that a cancel is seen while a job runs."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._jobs: queue.SimpleQueue[RunJob | None] = queue.SimpleQueue()
        self._cancelled: set[int] = set()
        self._closed = threading.Event()
        threading.Thread(target=self._read, name="requests", daemon=True).start()

    def next(self) -> RunJob | None:
        """Wait for the next job and return it; None when there will be no more."""
        return self._jobs.get()

    def cancelled(self, job: int) -> bool:
        """Return whether the job was cancelled, or its client is gone."""
        return self._closed.is_set() or job in self._cancelled

    def _read(self) -> None:
        for line in sys.stdin.buffer:
            try:
                message = decode_to_worker(line)
            except WorkerError as error:
                with contextlib.suppress(Cancelled):
                    self._channel.send(Failed(job_id(line), type(error).__name__, str(error)))
                continue
            if isinstance(message, CancelJob):
                self._cancelled.add(message.id)
            else:
                self._jobs.put(message)
        self._closed.set()
        self._jobs.put(None)
        # A running job sees it at its next report and removes what is half done; one that never reports is killed.
        time.sleep(_GRACE_SECONDS)
        os._exit(1)


class ChannelJob:
    """A job that reports to the client: progress at most every 50 ms, but each new text and the end always."""

    def __init__(self, channel: Channel, inbox: Inbox, id: int) -> None:
        self._channel = channel
        self._inbox = inbox
        self._id = id
        self._last_sent = 0.0
        self._text = ""

    def progress(self, done: int, total: int, text: str = "") -> None:
        """Send the progress. Raises Cancelled when the job was cancelled."""
        self.check()
        now = time.monotonic()
        if now - self._last_sent >= _REPORT_SECONDS or done == total or text != self._text:
            self._last_sent, self._text = now, text
            self._channel.send(Progress(self._id, int(done), int(total), text))

    def figure(self, name: str, step: int, value: float) -> None:
        """Send a figure. Raises Cancelled when the job was cancelled."""
        self.check()
        self._channel.send(Figure(self._id, name, int(step), float(value)))

    def check(self) -> None:
        """Raise Cancelled when the job was cancelled."""
        if self._inbox.cancelled(self._id):
            raise Cancelled


def run(message: RunJob, channel: Channel, inbox: Inbox) -> Done | Failed | CancelledReply:
    """Run one job and return its answer: the result, or the error that it raised."""
    from maskscope.worker.jobs import run_request

    job = ChannelJob(channel, inbox, message.id)
    try:
        job.check()
        return Done(message.id, cast(AnyResult, run_request(message.request, job)))
    except Cancelled:
        return CancelledReply(message.id)
    except MaskscopeError as error:
        return Failed(message.id, type(error).__name__, str(error))
    except MemoryError:
        return Failed(message.id, "MemoryError", "the job needs more memory than there is")
    except Exception as error:  # noqa: BLE001 - the process goes on, and the client reports the error
        text = f"the job failed: {type(error).__name__}: {error}"
        return Failed(message.id, type(error).__name__, text, traceback.format_exc())


def main() -> int:
    """Import TensorFlow, send what Keras does to masks, and run jobs until the standard input ends."""
    # Ctrl+C in a terminal goes to every process of the group; the program that started this one decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    channel = Channel()
    inbox = Inbox(channel)
    try:
        try:
            from maskscope.keras_io import keras_model
            from maskscope.keras_io.keras_check import keras_mask_warning
        except ImportError as error:
            channel.send(StartFailed(f"TensorFlow can't be imported: {error}", traceback.format_exc()))
            return 1
        channel.send(Ready(keras_model.KERAS_VERSION, keras_model.TENSORFLOW_VERSION, keras_mask_warning()))
        while (message := inbox.next()) is not None:
            channel.send(run(message, channel, inbox))
    except Cancelled:
        return 0
    return 0


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    # TensorFlow's threads can hang at exit, and nothing is left to be saved.
    os._exit(code)
