"""The middle column: pages made when they are first shown, and the actions that show them."""

from collections.abc import Callable
from pathlib import Path

from maskscope_gui.page_table import PAGE_NAMES
from maskscope_gui.shell.main_window import MainWindow


def checked_pages(window: MainWindow) -> list[str]:
    return [name for name in PAGE_NAMES if window.actions_by_id[f"page_{name}"].isChecked()]


def test_the_menu_marks_the_page_that_is_shown(open_window: Callable[[Path | None], MainWindow], spans: Path) -> None:
    window = open_window(spans)
    assert checked_pages(window) == ["sentence"]
    for name in ("models", "evaluation", "sentence"):
        window.actions_by_id[f"page_{name}"].trigger()
        assert window.pages.current == name
        assert checked_pages(window) == [name]


def test_a_page_is_made_once_when_it_is_first_shown(
    open_window: Callable[[Path | None], MainWindow], spans: Path
) -> None:
    window = open_window(spans)
    assert window.pages.made == {}
    window.pages.show_page("models")
    made = window.pages.shown
    assert list(window.pages.made) == ["models"]
    window.pages.show_page("sentence")
    assert window.pages.shown is None
    window.pages.show_page("models")
    assert window.pages.shown is made
