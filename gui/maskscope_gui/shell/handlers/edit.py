"""Actions that change labels and review states, and the keys of the labels."""

from PySide6.QtCore import QObject
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QApplication, QInputDialog, QLineEdit

from maskscope_gui.pages.sentence.palette import keys_of
from maskscope_gui.shell.handlers import Handlers
from maskscope_gui.shell.main_window import MainWindow


class EditHandlers(QObject):
    """Edits the sentence on screen, by actions, by the keys of the labels and by clicks on the palette."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window, self._session = window, window.session
        self._label_keys: list[QShortcut] = []
        window.palette_view.picked.connect(self._session.editing.set_label)
        window.palette_view.ignored.connect(self._session.editing.ignore)
        self._session.project_changed.connect(self._new_project)
        self._session.editing.edited.connect(lambda _: self._name_undo())

    def handlers(self) -> Handlers:
        """By action id."""
        editing = self._session.editing
        return {
            "undo": editing.undo,
            "redo": editing.redo,
            "last_edit": editing.show_last_edit,
            "toggle": editing.toggle_label,
            "clear": editing.clear_label,
            "ignore": editing.ignore,
            "revert": editing.revert_label,
            "use_predictions": editing.use_predictions,
            "label_by_name": self._label_by_name,
            "accept": self._accept,
            "flag": editing.toggle_flag,
        }

    def _accept(self) -> None:
        if isinstance(QApplication.focusWidget(), QLineEdit):
            # Enter in the search field goes back to the sentences.
            self._window.pages.focus_page()
        else:
            self._session.editing.accept()

    def _label_by_name(self) -> None:
        scheme = self._session.scheme
        name, chosen = QInputDialog.getItem(
            self._window, "Label by name", "Label the selected tokens:", list(scheme.classes), scheme.outside, True
        )
        if chosen and name in scheme.classes:
            self._session.editing.set_label(scheme.classes.index(name))
        elif chosen:
            self._session.message_requested.emit(f"There is no label “{name}” in this project.", "error")

    def _new_project(self) -> None:
        for shortcut in self._label_keys:
            shortcut.setEnabled(False)
            shortcut.deleteLater()
        self._label_keys = []
        self._name_undo()
        if self._session.project is None:
            return
        scheme = self._session.scheme
        for label, key in enumerate(keys_of(len(scheme.classes), scheme.outside)):
            if key and label != scheme.outside:
                shortcut = QShortcut(QKeySequence(key), self._window)
                shortcut.activated.connect(lambda label=label: self._session.editing.set_label(label))
                self._label_keys.append(shortcut)

    def _name_undo(self) -> None:
        project = self._session.project
        titles = project.edits.next_titles() if project is not None else (None, None)
        for action_id, title in zip(("undo", "redo"), titles, strict=True):
            text = action_id.capitalize()
            # An ampersand would mark the key of a menu.
            name = f" “{title.replace('&', '&&')}”" if title else ""
            self._window.actions_by_id[action_id].setText(text + name)
