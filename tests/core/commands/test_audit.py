"""maskscope audit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from maskscope.errors import ModelError
from maskscope.project import Project

if TYPE_CHECKING:
    from tests.core.commands.conftest import Run


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "give one of a project"),
        (("p", "--data", "x.npy"), "give one of a project"),
        (("p", "--lengths", "l.npy"), "--lengths needs --data"),
        (("p", "--labels", "y.npy"), "--labels needs --data"),
        (("p", "--padding", "nan"), "--padding is no finite number"),
        (("--data", "x.npy"), "--model FILE.keras"),
        (("--data", "x.npy", "--model", "m1"), "--model FILE.keras"),
        (("--data", "gone.npy", "--model", "m.keras"), "gone.npy"),
    ],
)
def test_contradicting_arguments_are_refused(run: Run, arguments: tuple[str, ...], words: str) -> None:
    assert words in run("audit", *arguments).refused()


@pytest.mark.keras
def test_the_audit_of_a_project_fails_on_a_collision(run: Run, demo: Path, tmp_path: Path) -> None:
    result = run("audit", demo, "--model", "m1", "--json", "--report", tmp_path / "r.html")
    assert result.code == 1
    record = json.loads(result.out)
    assert record["verdict"] == "failed"
    verdicts = {each["check"]: each["verdict"] for each in record["findings"]}
    assert (verdicts["LENGTH"], verdicts["COLLISIONS"]) == ("passed", "failed")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "COLLISIONS" in page
    assert "://" not in page, "a report needs nothing from elsewhere"
    assert f"maskscope audit {demo} --model m1 --report {tmp_path / 'r.html'}" in page


@pytest.mark.keras
@pytest.mark.slow
def test_the_audit_of_arrays_passes_without_a_collision(run: Run, demo: Path, tmp_path: Path) -> None:
    with Project.open(demo, read_only=True) as opened:
        keras_file = opened.models.get("m1").keras_file
        x = np.array(opened.embeddings[: 3 * opened.offsets[1]], dtype=np.float32)
    n_tokens = len(x) // 3
    x_btd = np.zeros((3, n_tokens + 2, x.shape[1]), dtype=np.float32)
    x_btd[:, :n_tokens] = x.reshape(3, n_tokens, -1)
    np.savez(tmp_path / "x.npz", X=x_btd, lengths=np.full(3, n_tokens))
    result = run("audit", "--data", tmp_path / "x.npz", "--model", keras_file)
    assert (result.code, result.out.splitlines()[0].split(":")[1].split()[0]) == (0, "passed")


def write_arrays(folder: Path, masked: bool) -> list[str | Path]:
    """A model without a recurrent layer, which is quick to trace, and padded sentences; the arguments to audit it."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    inputs = keras.Input((None, 4))
    hidden = layers.Masking(0.0)(inputs) if masked else inputs
    model = keras.Model(inputs, layers.Dense(2, "softmax")(hidden))
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.save(folder / "m.keras")
    rng = np.random.default_rng(0)
    x, lengths = np.zeros((3, 5, 4), dtype=np.float32), np.array([5, 2, 3])
    for row, n in enumerate(lengths):
        x[row, :n] = rng.normal(size=(n, 4))
    np.save(folder / "x.npy", x)
    np.save(folder / "n.npy", lengths)
    np.save(folder / "y.npy", (np.arange(5)[None] < lengths[:, None]).astype(np.int64))
    np.save(folder / "w.npy", (np.arange(5)[None] < lengths[:, None]).astype(np.float32))
    return ["audit", "--data", folder / "x.npy", "--model", folder / "m.keras"]


@pytest.mark.keras
@pytest.mark.usefixtures("jobs_in_process")
def test_the_exit_code_tells_passed_failed_and_could_not_tell_apart(run: Run, tmp_path: Path) -> None:
    arguments = write_arrays(tmp_path, masked=True)
    result = run(*arguments, "--lengths", tmp_path / "n.npy")
    assert result.code == 0
    assert "padded with 0, behind the tokens (as the data are padded); labels made up" in result.out
    # without lengths, a token of zeros at a sentence's end can't be told from padding
    result = run(*arguments, "--json")
    assert result.code == 3
    record = json.loads(result.out)
    assert record["verdict"] == "could not tell"
    unsure = {each["check"]: each["matters"] for each in record["findings"] if each["verdict"] == "could not tell"}
    assert unsure == {"COLLISIONS": True, "DATA": False}


@pytest.mark.keras
@pytest.mark.usefixtures("jobs_in_process")
def test_labels_and_weights_are_those_of_the_files(run: Run, tmp_path: Path) -> None:
    given = ["--lengths", tmp_path / "n.npy", "--labels", tmp_path / "y.npy", "--weights", tmp_path / "w.npy"]
    result = run(*write_arrays(tmp_path, masked=False), *given, "--json")
    record = json.loads(result.out)
    assert (record["about"]["labels"], record["about"]["weights"]) == ([3, 5], [3, 5])
    verdicts = {each["check"]: each["verdict"] for each in record["findings"]}
    # Dense reads no neighbours, and weights of 0 keep padding out of the loss
    assert (verdicts["LENGTH"], verdicts["LOSS"], verdicts["TRACE"]) == ("passed", "passed", "failed")


@pytest.mark.keras
@pytest.mark.usefixtures("jobs_in_process")
def test_a_repair_that_fails_leaves_the_audit(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def repair_file(*_: object) -> None:
        raise ModelError("the model can't be rebuilt", received="a layer")

    monkeypatch.setattr("maskscope.audit.repair.repair_file", repair_file)
    arguments = [*write_arrays(tmp_path, masked=False), "--lengths", tmp_path / "n.npy", "--json"]
    result = run(*arguments, "--repair", tmp_path / "new.keras")
    assert result.code == 1
    record = json.loads(result.out)
    assert record["verdict"] == "failed"
    assert record["repaired"] is None
    assert "can't be rebuilt" in record["repair_error"]
    assert "no model was written: the model can't be rebuilt" in result.err
