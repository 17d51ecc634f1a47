"""Packed scoring of many designs compared with Keras itself, each sentence alone and unpadded."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maskscope.engine import packed
from maskscope.engine.padding_probe import PaddingProbe
from maskscope.types import Floats, Offsets
from tests.core.engine.architectures import DIM, LENGTH, MASKS, Block, Design, Model, Style, Tensor, designs
from tests.core.engine.taggers import offsets_of

pytestmark = [
    pytest.mark.keras,
    # Keras says so of a model within a model, whose layers pass the mask on all the same
    pytest.mark.filterwarnings("ignore:.*destroy the mask information"),
]

TOLERANCE = 2e-5
layers = keras.layers


def drawn(design: Design, folder: Path, seed: int) -> tuple[packed.PackedTagger, Model]:
    """The tagger that the engine reads from the author's file, and the oracle with the same weights."""
    author, plain = design.build(plain=False), design.build(plain=True)
    rng = np.random.default_rng(seed)
    values = [rng.normal(0, 0.7, variable.shape) for variable in plain.weights]
    values = [
        np.abs(value) if "variance" in variable.path else value
        for variable, value in zip(plain.weights, values, strict=True)
    ]
    plain.set_weights(values)
    author.set_weights(values)
    author.save(folder / "model.keras")
    return packed.load(folder / "model.keras"), plain


def corpus(design: Design, seed: int, n_masked: int = 5) -> tuple[Floats, Offsets]:
    """Three sentences, some of whose tokens are collisions."""
    rng = np.random.default_rng(seed)
    offsets = offsets_of(5, 1, LENGTH)
    x: Floats = rng.normal(size=(offsets[-1], DIM)).astype(np.float32)
    value = MASKS[design.mask]
    if value is not None and design.mask != "nan":
        x[rng.integers(len(x), size=n_masked)] = value
    return x, offsets


def by_keras(model: Model, x: Floats, offsets: Offsets) -> Floats:
    """Outputs (n, C) for each sentence alone."""
    alone = (x[None, begin:end] for begin, end in pairwise(offsets))
    return np.concatenate([np.asarray(model(sentence, training=False))[0] for sentence in alone])


def check(tagger: packed.PackedTagger, model: Model, x: Floats, offsets: Offsets) -> None:
    expected = by_keras(model, x, offsets)
    # activations without a bound let numbers grow from step to step, and with them the rounding
    scale = max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(tagger.score(x, offsets) / scale, expected / scale, rtol=0, atol=TOLERANCE)


# drawn designs may end in a softmax over one output, of which Keras warns
@pytest.mark.filterwarnings("ignore:You are using a softmax over axis:UserWarning")
@settings(max_examples=min(30, settings().max_examples // 2), suppress_health_check=[HealthCheck.too_slow])
@given(designs(), st.integers(0, 1000))
def test_any_design_is_scored_as_keras_scores_each_sentence_alone(
    tmp_path_factory: pytest.TempPathFactory, design: Design, seed: int
) -> None:
    tagger, model = drawn(design, tmp_path_factory.mktemp("model"), seed)
    check(tagger, model, *corpus(design, seed))


def rnn(kind: str, units: int = 3, **how: Any) -> Block:
    return lambda x, style: getattr(layers, kind)(units, return_sequences=True, stateful=style.stateful, **how)(x)


def both(kind: str, **how: Any) -> Block:
    def block(x: Tensor, style: Style) -> Tensor:
        return layers.Bidirectional(getattr(layers, kind)(2, return_sequences=True, stateful=style.stateful), **how)(x)

    return block


def residual(x: Tensor, style: Style) -> Tensor:
    """A plain LSTM beside its own input, so that masked positions are unlike real ones and unlike each other."""
    x = style.per(layers.Dense(3))(x)
    return layers.Add()([x, layers.LSTM(3, return_sequences=True)(x)])


def two_rounds(x: Tensor, style: Style) -> Tensor:
    """The second round is not turned back."""
    return layers.Concatenate()([rnn("LSTM")(x, style), rnn("LSTM", go_backwards=True)(x, style)])


def multiplied(x: Tensor, style: Style) -> Tensor:
    """0 at masked positions, wherever these are when the second round is not turned back."""
    return layers.Multiply()([x, rnn("SimpleRNN", DIM, go_backwards=True)(x, style)])


def nested(x: Tensor, style: Style) -> Tensor:
    inner = keras.Input((None, DIM))
    return keras.Model(inner, both("GRU")(layers.Dense(3)(inner), style))(x)


def shared(x: Tensor, style: Style) -> Tensor:
    dense = layers.Dense(DIM, "tanh")
    return dense(rnn("SimpleRNN", DIM)(dense(x), style))


def last_state_unused(x: Tensor, style: Style) -> Tensor:
    return layers.LSTM(3, return_sequences=True, return_state=True)(x)[0]


DESIGNS: dict[str, Design] = {
    name: Design(mask, block, head, apart, fixed)
    for name, mask, block, head, apart, fixed in (
        ("gru", "list", rnn("GRU"), "softmax", True, True),
        ("gru, reset before", "number", rnn("GRU", reset_after=False), "", False, False),
        ("simple rnn", "numpy scalar", rnn("SimpleRNN", zero_output_for_mask=True), "sigmoid", False, True),
        ("both ways", "array", both("GRU", merge_mode="mul"), "log_softmax", False, True),
        ("residual", "equal list", residual, "linear", False, False),
        ("two rounds", "inexact", two_rounds, "softmax", True, True),
        ("multiplied", "number", multiplied, "", False, True),
        ("pointwise", "number", lambda x, style: style.per(layers.Dense(3, "mish"))(x), "softmax", True, True),
        ("nested", "number", nested, "sigmoid", True, False),
        ("shared", "number", shared, "", False, False),
        ("last state unused", "nan", last_state_unused, "softmax", False, False),
    )
}


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[packed.PackedTagger, Model]]:
    known: dict[str, tuple[packed.PackedTagger, Model]] = {}

    def loaded(name: str) -> tuple[packed.PackedTagger, Model]:
        if name not in known:
            known[name] = drawn(DESIGNS[name], tmp_path_factory.mktemp("model"), 1)
        return known[name]

    return loaded


@pytest.mark.parametrize("name", DESIGNS)
def test_each_kind_of_design_is_scored_as_keras_scores_it(
    load: Callable[[str], tuple[packed.PackedTagger, Model]], name: str, tmp_path: Path
) -> None:
    tagger, model = load(name)
    x, offsets = corpus(DESIGNS[name], 2)
    check(tagger, model, x, offsets)
    tagger.save_npz(tmp_path / "weights.npz")
    np.testing.assert_array_equal(packed.load(tmp_path / "weights.npz").score(x, offsets), tagger.score(x, offsets))


@pytest.mark.parametrize("name", ["gru", "simple rnn", "residual", "two rounds", "pointwise"])
def test_the_padding_probe_gives_what_keras_gives_for_any_design(
    load: Callable[[str], tuple[packed.PackedTagger, Model]], name: str
) -> None:
    tagger, model = load(name)
    x, offsets = corpus(DESIGNS[name], 3)
    sentence, before = x[: offsets[1]], x[offsets[2] :]
    probe = PaddingProbe(tagger, sentence, "previous", before)
    padded = np.concatenate([sentence, before])
    alone = np.asarray(model(sentence[None], training=False))[0]
    compared = probe.run(0).mask
    changes = []
    for k in (0, 1, 7):
        run = probe.run(k)
        expected = np.asarray(model(padded[None, : len(sentence) + k], training=False))[0]
        np.testing.assert_allclose(run.probs_tc, expected, rtol=0, atol=TOLERANCE)
        change = np.abs(expected[: len(sentence)] - alone)[compared].max(initial=0)
        assert run.largest_change == pytest.approx(change, abs=TOLERANCE)
        changes.append(run.largest_change)
    np.testing.assert_allclose(probe.curve()[[0, 1, 7]], changes, rtol=0, atol=2e-6)


@pytest.mark.parametrize("name", ["gru", "simple rnn", "residual", "two rounds", "last state unused"])
def test_the_output_behind_a_sentence_is_that_of_keras(
    load: Callable[[str], tuple[packed.PackedTagger, Model]], name: str
) -> None:
    tagger, model = load(name)
    x, offsets = corpus(DESIGNS[name], 4)
    padding = tagger.score_padding(x, offsets, tagger.score(x, offsets))
    if DESIGNS[name].mask == "nan":
        assert padding is None
        return
    behind = np.broadcast_to(np.asarray(MASKS[DESIGNS[name].mask], dtype=np.float32), (1, DIM))
    expected = [
        np.asarray(model(np.concatenate([x[begin:end], behind])[None], training=False))[0, -1]
        for begin, end in pairwise(offsets)
    ]
    assert padding is not None
    np.testing.assert_allclose(np.broadcast_to(padding, (3, 3)), expected, rtol=0, atol=TOLERANCE)
