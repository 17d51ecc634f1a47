"""Makes what is audited of a model, or its file, and of sentences, whose padding is found in the data.

Needs TensorFlow only where a model is given.
"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from maskscope import masks
from maskscope.array_padding import find_padding, infer_lengths
from maskscope.audit.probes.checked_model import checked_model
from maskscope.audit.probes.context import AuditContext, Data, Padded, Ragged, choose_sample, scan_data
from maskscope.audit.report import TOLERANCES
from maskscope.errors import ModelError, ReadError
from maskscope.jobs import Job, NullJob
from maskscope.keras_io import compiled
from maskscope.keras_io.compiled import Compiled
from maskscope.padding import Padding, Side, padded_with
from maskscope.project import Project
from maskscope.types import Indices, MaskValue

if TYPE_CHECKING:
    from maskscope.keras_io.keras_model import KerasModel


def project_sentences(project: Project) -> Ragged:
    """A project's sentences, and what its source was padded with."""
    return Ragged(project.embeddings, project.offsets, project.lengths_from, project.padding)


def array_sentences(
    x: npt.NDArray[np.generic],
    lengths: npt.NDArray[np.integer] | None,
    side: Side | None = None,
    labels: npt.NDArray[np.generic] | None = None,
    weights: npt.NDArray[np.generic] | None = None,
) -> Padded:
    """The sentences of a padded array, and its padding.

    Args:
        x: (N, T, D).
        lengths: (N,) tokens of each sentence; None to infer them.
        side: where padding is; None to find it.
        labels: (N, T), (N, T, 1) or (N, T, C) that the model is trained with; (N,) or (N, C) for a sentence classifier.
        weights: (N, T) or (N,) sample weights.

    Raises ReadError when the arrays have the wrong shape or type, or the lengths can't be inferred.
    """
    if x.ndim != 3 or x.dtype.kind not in "fiub":
        raise ReadError(
            "the array is no padded batch", expected="(sentences, positions, dim) of numbers", received=_describe(x)
        )
    _check_labels(x, labels)
    _check_weights(x, weights)
    if lengths is None:
        inferred, padding = infer_lengths(x, side)
        return Padded(x, inferred, "inferred", padding, labels, weights)
    if lengths.shape != (len(x),) or lengths.dtype.kind not in "iu" or (len(lengths) and lengths.min() < 0):
        raise ReadError(
            "the lengths don't fit the array", expected=f"({len(x)},) whole numbers from 0", received=_describe(lengths)
        )
    given: Indices = lengths.astype(np.int64)
    return Padded(x, given, "source", find_padding(x, given, side), labels, weights)


def _check_labels(x: npt.NDArray[np.generic], labels: npt.NDArray[np.generic] | None) -> None:
    """Raise ReadError for labels that are none of the sentences and none of their positions."""
    if labels is None:
        return
    a_position = labels.shape[:2] == x.shape[:2] and labels.ndim in (2, 3)
    a_sentence = labels.shape[:1] == x.shape[:1] and labels.ndim in (1, 2)
    if not (a_position or a_sentence) or labels.dtype.kind not in "fiub":
        n, n_positions = x.shape[:2]
        raise ReadError(
            "the labels don't fit the array",
            expected=f"({n}, {n_positions}) or ({n}, {n_positions}, C) numbers, or ({n},) or ({n}, C) for a sentence"
            " classifier",
            received=_describe(labels),
        )
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise ReadError("the labels hold NaN or infinity", expected="finite numbers", received=_describe(labels))


def _check_weights(x: npt.NDArray[np.generic], weights: npt.NDArray[np.generic] | None) -> None:
    """Raise ReadError for sample weights that Keras would not take one by one."""
    if weights is None:
        return
    n, n_positions = x.shape[:2]
    if weights.shape not in ((n,), (n, n_positions), (n, n_positions, 1)) or weights.dtype.kind not in "fiub":
        raise ReadError(
            "the sample weights don't fit the array",
            expected=f"({n}, {n_positions}) or ({n},) numbers",
            received=_describe(weights),
        )
    if not np.isfinite(weights).all() or (weights < 0).any():  # type: ignore[operator]
        raise ReadError("the sample weights hold a number that is no weight", expected="finite numbers from 0")


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
    job.progress(0, 0, "choosing sentences")
    try:
        return _context(sentences, model, compiled.of_file(keras_file), padding, side, job)
    except ModelError as error:
        raise error.in_file(keras_file) from error


def repaired_context(context: AuditContext, model: "KerasModel") -> AuditContext:
    """The context of a repaired model, on the same sentences as the given one. Raises ModelError."""
    checked, (mask_value, mask_dtype) = checked_model(model), _mask_value(model)
    return replace(
        context,
        model=checked.model,
        given=model,
        mask_value=mask_value,
        mask_dtype=mask_dtype,
        notes=checked.notes,
        no_copy=checked.no_copy,
    )


def _mask_value(model: "KerasModel") -> tuple[MaskValue | None, str]:
    """The mask value of the first Masking layer, None without one, and the type that it computes in."""
    from maskscope.keras_io import keras_graph

    masking = keras_graph.first_masking(model)
    if masking is None:
        return None, "float32"
    return masks.as_mask_value(masking.mask_value), str(masking.compute_dtype)


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

    job.progress(0, 0, "copying the model, where it needs that")
    checked = checked_model(model)
    mask_value, mask_dtype = _mask_value(model)
    if isinstance(sentences, Padded):
        _check_whose_labels(checked.model, sentences)
    wanted = checked.dim
    if wanted not in (None, sentences.dim):
        raise ModelError(
            "the model does not fit the embeddings", expected=f"{wanted} numbers a token", received=f"{sentences.dim}"
        )
    scanned = scan_data(sentences, mask_value, mask_dtype, job)
    compute_dtype = keras_graph.compute_dtype(model)
    return AuditContext(
        model=checked.model,
        given=model,
        mask_value=mask_value,
        data=sentences,
        sample=choose_sample(sentences, scanned.collisions),
        tolerance=TOLERANCES[compute_dtype],
        padding=_padding(sentences, padding, side, _input_mask_value(checked.model)),
        compiled=own,
        reload_suffix=reload_suffix,
        mask_dtype=mask_dtype,
        compute_dtype=compute_dtype,
        scanned=scanned,
        notes=checked.notes,
        no_copy=checked.no_copy,
    )


def _check_whose_labels(model: "KerasModel", sentences: Padded) -> None:
    """Raise ReadError for labels of sentences that a tagger is given, or of positions for a sentence classifier."""
    from maskscope.keras_io import keras_graph

    graph = keras_graph.functional(model)
    if graph is None or len(graph.outputs) != 1:
        return
    n, n_positions = sentences.x.shape[:2]
    per_sentence = len(graph.outputs[0].shape) == 2
    labels, weights = sentences.labels, sentences.weights
    if labels is not None and not per_sentence and labels.shape[:2] != (n, n_positions):
        raise ReadError(
            "the labels don't fit the model, which gives an output at each position",
            expected=f"({n}, {n_positions}) or ({n}, {n_positions}, C)",
            received=_describe(labels),
        )
    if labels is not None and per_sentence and labels.ndim > 2:
        raise ReadError(
            "the labels don't fit the model, which gives an output for each sentence",
            expected=f"({n},) or ({n}, C)",
            received=_describe(labels),
        )
    if weights is not None and per_sentence and weights.ndim > 1:
        raise ReadError(
            "the sample weights don't fit the model, which gives an output for each sentence",
            expected=f"({n},)",
            received=_describe(weights),
        )


def _padding(sentences: Data, given: float | None, side: Side | None, mask_value: MaskValue | None) -> Padding:
    """The padding as given, else that of the sentences, else the mask value, else zeros, which are only assumed."""
    found, dim = sentences.padding, sentences.dim
    if given is not None:
        return Padding.of_value(given, dim, side or ("back" if found is None else found.side), "given")
    if found is not None:
        return found if side in (None, found.side) else replace(found, side=side, origin="given")
    # what is not finite spoils tokens that are not masked, so nobody pads with it
    finite = mask_value if mask_value is not None and np.isfinite(mask_value).all() else None
    return padded_with(None, finite, dim, side or "back")


def _input_mask_value(model: "KerasModel") -> MaskValue | None:
    """The mask value that a Masking layer compares the embeddings themselves with; None for none.

    The first layer of a model with its own code is taken for one that does.
    """
    from maskscope.keras_io import keras_graph
    from maskscope.keras_io.masking_input import embeddings_mask_value

    if keras_graph.functional(model) is not None:
        return embeddings_mask_value(model)
    masking = keras_graph.first_masking(model)
    return None if masking is None else masks.as_mask_value(masking.mask_value)


def _describe(array: npt.NDArray[np.generic]) -> str:
    return f"{array.shape} {array.dtype}"
