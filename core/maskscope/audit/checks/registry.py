"""Every check of the audit, in the order of the report. A new check is its module and one line here."""

from maskscope.audit.checks import (
    batch,
    collisions,
    content,
    data,
    dtype,
    geometry,
    gradient,
    length,
    loss,
    metrics,
    reload,
    time_axis,
    trace,
    training,
    weights,
)
from maskscope.audit.checks.base import Check

CHECKS: dict[str, Check] = {
    check.name: check
    for check in (
        length.CHECK,
        batch.CHECK,
        content.CHECK,
        gradient.CHECK,
        loss.CHECK,
        weights.CHECK,
        training.CHECK,
        metrics.CHECK,
        trace.CHECK,
        collisions.CHECK,
        geometry.CHECK,
        time_axis.CHECK,
        dtype.CHECK,
        data.CHECK,
        reload.CHECK,
    )
}
"""By name."""


def rejected_by(model: str) -> frozenset[str]:
    """Names of the checks that must reject a model of the gallery; empty for a sound one."""
    return frozenset(check.name for check in CHECKS.values() if model in check.rejects)
