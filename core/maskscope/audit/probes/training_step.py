"""One training step of the audited model: the gradients that it follows, and the state that layers keep from it."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from maskscope.audit.probes.gradients import Gradients, LossGradients
from maskscope.audit.probes.model_loss import ModelLoss
from maskscope.audit.probes.model_runner import ModelRunner
from maskscope.audit.probes.targets import Targets
from maskscope.audit.probes.unrunnable import run_model
from maskscope.types import Floats


@dataclass(frozen=True, slots=True)
class Step:
    """What one training step does.

    Attributes:
        gradients: of the loss by each trainable weight: plain SGD's step, and what every other optimizer begins with.
        changes: by how much each array of the state changes, such as BatchNormalization's moving statistics.
        sizes: the largest number of each array of the state, by which its change is rounded.
    """

    gradients: Gradients
    changes: Gradients
    sizes: tuple[float, ...]


class TrainingStep:
    """Takes training steps without dropout and noise, and takes each of them back.

    Dropout and noise are switched off, since for another number of positions they draw other numbers, with a mask or
    without.
    """

    def __init__(self, runner: ModelRunner, loss: ModelLoss, gradients: LossGradients) -> None:
        self._runner, self._loss, self._gradients = runner, loss, gradients

    @property
    def weights(self) -> list[str]:
        """Paths of the trainable weights."""
        return [str(variable.path) for variable in self._gradients.compiled_model.trainable_variables]

    @property
    def state(self) -> list[str]:
        """Paths of the state that layers keep."""
        return [str(variable.path) for variable in self._state]

    def take(self, x_btd: Floats, y: Targets) -> Step:
        """One step on a batch with its labels. Raises Unrunnable for what the model or its loss raises."""
        import tensorflow as tf

        from maskscope.keras_io.without_noise import without_noise

        model = self._gradients.compiled_model
        kept = model.get_weights()
        before = self._state_arrays()
        try:
            with without_noise(model):
                arguments = [tf.constant(each) for each in (x_btd, y.labels, y.each_weight)]
                gradients = run_model(lambda: self._function(*arguments))
            after = self._state_arrays()
        finally:
            model.set_weights(kept)
        return Step(
            tuple(np.asarray(each, dtype=np.float64) for each in gradients),
            tuple(one - other for one, other in zip(after, before, strict=True)),
            tuple(float(np.abs(each).max(initial=0.0)) for each in after),
        )

    def _state_arrays(self) -> list[npt.NDArray[np.float64]]:
        return [np.asarray(variable.numpy(), dtype=np.float64) for variable in self._state]

    @property
    def _state(self) -> list[Any]:
        return list(self._gradients.compiled_model.non_trainable_weights)

    @cached_property
    def _function(self) -> Any:
        """Of x and labels: the gradients of the loss, in training."""
        import tensorflow as tf

        from maskscope.keras_io.keras_graph import attached_mask

        model = self._gradients.compiled_model
        weights = [variable.value for variable in model.trainable_variables]

        weighted = self._runner.context.data.weights is not None

        def step(x: Any, y: Any, w: Any) -> Any:
            with tf.GradientTape() as tape:
                y_pred = model(x, training=True)
                by = w if weighted else None
                total = model.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=by, training=True)
                total *= tf.cast(self._gradients.share_of_positions(by, attached_mask(y_pred)), total.dtype)
            gradients = tape.gradient(total, weights, unconnected_gradients="zero")
            # that of an Embedding layer, such as of positions, comes as rows
            return [tf.convert_to_tensor(each) for each in gradients]

        signature = [self._runner.input_spec, *self._gradients.target_signature]
        return tf.function(step, input_signature=signature, autograph=False)
