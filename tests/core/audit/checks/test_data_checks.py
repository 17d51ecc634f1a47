"""TRACE and LOSS: models that hold pass, and each mutant of AUDIT.md is rejected, with the layer to blame."""

import re
from collections.abc import Callable

import numpy as np
import pytest

from maskscope.audit import runner
from maskscope.audit.probes.audit_probes import AuditProbes
from maskscope.audit.probes.context import AuditContext, Padded
from maskscope.audit.report import Finding
from maskscope.jobs import NullJob
from maskscope.types import Floats

pytestmark = pytest.mark.keras
keras = pytest.importorskip("keras")
layers, ops = keras.layers, keras.ops

DIM = 4
LENGTHS = np.array([3, 1, 5, 2], dtype=np.int64)


def padded(n_positions: int = 6) -> Floats:
    x: Floats = np.zeros((len(LENGTHS), n_positions, DIM), dtype=np.float32)
    rng = np.random.default_rng(0)
    for row, n in enumerate(LENGTHS):
        x[row, :n] = rng.normal(size=(n, DIM))
    return x


def probes(model: "keras.Model", x: Floats | None = None) -> AuditProbes:
    from maskscope.keras_io.keras_model import mask_value

    x = padded() if x is None else x
    data = Padded(x, LENGTHS[: len(x)], "source")
    return AuditProbes(AuditContext(model, mask_value(model), data, tuple(range(len(x))), 1e-6))


def lstm() -> "keras.layers.Layer":
    return layers.LSTM(3, return_sequences=True, name="lstm")


def rnn() -> "keras.layers.Layer":
    """In the mutants, where it is as good and much quicker."""
    return layers.SimpleRNN(3, return_sequences=True, name="rnn")


def head(hidden: "keras.KerasTensor") -> "keras.KerasTensor":
    return layers.Dense(1, "sigmoid", name="head")(hidden)


def masking() -> "keras.layers.Layer":
    return layers.Masking(0.0, name="masking")


def branches(x):
    masked = masking()(x)
    return head(layers.Add()([rnn()(masked), layers.Dense(3)(masked)]))


Recipe = Callable[["keras.KerasTensor"], "keras.KerasTensor"]


def model(recipe: Recipe, n_positions: int | None = None) -> "keras.Model":
    """With fresh weights, so zero biases: the case that passes falsely."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((n_positions, DIM), name="embeddings")
    return keras.Model(inputs, recipe(inputs))


def autoencoder(repaired: bool, n_positions: int = 6) -> "keras.Model":
    """M13, or the same with the mask of the input given to the decoder."""

    def recipe(x):
        repeated = layers.RepeatVector(n_positions, name="repeat")(layers.SimpleRNN(5, name="encoder")(masking()(x)))
        mask = {"mask": ops.any(ops.not_equal(x, 0.0), axis=-1)} if repaired else {}
        return layers.Dense(DIM, name="value")(rnn()(repeated, **mask))

    return model(recipe, n_positions)


def traced(of: "keras.Model", x: Floats | None = None) -> Finding:
    return runner.run_check("TRACE", probes(of, x), NullJob())


def judged(of: "keras.Model", x: Floats | None = None) -> Finding:
    return runner.run_check("LOSS", probes(of, x), NullJob())


def test_a_model_whose_branches_all_begin_at_masking_passes_and_is_left_as_it_was() -> None:
    of = model(branches)
    weights = of.get_weights()
    assert traced(of).verdict == "passed"
    found = judged(of)
    assert found.verdict == "passed", found.meaning
    assert "binary cross-entropy" in found.meaning
    assert found.deviation is not None
    assert found.deviation <= 1e-5
    assert all((one == other).all() for one, other in zip(weights, of.get_weights(), strict=True))
    assert not of.compiled


def test_the_autoencoder_fails_and_the_repaired_one_passes() -> None:
    found = traced(autoencoder(repaired=False))
    assert (found.verdict, found.layer) == ("failed", "repeat")
    found = judged(autoencoder(repaired=False))
    assert found.verdict == "failed"
    assert "mean squared error" in found.meaning
    assert "no position was added: the model takes exactly 6" in found.meaning
    assert traced(autoencoder(repaired=True)).verdict == "passed"
    assert judged(autoencoder(repaired=True)).verdict == "passed"


def test_a_model_of_fixed_length_is_audited_though_no_sentence_leaves_padding() -> None:
    x = padded()[2:3, :5]
    data = Padded(x, LENGTHS[2:3], "source")
    for repaired, verdict in ((False, "failed"), (True, "passed")):
        given = AuditProbes(AuditContext(autoencoder(repaired, 5), 0.0, data, (0,), 1e-6))
        assert runner.run_check("TRACE", given, NullJob()).verdict == verdict
        assert runner.run_check("LOSS", given, NullJob()).verdict == verdict


def test_the_losses_told_are_those_that_numpy_finds() -> None:
    # Without a bias it prints 0 at padding, where the target is 0, and 1 once it is flipped.
    of = model(lambda x: layers.Dense(DIM, use_bias=False)(x))
    x = padded(5)
    (kernel,) = of.get_weights()
    squares = np.square(x.astype(np.float64) - x.astype(np.float64) @ kernel).mean(axis=-1)
    share = 1 - LENGTHS.sum() / squares.size
    found = judged(of)
    before, after = re.search(r"from ([\d.]+) to ([\d.]+) ", found.meaning).groups()
    assert float(before) == pytest.approx(squares.mean(), rel=1e-5)
    assert float(after) == pytest.approx(squares.mean() + share, rel=1e-5)
    assert found.deviation == pytest.approx(share / squares.mean(), rel=1e-4)


def test_a_softmax_head_and_a_penalty_on_weights_are_understood() -> None:
    def recipe(x):
        return layers.Dense(3, "softmax", kernel_regularizer="l2")(rnn()(masking()(x)))

    found = judged(model(recipe))
    assert found.verdict == "passed", found.meaning
    assert "categorical cross-entropy" in found.meaning


def test_a_collision_is_left_to_its_own_check() -> None:
    x = padded()
    x[2, 3] = 0
    assert traced(model(branches), x).verdict == "passed"
    assert judged(model(branches), x).verdict == "passed"


@pytest.mark.filterwarnings("ignore:Layer 'inner'.*mask:UserWarning")
def test_what_can_not_be_told_is_said() -> None:
    class Own(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.dense = layers.Dense(1)
            self.input_shape = (None, None, DIM)

        def call(self, x):
            return self.dense(x)

    data = Padded(padded(), LENGTHS, "source")
    found = runner.run_check("TRACE", AuditProbes(AuditContext(Own(), None, data, (0, 1), 1e-6)), NullJob())
    assert (found.verdict, found.layer) == ("could not tell", None)
    assert "its own code" in found.meaning
    pooled = model(lambda x: layers.Dense(1)(layers.GlobalAveragePooling1D()(masking()(x))))
    assert traced(pooled).verdict == "passed"
    assert "not one prediction per position" in judged(pooled).meaning
    inner = keras.Sequential([keras.Input((None, DIM)), layers.GlobalAveragePooling1D()], name="inner")
    found = traced(model(lambda x: layers.Dense(1)(inner(masking()(x)))))
    assert (found.verdict, found.layer) == ("could not tell", "inner")
    for check in (traced, judged):
        found = check(autoencoder(False, 2), padded()[:1])
        assert found.verdict == "could not tell"
    two = keras.Model([keras.Input((None, DIM)), b := keras.Input((None, 2))], layers.Dense(1)(b))
    for found in (traced(two), judged(two)):
        assert "batch" in found.meaning


def asked(check: str, of: "keras.Model", x: Floats | None = None) -> Finding:
    """One check of a model as it stands in memory, with what it was compiled with."""
    x = padded() if x is None else x
    return runner.run_check(check, AuditProbes(runner.model_context(of, x, LENGTHS[: len(x)])), NullJob())


def test_a_metric_that_counts_padding_is_found_out_though_the_model_predicts_nothing_there() -> None:
    of = model(lambda x: layers.Dense(1, "sigmoid")(rnn()(masking()(x))))
    *others, bias = of.get_weights()
    # at padding it prints 0.007, and a little more or less with moved biases: no threshold is ever crossed there
    of.set_weights([*others, bias - 5])
    for metric, verdict in (("Precision", "failed"), ("Recall", "failed"), ("binary_accuracy", "passed")):
        of.compile(loss="binary_crossentropy", metrics=[metric])
        assert asked("METRICS", of).verdict == verdict


def test_one_output_in_a_list_or_a_dict_is_audited_and_of_several_nothing_is_told() -> None:
    inputs = keras.Input((None, DIM))
    hidden = rnn()(masking()(inputs))
    listed = keras.Model([inputs], [head(hidden)])
    listed.compile(loss=["mse"], metrics=[["mae"]])
    named = keras.Model(inputs, {"head": listed.output[0]})
    named.compile(loss={"head": "mse"}, metrics={"head": ["mae"]})
    for of in (listed, named):
        found = asked("LOSS", of)
        assert (found.verdict, "assumed" in found.meaning) == ("passed", False), found.meaning
    several = keras.Model(inputs, [head(hidden), layers.Dense(2)(hidden)])
    for check in ("LENGTH", "TIME", "RELOAD"):
        found = asked(check, several)
        assert found.verdict == "could not tell"
        assert "several outputs" in found.meaning


def test_a_subclassed_model_that_was_given_no_input_is_run_all_the_same() -> None:
    class Own(keras.Model):
        def __init__(self, masked: bool) -> None:
            super().__init__()
            self.begin = layers.Masking() if masked else layers.Activation("linear")
            self.recurrent, self.end = rnn(), layers.Dense(1, "sigmoid")

        def call(self, x):
            return self.end(self.recurrent(self.begin(x)))

    for masked, verdict in ((True, "passed"), (False, "failed")):
        of = Own(masked)
        of(padded())
        assert asked("LOSS", of).verdict == verdict
        assert not of.compiled
    assert asked("CONTENT", of).verdict == "could not tell"


def test_a_model_inside_that_makes_a_mask_and_loses_it_is_blamed() -> None:
    within = keras.Input((None, DIM))
    inner = keras.Model(within, masking()(within) * 1.0, name="inner")
    found = traced(model(lambda x: head(rnn()(inner(x)))))
    assert (found.verdict, found.layer) == ("failed", "inner")
    assert "loses the mask" in found.meaning


def test_a_penalty_on_what_a_layer_gives_counts_padding_and_the_layer_is_named() -> None:
    def recipe(x):
        return head(layers.Dense(3, activity_regularizer="l2", name="penalised")(rnn()(masking()(x))))

    found = judged(model(recipe))
    assert (found.verdict, found.layer) == ("failed", "penalised")
    assert "activity_regularizer" in found.advice


@pytest.mark.filterwarnings("ignore:Layer .*mask:UserWarning")
def test_of_attention_nothing_is_said_but_that_nan_at_padding_spreads() -> None:
    of = model(lambda x: head(layers.MultiHeadAttention(2, 3, name="attention")(h := rnn()(masking()(x)), h)))
    # the gradient of a bias of keys is 0 by its nature, so all of it is rounding
    for check in ("WEIGHTS", "TRACE"):
        found = asked(check, of)
        assert found.verdict == "passed", found.meaning
    early = model(lambda x: head(layers.Attention()([h := masking()(x), h])))
    found = asked("CONTENT", early)
    assert (found.verdict, found.deviation) == ("failed", np.inf)
    assert "random numbers there change nothing" in found.meaning


def test_what_is_no_number_without_padding_is_not_blamed_on_padding() -> None:
    of = model(lambda x: layers.Dense(1)(rnn()(masking()(x))))
    *others, bias = of.get_weights()
    of.set_weights([*others, bias + np.inf])
    for check in ("LENGTH", "LOSS", "WEIGHTS"):
        found = asked(check, of)
        assert found.verdict == "could not tell", check


def test_a_loss_that_padding_makes_no_number_is_told_with_the_one_of_the_real_tokens() -> None:
    # what it prints at padding is 0, and 0 / 0 is no number
    of = model(lambda x: layers.Lambda(lambda h: h / h, mask=lambda _, mask: mask)(masking()(x)))
    found = asked("LOSS", of)
    assert (found.verdict, found.deviation) == ("failed", np.inf)
    assert "is NaN or infinite, but over the real tokens alone it is" in found.meaning


def test_a_layer_that_reads_other_positions_under_the_mask_is_named_and_the_loss_of_keras_is_not_blamed() -> None:
    of = model(lambda x: head(layers.GroupNormalization(1, name="over_positions")(rnn()(masking()(x)))))
    of.compile(loss="binary_crossentropy")
    for check in ("LENGTH", "WEIGHTS"):
        found = runner.run_check(check, probes(of), NullJob())
        assert (found.verdict, found.layer, found.repair) == ("failed", "over_positions", None)
        assert "replace over_positions" in found.advice
