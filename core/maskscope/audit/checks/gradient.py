"""GRADIENT: no number at a padded position may influence the outputs at real tokens, however little."""

from dataclasses import dataclass

import numpy as np

from maskscope.audit.checks.base import OUTPUT_DEPENDS, Check, mutants
from maskscope.audit.probes.audit_probes import AuditProbes
from maskscope.audit.probes.padded_sample import PaddedSample, padded_sample
from maskscope.audit.probes.perturbed_weights import WEIGHTS, Weights
from maskscope.audit.probes.unrunnable import Unrunnable
from maskscope.audit.report import Evidence, Finding
from maskscope.jobs import Job
from maskscope.types import Floats

_SENTENCES, _TOKENS = 16, 48


@dataclass(frozen=True, slots=True, eq=False)
class _PaddedGradient:
    """The largest gradient at padded positions in one run.

    Attributes:
        size: absolute.
        row, position: where in the batch.
        by_position_t: (T,) the largest gradient by the numbers of each position of that row.
        weights: under which weights.
        where: "at the input" or "with the mask frozen".
    """

    size: float
    row: int
    position: int
    by_position_t: Floats
    weights: Weights
    where: str


def run(probes: AuditProbes, job: Job) -> Finding:
    """d(sum of real outputs · r)/d(padded inputs) is exactly 0, with r drawn from N(0, 1).

    At the input the model makes its own mask; with the mask frozen, the Masking layer passes its input on, which shows
    layers after it that read padding.
    """
    runner = probes.runner
    sample = padded_sample(probes.context, _SENTENCES, _TOKENS)
    outputs = runner.outputs(sample.x_btd)
    r_btc: Floats = np.random.default_rng(0).normal(size=outputs.shape).astype(np.float32)
    r_btc[~sample.mask_bt] = 0.0
    found: list[_PaddedGradient] = []
    frozen_unrunnable = False
    for done, weights in enumerate(WEIGHTS):
        with runner.with_weights(weights):
            job.progress(2 * done, 2 * len(WEIGHTS), "GRADIENT")
            gradient = probes.gradients.input_gradient(sample.x_btd, r_btc)
            found.append(_largest_at_padding(gradient, sample, weights, "at the input"))
            job.progress(2 * done + 1, 2 * len(WEIGHTS), "GRADIENT")
            try:
                gradient = probes.frozen.input_gradient(sample.x_btd, r_btc, sample.mask_bt)
                found.append(_largest_at_padding(gradient, sample, weights, "with the mask frozen"))
            except Unrunnable:
                # a model with its own code can be measured at its input all the same
                frozen_unrunnable = True
    worst = max(found, key=lambda each: each.size)
    if worst.size == 0:
        remark = " at the input; with the mask frozen it can't be measured" if frozen_unrunnable else ""
        meaning = f"No number at a padded position influences {runner.place}{remark}."
        return Finding("GRADIENT", "could not tell" if frozen_unrunnable else "passed", meaning, 0.0, 0.0)
    if not frozen_unrunnable and probes.reads_only_own_padding:
        meaning = (
            f"Some layer reads its neighbours, padded ones too, as a convolution does (gradient {worst.size:.2g}), but "
            f"what padding holds, {sample.padding.text}, changes nothing."
        )
        return Finding("GRADIENT", "passed", meaning, 0.0, 0.0)
    layer, advice, repair = probes.diagnosis
    sentence = sample.sentences[worst.row]
    label = "largest gradient by the position's numbers"
    return Finding(
        "GRADIENT",
        "failed",
        f"Numbers at padded positions influence {runner.places} ({worst.where}, weights {worst.weights}): the gradient "
        f"there is {worst.size:.2g} instead of 0.",
        worst.size,
        0.0,
        sentence,
        worst.position,
        layer,
        advice,
        repair,
        Evidence.of(sentence, sample.mask_bt[worst.row], [(label, "change", worst.by_position_t)], worst.position),
    )


def _largest_at_padding(gradient: Floats, sample: PaddedSample, weights: Weights, where: str) -> _PaddedGradient:
    size = np.abs(gradient)
    by_position_bt = np.where(np.isfinite(size), size, np.inf).max(axis=2)
    padded_bt = np.where(sample.mask_bt, 0.0, by_position_bt)
    row, position = (int(index) for index in np.unravel_index(int(padded_bt.argmax()), padded_bt.shape))
    return _PaddedGradient(float(padded_bt[row, position]), row, position, by_position_bt[row], weights, where)


CHECK = Check(
    "GRADIENT",
    "The gradient of the outputs at real tokens with respect to the padded input must be 0, both through the whole "
    "model and with the mask frozen, unless a layer reads its neighbours and finds there what padding always holds.",
    OUTPUT_DEPENDS,
    "largest gradient at a padded position",
    mutants("M1 M2 M3 M4 M5 M6 M7 M8 M10 M12 X1 X11 X12 X17"),
    run,
)
