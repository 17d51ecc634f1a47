"""LENGTH: append padded positions; the outputs at real tokens must stay the same."""

import numpy as np

from maskscope.audit.checks.base import OUTPUT_DEPENDS, PROBABILITY_CHANGE, Check, failed, mutants
from maskscope.audit.probes.audit_probes import AuditProbes
from maskscope.audit.probes.changes import LargestChange
from maskscope.audit.probes.context import AuditContext
from maskscope.audit.probes.perturbed_weights import WEIGHTS
from maskscope.audit.probes.unrunnable import Unrunnable
from maskscope.audit.report import Finding
from maskscope.jobs import Job

PADDING = (1, 7, 64)
_PICTURED = 12
"""Padded positions in the evidence."""


def run(probes: AuditProbes, job: Job) -> Finding:
    """Compare each sentence without padding to itself with 1, 7 and 64 padded positions after it.

    Fewer are added to a model that does not run with so many, as with an Embedding of a limited number of positions.
    """
    runner, context = probes.runner, probes.context
    if runner.n_positions is not None:
        raise Unrunnable(
            f"The model takes exactly {runner.n_positions} positions, so none can be added; it is never given more.",
            matters=False,
        )
    largest = LargestChange()
    tolerance = runner.tolerance
    groups = _groups_of_equal_length(context)
    added = _that_run(probes, groups[-1][0])
    steps, done = len(WEIGHTS) * len(groups) * len(added), 0
    for weights in WEIGHTS:
        with runner.with_weights(weights):
            for sentences in groups:
                rows_btd = np.stack([context.data.rows(sentence) for sentence in sentences])
                n_tokens = rows_btd.shape[1]
                for k in added:
                    job.progress(done, steps, "LENGTH")
                    done += 1
                    outputs = runner.outputs(context.padding.add(rows_btd, k))
                    tokens = context.padding.tokens(n_tokens, n_tokens + k)
                    cause = f"{k} padded position{'s' if k > 1 else ''}"
                    for sentence, own in zip(sentences, outputs, strict=True):
                        largest.compare(
                            sentence,
                            weights,
                            cause,
                            runner.unpadded_outputs(sentence),
                            own[tokens],
                            padding_kc=np.delete(own, tokens, axis=0)[:_PICTURED],
                        )
    change = largest.exceeds(tolerance)
    if change is None:
        added_text = ", ".join(map(str, added))
        too_many = "" if len(added) == len(PADDING) else f"; with {PADDING[len(added)]} more it does not run"
        meaning = f"Adding {added_text} padded positions changes no {runner.output_name} of {runner.place}{too_many}."
        return Finding("LENGTH", "passed", meaning, largest.size, tolerance)
    meaning = (
        f"Adding {change.cause} changes {runner.place}'s {runner.output_name} by {change.size:.2g} (weights "
        f"{change.weights}), so a sentence's predictions depend on the length of its batch."
    )
    return failed(
        "LENGTH", probes, change, tolerance, meaning, change.evidence("without padding", f"with {change.cause}")
    )


def _that_run(probes: AuditProbes, longest: int) -> list[int]:
    """How many padded positions can be added to the longest sentence. Raises Unrunnable when not even one."""
    rows_btd = probes.context.data.rows(longest)[None]
    kept: list[int] = []
    for k in PADDING:
        try:
            probes.runner.outputs(probes.context.padding.add(rows_btd, k))
        except Unrunnable:
            if not kept:
                raise
            break
        kept.append(k)
    return kept


def _groups_of_equal_length(context: AuditContext) -> list[list[int]]:
    """The sample in groups of sentences with equal length, which make a batch without padding."""
    groups: dict[int, list[int]] = {}
    for sentence in context.sample:
        groups.setdefault(int(context.data.lengths[sentence]), []).append(sentence)
    return [groups[length] for length in sorted(groups)]


CHECK = Check(
    "LENGTH",
    "1, 7 and 64 padded positions are appended to a sentence; the outputs at real tokens must not change.",
    OUTPUT_DEPENDS,
    PROBABILITY_CHANGE,
    mutants("M1 M2 M3 M4 M5 M6 M7 M8 M12 X11 X12 X13 X17"),
    run,
)
