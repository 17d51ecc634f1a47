"""The loss of a batch and its gradients, as Keras itself passes the mask from the outputs to the loss."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from maskscope.audit.probes.labels import flip_labels, make_labels
from maskscope.audit.probes.model_loss import ModelLoss
from maskscope.audit.probes.model_runner import ModelRunner, per_position
from maskscope.audit.probes.unrunnable import Unrunnable, run_model
from maskscope.keras_io.compiled import Compiled
from maskscope.types import Floats, Mask

Gradients: TypeAlias = tuple[npt.NDArray[np.float64], ...]


@dataclass(frozen=True, slots=True)
class LossResult:
    """The loss of one batch.

    Attributes:
        loss: without penalties on weights and outputs of layers.
        total: with them.
        outputs: (B, T, C) float32.
        loss_mask: (B, T) the mask that reaches the loss, all True where none does.
        ignored: (B, T) True = the loss leaves the position out by its label, as with `ignore_class`.
        per_position: (B, T) the loss of each position; None for a loss that gives one number for the whole batch.
        gradients: of the loss by each trainable weight, float64.
    """

    loss: float
    total: float
    outputs: Floats
    loss_mask: Mask
    ignored: Mask
    per_position: npt.NDArray[np.float64] | None
    gradients: Gradients


class LossGradients:
    """Computes the loss, its gradient by the weights, and the outputs' gradient by the input, in graph mode.

    Every method raises Unrunnable for what the model or its loss raises.
    """

    def __init__(self, runner: ModelRunner, loss: ModelLoss) -> None:
        self._runner, self._loss = runner, loss

    @cached_property
    def compiled_model(self) -> Any:
        """A new model with the same layers, compiled with the loss and the metrics; the audited one stays as it is."""
        import keras

        from maskscope.keras_io import keras_graph

        graph = keras_graph.functional(self._runner.model)
        if graph is None:
            inputs = keras.Input((None, self._runner.dim))
            model = keras.Model(inputs, self._runner.model(inputs))
        else:
            model = keras.Model(graph.inputs, graph.outputs[0])
        compiled = self._runner.context.compiled or Compiled()
        model.compile(
            optimizer="sgd",
            loss=self._loss.function,
            metrics=list(compiled.metrics) or None,
            weighted_metrics=list(compiled.weighted_metrics) or None,
            jit_compile=False,
        )
        return model

    def labels(self, x_btd: Floats) -> Floats:
        """Made-up labels for x that the loss takes: (B, T, C), or (B, T) class numbers."""
        return make_labels(self._loss.label_kind, x_btd, self._runner.outputs(x_btd))

    def flipped_labels(self, labels: Floats, mask_bt: Mask) -> Floats:
        """The labels with others wherever `mask_bt` (B, T) is False."""
        return flip_labels(self._loss.label_kind, labels, mask_bt, self._runner.n_outputs)

    def evaluate(self, x_btd: Floats, y: Floats) -> LossResult:
        """The loss of a batch with its labels, and the gradients of the weights."""
        import tensorflow as tf

        zeros: Floats = np.zeros((1, 1, 1), dtype=np.float32)
        arguments = (tf.constant(x_btd), tf.constant(y), tf.constant(zeros), tf.constant(1.0))
        loss, total, outputs, loss_mask, each, kept, gradients, _ = run_model(lambda: self._function(*arguments))
        by_position = np.asarray(each, dtype=np.float64)
        return LossResult(
            float(loss),
            float(total),
            per_position(x_btd, outputs),
            np.asarray(loss_mask, dtype=np.bool_),
            ~np.asarray(kept, dtype=np.bool_),
            by_position if by_position.shape == x_btd.shape[:2] else None,
            tuple(np.asarray(gradient, dtype=np.float64) for gradient in gradients),
        )

    def input_gradient(self, x_btd: Floats, r_btc: Floats) -> Floats:
        """d(sum of outputs * r)/dx, (B, T, D) float32."""
        import tensorflow as tf

        try:
            # the function of the loss is traced already; tracing another takes seconds
            y = np.zeros(r_btc.shape[: 2 if self._loss.label_kind == "class numbers" else 3], dtype=np.float32)
            arguments = (tf.constant(x_btd), tf.constant(y), tf.constant(r_btc), tf.constant(0.0))
            gradient = np.asarray(run_model(lambda: self._function(*arguments))[-1], dtype=np.float32)
            if np.isfinite(gradient).all():
                return gradient
        except Unrunnable:
            # a model whose loss can't be computed has an input gradient all the same
            pass
        found = run_model(lambda: self._outputs_gradient(tf.constant(x_btd), tf.constant(r_btc)))
        return np.asarray(found, dtype=np.float32)

    @cached_property
    def _function(self) -> Any:
        """Of x, labels, r and a share: losses, and the gradients of share * loss + sum of outputs * r."""
        import keras
        import tensorflow as tf

        from maskscope.keras_io.keras_graph import attached_mask

        model, own = self.compiled_model, self._loss.function
        weights = [variable.value for variable in model.trainable_variables]

        def evaluate(x: Any, y: Any, r: Any, share: Any) -> tuple[Any, ...]:
            with tf.GradientTape() as tape:
                tape.watch(x)
                y_pred = model(x, training=False)
                total = model.compute_loss(x=x, y=y, y_pred=y_pred, training=False)
                # penalties are added to the loss, and padding has no part in those on weights
                penalties = [tf.cast(each, total.dtype) for each in model.losses]
                loss = total - tf.add_n(penalties or [tf.zeros((), total.dtype)])
                wanted = share * tf.cast(loss, tf.float32) + tf.reduce_sum(tf.cast(y_pred, tf.float32) * r)
            *gradients, by_input = tape.gradient(wanted, [*weights, x], unconnected_gradients="zero")
            mask = attached_mask(y_pred)
            loss_mask = tf.ones(tf.shape(x)[:2], tf.bool) if mask is None else mask
            # as Keras gives the outputs to the loss: behind a sigmoid or softmax it finds the logits, which say more
            # than probabilities that are rounded to 0 or 1
            given = keras.ops.convert_to_tensor(y_pred, dtype=getattr(own, "dtype", None) or keras.config.floatx())
            each = own.call(y, given) if isinstance(own, keras.losses.Loss) else own(y, given)
            not_ignored = attached_mask(each)
            kept = tf.ones(tf.shape(x)[:2], tf.bool) if not_ignored is None else not_ignored
            return loss, total, tf.cast(y_pred, tf.float32), loss_mask, each, kept, gradients, by_input

        sparse = self._loss.label_kind == "class numbers"
        signature = [
            tf.TensorSpec((None, None, self._runner.dim), tf.float32),
            tf.TensorSpec((None, None) if sparse else (None, None, None), tf.float32),
            tf.TensorSpec((None, None, None), tf.float32),
            tf.TensorSpec((), tf.float32),
        ]
        return tf.function(evaluate, input_signature=signature, autograph=False)

    @cached_property
    def _outputs_gradient(self) -> Any:
        """Of x and r: the gradient of sum of outputs * r by x, without the loss."""
        import tensorflow as tf

        model = self._runner.model

        def gradient(x: Any, r: Any) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(x)
                total = tf.reduce_sum(tf.cast(model(x, training=False), tf.float32) * r)
            return tape.gradient(total, x, unconnected_gradients="zero")

        signature = [
            tf.TensorSpec((None, None, self._runner.dim), tf.float32),
            tf.TensorSpec((None, None, None), tf.float32),
        ]
        return tf.function(gradient, input_signature=signature, autograph=False)
