"""GEOMETRY: padding on the left, in the middle, and in rows that hold nothing else."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from maskscope.audit.checks.base import PROBABILITY_CHANGE, Check, failed, mutants
from maskscope.audit.probes.audit_probes import AuditProbes
from maskscope.audit.probes.changes import LargestChange
from maskscope.audit.probes.model_runner import ModelRunner
from maskscope.audit.probes.padded_sample import PaddedSample, padded_sample
from maskscope.audit.probes.perturbed_weights import WEIGHTS, Weights
from maskscope.audit.report import Finding
from maskscope.jobs import Job
from maskscope.padding import Padding
from maskscope.types import Floats

if TYPE_CHECKING:
    from maskscope.keras_io.keras_model import KerasModel

_SENTENCES, _TOKENS = 8, 24
_GAP = 2


def run(probes: AuditProbes, job: Job) -> Finding:
    """Compare a batch padded on the right with the same padded on the left, and look for outputs that are not finite.

    One row of each batch is nothing but padding. A batch with gaps inside its sentences must only give finite outputs.
    """
    runner = probes.runner
    sample = padded_sample(probes.context, _SENTENCES, _TOKENS)
    largest = LargestChange()
    tolerance = runner.tolerance
    not_finite: list[str] = []
    for done, weights in enumerate(WEIGHTS):
        job.progress(done, len(WEIGHTS), "GEOMETRY")
        with runner.with_weights(weights):
            not_finite += _compare_sides(runner, sample, weights, largest)
    change = largest.exceeds(tolerance)
    model = probes.context.model
    if not_finite:
        return Finding(
            "GEOMETRY",
            "failed",
            f"The model's output is NaN or infinite {not_finite[0]}; one such row spoils the loss of its whole batch.",
            float("inf"),
            tolerance,
            None if change is None else change.sentence,
            layer=_first_pooling(model) or probes.diagnosis.layer,
            advice="leave empty sentences out, or divide by at least 1 where a mean over real tokens is computed",
        )
    if change is None:
        meaning = "Padding on the left gives the same as on the right; rows of padding alone give finite outputs."
        return Finding("GEOMETRY", "passed", f"{meaning}{_cudnn_remark(model)}", largest.size, tolerance)
    meaning = (
        f"With padding on the left instead of the right a real token's {runner.output_name} changes by "
        f"{change.size:.2g} (weights {change.weights}), so the side of padding matters."
    )
    evidence = change.evidence("padded right", "padded left")
    return failed("GEOMETRY", probes, change, tolerance, meaning, evidence, "always pad on the right")


def _compare_sides(runner: ModelRunner, sample: PaddedSample, weights: Weights, largest: LargestChange) -> list[str]:
    """Compare the sides of padding; returns where outputs are not finite."""
    n_positions = sample.x_btd.shape[1]
    empty = sample.padding.fill(n_positions)[None]
    on_back, on_front = (replace(sample.padding, side=side) for side in ("back", "front"))
    tokens = [sample.x_btd[row, sample.tokens(row)] for row in range(len(sample.lengths))]
    right, left = (
        np.concatenate([np.stack([padding.add(each, n_positions - len(each)) for each in tokens]), empty])
        for padding in (on_back, on_front)
    )
    by_right, by_left = runner.outputs(right), runner.outputs(left)
    for row, (sentence, length) in enumerate(zip(sample.sentences, sample.lengths, strict=True)):
        mask_t = sample.mask_bt[row, sample.tokens(row)]
        at_left = by_left[row, on_front.tokens(length, n_positions)]
        largest.compare(sentence, weights, "padding on the left", by_right[row, :length], at_left, mask_t)
    batches = [("in a row of nothing but padding", by_right[-1]), ("with padding on the left", by_left)]
    if runner.n_positions is None:
        batches.append(("with a gap inside a sentence", runner.outputs(_with_gap(right, sample.padding))))
    return [where for where, outputs in batches if not np.isfinite(outputs).all()]


def _with_gap(x_btd: Floats, padding: Padding) -> Floats:
    middle = x_btd.shape[1] // 2
    gap = np.broadcast_to(padding.fill(_GAP), (len(x_btd), _GAP, x_btd.shape[2]))
    return np.concatenate([x_btd[:, :middle], gap, x_btd[:, middle:]], axis=1)


def _first_pooling(model: "KerasModel") -> str | None:
    from maskscope.keras_io import keras_graph

    names = (str(each.name) for each in keras_graph.every_layer(model) if "Pooling" in type(each).__name__)
    return next(names, None)


def _cudnn_remark(model: "KerasModel") -> str:
    """Whether a GPU's cuDNN could run the recurrent layers: one sentence with a space before it.

    It runs them only with their default activations, without recurrent dropout, and for padding on the right without
    empty rows.
    """
    import keras

    from maskscope.keras_io import keras_graph

    found = [each for each in keras_graph.every_layer(model) if isinstance(each, keras.layers.LSTM | keras.layers.GRU)]
    if not found:
        return ""
    reasons = dict.fromkeys(reason for each in found if (reason := _why_no_cudnn(each)))
    if reasons:
        return f" On a GPU, cuDNN would not run it: {', '.join(reasons)}."
    return " On a GPU, cuDNN could run it, as long as padding is on the right and no row is empty."


def _why_no_cudnn(layer: Any) -> str:
    import keras

    if layer.recurrent_dropout:
        return f"recurrent_dropout is {layer.recurrent_dropout:g}"
    if layer.activation is not keras.activations.tanh or layer.recurrent_activation is not keras.activations.sigmoid:
        return "its activations are not tanh and sigmoid"
    if layer.unroll:
        return "it is unrolled"
    if not layer.use_bias:
        return "it has no bias"
    if isinstance(layer, keras.layers.GRU) and not layer.reset_after:
        return "reset_after is False"
    return ""


CHECK = Check(
    "GEOMETRY",
    "Padding is put on the right, on the left, inside a sentence and in place of a whole sentence: left padding must "
    "give the same outputs as right padding, and every output must be finite. The finding also says whether cuDNN "
    "could run the model.",
    "its outputs depend on where the padding is",
    PROBABILITY_CHANGE,
    mutants("X2"),
    run,
)
