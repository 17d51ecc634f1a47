"""Actions on models: train, choose, evaluate, and what their pages list."""

from collections.abc import Callable

from maskscope_gui.shell.dialog_controller import DialogController
from maskscope_gui.shell.handlers import Handlers
from maskscope_gui.shell.main_window import MainWindow
from maskscope_gui.widgets.pages import Page


class ModelHandlers:
    """Acts on the model in use, and on the page that shows results of it."""

    def __init__(self, window: MainWindow, dialogs: DialogController) -> None:
        self._pages, self._session, self._dialogs = window.pages, window.session, dialogs

    def handlers(self) -> Handlers:
        """By action id."""
        return {
            "train": self._dialogs.train,
            "next_model": self._next_model,
            "recompute": self._compute_again,
            "eval_subset": self._change_subset,
            "eval_against": self._change_against,
            "list_found": lambda: self._on_page(lambda page: page.list_found()),
            "save_picture": self._save_picture,
        }

    def _next_model(self) -> None:
        assert self._session.project is not None
        ids = [model.id for model in self._session.project.models.all()]
        if ids:
            here = -1 if self._session.model is None else ids.index(self._session.model.id)
            self._session.use_model(ids[(here + 1) % len(ids)])

    def _compute_again(self) -> None:
        if self._pages.shown is None:
            self._pages.show_page("evaluation")
        self._on_page(lambda page: page.compute())

    def _change_subset(self) -> None:
        from maskscope_gui.pages.evaluation.evaluation_page import EvaluationPage

        self._pages.show_page("evaluation")
        assert isinstance(self._pages.shown, EvaluationPage)
        self._pages.shown.next_subset()

    def _change_against(self) -> None:
        from maskscope_gui.pages.evaluation.evaluation_page import EvaluationPage

        self._pages.show_page("evaluation")
        assert isinstance(self._pages.shown, EvaluationPage)
        self._pages.shown.next_against()

    def _save_picture(self) -> None:
        self._pages.show_page("picture")
        self._on_page(lambda page: page.ask_file())

    def _on_page(self, act: Callable[[Page], object]) -> None:
        if self._pages.shown is not None:
            act(self._pages.shown)
