"""The confusion matrix: many classes with long names."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PySide6.QtCore import QPoint, Qt
from pytestqt.qtbot import QtBot

from maskscope.project import Project, ProjectWriter
from maskscope.types import Sentence
from maskscope_gui.pages.evaluation.evaluation_page import EvaluationPage
from maskscope_gui.shell.main_window import MainWindow


def test_class_names_of_any_length_are_elided_and_many_classes_scroll(
    qtbot: QtBot,
    open_window: Callable[[Path], MainWindow],
    press: Callable[..., None],
    show_evaluation: Callable[..., EvaluationPage],
    tmp_path: Path,
    adopt: Callable[..., str],
) -> None:
    target = tmp_path / "many.maskscope"
    n = 40
    names = ["O", *(f"a-very-long-class-name-of-number-{number:02d}-and-more" for number in range(1, n))]
    with ProjectWriter(target, 4, np.dtype(np.float32)) as writer:
        rows = np.random.default_rng(0).normal(size=(n, 4)).astype(np.float32)
        writer.add(Sentence(tuple(str(number) for number in range(n)), rows, tuple(names)))
        writer.finish()
    with Project.open(target) as project:
        adopt(project, np.eye(n, dtype=np.float32)[project.labels("gold")])
    window = open_window(target)
    matrix = show_evaluation(window).sheet.matrix
    assert matrix.horizontalScrollBar().maximum() > 0
    press(window, Qt.Key.Key_End)
    box = matrix.cell_box(*matrix.cell)
    assert 0 <= box.left() < box.right() <= matrix.viewport().width()
    # Wider or narrower, no row of it is cut off.
    for width in (1900, 1000, 1500):
        window.resize(width, 900)
        qtbot.wait(60)
        assert matrix.cell_box(n - 1, 0).bottom() <= matrix.viewport().height()
    first = matrix.cell_box(0, 0)
    assert matrix.tip_at(QPoint(4, first.center().y())) == names[1]
