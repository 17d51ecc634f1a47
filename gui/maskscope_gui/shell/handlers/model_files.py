"""What happens to a model's file that is not opened at once: a person chooses what it is, or what to do with it."""

from pathlib import Path

from PySide6.QtCore import QObject, Qt
from PySide6.QtWidgets import QFileDialog

from maskscope.workflows.model_description import ModelDescription
from maskscope_gui.background.audit_job import AuditJob
from maskscope_gui.background.cut_model_job import CutModelJob
from maskscope_gui.background.open_model_job import OpenModelJob
from maskscope_gui.shell.dialog_controller import DialogController
from maskscope_gui.shell.main_window import MainWindow


class ModelFileHandlers(QObject):
    """Shows the dialogs of a described file, and does what was chosen."""

    def __init__(
        self,
        window: MainWindow,
        dialogs: DialogController,
        open_model_job: OpenModelJob,
        audit_job: AuditJob,
        cut_model_job: CutModelJob,
    ) -> None:
        super().__init__(window)
        self._window, self._dialogs = window, dialogs
        self._open_model_job, self._audit_job, self._cut_model_job = open_model_job, audit_job, cut_model_job
        # What the outputs of a part are, such as the emissions of a CRF, is for a person to say.
        cut_model_job.saved.connect(lambda file: open_model_job.open(file, always_ask=True))
        # Queued, since a dialog runs an event loop, and the worker's answer is still being handled here.
        open_model_job.described.connect(self._ask, Qt.ConnectionType.QueuedConnection)

    def _ask(self, file: Path, described: ModelDescription) -> None:
        if described.refusal:
            self._ask_way_out(file, described)
            return
        options = self._dialogs.choose_model_options(described)
        if options is not None:
            self._open_model_job.open_as(file, options, described.name)

    def _ask_way_out(self, file: Path, described: ModelDescription) -> None:
        way = self._dialogs.choose_way_out(described)
        if way == "picture":
            self.show_picture(file)
        elif way == "audit":
            self.audit(file)
        elif way == "cut":
            self._save_part(file)

    def _save_part(self, file: Path) -> None:
        folder = Path(self._window.settings.text("models_folder") or file.parent)
        start, kinds = folder / f"{file.stem}-part.keras", "Keras models (*.keras)"
        chosen, _ = QFileDialog.getSaveFileName(
            self._window,
            "Save the part that is known",
            str(start),
            kinds,
            options=QFileDialog.Option.DontConfirmOverwrite,
        )
        if chosen:
            out = Path(chosen)
            self._cut_model_job.start(file, out if out.suffix == ".keras" else out.with_name(f"{out.name}.keras"))

    def show_picture(self, file: Path) -> None:
        """Show the layers of a file that is not in the project."""
        from maskscope_gui.pages.picture.picture_page import PicturePage

        page = self._window.pages.page("picture")
        assert isinstance(page, PicturePage)
        page.show_file(file)
        self._window.pages.show_page("picture")

    def audit(self, file: Path) -> None:
        """Audit a file that is not in the project, on the project's sentences."""
        self._audit_job.audit_file(file)
        self._window.pages.show_page("audit")
