"""Packed scoring against its oracle: Keras itself, on files that Keras wrote."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from maskscope.engine import packed
from maskscope.engine.padding_probe import PaddingProbe
from maskscope.engine.pointwise import ACTIVATION_NAMES
from maskscope.errors import ModelError
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
    return chained(layers, sequential)


def two_ways(units: int, merge: str = "concat", **how: object) -> "keras.layers.Layer":
    return keras.layers.Bidirectional(keras.layers.LSTM(units, return_sequences=True, **how), merge_mode=merge)


def one_way(units: int, **how: object) -> "keras.layers.Layer":
    return keras.layers.LSTM(units, return_sequences=True, **how)


def other_stack(name: str) -> list["keras.layers.Layer"]:
    """Layers of stacks other than the classic one."""
    layers = keras.layers
    masking, norm, dense = layers.Masking(0.0), layers.LayerNormalization, layers.Dense
    return {
        "plain": lambda: [masking, one_way(4), dense(1, "sigmoid")],
        "plain over plain, no mask": lambda: [
            one_way(3, use_bias=False),
            layers.Dropout(0.3),
            one_way(2),
            dense(3, "softmax"),
        ],
        "mixed": lambda: [
            masking,
            one_way(4),
            two_ways(3),
            two_ways(2, "sum"),
            one_way(3),
            norm(),
            dense(2, "softmax"),
        ],
        "merges": lambda: [masking, two_ways(3, "mul"), two_ways(3, "ave"), two_ways(2, "sum"), dense(1, "sigmoid")],
        "joined, then plain": lambda: [
            masking,
            layers.GaussianNoise(0.1),
            two_ways(3),
            one_way(2),
            dense(1, "sigmoid"),
        ],
        "norms": lambda: [
            layers.Masking(-1.5),
            norm(),
            two_ways(3, use_bias=False),
            norm(center=False, axis=2),
            two_ways(3, "mul"),
            norm(scale=False, epsilon=0.1),
            norm(scale=False, center=False),
            dense(2, "sigmoid"),
        ],
        "dense": lambda: [
            masking,
            dense(6, "gelu"),
            dense(4, use_bias=False),
            one_way(3),
            dense(4, "sigmoid"),
            norm(),
            two_ways(2, "ave"),
            layers.Dropout(0.2),
            dense(3, "relu"),
            dense(3, "softmax", use_bias=False),
            layers.Dropout(0.2),
        ],
    }[name]()


OTHERS = ("plain", "plain over plain, no mask", "mixed", "merges", "joined, then plain", "norms", "dense")


def chained(layers: list["keras.layers.Layer"], sequential: bool) -> "keras.Model":
    inputs = hidden = keras.Input((None, DIM))
    if sequential:
        return keras.Sequential([inputs, *layers])
    for layer in layers:
        hidden = layer(hidden)
    return keras.Model(inputs, hidden)


@cache
def built_other(name: str) -> "keras.Model":
    return chained(other_stack(name), sequential=OTHERS.index(name) % 2 == 1)


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


@pytest.mark.parametrize("name", OTHERS)
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=5),
    seed=st.integers(0, 10_000),
    zeros=st.sampled_from([0.0, 0.3, 0.9]),
    dtype=st.sampled_from([np.float32, np.float16]),
)
def test_other_stacks_print_what_keras_prints_masked_tokens_and_padding_too(
    tmp_path: Path, name: str, lengths: list[int], seed: int, zeros: float, dtype: type
) -> None:
    model = with_random_weights(built_other(name), seed, 0.7)
    model.save(tmp_path / "model.keras")
    tagger = packed.load(tmp_path / "model.keras")
    value = tagger.mask_value
    x, offsets = corpus(lengths, value or 0.0, seed, zeros)
    given = x.astype(dtype)
    x = given.astype(np.float32)
    tokens, padding = by_keras(model, x, offsets, value or 0.0)
    probs = tagger.score(given, offsets)
    np.testing.assert_allclose(probs, tokens, rtol=0, atol=TOLERANCE)
    if value is not None:
        n_padded = max(lengths) + 2 - np.array(lengths)
        last = probs[offsets[1:] - 1]
        printed = last if tagger.repeats_last_output else np.repeat(tagger.masked_output[None], len(last), axis=0)
        np.testing.assert_allclose(np.repeat(printed, n_padded, axis=0), padding, rtol=0, atol=TOLERANCE)
        if tagger.repeats_last_output:
            np.testing.assert_allclose(tagger.masked_output, printed_at_first_masked(model), rtol=0, atol=TOLERANCE)
    tagger.save_npz(tmp_path / "weights.npz")
    np.testing.assert_array_equal(packed.load(tmp_path / "weights.npz").score(given, offsets), probs)


def printed_at_first_masked(model: "keras.Model") -> Floats:
    """What Keras prints at a masked position with nothing before it (C,)."""
    return np.asarray(model(np.zeros((1, 1, DIM), np.float32), training=False))[0, 0]


@pytest.mark.parametrize("activation", [*ACTIVATION_NAMES, "swish"])
def test_dense_layers_compute_as_keras_does(tmp_path: Path, activation: str) -> None:
    layers = [
        keras.layers.Masking(),
        keras.layers.Dense(64, activation),
        one_way(3),
        keras.layers.Dense(64, activation),
    ]
    model = with_random_weights(chained([*layers, keras.layers.Dense(2, "softmax")], sequential=True), 1, 0.4)
    model.save(tmp_path / "model.keras")
    x, offsets = corpus([40], 0.0, 1, 0.1)
    x *= 3
    tokens, _ = by_keras(model, x, offsets, 0.0)
    printed = packed.load(tmp_path / "model.keras").score(x, offsets)
    np.testing.assert_allclose(printed, tokens, rtol=0, atol=TOLERANCE)


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
@pytest.mark.parametrize("name", ["stacked", "mixed", "joined, then plain", "norms", "dense"])
def test_the_padding_probe_prints_what_keras_prints_for_the_padded_sentence(
    tmp_path: Path, fill: str, name: str
) -> None:
    model = with_random_weights(built(name) if name in SHAPES else built_other(name), 3, 0.8)
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

    def both(cell: type, **how: object) -> "keras.layers.Layer":
        return layers.Bidirectional(cell(2, return_sequences=True, name="cell", **how), name="both")

    def head() -> "keras.layers.Layer":
        return layers.Dense(1, "sigmoid", name="head")

    lstm = layers.LSTM
    known = both(lstm)
    assert "expected LSTM; received GRU" in refused(tmp_path, both(layers.GRU), head())
    assert "received 'relu'" in refused(tmp_path, both(lstm, activation="relu"), head())
    swapped = layers.Bidirectional(
        lstm(2, return_sequences=True, go_backwards=True),
        backward_layer=lstm(2, return_sequences=True, name="other_way"),
    )
    assert "has another go_backwards" in refused(tmp_path, swapped, head())
    for kind, name in ((layers.BatchNormalization, "norm"), (layers.GRU, "gru"), (layers.ReLU, "rectify")):
        how = {"units": 2, "return_sequences": True} if kind is layers.GRU else {}
        assert f"layer {name!r}, which the built-in engine does not support" in refused(
            tmp_path, known, kind(name=name, **how), head()
        )
    assert "'one_way'" in refused(tmp_path, lstm(2, return_sequences=True, go_backwards=True, name="one_way"), head())
    assert "received 'linear'" in refused(tmp_path, known, layers.Dense(1))
    assert "received 'softsign'" in refused(tmp_path, known, layers.Dense(2, "softsign"), head())
    assert "received 'LeakyReLU'" in refused(tmp_path, known, layers.Dense(2, layers.LeakyReLU(0.1)), head())
    assert "received TimeDistributed" in refused(tmp_path, known, layers.TimeDistributed(head()))
    before = layers.Dense(3, name="first"), layers.Masking(name="late")
    assert "layer 'first' before its Masking layer 'late'" in refused(tmp_path, *before, known, head())
    halves = layers.Dense(2, "sigmoid", name="half", dtype="mixed_float16")
    assert "computes layer 'half' in another type" in refused(tmp_path, known, halves, head())


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
    always = layers.Dropout(0.5, name="always")(both(layers.Masking()(inputs)), training=True)
    assert "always runs layer 'always' as in training" in words(keras.Model(inputs, dense(always)))
    lstm = layers.LSTM(2, return_sequences=True, name="started")
    zeros = keras.ops.zeros((1, 2))
    started = words(keras.Model(inputs, layers.Dense(1, "sigmoid")(lstm(inputs, initial_state=[zeros, zeros]))))
    assert "'started'" in started
