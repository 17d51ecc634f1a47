"""Opening a model that was made elsewhere: what it is, what its outputs mean, and what can be chosen about it."""

from itertools import pairwise
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QFileDialog, QWidget

from maskscope.errors import ModelError
from maskscope.project import Project
from maskscope.types import OutputKind
from maskscope.workflows.model_description import ModelDescription, OpenOptions
from maskscope.workflows.output_names import read_names
from maskscope_gui.dialogs.class_mapping import ClassMapping
from maskscope_gui.dialogs.form import FieldGrid
from maskscope_gui.dialogs.model_facts import LABEL_WIDTH, ModelFacts
from maskscope_gui.dialogs.unasked_dialog import UnaskedDialog
from maskscope_gui.session.model_text import OUTPUT_KINDS, sentence
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.base import WrappedLabel

_SIZE = (660, 300)
_KIND_NOTES: dict[OutputKind, str] = {
    "probabilities": "They are taken as they are.",
    "logits": "They are made probabilities by {activation}.",
    "log": "They are made probabilities by exp.",
    "values": "They are no label predictions: each is shown as a lane with an axis of its own.",
}


class OpenModelDialog(UnaskedDialog):
    """Shows the description of a model's file, and lets a person choose what its outputs are.

    Args:
        parent: as in Qt.
        style: fonts and colours.
        project: the model is to be opened on it.
        described: the file, which must not be one that is refused.

    Attributes:
        names: of the model's outputs.
    """

    def __init__(self, parent: QWidget | None, style: Style, project: Project, described: ModelDescription) -> None:
        super().__init__(parent, style, "Open a model", _SIZE)
        self.project, self.described = project, described
        self._numbers = tuple(str(output) for output in range(described.n_outputs))
        self.names = described.names or self._numbers
        self.column.addWidget(WrappedLabel(style, described.name, "text", size=17, bold=True))
        self.facts = ModelFacts(described, style)
        self.column.addLayout(self.facts)
        self.mapping = ClassMapping(style, project.scheme, project.counts().labels)
        self.mapping_reason = WrappedLabel(style, sentence(described.columns_reason), "second", size=12)
        self._add_kind()
        self.column.addWidget(self.mapping, 1)
        self.column.addWidget(self.mapping_reason)
        self._add_buttons()
        self.mapping.changed.connect(self._show_state)
        # Values have no columns; a person may say all the same that they are logits.
        fits = described.columns is not None and len(described.columns) == len(self.mapping.choosers)
        self.mapping.set_outputs(self.names, described.columns if fits else None)
        self.kind.currentIndexChanged.connect(self._show_kind)
        self._show_kind()

    def _add_kind(self) -> None:
        described = self.described
        self.kind = QComboBox()
        self.kind.setMinimumHeight(self.look.px(28))
        if described.output is None:
            self.kind.addItem("choose…", None)
        for kind, text in OUTPUT_KINDS.items():
            self.kind.addItem(text, kind)
        self.kind.setCurrentIndex(max(0, self.kind.findData(described.output)))
        form = FieldGrid(self.look)
        form.setColumnMinimumWidth(0, self.look.px(LABEL_WIDTH))
        self.kind_field = form.add("&Output" if described.n_outputs == 1 else "&Outputs", self.kind)
        self.column.addLayout(form)

    def _add_buttons(self) -> None:
        n = self.project.n_sentences
        self.open_button = self.confirming_button(f"Open and score {n:,} sentence{'s' if n != 1 else ''}")
        self.open_button.clicked.connect(self.accept)
        cancel = self.button("Cancel")
        cancel.clicked.connect(self.reject)
        self.names_button = self.button("&Names of the outputs…")
        self.names_button.clicked.connect(self._ask_names)
        self.names_button.setToolTip("Read the names of the model's outputs from a file: one on each line, or JSON")
        self.fill_button = self.button("&Fill in order")
        self.fill_button.clicked.connect(self.mapping.fill_in_order)
        self.fill_button.setToolTip("Give each class without a choice the output after that of the class above it")
        self.error = WrappedLabel(self.look, "", "fails")
        row = self.button_row(cancel, self.open_button, left=self.error)
        left = (self.names_button, self.fill_button)
        for place, button in enumerate(left):
            row.insertWidget(place, button, 0, Qt.AlignmentFlag.AlignBottom)
        self.column.addLayout(row)
        for before, after in pairwise((self.kind, *self.mapping.choosers, *left, cancel, self.open_button)):
            QWidget.setTabOrder(before, after)

    @property
    def chosen_kind(self) -> OutputKind | None:
        """What the outputs are said to be; None until that is chosen."""
        kind: OutputKind | None = self.kind.currentData()
        return kind

    @property
    def options(self) -> OpenOptions:
        """What was chosen."""
        kind = self.chosen_kind
        columns = None if kind == "values" else self.mapping.columns
        return OpenOptions(kind, columns, None if self.names == self._numbers else self.names)

    def _show_kind(self) -> None:
        """Show what the chosen kind of output means, and the classes unless the outputs are values."""
        kind, described = self.chosen_kind, self.described
        if kind is None:
            self.kind_field.set_note(sentence(described.output_reason), "collision")
        else:
            activation = described.activation or ("sigmoid" if self.project.scheme.kind == "binary" else "softmax")
            reason = sentence(described.output_reason) if kind == described.output else "Chosen by you."
            self.kind_field.set_note(f"{reason} {_KIND_NOTES[kind].format(activation=activation)}".strip())
        self.mapping.setVisible(kind != "values")
        self.names_button.setVisible(kind != "values" and described.n_outputs > 1)
        self._show_state()

    def _show_state(self) -> None:
        """Allow opening once everything that must be chosen is."""
        values = self.chosen_kind == "values"
        self.fill_button.setVisible(not values and not self.mapping.is_complete)
        self.mapping_reason.setVisible(bool(self.mapping_reason.text()) and not values)
        self.open_button.setEnabled(self.chosen_kind is not None and (values or not self.mapping.error))
        self.fit()

    def _ask_names(self) -> None:
        title, kinds = "Names of the model's outputs", "Text or JSON (*.txt *.csv *.json);;All files (*)"
        chosen, _ = QFileDialog.getOpenFileName(self, title, str(Path.home()), kinds)
        if chosen:
            self.read_names(Path(chosen))

    def read_names(self, file: Path) -> None:
        """Read the names of the outputs from a file, as `output_names.read_names`, and map classes of the same name."""
        try:
            names = read_names(file)
        except ModelError as error:
            self._show_error(f"{error}.")
            return
        expected = self.described.n_outputs
        if len(names) != expected:
            self._show_error(f"{file.name}: expected {expected} names; received {len(names)}.")
            return
        self._show_error("")
        self.names = names
        wanted = self.project.scheme.output_names
        missing = [name for name in wanted if name not in names]
        self.mapping.set_outputs(names, [names.index(name) if name in names else None for name in wanted])
        listed = ", ".join(missing[:3]) + ("…" if len(missing) > 3 else "")
        self.mapping_reason.set_text(
            f"{file.name} has no output named {listed}." if missing else f"Matched by the names in {file.name}."
        )
        self._show_state()

    def _show_error(self, text: str) -> None:
        self.error.set_text(text, "fails")
        self.fit()
