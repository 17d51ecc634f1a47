"""DTYPE: the type that the model computes in must not change which rows are masked."""

from typing import Any

import numpy as np

from maskscope.audit.checks.base import Check, mutants
from maskscope.audit.probes.audit_probes import AuditProbes
from maskscope.audit.probes.padded_sample import PaddedSample, padded_sample
from maskscope.audit.report import Evidence, Finding
from maskscope.jobs import Job
from maskscope.types import Mask


def run(probes: AuditProbes, job: Job) -> Finding:
    """Compare the mask of the Masking layer, which sees the input after a cast, with that of the same input in float64.

    The batch is the sample, padded with the context's padding and with the layer's mask_value, both in float32, as
    Keras takes them.
    """
    job.progress(0, 0, "DTYPE")
    from maskscope.keras_io import keras_graph

    layer = keras_graph.first_masking(probes.context.model)
    if layer is None:
        meaning = "The model has no Masking layer, so no cast can change what it masks."
        return Finding("DTYPE", "passed", meaning, matters=False)
    sample = padded_sample(probes.context)
    value = np.asarray(probes.context.mask_value, dtype=np.float32).astype(np.float64)
    x_btd = sample.x_btd.astype(np.float64)
    if value.size not in (1, x_btd.shape[2]):
        return Finding("DTYPE", "could not tell", f"{layer.name} masks rows of {value.size} numbers, not the input's.")
    by_value = x_btd.copy()
    by_value[~sample.tokens_bt] = value
    for batch in (x_btd, by_value):
        exact = (batch != value).any(axis=-1)
        found = keras_graph.masked_by(layer, batch)
        if (exact != found).any():
            return _failed(sample, layer, probes.context.mask_value_text, exact, found)
    meaning = f"In {layer.compute_dtype}, {layer.name} masks the same rows as in float64."
    return Finding("DTYPE", "passed", meaning, 0.0, 0.0)


def _failed(sample: PaddedSample, layer: Any, value: str, exact_bt: Mask, found_bt: Mask) -> Finding:
    """The finding for a layer whose mask (B, T) differs from the exact one."""
    kind, name = str(layer.compute_dtype), str(layer.name)
    wrong = exact_bt != found_bt
    row = int(wrong.sum(axis=1).argmax())
    position = int(wrong[row].argmax())
    count = int(wrong.sum())
    advice, repair = f"build {name} with dtype='float32'", None
    if found_bt[row, position]:
        fault = f"takes {count} padded rows of {value} for tokens, since {kind} does not hold {value} exactly"
        advice = f"give {name} a mask_value that {kind} holds exactly, such as 0 or a power of two, or {advice}"
        repair = "mask_input"
    else:
        # the type holds the mask value, so it is tokens that the cast changes, and another value would not help
        fault = f"takes {count} tokens for padding that differ from {value} in float64"
    rows = {"mask in float64": exact_bt[row], f"mask in {kind}": found_bt[row]}
    return Finding(
        "DTYPE",
        "failed",
        f"In {kind}, {name} {fault}, so its mask is not that of the data.",
        float(count),
        0.0,
        sample.sentences[row],
        position,
        name,
        advice,
        repair,
        Evidence.of(
            sample.sentences[row],
            sample.tokens_bt[row],
            [(label, "mask", mask.astype(float)) for label, mask in rows.items()],
            position,
        ),
    )


CHECK = Check(
    "DTYPE",
    "The mask of the input in the model's compute dtype must equal the mask of the same input in float64.",
    "its compute dtype makes it confuse tokens with padding",
    "positions at which the two masks differ",
    mutants("X3"),
    run,
)
