"""Import: choose a source, see at once what it is, and make a project of it."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QTimer
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QLineEdit,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from maskscope.errors import MaskscopeError, ProjectError
from maskscope.jobs import Job
from maskscope.project import Project, project_path
from maskscope.project.writer import refuse_taken
from maskscope.readers import ReadOptions, formats
from maskscope.workflows.import_ import ImportReport, import_project
from maskscope_gui.background.tasks import Task, error_message
from maskscope_gui.dialogs.form import Dialog, Field, FieldGrid, ProgressPage, plain_table
from maskscope_gui.dialogs.source_preview import (
    Found,
    Layer,
    companions,
    look_at,
    sentence_of,
    sorted_out,
    suggested_project,
)
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.base import Role, WrappedLabel
from maskscope_gui.widgets.token_text import token_text

_REST_MS = 200
_MOST_SHOWN = 200
_SIZE = (640, 380)


@dataclass(frozen=True, slots=True)
class Imported:
    """A finished import.

    Attributes:
        report: what it made and has to say.
        collisions: (sentence, position, token) of the first collisions.
    """

    report: ImportReport
    collisions: tuple[tuple[int, int, str], ...]


class ImportDialog(Dialog):
    """Accepted when the person wants to open what was imported.

    Attributes:
        result_path: the new project folder once there is one, whether or not it is to be opened.
    """

    def __init__(self, parent: QWidget | None, style: Style, source: Path | None = None) -> None:
        super().__init__(parent, style, "Import", _SIZE)
        self.result_path: Path | None = None
        self.found: Found | None = None
        self._task: Task | None = None
        self._looks: list[Task] = []
        self._wanted = False
        self._guessed: set[QLineEdit] = set()
        self._suggested = ("", "")
        self.setAcceptDrops(True)
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_REST_MS)
        self._rest.timeout.connect(self._look)
        self._build_form()
        self._build_progress()
        self._build_report()
        for page in (self.form_page, self.progress_page, self.report_page):
            self.column.addWidget(page)
        self._show_page(self.form_page)
        self._show_fields()
        if source is not None:
            self.choose(source)
        else:
            self.source.setFocus()

    # The pages

    def _build_form(self) -> None:
        self.form_page = QWidget()
        column = QVBoxLayout(self.form_page)
        column.setContentsMargins(0, 0, 0, 0)
        form = FieldGrid(self.look)
        column.addLayout(form)
        self.source, self.source_field = self._path_field(
            form,
            "&File",
            "A .npy or .npz of padded sentences, or a CoNLL text. You can also drop files here.",
            "source",
        )
        self.embeddings, self.embeddings_field = self._path_field(
            form,
            "&Embeddings",
            "HDF5 with a dataset a sentence, or .npy with a row a token.",
            "embeddings",
        )
        self.labels, self.labels_field = self._path_field(
            form, "&Labels", "Optional: a .npy of shape (N, T), (N, T, 1) or one-hot (N, T, C).", "labels"
        )
        self.lengths, self.lengths_field = self._path_field(
            form,
            "Le&ngths",
            "Optional: tokens a sentence, .npy or .txt; else trailing zero rows are padding.",
            "lengths",
        )
        self.layers = QComboBox()
        self.layers_field = form.add("La&yers", self.layers, "The file has one layer.")
        self.name = QLineEdit()
        self.name_field = form.add("&Project", self.name, "The project becomes a folder NAME.maskscope.")
        self.folder, self.folder_field = self._path_field(
            form, "Fol&der", "Where the project folder is made.", "folder"
        )
        self.name.textEdited.connect(self._name_edited)
        self.folder.textEdited.connect(self._name_edited)
        self.layers.activated.connect(lambda _: self._rest.start())
        self.import_button = self.button("&Import", primary=True)
        self.import_button.clicked.connect(self._import)
        cancel = self.button("Cancel")
        cancel.clicked.connect(self.reject)
        self.trouble = WrappedLabel(self.look, "", "fails")
        column.addStretch(1)
        column.addLayout(self.button_row(cancel, self.import_button, left=self.trouble))

    def _path_field(self, form: FieldGrid, label: str, help_text: str, kind: str) -> tuple[QLineEdit, Field]:
        edit = QLineEdit()
        edit.setObjectName(kind)
        choose = self.button("Choose…")
        choose.setAccessibleName(f"Choose {label.replace('&', '').lower()}")
        choose.clicked.connect(lambda: self._browse(edit, kind))
        if kind != "folder":
            edit.textEdited.connect(lambda _: self._edited(edit))
        return edit, form.add(label, edit, help_text, choose)

    def _build_progress(self) -> None:
        self.progress = ProgressPage(self.look)
        self.progress_page = QWidget()
        column = QVBoxLayout(self.progress_page)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.progress)
        self.cancel_button = self.button("&Cancel")
        self.cancel_button.clicked.connect(self._cancel)
        column.addLayout(self.button_row(self.cancel_button))

    def _build_report(self) -> None:
        self.report_page = QWidget()
        column = QVBoxLayout(self.report_page)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(self.look.px(8))
        self.summary = WrappedLabel(self.look, "", "text", size=17, bold=True)
        self.details = WrappedLabel(self.look, "", "second")
        self.notes = WrappedLabel(self.look, "", "text")
        self.data = WrappedLabel(self.look, "", "text")
        self.collision_words = WrappedLabel(self.look, "", "collision")
        self.table = plain_table(self.look, "Collisions", ("sentence", "position", "token"))
        for widget in (self.summary, self.details, self.notes, self.data, self.collision_words):
            column.addWidget(widget)
        column.addWidget(self.table, 100)
        column.addStretch(1)
        self.open_button = self.button("&Open project", primary=True)
        self.open_button.clicked.connect(self.accept)
        self.close_button = self.button("Close")
        self.close_button.clicked.connect(self.reject)
        column.addLayout(self.button_row(self.close_button, self.open_button))

    def _show_page(self, page: QWidget) -> None:
        for other in (self.form_page, self.progress_page, self.report_page):
            other.setVisible(other is page)
        self.import_button.setDefault(page is self.form_page)
        self.open_button.setDefault(page is self.report_page)
        self.fit()

    # Choosing

    def choose(self, source: Path) -> None:
        """Take a file as the source, and what stands beside it."""
        self.source.setText(str(source))
        self._guess(source)
        self._look()

    def _browse(self, edit: QLineEdit, kind: str) -> None:
        start = edit.text() or self.source.text() or self.folder.text()
        if kind == "folder":
            chosen = QFileDialog.getExistingDirectory(self, "Folder for the project", start)
        else:
            chosen, _ = QFileDialog.getOpenFileName(self, "Choose a file", start, _FILTERS[kind])
        if not chosen:
            return
        if kind == "source":
            self.choose(Path(chosen))
            return
        edit.setText(str(Path(chosen)))
        if kind == "folder":
            self._name_edited()
        else:
            self._edited(edit)

    def _edited(self, edit: QLineEdit) -> None:
        self._guessed.discard(edit)
        self._wanted = False
        if edit is self.source:
            path = _path(edit)
            if path is not None and path.is_file():
                self._guess(path)
        self._rest.start()

    def _guess(self, source: Path) -> None:
        """Fill in what the person has not: names beside the source, and a name for the project."""
        self._suggest_project(source)
        try:
            name = next((f.name for f in formats() if f.sniff(source)), None) if source.is_file() else None
            name = name or next((f.name for f in formats() if source.suffix.lower() in f.suffixes), "")
        except MaskscopeError:
            return
        guess = companions(source, name)
        for edit, path in (
            (self.embeddings, guess.embeddings),
            (self.labels, guess.labels),
            (self.lengths, guess.lengths),
        ):
            if not edit.text() or edit in self._guessed:
                edit.setText("" if path is None else str(path))
                self._guessed.add(edit)

    def _suggest_project(self, source: Path) -> None:
        if (self.name.text(), self.folder.text()) != self._suggested:
            return
        wanted = suggested_project(source)
        self._suggested = (wanted.name.removesuffix(".maskscope"), str(wanted.parent.absolute()))
        self.name.setText(self._suggested[0])
        self.folder.setText(self._suggested[1])
        self._check_name()

    def options(self) -> ReadOptions:
        """What the form says now; a field that is hidden says nothing."""

        def of(edit: QLineEdit, field: Field) -> Path | None:
            return _path(edit) if field.shown else None

        layer: Layer = None
        if self.layers_field.shown and self.layers.isEnabled():
            layer = self.layers.currentData()
        return ReadOptions(
            of(self.embeddings, self.embeddings_field),
            of(self.labels, self.labels_field),
            of(self.lengths, self.lengths_field),
            layer,
        )

    def _look(self) -> None:
        """Look at the files, beside the window; the answer to an earlier question is dropped."""
        self._rest.stop()
        source = _path(self.source)
        for task in self._looks:
            task.cancel()
        for field in (self.source_field, self.embeddings_field, self.labels_field, self.lengths_field):
            field.show_help()
        self.trouble.set_text("")
        if source is None:
            self.found = None
            self._show_fields()
            return
        # A field that is hidden now may be the one this source needs.
        options = ReadOptions(_path(self.embeddings), _path(self.labels), _path(self.lengths))
        task = Task(lambda job: _look_with(source, options), self)
        task.finished.connect(self._take_look)
        task.failed.connect(self._refuse)
        for ended in (task.finished, task.failed, task.cancelled):
            ended.connect(lambda *_, done=task: self._looked(done))
        self._looks.append(task)
        task.start()

    def _looked(self, done: Task) -> None:
        if done in self._looks:
            self._looks.remove(done)
        if self._wanted and not self.looking:
            self._wanted = False
            if self.found is not None:
                self._import()

    @property
    def looking(self) -> bool:
        """True while the files are being looked at."""
        return self._rest.isActive() or bool(self._looks)

    def _take_look(self, look: "_Look") -> None:
        self._take_found(look.found)
        if look.trouble is not None:
            self._refuse(look.trouble)

    def _take_found(self, found: Found) -> None:
        self.found = found
        self.source_field.set_note(found.words, "holds")
        if found.beside:
            self.embeddings_field.set_note(found.beside, "holds")
        self._show_layers(found)
        self._show_fields()

    def _show_fields(self) -> None:
        kind = self.found.format_name if self.found else ""
        self.embeddings_field.set_visible(kind == "conll")
        self.layers_field.set_visible(kind == "conll" and self.found is not None and self.found.layer_dim > 0)
        self.labels_field.set_visible(kind == "npy")
        self.lengths_field.set_visible(kind == "npy")
        self.fit()

    def _show_layers(self, found: Found) -> None:
        chosen = self.layers.currentData()
        self.layers.clear()
        several = found.n_layers > 1
        if several:
            self.layers.addItem("the mean of all", "mean")
            self.layers.addItem(f"joined end to end, {found.n_layers * found.layer_dim:,} numbers a token", "concat")
            for layer in range(found.n_layers):
                self.layers.addItem(f"layer {layer}", layer)
            place = self.layers.findData(chosen)
            self.layers.setCurrentIndex(max(0, place))
        else:
            self.layers.addItem("the only layer", None)
        self.layers_field.set_enabled(several)
        self.layers_field.set_note(
            f"Each sentence has {found.n_layers} layers of {found.layer_dim:,} numbers."
            if several
            else "The file has one layer."
        )

    def _refuse(self, error: object) -> None:
        """Put an error beside the field it is about."""
        words = sentence_of(error) if isinstance(error, MaskscopeError) else error_message(error)
        file = error.file if isinstance(error, MaskscopeError) else None
        for edit, field in (
            (self.embeddings, self.embeddings_field),
            (self.labels, self.labels_field),
            (self.lengths, self.lengths_field),
            (self.source, self.source_field),
        ):
            if file is not None and file == _path(edit):
                if not field.shown:
                    field.set_visible(True)
                field.show_error(words)
                edit.setFocus()
                self.fit()
                return
        if isinstance(error, ProjectError):
            self.name_field.show_error(words)
            self.name.setFocus()
        else:
            self.trouble.set_text(words, "fails")
        self.fit()

    # The project

    def _name_edited(self) -> None:
        self._check_name()

    def target(self) -> Path | None:
        """The project folder that will be made; None, with the reason beside its field, when it can't be."""
        name, folder = self.name.text().strip(), _path(self.folder)
        if not name:
            self.name_field.show_error("The project needs a name.")
            return None
        if any(char in name for char in '/\\:*?"<>|') or name in (".", ".."):
            self.name_field.show_error("A name can't hold / \\ : * ? \" < > or |.")
            return None
        if folder is None:
            self.folder_field.show_error("Choose a folder for the project.")
            return None
        if folder.exists() and not folder.is_dir():
            self.folder_field.show_error("That is a file, not a folder.")
            return None
        target = project_path(folder / name)
        try:
            refuse_taken(target)
        except ProjectError as error:
            self.name_field.show_error(str(error))
            return None
        except OSError as error:
            self.folder_field.show_error(error_message(error))
            return None
        return target

    def _check_name(self) -> Path | None:
        self.name_field.show_help()
        self.folder_field.show_help()
        target = self.target()
        if target is not None:
            self.name_field.set_note(f"The project becomes the folder {target.name}.")
        return target

    # Importing

    def _import(self) -> None:
        source = _path(self.source)
        if source is None:
            self.source_field.show_error("Choose a file to import, or drop one here.")
            self.source.setFocus()
            return
        if self.looking:
            # Only what is found says which of the fields count.
            self._wanted = True
            if self._rest.isActive():
                self._look()
            return
        if self.embeddings_field.shown and _path(self.embeddings) is None:
            self.embeddings_field.show_error(
                "A text needs its embeddings: choose the HDF5 or .npy file that holds them."
            )
            self.embeddings.setFocus()
            return
        target = self._check_name()
        if target is None:
            (self.name if self.name_field.error else self.folder).setFocus()
            self.fit()
            return
        self._rest.stop()
        options = self.options()
        task = Task(lambda job: _import_all(target, source, options, job), self, undo=_take_back)
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

    @property
    def importing(self) -> bool:
        """True while an import runs, or will as soon as the files have been looked at."""
        return self._wanted or self._running

    @property
    def _running(self) -> bool:
        return self._task is not None and self._task.running

    def _cancel(self) -> None:
        if self._task is not None:
            self.cancel_button.setEnabled(False)
            self.progress.title.set_text("Stopping, and taking away what was half done…", "text")
            self._task.cancel()

    def _cancelled(self) -> None:
        self._show_page(self.form_page)
        self.trouble.set_text("Cancelled; nothing was left behind.", "second")
        self.import_button.setFocus()

    def _failed(self, error: object) -> None:
        self._show_page(self.form_page)
        self._refuse(error)

    def _imported(self, imported: Imported) -> None:
        report = imported.report
        self.result_path = report.path
        self.setWindowTitle("Imported")
        self.summary.set_text(report.summary(), "text")
        classes = report.scheme.classes
        listed = ", ".join(classes[:12]) + (f" and {len(classes) - 12} more" if len(classes) > 12 else "")
        lengths = "are from the source" if report.lengths_from == "source" else "were inferred from trailing zero rows"
        self.details.set_text(f"Labels: {listed}. Lengths {lengths}. Project: {report.path}")
        # The two checks below say more than their notes do.
        notes = [note.text for note in report.notes if note.kind not in ("interior-zero-rows", "data")]
        self.notes.set_text("\n".join(notes), "text")
        self.notes.setVisible(bool(notes))
        self.data.set_text(report.data.words(), _ROLES[report.data.verdict])
        self._show_collisions(imported)
        self._show_page(self.report_page)
        self.open_button.setFocus()

    def _show_collisions(self, imported: Imported) -> None:
        n = imported.report.n_collisions
        self.table.setVisible(n > 0)
        if n == 0 and imported.report.lengths_from == "inferred":
            self.collision_words.set_text(
                "No collision is seen; a token of zeros at a sentence's end would pass for padding.",
                "collision",
            )
            return
        if n == 0:
            self.collision_words.set_text(
                "No real token has an embedding of zeros, so the mask and the lengths agree.", "holds"
            )
            return
        first = f" The first {len(imported.collisions):,} are listed." if n > len(imported.collisions) else ""
        tokens = "1 real token has" if n == 1 else f"{n:,} real tokens have"
        self.collision_words.set_text(
            f"▲ {tokens} an embedding of zeros: Masking takes it for padding and skips it.{first}", "collision"
        )
        self.table.setRowCount(len(imported.collisions))
        for row, (sentence, position, token) in enumerate(imported.collisions):
            for column, text in enumerate((f"{sentence:,}", f"{position:,}", _spelled(token))):
                self.table.setItem(row, column, QTableWidgetItem(text))
        row = self.look.px(26)
        self.table.setMinimumHeight(row * (min(len(imported.collisions), 5) + 2))
        self.table.setMaximumHeight(row * (len(imported.collisions) + 2))

    # Leaving and dropping

    def reject(self) -> None:
        """Cancel the import that runs; else close."""
        if self._running:
            self._cancel()
            return
        super().reject()

    def done(self, result: int) -> None:
        """Close, leaving no thread behind."""
        self._rest.stop()
        self._wanted = False
        for task in [*self._looks, *([self._task] if self._running and self._task else [])]:
            task.drop()
        self._looks.clear()
        super().done(result)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take files from the disk."""
        if self.form_page.isVisible() and any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """The files that were dropped, each in its field."""
        event.acceptProposedAction()
        self.take_files([Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()])

    def take_files(self, paths: list[Path]) -> None:
        """Sort files into the fields they belong in."""
        source, beside = sorted_out(paths)
        if source is not None:
            self.source.setText(str(source))
        for edit, path in (
            (self.embeddings, beside.embeddings),
            (self.labels, beside.labels),
            (self.lengths, beside.lengths),
        ):
            if path is not None:
                edit.setText(str(path))
                self._guessed.discard(edit)
        if source is not None:
            self._guess(source)
        if paths and source is None and not self.source.text() and beside.embeddings is not None:
            # The embeddings came first: say what is missing.
            self.source_field.show_error("These are embeddings; now choose or drop the text that they belong to.")
            return
        self._look()


_ROLES: dict[str, Role] = {"passed": "holds", "failed": "fails", "could not tell": "collision"}

_FILTERS = {
    "source": "Sentences (*.npy *.npz *.conll *.conllu *.bio *.iob *.iob2 *.tsv *.txt);;All files (*)",
    "embeddings": "Embeddings (*.hdf5 *.h5 *.hdf *.npy);;All files (*)",
    "labels": "Labels (*.npy);;All files (*)",
    "lengths": "Lengths (*.npy *.txt);;All files (*)",
}


def _path(edit: QLineEdit) -> Path | None:
    text = edit.text().strip().strip('"')
    return Path(text).expanduser() if text else None


@dataclass(frozen=True, slots=True)
class _Look:
    """What the source is, and what is wrong with a file beside it."""

    found: Found
    trouble: MaskscopeError | None = None


def _look_with(source: Path, options: ReadOptions) -> _Look:
    # What belongs to another format is not asked about: each reader refuses options it has no use for.
    found = look_at(source, ReadOptions())
    wanted = ReadOptions()
    if found.format_name == "conll":
        wanted = ReadOptions(embeddings=options.embeddings)
    elif found.format_name == "npy":
        wanted = ReadOptions(labels=options.labels, lengths=options.lengths)
    if wanted == ReadOptions():
        return _Look(found)
    try:
        return _Look(look_at(source, wanted))
    except MaskscopeError as error:
        return _Look(found, error)


def _import_all(target: Path, source: Path, options: ReadOptions, job: Job) -> Imported:
    report = import_project(target, source, options, job=job)
    with Project.open(report.path, read_only=True) as project:
        listed = tuple(
            (sentence, position, project.sentence(sentence).tokens[position])
            for sentence, position in report.collisions[:_MOST_SHOWN]
        )
    return Imported(report, listed)


def _take_back(result: object) -> None:
    if isinstance(result, Imported):
        shutil.rmtree(result.report.path, ignore_errors=True)


def _spelled(token: str) -> str:
    """A token with its code points where it can't be seen."""
    text, stand_in = token_text(token)
    if stand_in or len(token) > 3:
        return text
    return f"{text}   {' '.join(f'U+{ord(char):04X}' for char in token)}" if not token.isascii() else text
