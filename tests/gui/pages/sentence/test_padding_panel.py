"""The PADDING panel: its settings by key and mouse, and what it says about the sentence on screen."""

import shutil
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from pytestqt.qtbot import QtBot

from maskscope.workflows.demo import write_demo
from maskscope_gui.shell.main_window import MainWindow
from tests.gui.window_helpers import KEY, LEFT, OpenWindow, Press

SENTENCE = 41


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo, written once."""
    return write_demo(tmp_path_factory.mktemp("demo") / "demo.maskscope")


@pytest.fixture
def window(written: Path, tmp_path: Path, open_window: OpenWindow) -> MainWindow:
    """A window on a copy of the demo, with a sentence on screen that has no collision."""
    opened = open_window(Path(shutil.copytree(written, tmp_path / "demo.maskscope")))
    opened.session.cursor.reveal(SENTENCE)
    return opened


def checked(window: MainWindow) -> str:
    """The text of the mask source that is chosen."""
    button = window.padding.sources.checkedButton()
    assert button is not None
    return button.text()


def test_padding_is_ignored_with_the_models_mask(qtbot: QtBot, window: MainWindow) -> None:
    panel = window.padding
    assert panel.added.text() == "12"
    assert panel.fill.text() == "zeros ▾"
    assert panel.fill.painted_text == "zeros ▾"
    assert checked(window) == "the model"
    assert panel.figure.text() == "0.000000"
    qtbot.waitUntil(lambda: window.experiment.curves is not None, timeout=10_000)
    assert panel.verdict.text() == "✓ ignored at every length up to 200"
    assert window.look.theme.holds.lower() in panel.figure.styleSheet()
    assert panel.explanation.text() == ""


def test_keys_and_slider_add_padded_positions(qtbot: QtBot, window: MainWindow, press: Press) -> None:
    panel = window.padding
    press(window, KEY.Key_BracketRight)
    assert (panel.added.text(), panel.slider.value()) == ("13", 13)
    press(window, KEY.Key_BraceRight)
    assert panel.added.text() == "23"
    press(window, KEY.Key_BracketLeft)
    assert panel.added.text() == "22"
    # A click to the right of the handle moves it by one page.
    qtbot.mouseClick(panel.slider, LEFT, pos=QPoint(panel.slider.width() - 4, panel.slider.height() // 2))
    assert int(panel.added.text()) > 22
    assert window.experiment.run is not None
    assert window.session.focus is not None
    assert len(window.experiment.run.mask) == window.session.focus.length + int(panel.added.text())


def test_without_a_mask_padding_changes_the_output_and_the_panel_says_where(qtbot: QtBot, window: MainWindow) -> None:
    panel = window.padding
    qtbot.mouseClick(panel.sources.button(2), LEFT)
    run = window.experiment.run
    assert run is not None
    assert panel.figure.text() == f"{run.largest_change:.6f}" != "0.000000"
    assert panel.verdict.text() == f"✗ padding changes the output, most at position {run.at}"
    assert window.look.theme.fails.lower() in panel.verdict.styleSheet()
    assert "reads padding as if it were tokens" in panel.explanation.text()


def test_noise_is_not_masked_by_the_model_but_by_the_lengths(window: MainWindow, press: Press) -> None:
    panel = window.padding
    press(window, KEY.Key_X)
    assert panel.fill.text() == "noise ▾"
    assert "✗" in panel.verdict.text()
    assert "only masks rows that equal its mask value" in panel.explanation.text()
    press(window, KEY.Key_M)
    assert checked(window) == "lengths"
    assert panel.figure.text() == "0.000000"
    assert panel.explanation.text() == ""


def test_the_content_is_chosen_from_a_menu(qtbot: QtBot, window: MainWindow) -> None:
    menu = window.padding.fill.menu()
    assert menu is not None
    menu.aboutToShow.emit()
    offered = [action for action in menu.actions() if action.isVisible()]
    assert [action.text() for action in offered] == ["zeros", "noise", "the previous sentence"]
    offered[2].trigger()
    assert window.experiment.settings.fill == "previous"
    assert window.padding.fill.text() == "the previous sentence ▾"


def test_a_token_masked_by_hand_is_named_and_shift_k_resets_the_mask(window: MainWindow, press: Press) -> None:
    panel = window.padding
    press(window, KEY.Key_Right, KEY.Key_Right, KEY.Key_K)
    assert "masking a token by hand changed others" in panel.verdict.text()
    assert panel.explanation.text() == "Masked by hand: position 2. Shift+K resets the mask."
    press(window, KEY.Key_K, modifier=Qt.KeyboardModifier.ShiftModifier)
    assert panel.figure.text() == "0.000000"
    assert panel.explanation.text() == ""


def test_failed_checks_of_the_audit_are_shown_and_a_click_asks_for_the_audit(qtbot: QtBot, window: MainWindow) -> None:
    panel = window.padding
    assert not panel.audit.isVisible()
    panel.show_audit(["loss"])
    assert "the audit fails: loss" in panel.audit.text()
    with qtbot.waitSignal(panel.audit_requested):
        qtbot.mouseClick(panel.audit, LEFT)
    panel.show_audit(["loss", "metrics"])
    assert "2 checks" in panel.audit.text()
    assert "loss, metrics" in panel.audit.toolTip()
    panel.show_audit([])
    assert not panel.audit.isVisible()


def test_without_a_model_the_panel_says_how_to_get_an_answer(open_window: OpenWindow, project_folder: Path) -> None:
    panel = open_window(project_folder).padding
    assert panel.verdict.text() == "Train or open a model to see what padding does to it."
    assert panel.figure.text() == "–"


def test_the_legend_of_the_curve_gives_both_changes(qtbot: QtBot, window: MainWindow) -> None:
    window.add_curve()
    qtbot.waitUntil(lambda: window.experiment.curves is not None, timeout=10_000)
    curves = window.experiment.curves
    assert curves is not None
    assert curves.unmasked is not None
    assert window.curve is not None
    assert [text for text, _, _ in window.curve.legend()] == [
        f"without mask: change up to {float(curves.unmasked.max()):.2g}",
        "with the model's mask: no change",
    ]
    qtbot.mouseClick(window.padding.sources.button(2), LEFT)
    qtbot.waitUntil(lambda: window.experiment.curves not in (None, curves), timeout=10_000)
    assert len(window.curve.legend()) == 1
