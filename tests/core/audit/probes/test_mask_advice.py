"""Every advice on a lost mask: the change that it names is made, and then the mask reaches every layer."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

from maskscope.audit.probes.mask_trace import Trace, trace_mask
from maskscope.audit.probes.padded_sample import made_up_batch
from tests.core.audit.small_models import (
    DIM,
    backward,
    backward_round,
    build,
    head,
    masking,
    residual,
    rnn,
    with_state,
)

pytestmark = [
    pytest.mark.keras,
    pytest.mark.filterwarnings("ignore:Layer .*mask:UserWarning"),
]

SENTINEL = -32768.0


def mask_of(x: Any) -> Any:
    return ops.any(ops.not_equal(x, 0.0), axis=-1)


def put_back(values: Any, x: Any) -> Any:
    return layers.Masking(SENTINEL, name="again")(ops.where(mask_of(x)[..., None], values, SENTINEL))


def traced(model: keras.Model) -> Trace:
    return trace_mask(model, *made_up_batch(model.inputs, 0.0))


def both_ways_with_states(x: Any, **mask: Any) -> Any:
    hidden, state = layers.GRU(3, return_sequences=True, return_state=True)(masking()(x))
    both = layers.Bidirectional(layers.GRU(3, return_sequences=True), name="decoder")
    return head(both(hidden, initial_state=[state, state], **mask))


def attention(query: Any) -> Any:
    return layers.MultiHeadAttention(2, 3, name="attention")(query, query)


class Doubled(layers.Layer):
    """A layer in own code that works position by position; it says so, or does not."""

    def __init__(self, supports_masking: bool) -> None:
        super().__init__(name="doubled")
        self.supports_masking = supports_masking

    def call(self, x: Any) -> Any:
        return x * 2.0


def normalized(x: Any, before: bool) -> Any:
    normalization = layers.BatchNormalization(name="normalization")
    return head(rnn()(masking()(normalization(x)) if before else normalization(masking()(x))))


def convolved(x: Any, cured: bool) -> Any:
    hidden = layers.Dense(3)(masking()(x))
    if cured:
        hidden = hidden * ops.cast(mask_of(x)[..., None], hidden.dtype)
    hidden = layers.Conv1D(3, 3, padding="same", name="convolution")(hidden)
    return head(put_back(hidden, x) if cured else hidden)


@pytest.mark.parametrize(
    ("faulty", "cured", "layer", "advice"),
    [
        pytest.param(rnn, masking, None, "begin the model with keras.layers.Masking(0.0)", id="no Masking"),
        pytest.param(
            with_state,
            lambda x: with_state(x, mask=mask_of(x)),
            "decoder",
            "give decoder the mask: decoder(x, initial_state=states, mask=mask) with mask = keras.ops.any("
            "keras.ops.not_equal(embeddings, 0.0), axis=-1)",
            id="initial_state",
        ),
        pytest.param(
            both_ways_with_states,
            lambda x: both_ways_with_states(x, mask=mask_of(x)),
            "decoder",
            "decoder(x, initial_state=states, mask=mask)",
            id="initial_state of Bidirectional",
        ),
        pytest.param(
            residual,
            lambda x: residual(x, True),
            "attention",
            "give attention a copy: copy = keras.layers.Rescaling(1.0)(x), attention(copy, copy)",
            id="residual around attention",
        ),
        pytest.param(
            lambda x: head(backward()(masking()(x))),
            lambda x: head(put_back(ops.flip(backward()(masking()(x)), axis=1), x)),
            "backward",
            "or turn those of backward: x = keras.layers.Masking(-32768.0)(keras.ops.where(mask[..., None], "
            "keras.ops.flip(x, axis=1), -32768.0))",
            id="go_backwards",
        ),
        pytest.param(
            backward_round,
            lambda x: head(layers.Bidirectional(rnn(), backward_layer=backward())(masking()(x))),
            "backward",
            "use keras.layers.Bidirectional, which turns its outputs",
            id="go_backwards beside another",
        ),
        pytest.param(
            lambda x: normalized(x, True),
            lambda x: normalized(x, False),
            "normalization",
            "put the Masking layer before normalization",
            id="BatchNormalization before Masking",
        ),
        pytest.param(
            lambda x: rnn()(layers.BatchNormalization(name="normalization")(x), mask=mask_of(x)),
            lambda x: rnn()(layers.BatchNormalization(name="normalization")(x, mask=mask_of(x)), mask=mask_of(x)),
            "normalization",
            "give normalization the mask: mask=mask with mask = keras.ops.any(",
            id="BatchNormalization without a mask",
        ),
        pytest.param(
            lambda x: head(rnn()(layers.Lambda(lambda h: h * 2.0, name="own")(masking()(x)))),
            lambda x: head(rnn()(Doubled(True)(masking()(x)))),
            "own",
            "write own as a layer class with self.supports_masking = True, or give rnn the mask: rnn(x, mask=mask)",
            id="Lambda",
        ),
        pytest.param(
            lambda x: head(rnn()(Doubled(False)(masking()(x)))),
            lambda x: head(rnn()(Doubled(False)(masking()(x)), mask=mask_of(x))),
            "doubled",
            "set self.supports_masking = True in Doubled if it works position by position, or give rnn the mask",
            id="own layer",
        ),
        pytest.param(
            lambda x: convolved(x, False),
            lambda x: convolved(x, True),
            "convolution",
            "set padding to 0 before convolution: x = x * keras.ops.cast(mask[..., None], x.dtype), and put the mask"
            " back after convolution: x = keras.layers.Masking(-32768.0)(",
            id="Conv1D",
        ),
        pytest.param(
            lambda x: layers.Softmax(name="softmax")(layers.Dense(3)(masking()(x))),
            lambda x: layers.Activation("softmax")(layers.Dense(3)(masking()(x))),
            "softmax",
            "use keras.layers.Activation('softmax') in place of softmax",
            id="Softmax",
        ),
    ],
)
def test_the_advice_cures_the_model(
    faulty: Callable[..., Any], cured: Callable[..., Any], layer: str | None, advice: str
) -> None:
    if faulty is rnn:
        faulty, cured = (lambda x: head(rnn()(x))), (lambda x: head(rnn()(masking()(x))))
    found = traced(build(faulty))
    assert found.why.endswith(".")
    assert (found.faulty_layer, advice in found.advice) == (layer, True), found.advice
    model = build(cured)
    assert traced(model).why == ""
    assert change_by_padding(model) < 1e-5


def change_by_padding(model: keras.Model) -> float:
    """Largest change of a real token's output when padding is added behind the tokens, or in front of them."""
    rng = np.random.default_rng(0)
    model.set_weights([each + rng.normal(0, 0.3, each.shape) ** 2 for each in model.get_weights()])
    x = rng.normal(size=(2, 4, DIM)).astype(np.float32)
    own = np.asarray(model(x, training=False))
    behind = np.asarray(model(np.pad(x, ((0, 0), (0, 3), (0, 0))), training=False))[:, :4]
    front = np.asarray(model(np.pad(x, ((0, 0), (3, 0), (0, 0))), training=False))[:, 3:]
    return float(max(np.abs(behind - own).max(), np.abs(front - own).max()))


def test_a_mask_given_by_hand_after_layers_that_lose_it_is_enough() -> None:
    def by_hand(x: Any) -> Any:
        hidden = layers.Conv1D(3, 3, padding="same", name="first")(masking()(x))
        hidden = hidden * ops.cast(mask_of(x)[..., None], hidden.dtype)
        hidden = layers.Conv1D(3, 3, padding="same", name="second")(hidden)
        return head(rnn()(layers.Dropout(0.1)(hidden), mask=mask_of(x)))

    model = build(by_hand)
    assert traced(model).why == ""
    assert change_by_padding(model) < 1e-5

    def one_bias_leaks(x: Any) -> Any:
        hidden = layers.Conv1D(3, 3, padding="same", name="first")(masking()(x))
        hidden = layers.Conv1D(3, 3, padding="same", name="second")(hidden)
        return head(rnn()(hidden, mask=mask_of(x)))

    found = traced(build(one_bias_leaks))
    assert (found.faulty_layer, found.why.split(",")[0]) == ("second", "second (Conv1D) reads its neighbours")

    def past_a_recurrent_layer(x: Any) -> Any:
        hidden = layers.Conv1D(3, 3, padding="causal", name="causal")(layers.Dense(3)(masking()(x)))
        return head(rnn()(hidden, mask=mask_of(x)))

    # with padding behind the tokens, what is on the left of a token is none
    assert traced(build(past_a_recurrent_layer)).why == ""


def test_attention_of_a_normalized_copy_keeps_the_mask() -> None:
    def before(x: Any) -> Any:
        hidden = masking()(x)
        return head(layers.Add()([hidden, attention(layers.LayerNormalization()(hidden))]))

    assert traced(build(before)).why == ""


def test_the_second_attention_to_one_tensor_gets_no_mask() -> None:
    def two(x: Any) -> Any:
        hidden = masking()(x)
        both = [attention(hidden), layers.MultiHeadAttention(2, 3, name="other")(hidden, hidden)]
        return head(layers.Add()(both))

    found = traced(build(two))
    assert found.why == (
        "attention (MultiHeadAttention) takes the mask off masking, so padding counts in other and what follows."
    )
    edges = {(edge.source, edge.target): edge for edge in found.graph.edges}
    assert (edges["masking", "other"].text, edges["masking", "other"].fault) == ("mask removed", True)
    assert edges["masking", "attention"].text == "mask"


def test_the_input_without_masking_is_named() -> None:
    words, characters = keras.Input((None, DIM), name="words"), keras.Input((None, 2), name="characters")
    joined = layers.Concatenate(name="joined")([masking()(words), layers.Dense(3)(characters)])
    found = traced(keras.Model([words, characters], head(rnn()(joined))))
    assert found.faulty_layer == "joined"
    assert found.advice == "put keras.layers.Masking(0.0) behind the input characters, too, which has none"
    casing = keras.Input((None, 2), name="casing")
    joined = layers.Concatenate(name="joined")([masking()(words), layers.Dense(3)(characters), layers.Dense(2)(casing)])
    advice = traced(keras.Model([words, characters, casing], head(rnn()(joined)))).advice
    assert advice == "put keras.layers.Masking(0.0) behind the inputs characters and casing, which have none"
    read = layers.Concatenate()([rnn()(masking()(words)), layers.LSTM(2, return_sequences=True)(characters)])
    found = traced(keras.Model([words, characters], head(read)))
    assert (found.faulty_layer, "has no Masking layer, as another input has" in found.why) == ("characters", True)
    both = layers.Concatenate()([masking()(words), layers.Masking(0.0, name="too")(characters)])
    assert traced(keras.Model([words, characters], head(rnn()(both)))).why == ""


def test_without_masking_the_advice_says_what_would_lose_a_mask() -> None:
    def convolved_in_time(x: Any, cured: bool) -> Any:
        hidden = masking()(x) if cured else x
        mask = {"mask": mask_of(x)} if cured else {}
        hidden = layers.ConvLSTM1D(2, 3, padding="same", return_sequences=True, name="recurrent")(
            layers.Reshape((-1, DIM, 1), name="reshape")(hidden), **mask
        )
        return head(put_back(layers.Reshape((-1, 2 * DIM), name="joined")(hidden), x) if cured else hidden[:, :, 0])

    found = traced(build(lambda x: convolved_in_time(x, False)))
    assert found.advice.startswith(
        "begin the model with keras.layers.Masking(0.0); then replace reshape with a layer that supports masks, or "
        "give recurrent the mask: recurrent(x, mask=mask) with mask = "
    )
    model = build(lambda x: convolved_in_time(x, True))
    assert traced(model).why == ""
    assert change_by_padding(model) < 1e-5
    found = traced(build(lambda x: head(layers.Add()([x, layers.Dense(DIM)(attention(x))]))))
    assert "Masking(0.0); then give attention a copy: copy = keras.layers.Rescaling(1.0)(x)" in found.advice


def test_no_mask_is_advised_where_positions_are_joined_for_good() -> None:
    def pooled(x: Any) -> Any:
        hidden = layers.MaxPooling1D(2, name="pooling")(layers.Conv1D(3, 3, padding="same")(masking()(x)))
        return head(layers.UpSampling1D(2)(hidden))

    found = traced(build(pooled, 6))
    assert found.advice == "do without pooling, which joins neighbouring positions: no mask helps there"
    assert found.repair is None


def test_masking_of_nan_is_explained() -> None:
    found = traced(build(lambda x: head(rnn()(layers.Masking(float("nan"), name="masking")(x)))))
    assert found.why == "masking (Masking(nan)) masks nothing, since nan equals nothing, not even itself."
    assert "keras.layers.Masking(0.0)" in found.advice


def test_masking_of_a_row_of_numbers_is_known() -> None:
    row = (0.5, -1.0, 2.0, 0.0)
    model = build(lambda x: head(rnn()(layers.Masking(list(row))(x))))
    assert trace_mask(model, *made_up_batch(model.inputs, row)).why == ""
    unmasked = build(lambda x: head(rnn()(x)))
    found = trace_mask(unmasked, *made_up_batch(unmasked.inputs, row))
    assert "keras.layers.Masking(row), where row is the list of the numbers at padded positions" in found.advice


def test_layers_inside_a_model_inside_the_model_are_traced_and_named() -> None:
    within = keras.Input((None, DIM))
    inner = keras.Model(within, rnn()(layers.Conv1D(3, 3, padding="same", name="convolution")(within)), name="inner")
    found = traced(build(lambda x: head(inner(masking()(x)))))
    assert found.faulty_layer == "inner/convolution"
    assert [node.name for node in found.graph.nodes][2:6] == ["inner", "inner/convolution", "inner/rnn", "head"]
    twice = keras.Sequential([keras.Input((None, DIM)), layers.Dense(DIM, name="dense")], name="inner")
    found = traced(build(lambda x: head(rnn()(twice(twice(masking()(x)))))))
    assert found.why == ""
    assert "inner (2)/dense" in [node.name for node in found.graph.nodes]


def test_a_stateful_model_of_a_fixed_batch_is_traced_and_keeps_its_state() -> None:
    inputs = keras.Input(batch_shape=(2, 6, DIM))
    hidden = layers.SimpleRNN(3, return_sequences=True, stateful=True, name="rnn")(masking()(inputs))
    model = keras.Model(inputs, head(hidden))
    state = model.get_layer("rnn").states[0]
    state.assign(np.full((2, 3), 0.25))
    assert traced(model).why == ""
    np.testing.assert_array_equal(np.asarray(state), 0.25)
