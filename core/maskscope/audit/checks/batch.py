"""BATCH: a sentence alone, with and without padding, against the same sentence in batches of different order."""

from collections.abc import Iterator

import numpy as np

from maskscope.audit.checks.base import OUTPUT_DEPENDS, PROBABILITY_CHANGE, Check, failed, mutants
from maskscope.audit.probes.audit_probes import AuditProbes
from maskscope.audit.probes.changes import Change, LargestChange
from maskscope.audit.probes.padded_sample import PaddedSample, padded_sample
from maskscope.audit.probes.perturbed_weights import WEIGHTS
from maskscope.audit.report import Evidence, Finding
from maskscope.jobs import Job

_TOKENS = 96
"""Longer sentences are cut: padding affects their beginning as well."""
_ALONE = 6
"""Sentences that are run with padding in a batch of one."""
_ORDER = "another order of the batch"


def run(probes: AuditProbes, job: Job) -> Finding:
    """Run sentences without padding, in a padded batch, in that batch in another order, and some alone with padding.

    A model of fixed length is not run without padding.
    """
    runner = probes.runner
    sample = padded_sample(probes.context, tokens=_TOKENS)
    largest = LargestChange()
    tolerance = runner.tolerance
    steps = len(WEIGHTS) * (2 + len(_rows_to_run_alone(sample)))
    for done, _ in enumerate(_compare_batches(probes, sample, largest)):
        job.progress(done, steps, "BATCH")
    change = largest.exceeds(tolerance)
    if change is None:
        remark = ""
        if sample.fixed:
            remark = f" (none was run without padding: the model takes exactly {sample.x_btd.shape[1]} positions)"
        meaning = (
            f"{runner.place.capitalize()} gets the same {runner.output_name} alone, in a padded batch and in one of "
            f"another order{remark}."
        )
        return Finding("BATCH", "passed", meaning, largest.size, tolerance)
    meaning = (
        f"{runner.place.capitalize()}'s {runner.output_name} changes by {change.size:.2g} with {change.cause} (weights "
        f"{change.weights}), so the same sentence gets other predictions in another batch."
    )
    return failed("BATCH", probes, change, tolerance, meaning, _evidence(probes, sample, change))


def _rows_to_run_alone(sample: PaddedSample) -> list[int]:
    """The shortest sentence, the longest, and the first few."""
    by_length = np.argsort(sample.lengths, kind="stable")
    return sorted({int(by_length[0]), int(by_length[-1]), *range(min(_ALONE - 2, len(sample.lengths)))})


def _compare_batches(probes: AuditProbes, sample: PaddedSample, largest: LargestChange) -> Iterator[None]:
    """Compare the sentences' outputs in the batches; yields before each run."""
    runner, x_btd, mask_bt = probes.runner, sample.x_btd, sample.mask_bt
    order = np.random.default_rng(0).permutation(len(x_btd))
    for weights in WEIGHTS:
        with runner.with_weights(weights):
            yield
            outputs = runner.outputs(x_btd)
            yield
            reordered = np.empty_like(outputs)
            reordered[order] = runner.outputs(x_btd[order])
            for row, sentence in enumerate(sample.sentences):
                largest.compare(sentence, weights, _ORDER, outputs[row], reordered[row], mask_bt[row])
                length = sample.lengths[row]
                if runner.n_positions is None and length == int(probes.context.data.lengths[sentence]):
                    unpadded = runner.unpadded_outputs(sentence)
                    largest.compare(sentence, weights, "a padded batch", unpadded, outputs[row, sample.tokens(row)])
            for row in _rows_to_run_alone(sample):
                yield
                alone = runner.outputs(x_btd[row : row + 1])[0]
                cause = "the other sentences of its batch"
                largest.compare(sample.sentences[row], weights, cause, alone, outputs[row], mask_bt[row])


def _evidence(probes: AuditProbes, sample: PaddedSample, change: Change) -> Evidence:
    if len(change.before_tc) == int(probes.context.data.lengths[change.sentence]):
        return change.evidence("in order" if change.cause == _ORDER else "alone", "in the batch")
    return change.evidence("before", "after", sample.mask_bt[sample.sentences.index(change.sentence)])


CHECK = Check(
    "BATCH",
    "A sentence is run alone, with and without its padding, and in a batch, in two orders; the outputs at real tokens"
    " must not change.",
    OUTPUT_DEPENDS,
    PROBABILITY_CHANGE,
    mutants("M1 M2 M3 M4 M5 M6 M7 M8 M10 M12 X1"),
    run,
)
