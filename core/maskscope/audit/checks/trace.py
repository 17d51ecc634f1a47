"""TRACE: the mask after each layer; the first layer that loses or alters it."""

import numpy as np

from maskscope.audit.checks.base import Check, mutants
from maskscope.audit.probes.audit_probes import AuditProbes
from maskscope.audit.probes.mask_trace import Trace
from maskscope.audit.probes.padded_sample import PaddedSample
from maskscope.audit.report import Evidence, Finding
from maskscope.jobs import Job


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
            found.why,
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
