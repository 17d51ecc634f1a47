"""The Models page: choosing a model, and comparing two of them token by token."""

from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from maskscope.project import Project
from maskscope.workflows.demo import write_demo
from maskscope_gui.pages.evaluation.evaluation_page import EvaluationPage
from maskscope_gui.pages.models.models_page import ModelsPage
from maskscope_gui.shell.main_window import MainWindow
from maskscope_gui.widgets.table import Table
from tests.gui.window_helpers import CONTROL, KEY, LEFT, OpenWindow, Press


@pytest.fixture
def two_models(spans: Path, adopt: Callable[..., str]) -> Path:
    """The project of `spans` with a second model m2, which predicts O everywhere but in "Old York"."""
    with Project.open(spans) as project:
        probs = np.tile(np.array([0.8, 0.1, 0.1]), (6, 1))
        probs[4:] = [[0.1, 0.7, 0.2], [0.2, 0.2, 0.6]]
        adopt(project, probs, (1,))
    return spans


@pytest.fixture
def show_models(open_window: OpenWindow, press: Press) -> Callable[[Path], tuple[MainWindow, ModelsPage]]:
    """Open a window on a project and turn to the Models page."""

    def show(path: Path) -> tuple[MainWindow, ModelsPage]:
        window = open_window(path)
        press(window, KEY.Key_3, modifier=CONTROL)
        return window, cast(ModelsPage, window.pages.made["models"])

    return show


ShowModels = Callable[[Path], tuple[MainWindow, ModelsPage]]


def texts(table: Table) -> list[list[str]]:
    """The texts of all cells, row by row."""
    return [[table._cell(row, column).text for column in range(len(table.columns))] for row in range(table.n_rows)]


def column(table: Table, title: str) -> list[str]:
    number = [each.title for each in table.columns].index(title)
    return [row[number] for row in texts(table)]


def compared(qtbot: QtBot, window: MainWindow, page: ModelsPage, press: Press) -> None:
    """Mark the first two models with the keyboard, and wait for the comparison."""
    press(window, KEY.Key_Home, KEY.Key_Space, KEY.Key_Down, KEY.Key_Space)
    qtbot.waitUntil(lambda: page.comparing.result is not None and not page.busy, timeout=10_000)


def test_models_are_listed_newest_first_with_the_one_in_use(two_models: Path, show_models: ShowModels) -> None:
    _, page = show_models(two_models)
    assert page.table.hasFocus()
    assert column(page.table, "id") == ["m2", "m1"]
    assert column(page.table, "name") == ["BiLSTM 3 · in use", "BiLSTM 3"]
    assert column(page.table, "engine") == ["built-in", "built-in"]
    assert column(page.table, "scored") == ["✓", "✓"]
    assert column(page.table, "settings")[0].startswith("3 units · recurrent dropout")
    assert page.table.row == 0


def test_enter_takes_a_model_into_use(two_models: Path, show_models: ShowModels, press: Press) -> None:
    window, page = show_models(two_models)
    press(window, KEY.Key_End, KEY.Key_Return)
    assert window.session.model is not None
    assert window.session.model.id == "m1"
    assert column(page.table, "name") == ["BiLSTM 3", "BiLSTM 3 · in use"]
    press(window, KEY.Key_2, modifier=CONTROL)
    evaluation = cast(EvaluationPage, window.pages.made["evaluation"])
    # Unlike m2, m1 has no validation sentences.
    assert "no sentence was held back" in evaluation.unavailable.text()


def test_a_double_click_and_the_hint_take_a_model_into_use(
    qtbot: QtBot, two_models: Path, show_models: ShowModels
) -> None:
    window, page = show_models(two_models)
    view = page.table.viewport()
    qtbot.mouseDClick(view, LEFT, pos=page.table.row_box(1).center())
    assert window.session.model is not None
    assert window.session.model.id == "m1"
    qtbot.mouseClick(view, LEFT, pos=page.table.row_box(0).center())
    # A single click only moves the cursor.
    assert window.session.model.id == "m1"
    assert page.table.row == 0
    qtbot.mouseClick(page.use_hint, LEFT)
    assert window.session.model.id == "m2"


def test_two_marked_models_are_compared_token_by_token(
    qtbot: QtBot, two_models: Path, show_models: ShowModels, press: Press
) -> None:
    window, page = show_models(two_models)
    assert "Mark two models with Space" in page.note.text()
    assert "are listed here" in page.note.text()
    press(window, KEY.Key_Space)
    assert "m2 is marked A" in page.note.text()
    press(window, KEY.Key_Down, KEY.Key_Space)
    qtbot.waitUntil(lambda: page.comparing.result is not None and not page.busy, timeout=10_000)
    assert not page.note.isVisible()
    # By hand: gold 0 1 2 0 1 2; A (m2) predicts 0 0 0 0 1 2; B (m1), decoded, predicts 1 2 2 0 1 2.
    assert [(text.split(",")[0], count) for _, count, text in page.counts.boxes] == [
        ("differ", 3),
        ("both right", 3),
        ("only A right", 1),
        ("only B right", 1),
        ("both wrong", 1),
    ]
    assert texts(page.tokens) == [
        ["0", "to", "O", "O", "0.80", "B-loc", "0.40"],
        ["0", "New", "B-loc", "O", "0.80", "I-loc", "0.45"],
        ["0", "York", "I-loc", "O", "0.80", "I-loc", "0.70"],
    ]


def test_a_click_on_a_count_lists_its_tokens(
    qtbot: QtBot, two_models: Path, show_models: ShowModels, press: Press
) -> None:
    window, page = show_models(two_models)
    compared(qtbot, window, page, press)
    number = [group for group, _, _ in page.counts.boxes].index("only_b")
    qtbot.mouseClick(page.counts.viewport(), LEFT, pos=page.counts.box(number).center())
    assert "only B right, m1 · 1" in page.list_head._title.text()
    assert page.tokens.n_rows == 1
    page.tokens.focus_list()
    assert (window.session.cursor.sentence, window.session.cursor.position) == (0, 2)


def test_the_comparison_is_reached_by_keyboard(
    qtbot: QtBot, two_models: Path, show_models: ShowModels, press: Press
) -> None:
    window, page = show_models(two_models)
    compared(qtbot, window, page, press)
    press(window, KEY.Key_Tab)
    assert page.counts.hasFocus()
    press(window, KEY.Key_Right)
    assert page.counts.group == "only_a"
    assert texts(page.tokens) == [["0", "to", "O", "O", "0.80", "B-loc", "0.40"]]
    press(window, KEY.Key_Return)
    assert page.tokens.hasFocus()
    assert (window.session.cursor.sentence, window.session.cursor.position) == (0, 0)
    press(window, KEY.Key_Return)
    assert window.pages.current == "sentence"


def test_an_edit_makes_the_comparison_stale_until_it_is_computed_again(
    qtbot: QtBot, two_models: Path, show_models: ShowModels, press: Press
) -> None:
    window, page = show_models(two_models)
    compared(qtbot, window, page, press)
    window.session.cursor.reveal(0, 0)
    press(window, KEY.Key_1)
    assert "Labels have changed since" in page.note.text()
    press(window, KEY.Key_R, modifier=CONTROL)
    qtbot.waitUntil(lambda: not page.comparing.stale and not page.busy, timeout=10_000)
    # With "to" labelled B-loc it is B that is right there.
    assert [count for _, count, _ in page.counts.boxes] == [3, 3, 0, 2, 1]


def test_the_differing_tokens_are_shown_in_the_sentence_list(
    qtbot: QtBot, two_models: Path, show_models: ShowModels, press: Press
) -> None:
    window, page = show_models(two_models)
    compared(qtbot, window, page, press)
    qtbot.mouseClick(page.show_found, LEFT)
    assert window.session.list_order.sentences.tolist() == [0]
    assert window.list_panel.count.text() == "1 of 2"


def test_with_one_model_the_page_asks_for_a_second(spans: Path, show_models: ShowModels) -> None:
    _, page = show_models(spans)
    assert "Train (Ctrl+T) or open (Ctrl+Shift+O) a second model" in page.note.text()
    assert not page.tokens.isVisible()
    assert not page.counts.isVisible()


def test_without_a_model_the_page_says_how_to_get_one(project_folder: Path, show_models: ShowModels) -> None:
    _, page = show_models(project_folder)
    assert page.table.n_rows == 0
    assert "Train one with Ctrl+T" in page.table.empty


def test_columns_give_way_in_a_narrow_window_and_the_figures_stay(
    qtbot: QtBot, tmp_path: Path, show_models: ShowModels
) -> None:
    window, page = show_models(write_demo(tmp_path / "demo.maskscope"))
    metrics = page.table.models[0].run.metrics
    assert metrics is not None
    assert "created" in [each.title for each in page.table.columns]
    window.resize(window.look.px(1090), window.look.px(700))
    qtbot.waitUntil(lambda: "created" not in [each.title for each in page.table.columns])
    assert column(page.table, "validation F1") == [f"{metrics.f1:.3f}"]


def test_only_a_model_from_a_file_that_is_in_use_can_be_opened_again(
    two_models: Path, adopt_values: Callable[..., object], show_models: ShowModels, press: Press
) -> None:
    with Project.open(two_models) as project:
        adopt_values(project, 1)
    window, page = show_models(two_models)
    assert page.details.texts["model"].startswith("m3")
    assert page.reopen_hint.wanted
    press(window, KEY.Key_End)
    assert not page.reopen_hint.wanted
    press(window, KEY.Key_Return)
    assert not page.reopen_hint.wanted
