"""GEOMETRY: a model that needs its padding on one side passes where the data have it there, and fails elsewhere."""

import numpy as np
import pytest
from keras import layers

from maskscope.types import Floats
from tests.core.audit.small_models import LENGTHS, autoencoder, build, head, padded, rnn, run

pytestmark = pytest.mark.keras


def in_front(x: Floats) -> Floats:
    return np.stack([np.roll(row, len(row) - n, axis=0) for row, n in zip(x, LENGTHS, strict=True)])


@pytest.mark.parametrize("n_positions", [None, 6])
def test_the_side_where_the_data_are_padded_decides(n_positions: int | None) -> None:
    # without a mask a forward RNN has seen no padding yet, as long as it comes behind
    model = build(lambda x: head(rnn()(x)), n_positions)
    found = run("GEOMETRY", model)
    assert found.verdict == "passed"
    assert "behind the tokens, where these data have it, changes nothing" in found.meaning
    assert "always pad behind the tokens" in found.meaning
    found = run("GEOMETRY", model, in_front(padded()))
    assert found.verdict == "failed"
    assert "With padding behind the tokens instead of in front of them" in found.meaning


def test_of_a_fixed_number_of_positions_only_what_padding_holds_can_be_varied() -> None:
    found = run("GEOMETRY", autoencoder(False))
    assert found.verdict == "passed"
    assert found.meaning.startswith(
        "What is at padded positions behind the tokens, where these data have them, changes"
    )


def test_nan_in_a_row_of_padding_is_a_fault_on_either_side() -> None:
    model = build(lambda x: head(layers.Lambda(lambda h: h / h)(x)))
    for x in (padded(), in_front(padded())):
        found = run("GEOMETRY", model, x)
        assert found.verdict == "failed"
        assert "in a row of nothing but padding" in found.meaning


def test_padding_of_nan_is_to_be_a_number() -> None:
    x = np.where(np.arange(6)[None, :, None] < LENGTHS[:, None, None], padded(), np.nan)
    found = run("GEOMETRY", build(lambda x: head(rnn()(x))), x.astype(np.float32))
    assert (found.verdict, found.advice) == ("failed", "pad with a number, not with nan")
