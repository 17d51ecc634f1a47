"""Export: which labels of which sentences, in which format, and what that format does not include."""

from pathlib import Path

from PySide6.QtWidgets import (
    QButtonGroup,
    QFileDialog,
    QGridLayout,
    QLabel,
    QLineEdit,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from maskscope.exporters import ExportFormat, formats
from maskscope.jobs import Job
from maskscope.workflows.export import LabelSource, export_project
from maskscope_gui.background.tasks import Task, error_message
from maskscope_gui.dialogs.form import Dialog, FieldGrid, ProgressPage
from maskscope_gui.session.session import Session
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.base import WrappedLabel

_SIZE = (600, 420)
_LABELS: dict[LabelSource, tuple[str, str]] = {
    "edited": ("As &edited", "The labels as they are now, edits included."),
    "gold": ("&Gold", "The labels as imported, without edits."),
    "predicted": ("&Predicted", "The predictions of the model in use; a masked token gets no label."),
}


class Choices(QWidget):
    """Radio buttons, each with a line that says what it means or why it is disabled."""

    def __init__(self, style: Style) -> None:
        super().__init__()
        self.look = style
        self.group = QButtonGroup(self)
        self.notes: list[WrappedLabel] = []
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(style.px(12))
        self._grid.setVerticalSpacing(style.px(4))
        self._grid.setColumnStretch(1, 1)

    def add(self, text: str, note: str, *, enabled: bool = True) -> QRadioButton:
        """Append a choice; the first that is enabled is selected."""
        button = QRadioButton(text)
        button.setEnabled(enabled)
        button.setAccessibleDescription(note)
        label = WrappedLabel(self.look, note, "second", size=12)
        row = len(self.notes)
        self.group.addButton(button, row)
        self._grid.addWidget(button, row, 0)
        self._grid.addWidget(label, row, 1)
        self.notes.append(label)
        if enabled and self.group.checkedId() < 0:
            button.setChecked(True)
            self.setFocusProxy(button)
        return button

    @property
    def chosen(self) -> int:
        """The index of the selected choice, -1 for none."""
        return self.group.checkedId()


class ExportDialog(Dialog):
    """Writes a file in a thread, and reports success only after the file was read back and compared.

    Attributes:
        result_path: the file, once it is written.
    """

    def __init__(self, parent: QWidget | None, style: Style, session: Session) -> None:
        super().__init__(parent, style, "Export", _SIZE)
        if session.project is None:
            raise ValueError("an export needs an open project")
        self.session = session
        self.project = session.project
        self.result_path: Path | None = None
        self._task: Task | None = None
        self._formats = formats()
        self._build()
        self._suffix_changed()
        self._check_file()

    def _build(self) -> None:
        self._build_choices()
        self.form_page = QWidget()
        column = QVBoxLayout(self.form_page)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(self.look.px(14))
        column.addLayout(self._grid_of_choices())
        form = FieldGrid(self.look)
        self.file = QLineEdit()
        browse = self.button("Choose…")
        browse.setAccessibleName("Choose a file")
        browse.clicked.connect(self._browse)
        self.file_field = form.add("F&ile", self.file, "The file is replaced only if the export succeeds.", browse)
        column.addLayout(form)
        column.addStretch(1)
        self.file.textEdited.connect(lambda _: self._check_file())
        self.format.group.idClicked.connect(lambda _: self._suffix_changed())
        self.progress = ProgressPage(self.look)
        self.progress.hide()
        self.outcome = WrappedLabel(self.look, "", "second")
        self.export_button = self.button("E&xport", primary=True)
        self.export_button.clicked.connect(self.export)
        self.cancel_button = self.button("Cancel")
        self.cancel_button.clicked.connect(self.reject)
        self.column.addWidget(self.form_page, 1)
        self.column.addWidget(self.progress, 1)
        self.column.addLayout(self.button_row(self.cancel_button, self.export_button, left=self.outcome))
        name = (self.project.path.parent / self.project.name).absolute()
        self.file.setText(f"{name}{self.chosen_format.suffixes[0]}")

    def _build_choices(self) -> None:
        accepted = self.project.counts().accepted
        self.format = Choices(self.look)
        for row in self._formats:
            self.format.add(f"&{row.title}", f"Not included: {row.not_included}.")
        self.labels = Choices(self.look)
        for source, (text, note) in _LABELS.items():
            reason = self._unavailable_reason(source)
            self.labels.add(text, reason or note, enabled=not reason)
        self.which = Choices(self.look)
        self.which.add(f"&All {self.project.n_sentences:,} sentences", "")
        self.which.add(
            f"Only the {accepted:,} &reviewed",
            "The sentences that a person has accepted." if accepted else "No sentence is accepted yet (Enter accepts).",
            enabled=accepted > 0,
        )

    def _grid_of_choices(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setHorizontalSpacing(self.look.px(16))
        grid.setVerticalSpacing(self.look.px(14))
        grid.setColumnStretch(1, 1)
        for row, (title, choices) in enumerate(
            (("Format", self.format), ("Labels", self.labels), ("Sentences", self.which))
        ):
            label = QLabel(title)
            label.setObjectName("strong")
            label.setMinimumHeight(choices.group.buttons()[0].sizeHint().height())
            choices.setAccessibleName(title)
            top = QVBoxLayout()
            top.addWidget(label)
            top.addStretch(1)
            grid.addLayout(top, row, 0)
            grid.addWidget(choices, row, 1)
        return grid

    def _unavailable_reason(self, source: LabelSource) -> str:
        if source != "predicted":
            return ""
        model = self.session.model
        if model is None:
            return "There is no model yet: train one first."
        if model.gives_values:
            return f"{model.name} gives values, which are no label predictions."
        if self.project.models.scores(model.id) is not None:
            return ""
        if self.session.scores is not None and not self.session.writable:
            return "This project is open read-only, so it can't store the model's scores."
        return f"{model.name} has not scored this project yet."

    @property
    def chosen_format(self) -> ExportFormat:
        """The selected format."""
        return self._formats[max(0, self.format.chosen)]

    @property
    def exporting(self) -> bool:
        """True while a file is being written."""
        return self._task is not None and self._task.running

    def target(self) -> Path | None:
        """The file that will be written, None while the field is empty."""
        text = self.file.text().strip().strip('"')
        return Path(text).expanduser() if text else None

    def _suffix_changed(self) -> None:
        path = self.target()
        known = {suffix for row in self._formats for suffix in row.suffixes}
        if path is not None and path.suffix in known:
            self.file.setText(str(path.with_suffix(self.chosen_format.suffixes[0])))
        self._check_file()

    def _check_file(self) -> None:
        path = self.target()
        if path is None:
            self.file_field.show_help()
        elif path.is_dir():
            self.file_field.show_error("That is a folder; name a file in it.")
        elif path.exists():
            self.file_field.set_note("A file of this name exists; it is replaced if the export succeeds.", "collision")
        elif not path.parent.is_dir():
            self.file_field.show_error("There is no such folder.")
        else:
            self.file_field.show_help()
        self.fit()

    def _browse(self) -> None:
        row = self.chosen_format
        chosen, _ = QFileDialog.getSaveFileName(
            self,
            "Export to",
            self.file.text(),
            f"{row.title} (*{row.suffixes[0]});;All files (*)",
            options=QFileDialog.Option.DontConfirmOverwrite,
        )
        if chosen:
            path = Path(chosen)
            self.file.setText(str(path if path.suffix else path.with_suffix(row.suffixes[0])))
            self._check_file()

    def export(self) -> None:
        """Write the file, or show an error next to the field of its name."""
        path = self.target()
        self._check_file()
        if path is None:
            self.file_field.show_error("Name the file to write.")
        if path is None or self.file_field.error:
            self.file.setFocus()
            self.fit()
            return
        project = self.project
        name = self.chosen_format.name
        source = list(_LABELS)[max(0, self.labels.chosen)]
        only_reviewed = self.which.chosen == 1
        model = None if self.session.model is None else self.session.model.id
        decoding = self.session.decoding

        def work(job: Job) -> int:
            # A reader of its own, since the window goes on writing edits meanwhile.
            with project.reader() as reader:
                return export_project(reader, path, name, source, only_reviewed, model, job, decoding)

        task = Task(work, self)
        task.progressed.connect(self.progress.show_progress)
        task.finished.connect(lambda n: self._exported(path, n))
        task.failed.connect(self._failed)
        task.cancelled.connect(self._cancelled)
        self._task = task
        self.outcome.set_text("")
        self.progress.begin(f"Writing {path.name}, and reading it back")
        self._show_form(False)
        self.cancel_button.setFocus()
        task.start()

    def _show_form(self, shown: bool) -> None:
        self.form_page.setVisible(shown)
        self.progress.setVisible(not shown)
        self.export_button.setEnabled(shown)
        self.cancel_button.setEnabled(True)
        self.fit()

    def _exported(self, path: Path, n_sentences: object) -> None:
        self.result_path = path
        self._show_form(True)
        self._check_file()
        self.file_field.show_help()
        count = f"{n_sentences:,}" if isinstance(n_sentences, int) else "0"
        sentences = "sentence" if n_sentences == 1 else "sentences"
        self.outcome.set_text(f"✓ exported {count} {sentences} to {path.name}, read back and compared", "holds")
        self.cancel_button.setText("Close")
        self.cancel_button.setDefault(True)
        self.cancel_button.setFocus()
        self.fit()

    def _failed(self, error: object) -> None:
        self._show_form(True)
        self.file_field.show_error(error_message(error))
        self.file.setFocus()
        self.fit()

    def _cancelled(self) -> None:
        self._show_form(True)
        self.outcome.set_text("Cancelled; no file was written or changed.")
        self.export_button.setFocus()

    def reject(self) -> None:
        """Cancel a running export, else close."""
        if self.exporting and self._task is not None:
            self.cancel_button.setEnabled(False)
            self._task.cancel()
            return
        super().reject()

    def done(self, result: int) -> None:
        """Close, leaving no thread behind."""
        if self._task is not None:
            self._task.drop()
        super().done(result)
