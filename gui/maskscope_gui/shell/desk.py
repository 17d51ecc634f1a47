"""The dialogs and the worker of one window. Each dialog is imported when it is first asked for."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, cast

from PySide6.QtCore import QObject, Qt, QTimer
from PySide6.QtWidgets import QDialog, QFileDialog

from maskscope_gui.actions import printed_key
from maskscope_gui.background.audit_job import AuditJob, verdict_text
from maskscope_gui.background.open_model_job import OpenModelJob
from maskscope_gui.background.worker_client import WorkerClient
from maskscope_gui.shell.commands import Commands
from maskscope_gui.shell.main_window import MainWindow
from maskscope_gui.widgets.base import plain_tip
from maskscope_gui.widgets.pages import Page

if TYPE_CHECKING:
    from maskscope_gui.dialogs.train_dialog import TrainDialog
    from maskscope_gui.pages.audit.audit_page import AuditPage

_UNFINISHED_AFTER_MS = 1500
"""A look for trainings that were cut off waits until the window has been painted."""
_WORKER_WORDS = {
    "off": "",
    "starting": "TensorFlow is starting…",
    "ready": "TensorFlow ready",
    "busy": "TensorFlow is working",
    "failed": "TensorFlow failed",
}


def show_verdict(window: MainWindow, auditing: AuditJob) -> None:
    """What the toolbar and the PADDING panel say of the last audit of the model in use."""
    report = auditing.report
    failed = [] if report is None else [each.check for each in report.findings if each.verdict == "failed"]
    window.padding.show_audit(failed)
    if report is None:
        window.toolbar.set_verdict(f"Audit the padding   {printed_key('audit')}", "")
        return
    words, role = verdict_text(report)
    window.toolbar.set_verdict(words, role if role in ("holds", "fails") else "")


class Desk(QObject):
    """Binds the actions that need a dialog, and keeps the worker."""

    def __init__(self, window: MainWindow, commands: Commands, client: WorkerClient | None = None) -> None:
        super().__init__(window)
        self.window, self.commands, self.session = window, commands, window.session
        self.client = client or WorkerClient(self)
        self._train: TrainDialog | None = None
        self._warned = ""
        self.auditing = AuditJob(self.session, self.client, self)
        self.opening = OpenModelJob(self.session, self.client, self)
        self.opening.progressed.connect(window.status_line.set_work)
        self.opening.opened.connect(self._adopt_repaired)
        self.auditing.progressed.connect(window.status_line.set_work)
        self.auditing.changed.connect(self._show_verdict)
        commands.stop_work = lambda: self.opening.cancel() or self.auditing.cancel()
        commands.scoring.use_worker(self.client)
        window.lab.use_worker(self.client)
        does: dict[str, Callable[[], object]] = {
            "import": self.import_source,
            "open_model": self.open_model,
            "export": self.export,
            "train": self.train,
            "audit": self.audit,
            "keys": self.keys,
            "about": self.about,
            "project_info": self.project_info,
            "save_picture": self.save_picture,
            "save_report": self.save_report,
            "repair_model": self.repair_model,
        }
        for action_id, work in does.items():
            window.actions_by_id[action_id].triggered.connect(lambda _=False, work=work: work())
        window.page_makers["picture"] = self._make_picture
        window.page_makers["audit"] = self._make_audit
        window.padding.audit_wanted.connect(window.actions_by_id["page_audit"].trigger)
        self.client.stateChanged.connect(self._tell_state)
        self.client.warned.connect(self._tell_warning)
        window.closing.connect(self.close)
        window.what_would_end = self._what_would_end
        self.session.project_changed.connect(lambda: QTimer.singleShot(_UNFINISHED_AFTER_MS, self._keep_unfinished))
        self._show_verdict()

    def _tell_state(self, state: str) -> None:
        line = self.window.status_line
        runs = state in ("ready", "busy")
        words = _WORKER_WORDS.get(state, state)
        line.set_worker(f"{words}; this Keras is unfit" if runs and self.client.warning else words)
        tip = self.client.error or (self.client.warning if runs else "")
        line.worker.setToolTip(plain_tip(tip) if tip else "")

    def _tell_warning(self, words: str) -> None:
        """Once a window: the worker says it at each of its starts."""
        if words != self._warned:
            self._warned = words
            self.session.message_requested.emit(words, "error")

    def _what_would_end(self) -> str:
        """What closing the window would throw away, as a question; "" for nothing."""
        if self._train is not None and self._train.training:
            return "A tagger is being trained. Stop the training and quit? The best epoch so far is kept."
        return ""

    def close(self) -> None:
        """End the worker."""
        self.client.close()
        self.opening.close()

    def import_source(self) -> None:
        """Ask what to import, import it, and open what came of it."""
        from maskscope_gui.dialogs.import_dialog import ImportDialog

        dropped, self.commands.dropped = self.commands.dropped, []
        dialog = ImportDialog(self.window, self.window.look)
        if dropped:
            dialog.take_files(dropped)
        if self._ask(dialog) and dialog.result_path is not None:
            self.commands.open(dialog.result_path)
        dialog.deleteLater()

    def open_model(self) -> None:
        """Open a model that was dropped, or ask for its file."""
        dropped, self.commands.dropped = self.commands.dropped, []
        if dropped:
            self.opening.open(dropped[0])
            return
        settings = self.window.settings
        start = settings.text("models_folder") or str(Path.home())
        kinds = "Keras models (*.keras);;All files (*)"
        chosen, _ = QFileDialog.getOpenFileName(self.window, "Open a model", start, kinds)
        if chosen:
            settings.set_text("models_folder", str(Path(chosen).parent))
            self.opening.open(Path(chosen))

    def export(self) -> None:
        """Ask what to export, and where to."""
        from maskscope_gui.dialogs.export_dialog import ExportDialog

        if self.session.project is not None:
            self._ask_once(ExportDialog(self.window, self.window.look, self.session))

    def keys(self) -> None:
        """Every key, on one page."""
        from maskscope_gui.dialogs.keys_overlay import KeysOverlay

        self._ask_once(KeysOverlay(self.window, self.window.look, self.session))

    def about(self) -> None:
        """Version and licences."""
        from maskscope_gui.dialogs.info_dialog import AboutDialog

        self._ask_once(AboutDialog(self.window, self.window.look))

    def project_info(self) -> None:
        """What was imported, and what the import had to say."""
        from maskscope_gui.dialogs.info_dialog import ProjectInfoDialog

        if self.session.project is not None:
            self._ask_once(ProjectInfoDialog(self.window, self.window.look, self.session.project))

    def _make_picture(self) -> Page:
        from maskscope_gui.pages.picture.picture_page import PicturePage

        page = PicturePage(self.session, self.client, self.window.settings, self.window.look)
        return self.commands.bound(page)

    def save_picture(self) -> None:
        """Ask where to write the picture of the model in use."""
        self.window.show_page("picture")
        page = self.window.shown_page
        if page is not None:
            page.ask_file()

    def train(self) -> None:
        """Show the dialog that trains; it keeps what is running."""
        self._raise(self._trainer())

    def _trainer(self) -> "TrainDialog":
        from maskscope_gui.dialogs.train_dialog import TrainDialog

        if self._train is None:
            self._train = TrainDialog(self.window, self.window.look, self.session, self.client)
            self._train.progress_text.connect(self.window.status_line.set_work)
        return self._train

    def _keep_unfinished(self) -> None:
        """Keep what a training had reached that was cut off when the program, or the machine, ended."""
        project = self.session.project
        if project is not None and not project.read_only and project.models.unfinished_trainings():
            self._trainer().recover_unfinished()

    def _make_audit(self) -> Page:
        from maskscope_gui.pages.audit.audit_page import AuditPage

        page = AuditPage(self.session, self.auditing, self.window.settings, self.window.look)
        page.open_wanted.connect(self.opening.open)
        return self.commands.bound(page)

    def _on_audit(self) -> "AuditPage":
        self.window.show_page("audit")
        return cast("AuditPage", self.window.made_pages["audit"])

    def audit(self) -> None:
        """Show the audit, and start it when there is no verdict yet."""
        self._on_audit()
        if self.auditing.report is None:
            self.auditing.start()

    def save_report(self) -> None:
        """Ask where to write what the audit found."""
        self._on_audit().ask_file()

    def repair_model(self) -> None:
        """Ask where to write the model with its mechanical repairs made."""
        self._on_audit().ask_repaired()

    def _adopt_repaired(self, model_id: str) -> None:
        """A model was opened; when it is one that was repaired and audited here, its report is known."""
        for repaired in self.auditing.repaired_models():
            self.auditing.adopt(repaired)

    def _show_verdict(self) -> None:
        show_verdict(self.window, self.auditing)

    def _raise(self, dialog: QDialog) -> None:
        if hasattr(dialog, "set_look"):
            dialog.set_look(self.window.look)
        dialog.show()
        dialog.raise_()
        dialog.activateWindow()

    def _ask(self, dialog: QDialog) -> bool:
        dialog.setWindowModality(Qt.WindowModality.WindowModal)
        return dialog.exec() == QDialog.DialogCode.Accepted

    def _ask_once(self, dialog: QDialog) -> None:
        self._ask(dialog)
        dialog.deleteLater()
