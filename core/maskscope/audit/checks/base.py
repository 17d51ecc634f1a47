"""What a check is."""

from collections.abc import Callable
from dataclasses import dataclass

from maskscope.audit.probes.audit_probes import AuditProbes
from maskscope.audit.probes.changes import Change
from maskscope.audit.report import Evidence, Finding
from maskscope.jobs import Job

SAME_MASK = frozenset({"plain_dense"})
"""Repairs that change no mask. The others hang on what padded positions hold, and are not offered on a guess."""

OUTPUT_DEPENDS = "its outputs at real tokens depend on padding"
TRAINING_DEPENDS = "padding affects its training"
PROBABILITY_CHANGE = "largest change of a probability at a real token"


@dataclass(frozen=True, slots=True)
class Check:
    """A check of the audit, as docs/audit.md, the report page and the gallery's test show it.

    Attributes:
        name: in capitals.
        definition: one sentence: what is done, and what must hold.
        fault: what is wrong with a model that fails, after "This model does not pass: ".
        measured: what the deviation of its finding is; "" where it has none.
        rejects: names of the mutants of the gallery that it must reject.
        run: makes the check and returns its finding. Raises Unrunnable or ModelError where it can't be made.
        needs_sample: whether it runs the model on sentences.
    """

    name: str
    definition: str
    fault: str
    measured: str
    rejects: frozenset[str]
    run: Callable[[AuditProbes, Job], Finding]
    needs_sample: bool = True


def mutants(names: str) -> frozenset[str]:
    """A set of names, separated by spaces."""
    return frozenset(names.split())


def failed(
    check: str,
    probes: AuditProbes,
    change: Change,
    tolerance: float,
    meaning: str,
    evidence: Evidence,
    advice: str = "",
) -> Finding:
    """The finding of a check that has measured too large a change, with the faulty layer.

    Args:
        check: its name.
        probes: for the diagnosis.
        change: what was measured.
        tolerance: the largest change allowed.
        meaning: one sentence: what was measured, and what that means for the user.
        evidence: the outputs, for a picture.
        advice: what would repair the model where no faulty layer is known.
    """
    diagnosis = probes.diagnosis
    return Finding(
        check,
        "failed",
        meaning,
        change.size,
        tolerance,
        change.sentence,
        # the output of a sentence has no position
        None if probes.runner.per_sentence else change.position,
        diagnosis.layer,
        diagnosis.advice or advice,
        diagnosis.repair,
        evidence,
    )
