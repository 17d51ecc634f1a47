"""What the status line shows of the worker process, in which TensorFlow runs."""

from PySide6.QtCore import QObject

from maskscope_gui.background.worker_client import WorkerClient
from maskscope_gui.session.session import Session
from maskscope_gui.shell.status import StatusLine
from maskscope_gui.widgets.base import plain_tip

_STATES = {
    "off": "",
    "starting": "TensorFlow is starting…",
    "ready": "TensorFlow ready",
    "busy": "TensorFlow is working",
    "failed": "TensorFlow failed",
}


class WorkerStatus(QObject):
    """Shows the state of the worker, and reports once that the installed Keras loses masks."""

    def __init__(self, client: WorkerClient, status_line: StatusLine, session: Session, parent: QObject) -> None:
        super().__init__(parent)
        self._client, self._status_line, self._session = client, status_line, session
        self._reported = ""
        client.state_changed.connect(self._show_state)
        client.warned.connect(self._report)

    def _show_state(self, state: str) -> None:
        runs = state in ("ready", "busy")
        drops_masks = runs and bool(self._client.warning)
        text = f"{_STATES[state]}; Keras {self._client.keras_version} drops masks" if drops_masks else _STATES[state]
        self._status_line.set_worker(text)
        tip = self._client.error or (self._client.warning if runs else "")
        self._status_line.worker.setToolTip(plain_tip(tip) if tip else "")

    def _report(self, warning: str) -> None:
        # The worker says it at each of its starts.
        if warning != self._reported:
            self._reported = warning
            self._session.message_requested.emit(warning, "error")
