"""LOSS: padded positions must not enter the loss, by Keras's own way from the mask to the loss."""

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from maskscope.audit.batch import PaddedSample, padded_sample
from maskscope.audit.moved import moved_biases
from maskscope.audit.report import Finding
from maskscope.audit.subject import Subject
from maskscope.errors import ModelError
from maskscope.jobs import Job
from maskscope.types import Floats

if TYPE_CHECKING:
    import numpy.typing as npt

Head: TypeAlias = Literal["sigmoid", "softmax", "linear"]

ADDED = 9
TOLERANCE = 1e-5
"""Relative: a loss is a sum over a whole batch in float32."""

LOSSES: dict[Head, str] = {
    "sigmoid": "binary cross-entropy",
    "softmax": "categorical cross-entropy",
    "linear": "mean squared error",
}
"""What is assumed of a model that is loaded without its loss."""


def check(subject: Subject, job: Job) -> Finding:
    """Flip labels at padding, hold the loss against sum(l * m) / sum(m), and add 9 padded positions.

    With the weights as given, and, where that holds, once more with moved biases. The labels are made up, or the
    input itself where a linear model gives as many numbers as it takes.
    """
    job.progress(0, 0, "LOSS")
    try:
        sample = padded_sample(subject)
    except ModelError as error:
        return Finding("LOSS", "could not tell", str(error))
    try:
        with warnings.catch_warnings():
            # Keras warns where a mask survives, too: a warning is no evidence, either way
            warnings.simplefilter("ignore", UserWarning)
            judge = _Judge(subject, sample)
            worst = max(judge.deviations(), key=_size)
            job.progress(1, 2, "LOSS")
            if worst.size <= TOLERANCE:
                with moved_biases(subject.model, True):
                    moved = max(judge.deviations(), key=_size)
                if moved.size > worst.size:
                    worst = _Deviation(moved.size, f"With moved biases: {moved.words[0].lower()}{moved.words[1:]}")
    except _Unrunnable as error:
        return Finding("LOSS", "could not tell", str(error))
    except Exception as error:  # noqa: BLE001
        # a model of other people's making may raise anything at all
        words = " ".join(str(error).split())[:200]
        return Finding(
            "LOSS",
            "could not tell",
            f"The model's loss can't be computed on a batch of {sample.x_btd.shape} ({type(error).__name__}: {words}).",
        )
    assumed = f"assumed: {LOSSES[judge.head]}, since the model is loaded without its loss"
    if sample.fixed:
        assumed += f"; no position was added, since the model has {sample.x_btd.shape[1]}"
    if worst.size <= TOLERANCE:
        return Finding("LOSS", "passed", f"Padding does not enter the loss ({assumed}).", float(worst.size), TOLERANCE)
    return Finding(
        "LOSS",
        "failed",
        f"{worst.words}: padding enters the loss, and training learns from it; let the mask reach the last layer, as "
        f"TRACE tells ({assumed}).",
        float(worst.size),
        TOLERANCE,
    )


@dataclass(frozen=True, slots=True)
class _Deviation:
    """Relative, infinite where a loss is no number; and what was seen, in words."""

    size: float
    words: str


def _size(deviation: _Deviation) -> float:
    return deviation.size


class _Unrunnable(Exception):  # noqa: N818 - never leaves this module
    """The loss can't be asked for; the message says why."""


class _Judge:
    """A model, compiled with the loss that its head asks for, on one padded batch."""

    def __init__(self, subject: Subject, sample: PaddedSample) -> None:
        import keras
        import tensorflow as tf

        from maskscope.audit import keras_graph
        from maskscope.tagger import keras_model

        self.sample = sample
        x_btd = sample.x_btd
        # a model around the same layers: compiling leaves the subject as it was
        graph = keras_graph.functional(subject.model)
        model = subject.model if graph is None else keras.Model(graph.inputs, graph.outputs[0])
        if graph is not None and len(graph.outputs) != 1:
            raise _Unrunnable(f"The model has {len(graph.outputs)} outputs, so its loss can't be guessed.")
        printed = keras_model.graph(model, x_btd.shape[2])(x_btd)
        if printed.ndim != 3 or printed.shape[:2] != x_btd.shape[:2]:
            raise _Unrunnable(
                f"The model prints {printed.shape} for {x_btd.shape}, not one prediction a position, so no label "
                "stands at a padded one."
            )
        self.head = _head(keras_graph.head(subject.model), printed)
        losses = {
            "sigmoid": keras.losses.BinaryCrossentropy,
            "softmax": keras.losses.CategoricalCrossentropy,
            "linear": keras.losses.MeanSquaredError,
        }
        model.compile(loss=losses[self.head](), jit_compile=False)
        self._each = losses[self.head](reduction=None)
        self._tf = tf
        self.y_btc = self._labels(printed.shape)

        @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
        def loss(x_btd: tf.Tensor, y_btc: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            y_pred = model(x_btd, training=False)
            total = model.compute_loss(x=x_btd, y=y_btc, y_pred=y_pred, training=False)
            # penalties on weights are added to the loss, and have nothing to do with padding
            penalties = tf.add_n([tf.cast(each, total.dtype) for each in model.losses] or [tf.zeros((), total.dtype)])
            return total - penalties, y_pred

        self._loss = loss

    def deviations(self) -> list[_Deviation]:
        """Each of the three, with the weights as they are now."""
        sample, y_btc = self.sample, self.y_btc
        padding = ~sample.mask_bt
        loss, printed = self._run(sample.x_btd, y_btc)
        flipped = y_btc.copy()
        flipped[padding] = self._flipped(y_btc[padding])
        count, what = int(padding.sum()), "targets" if self.head == "linear" else "labels"
        found = [
            _deviation(self._run(sample.x_btd, flipped)[0], loss, f"Changing the {what} at {count} padded positions"),
        ]
        each_bt = np.asarray(self._each(y_btc, self._tf.constant(printed)), dtype=np.float64)
        wanted = float(each_bt[sample.mask_bt].sum() / sample.mask_bt.sum()) if sample.mask_bt.any() else 0.0
        found.append(_deviation(loss, wanted, ""))
        if not sample.fixed:
            more = [(0, 0), (0, ADDED), (0, 0)]
            longer, _ = self._run(np.pad(sample.x_btd, more), np.pad(y_btc, more, mode="edge"))
            found.append(_deviation(longer, loss, f"Adding {ADDED} padded positions"))
        return found

    def _run(self, x_btd: Floats, y_btc: Floats) -> tuple[float, Floats]:
        loss, printed = self._loss(self._tf.constant(x_btd), self._tf.constant(y_btc))
        return float(loss), np.asarray(printed, dtype=np.float32)

    def _labels(self, shape: tuple[int, ...]) -> Floats:
        rng = np.random.default_rng(0)
        if self.head == "linear":
            same = shape == self.sample.x_btd.shape
            return self.sample.x_btd.copy() if same else rng.normal(size=shape).astype(np.float32)
        if self.head == "sigmoid":
            return rng.integers(0, 2, shape).astype(np.float32)
        labels: Floats = np.eye(shape[2], dtype=np.float32)[rng.integers(0, shape[2], shape[:2])]
        return labels

    def _flipped(self, labels: "npt.NDArray[np.float32]") -> Floats:
        if self.head == "sigmoid":
            return 1 - labels
        # another class, or a target one further
        return np.roll(labels, 1, axis=-1) if self.head == "softmax" else labels + 1


def _deviation(found: float, wanted: float, words: str) -> _Deviation:
    size = abs(found - wanted) / max(abs(wanted), 1e-12)
    if not np.isfinite(size):
        size = float("inf")
    if not words:
        return _Deviation(size, f"The loss is {found:.6g}, but over the real tokens alone it is {wanted:.6g}")
    return _Deviation(size, f"{words} moves the loss from {wanted:.6g} to {found:.6g}")


def _head(name: str | None, printed: Floats) -> Head:
    """By the last activation; where that tells nothing, by what is printed."""
    for known in LOSSES:
        if name == known:
            return known
    if printed.size and printed.min() >= 0 and printed.max() <= 1:
        sums = bool(np.allclose(printed.sum(axis=-1), 1, atol=1e-3)) and printed.shape[-1] > 1
        return "softmax" if sums else "sigmoid"
    return "linear"
