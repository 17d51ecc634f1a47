"""The known part of a model that ends in a layer in own code, such as a CRF."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from maskscope.errors import ModelError
from maskscope.keras_io import keras_model
from maskscope.keras_io.cut import cut
from maskscope.keras_io.safety import last_known_layer
from maskscope.types import Floats

pytestmark = [pytest.mark.keras, pytest.mark.filterwarnings("ignore:.*mask attached to it")]

DIM = 4
L = keras.layers


class Crf(keras.layers.Layer):
    """Stands for any layer in own code."""

    def build(self, shape: Any) -> None:
        self.transitions = self.add_weight(shape=(shape[-1], shape[-1]), name="transitions")

    def call(self, x: Any, mask: Any = None) -> Any:
        return x @ self.transitions


class OwnTraining(keras.Model):
    """Stands for a model with a training step in own code."""


def sentences() -> Floats:
    x: Floats = np.random.default_rng(0).normal(size=(2, 5, DIM)).astype(np.float32)
    x[1, 3:] = 0
    return x


def with_crf() -> tuple[Any, Any]:
    """A model of several inputs and shared layers that ends in a CRF, and the emissions within it."""
    inputs, labels = keras.Input((None, DIM), name="embeddings"), keras.Input((None, 1), name="labels")
    shared = L.Dense(DIM)
    L.Dense(3)(inputs)
    hidden = L.Masking(0.0)(inputs)
    hidden = shared(shared(hidden))
    inner = keras.Sequential([keras.Input((None, DIM)), L.Dense(3), L.Dense(4)])
    hidden = L.LSTM(2, return_sequences=True)(inner(hidden))
    emissions = L.Dense(3, name="emissions")(hidden)
    scores = Crf()(emissions)
    joined = L.Dense(2)(L.Concatenate()([L.Dense(3)(labels), scores]))
    return keras.Model([inputs, labels], [joined, scores]), keras.Model(inputs, emissions)


def in_a_row() -> tuple[Any, Any]:
    model = keras.Sequential([keras.Input((None, DIM)), L.Masking(0.0), L.Dense(3), L.Dense(2), Crf(), L.Dense(2)])
    return model, keras.Model(model.inputs[0], model.layers[2].output)


def of_own_class() -> tuple[Any, Any]:
    inputs = keras.Input((None, DIM))
    outputs = L.Dense(2)(L.Masking(0.0)(inputs))
    return OwnTraining(inputs, outputs), keras.Model(inputs, outputs)


@pytest.mark.parametrize("make", [with_crf, in_a_row, of_own_class])
def test_the_part_up_to_the_last_known_layer_is_saved(make: Callable[[], tuple[Any, Any]], tmp_path: Path) -> None:
    model, emissions = make()
    file, out = tmp_path / "crf.keras", tmp_path / "emissions.keras"
    model.save(file)
    layer = last_known_layer(file)
    with pytest.raises(ModelError) as caught:
        keras_model.load(file)
    assert f"--cut NEW.keras saves the part up to its layer '{layer}'" in str(caught.value)
    assert "maskscope.audit_model(model, x, lengths) checks the whole in memory" in str(caught.value)
    assert cut(file, out) == layer
    part = keras_model.load(out)
    np.testing.assert_allclose(part(sentences()), emissions(sentences()), rtol=0, atol=1e-6)
    assert not any(isinstance(each, Crf | OwnTraining) for each in (part, *part.layers))
    with pytest.raises(ModelError, match="there is a file of that name already"):
        cut(file, out)


class OwnModel(keras.Model):
    """A model whose layers are called by its own code."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dense = L.Dense(2)

    def call(self, x: Any) -> Any:
        return self.dense(x)


def test_a_model_of_own_code_is_sent_to_the_audit_in_memory(tmp_path: Path) -> None:
    model = OwnModel()
    model(sentences())
    model.save(tmp_path / "own.keras")
    with pytest.raises(ModelError) as caught:
        keras_model.load(tmp_path / "own.keras")
    assert "holds a model of a custom class" in str(caught.value)
    assert "maskscope.audit_model(model, x, lengths) checks the whole in memory" in str(caught.value)
    assert "--cut" not in str(caught.value)


def test_a_model_with_nothing_known_has_no_such_part(tmp_path: Path) -> None:
    inputs = keras.Input((None, DIM))
    file = tmp_path / "own.keras"
    keras.Model(inputs, L.Dense(2)(Crf()(inputs))).save(file)
    assert last_known_layer(file) is None
    with pytest.raises(ModelError, match="has no part to be cut off"):
        cut(file, tmp_path / "out.keras")
    with pytest.raises(ModelError) as caught:
        keras_model.load(file)
    assert "--cut" not in str(caught.value)


def test_a_config_that_lies_about_its_layers_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "crf.keras"
    in_a_row()[0].save(file)
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    for name, change in (("no.keras", {"layers": 5}), ("deep.keras", {"layers": [{"class_name": [[]]}]})):
        changed = {**config, "config": {**config["config"], **change}}
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for member, content in members.items():
                archive.writestr(member, json.dumps(changed) if member == "config.json" else content)
        assert last_known_layer(tmp_path / name) is None


def in_the_form_of_keras_2(model: dict[str, Any]) -> dict[str, Any]:
    """The config of a Functional model as Keras 2.15 writes it."""

    def source(tensor: dict[str, Any], kinds: dict[str, str], kwargs: dict[str, Any]) -> list[Any]:
        name, call, output = tensor["config"]["keras_history"]
        return [name, call + (kinds[name] in ("Functional", "Sequential")), output, kwargs]

    config = model["config"]
    masks = [layer for layer in config["layers"] if layer["class_name"] in ("NotEqual", "Any")]
    config["layers"] = [layer for layer in config["layers"] if layer not in masks]
    kinds = {layer["name"]: layer["class_name"] for layer in config["layers"]}
    for layer in config["layers"]:
        own = layer["config"]
        own["dtype"] = "float32"
        if layer["class_name"] == "InputLayer":
            own["batch_input_shape"] = own.pop("batch_shape")
        if layer["class_name"] == "LSTM":
            own["time_major"] = False
            own.pop("seed")
        nodes = []
        for node in layer["inbound_nodes"]:
            (given,) = node["args"]
            kwargs = {"value": source(node["args"][0], kinds, {})[:3]} if layer["class_name"] == "Attention" else {}
            nodes.append([source(each, kinds, kwargs) for each in (given if isinstance(given, list) else [given])])
        layer["inbound_nodes"] = nodes
        if layer["class_name"] == "Sequential":
            for inner in own["layers"]:
                if inner["class_name"] == "InputLayer":
                    inner["config"]["batch_input_shape"] = inner["config"].pop("batch_shape")
    config["input_layers"], config["output_layers"] = [config["input_layers"]], [config["output_layers"]]
    return {**model, "module": "keras.src.engine.functional"}


def test_a_file_of_keras_2_is_written_anew(tmp_path: Path) -> None:
    inputs = keras.Input((None, DIM))
    inner = keras.Sequential([keras.Input((None, DIM)), L.Dense(DIM), L.BatchNormalization()])
    hidden = L.LSTM(2, return_sequences=True)(L.Masking(0.0)(inner(inner(inputs))))
    model = keras.Model(inputs, L.Dense(3)(L.Concatenate()([hidden, inner(inputs)])))
    model.save(tmp_path / "new.keras")
    with zipfile.ZipFile(tmp_path / "new.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["config.json"] = json.dumps(in_the_form_of_keras_2(json.loads(members["config.json"]))).encode()
    members["metadata.json"] = b'{"keras_version": "2.15.0"}'
    with zipfile.ZipFile(tmp_path / "old.keras", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(ModelError, match=r"was written by Keras 2.*--cut NEW.keras writes it anew"):
        keras_model.load(tmp_path / "old.keras")
    assert cut(tmp_path / "old.keras", tmp_path / "anew.keras") == model.layers[-1].name
    anew = keras_model.load(tmp_path / "anew.keras")
    np.testing.assert_allclose(anew(sentences()), model(sentences()), rtol=0, atol=1e-6)


def test_a_model_that_ends_in_a_model_is_cut_before_its_own_class(tmp_path: Path) -> None:
    inputs = keras.Input((None, DIM))
    inner = keras.Model(inputs, L.Dense(DIM)(inputs), name="inner")
    model = OwnTraining(inputs, inner(inner(inputs)))
    model.save(tmp_path / "own.keras")
    assert cut(tmp_path / "own.keras", tmp_path / "plain.keras") == "inner"
    plain = keras_model.load(tmp_path / "plain.keras")
    np.testing.assert_allclose(plain(sentences()), model(sentences()), rtol=0, atol=1e-6)
