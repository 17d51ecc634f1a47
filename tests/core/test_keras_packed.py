"""Packed scoring against its oracle: Keras itself, on files that Keras wrote."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maskscope.errors import ModelError
from maskscope.tagger import packed
from maskscope.tagger.whatif import PaddingProbe
from maskscope.types import Floats, Offsets

pytestmark = pytest.mark.keras
keras = pytest.importorskip("keras")

TOLERANCE = 2e-6
DIM = 5
SHAPES = {
    "binary": ((3,), 1, 0.0, False),
    "softmax": ((4,), 3, 0.0, True),
    "stacked": ((3, 2), 1, 0.0, True),
    "three layers, softmax": ((2, 3, 1), 4, 0.0, False),
    "another mask value": ((3, 3), 2, -1.5, False),
}


@cache
def built(shape: str) -> "keras.Model":
    units, outputs, mask_value, sequential = SHAPES[shape]
    layers = [keras.layers.Masking(mask_value)]
    for n in units:
        lstm = keras.layers.LSTM(n, return_sequences=True, recurrent_dropout=0.3)
        layers += [keras.layers.Bidirectional(lstm), keras.layers.Dropout(0.2)]
    layers.append(keras.layers.Dense(outputs, activation="sigmoid" if outputs == 1 else "softmax"))
    inputs = keras.Input((None, DIM))
    if sequential:
        return keras.Sequential([inputs, *layers])
    hidden = inputs
    for layer in layers:
        hidden = layer(hidden)
    return keras.Model(inputs, hidden)


def with_random_weights(model: "keras.Model", seed: int, spread: float) -> "keras.Model":
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(0, spread, w.shape) for w in model.get_weights()])
    return model


def corpus(lengths: Sequence[int], mask_value: float, seed: int, zeros: float) -> tuple[Floats, Offsets]:
    """Random rows, some of them equal to the mask value, inside sentences and at their ends."""
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    x: Floats = rng.normal(size=(offsets[-1], DIM)).astype(np.float32)
    x[rng.random(len(x)) < zeros] = mask_value
    return x, offsets


def by_keras(model: "keras.Model", x: Floats, offsets: Offsets, mask_value: float) -> tuple[Floats, Floats]:
    """What Keras prints at the tokens (n, C), and at the padding behind them."""
    lengths = np.diff(offsets)
    x_btd = np.full((len(lengths), int(lengths.max()) + 2, DIM), mask_value, dtype=np.float32)
    for row, (begin, n) in enumerate(zip(offsets[:-1], lengths, strict=True)):
        x_btd[row, :n] = x[begin : begin + n]
    printed = np.asarray(model(x_btd, training=False))
    real = np.arange(x_btd.shape[1]) < lengths[:, None]
    return printed[real], printed[~real]


@pytest.mark.parametrize("shape", SHAPES)
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=6),
    seed=st.integers(0, 10_000),
    zeros=st.sampled_from([0.0, 0.2, 0.9]),
    spread=st.sampled_from([0.3, 1.0]),
)
def test_packed_prints_what_keras_prints(
    tmp_path: Path, shape: str, lengths: list[int], seed: int, zeros: float, spread: float
) -> None:
    mask_value = SHAPES[shape][2]
    model = with_random_weights(built(shape), seed, spread)
    model.save(tmp_path / "model.keras")
    tagger = packed.load(tmp_path / "model.keras")
    x, offsets = corpus(lengths, mask_value, seed, zeros)
    tokens, padding = by_keras(model, x, offsets, mask_value)
    np.testing.assert_allclose(tagger.score(x, offsets), tokens, rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(np.broadcast_to(tagger.masked_output, padding.shape), padding, rtol=0, atol=TOLERANCE)


def test_a_model_without_masking_takes_every_row_for_a_token(tmp_path: Path) -> None:
    inputs = keras.Input((None, DIM))
    lstm = keras.layers.LSTM(3, return_sequences=True, use_bias=False)
    outputs = keras.layers.Dense(2, "softmax", use_bias=False)(keras.layers.Bidirectional(lstm)(inputs))
    model = with_random_weights(keras.Model(inputs, outputs), 1, 1.0)
    model.save(tmp_path / "model.keras")
    tagger = packed.load(tmp_path / "model.keras")
    assert tagger.mask_value is None
    x, offsets = corpus([7], 0.0, 1, 0.3)
    expected = np.asarray(model(x[None], training=False))[0]
    np.testing.assert_allclose(tagger.score(x, offsets), expected, rtol=0, atol=TOLERANCE)


def test_any_mask_is_taken_as_keras_takes_it(tmp_path: Path) -> None:
    model = with_random_weights(built("stacked"), 2, 1.0)
    model.save(tmp_path / "model.keras")
    tagger = packed.load(tmp_path / "model.keras")
    x, offsets = corpus([9], 0.0, 2, 0.0)
    mask = np.array([False, True, True, False, False, True, True, True, False])
    hidden = x[None]
    for layer in model.layers:
        if isinstance(layer, keras.layers.Bidirectional):
            hidden = layer(hidden, mask=mask[None])
        elif isinstance(layer, keras.layers.Dense):
            hidden = layer(hidden)
    np.testing.assert_allclose(tagger.score(x, offsets, mask), np.asarray(hidden)[0], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("fill", ["zeros", "noise", "previous"])
def test_the_padding_probe_prints_what_keras_prints_for_the_padded_sentence(tmp_path: Path, fill: str) -> None:
    model = with_random_weights(built("stacked"), 3, 1.0)
    model.save(tmp_path / "model.keras")
    x, _ = corpus([6], 0.0, 3, 0.0)
    x[2] = 0
    before, _ = corpus([4], 0.0, 4, 0.0)
    before[1] = 0
    probe = PaddingProbe(packed.load(tmp_path / "model.keras"), x, fill, before, seed=5)
    noise = np.random.default_rng(5).standard_normal((200, DIM), dtype=np.float32)[:9]
    padding = {
        "zeros": np.zeros((9, DIM), np.float32),
        "noise": noise * np.sqrt((x * x).mean()),
        "previous": np.concatenate([before, before, before[:1]]),
    }[fill]
    padded = np.concatenate([x, padding])
    for k in (0, 1, 9):
        expected = np.asarray(model(padded[None, : 6 + k], training=False))[0]
        np.testing.assert_allclose(probe.run(k, "model").probs_tc, expected, rtol=0, atol=TOLERANCE)


def refused(tmp_path: Path, *layers: "keras.layers.Layer") -> str:
    hidden = inputs = keras.Input((None, DIM))
    for layer in layers:
        hidden = layer(hidden)
    keras.Model(inputs, hidden).save(tmp_path / "model.keras")
    with pytest.raises(ModelError) as caught:
        packed.load(tmp_path / "model.keras")
    return str(caught.value)


def test_other_stacks_are_refused_by_name(tmp_path: Path) -> None:
    layers = keras.layers

    def two_ways(cell: type, **how: object) -> "keras.layers.Layer":
        return layers.Bidirectional(cell(2, return_sequences=True, name="cell", **how), name="both")

    def head() -> "keras.layers.Layer":
        return layers.Dense(1, "sigmoid", name="head")

    lstm = layers.LSTM
    assert "expected LSTM; received GRU" in refused(tmp_path, two_ways(layers.GRU), head())
    assert "received 'relu'" in refused(tmp_path, two_ways(lstm, activation="relu"), head())
    swapped = layers.Bidirectional(
        lstm(2, return_sequences=True, go_backwards=True),
        backward_layer=lstm(2, return_sequences=True, name="other_way"),
    )
    assert "has another go_backwards" in refused(tmp_path, swapped, head())
    assert "layer 'norm'" in refused(tmp_path, two_ways(lstm), layers.LayerNormalization(name="norm"), head())
    assert "'one_way'" in refused(tmp_path, lstm(2, return_sequences=True, name="one_way"), head())
    merged = layers.Bidirectional(lstm(2, return_sequences=True), merge_mode="sum", name="merged")
    assert "merges the directions of layer 'merged'" in refused(tmp_path, merged, head())
    assert "received 'linear'" in refused(tmp_path, two_ways(lstm), layers.Dense(1))
    assert "received TimeDistributed" in refused(tmp_path, two_ways(lstm), layers.TimeDistributed(head()))


def test_graphs_that_only_look_like_the_stack_are_refused(tmp_path: Path) -> None:
    layers = keras.layers
    inputs = keras.Input((None, DIM), name="x")
    both = layers.Bidirectional(layers.LSTM(2, return_sequences=True), name="both")
    dense = layers.Dense(1, "sigmoid", name="head")

    def words(model: "keras.Model") -> str:
        model.save(tmp_path / "model.keras")
        with pytest.raises(ModelError) as caught:
            packed.load(tmp_path / "model.keras")
        return str(caught.value)

    own_mask = keras.Input((None,), dtype="bool", name="mask")
    given_mask = keras.Model([inputs, own_mask], dense(both(inputs, mask=own_mask)))
    assert "second input" in words(given_mask) or "does not form one chain" in words(given_mask)
    doubled = keras.Model(inputs, dense(both(layers.Masking()(inputs) * 1.0)))
    assert "Multiply" in words(doubled) or "'multiply" in words(doubled)
    hidden = both(layers.Masking()(inputs))
    assert "other outputs" in words(keras.Model(inputs, [hidden, dense(hidden)]))
    foreign = keras.ops.any(keras.ops.not_equal(inputs, 7.0), axis=-1)
    assert "mask of its own" in words(keras.Model(inputs, dense(both(layers.Masking()(inputs), mask=foreign))))
