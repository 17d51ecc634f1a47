"""Build, load, run and save Keras models.

Importing this module imports TensorFlow, which takes seconds: only the worker and the command line do, when they
need it.
"""

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import tensorflow as tf

from maskscope.errors import ModelError
from maskscope.files import replace_durably
from maskscope.keras_io.error_summary import error_summary
from maskscope.keras_io.safety import inspect_keras_file, keras_2_error, last_known_layer
from maskscope.training.parameters import Parameters
from maskscope.training.spec import TaggerSpec
from maskscope.types import Floats

KERAS_VERSION: str = keras.__version__
TENSORFLOW_VERSION: str = tf.__version__

KerasModel: TypeAlias = keras.Model


def build(spec: TaggerSpec) -> KerasModel:
    """The model that is trained: Masking, Bidirectional(LSTM) x layers, Dense; Dropout layers where the spec has any.

    Dense is applied to the 3-D tensor, not in TimeDistributed: from Keras 3.14.0 on that layer over an input
    (None, D) iterates over the batch size of its first call, and gives outputs of another length.
    """
    inputs = keras.Input((None, spec.dim), dtype="float32", name="embeddings")
    hidden = keras.layers.Masking(spec.mask_value, name="masking")(inputs)
    if spec.input_dropout:
        hidden = keras.layers.Dropout(spec.input_dropout, name="input_dropout")(hidden)
    for layer in range(spec.layers):
        lstm = keras.layers.LSTM(
            spec.units, return_sequences=True, recurrent_dropout=spec.recurrent_dropout, name=f"lstm_{layer + 1}"
        )
        hidden = keras.layers.Bidirectional(lstm, name=f"bidirectional_{layer + 1}")(hidden)
        if spec.dropout:
            hidden = keras.layers.Dropout(spec.dropout, name=f"dropout_{layer + 1}")(hidden)
    outputs = keras.layers.Dense(spec.scheme.n_outputs, activation=spec.head, name="probabilities")(hidden)
    return keras.Model(inputs, outputs, name="tagger")


def with_weights(parameters: Parameters) -> KerasModel:
    """The plain Keras model with trained weights: nothing of Maskscope is in it."""
    model = build(parameters.spec)
    model.set_weights(parameters.to_keras())
    return model


def inference_function(
    model: KerasModel, dim: int | None, n_positions: int | None = None, n_sentences: int | None = None
) -> Callable[[Floats], Floats]:
    """The model in inference and graph mode: x (B, T, dim) float32 -> its output as float32, traced once.

    Args:
        model: with one input and one output.
        dim: D; None for any.
        n_positions: T; None for any.
        n_sentences: B; None for any.
    """
    signature = [tf.TensorSpec((n_sentences, n_positions, dim), tf.float32)]

    # Keras has no code that autograph would have to convert, and converting takes as long as tracing
    @tf.function(input_signature=signature, reduce_retracing=True, autograph=False)  # type: ignore[untyped-decorator]
    def traced(x_btd: tf.Tensor) -> tf.Tensor:
        return tf.cast(model(x_btd, training=False), tf.float32)

    def predict(x_btd: Floats) -> Floats:
        output: Floats = traced(tf.constant(x_btd)).numpy()
        return output

    return predict


def save(model: KerasModel, path: Path) -> None:
    """Write a plain `.keras` file, complete or not there at all."""
    if path.suffix != ".keras":
        raise ModelError("is not a file name for a model", file=path, expected="NAME.keras", received=path.name)
    partial = path.with_name(f"partial-{os.getpid()}-{path.name}")
    try:
        model.save(partial)
        replace_durably(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def load(path: Path) -> KerasModel:
    """A model from a `.keras` file, inspected by `safety` first and loaded in safe mode: no code of the file is run.

    Raises ModelError for any other kind of file, for one that the inspection refuses, and for one that Keras refuses.
    """
    version = inspect_keras_file(path)
    try:
        with warnings.catch_warnings():
            # the optimizer's state is not used here, and Keras warns when it does not fit
            warnings.simplefilter("ignore")
            return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        if version.startswith("2."):
            raise keras_2_error(path, version, last_known_layer(path)) from error
        # Keras raises whatever its layers raise: ValueError, TypeError, KeyError, OSError, BadZipFile ...
        raise ModelError("can't be loaded by Keras in safe mode", file=path, received=error_summary(error)) from error
