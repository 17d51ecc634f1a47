"""The trace: the run that notes masks is the model's own, and the graph tells where the mask is."""

import json
from pathlib import Path

import numpy as np
import pytest

from maskscope import cli, masks
from maskscope.audit import model_graph
from maskscope.errors import ModelError

DEMO = "demo/binary/model.keras"


@pytest.fixture(scope="module")
def models() -> dict[str, object]:
    keras = pytest.importorskip("keras")
    layers, ops = keras.layers, keras.ops
    keras.utils.set_random_seed(0)
    inputs = keras.Input((None, 4), name="x")
    masked = layers.Masking(0.0, name="masking")(inputs)
    shared = layers.Dense(4, name="shared")
    twice = shared(shared(masked))
    joined = layers.Concatenate(name="joined")([layers.LSTM(3, return_sequences=True)(twice), masked, inputs * 2.0])
    inner = keras.Sequential([keras.Input((None, 4)), layers.Masking(0.0), layers.Dropout(0.5)], name="inner")
    state, last, _ = layers.LSTM(3, return_sequences=True, return_state=True)(inner(inputs))
    both = layers.Add()([layers.Dense(3)(joined), state, ops.expand_dims(last, 1)])
    mask = ops.any(ops.not_equal(inputs, 0.0), axis=-1)
    by_hand = layers.LSTM(2, return_sequences=True, name="by_hand")(masked * 1.0, mask=mask)
    return {
        "Functional": keras.Model(inputs, layers.Dense(1)(both)),
        "Sequential": keras.Sequential(
            [
                keras.Input((None, 4)),
                layers.Masking(0.0),
                layers.Bidirectional(layers.LSTM(3, return_sequences=True, recurrent_dropout=0.5)),
                layers.BatchNormalization(),
                layers.Dense(2, "softmax"),
            ]
        ),
        "by hand": keras.Model(inputs, by_hand),
    }


@pytest.mark.parametrize("name", ["Functional", "Sequential", "by hand"])
@pytest.mark.filterwarnings("ignore:Layer .*mask:UserWarning")
@pytest.mark.keras
def test_the_noted_run_is_the_models_own(models: dict[str, "object"], name: str) -> None:
    from maskscope.keras_io import keras_graph

    model = models[name]
    x = np.random.default_rng(0).normal(size=(3, 5, 4)).astype(np.float32)
    x[~masks.mask_from_lengths([5, 2, 0], 5)] = 0
    run = keras_graph.run(model, (x,))
    printed = model(x, training=False)  # type: ignore[operator]
    np.testing.assert_array_equal(run.outputs[0], np.asarray(printed))
    own = getattr(printed, "_keras_mask", None)
    place, output = run.ends[0]
    noted = run.visits[place].masks[output]
    assert (noted is None) == (own is None)
    if own is not None:
        np.testing.assert_array_equal(noted, np.asarray(own))
    called = [visit.name for visit in run.visits if visit.kind != "operation"]
    operations = {layer.name for layer in model.layers}  # type: ignore[attr-defined]
    assert operations <= {name.removesuffix(" (2)") for name in called} | {"input_layer"}


@pytest.mark.filterwarnings("ignore:Layer .*mask:UserWarning")
@pytest.mark.keras
def test_every_edge_says_whether_the_mask_is_there(models: dict[str, "object"], tmp_path: Path) -> None:
    models["by hand"].save(tmp_path / "m.keras")  # type: ignore[attr-defined]
    graph = model_graph(tmp_path / "m.keras")
    multiply = next(node.name for node in graph.nodes if node.class_name == "Multiply")
    # NotEqual and Any, which make the mask, are not drawn
    assert [(edge.source, edge.target, edge.mask, edge.fault, edge.words) for edge in graph.edges] == [
        ("x", "masking", "none", False, "no mask yet"),
        ("masking", multiply, "same", False, "mask"),
        (multiply, "by_hand", "none", False, "none of its own"),
        ("x", "by_hand", "same", False, "mask, by mask="),
        ("by_hand", "loss", "same", False, "mask"),
    ]
    node = next(node for node in graph.nodes if node.name == "by_hand")
    # 4 gates x 2 units x (4 numbers in, 2 states, 1 bias)
    assert (node.class_name, node.shape, node.parameters, node.words) == ("LSTM", "(B, T, 2)", 56, "the same")


@pytest.mark.keras
def test_an_lstm_that_nobody_masks_is_where_padding_comes_in(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((None, 4), name="x"),
            layers.Dense(3, name="dense"),
            layers.LSTM(2, name="lstm", return_sequences=True),
        ]
    )
    model.save(tmp_path / "m.keras")
    edges = model_graph(tmp_path / "m.keras").edges
    assert [(edge.target, edge.fault, edge.words) for edge in edges] == [
        ("dense", False, "no mask yet"),
        ("lstm", True, "no mask"),
        ("loss", True, "no mask"),
    ]


@pytest.mark.filterwarnings("ignore:You are saving a model that has not yet been built:UserWarning")
@pytest.mark.keras
def test_a_model_without_positions_or_of_code_of_its_own_is_told_apart(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    inputs = keras.Input((3,))
    keras.Model(inputs, keras.layers.Dense(2)(inputs)).save(tmp_path / "flat.keras")
    assert [edge.words for edge in model_graph(tmp_path / "flat.keras").edges] == ["no positions", "no positions"]
    keras.Sequential([keras.layers.Dense(1)]).save(tmp_path / "unbuilt.keras")
    with pytest.raises(ModelError, match="received Sequential"):
        model_graph(tmp_path / "unbuilt.keras")


@pytest.mark.keras
def test_the_command_lists_the_layers(capsys: pytest.CaptureFixture[str]) -> None:
    from importlib import resources

    with resources.as_file(resources.files("maskscope_resources") / DEMO) as file:
        assert cli.main(["model", str(file)]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].split("  ")[0] == "layer"
        assert [line.split()[0] for line in lines[1:]] == [
            "embeddings",
            "masking",
            "bidirectional_1",
            "probabilities",
        ]
        assert lines[-1].endswith("the same")
        assert cli.main(["model", str(file), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert set(record) == {"model", "layers", "edges", "picture"}
    assert record["picture"] is None
    assert [layer["mask"] for layer in record["layers"]] == ["none", "same", "same", "same"]
    assert record["edges"][-1] == {
        "source": "probabilities",
        "target": "loss",
        "mask": "same",
        "fault": False,
        "words": "mask",
    }


@pytest.mark.keras
def test_the_command_refuses_in_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["model", str(tmp_path / "none.keras")]) == 2
    assert "received nothing" in capsys.readouterr().err
    assert cli.main(["model", str(tmp_path / "none.keras"), "--picture", "x.gif"]) == 2
    assert "expected NAME.svg or NAME.png; received x.gif" in capsys.readouterr().err
