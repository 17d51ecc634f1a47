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
    assert "maskscope.audit_model(model, x, lengths) checks it in memory" in str(caught.value)
    assert cut(file, out) == layer
    part = keras_model.load(out)
    np.testing.assert_allclose(part(sentences()), emissions(sentences()), rtol=0, atol=1e-6)
    assert not any(isinstance(each, Crf | OwnTraining) for each in (part, *part.layers))
    with pytest.raises(ModelError, match="there is a file of that name already"):
        cut(file, out)


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
