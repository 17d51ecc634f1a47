"""Models that were built for a certain length, batch or state, rebuilt for sentences of any length."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from maskscope.audit.probes.checked_model import checked_model
from maskscope.errors import ModelError
from maskscope.keras_io.any_length import any_length, fixed_length
from maskscope.keras_io.masking_input import embeddings_mask_value
from maskscope.types import Floats

# Keras warns of masks that a layer loses
pytestmark = [pytest.mark.keras, pytest.mark.filterwarnings("ignore:.*mask attached to it", "ignore:.*[Ss]tructure of")]

DIM = 4
L = keras.layers


def sentences(length: int, n: int = 2, dim: int = DIM) -> Floats:
    x: Floats = np.random.default_rng(length).normal(size=(n, length, dim)).astype(np.float32)
    return x


def shaken(model: Any) -> Any:
    """The model with weights as after some training."""
    rng = np.random.default_rng(7)
    model.set_weights([w + rng.uniform(0.05, 0.4, w.shape).astype(w.dtype) for w in model.get_weights()])
    return model


def same(model: Any, x: Any, wanted: Any) -> None:
    found = keras.ops.convert_to_numpy(model(x, training=False))
    np.testing.assert_allclose(found, keras.ops.convert_to_numpy(wanted), rtol=0, atol=2e-6)


POSITION_BY_POSITION: list[Callable[[], Any]] = [
    lambda: L.Dense(3, activation="relu"),
    lambda: L.Dropout(0.4),
    lambda: L.Activation("tanh"),
    lambda: L.BatchNormalization(),
    lambda: L.LayerNormalization(),
    lambda: L.TimeDistributed(L.Dense(3)),
    lambda: keras.Sequential([L.Dense(3), L.BatchNormalization(), L.Dropout(0.1), L.Softmax()]),
    lambda: L.PReLU(),
    lambda: keras.Sequential([L.Reshape((DIM, 1)), L.Conv1D(2, 2), L.Flatten()]),
]


@pytest.mark.parametrize("make", POSITION_BY_POSITION)
def test_a_time_distributed_layer_does_the_same_at_any_length(make: Callable[[], Any]) -> None:
    inner = make()
    rank = L.TimeDistributed(inner) if not isinstance(inner, L.TimeDistributed) else inner
    model = shaken(keras.Sequential([keras.Input((None, DIM)), rank]))
    copy = any_length(model)
    for length in (3, 6):
        # where the length is known, Keras runs the layer step by step, and rightly
        wanted = model(sentences(length), training=False)
        same(copy.model, sentences(length), wanted)
    assert copy.notes == (f"TimeDistributed gives way to the layer inside it: {rank.name}.",)
    assert model.layers[-1] is rank


def test_the_mask_goes_through_a_time_distributed_layer() -> None:
    def net(per: Callable[[Any], Any]) -> Any:
        inputs = keras.Input((None, DIM))
        hidden = per(L.BatchNormalization())(per(L.Dense(3))(L.Masking(0.0)(inputs)))
        return keras.Model(inputs, L.LSTM(2, return_sequences=True)(hidden))

    model, plain = shaken(net(L.TimeDistributed)), net(lambda layer: layer)
    plain.set_weights(model.get_weights())
    x = sentences(5)
    x[0, 1] = 0
    x[1, 3:] = 0
    same(any_length(model).model, x, plain(x, training=False))


def test_a_model_for_one_length_and_batch_with_a_state_runs_on_any() -> None:
    def net(shape: tuple[int | None, ...], **kwargs: Any) -> Any:
        inputs = keras.Input(batch_shape=shape)
        hidden = L.Bidirectional(L.LSTM(2, return_sequences=True, **kwargs))(L.Masking(0.0)(inputs))
        hidden = L.Reshape((shape[1] or -1, 2, 2))(hidden)
        return keras.Model(inputs, L.Dense(3)(L.Reshape((shape[1] or -1, 4))(hidden)))

    model = shaken(net((3, 6, DIM), stateful=True))
    plain = net((None, None, DIM))
    plain.set_weights(model.get_weights())
    model(sentences(6, 3))
    state = [keras.ops.convert_to_numpy(v) for v in model.layers[2].states]
    copy = any_length(model)
    for length, n in ((6, 3), (4, 1), (9, 2)):
        x = sentences(length, n)
        same(copy.model, x, plain(x, training=False))
    # nothing of the given model has changed: it goes on from its state
    for before, after in zip(state, model.layers[2].states, strict=True):
        np.testing.assert_array_equal(before, keras.ops.convert_to_numpy(after))
    assert any(np.abs(before).max() > 0 for before in state)
    assert model.input_shape == (3, 6, DIM)
    assert "No state is carried from one sentence to the next" in copy.notes[0]
    assert copy.notes[1:] == (
        "It was built for 6 positions, and runs at any length with the same weights.",
        "It was built for 3 sentences at a time, and runs on any number.",
    )


@pytest.mark.parametrize("target", [(6, DIM), (-1, DIM)])
def test_rows_that_are_given_one_after_another_run_at_any_length(target: tuple[int, int]) -> None:
    def net(inputs: Any, begin: Any) -> Any:
        hidden = L.Bidirectional(L.SimpleRNN(2, return_sequences=True))(L.Masking(0.0)(begin))
        return shaken(keras.Model(inputs, L.Dense(3)(hidden)))

    row = keras.Input((6 * DIM,), name="row")
    model = net(row, L.Reshape(target)(row))
    plain = net(x := keras.Input((None, DIM)), x)
    plain.set_weights(model.get_weights())
    copy = any_length(model)
    for length in (6, 2, 9):
        x = sentences(length)
        x[0, 1] = 0
        same(copy.model, x, plain(x, training=False))
    assert copy.notes[0] == "Its input row takes the rows of 6 positions one after another, and reshapes them."
    # the mask value is found behind the reshaping
    assert embeddings_mask_value(copy.model) == 0


def test_a_row_of_all_numbers_that_is_not_reshaped_is_refused_with_what_would_help() -> None:
    row = keras.Input((6 * DIM,))
    model = keras.Model(row, L.Reshape((6, 3))(L.Dense(18)(row)))
    with pytest.raises(ModelError, match=r"no Reshape layer parts them into tokens; give it an input \(T, D\)"):
        any_length(model)


@pytest.mark.filterwarnings("ignore")
def test_unrolled_and_stacked_recurrent_layers_run_at_any_length() -> None:
    def net(length: int | None, batch: int | None) -> Any:
        inputs = keras.Input(batch_shape=(batch, length, DIM))
        hidden = L.Bidirectional(L.SimpleRNN(2, return_sequences=True, unroll=length is not None))(L.Masking()(inputs))
        cells = [L.SimpleRNNCell(2), L.SimpleRNNCell(3)]
        return keras.Model(inputs, L.RNN(cells, return_sequences=True, stateful=batch is not None)(hidden))

    model, plain = shaken(net(5, 2)), net(None, None)
    plain.set_weights(model.get_weights())
    copy = any_length(model)
    same(copy.model, sentences(7), plain(sentences(7)))
    assert "Layers that were unrolled over all positions run as a loop" in copy.notes[1]


def test_several_inputs_take_parts_of_each_token_in_their_order() -> None:
    ones = {"word": keras.Input((5, 3), name="word"), "case": keras.Input((5, 1), name="case")}
    flag = keras.Input((5,), name="flag")
    joined = L.Concatenate()([ones["case"], ones["word"], L.Reshape((5, 1))(flag)])
    outputs = L.Dense(2)(joined)
    model = shaken(keras.Model([ones["word"], ones["case"], flag], {"tags": outputs}))
    x = sentences(5, dim=5)
    copy = any_length(model)
    assert copy.dim == 5
    same(copy.model, x, model([x[:, :, :3], x[:, :, 3:4], x[:, :, 4]])["tags"])
    assert copy.model(sentences(9, dim=5)).shape == (2, 9, 2)
    assert copy.notes[0] == (
        "The 5 numbers of each token are parted among its inputs in their order: word 3, case 1, flag 1."
    )


def test_a_mask_that_the_model_takes_as_an_input_is_true_at_each_token() -> None:
    inputs, mask = keras.Input((None, DIM)), keras.Input((None,), dtype="bool", name="real")
    model = shaken(keras.Model([mask, inputs], L.SimpleRNN(2, return_sequences=True)(inputs, mask=mask)))
    copy = any_length(model)
    assert copy.dim == DIM
    same(copy.model, sentences(5), model([np.ones((2, 5), bool), sentences(5)]))
    assert copy.notes == ("Its input real is True, or 1, at each token.",)
    # in the copy nothing is padding, so it says nothing about the model's padding
    with pytest.raises(ModelError, match="takes the mask as an input, which the audit does not give"):
        checked_model(model)


def test_inputs_of_another_type_and_the_one_output_for_each_token() -> None:
    inputs = keras.Input((None, DIM), dtype="float16", name="rows")
    tags = L.Dense(2, name="tags")(inputs)
    model = shaken(keras.Model([inputs], [L.GlobalMaxPooling1D(name="whole")(tags), tags]))
    copy = any_length(model)
    x = sentences(4)
    same(copy.model, x, model(x.astype(np.float16))[1])
    assert copy.notes == (
        "Embeddings are cast to the type of the input: rows float16.",
        "Its output tags is read, not whole.",
    )


def test_a_softmax_layer_under_a_mask_gives_what_it_gives_without() -> None:
    def net(softmax: Callable[[], Any]) -> Any:
        inside = keras.Sequential([keras.Input((6, DIM)), L.Dense(3), softmax()])
        inputs = keras.Input((6, DIM))
        hidden = L.TimeDistributed(softmax())(inside(L.Masking(-1.0)(inputs)))
        return keras.Model(inputs, softmax()(L.LSTM(2, return_sequences=True)(hidden)))

    model, plain = shaken(net(L.Softmax)), net(lambda: L.Activation("softmax"))
    plain.set_weights(model.get_weights())
    x = sentences(6)
    x[1, 2:] = -1
    with pytest.raises(ValueError, match="must be broadcastable"):
        model(x)
    copy = any_length(model)
    same(copy.model, x, plain(x))
    assert "The mask is passed on around Softmax, which fails under it in Keras" in copy.notes[1]


def test_models_inside_the_model_are_rebuilt_and_shared_layers_stay_shared() -> None:
    def net(length: int | None, per: Callable[[Any], Any]) -> Any:
        inner = keras.Sequential([keras.Input((length, DIM)), per(L.Dense(DIM, activation="tanh"))], name="inner")
        inputs = keras.Input((length, DIM))
        shared = L.Dense(DIM)
        return keras.Model(inputs, shared(inner(shared(inner(L.Masking(0.0)(inputs))))))

    model, plain = shaken(net(6, L.TimeDistributed)), net(None, lambda layer: layer)
    plain.set_weights(model.get_weights())
    copy = any_length(model)
    same(copy.model, sentences(9), plain(sentences(9)))
    assert len(copy.model.get_weights()) == len(model.get_weights())


def test_layers_that_need_their_length_are_found_out() -> None:
    inputs = keras.Input((6, DIM))
    positions = keras.ops.convert_to_tensor(sentences(6, 1))
    added = keras.Model(inputs, L.Dense(2)(inputs + positions))
    repeated = keras.Model(inputs, L.Dense(2)(L.RepeatVector(6)(L.GlobalMaxPooling1D()(inputs))))
    flat = keras.Model(inputs, L.Reshape((6, 2))(L.Dense(12)(L.Flatten()(inputs))))
    pooled = keras.Model(inputs, L.Dense(2)(L.UpSampling1D(2)(L.MaxPooling1D(2)(inputs))))
    for model in (added, repeated, flat, pooled):
        with pytest.raises(ModelError, match="any length") as caught:
            any_length(model)
        assert not any(noise in str(caught.value) for noise in ("node", "File", "\x1b"))
        copy = fixed_length(model)
        assert copy.n_positions == 6
        same(copy.model, sentences(6), model(sentences(6)))


def refusal(model: Any) -> str:
    with pytest.raises(ModelError) as caught:
        any_length(model)
    return str(caught.value)


def test_what_is_no_tagger_is_refused_with_what_would_help() -> None:
    inputs = keras.Input((None, DIM))
    assert "whole sentences" in refusal(keras.Model(inputs, L.Dense(2)(L.GlobalMaxPooling1D()(inputs))))
    fixed = keras.Input((6, DIM))
    shorter = refusal(keras.Model(fixed, L.Conv1D(2, 2)(fixed)))
    assert "gives outputs for another number of positions than it takes" in shorter
    assert "expected (B, 6, C); received conv1d" in shorter
    two = keras.Model(inputs, [L.Dense(2)(inputs), L.Dense(3)(inputs)])
    assert "keep one: keras.Model(model.inputs, model.outputs[0])" in refusal(two)
    ids = keras.Input((None,), dtype="int32")
    assert "behind its Embedding layer" in refusal(keras.Model(ids, L.Embedding(9, 2)(ids)))
    features = keras.Input((5,))
    both = keras.Model([inputs, features], L.Dense(2)(inputs) + L.Dense(2)(features)[:, None])
    assert "give it only inputs (B, T, D)" in refusal(both)
    picture = keras.Input((None, 5, 5))
    assert "give it only inputs (B, T, D)" in refusal(keras.Model(picture, L.Dense(2)(picture)))
