"""The contrast of every text with its background, and the colours of probabilities and labels."""

import itertools

import pytest

from maskscope.types import TagScheme
from maskscope_gui.theme.theme import contrast, label_colour, ramp, text_on, tint
from maskscope_resources.colours import DARK, LIGHT, Theme

THEMES = pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.01)


@THEMES
def test_text_on_any_probability_reads_well(theme: Theme) -> None:
    assert min(contrast(text_on(step, theme), step) for step in ramp(theme)) >= 4.5


@THEMES
def test_text_on_any_label_reads_well(theme: Theme) -> None:
    assert min(contrast(text_on(ground, theme), ground) for ground in theme.labels) >= 4.5


@THEMES
def test_words_and_labels_stand_out_from_the_panel(theme: Theme) -> None:
    for role in ("text", "second", "holds", "fails", "collision", "accent"):
        assert contrast(getattr(theme, role), theme.panel) >= 4.5, role
    assert min(contrast(label, theme.panel) for label in theme.labels) >= 3
    assert contrast(theme.on_accent, theme.accent) >= 4.5
    grounds = (theme.panel, theme.window, theme.holds_ground, theme.fails_ground)
    assert min(contrast(ink, ground) for ink in (theme.text, theme.second) for ground in grounds) >= 4.5


@THEMES
def test_the_ramp_runs_from_end_to_end_and_always_the_same_way(theme: Theme) -> None:
    steps = ramp(theme)
    assert (steps[0], steps[-1]) == (theme.ramp_low, theme.ramp_high)
    away = [contrast(step, theme.panel) for step in steps[8:]]
    assert all(later >= earlier - 0.02 for earlier, later in itertools.pairwise(away))


def test_nan_has_the_colour_of_zero() -> None:
    assert tint(float("nan"), LIGHT) == LIGHT.ramp_low
    assert tint(1.0, LIGHT) == LIGHT.ramp_high


def test_outside_has_no_colour_of_its_own() -> None:
    plain = TagScheme("multiclass", ("O", "a", "b"))
    assert label_colour(0, plain, LIGHT) == LIGHT.second
    assert label_colour(1, plain, LIGHT) == LIGHT.labels[0]
    assert label_colour(0, TagScheme("multiclass", ("a", "b", "O"), 2), LIGHT) == LIGHT.labels[0]


def test_the_classes_of_one_span_type_share_a_colour() -> None:
    spans = TagScheme("multiclass", ("O", "B-loc", "B-per", "I-loc", "I-per"))
    colours = [label_colour(place, spans, LIGHT) for place in range(5)]
    assert colours == [LIGHT.second, LIGHT.labels[0], LIGHT.labels[1], LIGHT.labels[0], LIGHT.labels[1]]
