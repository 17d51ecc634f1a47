"""Mutants: M1 to M14 are mistakes made in practice, the X add one for each check that none of those makes fail."""

from typing import TYPE_CHECKING, Any

from maskscope.audit.reference_models.parts import (
    DIM,
    POSITIONS,
    UNITS,
    backward,
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


def m1() -> "KerasModel":
    """No Masking."""
    return build(lambda x: head(birnn()(x)))


def m2() -> "KerasModel":
    """A Dense layer, whose bias fills padding, before Masking."""
    from keras import layers

    return build(lambda x: head(birnn()(masking()(layers.Dense(DIM, name="projection")(x)))))


def m3() -> "KerasModel":
    """A convolution after Masking: it drops the mask and reads padded neighbours."""
    from keras import layers

    return build(lambda x: head(birnn()(layers.Conv1D(DIM, 3, padding="same", name="convolution")(masking()(x)))))


def m4() -> "KerasModel":
    """A plain multiplication after Masking."""
    return build(lambda x: head(birnn()(masking()(x) * 1.0)))


def m5() -> "KerasModel":
    """Add with a branch that starts at the unmasked input."""
    from keras import layers

    def recipe(x: Any) -> Any:
        both = [masking()(x), layers.Dense(DIM, name="branch")(x)]
        return head(birnn()(layers.Add(name="sum")(both)))

    return build(recipe)


def m6() -> "KerasModel":
    """Concatenate with a branch that starts at the unmasked input: the mask is altered, not lost."""
    from keras import layers

    def recipe(x: Any) -> Any:
        both = [masking()(x), layers.Dense(DIM, name="branch")(x)]
        return head(birnn()(layers.Concatenate(name="both")(both)))

    return build(recipe)


def m7() -> "KerasModel":
    """Masking(-1) on sentences padded with zeros."""
    return build(lambda x: head(birnn()(masking(-1.0)(x))))


def m8() -> "KerasModel":
    """BatchNormalization, which moves zeros, before Masking."""
    from keras import layers

    return build(lambda x: head(birnn()(masking()(layers.BatchNormalization(name="normalization")(x)))))


def m9() -> "KerasModel":
    """A plain sigmoid operation at the end, after which the loss has no mask."""
    import keras

    return build(lambda x: keras.ops.sigmoid(keras.layers.Dense(1, name="logits")(birnn()(masking()(x)))))


def m10() -> "KerasModel":
    """A maximum over all positions, padded ones too, as context of each."""
    import keras

    def recipe(x: Any) -> Any:
        context = keras.layers.Dense(2 * UNITS, name="context")(keras.ops.max(x, axis=1, keepdims=True))
        return head(keras.layers.Add(name="sum")([birnn()(masking()(x)), context]))

    return build(recipe)


def m11() -> "KerasModel":
    """TimeDistributed(Dense) over a free number of positions, broken since Keras 3.14."""
    from keras import layers

    head = layers.TimeDistributed(layers.Dense(1, "sigmoid"), name="probabilities")
    return build(lambda x: head(birnn()(masking()(x))))


def m12() -> "KerasModel":
    """A hand-made backward RNN, with flip: the mask is lost, and padding comes first."""
    import keras

    def recipe(x: Any) -> Any:
        masked = masking()(x)
        backward = keras.layers.SimpleRNN(UNITS, return_sequences=True, name="backward")(keras.ops.flip(masked, axis=1))
        forward = keras.layers.SimpleRNN(UNITS, return_sequences=True, name="forward")(masked)
        return head(keras.layers.Concatenate(name="both")([forward, keras.ops.flip(backward, axis=1)]))

    return build(recipe)


def m13() -> "KerasModel":
    """The autoencoder Masking, LSTM, RepeatVector, LSTM, Dense: the mask ends at RepeatVector."""
    from keras import layers

    def recipe(x: Any) -> Any:
        code = layers.LSTM(UNITS, name="encoder")(masking()(x))
        repeated = layers.RepeatVector(POSITIONS, name="repeat")(code)
        return layers.Dense(DIM, name="values")(layers.LSTM(UNITS, return_sequences=True, name="decoder")(repeated))

    return build(recipe, POSITIONS)


def m14() -> "KerasModel":
    """A sound model, compiled with a loss that computes the mean over all positions itself."""
    import keras

    def mean_of_all(y_true: Any, y_pred: Any) -> Any:
        return keras.ops.mean(keras.losses.binary_crossentropy(y_true, y_pred))

    model = classic()
    model.compile(loss=mean_of_all)
    return model


def x1() -> "KerasModel":
    """GlobalMaxPooling1D as context: its maximum includes padded positions."""
    from keras import layers

    def recipe(x: Any) -> Any:
        masked = masking()(x)
        context = layers.Dense(2 * UNITS, name="context")(
            layers.GlobalMaxPooling1D(keepdims=True, name="pooling")(masked)
        )
        return head(layers.Add(name="sum")([birnn()(masked), context]))

    return build(recipe)


def x2() -> "KerasModel":
    """GlobalAveragePooling1D as context: it uses the mask, and divides by 0 in a row of nothing but padding."""
    from keras import layers

    def recipe(x: Any) -> Any:
        hidden = birnn()(masking()(x))
        context = layers.GlobalAveragePooling1D(keepdims=True, name="pooling")(hidden)
        return head(layers.Add(name="sum")([hidden, context]))

    return build(recipe)


def x3() -> "KerasModel":
    """Masking(-999) in a model that computes in bfloat16, which can't represent -999."""
    return build(lambda x: head(birnn()(masking(-999.0)(x))), dtype="mixed_bfloat16")


def x4() -> "KerasModel":
    """A sound model, compiled with Precision, which counts padding."""
    model = classic()
    model.compile(loss="binary_crossentropy", metrics=["binary_accuracy", "Precision"])
    return model


def x9() -> "KerasModel":
    """GaussianNoise before Masking: in inference it does nothing, in training it fills padding."""
    from keras import layers

    return build(lambda x: head(birnn()(masking()(layers.GaussianNoise(0.3, name="noise")(x)))))


def x10() -> "KerasModel":
    """BatchNormalization that no mask reaches: only its statistics, in training, count padding."""
    from keras import layers

    normalization = layers.BatchNormalization(name="normalization")
    return build(lambda x: head(birnn()(normalization(x), mask=mask_of(x))))


def x11() -> "KerasModel":
    """Two convolutions in a row, and the mask given to the next layer: padding between them holds the first's bias."""
    from keras import layers

    def recipe(x: Any) -> Any:
        hidden = layers.Conv1D(DIM, 3, padding="same", name="first")(x)
        return head(birnn()(layers.Conv1D(DIM, 3, padding="same", name="second")(hidden), mask=mask_of(x)))

    return build(recipe)


def x12() -> "KerasModel":
    """Attention behind a plain operation: without a mask, padding gets its weight."""
    from keras import layers

    def recipe(x: Any) -> Any:
        hidden = masking()(x) * 1.0
        return head(layers.MultiHeadAttention(1, 2, name="attention")(hidden, hidden))

    return build(recipe)


def x13() -> "KerasModel":
    """A forward RNN without a mask: right where padding is behind the tokens, wrong where it is in front of them."""
    from keras import layers

    return build(lambda x: head(layers.SimpleRNN(UNITS, return_sequences=True, name="rnn")(x)))


def x14() -> "KerasModel":
    """A recurrent layer with an initial state, which Keras passes no mask."""
    return build(with_states)


def x15() -> "KerasModel":
    """A residual around MultiHeadAttention, which takes the mask off its input: the loss has none."""

    def recipe(x: Any) -> Any:
        masked = masking()(x)
        return residual(masked, masked)

    return build(recipe)


def x16() -> "KerasModel":
    """A round backwards whose outputs are not turned before they are joined with those of the round forward."""
    from keras import layers

    def recipe(x: Any) -> Any:
        masked = masking()(x)
        forward = layers.SimpleRNN(UNITS, return_sequences=True, name="forward")(masked)
        return head(layers.Concatenate(name="both")([forward, backward()(masked)]))

    return build(recipe)


def x17() -> "KerasModel":
    """One output a sentence, of a maximum over all positions, padded ones too."""
    from keras import layers

    return build(lambda x: head(layers.GlobalMaxPooling1D(name="pooling")(masking()(x))))
