"""COLLISIONS, DATA and DTYPE: the sentences against their lengths, the mask value, and the compute type."""

from collections.abc import Callable

import keras
import numpy as np
import pytest

from maskscope.audit import Finding, audit_model
from maskscope.types import Floats
from tests.core.audit.small_models import DIM, LENGTHS, build, head, masking, padded

pytestmark = pytest.mark.keras


def sound() -> keras.Model:
    return build(lambda x: head(masking()(x)))


def run(check: str, x: np.ndarray, lengths: np.ndarray | None, model: keras.Model | None = None) -> Finding:
    (found,) = audit_model(model or sound(), x, lengths, checks=(check,)).findings
    return found


def test_a_token_that_the_masking_layers_own_type_rounds_to_zero_is_a_collision() -> None:
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = sound()
    finally:
        keras.config.set_dtype_policy(policy)
    x = padded()
    x[2, 3] = 1e-9
    collisions, dtype = audit_model(model, x, LENGTHS, checks=("COLLISIONS", "DTYPE")).findings
    assert (collisions.verdict, collisions.sentence, collisions.position) == ("failed", 2, 3)
    assert (dtype.verdict, dtype.sentence, dtype.position) == ("failed", 2, 3)
    # float16 represents 0 exactly, so another mask_value would not help
    assert dtype.advice.endswith("with dtype='float32'")
    assert "mask_value" not in dtype.advice


def test_a_zero_row_in_a_sentence_is_a_collision() -> None:
    x = padded()
    x[2, 3] = 0
    found = run("COLLISIONS", x, LENGTHS)
    assert (found.verdict, found.sentence, found.position) == ("failed", 2, 3)
    assert "1 real token equals the mask value 0" in found.meaning
    assert "-5 is free in this data" in found.advice
    assert run("COLLISIONS", x, None).verdict == "failed"
    x[2, 4] = 0
    assert "2 real tokens in 1 sentence equal" in run("COLLISIONS", x, LENGTHS).meaning
    # without lengths, the zero rows at the end can't be distinguished from padding
    assert run("COLLISIONS", x, None).verdict == "could not tell"
    assert run("DATA", x, None).verdict == "could not tell"


def front_padded(x: Floats) -> Floats:
    return np.stack([np.roll(row, 6 - n, axis=0) for row, n in zip(x, LENGTHS, strict=True)])


@pytest.mark.parametrize(
    ("change", "lengths", "meaning"),
    [
        (lambda x: x.astype(np.int32), LENGTHS, "whole numbers (int32)"),
        (lambda x: x[:, :4], LENGTHS, "it was cut"),
        (lambda x: np.where(x == 0, np.nan, x), LENGTHS, "A padded position holds NaN or infinity"),
        (lambda x: np.where(np.arange(6)[:, None] == 0, np.nan, x), LENGTHS, "A row holds NaN or infinity"),
        (lambda x: x, LENGTHS - 1, "numbers after its end"),
    ],
)
def test_data_rejects_arrays_that_are_not_what_the_lengths_say(
    change: Callable[[Floats], np.ndarray], lengths: np.ndarray | None, meaning: str
) -> None:
    found = run("DATA", change(padded()), lengths)
    assert found.verdict == "failed"
    assert meaning in found.meaning


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_data_finds_padding_in_front_of_the_tokens(value: float) -> None:
    x = front_padded(padded())
    x[(x == 0).all(axis=2)] = value
    found = run("DATA", x, LENGTHS)
    assert (found.verdict, found.meaning) == (
        "passed",
        f"The array holds finite numbers, and nothing but {value:g} before each sentence.",
    )
    # the lengths can be inferred from such padding, but not compared with it
    report = audit_model(sound(), x, None, checks=("DATA",))
    assert report.verdict == "could not tell"
    assert (report.about.padding, report.about.padding_side, report.about.lengths_from) == (value, "front", "inferred")


def test_data_can_not_tell_padding_that_varies_from_tokens() -> None:
    x = padded()
    x[(x == 0).all(axis=2)] = np.random.default_rng(1).normal(size=(x.shape[0] * x.shape[1] - LENGTHS.sum(), DIM))
    report = audit_model(sound(), x, LENGTHS, checks=("DATA",))
    assert report.verdict == "could not tell"
    assert report.about.padding is None
    assert report.about.padding_text == "rows that vary"


@pytest.mark.parametrize("value", [-0.1, 1e-9])
def test_a_mask_value_that_float32_rounds_masks_padding_that_is_rounded_alike(value: float) -> None:
    model = build(lambda x: head(keras.layers.Masking(value)(x)))
    x = np.where((padded() == 0).all(axis=2, keepdims=True), value, padded())
    for array in (x, x.astype(np.float32)):
        found = audit_model(model, array, LENGTHS, checks=("DTYPE", "COLLISIONS", "DATA", "LENGTH")).findings
        assert [each.verdict for each in found] == ["passed"] * 4, found
    x[2, 3] = value
    assert run("COLLISIONS", x, LENGTHS, model).verdict == "failed"


def test_a_mask_value_of_one_number_for_each_of_a_tokens_is_told_in_words() -> None:
    row = [0.5, -1.0, 2.0, 3.0]
    model = build(lambda x: head(keras.layers.Masking(row)(x)))
    x = np.where((padded() == 0).all(axis=2, keepdims=True), row, padded()).astype(np.float32)
    assert run("DTYPE", x, LENGTHS, model).verdict == "passed"
    x[2, 3] = row
    found = run("COLLISIONS", x, LENGTHS, model)
    assert (found.verdict, found.sentence, found.position) == ("failed", 2, 3)
    assert "the mask value one row of 4 numbers" in found.meaning
