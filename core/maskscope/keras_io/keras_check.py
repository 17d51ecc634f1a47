"""Checks whether the installed Keras passes a mask from Masking to the loss: its releases differ (docs/masking.md).

Measured through Keras's public interface: two tiny models and `compute_loss`, run eagerly. That takes about 0.4 s, half
of it for building the models; `test_on_batch` would compile a step for each and take twice as long.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

INSTALL = "keras>=3.15.1,<3.16"
"""The supported versions, as in pyproject.toml."""

_LENGTHS = np.array([4, 2])
_POSITIONS, _DIM = 4, 3
_ROUNDING = 1e-5
"""Change of a loss that float32 rounding explains; a label that counts changes it a thousand times as much here."""


def keras_mask_warning() -> str:
    """What the installed Keras does wrong with a mask, as one sentence for a person; "" when it does nothing wrong.

    Masking, LSTM, Bidirectional(LSTM), Dense are compared with the same layers and weights without Masking. Changing
    one label at a time shows which positions the loss counts: with Masking only the real ones, without it all. The loss
    must be their mean, as numpy computes it.
    """
    import keras

    who = f"Keras {keras.__version__}"
    try:
        with warnings.catch_warnings():
            # a Keras that drops the mask warns here; the returned sentence says more
            warnings.simplefilter("ignore")
            control, masked = _measure(keras, masking=False), _measure(keras, masking=True)
    except Exception as error:  # noqa: BLE001 - a Keras that can't be measured must not keep the worker from starting
        reason = " ".join(str(error).split())[:200]
        return (
            f"It is not known whether {who} passes the mask from Masking to the loss; install {INSTALL}"
            f" ({type(error).__name__}: {reason})."
        )
    real = np.arange(_POSITIONS) < _LENGTHS[:, None]
    if not control.counted.all():
        return f"{who} leaves positions out of a loss that has no mask; install {INSTALL}."
    if not np.array_equal(masked.counted, real):
        return (
            f"{who} does not pass the mask from Masking to the loss, so a model that Keras trains learns from padding"
            f" (Maskscope's own training does not); install {INSTALL}."
        )
    for measured in (control, masked):
        if abs(measured.loss - measured.mean) > _ROUNDING:
            return (
                f"{who} does not take the mean of the loss over the positions that the mask leaves, so its losses"
                f" are not those that Maskscope expects; install {INSTALL}."
            )
    return ""


@dataclass(frozen=True, slots=True, eq=False)
class _Measured:
    """Of one model: counted (B, T), True = the label there changes the loss; the loss; numpy's mean over those."""

    counted: npt.NDArray[np.bool_]
    loss: float
    mean: float


def _measure(keras: Any, masking: bool) -> _Measured:
    rng = np.random.default_rng(8)
    x_btd = np.zeros((len(_LENGTHS), _POSITIONS, _DIM), dtype=np.float32)
    for row, length in enumerate(_LENGTHS):
        x_btd[row, :length] = rng.normal(size=(length, _DIM))
    labels_bt1 = rng.integers(0, 2, (*x_btd.shape[:2], 1)).astype(np.float32)

    sequences = {"return_sequences": True, "dtype": "float32"}
    model = keras.Sequential(
        [
            keras.Input((None, _DIM), dtype="float32"),
            *([keras.layers.Masking(0.0, dtype="float32")] if masking else []),
            keras.layers.LSTM(2, **sequences),
            keras.layers.Bidirectional(keras.layers.LSTM(2, **sequences), dtype="float32"),
            keras.layers.Dense(1, activation="sigmoid", dtype="float32"),
        ]
    )
    # with zero biases a model without a mask can have the same outputs as one with a mask
    model.set_weights([rng.normal(size=weights.shape) for weights in model.get_weights()])
    model.compile(loss="binary_crossentropy")
    outputs = model(x_btd, training=False)

    def loss(labels: npt.NDArray[np.float32]) -> float:
        return float(model.compute_loss(x=x_btd, y=labels, y_pred=outputs, training=False))

    before = loss(labels_bt1)
    counted = np.zeros(x_btd.shape[:2], dtype=np.bool_)
    for place in np.ndindex(*counted.shape):
        flipped = labels_bt1.copy()
        flipped[place] = 1 - flipped[place]
        counted[place] = abs(loss(flipped) - before) > _ROUNDING

    p_bt = np.asarray(outputs)[..., 0].astype(np.float64)
    of_each = -np.log(np.where(labels_bt1[..., 0] > 0, p_bt, 1 - p_bt))
    return _Measured(counted, before, float((of_each * counted).sum() / max(1, counted.sum())))
