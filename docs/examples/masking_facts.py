"""Masking in Keras as it is: every fact of docs/masking.md, shown in plain Keras and numpy.

    python docs/examples/masking_facts.py          lists the facts
    python docs/examples/masking_facts.py NAME     shows one
    python docs/examples/masking_facts.py all      shows them all

A mask has one row a sentence and one column a position; 1 (True) is a real token, 0 (False) is padding. The weights
and the sentences are random, but the same each time.

All facts are in this one long file so that a reader can copy it and run it with nothing but Keras and numpy.
"""

import os
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import layers, ops

DIM = 3
"""Numbers a token; 2,048 would show the same, slower."""

# Helpers


def sentences(*lengths: int, fill: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings (B, T, DIM), padded right with `fill`, and which positions are real (B, T)."""
    real = np.arange(max(lengths)) < np.array(lengths)[:, None]
    x = np.full((*real.shape, DIM), fill, dtype=np.float32)
    x[real] = np.random.default_rng(0).normal(size=(real.sum(), DIM))
    return x, real


def labels(real: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels (B, T, 1) of 0 and 1, and the same with every label at padding flipped."""
    y = np.random.default_rng(3).integers(0, 2, (*real.shape, 1)).astype(np.float32)
    return y, np.where(real[..., None], y, 1 - y)


def weighted(model: keras.Model) -> keras.Model:
    """The model with random weights that are the same on every machine, biases among them."""
    rng = np.random.default_rng(46)
    model.set_weights([rng.normal(size=weights.shape) for weights in model.get_weights()])
    return model


def chain(*parts: layers.Layer) -> keras.Model:
    """A Sequential model of the layers, over (None, DIM)."""
    return weighted(keras.Sequential([keras.Input((None, DIM)), *parts]))


def bilstm() -> layers.Layer:
    """Bidirectional(LSTM(2)), a vector for each token."""
    return layers.Bidirectional(layers.LSTM(2, return_sequences=True))


def probability() -> layers.Layer:
    """One probability a token. Dense works on the last axis of (B, T, D): no TimeDistributed is needed."""
    return layers.Dense(1, activation="sigmoid")


def tagger() -> keras.Model:
    """Masking, Bidirectional(LSTM), Dense: the model that these facts are about."""
    return chain(layers.Masking(0.0), bilstm(), probability())


def outputs_of(model: keras.Model, x: np.ndarray) -> np.ndarray:
    """The model's outputs for one batch, as from `predict`, which takes a second longer the first time."""
    return np.asarray(model(x, training=False))


def crossentropy(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    """The binary cross-entropy of each position (B, T), by numpy."""
    return -np.log(np.where(y > 0, p, 1 - p))[..., 0]


def evaluated(model: keras.Model, x: np.ndarray, y: np.ndarray, loss: object, **given: object) -> dict[str, float]:
    """The result of `evaluate` for one batch; run eagerly, which gives the same and takes less time here."""
    metrics = {name: given.pop(name) for name in ("metrics", "weighted_metrics") if name in given}
    model.compile(loss=loss, run_eagerly=True, **metrics)
    return model.evaluate(x, y, verbose=0, batch_size=len(x), return_dict=True, **given)


class SeenMask(layers.Layer):
    """Returns its input and keeps the mask that came with it."""

    def __init__(self) -> None:
        super().__init__(dtype="float32")
        self.supports_masking = True
        self.mask: object = None

    def call(self, inputs: object, mask: object = None) -> object:
        """Return the input unchanged."""
        self.mask = mask
        return inputs


def mask_after(x: np.ndarray, build: Callable[[object], object]) -> np.ndarray | None:
    """The mask that Keras attaches to what `build` makes of an input."""
    inputs = keras.Input((None, x.shape[-1]))
    seen = SeenMask()
    keras.Model(inputs, seen(build(inputs)))(x)
    return None if seen.mask is None else np.asarray(seen.mask)


def largest_change(model: keras.Model, x: np.ndarray, real: np.ndarray) -> float:
    """The largest change of an output at a real token when three padded positions are added."""
    longer = np.pad(x, ((0, 0), (0, 3), (0, 0)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before, after = outputs_of(model, x), outputs_of(model, longer)
    return float(np.abs(after[:, : x.shape[1]] - before)[real].max())


def bits(mask: np.ndarray | None) -> str:
    """A mask as rows of 0 and 1."""
    return "none" if mask is None else " ".join("".join(str(int(bit)) for bit in row) for row in mask)


def yes(value: object) -> str:
    """Format a truth value as "yes" or "no"."""
    return "yes" if value else "no"


# The facts


def recipe() -> None:
    """Masking, BiLSTM, Dense: padding changes no real output, and the loss is the mean over real tokens."""
    x, real = sentences(5, 3, 2)
    y, flipped = labels(real)
    model = tagger()
    of_each = crossentropy(y, outputs_of(model, x))
    print(f"three more padded positions change a real token's probability by {largest_change(model, x, real):.6f}")
    print(f"loss, as Keras reports it                {evaluated(model, x, y, 'binary_crossentropy')['loss']:.4f}")
    print(f"with every label at padding flipped      {evaluated(model, x, flipped, 'binary_crossentropy')['loss']:.4f}")
    print(f"mean over real tokens, by numpy          {of_each[real].mean():.4f}")
    print(f"mean over all positions, by numpy        {of_each.mean():.4f}")


def masking() -> None:
    """Masking takes a position for padding when all of its numbers equal the mask value, exactly."""
    rows = {
        "0.0, 0.0": (0.0, 0.0),
        "-0.0, 0.0": (-0.0, 0.0),
        "0.0, 0.5": (0.0, 0.5),
        "1e-30, 0.0": (1e-30, 0.0),
        "1e-40, 0.0": (1e-40, 0.0),
    }
    mask = mask_after(np.array([list(rows.values())], dtype=np.float32), layers.Masking(0.0))
    for words, real in zip(rows, mask[0], strict=True):
        print(f"{words:<12} {'a real token' if real else 'padding'}")


def nan() -> None:
    """Padding of NaN is not masked by Masking(0.0) nor by Masking(nan), and spoils the sentence."""
    x, _ = sentences(4, 2, fill=np.nan)
    for value in (0.0, np.nan):
        print(f"Masking({value}): mask {bits(mask_after(x, layers.Masking(value)))}")
    p = outputs_of(tagger(), x)
    print(f"real tokens of the padded sentence whose probability is NaN: {int(np.isnan(p)[1, :2].sum())} of 2")


def precision() -> None:
    """Under mixed precision the embeddings are rounded before they are compared with the mask value."""
    tiny = np.full((1, 1, DIM), 1e-9, dtype=np.float32)
    for policy in ("float32", "mixed_float16", "mixed_bfloat16"):
        real = mask_after(tiny, layers.Masking(0.0, dtype=policy))[0, 0]
        print(f"{policy:<15} a token of 1e-9 under Masking(0.0): {'a real token' if real else 'padding'}")
    for value in (0.0, -1.0, 0.1, -999, -999.0):
        padding = np.full((1, 1, DIM), value, dtype=np.float32)
        taken = [
            "padding" if not mask_after(padding, layers.Masking(value, dtype=policy))[0, 0] else "A TOKEN"
            for policy in ("float32", "mixed_float16", "mixed_bfloat16")
        ]
        print(f"{f'Masking({value})':<15} takes its own padding for: {', '.join(taken)}")


def padding_value() -> None:
    """A value serves as padding when no token consists of it alone and every precision can hold it."""
    x, real = sentences(4, 3, 2)
    x[0, 1] = 0.0
    for value in (0.0, -5.0):
        tokens = int((x[real] == value).all(axis=-1).sum())
        print(f"tokens that consist of {value} alone: {tokens}")
    repadded = np.where(real[..., None], x, np.float32(-5.0))
    for value, padded in ((0.0, x), (-5.0, repadded)):
        mask = mask_after(padded, layers.Masking(value))
        print(f"padded with {value:<4}  mask {bits(mask)}  right: {yes(np.array_equal(mask, real))}")


def mask_value() -> None:
    """The mask value may be a row of numbers, one for each number of a token; nan masks nothing."""
    row = [0.5, -1.0, 2.0]
    for name, value, fill in (
        ("one row of numbers", row, row),
        ("a NumPy number", np.float32(-1.0), -1.0),
        ("nan", np.nan, np.nan),
        ("inf, padding inf", np.inf, np.inf),
        ("inf, padding 0", np.inf, 0.0),
    ):
        x, real = sentences(4, 2)
        x[~real] = fill
        mask = mask_after(x, layers.Masking(value))
        print(f"{name:<20} mask {bits(mask)}  right: {yes(np.array_equal(mask, real))}")


def change_on_both_sides(build: Callable[[object], object]) -> tuple[float, float]:
    """How far real tokens move when three padded positions are added behind the tokens, or in front of them."""
    x, _ = sentences(4)
    inputs = keras.Input((None, DIM))
    model = weighted(keras.Model(inputs, build(inputs)))
    own = outputs_of(model, x)
    behind = outputs_of(model, np.pad(x, ((0, 0), (0, 3), (0, 0))))[:, :4]
    front = outputs_of(model, np.pad(x, ((0, 0), (3, 0), (0, 0))))[:, 3:]
    return float(np.abs(behind - own).max()), float(np.abs(front - own).max())


def initial_state() -> None:
    """A recurrent layer that is called with `initial_state` gets no mask from Keras: give it `mask=`."""

    def decoded(inputs: object, both: bool, given: bool) -> object:
        encoder = layers.LSTM(2, return_sequences=True, return_state=True)
        hidden, h, c = encoder(layers.Masking(0.0)(inputs))
        mask = {"mask": mask_of(inputs)} if given else {}
        if both:
            return probability()(bilstm()(hidden, initial_state=[h, c, h, c], **mask))
        return probability()(layers.LSTM(2, return_sequences=True)(hidden, initial_state=[h, c], **mask))

    for name, both in (("LSTM", False), ("Bidirectional(LSTM)", True)):
        for words, given in (("initial_state alone", False), ("and mask=mask", True)):
            changes = change_on_both_sides(lambda i, both=both, given=given: decoded(i, both, given))
            print(f"{name:<20} {words:<20} padding behind {changes[0]:.4f}, in front {changes[1]:.4f}")


def attention() -> None:
    """MultiHeadAttention takes the mask off the tensor that it is given: give it a copy, or a normalized one."""
    x, real = sentences(4, 2)
    y, flipped = labels(real)

    def attend(h: object) -> object:
        return layers.MultiHeadAttention(1, 2)(h, h)

    steps: dict[str, Callable[[object], object]] = {
        "attention(h, h)": attend,
        "h + attention(h, h)": lambda h: layers.Add()([h, attend(h)]),
        "two attentions to h": lambda h: layers.Add()([attend(h), attend(h)]),
        "h + attention(c, c), a copy": lambda h: layers.Add()([h, attend(layers.Rescaling(1.0)(h))]),
        "h + attention(n, n), normalized": lambda h: layers.Add()([h, attend(layers.LayerNormalization()(h))]),
        "h + Attention()([h, h])": lambda h: layers.Add()([h, layers.Attention()([h, h])]),
    }
    print(f"{'':<33}padding counts in the loss  changes a token")
    for name, step in steps.items():
        inputs = keras.Input((None, DIM))
        model = weighted(keras.Model(inputs, probability()(step(layers.Masking(0.0)(inputs)))))
        before, after = (evaluated(model, x, each, "binary_crossentropy")["loss"] for each in (y, flipped))
        print(f"{name:<33}{yes(abs(after - before) > 1e-5):<28}{largest_change(model, x, real):.4f}")


def go_backwards() -> None:
    """`go_backwards=True` gives the outputs in reversed order, and their mask in the right one."""
    x, _ = sentences(4, 2)

    def backward() -> layers.Layer:
        return layers.LSTM(2, return_sequences=True, go_backwards=True)

    steps: dict[str, Callable[[object], object]] = {
        "as it is": lambda h: backward()(h),
        "turned by keras.ops.flip": lambda h: ops.flip(backward()(h), axis=1),
        "Bidirectional(..., backward_layer=)": lambda h: layers.Bidirectional(
            layers.LSTM(2, return_sequences=True), backward_layer=backward()
        )(h),
    }
    for name, step in steps.items():
        changes = change_on_both_sides(lambda i, step=step: probability()(step(layers.Masking(0.0)(i))))
        mask = mask_after(x, lambda i, step=step: step(layers.Masking(0.0)(i)))
        print(f"{name:<36} mask {bits(mask):<10} padding behind {changes[0]:.4f}, in front {changes[1]:.4f}")


def unrolled() -> None:
    """An unrolled Bidirectional layer sets the outputs of other positions to 0 than the padded ones."""
    x, real = sentences(4, 2)

    def unroll(given: bool) -> dict[str, layers.Layer]:
        both, one = (layers.LSTM(2, return_sequences=True, unroll=given) for _ in range(2))
        return {"LSTM": one, "Bidirectional(LSTM)": layers.Bidirectional(both)}

    for (name, loop), steps in zip(unroll(False).items(), unroll(True).values(), strict=True):
        outputs = []
        for layer in (loop, steps):
            model = keras.Sequential([keras.Input(x.shape[1:]), layers.Masking(0.0), layer])
            outputs.append(outputs_of(weighted(model), x))
        change = np.abs(outputs[1] - outputs[0])[real].max()
        print(f"{name:<20} unrolled: outputs of real tokens change by {change:.4f}")


def merging() -> None:
    """At a masked position Multiply gives 0, Maximum and Minimum their first input; the others compute as anywhere."""
    x, _ = sentences(2, 1)
    inputs = keras.Input((None, DIM))
    hidden = layers.Masking(0.0)(inputs)
    two, three = (
        layers.Dense(1, kernel_initializer="zeros", bias_initializer=keras.initializers.Constant(value))(hidden)
        for value in (2.0, 3.0)
    )
    print("          of 2 and 3   at padding    of 3 and 2   at padding")
    for merge in (layers.Add, layers.Average, layers.Multiply, layers.Maximum, layers.Minimum):
        numbers = []
        for pair in ([two, three], [three, two]):
            numbers += outputs_of(keras.Model(inputs, merge()(pair)), x)[1, :, 0].tolist()
        print(f"{merge.__name__:<10}{numbers[0]:<13g}{numbers[1]:<14g}{numbers[2]:<13g}{numbers[3]:g}")


def softmax_layer() -> None:
    """A Softmax layer takes the mask for one of its own numbers, and fails: use the activation."""
    x, _ = sentences(4, 2)
    for name, last in (("Softmax()", layers.Softmax()), ("Activation('softmax')", layers.Activation("softmax"))):
        try:
            p = outputs_of(chain(layers.Masking(0.0), layers.Dense(5), last), x)
            print(f"{name:<22} gives {p.shape[-1]} probabilities a token, of sum {p.sum(axis=-1).mean():.2f}")
        except Exception as error:  # noqa: BLE001 - Keras's or TensorFlow's own
            print(f"{name:<22} {type(error).__name__}")


def ignored_padding() -> None:
    """`ignore_class` keeps labels out of the loss, and padding in the layers."""
    x, real = sentences(4, 2)
    y = np.where(real, np.random.default_rng(3).integers(0, 3, real.shape), -1)
    model = chain(bilstm(), layers.Dense(3, activation="softmax"))
    p = outputs_of(model, x)
    of_each = -np.log(np.take_along_axis(p, np.maximum(y, 0)[..., None], axis=-1))[..., 0]
    loss = keras.losses.SparseCategoricalCrossentropy(ignore_class=-1)
    print(f"labels -1 at padding: loss {evaluated(model, x, y, loss)['loss']:.4f}")
    print(f"mean over real tokens      {of_each[real].mean():.4f}")
    print(f"three more padded positions change a real token's probability by {largest_change(model, x, real):.4f}")


def padding_output() -> None:
    """The model has outputs at padding, too: after Bidirectional the activation of the bias, after LSTM a copy."""
    x, _ = sentences(2)
    longer = np.pad(x, ((0, 0), (0, 2), (0, 0)))
    model = tagger()
    hidden = np.asarray(keras.Model(model.inputs, model.layers[-2].output)([longer]))[0]
    bias = model.layers[-1].get_weights()[1][0]
    print("two real tokens, two padded positions")
    print(f"BiLSTM at padding            {np.abs(hidden[2:]).max():.4f}")
    print("BiLSTM, then Dense          ", *(f"{p:.4f}" for p in outputs_of(model, longer)[0, :, 0]))
    print(f"sigmoid of the Dense bias    {1 / (1 + np.exp(-bias)):.4f}")
    plain = chain(layers.Masking(0.0), layers.LSTM(2, return_sequences=True), probability())
    print("LSTM, then Dense            ", *(f"{p:.4f}" for p in outputs_of(plain, longer)[0, :, 0]))


def predict() -> None:
    """`predict` has no mask in its result: keep the real positions yourself."""
    x, real = sentences(5, 3, 2)
    p_bt = tagger().predict(x, verbose=0)[..., 0]
    print(f"numbers predicted: {p_bt.size}, for real tokens: {p_bt[real].size}")
    print(
        f"0.5 or more: {int((p_bt >= 0.5).sum())} of all numbers, {int((p_bt[real] >= 0.5).sum())} of the predictions"
    )
    print("each sentence's own:", [len(row[keep]) for row, keep in zip(p_bt, real, strict=True)])


def collision() -> None:
    """A real token whose numbers are all zero is treated as if it were not there."""
    x, _ = sentences(5)
    model = tagger()
    zeroed = x.copy()
    zeroed[0, 2] = 0.0
    print("as it was             ", *(f"{p:.4f}" for p in outputs_of(model, x)[0, :, 0]))
    print("the middle one zero   ", *(f"{p:.4f}" for p in outputs_of(model, zeroed)[0, :, 0]))
    without = outputs_of(model, np.delete(x, 2, axis=1))[0, :, 0]
    print("the middle one deleted", *(f"{p:.4f}" for p in without[:2]), "      ", *(f"{p:.4f}" for p in without[2:]))


def loss() -> None:
    """The loss is sum(l*m)/sum(m); weights enter the denominator only with reduction="mean_with_sample_weight"."""
    x, real = sentences(5, 3, 2)
    y, _ = labels(real)
    model = tagger()
    of_each = crossentropy(y, outputs_of(model, x))
    weights = np.random.default_rng(4).uniform(0.5, 2.0, real.shape).astype(np.float32)
    reported = evaluated(model, x, y, "binary_crossentropy")["loss"]
    print(
        f"no weights                  Keras {reported:.4f}  sum(l*m)/sum(m)     {of_each[real].sum() / real.sum():.4f}"
    )
    reported = evaluated(model, x, y, "binary_crossentropy", sample_weight=weights)["loss"]
    above = (of_each * weights)[real].sum()
    print(f"sample_weight               Keras {reported:.4f}  sum(l*w*m)/sum(m)   {above / real.sum():.4f}")
    by_weights = keras.losses.BinaryCrossentropy(reduction="mean_with_sample_weight")
    reported = evaluated(model, x, y, by_weights, sample_weight=weights)["loss"]
    print(f"mean_with_sample_weight     Keras {reported:.4f}  sum(l*w*m)/sum(w*m) {above / weights[real].sum():.4f}")


def padding_weights() -> None:
    """Without a mask, weights of 0 at padding leave it out of the loss's sum, not of what that is divided by."""
    x, real = sentences(5, 3, 2)
    y, _ = labels(real)
    # no layer reads another position, so that padding can count in the loss alone
    model = chain(probability())
    by_weights = keras.losses.BinaryCrossentropy(reduction="mean_with_sample_weight")
    for name, function in (("the usual mean", "binary_crossentropy"), ("mean_with_sample_weight", by_weights)):
        found = []
        for added in (0, 3):
            longer = [np.pad(each, ((0, 0), (0, added), (0, 0))[: each.ndim]) for each in (x, y, real)]
            weights = longer[2].astype(np.float32)
            found.append(evaluated(model, longer[0], longer[1], function, sample_weight=weights)["loss"])
        print(f"{name:<26}{found[0]:.4f}, with three more padded positions {found[1]:.4f}")
    print(f"{'mean over real tokens':<26}{crossentropy(y, outputs_of(model, x))[real].mean():.4f}")


def scalar_loss() -> None:
    """A loss that returns one number for the batch includes padding in its mean before the mask is applied."""
    x, real = sentences(5, 3, 2)
    y, flipped = labels(real)

    def one_a_position(y_true: object, y_pred: object) -> object:
        return keras.losses.binary_crossentropy(y_true, y_pred)

    def one_in_all(y_true: object, y_pred: object) -> object:
        return ops.mean(keras.losses.binary_crossentropy(y_true, y_pred))

    model = tagger()
    for function in (one_a_position, one_in_all):
        before, after = (evaluated(model, x, labelled, function)["loss"] for labelled in (y, flipped))
        print(f"{function.__name__:<15} {before:.4f}, with labels at padding flipped {after:.4f}")


def confident() -> None:
    """From a sigmoid or softmax Keras takes the logits for the loss; probabilities alone would give another number."""
    inputs = keras.Input((None, 1))
    model = keras.Model(inputs, layers.Activation("sigmoid")(inputs))
    logits, y = np.full((1, 1, 1), 30.0, np.float32), np.zeros((1, 1, 1), np.float32)
    of_probabilities = keras.losses.binary_crossentropy(y, outputs_of(model, logits))
    print("a probability of 1.0 for a token labelled 0, from a logit of 30")
    print(f"loss that Keras reports            {evaluated(model, logits, y, 'binary_crossentropy')['loss']:.4f}")
    print(f"loss of the probability, clipped   {float(np.asarray(of_probabilities)[0, 0]):.4f}")


def ignored_class() -> None:
    """A loss with `ignore_class` is divided by the tokens of other classes."""
    x, real = sentences(5, 3, 2)
    y = np.where(real, np.arange(real.size).reshape(real.shape) % 3, 0)
    model = chain(layers.Masking(0.0), layers.Dense(3, activation="softmax"))
    p = outputs_of(model, x)
    of_each = -np.log(np.take_along_axis(p, y[..., None], axis=-1))[..., 0]
    counted = real & (y != 0)
    reported = evaluated(model, x, y, keras.losses.SparseCategoricalCrossentropy(ignore_class=0))["loss"]
    print(f"Keras                                  {reported:.4f}")
    print(f"sum over classes 1, 2 / their tokens   {of_each[counted].sum() / counted.sum():.4f}")
    print(f"sum over classes 1, 2 / all tokens     {of_each[counted].sum() / real.sum():.4f}")


def statistics() -> None:
    """BatchNormalization that no mask reaches counts padding in its statistics, in training alone."""
    x, _ = sentences(5, 3, 2)
    longer = np.pad(x, ((0, 0), (0, 30), (0, 0)))
    for name, given in (("no mask", False), ("mask=mask", True)):
        variances = []
        for batch in (x, longer):
            normalization = layers.BatchNormalization(momentum=0.0)
            mask = {"mask": (batch != 0).any(axis=-1)} if given else {}
            normalization(batch, training=True, **mask)
            variances.append(float(np.asarray(normalization.moving_variance).mean()))
        print(f"{name:<10} moving variance {variances[0]:.4f}, with 30 more padded positions {variances[1]:.4f}")


def epoch_loss() -> None:
    """An epoch's loss is the mean of its batches' losses by sentences, not by tokens."""
    x, real = sentences(9, 9, 2, 1)
    y, _ = labels(real)
    model = tagger()
    of_each = crossentropy(y, outputs_of(model, x))
    # a learning rate of 0 keeps the weights, so that both numbers are of one model
    model.compile(keras.optimizers.SGD(0.0), "binary_crossentropy", run_eagerly=True)
    reported = model.fit(x, y, batch_size=2, shuffle=False, verbose=0).history["loss"][0]
    batches = [of_each[rows][real[rows]] for rows in (slice(0, 2), slice(2, 4))]
    print(f"fit reports         {reported:.4f}")
    sizes = [batch.size for batch in batches]
    print(f"mean of the batches {np.mean([batch.mean() for batch in batches]):.4f}  of {sizes} tokens")
    print(f"mean of the tokens  {of_each[real].mean():.4f}")
    print(f"evaluate, one batch {evaluated(model, x, y, 'binary_crossentropy')['loss']:.4f}")


def metrics() -> None:
    """Accuracy sees the mask; Precision, Recall, AUC and the like count padding, unless they are weighted_metrics."""
    x, real = sentences(5, 3, 2)
    y, flipped = labels(real)
    model = tagger()
    kinds = keras.metrics
    makers: dict[str, Callable[[str], keras.metrics.Metric]] = {
        "BinaryAccuracy": lambda name: kinds.BinaryAccuracy(name),
        "MeanSquaredError": lambda name: kinds.MeanSquaredError(name),
        "Precision": lambda name: kinds.Precision(name=name),
        "Recall": lambda name: kinds.Recall(name=name),
        "AUC": lambda name: kinds.AUC(name=name),
        "BinaryIoU": lambda name: kinds.BinaryIoU([1], name=name),
        "RootMeanSquaredError": lambda name: kinds.RootMeanSquaredError(name),
    }
    with warnings.catch_warnings():
        # BinaryIoU holds its counts as integers, and says so
        warnings.simplefilter("ignore")
        before, after = (
            evaluated(
                model,
                x,
                each,
                "binary_crossentropy",
                metrics=[make(name) for name, make in makers.items()],
                weighted_metrics=[make(f"{name}, weighted") for name, make in makers.items()],
                sample_weight=real.astype(np.float32),
            )
            for each in (y, flipped)
        )
    print(f"{'':<22}metrics=             weighted_metrics= and the mask")
    print(f"{'labels at padding':<22}as given  flipped    as given  flipped")
    for name in makers:
        cured = f"{name}, weighted"
        print(f"{name:<22}{before[name]:.4f}    {after[name]:.4f}     {before[cured]:.4f}    {after[cured]:.4f}")


def sample_weight() -> None:
    """Weights of sentences must have shape (B, 1): (B,) fails, or weights positions where B equals T."""
    x, real = sentences(3, 2, 1)
    y, _ = labels(real)
    model = tagger()
    of_each = np.where(real, crossentropy(y, outputs_of(model, x)), 0.0)
    weights = np.array([1.0, 2.0, 3.0], dtype=np.float32)
    print("three sentences of three positions")
    print(f"weights (B,)     {evaluated(model, x, y, 'binary_crossentropy', sample_weight=weights)['loss']:.4f}")
    column = weights[:, None]
    print(f"weights (B, 1)   {evaluated(model, x, y, 'binary_crossentropy', sample_weight=column)['loss']:.4f}")
    print(f"numpy, sentences {(of_each * weights[:, None]).sum() / real.sum():.4f}")
    print(f"numpy, positions {(of_each * weights[None, :]).sum() / real.sum():.4f}")
    x, real = sentences(5, 3, 2)
    try:
        evaluated(model, x, labels(real)[0], "binary_crossentropy", sample_weight=weights)
    except Exception as error:  # noqa: BLE001 - TensorFlow's own, or numpy's
        print(f"three sentences of five positions, weights (B,): {type(error).__name__}")


def class_weight() -> None:
    """`class_weight` does not work with a label per token; the same numbers as sample weights do."""
    x, real = sentences(5, 3, 2)
    y, _ = labels(real)
    model = tagger()
    model.compile(keras.optimizers.SGD(0.0), "binary_crossentropy", run_eagerly=True)
    try:
        model.fit(x, y, class_weight={0: 1.0, 1: 3.0}, verbose=0)
    except Exception as error:  # noqa: BLE001 - TensorFlow's own, or numpy's
        print(f"class_weight={{0: 1, 1: 3}}: {type(error).__name__}")
    of_each = crossentropy(y, outputs_of(model, x))
    weights = np.where(y[..., 0] > 0, 3.0, 1.0).astype(np.float32)
    reported = model.fit(x, y, sample_weight=weights, batch_size=3, verbose=0).history["loss"][0]
    print(f"sample_weight (B, T): Keras {reported:.4f}, numpy {(of_each * weights)[real].sum() / real.sum():.4f}")


def label_shape() -> None:
    """Labels need the last axis of the output: (B, T, 1), not (B, T)."""
    x, real = sentences(5, 3, 2)
    y, _ = labels(real)
    print(f"labels (3, 5, 1): loss {evaluated(tagger(), x, y, 'binary_crossentropy')['loss']:.4f}")
    try:
        evaluated(tagger(), x, y[..., 0], "binary_crossentropy")
    except Exception as error:  # noqa: BLE001 - TensorFlow's own, or numpy's
        print(f"labels (3, 5): {type(error).__name__}")


def lost() -> None:
    """Where the mask is kept, lost with a warning, lost without one, or altered; a warning proves nothing."""
    x, real = sentences(4, 2)
    nested = keras.Sequential([keras.Input((None, DIM)), layers.Dense(DIM)])
    steps: dict[str, Callable[[object, object], object]] = {
        "Dense": lambda h, i: layers.Dense(DIM)(h),
        "LayerNormalization": lambda h, i: layers.LayerNormalization()(h),
        "BatchNormalization": lambda h, i: layers.BatchNormalization()(h),
        "Dropout": lambda h, i: layers.Dropout(0.5)(h),
        "Bidirectional(LSTM)": lambda h, i: bilstm()(h),
        "Add, both masked": lambda h, i: layers.Add()([h, layers.Dense(DIM)(h)]),
        "a model in the model": lambda h, i: nested(h),
        "Conv1D": lambda h, i: layers.Conv1D(2, 3, padding="same")(h),
        "MaxPooling1D": lambda h, i: layers.MaxPooling1D(2, 1, padding="same")(h),
        "Reshape": lambda h, i: layers.Reshape((-1, DIM))(h),
        "Permute": lambda h, i: layers.Permute((2, 1))(h),
        "Flatten": lambda h, i: layers.Flatten()(h),
        "Lambda": lambda h, i: layers.Lambda(lambda t: t * 1.0)(h),
        "h * 1.0": lambda h, i: h * 1.0,
        "h[:, :, :2]": lambda h, i: h[:, :, :2],
        "ops.sigmoid(h)": lambda h, i: ops.sigmoid(h),
        "Add, one unmasked": lambda h, i: layers.Add()([h, i]),
        "Multiply, one unmasked": lambda h, i: layers.Multiply()([h, i]),
        "LSTM, RepeatVector": lambda h, i: layers.RepeatVector(4)(layers.LSTM(2)(h)),
        "Concatenate, one unmasked": lambda h, i: layers.Concatenate()([h, i]),
        "Concatenate, both masked": lambda h, i: layers.Concatenate()([h, layers.Dense(DIM)(h)]),
    }
    print(f"{'after':<28}mask       warned    (the true one is {bits(real)})")
    for name, step in steps.items():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            mask = mask_after(x, lambda i, step=step: step(layers.Masking(0.0)(i), i))
        warned = any("does not support masking" in str(each.message) for each in caught)
        print(f"{name:<28}{bits(mask):<11}{yes(warned)}")


def explicit() -> None:
    """A mask given to a layer with `mask=` is used there and passed on to the next layers."""
    x, real = sentences(4, 2)

    def build(inputs: object) -> object:
        mask = ops.any(ops.not_equal(inputs, 0.0), axis=-1)
        hidden = layers.Conv1D(2, 3, padding="same")(inputs)
        return probability()(bilstm()(hidden, mask=mask))

    print(f"{'the true mask':<61}{bits(real)}")
    print(f"{'after Conv1D, Bidirectional(LSTM)(hidden, mask=mask), Dense':<61}{bits(mask_after(x, build))}")


def mask_of(inputs: object) -> object:
    """The mask (B, T) of symbolic embeddings padded with zeros."""
    return ops.any(ops.not_equal(inputs, 0.0), axis=-1)


def zeroed(hidden: object, inputs: object) -> object:
    """The hidden vectors with zeros at padded positions."""
    return hidden * ops.cast(mask_of(inputs)[..., None], "float32")


def tag(hidden: object, **given: object) -> object:
    """Bidirectional(SimpleRNN), Dense: it treats a mask as an LSTM does and is computed faster."""
    return probability()(layers.Bidirectional(layers.SimpleRNN(2, return_sequences=True))(hidden, **given))


def convolution(hidden: object) -> object:
    """Conv1D over three positions."""
    return layers.Conv1D(DIM, 3, padding="same")(hidden)


def biased(hidden: object) -> object:
    """Dense with a bias."""
    return layers.Dense(DIM)(hidden)


class Scaled(layers.Layer):
    """A layer of one's own instead of Lambda: it works position by position, so the mask stays right."""

    def __init__(self) -> None:
        super().__init__()
        self.supports_masking = True

    def call(self, inputs: object) -> object:
        """Scale and shift each number."""
        return inputs * 2.0 + 1.0


def flipped_by_hand(h: object, i: object) -> object:
    """An LSTM forward and one over the flipped input, without a mask."""
    forward = layers.LSTM(2, return_sequences=True)(h)
    backward = ops.flip(layers.LSTM(2, return_sequences=True)(ops.flip(i, axis=1)), axis=1)
    return probability()(layers.Concatenate()([forward, backward]))


REPAIRS = {
    "Conv1D": (lambda h, i: tag(convolution(h)), lambda h, i: tag(convolution(h), mask=mask_of(i))),
    "Lambda": (lambda h, i: tag(layers.Lambda(lambda t: t * 2.0 + 1.0)(h)), lambda h, i: tag(Scaled()(h))),
    "h * 2.0 + 1.0": (lambda h, i: tag(h * 2.0 + 1.0), lambda h, i: tag(h * 2.0 + 1.0, mask=mask_of(i))),
    "Add": (lambda h, i: tag(layers.Add()([h, biased(i)])), lambda h, i: tag(layers.Add()([h, biased(h)]))),
    "Concatenate": (
        lambda h, i: tag(layers.Concatenate()([h, biased(i)])),
        lambda h, i: tag(layers.Concatenate()([h, biased(h)])),
    ),
    "Dense first": (lambda h, i: tag(layers.Masking(0.0)(biased(i))), lambda h, i: tag(biased(h))),
    "flipped by hand": (flipped_by_hand, lambda h, i: tag(h)),
    "two Conv1D": (
        lambda h, i: tag(convolution(convolution(h)), mask=mask_of(i)),
        lambda h, i: tag(convolution(zeroed(convolution(h), i)), mask=mask_of(i)),
    ),
}
"""A construct that loses the mask, and its repair: each makes an output of the masked input h and the input i."""


def repair() -> None:
    """Constructs that lose the mask, and their repairs: the change that three more padded positions make."""
    x, real = sentences(4, 2)

    def change(build: Callable[[object, object], object]) -> float:
        inputs = keras.Input((None, DIM))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = keras.Model(inputs, build(layers.Masking(0.0)(inputs), inputs))
        return largest_change(weighted(model), x, real)

    print(f"{'':<18}as usual  repaired")
    for name, (usual, repaired) in REPAIRS.items():
        print(f"{name:<18}{change(usual):<10.4f}{change(repaired):.4f}")


def pooling() -> None:
    """GlobalAveragePooling1D leaves padding out; GlobalMaxPooling1D does not know of masks."""
    x, _ = sentences(2)
    x = -np.abs(x)
    longer = np.pad(x, ((0, 0), (0, 3), (0, 0)))
    for kind in (layers.GlobalAveragePooling1D, layers.GlobalMaxPooling1D):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = chain(layers.Masking(0.0), kind())
            alone, padded = np.asarray(model(x))[0], np.asarray(model(longer))[0]
        print(
            f"{kind.__name__:<24}",
            *(f"{each:7.3f}" for each in alone),
            "  padded:",
            *(f"{each:7.3f}" for each in padded),
        )
    inputs = keras.Input((None, DIM))
    real = ops.any(ops.not_equal(inputs, 0.0), axis=-1, keepdims=True)
    repaired = keras.Model(inputs, layers.GlobalMaxPooling1D()(ops.where(real, inputs, -1e9)))
    print(f"{'with padding at -1e9':<24}", *(f"{each:7.3f}" for each in np.asarray(repaired(longer))[0]))
    bare = layers.GlobalAveragePooling1D()
    nothing = np.asarray(bare(np.ones((1, 3, 1), np.float32), mask=np.zeros((1, 3), bool)))
    print(f"GlobalAveragePooling1D of a sentence without tokens: {nothing[0, 0]}")


def time_distributed() -> None:
    """TimeDistributed(Dense) over (None, D) goes through as many positions as there are sentences: use Dense."""
    heads = {"TimeDistributed(Dense(1))": layers.TimeDistributed(layers.Dense(1)), "Dense(1)": layers.Dense(1)}
    for name, head in heads.items():
        model = keras.Sequential([keras.Input((None, DIM)), head])
        given = (9, 5, 12, 9)
        got = [model.predict(np.ones((1, length, DIM), np.float32), verbose=0).shape[1] for length in given]
        print(f"{name:<26} one sentence of {list(given)} positions gives {got}")
        got = model.predict(np.ones((3, 5, DIM), np.float32), verbose=0).shape[1]
        print(f"{name:<26} three sentences of 5 positions give {got}")
        try:
            shape = model.predict(np.ones((8, 5, DIM), np.float32), verbose=0).shape
            print(f"{name:<26} eight sentences of 5 positions give {shape[1]}")
        except Exception as error:  # noqa: BLE001 - TensorFlow's own, or numpy's
            print(f"{name:<26} eight sentences of 5 positions: {type(error).__name__}")


def next_keras() -> None:
    """A Keras whose LSTM and Bidirectional do not pass the mask on: the recipe trains on padding, and only warns."""
    x, real = sentences(5, 3, 2)
    y, flipped = labels(real)
    for passes in (True, False):
        parts = [layers.Masking(0.0), bilstm(), probability()]
        parts[1].supports_masking = passes
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model = chain(*parts)
            before, after = (evaluated(model, x, each, "binary_crossentropy")["loss"] for each in (y, flipped))
        warned = any("does not support masking" in str(each.message) for each in caught)
        name = "passes the mask on" if passes else "does not"
        print(
            f"Bidirectional {name:<20} loss {before:.4f}, labels at padding flipped {after:.4f}, warned {yes(warned)}"
        )


def pad_sequences() -> None:
    """`pad_sequences` makes integers of embeddings, and pads and cuts at the front, by default."""
    one = [[[0.25, -0.5], [0.75, 0.125]]]
    usual = keras.utils.pad_sequences(one, maxlen=3)
    right = keras.utils.pad_sequences(one, maxlen=3, dtype="float32", padding="post", truncating="post")
    print(f"{'as usual':<20} {usual.dtype}: {usual[0].tolist()}")
    print(f"with dtype='float32' {right.dtype}: {right[0].tolist()}")


def cudnn() -> None:
    """Which LSTM, and which mask, the fast GPU kernel would take; read in Keras's source, not run here."""
    tokens = np.array(
        [[1, 1, 1, 0], [0, 1, 1, 1], [1, 0, 1, 1], [0, 0, 0, 0]],
        dtype=bool,
    )
    for words, row in zip(("right-padded", "left-padded", "a gap", "no token"), tokens, strict=True):
        right_padded = np.array_equal(row, np.arange(len(row)) < row.sum())
        print(f"{words:<14}{bits(row[None])}  {yes(right_padded and row.any())}")
    x, _ = sentences(2)
    try:
        layers.LSTM(2, recurrent_dropout=0.3, use_cudnn=True)(x)
    except ValueError as error:
        refused = "cuDNN is not supported for this layer configuration" in str(error)
        print(f"LSTM(recurrent_dropout=0.3, use_cudnn=True) is refused: {yes(refused)}")


def fresh_weights() -> None:
    """With its first weights a model without any mask ignores zero padding: its biases are zero."""
    x, real = sentences(4, 2)
    model = keras.Sequential([keras.Input((None, DIM)), bilstm(), probability()])
    rng = np.random.default_rng(46)
    # a new layer's kernels are random, its biases 0 (1 for the LSTM's forget gate)
    fresh = [rng.normal(size=each.shape) if each.ndim == 2 else each for each in model.get_weights()]
    perturbed = [each if each.ndim == 2 else each + rng.normal(0, 0.5, each.shape) for each in fresh]
    for words, weights in (("first biases", fresh), ("biases plus N(0, 0.5)", perturbed)):
        model.set_weights(weights)
        print(f"no Masking, {words:<26} three more padded positions change {largest_change(model, x, real):.4f}")


def loading() -> None:
    """A model's file can hold Python code; `safe_mode`, which is on by default, refuses it."""
    inputs = keras.Input((None, DIM))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "theirs.keras"
        keras.Model(inputs, layers.Lambda(lambda t: t * 1.0)(inputs)).save(file)
        try:
            keras.saving.load_model(file)
        except ValueError as error:
            print(f"{type(error).__name__}: {str(error).split('. ')[0][:120]}")
        file = Path(folder) / "ours.keras"
        model = tagger()
        model.save(file)
        again = keras.saving.load_model(file)
        x, _ = sentences(4, 2)
        same = np.array_equal(outputs_of(model, x), outputs_of(again, x))
        print(f"the tagger, saved and loaded: the same outputs: {yes(same)}")


FACTS: dict[str, Callable[[], None]] = {
    function.__name__.replace("_", "-"): function
    for function in (
        recipe,
        masking,
        nan,
        mask_value,
        precision,
        padding_value,
        padding_output,
        predict,
        collision,
        loss,
        padding_weights,
        scalar_loss,
        confident,
        ignored_class,
        statistics,
        epoch_loss,
        metrics,
        sample_weight,
        class_weight,
        label_shape,
        ignored_padding,
        lost,
        explicit,
        repair,
        pooling,
        time_distributed,
        initial_state,
        attention,
        go_backwards,
        unrolled,
        softmax_layer,
        merging,
        next_keras,
        pad_sequences,
        cudnn,
        fresh_weights,
        loading,
    )
}


def main(arguments: list[str]) -> int:
    """Show the facts that are named."""
    unknown = [name for name in arguments if name not in FACTS and name != "all"]
    if unknown:
        print(f"there is no fact {unknown[0]!r}; there is {', '.join(FACTS)}, or all", file=sys.stderr)
        return 2
    if not arguments:
        for name, function in FACTS.items():
            print(f"{name:<18}{function.__doc__}")
        return 0
    for name in FACTS if "all" in arguments else arguments:
        if len(arguments) > 1 or "all" in arguments:
            print(f"\n{name}")
        FACTS[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
