"""How the window names engines, outputs and classes."""

import pytest

from maskscope_gui.session.model_text import short_reason

LISTED = "expected Masking, LSTM, GRU, SimpleRNN, Dense"


@pytest.mark.parametrize(
    ("reason", "short"),
    [
        (f"has another activation in layer 'dense'; {LISTED}; received 'squareplus'", "('squareplus')"),
        (f"computes layer 'lstm' in another type; {LISTED}; received mixed_bfloat16", "(mixed_bfloat16)"),
        ("has a second input 'casing'; expected one input of embeddings; received two", "second input 'casing'"),
        (f"computes with Sigmoid 'sigmoid' outside its layers; {LISTED}; received Sigmoid", "outside its layers"),
        (f"holds layer 'multi_head_attention', which it lacks; {LISTED}; received MultiHeadAttention", "it lacks"),
        ("holds a layer of a very long list; expected Masking, LSTM, GR…", "holds a layer of a very long list"),
        ("was asked to", "was asked to"),
    ],
)
def test_a_reason_keeps_what_was_found_and_drops_what_would_have_been_right(reason: str, short: str) -> None:
    assert short_reason(reason).endswith(short)
    assert LISTED not in short_reason(reason)
