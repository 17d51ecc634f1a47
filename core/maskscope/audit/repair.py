"""Mechanical repairs: rebuild a model with the same layers and weights so that its mask reaches every layer."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from maskscope.audit.probes.mask_advice import SENTINEL
from maskscope.audit.probes.mask_trace import trace_mask
from maskscope.audit.probes.padded_sample import made_up_batch
from maskscope.audit.probes.unrunnable import error_summary
from maskscope.errors import ModelError
from maskscope.types import MaskValue

if TYPE_CHECKING:
    from maskscope.keras_io.keras_model import KerasModel

REPAIRS: dict[str, str] = {
    "mask_input": "Masking follows the input, every branch starts there, and no layer after it loses the mask",
    "carry_mask": "the mask is passed on around each layer that loses it",
    "plain_dense": "Dense replaces TimeDistributed(Dense)",
}
"""Names of the repairs that a finding may ask for, and what each changes."""
_MOST_LAYERS = 32


def repair_model(model: "KerasModel", repairs: Sequence[str], padding: MaskValue = 0.0) -> "KerasModel":
    """Rebuild a model with the repairs made, with the same layers and weights; don't use the given one any more.

    Args:
        model: Functional or Sequential, with one input (B, T, D) and one output.
        repairs: names of `REPAIRS`; they are made in that table's order.
        padding: the number at padded positions.

    Raises ModelError when the model can't be rebuilt.
    """
    from maskscope.keras_io import keras_graph, rebuilding

    unknown = [name for name in repairs if name not in REPAIRS]
    if unknown:
        raise ModelError("there is no such repair", expected=", ".join(REPAIRS), received=", ".join(unknown))
    graph = keras_graph.functional(model)
    if graph is None or len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise ModelError(
            "the model can't be rebuilt", expected="layers from one input to one output", received=type(model).__name__
        )
    with warnings.catch_warnings():
        # Keras warns of lost masks, which is what is being repaired
        warnings.simplefilter("ignore")
        try:
            if "plain_dense" in repairs:
                model = rebuilding.rebuild(model, _plain_dense)
            if "mask_input" in repairs:
                model = _with_masking_at_the_input(model, padding)
            # a layer may lose a mask that only now begins
            if "carry_mask" in repairs or "mask_input" in repairs:
                model = _with_the_mask_carried(model, padding)
        except (TypeError, ValueError, AttributeError, RuntimeError) as error:
            reason = f"{type(error).__name__}: {error_summary(error)}"
            raise ModelError("the model can't be rebuilt", received=reason) from error
    return model


def repair_file(keras_file: Path, repairs: Sequence[str], out: Path, padding: MaskValue | None = None) -> None:
    """Write a repaired model to `out`, a `.keras` file, with the loss and the metrics of the old one where it has any.

    `padding` is the number at padded positions; None for the model's mask value.

    Raises ModelError as `repair_model`, and when the old file can't be loaded or there is something at `out`.
    """
    from maskscope.keras_io import compiled, keras_graph, keras_model

    if out.exists():
        raise ModelError("there is a file of that name already", file=out, expected="a new name", received=out.name)
    model = keras_model.load(keras_file)
    model = repair_model(model, repairs, keras_graph.padding_or_mask_value(model, padding))
    own = compiled.of_file(keras_file)
    if own is not None and own.loss is not None:
        model.compile(loss=own.loss, metrics=own.metrics or None, weighted_metrics=own.weighted_metrics or None)
    keras_model.save(model, out)


def _plain_dense(operation: Any) -> Any:
    """The Dense layer for a TimeDistributed(Dense), which does the same to each position; else the operation itself."""
    import keras

    inside = operation.layer if isinstance(operation, keras.layers.TimeDistributed) else None
    return inside if isinstance(inside, keras.layers.Dense) else operation


def _with_masking_at_the_input(model: "KerasModel", padding: MaskValue) -> "KerasModel":
    """Put a Masking layer for `padding` right after the input, and remove the others."""
    import keras

    from maskscope.keras_io import keras_graph, rebuilding

    before = keras_graph.first_masking(model)
    name = "masking" if before is None else str(before.name)
    # a value that the compute type can't represent differs from its neighbours in float32 alone
    held = np.asarray(padding, dtype=np.float32)
    exact = np.array_equal(keras.ops.convert_to_numpy(keras.ops.cast(held, model.compute_dtype)).astype("f4"), held)
    value = list(padding) if isinstance(padding, tuple) else padding
    masking = keras.layers.Masking(value, name=name, dtype=None if exact else "float32")

    def without_masking(operation: Any) -> Any:
        return None if isinstance(operation, keras.layers.Masking) else operation

    return rebuilding.rebuild(model, without_masking, first=masking)


def _with_the_mask_carried(model: "KerasModel", padding: MaskValue) -> "KerasModel":
    """Make the mask anew after each layer that loses it, and set what such a layer reads at padding to 0."""
    import keras

    from maskscope.keras_io import keras_graph, rebuilding

    for number in range(_MOST_LAYERS):
        graph = keras_graph.functional(model)
        assert graph is not None
        found = trace_mask(model, *made_up_batch(graph.inputs, padding))
        if found.repair != "carry_mask" or found.faulty_layer is None:
            return model
        again = keras.layers.Masking(SENTINEL, name=f"mask_again_{number + 1}")
        model = rebuilding.with_mask_after(model, found.faulty_layer, again, SENTINEL)
    return model
