"""Tokens that can't be seen get a name; all others stay as they are."""

import pytest

from maskscope_gui.widgets.token_text import reads_right_to_left, token_text


@pytest.mark.parametrize(
    ("token", "text"),
    [
        ("", "empty"),
        (" ", "␣"),
        ("\t", "⇥"),
        ("\n", "⏎"),
        ("\ufe0f", "U+FE0F"),
        ("\u200d", "U+200D"),
        ("\u0301", "U+0301"),
    ],
)
def test_what_cannot_be_seen_is_named(token: str, text: str) -> None:
    assert token_text(token) == (text, True)


@pytest.mark.parametrize("token", ["Lisbon", "東京", "مرحبا", "☕", "👩‍🚀", "é", "e\u0301", "."])
def test_what_can_be_seen_stays(token: str) -> None:
    assert token_text(token) == (token, False)


def test_a_line_break_inside_a_token_is_shown() -> None:
    assert token_text("a\nb") == ("a⏎b", False)


def test_the_direction_is_that_of_most_letters() -> None:
    assert reads_right_to_left(("مرحبا", "بالعالم", "ok"))
    assert not reads_right_to_left(("Layla", "مرحبا", "said", "hello"))
    assert not reads_right_to_left(("1", ".", "☕"))
