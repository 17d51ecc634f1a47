"""Build, load, run and save the Keras model. Importing this module imports TensorFlow (seconds): only the worker
and the command line do, and only when they need it.
"""

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
import tensorflow as tf

from maskscope.errors import ModelError
from maskscope.files import replace_durably
from maskscope.jobs import Job, NullJob
from maskscope.keras_io.safety import inspect_keras_file
from maskscope.training.parameters import Parameters
from maskscope.training.spec import TaggerSpec
from maskscope.types import Embeddings, Floats, Indices, Mask, Offsets

KERAS_VERSION: str = keras.__version__
TENSORFLOW_VERSION: str = tf.__version__

KerasModel: TypeAlias = keras.Model

_SCORE_TOKENS = 4096


def build(spec: TaggerSpec) -> KerasModel:
    """The classic stack: Masking, Bidirectional(LSTM) x layers, Dense; Dropout layers where the spec has any.

    Dense stands on the 3-D tensor, not in TimeDistributed: AUDIT.md, fact 7.
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


def built_with(parameters: Parameters) -> KerasModel:
    """The plain Keras stack that trained weights belong to: nothing of Maskscope is in it."""
    model = build(parameters.spec)
    model.set_weights(parameters.to_keras())
    return model


def batches_of_like_length(lengths: Indices, ids: Indices, batch_tokens: int) -> list[Indices]:
    """Cut sentences `ids` into batches, shortest first, of at most `batch_tokens` positions, padding included.

    Each batch holds at least one sentence; lengths (n_sentences,) are in tokens.
    """
    ordered = ids[np.argsort(lengths[ids], kind="stable")]
    batches = []
    begin = 0
    for end in range(1, len(ordered) + 1):
        # lengths rise, so the next sentence would be the batch's longest
        if end == len(ordered) or lengths[ordered[end]] * (end + 1 - begin) > batch_tokens:
            batches.append(ordered[begin:end])
            begin = end
    return batches


def score_keras(
    model: KerasModel, embeddings: Embeddings, offsets: Offsets, job: Job | None = None, *, padded: bool = False
) -> Floats:
    """Probabilities (n, C) float32 by Keras itself, in batches of sentences of equal length: without any padding.

    So what is told of a sentence is the model on that sentence alone. Batches of like length would do for a model
    that ignores padding, but any other, with a Masking layer or without, prints other numbers beside it.

    Args:
        model: of the known stack, or any model from (B, T, D) to (B, T, C).
        embeddings: (n, D) float16 or float32.
        offsets: (n_sentences + 1,).
        job: is told how many tokens are done.
        padded: batches of like length after all, padded right with the mask value: fewer steps for few sentences of
            many lengths, and the same numbers from a model that is known to ignore padding.

    Raises:
        ModelError: the model does not fit the embeddings.
        Cancelled: the job was cancelled.
    """
    lengths = np.diff(offsets).astype(np.int64)
    like = batches_of_like_length(lengths, np.flatnonzero(lengths), _SCORE_TOKENS) if padded else None
    return _score(model, embeddings, offsets, like or _batches_of_equal_length(lengths), None, job)


def score_with_padding(
    model: KerasModel, embeddings: Embeddings, offsets: Offsets, job: Job | None = None
) -> tuple[Floats, Floats]:
    """As `score_keras`, and beside it (n_sentences, C) float32: what the model prints right behind each sentence.

    That is its output at the first of the padded positions of a second run, with one position of the mask value (0
    for a model without one) behind each sentence.
    """
    shape = (len(offsets) - 1, int(model.output_shape[-1]))
    padding_sc: Floats = np.full(shape, np.nan, dtype=np.float32)
    lengths = np.diff(offsets).astype(np.int64)
    probs_nc = _score(model, embeddings, offsets, _batches_of_equal_length(lengths), padding_sc, job)
    if not lengths.all():
        alone: Floats = np.full((1, 1, embeddings.shape[1]), mask_value(model) or 0.0, dtype=np.float32)
        padding_sc[lengths == 0] = _printed(graph(model, embeddings.shape[1]), alone, shape[1])[0]
    return probs_nc, padding_sc


def _score(
    model: KerasModel,
    embeddings: Embeddings,
    offsets: Offsets,
    batches: list[Indices],
    padding_sc: Floats | None,
    job: Job | None,
) -> Floats:
    job = NullJob() if job is None else job
    shape = model.input_shape
    if not isinstance(shape, tuple) or len(shape) != 3 or shape[2] not in (None, embeddings.shape[1]):
        raise ModelError(
            "the model does not fit the embeddings",
            expected=f"an input (None, None, {embeddings.shape[1]})",
            received=str(shape),
        )
    lengths = np.diff(offsets).astype(np.int64)
    n_outputs = int(model.output_shape[-1])
    probs_nc: Floats = np.zeros((int(offsets[-1]), n_outputs), dtype=np.float32)
    forward = graph(model, embeddings.shape[1])
    fill = mask_value(model) or 0.0
    done = 0
    job.progress(0, len(probs_nc), "tokens")
    for ids in batches:
        x_btd = _padded(embeddings, offsets, ids, fill)
        for row, i in zip(_printed(forward, x_btd, n_outputs), ids, strict=True):
            probs_nc[offsets[i] : offsets[i + 1]] = row[: lengths[i]]
        if padding_sc is not None:
            behind = np.pad(x_btd, ((0, 0), (0, 1), (0, 0)), constant_values=fill)
            padding_sc[ids] = _printed(forward, behind, n_outputs)[:, -1]
        done += int(lengths[ids].sum())
        job.progress(done, len(probs_nc), "tokens")
    return probs_nc


def _batches_of_equal_length(lengths: Indices) -> list[Indices]:
    ids = np.flatnonzero(lengths)
    ordered = ids[np.argsort(lengths[ids], kind="stable")]
    batches: list[Indices] = []
    for same in np.split(ordered, np.flatnonzero(np.diff(lengths[ordered])) + 1):
        if len(same):
            at_once = max(1, _SCORE_TOKENS // int(lengths[same[0]]))
            batches += [same[begin : begin + at_once] for begin in range(0, len(same), at_once)]
    return batches


def _printed(forward: Callable[[Floats], Floats], x_btd: Floats, n_outputs: int) -> Floats:
    printed = forward(x_btd)
    expected = (*x_btd.shape[:2], n_outputs)
    if printed.shape != expected:
        raise ModelError(
            "the model does not give one prediction a position", expected=str(expected), received=str(printed.shape)
        )
    return printed


def mask_value(model: KerasModel) -> float | None:
    """The number that the model's own Masking layer takes for padding; None when it has none."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.Masking):
            return float(layer.mask_value)
    return None


def graph(model: KerasModel, dim: int) -> Callable[[Floats], Floats]:
    """The model in inference and graph mode: x (B, T, dim) float32 -> what it prints, traced once for all shapes."""
    signature = [tf.TensorSpec((None, None, dim), tf.float32)]

    # Keras has no code that autograph would have to convert, and converting takes as long as tracing
    @tf.function(input_signature=signature, reduce_retracing=True, autograph=False)  # type: ignore[untyped-decorator]
    def forward(x_btd: tf.Tensor) -> tf.Tensor:
        return model(x_btd, training=False)

    def call(x_btd: Floats) -> Floats:
        printed: Floats = forward(tf.constant(x_btd)).numpy()
        return printed

    return call


def mask_of(model: KerasModel, dim: int) -> Callable[[Floats], Mask] | None:
    """What the model's first Masking layer makes of x (B, T, dim) float32: (B, T), True = real token.

    The layer itself is asked, about what reaches it: it may stand above others. None for a model without one; a layer
    inside a nested model is not looked for.
    """
    masking = next((layer for layer in model.layers if isinstance(layer, keras.layers.Masking)), None)
    if masking is None:
        return None
    below = None if masking.input is model.inputs[0] else keras.Model(model.inputs, masking.input)
    signature = [tf.TensorSpec((None, None, dim), tf.float32)]

    @tf.function(input_signature=signature, reduce_retracing=True)  # type: ignore[untyped-decorator]
    def seen(x_btd: tf.Tensor) -> tf.Tensor:
        rows = x_btd if below is None else below(x_btd, training=False)
        # as Keras casts what it hands to a layer
        return masking.compute_mask(tf.cast(rows, masking.compute_dtype))

    def call(x_btd: Floats) -> Mask:
        mask: Mask = seen(tf.constant(x_btd)).numpy()
        return mask

    return call


def save(model: KerasModel, path: Path) -> None:
    """Write a plain `.keras` file, complete or not there at all."""
    if path.suffix != ".keras":
        raise ModelError("is no name for a model", file=path, expected="NAME.keras", received=path.name)
    beside = path.with_name(f"partial-{os.getpid()}-{path.name}")
    try:
        model.save(beside)
        replace_durably(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def load(path: Path) -> KerasModel:
    """A model from a `.keras` file, after `safety.inspect_keras_file` and in safe mode: no code of the file is run.

    Raises ModelError for any other kind of file, for one that the inspection refuses, and for one that Keras refuses.
    """
    inspect_keras_file(path)
    try:
        with warnings.catch_warnings():
            # the optimizer's state is of no use here, and Keras warns when it does not fit
            warnings.simplefilter("ignore")
            return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        # Keras raises whatever its layers raise: ValueError, TypeError, KeyError, OSError, BadZipFile ...
        words = " ".join(str(error).split())[:300]
        raise ModelError(
            "can't be loaded by Keras in safe mode", file=path, received=f"{type(error).__name__}: {words}"
        ) from error


def _padded(embeddings: Embeddings, offsets: Offsets, ids: Indices, fill: float) -> Floats:
    """Sentences `ids`, padded right with `fill`, (B, T, D) float32."""
    lengths = offsets[ids + 1] - offsets[ids]
    x_btd: Floats = np.full((len(ids), int(lengths.max()), embeddings.shape[1]), fill, dtype=np.float32)
    for row, i in enumerate(ids):
        x_btd[row, : lengths[row]] = embeddings[offsets[i] : offsets[i + 1]]
    return x_btd
