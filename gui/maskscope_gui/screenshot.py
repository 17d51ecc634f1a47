"""A picture of the window, made without showing one."""

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from maskscope.errors import MaskscopeError

if TYPE_CHECKING:
    from maskscope_gui.background.worker_client import WorkerClient
    from maskscope_gui.shell.main_window import MainWindow

_PATIENCE_S = 10.0
_KERAS_PATIENCE_S = 90.0
"""TensorFlow has to start first."""


def _audit(window: "MainWindow", client: "WorkerClient") -> None:
    """Have the model audited, on a page that shows it."""
    from maskscope_gui.background.audit_job import AuditJob
    from maskscope_gui.pages.audit.audit_page import AuditPage
    from maskscope_gui.shell.desk import show_verdict

    auditing = AuditJob(window.session, client, window)
    window.page_makers["audit"] = lambda: AuditPage(window.session, auditing, window.settings, window.look)
    auditing.changed.connect(lambda: show_verdict(window, auditing))
    auditing.start()


def screenshot(
    project: Path,
    file: Path,
    sentence: int | None = None,
    size: tuple[int, int] = (1440, 900),
    theme: str | None = None,
    page: str = "sentence",
) -> None:
    """Write a PNG of the window on `project`, as it looks once everything is painted.

    Args:
        project: a project folder.
        file: the PNG to write.
        sentence: which sentence is on screen; None for the first of the list.
        size: width and height in pixels.
        theme: "light" or "dark"; None for the system's.
        page: "sentence", "evaluation", "models" or "audit"; the audit is made first.

    Raises ProjectError, or MaskscopeError when the picture can't be written.
    """
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from PySide6.QtCore import QCoreApplication, QEventLoop

    from maskscope_gui.app import make_application, make_window
    from maskscope_gui.background.worker_client import WorkerClient
    from maskscope_gui.page_table import PAGE_NAMES, SENTENCE_PAGE
    from maskscope_resources.colours import DARK, LIGHT

    make_application()
    window, commands = make_window({"light": LIGHT, "dark": DARK}.get(theme or ""))
    client = WorkerClient()
    try:
        window.session.open(project)
        if sentence is not None:
            window.session.cursor.reveal(sentence)
        window.add_curve()
        window.resize(*size)
        window.show()
        if page == "audit":
            _audit(window, client)
        window.show_page(page if page in PAGE_NAMES else SENTENCE_PAGE)
        lab = window.lab
        if lab.in_keras:
            lab.use_worker(client)
        until = time.monotonic() + (_KERAS_PATIENCE_S if lab.in_keras or page == "audit" else _PATIENCE_S)
        while time.monotonic() < until:
            QCoreApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 50)
            settled = window.shown_page is None or not window.shown_page.busy
            if settled and (lab.curves is not None or lab.error or not (lab.run or lab.waiting)):
                break
        QCoreApplication.processEvents()
        if not window.grab().save(str(file)):
            raise MaskscopeError(
                "the picture can't be written; is the folder there, and does the name end in .png?", file=file
            )
    finally:
        commands.close()
        client.close()
        client.deleteLater()
        window.session.close()
        window.deleteLater()
