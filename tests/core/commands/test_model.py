"""``maskscope model``: lists a model's layers and where the mask is."""

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from tests.core.commands.conftest import Run

DEMO = "demo/binary/model.keras"


@pytest.mark.keras
@pytest.mark.usefixtures("jobs_in_process")
def test_the_layers_are_listed_with_their_masks(run: "Run") -> None:
    with resources.as_file(resources.files("maskscope_resources") / DEMO) as file:
        lines = run("model", file).out.splitlines()
        record = run("model", file, "--json").json()
    assert lines[0].split("  ")[0] == "layer"
    assert [line.split()[0] for line in lines[1:]] == ["embeddings", "masking", "bidirectional_1", "probabilities"]
    assert lines[-1].endswith("the same")
    assert set(record) == {"model", "layers", "edges", "picture", "cut"}
    assert (record["picture"], record["cut"]) == (None, None)
    assert [layer["mask"] for layer in record["layers"]] == ["none", "same", "same", "same"]
    assert record["edges"][-1] == {
        "source": "probabilities",
        "target": "loss",
        "mask": "same",
        "fault": False,
        "words": "mask",
    }


@pytest.mark.keras
@pytest.mark.usefixtures("jobs_in_process")
def test_the_part_below_a_layer_in_own_code_is_cut_off(run: "Run", tmp_path: Path) -> None:
    import keras

    @keras.saving.register_keras_serializable("tests")
    class OwnLayer(keras.layers.Layer):  # type: ignore[misc, unused-ignore]
        def call(self, inputs: Any) -> Any:
            return inputs

    own = OwnLayer()
    own.supports_masking = True
    dense = keras.layers.Dense(3, name="emissions")
    keras.Sequential([keras.Input((None, 4)), keras.layers.Masking(), dense, own]).save(tmp_path / "m.keras")
    assert "--cut NEW.keras" in run("model", tmp_path / "m.keras").refused()
    new = tmp_path / "new.keras"
    record = run("model", tmp_path / "m.keras", "--cut", new, "--json").json()
    assert record["cut"] == {"path": str(new), "layer": "emissions"}
    assert [layer["class_name"] for layer in record["layers"]] == ["InputLayer", "Masking", "Dense"]
    x = np.random.default_rng(0).normal(size=(2, 5, 4)).astype(np.float32)
    np.testing.assert_allclose(np.asarray(keras.saving.load_model(new)(x)), np.asarray(dense(x)), atol=1e-6)
    assert "a file of that name" in run("model", tmp_path / "m.keras", "--cut", new).refused()
    out = run("model", tmp_path / "m.keras", "--cut", tmp_path / "other.keras").out
    assert out.startswith(f"{tmp_path / 'other.keras'}: m.keras up to layer emissions\n")


def test_a_missing_file_and_a_wrong_picture_are_refused(run: "Run", tmp_path: Path) -> None:
    assert "received nothing" in run("model", tmp_path / "none.keras").refused()
    refusal = run("model", tmp_path / "none.keras", "--picture", "x.gif").refused()
    assert "expected NAME.svg or NAME.png; received x.gif" in refusal
