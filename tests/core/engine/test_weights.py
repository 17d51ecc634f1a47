"""The .npz file of a tagger's weights."""

import math
from pathlib import Path

import numpy as np
import pytest

from maskscope.engine import packed
from maskscope.engine.packed import PackedTagger
from maskscope.engine.pointwise import DenseWeights, NormWeights
from maskscope.engine.recurrence import RecurrentWeights
from maskscope.engine.weights import TaggerWeights, to_scores, with_output
from maskscope.engine.weights_file import read_npz
from maskscope.errors import ModelError
from maskscope.runs import OutputMap
from maskscope.types import Floats
from tests.core.engine.taggers import branched_tagger, general_tagger, offsets_of, random_tagger


def test_weights_survive_the_npz(tmp_path: Path) -> None:
    for value in (None, 0.0, -2.5):
        tagger = random_tagger(units=(2, 4), outputs=3, mask_value=value)
        tagger.save_npz(tmp_path / "weights.npz")
        again = packed.load(tmp_path / "weights.npz")
        x = np.random.default_rng(5).normal(size=(9, 3)).astype(np.float32)
        np.testing.assert_array_equal(again.score(x, offsets_of(9)), tagger.score(x, offsets_of(9)))
        assert (again.mask_value, again.dim, again.n_outputs) == (value, 3, 3)
        weights = read_npz(tmp_path / "weights.npz")
        assert (weights.activation, [lstm.n_units for lstm in weights.recurrent]) == ("softmax", [2, 4])
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
    kinds = [type(node.layer).__name__ for node in read_npz(tmp_path / "weights.npz").nodes]
    expected = ["NormWeights", "DenseWeights", "RecurrentWeights", "RecurrentWeights", "DenseWeights"]
    assert kinds == [*expected, *["RecurrentWeights"] * plain_last, "DenseWeights"]
    assert (again.dim, again.n_outputs) == (4, 3)
    with np.load(tmp_path / "weights.npz") as arrays:
        parts = dict(arrays)
    np.savez(tmp_path / "weights.npz", **{**parts, "activation_1": np.asarray("glu")})
    with pytest.raises(ModelError, match="received glu"):
        packed.load(tmp_path / "weights.npz")
    np.savez(tmp_path / "weights.npz", **{**parts, "format": np.asarray(4)})
    with pytest.raises(ModelError, match="another version; expected 1, 2 or 3; received 4"):
        packed.load(tmp_path / "weights.npz")


def test_the_classic_stack_is_written_as_earlier_versions_read_it(tmp_path: Path) -> None:
    random_tagger(units=(2, 3)).save_npz(tmp_path / "weights.npz")
    with np.load(tmp_path / "weights.npz") as arrays:
        assert int(arrays["format"]) == 1
        assert not [name for name in arrays if name.startswith(("kind", "merge"))]


def test_a_chain_that_an_earlier_version_wrote_is_read(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)

    def draw(*shape: int) -> Floats:
        return rng.normal(size=shape).astype(np.float32)

    norm, lstm = NormWeights(draw(4), draw(4), 1e-3), RecurrentWeights(draw(1, 4, 8), draw(1, 2, 8), draw(1, 8))
    dense, last = DenseWeights(draw(2, 5), draw(5), "tanh"), DenseWeights(draw(5, 3), draw(3), "softmax")
    arrays: dict[str, object] = {"format": 2, "head": "softmax", "mask_value": [-1.0], "layers": 3}
    arrays |= {"dense": last.kernel, "dense_bias": last.bias}
    arrays |= {"kind_0": "norm", "gamma_0": norm.gamma, "beta_0": norm.beta, "epsilon_0": norm.epsilon}
    arrays |= {"kind_1": "lstm", "kernel_1": lstm.kernel, "recurrent_1": lstm.recurrent, "bias_1": lstm.bias}
    arrays |= {"merge_1": "concat"}
    arrays |= {"kind_2": "dense", "kernel_2": dense.kernel, "bias_2": dense.bias, "activation_2": "tanh"}
    np.savez(tmp_path / "weights.npz", **{name: np.asarray(array) for name, array in arrays.items()})  # type: ignore[arg-type]
    tagger = PackedTagger(TaggerWeights.chain(-1.0, [norm, lstm, dense, last]))
    x = draw(9, 4)
    np.testing.assert_array_equal(
        packed.load(tmp_path / "weights.npz").score(x, offsets_of(9)), tagger.score(x, offsets_of(9))
    )


def test_any_graph_and_any_mask_value_survive_the_npz(tmp_path: Path) -> None:
    tagger = branched_tagger((0.5, 1.0, -1.0, 2.0))
    tagger.save_npz(tmp_path / "weights.npz")
    again = packed.load(tmp_path / "weights.npz")
    x = np.random.default_rng(5).normal(size=(9, 4)).astype(np.float32)
    x[4] = (0.5, 1.0, -1.0, 2.0)
    np.testing.assert_array_equal(again.score(x, offsets_of(4, 5)), tagger.score(x, offsets_of(4, 5)))
    assert again.mask_value == (0.5, 1.0, -1.0, 2.0)
    with np.load(tmp_path / "weights.npz") as arrays:
        parts = dict(arrays)
    for change, words in (
        ({"inputs_1": np.array([4])}, "expected inputs of layer 1 before it"),
        ({"mask_value": np.zeros(3)}, "expected a number, or 4 of them; received 3 numbers"),
        ({"reading_0": np.asarray("up")}, "received lstm, up"),
        ({"mode_4": np.asarray("add")}, "expected inputs of one width"),
        ({"columns_6": np.array([3])}, "expected columns from 0 to 2, or -1; received [3]"),
    ):
        np.savez(tmp_path / "weights.npz", **{**parts, **change})
        with pytest.raises(ModelError) as caught:
            packed.load(tmp_path / "weights.npz")
        assert words in str(caught.value)


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (OutputMap(), [[1.0, 2.0, -1.0]]),
        (OutputMap("values"), [[1.0, 2.0, -1.0]]),
        (OutputMap(columns=(2, -1, 0, 0)), [[-1.0, 0.0, 1.0, 1.0]]),
        (OutputMap("log"), [[math.e, math.e**2, 1 / math.e]]),
        (OutputMap("logits", "softmax", (1, 2)), [[0.7053845, 0.0351190]]),
        (OutputMap("logits", "sigmoid", (0,)), [[0.7310586]]),
    ],
)
def test_outputs_become_the_scores_of_a_project(output: OutputMap, expected: list[list[float]]) -> None:
    outputs: Floats = np.array([[1.0, 2.0, -1.0]], dtype=np.float32)
    given = outputs.copy()
    np.testing.assert_allclose(to_scores(outputs, output), expected, rtol=1e-6)
    np.testing.assert_array_equal(outputs, given)
    np.testing.assert_allclose(to_scores(outputs[None], output), [expected], rtol=1e-6)
    weights = TaggerWeights.chain(None, [DenseWeights(np.eye(3, dtype=np.float32), outputs[0], "linear")])
    assert weights.activation == "linear"
    tagger = PackedTagger(with_output(weights, output))
    assert tagger.n_outputs == len(expected[0])
    np.testing.assert_allclose(tagger.score(np.zeros((1, 3), np.float32), offsets_of(1)), expected, rtol=1e-6)


def test_columns_that_a_model_lacks_are_refused() -> None:
    outputs = np.zeros((1, 3), dtype=np.float32)
    with pytest.raises(ModelError, match=r"from 0 to 2, or -1; received \[3\]"):
        to_scores(outputs, OutputMap(columns=(0, 3)))
    weights = TaggerWeights.chain(None, [DenseWeights(np.eye(3, dtype=np.float32), outputs[0], "linear")])
    with pytest.raises(ModelError, match=r"columns from 0 to 2, or -1; received \[-2\]"):
        with_output(weights, OutputMap(columns=(0, -2)))
