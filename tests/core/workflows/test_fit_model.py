"""A model's file made ready to score a project: padding, fixed lengths, remembered outputs. Keras is the oracle."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from maskscope.errors import ModelError
from maskscope.padding import Padding
from maskscope.project import Project, ProjectWriter
from maskscope.runs import Engine, OutputMap, RunInfo
from maskscope.types import Floats, Sentence, TagScheme
from maskscope.workflows.fit_model import EngineChoice, choose_engine, fit_model
from maskscope.workflows.model_description import OpenOptions

pytestmark = pytest.mark.keras

layers = keras.layers
DIM, LENGTHS = 3, (4, 2, 6)
ROW: Floats = np.array([[0.5, -1.0, 2.0]], dtype=np.float32)
BINARY = TagScheme("binary", ("O", "name"))


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    rng = np.random.default_rng(5)
    with ProjectWriter(tmp_path / "p", DIM, np.dtype(np.float32), classes=BINARY.classes, kind="binary") as writer:
        for length in LENGTHS:
            rows = rng.normal(size=(length, DIM)).astype(np.float32)
            writer.add(Sentence(("w",) * length, rows, ("O",) * length))
        writer.finish(padding=Padding(ROW, "front"))
    with Project.open(tmp_path / "p") as opened:
        yield opened


def saved(folder: Path, *stack: Any, positions: int | None = None) -> Path:
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((positions, DIM)), *stack])
    rng = np.random.default_rng(2)
    model.set_weights([rng.normal(0, 0.7, weight.shape) for weight in model.get_weights()])
    model.save(folder / "m.keras")
    return folder / "m.keras"


def needs_six_positions(units: int = 2, head: str = "softmax") -> list[Any]:
    return [layers.Flatten(), layers.Dense(6 * units), layers.Reshape((6, units)), layers.Activation(head)]


def test_a_model_of_fixed_length_gets_the_padding_of_the_source_on_its_side(project: Project, tmp_path: Path) -> None:
    file = saved(tmp_path, *needs_six_positions(), positions=6)
    fitted = fit_model(project, file)
    assert fitted.output == OutputMap("probabilities", "", (1,), (), 2)
    scores, padding = fitted.score_with_padding(project.embeddings, project.offsets)
    model = keras.saving.load_model(file)
    expected, behind = [], []
    for sentence, length in enumerate(LENGTHS):
        rows = np.concatenate([np.repeat(ROW, 6 - length, axis=0), project.rows(sentence)])
        outputs = np.asarray(model(rows[None]))[0]
        expected.append(outputs[6 - length :, 1:])
        behind.append(outputs[5 - length, 1:] if length < 6 else np.full(1, np.nan))
    np.testing.assert_allclose(scores, np.concatenate(expected), rtol=0, atol=2e-6)
    assert padding is not None
    # at the padded position next to each sentence; the longest has none
    np.testing.assert_allclose(padding, np.stack(behind), rtol=0, atol=2e-6)


def test_a_longer_sentence_is_named(project: Project, tmp_path: Path) -> None:
    stack = [layers.Flatten(), layers.Dense(5), layers.Reshape((5, 1)), layers.Activation("sigmoid")]
    fitted = fit_model(project, saved(tmp_path, *stack, positions=5))
    with pytest.raises(
        ModelError, match=r"sentence 2: is longer than the model takes; .*; expected at most 5 tokens; received 6"
    ):
        fitted.score(project.embeddings, project.offsets)


@pytest.mark.parametrize("engine", ["packed", "keras"])
def test_what_a_mask_value_that_is_no_number_does_is_told(engine: Engine, project: Project, tmp_path: Path) -> None:
    lstm = layers.LSTM(2, return_sequences=True)
    file = saved(tmp_path, layers.Masking(float("nan")), lstm, layers.Dense(1, activation="sigmoid"))
    chosen = choose_engine(file)
    assert chosen.engine == "packed"
    fitted = fit_model(project, file, choice=chosen if engine == "packed" else EngineChoice("keras"))
    assert fitted.notes == ("Masking(nan) masks nothing, since NaN equals nothing, not even itself.",)
    expected = keras.saving.load_model(file)(project.rows(0)[None])[0]
    scores = fitted.score(project.embeddings, project.offsets)
    np.testing.assert_allclose(scores[: LENGTHS[0]], expected, rtol=0, atol=2e-6)


def test_both_engines_give_the_same_scores_of_logits(project: Project, tmp_path: Path) -> None:
    file = saved(tmp_path, layers.Masking(0.0), layers.SimpleRNN(4, return_sequences=True), layers.Dense(2))
    options = OpenOptions("logits")
    packed, in_keras = (fit_model(project, file, options, choice) for choice in (None, EngineChoice("keras", "asked")))
    assert (packed.choice.engine, in_keras.choice.engine, in_keras.choice.reason) == ("packed", "keras", "asked")
    assert packed.output == in_keras.output == OutputMap("logits", "softmax", (1,), (), 2)
    first, behind = packed.score_with_padding(project.embeddings, project.offsets)
    second, _ = in_keras.score_with_padding(project.embeddings, project.offsets)
    np.testing.assert_allclose(first, second, rtol=0, atol=2e-6)
    model = keras.saving.load_model(file)
    logits = np.concatenate([np.asarray(model(project.rows(i)[None]))[0] for i in range(len(LENGTHS))])
    np.testing.assert_allclose(first[:, 0], 1 / (1 + np.exp(logits[:, 0] - logits[:, 1])), rtol=0, atol=2e-6)
    assert behind is not None
    # a plain recurrent layer repeats its last output at padding
    np.testing.assert_allclose(behind, first[project.offsets[1:] - 1], rtol=0, atol=2e-6)


def test_a_model_of_the_project_is_run_as_it_was_opened(project: Project, tmp_path: Path) -> None:
    file = saved(tmp_path, layers.Conv1D(4, 3, padding="same"), layers.Dense(3))
    names = OpenOptions("logits", names=("name", "O", "PAD"))
    fitted = fit_model(project, file, names)
    folder = project.models.new_folder()
    file.rename(folder / "model.keras")
    run = RunInfo("m", 0.0, None, BINARY, DIM, None, engine="keras", engine_reason="it", output=fitted.output)
    (folder / "run.json").write_text(run.to_json(), encoding="utf-8")
    record = project.models.adopt(folder)
    again = fit_model(project, record.keras_file)
    assert again.output == fitted.output == OutputMap("logits", "softmax", (0,), names.names or (), 3)
    np.testing.assert_array_equal(
        again.score(project.embeddings, project.offsets), fitted.score(project.embeddings, project.offsets)
    )


def test_a_softmax_of_two_that_an_earlier_version_opened_still_fits(project: Project, tmp_path: Path) -> None:
    file = saved(tmp_path, layers.Conv1D(2, 3, padding="same", activation="softmax"))
    folder = project.models.new_folder()
    file.rename(folder / "model.keras")
    run = RunInfo("m", 0.0, None, BINARY, DIM, None, engine="keras", engine_reason="it")
    (folder / "run.json").write_text(run.to_json(), encoding="utf-8")
    record = project.models.adopt(folder)
    assert record.run.output == OutputMap()
    assert fit_model(project, record.keras_file).output.columns == (1,)


def test_outputs_whose_kind_no_layer_tells_are_told_by_their_numbers(project: Project, tmp_path: Path) -> None:
    inputs = keras.Input((None, DIM))
    halves = [layers.Conv1D(1, 3, padding="same", activation="sigmoid")(inputs) for _ in range(2)]
    keras.Model(inputs, layers.Average()(halves)).save(tmp_path / "m.keras")
    fitted = fit_model(project, tmp_path / "m.keras", choice=EngineChoice("keras"))
    assert fitted.output == OutputMap("probabilities", "", (), (), 1)


def test_an_unsafe_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "m.keras").write_bytes(b"x")
    with pytest.raises(ModelError, match="is not a complete"):
        choose_engine(tmp_path / "m.keras")
