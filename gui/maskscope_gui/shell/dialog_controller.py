"""Shows the dialogs of one window. Each dialog is imported when it is first shown."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent
from PySide6.QtWidgets import QDialog, QMessageBox

from maskscope.workflows.model_description import ModelDescription, OpenOptions
from maskscope_gui.background.train_job import TrainJob
from maskscope_gui.background.worker_client import WorkerClient
from maskscope_gui.shell.main_window import MainWindow

if TYPE_CHECKING:
    from maskscope_gui.dialogs.refused_model_dialog import Way
    from maskscope_gui.dialogs.train_dialog import TrainDialog

_UNFINISHED_AFTER_MS = 1500
"""The search for trainings that were cut off waits until the window has been painted."""


class DialogController(QObject):
    """Makes dialogs, shows them, and takes their results.

    Signals:
        imported: (path) a project was made by an import.
    """

    imported = Signal(Path)

    def __init__(self, window: MainWindow, client: WorkerClient) -> None:
        super().__init__(window)
        self._window, self._session = window, window.session
        self._train_dialog: TrainDialog | None = None
        self._train_job = TrainJob(self._session, client, self)
        self._train_job.progressed.connect(self._show_training)
        self._train_job.ended.connect(self._training_ended)
        window.close_requested.connect(self._ask_before_closing)
        self._session.project_changed.connect(lambda: QTimer.singleShot(_UNFINISHED_AFTER_MS, self._recover_unfinished))

    def import_source(self, paths: Sequence[Path] = ()) -> None:
        """Ask what to import, beginning with `paths`, and import it."""
        from maskscope_gui.dialogs.import_dialog import ImportDialog

        dialog = ImportDialog(self._window, self._window.look)
        if paths:
            dialog.form.take_dropped(list(paths))
        if self._run(dialog) and dialog.result_path is not None:
            self.imported.emit(dialog.result_path)
        dialog.deleteLater()

    def export(self) -> None:
        """Ask what to export, and to which file."""
        from maskscope_gui.dialogs.export_dialog import ExportDialog

        if self._session.project is not None:
            self._run_once(ExportDialog(self._window, self._window.look, self._session))

    def choose_model_options(self, described: ModelDescription) -> OpenOptions | None:
        """Show what a model's file is, and ask what its outputs are; None when the person cancels."""
        from maskscope_gui.dialogs.open_model_dialog import OpenModelDialog

        if self._session.project is None:
            return None
        dialog = OpenModelDialog(self._window, self._window.look, self._session.project, described)
        options = dialog.options if self._run(dialog) else None
        dialog.deleteLater()
        return options

    def choose_way_out(self, described: ModelDescription) -> "Way | None":
        """Show why a model's file can't be opened, and ask what to do with it; None for nothing."""
        from maskscope_gui.dialogs.refused_model_dialog import RefusedModelDialog

        dialog = RefusedModelDialog(self._window, self._window.look, described)
        self._run_once(dialog)
        return dialog.way

    def keys(self) -> None:
        """Show every key."""
        from maskscope_gui.dialogs.keys_overlay import KeysOverlay

        self._run_once(KeysOverlay(self._window, self._window.look, self._session))

    def about(self) -> None:
        """Show version and licences."""
        from maskscope_gui.dialogs.info_dialog import AboutDialog

        self._run_once(AboutDialog(self._window, self._window.look))

    def project_info(self) -> None:
        """Show what was imported, and the import notes."""
        from maskscope_gui.dialogs.info_dialog import ProjectInfoDialog

        if self._session.project is not None:
            self._run_once(ProjectInfoDialog(self._window, self._window.look, self._session.project))

    def train(self) -> None:
        """Show the dialog that trains. It is kept, so that it shows the training again after it was closed."""
        from maskscope_gui.dialogs.train_dialog import TrainDialog

        if self._train_dialog is None:
            self._train_dialog = TrainDialog(self._window, self._window.look, self._session, self._train_job)
        self._train_dialog.set_look(self._window.look)
        self._train_dialog.show()
        self._train_dialog.raise_()
        self._train_dialog.activateWindow()

    def _show_training(self, done: int, total: int, text: str) -> None:
        self._window.status_line.set_work(f"Training · {text}")

    def _training_ended(self, outcome: str, message: str) -> None:
        self._window.status_line.set_work("")
        if self._train_dialog is None or not self._train_dialog.isVisible():
            self._session.message_requested.emit(message, "error" if outcome == "failed" else "info")

    def _recover_unfinished(self) -> None:
        """Keep the best epoch of a training that was cut off when the program or the machine ended."""
        self._train_job.recover_unfinished()

    def _ask_before_closing(self, event: QCloseEvent) -> None:
        if not self._train_job.running:
            return
        question = "A tagger is being trained. Stop the training and quit? The best epoch so far is kept."
        answer = QMessageBox.question(self._window, "Quit Maskscope", question)
        if answer != QMessageBox.StandardButton.Yes:
            event.ignore()

    def _run(self, dialog: QDialog) -> bool:
        dialog.setWindowModality(Qt.WindowModality.WindowModal)
        return dialog.exec() == QDialog.DialogCode.Accepted

    def _run_once(self, dialog: QDialog) -> None:
        self._run(dialog)
        dialog.deleteLater()
