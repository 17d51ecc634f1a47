"""Mechanical repairs: rebuild a model with the same layers and weights so that its mask reaches every layer."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from maskscope.audit.probes.mask_advice import SENTINEL
from maskscope.audit.probes.mask_trace import Trace, trace_mask
from maskscope.audit.probes.padded_sample import made_up_batch
from maskscope.errors import ModelError
from maskscope.keras_io.error_summary import error_summary
from maskscope.types import MaskValue

if TYPE_CHECKING:
    from maskscope.keras_io.keras_model import KerasModel

REPAIRS: dict[str, str] = {
    "plain_dense": "the layer itself replaces TimeDistributed(layer), and Activation a Softmax layer",
    "mask_input": "Masking follows the input, every branch starts there, and no layer after it loses the mask",
    "carry_mask": "the mask is passed on around each layer that loses it",
    "give_mask": "each recurrent layer with an initial_state is given the mask",
    "copy_input": "each MultiHeadAttention takes copies, so that other layers keep the mask of its inputs",
    "turn_back": "the outputs of each layer that reads backwards are turned",
}
"""Names of the repairs that a finding may ask for, and what each changes."""

AT_A_LAYER = frozenset({"carry_mask", "give_mask", "copy_input", "turn_back"})
"""Repairs at the layer that the trace names; they are made one by one until it names none."""
_MOST_LAYERS = 32


def repair_model(model: "KerasModel", repairs: Sequence[str], padding: MaskValue = 0.0) -> "KerasModel":
    """Rebuild a model with the repairs made, with the same layers and weights; don't use the given one any more.

    A model of fixed length keeps its length.

    Args:
        model: Functional or Sequential, with one input (B, T, D) and one output.
        repairs: names of `REPAIRS`; they are made in that table's order.
        padding: the number at padded positions, or the row of numbers.

    Raises ModelError when the model can't be rebuilt.
    """
    from maskscope.keras_io import keras_graph, rebuilding
    from maskscope.keras_io.tagger_shape import reshaped_to

    unknown = [name for name in repairs if name not in REPAIRS]
    if unknown:
        raise ModelError("there is no such repair", expected=", ".join(REPAIRS), received=", ".join(unknown))
    graph = keras_graph.functional(model)
    if graph is None or len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise ModelError(
            "the model can't be rebuilt", expected="layers from one input to one output", received=type(model).__name__
        )
    if reshaped_to(graph) is not None:
        shape = tuple(graph.inputs[0].shape)
        raise ModelError("the model can't be rebuilt", expected="an input (B, T, D)", received=f"one row, {shape}")
    with warnings.catch_warnings():
        # Keras warns of lost masks, which is what is being repaired
        warnings.simplefilter("ignore")
        try:
            if "plain_dense" in repairs:
                model = rebuilding.with_plain_layers(model)
            if "mask_input" in repairs:
                model = _with_masking_at_the_input(model, padding)
            # a layer may lose a mask that only now begins
            if "mask_input" in repairs or AT_A_LAYER.intersection(repairs):
                model = _with_the_mask_at_every_layer(model, padding)
        except (TypeError, ValueError, AttributeError, RuntimeError, KeyError) as error:
            reason = error_summary(error)
            raise ModelError("the model can't be rebuilt", received=reason) from error
    return model


def repair_file(keras_file: Path, repairs: Sequence[str], out: Path, padding: MaskValue | None = None) -> None:
    """Write a repaired model to `out`, a `.keras` file, with the loss, metrics and optimizer of the old one.

    Of the optimizer the settings are kept; its state is not, since the model is to be trained again.

    `padding` is the number at padded positions, or the row of numbers; None for the model's mask value.

    Raises ModelError as `repair_model`, and when the old file can't be loaded or there is something at `out`.
    """
    from maskscope.keras_io import compiled, keras_graph, keras_model

    if out.exists():
        raise ModelError("there is a file of that name already", file=out, expected="a new name", received=out.name)
    model = keras_model.load(keras_file)
    model = repair_model(model, repairs, keras_graph.padding_or_mask_value(model, padding))
    own = compiled.of_file(keras_file)
    if own is not None and own.loss is not None:
        optimizer = {} if own.optimizer is None else {"optimizer": own.optimizer}
        model.compile(
            loss=own.loss, metrics=own.metrics or None, weighted_metrics=own.weighted_metrics or None, **optimizer
        )
        # Keras can't load a file of an optimizer that was never built
        model.optimizer.build(model.trainable_variables)
    try:
        keras_model.save(model, out)
    except (OSError, TypeError, ValueError, RuntimeError) as error:
        reason = error_summary(error)
        raise ModelError("the repaired model can't be written", file=out, received=reason) from error


def _with_masking_at_the_input(model: "KerasModel", padding: MaskValue) -> "KerasModel":
    """Put a Masking layer for `padding` right after the input, and remove the others."""
    import keras

    from maskscope.keras_io import keras_graph, rebuilding

    before = keras_graph.first_masking(model)
    name = "masking" if before is None else str(before.name)
    # a value that the compute type can't represent differs from its neighbours in float32 alone
    held = np.asarray(padding, dtype=np.float32)
    computed = keras.ops.convert_to_numpy(keras.ops.cast(keras.ops.cast(held, model.compute_dtype), "float32"))
    exact = np.array_equal(computed, held)
    value = list(padding) if isinstance(padding, tuple) else padding
    masking = keras.layers.Masking(value, name=name, dtype=None if exact else "float32")
    return rebuilding.with_masking_first(model, masking, _given_by_hand(model, padding))


def _given_by_hand(model: "KerasModel", padding: MaskValue) -> set[str]:
    """Names of the nodes that are given the right mask with `mask=`, which their tensors do not carry."""
    from maskscope.keras_io import keras_graph, recorded_run

    graph = keras_graph.functional(model)
    assert graph is not None
    inputs, mask_bt = made_up_batch(graph.inputs, padding)
    run = recorded_run.run(model, inputs, go_on=True)
    return {
        visit.name
        for visit in run.visits
        if any(
            each.given is not None and np.array_equal(each.given, mask_bt) and each.mask is None
            for each in visit.arrivals
        )
    }


def _with_the_mask_at_every_layer(model: "KerasModel", padding: MaskValue) -> "KerasModel":
    """Repair the first layer that the trace names, and again, until it names none that can be repaired."""
    from maskscope.keras_io import keras_graph

    done: set[tuple[str | None, str | None]] = set()
    for number in range(1, _MOST_LAYERS + 1):
        graph = keras_graph.functional(model)
        assert graph is not None
        found = trace_mask(model, *made_up_batch(graph.inputs, padding))
        if found.repair not in AT_A_LAYER or (found.repair, found.faulty_layer) in done:
            return model
        done.add((found.repair, found.faulty_layer))
        model = _repaired_at_a_layer(model, found, number)
    return model


def _repaired_at_a_layer(model: "KerasModel", found: Trace, number: int) -> "KerasModel":
    from maskscope.keras_io import rebuilding

    name = found.faulty_layer or ""
    if found.repair == "give_mask":
        return rebuilding.with_mask_given(model, name)
    if found.repair == "copy_input":
        return rebuilding.with_copied_inputs(model, name)
    if found.repair == "turn_back":
        return rebuilding.with_outputs_turned(model, name, SENTINEL, number)
    return rebuilding.with_mask_after(model, name, SENTINEL, number)
