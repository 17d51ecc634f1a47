"""`python -m maskscope.worker`: runs jobs, one at a time, until its standard input closes."""

import contextlib
import os
import queue
import signal
import sys
import threading
import time
import traceback
from typing import TextIO

from maskscope.errors import Cancelled, MaskscopeError, WorkerError
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
    decode_request,
    encode_event,
)

_REPORT_SECONDS = 0.05
_GRACE_SECONDS = 10.0


class Channel:
    """Writes events on what was standard output; whatever libraries print goes to standard error instead."""

    def __init__(self) -> None:
        sys.stdout.flush()
        self._out: TextIO = os.fdopen(os.dup(1), "w", encoding="ascii", newline="\n")
        # also for what is printed below Python, by TensorFlow's own code
        os.dup2(2, 1)
        sys.stdout = sys.stderr
        self._lock = threading.Lock()

    def send(self, event: Event) -> None:
        """Write one event, at once. Raises Cancelled when nobody reads any more."""
        with self._lock:
            try:
                self._out.write(encode_event(event))
                self._out.flush()
            except OSError as error:
                raise Cancelled from error


class Inbox:
    """Reads requests in a thread of its own, so that a cancel is seen while a job runs."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._requests: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._cancelled: set[str] = set()
        self._closed = threading.Event()
        threading.Thread(target=self._read, name="requests", daemon=True).start()

    def next(self) -> Request | None:
        """The next request, waiting for it; None when there will be no more."""
        return self._requests.get()

    def cancelled(self, job_id: str) -> bool:
        """Whether the job was cancelled, or the one who asked for it is gone."""
        return self._closed.is_set() or job_id in self._cancelled

    def _read(self) -> None:
        for line in sys.stdin.buffer:
            try:
                message = decode_request(line.decode("utf-8"))
            except (WorkerError, UnicodeDecodeError) as error:
                with contextlib.suppress(Cancelled):
                    self._channel.send(Failed("", type(error).__name__, str(error)))
                continue
            if isinstance(message, Cancel):
                self._cancelled.add(message.id)
            else:
                self._requests.put(message)
        self._closed.set()
        self._requests.put(None)
        # a running job sees it at its next report and tidies up; one that never reports is not waited for
        time.sleep(_GRACE_SECONDS)
        os._exit(1)


class WireJob:
    """A job whose reports go over the wire: progress at most every 50 ms, but each new text and the end always."""

    def __init__(self, channel: Channel, inbox: Inbox, job_id: str) -> None:
        self._channel = channel
        self._inbox = inbox
        self._id = job_id
        self._last = 0.0
        self._text = ""

    def progress(self, done: int, total: int, text: str = "") -> None:
        """Report; raise Cancelled when asked to stop."""
        self.check()
        now = time.monotonic()
        if now - self._last >= _REPORT_SECONDS or done == total or text != self._text:
            self._last, self._text = now, text
            self._channel.send(Progress(self._id, int(done), int(total), text))

    def figure(self, name: str, step: int, value: float) -> None:
        """Report; raise Cancelled when asked to stop."""
        self.check()
        self._channel.send(Figure(self._id, name, int(step), float(value)))

    def check(self) -> None:
        """Raise Cancelled when asked to stop."""
        if self._inbox.cancelled(self._id):
            raise Cancelled


def run(request: Request, channel: Channel, inbox: Inbox) -> Event:
    """Run one job; whatever it raises becomes its answer."""
    from maskscope.worker.jobs import JOBS

    function = JOBS.get(request.job)
    if function is None:
        return Failed(request.id, "WorkerError", f"there is no job {request.job!r}; there is {', '.join(JOBS)}")
    job = WireJob(channel, inbox, request.id)
    try:
        job.check()
        return Done(request.id, function(dict(request.arguments), job))
    except Cancelled:
        return CancelledReply(request.id)
    except MaskscopeError as error:
        return Failed(request.id, type(error).__name__, str(error))
    except MemoryError:
        return Failed(request.id, "MemoryError", "the job needs more memory than there is")
    except Exception as error:  # noqa: BLE001 - the process must live on, and the window must hear of it
        words = f"the job failed: {type(error).__name__}: {error}"
        return Failed(request.id, type(error).__name__, words, traceback.format_exc())


def main() -> int:
    """Import TensorFlow, say that it is there and what Keras does to masks, and run jobs until the input ends."""
    # Ctrl+C in a terminal goes to every process of the group; the program that started this one decides
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    channel = Channel()
    inbox = Inbox(channel)
    try:
        try:
            from maskscope.keras_io import keras_model
            from maskscope.keras_io.keras_check import keras_trouble
        except ImportError as error:
            channel.send(Failed("", "ImportError", f"TensorFlow can't be imported: {error}", traceback.format_exc()))
            return 1
        channel.send(Ready(keras_model.KERAS_VERSION, keras_model.TENSORFLOW_VERSION, keras_trouble()))
        while (request := inbox.next()) is not None:
            channel.send(run(request, channel, inbox))
    except Cancelled:
        return 0
    return 0


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    # TensorFlow's threads can hang at exit, and nothing here is left to be saved
    os._exit(code)
