"""Reading the weights of a `.keras` file without Keras, and refusing what is not known or not safe."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import h5py
import numpy as np
import pytest

from maskscope.engine import packed
from maskscope.errors import ModelError

Layer: TypeAlias = tuple[str, dict[str, object]]
"""Class name and config."""


def keras_file(path: Path, change: Callable[[dict[str, bytes]], object]) -> Path:
    """A small zip like a .keras file, with `change` made to its members."""
    members = {"metadata.json": b"{}", "config.json": b"{}", "model.weights.h5": b""}
    change(members)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def sequential(*layers: Layer) -> bytes:
    described = [
        {"class_name": kind, "config": {"name": f"{kind.lower()}_{i}", **config}}
        for i, (kind, config) in enumerate(layers)
    ]
    return json.dumps({"class_name": "Sequential", "config": {"layers": described}}).encode()


LSTM: dict[str, object] = {"class_name": "LSTM", "config": {"units": 2, "activation": "tanh", "return_sequences": True}}
SEQUENCES: dict[str, object] = {"units": 2, "return_sequences": True}
MASKING: Layer = ("Masking", {"mask_value": 0.0})
BILSTM: Layer = ("Bidirectional", {"merge_mode": "concat", "layer": LSTM})
DENSE: Layer = ("Dense", {"units": 1, "activation": "sigmoid"})


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (b"{", "damaged config.json"),
        (b"[" * 100_000, "damaged config.json"),
        (b"{}", "not as Keras writes it"),
        (b'{"class_name": "Functional", "config": {"layers": [[]]}}', "not as Keras writes it"),
        (b'{"class_name": "MyModel", "config": {}}', "unknown kind"),
        (sequential(), "no layers"),
        (sequential(MASKING), "holds no layer that computes anything"),
        (sequential(("ConvLSTM1D", {}), DENSE), "layer 'convlstm1d_0', which the built-in engine does not support"),
        (sequential(BILSTM, ("Conv1D", {}), DENSE), "layer 'conv1d_1', which the built-in engine does not support"),
        (
            sequential(BILSTM, ("LayerNormalization", {"axis": 1}), DENSE),
            "another axis in layer 'layernormalization_1'",
        ),
        (
            sequential(BILSTM, ("LayerNormalization", {"rms_scaling": True}), DENSE),
            "by the root mean square in layer 'layernormalization_1'",
        ),
        (sequential(("LayerNormalization", {"scale": False, "center": False}), BILSTM, DENSE), "damaged model.weights"),
        (
            sequential(BILSTM, ("Dense", {"units": 2, "activation": "glu"}), DENSE),
            "an activation in layer 'dense_1' that the built-in engine does not support",
        ),
        (sequential(("LSTM", {**SEQUENCES, "activation": "softmax"}), DENSE), "received 'softmax'"),
        (
            sequential(BILSTM, ("Dense", {"units": 2, "activation": {"class_name": "Odd", "config": {}}}), DENSE),
            "received 'Odd'",
        ),
        (
            sequential(("Bidirectional", {"merge_mode": "max", "layer": LSTM}), DENSE),
            "expected 'concat' or 'sum' or 'mul' or 'ave' or None; received 'max'",
        ),
        (
            sequential(("Bidirectional", {"merge_mode": None, "layer": LSTM}), DENSE),
            "gives both directions of layer 'bidirectional_0' apart",
        ),
        (sequential(("LSTM", {"units": 2}), DENSE), "gives no output for each token in layer 'lstm_0'"),
        (
            sequential(("Bidirectional", {"layer": LSTM, "backward_layer": LSTM}), DENSE),
            "another go_backwards in the backward layer of layer 'bidirectional_0'",
        ),
        (
            sequential(("Bidirectional", {"layer": {**LSTM, "class_name": "ConvLSTM1D"}}), DENSE),
            "expected LSTM or GRU or SimpleRNN; received ConvLSTM1D",
        ),
        (
            sequential(("TimeDistributed", {"layer": {"class_name": "LSTM", "config": {"name": "inner"}}}), DENSE),
            "holds layer 'inner' within a TimeDistributed",
        ),
        (sequential(BILSTM, ("ReLU", {"threshold": 1.0}), DENSE), "has a threshold in layer 'relu_1'"),
        (sequential(BILSTM, ("ELU", {"alpha": 0.5}), DENSE), "has another alpha in layer 'elu_1'"),
        (sequential(BILSTM, ("Softmax", {"axis": 1})), "another axis in layer 'softmax_1'"),
        (sequential(BILSTM, MASKING, DENSE), "layer 'bidirectional_0' before its Masking layer 'masking_1'"),
        (sequential(DENSE, MASKING, BILSTM, DENSE), "layer 'dense_0' before its Masking layer 'masking_1'"),
        (sequential(MASKING, MASKING, BILSTM, DENSE), "a second Masking layer 'masking_1'"),
        (
            sequential(("InputLayer", {"batch_shape": [None, 9]}), BILSTM, DENSE),
            "an input 'inputlayer_0' of another shape",
        ),
        (sequential(("InputLayer", {"dtype": "float16"}), BILSTM, DENSE), "expected float32; received float16"),
        (sequential(BILSTM, DENSE), "damaged model.weights.h5"),
    ],
)
def test_models_that_are_not_the_known_stack_are_refused_by_name(tmp_path: Path, config: bytes, words: str) -> None:
    path = keras_file(tmp_path / "m.keras", lambda members: members.update({"config.json": config}))
    with pytest.raises(ModelError) as caught:
        packed.load(path)
    assert words in str(caught.value)
    assert "m.keras" in str(caught.value)


def test_hostile_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    path.write_bytes(b"nothing like a zip")
    with pytest.raises(ModelError, match=r"not a complete \.keras file"):
        packed.load(path)
    with pytest.raises(ModelError, match="can't be read"):
        packed.load(tmp_path / "nowhere.keras")
    keras_file(path, lambda members: members.pop("config.json"))
    with pytest.raises(ModelError, match=r"expected a member config\.json"):
        packed.load(path)
    keras_file(path, lambda members: members.update({"config.json": b" " * (17 << 20)}))
    with pytest.raises(ModelError, match="too large"):
        packed.load(path)
    keras_file(path, lambda members: members.update({"config.json": sequential(BILSTM, DENSE)}))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match=r"not a complete \.keras file"):
        packed.load(path)


def test_an_absurd_width_is_refused_before_memory_is_taken_for_it(tmp_path: Path) -> None:
    stream = io.BytesIO()
    h5py.File(stream, "w").close()
    norm: Layer = ("LayerNormalization", {"scale": False, "center": False})
    config = sequential(("InputLayer", {"batch_shape": [None, None, 10**15]}), norm, BILSTM, DENSE)
    parts = {"config.json": config, "model.weights.h5": stream.getvalue()}
    with pytest.raises(ModelError, match="too wide an input of layer 'layernormalization_1'"):
        packed.load(keras_file(tmp_path / "m.keras", lambda members: members.update(parts)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"layers/dense/vars/0": np.zeros((3, 1), np.float32)}, "don't fit layer 'dense_1'"),
        ({"layers/dense/vars/1": None}, "lacks weights of layer 'dense_1'"),
        ({"layers/dense/vars/1": np.array([np.nan], np.float32)}, "NaN or infinity"),
        ({"layers/dense/vars/1": np.zeros(1, np.int64)}, "received (1,) int64"),
        (
            {"layers/bidirectional/backward_layer/cell/vars/0": np.zeros((4, 8), np.float32)},
            "expected (3, 8) float32; received (4, 8) float32",
        ),
    ],
)
def test_weights_that_do_not_fit_are_refused(tmp_path: Path, change: dict[str, np.ndarray | None], words: str) -> None:
    arrays: dict[str, np.ndarray | None] = {
        "layers/dense/vars/0": np.zeros((4, 1), np.float32),
        "layers/dense/vars/1": np.zeros(1, np.float32),
    }
    for direction in ("forward_layer", "backward_layer"):
        place = f"layers/bidirectional/{direction}/cell/vars"
        arrays[f"{place}/0"] = np.zeros((3, 8), np.float32)
        arrays[f"{place}/1"] = np.zeros((2, 8), np.float32)
        arrays[f"{place}/2"] = np.zeros(8, np.float32)

    def file(arrays: dict[str, np.ndarray | None]) -> Path:
        stream = io.BytesIO()
        with h5py.File(stream, "w") as weights:
            for name, array in arrays.items():
                if array is not None:
                    weights[name] = array
        parts = {"config.json": sequential(BILSTM, DENSE), "model.weights.h5": stream.getvalue()}
        return keras_file(tmp_path / "m.keras", lambda members: members.update(parts))

    assert packed.load(file(arrays)).dim == 3
    with pytest.raises(ModelError) as caught:
        packed.load(file({**arrays, **change}))
    assert words in str(caught.value)


def test_links_out_of_the_weights_file_are_not_followed(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["0"] = np.zeros((3, 8), np.float32)
    stream = io.BytesIO()
    with h5py.File(stream, "w") as weights:
        group = weights.create_group("layers/bidirectional/forward_layer/cell")
        group["vars"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/")
    parts = {"config.json": sequential(BILSTM, DENSE), "model.weights.h5": stream.getvalue()}
    with pytest.raises(ModelError, match="lacks weights"):
        packed.load(keras_file(tmp_path / "m.keras", lambda members: members.update(parts)))


def functional(*layers: tuple[str, str, list[str], dict[str, object]]) -> bytes:
    """A Functional model of (class name, name, names of the layers it reads, config); the last one is the output."""
    described: list[dict[str, object]] = [
        {
            "class_name": kind,
            "config": dict[str, object](name=name) | config,
            "inbound_nodes": [{"args": [tensors(sources)], "kwargs": {}}] if sources else [],
        }
        for kind, name, sources, config in layers
    ]
    config = {"layers": described, "input_layers": ["x", 0, 0], "output_layers": [layers[-1][1], 0, 0]}
    return json.dumps({"class_name": "Functional", "config": config}).encode()


def tensors(names: list[str]) -> object:
    found = [{"class_name": "__keras_tensor__", "config": {"keras_history": [name, 0, 0]}} for name in names]
    return found if len(found) > 1 else found[0]


INPUT: tuple[str, str, list[str], dict[str, object]] = ("InputLayer", "x", [], {"batch_shape": [None, None, 3]})


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (
            functional(INPUT, ("Dense", "a", ["b"], {"units": 2}), ("Dense", "b", ["a"], {"units": 2})),
            "graph of layers",
        ),
        (
            functional(INPUT, ("Masking", "m", ["x"], {"mask_value": 0.0}), ("Add", "sum", ["x", "m"], {})),
            "combines masked and unmasked branches in layer 'sum'",
        ),
        (functional(INPUT, ("InputLayer", "y", [], {}), ("Add", "sum", ["x", "y"], {})), "a second input 'y'"),
        (functional(INPUT, ("MultiHeadAttention", "attend", ["x", "x"], {})), "holds layer 'attend', which"),
        (sequential(*[("Dropout", {})] * 1001), "holds too many layers; expected at most 1000; received 1001"),
        (
            sequential(("Masking", {"mask_value": [[0.0], [1.0]]}), BILSTM),
            "expected a number or a row of numbers as mask_value",
        ),
    ],
)
def test_graphs_that_can_not_be_run_are_refused_by_name(tmp_path: Path, config: bytes, words: str) -> None:
    path = keras_file(tmp_path / "m.keras", lambda members: members.update({"config.json": config}))
    with pytest.raises(ModelError) as caught:
        packed.load(path)
    assert words in str(caught.value)
