"""Actions of the File menu: open, import and export projects and models."""

from pathlib import Path

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QFileDialog, QMenu

from maskscope.errors import MaskscopeError
from maskscope_gui.background.open_model_job import OpenModelJob
from maskscope_gui.settings import demo_folder
from maskscope_gui.shell.dialog_controller import DialogController
from maskscope_gui.shell.handlers import Handlers
from maskscope_gui.shell.main_window import MainWindow


class ProjectHandlers(QObject):
    """Opens projects and models: from a dialog, from the recent ones, or dropped on the window."""

    def __init__(self, window: MainWindow, dialogs: DialogController, open_model_job: OpenModelJob) -> None:
        super().__init__(window)
        self._window, self._dialogs, self._open_model_job = window, dialogs, open_model_job
        self._session, self._settings = window.session, window.settings
        window.dropped.connect(self.open_dropped)
        window.start_page.chosen.connect(self.open)
        dialogs.imported.connect(self.open)
        self._add_recent_menu()

    def handlers(self) -> Handlers:
        """By action id."""
        return {
            "import": self._dialogs.import_source,
            "open": self._ask_project,
            "open_model": self._ask_model,
            "open_model_with_options": lambda: self._ask_model(always_ask=True),
            "reopen_model": self._reopen_model,
            "open_demo": self.open_demo,
            "export": self._dialogs.export,
            "project_info": self._dialogs.project_info,
            "quit": self._window.close,
        }

    def open(self, path: Path) -> bool:
        """Show a project at the place that was shown last; an error message in the window when it can't be opened."""
        self._window.save_place()
        self._window.notice.hide()
        try:
            self._session.open(path)
        except MaskscopeError as error:
            self._session.message_requested.emit(str(error), "error")
            return False
        self._settings.add_recent(path)
        place = self._settings.place(path)
        if place is not None:
            self._session.cursor.select(*place)
        return True

    def open_demo(self) -> None:
        """Open the demo, writing it first when it does not exist."""
        from maskscope.workflows.demo import write_demo

        folder = demo_folder()
        try:
            if not (folder / "project.sqlite").is_file():
                folder.parent.mkdir(parents=True, exist_ok=True)
                write_demo(folder)
        except (MaskscopeError, OSError) as error:
            self._session.message_requested.emit(f"The demo can't be written: {error}", "error")
            return
        self.open(folder)

    def open_dropped(self, paths: list[Path]) -> None:
        """Open a dropped project or model; import anything else, such as a text together with its embeddings."""
        path = paths[0]
        models = [each for each in paths if each.suffix == ".keras"]
        if models:
            self._open_model_job.open(models[0])
        elif (path / "project.sqlite").is_file():
            self.open(path)
        elif path.name == "project.sqlite":
            self.open(path.parent)
        else:
            self._dialogs.import_source(paths)

    def _ask_project(self) -> None:
        start = self._settings.text("projects_folder") or str(Path.home())
        folder = QFileDialog.getExistingDirectory(self._window, "Open a Maskscope project", start)
        if folder:
            self._settings.set_text("projects_folder", str(Path(folder).parent))
            self.open(Path(folder))

    def _ask_model(self, *, always_ask: bool = False) -> None:
        start = self._settings.text("models_folder") or str(Path.home())
        kinds = "Keras models (*.keras);;All files (*)"
        chosen, _ = QFileDialog.getOpenFileName(self._window, "Open a model", start, kinds)
        if chosen:
            self._settings.set_text("models_folder", str(Path(chosen).parent))
            self._open_model_job.open(Path(chosen), always_ask=always_ask)

    def _reopen_model(self) -> None:
        """Ask anew what the model in use is, from the project's copy of its file."""
        model = self._session.model
        if model is None or not model.run.source:
            why = "there is no model yet" if model is None else f"{model.id} was trained here, so its outputs are known"
            self._session.message_requested.emit(f"Nothing to open again: {why}.", "info")
        else:
            self._open_model_job.open(model.keras_file, always_ask=True, name=model.run.source)

    def _add_recent_menu(self) -> None:
        menu = QMenu("Open recent", self._window)
        self._window.menus["File"].insertMenu(self._window.actions_by_id["open_demo"], menu)
        menu.aboutToShow.connect(lambda: self._fill_recent(menu))
        self._fill_recent(menu)

    def _fill_recent(self, menu: QMenu) -> None:
        menu.clear()
        for path in self._settings.recent():
            action = menu.addAction(f"{path.name.removesuffix('.maskscope')}   {path.parent}")
            action.triggered.connect(lambda _=False, path=path: self.open(path))
        if menu.isEmpty():
            menu.addAction("none yet").setEnabled(False)
