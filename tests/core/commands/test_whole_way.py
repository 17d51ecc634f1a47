"""The whole way of taggers as people publish them: import, score, add-model, export, audit. Keras is the oracle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from maskscope.types import Floats

if TYPE_CHECKING:
    from tests.core.commands.conftest import Run

pytestmark = [pytest.mark.keras, pytest.mark.usefixtures("jobs_in_process")]

T, D = 5, 4
LENGTHS = np.array([5, 2, 3, 1])


def write_arrays(folder: Path, padding: float, *, front: bool) -> None:
    """X.npy padded on one side, y.npy of zeros and ones, lengths.npy."""
    rng = np.random.default_rng(0)
    real_bt = np.arange(T)[None] < LENGTHS[:, None]
    real_bt = real_bt[:, ::-1] if front else real_bt
    x_btd = np.where(real_bt[..., None], rng.normal(size=(len(LENGTHS), T, D)), padding).astype(np.float32)
    np.save(folder / "X.npy", x_btd)
    np.save(folder / "y.npy", np.where(real_bt, rng.integers(0, 2, real_bt.shape), 0))
    np.save(folder / "lengths.npy", LENGTHS)


def sentences(folder: Path, *, front: bool) -> list[Floats]:
    """Each sentence without its padding."""
    x_btd = np.load(folder / "X.npy")
    return [x[T - n :] if front else x[:n] for x, n in zip(x_btd, LENGTHS, strict=True)]


def perturb(model: Any) -> Any:
    """Weights as after some training: biases of zero would hide what padding does."""
    rng = np.random.default_rng(1)
    model.set_weights([each + rng.normal(0, 0.3, each.shape) for each in model.get_weights()])
    return model


def test_a_fixed_tagger_with_timedistributed_on_sentences_padded_in_front(run: Run, tmp_path: Path) -> None:
    import keras
    from keras import layers

    def build(n_positions: int | None, dense: Any) -> Any:
        return keras.Sequential(
            [
                keras.Input((n_positions, D)),
                layers.Masking(-2.0),
                layers.Bidirectional(layers.SimpleRNN(3, return_sequences=True)),
                dense,
                layers.Activation("sigmoid"),
            ]
        )

    write_arrays(tmp_path, -2.0, front=True)
    project, file = tmp_path / "p.maskscope", tmp_path / "tagger.keras"
    model = perturb(build(T, layers.TimeDistributed(layers.Dense(1))))
    model.compile("sgd", "binary_crossentropy", metrics=["accuracy"])
    model.save(file)
    same = build(None, layers.Dense(1))
    same.set_weights(model.get_weights())
    expected = np.concatenate([np.asarray(same(each[None]))[0] for each in sentences(tmp_path, front=True)])

    arrays = ("--labels", tmp_path / "y.npy", "--lengths", tmp_path / "lengths.npy")
    record = run("import", project, tmp_path / "X.npy", *arrays, "--json").json()
    assert record["padding"] == {"value": -2.0, "side": "front", "text": "-2"}
    run("score", project, "--model", file, "--out", tmp_path / "scores.npz", "--json").json()
    np.testing.assert_allclose(np.load(tmp_path / "scores.npz")["probabilities"], expected, atol=2e-5)
    assert run("add-model", project, file, "--json").json()["model"] == "m1"
    run("export", project, tmp_path / "e.jsonl", "--format", "jsonl", "--labels", "predicted", "--json").json()
    report = run("audit", project, "--json").json()
    assert {finding["check"] for finding in report["findings"] if finding["verdict"] != "passed"} == set()
    assert (report["about"]["padding"], report["about"]["padding_side"]) == (-2.0, "front")
