"""The trace of a model file: where the mask is on every edge of its graph."""

from pathlib import Path

import keras
import pytest
from keras import layers, ops

from maskscope.audit import model_graph
from maskscope.errors import ModelError

pytestmark = [pytest.mark.keras, pytest.mark.filterwarnings("ignore:Layer .*mask:UserWarning")]


def test_every_edge_says_whether_the_mask_is_there(tmp_path: Path) -> None:
    inputs = keras.Input((None, 4), name="x")
    mask = ops.any(ops.not_equal(inputs, 0.0), axis=-1)
    hidden = layers.Masking(0.0, name="masking")(inputs) * 1.0
    outputs = layers.LSTM(2, return_sequences=True, name="explicit")(hidden, mask=mask)
    keras.Model(inputs, outputs).save(tmp_path / "m.keras")
    graph = model_graph(tmp_path / "m.keras")
    multiply = next(node.name for node in graph.nodes if node.class_name == "Multiply")
    # NotEqual and Any, which make the mask, are not drawn
    assert [(edge.source, edge.target, edge.mask, edge.fault, edge.text) for edge in graph.edges] == [
        ("x", "masking", "none", False, "no mask yet"),
        ("masking", multiply, "same", False, "mask"),
        (multiply, "explicit", "none", False, "none of its own"),
        ("x", "explicit", "same", False, "mask, by mask="),
        ("explicit", "loss", "same", False, "mask"),
    ]
    node = next(node for node in graph.nodes if node.name == "explicit")
    # 4 gates x 2 units x (4 numbers in, 2 states, 1 bias)
    assert (node.class_name, node.shape, node.parameters, node.text) == ("LSTM", "(B, T, 2)", 56, "the same")


def test_without_masking_padding_starts_to_count_at_the_recurrent_layer(tmp_path: Path) -> None:
    model = keras.Sequential(
        [
            keras.Input((None, 4), name="x"),
            layers.Dense(3, name="dense"),
            layers.SimpleRNN(2, name="rnn", return_sequences=True),
        ]
    )
    model.save(tmp_path / "m.keras")
    edges = model_graph(tmp_path / "m.keras").edges
    assert [(edge.target, edge.fault, edge.text) for edge in edges] == [
        ("dense", False, "no mask yet"),
        ("rnn", True, "no mask"),
        ("loss", True, "no mask"),
    ]


@pytest.mark.filterwarnings("ignore:You are saving a model that has not yet been built:UserWarning")
def test_a_model_without_positions_has_no_masks_and_an_unbuilt_one_is_refused(tmp_path: Path) -> None:
    inputs = keras.Input((3,))
    keras.Model(inputs, keras.layers.Dense(2)(inputs)).save(tmp_path / "flat.keras")
    assert [edge.text for edge in model_graph(tmp_path / "flat.keras").edges] == ["no positions", "no positions"]
    keras.Sequential([keras.layers.Dense(1)]).save(tmp_path / "unbuilt.keras")
    with pytest.raises(ModelError, match="received Sequential"):
        model_graph(tmp_path / "unbuilt.keras")


def test_a_layer_that_fails_is_shown_and_what_follows_too(tmp_path: Path) -> None:
    hidden = layers.Masking(0.0, name="masking")(x := keras.Input((None, 4), name="x"))
    outputs = layers.Dense(2, name="last")(layers.Softmax(name="softmax")(layers.Dense(3, name="dense")(hidden)))
    keras.Model(x, outputs).save(tmp_path / "m.keras")
    edges = model_graph(tmp_path / "m.keras").edges
    assert [(edge.target, edge.fault, edge.text) for edge in edges] == [
        ("masking", False, "no mask yet"),
        ("dense", False, "mask"),
        ("softmax", True, "fails"),
        ("last", True, "no mask"),
        ("loss", True, "no mask"),
    ]


def test_models_that_can_not_be_scored_are_drawn(tmp_path: Path) -> None:
    words, mask = keras.Input((None, 4), name="words"), keras.Input((None,), dtype="bool", name="mask")
    with_mask = keras.Model([words, mask], layers.LSTM(2, return_sequences=True, name="rnn")(words, mask=mask))
    classifier = keras.Sequential(
        [keras.Input((5, 4), name="words"), layers.Masking(name="masking"), layers.SimpleRNN(2, name="rnn")]
    )
    hidden = layers.SimpleRNN(2, return_sequences=True, name="rnn")(layers.Masking(name="masking")(words))
    two = keras.Model(words, [layers.Dense(2, name="first")(hidden), layers.Dense(2, name="second")(hidden)])
    broken = keras.Model(words, ops.log(layers.Dense(1, name="dense")(hidden) * 0.0))
    texts = []
    for number, model in enumerate((with_mask, classifier, two, broken)):
        model.save(tmp_path / f"{number}.keras")
        graph = model_graph(tmp_path / f"{number}.keras")
        texts.append([edge.text for edge in graph.edges if edge.target in ("rnn", "loss")])
    assert texts == [
        ["none of its own", "mask, by mask=", "mask"],
        ["mask", "no positions"],
        ["mask", "mask", "mask"],
        ["mask", "no mask"],
    ]
