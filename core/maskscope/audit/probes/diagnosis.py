"""Which layer is to blame when padding counts, and what would repair it: by the mask, else by what layers give."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from maskscope.audit.probes.context import Subject
    from maskscope.keras_io.keras_graph import Visit

_NEAR, _NEAR_HALF = 1e-4, 1e-2
"""Relative change of a layer's outputs that rounding explains, in float32 and in 16 bits."""


class Cause(NamedTuple):
    """Why padding counts in a model.

    Attributes:
        layer: to blame; None when it is not known.
        advice: the smallest change that would repair it; "" when it is not known.
        repair: the mechanical repair that makes it, of `repair.REPAIRS`; None for none.
    """

    layer: str | None = None
    advice: str = ""
    repair: str | None = None


def cause_of(subject: "Subject") -> Cause:
    """As TRACE tells; where the mask reaches every layer, the first one that reads padded positions all the same."""
    found = subject.trace
    if isinstance(found, str):
        return Cause()
    if found.why:
        return Cause(found.culprit, found.advice, found.repair)
    name = _reader_of_padding(subject)
    if name is None:
        return Cause()
    return Cause(
        name,
        f"use another layer in place of {name}, which reads other positions, padded ones too: one that works position "
        "by position, such as LayerNormalization, or one that uses the mask",
    )


def _reader_of_padding(subject: "Subject") -> str | None:
    """The first layer that gives a real token other numbers in a padded batch than in its sentence alone."""
    from maskscope.keras_io import keras_graph

    sample = subject.small
    if sample.fixed:
        return None
    shortest = sorted(range(len(sample.lengths)), key=lambda row: sample.lengths[row])[:2]
    try:
        for row in shortest:
            alone = keras_graph.run(subject.model, (sample.x_btd[row : row + 1, : sample.lengths[row]],))
            for padded, own in zip(subject.run.visits, alone.visits, strict=True):
                if padded.kind != "operation" and _differ(padded, own, row, sample.lengths[row], subject.half):
                    return padded.name
    except Exception:  # noqa: BLE001 - a model of other people's making may raise anything at all
        return None
    return None


def _differ(padded: "Visit", own: "Visit", row: int, length: int, half: bool) -> bool:
    near = _NEAR_HALF if half else _NEAR
    for many, few in zip(padded.values, own.values, strict=True):
        positional = many.ndim == few.ndim == 3 and few.shape[1] == length <= many.shape[1]
        if positional and not np.allclose(many[row, :length], few[0], rtol=near, atol=near / 10):
            return True
    return False
