"""What is said of a model's file before it is opened, and which ways are left when it can't be."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from maskscope.padding import Padding
from maskscope.project import Project, ProjectWriter
from maskscope.types import Sentence
from maskscope.workflows.describe_model import describe_model

pytestmark = pytest.mark.keras

layers = keras.layers
DIM = 4
ROW = np.array([[0.5, 0.25, 1.0, 2.0]], dtype=np.float32)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with ProjectWriter(tmp_path / "p", DIM, np.dtype(np.float32), classes=("O", "LOC", "PER")) as writer:
        writer.add(Sentence(("a", "b"), np.ones((2, DIM), dtype=np.float32), ("O", "LOC")))
        writer.finish(padding=Padding(ROW, "front"))
    with Project.open(tmp_path / "p", read_only=True) as opened:
        yield opened


def saved(folder: Path, *stack: Any, positions: int | None = None, dim: int = DIM, loss: Any = None) -> Path:
    model = keras.Sequential([keras.Input((positions, dim)), *stack])
    if loss is not None:
        model.compile("sgd", loss)
    model.save(folder / "m.keras")
    return folder / "m.keras"


def test_a_model_that_opens_as_it_is(project: Project, tmp_path: Path) -> None:
    file = saved(tmp_path, layers.Masking(), layers.TimeDistributed(layers.Dense(3, activation="softmax")))
    found = describe_model(project, file)
    assert (found.name, found.layers) == ("m.keras", "Masking, TimeDistributed(Dense)")
    assert (found.mask_value, found.mask) == (0.0, "tokens whose embedding is 0 throughout are masked")
    assert (found.engine, found.n_positions, found.padding) == ("packed", None, "")
    assert (found.n_outputs, found.output, found.output_reason) == (3, "probabilities", "it ends in softmax")
    assert (found.columns, found.columns_reason) == ((0, 1, 2), "as many outputs as labels, in their order")
    assert (found.refusal, found.way_out) == ("", ())


def test_what_a_person_must_say_is_left_open(project: Project, tmp_path: Path) -> None:
    found = describe_model(project, saved(tmp_path, layers.Dense(5)))
    assert found.refusal == ""
    assert (found.output, found.output_reason) == (None, "it ends in a linear layer, and the file holds no loss")
    assert found.activation == "softmax"
    assert (found.columns, found.columns_reason) == (None, "it has 5 outputs, the project 3 labels")
    assert found.names == ("0", "1", "2", "3", "4")


def test_logits_and_values_are_told_by_the_loss(project: Project, tmp_path: Path) -> None:
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    found = describe_model(project, saved(tmp_path, layers.Dense(3), loss=loss))
    assert (found.output, found.activation) == ("logits", "sigmoid")
    assert found.output_reason == "it was compiled with binary_crossentropy, which takes logits"
    values = describe_model(project, saved(tmp_path, layers.Dense(4), loss="mae"))
    assert (values.output, values.activation, values.columns) == ("values", "", (0, 1, 2, 3))


def test_a_model_of_fixed_length_is_padded_as_the_source_was(project: Project, tmp_path: Path) -> None:
    stack = [layers.Flatten(), layers.Dense(18), layers.Reshape((6, 3)), layers.Activation("softmax")]
    found = describe_model(project, saved(tmp_path, *stack, positions=6))
    assert (found.engine, found.n_positions) == ("keras", 6)
    assert "Flatten" in found.engine_reason or "flatten" in found.engine_reason
    assert found.padding == "one row of 4 numbers, in front of each sentence, as the source of the project was"
    assert not found.padding_assumed
    assert any("exactly 6 positions" in note for note in found.notes)


def test_a_padding_that_nothing_tells_is_said_to_be_assumed(tmp_path: Path) -> None:
    with ProjectWriter(tmp_path / "q", DIM, np.dtype(np.float32), classes=("O", "LOC", "PER")) as writer:
        writer.add(Sentence(("a", "b"), np.ones((2, DIM), dtype=np.float32), ("O", "LOC")))
        writer.finish()
    stack = [layers.Flatten(), layers.Dense(18), layers.Reshape((6, 3)), layers.Activation("softmax")]
    with Project.open(tmp_path / "q", read_only=True) as opened:
        found = describe_model(opened, saved(tmp_path, *stack, positions=6))
        any_length = describe_model(opened, saved(tmp_path, layers.Dense(3, activation="softmax"), positions=6))
    assert (found.padding, found.padding_assumed) == ("0, behind each sentence, which is assumed", True)
    assert (any_length.padding, any_length.padding_assumed) == ("", False)


@pytest.mark.parametrize(
    ("stack", "dim", "words"),
    [
        ([layers.Dense(3, activation="softmax")], 9, "expected 4 numbers a token; received 9"),
        ([layers.GlobalMaxPooling1D(), layers.Dense(3)], DIM, "gives no output for each token"),
    ],
)
def test_a_model_that_is_no_tagger_of_the_project_has_its_picture_and_its_audit(
    project: Project, tmp_path: Path, stack: list[Any], dim: int, words: str
) -> None:
    found = describe_model(project, saved(tmp_path, *stack, dim=dim))
    assert words in found.refusal
    assert found.way_out == ("audit", "picture")
    assert found.layers


@keras.saving.register_keras_serializable("tests")
class Crf(layers.Layer):  # type: ignore[name-defined, misc, unused-ignore]
    """Stands for a layer whose code is not in the file."""

    def call(self, inputs: Any) -> Any:
        return inputs


def test_the_part_below_a_layer_in_own_code_can_be_cut_off(project: Project, tmp_path: Path) -> None:
    found = describe_model(project, saved(tmp_path, layers.Dense(3), Crf()))
    assert "--cut NEW.keras" in found.refusal
    assert found.way_out == ("cut",)
    first = describe_model(project, saved(tmp_path, Crf(), layers.Dense(3)))
    assert first.refusal
    assert first.way_out == ()


def test_a_file_that_is_no_model_is_refused(project: Project, tmp_path: Path) -> None:
    (tmp_path / "m.keras").write_bytes(b"nothing")
    assert "is not a complete .keras file" in describe_model(project, tmp_path / "m.keras").refusal
    gone = describe_model(project, tmp_path / "gone.keras")
    assert (gone.name, gone.way_out) == ("gone.keras", ())
    assert "no such file" in gone.refusal
