"""Attention is sound; NaN at padding would spread, which CONTENT tells."""

from typing import Any

import pytest
from keras import layers, ops

from tests.core.audit.small_models import build, head, masking, probes_of, run

pytestmark = [pytest.mark.keras, pytest.mark.filterwarnings("ignore:Layer .*mask:UserWarning")]


def test_weights_and_trace_pass_though_the_gradient_of_the_keys_bias_is_all_rounding() -> None:
    def recipe(x: Any) -> Any:
        hidden = masking()(x)
        return head(layers.MultiHeadAttention(2, 3, name="attention")(hidden, hidden))

    model = build(recipe)
    for check in ("WEIGHTS", "TRACE"):
        found = run(check, model)
        assert found.verdict == "passed", found.meaning


def test_content_passes_and_tells_that_nan_at_padding_would_spread() -> None:
    def recipe(x: Any) -> Any:
        hidden = masking()(x)
        return head(layers.Attention()([hidden, hidden]))

    found = run("CONTENT", build(recipe))
    assert found.verdict == "passed"
    assert "NaN there would" in found.meaning


@pytest.mark.parametrize("given", ["causal", "one row a sentence", "pairs"])
def test_an_attention_mask_given_by_hand_is_not_replaced_by_the_frozen_mask(given: str) -> None:
    def recipe(x: Any) -> Any:
        real = ops.any(ops.not_equal(x, 0.0), axis=-1)
        pairs = {"one row a sentence": ops.expand_dims(real, 1)}
        pairs["pairs"] = ops.logical_and(ops.expand_dims(real, 1), ops.expand_dims(real, 2))
        keywords = {"use_causal_mask": True} if given == "causal" else {"attention_mask": pairs[given]}
        hidden = masking()(x)
        return head(layers.MultiHeadAttention(1, 3)(hidden, hidden, **keywords))

    probes = probes_of(build(recipe))
    for check in ("CONTENT", "GRADIENT"):
        found = run(check, probes)
        assert found.verdict == "passed", found.meaning
