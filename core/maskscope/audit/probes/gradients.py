"""The loss of a batch and its gradients, as Keras itself passes the mask from the outputs to the loss."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from maskscope.audit.probes.given_targets import fitting_labels, given_targets, with_real_labels_at_padding
from maskscope.audit.probes.labels import flip_labels, make_labels
from maskscope.audit.probes.model_loss import ModelLoss
from maskscope.audit.probes.model_runner import ModelRunner
from maskscope.audit.probes.padded_sample import PaddedSample
from maskscope.audit.probes.targets import Targets
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

    @cached_property
    def given_labels(self) -> npt.NDArray[np.generic] | None:
        """The labels that were given; None for none, and where they don't fit a loss that is only assumed."""
        labels = self._runner.context.data.labels
        if labels is None or not self._loss.assumed:
            return labels
        try:
            some = np.asarray(labels[list(self._runner.context.sample)], dtype=np.float32)
            fitting_labels(some, self._loss, self._runner)
        except Unrunnable:
            return None
        return labels

    def targets(self, sample: PaddedSample) -> Targets:
        """The labels and sample weights of a padded sample: the given ones, else made-up labels that the loss takes.

        Raises Unrunnable when the given labels don't fit the loss.
        """
        given = given_targets(self._runner, sample)
        if given is not None and given.labels is not None and self.given_labels is not None:
            labels = fitting_labels(given.labels, self._loss, self._runner)
        else:
            labels = self._made_up_labels(sample)
        weights = None if given is None else given.weights
        return Targets(labels, sample.padding.side, self._runner.per_sentence, weights)

    def unlearned_targets(self, sample: PaddedSample) -> Targets:
        """The same with made-up labels at real tokens, other than those whose label the loss ignores.

        The gradients of a model that has learned its labels by heart are nothing but rounding. A loss of the user's own
        may take no labels but the given ones. Raises Unrunnable as `targets`.
        """
        y = self.targets(sample)
        if self._loss.own_code or self.given_labels is None:
            return y
        made_up = self._made_up_labels(sample)
        if y.per_sentence:
            return replace(y, labels=made_up)
        kept = ~sample.mask_bt
        if self._loss.ignore_class is not None and y.labels.ndim == 2:
            kept = kept | (y.labels == self._loss.ignore_class)
        kept = kept.reshape(*kept.shape, *[1] * (y.labels.ndim - 2))
        return replace(y, labels=np.where(kept, y.labels, made_up))

    def _made_up_labels(self, sample: PaddedSample) -> Floats:
        """Labels that the loss takes; at padding those that it ignores, where it ignores a class."""
        kind, outputs = self._loss.label_kind, self._runner.outputs(sample.x_btd)
        if self._runner.per_sentence:
            return make_labels(kind, sample.x_btd, outputs[:, :1])[:, 0]
        labels = make_labels(kind, sample.x_btd, outputs)
        if self._loss.ignore_class is not None and kind == "class numbers":
            labels[~sample.mask_bt] = self._loss.ignore_class
        return labels

    def flipped(self, y: Targets, mask_bt: Mask) -> Targets:
        """The targets with other labels wherever `mask_bt` (B, T) is False.

        Unchanged for a sentence classifier, and where made-up labels are those that the loss ignores.
        """
        if y.per_sentence or (self._loss.ignore_class is not None and self.given_labels is None):
            return y
        if self.given_labels is not None:
            return replace(y, labels=with_real_labels_at_padding(y.labels, mask_bt))
        return replace(y, labels=flip_labels(self._loss.label_kind, y.labels, mask_bt, self._runner.n_outputs))

    def evaluate(self, x_btd: Floats, y: Targets) -> LossResult:
        """The loss of a batch with its labels, and the gradients of the weights.

        With sample weights Keras divides a mean loss by all positions, also by those whose weight is 0. Here it is
        divided by the positions that count, so that batches of other lengths can be compared.
        """
        import tensorflow as tf

        zeros: Floats = np.zeros((1, 1, 1), dtype=np.float32)
        arguments = (*(tf.constant(each) for each in (x_btd, y.labels, y.each_weight, zeros)), tf.constant(1.0))
        loss, total, outputs, loss_mask, each, kept, gradients, _ = run_model(lambda: self._function(*arguments))
        by_position = np.asarray(each, dtype=np.float64)
        return LossResult(
            float(loss),
            float(total),
            self._runner.per_position(x_btd, outputs),
            np.asarray(loss_mask, dtype=np.bool_),
            ~np.asarray(kept, dtype=np.bool_),
            by_position if by_position.shape == x_btd.shape[:2] and not y.per_sentence else None,
            tuple(np.asarray(gradient, dtype=np.float64) for gradient in gradients),
        )

    def input_gradient(self, x_btd: Floats, r_btc: Floats) -> Floats:
        """d(sum of outputs * r)/dx, (B, T, D) float32."""
        import tensorflow as tf

        try:
            # the function of the loss is traced already; tracing another takes seconds
            free = (len(x_btd),) if self._runner.per_sentence else x_btd.shape[:2]
            y: Floats = np.zeros((*free, *self._label_axes(r_btc.shape[2])), dtype=np.float32)
            weights: Floats = np.ones((1,) * len(free), dtype=np.float32)
            arguments = (*(tf.constant(each) for each in (x_btd, y, weights, r_btc)), tf.constant(0.0))
            gradient = np.asarray(run_model(lambda: self._function(*arguments))[-1], dtype=np.float32)
            if np.isfinite(gradient).all():
                return gradient
        except Unrunnable:
            # a model whose loss can't be computed has an input gradient all the same
            pass
        found = run_model(lambda: self._outputs_gradient(tf.constant(x_btd), tf.constant(r_btc)))
        return np.asarray(found, dtype=np.float32)

    @property
    def target_signature(self) -> list[Any]:
        """Of labels and sample weights, for a tf.function."""
        import tensorflow as tf

        free = (None,) if self._runner.per_sentence else (None, None)
        labels = (*free, *self._label_axes(self._runner.n_outputs))
        return [tf.TensorSpec(labels, tf.float32), tf.TensorSpec(free, tf.float32)]

    def share_of_positions(self, weights: Any, mask: Any) -> Any:
        """By how much more positions Keras divides a mean loss than there are with a sample weight; 1 without any.

        Args:
            weights: tensor of sample weights, (B, T) or (B,); None for none.
            mask: tensor (B, T) that reaches the loss, True = real token; None for none.
        """
        import tensorflow as tf

        if weights is None or not self._loss.divides_by_positions:
            return 1.0
        counted = weights > 0
        positions = tf.cast(tf.size(weights), tf.float32)
        if mask is not None and not self._runner.per_sentence:
            counted, positions = counted & mask, tf.reduce_sum(tf.cast(mask, tf.float32))
        return positions / tf.maximum(1.0, tf.reduce_sum(tf.cast(counted, tf.float32)))

    def _label_axes(self, n_outputs: int) -> tuple[int, ...]:
        """The axes of a label: none for a class number, C for the others, those of the given labels where there are."""
        given = self.given_labels
        if given is None or self._loss.label_kind == "class numbers":
            return () if self._loss.label_kind == "class numbers" else (n_outputs,)
        axes = given.shape[1 if self._runner.per_sentence else 2 :]
        return axes or (() if self._loss.own_code else (1,))

    @cached_property
    def _function(self) -> Any:
        """Of x, labels, r and a share: losses, and the gradients of share * loss + sum of outputs * r."""
        import keras
        import tensorflow as tf

        from maskscope.keras_io.keras_graph import attached_mask

        model, own = self.compiled_model, self._loss.function
        per_sentence, weighted = self._runner.per_sentence, self._runner.context.data.weights is not None
        weights = [variable.value for variable in model.trainable_variables]

        def evaluate(x: Any, y: Any, w: Any, r: Any, share: Any) -> tuple[Any, ...]:
            with tf.GradientTape() as tape:
                tape.watch(x)
                y_pred = model(x, training=False)
                by = w if weighted else None
                total = model.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=by, training=False)
                # penalties are added to the loss, and padding has no part in those on weights
                penalties = [tf.cast(each, total.dtype) for each in model.losses]
                penalty = tf.add_n(penalties or [tf.zeros((), total.dtype)])
                loss = (total - penalty) * tf.cast(self.share_of_positions(by, attached_mask(y_pred)), total.dtype)
                total = loss + penalty
                each_position = y_pred[:, None] if per_sentence else y_pred
                wanted = share * tf.cast(loss, tf.float32) + tf.reduce_sum(tf.cast(each_position, tf.float32) * r)
            *gradients, by_input = tape.gradient(wanted, [*weights, x], unconnected_gradients="zero")
            # that of an Embedding layer, such as of positions, comes as rows
            gradients = [tf.convert_to_tensor(each) for each in gradients]
            mask = None if per_sentence else attached_mask(y_pred)
            loss_mask = tf.ones(tf.shape(x)[:2], tf.bool) if mask is None else mask
            # as Keras gives the outputs to the loss: behind a sigmoid or softmax it finds the logits, which say more
            # than probabilities that are rounded to 0 or 1
            given = keras.ops.convert_to_tensor(y_pred, dtype=getattr(own, "dtype", None) or keras.config.floatx())
            each = own.call(y, given) if isinstance(own, keras.losses.Loss) else own(y, given)
            not_ignored = attached_mask(each)
            kept = tf.ones(tf.shape(x)[:2], tf.bool) if not_ignored is None or per_sentence else not_ignored
            return loss, total, tf.cast(y_pred, tf.float32), loss_mask, each, kept, gradients, by_input

        signature = [
            self._runner.input_spec,
            *self.target_signature,
            tf.TensorSpec((None, None, None), tf.float32),
            tf.TensorSpec((), tf.float32),
        ]
        return tf.function(evaluate, input_signature=signature, autograph=False)

    @cached_property
    def _outputs_gradient(self) -> Any:
        """Of x and r: the gradient of sum of outputs * r by x, without the loss."""
        import tensorflow as tf

        model, per_sentence = self._runner.model, self._runner.per_sentence

        def gradient(x: Any, r: Any) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(x)
                outputs = tf.cast(model(x, training=False), tf.float32)
                total = tf.reduce_sum((outputs[:, None] if per_sentence else outputs) * r)
            return tape.gradient(total, x, unconnected_gradients="zero")

        signature = [
            self._runner.input_spec,
            tf.TensorSpec((None, None, None), tf.float32),
        ]
        return tf.function(gradient, input_signature=signature, autograph=False)
