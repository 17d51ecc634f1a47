"""What each action of the table does."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QActionGroup, QKeySequence, QShortcut
from PySide6.QtWidgets import QApplication, QFileDialog, QInputDialog, QLineEdit, QMenu

from maskscope.errors import MaskscopeError
from maskscope_gui.actions import by_id
from maskscope_gui.background.disagreement_job import DisagreementJob
from maskscope_gui.background.padding_experiment import FILLS, MASK_SOURCES
from maskscope_gui.background.score_job import ScoreJob
from maskscope_gui.page_table import PAGE_NAMES, PAGES, SENTENCE_PAGE
from maskscope_gui.pages.sentence.palette import keys_of
from maskscope_gui.session.search import Search
from maskscope_gui.settings import demo_folder
from maskscope_gui.shell.main_window import MainWindow
from maskscope_gui.widgets.pages import Page

if TYPE_CHECKING:
    from maskscope_gui.pages.evaluation.evaluation_page import EvaluationPage


class Commands(QObject):
    """Binds actions, label keys, search and drops to the session, the lab and the dialogs."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self.window = window
        self.session, self.lab, self.settings = window.session, window.lab, window.settings
        self.search = Search(self.session, self)
        self.dropped: list[Path] = []
        self.stop_work: Callable[[], bool] = lambda: False
        self.scoring = ScoreJob(self.session, self)
        self.scoring.progressed.connect(window.status_line.set_work)
        self.disagreement = DisagreementJob(self.session, self)
        self.disagreement.progressed.connect(window.status_line.set_work)
        self._label_keys: list[QShortcut] = []
        window.page_makers = {"evaluation": self._make_evaluation, "models": self._make_models}
        self._bind()
        window.palette_view.picked.connect(self.set_label)
        window.palette_view.ignored.connect(self.session.editing.ignore)
        window.dropped.connect(self.take_dropped)
        window.start_page.chosen.connect(self.open)
        window.closing.connect(self.close)
        window.toolbar.search.textEdited.connect(self.search.set_text)
        window.toolbar.search.textChanged.connect(self._search_cleared)
        self.session.project_changed.connect(self._new_project)
        self.session.list_order.changed.connect(self._show_search)
        self.session.editing.edited.connect(self._name_undo)
        self._theme_actions()
        self._add_recent_menu()
        self._new_project()

    def _bind(self) -> None:
        session, lab, window = self.session, self.lab, self.window
        does: dict[str, Callable[[], object]] = {
            "open": self.ask_project,
            "open_demo": self.open_demo,
            "quit": window.close,
            "undo": session.editing.undo,
            "redo": session.editing.redo,
            "last_edit": session.editing.show_last_edit,
            "toggle": session.editing.toggle_label,
            "clear": session.editing.clear_label,
            "ignore": session.editing.ignore,
            "decode": self._turn_decoding,
            "revert": session.editing.revert_label,
            "use_predictions": session.editing.use_predictions,
            "grow": lambda: session.cursor.move(session.cursor.position + 1, extend=True),
            "shrink": lambda: session.cursor.move(session.cursor.position - 1, extend=True),
            "select_all": lambda: session.cursor.select_span(0, (session.focus.length if session.focus else 1) - 1),
            "accept": self._accept,
            "flag": session.editing.toggle_flag,
            "next_uncertain": partial(session.cursor.next_uncertain, 1),
            "previous_uncertain": partial(session.cursor.next_uncertain, -1),
            "next_collision": session.cursor.next_collision,
            "left": lambda: session.cursor.move(session.cursor.position - 1),
            "right": lambda: session.cursor.move(session.cursor.position + 1),
            "up": lambda: session.cursor.select_row(session.cursor.row - 1),
            "down": lambda: session.cursor.select_row(session.cursor.row + 1),
            "home": lambda: session.cursor.move(0),
            "end": self._end,
            "page_up": lambda: session.cursor.select_row(session.cursor.row - window.list_panel.list.rows_a_page()),
            "page_down": lambda: session.cursor.select_row(session.cursor.row + window.list_panel.list.rows_a_page()),
            "first_sentence": lambda: session.cursor.select_row(0),
            "last_sentence": lambda: session.cursor.select_row(len(session.list_order.sentences) - 1),
            "find": self._find,
            "pad_more": lambda: lab.set_added(lab.setting.added + 1),
            "pad_less": lambda: lab.set_added(lab.setting.added - 1),
            "pad_more10": lambda: lab.set_added(lab.setting.added + 10),
            "pad_less10": lambda: lab.set_added(lab.setting.added - 10),
            "fill": self._next_fill,
            "mask_from": self._next_source,
            "mask_token": lambda: lab.toggle_masked(session.cursor.position),
            "unmask_all": lab.unmask_all,
            "label_by_name": self._label_by_name,
            "next_model": self._next_model,
            "batch_order": window.turn_batch,
            "shown_class": session.show_next_class,
            "side_tab": window.turn_side_tab,
            "dismiss": self._dismiss,
            **{page.action_id: partial(window.show_page, page.name) for page in PAGES},
            "recompute": self._evaluate_again,
            "eval_subset": lambda: self._on_evaluation(lambda page: page.turn_subset()),
            "eval_against": lambda: self._on_evaluation(lambda page: page.turn_against()),
            "list_found": self._list_found,
            "toggle_batch": lambda: window.show_batch(not window.batch_shown),
            "sort": session.list_order.next_sort,
            "filter": session.list_order.next_filter,
        }
        for action_id, action in window.actions_by_id.items():
            if action_id in does:
                action.triggered.connect(lambda _=False, work=does[action_id]: work())

    def _theme_actions(self) -> None:
        group = QActionGroup(self)
        for action_id, choice in (("use_system_theme", "system"), ("light", "light"), ("dark", "dark")):
            action = self.window.actions_by_id[action_id]
            group.addAction(action)
            action.setChecked(self.settings.theme == choice)
            action.triggered.connect(lambda _=False, choice=choice: self._choose_theme(choice))
        QApplication.styleHints().colorSchemeChanged.connect(self._system_theme_changed)

    def _add_recent_menu(self) -> None:
        menu = QMenu("Open recent", self.window)
        self.window.menus["File"].insertMenu(self.window.actions_by_id["open_demo"], menu)
        menu.aboutToShow.connect(lambda: self._fill_recent(menu))
        self._fill_recent(menu)

    def _fill_recent(self, menu: QMenu) -> None:
        menu.clear()
        for path in self.settings.recent():
            action = menu.addAction(f"{path.name.removesuffix('.maskscope')}   {path.parent}")
            action.triggered.connect(lambda _=False, path=path: self.open(path))
        if menu.isEmpty():
            menu.addAction("none yet").setEnabled(False)

    def _choose_theme(self, choice: str) -> None:
        self.settings.set_text("theme", choice)
        self.window.refresh_theme()

    def _system_theme_changed(self) -> None:
        self.window.refresh_theme()

    # Projects

    def open(self, path: Path) -> bool:
        """Show a project, at the place last read; a message in the window when it can't be."""
        self._remember_place()
        self.window.notice.hide()
        try:
            self.session.open(path)
        except MaskscopeError as error:
            self.session.message_requested.emit(str(error), "error")
            return False
        self.settings.add_recent(path)
        place = self.settings.place(path)
        if place is not None and self.session.project is not None and place[0] < self.session.project.n_sentences:
            self.session.cursor.select(*place)
        return True

    def open_demo(self) -> None:
        """Open the demo, writing it first when it is not there."""
        from maskscope.workflows.demo import write_demo

        folder = demo_folder()
        try:
            if not (folder / "project.sqlite").is_file():
                folder.parent.mkdir(parents=True, exist_ok=True)
                write_demo(folder)
        except (MaskscopeError, OSError) as error:
            self.session.message_requested.emit(f"The demo can't be written: {error}", "error")
            return
        self.open(folder)

    def ask_project(self) -> None:
        """Let the person choose a project folder."""
        start = self.settings.text("projects_folder") or str(Path.home())
        folder = QFileDialog.getExistingDirectory(self.window, "Open a Maskscope project", start)
        if folder:
            self.settings.set_text("projects_folder", str(Path(folder).parent))
            self.open(Path(folder))

    def take_dropped(self, paths: list[Path]) -> None:
        """Open a dropped project or model; import anything else, a text together with its embeddings."""
        path = paths[0]
        models = [each for each in paths if each.suffix == ".keras"]
        if models and self.session.project is None:
            self.session.message_requested.emit(
                f"Not opened: {models[0].name} opens onto a project; open one first.", "error"
            )
        elif models:
            self.dropped = models[:1]
            self.window.actions_by_id["open_model"].trigger()
        elif (path / "project.sqlite").is_file():
            self.open(path)
        elif path.name == "project.sqlite":
            self.open(path.parent)
        else:
            self.dropped = paths
            self.window.actions_by_id["import"].trigger()

    def _remember_place(self) -> None:
        if self.session.project is not None and self.session.cursor.sentence >= 0:
            self.settings.set_place(
                self.session.project.path, self.session.cursor.sentence, self.session.cursor.position
            )

    def _new_project(self) -> None:
        self.search.set_text("")
        for shortcut in self._label_keys:
            shortcut.setEnabled(False)
            shortcut.deleteLater()
        self._label_keys = []
        project = self.session.project
        enabled = project is not None
        for action_id, action in self.window.actions_by_id.items():
            if by_id()[action_id].needs_project:
                action.setEnabled(enabled)
        if project is None:
            return
        for label, key in enumerate(keys_of(len(project.scheme.classes), project.scheme.outside)):
            if key and label != project.scheme.outside:
                shortcut = QShortcut(QKeySequence(key), self.window)
                shortcut.activated.connect(lambda label=label: self.set_label(label))
                self._label_keys.append(shortcut)
        self._name_undo()
        self._show_remembered_page()
        self._fill_classes()
        self._check_decoding()

    def _fill_classes(self) -> None:
        button = self.window.shown_class
        if self.session.scheme.kind == "binary":
            button.setMenu(None)  # type: ignore[arg-type]
            return
        menu = QMenu(button)
        menu.addAction("P(any label)").triggered.connect(lambda _=False: self.session.show_class(None))
        for place, name in enumerate(self.session.scheme.classes):
            menu.addAction(f"P({name})").triggered.connect(lambda _=False, place=place: self.session.show_class(place))
        button.setMenu(menu)

    def _name_undo(self, sentence: int = -1) -> None:
        project = self.session.project
        titles = project.edits.next_titles() if project is not None else (None, None)
        for action_id, title in zip(("undo", "redo"), titles, strict=True):
            action = self.window.actions_by_id[action_id]
            words = action_id.capitalize()
            action.setText(f"{words} “{title.replace('&', '&&')}”" if title else words)

    # Labels

    def set_label(self, label: int) -> None:
        """Label the selected tokens."""
        self.session.editing.set_label(label)

    def _label_by_name(self) -> None:
        names = list(self.session.scheme.classes)
        name, chosen = QInputDialog.getItem(
            self.window, "Label by name", "Label the selected tokens:", names, self.session.scheme.outside, True
        )
        if chosen and name in names:
            self.set_label(names.index(name))
        elif chosen:
            self.session.message_requested.emit(f"There is no label “{name}” in this project.", "error")

    def _next_model(self) -> None:
        assert self.session.project is not None
        ids = [model.id for model in self.session.project.models.all()]
        if ids:
            here = -1 if self.session.model is None else ids.index(self.session.model.id)
            self.session.use_model(ids[(here + 1) % len(ids)])

    def _turn_decoding(self) -> None:
        if self.session.decodes_spans:
            self.session.set_decoding("argmax" if self.session.decoding == "viterbi" else "viterbi")
        else:
            self.session.message_requested.emit(
                "These labels are no spans, so each token's likeliest label is its prediction.", "info"
            )
        self._check_decoding()

    def _check_decoding(self) -> None:
        self.window.actions_by_id["decode"].setChecked(
            self.session.decodes_spans and self.session.decoding == "viterbi"
        )

    def _dismiss(self) -> None:
        page = self.window.shown_page
        if self.window.notice.isVisible():
            self.window.notice.hide()
        elif isinstance(QApplication.focusWidget(), QLineEdit):
            self._focus_back()
        elif page is not None and page.busy:
            page.cancel()
        elif not self.stop_work() and page is not None:
            # What is read or typed is left first, then work is stopped, and only then the page.
            self.window.show_page("sentence")

    def _focus_back(self) -> None:
        """From a text field to the page that is shown."""
        self.window.setFocus(Qt.FocusReason.ShortcutFocusReason)
        if self.window.shown_page is not None:
            self.window.shown_page.enter()

    # Pages

    def _make_evaluation(self) -> Page:
        from maskscope_gui.pages.evaluation.evaluation_page import EvaluationPage

        return self.bound(EvaluationPage(self.session, self.window.look))

    def _make_models(self) -> Page:
        from maskscope_gui.pages.models.models_page import ModelsPage

        return self.bound(ModelsPage(self.session, self.window.look))

    def _show_remembered_page(self) -> None:
        remembered = self.settings.text("page")
        page = remembered if remembered in PAGE_NAMES and self.session.model is not None else SENTENCE_PAGE
        if page != self.window.page:
            self.window.show_page(page)

    def bound(self, page: Page) -> Page:
        """A new page, whose wishes are heard and whose progress is told."""
        page.asked.connect(lambda action_id: self.window.actions_by_id[action_id].trigger())
        page.progressed.connect(self.window.status_line.set_work)
        return page

    def _on_evaluation(self, act: Callable[["EvaluationPage"], object]) -> None:
        self.window.show_page("evaluation")
        act(cast("EvaluationPage", self.window.made_pages["evaluation"]))

    def _evaluate_again(self) -> None:
        page = self.window.shown_page
        if page is not None:
            page.compute()
        else:
            self._on_evaluation(lambda page: page.compute())

    def _list_found(self) -> None:
        page = self.window.shown_page
        if page is not None:
            page.list_found()

    def _accept(self) -> None:
        if isinstance(QApplication.focusWidget(), QLineEdit):
            # Enter in the search field goes back to the sentences.
            self._focus_back()
            return
        self.session.editing.accept()

    def _end(self) -> None:
        if self.session.focus is not None:
            self.session.cursor.move(self.session.focus.length - 1)
            self.window.tracks.show_padding_edge()

    # Search

    def _find(self) -> None:
        self.window.toolbar.search.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.window.toolbar.search.selectAll()

    def _search_cleared(self, text: str) -> None:
        if not text and self.session.list_order.search_text:
            self.search.set_text("")

    def _show_search(self) -> None:
        field = self.window.toolbar.search
        if not field.hasFocus() and field.text() != self.session.list_order.search_text:
            field.setText(self.session.list_order.search_text)

    # Padding

    def _next_fill(self) -> None:
        fills = list(FILLS)
        self.lab.set_fill(fills[(fills.index(self.lab.setting.fill) + 1) % len(fills)])

    def _next_source(self) -> None:
        sources = list(MASK_SOURCES)
        self.lab.set_mask_from(sources[(sources.index(self.lab.setting.mask_from) + 1) % len(sources)])

    def close(self) -> None:
        """End what runs in the background."""
        for page in self.window.made_pages.values():
            page.close_down()
        self.scoring.close()
        self.disagreement.close()
        self.search.close()
        self.lab.close()
