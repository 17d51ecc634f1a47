"""Searches the project for tokens and labels, in a thread; the result of an earlier search is dropped."""

from collections.abc import Callable

import numpy as np
from PySide6.QtCore import QObject, QRunnable, QThreadPool, QTimer, Signal, SignalInstance

from maskscope.errors import MaskscopeError
from maskscope.project import Project
from maskscope_gui.session.session import Session

_DELAY_MS = 180
"""So long after the last key press the search starts."""


class Search(QObject):
    """Restricts the session's list to the sentences that contain a text, or a label of that name."""

    _found = Signal(int, object)

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._text = ""
        self._number = 0
        self._pool = QThreadPool(self)
        self._pool.setMaxThreadCount(1)
        self._delay = QTimer(self)
        self._delay.setSingleShot(True)
        self._delay.setInterval(_DELAY_MS)
        self._delay.timeout.connect(self._start)
        self._found.connect(self._show)
        session.list_order.search_cleared.connect(self._cancel)

    def set_text(self, text: str) -> None:
        """Search for a text shortly after the last call; an empty text shows the whole list."""
        self._text = text.strip()
        self._number += 1
        if not self._text:
            self._delay.stop()
            self._session.list_order.set_found("", None)
            return
        self._delay.start()

    def close(self) -> None:
        """Stop, and wait for the thread."""
        self._cancel()
        self._pool.clear()
        self._pool.waitForDone()

    def _cancel(self) -> None:
        """Drop the result that is still to come."""
        self._text = ""
        self._number += 1
        self._delay.stop()

    def _start(self) -> None:
        if self._session.project is None:
            return
        number = self._number
        task = _SearchTask(self._session.project, self._text, number, lambda: self._number != number, self._found)
        self._pool.start(task)

    def _show(self, number: int, found: object) -> None:
        if number != self._number or self._session.project is None:
            return
        if isinstance(found, np.ndarray):
            self._session.list_order.set_found(self._text, found)
            if len(found) == 0:
                self._session.message_requested.emit(f"No sentence contains “{self._text}”.", "info")
        else:
            self._session.message_requested.emit(str(found), "error")


class _SearchTask(QRunnable):
    """Searches in a thread, and emits (number, sentence ids) or (number, error)."""

    def __init__(
        self, project: Project, text: str, number: int, outdated: Callable[[], bool], found: SignalInstance
    ) -> None:
        super().__init__()
        self._project, self._text, self._number = project, text, number
        self._outdated, self._found = outdated, found

    def run(self) -> None:
        """Search with a database connection of its own."""
        try:
            with self._project.reader() as reader:
                sentences = list(reader.find(self._text, self._outdated))
                for label, name in enumerate(reader.scheme.classes):
                    if name.casefold() == self._text.casefold():
                        sentences.extend(reader.find_label(label, self._outdated))
            self._found.emit(self._number, np.unique(np.array(sentences, dtype=np.int64)))
        except MaskscopeError as error:
            self._found.emit(self._number, str(error))
