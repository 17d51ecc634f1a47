"""A model's loss and metrics as a file has them: those of Keras are loaded, code from anyone is not."""

from pathlib import Path

import keras
import numpy as np
import pytest

from maskscope.keras_io.compiled import of_file

pytestmark = pytest.mark.keras


def model() -> keras.Model:
    return keras.Sequential([keras.Input((None, 4)), keras.layers.Dense(1)])


@pytest.mark.parametrize(
    ("loss", "metric"),
    [
        (keras.losses.mean_squared_error, [keras.metrics.mean_absolute_error]),
        (["mse"], [["mae"]]),
        (keras.losses.MeanSquaredError(dtype="float16"), [keras.metrics.MeanAbsoluteError(dtype="float16")]),
    ],
    ids=["functions", "names in lists", "objects"],
)
def test_losses_and_metrics_of_keras_are_loaded_however_they_were_given(
    tmp_path: Path, loss: object, metric: list[object]
) -> None:
    compiled_model = model()
    compiled_model.compile(loss=loss, metrics=metric)
    compiled_model.save(tmp_path / "m.keras")
    compiled = of_file(tmp_path / "m.keras")
    assert compiled is not None
    assert not compiled.unknown
    found = np.asarray(keras.losses.get(compiled.loss)(np.ones((1, 1)), np.full((1, 1), 3.0)))
    assert found.ravel() == pytest.approx([4.0])
    assert len(compiled.metrics) == 1


def test_a_loss_that_is_code_is_named_and_not_taken_for_another(tmp_path: Path) -> None:
    def own(y_true: object, y_pred: object) -> object:
        return keras.ops.mean(y_pred)

    compiled_model = model()
    compiled_model.compile(loss=own)
    compiled_model.save(tmp_path / "m.keras")
    compiled = of_file(tmp_path / "m.keras")
    assert compiled is not None
    assert (compiled.loss, compiled.unknown, compiled.unknown_loss) == (None, ("own",), True)
