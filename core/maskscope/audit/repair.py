"""Mechanical repairs: the model rebuilt around the same layers and weights, so that its mask reaches what needs it."""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maskscope.audit.probes.model_runner import error_words
from maskscope.errors import ModelError

if TYPE_CHECKING:
    from maskscope.keras_io.keras_model import KerasModel

REPAIRS: dict[str, str] = {
    "mask_input": "Masking stands at the input, every branch begins behind it, and no layer behind it loses the mask",
    "carry_mask": "the mask is handed past each layer that loses it",
    "plain_dense": "Dense stands in place of TimeDistributed(Dense)",
}
"""Names of the repairs that a finding may ask for, and what each has done."""

SENTINEL = -32768.0
"""What stands at padding where a mask is made anew: no layer gives it, and float16 and bfloat16 hold it exactly."""
_MOST_LAYERS = 32


def repair_model(model: "KerasModel", repairs: Sequence[str], padding: float = 0.0) -> "KerasModel":
    """A model with the repairs made, around the same layers and weights; the given one is not to be used any more.

    Args:
        model: Functional or Sequential, with one input (B, T, D) and one output.
        repairs: names of `REPAIRS`; they are made in the order of that table.
        padding: what stands at padded positions.

    Raises ModelError when the model can't be rebuilt.
    """
    from maskscope.keras_io import keras_graph

    unknown = [name for name in repairs if name not in REPAIRS]
    if unknown:
        raise ModelError("there is no such repair", expected=", ".join(REPAIRS), received=", ".join(unknown))
    graph = keras_graph.functional(model)
    if graph is None or len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise ModelError(
            "the model can't be rebuilt", expected="layers from one input to one output", received=type(model).__name__
        )
    with warnings.catch_warnings():
        # Keras warns of masks that get lost, which is what is being repaired
        warnings.simplefilter("ignore")
        try:
            if "plain_dense" in repairs:
                model = keras_graph.rebuilt(model, _plain_dense)
            if "mask_input" in repairs:
                model = _with_masking_at_the_input(model, padding)
            # once a mask begins, another layer may turn out to lose it
            if "carry_mask" in repairs or "mask_input" in repairs:
                model = _with_the_mask_carried(model, padding)
        except (TypeError, ValueError, AttributeError, RuntimeError) as error:
            words = f"{type(error).__name__}: {error_words(error)}"
            raise ModelError("the model can't be rebuilt", received=words) from error
    return model


def repair_file(keras_file: Path, repairs: Sequence[str], out: Path, padding: float | None = None) -> None:
    """Write a repaired model to `out`, a `.keras` file, with the loss and the metrics of the old one where it has any.

    `padding` is what stands at padded positions; None for what the model masks.

    Raises ModelError as `repair_model`, and when the old file can't be loaded or there is something at `out`.
    """
    from maskscope.keras_io import compiled, keras_graph, keras_model

    if out.exists():
        raise ModelError("there is a file of that name already", file=out, expected="a new name", received=out.name)
    model = keras_model.load(keras_file)
    model = repair_model(model, repairs, keras_graph.padding_of(model, padding))
    own = compiled.of_file(keras_file)
    if own is not None and own.loss is not None:
        model.compile(loss=own.loss, metrics=own.metrics or None, weighted_metrics=own.weighted_metrics or None)
    keras_model.save(model, out)


def _plain_dense(operation: Any, call: Callable[..., Any]) -> Any:
    """In place of TimeDistributed(Dense) the Dense layer, which does the same to each position."""
    import keras

    inside = operation.layer if isinstance(operation, keras.layers.TimeDistributed) else None
    return inside if isinstance(inside, keras.layers.Dense) else operation


def _with_masking_at_the_input(model: "KerasModel", padding: float) -> "KerasModel":
    """A Masking layer for `padding` right behind the input; the others hand on what they get, with its mask."""
    import keras

    from maskscope.keras_io import keras_graph

    before = keras_graph.first_masking(model)
    name = "masking" if before is None else str(before.name)
    # a value that the compute type does not hold can only be told from its neighbours in float32
    exact = float(keras.ops.convert_to_numpy(keras.ops.cast(padding, model.compute_dtype))) == padding
    masking = keras.layers.Masking(padding, name=name, dtype=None if exact else "float32")

    def without(operation: Any, call: Callable[..., Any]) -> Any:
        return None if isinstance(operation, keras.layers.Masking) else operation

    return keras_graph.rebuilt(model, without, first=masking)


def _with_the_mask_carried(model: "KerasModel", padding: float) -> "KerasModel":
    """Behind each layer that loses the mask it is made anew, and what such a layer reads at padding is set to 0."""
    import keras

    from maskscope.audit.probes.mask_trace import made_up, trace
    from maskscope.keras_io import keras_graph

    for number in range(_MOST_LAYERS):
        graph = keras_graph.functional(model)
        assert graph is not None
        found = trace(model, *made_up(graph.inputs, padding))
        if found.repair != "carry_mask" or found.culprit is None:
            return model
        again = keras.layers.Masking(SENTINEL, name=f"mask_again_{number + 1}")
        model = keras_graph.with_mask_behind(model, found.culprit, again, SENTINEL)
    return model
