"""The composition root: makes the application and the objects of a window, and starts them."""

import os
import sys
from pathlib import Path

from PySide6.QtCore import QObject, QTimer
from PySide6.QtWidgets import QApplication

from maskscope_gui.background.audit_job import AuditJob
from maskscope_gui.background.cut_model_job import CutModelJob
from maskscope_gui.background.disagreement_job import DisagreementJob
from maskscope_gui.background.open_model_job import OpenModelJob
from maskscope_gui.background.padding_experiment import PaddingExperiment
from maskscope_gui.background.score_job import ScoreJob
from maskscope_gui.background.worker_client import WorkerClient
from maskscope_gui.pages.services import PageServices
from maskscope_gui.session.search import Search
from maskscope_gui.session.session import Session
from maskscope_gui.settings import Settings
from maskscope_gui.shell.dialog_controller import DialogController
from maskscope_gui.shell.handlers import connect_actions
from maskscope_gui.shell.handlers.audit import AuditHandlers
from maskscope_gui.shell.handlers.edit import EditHandlers
from maskscope_gui.shell.handlers.model import ModelHandlers
from maskscope_gui.shell.handlers.model_files import ModelFileHandlers
from maskscope_gui.shell.handlers.navigation import NavigationHandlers
from maskscope_gui.shell.handlers.padding import PaddingHandlers
from maskscope_gui.shell.handlers.project import ProjectHandlers
from maskscope_gui.shell.handlers.view import ViewHandlers
from maskscope_gui.shell.main_window import MainWindow
from maskscope_gui.shell.worker_status import WorkerStatus
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


class Program(QObject):
    """A window with all that works for it. It belongs to the window, and ends what runs when the window closes.

    Args:
        theme: a fixed theme; None follows the settings.
        client: the worker; None for one of its own, which starts its process when it is first asked.
    """

    def __init__(self, theme: Theme | None = None, client: WorkerClient | None = None) -> None:
        super().__init__()
        self.session = Session()
        self.client = client or WorkerClient(self)
        self.experiment = PaddingExperiment(self.session, self.client)
        self.audit_job = AuditJob(self.session, self.client, self)
        self.open_model_job = OpenModelJob(self.session, self.client, self)
        self._cut_model_job = CutModelJob(self.session, self.client, self)
        self._score_job = ScoreJob(self.session, self.client, self)
        self._disagreement_job = DisagreementJob(self.session, self)
        self._search = Search(self.session, self)
        services = PageServices(self.session, Settings(), self.client, self.audit_job, self.open_model_job)
        self.window = MainWindow(services, self.experiment, theme)
        for child in (self, self.session, self.experiment):
            child.setParent(self.window)
        for job in (
            self.audit_job,
            self.open_model_job,
            self._cut_model_job,
            self._score_job,
            self._disagreement_job,
        ):
            job.progressed.connect(self.window.status_line.set_work)
        WorkerStatus(self.client, self.window.status_line, self.session, self)
        self._connect_handlers()
        self.window.closing.connect(self.close)

    def _connect_handlers(self) -> None:
        window = self.window
        dialogs = DialogController(window, self.client)
        self.projects = ProjectHandlers(window, dialogs, self.open_model_job)
        topics = (
            self.projects,
            EditHandlers(window),
            NavigationHandlers(window, self._search),
            ViewHandlers(
                window, dialogs, (self.open_model_job.cancel, self._cut_model_job.cancel, self.audit_job.cancel)
            ),
            PaddingHandlers(self.session, self.experiment),
            ModelHandlers(window, dialogs),
            AuditHandlers(window, self.audit_job, self.open_model_job),
        )
        ModelFileHandlers(window, dialogs, self.open_model_job, self.audit_job, self._cut_model_job)
        connect_actions(window.actions_by_id, [topic.handlers() for topic in topics])

    def close(self) -> None:
        """End what runs in the background."""
        self.window.pages.close_pages()
        self._score_job.close()
        self._disagreement_job.close()
        self._search.close()
        self.experiment.close()
        self.client.close()
        self.open_model_job.close()


def run(project: Path | None) -> int:
    """Show the window on `project`, else on the most recent one, else on the demo; returns at its end.

    Raises ProjectError when `project` was named and can't be opened.
    """
    app = make_application()
    program = Program()
    window = program.window
    if project is not None:
        from maskscope.project import Project

        Project.open(project, read_only=True).close()
        program.projects.open(project)
    else:
        recent = window.settings.recent()
        if not recent or not program.projects.open(recent[0]):
            program.projects.open_demo()
    if not window.was_restored:
        window.resize(window.look.px(1440), window.look.px(900))
    window.painted.connect(lambda: QTimer.singleShot(0, lambda: _after_first_picture(program)))
    window.show()
    return app.exec()


def _after_first_picture(program: Program) -> None:
    if os.environ.get("MASKSCOPE_QUIT_WHEN_PAINTED"):
        # For the benchmark of the start: the time to here is the time to the first picture.
        print("painted", flush=True)
        program.window.close()
        return
    program.window.add_curve()
    # TensorFlow takes seconds of both cores: it starts a little after the first picture.
    QTimer.singleShot(_WORKER_AFTER_MS, program.client.start)
