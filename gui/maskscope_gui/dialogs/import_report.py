"""The last page of the import dialog: what was imported, the notes of the import, and the collisions."""

from dataclasses import dataclass

from PySide6.QtWidgets import QTableWidgetItem, QVBoxLayout, QWidget

from maskscope.workflows.import_ import ImportReport
from maskscope_gui.dialogs.form import plain_table
from maskscope_gui.session.model_text import inferred_text
from maskscope_gui.theme.theme import Style
from maskscope_gui.widgets.base import Role, WrappedLabel
from maskscope_gui.widgets.token_text import token_text

_ROLES: dict[str, Role] = {"passed": "holds", "failed": "fails", "could not tell": "collision"}
_MAX_LABELS = 12
_MAX_ROWS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Imported:
    """A finished import.

    Attributes:
        report: of the import.
        collisions: (sentence, position, token) of the first collisions.
    """

    report: ImportReport
    collisions: tuple[tuple[int, int, str], ...]


class ImportReportPage(QWidget):
    """Shows an `Imported`."""

    def __init__(self, style: Style) -> None:
        super().__init__()
        self.look = style
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(style.px(8))
        self.summary = WrappedLabel(style, "", "text", size=17, bold=True)
        self.details = WrappedLabel(style, "", "second")
        self.notes_title = WrappedLabel(style, "Import notes", "text", bold=True)
        self.notes = WrappedLabel(style, "", "text")
        self.data = WrappedLabel(style, "", "text")
        self.collisions = WrappedLabel(style, "", "collision")
        self.table = plain_table(style, "Collisions", ("sentence", "position", "token"))
        for widget in (self.summary, self.details, self.notes_title, self.notes, self.data, self.collisions):
            column.addWidget(widget)
        column.addWidget(self.table, 100)
        column.addStretch(1)

    def show_import(self, imported: Imported) -> None:
        """Show what was imported."""
        report = imported.report
        self.summary.set_text(report.summary(), "text")
        classes = report.scheme.classes
        more = f" and {len(classes) - _MAX_LABELS} more" if len(classes) > _MAX_LABELS else ""
        source = report.lengths_from == "source"
        lengths = "are from the source" if source else f"were {inferred_text(report.padding)}"
        self.details.set_text(
            f"Labels: {', '.join(classes[:_MAX_LABELS])}{more}. Lengths {lengths}. Project: {report.path}"
        )
        # What these two kinds note is shown in more detail below.
        notes = [note.text for note in report.notes if note.kind not in ("interior-zero-rows", "data")]
        self.notes.set_text("\n".join(notes), "text")
        for widget in (self.notes_title, self.notes):
            widget.setVisible(bool(notes))
        self.data.set_text(report.data.text(), _ROLES[report.data.verdict])
        self._show_collisions(imported)

    def _show_collisions(self, imported: Imported) -> None:
        n, listed = imported.report.n_collisions, len(imported.collisions)
        self.table.setVisible(n > 0)
        if n == 0 and imported.report.lengths_from == "inferred":
            self.collisions.set_text(
                "No collision was found; a real token of zeros at the end of a sentence would look like padding.",
                "collision",
            )
            return
        if n == 0:
            self.collisions.set_text(
                "No real token has an embedding of zeros, so the mask and the lengths agree.", "holds"
            )
            return
        first = f" The first {listed:,} are listed." if n > listed else ""
        tokens, them = ("1 real token has", "it") if n == 1 else (f"{n:,} real tokens have", "them")
        self.collisions.set_text(
            f"▲ {tokens} an embedding of zeros: Masking takes {them} for padding and skips {them}.{first}", "collision"
        )
        self.table.setRowCount(listed)
        for row, (sentence, position, token) in enumerate(imported.collisions):
            for column, text in enumerate((f"{sentence:,}", f"{position:,}", _with_code_points(token))):
                self.table.setItem(row, column, QTableWidgetItem(text))
        height = self.look.px(26)
        self.table.setMinimumHeight(height * (min(listed, _MAX_ROWS_SHOWN) + 2))
        self.table.setMaximumHeight(height * (listed + 2))


def _with_code_points(token: str) -> str:
    """A token, with its code points where it is short and not ASCII."""
    text, stand_in = token_text(token)
    if stand_in or len(token) > 3 or token.isascii():
        return text
    return f"{text}   {' '.join(f'U+{ord(char):04X}' for char in token)}"
