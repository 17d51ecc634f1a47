"""The .npz file of a tagger's weights."""

from pathlib import Path

import numpy as np
import pytest

from maskscope.engine import packed
from maskscope.engine.weights import read_npz
from maskscope.errors import ModelError
from tests.core.engine.taggers import general_tagger, offsets_of, random_tagger


def test_weights_survive_the_npz(tmp_path: Path) -> None:
    for value in (None, 0.0, -2.5):
        tagger = random_tagger(units=(2, 4), outputs=3, mask_value=value)
        tagger.save_npz(tmp_path / "weights.npz")
        again = packed.load(tmp_path / "weights.npz")
        x = np.random.default_rng(5).normal(size=(9, 3)).astype(np.float32)
        np.testing.assert_array_equal(again.score(x, offsets_of(9)), tagger.score(x, offsets_of(9)))
        assert (again.mask_value, again.dim, again.n_outputs) == (value, 3, 3)
        weights = read_npz(tmp_path / "weights.npz")
        assert (weights.head, [lstm.units for lstm in weights.recurrent]) == ("softmax", [2, 4])
    assert [path.name for path in tmp_path.iterdir()] == ["weights.npz"]


def test_damaged_npz_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.npz"
    random_tagger().save_npz(path)
    good = path.read_bytes()
    with np.load(path) as arrays:
        parts = dict(arrays)
    for damage in (good[: len(good) // 2], b"", b"no zip at all"):
        path.write_bytes(damage)
        with pytest.raises(ModelError, match=r"weights\.npz"):
            packed.load(path)
    parts["recurrent_0"] = parts["recurrent_0"][:, :1]
    np.savez(path, **parts)
    with pytest.raises(ModelError, match="don't fit each other"):
        packed.load(path)
    np.savez(path, format=np.asarray({"a": 1}, dtype=object), allow_pickle=True)
    with pytest.raises(ModelError, match="does not hold weights"):
        packed.load(path)
    with pytest.raises(ModelError, match="can't be read"):
        packed.load(tmp_path / "nowhere.npz")
    with pytest.raises(ModelError, match=r"convert others in Keras with model\.save"):
        packed.load(tmp_path / "model.h5")


@pytest.mark.parametrize("plain_last", [False, True])
def test_any_stack_survives_the_npz(tmp_path: Path, plain_last: bool) -> None:
    tagger = general_tagger(plain_last=plain_last)
    tagger.save_npz(tmp_path / "weights.npz")
    again = packed.load(tmp_path / "weights.npz")
    x = np.random.default_rng(5).normal(size=(9, 4)).astype(np.float32)
    np.testing.assert_array_equal(again.score(x, offsets_of(4, 5)), tagger.score(x, offsets_of(4, 5)))
    kinds = [type(layer).__name__ for layer in read_npz(tmp_path / "weights.npz").layers]
    expected = ["NormWeights", "DenseWeights", "LstmWeights", "LstmWeights", "DenseWeights"]
    assert kinds == expected + ["LstmWeights"] * plain_last
    assert (again.dim, again.n_outputs) == (4, 3)
    with np.load(tmp_path / "weights.npz") as arrays:
        parts = dict(arrays)
    np.savez(tmp_path / "weights.npz", **{**parts, "activation_1": np.asarray("mish")})
    with pytest.raises(ModelError, match="received mish"):
        packed.load(tmp_path / "weights.npz")
    np.savez(tmp_path / "weights.npz", **{**parts, "format": np.asarray(3)})
    with pytest.raises(ModelError, match="another version; expected 1 or 2; received 3"):
        packed.load(tmp_path / "weights.npz")


def test_the_classic_stack_is_written_as_earlier_versions_read_it(tmp_path: Path) -> None:
    random_tagger(units=(2, 3)).save_npz(tmp_path / "weights.npz")
    with np.load(tmp_path / "weights.npz") as arrays:
        assert int(arrays["format"]) == 1
        assert not [name for name in arrays if name.startswith(("kind", "merge"))]
