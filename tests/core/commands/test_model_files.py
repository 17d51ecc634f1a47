"""Commands on a model's file: add-model, and --output and --classes of the others. Keras itself is the oracle."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pytest

from maskscope.project import Project
from maskscope.types import Floats

if TYPE_CHECKING:
    from tests.core.commands.conftest import Run

pytestmark = pytest.mark.keras

MakeModel: TypeAlias = Callable[..., Path]


@pytest.fixture
def make_model(tmp_path: Path) -> MakeModel:
    """Writes a model of one Dense layer, or of a Conv1D layer below it, which only Keras runs."""

    def make(n_outputs: int, head: str | None = None, name: str = "m", *, conv: bool = False, **compiled: Any) -> Path:
        import keras

        keras.utils.set_random_seed(3)
        below = [keras.layers.Conv1D(4, 3, padding="same")] if conv else []
        dense = keras.layers.Dense(n_outputs, activation=head, bias_initializer="random_normal")
        model = keras.Sequential([keras.Input((None, 4)), *below, dense])
        if compiled:
            model.compile(optimizer="sgd", **compiled)
        model.save(tmp_path / f"{name}.keras")
        return tmp_path / f"{name}.keras"

    return make


def raw_outputs(project: Path, file: Path) -> Floats:
    """Keras's own outputs (n, C), each sentence alone."""
    import keras

    model = keras.saving.load_model(file, compile=False)
    with Project.open(project, read_only=True) as opened:
        sentences = [opened.rows(i).astype(np.float32) for i in range(opened.n_sentences)]
    return np.concatenate([np.asarray(model(rows[None]))[0] for rows in sentences])


def softmax(logits: Floats) -> Floats:
    powers = np.exp(logits.astype(np.float64))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float32)


def from_logits() -> Any:
    import keras

    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def stored(project: Path, model: str = "m1") -> Floats:
    with Project.open(project, read_only=True) as opened:
        scores = opened.models.scores(model)
        assert scores is not None
        return np.array(scores)


@pytest.mark.usefixtures("jobs_in_process")
@pytest.mark.parametrize("conv", [False, True], ids=["built-in engine", "Keras"])
def test_a_model_of_logits_is_added_with_its_class_mapping(
    run: Run, project: Path, make_model: MakeModel, tmp_path: Path, conv: bool
) -> None:
    file = make_model(4, conv=conv, loss=from_logits())
    (tmp_path / "tags.json").write_text('{"PER": 1, "PAD": 0, "O": 3, "MISC": 2}', encoding="utf-8")
    refused = run("add-model", project, file).refused()
    assert "expected 3 outputs for O, LOC, PER; received 4 outputs: 0, 1, 2, 3" in refused
    assert "name them with --classes FILE" in refused
    record = run("add-model", project, file, "--classes", tmp_path / "tags.json", "--json").json()
    assert (record["model"], record["name"], record["source"], record["engine"], record["scored"]) == (
        "m1",
        "m",
        "m.keras",
        "keras" if conv else "packed",
        True,
    )
    assert (record["output"], record["columns"], record["classes"]) == ("logits", [3, -1, 1], ["O", "LOC", "PER"])
    assert record["notes"] == [
        "Of its 4 outputs, PAD, MISC are no label of the project.",
        "It has no output for LOC, whose probability is 0.",
    ]
    expected = softmax(raw_outputs(project, file))[:, [3, 0, 1]] * np.array([1, 0, 1], dtype=np.float32)
    np.testing.assert_allclose(stored(project), expected, atol=2e-6)
    # Scored anew, it is what it was: the project remembers the mapping.
    again = run("score", project, "--json").json()
    assert (again["output"], again["columns"], again["stored"]) == ("logits", [3, -1, 1], True)
    np.testing.assert_allclose(stored(project), expected, atol=2e-6)
    keras = run("score", project, "--engine", "keras", "--json").json()
    assert (keras["engine"], keras["columns"]) == ("keras", [3, -1, 1])
    np.testing.assert_allclose(stored(project), expected, atol=2e-6)
    assert "labels: O is output 3 (O), LOC is none, PER is output 1 (PER)" in run("score", project).out
    assert run("info", project, "--json").json()["models"][0]["output"] == "logits"


def test_scores_of_a_file_have_to_go_somewhere(run: Run, project: Path, make_model: MakeModel) -> None:
    refused = run("score", project, "--model", make_model(3, "softmax")).refused()
    assert "give --out FILE.npz to write them to a file, or add the model with maskscope add-model" in refused


def test_a_model_that_is_not_added_leaves_nothing(
    run: Run, project: Path, make_model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    from maskscope.workflows import open_model

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    file = make_model(3)
    refused = run("add-model", project, file).refused()
    assert (
        "it ends in a linear layer, and the file holds no loss; say --output logits, log, probabilities or" in refused
    )
    with Project.open(project):
        assert "open in another program" in run("add-model", project, file, "--output", "logits").refused()
    assert "no such file" in run("add-model", project, "gone.keras").refused()
    monkeypatch.setattr(open_model, "_score_into", interrupted)
    assert run("add-model", project, file, "--output", "logits").code == 130
    assert list((project / "models").iterdir()) == []
    with Project.open(project) as opened:
        assert opened.models.all() == []


def test_what_the_outputs_are_can_be_said(run: Run, project: Path, make_model: MakeModel, tmp_path: Path) -> None:
    file, out = make_model(3), tmp_path / "o.npz"
    raw = raw_outputs(project, file)
    record = run("score", project, "--model", file, "--output", "logits", "--out", out, "--json").json()
    assert (record["output"], record["columns"]) == ("logits", [0, 1, 2])
    assert record["notes"] == ["Its outputs are taken for O, LOC, PER, in this order."]
    with np.load(out) as arrays:
        np.testing.assert_allclose(arrays["probabilities"], softmax(raw), atol=2e-6)
    values = run("score", project, "--model", file, "--output", "values", "--out", out)
    assert "outputs: values, 3 a token; they are no labels" in values.out
    with np.load(out) as arrays:
        assert "probabilities" not in arrays
        np.testing.assert_allclose(arrays["values"], raw, atol=2e-6)
        assert arrays["classes"].tolist() == ["0", "1", "2"]
    refused = run("score", project, "--model", file, "--output", "probabilities", "--out", out).refused()
    assert "gives numbers that are not probabilities" in refused


def test_values_are_kept_with_the_project_and_are_no_predictions(
    run: Run, project: Path, make_model: MakeModel, tmp_path: Path
) -> None:
    file = make_model(4, loss="mse")
    record = run("add-model", project, file, "--json").json()
    assert (record["output"], record["columns"], record["classes"]) == ("values", [0, 1, 2, 3], ["0", "1", "2", "3"])
    np.testing.assert_allclose(stored(project), raw_outputs(project, file), atol=2e-6)
    with Project.open(project, read_only=True) as opened:
        assert opened.models.get().is_reconstruction
    out = tmp_path / "o.jsonl"
    for command in (
        ("evaluate", project),
        ("compare", project, "--with", "m1"),
        ("export", project, out, "--format", "jsonl", "--labels", "predicted"),
    ):
        assert (
            "model m1 gives values and no probabilities of labels, so it predicts no label" in run(*command).refused()
        )
    assert not out.exists()
    # Labels of a person have nothing to do with it.
    assert run("export", project, out, "--format", "jsonl", "--json").json()["sentences"] == 2
    assert json.loads(out.read_text(encoding="utf-8").splitlines()[0])["probabilities"] is None


def test_a_file_is_evaluated_compared_and_exported_by_its_probabilities(
    run: Run, project: Path, make_model: MakeModel, tmp_path: Path
) -> None:
    logits = make_model(3, loss=from_logits())
    probabilities = make_model(3, "softmax", "p")
    expected = softmax(raw_outputs(project, logits))
    np.testing.assert_allclose(raw_outputs(project, probabilities), expected, atol=2e-6)
    first = run("evaluate", project, "--model", logits, "--json").json()
    second = run("evaluate", project, "--model", probabilities, "--json").json()
    assert first["loss"] == pytest.approx(second["loss"], rel=1e-5)
    assert first["confusion"] == second["confusion"]
    both = run("compare", project, "--model", logits, "--with", probabilities, "--json").json()
    assert (both["differing"], both["tokens"]) == (0, 4)
    out = tmp_path / "o.jsonl"
    record = run(
        *("export", project, out, "--format", "jsonl", "--labels", "predicted", "--model", logits, "--json")
    ).json()
    assert (record["model"], record["sentences"]) == (str(logits), 2)
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    names = ("O", "LOC", "PER")
    labels = [label for line in lines for label in line["labels"]]
    assert labels == [names[place] for place in expected.argmax(axis=1)]
    rows = [row for line in lines for row in line["probabilities"]]
    np.testing.assert_allclose(rows, expected, atol=1e-5)


def test_options_of_a_file_are_refused_without_one(run: Run, with_model: Path, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("a\nb\nc", encoding="utf-8")
    for option in (("--output", "logits"), ("--classes", tmp_path / "names.txt")):
        for command in (("score",), ("evaluate",), ("compare", "--with", "m1")):
            refused = run(command[0], with_model, *command[1:], *option).refused()
            assert "--output and --classes are about a model's file" in refused
