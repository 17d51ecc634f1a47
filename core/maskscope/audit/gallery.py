"""The gallery: sound models that every check must pass, and mutants that some check must reject.

The P are sound models, M1 to M14 mistakes that are made in practice. The X add a mutant for each check that none of
those makes fail. All are small, and none is trained: what an audit finds depends on how a model is built, not on what
it has learned. Which checks must reject a mutant is stated by the checks (`checks.registry.rejected_by`).
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from maskscope.audit.checks.registry import CHECKS
from maskscope.audit.prepare import array_sentences, model_context
from maskscope.audit.probes.audit_probes import AuditProbes
from maskscope.audit.probes.perturbed_weights import frozen_weights
from maskscope.audit.report import AuditReport
from maskscope.audit.runner import run_checks
from maskscope.jobs import Job
from maskscope.types import Floats, Indices

if TYPE_CHECKING:
    from maskscope.keras_io.keras_model import KerasModel

DIM = 4
LENGTHS = (3, 1, 5, 2, 5)
POSITIONS = 7
"""Of the padded array; the autoencoder takes no other number of them."""
UNITS = 3

Kind: TypeAlias = Literal["sound", "mutant"]
Arrays: TypeAlias = tuple[npt.NDArray[np.generic], Indices]


def arrays() -> Arrays:
    """The sentences of the gallery: x (5, 7, 4) float32, padded right with zeros, and lengths (5,)."""
    rng = np.random.default_rng(7)
    x: Floats = np.zeros((len(LENGTHS), POSITIONS, DIM), dtype=np.float32)
    for row, length in enumerate(LENGTHS):
        x[row, :length] = rng.normal(size=(length, DIM))
    return x, np.array(LENGTHS, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class GalleryModel:
    """A sound model or a mutant, with its data.

    Attributes:
        name: such as "M3".
        title: what it is, in a few words.
        kind: whether every check must pass it, or some must reject it.
        build: makes the model, with fresh weights.
        data: makes its sentences.
        suffix: of the file that RELOAD writes.
    """

    name: str
    title: str
    kind: Kind
    build: Callable[[], "KerasModel"]
    data: Callable[[], Arrays] = arrays
    suffix: str = ".keras"


def _model(recipe: Callable[[Any], Any], positions: int | None = None, dtype: str | None = None) -> "KerasModel":
    import keras

    keras.utils.set_random_seed(0)
    inputs = keras.Input((positions, DIM), name="embeddings")
    if dtype is None:
        return keras.Model(inputs, recipe(inputs))
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype)
    try:
        return keras.Model(inputs, recipe(inputs))
    finally:
        keras.config.set_dtype_policy(before)


def _masking(value: float = 0.0) -> Any:
    import keras

    return keras.layers.Masking(value, name="masking")


def _bilstm(name: str = "bilstm", recurrent_dropout: float = 0.0) -> Any:
    import keras

    lstm = keras.layers.LSTM(UNITS, return_sequences=True, recurrent_dropout=recurrent_dropout, name=f"{name}_lstm")
    return keras.layers.Bidirectional(lstm, name=name)


def _birnn() -> Any:
    """For mutants whose fault is not in the recurrent layer: it is traced in half the time of an LSTM."""
    import keras

    return keras.layers.Bidirectional(keras.layers.SimpleRNN(UNITS, return_sequences=True, name="rnn"), name="birnn")


def _head(hidden: Any) -> Any:
    import keras

    return keras.layers.Dense(1, "sigmoid", name="probabilities")(hidden)


def p0() -> "KerasModel":
    """Masking, BiLSTM, Dense: the classic recipe."""
    return _model(lambda x: _head(_bilstm(recurrent_dropout=0.3)(_masking()(x))))


def _sound() -> "KerasModel":
    """Masking, bidirectional RNN, Dense: a sound model, for mutants with a fault in their data, loss or metrics."""
    return _model(lambda x: _head(_birnn()(_masking()(x))))


def p1() -> "KerasModel":
    """Two BiLSTMs with LayerNormalization."""
    from keras import layers

    def recipe(x: Any) -> Any:
        hidden = layers.LayerNormalization(name="normalization")(_bilstm("first")(_masking()(x)))
        return _head(_bilstm("second")(hidden))

    return _model(recipe)


def p2() -> "KerasModel":
    """Masking, BatchNormalization, BiLSTM, Dense."""
    from keras import layers

    return _model(lambda x: _head(_bilstm()(layers.BatchNormalization(name="normalization")(_masking()(x)))))


def p3() -> "KerasModel":
    """A model as confident as after long training: its probabilities are rounded to 0 and 1."""
    model = _sound()
    kernel, bias = model.get_layer("probabilities").get_weights()
    model.get_layer("probabilities").set_weights([kernel * 100, bias])
    model.compile(loss="binary_crossentropy", metrics=["accuracy"])
    return model


def p4() -> "KerasModel":
    """A frozen Dense layer, whose biases are 0, before Masking: a row of zeros stays zero for ever."""
    from keras import layers

    frozen = layers.Dense(DIM, trainable=False, name="projection")
    return _model(lambda x: _head(_birnn()(_masking()(frozen(x)))))


def p5() -> "KerasModel":
    """A loss that ignores a class, which real tokens have, too."""
    import keras

    model = _model(lambda x: keras.layers.Dense(3, "softmax", name="probabilities")(_birnn()(_masking()(x))))
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(ignore_class=0), metrics=["accuracy"])
    return model


def m1() -> "KerasModel":
    """No Masking."""
    return _model(lambda x: _head(_birnn()(x)))


def m2() -> "KerasModel":
    """A Dense layer, whose bias fills padding, before Masking."""
    from keras import layers

    return _model(lambda x: _head(_birnn()(_masking()(layers.Dense(DIM, name="projection")(x)))))


def m3() -> "KerasModel":
    """A convolution after Masking: it drops the mask and reads padded neighbours."""
    from keras import layers

    return _model(lambda x: _head(_birnn()(layers.Conv1D(DIM, 3, padding="same", name="convolution")(_masking()(x)))))


def m4() -> "KerasModel":
    """A plain multiplication after Masking."""
    return _model(lambda x: _head(_birnn()(_masking()(x) * 1.0)))


def m5() -> "KerasModel":
    """Add with a branch that starts at the unmasked input."""
    from keras import layers

    def recipe(x: Any) -> Any:
        both = [_masking()(x), layers.Dense(DIM, name="branch")(x)]
        return _head(_birnn()(layers.Add(name="sum")(both)))

    return _model(recipe)


def m6() -> "KerasModel":
    """Concatenate with a branch that starts at the unmasked input: the mask is altered, not lost."""
    from keras import layers

    def recipe(x: Any) -> Any:
        both = [_masking()(x), layers.Dense(DIM, name="branch")(x)]
        return _head(_birnn()(layers.Concatenate(name="both")(both)))

    return _model(recipe)


def m7() -> "KerasModel":
    """Masking(-1) on sentences padded with zeros."""
    return _model(lambda x: _head(_birnn()(_masking(-1.0)(x))))


def m8() -> "KerasModel":
    """BatchNormalization, which moves zeros, before Masking."""
    from keras import layers

    return _model(lambda x: _head(_birnn()(_masking()(layers.BatchNormalization(name="normalization")(x)))))


def m9() -> "KerasModel":
    """A plain sigmoid operation at the end, after which the loss has no mask."""
    import keras

    return _model(lambda x: keras.ops.sigmoid(keras.layers.Dense(1, name="logits")(_birnn()(_masking()(x)))))


def m10() -> "KerasModel":
    """A maximum over all positions, padded ones too, as context of each."""
    import keras

    def recipe(x: Any) -> Any:
        context = keras.layers.Dense(2 * UNITS, name="context")(keras.ops.max(x, axis=1, keepdims=True))
        return _head(keras.layers.Add(name="sum")([_birnn()(_masking()(x)), context]))

    return _model(recipe)


def m11() -> "KerasModel":
    """TimeDistributed(Dense) over a free number of positions, broken since Keras 3.14."""
    from keras import layers

    head = layers.TimeDistributed(layers.Dense(1, "sigmoid"), name="probabilities")
    return _model(lambda x: head(_birnn()(_masking()(x))))


def m12() -> "KerasModel":
    """A hand-made backward RNN, with flip: the mask is lost, and padding comes first."""
    import keras

    def recipe(x: Any) -> Any:
        masked = _masking()(x)
        backward = keras.layers.SimpleRNN(UNITS, return_sequences=True, name="backward")(keras.ops.flip(masked, axis=1))
        forward = keras.layers.SimpleRNN(UNITS, return_sequences=True, name="forward")(masked)
        return _head(keras.layers.Concatenate(name="both")([forward, keras.ops.flip(backward, axis=1)]))

    return _model(recipe)


def m13() -> "KerasModel":
    """The autoencoder Masking, LSTM, RepeatVector, LSTM, Dense: the mask ends at RepeatVector."""
    from keras import layers

    def recipe(x: Any) -> Any:
        code = layers.LSTM(UNITS, name="encoder")(_masking()(x))
        repeated = layers.RepeatVector(POSITIONS, name="repeat")(code)
        return layers.Dense(DIM, name="values")(layers.LSTM(UNITS, return_sequences=True, name="decoder")(repeated))

    return _model(recipe, POSITIONS)


def m14() -> "KerasModel":
    """A sound model, compiled with a loss that computes the mean over all positions itself."""
    import keras

    def mean_of_all(y_true: Any, y_pred: Any) -> Any:
        return keras.ops.mean(keras.losses.binary_crossentropy(y_true, y_pred))

    model = _sound()
    model.compile(loss=mean_of_all)
    return model


def x1() -> "KerasModel":
    """GlobalMaxPooling1D as context: its maximum includes padded positions."""
    from keras import layers

    def recipe(x: Any) -> Any:
        masked = _masking()(x)
        context = layers.Dense(2 * UNITS, name="context")(
            layers.GlobalMaxPooling1D(keepdims=True, name="pooling")(masked)
        )
        return _head(layers.Add(name="sum")([_birnn()(masked), context]))

    return _model(recipe)


def x2() -> "KerasModel":
    """GlobalAveragePooling1D as context: it uses the mask, and divides by 0 in a row of nothing but padding."""
    from keras import layers

    def recipe(x: Any) -> Any:
        hidden = _birnn()(_masking()(x))
        context = layers.GlobalAveragePooling1D(keepdims=True, name="pooling")(hidden)
        return _head(layers.Add(name="sum")([hidden, context]))

    return _model(recipe)


def x3() -> "KerasModel":
    """Masking(-999) in a model that computes in bfloat16, which can't represent -999."""
    return _model(lambda x: _head(_birnn()(_masking(-999.0)(x))), dtype="mixed_bfloat16")


def x4() -> "KerasModel":
    """A sound model, compiled with Precision, which counts padding."""
    model = _sound()
    model.compile(loss="binary_crossentropy", metrics=["binary_accuracy", "Precision"])
    return model


def x5() -> "KerasModel":
    """A sound model, compiled with BinaryAccuracy, and with Precision among the weighted metrics."""
    model = _sound()
    model.compile(loss="binary_crossentropy", metrics=["binary_accuracy"], weighted_metrics=["Precision"])
    return model


def x9() -> "KerasModel":
    """GaussianNoise before Masking: in inference it does nothing, in training it fills padding."""
    from keras import layers

    return _model(lambda x: _head(_birnn()(_masking()(layers.GaussianNoise(0.3, name="noise")(x)))))


def _padded_with_999() -> Arrays:
    x, lengths = arrays()
    for row, length in zip(x, lengths, strict=True):
        row[length:] = -999.0
    return x, lengths


def _with_a_zero_token() -> Arrays:
    x, lengths = arrays()
    x[2, 2] = 0.0
    return x, lengths


def _by_pad_sequences() -> Arrays:
    """The same sentences padded by pad_sequences with its defaults: whole numbers, padded in front."""
    import keras

    x, lengths = arrays()
    rows = [row[:length] for row, length in zip(x, lengths, strict=True)]
    padded: npt.NDArray[np.generic] = keras.utils.pad_sequences(rows)
    return padded, lengths


GALLERY: tuple[GalleryModel, ...] = (
    GalleryModel("P0", "Masking, BiLSTM, Dense", "sound", p0),
    GalleryModel("P1", "two BiLSTMs, LayerNormalization", "sound", p1),
    GalleryModel("P2", "BatchNormalization after Masking", "sound", p2),
    GalleryModel("P3", "probabilities of 0 and 1", "sound", p3),
    GalleryModel("P4", "frozen Dense before Masking", "sound", p4),
    GalleryModel("P5", "ignore_class of real tokens", "sound", p5),
    GalleryModel("M1", "no Masking", "mutant", m1),
    GalleryModel("M2", "Dense before Masking", "mutant", m2),
    GalleryModel("M3", "Conv1D after Masking", "mutant", m3),
    GalleryModel("M4", "h * 1.0 after Masking", "mutant", m4),
    GalleryModel("M5", "Add, one branch unmasked", "mutant", m5),
    GalleryModel("M6", "Concatenate, one unmasked", "mutant", m6),
    GalleryModel("M7", "Masking(-1), zero padding", "mutant", m7),
    GalleryModel("M8", "BatchNormalization before Masking", "mutant", m8),
    GalleryModel("M9", "a plain sigmoid at the end", "mutant", m9),
    GalleryModel("M10", "max over time as context", "mutant", m10),
    GalleryModel("M11", "TimeDistributed(Dense)", "mutant", m11),
    GalleryModel("M12", "backward RNN by hand", "mutant", m12),
    GalleryModel("M13", "autoencoder with RepeatVector", "mutant", m13),
    GalleryModel("M14", "a loss that is a mean itself", "mutant", m14),
    GalleryModel("X1", "GlobalMaxPooling1D as context", "mutant", x1),
    GalleryModel("X2", "GlobalAveragePooling1D as context", "mutant", x2),
    GalleryModel("X3", "Masking(-999) in bfloat16", "mutant", x3, _padded_with_999),
    GalleryModel("X4", "Precision among the metrics", "mutant", x4),
    GalleryModel("X5", "Precision among the weighted ones", "sound", x5),
    GalleryModel("X6", "a zero row in a sentence", "mutant", _sound, _with_a_zero_token),
    GalleryModel("X7", "data by pad_sequences' defaults", "mutant", _sound, _by_pad_sequences),
    GalleryModel("X8", "saved as .h5", "mutant", _sound, suffix=".h5"),
    GalleryModel("X9", "GaussianNoise before Masking", "mutant", x9),
)
"""In the order of the table in docs/audit.md."""


def audit_gallery_model(
    chosen: GalleryModel, job: Job | None = None, checks: Collection[str] = CHECKS
) -> tuple[AuditReport, AuditReport]:
    """Audit one model on its own data, with fresh weights and with weights like those of a trained model.

    The second time N(0, 0.5) is added to every weight that training can change. `checks` are names of those to
    make. Raises Cancelled.
    """
    model = chosen.build()
    x, lengths = chosen.data()
    probes = AuditProbes(model_context(model, array_sentences(x, lengths), reload_suffix=chosen.suffix))
    fresh = run_checks(probes, chosen.name, job, checks)
    rng = np.random.default_rng(1)
    frozen = frozen_weights(model)
    model.set_weights(
        [
            weights if id(variable) in frozen else weights + rng.normal(0, 0.5, weights.shape)
            for variable, weights in zip(model.weights, model.get_weights(), strict=True)
        ]
    )
    probes.forget_outputs()
    return fresh, run_checks(probes, chosen.name, job, checks)


def gallery_model(name: str) -> GalleryModel | None:
    """The model of that name, in any case; None when there is none."""
    return next((each for each in GALLERY if each.name == name.upper()), None)
