"""The TOKEN panel: the lines about the token at the cursor."""

from pathlib import Path

import pytest

from maskscope_gui.pages.sentence.token_panel import ago
from maskscope_gui.shell.main_window import MainWindow
from tests.gui.window_helpers import OpenWindow


def lines(window: MainWindow) -> dict[str, str]:
    return {name: value for name, value, _ in window.token.lines()}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "just now"), (59, "just now"), (60, "1 min ago"), (7200, "2 h ago"), (3 * 86400, "3 days ago")],
)
def test_the_time_since_an_edit_is_text(seconds: float, text: str) -> None:
    assert ago(seconds) == text


def test_every_property_of_the_token_has_a_line(open_window: OpenWindow, typed_demo: Path) -> None:
    window = open_window(typed_demo)
    window.session.cursor.reveal(41, 0)
    focus = window.session.focus
    assert focus is not None
    assert focus.inside is not None
    assert lines(window) == {
        "position": "0 of 13",
        "mask": "1 · real token",
        "P(any label)": f"{focus.inside[0]:.3f}",
        "predicted": "person",
        "gold": "person",
        "edited": "–",
        "norm": f"{focus.norms[0]:.2f}",
    }


def test_an_edit_and_an_ignored_token_name_the_person(open_window: OpenWindow, typed_demo: Path) -> None:
    window = open_window(typed_demo)
    window.session.cursor.reveal(41, 3)
    window.session.editing.set_label(2)
    assert lines(window)["edited"] == "place by you, just now"
    window.session.editing.ignore()
    assert lines(window)["edited"] == "ignored by you, just now"


def test_a_span_scheme_has_a_line_for_the_argmax_and_more_height(
    open_window: OpenWindow, spans: Path, typed_demo: Path
) -> None:
    window = open_window(spans)
    window.session.cursor.reveal(0, 0)
    assert lines(window)["predicted"] == "B-loc"
    assert lines(window)["argmax"] == "O · not chosen"
    with_argmax = window.token.height()
    window.close()
    window.session.close()
    assert open_window(typed_demo).token.height() < with_argmax


def test_a_collision_has_no_prediction(open_window: OpenWindow, typed_demo: Path) -> None:
    window = open_window(typed_demo)
    window.session.cursor.next_collision()
    assert lines(window)["mask"] == "0 · collision, masked as padding"
    assert lines(window)["predicted"] == "no prediction"
    assert lines(window)["P(any label)"].endswith("is not a prediction")
