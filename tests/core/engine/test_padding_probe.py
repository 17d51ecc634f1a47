"""What padding changes in one sentence."""

import numpy as np
import pytest

from maskscope.engine.padding_probe import MAX_PADDING, Fill, MaskSource, PaddingProbe
from tests.core.engine.taggers import general_tagger, offsets_of, random_tagger


@pytest.mark.parametrize("units", [(2,), (2, 3)])
@pytest.mark.parametrize("fill", ["zeros", "noise", "previous"])
def test_padding_moves_nothing_where_the_mask_covers_it(units: tuple[int, ...], fill: Fill) -> None:
    tagger = random_tagger(units=units, outputs=2)
    rng = np.random.default_rng(6)
    x = rng.normal(size=(5, 3)).astype(np.float32)
    x[3] = 0
    before = rng.normal(size=(2, 3)).astype(np.float32)
    probe = PaddingProbe(tagger, x, fill, before)
    run = probe.run(7, "lengths")
    assert run.largest_change == 0
    assert run.mask.tolist() == [True] * 5 + [False] * 7
    np.testing.assert_allclose(run.probs_tc[:5], tagger.score(x, offsets_of(5), "lengths"), atol=2e-6)
    np.testing.assert_allclose(run.probs_tc[5:], np.tile(tagger.masked_output, (7, 1)), atol=1e-6)
    assert probe.curve("lengths").max() == 0
    model = probe.run(7, "model")
    covered = fill == "zeros"
    assert model.mask.tolist() == [True, True, True, False, True] + [not covered] * 7
    assert (model.largest_change == 0) == covered
    unmasked = probe.run(7, "none")
    assert unmasked.largest_change > 1e-4
    assert unmasked.mask.all()


@pytest.mark.parametrize("units", [(2,), (3, 2)])
def test_a_padded_run_is_the_packed_score_of_the_padded_array(units: tuple[int, ...]) -> None:
    tagger = random_tagger(units=units, outputs=2)
    rng = np.random.default_rng(7)
    x = rng.normal(size=(4, 3)).astype(np.float32)
    before = rng.normal(size=(3, 3)).astype(np.float32)
    before[1] = 0
    probe = PaddingProbe(tagger, x, "previous", before)
    padded = np.concatenate([x, before, before[:2]])
    for rule in ("model", "none"):
        run = probe.run(5, rule)
        expected = tagger.score(padded, offsets_of(9), "model" if rule == "model" else "lengths")
        np.testing.assert_allclose(run.probs_tc, expected, atol=2e-6)
        alone = tagger.score(x, offsets_of(4))
        change = np.abs(expected[:4] - alone).max(axis=1)
        assert run.largest_change == pytest.approx(change.max(), abs=2e-6)
        assert run.at == int(change.argmax())


@pytest.mark.parametrize("fill", ["zeros", "noise", "previous"])
@pytest.mark.parametrize("rule", ["model", "lengths", "none"])
def test_the_curve_is_the_change_of_each_run(fill: Fill, rule: MaskSource) -> None:
    tagger = random_tagger(units=(2, 2), seed=3)
    rng = np.random.default_rng(8)
    x = rng.normal(size=(6, 3)).astype(np.float16)
    x[2] = 0
    before = rng.normal(size=(4, 3)).astype(np.float16)
    before[1] = 0
    probe = PaddingProbe(tagger, x, fill, before)
    for masked in (frozenset(), frozenset({1, 4})):
        curve = probe.curve(rule, masked=masked)
        assert curve.shape == (MAX_PADDING + 1,)
        for k in (0, 1, 2, 7, 30, 199, 200):
            assert curve[k] == pytest.approx(probe.run(k, rule, masked).largest_change, abs=2e-6)


def test_masking_a_real_token_shows_what_moves_among_the_others() -> None:
    tagger = random_tagger()
    x = np.random.default_rng(9).normal(size=(4, 3)).astype(np.float32)
    probe = PaddingProbe(tagger, x)
    assert probe.run(0).largest_change == 0
    run = probe.run(0, "model", frozenset({1}))
    alone = tagger.score(x, offsets_of(4))
    without = tagger.score(np.delete(x, 1, axis=0), offsets_of(3))
    change = np.abs(without - np.delete(alone, 1, axis=0)).max()
    assert run.largest_change == pytest.approx(change, abs=2e-6)
    assert run.at != 1
    assert run.mask.tolist() == [True, False, True, True]
    nothing = probe.run(3, "lengths", frozenset(range(4)))
    assert (nothing.largest_change, nothing.at) == (0.0, None)
    with pytest.raises(ValueError, match="received 201"):
        probe.run(201)


@pytest.mark.parametrize("fill", ["zeros", "noise", "previous"])
@pytest.mark.parametrize("plain_last", [False, True])
def test_the_padding_panel_steps_through_any_stack(fill: Fill, plain_last: bool) -> None:
    tagger = general_tagger("sum", plain_last)
    rng = np.random.default_rng(7)
    x = rng.normal(size=(4, 4)).astype(np.float32)
    x[2] = 0
    before = rng.normal(size=(3, 4)).astype(np.float32)
    probe = PaddingProbe(tagger, x, fill, before)
    lengths = probe.run(3, "lengths")
    alone = tagger.score(x, offsets_of(4), "lengths")
    behind = alone[3] if tagger.repeats_last_output else tagger.masked_output
    padding = np.tile(behind, (3, 1))
    np.testing.assert_allclose(lengths.probs_tc, np.concatenate([alone, padding]), atol=2e-6)
    assert lengths.largest_change == 0
    curve = probe.curve("none")
    for k in (0, 2, 30):
        assert curve[k] == pytest.approx(probe.run(k, "none").largest_change, abs=2e-6)
    if fill == "previous":
        padded = np.concatenate([x, before])
        run = probe.run(3, "model")
        np.testing.assert_allclose(run.probs_tc, tagger.score(padded, offsets_of(7)), atol=2e-6)


@pytest.mark.parametrize("rule", ["model", "lengths", "none"])
def test_padding_in_front_is_read_before_the_tokens(rule: MaskSource) -> None:
    tagger = random_tagger(units=(2,), outputs=2)
    rng = np.random.default_rng(9)
    x = rng.normal(size=(5, 3)).astype(np.float32)
    x[1] = 0
    source = rng.normal(size=(3, 3)).astype(np.float32)
    source[1] = 0
    probe = PaddingProbe(tagger, x, "source", source, "front")
    run = probe.run(4, rule)
    # the first row is next to the tokens
    padded = np.concatenate([source[[0, 2, 1, 0]], x])
    if rule != "lengths":
        expected = tagger.score(padded, offsets_of(9), "model" if rule == "model" else "lengths")
        np.testing.assert_allclose(run.probs_tc, np.concatenate([expected[4:], expected[:4][::-1]]), atol=2e-6)
    else:
        assert run.largest_change == 0
        assert run.mask.tolist() == [True] * 5 + [False] * 4
    curve = probe.curve(rule, 9)
    np.testing.assert_allclose(curve, [probe.run(k, rule).largest_change for k in range(10)], atol=2e-6)
