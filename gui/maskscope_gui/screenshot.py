"""A picture of the window, made without showing one."""

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from maskscope.errors import MaskscopeError

if TYPE_CHECKING:
    from maskscope_gui.shell.main_window import MainWindow

_TIMEOUT_S = 10.0
_KERAS_TIMEOUT_S = 90.0
"""Where the worker is needed, which has to start TensorFlow first."""
_POLL_MS = 50


def screenshot(
    project: Path,
    file: Path,
    sentence: int | None = None,
    size: tuple[int, int] = (1440, 900),
    theme: str | None = None,
    page: str = "sentence",
) -> None:
    """Write a PNG of the window on `project`, as it looks once everything is computed and painted.

    Args:
        project: a project folder.
        file: the PNG to write.
        sentence: which sentence is on screen; None for the first of the list.
        size: width and height in pixels.
        theme: "light" or "dark"; None for the system's.
        page: name of a page. For "audit" the model is audited, and for "picture" it is traced first.

    Raises ProjectError, or MaskscopeError when the picture can't be written.
    """
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from maskscope_gui.app import Program, make_application
    from maskscope_gui.page_table import PAGE_NAMES, SENTENCE_PAGE
    from maskscope_resources.colours import DARK, LIGHT

    make_application()
    program = Program({"light": LIGHT, "dark": DARK}.get(theme or ""))
    window = program.window
    try:
        program.session.open(project)
        if sentence is not None:
            program.session.cursor.reveal(sentence)
        window.add_curve()
        window.resize(*size)
        window.show()
        if page == "audit":
            program.audit_job.start()
        window.pages.show_page(page if page in PAGE_NAMES else SENTENCE_PAGE)
        _wait_until_settled(window, needs_worker=program.experiment.in_keras or page in ("audit", "picture"))
        if not window.grab().save(str(file)):
            raise MaskscopeError(
                "the picture can't be written; is the folder there, and does the name end in .png?", file=file
            )
    finally:
        program.close()
        program.session.close()
        window.deleteLater()


def _wait_until_settled(window: "MainWindow", *, needs_worker: bool) -> None:
    """Process events until page and padding panel have nothing more to compute, or for as long as the timeout."""
    from PySide6.QtCore import QCoreApplication, QEventLoop

    experiment = window.experiment
    end = time.monotonic() + (_KERAS_TIMEOUT_S if needs_worker else _TIMEOUT_S)
    while time.monotonic() < end:
        QCoreApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, _POLL_MS)
        page_is_busy = window.pages.shown is not None and window.pages.shown.busy
        padding_is_busy = (
            experiment.curves is None and not experiment.error and bool(experiment.run or experiment.waiting)
        )
        if not page_is_busy and not padding_is_busy:
            break
    QCoreApplication.processEvents()
