"""Sound models and mutants of them, with ragged data, as hypothesis draws them for the audit.

A `Recipe` is plain values, so that an example that fails can be pasted as it is printed.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from maskscope.audit.checks.registry import CHECKS
from maskscope.audit.prepare import array_sentences, model_context
from maskscope.audit.probes.audit_probes import AuditProbes
from maskscope.audit.report import AuditReport
from maskscope.audit.runner import run_checks

CELLS = ("SimpleRNN", "GRU", "LSTM")
MERGES = ("plain", "concat", "sum", "mul", "ave")
FULL = ("float32", "mixed_float16", "mixed_bfloat16")
HALF = ("float16", "bfloat16")
MASK_VALUES = (0.0, -1.0, 0.5, 2.0, -99.0)
ROUNDED_VALUE = -0.1
"""A mask value that float32 rounds, and types of 16 bits to another number."""


@dataclass(frozen=True)
class Step:
    """One layer: its kind, and how it is done.

    Attributes:
        kind: a layer's class, or a name of `BETWEEN`.
        how: for a recurrent one "plain" or the merge mode of a Bidirectional; for Dense and Activation the activation.
        dropout: recurrent dropout, or the rate of a dropout layer.
    """

    kind: str
    how: str = ""
    dropout: float = 0.0


@dataclass(frozen=True)
class Data:
    """Sentences.

    Attributes:
        lengths: tokens of each.
        behind: padded positions behind the longest.
        size: standard deviation of the numbers.
        dtype: of the array.
        seed: of the numbers.
        side: where padding is, "back" or "front".
    """

    lengths: tuple[int, ...] = (3, 1, 5, 2)
    behind: int = 1
    size: float = 1.0
    dtype: str = "float32"
    seed: int = 0
    side: str = "back"


@dataclass(frozen=True)
class Recipe:
    """A model and its sentences.

    Attributes:
        dim: numbers a token.
        units: of every recurrent layer.
        policy: of every layer.
        value: of Masking, and of the padding.
        steps: after Masking, before the head.
        head: its activation; `outputs` numbers a token.
        full_head: whether the head computes in float32, as Keras recommends.
        loss, metric: keys of `LOSSES` and `METRICS`; "" for an uncompiled model.
        weights: "fresh", "trained", "large", or "saturated" for outputs of 0 and 1.
        data: the sentences.
        mutation: key of `MUTATIONS`; "" for a sound model.
        place: before which step a mutation of the chain is.
        seed: of the weights.
        fixed: whether the model takes no other number of positions.
    """

    dim: int = 4
    units: int = 3
    policy: str = "float32"
    value: float = 0.0
    steps: tuple[Step, ...] = (Step("SimpleRNN", "concat"),)
    head: str = "sigmoid"
    outputs: int = 1
    full_head: bool = False
    loss: str = ""
    metric: str = ""
    weights: str = "fresh"
    data: Data = field(default_factory=Data)
    mutation: str = ""
    place: int = 0
    seed: int = 0
    fixed: bool = False


LOSSES: dict[str, dict[str, Any]] = {
    "sigmoid": {
        "binary_crossentropy": "binary_crossentropy",
        "BinaryCrossentropy": lambda: keras.losses.BinaryCrossentropy(),
        "BinaryCrossentropy sum": lambda: keras.losses.BinaryCrossentropy(reduction="sum"),
        "BinaryFocalCrossentropy": lambda: keras.losses.BinaryFocalCrossentropy(),
        "mse": "mse",
    },
    "softmax": {
        "categorical_crossentropy": "categorical_crossentropy",
        "CategoricalCrossentropy smoothed": lambda: keras.losses.CategoricalCrossentropy(label_smoothing=0.1),
        "CategoricalCrossentropy sum": lambda: keras.losses.CategoricalCrossentropy(reduction="sum"),
        "sparse_categorical_crossentropy": "sparse_categorical_crossentropy",
        "SparseCategoricalCrossentropy mean": lambda: keras.losses.SparseCategoricalCrossentropy(
            reduction="mean_with_sample_weight"
        ),
    },
    "linear": {
        "mse": "mse",
        "MeanSquaredError sum": lambda: keras.losses.MeanSquaredError(reduction="sum"),
        "mae": "mean_absolute_error",
        "Huber": lambda: keras.losses.Huber(),
        "BinaryCrossentropy logits": lambda: keras.losses.BinaryCrossentropy(from_logits=True),
        "CategoricalCrossentropy logits": lambda: keras.losses.CategoricalCrossentropy(from_logits=True),
        "SparseCategoricalCrossentropy logits": lambda: keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    },
}
"""By the head's activation."""


def metrics_of(loss: str) -> tuple[str, ...]:
    """Metrics of Keras that see the mask, such as go with a loss."""
    if "parse" in loss:
        return ("", "sparse_categorical_accuracy", "accuracy")
    if "ategorical" in loss:
        return ("", "categorical_accuracy", "categorical_crossentropy", "accuracy")
    if "inary" in loss:
        return ("", "binary_accuracy", "binary_crossentropy", "accuracy")
    return ("", "mae", "mse") if loss else ("",)


@contextmanager
def _policy(name: str) -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        with warnings.catch_warnings():
            # Keras warns where a mask survives, too, and the mutants are meant to lose theirs
            warnings.simplefilter("ignore", UserWarning)
            yield
    finally:
        keras.config.set_dtype_policy(before)


class _Made:
    """A model in the making: what its steps may refer to."""

    def __init__(self, recipe: Recipe, x: Any, mask: Any, masked: Any) -> None:
        self.recipe, self.x, self.mask, self.masked = recipe, x, mask, masked

    def rnn(self, step: Step, **options: Any) -> Any:
        """A recurrent layer, in a Bidirectional or plain."""
        options = {"return_sequences": True, **options}
        if self.recipe.policy == "bfloat16":
            # TensorFlow can't make an orthogonal matrix in it
            options["recurrent_initializer"] = "glorot_uniform"
        cell = getattr(layers, step.kind)(self.recipe.units, recurrent_dropout=step.dropout, **options)
        return cell if step.how in ("", "plain") else layers.Bidirectional(cell, merge_mode=step.how)

    def step(self, step: Step, h: Any) -> Any:
        """What a step makes of h (B, T, any)."""
        if step.kind in CELLS:
            return self.rnn(step)(h)
        if step.kind in MUTATIONS:
            return MUTATIONS[step.kind](self, h)
        return BETWEEN[step.kind](self, step, h)

    def wide(self, h: Any) -> int:
        return int(h.shape[-1])


def _layer(name: str, *args: Any) -> Any:
    return lambda made, step, h: getattr(layers, name)(*args)(h)


def _rated(name: str) -> Any:
    return lambda made, step, h: getattr(layers, name)(step.dropout)(h)


def _explicit(made: _Made, step: Step, h: Any) -> Any:
    # a plain operation loses the mask, and mask= gives it back
    return made.rnn(Step("SimpleRNN", step.how))(h * 0.5, mask=made.mask)


def _nested(made: _Made, step: Step, h: Any) -> Any:
    inner = keras.Sequential(
        [keras.Input((None, made.wide(h)), dtype=h.dtype), layers.Dense(made.recipe.units), made.rnn(Step("SimpleRNN"))]
    )
    return inner(h)


BETWEEN: dict[str, Any] = {
    "Dropout": _rated("Dropout"),
    "SpatialDropout1D": _rated("SpatialDropout1D"),
    "GaussianNoise": _rated("GaussianNoise"),
    "GaussianDropout": _rated("GaussianDropout"),
    "LayerNormalization": _layer("LayerNormalization"),
    "BatchNormalization": _layer("BatchNormalization"),
    "UnitNormalization": _layer("UnitNormalization"),
    "Dense": lambda made, step, h: layers.Dense(made.recipe.units, step.how or None)(h),
    "penalised": lambda made, step, h: layers.Dense(made.recipe.units, kernel_regularizer="l2")(h),
    "Activation": lambda made, step, h: layers.Activation(step.how or "tanh")(h),
    "PReLU": lambda made, step, h: layers.PReLU(shared_axes=[1])(h),
    "residual": lambda made, step, h: layers.Add()([h, layers.Dense(made.wide(h))(h)]),
    "joined": lambda made, step, h: layers.Concatenate()([h, layers.Dense(made.recipe.units)(h)]),
    "explicit": _explicit,
    "nested": _nested,
    "TimeDistributed": lambda made, step, h: layers.TimeDistributed(layers.Dense(made.recipe.units))(h),
    "convolution": lambda made, step, h: made.rnn(Step("SimpleRNN", step.how))(
        layers.Conv1D(made.recipe.units, 3, padding="same")(made.masked), mask=made.mask
    ),
    "Attention": lambda made, step, h: layers.Attention()([h, h]),
    "MultiHeadAttention": lambda made, step, h: layers.MultiHeadAttention(2, 3)(h, h),
}
"""What may be between Masking and the head next to recurrent layers, in a model that is still sound."""
ATTENTION = ("Attention", "MultiHeadAttention")
ONLY = ("TimeDistributed", "convolution")
"""What is sound in its place alone: over a fixed number of positions, and right behind Masking."""
ACTIVATIONS = ("tanh", "relu", "gelu", "linear")


def _context(of: Any) -> Any:
    def made(made: _Made, h: Any) -> Any:
        return layers.Add()([h, layers.Dense(made.wide(h))(of(h))])

    return made


def _flipped(made: _Made, h: Any) -> Any:
    backward = made.rnn(Step("SimpleRNN"))(ops.flip(h, axis=1))
    return layers.Concatenate()([made.rnn(Step("SimpleRNN"))(h), ops.flip(backward, axis=1)])


MUTATIONS: dict[str, Any] = {
    "plain operation": lambda made, h: h * 0.5,
    "Conv1D": lambda made, h: layers.Conv1D(made.recipe.units, 3, padding="same")(h),
    "Reshape": lambda made, h: layers.Reshape((-1, made.wide(h)))(h),
    "Permute": lambda made, h: layers.Permute((2, 1))(layers.Permute((2, 1))(h)),
    "Add unmasked": lambda made, h: layers.Add()([h, layers.Dense(made.wide(h))(made.x)]),
    "Concatenate unmasked": lambda made, h: layers.Concatenate()([h, layers.Dense(2)(made.x)]),
    "maximum over time": _context(lambda h: ops.max(h, axis=1, keepdims=True)),
    "mean over time": _context(lambda h: ops.mean(h, axis=1, keepdims=True)),
    "pooling": _context(lambda h: layers.GlobalMaxPooling1D(keepdims=True)(h)),
    "flipped by hand": _flipped,
    "go_backwards": lambda made, h: made.rnn(Step("LSTM"), go_backwards=True)(h),
    "TimeDistributed": lambda made, h: layers.TimeDistributed(layers.Dense(made.recipe.units))(h),
    "RepeatVector": lambda made, h: layers.RepeatVector(_positions(made.recipe))(
        made.rnn(Step("LSTM"), return_sequences=False)(h)
    ),
}
"""Steps that break a sound chain wherever they are in it."""
ELSEWHERE = (
    *("no Masking", "Dense before Masking", "BatchNormalization before Masking", "other mask_value"),
    *("plain end", "loss reduces", "Precision", "Recall", "AUC", "mask_value of no bfloat16", "zero row"),
    *("a length too short", "whole numbers"),
)
"""Those that have their one place."""
FAULTY_LAYER = {
    "plain operation": "multiply",
    "Conv1D": "conv1d",
    "Reshape": "reshape",
    "Permute": "permute",
    "Add unmasked": "add",
    "Concatenate unmasked": "concatenate",
    "maximum over time": "max",
    "mean over time": "mean",
    "pooling": "global_max_pooling1d",
    "flipped by hand": "flip",
    "RepeatVector": "repeat_vector",
    "go_backwards": "lstm",
    "Dense before Masking": "before",
    "BatchNormalization before Masking": "before",
    "other mask_value": "masking",
    "plain end": "",
}
"""What TRACE must name: how its name begins, "" for any name."""

REJECTED_BY = dict.fromkeys((*MUTATIONS, *ELSEWHERE), "TRACE") | {
    "TimeDistributed": "TIME",
    "loss reduces": "LOSS",
    "Precision": "METRICS",
    "Recall": "METRICS",
    "AUC": "METRICS",
    "mask_value of no bfloat16": "DTYPE",
    "zero row": "COLLISIONS",
    "a length too short": "DATA",
    "whole numbers": "DATA",
}
"""A check that must fail, of those that may: the quickest."""


def _positions(recipe: Recipe) -> int:
    return max(recipe.data.lengths) + recipe.data.behind


def _mean_of_all(y_true: Any, y_pred: Any) -> Any:
    return ops.mean(ops.square(ops.cast(y_true, y_pred.dtype) - y_pred))


def build(recipe: Recipe) -> keras.Model:
    """The model of a recipe."""
    keras.utils.set_random_seed(recipe.seed)
    mutation = recipe.mutation
    with _policy(recipe.policy):
        positions = _positions(recipe) if recipe.fixed or mutation == "RepeatVector" else None
        x = keras.Input((positions, recipe.dim), name="embeddings")
        h, mask = x, None
        if mutation == "Dense before Masking":
            h = layers.Dense(recipe.dim, name="before")(h)
        elif mutation == "BatchNormalization before Masking":
            h = layers.BatchNormalization(name="before")(h)
        if mutation != "no Masking":
            h = layers.Masking(recipe.value + (mutation == "other mask_value"), name="masking")(h)
            mask = ops.any(ops.not_equal(x, recipe.value), axis=-1)
        made = _Made(recipe, x, mask, h)
        steps = list(recipe.steps)
        if mutation == "statistics":
            # of the input, which no mask reaches; the layer after it is given one
            h = made.rnn(Step("SimpleRNN"))(layers.BatchNormalization(name="before")(x), mask=mask)
        if mutation in MUTATIONS:
            steps.insert(recipe.place, Step(mutation))
        for step in steps:
            h = made.step(step, h)
        plain = mutation == "plain end"
        activation = "linear" if plain else recipe.head
        dtype = "float32" if recipe.full_head else None
        h = layers.Dense(recipe.outputs, activation, name="head", dtype=dtype)(h)
        if plain:
            h = getattr(ops, recipe.head)(h) if recipe.head != "linear" else h * 0.5
        model = keras.Model(x, h)
        stir(model, recipe.weights, recipe.seed)
        loss: Any = None
        if recipe.loss:
            loss = LOSSES[recipe.head][recipe.loss]
            loss = loss() if callable(loss) else loss
        metrics = [recipe.metric] if recipe.metric else []
        if mutation == "loss reduces":
            loss = _mean_of_all
        if mutation in ("Precision", "Recall", "AUC"):
            metrics.append(getattr(keras.metrics, mutation)())
        if loss is not None or metrics:
            model.compile("sgd", loss, metrics=metrics or None)
    return model


def stir(model: keras.Model, how: str, seed: int) -> None:
    """Weights as training leaves them: biases and statistics off zero, kernels near their first ("large": 3 times).

    "saturated": with a head that is a hundred times as large.
    """
    if how == "fresh":
        return
    rng = np.random.default_rng(seed)
    changed = []
    for variable, weights in zip(model.weights, model.get_weights(), strict=True):
        if "seed" in variable.path:
            changed.append(weights)
        elif how == "saturated" and variable.path.startswith("head/"):
            changed.append(weights * 100.0)
        elif weights.ndim > 1:
            scale = 3.0 if how == "large" else 1.0
            changed.append(weights * scale + rng.normal(0, 0.1 / np.sqrt(weights.shape[0]), weights.shape))
        elif "variance" in variable.path or "gamma" in variable.path:
            changed.append(weights * np.exp(rng.normal(0, 0.5, weights.shape)))
        else:
            changed.append(weights + rng.normal(0, 1.0 if how == "large" else 0.3, weights.shape))
    model.set_weights(changed)


def arrays(recipe: Recipe) -> tuple[np.ndarray, np.ndarray]:
    """The padded sentences x (B, T, D) and their lengths (B,). No token is near the mask value."""
    data, value = recipe.data, recipe.value
    rng = np.random.default_rng(data.seed)
    lengths = np.array(data.lengths, dtype=np.int64)
    x = np.full((len(lengths), _positions(recipe), recipe.dim), value)
    for row, length in enumerate(lengths):
        tokens = rng.normal(size=(length, recipe.dim)) * data.size
        first = np.where(tokens[:, 0] < 0, -1, 1) * np.maximum(np.abs(tokens[:, 0]), data.size / 20)
        tokens[:, 0] = np.where(np.abs(first - value) < abs(value) / 4, first + value, first)
        x[row, :length] = tokens
    if recipe.mutation == "zero row":
        x[-1, lengths[-1] // 2] = value
    if recipe.mutation == "a length too short":
        lengths[lengths.argmax()] -= 1
    if recipe.mutation == "whole numbers":
        return np.round(x * 10).astype(np.int32), lengths
    return x.astype(data.dtype), lengths


def audited(recipe: Recipe, checks: tuple[str, ...] = tuple(CHECKS)) -> AuditReport:
    """The audit's report of a recipe."""
    x, lengths = arrays(recipe)
    # an array without any padding does not show what its padding would hold
    padding = recipe.value if (lengths == x.shape[1]).all() else None
    return run_checks(
        AuditProbes(model_context(build(recipe), array_sentences(x, lengths), padding)), "drawn", checks=checks
    )
