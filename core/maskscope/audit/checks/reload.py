"""RELOAD: a model that is saved and loaded again masks as it did."""

import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from maskscope.audit.probes.context import Subject
from maskscope.audit.probes.model_runner import Unrunnable, error_words
from maskscope.audit.report import Finding
from maskscope.jobs import Job

if TYPE_CHECKING:
    from maskscope.keras_io.keras_graph import Run


def check(subject: Subject, job: Job) -> Finding:
    """Save the model, load it, and compare what it prints on a padded batch and the mask after each of its layers.

    The file is a `.keras`, or what the subject asks for: `.h5`, which loses masks.
    """
    suffix = subject.reload_suffix
    job.progress(0, 0, "RELOAD")
    from maskscope.keras_io import keras_graph

    sample = subject.small
    traced = keras_graph.functional(subject.model) is not None
    before = subject.run.outputs[0] if traced else subject.bench.printed(sample.x_btd)
    with tempfile.TemporaryDirectory(prefix="maskscope-audit-") as folder, warnings.catch_warnings():
        # Keras warns of formats, and of optimizers that nobody asked for
        warnings.simplefilter("ignore")
        file = Path(folder) / f"model{suffix}"
        try:
            subject.model.save(file)
        except Exception as error:
            # whatever its layers raise
            raise Unrunnable(f"The model can't be saved ({_words(error)}).") from error
        try:
            again = keras_graph.load_any(file, subject.model)
        except Exception as error:  # noqa: BLE001 - whatever its layers raise
            words = f"Once the model is saved as {suffix} it can't be loaded any more ({_words(error)})."
            return Finding("RELOAD", "failed", words, advice=_advice(suffix))
    job.progress(0, 0, "RELOAD")
    lost = None
    if traced:
        run = keras_graph.run(again, (sample.x_btd,))
        after, lost = run.outputs[0], _first_of_another_mask(subject.run, run)
    else:
        other = Subject(again, subject.mask_value, subject.data, subject.sample, subject.tolerance, subject.padding)
        after = other.bench.printed(sample.x_btd)
    if after.shape != before.shape or after.shape[:2] != sample.mask_bt.shape:
        raise Unrunnable(f"The model prints {before.shape}, not one prediction a position.")
    change = np.abs(after.astype(np.float32) - before.astype(np.float32))[sample.mask_bt]
    size = float(np.where(np.isfinite(change), change, np.inf).max(initial=0.0))
    tolerance = subject.bench.tolerance
    if size <= tolerance and lost is None:
        words = f"Saved as {suffix} and loaded, the model prints the same and masks after each layer as before."
        return Finding("RELOAD", "passed", words, size, tolerance)
    what = (
        f"the mask after {lost} is another"
        if lost is not None
        else f"a real token's {subject.bench.what} moves by {size:.2g}"
    )
    return Finding(
        "RELOAD",
        "failed",
        f"Once the model is saved as {suffix} and loaded, {what}, so what was trained is not what is used.",
        size,
        tolerance,
        layer=lost,
        advice=_advice(suffix),
    )


def _advice(suffix: str) -> str:
    return "save it as .keras" if suffix != ".keras" else "build the model anew and load the weights alone"


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error_words(error)}"


def _first_of_another_mask(before: "Run", after: "Run") -> str | None:
    """The first layer after which the mask is another than it was."""
    names = {visit.name: visit.masks for visit in after.visits}
    for visit in before.visits:
        if visit.kind in ("layer", "model") and not _same(visit.masks, names.get(visit.name, visit.masks)):
            return visit.name
    return None


def _same(one: tuple[object, ...], other: tuple[object, ...]) -> bool:
    return len(one) == len(other) and all(
        (a is None and b is None) or (a is not None and b is not None and np.array_equal(np.asarray(a), np.asarray(b)))
        for a, b in zip(one, other, strict=True)
    )
