"""Makes what is audited of a model, or its file, and of sentences, whose padding is found in the data.

Needs TensorFlow only where a model is given.
"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from maskscope import masks
from maskscope.array_padding import find_padding, infer_lengths
from maskscope.audit.probes.context import AuditContext, Data, Padded, Ragged, choose_sample, scan_data
from maskscope.audit.report import TOLERANCES
from maskscope.errors import ModelError, ReadError
from maskscope.jobs import Job, NullJob
from maskscope.keras_io import compiled
from maskscope.keras_io.compiled import Compiled
from maskscope.padding import Padding, Side
from maskscope.project import Project
from maskscope.types import Indices, MaskValue

if TYPE_CHECKING:
    from maskscope.keras_io.keras_model import KerasModel


def project_sentences(project: Project) -> Ragged:
    """A project's sentences, and what its source was padded with."""
    return Ragged(project.embeddings, project.offsets, project.lengths_from, getattr(project, "padding", None))


def array_sentences(
    x: npt.NDArray[np.generic], lengths: npt.NDArray[np.integer] | None, side: Side | None = None
) -> Padded:
    """The sentences of a padded array, and its padding.

    Args:
        x: (N, T, D).
        lengths: (N,) tokens of each sentence; None to infer them.
        side: where padding is; None to find it.

    Raises ReadError when the arrays have the wrong shape or type, or the lengths can't be inferred.
    """
    if x.ndim != 3 or x.dtype.kind not in "fiub":
        raise ReadError(
            "the array is no padded batch", expected="(sentences, positions, dim) of numbers", received=_describe(x)
        )
    if lengths is None:
        inferred, padding = infer_lengths(x, side)
        return Padded(x, inferred, "inferred", padding)
    if lengths.shape != (len(x),) or lengths.dtype.kind not in "iu" or (len(lengths) and lengths.min() < 0):
        raise ReadError(
            "the lengths don't fit the array", expected=f"({len(x)},) whole numbers from 0", received=_describe(lengths)
        )
    given: Indices = lengths.astype(np.int64)
    return Padded(x, given, "source", find_padding(x, given, side))


def model_context(
    model: "KerasModel",
    sentences: Data,
    padding: float | None = None,
    side: Side | None = None,
    reload_suffix: str = ".keras",
) -> AuditContext:
    """The context of a model in memory.

    Args:
        model: it is not changed.
        sentences: of a project or of an array.
        padding: the number at padded positions; None for the sentences' own, else the model's mask value, else 0.
        side: where padding is; None for where the sentences have it, else behind the tokens.
        reload_suffix: of the file that RELOAD writes and reads: ".keras", or ".h5".
    """
    return _context(sentences, model, compiled.of_model(model), padding, side, NullJob(), reload_suffix)


def file_context(sentences: Data, keras_file: Path, padding: float | None, side: Side | None, job: Job) -> AuditContext:
    """The context of a `.keras` file. Raises ModelError when it can't be loaded or does not fit; Cancelled."""
    from maskscope.keras_io import keras_model

    job.progress(0, 0, "loading the model")
    model = keras_model.load(keras_file)
    shape = model.input_shape
    if isinstance(shape, tuple) and len(shape) == 3 and shape[2] not in (None, sentences.dim):
        raise ModelError(
            "the model does not fit the embeddings",
            file=keras_file,
            expected=f"{shape[2]} numbers a token",
            received=f"{sentences.dim}",
        )
    job.progress(0, 0, "choosing sentences")
    return _context(sentences, model, compiled.of_file(keras_file), padding, side, job)


def _context(
    sentences: Data,
    model: "KerasModel",
    own: Compiled | None,
    padding: float | None,
    side: Side | None,
    job: Job,
    reload_suffix: str = ".keras",
) -> AuditContext:
    from maskscope.keras_io import keras_graph

    masking = keras_graph.first_masking(model)
    mask_value = None if masking is None else masks.as_mask_value(masking.mask_value)
    mask_dtype = "float32" if masking is None else str(masking.compute_dtype)
    scanned = scan_data(sentences, mask_value, mask_dtype, job)
    compute_dtype = keras_graph.compute_dtype(model)
    return AuditContext(
        model,
        mask_value,
        sentences,
        choose_sample(sentences, scanned.collisions),
        TOLERANCES[compute_dtype],
        _padding(sentences, padding, side, mask_value if _reads_the_input(masking, model) else None),
        own,
        reload_suffix,
        mask_dtype,
        compute_dtype,
        scanned,
    )


def _padding(sentences: Data, given: float | None, side: Side | None, mask_value: MaskValue | None) -> Padding:
    """The padding as given, else that of the sentences, else the mask value, else zeros, which are only assumed."""
    found, dim = sentences.padding, sentences.dim
    if given is not None:
        return Padding.of_value(given, dim, side or ("back" if found is None else found.side), "given")
    if found is not None:
        return found if side in (None, found.side) else replace(found, side=side, origin="given")
    if mask_value is not None and np.size(mask_value) in (1, dim) and np.isfinite(mask_value).all():
        return Padding.of_value(mask_value, dim, side or "back", "mask value")
    return Padding.of_value(0.0, dim, side or "back", "assumed")


def _reads_the_input(masking: Any, model: "KerasModel") -> bool:
    """Whether a Masking layer compares the embeddings themselves, not what a layer before it makes of them."""
    try:
        return any(masking.input is each for each in model.inputs)
    except (AttributeError, ValueError):
        # a layer of a subclassed model, which has no inputs that are known, mostly comes first
        return masking is not None


def _describe(array: npt.NDArray[np.generic]) -> str:
    return f"{array.shape} {array.dtype}"
