"""The activation that a model ends in, in the graph of Keras and as the built-in engine reads it from the file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import pytest

from maskscope.keras_io.last_activation import last_activation
from maskscope.workflows.fit_model import choose_engine

pytestmark = pytest.mark.keras

layers = keras.layers


def in_the_engine(model: Any, file: Path) -> str | None:
    """As the built-in engine reads it; None for a model that it does not run."""
    model.save(file)
    weights = choose_engine(file).weights
    return None if weights is None else weights.activation


@pytest.mark.parametrize(
    ("stack", "activation"),
    [
        ([layers.Dense(2, activation="softmax")], "softmax"),
        ([layers.Dense(2)], "linear"),
        ([layers.Dense(2, activation=keras.activations.log_softmax)], "log_softmax"),
        ([layers.Dense(2), layers.Activation("sigmoid"), layers.Dropout(0.5)], "sigmoid"),
        ([layers.Dense(2), layers.Softmax()], "softmax"),
        ([layers.TimeDistributed(layers.Dense(2, activation="tanh"))], "tanh"),
        ([layers.TimeDistributed(layers.Dense(2)), layers.TimeDistributed(layers.Activation("softmax"))], "softmax"),
        ([keras.Sequential([layers.Dense(2), layers.Activation("softmax")])], "softmax"),
        ([layers.Dense(2), layers.BatchNormalization()], "linear"),
        ([layers.Dense(2), layers.Activation("log_softmax"), layers.Activation("linear")], "log_softmax"),
        ([layers.SimpleRNN(2, return_sequences=True)], ""),
    ],
    ids=str,
)
def test_the_last_activation_is_found_behind_layers_that_change_nothing(
    tmp_path: Path, stack: list[Any], activation: str
) -> None:
    model = keras.Sequential([keras.Input((None, 3)), *stack])
    assert (last_activation(model) or "") == activation
    assert in_the_engine(model, tmp_path / "m.keras") == activation


def functional(end: Callable[[Any], Any]) -> Any:
    inputs = keras.Input((None, 3))
    hidden = layers.Dense(4, activation="relu")(inputs)
    return keras.Model(inputs, end(hidden))


@pytest.mark.parametrize(
    ("end", "activation"),
    [
        (lambda x: layers.Dense(2, activation="sigmoid")(x), "sigmoid"),
        (lambda x: layers.Reshape((-1, 2))(layers.Dense(2, activation="softmax")(x)), "softmax"),
        (lambda x: keras.ops.softmax(layers.Dense(2)(x)), "softmax"),
        (lambda x: keras.ops.sigmoid(x)[..., 0], ""),
        (
            lambda x: layers.TimeDistributed(keras.Sequential([layers.Flatten(), layers.Dense(2, "softplus")]))(x),
            "softplus",
        ),
        (lambda x: keras.ops.log_softmax(layers.Dense(2)(x)), "log_softmax"),
        (lambda x: layers.Average()([layers.Dense(2, activation="softmax")(x), layers.Dense(2)(x)]), ""),
        (lambda x: layers.Dense(2)(x) * 2.0, ""),
    ],
)
def test_a_functional_model_ends_where_its_output_is(
    tmp_path: Path, end: Callable[[Any], Any], activation: str
) -> None:
    model = functional(end)
    assert (last_activation(model) or "") == activation
    assert in_the_engine(model, tmp_path / "m.keras") in (activation, None)
