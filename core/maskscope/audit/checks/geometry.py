"""GEOMETRY: padding on the other side, in the middle, and in rows that hold nothing else."""

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
from maskscope.padding import SIDES, Padding
from maskscope.types import Floats

if TYPE_CHECKING:
    from maskscope.keras_io.keras_model import KerasModel

_SENTENCES, _TOKENS = 8, 24
_GAP = 2


def run(probes: AuditProbes, job: Job) -> Finding:
    """Compare a batch padded where the data are with the same padded on the other side, and look for NaN and infinity.

    One row of each batch is nothing but padding. A batch with gaps inside its sentences must only give finite outputs.
    A model that needs its padding on one side, as a decoder that counts positions does, passes where the data have it
    there.
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
        advice = "leave empty sentences out, or divide by at least 1 where a mean over real tokens is computed"
        if not np.isfinite(sample.padding.rows).all():
            advice = f"pad with a number, not with {sample.padding.text}"
        return Finding(
            "GEOMETRY",
            "failed",
            f"The model's output is NaN or infinite {not_finite[0]}; one such row spoils the loss of its whole batch.",
            float("inf"),
            tolerance,
            None if change is None else change.sentence,
            layer=_first_pooling(model) or probes.diagnosis.layer,
            advice=advice,
        )
    own, other = SIDES[sample.padding.side], SIDES[_other(sample.padding).side]
    if change is None:
        meaning = (
            "Padding in front of the tokens gives the same as behind them; rows of padding alone give finite outputs."
        )
        return Finding("GEOMETRY", "passed", f"{meaning}{_cudnn_remark(model)}", largest.size, tolerance)
    changes = f"changes by {change.size:.2g}" if np.isfinite(change.size) else "becomes NaN or infinite"
    if not _own_padding_counts(probes, sample, tolerance):
        meaning = f"Padding {own}, where these data have it, changes nothing"
        if sample.fixed:
            meaning = f"What is at padded positions {own}, where these data have them, changes nothing"
        meaning = (
            f"{meaning}; with padding {other} {runner.place}'s "
            f"{runner.output_name} {changes} (weights {change.weights}), so always pad {own}."
        )
        return Finding("GEOMETRY", "passed", f"{meaning}{_cudnn_remark(model)}", 0.0, tolerance)
    instead = own.replace("the tokens", "them")
    meaning = (
        f"With padding {other} instead of {instead} {runner.place}'s {runner.output_name} {changes} (weights "
        f"{change.weights}), so the side of padding matters."
    )
    evidence = change.evidence(f"padded {own}", f"padded {other}")
    advice = "begin the model with Masking, so that padding counts on neither side"
    return failed("GEOMETRY", probes, change, tolerance, meaning, evidence, advice)


def _other(padding: Padding) -> Padding:
    """The same padding on the other side."""
    return replace(padding, side="front" if padding.side == "back" else "back")


def _compare_sides(runner: ModelRunner, sample: PaddedSample, weights: Weights, largest: LargestChange) -> list[str]:
    """Compare the sides of padding; returns where outputs are not finite that should be."""
    n_positions = sample.x_btd.shape[1]
    padding, other = sample.padding, _other(sample.padding)
    empty = padding.fill(n_positions)[None]
    tokens = [sample.x_btd[row, sample.tokens(row)] for row in range(len(sample.lengths))]
    own_side, other_side = (
        np.concatenate([np.stack([side.add(each, n_positions - len(each)) for each in tokens]), empty])
        for side in (padding, other)
    )
    by_own, by_other = runner.outputs(own_side), runner.outputs(other_side)
    for row, (sentence, length) in enumerate(zip(sample.sentences, sample.lengths, strict=True)):
        mask_t = sample.mask_bt[row, sample.tokens(row)]
        before, after = by_own[row, sample.tokens(row)], by_other[row, other.tokens(length, n_positions)]
        largest.compare(sentence, weights, "padding on the other side", before, after, mask_t)
    batches = [("in a row of nothing but padding", by_own[-1]), (f"with padding {SIDES[padding.side]}", by_own)]
    if runner.n_positions is None:
        batches.append(("with a gap inside a sentence", runner.outputs(_with_gap(own_side, padding))))
    return [where for where, outputs in batches if not np.isfinite(outputs).all()]


def _own_padding_counts(probes: AuditProbes, sample: PaddedSample, tolerance: float) -> bool:
    """Whether padding where the data have it changes an output at a real token.

    A model of fixed length can't be run on a sentence alone; it shows by the gradient whether padding has a part.
    """
    if not sample.fixed:
        return probes.change_by_own_padding.size > tolerance
    for weights in WEIGHTS:
        with probes.runner.with_weights(weights):
            r_btc = np.random.default_rng(0).normal(size=probes.runner.outputs(sample.x_btd).shape)
            r_btc[~sample.mask_bt] = 0
            gradient = probes.gradients.input_gradient(sample.x_btd, r_btc.astype(np.float32))
            if np.abs(gradient[~sample.mask_bt]).max(initial=0.0) > 0:
                return True
    return False


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

    It runs them only with their default activations, without recurrent dropout, and for padding behind the tokens
    without empty rows.
    """
    import keras

    from maskscope.keras_io import keras_graph

    found = [each for each in keras_graph.every_layer(model) if isinstance(each, keras.layers.LSTM | keras.layers.GRU)]
    if not found:
        return ""
    reasons = dict.fromkeys(reason for each in found if (reason := _why_no_cudnn(each)))
    if reasons:
        return f" On a GPU, cuDNN would not run it: {', '.join(reasons)}."
    return " On a GPU, cuDNN could run it, as long as padding is behind the tokens and no row is empty."


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
    "Padding is put behind the tokens, in front of them, inside a sentence and in place of a whole sentence: every "
    "output must be finite, and where the sides give different outputs, padding where the data have it must change "
    "nothing. The finding also says what the other side would do, and whether cuDNN could run the model.",
    "its outputs depend on where the padding is",
    PROBABILITY_CHANGE,
    mutants("M1 M7 X2 X13"),
    run,
)
