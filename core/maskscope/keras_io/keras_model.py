"""Build, load, run and save Keras models.

Importing this module imports TensorFlow, which takes seconds: only the worker and the command line do, when they
need it.
"""

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
import tensorflow as tf

from maskscope.errors import ModelError
from maskscope.files import replace_durably
from maskscope.jobs import Job, NullJob
from maskscope.keras_io.safety import inspect_keras_file, keras_2_error
from maskscope.masks import as_mask_value
from maskscope.training.parameters import Parameters
from maskscope.training.spec import TaggerSpec
from maskscope.types import Embeddings, Floats, Indices, Mask, MaskValue, Offsets

KERAS_VERSION: str = keras.__version__
TENSORFLOW_VERSION: str = tf.__version__

KerasModel: TypeAlias = keras.Model

_SCORE_TOKENS = 4096


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


def score_keras(model: KerasModel, embeddings: Embeddings, offsets: Offsets, job: Job | None = None) -> Floats:
    """Probabilities (n, C) float32 by Keras, in batches of sentences of equal length: without any padding.

    So the result for each sentence is that of the model on this sentence alone. With padding, a model that does not
    ignore it would give other numbers.

    Args:
        model: any model from (B, T, D) to (B, T, C).
        embeddings: (n, D) float16 or float32.
        offsets: (n_sentences + 1,).
        job: gets the number of tokens done.

    Raises:
        ModelError: the model does not fit the embeddings.
        Cancelled: the job was cancelled.
    """
    return _score(model, embeddings, offsets, None, job)


def score_with_padding(
    model: KerasModel, embeddings: Embeddings, offsets: Offsets, job: Job | None = None
) -> tuple[Floats, Floats]:
    """As `score_keras`, and the output at padding (n_sentences, C) float32.

    That is the output at one padded position behind each sentence, in a second run. The position holds the mask
    value (0 for a model without one).
    """
    shape = (len(offsets) - 1, int(model.output_shape[-1]))
    padding_sc: Floats = np.full(shape, np.nan, dtype=np.float32)
    probs_nc = _score(model, embeddings, offsets, padding_sc, job)
    empty = np.diff(offsets) == 0
    if empty.any():
        padding: Floats = np.full((1, 1, embeddings.shape[1]), _fill(model), dtype=np.float32)
        padding_sc[empty] = _checked_output(inference_function(model, embeddings.shape[1]), padding, shape[1])[0]
    return probs_nc, padding_sc


def _score(
    model: KerasModel, embeddings: Embeddings, offsets: Offsets, padding_sc: Floats | None, job: Job | None
) -> Floats:
    """Probabilities (n, C); the outputs at padding are written to `padding_sc`, where it is given."""
    job = NullJob() if job is None else job
    shape = model.input_shape
    if not isinstance(shape, tuple) or len(shape) != 3 or shape[2] not in (None, embeddings.shape[1]):
        raise ModelError(
            "the model does not fit the embeddings",
            expected=f"an input (None, None, {embeddings.shape[1]})",
            received=str(shape),
        )
    n_outputs = int(model.output_shape[-1])
    probs_nc: Floats = np.zeros((int(offsets[-1]), n_outputs), dtype=np.float32)
    predict = inference_function(model, embeddings.shape[1])
    fill: Floats = np.full((1, 1, embeddings.shape[1]), _fill(model), dtype=np.float32)
    done = 0
    job.progress(0, len(probs_nc), "tokens")
    for ids in _batches_of_equal_length(np.diff(offsets).astype(np.int64)):
        x_btd: Floats = np.stack([embeddings[offsets[i] : offsets[i + 1]] for i in ids]).astype(np.float32)
        for row, i in zip(_checked_output(predict, x_btd, n_outputs), ids, strict=True):
            probs_nc[offsets[i] : offsets[i + 1]] = row
        if padding_sc is not None:
            padded = np.concatenate([x_btd, np.broadcast_to(fill, (len(x_btd), *fill.shape[1:]))], axis=1)
            padding_sc[ids] = _checked_output(predict, padded, n_outputs)[:, -1]
        done += x_btd.shape[0] * x_btd.shape[1]
        job.progress(done, len(probs_nc), "tokens")
    return probs_nc


def _batches_of_equal_length(lengths: Indices) -> list[Indices]:
    """Ids of the sentences that have tokens, in batches of about `_SCORE_TOKENS` tokens."""
    ids = np.flatnonzero(lengths)
    ordered = ids[np.argsort(lengths[ids], kind="stable")]
    batches: list[Indices] = []
    for same in np.split(ordered, np.flatnonzero(np.diff(lengths[ordered])) + 1):
        if len(same):
            at_once = max(1, _SCORE_TOKENS // int(lengths[same[0]]))
            batches += [same[begin : begin + at_once] for begin in range(0, len(same), at_once)]
    return batches


def _checked_output(predict: Callable[[Floats], Floats], x_btd: Floats, n_outputs: int) -> Floats:
    output = predict(x_btd)
    expected = (*x_btd.shape[:2], n_outputs)
    if output.shape != expected:
        raise ModelError(
            "the model does not give one prediction a position", expected=str(expected), received=str(output.shape)
        )
    return output


def mask_value(model: KerasModel) -> MaskValue | None:
    """The mask value of the model's first Masking layer; None when it has none."""
    masking = _masking_layer(model)
    return None if masking is None else as_mask_value(masking.mask_value)


def _fill(model: KerasModel) -> MaskValue:
    """What padded positions hold: the mask value, or 0 for a model without one."""
    value = mask_value(model)
    return 0.0 if value is None else value


def embeddings_mask_value(model: KerasModel) -> MaskValue | None:
    """The mask value of a Masking layer that reads the embeddings themselves; None for one above other layers."""
    masking = _masking_layer(model)
    return as_mask_value(masking.mask_value) if masking is not None and masking.input is model.inputs[0] else None


def _masking_layer(model: KerasModel) -> Any:
    """The first Masking layer, nested models left out; None when there is none."""
    return next((layer for layer in model.layers if isinstance(layer, keras.layers.Masking)), None)


def inference_function(
    model: KerasModel, dim: int | None, n_positions: int | None = None
) -> Callable[[Floats], Floats]:
    """The model in inference and graph mode: x (B, T, dim) float32 -> its output as float32, traced once.

    Args:
        model: with one input and one output.
        dim: D; None for any.
        n_positions: T; None for any.
    """
    signature = [tf.TensorSpec((None, n_positions, dim), tf.float32)]

    # Keras has no code that autograph would have to convert, and converting takes as long as tracing
    @tf.function(input_signature=signature, reduce_retracing=True, autograph=False)  # type: ignore[untyped-decorator]
    def traced(x_btd: tf.Tensor) -> tf.Tensor:
        return tf.cast(model(x_btd, training=False), tf.float32)

    def predict(x_btd: Floats) -> Floats:
        output: Floats = traced(tf.constant(x_btd)).numpy()
        return output

    return predict


def mask_function(model: KerasModel, dim: int) -> Callable[[Floats], Mask] | None:
    """The mask that the model's first Masking layer computes: x (B, T, dim) float32 -> (B, T), True = real token.

    The layer is called on its own input, since it may be above others. None for a model without one; a layer
    inside a nested model is not found.
    """
    masking = _masking_layer(model)
    if masking is None:
        return None
    below = None if masking.input is model.inputs[0] else keras.Model(model.inputs, masking.input)
    signature = [tf.TensorSpec((None, None, dim), tf.float32)]

    @tf.function(input_signature=signature, reduce_retracing=True)  # type: ignore[untyped-decorator]
    def traced(x_btd: tf.Tensor) -> tf.Tensor:
        rows = x_btd if below is None else below(x_btd, training=False)
        # as Keras casts the inputs of a layer
        return masking.compute_mask(tf.cast(rows, masking.compute_dtype))

    def compute_mask(x_btd: Floats) -> Mask:
        mask: Mask = traced(tf.constant(x_btd)).numpy()
        return mask

    return compute_mask


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
            raise keras_2_error(path, version) from error
        # Keras raises whatever its layers raise: ValueError, TypeError, KeyError, OSError, BadZipFile ...
        words = " ".join(str(error).split())[:300]
        raise ModelError(
            "can't be loaded by Keras in safe mode", file=path, received=f"{type(error).__name__}: {words}"
        ) from error
