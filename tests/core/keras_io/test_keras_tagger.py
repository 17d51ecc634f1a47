"""A Keras model made ready to score: each sentence gets what Keras gives for it alone and unpadded."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from maskscope.errors import Cancelled, ModelError
from maskscope.jobs import FlagJob
from maskscope.keras_io import keras_model
from maskscope.keras_io.keras_tagger import KerasTagger
from maskscope.padding import Padding
from maskscope.types import Floats, Offsets

pytestmark = pytest.mark.keras

DIM = 4
L = keras.layers
LENGTHS = (3, 0, 1, 5, 3, 6)


def corpus() -> tuple[Floats, Offsets]:
    offsets = np.concatenate([[0], np.cumsum(LENGTHS)]).astype(np.int64)
    x: Floats = np.random.default_rng(0).normal(size=(offsets[-1], DIM)).astype(np.float32)
    return x, offsets


def each_alone(model: Any, x: Floats, offsets: Offsets) -> Floats:
    """What Keras gives for each sentence alone, eagerly."""
    sentences = [x[None, begin:end] for begin, end in pairwise(offsets) if end > begin]
    return np.concatenate([np.asarray(model(each, training=False))[0] for each in sentences])


def net(length: int | None, batch: int | None = None, wrapped: bool = True) -> Any:
    inputs = keras.Input(batch_shape=(batch, length, DIM))
    hidden = L.LSTM(3, return_sequences=True, stateful=batch is not None)(L.Masking([-1.0] * DIM)(inputs))
    head = L.Dense(2)
    outputs = L.TimeDistributed(head)(hidden) if wrapped else head(hidden)
    # under a mask, Keras's own Softmax layer fails
    return keras.Model(inputs, L.Softmax()(outputs) if wrapped else L.Activation("softmax")(outputs))


def test_a_model_for_one_length_scores_sentences_of_any_length_as_alone(tmp_path: Path) -> None:
    model, plain = net(6, 2), net(None, wrapped=False)
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0, 0.5, w.shape) for w in model.get_weights()])
    plain.set_weights(model.get_weights())
    keras_model.save(model, tmp_path / "model.keras")
    tagger = KerasTagger.load(tmp_path / "model.keras")
    x, offsets = corpus()
    outputs, padding = tagger.score_with_padding(x, offsets)
    np.testing.assert_allclose(outputs, each_alone(plain, x, offsets), rtol=0, atol=2e-6)
    assert (tagger.dim, tagger.n_outputs, tagger.activation, tagger.n_positions) == (DIM, 2, "softmax", None)
    assert tagger.mask_value == -1.0
    # the state of the last token is carried to a masked position
    last = outputs[offsets[1:] - 1][np.diff(offsets) > 0]
    np.testing.assert_allclose(padding[np.diff(offsets) > 0], last, rtol=0, atol=2e-6)
    masked = np.full((1, 1, DIM), -1, np.float32)
    np.testing.assert_allclose(padding[1], np.asarray(plain(masked))[0, 0], rtol=0, atol=2e-6)
    mask = tagger.compute_mask(np.concatenate([x[None, :2], masked], axis=1))
    assert mask is not None
    assert mask.tolist() == [[True, True, False]]
    assert len(tagger.notes) == 5
    job = FlagJob()
    job.cancel()
    with pytest.raises(Cancelled):
        tagger.score(x, offsets, job)
    with pytest.raises(ModelError, match="expected 4 numbers a token; received 3"):
        tagger.score(x[:, :3], offsets)


@pytest.mark.parametrize("side", ["back", "front"])
def test_a_model_that_needs_its_length_gets_each_sentence_padded(side: Any) -> None:
    inputs = keras.Input((6, DIM))
    model = keras.Model(
        inputs, L.Dense(2)(L.UpSampling1D(2)(L.MaxPooling1D(2)(L.Conv1D(3, 3, padding="same")(inputs))))
    )
    rows: Floats = np.array([[1, 2, 3, 4]], np.float32)
    tagger = KerasTagger(model, Padding(rows, side))
    x, offsets = corpus()
    outputs, padding = tagger.score_with_padding(x, offsets)
    for sentence, length in enumerate(LENGTHS):
        own = slice(offsets[sentence], offsets[sentence + 1])
        added = np.repeat(rows, 6 - length, axis=0)
        whole = np.concatenate([x[own], added] if side == "back" else [added, x[own]])[None]
        wanted = np.asarray(model(whole))[0]
        begin = 0 if side == "back" else 6 - length
        np.testing.assert_allclose(outputs[own], wanted[begin : begin + length], rtol=0, atol=2e-6)
        if length < 6:
            at = length if side == "back" else begin - 1
            np.testing.assert_allclose(padding[sentence], wanted[at], rtol=0, atol=2e-6)
    assert np.isnan(padding[5]).all()
    words = "behind" if side == "back" else "in front"
    assert tagger.notes == (
        f"Its layers need exactly 6 positions: each sentence is padded {words} with one row of 4 numbers; longer ones"
        " can't be scored.",
    )
    longer = np.array([0, 6, 13, 22], np.int64)
    with pytest.raises(ModelError, match=r"sentence 1: is longer .*, as 1 more are; split it, .*; expected at most 6"):
        tagger.score(np.zeros((22, DIM), np.float32), longer)


def test_padding_that_nobody_knows_is_the_mask_value_or_an_assumed_zero() -> None:
    def repeated(first: list[Any]) -> Any:
        layers = [*first, L.LSTM(2), L.RepeatVector(3), L.LSTM(DIM, return_sequences=True)]
        return keras.Sequential([keras.Input((3, DIM)), *layers])

    masked = KerasTagger(repeated([L.Masking(-2.0)]))
    assert (masked.padding(DIM).origin, masked.padding(DIM).value) == ("mask value", -2.0)
    assert "padded behind with -2 (its mask value)" in masked.notes[-1]
    plain = KerasTagger(repeated([]))
    assert (plain.padding(DIM).origin, plain.padding(DIM).value) == ("assumed", 0.0)
    assert "padded behind with 0 (assumed, as nothing says what it was padded with)" in plain.notes[-1]


def test_what_masking_nan_and_infinity_do_is_told() -> None:
    def masked(value: float) -> Any:
        return keras.Sequential([keras.Input((None, DIM)), L.Masking(value), L.Dense(1)])

    x: Floats = np.ones((1, 3, DIM), np.float32)
    x[0, 1] = np.nan
    nan = masked(float("nan"))
    assert KerasTagger(nan).notes == ("Masking(nan) masks nothing, since NaN equals nothing, not even itself.",)
    assert np.isnan(np.asarray(nan(x))[0, :, 0]).tolist() == [False, True, False]
    x[0, 1] = np.inf
    infinite = masked(float("inf"))
    assert KerasTagger(infinite).notes == (
        "Masking(inf) masks rows of infinity alone and sets them to 0; whatever reads such padding before it gives"
        " NaN.",
    )
    assert np.isfinite(np.asarray(infinite(x))).all()
    read_before = keras.Sequential([keras.Input((None, DIM)), L.Dense(2), L.Masking(float("inf")), L.Dense(1)])
    assert np.isnan(np.asarray(read_before(x))[0, :, 0]).tolist() == [False, True, False]


def test_a_masking_layer_inside_a_model_of_the_model_is_found() -> None:
    inner = keras.Sequential(
        [keras.Input((None, DIM)), L.Dropout(0.1), L.Masking(-3.0), L.LSTM(2, return_sequences=True)]
    )
    inputs = keras.Input((None, DIM))
    tagger = KerasTagger(keras.Model(inputs, L.Dense(1, activation="sigmoid")(inner(inputs))))
    assert tagger.mask_value == -3.0
    mask = tagger.compute_mask(np.full((1, 2, DIM), [[[-3.0], [1.0]]], np.float32))
    assert mask is not None
    assert mask.tolist() == [[False, True]]


def test_a_model_that_halves_its_positions_gets_an_even_number() -> None:
    inputs = keras.Input((None, 1))
    hidden = L.UpSampling1D(2)(L.MaxPooling1D(2)(L.Conv1D(3, 3, padding="same")(inputs)))
    model = keras.Model(inputs, L.Dense(2)(hidden))
    tagger = KerasTagger(model, Padding.of_value(5.0, 1, "front", "given"))
    assert (tagger.step, tagger.n_positions) == (2, None)
    assert "a number of positions that 2 divides: other sentences are padded in front with 5." in tagger.notes[-1]
    for length in (2, 3, 6):
        x: Floats = np.arange(1, length + 1, dtype=np.float32)[None, :, None]
        padded = x if length % 2 == 0 else np.concatenate([[[[5.0]]], x], axis=1)
        wanted = np.asarray(model(padded))[:, -length:]
        np.testing.assert_allclose(tagger.predict(x), wanted, rtol=0, atol=2e-6)
        _, padding = tagger.score_with_padding(x[0], np.array([0, length]))
        added = np.full((1, 2 - length % 2, 1), 5.0)
        more = np.concatenate([added, padded], axis=1) if length % 2 == 0 else np.concatenate([added[:, :0], padded], 1)
        assert padding.shape == (1, 2)
        np.testing.assert_allclose(padding[0], np.asarray(model(more))[0, -length - 1], rtol=0, atol=2e-6)
