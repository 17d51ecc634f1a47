"""Saves the part of a model's file up to its last known layer, in the worker."""

from pathlib import Path

from PySide6.QtCore import QObject, Signal

from maskscope.worker.requests import CutModelRequest, CutModelResult
from maskscope_gui.background.worker_client import WorkerClient
from maskscope_gui.session.session import Session


class CutModelJob(QObject):
    """Runs one such job at a time; an error is shown as a message of the session.

    Attributes:
        job: id of the running job; None for none.

    Signals:
        progressed: (text) for the status line; "" once nothing runs.
        saved: (file) the part is written.
    """

    progressed = Signal(str)
    saved = Signal(Path)

    def __init__(self, session: Session, client: WorkerClient, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.session, self.client = session, client
        self.job: int | None = None
        self._file = self._out = Path()
        client.done.connect(self._done)
        client.failed.connect(self._failed)
        client.cancelled.connect(self._cancelled)

    def start(self, file: Path, out: Path) -> None:
        """Write the known part of `file` to `out`, which must not be there yet."""
        if self.job is not None:
            self.session.message_requested.emit(f"Not saved: {self._out.name} is still being written.", "error")
            return
        self._file, self._out = file, out
        self.job = self.client.request(CutModelRequest(file, out))
        self.progressed.emit(f"Saving the known part of {file.name} · Esc cancels")

    def cancel(self) -> bool:
        """Cancel; return False when nothing is being saved."""
        if self.job is None:
            return False
        self.client.cancel(self.job)
        return True

    def _done(self, job: int, result: object) -> None:
        if job == self.job and isinstance(result, CutModelResult):
            self._end(f"Saved {self._out.name}: {self._file.name} up to its layer {result.layer!r}.", "info")
            self.saved.emit(self._out)

    def _failed(self, job: int, error: str) -> None:
        if job == self.job:
            self._end(f"Not saved: {error}", "error")

    def _cancelled(self, job: int) -> None:
        if job == self.job:
            self._end(f"Saving {self._out.name} was cancelled.", "info")

    def _end(self, message: str, kind: str) -> None:
        self.job = None
        self.progressed.emit("")
        self.session.message_requested.emit(message, kind)
