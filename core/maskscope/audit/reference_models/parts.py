"""What the models of the gallery are made of, and the sentences that they are audited on."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from maskscope.types import Floats, Indices

if TYPE_CHECKING:
    from maskscope.keras_io.keras_model import KerasModel

DIM = 4
LENGTHS = (3, 1, 5, 2, 5)
POSITIONS = 7
"""Of the padded array; the autoencoder takes no other number of them."""
UNITS = 3

Arrays: TypeAlias = tuple[npt.NDArray[np.generic], Indices]


def arrays() -> Arrays:
    """The sentences of the gallery: x (5, 7, 4) float32, padded right with zeros, and lengths (5,)."""
    rng = np.random.default_rng(7)
    x: Floats = np.zeros((len(LENGTHS), POSITIONS, DIM), dtype=np.float32)
    for row, length in enumerate(LENGTHS):
        x[row, :length] = rng.normal(size=(length, DIM))
    return x, np.array(LENGTHS, dtype=np.int64)


def padded_with(value: float) -> Arrays:
    """The same sentences padded with another number."""
    x, lengths = arrays()
    for row, length in zip(x, lengths, strict=True):
        row[length:] = value
    return x, lengths


def padded_in_front() -> Arrays:
    """The same sentences with their padding in front."""
    x, lengths = arrays()
    return np.stack([np.roll(row, POSITIONS - length, axis=0) for row, length in zip(x, lengths, strict=True)]), lengths


def with_a_zero_token() -> Arrays:
    """The same sentences, with a token of zeros."""
    x, lengths = arrays()
    x[2, 2] = 0.0
    return x, lengths


def by_pad_sequences() -> Arrays:
    """The same sentences padded by pad_sequences with its defaults: whole numbers, padded in front."""
    import keras

    x, lengths = arrays()
    rows = [row[:length] for row, length in zip(x, lengths, strict=True)]
    padded: npt.NDArray[np.generic] = keras.utils.pad_sequences(rows)
    return padded, lengths


def build(recipe: Callable[[Any], Any], positions: int | None = None, dtype: str | None = None) -> "KerasModel":
    """A model with fresh weights: its recipe makes an output of the input (B, positions, DIM)."""
    import keras

    keras.utils.set_random_seed(0)
    inputs = keras.Input((positions, DIM), name="embeddings")
    if dtype is None:
        return keras.Model(inputs, recipe(inputs))
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype)
    try:
        return keras.Model(inputs, recipe(inputs))
    finally:
        keras.config.set_dtype_policy(before)


def masking(value: float = 0.0) -> Any:
    """Masking(value)."""
    import keras

    return keras.layers.Masking(value, name="masking")


def mask_of(x: Any) -> Any:
    """The mask (B, T) of an input that is padded with zeros, made by hand."""
    import keras

    return keras.ops.any(keras.ops.not_equal(x, 0.0), axis=-1)


def bilstm(name: str = "bilstm", recurrent_dropout: float = 0.0) -> Any:
    """Bidirectional(LSTM)."""
    import keras

    lstm = keras.layers.LSTM(UNITS, return_sequences=True, recurrent_dropout=recurrent_dropout, name=f"{name}_lstm")
    return keras.layers.Bidirectional(lstm, name=name)


def birnn() -> Any:
    """Bidirectional(SimpleRNN), where the recurrent layer does not matter: it is traced in half the time of an LSTM."""
    import keras

    return keras.layers.Bidirectional(keras.layers.SimpleRNN(UNITS, return_sequences=True, name="rnn"), name="birnn")


def head(hidden: Any) -> Any:
    """One probability per position."""
    import keras

    return keras.layers.Dense(1, "sigmoid", name="probabilities")(hidden)


def classic() -> "KerasModel":
    """Masking, bidirectional RNN, Dense: a sound model, for mutants with a fault in their data, loss or metrics."""
    return build(lambda x: head(birnn()(masking()(x))))


def with_states(x: Any, **mask: Any) -> Any:
    """A bidirectional RNN that starts from the state of another: Keras passes it no mask unless it is given one."""
    import keras

    encoder = keras.layers.SimpleRNN(UNITS, return_sequences=True, return_state=True, name="encoder")
    hidden, state = encoder(masking()(x))
    decoder = keras.layers.Bidirectional(
        keras.layers.SimpleRNN(UNITS, return_sequences=True, name="rnn"), name="decoder"
    )
    return head(decoder(hidden, initial_state=[state, state], **mask))


def residual(masked: Any, attended: Any) -> Any:
    """A residual around MultiHeadAttention, which takes the masks off the tensors that it is given."""
    import keras

    attention = keras.layers.MultiHeadAttention(1, 2, name="attention")(attended, attended)
    return head(keras.layers.Add(name="sum")([masked, attention]))


def backward() -> Any:
    """SimpleRNN(go_backwards=True), whose outputs are in reversed order."""
    import keras

    return keras.layers.SimpleRNN(UNITS, return_sequences=True, go_backwards=True, name="backward")
