"""The audited model with a given mask in place of the one that it makes: shows layers that read padded positions."""

from functools import cached_property
from typing import Any

import numpy as np

from maskscope.audit.probes.model_runner import ModelRunner
from maskscope.audit.probes.unrunnable import Unrunnable, run_model
from maskscope.types import Floats, Mask


class FrozenMask:
    """Runs a model with its mask frozen: see `keras_graph.frozen`.

    Every method raises Unrunnable when the model has no graph whose masks can be replaced, or does not run.
    """

    def __init__(self, runner: ModelRunner) -> None:
        self._runner = runner

    def outputs(self, x_btd: Floats, mask_bt: Mask) -> Floats:
        """The model's outputs (B, T, C) float32 for x (B, T, D), under `mask_bt` (B, T), True = real token."""
        zeros: Floats = np.zeros((1, 1, 1), dtype=np.float32)
        return self._runner.per_position(x_btd, self._run(x_btd, zeros, mask_bt)[0])

    def input_gradient(self, x_btd: Floats, r_btc: Floats, mask_bt: Mask) -> Floats:
        """d(sum of outputs * r)/dx, (B, T, D) float32, under `mask_bt` (B, T), True = real token."""
        return np.asarray(self._run(x_btd, r_btc, mask_bt)[1], dtype=np.float32)

    def _run(self, x_btd: Floats, r_btc: Floats, mask_bt: Mask) -> Any:
        import tensorflow as tf

        function = self._function
        return run_model(lambda: function(tf.constant(x_btd), tf.constant(r_btc), tf.constant(mask_bt)))

    @cached_property
    def _function(self) -> Any:
        """Outputs and input gradient in one function, since tracing it is what takes time."""
        import tensorflow as tf

        from maskscope.keras_io import keras_graph

        model, per_sentence = self._runner.model, self._runner.per_sentence
        if keras_graph.functional(model) is None:
            raise Unrunnable(f"The model is a {type(model).__name__} with its own code, so its mask can't be frozen.")

        def frozen(x: Any, r: Any, mask: Any) -> tuple[Any, Any]:
            with tf.GradientTape() as tape:
                tape.watch(x)
                outputs = tf.cast(keras_graph.frozen(model, x, mask), tf.float32)
                total = tf.reduce_sum((outputs[:, None] if per_sentence else outputs) * r)
            return outputs, tape.gradient(total, x, unconnected_gradients="zero")

        signature = [
            self._runner.input_spec,
            tf.TensorSpec((None, None, None), tf.float32),
            tf.TensorSpec((None, None), tf.bool),
        ]
        return tf.function(frozen, input_signature=signature, autograph=False)
