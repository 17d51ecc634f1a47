"""Sound models: every check must pass them."""

from typing import TYPE_CHECKING, Any

from maskscope.audit.reference_models.parts import (
    DIM,
    UNITS,
    backward,
    bilstm,
    birnn,
    build,
    classic,
    head,
    mask_of,
    masking,
    residual,
    with_states,
)

if TYPE_CHECKING:
    from maskscope.keras_io.keras_model import KerasModel


def p0() -> "KerasModel":
    """Masking, BiLSTM, Dense: the classic recipe."""
    return build(lambda x: head(bilstm(recurrent_dropout=0.3)(masking()(x))))


def p1() -> "KerasModel":
    """Two BiLSTMs with LayerNormalization."""
    from keras import layers

    def recipe(x: Any) -> Any:
        hidden = layers.LayerNormalization(name="normalization")(bilstm("first")(masking()(x)))
        return head(bilstm("second")(hidden))

    return build(recipe)


def p2() -> "KerasModel":
    """Masking, BatchNormalization, BiLSTM, Dense."""
    from keras import layers

    return build(lambda x: head(bilstm()(layers.BatchNormalization(name="normalization")(masking()(x)))))


def p3() -> "KerasModel":
    """A model as confident as after long training: its probabilities are rounded to 0 and 1."""
    model = classic()
    kernel, bias = model.get_layer("probabilities").get_weights()
    model.get_layer("probabilities").set_weights([kernel * 100, bias])
    model.compile(loss="binary_crossentropy", metrics=["accuracy"])
    return model


def p4() -> "KerasModel":
    """A frozen Dense layer, whose biases are 0, before Masking: a row of zeros stays zero for ever."""
    from keras import layers

    frozen = layers.Dense(DIM, trainable=False, name="projection")
    return build(lambda x: head(birnn()(masking()(frozen(x)))))


def p5() -> "KerasModel":
    """A loss that ignores a class, which real tokens have, too."""
    import keras

    model = build(lambda x: keras.layers.Dense(3, "softmax", name="probabilities")(birnn()(masking()(x))))
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(ignore_class=0), metrics=["accuracy"])
    return model


def p6() -> "KerasModel":
    """BatchNormalization that is given the mask by hand, and dropout of every kind."""
    from keras import layers

    def recipe(x: Any) -> Any:
        mask = mask_of(x)
        normalized = layers.BatchNormalization(name="normalization")(x, mask=mask)
        dropped = layers.SpatialDropout1D(0.2)(layers.GaussianNoise(0.1)(layers.Dropout(0.2)(normalized)))
        return head(bilstm(recurrent_dropout=0.3)(dropped, mask=mask))

    return build(recipe)


def p7() -> "KerasModel":
    """Masking(-0.1), which float32 holds as another number than Python: the padding is rounded alike."""
    return build(lambda x: head(birnn()(masking(-0.1)(x))))


def p8() -> "KerasModel":
    """Attention right behind Masking: it gives padding no weight, but 0 times NaN would be NaN."""
    from keras import layers

    def recipe(x: Any) -> Any:
        masked = masking()(x)
        return head(layers.MultiHeadAttention(1, 2, name="attention")(masked, masked))

    return build(recipe)


def p9() -> "KerasModel":
    """A convolution over the input, padded with zeros as by itself, and the mask given to the next layer by hand."""
    from keras import layers

    convolution = layers.Conv1D(DIM, 3, padding="same", name="convolution")
    return build(lambda x: head(birnn()(convolution(x), mask=mask_of(x))))


def p10() -> "KerasModel":
    """Positions are counted from the left, so padding has to be behind the tokens, where it is."""
    from keras import layers, ops

    def recipe(x: Any) -> Any:
        places = ops.cumsum(ops.ones_like(x[:, :, :1]), axis=1)
        hidden = ops.concatenate([masking()(x), places / 10], axis=-1)
        return head(layers.SimpleRNN(UNITS, return_sequences=True, name="rnn")(hidden, mask=mask_of(x)))

    return build(recipe)


def p11() -> "KerasModel":
    """A recurrent layer with an initial state that is given its mask."""
    return build(lambda x: with_states(x, mask=mask_of(x)))


def p12() -> "KerasModel":
    """A residual around MultiHeadAttention that takes a copy."""
    from keras import layers

    def recipe(x: Any) -> Any:
        masked = masking()(x)
        return residual(masked, layers.Rescaling(1.0, name="copy")(masked))

    return build(recipe)


def p13() -> "KerasModel":
    """A round forward and one backwards in a Bidirectional, which turns the outputs of the second."""
    from keras import layers

    forward = layers.SimpleRNN(UNITS, return_sequences=True, name="forward")
    both = layers.Bidirectional(forward, backward_layer=backward(), name="both")
    return build(lambda x: head(both(masking()(x))))


def p14() -> "KerasModel":
    """One output a sentence, of the RNN's last real step."""
    from keras import layers

    return build(lambda x: head(layers.SimpleRNN(UNITS, name="rnn")(masking()(x))))


def x5() -> "KerasModel":
    """A sound model, compiled with BinaryAccuracy, and with Precision among the weighted metrics."""
    model = classic()
    model.compile(loss="binary_crossentropy", metrics=["binary_accuracy"], weighted_metrics=["Precision"])
    return model
