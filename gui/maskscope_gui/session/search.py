"""Finding tokens and labels off the window's thread; an answer to an earlier question is dropped."""

from collections.abc import Callable

import numpy as np
from PySide6.QtCore import QObject, QRunnable, QThreadPool, QTimer, Signal

from maskscope.errors import MaskscopeError
from maskscope.project import Project
from maskscope_gui.session.session import Session

_REST_MS = 180


class Search(QObject):
    """Restricts the session's list to what a person types. A label's name finds the sentences that carry it, too."""

    _arrived = Signal(int, object)

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._text = ""
        self._request = 0
        self._pool = QThreadPool(self)
        self._pool.setMaxThreadCount(1)
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_REST_MS)
        self._rest.timeout.connect(self._start)
        self._arrived.connect(self._take)
        session.list_order.search_cleared.connect(self._forget)

    def set_text(self, text: str) -> None:
        """Search once the hand rests; an empty text shows the whole list again."""
        self._text = text.strip()
        self._request += 1
        if not self._text:
            self._rest.stop()
            self._session.list_order.set_found("", None)
            return
        self._rest.start()

    def close(self) -> None:
        """Stop, and wait for what still runs."""
        self._forget()
        self._pool.clear()
        self._pool.waitForDone()

    def _forget(self) -> None:
        """The whole list is wanted again: an answer that is still to come must not take it away."""
        self._text = ""
        self._request += 1
        self._rest.stop()

    def _start(self) -> None:
        if self._session.project is None:
            return
        request = self._request
        self._pool.start(
            _FindTask(self._session.project, self._text, lambda: self._request != request, self._answer(request))
        )

    def _answer(self, request: int) -> "_Answer":
        return _Answer(request, self._arrived)

    def _take(self, request: int, found: object) -> None:
        if request != self._request or self._session.project is None:
            return
        if isinstance(found, np.ndarray):
            self._session.list_order.set_found(self._text, found)
            if len(found) == 0:
                self._session.message_requested.emit(f"No sentence holds “{self._text}”.", "info")
        else:
            self._session.message_requested.emit(str(found), "error")


class _Answer:
    def __init__(self, request: int, signal: object) -> None:
        self._request, self._signal = request, signal

    def __call__(self, found: object) -> None:
        self._signal.emit(self._request, found)  # type: ignore[attr-defined]


class _FindTask(QRunnable):
    def __init__(self, project: Project, text: str, stale: Callable[[], bool], answer: _Answer) -> None:
        super().__init__()
        self._project, self._text, self._stale, self._answer = project, text, stale, answer

    def run(self) -> None:
        """Read through the project, on its own connection."""
        try:
            with self._project.reader() as reader:
                found = list(reader.find(self._text, self._stale))
                labels = [
                    code for code, name in enumerate(reader.scheme.classes) if name.casefold() == self._text.casefold()
                ]
                for code in labels:
                    found.extend(reader.find_label(code, self._stale))
            self._answer(np.unique(np.array(found, dtype=np.int64)))
        except MaskscopeError as error:
            self._answer(str(error))
