"""The metrics that the audited model was compiled with."""

from maskscope.audit.probes.gradients import LossGradients
from maskscope.audit.probes.unrunnable import run_model
from maskscope.types import Floats, Mask


class CompiledMetrics:
    """Computes the compiled metrics of one batch. Raises Unrunnable for what the model or a metric raises."""

    def __init__(self, gradients: LossGradients) -> None:
        self._gradients = gradients

    def of_test_step(self, x_btd: Floats, y: Floats, weights_bt: Floats) -> dict[str, float]:
        """The metrics by name, as Keras's own test step computes them.

        Args:
            x_btd: (B, T, D) the padded batch.
            y: its labels.
            weights_bt: (B, T) sample weights, which Keras passes to weighted metrics alone.
        """

        def test_step() -> dict[str, float]:
            model = self._gradients.compiled_model
            model.reset_metrics()
            return _without_loss(model.test_on_batch(x_btd, y, sample_weight=weights_bt, return_dict=True))

        return run_model(test_step)

    def of_predictions(
        self, y: Floats, predictions_btc: Floats, mask_bt: Mask | None = None, weights_bt: Floats | None = None
    ) -> dict[str, float]:
        """The metrics by name of labels and predictions that are given.

        Args:
            y: the labels.
            predictions_btc: (B, T, C) the predictions.
            mask_bt: (B, T) the mask that the predictions carry, True = real token; None for none.
            weights_bt: (B, T) sample weights, as of `of_test_step`.
        """
        import keras

        from maskscope.keras_io import keras_graph

        def compute() -> dict[str, float]:
            model = self._gradients.compiled_model
            model.reset_metrics()
            predictions = keras.ops.convert_to_tensor(predictions_btc)
            if mask_bt is not None:
                keras_graph.attach_mask(predictions, mask_bt)
            weights = None if weights_bt is None else keras.ops.convert_to_tensor(weights_bt)
            return _without_loss(model.compute_metrics(None, keras.ops.convert_to_tensor(y), predictions, weights))

        return run_model(compute)


def _without_loss(metrics: dict[str, float]) -> dict[str, float]:
    return {name: float(value) for name, value in metrics.items() if name != "loss"}
