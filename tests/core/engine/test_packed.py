"""Packed scoring against Keras itself, and against arrays small enough to check by hand."""

import io
import json
import math
import zipfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskscope.engine import packed
from maskscope.engine.packed import PackedTagger
from maskscope.engine.padding_probe import MAX_PADDING, PaddingProbe
from maskscope.engine.pointwise import DenseWeights, NormWeights
from maskscope.engine.recurrence import LayerWeights, Merge, schedule
from maskscope.engine.weights import AnyLayer, StackWeights
from maskscope.errors import Cancelled, ModelError
from maskscope.jobs import FlagJob
from maskscope.masks import masking_layer
from maskscope.types import Floats, Mask, Offsets


def random_tagger(
    dim: int = 3, units: tuple[int, ...] = (2,), outputs: int = 1, mask_value: float | None = 0.0, seed: int = 0
) -> PackedTagger:
    """A tagger with random weights and biases that are not zero."""
    rng = np.random.default_rng(seed)
    layers, wide = [], dim
    for n in units:
        layers.append(
            LayerWeights(
                rng.normal(0, 1, (2, wide, 4 * n)).astype(np.float32),
                rng.normal(0, 1, (2, n, 4 * n)).astype(np.float32),
                rng.normal(0, 1, (2, 4 * n)).astype(np.float32),
            )
        )
        wide = 2 * n
    return PackedTagger(
        StackWeights(
            mask_value,
            tuple(layers),
            rng.normal(0, 1, (wide, outputs)).astype(np.float32),
            rng.normal(0, 1, outputs).astype(np.float32),
            "sigmoid" if outputs == 1 else "softmax",
        )
    )


def offsets_of(*lengths: int) -> Offsets:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_one_unit_one_step_by_hand() -> None:
    # x = 2, forward gates i, f, c, o = x * (0.5, 0, 1, -0.5) + (0, 0, 0.1, 0.3); backward unit reads nothing
    kernel = np.array([[[0.5, 0.0, 1.0, -0.5]], [[0.0, 0.0, 0.0, 0.0]]], dtype=np.float32)
    bias = np.array([[0.0, 0.0, 0.1, 0.3], [0.0, 0.0, 0.0, 0.0]], dtype=np.float32)
    recurrent = np.zeros((2, 1, 4), dtype=np.float32)
    tagger = PackedTagger(
        StackWeights(
            0.0,
            (LayerWeights(kernel, recurrent, bias),),
            np.array([[3.0], [5.0]], dtype=np.float32),
            np.array([0.25], dtype=np.float32),
            "sigmoid",
        )
    )
    c = sigmoid(1.0) * math.tanh(2.1)
    h = sigmoid(-0.7) * math.tanh(c)
    printed = tagger.score(np.array([[2.0]], dtype=np.float32), offsets_of(1))
    assert printed[0, 0] == pytest.approx(sigmoid(3 * h + 0.25), abs=1e-6)
    assert tagger.masked_output[0] == pytest.approx(sigmoid(0.25), abs=1e-7)


@pytest.mark.parametrize("outputs", [1, 3])
def test_each_sentence_is_scored_as_if_alone(outputs: int) -> None:
    tagger = random_tagger(units=(2, 3), outputs=outputs)
    rng = np.random.default_rng(1)
    offsets = offsets_of(4, 1, 0, 7, 2, 7)
    x = rng.normal(size=(offsets[-1], 3)).astype(np.float32)
    together = tagger.score(x, offsets)
    for begin, end in pairwise(offsets):
        alone = tagger.score(x[begin:end], offsets_of(end - begin))
        np.testing.assert_allclose(together[begin:end], alone, atol=2e-6)
    if outputs == 3:
        np.testing.assert_allclose(together.sum(axis=1), 1, atol=1e-6)


def test_masked_rows_are_skipped_and_print_the_bias() -> None:
    tagger = random_tagger(units=(2, 2))
    x = np.random.default_rng(2).normal(size=(6, 3)).astype(np.float32)
    x[2] = 0
    offsets = offsets_of(4, 2)
    deleted = tagger.score(np.delete(x, 2, axis=0), offsets_of(3, 2))
    printed = tagger.score(x, offsets)
    np.testing.assert_allclose(np.delete(printed, 2, axis=0), deleted, atol=2e-6)
    assert printed[2] == tagger.masked_output
    by_lengths = tagger.score(x, offsets, "lengths")
    assert np.abs(by_lengths[2] - tagger.masked_output).max() > 1e-3
    assert np.abs(by_lengths[1] - printed[1]).max() > 1e-4
    own = tagger.score(x, offsets, masking_layer(x, 0.0))
    np.testing.assert_array_equal(own, printed)
    nothing = tagger.score(x, offsets, np.zeros(6, dtype=np.bool_))
    np.testing.assert_array_equal(nothing, np.broadcast_to(tagger.masked_output, (6, 1)))


@pytest.mark.parametrize(
    ("value", "rows", "masked"),
    [
        (0.0, [[0, 0, 0], [0, -0.0, 0], [1e-30, 0, 0], [1e-40, 0, 0], [0, 0, 1]], [0, 1, 3]),
        (-1.5, [[-1.5, -1.5, -1.5], [0, 0, 0], [-1.5, -1.5, -1.4999999]], [0]),
        (None, [[0, 0, 0]], []),
    ],
)
def test_the_model_rule_is_that_of_the_masking_layer(
    value: float | None, rows: list[list[float]], masked: list[int]
) -> None:
    tagger = random_tagger(mask_value=value)
    x = np.array(rows, dtype=np.float32)
    printed = tagger.score(x, offsets_of(len(x)))
    assert np.flatnonzero((printed == tagger.masked_output).all(axis=1)).tolist() == masked


def test_float16_and_memory_maps_score_as_their_float32_copies(tmp_path: Path) -> None:
    tagger = random_tagger(dim=5, outputs=2)
    rng = np.random.default_rng(3)
    x = rng.normal(size=(50, 5)).astype(np.float16)
    x[0] = [0, -0.0, 6e-8, -6e-8, 65504]
    x[7] = 0
    offsets = offsets_of(20, 1, 29)
    expected = tagger.score(x.astype(np.float32), offsets)
    np.testing.assert_allclose(tagger.score(x, offsets), expected, atol=2e-6)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    np.testing.assert_allclose(tagger.score(mapped, offsets), expected, atol=2e-6)
    del mapped
    wide = np.zeros((50, 9), dtype=np.float16)
    wide[:, :5] = x
    np.testing.assert_allclose(tagger.score(wide[:, :5], offsets), expected, atol=2e-6)


def test_every_float16_is_widened_exactly() -> None:
    half = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    half = half[np.isfinite(half)].reshape(-1, 2)
    out = packed.widen(half, np.empty(half.shape, dtype=np.float32))
    np.testing.assert_array_equal(out.view(np.uint32), half.astype(np.float32).view(np.uint32))


def test_blocks_and_groups_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    tagger = random_tagger(units=(2, 1), outputs=2)
    rng = np.random.default_rng(4)
    offsets = offsets_of(*rng.integers(0, 30, 40))
    x = rng.normal(size=(offsets[-1], 3)).astype(np.float32)
    x[rng.integers(len(x), size=20)] = 0
    whole = tagger.score(x, offsets)
    monkeypatch.setattr(packed, "_GROUP_TOKENS", 10)
    np.testing.assert_allclose(tagger.score(x, offsets), whole, atol=2e-6)


def test_no_tokens_give_no_probabilities() -> None:
    tagger = random_tagger(outputs=4)
    empty = np.zeros((0, 3), dtype=np.float32)
    assert tagger.score(empty, offsets_of()).shape == (0, 4)
    assert tagger.score(empty, offsets_of(0, 0)).shape == (0, 4)


def test_large_numbers_saturate_without_a_warning() -> None:
    tagger = random_tagger()
    x = np.full((2, 3), 1e30, dtype=np.float32)
    assert np.isfinite(tagger.score(x, offsets_of(2))).all()


@pytest.mark.parametrize(
    ("x", "offsets", "mask", "words"),
    [
        (np.zeros((2, 4), np.float32), [0, 2], "model", "(n, 3) float16 or float32; received (2, 4) float32"),
        (np.zeros((2, 3), np.float64), [0, 2], "model", "received (2, 3) float64"),
        (np.zeros((2, 3), np.float32), [0, 3], "model", "rising from 0 to 2"),
        (np.zeros((2, 3), np.float32), [0, 2, 1, 2], "model", "rising from 0 to 2"),
        (np.zeros((2, 3), np.float32), [0, 2], np.ones(3, np.bool_), "(2,) bool; received (3,) bool"),
        (np.zeros((2, 3), np.float32), [0, 2], "all", "model or lengths; received all"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(x: Floats, offsets: list[int], mask: Mask, words: str) -> None:
    with pytest.raises(ModelError) as caught:
        random_tagger().score(x, np.array(offsets), mask)
    assert words in str(caught.value)


def test_scoring_can_be_cancelled() -> None:
    job = FlagJob()
    job.cancel()
    with pytest.raises(Cancelled):
        random_tagger().score(np.zeros((1, 3), np.float32), offsets_of(1), job=job)


@given(st.lists(st.integers(0, 6), max_size=8))
def test_a_schedule_steps_through_each_token_once_in_each_direction(lengths: list[int]) -> None:
    offsets = offsets_of(*lengths)
    plan = schedule(offsets[:-1], np.diff(offsets))
    n_tokens = int(offsets[-1])
    for direction in (0, 1):
        assert sorted(plan.tokens[direction].tolist()) == list(range(n_tokens))
    np.testing.assert_array_equal(plan.tokens[0][plan.places], np.arange(n_tokens))
    np.testing.assert_array_equal(plan.tokens[1][plan.mirror], plan.tokens[0])
    np.testing.assert_array_equal(plan.tokens[0][plan.mirror], plan.tokens[1])
    for step, (begin, end) in enumerate(pairwise(plan.starts)):
        for slot in range(begin, end):
            sentence = int(np.searchsorted(offsets, plan.tokens[0, slot], side="right")) - 1
            assert plan.tokens[0, slot] - offsets[sentence] == step
            assert offsets[sentence + 1] - 1 - plan.tokens[1, slot] == step


def test_weights_survive_the_npz(tmp_path: Path) -> None:
    for value in (None, 0.0, -2.5):
        tagger = random_tagger(units=(2, 4), outputs=3, mask_value=value)
        tagger.save_npz(tmp_path / "weights.npz")
        again = packed.load(tmp_path / "weights.npz")
        x = np.random.default_rng(5).normal(size=(9, 3)).astype(np.float32)
        np.testing.assert_array_equal(again.score(x, offsets_of(9)), tagger.score(x, offsets_of(9)))
        assert (again.mask_value, again.head, again.layers, again.units) == (value, "softmax", 2, 2)
        assert (again.dim, again.n_outputs) == (3, 3)
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
    with pytest.raises(ModelError, match="holds no weights"):
        packed.load(path)
    with pytest.raises(ModelError, match="can't be read"):
        packed.load(tmp_path / "nowhere.npz")
    with pytest.raises(ModelError, match=r"convert others in Keras with model\.save"):
        packed.load(tmp_path / "model.h5")


@pytest.mark.parametrize("units", [(2,), (2, 3)])
@pytest.mark.parametrize("fill", ["zeros", "noise", "previous"])
def test_padding_moves_nothing_where_the_mask_covers_it(units: tuple[int, ...], fill: str) -> None:
    tagger = random_tagger(units=units, outputs=2)
    rng = np.random.default_rng(6)
    x = rng.normal(size=(5, 3)).astype(np.float32)
    x[3] = 0
    before = rng.normal(size=(2, 3)).astype(np.float32)
    probe = PaddingProbe(tagger, x, fill, before, seed=1)
    run = probe.run(7, "lengths")
    assert run.largest_change == 0
    assert run.mask.tolist() == [True] * 5 + [False] * 7
    np.testing.assert_allclose(run.probs_tc[:5], tagger.score(x, offsets_of(5), "lengths"), atol=2e-6)
    np.testing.assert_allclose(run.probs_tc[5:], np.tile(tagger.masked_output, (7, 1)), atol=1e-6)
    assert probe.curve("lengths").max() == 0
    model = probe.run(7, "model")
    covered = fill == "zeros"
    assert model.mask.tolist() == [True, True, True, False, True] + [not covered] * 7
    assert (model.largest_change == 0) == covered
    unmasked = probe.run(7, "none")
    assert unmasked.largest_change > 1e-4
    assert unmasked.mask.all()


@pytest.mark.parametrize("units", [(2,), (3, 2)])
def test_a_padded_run_is_the_packed_score_of_the_padded_array(units: tuple[int, ...]) -> None:
    tagger = random_tagger(units=units, outputs=2)
    rng = np.random.default_rng(7)
    x = rng.normal(size=(4, 3)).astype(np.float32)
    before = rng.normal(size=(3, 3)).astype(np.float32)
    before[1] = 0
    probe = PaddingProbe(tagger, x, "previous", before)
    padded = np.concatenate([x, before, before[:2]])
    for rule in ("model", "none"):
        run = probe.run(5, rule)
        expected = tagger.score(padded, offsets_of(9), "model" if rule == "model" else "lengths")
        np.testing.assert_allclose(run.probs_tc, expected, atol=2e-6)
        alone = tagger.score(x, offsets_of(4))
        change = np.abs(expected[:4] - alone).max(axis=1)
        assert run.largest_change == pytest.approx(change.max(), abs=2e-6)
        assert run.at == int(change.argmax())


@pytest.mark.parametrize("fill", ["zeros", "noise", "previous"])
@pytest.mark.parametrize("rule", ["model", "lengths", "none"])
def test_the_curve_is_the_change_of_each_run(fill: str, rule: str) -> None:
    tagger = random_tagger(units=(2, 2), seed=3)
    rng = np.random.default_rng(8)
    x = rng.normal(size=(6, 3)).astype(np.float16)
    x[2] = 0
    before = rng.normal(size=(4, 3)).astype(np.float16)
    before[1] = 0
    probe = PaddingProbe(tagger, x, fill, before)
    for masked in (frozenset(), frozenset({1, 4})):
        curve = probe.curve(rule, masked=masked)
        assert curve.shape == (MAX_PADDING + 1,)
        for k in (0, 1, 2, 7, 30, 199, 200):
            assert curve[k] == pytest.approx(probe.run(k, rule, masked).largest_change, abs=2e-6)


def test_masking_a_real_token_shows_what_moves_among_the_others() -> None:
    tagger = random_tagger()
    x = np.random.default_rng(9).normal(size=(4, 3)).astype(np.float32)
    probe = PaddingProbe(tagger, x)
    assert probe.run(0).largest_change == 0
    run = probe.run(0, "model", frozenset({1}))
    alone = tagger.score(x, offsets_of(4))
    without = tagger.score(np.delete(x, 1, axis=0), offsets_of(3))
    change = np.abs(without - np.delete(alone, 1, axis=0)).max()
    assert run.largest_change == pytest.approx(change, abs=2e-6)
    assert run.at != 1
    assert run.mask.tolist() == [True, False, True, True]
    nothing = probe.run(3, "lengths", frozenset(range(4)))
    assert (nothing.largest_change, nothing.at) == (0.0, None)
    with pytest.raises(ValueError, match="received 201"):
        probe.run(201)


def general_tagger(merge: Merge = "mul", plain_last: bool = False, seed: int = 0) -> PackedTagger:
    """LayerNormalization, Dense, LSTM 2, BiLSTM 3, Dense, (LSTM 2,) and a softmax of 3, over embeddings of 4."""
    rng = np.random.default_rng(seed)

    def draw(*shape: int) -> Floats:
        return rng.normal(0, 1, shape).astype(np.float32)

    def lstm(directions: int, wide: int, units: int) -> LayerWeights:
        own = draw(directions, wide, 4 * units), draw(directions, units, 4 * units), draw(directions, 4 * units)
        return LayerWeights(*own, merge=merge)

    layers: list[AnyLayer] = [NormWeights(draw(4), draw(4), 1e-3), DenseWeights(draw(4, 5), draw(5), "tanh")]
    layers += [lstm(1, 5, 2), lstm(2, 2, 3)]
    layers.append(DenseWeights(draw(layers[-1].width, 4), draw(4), "gelu"))  # type: ignore[union-attr]
    if plain_last:
        layers.append(lstm(1, 4, 2))
    wide = 2 if plain_last else 4
    return PackedTagger(StackWeights(0.0, tuple(layers), draw(wide, 3), draw(3), "softmax"))


@pytest.mark.parametrize("plain_last", [False, True])
def test_any_stack_survives_the_npz(tmp_path: Path, plain_last: bool) -> None:
    tagger = general_tagger(plain_last=plain_last)
    tagger.save_npz(tmp_path / "weights.npz")
    again = packed.load(tmp_path / "weights.npz")
    x = np.random.default_rng(5).normal(size=(9, 4)).astype(np.float32)
    np.testing.assert_array_equal(again.score(x, offsets_of(4, 5)), tagger.score(x, offsets_of(4, 5)))
    words = "Dense 5 + LSTM 2 + BiLSTM 3 (mul) + Dense 4"
    assert again.name == tagger.name == (f"{words} + LSTM 2" if plain_last else words)
    assert (again.dim, again.n_outputs, again.units, again.layers) == (4, 3, 2, 3 if plain_last else 2)
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


@pytest.mark.parametrize(
    ("units", "name"), [((10,), "BiLSTM 10"), ((10, 10), "BiLSTM 2 x 10"), ((32, 16), "BiLSTM 32 + BiLSTM 16")]
)
def test_a_stack_has_a_name(units: tuple[int, ...], name: str) -> None:
    assert random_tagger(units=units).name == name


def test_a_plain_lstm_repeats_its_last_output_where_it_is_masked() -> None:
    tagger = general_tagger(plain_last=True)
    x = np.random.default_rng(4).normal(size=(8, 4)).astype(np.float32)
    offsets = offsets_of(5, 0, 3)
    mask = np.array([False, True, False, False, True, False, True, False])
    printed = tagger.score(x, offsets, mask)
    kept = tagger.score(x[mask], offsets_of(2, 0, 1))
    before = tagger.masked_output
    expected = np.stack([before, kept[0], kept[0], kept[0], kept[1], before, kept[2], kept[2]])
    np.testing.assert_allclose(printed, expected, atol=2e-6)
    np.testing.assert_array_equal(tagger.padded_output(printed[4]), printed[4])
    np.testing.assert_array_equal(tagger.padded_output(None), before)
    both = general_tagger()
    np.testing.assert_array_equal(both.padded_output(printed[4]), both.masked_output)
    assert np.abs(both.score(x, offsets, mask)[~mask] - both.masked_output).max() == 0


def test_blocks_groups_and_shared_memory_change_nothing_in_any_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    tagger = general_tagger(plain_last=True)
    rng = np.random.default_rng(4)
    offsets = offsets_of(*rng.integers(0, 30, 40))
    x = rng.normal(size=(offsets[-1], 4)).astype(np.float16)
    x[rng.integers(len(x), size=20)] = 0
    whole = tagger.score(x, offsets)
    monkeypatch.setattr(packed, "_GROUP_TOKENS", 70)
    monkeypatch.setattr(packed, "_BLOCK_BYTES", 1)
    np.testing.assert_allclose(tagger.score(x, offsets), whole, atol=2e-6)
    empty = np.zeros((0, 4), dtype=np.float32)
    assert tagger.score(empty, offsets_of(0, 0)).shape == (0, 3)


@pytest.mark.parametrize("fill", ["zeros", "noise", "previous"])
@pytest.mark.parametrize("plain_last", [False, True])
def test_the_padding_panel_steps_through_any_stack(fill: str, plain_last: bool) -> None:
    tagger = general_tagger("sum", plain_last)
    rng = np.random.default_rng(7)
    x = rng.normal(size=(4, 4)).astype(np.float32)
    x[2] = 0
    before = rng.normal(size=(3, 4)).astype(np.float32)
    probe = PaddingProbe(tagger, x, fill, before)
    lengths = probe.run(3, "lengths")
    alone = tagger.score(x, offsets_of(4), "lengths")
    padding = np.tile(tagger.padded_output(alone[3]), (3, 1))
    np.testing.assert_allclose(lengths.probs_tc, np.concatenate([alone, padding]), atol=2e-6)
    assert lengths.largest_change == 0
    curve = probe.curve("none")
    for k in (0, 2, 30):
        assert curve[k] == pytest.approx(probe.run(k, "none").largest_change, abs=2e-6)
    if fill == "previous":
        padded = np.concatenate([x, before])
        run = probe.run(3, "model")
        np.testing.assert_allclose(run.probs_tc, tagger.score(padded, offsets_of(7)), atol=2e-6)


def keras_file(path: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """A small zip like a .keras file, with `change` made to its members."""
    members = {"metadata.json": b"{}", "config.json": b"{}", "model.weights.h5": b""}
    change(members)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def sequential(*layers: tuple[str, dict[str, object]]) -> bytes:
    described = [
        {"class_name": kind, "config": {"name": f"{kind.lower()}_{i}", **config}}
        for i, (kind, config) in enumerate(layers)
    ]
    return json.dumps({"class_name": "Sequential", "config": {"layers": described}}).encode()


LSTM = {"class_name": "LSTM", "config": {"units": 2, "activation": "tanh", "return_sequences": True}}
SEQUENCES = {"units": 2, "return_sequences": True}
MASKING = ("Masking", {"mask_value": 0.0})
BILSTM = ("Bidirectional", {"merge_mode": "concat", "layer": LSTM})
DENSE = ("Dense", {"units": 1, "activation": "sigmoid"})


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (b"{", "damaged config.json"),
        (b"[" * 100_000, "damaged config.json"),
        (b"{}", "not as Keras writes it"),
        (b'{"class_name": "Functional", "config": {"layers": [[]]}}', "not as Keras writes it"),
        (b'{"class_name": "MyModel", "config": {}}', "unknown kind"),
        (sequential(), "no layers"),
        (sequential(BILSTM), "does not end in a Dense layer"),
        (sequential(DENSE), "holds no LSTM layer"),
        (sequential(("Masking", {"mask_value": 0.0})), "holds no LSTM layer"),
        (sequential(("GRU", {}), DENSE), "layer 'gru_0', which packed scoring does not know"),
        (sequential(BILSTM, ("Conv1D", {}), DENSE), "layer 'conv1d_1', which packed scoring does not know"),
        (
            sequential(BILSTM, ("LayerNormalization", {"axis": 1}), DENSE),
            "another axis in layer 'layernormalization_1'",
        ),
        (
            sequential(BILSTM, ("LayerNormalization", {"rms_scaling": True}), DENSE),
            "by the root mean square in layer 'layernormalization_1'",
        ),
        (sequential(("LayerNormalization", {"scale": False, "center": False}), BILSTM, DENSE), "damaged model.weights"),
        (sequential(BILSTM, ("Dense", {"units": 1, "activation": "relu"})), "received 'relu'"),
        (
            sequential(BILSTM, ("Dense", {"units": 2, "activation": "softmax"}), DENSE),
            "activation in Dense layer 'dense_1'",
        ),
        (sequential(BILSTM, ("Dense", {"units": 2, "activation": "mish"}), DENSE), "leaky_relu; received 'mish'"),
        (
            sequential(BILSTM, ("Dense", {"units": 2, "activation": {"class_name": "LeakyReLU", "config": {}}}), DENSE),
            "received 'LeakyReLU'",
        ),
        (
            sequential(("Bidirectional", {"merge_mode": None, "layer": LSTM}), DENSE),
            "expected merge_mode 'concat' or 'sum' or 'mul' or 'ave'; received None",
        ),
        (sequential(("LSTM", {"units": 2}), DENSE), "has another return_sequences in layer 'lstm_0'"),
        (
            sequential(("LSTM", {**SEQUENCES, "go_backwards": True}), DENSE),
            "has another go_backwards in layer 'lstm_0'",
        ),
        (sequential(("LSTM", {**SEQUENCES, "stateful": True}), DENSE), "has another stateful in layer 'lstm_0'"),
        (
            sequential(("LSTM", {**SEQUENCES, "zero_output_for_mask": True}), DENSE),
            "has another zero_output_for_mask in layer 'lstm_0'",
        ),
        (
            sequential(("Bidirectional", {"merge_mode": "concat", "layer": {**LSTM, "class_name": "GRU"}}), DENSE),
            "expected LSTM; received GRU",
        ),
        (sequential(BILSTM, MASKING, DENSE), "layer 'bidirectional_0' before its Masking layer 'masking_1'"),
        (sequential(DENSE, MASKING, BILSTM, DENSE), "layer 'dense_0' before its Masking layer 'masking_1'"),
        (sequential(MASKING, MASKING, BILSTM, DENSE), "a second Masking layer 'masking_1'"),
        (sequential(BILSTM, DENSE, ("Dropout", {}), ("LayerNormalization", {})), "does not end in a Dense layer"),
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
    with pytest.raises(ModelError, match=r"no whole \.keras file"):
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
    with pytest.raises(ModelError, match=r"no whole \.keras file"):
        packed.load(path)


def test_an_absurd_width_is_refused_before_memory_is_taken_for_it(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    stream = io.BytesIO()
    h5py.File(stream, "w").close()
    norm = ("LayerNormalization", {"scale": False, "center": False})
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
    h5py = pytest.importorskip("h5py")
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
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["0"] = np.zeros((3, 8), np.float32)
    stream = io.BytesIO()
    with h5py.File(stream, "w") as weights:
        group = weights.create_group("layers/bidirectional/forward_layer/cell")
        group["vars"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/")
    parts = {"config.json": sequential(BILSTM, DENSE), "model.weights.h5": stream.getvalue()}
    with pytest.raises(ModelError, match="lacks weights"):
        packed.load(keras_file(tmp_path / "m.keras", lambda members: members.update(parts)))
