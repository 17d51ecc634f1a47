"""The pages under the reading strip: evaluation, models, and the way between them."""

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QApplication

from maskscope.project import Project, ProjectWriter
from maskscope.types import Sentence
from maskscope.workflows.demo import write_demo
from maskscope_gui.app import make_window

KEY = Qt.Key
CONTROL = Qt.KeyboardModifier.ControlModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier
LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def open_window(qtbot):
    opened = []

    def open_one(path):
        window, commands = make_window()
        opened.append(window)
        window.resize(1440, 900)
        assert commands.open(path)
        window.show()
        window.activateWindow()
        qtbot.waitUntil(window.isActiveWindow)
        if window.shown_page is None:
            window.setFocus()
        return window

    yield open_one
    for window in opened:
        window.close()
        window.session.close()
        window.deleteLater()


def press(qtbot, window, *keys, modifier=Qt.KeyboardModifier.NoModifier):
    """To the widget that has the focus, as a keyboard does."""
    for key in keys:
        qtbot.keyClick(QApplication.focusWidget() or window, key, modifier)


def evaluated(qtbot, window, *, whole=True):
    """The Evaluation page with its answer, over all sentences."""
    press(qtbot, window, KEY.Key_2, modifier=CONTROL)
    page = window.made_pages["evaluation"]
    if whole:
        press(qtbot, window, KEY.Key_H, modifier=CONTROL)
    qtbot.waitUntil(lambda: page.evaluating.result is not None and not page.busy, timeout=10_000)
    return page


def written(target: Path, labels: str, n: int = 2) -> Path:
    """`n` sentences "a b c" with these labels, "." for none."""
    rng = np.random.default_rng(5)
    with ProjectWriter(target, 4, np.dtype(np.float32)) as writer:
        for _ in range(n):
            rows = rng.normal(size=(3, 4)).astype(np.float32)
            names = tuple(None if name == "." else name for name in labels.split())
            writer.add(Sentence(("a", "b", "c"), rows, names))
        writer.finish({})
    return target


# Between pages


def test_pages_are_turned_by_key_and_mouse_and_esc_goes_back(qtbot, open_window, spans):
    window = open_window(spans)
    assert window.tracks_panel.isVisible()
    press(qtbot, window, KEY.Key_2, modifier=CONTROL)
    assert window.page == "evaluation"
    assert not window.tracks_panel.isVisible()
    assert window.reading.isVisible()
    assert window.actions_by_id["page_evaluation"].isChecked()
    press(qtbot, window, KEY.Key_Escape)
    if window.page != "sentence":
        # The first Esc stopped the evaluation.
        press(qtbot, window, KEY.Key_Escape)
    assert window.page == "sentence"
    assert window.tracks_panel.isVisible()
    qtbot.mouseClick(window.tabs, LEFT, pos=window.tabs.tab_box("models").center())
    assert window.page == "models"
    press(qtbot, window, KEY.Key_1, modifier=CONTROL)
    assert window.page == "sentence"
    assert window.focusWidget() is window
    for box in (window.tabs.tab_box(page) for page in ("sentence", "evaluation", "models", "picture")):
        assert box.right() < window.tabs.width()


def test_the_page_is_remembered_and_the_batch_folds_as_ever(qtbot, open_window, spans):
    window = open_window(spans)
    press(qtbot, window, KEY.Key_3, modifier=CONTROL)
    window.close()
    window.session.close()
    again = open_window(spans)
    assert again.page == "models"
    assert again.made_pages["models"].table.isVisible()
    press(qtbot, again, KEY.Key_1, modifier=CONTROL)
    assert again.batch_panel.isVisible()
    again.resize(again.look.px(1200), again.look.px(800))
    assert not again.batch_panel.isVisible()


def test_a_label_key_still_labels_on_a_page_and_enter_accepts_nothing(qtbot, open_window, spans):
    window = open_window(spans)
    evaluated(qtbot, window)
    window.session.cursor.reveal(0, 0)
    press(qtbot, window, KEY.Key_1)
    assert window.session.focus.row.labels[0] == 1
    press(qtbot, window, KEY.Key_Return, KEY.Key_Tab, KEY.Key_Return)
    with Project.open(spans, read_only=True) as project:
        assert project.sentence(0).state == "unreviewed"
        assert project.edits.count() == 1


# Evaluation


def test_the_figures_are_those_of_the_labels_and_an_edit_only_makes_the_page_say_so(qtbot, open_window, spans):
    window = open_window(spans)
    page = evaluated(qtbot, window)
    found = page.evaluating.result.evaluation
    # Decoded by hand: "to New York" is B-loc I-loc I-loc, 0.40 x 0.45 x 0.70; O B-loc I-loc is 0.50 x 0.25 x 0.70.
    said = [1, 2, 2, 0, 1, 2]
    gold = [0, 1, 2, 0, 1, 2]
    counts = np.zeros((3, 3), dtype=int)
    np.add.at(counts, (gold, said), 1)
    assert np.array_equal(found.evaluation.metrics.confusion, counts)
    # One of two entities has the right bounds, and both models of reading agree.
    assert page.sheet.verdict.name == "entity F1"
    assert page.sheet.verdict.value == 0.5
    assert "6 tokens of 2 sentences" in page.sheet.verdict.lines[0]
    assert {row.name for row in page.sheet.entities.rows} == {"loc", "all, default", "all, strict"}
    answer = page.evaluating.result
    window.session.cursor.reveal(0, 0)
    press(qtbot, window, KEY.Key_1)
    assert not page.busy
    assert page.evaluating.result is answer
    assert "Labels have changed since" in page.note.text()
    assert page.note.isVisible()
    press(qtbot, window, KEY.Key_R, modifier=CONTROL)
    qtbot.waitUntil(lambda: page.evaluating.result is not answer and not page.busy, timeout=10_000)
    assert not page.note.isVisible()
    assert page.evaluating.result.evaluation.evaluation.metrics.confusion[1][1] == 2
    press(qtbot, window, KEY.Key_G, modifier=CONTROL)
    qtbot.waitUntil(lambda: page.evaluating.result.evaluation.against == "gold", timeout=10_000)
    assert np.array_equal(page.evaluating.result.evaluation.evaluation.metrics.confusion, counts)


def test_a_cell_lists_its_tokens_and_the_list_moves_the_one_cursor(qtbot, open_window, spans):
    window = open_window(spans)
    page = evaluated(qtbot, window)
    matrix, session = page.sheet.matrix, window.session
    assert matrix.hasFocus()
    qtbot.mouseClick(matrix.viewport(), LEFT, pos=matrix.box_of(2, 2).center())
    assert "I-loc predicted I-loc · 2" in page.list_head._title.text()
    assert (session.cursor.sentence, session.cursor.position) == (0, 2)
    press(qtbot, window, KEY.Key_Down)
    assert (session.cursor.sentence, session.cursor.position) == (1, 2)
    press(qtbot, window, KEY.Key_Left, modifier=SHIFT)
    assert session.cursor.span == (1, 2)
    session.cursor.move(2)
    cells = [page.tokens._cell_of(1, column).text for column in range(5)]
    assert cells == ["1", "York", "I-loc", "I-loc", "0.90"]
    press(qtbot, window, KEY.Key_L, modifier=CONTROL | SHIFT)
    assert session.list_order.sentences.tolist() == [0, 1] or sorted(session.list_order.sentences.tolist()) == [0, 1]
    assert "predicted" in session.list_order.search_text
    # By keyboard alone: back to the matrix, to the cell of B-loc predicted I-loc, and its token.
    page.tokens.setFocus()
    press(qtbot, window, KEY.Key_Tab)
    assert matrix.hasFocus()
    press(qtbot, window, KEY.Key_Home, KEY.Key_Up, KEY.Key_Up, KEY.Key_Right, KEY.Key_Return)
    assert "B-loc predicted I-loc · 1" in page.list_head._title.text()
    assert (session.cursor.sentence, session.cursor.position) == (0, 1)
    press(qtbot, window, KEY.Key_Return)
    assert window.page == "sentence"


def test_what_padding_would_say_stands_hatched_beside_each_figure(qtbot, open_window, tmp_path):
    demo = write_demo(tmp_path / "demo.maskscope")
    window = open_window(demo)
    page = evaluated(qtbot, window, whole=False)
    evaluation = page.evaluating.result.evaluation.evaluation
    padded = evaluation.if_padding_counted
    # The demo's model prints more than 0.5 at padding: what it says there would ruin its precision.
    assert (
        page.sheet.verdict.value == evaluation.metrics.micro.f1 > page.sheet.verdict.padded == padded.metrics.micro.f1
    )
    assert f"{padded.padded_positions:,} padded positions" in page.sheet.verdict.lines[-1]
    assert page.sheet.curve.isVisible()
    assert f"best threshold {evaluation.metrics.curve.best_threshold:.2f}" in page.sheet.curve.words()
    assert f"{evaluation.metrics.calibration.expected_calibration_error:.3f}" in page.sheet.calibration.words()
    image = page.sheet.verdict.grab().toImage()
    colours = {image.pixelColor(x, y).name().upper() for x in range(image.width()) for y in range(window.look.px(40))}
    assert window.look.theme.pad_ground in colours
    press(qtbot, window, KEY.Key_Tab, KEY.Key_Left, KEY.Key_Right, KEY.Key_Return)
    count = evaluation.metrics.calibration.bins[9].count
    assert page.list_head._title.text().endswith(f"{count:,}")
    assert "tokens with a probability" in page.sheet.calibration.tip_at(page.sheet.calibration.bin_box(9).center())


@pytest.mark.parametrize(
    ("labels", "words"), [("O B-x I-x", "held back"), (". . .", "No token of this project has a label yet")]
)
def test_where_there_is_nothing_to_evaluate_the_page_says_why(qtbot, open_window, tmp_path, adopt, labels, words):
    target = written(tmp_path / "p.maskscope", labels)
    window = open_window(target)
    press(qtbot, window, KEY.Key_2, modifier=CONTROL)
    page = window.made_pages["evaluation"]
    assert "There is no model" in page.unavailable.text()
    assert page.unavailable.isVisible()
    assert not page.parts.isVisible()
    project = window.session.project
    n_outputs = project.scheme.n_outputs
    adopt(project, np.full((6, n_outputs), 1 / n_outputs))
    window.session.use_model(None)
    if labels == ". . .":
        press(qtbot, window, KEY.Key_H, modifier=CONTROL)
    assert words in page.unavailable.text()


def test_class_names_of_any_length_are_elided_and_many_classes_scroll(qtbot, open_window, tmp_path, adopt):
    target = tmp_path / "many.maskscope"
    n = 40
    names = ["O", *(f"a-very-long-class-name-of-number-{place:02d}-and-more" for place in range(1, n))]
    with ProjectWriter(target, 4, np.dtype(np.float32)) as writer:
        rows = np.random.default_rng(0).normal(size=(n, 4)).astype(np.float32)
        writer.add(Sentence(tuple(str(place) for place in range(n)), rows, tuple(names)))
        writer.finish({})
    with Project.open(target) as project:
        adopt(project, np.eye(n, dtype=np.float32)[project.labels("gold")])
    window = open_window(target)
    matrix = evaluated(qtbot, window).sheet.matrix
    assert matrix.horizontalScrollBar().maximum() > 0
    press(qtbot, window, KEY.Key_End)
    box = matrix.cell_box(*matrix.cell)
    assert 0 <= box.left() < box.right() <= matrix.viewport().width()
    # Wider or narrower, no row of it is cut off.
    for width in (1900, 1000, 1500):
        window.resize(width, 900)
        qtbot.wait(60)
        assert matrix.cell_box(n - 1, 0).bottom() <= matrix.viewport().height()
    first = matrix.cell_box(0, 0)
    tip = matrix.tip_at(QPoint(4, first.center().y()))
    assert tip == names[1]
