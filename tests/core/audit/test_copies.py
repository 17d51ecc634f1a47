"""Models that can't be run on any sentence as they are: the checks run a copy, and TIME the model itself."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from maskscope.audit import AuditReport, audit_arrays, audit_model, model_graph
from maskscope.errors import ModelError
from tests.core.audit.small_models import DIM, LENGTHS, autoencoder, build, head, masking, padded, rnn, run

pytestmark = pytest.mark.keras

CHECKS = ("LENGTH", "LOSS", "TRACE", "TIME", "RELOAD")


def stirred(model: keras.Model) -> keras.Model:
    """With biases off zero, as after some training."""
    rng = np.random.default_rng(0)
    model.set_weights([each + rng.normal(0, 0.3, each.shape) for each in model.get_weights()])
    return model


def verdicts(report: AuditReport) -> dict[str, str]:
    return {finding.check: finding.verdict for finding in report.findings}


def fixed(masked: bool) -> keras.Model:
    """For 6 positions, with TimeDistributed, which Keras runs rightly at that length."""
    dense = layers.Dense(1, "sigmoid")
    return stirred(build(lambda x: layers.TimeDistributed(dense)(rnn()(masking()(x) if masked else x)), 6))


def two_inputs() -> keras.Model:
    """A token's numbers come in two parts, and a mask is made of both."""
    one, other = keras.Input((None, 1), name="one"), keras.Input((None, DIM - 1), name="other")
    return stirred(keras.Model([one, other], head(rnn()(masking()(layers.Concatenate()([one, other]))))))


def stateful() -> keras.Model:
    inputs = keras.Input(batch_shape=(2, None, DIM))
    return stirred(
        keras.Model(inputs, head(layers.SimpleRNN(3, return_sequences=True, stateful=True)(masking()(inputs))))
    )


def flat_output() -> keras.Model:
    """One number a token, without a last axis."""
    return stirred(build(lambda x: keras.ops.squeeze(head(rnn()(masking()(x))), axis=-1)))


def two_outputs() -> keras.Model:
    """One output a token, and one a sentence, which the audit leaves out."""
    inputs = keras.Input((None, DIM))
    hidden = rnn()(masking()(inputs))
    return stirred(keras.Model(inputs, [head(hidden), layers.SimpleRNN(2)(hidden)]))


def softmax_layer() -> keras.Model:
    """Keras's Softmax layer fails under a mask (B, T)."""
    return stirred(build(lambda x: layers.Softmax()(layers.Dense(3)(rnn()(masking()(x))))))


@pytest.mark.parametrize(
    ("model", "note", "failed"),
    [
        (lambda: fixed(True), "built for 6 positions", {}),
        (lambda: fixed(False), "TimeDistributed", {"LENGTH": "passed", "LOSS": "failed", "TRACE": "failed"}),
        (two_inputs, "parted among its inputs", {}),
        (stateful, "No state is carried", {}),
        (flat_output, "", {"LOSS": "failed", "TRACE": "failed"}),
        (two_outputs, "is read", {}),
    ],
    ids=["fixed length", "no mask", "two inputs", "stateful", "flat output", "two outputs"],
)
def test_every_check_is_answered_on_a_copy(model: Callable[[], keras.Model], note: str, failed: dict[str, str]) -> None:
    report = audit_model(model(), padded(), LENGTHS, checks=CHECKS)
    assert verdicts(report) == dict.fromkeys(CHECKS, "passed") | failed, report.findings
    assert not note or any(note in each for each in report.about.copy)
    assert report.about.no_copy == ""


def test_what_the_copy_gives_is_what_keras_gives_for_more_padding() -> None:
    """Behind an RNN that reads backwards padding counts: by as much as in the same model built for any length."""

    def recipe(per: Callable[[Any], Any]) -> Callable[[Any], Any]:
        back = layers.SimpleRNN(3, return_sequences=True, go_backwards=True)
        return lambda x: per(layers.Dense(1, "sigmoid"))(keras.ops.flip(back(x), axis=1))

    model = stirred(build(recipe(layers.TimeDistributed), 6))
    free = build(recipe(lambda layer: layer))
    free.set_weights(model.get_weights())
    (length,) = audit_model(model, padded() - 1, LENGTHS, checks=("LENGTH",)).findings
    assert length.verdict == "failed"
    changes = []
    for row, n in zip(padded() - 1, LENGTHS, strict=True):
        longer = np.concatenate([row[:n], np.full((64, DIM), -1, dtype=np.float32)])
        changes.append(np.abs(free(longer[None])[0, :n] - free(row[None, :n])[0]).max())
    assert length.deviation is not None
    assert length.deviation >= max(changes) - 1e-6


def test_time_rejects_a_layer_that_keras_can_not_run_and_the_copy_answers_the_rest() -> None:
    report = audit_model(softmax_layer(), padded(), LENGTHS, checks=("LENGTH", "TIME", "TRACE"))
    assert verdicts(report) == {"LENGTH": "passed", "TIME": "failed", "TRACE": "passed"}
    time = report.findings[1]
    assert time.meaning.startswith("A batch of one sentence of 9 tokens can't be run.")
    assert "Activation('softmax')" in time.advice
    assert run("TIME", softmax_layer()).repair == "plain_dense"


def test_without_a_copy_the_reason_is_said_once() -> None:
    report = audit_model(autoencoder(True), padded(), LENGTHS, checks=("LENGTH", "WEIGHTS", "TIME"))
    assert verdicts(report) == {"LENGTH": "could not tell", "WEIGHTS": "could not tell", "TIME": "passed"}
    assert report.about.no_copy
    assert all("exactly 6 positions" in finding.meaning for finding in report.findings[:2])
    assert not any(report.about.no_copy in finding.meaning for finding in report.findings)


def test_inputs_whose_widths_do_not_add_up_are_refused() -> None:
    model = keras.Model([keras.Input((None, DIM)), b := keras.Input((None, 2))], layers.Dense(1)(b))
    with pytest.raises(ModelError, match="expected 6 numbers a token; received 4"):
        audit_model(model, padded(), LENGTHS)


@pytest.mark.parametrize("masked", [True, False])
def test_a_model_that_reshapes_one_row_of_all_numbers_is_audited_as_one_that_does_not(
    masked: bool, tmp_path: Path
) -> None:
    row = keras.Input((6 * DIM,), name="row")
    hidden = layers.Reshape((6, DIM), name="rows")(row)
    hidden = layers.SimpleRNN(2, return_sequences=True)(masking()(hidden) if masked else hidden)
    model = keras.Model(row, head(hidden))
    model.save(tmp_path / "m.keras")
    report = audit_arrays(padded(), LENGTHS, tmp_path / "m.keras", checks=("LENGTH", "TIME", "TRACE", "RELOAD"))
    trace = "passed" if masked else "failed"
    assert verdicts(report) == {"LENGTH": "passed", "TIME": "passed", "TRACE": trace, "RELOAD": "passed"}
    if masked:
        assert {edge.mask for edge in model_graph(tmp_path / "m.keras").edges[2:]} == {"same"}
    else:
        assert report.advice == {"begin the model with keras.layers.Masking(0.0)": ("TRACE",)}
        assert "can't be rebuilt; expected an input (B, T, D)" in report.about.no_repair
