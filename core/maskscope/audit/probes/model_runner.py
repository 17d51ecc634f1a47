"""The model in graph mode and inference, as the checks run it: each function is traced once for all batches."""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from maskscope.audit.probes.perturbed_weights import WEIGHTS, Weights, moved_biases
from maskscope.keras_io.compiled import ASSUMED, Compiled, Head, head_of
from maskscope.types import Floats, Mask

if TYPE_CHECKING:
    from maskscope.audit.probes.context import Subject

Gradients: TypeAlias = tuple[npt.NDArray[np.float64], ...]


class Unrunnable(Exception):  # noqa: N818 - the runner makes a finding of it
    """The model can't be asked; the message says why, in one sentence."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A loss on a batch.

    Attributes:
        loss: without penalties on weights.
        total: with all that is added to it.
        printed: (B, T, C) float32.
        counted: (B, T) the mask that reaches the loss, all True where none does.
        each: (B, T) the loss of each position; None for a loss that gives one number for the whole batch.
        gradients: of the loss, by each trainable weight, as float64.
    """

    loss: float
    total: float
    printed: Floats
    counted: Mask
    each: npt.NDArray[np.float64] | None
    gradients: Gradients


class Bench:
    """Runs a subject's model. Whatever the model raises becomes `Unrunnable`.

    Attributes:
        weights: which weights the model has now; `moved` changes them for a while.
    """

    def __init__(self, subject: "Subject") -> None:
        from maskscope.keras_io import keras_graph

        model = keras_graph.of_one_output(subject.model)
        if model is None:
            raise Unrunnable(
                "The model has several outputs, and the checks run models of one; make one of each output: "
                "keras.Model(model.input, model.outputs[0])."
            )
        self.subject, self.model = subject, model
        self.weights: Weights = "as given"
        self._alone: dict[tuple[str, int], Floats] = {}
        shape = subject.input_shape
        if not isinstance(shape, tuple) or len(shape) != 3 or not all(isinstance(size, int | None) for size in shape):
            raise Unrunnable(f"The model takes inputs of shape {shape}, not one padded batch (B, T, D).")
        self.n_positions: int | None = shape[1]
        self.dim = int(subject.dim or shape[2] or 1)

    @contextmanager
    def moved(self, weights: Weights) -> Iterator[None]:
        """Inside the block the biases are moved, unless `weights` is "as given"."""
        with moved_biases(self.model, weights != "as given"):
            self.weights = weights
            try:
                yield
            finally:
                self.weights = "as given"

    def weights_changed(self) -> None:
        """Forget what the model printed with the weights that it had."""
        self._alone.clear()
        self.__dict__.pop("tolerance", None)

    # What it prints

    def printed(self, x_btd: Floats) -> Floats:
        """What the model prints for x (B, T, D): (B, T, C) float32."""
        return self._checked(x_btd, self._call(lambda: self._forward(x_btd)))

    def raw(self, x_btd: Floats) -> Floats:
        """The same, whatever its shape."""
        return np.asarray(self._call(lambda: self._forward(x_btd)), dtype=np.float32)

    def eager(self, x_btd: Floats) -> Floats:
        """The same without a graph."""
        return np.asarray(self._call(lambda: self.model(self._tf.constant(x_btd), training=False)), dtype=np.float32)

    def frozen(self, x_btd: Floats, mask_bt: Mask) -> Floats:
        """The same under a mask that is given instead of made: see `keras_graph.frozen`."""
        nothing: Floats = np.zeros((1, 1, 1), dtype=np.float32)
        return self._checked(x_btd, self._ask_frozen(x_btd, nothing, mask_bt)[0])

    def alone(self, sentence: int) -> Floats:
        """What the model prints for a sentence without any padding: (T, C) float32, under the weights as they are now.

        Sentences of one length of the sample are run together; the answers are kept. Raises Unrunnable when they are
        no numbers.
        """
        key = (self.weights, sentence)
        if key not in self._alone:
            lengths = self.subject.data.lengths
            same = [each for each in self.subject.sample if lengths[each] == lengths[sentence]]
            together = same if sentence in same else [sentence]
            x_btd = np.stack([self.subject.data.rows(each) for each in together])
            for each, own in zip(together, _numbers(self.printed(x_btd)), strict=True):
                self._alone[(self.weights, each)] = own
        return self._alone[key]

    @cached_property
    def tolerance(self) -> float:
        """Largest change of an output that rounding explains: the subject's, or what rounding is seen to do.

        The subject's is of a probability; outputs above 1 are rounded by as much more as they are larger. A product of
        matrices rounds otherwise in a batch of another size, too. So a sentence without padding is run alone and beside
        copies of itself, where nothing but rounding can differ; four times that is allowed, if it is more. With the
        weights as given and with moved biases. Raises Unrunnable when the model prints no numbers without padding.
        """
        rounding, size = 0.0, 1.0
        lengths = self.subject.data.lengths
        for weights in WEIGHTS:
            with self.moved(weights):
                for sentence in sorted(self.subject.sample, key=lambda each: int(lengths[each]))[-2:]:
                    rows = self.subject.data.rows(sentence)
                    if self.n_positions is not None and len(rows) != self.n_positions:
                        continue
                    alone = _numbers(self.printed(rows[None]))
                    size = max(size, float(np.abs(alone).max(initial=0.0)))
                    for copies in (2, 7, 32):
                        change = np.abs(self.printed(np.repeat(rows[None], copies, axis=0)) - alone)
                        rounding = max(rounding, float(np.nanmax(change, initial=0.0)))
        return max(self.subject.tolerance * size, 4 * rounding)

    @property
    def needs_length(self) -> str:
        """ "" for a model of any number of positions, else why no position can be added or taken away."""
        if self.n_positions is None:
            return ""
        return (
            f"The model takes {self.n_positions} positions and no other number, so none can be added or taken away; "
            "build it with Input((None, D))."
        )

    def input_gradient(self, x_btd: Floats, r_btc: Floats, mask_bt: Mask | None = None) -> Floats:
        """d(sum of outputs * r)/dx, (B, T, D) float32; under a frozen mask, unless it is None."""
        if mask_bt is not None:
            return np.asarray(self._ask_frozen(x_btd, r_btc, mask_bt)[1], dtype=np.float32)
        tf = self._tf
        try:
            # the function that has the loss's gradients, too: tracing another takes seconds
            y = np.zeros(r_btc.shape[: 2 if self._sparse else 3], dtype=np.float32)
            arguments = (tf.constant(x_btd), tf.constant(y), tf.constant(r_btc), tf.constant(0.0))
            gradient = np.asarray(self._call(lambda: self._judge(*arguments))[6], dtype=np.float32)
            if np.isfinite(gradient).all():
                return gradient
        except Unrunnable:
            # a model whose loss can't be had can still be asked
            pass
        return np.asarray(self._call(lambda: self._input_gradient(tf.constant(x_btd), tf.constant(r_btc))), np.float32)

    def _ask_frozen(self, x_btd: Floats, r_btc: Floats, mask_bt: Mask) -> Any:
        tf = self._tf
        return self._call(lambda: self._frozen(tf.constant(x_btd), tf.constant(r_btc), tf.constant(mask_bt)))

    def _checked(self, x_btd: Floats, printed: Any) -> Floats:
        found: Floats = np.asarray(printed, dtype=np.float32)
        if found.ndim != 3 or found.shape[:2] != x_btd.shape[:2]:
            raise Unrunnable(
                f"The model prints {found.shape} for {x_btd.shape}, not one prediction a position, so nothing can be "
                "said position by position."
            )
        return found

    def _call(self, asked: Any) -> Any:
        try:
            with warnings.catch_warnings():
                # Keras warns where a mask survives, too: a warning is no evidence, either way
                warnings.simplefilter("ignore", UserWarning)
                return asked()
        except Unrunnable:
            raise
        except Exception as error:
            # a model of other people's making may raise anything at all
            raise Unrunnable(f"The model does not run ({type(error).__name__}: {error_words(error)}).") from error

    @cached_property
    def _tf(self) -> Any:
        import tensorflow

        return tensorflow

    @cached_property
    def _forward(self) -> Any:
        from maskscope.keras_io import keras_model

        return keras_model.graph(self.model, self.dim)

    @property
    def _x(self) -> Any:
        return self._tf.TensorSpec((None, None, self.dim), self._tf.float32)

    @property
    def _mask(self) -> Any:
        return self._tf.TensorSpec((None, None), self._tf.bool)

    @property
    def _r(self) -> Any:
        return self._tf.TensorSpec((None, None, None), self._tf.float32)

    @cached_property
    def _frozen(self) -> Any:
        """What is printed under a given mask, and the gradient by the input: one function, since tracing is slow."""
        from maskscope.keras_io import keras_graph

        tf = self._tf
        if keras_graph.functional(self.model) is None:
            name = type(self.model).__name__
            raise Unrunnable(f"The model is a {name} with code of its own, so its mask can't be frozen.")

        def frozen(x: Any, r: Any, mask: Any) -> tuple[Any, Any]:
            with tf.GradientTape() as tape:
                tape.watch(x)
                printed = tf.cast(keras_graph.frozen(self.model, x, mask), tf.float32)
                total = tf.reduce_sum(printed * r)
            return printed, tape.gradient(total, x, unconnected_gradients="zero")

        return tf.function(frozen, input_signature=[self._x, self._r, self._mask], autograph=False)

    @cached_property
    def _input_gradient(self) -> Any:
        tf = self._tf

        def gradient(x: Any, r: Any) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(x)
                total = tf.reduce_sum(tf.cast(self.model(x, training=False), tf.float32) * r)
            return tape.gradient(total, x, unconnected_gradients="zero")

        return tf.function(gradient, input_signature=[self._x, self._r], autograph=False)

    # Its loss

    @cached_property
    def head(self) -> Head:
        """What the model ends in."""
        from maskscope.keras_io import keras_graph

        return head_of(keras_graph.head(self.model), self.printed(self._some()))

    @property
    def what(self) -> str:
        """What the model prints at a position: "probability", or "output" where it is none."""
        return "output" if self.head == "linear" else "probability"

    @property
    def loss_words(self) -> str:
        """The loss in words, such as "binary cross-entropy"."""
        if self._own_loss is None:
            return ASSUMED[self.head][1]
        loss = self._own_loss
        return str(loss) if isinstance(loss, str) else str(getattr(loss, "name", getattr(loss, "__name__", "a loss")))

    @property
    def loss_assumed(self) -> bool:
        """Whether the model was compiled with no loss, or with one that nobody can load."""
        return self._own_loss is None

    @property
    def loss_remark(self) -> str:
        """ "" for a loss of the model's own, else what was assumed, and why."""
        if not self.loss_assumed:
            return ""
        compiled = self.subject.compiled
        if compiled is not None and compiled.unknown_loss:
            own = f"the file's own loss, {compiled.unknown[0]!r}, is code that it does not hold"
            return f" (assumed: {self.loss_words}, since {own})"
        return f" (assumed: {self.loss_words}, since the model was saved without its loss)"

    @property
    def _own_loss(self) -> Any:
        compiled: Compiled | None = self.subject.compiled
        return None if compiled is None else compiled.loss

    @cached_property
    def compiled(self) -> Any:
        """A model around the same layers, compiled: the subject's own stays as it was."""
        import keras

        from maskscope.keras_io import keras_graph

        graph = keras_graph.functional(self.model)
        if graph is None:
            inputs = keras.Input((None, self.dim))
            model = keras.Model(inputs, self.model(inputs))
        else:
            model = keras.Model(graph.inputs, graph.outputs[0])
        loss = self._own_loss
        if loss is None:
            loss = getattr(keras.losses, ASSUMED[self.head][0])()
        compiled = self.subject.compiled or Compiled()
        model.compile(
            optimizer="sgd",
            loss=loss,
            metrics=list(compiled.metrics) or None,
            weighted_metrics=list(compiled.weighted_metrics) or None,
            jit_compile=False,
        )
        return model

    @cached_property
    def _loss_object(self) -> Any:
        """The loss alone, as an object or a function."""
        import keras

        loss = self._own_loss
        if loss is None:
            return getattr(keras.losses, ASSUMED[self.head][0])()
        return keras.losses.get(loss) if isinstance(loss, str) else loss

    @property
    def reduction(self) -> str:
        """ "mean", "sum" or "other": what the loss makes of the losses of the positions that count."""
        name = getattr(self._loss_object, "reduction", "sum_over_batch_size")
        means = ("sum_over_batch_size", "mean", "mean_with_sample_weight")
        return "mean" if name in means else "sum" if name == "sum" else "other"

    def labels(self, x_btd: Floats) -> Floats:
        """Made-up labels for x, such as the loss takes: (B, T, C), or (B, T) of classes for a sparse one.

        A linear model that gives as many numbers as it takes is asked for its input.
        """
        printed = self.printed(x_btd)
        rng = np.random.default_rng(0)
        if self._sparse:
            return rng.integers(0, printed.shape[2], printed.shape[:2]).astype(np.float32)
        if self._targets:
            same = printed.shape == x_btd.shape
            return x_btd.copy() if same else rng.normal(size=printed.shape).astype(np.float32)
        if self.head == "softmax" or "categorical" in self._loss_name:
            labels: Floats = np.eye(printed.shape[2], dtype=np.float32)[
                rng.integers(0, printed.shape[2], printed.shape[:2])
            ]
            return labels
        return rng.integers(0, 2, printed.shape).astype(np.float32)

    def flipped(self, labels: Floats, mask_bt: Mask) -> Floats:
        """The labels (B, T) or (B, T, C) with all others where `mask_bt` is False: another class, or one more."""
        found = labels.copy()
        padding = ~mask_bt
        if self._sparse:
            found[padding] = (labels[padding] + 1) % max(2, self.printed(self._some()).shape[-1])
        elif self._targets:
            found[padding] = labels[padding] + 1
        elif self.head == "softmax" or "categorical" in self._loss_name:
            found[padding] = np.roll(labels[padding], 1, axis=-1)
        else:
            found[padding] = 1 - labels[padding]
        return found

    @property
    def _loss_name(self) -> str:
        loss = self._own_loss
        name = loss if isinstance(loss, str) else getattr(loss, "name", None) or getattr(loss, "__name__", "")
        return str(name).lower()

    @property
    def _targets(self) -> bool:
        """Whether the loss is of numbers, not of classes."""
        return self.head == "linear" and "entropy" not in self._loss_name and "hinge" not in self._loss_name

    @property
    def _sparse(self) -> bool:
        return "sparse" in self._loss_name

    def judged(self, x_btd: Floats, y: Floats) -> Judged:
        """The loss of a batch and its gradients, by Keras's own way from the mask to the loss."""
        tf = self._tf
        nothing: Floats = np.zeros((1, 1, 1), dtype=np.float32)
        arguments = (tf.constant(x_btd), tf.constant(y), tf.constant(nothing), tf.constant(1.0))
        loss, total, printed, counted, each, found, _ = self._call(lambda: self._judge(*arguments))
        by_position = np.asarray(each, dtype=np.float64)
        whole = by_position.shape == x_btd.shape[:2]
        return Judged(
            float(loss),
            float(total),
            self._checked(x_btd, printed),
            np.asarray(counted, dtype=np.bool_),
            by_position if whole else None,
            tuple(np.asarray(gradient, dtype=np.float64) for gradient in found),
        )

    def measured(self, x_btd: Floats, y: Floats, weights_bt: Floats) -> dict[str, float]:
        """The compiled metrics of one batch by name, by Keras's own test step.

        Args:
            x_btd, y: the batch and its labels.
            weights_bt: (B, T) sample weights, which Keras gives to weighted metrics alone.
        """

        def asked() -> dict[str, float]:
            self.compiled.reset_metrics()
            found = self.compiled.test_on_batch(x_btd, y, sample_weight=weights_bt, return_dict=True)
            return {name: float(value) for name, value in found.items() if name != "loss"}

        measured: dict[str, float] = self._call(asked)
        return measured

    def metrics_of(
        self, y: Floats, printed_btc: Floats, mask_bt: Mask | None = None, weights_bt: Floats | None = None
    ) -> dict[str, float]:
        """The same metrics of labels and predictions that are given.

        Args:
            y, printed_btc: the batch.
            mask_bt: (B, T) the mask that the predictions carry; None for none.
            weights_bt: (B, T) sample weights, as of `measured`.
        """
        import keras

        from maskscope.keras_io import keras_graph

        def asked() -> dict[str, float]:
            self.compiled.reset_metrics()
            printed = keras.ops.convert_to_tensor(printed_btc)
            if mask_bt is not None:
                keras_graph.hang(mask_bt, printed)
            found = self.compiled.compute_metrics(
                None,
                keras.ops.convert_to_tensor(y),
                printed,
                None if weights_bt is None else keras.ops.convert_to_tensor(weights_bt),
            )
            return {name: float(value) for name, value in found.items() if name != "loss"}

        measured: dict[str, float] = self._call(asked)
        return measured

    @cached_property
    def _judge(self) -> Any:
        """Of x, labels, r and a share: losses, and the gradients of share * loss + sum of outputs * r."""
        import keras

        tf, model, own = self._tf, self.compiled, self._loss_object
        weights = [variable.value for variable in model.trainable_variables]

        def judge(x: Any, y: Any, r: Any, share: Any) -> tuple[Any, ...]:
            with tf.GradientTape() as tape:
                tape.watch(x)
                y_pred = model(x, training=False)
                total = model.compute_loss(x=x, y=y, y_pred=y_pred, training=False)
                # penalties on weights are added to the loss, and have nothing to do with padding
                penalties = [tf.cast(each, total.dtype) for each in model.losses]
                loss = total - tf.add_n(penalties or [tf.zeros((), total.dtype)])
                asked = share * tf.cast(loss, tf.float32) + tf.reduce_sum(tf.cast(y_pred, tf.float32) * r)
            *gradients, by_input = tape.gradient(asked, [*weights, x], unconnected_gradients="zero")
            mask = getattr(y_pred, "_keras_mask", None)
            counted = tf.ones(tf.shape(x)[:2], tf.bool) if mask is None else mask
            plain = tf.cast(tf.identity(y_pred), tf.float32)
            each = own.call(y, plain) if isinstance(own, keras.losses.Loss) else own(y, plain)
            return loss, total, plain, counted, each, gradients, by_input

        y = tf.TensorSpec((None, None) if self._sparse else (None, None, None), tf.float32)
        share = tf.TensorSpec((), tf.float32)
        return tf.function(judge, input_signature=[self._x, y, self._r, share], autograph=False)

    def _some(self) -> Floats:
        """One short batch that the model takes."""
        if not self.subject.sample:
            raise Unrunnable("There is no sentence with a token to run the model on.")
        rows = self.subject.data.rows(self.subject.sample[0])
        if self.n_positions is None:
            some: Floats = rows[None, :8]
            return some
        x_btd: Floats = np.full((1, self.n_positions, rows.shape[1]), self.subject.padding, dtype=np.float32)
        x_btd[0, : len(rows)] = rows[: self.n_positions]
        return x_btd


def _numbers(printed: Floats) -> Floats:
    if not np.isfinite(printed).all():
        raise Unrunnable(
            "The model prints what is no number for a sentence without any padding, so padding can't be blamed for it."
        )
    return printed


def error_words(error: Exception) -> str:
    """What an error says, without the way that TensorFlow came to it."""
    lines = [line.strip() for line in re.sub(r"\x1b\[[0-9;]*m", "", str(error)).splitlines()]
    said = [
        line for line in lines if line and not re.match(r'File "|Detected at node|Graph execution error|\[\[', line)
    ]
    if "Graph execution error" in str(error):
        said = said[-1:]
    return " ".join(" ".join(said).split())[:200]
