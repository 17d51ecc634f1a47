"""The loss and the layers in a file, against models that Keras itself has written."""

import re
from pathlib import Path
from typing import Any

import keras
import pytest

from maskscope.keras_io.model_head import ModelHead, head_of_config, read_head

pytestmark = pytest.mark.keras

layers, losses = keras.layers, keras.losses


def saved(path: Path, *stack: Any, **compiled: Any) -> ModelHead:
    model = keras.Sequential([keras.Input((None, 3)), *stack])
    if compiled:
        model.compile(**compiled)
    model.save(path / "m.keras")
    return read_head(path / "m.keras")


def own_loss(y: Any, p: Any) -> Any:
    return keras.ops.mean(keras.ops.square(y - p), axis=-1)


def name_of(value: object) -> str:
    """A name without an address in memory, which another process would write differently."""
    return re.sub(r" at 0x[0-9a-f]+", "", str(value))


class OwnLoss(losses.Loss):  # type: ignore[name-defined, misc, unused-ignore]
    def call(self, y_true: Any, y_pred: Any) -> Any:
        return own_loss(y_true, y_pred)


@pytest.mark.parametrize(
    ("loss", "name", "own", "from_logits"),
    [
        ("mse", "mean_squared_error", "", False),
        ("MeanSquaredError", "mean_squared_error", "", False),
        (losses.MeanSquaredError(), "mean_squared_error", "", False),
        (losses.mean_absolute_error, "mean_absolute_error", "", False),
        ([losses.Huber()], "huber", "", False),
        ("cosine_similarity", "cosine_similarity", "", False),
        (losses.BinaryCrossentropy(from_logits=True), "binary_crossentropy", "", True),
        (losses.SparseCategoricalCrossentropy(from_logits=True), "sparse_categorical_crossentropy", "", True),
        ("categorical_crossentropy", "categorical_crossentropy", "", False),
        (own_loss, "", "own_loss", False),
        (OwnLoss(), "", "OwnLoss", False),
    ],
    ids=name_of,
)
def test_the_loss_is_that_of_the_file(tmp_path: Path, loss: Any, name: str, own: str, from_logits: bool) -> None:
    found = saved(tmp_path, layers.Dense(2), loss=loss, optimizer="sgd")
    assert (found.loss, found.own_loss, found.from_logits) == (name, own, from_logits)


def test_layers_are_listed_with_what_they_wrap(tmp_path: Path) -> None:
    found = saved(
        tmp_path,
        layers.Masking(),
        layers.Bidirectional(layers.SimpleRNN(2, return_sequences=True)),
        layers.TimeDistributed(layers.Dense(2)),
    )
    assert found.layers == ("Masking", "Bidirectional(SimpleRNN)", "TimeDistributed(Dense)")


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"config": None},
        {"class_name": "Functional", "config": {"layers": [], "output_layers": []}},
        {"class_name": "Sequential", "config": {"layers": [{"class_name": "Dropout", "config": {}}]}},
        {"class_name": "Sequential", "config": {"layers": 3}, "compile_config": {"loss": [[], {}]}},
        {
            "class_name": "Functional",
            "config": {
                "layers": [
                    {
                        "class_name": "Dropout",
                        "name": "a",
                        "config": {},
                        "inbound_nodes": [{"args": [{"config": {"keras_history": ["a", 0, 0]}}]}],
                    }
                ],
                "output_layers": ["a", 0, 0],
            },
        },
        {"compile_config": {"loss": {"class_name": 3, "config": {"from_logits": "yes"}}}},
    ],
)
def test_what_keras_does_not_write_is_not_known(config: dict[str, Any]) -> None:
    found = head_of_config(config)
    assert (found.loss, found.from_logits) == ("", False)


def test_a_file_that_is_no_model_has_no_head(tmp_path: Path) -> None:
    (tmp_path / "m.keras").write_bytes(b"PK")
    assert read_head(tmp_path / "m.keras") == ModelHead()


def test_layers_are_those_that_were_built_and_not_how_masking_makes_its_mask(tmp_path: Path) -> None:
    inputs = keras.Input((None, 3))
    outputs = layers.TimeDistributed(layers.Dense(2))(layers.LSTM(2, return_sequences=True)(layers.Masking()(inputs)))
    keras.Model(inputs, outputs).save(tmp_path / "m.keras")
    assert read_head(tmp_path / "m.keras").layers == ("Masking", "LSTM", "TimeDistributed(Dense)")
