"""DTYPE: the type that the model computes in must not change which rows are masked."""

import numpy as np

from maskscope import masks
from maskscope.audit.probes.context import Subject
from maskscope.audit.probes.padded_sample import padded_sample
from maskscope.audit.report import Evidence, Finding
from maskscope.jobs import Job


def check(subject: Subject, job: Job) -> Finding:
    """The mask of the input as the Masking layer sees it, after the cast, against that of the numbers in float64.

    The batch is the sample, padded with the subject's padding and, if it is another, with the layer's mask_value.
    """
    job.progress(0, 0, "DTYPE")
    from maskscope.keras_io import keras_graph

    layer = keras_graph.first_masking(subject.model)
    if layer is None:
        return Finding("DTYPE", "passed", "The model has no Masking layer, so no cast can change what it masks.")
    sample = padded_sample(subject)
    value, kind = float(layer.mask_value), str(layer.compute_dtype)
    x_btd = sample.x_btd.astype(np.float64)
    padding = ~masks.mask_from_lengths(sample.lengths, x_btd.shape[1])
    by_value = x_btd.copy()
    by_value[padding] = value
    for batch in (x_btd, by_value):
        wanted = (batch != value).any(axis=-1)
        found = keras_graph.masked_by(layer, batch)
        if (wanted == found).all():
            continue
        wrong = wanted != found
        row = int(wrong.sum(axis=1).argmax())
        position = int(wrong[row].argmax())
        count = int(wrong.sum())
        what = (
            f"takes {count} padded rows of {value:g} for tokens: {value:g} can't be told from its neighbours in {kind}"
            if found[row, position]
            else f"takes {count} tokens for padding that float64 tells from {value:g}"
        )
        # a value that the type holds is no better replaced by another: then it is tokens that the cast changes
        advice, repair = f"build {layer.name} with dtype='float32'", None
        if found[row, position]:
            advice = (
                f"give {layer.name} a mask_value that {kind} holds exactly, such as 0 or a power of two, or {advice}"
            )
            repair = "mask_input"
        return Finding(
            "DTYPE",
            "failed",
            f"In {kind} {layer.name} {what}, so the mask is another than the data's.",
            float(count),
            0.0,
            sample.sentences[row],
            position,
            str(layer.name),
            advice,
            repair,
            evidence=Evidence.of(
                sample.sentences[row],
                ~padding[row],
                [
                    ("mask in float64", "mask", wanted[row].astype(float)),
                    (f"mask in {kind}", "mask", found[row].astype(float)),
                ],
                position,
            ),
        )
    return Finding("DTYPE", "passed", f"In {kind} {layer.name} masks the rows that it would mask in float64.", 0.0, 0.0)
