"""GEOMETRY: padding on the left, in the middle, and rows that are nothing but padding."""

from typing import TYPE_CHECKING, Any

import numpy as np

from maskscope.audit.probes.changes import Largest, blamed
from maskscope.audit.probes.context import Subject
from maskscope.audit.probes.padded_sample import padded_sample
from maskscope.audit.probes.perturbed_weights import WEIGHTS
from maskscope.audit.report import Finding
from maskscope.jobs import Job
from maskscope.types import Floats

if TYPE_CHECKING:
    from maskscope.keras_io.keras_model import KerasModel

_SENTENCES, _TOKENS = 8, 24
_GAP = 2


def check(subject: Subject, job: Job) -> Finding:
    """A batch padded right against the same padded left; finite numbers also with gaps and in fully padded rows.

    One row of each batch is nothing but padding, which must not disturb the others. Gaps within a sentence need only
    give numbers. Says, too, whether cuDNN could run the model's LSTM and GRU layers. Once with the weights as given
    and once with moved biases.
    """
    bench = subject.bench
    sample = padded_sample(subject, _SENTENCES, _TOKENS)
    n_positions = sample.x_btd.shape[1]
    empty: Floats = np.full((1, *sample.x_btd.shape[1:]), subject.padding, dtype=np.float32)
    left = np.stack(
        [np.roll(row, n_positions - length, axis=0) for row, length in zip(sample.x_btd, sample.lengths, strict=True)]
    )
    right, left = np.concatenate([sample.x_btd, empty]), np.concatenate([left, empty])
    largest = Largest()
    tolerance = bench.tolerance
    no_number = ""
    for done, weights in enumerate(WEIGHTS):
        job.progress(done, len(WEIGHTS), "GEOMETRY")
        with bench.moved(weights):
            by_right, by_left = bench.printed(right), bench.printed(left)
            for row, (sentence, length) in enumerate(zip(sample.sentences, sample.lengths, strict=True)):
                moved = by_left[row, n_positions - length :]
                mask_t = sample.mask_bt[row, :length]
                largest.look(sentence, weights, "padding on the left", by_right[row, :length], moved, mask_t)
            batches = [("in a row of nothing but padding", by_right[-1]), ("with padding on the left", by_left)]
            if bench.n_positions is None:
                batches.append(("with a gap in the sentence", bench.printed(_with_gap(right, subject.padding))))
            for what, printed in batches:
                if not np.isfinite(printed).all():
                    no_number = no_number or what
    cudnn = _cudnn_words(subject.model)
    if no_number:
        return Finding(
            "GEOMETRY",
            "failed",
            f"The model prints what is no number {no_number}; one such row spoils the loss of its whole batch.",
            float("inf"),
            tolerance,
            largest.seen.sentence if largest.seen is not None and largest.size > tolerance else None,
            layer=_pooling(subject.model) or subject.cause[0],
            advice="leave empty sentences out, or divide by at least 1 where a mean over the real tokens is taken",
        )
    if largest.seen is None or largest.size <= tolerance:
        return Finding(
            "GEOMETRY",
            "passed",
            f"Padding on the left gives what padding on the right does; rows of padding alone give numbers.{cudnn}",
            largest.size,
            tolerance,
        )
    seen = largest.seen
    return blamed(
        "GEOMETRY",
        subject,
        seen,
        tolerance,
        f"With padding on the left instead of the right a real token's {bench.what} changes by {seen.size:.2g} "
        f"(weights {seen.weights}), so it matters where padding stands.",
        seen.evidence("padded right", "padded left"),
        "pad on the right, always",
    )


def _with_gap(x_btd: Floats, padding: float) -> Floats:
    middle = x_btd.shape[1] // 2
    gap: Floats = np.full((len(x_btd), _GAP, x_btd.shape[2]), padding, dtype=np.float32)
    return np.concatenate([x_btd[:, :middle], gap, x_btd[:, middle:]], axis=1)


def _pooling(model: "KerasModel") -> str | None:
    from maskscope.keras_io import keras_graph

    names = [str(each.name) for each in keras_graph.every_layer(model) if "Pooling" in type(each).__name__]
    return names[0] if names else None


def _cudnn_words(model: "KerasModel") -> str:
    """Whether a GPU's cuDNN could run the recurrent layers (AUDIT.md, fact 10): one sentence with a space before it."""
    import keras

    from maskscope.keras_io import keras_graph

    found = [each for each in keras_graph.every_layer(model) if isinstance(each, keras.layers.LSTM | keras.layers.GRU)]
    if not found:
        return ""
    reasons = dict.fromkeys(reason for each in found if (reason := _why_no_cudnn(each)))
    if reasons:
        return f" On a GPU cuDNN would not run it: {', '.join(reasons)}."
    return " On a GPU cuDNN could run it, as long as padding stands on the right and no row is empty."


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
