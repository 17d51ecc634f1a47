"""The sentences of a report that the command line and the window share."""

import pytest

from maskscope.audit.html.summary import after_repair
from maskscope.audit.report import AuditReport, Finding


@pytest.mark.parametrize(
    ("failed", "again"),
    [
        ({"TIME": "plain_dense"}, False),
        ({"TIME": "plain_dense", "LENGTH": "plain_dense"}, False),
        ({"TIME": "plain_dense", "TRAINING": None}, True),
        ({"LENGTH": "mask_input"}, True),
        ({"TIME": "plain_dense", "LENGTH": "carry_mask"}, True),
    ],
)
def test_a_repaired_model_is_to_be_trained_again_only_where_the_fault_affected_training(
    failed: dict[str, str | None], again: bool
) -> None:
    findings = tuple(Finding(check, "failed", "", repair=repair) for check, repair in failed.items())
    assert ("train it again" in after_repair(AuditReport("mine.keras", 1, (0,), findings))) is again


def test_training_that_is_named_but_not_measured_counts_as_affected() -> None:
    time = Finding("TIME", "failed", "", repair="plain_dense")
    named = Finding("TRAINING", "could not tell", "It normalizes each position by itself.", layer="time_distributed")
    unknown = Finding("LOSS", "could not tell", "The loss is code.")
    assert "train it again" in after_repair(AuditReport("mine.keras", 1, (0,), (time, named)))
    assert "train it again" not in after_repair(AuditReport("mine.keras", 1, (0,), (time, unknown)))
