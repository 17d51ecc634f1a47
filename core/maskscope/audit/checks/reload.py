"""RELOAD: a model that is saved and loaded again masks as before."""

import tempfile
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from maskscope.audit.checks.base import Check, mutants
from maskscope.audit.probes.audit_probes import AuditProbes
from maskscope.audit.probes.checked_model import checked_model
from maskscope.audit.probes.model_runner import ModelRunner
from maskscope.audit.probes.unrunnable import Unrunnable
from maskscope.audit.report import Finding
from maskscope.jobs import Job
from maskscope.keras_io.error_summary import error_summary

if TYPE_CHECKING:
    from maskscope.keras_io.keras_model import KerasModel
    from maskscope.keras_io.recorded_run import Run
    from maskscope.types import Floats


def run(probes: AuditProbes, job: Job) -> Finding:
    """Save the model, load it, and compare its outputs on a padded batch and the mask after each of its layers.

    The file is `.keras`, or `.h5`, which loses masks, where the context asks for it.
    """
    suffix = probes.context.reload_suffix
    sample = probes.small_sample
    job.progress(0, 0, "RELOAD")
    try:
        loaded = _save_and_load(probes.context.given, suffix)
    except _NotLoadable as error:
        return Finding("RELOAD", "failed", str(error), advice=_advice(suffix))
    job.progress(0, 0, "RELOAD")
    before, after, layer = _compare(probes, loaded)
    before, after = (probes.runner.per_position(sample.x_btd, each) for each in (before, after))
    change = np.abs(after.astype(np.float32) - before.astype(np.float32))[sample.mask_bt]
    size = float(np.where(np.isfinite(change), change, np.inf).max(initial=0.0))
    tolerance = probes.runner.tolerance
    if size <= tolerance and layer is None:
        meaning = f"Saved as {suffix} and loaded, the model gives the same outputs, and the same mask after each layer."
        return Finding("RELOAD", "passed", meaning, size, tolerance)
    fault = f"the mask after {layer} is different"
    if layer is None:
        fault = f"{probes.runner.place}'s {probes.runner.output_name} changes by {size:.2g}"
    return Finding(
        "RELOAD",
        "failed",
        f"After saving as {suffix} and loading, {fault}, so the loaded model is not the one that was trained.",
        size,
        tolerance,
        layer=layer,
        advice=_advice(suffix),
    )


class _NotLoadable(Exception):  # noqa: N818 - the check turns it into a finding
    """A saved model can't be loaded; the message is the finding's."""


def _save_and_load(model: "KerasModel", suffix: str) -> "KerasModel":
    """The model from a temporary file. Raises Unrunnable when it can't be saved, _NotLoadable when not loaded."""
    from maskscope.keras_io import keras_graph

    with tempfile.TemporaryDirectory(prefix="maskscope-audit-") as folder, warnings.catch_warnings():
        # Keras warns of the .h5 format, and of optimizers that are not saved
        warnings.simplefilter("ignore")
        file = Path(folder) / f"model{suffix}"
        try:
            model.save(file)
        except Exception as error:
            # the layers' code may be from anyone and raise anything
            reason = error_summary(error)
            raise Unrunnable(f"The model can't be saved ({reason}).") from error
        try:
            return keras_graph.load_any(file, model)
        except Exception as error:
            reason = error_summary(error)
            raise _NotLoadable(f"A model saved as {suffix} can't be loaded again ({reason}).") from error


def _compare(probes: AuditProbes, loaded: "KerasModel") -> "tuple[Floats, Floats, str | None]":
    """The outputs before and after, and the first layer after which the mask differs."""
    from maskscope.keras_io import keras_graph, recorded_run

    x_btd = probes.small_sample.x_btd
    if probes.context.copied:
        loaded = checked_model(loaded).model
    if keras_graph.functional(probes.context.model) is None:
        after = ModelRunner(replace(probes.context, model=loaded)).outputs(x_btd)
        return probes.runner.outputs(x_btd), after, None
    run = recorded_run.run(loaded, (x_btd,))
    before, after = (np.asarray(each.outputs[0], dtype=np.float32) for each in (probes.small_run, run))
    return before, after, _first_different_mask(probes.small_run, run)


def _first_different_mask(before: "Run", after: "Run") -> str | None:
    """The first layer after which the mask is not what it was."""
    masks = {visit.name: visit.masks for visit in after.visits}
    for visit in before.visits:
        if visit.kind in ("layer", "model") and not _equal(visit.masks, masks.get(visit.name, visit.masks)):
            return visit.name
    return None


def _equal(one: tuple[object, ...], other: tuple[object, ...]) -> bool:
    """Whether two tuples of masks are equal, None being equal to None alone."""
    return len(one) == len(other) and all(
        (a is None and b is None) or (a is not None and b is not None and np.array_equal(np.asarray(a), np.asarray(b)))
        for a, b in zip(one, other, strict=True)
    )


def _advice(suffix: str) -> str:
    return "save it as .keras" if suffix != ".keras" else "build the model from its code and load only the weights"


CHECK = Check(
    "RELOAD",
    "The model is saved and loaded again; its masks and outputs must not change.",
    "saving and loading changes it",
    "largest change of an output",
    mutants("X8"),
    run,
)
