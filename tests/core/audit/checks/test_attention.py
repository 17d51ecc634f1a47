"""Attention is sound; NaN at padding would spread, which CONTENT tells."""

from typing import Any

import pytest
from keras import layers

from tests.core.audit.small_models import build, head, masking, run

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
