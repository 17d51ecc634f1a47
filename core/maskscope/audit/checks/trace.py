"""TRACE: the mask after each layer; the first layer that loses or alters it."""

from contextlib import suppress

import numpy as np

from maskscope.audit.checks.base import Check, mutants
from maskscope.audit.probes.audit_probes import AuditProbes
from maskscope.audit.probes.mask_trace import Trace
from maskscope.audit.probes.padded_sample import PaddedSample
from maskscope.audit.report import Evidence, Finding
from maskscope.jobs import Job
from maskscope.padding import SIDES


def run(probes: AuditProbes, job: Job) -> Finding:
    """Run padded sentences through the model node by node and compare every mask with that of the lengths."""
    job.progress(0, 0, "TRACE")
    found = probes.trace
    if isinstance(found, str):
        return Finding("TRACE", "could not tell", found)
    if found.fails:
        return Finding(
            "TRACE", "could not tell", found.why, layer=found.faulty_layer, advice=found.advice, repair=found.repair
        )
    if found.why:
        evidence = _evidence(probes.trace_sample, found)
        return Finding(
            "TRACE",
            "failed",
            found.why if found.faulty_layer is not None else _where_it_shows(probes, found.why),
            sentence=None if evidence is None else evidence.sentence,
            layer=found.faulty_layer,
            advice=found.advice,
            repair=found.repair,
            evidence=evidence,
        )
    if found.unclear is not None:
        return Finding(
            "TRACE",
            "could not tell",
            f"{found.unclear} is a model inside the model whose output has no positions, so its use of the mask can't "
            "be seen.",
            layer=found.unclear,
            advice=f"audit {found.unclear} alone",
        )
    loss = ", and the loss" if found.graph.nodes[-1].mask == "same" else ""
    return Finding("TRACE", "passed", f"The mask of the true lengths reaches every layer that needs it{loss}.")


def _where_it_shows(probes: AuditProbes, why: str) -> str:
    """What is said of a model without any mask, and where that shows: in its outputs, in its loss, or in neither."""
    shown = []
    for found in (_in_the_outputs, _in_the_loss):
        # where it can't be measured, nothing is said of it; the layers' code may be from anyone and raise anything
        with suppress(Exception):
            shown.append(found(probes))
    said = "; ".join(each for each in shown if each)
    return f"{why.rstrip('.')}: {said}." if said else why


def _in_the_outputs(probes: AuditProbes) -> str:
    runner, side = probes.runner, SIDES[probes.context.padding.side]
    if probes.change_by_own_padding.size > runner.tolerance:
        return f"with padding {side} the outputs of {runner.places} depend on it"
    return f"with padding {side} that does not show in the outputs of {runner.places}"


def _in_the_loss(probes: AuditProbes) -> str:
    """Which positions the loss counts; "" for a loss that is only assumed, in own code, or one number a sentence."""
    loss, gradients, sample = probes.loss, probes.gradients, probes.small_sample
    if loss.assumed or loss.own_code or probes.runner.per_sentence:
        return ""
    y = gradients.targets(sample)
    result = gradients.evaluate(sample.x_btd, y)
    padding_bt = ~sample.mask_bt
    if not padding_bt.any():
        return ""
    if loss.ignore_class is not None and result.ignored[padding_bt].all():
        return f"padding is kept out of the loss by its label {loss.ignore_class}, which the loss ignores"
    if y.weights is not None and not (y.each_weight * padding_bt).any():
        return "padding is kept out of the loss by its sample weights"
    return "the loss counts padding, which sample_weight or ignore_class would keep out of the loss alone"


def _evidence(sample: PaddedSample | None, found: Trace) -> Evidence | None:
    """The mask on the first faulty edge, of the sentence in which most of it is wrong."""
    if found.mask_bt is None or sample is None:
        return None
    carried = np.ones_like(found.mask_bt) if found.found_bt is None else found.found_bt
    if carried.shape != found.mask_bt.shape:
        return None
    row = int((carried != found.mask_bt).sum(axis=1).argmax())
    label = "no mask: all positions count" if found.found_bt is None else "the mask that is passed on"
    return Evidence.of(sample.sentences[row], found.mask_bt[row], [(label, "mask", carried[row])])


CHECK = Check(
    "TRACE",
    "The mask that every layer takes and gives is compared with the mask from the lengths; the first layer that loses "
    "or alters it, is passed none, or reverses the positions under it is named.",
    "its mask does not reach every layer that needs it",
    "",
    mutants("M2 M3 M4 M5 M6 M7 M8 M9 M13 X9 X10 X11 X12 X13 X14 X15 X16"),
    run,
)
