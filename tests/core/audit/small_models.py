"""Small models and sentences for tests of single checks, and what asks one check about them."""

from collections.abc import Callable
from typing import Any, TypeAlias

import keras
import numpy as np
from keras import layers, ops

from maskscope.audit.prepare import array_sentences, model_context
from maskscope.audit.probes.audit_probes import AuditProbes
from maskscope.audit.report import Finding
from maskscope.audit.runner import run_check
from maskscope.jobs import NullJob
from maskscope.types import Floats

Recipe: TypeAlias = Callable[[Any], Any]
"""Symbolic input -> symbolic output."""

DIM = 4
LENGTHS = np.array([3, 1, 5, 2], dtype=np.int64)


def padded(n_positions: int = 6) -> Floats:
    """Sentences of `LENGTHS`, padded right with zeros: (4, n_positions, 4) float32."""
    x: Floats = np.zeros((len(LENGTHS), n_positions, DIM), dtype=np.float32)
    rng = np.random.default_rng(0)
    for row, n in enumerate(LENGTHS):
        x[row, :n] = rng.normal(size=(n, DIM))
    return x


def masking() -> Any:
    """Masking(0.0)."""
    return layers.Masking(0.0, name="masking")


def rnn() -> Any:
    """The quickest recurrent layer to trace."""
    return layers.SimpleRNN(3, return_sequences=True, name="rnn")


def head(hidden: Any) -> Any:
    """One probability per position."""
    return layers.Dense(1, "sigmoid", name="head")(hidden)


def build(recipe: Recipe, n_positions: int | None = None) -> keras.Model:
    """A model with fresh weights, so zero biases: the case in which a fault can go unnoticed."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((n_positions, DIM), name="embeddings")
    return keras.Model(inputs, recipe(inputs))


def branches(x: Any) -> Any:
    """Two branches that both start at Masking."""
    masked = masking()(x)
    return head(layers.Add()([rnn()(masked), layers.Dense(3)(masked)]))


def with_state(x: Any, **mask: Any) -> Any:
    """A recurrent layer with an initial state, which Keras passes no mask."""
    hidden, state = layers.GRU(3, return_sequences=True, return_state=True, name="encoder")(masking()(x))
    return head(layers.GRU(3, return_sequences=True, name="decoder")(hidden, initial_state=state, **mask))


def residual(x: Any, copied: bool = False) -> Any:
    """A residual around MultiHeadAttention, which takes the mask off its inputs; `copied`: not off the residual."""
    hidden = masking()(x)
    query = layers.Rescaling(1.0, name="copy")(hidden) if copied else hidden
    attention = layers.MultiHeadAttention(2, 3, name="attention")(query, query)
    return head(layers.LayerNormalization()(layers.Add(name="sum")([hidden, attention])))


def backward() -> Any:
    """A recurrent layer that reads backwards, whose outputs are in that order."""
    return layers.SimpleRNN(3, return_sequences=True, go_backwards=True, name="backward")


def backward_round(x: Any) -> Any:
    """A layer that reads forward, and one that reads backwards and is not turned."""
    hidden = masking()(x)
    return head(layers.Concatenate(name="both")([rnn()(hidden), layers.Dropout(0.1)(backward()(hidden))]))


def distributed(x: Any) -> Any:
    """A convolution after Masking, and TimeDistributed around layers that work position by position."""
    hidden = layers.Conv1D(3, 3, padding="same", name="convolution")(masking()(x))
    hidden = layers.TimeDistributed(layers.BatchNormalization())(rnn()(hidden))
    return layers.TimeDistributed(layers.Dense(2, "softmax"), name="head")(hidden)


def autoencoder(repaired: bool, n_positions: int = 6) -> keras.Model:
    """Masking, RNN, RepeatVector, RNN, Dense; `repaired`: the decoder is given the mask of the input."""

    def recipe(x: Any) -> Any:
        repeated = layers.RepeatVector(n_positions, name="repeat")(layers.SimpleRNN(5, name="encoder")(masking()(x)))
        mask = {"mask": ops.any(ops.not_equal(x, 0.0), axis=-1)} if repaired else {}
        return layers.Dense(DIM, name="value")(rnn()(repeated, **mask))

    return build(recipe, n_positions)


def probes_of(model: keras.Model, x: Floats | None = None) -> AuditProbes:
    """Probes of a model as it is in memory, on `padded()` or on another array of the same lengths."""
    x = padded() if x is None else x
    return AuditProbes(model_context(model, array_sentences(x, LENGTHS[: len(x)])))


def run(check: str, model: keras.Model | AuditProbes, x: Floats | None = None) -> Finding:
    """The finding of one check."""
    probes = model if isinstance(model, AuditProbes) else probes_of(model, x)
    return run_check(check, probes, NullJob())
