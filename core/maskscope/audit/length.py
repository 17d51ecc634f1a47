"""LENGTH: append padded positions; what the model prints at real tokens must stay."""

import numpy as np

from maskscope.audit.moved import moved_biases
from maskscope.audit.report import Finding
from maskscope.audit.subject import Subject
from maskscope.jobs import Job
from maskscope.types import Floats

PADDING = (1, 7, 64)


def check(subject: Subject, job: Job) -> Finding:
    """Compare each sentence alone with itself and 1, 7, 64 zero rows behind it, in graph mode.

    Once with the weights as given and once with the biases moved by N(0, 0.5): AUDIT.md, fact 11.
    """
    model = subject.model
    if not subject.sample:
        return Finding("LENGTH", "could not tell", "There is no sentence with a token to run the model on.")
    shape = model.input_shape
    if not isinstance(shape, tuple) or len(shape) != 3 or shape[1] is not None:
        return Finding(
            "LENGTH",
            "could not tell",
            f"The model takes inputs of shape {shape}, so no position can be added; build it with (None, dim).",
        )
    worst, where = 0.0, (subject.sample[0], 0, 0, "as given")
    steps = 2 * len(subject.sample)
    done = 0
    try:
        forward = _graph(subject)
        for weights in ("as given", "with moved biases"):
            with moved_biases(model, weights != "as given"):
                for sentence in subject.sample:
                    rows = subject.data.rows(sentence)
                    alone = forward(rows)
                    for k in PADDING:
                        padded = np.concatenate([rows, np.zeros((k, rows.shape[1]), dtype=np.float32)])
                        change = np.abs(forward(padded)[: len(rows)] - alone).max(axis=1)
                        # a NaN is no small change
                        change = np.where(np.isfinite(change), change, np.inf)
                        if change.max() > worst:
                            worst, where = float(change.max()), (sentence, int(change.argmax()), k, weights)
                    done += 1
                    job.progress(done, steps, "LENGTH")
    except _Unrunnable as error:
        return Finding("LENGTH", "could not tell", str(error))
    sentence, position, k, weights = where
    if worst <= subject.tolerance:
        return Finding(
            "LENGTH",
            "passed",
            f"Adding {', '.join(map(str, PADDING))} padded positions moves no probability of a real token.",
            worst,
            subject.tolerance,
        )
    if subject.mask_value is None:
        why = "the model has no Masking layer, so it reads padding as tokens"
    elif subject.mask_value != 0:
        why = f"its Masking layer masks {subject.mask_value:g}, but padding is 0"
    else:
        why = "some layer does not use the mask"
    return Finding(
        "LENGTH",
        "failed",
        f"Adding {k} padded position{'s' if k > 1 else ''} moves a real token's probability by {worst:.2g} "
        f"(weights {weights}): {why}.",
        worst,
        subject.tolerance,
        sentence,
        position,
    )


class _Unrunnable(Exception):  # noqa: N818 - never leaves this module
    """The model can't be run on a sentence; the message says why."""


class _graph:  # noqa: N801 - used as a function
    """The model on one sentence: rows (T, D) -> what it prints (T, C)."""

    def __init__(self, subject: Subject) -> None:
        from maskscope.tagger import keras_model

        self._forward = keras_model.graph(subject.model, subject.data.rows(subject.sample[0]).shape[1])

    def __call__(self, rows: Floats) -> Floats:
        try:
            printed: Floats = np.asarray(self._forward(rows[None]), dtype=np.float32)
        except Exception as error:
            # a model of other people's making may raise anything at all
            words = " ".join(str(error).split())[:200]
            raise _Unrunnable(
                f"The model does not run on {len(rows)} positions ({type(error).__name__}: {words})."
            ) from error
        if printed.ndim != 3 or printed.shape[:2] != (1, len(rows)):
            raise _Unrunnable(
                f"The model prints {printed.shape} for {len(rows)} positions, not one prediction a position."
            )
        own: Floats = printed[0]
        return own
