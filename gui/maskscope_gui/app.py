"""The composition root: makes the application, the session and the window, and starts them."""

import os
import sys
from pathlib import Path

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication

from maskscope_gui.background.padding_experiment import PaddingExperiment
from maskscope_gui.session.session import Session
from maskscope_gui.settings import Settings
from maskscope_gui.shell.commands import Commands
from maskscope_gui.shell.desk import Desk
from maskscope_gui.shell.main_window import MainWindow
from maskscope_resources.colours import Theme

_WORKER_AFTER_MS = 1200


def make_application() -> QApplication:
    """The application, named so that its settings have a place of their own."""
    existing = QApplication.instance()
    if isinstance(existing, QApplication):
        return existing
    app = QApplication(sys.argv[:1])
    app.setApplicationName("Maskscope")
    app.setOrganizationName("Maskscope")
    app.setApplicationDisplayName("Maskscope")
    app.setStyle("Fusion")
    return app


def make_window(theme: Theme | None = None) -> tuple[MainWindow, Commands]:
    """A window with nothing open, and what its actions do."""
    session = Session()
    lab = PaddingExperiment(session)
    window = MainWindow(session, lab, Settings(), theme)
    session.setParent(window)
    lab.setParent(window)
    return window, Commands(window)


def run(project: Path | None) -> int:
    """Show the window on `project`, else on the most recent one, else on the demo; returns at its end.

    Raises ProjectError when `project` was named and can't be opened.
    """
    app = make_application()
    window, commands = make_window()
    desk = Desk(window, commands)
    if project is not None:
        from maskscope.project import Project

        Project.open(project, read_only=True).close()
        commands.open(project)
    else:
        recent = window.settings.recent()
        if not recent or not commands.open(recent[0]):
            commands.open_demo()
    if not window.restored:
        window.resize(window.look.px(1440), window.look.px(900))
    window.painted.connect(lambda: QTimer.singleShot(0, lambda: _after_first_picture(window, desk)))
    window.show()
    return app.exec()


def _after_first_picture(window: MainWindow, desk: Desk) -> None:
    if os.environ.get("MASKSCOPE_QUIT_WHEN_PAINTED"):
        # For the benchmark of the start: the time to here is the time to the first picture.
        print("painted", flush=True)
        window.close()
        return
    window.add_curve()
    # TensorFlow takes seconds of both cores: it begins once the person has had a first look.
    QTimer.singleShot(_WORKER_AFTER_MS, desk.client.start)
