"""The form of the import dialog: the source and its companions, previewed while a person types, and the project."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QComboBox, QFileDialog, QLineEdit, QPushButton, QVBoxLayout, QWidget

from maskscope.errors import MaskscopeError, ProjectError
from maskscope.project import project_path
from maskscope.project.writer import refuse_taken
from maskscope.readers import Companion, Preview, ReadOptions, formats
from maskscope_gui.background.tasks import Task, error_message
from maskscope_gui.dialogs.form import Field, FieldGrid
from maskscope_gui.dialogs.source_preview import (
    SourcePreview,
    all_companions,
    dialog_message,
    find_companions,
    preview_source,
    sort_dropped,
    suggest_project,
)
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.base import WrappedLabel

_TYPING_PAUSE_MS = 200
_ALL_FILES = "All files (*)"


class PathField:
    """A field for the path of a file or a folder, with a button that asks for it.

    Attributes:
        guessed: whether the program filled it in, so that it may be replaced when the source changes.
    """

    def __init__(self, grid: FieldGrid, label: str, help_text: str) -> None:
        self.edit = QLineEdit()
        self.button = QPushButton("Choose…")
        self.button.setAutoDefault(False)
        self.button.setAccessibleName(f"Choose {label.replace('&', '').lower()}")
        self.field: Field = grid.add(label, self.edit, help_text, self.button)
        self.guessed = False

    @property
    def path(self) -> Path | None:
        """The path, None while the field is empty."""
        text = self.edit.text().strip().strip('"')
        return Path(text).expanduser() if text else None

    def set_path(self, path: Path | None, *, guessed: bool = False) -> None:
        """Fill in a path."""
        self.edit.setText("" if path is None else str(path))
        self.guessed = guessed


class ImportForm(QWidget):
    """What to import, and the project to make of it.

    Signals:
        edited: the person has changed a path.
        resized: the form may need another height.
        previewed: every preview that was running has ended.

    Attributes:
        source: field of the file to import.
        companions: fields of its companion files, by name.
        source_preview: what the source is; None while that is not known.
        message: a label for errors that belong to no field, which the dialog places next to its buttons.
    """

    edited = Signal()
    resized = Signal()
    previewed = Signal()

    def __init__(self, style: Style) -> None:
        super().__init__()
        self.source_preview: SourcePreview | None = None
        self._previews: list[Task] = []
        self._suggested = ("", "")
        self._typing = QTimer(self)
        self._typing.setSingleShot(True)
        self._typing.setInterval(_TYPING_PAUSE_MS)
        self._typing.timeout.connect(self.start_preview)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        grid = FieldGrid(style)
        column.addLayout(grid)
        column.addStretch(1)
        self._build(grid)
        self.message = WrappedLabel(style, "", "fails")
        self._show_fields()

    def _build(self, grid: FieldGrid) -> None:
        titles = ", ".join(each.name for each in formats())
        self.source = PathField(grid, "&File", f"A file of sentences ({titles}). You can also drop files here.")
        self.source.button.clicked.connect(self._choose_source)
        self.source.edit.textEdited.connect(lambda _: self._source_edited())
        self.companions: dict[str, PathField] = {}
        for companion in all_companions():
            made = PathField(grid, companion.label, companion.help)
            made.button.clicked.connect(lambda _=False, each=companion: self._choose_companion(each))
            made.edit.textEdited.connect(lambda _, each=made: self._companion_edited(each))
            self.companions[companion.name] = made
        self.layers = QComboBox()
        self.layers_field = grid.add("La&yers", self.layers, "The file has one layer.")
        self.layers.activated.connect(lambda _: self._typing.start())
        self.name = QLineEdit()
        self.name_field = grid.add("&Project", self.name, "The project becomes a folder NAME.maskscope.")
        self.folder = PathField(grid, "Fol&der", "Where the project folder is made.")
        self.folder.button.clicked.connect(self._choose_folder)
        self.name.textEdited.connect(lambda _: self._check_target())
        self.folder.edit.textEdited.connect(lambda _: self._check_target())

    # Choosing files

    def choose(self, source: Path) -> None:
        """Take a file as the source, fill in its companions, and preview it."""
        self.source.set_path(source)
        self._suggest(source)
        self.start_preview()

    def take_dropped(self, paths: list[Path]) -> None:
        """Fill dropped files into the fields that they belong to."""
        source, companions = sort_dropped(paths)
        if source is not None:
            self.source.set_path(source)
        for name, path in companions.items():
            self.companions[name].set_path(path)
        if source is not None:
            self._suggest(source)
        elif companions and self.source.path is None:
            self.source.field.show_error(
                f"This is a file of {' and '.join(companions)}; now choose or drop the file that it belongs to."
            )
            return
        self.start_preview()

    def _choose_source(self) -> None:
        filters = [f"Sentences ({_patterns(suffix for each in formats() for suffix in each.suffixes)})"]
        filters += [f"{each.title} ({_patterns(each.suffixes)})" for each in formats()]
        chosen = self._ask_file(self.source, ";;".join([*filters, _ALL_FILES]))
        if chosen is not None:
            self.choose(chosen)

    def _choose_companion(self, companion: Companion) -> None:
        field = self.companions[companion.name]
        chosen = self._ask_file(field, f"{companion.name.title()} ({_patterns(companion.suffixes)});;{_ALL_FILES}")
        if chosen is not None:
            field.set_path(chosen)
            self._companion_edited(field)

    def _choose_folder(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Folder for the project", self._start_folder(self.folder))
        if chosen:
            self.folder.set_path(Path(chosen))
            self._check_target()

    def _ask_file(self, field: PathField, filters: str) -> Path | None:
        chosen, _ = QFileDialog.getOpenFileName(self, "Choose a file", self._start_folder(field), filters)
        return Path(chosen) if chosen else None

    def _start_folder(self, field: PathField) -> str:
        return field.edit.text() or self.source.edit.text() or self.folder.edit.text()

    def _source_edited(self) -> None:
        path = self.source.path
        if path is not None and path.is_file():
            self._suggest(path)
        self.edited.emit()
        self._typing.start()

    def _companion_edited(self, field: PathField) -> None:
        field.guessed = False
        self.edited.emit()
        self._typing.start()

    def _suggest(self, source: Path) -> None:
        """Fill in what the person has not: companions of the source, and a name for the project."""
        self._suggest_project(source)
        found = find_companions(source)
        for name, field in self.companions.items():
            if not field.edit.text() or field.guessed:
                field.set_path(found.get(name), guessed=True)

    def _suggest_project(self, source: Path) -> None:
        if (self.name.text(), self.folder.edit.text()) != self._suggested:
            return
        wanted = suggest_project(source)
        self._suggested = (wanted.name.removesuffix(".maskscope"), str(wanted.parent.absolute()))
        self.name.setText(self._suggested[0])
        self.folder.edit.setText(self._suggested[1])
        self._check_target()

    # The preview

    @property
    def previewing(self) -> bool:
        """True while a preview is running or is about to start."""
        return self._typing.isActive() or bool(self._previews)

    def start_preview(self) -> None:
        """Read the headers of the files in a thread; the result of an earlier preview is dropped."""
        self._typing.stop()
        for task in self._previews:
            task.cancel()
        for field in (self.source, *self.companions.values()):
            field.field.show_help()
        self.message.set_text("")
        source = self.source.path
        if source is None:
            self.source_preview = None
            self._show_fields()
            return
        # All fields, since one that is hidden now may belong to this source.
        paths: dict[str, Any] = {name: field.path for name, field in self.companions.items()}
        options = ReadOptions(**paths)
        task = Task(lambda job: preview_source(source, options), self)
        task.finished.connect(self._take_preview)
        task.failed.connect(self.show_error)
        for ended in (task.finished, task.failed, task.cancelled):
            ended.connect(lambda *_, done=task: self._preview_ended(done))
        self._previews.append(task)
        task.start()

    def finish_typing(self) -> None:
        """Start the preview that waits for a pause in typing at once."""
        if self._typing.isActive():
            self.start_preview()

    def drop_previews(self) -> None:
        """Stop every preview and wait for its thread."""
        self._typing.stop()
        for task in self._previews:
            task.drop()
        self._previews.clear()

    def _preview_ended(self, done: Task) -> None:
        if done in self._previews:
            self._previews.remove(done)
        if not self.previewing:
            self.previewed.emit()

    def _take_preview(self, found: SourcePreview) -> None:
        self.source_preview = found
        self.source.field.set_note(found.preview.text, "holds")
        for companion in found.format.companions:
            text = found.preview.companions.get(companion.name)
            if text is not None:
                self.companions[companion.name].field.set_note(text, "holds")
        self._show_layers(found.preview)
        self._show_fields()
        if found.error is not None:
            self.show_error(found.error)

    def _show_fields(self) -> None:
        """Show the fields that the format of the source takes."""
        found = self.source_preview
        shown = {each.name: each for each in found.format.companions} if found else {}
        for name, field in self.companions.items():
            field.field.set_visible(name in shown)
            if name in shown:
                field.field.set_help(shown[name].help)
        self.layers_field.set_visible(found is not None and found.preview.layer_dim > 0)
        self.resized.emit()

    def _show_layers(self, preview: Preview) -> None:
        chosen = self.layers.currentData()
        self.layers.clear()
        several = preview.n_layers > 1
        if several:
            joined = preview.n_layers * preview.layer_dim
            self.layers.addItem("the mean of all", "mean")
            self.layers.addItem(f"all concatenated, {joined:,} numbers per token", "concat")
            for layer in range(preview.n_layers):
                self.layers.addItem(f"layer {layer}", layer)
            self.layers.setCurrentIndex(max(0, self.layers.findData(chosen)))
        else:
            self.layers.addItem("the only layer", None)
        self.layers_field.set_enabled(several)
        self.layers_field.set_note(
            f"Each sentence has {preview.n_layers} layers of {preview.layer_dim:,} numbers."
            if several
            else "The file has one layer."
        )

    # What the form holds

    def options(self) -> ReadOptions:
        """The companions and the layer that are chosen; a hidden field counts as empty."""
        chosen: dict[str, Any] = {name: each.path for name, each in self.companions.items() if each.field.shown}
        if self.layers_field.shown and self.layers.isEnabled():
            chosen["layer"] = self.layers.currentData()
        return ReadOptions(**chosen)

    def missing_companion(self) -> bool:
        """Show an error next to the first required companion that is not chosen; False when none is missing."""
        for companion in self.source_preview.format.companions if self.source_preview else ():
            field = self.companions[companion.name]
            if companion.required and field.path is None:
                suffixes = " or ".join(dict.fromkeys(each for each in companion.suffixes))
                field.field.show_error(f"This source needs its {companion.name}: choose the file ({suffixes}).")
                field.edit.setFocus()
                return True
        return False

    def show_error(self, error: object) -> None:
        """Show an error next to the field of the file that it is about."""
        message = dialog_message(error) if isinstance(error, MaskscopeError) else error_message(error)
        file = error.file if isinstance(error, MaskscopeError) else None
        about = next((each for each in (*self.companions.values(), self.source) if file and file == each.path), None)
        if about is not None:
            about.field.set_visible(True)
            about.field.show_error(message)
            about.edit.setFocus()
        elif isinstance(error, ProjectError):
            self.name_field.show_error(message)
            self.name.setFocus()
        else:
            self.message.set_text(message, "fails")
        self.resized.emit()

    def target(self) -> Path | None:
        """The project folder to make; None, with an error and the focus at its field, when it can't be made."""
        target = self._check_target()
        if target is None:
            (self.name if self.name_field.error else self.folder.edit).setFocus()
            self.resized.emit()
        return target

    def _check_target(self) -> Path | None:
        self.name_field.show_help()
        self.folder.field.show_help()
        try:
            target = self._project_folder()
        except _FieldError as error:
            error.field.show_error(str(error))
            return None
        self.name_field.set_note(f"The project becomes the folder {target.name}.")
        return target

    def _project_folder(self) -> Path:
        name, folder = self.name.text().strip(), self.folder.path
        if not name:
            raise _FieldError(self.name_field, "The project needs a name.")
        if any(char in name for char in '/\\:*?"<>|') or name in (".", ".."):
            raise _FieldError(self.name_field, "A name can't hold / \\ : * ? \" < > or |.")
        if folder is None:
            raise _FieldError(self.folder.field, "Choose a folder for the project.")
        if folder.exists() and not folder.is_dir():
            raise _FieldError(self.folder.field, "That is a file, not a folder.")
        target = project_path(folder / name)
        try:
            refuse_taken(target)
        except ProjectError as error:
            raise _FieldError(self.name_field, str(error)) from None
        except OSError as error:
            raise _FieldError(self.folder.field, error_message(error)) from None
        return target


class _FieldError(Exception):
    """What is wrong with the value of a field."""

    def __init__(self, field: Field, message: str) -> None:
        super().__init__(message)
        self.field = field


def _patterns(suffixes: Iterable[str]) -> str:
    return " ".join(f"*{suffix}" for suffix in dict.fromkeys(suffixes))
