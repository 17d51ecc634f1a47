"""What the report tells about each check besides its finding."""

from dataclasses import dataclass

from maskscope.audit.report import Finding


@dataclass(frozen=True, slots=True)
class Definition:
    """The definition of a check.

    Attributes:
        text: what is done, and what must hold; "" for an unknown check.
        fault: what is wrong with a model that fails, after "This model does not pass: ".
        measured: what its deviation is.
    """

    text: str
    fault: str
    measured: str = "largest deviation"


_OUTPUT_FAULT = "its outputs at real tokens depend on padding"
_TRAINING_FAULT = "padding affects its training"
_PROBABILITY = "largest change of a probability at a real token"

DEFINITIONS = {
    "LENGTH": Definition(
        "1, 7 and 64 padded positions are appended to a sentence; the outputs at real tokens must not change.",
        _OUTPUT_FAULT,
        _PROBABILITY,
    ),
    "BATCH": Definition(
        "A sentence is run alone, with and without its padding, and in a batch, in two orders; the outputs at real "
        "tokens must not change.",
        _OUTPUT_FAULT,
        _PROBABILITY,
    ),
    "CONTENT": Definition(
        "The mask is frozen, and padding is filled with random numbers (standard deviation 10), then with NaN; no "
        "output at a real token may change or become NaN.",
        _OUTPUT_FAULT,
        _PROBABILITY,
    ),
    "GRADIENT": Definition(
        "The gradient of the outputs at real tokens with respect to the padded input must be 0, both through the whole "
        "model and with the mask frozen.",
        _OUTPUT_FAULT,
        "largest gradient at a padded position",
    ),
    "LOSS": Definition(
        "Labels at padded positions are flipped, the loss is compared with its mean over real tokens, and 9 padded "
        "positions are appended; the loss must not change.",
        _TRAINING_FAULT,
        "largest relative change of the loss",
    ),
    "WEIGHTS": Definition(
        "The gradient of every weight over a padded batch must equal the gradient over the same sentences without "
        "padding.",
        _TRAINING_FAULT,
        "largest relative difference of a weight's gradient",
    ),
    "METRICS": Definition(
        "Labels at padded positions are flipped; a compiled metric that changes counts padding.",
        "its metrics count padding",
        "largest change of a metric",
    ),
    "TRACE": Definition(
        "The mask after every layer is compared with the mask from the lengths; the first layer that loses or alters "
        "it is named.",
        "its mask does not reach every layer that needs it",
    ),
    "COLLISIONS": Definition(
        "Real tokens, by the lengths, are counted whose embedding equals the mask value in the model's compute dtype; "
        "there must be none.",
        "it takes real tokens for padding",
        "real tokens that equal the mask value",
    ),
    "GEOMETRY": Definition(
        "Padding is put on the right, on the left, inside a sentence and in place of a whole sentence: left padding "
        "must give the same outputs as right padding, and every output must be finite. The finding also tells whether "
        "cuDNN could run the model.",
        "its outputs depend on where the padding is",
        _PROBABILITY,
    ),
    "TIME": Definition(
        "Batches of 9, 5, 12 and 9 positions, of 1 and of 8 sentences, are run one after another: each output must be "
        "as long as its input, and the compiled graph must give the same outputs as eager execution.",
        "it is not reliable on batches of different lengths",
        "largest difference between graph and eager execution",
    ),
    "DTYPE": Definition(
        "The mask of the input in the model's compute dtype must equal the mask of the same input in float64.",
        "its compute dtype makes it confuse tokens with padding",
        "positions at which the two masks differ",
    ),
    "DATA": Definition(
        "The array is compared with the lengths: integers instead of embeddings, truncated sentences, padding at the "
        "front, NaN and infinity.",
        "the data do not match the lengths",
    ),
    "RELOAD": Definition(
        "The model is saved and loaded again; its masks and outputs must not change.",
        "saving and loading changes it",
        "largest change of an output",
    ),
}
"""The definition of every check of the audit, by the check's name."""


def definition_of(finding: Finding) -> Definition:
    """The definition of the finding's check; for an unknown check, one that only names it."""
    return DEFINITIONS.get(finding.check) or Definition("", f"it does not pass {finding.check}")
