"""The padding experiment: changed by keys and by the mouse, and what the window shows of it."""

from pathlib import Path

from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from maskscope.engine.padding_probe import PaddedRun
from maskscope_gui.shell.main_window import MainWindow
from maskscope_resources.colours import LIGHT
from tests.gui.window_helpers import KEY, SHIFT, OpenWindow, Press, focus_of


def run_of(window: MainWindow) -> PaddedRun:
    assert window.experiment.run is not None
    return window.experiment.run


def test_padding_is_ignored_with_the_models_mask_and_not_without(
    qtbot: QtBot, open_window: OpenWindow, press: Press, typed_demo: Path
) -> None:
    window = open_window(typed_demo)
    window.session.cursor.reveal(41)
    press(window, KEY.Key_BracketRight)
    assert window.experiment.settings.added == 13
    assert window.padding.figure.text() == "0.000000"
    qtbot.waitUntil(lambda: window.experiment.curves is not None, timeout=10_000)
    assert "every length up to 200" in window.padding.verdict.text()
    curves = window.experiment.curves
    assert curves is not None
    assert curves.chosen.shape == (201,)
    assert curves.chosen.max() <= 1e-6
    assert curves.unmasked is not None
    assert curves.unmasked.max() > 1e-4
    qtbot.mouseClick(window.padding.sources.button(2), Qt.MouseButton.LeftButton)
    assert window.padding.figure.text() != "0.000000"
    assert "✗" in window.padding.verdict.text()
    assert run_of(window).mask.all()


def test_the_model_does_not_mask_noise_but_the_lengths_do(
    open_window: OpenWindow, press: Press, typed_demo: Path
) -> None:
    window = open_window(typed_demo)
    press(window, KEY.Key_X)
    assert window.experiment.settings.fill == "noise"
    assert run_of(window).mask.all()
    assert "only masks rows that equal" in window.padding.explanation.text()
    press(window, KEY.Key_M)
    assert window.experiment.settings.mask_source == "lengths"
    assert window.padding.figure.text() == "0.000000"


def test_the_slider_moves_by_mouse_and_shows_its_number(open_window: OpenWindow, typed_demo: Path) -> None:
    window = open_window(typed_demo)
    window.padding.slider.setValue(57)
    assert window.padding.added.text() == "57"
    assert len(run_of(window).mask) == focus_of(window).length + 57


def test_a_click_in_the_mask_lane_masks_a_real_token_and_shows_what_changes(
    qtbot: QtBot, open_window: OpenWindow, press: Press, typed_demo: Path
) -> None:
    window = open_window(typed_demo)
    window.session.cursor.reveal(41)
    qtbot.mouseClick(
        window.tracks.viewport(), Qt.MouseButton.LeftButton, pos=window.tracks.column_box(6, "mask").center()
    )
    assert window.experiment.settings.masked == {6}
    assert not run_of(window).mask[6]
    assert run_of(window).largest_change > 1e-4
    assert "by hand" in window.padding.verdict.text()
    press(window, KEY.Key_K, modifier=SHIFT)
    assert window.padding.figure.text() == "0.000000"


def test_the_first_sentence_has_no_previous_one_to_pad_with(open_window: OpenWindow, typed_demo: Path) -> None:
    window = open_window(typed_demo)
    window.session.cursor.reveal(0)
    window.experiment.set_fill("previous")
    assert "no sentence before" in window.padding.explanation.text()
    window.session.cursor.reveal(1)
    assert "only masks rows that equal" in window.padding.explanation.text()


def test_padding_is_hatched_and_never_tinted(open_window: OpenWindow, typed_demo: Path) -> None:
    window = open_window(typed_demo)
    window.session.cursor.reveal(41)
    image = window.tracks.viewport().grab().toImage()
    box = window.tracks.column_box(focus_of(window).length + 2, "gold")
    seen = {
        image.pixelColor(x, y).name().upper()
        for x in range(box.left() + 1, box.right())
        for y in range(box.top(), box.bottom())
    }
    assert LIGHT.pad_ground in seen
    assert LIGHT.ramp_high not in seen
    assert len(seen) > 2
