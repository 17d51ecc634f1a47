"""Packed scoring compared with Keras itself, on files that Keras wrote."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import keras
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskscope.engine import packed
from maskscope.engine.activations import ACTIVATION_NAMES
from maskscope.engine.padding_probe import Fill, PaddingProbe
from maskscope.errors import ModelError
from maskscope.keras_io import keras_model
from maskscope.types import Floats, Offsets

pytestmark = pytest.mark.keras

Layer: TypeAlias = Any
Model: TypeAlias = Any
Load: TypeAlias = Callable[[str, float], packed.PackedTagger]

TOLERANCE = 2e-6
DIM = 5
SPREADS = (0.3, 0.7, 1.0)
"""Standard deviations of the random weights; each model is saved once for each."""


def trained(units: tuple[int, ...], outputs: int, mask_value: float) -> list[Layer]:
    """The layers of the tagger that Maskscope trains."""
    layers = [keras.layers.Masking(mask_value)]
    for n in units:
        layers += [two_ways(n, recurrent_dropout=0.3), keras.layers.Dropout(0.2)]
    return [*layers, keras.layers.Dense(outputs, activation="sigmoid" if outputs == 1 else "softmax")]


def two_ways(units: int, merge: str = "concat", **how: object) -> Layer:
    return keras.layers.Bidirectional(keras.layers.LSTM(units, return_sequences=True, **how), merge_mode=merge)


def one_way(units: int, **how: object) -> Layer:
    return keras.layers.LSTM(units, return_sequences=True, **how)


layers = keras.layers
masking, norm, dense, dropout = layers.Masking, layers.LayerNormalization, layers.Dense, layers.Dropout

STACKS: dict[str, Callable[[], list[Layer]]] = {
    "binary": lambda: trained((3,), 1, 0.0),
    "softmax": lambda: trained((4,), 3, 0.0),
    "stacked": lambda: trained((3, 2), 1, 0.0),
    "three layers, softmax": lambda: trained((2, 3, 1), 4, 0.0),
    "another mask value": lambda: trained((3, 3), 2, -1.5),
    "plain": lambda: [masking(), one_way(4), dense(1, "sigmoid")],
    "plain over plain, no mask": lambda: [
        one_way(3, use_bias=False),
        dropout(0.3),
        one_way(2),
        dense(3, "softmax"),
    ],
    "mixed": lambda: [
        masking(),
        one_way(4),
        two_ways(3),
        two_ways(2, "sum"),
        one_way(3),
        norm(),
        dense(2, "softmax"),
    ],
    "merges": lambda: [masking(), two_ways(3, "mul"), two_ways(3, "ave"), two_ways(2, "sum"), dense(1, "sigmoid")],
    "joined, then plain": lambda: [masking(), layers.GaussianNoise(0.1), two_ways(3), one_way(2), dense(1, "sigmoid")],
    "norms": lambda: [
        masking(-1.5),
        norm(),
        two_ways(3, use_bias=False),
        norm(center=False, axis=2),
        two_ways(3, "mul"),
        norm(scale=False, epsilon=0.1),
        norm(scale=False, center=False),
        dense(2, "sigmoid"),
    ],
    "dense": lambda: [
        masking(),
        dense(6, "gelu"),
        dense(4, use_bias=False),
        one_way(3),
        dense(4, "sigmoid"),
        norm(),
        two_ways(2, "ave"),
        dropout(0.2),
        dense(3, "relu"),
        dense(3, "softmax", use_bias=False),
        dropout(0.2),
    ],
}


@dataclass(frozen=True, slots=True, eq=False)
class Built:
    """A Keras model, traced once for all shapes: the trace takes longer than the tests that use it."""

    model: Model
    predict: Callable[[Floats], Floats]


@cache
def built(name: str) -> Built:
    model = chained(STACKS[name](), sequential=list(STACKS).index(name) % 2 == 1)
    return Built(model, keras_model.inference_function(model, DIM))


def chained(layers: list[Layer], sequential: bool) -> Model:
    inputs = hidden = keras.Input((None, DIM))
    if sequential:
        return keras.Sequential([inputs, *layers])
    for layer in layers:
        hidden = layer(hidden)
    return keras.Model(inputs, hidden)


def set_random_weights(model: Model, seed: int, spread: float) -> None:
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(0, spread, w.shape) for w in model.get_weights()])


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Load:
    """The tagger of a model with random weights, as Keras wrote it to a file; the model keeps these weights."""
    folder = tmp_path_factory.mktemp("models")
    taggers: dict[tuple[str, float], packed.PackedTagger] = {}

    def loaded(name: str, spread: float) -> packed.PackedTagger:
        model = built(name).model
        set_random_weights(model, 0, spread)
        if (name, spread) not in taggers:
            model.save(folder / "model.keras")
            taggers[name, spread] = packed.load(folder / "model.keras")
        return taggers[name, spread]

    return loaded


def corpus(lengths: Sequence[int], mask_value: float, seed: int, zeros: float) -> tuple[Floats, Offsets]:
    """Random rows, some of them equal to the mask value, inside sentences and at their ends."""
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    x: Floats = rng.normal(size=(offsets[-1], DIM)).astype(np.float32)
    x[rng.random(len(x)) < zeros] = mask_value
    return x, offsets


def by_keras(
    predict: Callable[[Floats], Floats], x: Floats, offsets: Offsets, mask_value: float
) -> tuple[Floats, Floats]:
    """Keras' outputs at the tokens (n, C), and at two or more padded positions behind each sentence."""
    lengths = np.diff(offsets)
    x_btd: Floats = np.full((len(lengths), int(lengths.max()) + 2, DIM), mask_value, dtype=np.float32)
    for row, (begin, n) in enumerate(zip(offsets[:-1], lengths, strict=True)):
        x_btd[row, :n] = x[begin : begin + n]
    outputs = predict(x_btd)
    real = np.arange(x_btd.shape[1]) < lengths[:, None]
    return outputs[real], outputs[~real]


@pytest.mark.parametrize("name", STACKS)
@settings(max_examples=min(60, settings().max_examples))
@given(
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=6),
    seed=st.integers(0, 10_000),
    zeros=st.sampled_from([0.0, 0.2, 0.9]),
    spread=st.sampled_from(SPREADS),
    dtype=st.sampled_from(["float32", "float16"]),
)
def test_outputs_are_those_of_keras_at_tokens_masked_tokens_and_padding(
    load: Load, name: str, lengths: list[int], seed: int, zeros: float, spread: float, dtype: str
) -> None:
    tagger = load(name, spread)
    predict = built(name).predict
    value = tagger.mask_value
    assert not isinstance(value, tuple)
    x, offsets = corpus(lengths, value or 0.0, seed, zeros)
    embeddings = x.astype(dtype)
    tokens, padding = by_keras(predict, embeddings.astype(np.float32), offsets, value or 0.0)
    probs = tagger.score(embeddings, offsets)
    np.testing.assert_allclose(probs, tokens, rtol=0, atol=TOLERANCE)
    if value is None:
        return
    last = probs[offsets[1:] - 1]
    expected = last if tagger.repeats_last_output else np.repeat(tagger.masked_output[None], len(last), axis=0)
    n_padded = max(lengths) + 2 - np.array(lengths)
    np.testing.assert_allclose(np.repeat(expected, n_padded, axis=0), padding, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("name", [name for name in STACKS if name != "plain over plain, no mask"])
def test_a_masked_position_before_all_tokens_has_the_masked_output(load: Load, name: str) -> None:
    tagger = load(name, 0.7)
    assert tagger.mask_value is not None
    masked: Floats = np.full((1, 1, DIM), tagger.mask_value, dtype=np.float32)
    np.testing.assert_allclose(tagger.masked_output, built(name).predict(masked)[0, 0], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("name", STACKS)
def test_weights_that_keras_wrote_survive_the_npz(load: Load, tmp_path: Path, name: str) -> None:
    tagger = load(name, 0.7)
    x, offsets = corpus([5, 1, 9], 0.0, 0, 0.2)
    tagger.save_npz(tmp_path / "weights.npz")
    np.testing.assert_array_equal(packed.load(tmp_path / "weights.npz").score(x, offsets), tagger.score(x, offsets))


@pytest.mark.parametrize("activation", [*ACTIVATION_NAMES, "swish"])
def test_dense_layers_compute_as_keras_does(tmp_path: Path, activation: str) -> None:
    layers = [masking(), dense(64, activation), one_way(3), dense(64, activation), dense(2, "softmax")]
    model = chained(layers, sequential=True)
    set_random_weights(model, 1, 0.4)
    model.save(tmp_path / "model.keras")
    x, offsets = corpus([12], 0.0, 1, 0.1)
    x *= 3
    expected = np.asarray(model(x[None], training=False))[0]
    probs = packed.load(tmp_path / "model.keras").score(x, offsets)
    np.testing.assert_allclose(probs, expected, rtol=0, atol=TOLERANCE)


def test_a_model_without_masking_takes_every_row_for_a_token(tmp_path: Path) -> None:
    model = chained([two_ways(3, use_bias=False), dense(2, "softmax", use_bias=False)], sequential=False)
    set_random_weights(model, 1, 1.0)
    model.save(tmp_path / "model.keras")
    tagger = packed.load(tmp_path / "model.keras")
    assert tagger.mask_value is None
    x, offsets = corpus([7], 0.0, 1, 0.3)
    expected = np.asarray(model(x[None], training=False))[0]
    np.testing.assert_allclose(tagger.score(x, offsets), expected, rtol=0, atol=TOLERANCE)


def test_any_mask_is_taken_as_keras_takes_it(load: Load) -> None:
    tagger = load("stacked", 1.0)
    x, offsets = corpus([9], 0.0, 2, 0.0)
    mask = np.array([False, True, True, False, False, True, True, True, False])
    hidden: Any = x[None]
    for layer in built("stacked").model.layers:
        if isinstance(layer, keras.layers.Bidirectional):
            hidden = layer(hidden, mask=mask[None])
        elif isinstance(layer, keras.layers.Dense):
            hidden = layer(hidden)
    np.testing.assert_allclose(tagger.score(x, offsets, mask), np.asarray(hidden)[0], rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("fill", ["zeros", "noise", "previous"])
@pytest.mark.parametrize("name", ["stacked", "mixed", "joined, then plain", "norms", "dense"])
def test_the_padding_probe_gives_what_keras_gives_for_the_padded_sentence(load: Load, fill: Fill, name: str) -> None:
    tagger = load(name, 0.7)
    x, _ = corpus([6], 0.0, 3, 0.0)
    x[2] = 0
    before, _ = corpus([4], 0.0, 4, 0.0)
    before[1] = 0
    probe = PaddingProbe(tagger, x, fill, before)
    noise = np.random.default_rng(0).standard_normal((200, DIM), dtype=np.float32)[:9]
    fills: dict[str, npt.NDArray[np.floating[Any]]] = {
        "zeros": np.zeros((9, DIM), np.float32),
        "noise": noise * np.sqrt((x * x).mean()),
        "previous": np.concatenate([before, before, before[:1]]),
    }
    padded: Floats = np.concatenate([x, fills[fill]]).astype(np.float32)
    for k in (0, 1, 9):
        expected = built(name).predict(padded[None, : 6 + k])[0]
        np.testing.assert_allclose(probe.run(k, "model").probs_tc, expected, rtol=0, atol=TOLERANCE)


def refused(tmp_path: Path, *layers: Layer) -> str:
    hidden = inputs = keras.Input((None, DIM))
    for layer in layers:
        hidden = layer(hidden)
    keras.Model(inputs, hidden).save(tmp_path / "model.keras")
    with pytest.raises(ModelError) as caught:
        packed.load(tmp_path / "model.keras")
    return str(caught.value)


def test_other_layers_are_refused_by_name(tmp_path: Path) -> None:
    layers = keras.layers

    def both(cell: Any, **how: object) -> Layer:
        return layers.Bidirectional(cell(2, return_sequences=True, name="cell", **how), name="both")

    def head() -> Layer:
        return layers.Dense(1, "sigmoid", name="head")

    lstm = layers.LSTM
    known = both(lstm)
    swapped = layers.Bidirectional(
        lstm(2, return_sequences=True, go_backwards=True),
        backward_layer=lstm(2, return_sequences=True, name="other_way"),
    )
    assert "has another go_backwards" in refused(tmp_path, swapped, head())
    for other in (layers.Conv1D(2, 3, name="odd"), layers.RNN(layers.LSTMCell(2), return_sequences=True, name="odd")):
        assert "layer 'odd', which the built-in engine does not support" in refused(tmp_path, known, other, head())
    assert "received 'glu'" in refused(tmp_path, known, layers.Dense(2, "glu"), head())
    assert "received 'PReLU'" in refused(tmp_path, known, layers.Dense(2, layers.PReLU(shared_axes=[1])), head())
    below = layers.Dense(3, name="first"), layers.Masking(name="late")
    assert "layer 'first' before its Masking layer 'late'" in refused(tmp_path, *below, known, head())
    halves = layers.Dense(2, "sigmoid", name="half", dtype="mixed_float16")
    assert "computes layer 'half' in another type" in refused(tmp_path, known, halves, head())


def test_graphs_that_are_not_a_plain_chain_are_refused(tmp_path: Path) -> None:
    layers = keras.layers
    inputs = keras.Input((None, DIM), name="x")
    both = layers.Bidirectional(layers.LSTM(2, return_sequences=True), name="both")
    dense = layers.Dense(1, "sigmoid", name="head")

    def words(model: Model) -> str:
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
    other_mask = keras.ops.any(keras.ops.not_equal(inputs, 7.0), axis=-1)
    assert "mask of its own" in words(keras.Model(inputs, dense(both(layers.Masking()(inputs), mask=other_mask))))
    always = layers.Dropout(0.5, name="always")(both(layers.Masking()(inputs)), training=True)
    assert "always runs layer 'always' as in training" in words(keras.Model(inputs, dense(always)))
    lstm = layers.LSTM(2, return_sequences=True, name="started")
    zeros = keras.ops.zeros((1, 2))
    started = words(keras.Model(inputs, layers.Dense(1, "sigmoid")(lstm(inputs, initial_state=[zeros, zeros]))))
    assert "'started'" in started
