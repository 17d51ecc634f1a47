"""Sound models with ragged data pass, and mutants of them fail, as hypothesis draws them.

An audit takes seconds, nearly all of them for TensorFlow's tracing, so the default profile draws few examples, always
the same ones; `--hypothesis-profile thorough` draws some more.
"""

import pytest
from hypothesis import HealthCheck, example, given, settings

from tests.core.audit.drawn_recipes import mutants, sound
from tests.core.audit.recipes import FAULTY_LAYER, REJECTED_BY, Data, Recipe, Step, audited

pytestmark = pytest.mark.keras

SETTINGS = settings(derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
MANY_EXAMPLES = settings().max_examples > 20
"""Under the profile "thorough". An example is a whole audit here, some seconds each."""
WITHOUT_TRACING = ("TRACE", "COLLISIONS", "DTYPE", "DATA")
"""Checks that trace no function, so that they are quick."""


def not_passed(recipe: Recipe, *checks: str) -> list[str]:
    report = audited(recipe, *[checks] if checks else [])
    return [f"{finding.check}: {finding.meaning}" for finding in report.findings if finding.verdict != "passed"]


def test_no_check_fails_a_sound_model_with_large_numbers_in_bfloat16() -> None:
    recipe = Recipe(policy="bfloat16", head="linear", weights="large", data=Data((3, 40), size=1e3))
    assert not not_passed(recipe)


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(
            dim=16,
            units=32,
            policy="mixed_bfloat16",
            steps=(Step("SimpleRNN", "concat"), Step("PReLU")),
            head="linear",
            weights="trained",
            data=Data((3, 12, 7)),
        ),
        Recipe(
            dim=2,
            units=1,
            policy="mixed_bfloat16",
            steps=(Step("PReLU"), Step("SimpleRNN", "ave"), Step("residual")),
            head="linear",
            outputs=3,
            full_head=True,
            weights="trained",
            data=Data((3, 10, 213), dtype="float16", seed=111),
            seed=800,
        ),
        # outputs of 0 and 1, for which a rounding before the last layer counts a hundredfold
        Recipe(
            dim=7,
            units=8,
            policy="bfloat16",
            value=0.5,
            steps=(Step("SimpleRNN", "concat"), Step("UnitNormalization"), Step("joined")),
            outputs=3,
            full_head=True,
            weights="saturated",
            data=Data((11, 11), seed=683),
            seed=1,
        ),
    ],
)
def test_graph_mode_may_round_16_bits_otherwise_than_eager_mode(recipe: Recipe) -> None:
    assert not not_passed(recipe, "TIME")


def test_a_gradient_whose_terms_cancel_out_is_no_fault_of_padding() -> None:
    recipe = Recipe(dim=1, steps=(Step("SimpleRNN", "mul"),), data=Data((1, 1, 1), size=0.001), seed=805)
    assert not not_passed(recipe, "TRAINING")


@pytest.mark.slow
@settings(SETTINGS, max_examples=10 if MANY_EXAMPLES else 6)
@given(sound(depths=(1,), cells=("SimpleRNN",)))
def test_no_check_fails_a_sound_model(recipe: Recipe) -> None:
    assert not not_passed(recipe)


@settings(SETTINGS, max_examples=12 if MANY_EXAMPLES else 4)
@given(sound())
def test_the_mask_of_a_sound_model_is_traced_to_its_loss(recipe: Recipe) -> None:
    assert not not_passed(recipe, *WITHOUT_TRACING)


@settings(SETTINGS, max_examples=12 if MANY_EXAMPLES else 4)
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
