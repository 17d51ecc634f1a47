"""What the padding that sentences really have changes: a sentence alone against the same in a padded batch."""

from maskscope.audit.probes.changes import LargestChange
from maskscope.audit.probes.model_runner import ModelRunner
from maskscope.audit.probes.padded_sample import padded_sample
from maskscope.audit.probes.perturbed_weights import WEIGHTS

_SENTENCES, _TOKENS = 8, 24
_MORE = (0, 7)
"""Padded positions that are added to the batch."""


def change_by_own_padding(runner: ModelRunner) -> LargestChange:
    """Compare a few sentences alone with the same in a padded batch, and in one with 7 more padded positions.

    Raises Unrunnable for a model of fixed length, which can't be run on a sentence alone.
    """
    runner.require_free_length()
    sample = padded_sample(runner.context, _SENTENCES, _TOKENS)
    largest = LargestChange()
    for weights in WEIGHTS:
        with runner.with_weights(weights):
            alone = [runner.outputs(sample.x_btd[[row], sample.tokens(row)])[0] for row in range(len(sample.lengths))]
            for more in _MORE:
                outputs = runner.outputs(sample.padding.add(sample.x_btd, more))
                for row, own in enumerate(alone):
                    tokens = sample.padding.tokens(sample.lengths[row], outputs.shape[1])
                    mask_t = sample.mask_bt[row, sample.tokens(row)]
                    cause = "its padding"
                    largest.compare(sample.sentences[row], weights, cause, own, outputs[row, tokens], mask_t)
    return largest
