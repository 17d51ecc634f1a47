"""Diagnosis of a model in which padding counts: the faulty layer, and what would repair it."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from maskscope.audit.probes.context import AuditContext
from maskscope.audit.probes.padded_sample import PaddedSample

if TYPE_CHECKING:
    from maskscope.keras_io.recorded_run import Run, Visit

_TOLERANCE, _HALF_TOLERANCE = 1e-4, 1e-2
"""Relative change of a layer's outputs that rounding explains, in float32 and in 16 bits."""


class Diagnosis(NamedTuple):
    """Why padding counts in a model.

    Attributes:
        layer: name of the faulty layer; None when it is not known.
        advice: the smallest change that would repair the model; "" when it is not known.
        repair: name of the mechanical repair that makes it, of `repair.REPAIRS`; None for none.
    """

    layer: str | None = None
    advice: str = ""
    repair: str | None = None


def diagnose(context: AuditContext, sample: PaddedSample, padded: "Run") -> Diagnosis:
    """For a model whose trace finds no fault: the first layer that reads padded positions although it has the mask.

    Args:
        context: what is audited.
        sample: sentences that the model was run on.
        padded: the run of that batch.
    """
    name = _reader_of_padding(context, sample, padded)
    if name is None:
        return Diagnosis()
    return Diagnosis(
        name,
        f"replace {name}, which reads other positions, padded ones too, with a layer that works position by position, "
        "such as LayerNormalization, or one that uses the mask",
    )


def _reader_of_padding(context: AuditContext, sample: PaddedSample, padded: "Run") -> str | None:
    """The first layer that gives a real token other outputs in a padded batch than in its sentence alone."""
    from maskscope.keras_io import recorded_run

    if sample.fixed:
        return None
    shortest = sorted(range(len(sample.lengths)), key=lambda row: sample.lengths[row])[:2]
    tolerance = _HALF_TOLERANCE if context.half else _TOLERANCE
    try:
        for row in shortest:
            tokens = sample.tokens(row)
            unpadded = recorded_run.run(context.model, (sample.x_btd[row : row + 1, tokens],))
            for one, other in zip(padded.visits, unpadded.visits, strict=True):
                if one.kind != "operation" and _differ(one, other, row, tokens, tolerance):
                    return one.name
    except Exception:  # noqa: BLE001 - the layers' code may be from anyone and raise anything
        return None
    return None


def _differ(padded: "Visit", unpadded: "Visit", row: int, tokens: slice, tolerance: float) -> bool:
    """Whether a layer's outputs for the tokens of a row differ in the two runs."""
    for many, few in zip(padded.values, unpadded.values, strict=True):
        positional = many.ndim == few.ndim == 3 and few.shape[1] == tokens.stop - tokens.start <= many.shape[1]
        if positional and not np.allclose(many[row, tokens], few[0], rtol=tolerance, atol=tolerance / 10):
            return True
    return False
