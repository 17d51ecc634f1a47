"""No false alarms and no false comfort: sound models with ragged data, and mutants of them, as hypothesis draws them.

An audit takes seconds, nearly all of them TensorFlow's tracing, so there are few examples here, always the same ones
and of small models. To look for more, run the same strategies with other settings by hand.
"""

import pytest
from audit_models import FAULTY_LAYER, REJECTED_BY, Data, Recipe, Step, audited, mutants, sound
from hypothesis import HealthCheck, example, given, settings

pytestmark = pytest.mark.keras

SETTINGS = settings(derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
WITHOUT_TRACING = ("TRACE", "COLLISIONS", "DTYPE", "DATA")
"""Checks that make no function of TensorFlow's, and are as quick as they are."""


def troubles(recipe: Recipe, *checks: str) -> list[str]:
    report = audited(recipe, *[checks] if checks else [])
    return [f"{finding.check}: {finding.meaning}" for finding in report.findings if finding.verdict != "passed"]


@settings(SETTINGS, max_examples=1)
@example(Recipe(policy="bfloat16", head="linear", weights="large", data=Data((3, 40), size=1e3)))
@given(sound(depths=(1,), cells=("SimpleRNN",)))
def test_no_check_fails_a_sound_model(recipe: Recipe) -> None:
    assert not troubles(recipe)


@settings(SETTINGS, max_examples=4)
@given(sound())
def test_the_mask_of_a_sound_model_is_traced_to_its_loss(recipe: Recipe) -> None:
    assert not troubles(recipe, *WITHOUT_TRACING)


@settings(SETTINGS, max_examples=5)
@example(Recipe(mutation="go_backwards", steps=(Step("SimpleRNN", "plain"),)))
@given(mutants(cells=("SimpleRNN", "GRU")))
def test_a_sound_model_with_one_mutation_fails_and_the_layer_is_named(recipe: Recipe) -> None:
    check = REJECTED_BY[recipe.mutation]
    (found,) = audited(recipe, (check,)).findings
    assert found.verdict == "failed", found.meaning
    if check == "TRACE":
        assert str(found.layer).startswith(FAULTY_LAYER.get(recipe.mutation, ""))
    if check == "TIME":
        assert str(found.layer).startswith("time_distributed")
