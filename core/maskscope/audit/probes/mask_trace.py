"""Traces the mask through a model: runs a padded batch node by node and compares every mask with the true one."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from maskscope.audit.probes.mask_fault import mask_fault, no_masking
from maskscope.audit.probes.mask_flow import MaskFlow
from maskscope.audit.probes.mask_graph import mask_graph
from maskscope.audit.probes.padded_sample import made_up_batch
from maskscope.audit.probes.perturbed_weights import perturbed_biases
from maskscope.errors import ModelError
from maskscope.keras_io.error_summary import error_summary
from maskscope.keras_io.model_graph import ModelGraph
from maskscope.types import Floats, Mask, MaskValue

if TYPE_CHECKING:
    from maskscope.keras_io.keras_model import KerasModel
    from maskscope.keras_io.recorded_run import Run


@dataclass(frozen=True, slots=True)
class Trace:
    """What became of the mask in a model.

    Attributes:
        graph: the model with the mask on every edge.
        faulty_layer: the first layer that loses or alters the mask; None when none does, or when none makes one.
        why: "" when the mask reaches every layer that needs it, else what becomes of it, in one sentence.
        advice: the smallest change that would repair the model.
        repair: name of the mechanical repair that makes it, of `repair.REPAIRS`; None for none.
        unclear: name of a model inside the model whose use of the mask can't be seen; None when there is none.
        mask_bt: (B, T) the true mask, True = real token; None where the masks don't show the fault.
        found_bt: (B, T) the mask on the first faulty edge; None where it carries none.
        fails: whether the faulty layer does not run on a padded batch.
    """

    graph: ModelGraph
    faulty_layer: str | None
    why: str
    advice: str = ""
    repair: str | None = None
    unclear: str | None = None
    mask_bt: Mask | None = None
    found_bt: Mask | None = None
    fails: bool = False


def untraceable_reason(model: "KerasModel") -> str:
    """Say in one sentence why a model's layers can't be traced; "" when they can."""
    from maskscope.keras_io import keras_graph

    if keras_graph.functional(model) is not None:
        return ""
    name = type(model).__name__
    if name == "Sequential":
        return "The model is not built yet, so it has no layers to trace; call it on a batch once."
    return f"The model is a {name} with its own code, so its layers can't be traced."


def model_graph(keras_file: Path) -> ModelGraph:
    """Load a model and trace it on a small padded batch of made-up numbers, padded with its own mask value.

    A layer that fails on it is shown as a fault. Raises ModelError when the file can't be loaded, or is no Functional
    or Sequential model.
    """
    from maskscope.keras_io import keras_graph, keras_model

    model = keras_model.load(keras_file)
    graph = keras_graph.functional(model)
    if graph is None:
        raise ModelError(
            "has its own code, so its layers can't be traced",
            file=keras_file,
            expected="a Functional or Sequential model",
            received=type(model).__name__,
        )
    try:
        inputs, mask_bt = _made_up_inputs(graph, keras_graph.padding_or_mask_value(model, None))
        return trace_mask(model, inputs, mask_bt, Path(keras_file).name).graph
    except Exception as error:
        raise ModelError(
            "does not run on a small padded batch", file=keras_file, received=error_summary(error)
        ) from error


def _made_up_inputs(graph: Any, padding: MaskValue) -> tuple[tuple[Floats, ...], Mask]:
    """A made-up batch for a model's graph; in one row for a model that reshapes it first."""
    import keras

    from maskscope.keras_io.tagger_shape import reshaped_to

    shape = reshaped_to(graph)
    if shape is None:
        return made_up_batch(graph.inputs, padding)
    (x_btd,), mask_bt = made_up_batch([keras.KerasTensor((graph.inputs[0].shape[0], *shape))], padding)
    return (x_btd.reshape(len(x_btd), -1),), mask_bt


def trace_mask(
    model: "KerasModel", inputs: tuple[Floats, ...], mask_bt: Mask, name: str = "", given: "Run | None" = None
) -> Trace:
    """Trace a padded batch.

    It is run with the weights as given and with perturbed biases, and, where something is before a Masking layer,
    also as in training: noise fills padding there. Where a layer fails, the trace goes on without its outputs.

    Args:
        model: Functional or Sequential.
        inputs: one array for each of its inputs, (B, T, D) where it has positions.
        mask_bt: (B, T) the true mask, True = real token that the Masking layer may let through.
        name: of the model, for the graph.
        given: the run with the weights as given, if there is one already.
    """
    from maskscope.keras_io import recorded_run

    given = recorded_run.run(model, inputs, go_on=True) if given is None else given
    with perturbed_biases(model):
        perturbed = recorded_run.run(model, inputs, go_on=True)
    padding = padding_code(inputs, mask_bt)
    found = _trace_runs(MaskFlow(given, perturbed, mask_bt, padding), name)
    before_masking = any(
        visit.masking and any(given.visits[each.source].kind != "input" for each in visit.arrivals)
        for visit in given.visits
    )
    if found.faulty_layer is None and found.why and not found.fails:
        return replace(found, advice=_and_then(found.advice, model, inputs, mask_bt, padding))
    if found.why or not before_masking:
        return found
    training = recorded_run.run(model, inputs, training=True, go_on=True)
    in_training = _trace_runs(MaskFlow(given, training, mask_bt, padding), name)
    return replace(in_training, why=f"In training {in_training.why}") if in_training.why else found


def _and_then(advice: str, model: "KerasModel", inputs: tuple[Floats, ...], mask_bt: Mask, padding: str | None) -> str:
    """The advice to begin with Masking, and what else is to do where a layer would lose that mask."""
    from maskscope.keras_io import recorded_run

    arrays = tuple(
        np.where(mask_bt[..., None], array, 0).astype(array.dtype)
        if array.ndim == 3 and array.shape[:2] == mask_bt.shape
        else array
        for array in inputs
    )
    given = recorded_run.run(model, arrays, go_on=True, mask=mask_bt)
    with perturbed_biases(model):
        perturbed = recorded_run.run(model, arrays, go_on=True, mask=mask_bt)
    after = _trace_runs(MaskFlow(given, perturbed, mask_bt, padding), "")
    return f"{advice}; then {after.advice}" if after.why and after.advice else advice


def padding_code(inputs: tuple[Floats, ...], mask_bt: Mask) -> str | None:
    """What the padded positions of a batch hold, as code: a number, or "row"; None where that varies, or is NaN."""
    for array in inputs:
        if array.ndim == 3 and array.shape[:2] == mask_bt.shape and not mask_bt.all():
            rows = array[~mask_bt]
            if not (rows == rows[0]).all():
                return None
            return repr(float(rows[0, 0])) if (rows == rows[0, 0]).all() else "row"
    return None


def _trace_runs(flow: MaskFlow, name: str) -> Trace:
    graph, edges = mask_graph(flow, name)
    nested = (
        visit.name
        for place, visit in enumerate(flow.visits)
        if visit.kind == "model" and flow.gives_no_positions(place) and flow.begun[place]
    )
    unclear, mask_bt = next(nested, None), flow.true_mask
    faulty = [each for each in edges if each.edge.fault]
    first = min(faulty, key=lambda each: each.place, default=None)
    if first is not None and first.kind == "fails":
        return Trace(graph, *mask_fault(flow, first), unclear, fails=True)
    if not any(flow.begun):
        return Trace(graph, *no_masking(flow), unclear, mask_bt)
    if first is None:
        return Trace(graph, None, "", unclear=unclear, mask_bt=mask_bt)
    if first.kind == "reversed":
        # the mask that is carried is the true one; the values are out of order
        return Trace(graph, *mask_fault(flow, first), unclear)
    carried = flow.mask_after(first.place) if first.kind == "lost" else None
    return Trace(graph, *mask_fault(flow, first), unclear, mask_bt, carried)
