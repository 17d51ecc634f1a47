"""What the report says about each check in addition to its finding."""

from dataclasses import dataclass

from maskscope.audit.checks.registry import CHECKS
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


def definition_of(finding: Finding) -> Definition:
    """The definition of the finding's check; for an unknown check, one that only names it."""
    check = CHECKS.get(finding.check)
    if check is None:
        return Definition("", f"it does not pass {finding.check}")
    return Definition(check.definition, check.fault, check.measured or "largest deviation")
