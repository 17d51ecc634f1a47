"""Hostile and broken model files are refused in one sentence, before anything of them is loaded."""

import io
import json
import pickle
import stat
import zipfile
from collections.abc import Callable
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from maskscope.errors import ModelError
from maskscope.keras_io import safety
from maskscope.keras_io.safety import inspect_keras_file
from maskscope.workflows.fit_model import choose_engine

GOOD = Path(str(resources.files("maskscope_resources") / "demo" / "binary" / "model.keras"))
NAMES = ("metadata.json", "config.json", "model.weights.h5")


@pytest.fixture(scope="module")
def good() -> dict[str, bytes]:
    """The members of a file that Keras wrote."""
    with zipfile.ZipFile(GOOD) as archive:
        return {name: archive.read(name) for name in NAMES}


def write(path: Path, members: dict[str, bytes], **changed: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, changed.get(name.split(".")[0], content))
    return path


def refusal(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        inspect_keras_file(path)
    words = str(caught.value)
    assert words.startswith(f"{path.name}: ")
    assert "\n" not in words
    assert len(words) < 600
    return words


def layers(model: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = model["config"]["layers"]
    return found


def test_what_keras_wrote_passes_and_its_version_is_read(good: dict[str, bytes], tmp_path: Path) -> None:
    assert inspect_keras_file(GOOD).startswith("3.")
    assert choose_engine(GOOD).engine == "packed"
    assert inspect_keras_file(write(tmp_path / "again.keras", good)) == inspect_keras_file(GOOD)
    without = {name: content for name, content in good.items() if name != "metadata.json"}
    assert inspect_keras_file(write(tmp_path / "without.keras", without)) == ""


class Evil:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return (Path.touch, (self.marker,))


@pytest.mark.parametrize("name", ["model.h5", "model.pkl", "model.keras", "model.KERAS", "saved_model"])
def test_other_kinds_of_files_are_refused_with_the_way_to_convert_them(name: str, tmp_path: Path) -> None:
    path, marker = tmp_path / name, tmp_path / "ran"
    if path.suffix:
        path.write_bytes(pickle.dumps(Evil(marker)))
    else:
        path.mkdir()
    words = refusal(path)
    assert "model.save('NAME.keras')" in words
    assert ("build the same layers in Keras 3, model.load_weights('model.h5')" in words) == (name == "model.h5")
    assert "received" in words
    assert not marker.exists()


def test_a_saved_model_folder_and_hdf5_of_another_name_are_told_how_to_convert(tmp_path: Path) -> None:
    folder = tmp_path / "saved"
    folder.mkdir()
    (folder / "saved_model.pb").write_bytes(b"")
    assert "call model.save_weights('W.weights.h5') in Keras 2 (tf_keras)" in refusal(folder)
    old = tmp_path / "old.keras"
    old.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    assert "rename it to .h5, build the same layers in Keras 3, model.load_weights('old.h5')" in refusal(old)


def test_a_file_of_keras_2_is_told_how_to_get_its_weights(good: dict[str, bytes], tmp_path: Path) -> None:
    model = json.loads(good["config.json"])
    config = model["config"]
    model.update(module="keras.src.engine.functional", registered_name="Functional")
    config["layers"] = [layer for layer in layers(model) if layer["class_name"] not in ("NotEqual", "Any")]
    for before, layer in pairwise(layers(model)):
        layer["inbound_nodes"] = [[[before["name"], 0, 0, {}]]]
    config["input_layers"], config["output_layers"] = [config["input_layers"]], [config["output_layers"]]
    version = json.dumps({"keras_version": "2.15.0"}).encode()
    path = write(tmp_path / "old.keras", good, config=json.dumps(model).encode(), metadata=version)
    words = refusal(path)
    assert "was written by Keras 2, which Keras 3 can't load" in words
    assert "maskscope model FILE.keras --cut NEW.keras writes it anew, up to its layer 'probabilities'" in words
    assert "received Keras 2.15.0" in words
    del layers(model)[1]["config"]
    words = refusal(write(tmp_path / "old.keras", good, config=json.dumps(model).encode(), metadata=version))
    assert "build the same layers in Keras 3, model.load_weights('old.keras'), and model.save('NAME.keras')" in words


def test_a_loss_or_a_metric_in_own_code_refuses_no_model(good: dict[str, bytes], tmp_path: Path) -> None:
    model = json.loads(good["config.json"])
    own = {"module": "evil", "class_name": "Loss", "config": {}, "registered_name": "zoo>Loss"}
    model["compile_config"] = {"optimizer": own, "loss": own, "metrics": [own]}
    path = write(tmp_path / "compiled.keras", good, config=json.dumps(model).encode())
    assert choose_engine(path).engine == "packed"


def test_a_file_cut_short_or_changed_is_refused(tmp_path: Path) -> None:
    whole = GOOD.read_bytes()
    cut = tmp_path / "cut.keras"
    cut.write_bytes(whole[: len(whole) // 2])
    assert "is not a complete .keras file" in refusal(cut)
    longer = tmp_path / "longer.keras"
    longer.write_bytes(whole + b"and more")
    assert "is not a complete .keras file" in refusal(longer)
    flipped = tmp_path / "flipped.keras"
    flipped.write_bytes(whole[:20_000] + bytes([whole[20_000] ^ 1]) + whole[20_001:])
    assert "CRC" in refusal(flipped)
    assert "there is no such file" in refusal(tmp_path / "nothing.keras")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("../evil.py", "a path outside the file"),
        ("/etc/evil", "a path outside the file"),
        ("assets\\..\\evil", "a path outside the file"),
        ("C:evil", "a path outside the file"),
        ("assets/words.txt", "does not belong to a model"),
        ("model.weights.npz", "does not belong to a model"),
        ("config.json", "a member twice"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_members_that_do_not_belong_are_refused(good: dict[str, bytes], tmp_path: Path, name: str, words: str) -> None:
    path = write(tmp_path / "m.keras", good)
    with zipfile.ZipFile(path, "a") as archive:
        info = zipfile.ZipInfo("x")
        # zipfile itself would tidy the name up
        info.filename = info.orig_filename = name
        archive.writestr(info, b"{}")
    assert words in refusal(path)


def test_links_encrypted_members_and_empty_folders(good: dict[str, bytes], tmp_path: Path) -> None:
    path = tmp_path / "link.keras"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in good.items():
            info = zipfile.ZipInfo(name)
            if name == "config.json":
                info.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(info, content)
    assert "is a link" in refusal(path)
    locked = bytearray(write(tmp_path / "locked.keras", good).read_bytes())
    central = locked.index(b"PK\x01\x02")
    locked[central + 8] |= 1
    (tmp_path / "locked.keras").write_bytes(locked)
    assert "encrypted" in refusal(tmp_path / "locked.keras")
    assert inspect_keras_file(write(tmp_path / "folder.keras", {**good, "assets/": b""}))
    lacking = write(tmp_path / "lacking.keras", {"config.json": good["config.json"]})
    assert "a member model.weights.h5" in refusal(lacking)


def test_bombs_are_refused_without_unpacking_them(
    good: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bomb.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", good["config.json"])
        archive.writestr("model.weights.h5", bytes(64 << 20))
    assert "too large" in refusal(path)
    # an array that claims more than it holds
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file.create_dataset("layers/dense/vars/0", (1 << 20, 1 << 20), "f4", chunks=(1024, 1024))
    assert "too large" in refusal(write(tmp_path / "array.keras", good, model=stream.getvalue()))
    many = tmp_path / "many.keras"
    with zipfile.ZipFile(many, "w") as archive:
        for i in range(2000):
            archive.writestr(f"{i}.json", b"")
    assert "holds more than a model" in refusal(many)
    monkeypatch.setattr(safety, "MAX_TOTAL_BYTES", 1000)
    assert "too large" in refusal(GOOD)


def _lambda(model: dict[str, Any]) -> None:
    code = {"class_name": "__lambda__", "config": {"code": "4wEA", "defaults": None, "closure": None}}
    layers(model)[1] = {
        "module": "keras.layers",
        "class_name": "Lambda",
        "config": {"name": "masking", "function": code},
        "registered_name": None,
    }


def _named(module: str | None, name: object, registered: str | None = None) -> Callable[[dict[str, Any]], None]:
    def change(model: dict[str, Any]) -> None:
        layers(model)[-1].update({"module": module, "class_name": name, "registered_name": registered})

    return change


def _activation(value: object) -> Callable[[dict[str, Any]], None]:
    def change(model: dict[str, Any]) -> None:
        layers(model)[-1]["config"]["activation"] = value

    return change


def _function(module: str, name: str, registered: str = "function") -> Callable[[dict[str, Any]], None]:
    return _activation({"module": module, "class_name": "function", "config": name, "registered_name": registered})


def _deep(model: dict[str, Any]) -> None:
    nested: list[Any] = []
    for _ in range(200):
        nested = [nested]
    layers(model)[-1]["config"]["extra"] = nested


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_lambda, "Python code in a Lambda layer"),
        (_activation({"class_name": "__lambda__", "config": {"value": "x"}}), "Python code in a Lambda layer"),
        (_named("os", "system"), "custom object"),
        (_named("subprocess", "Popen"), "custom object"),
        (_named(None, "Dense"), "custom object"),
        (_named("keras.layers", "Dense", "pirates>Dense"), "custom object"),
        (_named("keras.layers", "TFSMLayer"), "may do more than compute"),
        (_named("keras.layers", "StringLookup"), "may do more than compute"),
        (_named("keras.layers", "TorchModuleWrapper"), "may do more than compute"),
        (_named("keras.utils", "get_file"), "may do more than compute"),
        (_named("keras.src.utils.file_utils", "Progbar"), "may do more than compute"),
        (_named("keras.initializers", "deserialize"), "may do more than compute"),
        (_named("keras.layers", ["Dense"]), "other than text"),
        (_function("builtins", "eval"), "not an activation"),
        (_function("os", "system"), "not an activation"),
        (_function("builtins", "relu", "pirates>relu"), "not an activation"),
        (_activation({"class_name": "__typespec__", "config": [], "spec_name": "TensorSpec"}), "custom object"),
        (_deep, "nests too deep"),
    ],
)
def test_a_config_that_names_anything_but_layers_that_compute_is_refused(
    good: dict[str, bytes], tmp_path: Path, change: Callable[[dict[str, Any]], None], words: str
) -> None:
    model = json.loads(good["config.json"])
    change(model)
    path = write(tmp_path / "m.keras", good, config=json.dumps(model).encode())
    assert words in refusal(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"[" * 200_000, "nests too deep"),
        (b"{", "damaged config.json"),
        (b"\xff\xfe", "damaged config.json"),
        (b"[]", "holds no model"),
        (b'{"class_name": 5}', "holds no model"),
    ],
)
def test_a_config_that_is_none_is_refused(good: dict[str, bytes], tmp_path: Path, text: bytes, words: str) -> None:
    assert words in refusal(write(tmp_path / "m.keras", good, config=text))


def _external_link(file: h5py.File) -> None:
    file["layers"] = h5py.ExternalLink("/etc/passwd", "/")


def _soft_link(file: h5py.File) -> None:
    file["layers"] = h5py.SoftLink("/elsewhere")


def _circle(file: h5py.File) -> None:
    file.create_group("layers")["again"] = file["/"]


def _stored_elsewhere(file: h5py.File) -> None:
    file.create_dataset("layers", (4,), "u1", external=[("/etc/passwd", 0, 4)])


def _virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("/tmp/other.h5", "x", (4,))
    file.create_virtual_dataset("layers", layout)


def _strings(file: h5py.File) -> None:
    file.create_dataset("layers", data=np.array(["text"], dtype=object), dtype=h5py.string_dtype())


def _type(file: h5py.File) -> None:
    file["layers"] = np.dtype("f4")


@pytest.mark.parametrize(
    ("fill", "words"),
    [
        (_external_link, "point to another file; expected arrays in the file itself"),
        (_soft_link, "that are links; expected arrays in the file itself"),
        (_circle, "two places; expected a tree of arrays"),
        (_stored_elsewhere, "stored in another file; expected arrays in the file itself"),
        (_virtual, "stored in another file; expected arrays in the file itself"),
        (_strings, "not numbers; expected arrays of numbers"),
        (_type, "not arrays; expected arrays of numbers"),
    ],
)
def test_weights_that_are_no_plain_arrays_are_refused(
    good: dict[str, bytes], tmp_path: Path, fill: Callable[[h5py.File], None], words: str
) -> None:
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        fill(file)
    assert words in refusal(write(tmp_path / "m.keras", good, model=stream.getvalue()))
    assert "damaged" in refusal(write(tmp_path / "m.keras", good, model=b"no HDF5"))
