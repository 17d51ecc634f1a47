"""What stands in for TimeDistributed, which Keras runs wrongly at an unknown length (from 3.14.0 on)."""

from typing import Any

import keras

_AT_ANY_RANK = (
    keras.layers.Dense,
    keras.layers.Dropout,
    keras.layers.GaussianNoise,
    keras.layers.GaussianDropout,
    keras.layers.AlphaDropout,
    keras.layers.Activation,
    keras.layers.ELU,
    keras.layers.LeakyReLU,
    keras.layers.ReLU,
    keras.layers.Identity,
    keras.layers.ActivityRegularization,
)
"""Layers that do the same to (B, D) as to each position of (B, T, D)."""
_OVER_LAST_AXIS = (
    keras.layers.BatchNormalization,
    keras.layers.LayerNormalization,
    keras.layers.RMSNormalization,
    keras.layers.UnitNormalization,
    keras.layers.Softmax,
)
"""Layers that do, provided that their axis is the last one."""


@keras.saving.register_keras_serializable("maskscope")
class EachPosition(keras.layers.TimeDistributed):  # type: ignore[misc]
    """Applies a layer to each position as TimeDistributed does, at any length: positions become rows of the batch."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Apply the layer to inputs (B, T, ...); a mask (B, T, S), True = real, goes to the layer as (B T, S)."""
        ops = keras.ops
        shape = ops.shape(inputs)
        flat = ops.reshape(inputs, (-1, *inputs.shape[2:]))
        kwargs: dict[str, Any] = {"training": training} if self.layer._call_has_training_arg else {}
        if mask is not None and len(mask.shape) > 2 and self.layer._call_has_mask_arg:
            kwargs["mask"] = ops.reshape(mask, (-1, *mask.shape[2:]))
        outputs = self.layer.call(flat, **kwargs)
        return ops.reshape(outputs, (shape[0], shape[1], *outputs.shape[1:]))


def position_by_position(layer: Any) -> list[Any] | None:
    """The layers that do at any rank what TimeDistributed(layer) does; None when that is not known of the layer."""
    if isinstance(layer, keras.layers.TimeDistributed):
        return position_by_position(layer.layer)
    if isinstance(layer, keras.Sequential):
        found = [position_by_position(inner) for inner in layer.layers]
        return None if None in found else [inner for inners in found for inner in inners or ()]
    # of a subclass it is not known
    kind = type(layer)
    if kind in _AT_ANY_RANK:
        return [layer] if getattr(layer, "noise_shape", None) is None else None
    if kind in _OVER_LAST_AXIS:
        return [layer] if layer.axis in (-1, [-1], (-1,)) else None
    return None
