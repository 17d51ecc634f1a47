"""A model that gives values: lanes with their own axes, no tint, no predictions; an autoencoder beside its input."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from pytestqt.qtbot import QtBot

from maskscope.project import Project
from maskscope.types import Floats
from maskscope_gui.pages.evaluation.evaluation_page import EvaluationPage
from maskscope_gui.pages.models.models_page import ModelsPage
from maskscope_gui.session.model_values import errors
from maskscope_gui.session.session import Session
from tests.gui.conftest import DIM
from tests.gui.window_helpers import KEY, OpenWindow, Press

AdoptValues = Callable[..., Floats]


@pytest.fixture
def seven(project_folder: Path, adopt_values: AdoptValues) -> Floats:
    """The values of a model with seven outputs, in the small project."""
    with Project.open(project_folder) as project:
        return adopt_values(project, 7)


def test_the_sentence_list_draws_the_first_values_as_bars(
    open_window: OpenWindow, project_folder: Path, seven: Floats
) -> None:
    window = open_window(project_folder)
    view = window.list_panel.list
    image = view.viewport().grab(view.row_box(1)).toImage()
    assert any(
        image.pixelColor(x, y).name().upper() == window.look.theme.norm for x in range(52, 120) for y in range(28, 42)
    )


def test_a_session_has_values_and_no_scores(project_folder: Path, seven: Floats) -> None:
    session = Session()
    session.open(project_folder)
    try:
        assert session.gives_values
        assert session.is_scored
        assert session.scores is None
        assert session.focus is not None
        assert session.focus.predicted is None
        assert session.focus.inside is None
        np.testing.assert_array_equal(session.focus.values, seven[: session.focus.length])
        assert session.uncertain_positions(0).tolist() == []
    finally:
        session.close()


def test_each_output_has_a_lane_with_the_ends_of_its_axis(
    open_window: OpenWindow, project_folder: Path, seven: Floats
) -> None:
    window = open_window(project_folder)
    lanes = window.tracks.value_lanes
    assert [lane.name for lane in lanes] == ["value 0", "value 1", "value 2"]
    for output, lane in enumerate(lanes):
        np.testing.assert_allclose(lane.values[:7], seven[:7, output], rtol=0, atol=1e-6)
        assert lane.low <= min(0, seven[:, output].min())
        assert lane.high >= max(0, seven[:, output].max())
    assert window.sentence_page.shown_class.text().startswith("values 0 to 2 of 7")
    assert "no probabilities" in window.reading.note_text
    assert window.reading.tip_at(window.reading.box_of(0).center()).endswith(f"value 2 {seven[0, 2]:.3g}")
    box = window.tracks.column_box(0, "probability")
    assert window.tracks.tip_at(QPoint(20, box.top() + 2)) == "value 0"
    assert window.tracks.tip_at(QPoint(20, box.bottom() - 2)) == "value 2"
    tip = window.tracks.tip_at(window.tracks.column_box(1, "probability").center())
    assert f"value 1: {seven[1, 1]:.6g}" in tip


def test_the_next_outputs_come_by_a_key_and_by_the_menu(
    open_window: OpenWindow, press: Press, project_folder: Path, seven: Floats
) -> None:
    window = open_window(project_folder)
    press(window, KEY.Key_P)
    assert [lane.name for lane in window.tracks.value_lanes] == ["value 3", "value 4", "value 5"]
    names = [name for name, _, _ in window.token.lines()]
    assert names == ["position", "mask", "value 3", "value 4", "value 5", "gold", "edited", "norm"]
    press(window, KEY.Key_P)
    assert [lane.name for lane in window.tracks.value_lanes] == ["value 6"]
    menu = window.sentence_page.shown_class.menu()
    assert [action.text() for action in menu.actions()] == ["value 0 to value 2", "value 3 to value 5", "value 6"]
    menu.actions()[1].trigger()
    assert window.session.first_output == 3


def test_padding_changes_nothing_and_its_output_is_shown_hollow(
    open_window: OpenWindow, project_folder: Path, seven: Floats
) -> None:
    window = open_window(project_folder)
    run = window.experiment.run
    assert run is not None
    assert run.probs_tc.shape == (7 + 12, 7)
    assert window.padding.figure.text() == "0.000000"
    assert len(window.tracks.value_lanes[0].values) == 7 + 12
    window.experiment.set_mask_source("none")
    assert not window.experiment.within_tolerance
    window.grab()


def test_a_model_of_probabilities_after_one_of_values_is_tinted_again(
    open_window: OpenWindow, project_folder: Path, adopt: Callable[..., str], seven: Floats
) -> None:
    with Project.open(project_folder) as project:
        adopt(project, np.full((project.n_tokens, 1), 0.5, dtype=np.float32))
    window = open_window(project_folder)
    assert window.tracks.value_lanes == ()
    assert window.session.scores is not None
    window.session.use_model("m1")
    assert len(window.tracks.value_lanes) == 3
    window.session.use_model("m2")
    assert window.tracks.value_lanes == ()
    assert window.reading.note_text == ""
    assert window.sentence_page.shown_class.text().startswith("P(name)")


def test_what_needs_predictions_says_in_a_sentence_that_there_are_none(
    open_window: OpenWindow, press: Press, project_folder: Path, adopt: Callable[..., str], seven: Floats, qtbot: QtBot
) -> None:
    with Project.open(project_folder) as project:
        adopt(project, np.full((project.n_tokens, 1), 0.5, dtype=np.float32))
    window = open_window(project_folder)
    assert not window.list_panel.note.isVisible()
    window.session.use_model("m1")
    assert window.list_panel.note.isVisible()
    assert "no uncertainty" in window.list_panel.note.text()
    assert window.session.list_order.sentences.tolist() == [0, 1, 2, 3]
    for key in (KEY.Key_Tab, KEY.Key_A):
        press(window, key)
        assert window.status_line.message.toolTip().count("gives values, which predict no labels") == 1
        window.status_line.message.clear()
    press(window, KEY.Key_2, modifier=Qt.KeyboardModifier.ControlModifier)
    page = window.pages.shown
    assert isinstance(page, EvaluationPage)
    assert "gives values, which are no label predictions" in page.unavailable.text()
    press(window, KEY.Key_3, modifier=Qt.KeyboardModifier.ControlModifier)
    models = window.pages.shown
    assert isinstance(models, ModelsPage)
    press(window, KEY.Key_Space, KEY.Key_Up, KEY.Key_Space)
    assert "so it can't be compared" in models.note.text()


def test_an_autoencoder_is_shown_beside_its_input(
    open_window: OpenWindow, press: Press, project_folder: Path, adopt_values: AdoptValues
) -> None:
    with Project.open(project_folder) as project:
        values = adopt_values(project, DIM)
        embeddings = np.array(project.embeddings, dtype=np.float32)
    window = open_window(project_folder)
    view = window.sentence_page.reconstruction
    assert view.isVisible()
    (lane,) = window.tracks.value_lanes
    assert lane.name == "error"
    np.testing.assert_allclose(lane.values, np.sqrt(((values[:7] - embeddings[:7]) ** 2).mean(axis=1)), atol=1e-6)
    press(window, KEY.Key_Right, KEY.Key_Right)
    shown = view.numbers()
    assert shown is not None
    np.testing.assert_array_equal(shown[0], embeddings[2])
    np.testing.assert_allclose(shown[1], values[2], rtol=0, atol=1e-6)
    assert view.text() == f"the: 6 numbers, root mean square error {errors(values[2:3], embeddings[2:3])[0]:.3g}"
    window.session.cursor.select(2, 2)
    assert view.text().endswith("masked as padding, so its reconstruction means nothing")
    window.grab()


def test_the_heat_map_is_grey_and_names_the_ends(open_window: OpenWindow, project_folder: Path, seven: Floats) -> None:
    window = open_window(project_folder)
    batch = window.batch.batch
    assert batch is not None
    assert batch.axis is not None
    row = batch.row_of(1)
    assert row is not None
    shown = batch.values[row, :3] * (batch.axis.high - batch.axis.low) + batch.axis.low
    np.testing.assert_allclose(shown, seven[7:10, 0], rtol=0, atol=1e-4)
    cell = window.batch.cell_box(row, 0).center().toPoint()
    assert f"value 0 {seven[7, 0]:.3g}" in window.batch.tip_at(QPoint(cell))
    picture = window.batch.viewport().grab().toImage()
    ratio = picture.devicePixelRatio()
    tint = picture.pixelColor(int(window.batch.cell_box(row, 1).center().x() * ratio), int(cell.y() * ratio))
    assert max(tint.red(), tint.green(), tint.blue()) - min(tint.red(), tint.green(), tint.blue()) < 24
