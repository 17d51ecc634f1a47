"""TRACE and LOSS: models that hold pass, and each mutant of AUDIT.md is rejected, with the layer to blame."""

import re
from collections.abc import Callable

import numpy as np
import pytest

from maskscope.audit import loss, trace
from maskscope.audit.report import Finding
from maskscope.audit.subject import Padded, Subject
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


def subject(model: "keras.Model", x: Floats | None = None) -> Subject:
    from maskscope.tagger.keras_model import mask_value

    x = padded() if x is None else x
    data = Padded(x, LENGTHS[: len(x)], "source")
    return Subject(model, mask_value(model), data, tuple(range(len(x))), 1e-6)


def lstm() -> "keras.layers.Layer":
    return layers.LSTM(3, return_sequences=True, name="lstm")


def rnn() -> "keras.layers.Layer":
    """In the mutants, where it is as good and much quicker."""
    return layers.SimpleRNN(3, return_sequences=True, name="rnn")


def head(hidden: "keras.KerasTensor") -> "keras.KerasTensor":
    return layers.Dense(1, "sigmoid", name="head")(hidden)


def masking() -> "keras.layers.Layer":
    return layers.Masking(0.0, name="masking")


def p0(x):
    return head(layers.Bidirectional(lstm(), name="bilstm")(masking()(x)))


def p1(x):
    hidden = layers.LayerNormalization()(layers.Bidirectional(lstm(), name="one")(masking()(x)))
    return head(layers.LayerNormalization()(layers.Bidirectional(lstm(), name="two")(hidden)))


def p2(x):
    return head(layers.Bidirectional(lstm())(layers.BatchNormalization()(masking()(x))))


def branches(x):
    masked = masking()(x)
    return head(layers.Add()([rnn()(masked), layers.Dense(3)(masked)]))


def m1(x):
    return head(rnn()(x))


def m2(x):
    return head(rnn()(masking()(layers.Dense(DIM, name="before")(x))))


def m3(x):
    return head(rnn()(layers.Conv1D(3, 3, padding="same", name="conv")(masking()(x))))


def m4(x):
    return head(rnn()(masking()(x) * 1.0))


def m5(x):
    return head(rnn()(layers.Add(name="add")([masking()(x), layers.Dense(DIM, name="bare")(x)])))


def m6(x):
    return head(rnn()(layers.Concatenate(name="joined")([masking()(x), layers.Dense(DIM, name="bare")(x)])))


def m7(x):
    return head(rnn()(layers.Masking(-1.0, name="masking")(x)))


def m8(x):
    return head(rnn()(masking()(layers.BatchNormalization(name="before")(x))))


def m9(x):
    return ops.sigmoid(layers.Dense(1)(rnn()(masking()(x))))


def m10(x):
    hidden = rnn()(masking()(x))
    return head(layers.Add()([hidden, ops.max(hidden, axis=1, keepdims=True)]))


def m12(x):
    masked = masking()(x)
    backward = layers.SimpleRNN(3, return_sequences=True)(ops.flip(masked, axis=1))
    return head(layers.Concatenate()([rnn()(masked), ops.flip(backward, axis=1)]))


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
    return trace.check(subject(of, x), NullJob())


def judged(of: "keras.Model", x: Floats | None = None) -> Finding:
    return loss.check(subject(of, x), NullJob())


@pytest.mark.parametrize("recipe", [p0, p1, p2, branches])
def test_models_that_hold_pass_both(recipe: Recipe) -> None:
    of = model(recipe)
    weights = of.get_weights()
    assert traced(of).verdict == "passed"
    found = judged(of)
    assert found.verdict == "passed", found.meaning
    assert "binary cross-entropy" in found.meaning
    assert found.deviation is not None
    assert found.deviation <= 1e-5
    assert all((one == other).all() for one, other in zip(weights, of.get_weights(), strict=True))
    assert not of.compiled, "the model is left as it was"


@pytest.mark.parametrize(
    ("recipe", "layer", "words"),
    [
        (m1, None, "no mask anywhere"),
        (m2, "before", "put masking before it"),
        (m3, "conv", "supports no mask"),
        (m4, "multiply", "a plain operation hands no mask on"),
        (m5, "add", "bare brings none"),
        (m6, "joined", "alters the mask"),
        (m7, "masking", "masks other positions than padding"),
        (m8, "before", "put masking before it"),
        (m9, "sigmoid", "padding counts in the loss"),
        (m12, "flip", "loses the mask"),
        (lambda x: head(layers.GlobalMaxPooling1D(name="pool")(masking()(x))), "pool", "without using the mask"),
    ],
    ids=["M1", "M2", "M3", "M4", "M5", "M6", "M7", "M8", "M9", "M12", "max pooling"],
)
@pytest.mark.filterwarnings("ignore:Layer .* does not support masking:UserWarning")
@pytest.mark.filterwarnings("ignore:.*was passed an input with a mask:UserWarning")
def test_trace_names_the_first_layer_that_loses_the_mask(recipe: Recipe, layer: str | None, words: str) -> None:
    found = traced(model(recipe))
    assert found.verdict == "failed"
    assert found.layer is None if layer is None else str(found.layer).startswith(layer)
    assert words in found.meaning


@pytest.mark.parametrize("recipe", [m1, m2, m3, m4, m5, m6, m7, m8, m9, m10, m12])
@pytest.mark.filterwarnings("ignore:Layer .* does not support masking:UserWarning")
@pytest.mark.filterwarnings("ignore:.*was passed an input with a mask:UserWarning")
def test_loss_rejects_models_whose_loss_counts_padding(recipe: Recipe) -> None:
    found = judged(model(recipe))
    assert found.verdict == "failed"
    assert found.deviation is not None
    assert found.deviation > 1e-3
    assert found.tolerance == 1e-5


def test_the_autoencoder_fails_and_the_repaired_one_passes() -> None:
    found = traced(autoencoder(repaired=False))
    assert (found.verdict, found.layer) == ("failed", "repeat")
    found = judged(autoencoder(repaired=False))
    assert found.verdict == "failed"
    assert "mean squared error" in found.meaning
    assert "no position was added, since the model has 6" in found.meaning
    assert traced(autoencoder(repaired=True)).verdict == "passed"
    assert judged(autoencoder(repaired=True)).verdict == "passed"


def test_a_model_of_fixed_length_is_audited_though_no_sentence_leaves_padding() -> None:
    x = padded()[2:3, :5]
    data = Padded(x, LENGTHS[2:3], "source")
    for repaired, verdict in ((False, "failed"), (True, "passed")):
        given = Subject(autoencoder(repaired, 5), 0.0, data, (0,), 1e-6)
        assert trace.check(given, NullJob()).verdict == verdict
        assert loss.check(given, NullJob()).verdict == verdict


def test_the_losses_told_are_those_that_numpy_finds() -> None:
    # Without a bias it prints 0 at padding, where the target is 0, and 1 once it is flipped.
    of = model(lambda x: layers.Dense(DIM, use_bias=False)(x))
    x = padded(5)
    (kernel,) = of.get_weights()
    squares = np.square(x.astype(np.float64) - x.astype(np.float64) @ kernel).mean(axis=-1)
    share = 1 - LENGTHS.sum() / squares.size
    found = judged(of)
    before, after = re.search(r"from ([\d.]+) to ([\d.]+):", found.meaning).groups()
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
    assert traced(model(p0), x).verdict == "passed"
    assert judged(model(p0), x).verdict == "passed"


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
    found = trace.check(Subject(Own(), None, data, (0, 1), 1e-6), NullJob())
    assert (found.verdict, found.layer) == ("could not tell", None)
    assert "code of its own" in found.meaning
    pooled = model(lambda x: layers.Dense(1)(layers.GlobalAveragePooling1D()(masking()(x))))
    assert traced(pooled).verdict == "passed"
    assert "not one prediction a position" in judged(pooled).meaning
    inner = keras.Sequential([keras.Input((None, DIM)), layers.GlobalAveragePooling1D()], name="inner")
    found = traced(model(lambda x: layers.Dense(1)(inner(masking()(x)))))
    assert (found.verdict, found.layer) == ("could not tell", "inner")
    for check in (traced, judged):
        found = check(autoencoder(False, 2), padded()[:1])
        assert found.verdict == "could not tell"
    two = keras.Model([keras.Input((None, DIM)), b := keras.Input((None, 2))], layers.Dense(1)(b))
    for found in (traced(two), judged(two)):
        assert "takes no padded batch" in found.meaning
