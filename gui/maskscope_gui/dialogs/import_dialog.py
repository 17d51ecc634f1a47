"""Import: choose a source, see what it is, and make a project of it."""

import shutil
from pathlib import Path

from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QVBoxLayout, QWidget

from maskscope.jobs import Job
from maskscope.project import Project
from maskscope.readers import ReadOptions
from maskscope.workflows.import_ import import_project
from maskscope_gui.background.tasks import Task
from maskscope_gui.dialogs.form import Dialog, ProgressPage
from maskscope_gui.dialogs.import_form import ImportForm
from maskscope_gui.dialogs.import_report import Imported, ImportReportPage
from maskscope_gui.theme.theme import Style

_MAX_COLLISIONS = 200
_SIZE = (640, 380)


class ImportDialog(Dialog):
    """A form, the progress of the import, and its report. Accepted when the person wants to open the project.

    Attributes:
        result_path: the new project folder once there is one, whether or not it is to be opened.
    """

    def __init__(self, parent: QWidget | None, style: Style, source: Path | None = None) -> None:
        super().__init__(parent, style, "Import", _SIZE)
        self.result_path: Path | None = None
        self._task: Task | None = None
        self._import_requested = False
        self.setAcceptDrops(True)
        self._build_form()
        self._build_progress()
        self._build_report()
        for page in (self.form_page, self.progress_page, self.report_page):
            self.column.addWidget(page)
        self._show_page(self.form_page)
        if source is not None:
            self.form.choose(source)
        else:
            self.form.source.edit.setFocus()

    def _build_form(self) -> None:
        self.form = ImportForm(self.look)
        self.form.resized.connect(self.fit)
        self.form.edited.connect(self._withdraw_request)
        self.form.previewed.connect(self._previewed)
        self.import_button = self.button("&Import", primary=True)
        self.import_button.clicked.connect(self._import)
        cancel = self.button("Cancel")
        cancel.clicked.connect(self.reject)
        self.form_page, column = _page()
        column.addWidget(self.form, 1)
        column.addLayout(self.button_row(cancel, self.import_button, left=self.form.message))

    def _build_progress(self) -> None:
        self.progress = ProgressPage(self.look)
        self.cancel_button = self.button("&Cancel")
        self.cancel_button.clicked.connect(self._cancel)
        self.progress_page, column = _page()
        column.addWidget(self.progress)
        column.addLayout(self.button_row(self.cancel_button))

    def _build_report(self) -> None:
        self.report = ImportReportPage(self.look)
        self.open_button = self.button("&Open project", primary=True)
        self.open_button.clicked.connect(self.accept)
        self.close_button = self.button("Close")
        self.close_button.clicked.connect(self.reject)
        self.report_page, column = _page()
        column.addWidget(self.report, 1)
        column.addLayout(self.button_row(self.close_button, self.open_button))

    def _show_page(self, page: QWidget) -> None:
        for each in (self.form_page, self.progress_page, self.report_page):
            each.setVisible(each is page)
        self.import_button.setDefault(page is self.form_page)
        self.open_button.setDefault(page is self.report_page)
        self.fit()

    # The import

    @property
    def importing(self) -> bool:
        """True while an import runs, or is requested and waits for the preview to end."""
        return self._import_requested or self._running

    @property
    def _running(self) -> bool:
        return self._task is not None and self._task.running

    def _import(self) -> None:
        form = self.form
        source = form.source.path
        if source is None:
            form.source.field.show_error("Choose a file to import, or drop one here.")
            form.source.edit.setFocus()
            return
        if form.previewing:
            # The preview decides which of the fields are used.
            self._import_requested = True
            form.finish_typing()
            return
        if form.missing_companion():
            return
        target = form.target()
        if target is not None:
            self._start(target, source, form.options())

    def _start(self, target: Path, source: Path, options: ReadOptions) -> None:
        task = Task(lambda job: _import_all(target, source, options, job), self, undo=_remove_project)
        task.progressed.connect(self.progress.show_progress)
        task.finished.connect(self._imported)
        task.failed.connect(self._failed)
        task.cancelled.connect(self._cancelled)
        self.progress.begin(f"Importing {source.name}")
        self.cancel_button.setEnabled(True)
        self._show_page(self.progress_page)
        self.cancel_button.setFocus()
        self._task = task
        task.start()

    def _withdraw_request(self) -> None:
        self._import_requested = False

    def _previewed(self) -> None:
        if self._import_requested:
            self._import_requested = False
            if self.form.source_preview is not None:
                self._import()

    def _cancel(self) -> None:
        if self._task is not None:
            self.cancel_button.setEnabled(False)
            self.progress.title.set_text("Stopping, and removing the unfinished project…", "text")
            self._task.cancel()

    def _cancelled(self) -> None:
        self._show_page(self.form_page)
        self.form.message.set_text("Cancelled; nothing was left behind.", "second")
        self.import_button.setFocus()

    def _failed(self, error: object) -> None:
        self._show_page(self.form_page)
        self.form.show_error(error)

    def _imported(self, imported: Imported) -> None:
        self.result_path = imported.report.path
        self.setWindowTitle("Imported")
        self.report.show_import(imported)
        self._show_page(self.report_page)
        self.open_button.setFocus()

    # Closing and dropping

    def reject(self) -> None:
        """Cancel the import that runs; else close."""
        if self._running:
            self._cancel()
            return
        super().reject()

    def done(self, result: int) -> None:
        """Close, leaving no thread behind."""
        self._withdraw_request()
        self.form.drop_previews()
        if self._task is not None and self._running:
            self._task.drop()
        super().done(result)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Accept files."""
        if self.form_page.isVisible() and any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Fill the dropped files into the form."""
        event.acceptProposedAction()
        self.form.take_dropped([Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()])


def _page() -> tuple[QWidget, QVBoxLayout]:
    page = QWidget()
    column = QVBoxLayout(page)
    column.setContentsMargins(0, 0, 0, 0)
    return page, column


def _import_all(target: Path, source: Path, options: ReadOptions, job: Job) -> Imported:
    report = import_project(target, source, options, job=job)
    with Project.open(report.path, read_only=True) as project:
        listed = tuple(
            (sentence, position, project.sentence(sentence).tokens[position])
            for sentence, position in report.collisions[:_MAX_COLLISIONS]
        )
    return Imported(report, listed)


def _remove_project(result: object) -> None:
    """Remove the project of an import that ended after it was no longer wanted."""
    if isinstance(result, Imported):
        shutil.rmtree(result.report.path, ignore_errors=True)
