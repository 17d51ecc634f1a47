"""The Evaluation page: its figures, what makes them stale, and the tokens behind a cell or a bin."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from maskscope.workflows.demo import write_demo
from maskscope.workflows.evaluate import ProjectEvaluation
from maskscope_gui.pages.evaluation.evaluation_page import EvaluationPage
from tests.gui.window_helpers import CONTROL, KEY, LEFT, SHIFT, OpenWindow, Press

ShowEvaluation = Callable[..., EvaluationPage]

GOLD = [0, 1, 2, 0, 1, 2]
PREDICTED = [1, 2, 2, 0, 1, 2]
"""Of `spans`, decoded by hand: "to New York" is B-loc I-loc I-loc, 0.40 x 0.45 x 0.70; O B-loc I-loc is less."""


def counts() -> np.ndarray:
    """The confusion matrix of `spans`: gold labels down, predictions across."""
    matrix = np.zeros((3, 3), dtype=int)
    np.add.at(matrix, (GOLD, PREDICTED), 1)
    return matrix


def evaluation_of(page: EvaluationPage) -> ProjectEvaluation:
    assert page.evaluating.result is not None
    return page.evaluating.result.evaluation


def confusion_of(page: EvaluationPage) -> np.ndarray:
    return np.array(evaluation_of(page).evaluation.metrics.confusion)


def test_the_figures_are_those_of_the_labels(
    open_window: OpenWindow, show_evaluation: ShowEvaluation, spans: Path
) -> None:
    page = show_evaluation(open_window(spans))
    assert np.array_equal(confusion_of(page), counts())
    # One of two entities has the right bounds, by both definitions of an entity.
    assert page.sheet.verdict.name == "entity F1"
    assert page.sheet.verdict.value == 0.5
    assert page.sheet.verdict.lines[0] == "6 tokens of 2 sentences, compared with edited labels"
    assert {row.name for row in page.sheet.entities.rows} == {"loc", "all, default", "all, strict"}


def test_the_buttons_show_what_is_evaluated_and_their_keys(
    qtbot: QtBot, open_window: OpenWindow, show_evaluation: ShowEvaluation, spans: Path
) -> None:
    page = show_evaluation(open_window(spans))
    assert page.subset.text() == "all sentences ▾   Ctrl+H"
    assert page.against.text() == "compare with: edited ▾   Ctrl+G"
    qtbot.mouseClick(page.against, LEFT)
    assert page.against.text() == "compare with: original ▾   Ctrl+G"
    qtbot.mouseClick(page.subset, LEFT)
    assert page.subset.text() == "validation sentences ▾   Ctrl+H"
    # The model of `spans` was trained on all sentences.
    assert "no sentence was held back" in page.unavailable.text()
    assert not page.parts.isVisible()


def test_an_edit_makes_the_figures_stale_until_they_are_computed_again(
    qtbot: QtBot, open_window: OpenWindow, press: Press, show_evaluation: ShowEvaluation, spans: Path
) -> None:
    window = open_window(spans)
    page = show_evaluation(window)
    result = page.evaluating.result
    assert not page.note.isVisible()
    window.session.cursor.reveal(0, 0)
    press(window, KEY.Key_1)
    assert not page.busy
    assert page.evaluating.result is result
    assert "Labels have changed since" in page.note.text()
    assert page.note.isVisible()
    press(window, KEY.Key_R, modifier=CONTROL)
    qtbot.waitUntil(lambda: page.evaluating.result is not result and not page.busy, timeout=10_000)
    assert not page.note.isVisible()
    assert confusion_of(page)[1][1] == 2
    press(window, KEY.Key_G, modifier=CONTROL)
    qtbot.waitUntil(lambda: evaluation_of(page).against == "gold", timeout=10_000)
    assert np.array_equal(confusion_of(page), counts())
    assert "original labels" in page.sheet.verdict.lines[0]


def test_a_cell_lists_its_tokens_and_the_list_moves_the_one_cursor(
    qtbot: QtBot, open_window: OpenWindow, press: Press, show_evaluation: ShowEvaluation, spans: Path
) -> None:
    window = open_window(spans)
    page = show_evaluation(window)
    matrix, cursor = page.sheet.matrix, window.session.cursor
    assert matrix.hasFocus()
    assert "its tokens are listed here" in page.tokens.empty
    qtbot.mouseClick(matrix.viewport(), LEFT, pos=matrix.box_of(2, 2).center())
    assert "I-loc predicted I-loc · 2" in page.list_head._title.text()
    assert (cursor.sentence, cursor.position) == (0, 2)
    press(window, KEY.Key_Down)
    assert (cursor.sentence, cursor.position) == (1, 2)
    press(window, KEY.Key_Left, modifier=SHIFT)
    assert cursor.span == (1, 2)
    cursor.move(2)
    cells = [page.tokens._cell_of(1, column).text for column in range(5)]
    assert cells == ["1", "York", "I-loc", "I-loc", "0.90"]


def test_the_tokens_behind_a_cell_are_shown_in_the_sentence_list(
    qtbot: QtBot, open_window: OpenWindow, press: Press, show_evaluation: ShowEvaluation, spans: Path
) -> None:
    window = open_window(spans)
    page = show_evaluation(window)
    assert not page.show_found.isEnabled()
    qtbot.mouseClick(page.sheet.matrix.viewport(), LEFT, pos=page.sheet.matrix.box_of(0, 1).center())
    assert page.show_found.isEnabled()
    press(window, KEY.Key_L, modifier=CONTROL | SHIFT)
    assert window.session.list_order.sentences.tolist() == [0]
    assert window.session.list_order.search_text == "O predicted B-loc"
    assert window.list_panel.count.text() == "1 of 2"


def test_cells_and_their_tokens_are_reached_by_keyboard_alone(
    open_window: OpenWindow, press: Press, show_evaluation: ShowEvaluation, spans: Path
) -> None:
    window = open_window(spans)
    page = show_evaluation(window)
    page.tokens.setFocus()
    press(window, KEY.Key_Tab)
    assert page.sheet.matrix.hasFocus()
    press(window, KEY.Key_Home, KEY.Key_Up, KEY.Key_Up, KEY.Key_Right, KEY.Key_Return)
    assert "B-loc predicted I-loc · 1" in page.list_head._title.text()
    assert (window.session.cursor.sentence, window.session.cursor.position) == (0, 1)
    press(window, KEY.Key_Return)
    assert window.pages.current == "sentence"


def test_what_padding_would_change_is_hatched_next_to_each_figure(
    open_window: OpenWindow, press: Press, show_evaluation: ShowEvaluation, tmp_path: Path
) -> None:
    window = open_window(write_demo(tmp_path / "demo.maskscope"))
    page = show_evaluation(window, all_sentences=False)
    evaluation = evaluation_of(page).evaluation
    padded, metrics = evaluation.if_padding_counted, evaluation.metrics
    assert padded is not None
    # The output of the demo's model at padding is more than 0.5: counting it would ruin the precision.
    assert page.sheet.verdict.padded is not None
    assert page.sheet.verdict.value == metrics.micro.f1 > page.sheet.verdict.padded == padded.metrics.micro.f1
    assert f"{padded.padded_positions:,} padded positions" in page.sheet.verdict.lines[-1]
    assert metrics.curve is not None
    assert page.sheet.curve.isVisible()
    assert f"best threshold {metrics.curve.best_threshold:.2f}" in page.sheet.curve.summary()
    assert f"{metrics.calibration.expected_calibration_error:.3f}" in page.sheet.calibration.summary()
    image = page.sheet.verdict.grab().toImage()
    colours = {image.pixelColor(x, y).name().upper() for x in range(image.width()) for y in range(window.look.px(40))}
    assert window.look.theme.pad_ground in colours
    press(window, KEY.Key_Tab, KEY.Key_Left, KEY.Key_Right, KEY.Key_Return)
    assert page.list_head._title.text().endswith(f"{metrics.calibration.bins[9].count:,}")
    bin_box = page.sheet.calibration.bin_box(9)
    assert "tokens with a probability" in page.sheet.calibration.tip_at(bin_box.center())


@pytest.mark.parametrize(
    ("labels", "reason"), [("O B-x I-x", "held back"), (". . .", "No token of this project has a label yet")]
)
def test_where_there_is_nothing_to_evaluate_the_page_says_why(
    open_window: OpenWindow,
    press: Press,
    write_labelled: Callable[..., Path],
    adopt: Callable[..., str],
    labels: str,
    reason: str,
) -> None:
    window = open_window(write_labelled(labels, labels))
    press(window, KEY.Key_2, modifier=CONTROL)
    page = window.pages.made["evaluation"]
    assert isinstance(page, EvaluationPage)
    assert "There is no model" in page.unavailable.text()
    assert page.unavailable.isVisible()
    assert not page.parts.isVisible()
    project = window.session.project
    assert project is not None
    n_outputs = project.scheme.n_outputs
    adopt(project, np.full((6, n_outputs), 1 / n_outputs))
    window.session.use_model(None)
    if labels == ". . .":
        press(window, KEY.Key_H, modifier=CONTROL)
    assert reason in page.unavailable.text()
