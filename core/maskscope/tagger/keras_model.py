"""Build, train, load and save the Keras model. Importing this module imports TensorFlow (seconds): only the worker
and the command line do, and only when they need it.
"""

import os
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from maskscope import masks
from maskscope.errors import ModelError
from maskscope.files import replace_durably
from maskscope.jobs import Job, NullJob
from maskscope.runs import EpochFigures, TrainSettings
from maskscope.tagger import metrics
from maskscope.tagger.keras_file import KNOWN, StackWeights
from maskscope.tagger.packed import PackedTagger
from maskscope.tagger.recurrence import LayerWeights
from maskscope.tagger.spec import TaggerSpec
from maskscope.types import Embeddings, Floats, Labels, Offsets

KERAS_VERSION: str = keras.__version__
TENSORFLOW_VERSION: str = tf.__version__

KerasModel: TypeAlias = keras.Model
Places = npt.NDArray[np.int64]
Step: TypeAlias = Callable[[Floats, npt.NDArray[np.int32], npt.NDArray[np.float32]], tuple[float, float]]

_SCORE_TOKENS = 4096
_CLIP = 1.0
_STEPS = 10_000


def build(spec: TaggerSpec) -> KerasModel:
    """The classic stack: Masking, Bidirectional(LSTM) x layers, Dense; Dropout after each LSTM when there is any.

    Dense stands on the 3-D tensor, not in TimeDistributed: AUDIT.md, fact 7.
    """
    inputs = keras.Input((None, spec.dim), dtype="float32", name="embeddings")
    hidden = keras.layers.Masking(spec.mask_value, name="masking")(inputs)
    for layer in range(spec.layers):
        lstm = keras.layers.LSTM(
            spec.units, return_sequences=True, recurrent_dropout=spec.recurrent_dropout, name=f"lstm_{layer + 1}"
        )
        hidden = keras.layers.Bidirectional(lstm, name=f"bidirectional_{layer + 1}")(hidden)
        if spec.dropout:
            hidden = keras.layers.Dropout(spec.dropout, name=f"dropout_{layer + 1}")(hidden)
    head = "sigmoid" if spec.scheme.kind == "binary" else "softmax"
    outputs = keras.layers.Dense(spec.scheme.n_outputs, activation=head, name="probabilities")(hidden)
    return keras.Model(inputs, outputs, name="tagger")


@dataclass(frozen=True, slots=True)
class Trained:
    """What training gives.

    Attributes:
        model: with the weights of the epoch that was kept.
        history: one entry an epoch.
        validation_sentences: ids of the sentences held back, rising.
        best_epoch: the epoch whose weights were kept: the lowest validation loss, or the last one.
    """

    model: KerasModel
    history: tuple[EpochFigures, ...]
    validation_sentences: tuple[int, ...]
    best_epoch: int


def train(
    embeddings: Embeddings,
    offsets: Offsets,
    labels: Labels,
    spec: TaggerSpec,
    settings: TrainSettings,
    job: Job | None = None,
) -> Trained:
    """Train a new model, in batches of sentences of like length.

    Loss is cross-entropy per real, labelled token: padding, tokens that the Masking layer masks and tokens without
    a label enter neither loss nor figures. Given the same arguments on the same machine, the result is the same.

    Args:
        embeddings: (n, D) float16 or float32, sentences one after another; may be a memory map.
        offsets: (n_sentences + 1,) where each begins, and n at the end.
        labels: (n,) int16 class ids, negative where there is none.
        spec: what to build.
        settings: how to train it; `units` and the like are taken from `spec`.
        job: gets progress after each batch, and the figures "loss", "val_loss" and "f1" after each epoch.

    Raises:
        ModelError: no token has a label, or labels and scheme don't fit.
        Cancelled: the job was cancelled; nothing is kept.
    """
    job = NullJob() if job is None else job
    keras.utils.set_random_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    if len(labels) and labels.max() >= len(spec.scheme.classes):
        raise ModelError(
            "the labels don't fit the scheme",
            expected=f"ids below {len(spec.scheme.classes)}",
            received=str(int(labels.max())),
        )
    lengths = np.diff(offsets).astype(np.int64)
    labelled = np.add.reduceat(np.append(labels >= 0, False), offsets[:-1]) * (lengths > 0)
    usable = np.flatnonzero(labelled)
    if not len(usable):
        raise ModelError("there is nothing to train on", expected="tokens with labels", received="none")
    train_ids, validation_ids = split(usable, settings.validation, rng)
    model = build(spec)
    step = _train_step(model, spec, settings.learning_rate)
    kept: list[npt.NDArray[np.float32]] = model.get_weights()
    best, best_epoch = np.inf, settings.epochs
    history: list[EpochFigures] = []
    batches = batches_of_like_length(lengths, train_ids, settings.batch_tokens, rng)
    job.progress(0, _STEPS, "epoch 1")
    for epoch in range(1, settings.epochs + 1):
        if epoch > 1:
            batches = batches_of_like_length(lengths, train_ids, settings.batch_tokens, rng)
        total, weight = 0.0, 0.0
        for i, ids in enumerate(batches):
            x_btd, y_bt, weight_bt = _batch(embeddings, offsets, labels, ids, spec.mask_value)
            part, count = step(x_btd, y_bt, weight_bt)
            total, weight = total + part, weight + count
            # two unlike shuffles need not give equally many batches: the bar must still end at its end
            done = (epoch - 1 + (i + 1) / len(batches)) / settings.epochs
            job.progress(round(done * _STEPS), _STEPS, f"epoch {epoch}")
        loss = total / weight if weight else 0.0
        figures = _figures(model, embeddings, offsets, labels, validation_ids, spec, epoch, loss)
        history.append(figures)
        job.figure("loss", epoch, loss)
        if figures.val_loss is None:
            continue
        job.figure("val_loss", epoch, figures.val_loss)
        job.figure("f1", epoch, 0.0 if figures.f1 is None else figures.f1)
        if figures.val_loss < best:
            best, best_epoch, kept = figures.val_loss, epoch, model.get_weights()
    if len(validation_ids) and np.isfinite(best):
        model.set_weights(kept)
    if not all(np.isfinite(weights).all() for weights in model.get_weights()):
        raise ModelError("training diverged", expected="a lower learning_rate", received=str(settings.learning_rate))
    return Trained(model, tuple(history), tuple(int(i) for i in validation_ids), best_epoch)


def split(usable: Places, share: float, rng: np.random.Generator) -> tuple[Places, Places]:
    """Sentence ids for training and for validation, both rising; at least one stays for training.

    A share above 0 gives at least one validation sentence as soon as there are two sentences.
    """
    held_back = round(share * len(usable))
    if share > 0:
        held_back = max(1, held_back)
    held_back = min(held_back, len(usable) - 1)
    chosen = np.sort(rng.permutation(len(usable))[:held_back])
    return np.delete(usable, chosen), usable[chosen]


def batches_of_like_length(
    lengths: Places, ids: Places, batch_tokens: int, rng: np.random.Generator | None
) -> list[Places]:
    """Cut sentences into batches of at most `batch_tokens` positions, padding included; at least one sentence each.

    With `rng` both the place of a sentence among those of its length and the order of the batches are shuffled.
    """
    if rng is not None:
        ids = rng.permutation(ids)
    ordered = ids[np.argsort(lengths[ids], kind="stable")]
    batches = []
    begin = 0
    for end in range(1, len(ordered) + 1):
        # lengths rise, so the next sentence would be the batch's longest
        if end == len(ordered) or lengths[ordered[end]] * (end + 1 - begin) > batch_tokens:
            batches.append(ordered[begin:end])
            begin = end
    if rng is not None:
        batches = [batches[i] for i in rng.permutation(len(batches))]
    return batches


def score_keras(model: KerasModel, embeddings: Embeddings, offsets: Offsets, job: Job | None = None) -> Floats:
    """Probabilities (n, C) float32 by Keras itself, in batches of like length, padded right with the mask value.

    Args:
        model: of the known stack, or any model from (B, T, D) to (B, T, C).
        embeddings: (n, D) float16 or float32.
        offsets: (n_sentences + 1,).
        job: is told how many tokens are done.

    Raises:
        ModelError: the model does not fit the embeddings.
        Cancelled: the job was cancelled.
    """
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
    for ids in batches_of_like_length(lengths, np.flatnonzero(lengths), _SCORE_TOKENS, None):
        x_btd = _padded(embeddings, offsets, ids, fill)
        printed = forward(x_btd)
        if printed.shape != (*x_btd.shape[:2], n_outputs):
            raise ModelError(
                "the model does not give one prediction a position",
                expected=str((*x_btd.shape[:2], n_outputs)),
                received=str(printed.shape),
            )
        for row, i in zip(printed, ids, strict=True):
            probs_nc[offsets[i] : offsets[i + 1]] = row[: lengths[i]]
        done += int(lengths[ids].sum())
        job.progress(done, len(probs_nc), "tokens")
    return probs_nc


def mask_value(model: KerasModel) -> float | None:
    """The number that the model's own Masking layer takes for padding; None when it has none."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.Masking):
            return float(layer.mask_value)
    return None


def graph(model: KerasModel, dim: int) -> Callable[[Floats], Floats]:
    """The model in inference and graph mode: x (B, T, dim) float32 -> what it prints, traced once for all shapes."""
    signature = [tf.TensorSpec((None, None, dim), tf.float32)]

    @tf.function(input_signature=signature, reduce_retracing=True)  # type: ignore[untyped-decorator]
    def forward(x_btd: tf.Tensor) -> tf.Tensor:
        return model(x_btd, training=False)

    def call(x_btd: Floats) -> Floats:
        printed: Floats = forward(tf.constant(x_btd)).numpy()
        return printed

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
    """A model from a `.keras` file, in safe mode: nothing the file brings with it is run.

    Raises ModelError for any other kind of file, and for one that Keras refuses.
    """
    if path.suffix != ".keras" or not zipfile.is_zipfile(path):
        found = "nothing" if not path.exists() else f"a {'folder' if path.is_dir() else 'file'} {path.name!r}"
        raise ModelError(
            "is no .keras file; other kinds can run code when they are loaded, so load it in Keras where you trust "
            "it and write it anew with model.save('NAME.keras')",
            file=path,
            expected="a .keras file",
            received=found,
        )
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


def _figures(
    model: KerasModel,
    embeddings: Embeddings,
    offsets: Offsets,
    labels: Labels,
    validation_ids: Places,
    spec: TaggerSpec,
    epoch: int,
    loss: float,
) -> EpochFigures:
    known = loss if np.isfinite(loss) else None
    if not len(validation_ids):
        return EpochFigures(epoch, known)
    evaluation = validate(model, embeddings, offsets, labels, validation_ids, spec)
    return EpochFigures(epoch, known, evaluation.loss, evaluation.micro.f1)


def validate(
    model: KerasModel,
    embeddings: Embeddings,
    offsets: Offsets,
    labels: Labels,
    ids: Places,
    spec: TaggerSpec,
) -> metrics.Evaluation:
    """Scores of some sentences `ids`, by the model's own weights in the packed engine: no padding comes near."""
    lengths = np.diff(offsets)[ids]
    own_offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    rows = np.concatenate([np.arange(offsets[i], offsets[i + 1]) for i in ids])
    chosen = np.asarray(embeddings[rows])
    probs_nc = PackedTagger(stack_weights(model)).score(chosen, own_offsets)
    real = masks.masking_layer(chosen, spec.mask_value)
    return metrics.evaluate(labels[rows], probs_nc, spec.scheme, real, own_offsets)


def stack_weights(model: KerasModel) -> StackWeights:
    """The weights of a model that `build` made, for the packed engine. Raises ModelError for another stack."""
    value: float | None = None
    layers: list[LayerWeights] = []
    dense: list[npt.NDArray[np.float32]] = []
    head: Literal["sigmoid", "softmax"] = "sigmoid"
    for layer in model.layers:
        weights = layer.get_weights()
        if isinstance(layer, keras.layers.Masking):
            value = float(layer.mask_value)
        elif isinstance(layer, keras.layers.Bidirectional) and len(weights) == 6:
            layers.append(LayerWeights(*(np.stack([weights[i], weights[i + 3]]) for i in range(3))))
        elif isinstance(layer, keras.layers.Dense) and len(weights) == 2:
            dense = weights
            head = "sigmoid" if layer.activation is keras.activations.sigmoid else "softmax"
        elif weights:
            raise ModelError(
                f"holds layer {layer.name!r}, which packed scoring does not know",
                expected=KNOWN,
                received=type(layer).__name__,
            )
    return StackWeights(value, tuple(layers), dense[0], dense[1], head)


def _train_step(model: KerasModel, spec: TaggerSpec, learning_rate: float) -> Step:
    """One step of Adam on a batch: x (B, T, D), labels (B, T), weights (B, T) -> summed loss, summed weight."""
    optimizer = keras.optimizers.Adam(learning_rate, global_clipnorm=_CLIP)
    variables = model.trainable_variables
    optimizer.build(variables)
    binary = spec.scheme.kind == "binary"
    signature = [
        tf.TensorSpec((None, None, spec.dim), tf.float32),
        tf.TensorSpec((None, None), tf.int32),
        tf.TensorSpec((None, None), tf.float32),
    ]

    # one trace for all lengths: batches of like length would each bring a shape of their own
    @tf.function(input_signature=signature, reduce_retracing=True)  # type: ignore[untyped-decorator]
    def step(x_btd: tf.Tensor, y_bt: tf.Tensor, weight_bt: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            printed = model(x_btd, training=True)
            if binary:
                target = tf.cast(y_bt, tf.float32)[..., None]
                loss_bt = keras.losses.binary_crossentropy(target, printed)
            else:
                loss_bt = keras.losses.sparse_categorical_crossentropy(y_bt, printed)
            # the weights say it all: padding and masked and unlabelled tokens have 0
            total = tf.reduce_sum(loss_bt * weight_bt)
            count = tf.reduce_sum(weight_bt)
            mean = total / tf.maximum(count, 1.0)
        gradients = tape.gradient(mean, variables)
        optimizer.apply(gradients, variables)
        return total, count

    def call(x_btd: Floats, y_bt: npt.NDArray[np.int32], weight_bt: npt.NDArray[np.float32]) -> tuple[float, float]:
        total, count = step(tf.constant(x_btd), tf.constant(y_bt), tf.constant(weight_bt))
        return float(total), float(count)

    return call


def _batch(
    embeddings: Embeddings, offsets: Offsets, labels: Labels, ids: Places, fill: float
) -> tuple[Floats, npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    x_btd = _padded(embeddings, offsets, ids, fill)
    y_bt = np.zeros(x_btd.shape[:2], dtype=np.int32)
    weight_bt = np.zeros(x_btd.shape[:2], dtype=np.float32)
    for row, i in enumerate(ids):
        own = labels[offsets[i] : offsets[i + 1]]
        y_bt[row, : len(own)] = np.maximum(own, 0)
        weight_bt[row, : len(own)] = own >= 0
    # a collision prints its bias whatever the weights of the LSTM: it would teach the bias alone
    weight_bt[~masks.masking_layer(x_btd, fill)] = 0.0
    return x_btd, y_bt, weight_bt


def _padded(embeddings: Embeddings, offsets: Offsets, ids: Places, fill: float) -> Floats:
    """Sentences `ids`, padded right with `fill`, (B, T, D) float32."""
    lengths = offsets[ids + 1] - offsets[ids]
    x_btd: Floats = np.full((len(ids), int(lengths.max()), embeddings.shape[1]), fill, dtype=np.float32)
    for row, i in enumerate(ids):
        x_btd[row, : lengths[row]] = embeddings[offsets[i] : offsets[i + 1]]
    return x_btd
