"""Models made elsewhere: the supported ones on the built-in engine, others in Keras, hostile ones not at all."""

import base64
import json
import marshal
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import numpy as np
import pytest

from maskscope import cli
from maskscope.engine import packed
from maskscope.errors import Cancelled, ModelError
from maskscope.jobs import NullJob
from maskscope.keras_io import keras_model
from maskscope.project import Project, ProjectWriter
from maskscope.types import Sentence
from maskscope.workflows.open_model import open_model

pytestmark = pytest.mark.keras


DIM = 5
LENGTHS = (3, 1, 4, 3, 0, 7)
layers = keras.layers


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    rng = np.random.default_rng(0)
    target = tmp_path / "p.maskscope"
    with ProjectWriter(target, DIM, np.dtype(np.float32), classes=("O", "name"), kind="binary") as writer:
        for length in LENGTHS:
            rows = rng.normal(size=(length, DIM)).astype(np.float32)
            writer.add(Sentence(("w",) * length, rows, ("O",) * length))
        writer.finish(source="test")
    with Project.open(target) as opened:
        yield opened


def conv(x: object) -> object:
    # reads its neighbours, padding among them, and knows no mask
    return layers.Conv1D(4, 3, padding="same", activation="tanh")(x)


def made(
    path: Path,
    stack: Callable[[object], object],
    outputs: int = 1,
    head: str | None = "sigmoid",
    shape: tuple[int | None, ...] = (None, DIM),
) -> Path:
    inputs = keras.Input(shape)
    model = keras.Model(inputs, layers.Dense(outputs, activation=head)(stack(inputs)))
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(0, 0.5, weight.shape) for weight in model.get_weights()])
    model.save(path)
    return path


def opened(project: Project, file: Path, job: NullJob | None = None) -> Path:
    return open_model(project, file, project.path / "models" / ".partial-test", job)


def oracle(file: Path, project: Project, behind: int = 0) -> list[np.ndarray]:
    """Keras' output for each sentence alone, with `behind` zero positions after it."""
    model = keras.saving.load_model(file)
    outputs = []
    for sentence in range(project.n_sentences):
        rows = np.pad(project.rows(sentence), ((0, behind), (0, 0)))
        outputs.append(np.asarray(model(rows[None]))[0] if len(rows) else np.zeros((0, model.output_shape[-1])))
    return outputs


def test_an_unsupported_model_runs_in_keras_on_each_sentence_without_padding(project: Project, tmp_path: Path) -> None:
    file = made(tmp_path / "neighbours.keras", conv)
    record = project.models.adopt(opened(project, file))
    run = record.run
    assert (record.name, run.source, run.engine, run.settings) == ("neighbours", "neighbours.keras", "keras", None)
    assert "Conv1D" in run.engine_reason
    assert (run.mask_value, run.keras) == (None, keras.__version__)
    scores, padding = project.models.scores(record.id), project.models.padding_scores(record.id)
    assert scores is not None
    assert padding is not None
    np.testing.assert_allclose(scores, np.concatenate(oracle(file, project)), rtol=0, atol=1e-6)
    for sentence, outputs in enumerate(oracle(file, project, behind=1)):
        np.testing.assert_allclose(padding[sentence], outputs[-1], rtol=0, atol=1e-6)
    assert sorted(path.name for path in record.folder.iterdir()) == ["model.keras", "run.json"]
    assert record.keras_file.read_bytes() == file.read_bytes()


def test_a_supported_model_runs_on_the_built_in_engine_with_two_classes_as_one(
    project: Project, tmp_path: Path
) -> None:
    def known(x: object) -> object:
        return layers.Bidirectional(layers.LSTM(3, return_sequences=True))(layers.Masking()(x))

    file = made(tmp_path / "known.keras", known, 2, "softmax")
    record = project.models.adopt(opened(project, file))
    assert (record.run.engine, record.run.engine_reason, record.run.mask_value) == ("packed", "", 0.0)
    expected = np.concatenate(oracle(file, project))[:, 1:]
    scores = project.models.scores(record.id)
    assert scores is not None
    np.testing.assert_allclose(scores, expected, rtol=0, atol=2e-6)
    live = packed.load(record.weights_file).score(project.embeddings, project.offsets)
    np.testing.assert_allclose(live, expected, rtol=0, atol=2e-6)
    assert project.models.padding_scores(record.id) is None


def test_the_one_output_for_each_token_is_read_with_its_own_activation(project: Project, tmp_path: Path) -> None:
    inputs = keras.Input((None, DIM))
    whole = layers.Dense(1)(layers.GlobalMaxPooling1D()(inputs))
    tags = layers.Reshape((-1, 1))(layers.Dense(1, activation="sigmoid", name="tags")(inputs))
    file = tmp_path / "two.keras"
    keras.Model(inputs, [whole, tags]).save(file)
    record = project.models.adopt(opened(project, file))
    assert (record.run.output.kind, record.run.engine) == ("probabilities", "keras")
    scores = project.models.scores(record.id)
    assert scores is not None
    expected = keras.Model(inputs, tags)(project.embeddings[None])[0]
    np.testing.assert_allclose(scores, expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize(
    ("stack", "outputs", "head", "shape", "words"),
    [
        (lambda x: layers.LSTM(3)(x), 1, "sigmoid", (None, DIM), "gives no output for each token"),
        (lambda x: x, 1, "sigmoid", (None, DIM + 1), "expected 5 numbers a token; received 6"),
        (lambda x: x, 3, "softmax", (None, DIM), "expected 1 output for O, name; received 3 outputs: 0, 1, 2"),
        (lambda x: x, 2, "sigmoid", (None, DIM), "name them with --classes FILE"),
        (
            lambda x: layers.Conv1D(4, 2)(x),
            1,
            "sigmoid",
            (None, DIM),
            "expected (2, 5, C) for (2, 5, 5); received (2, 4, 1)",
        ),
        (lambda x: x, 1, None, (None, DIM), "say --output logits, log, probabilities or values"),
    ],
)
def test_models_of_another_shape_are_refused_and_leave_nothing(
    project: Project,
    tmp_path: Path,
    stack: Callable[[object], object],
    outputs: int,
    head: str | None,
    shape: tuple[int | None, ...],
    words: str,
) -> None:
    file = made(tmp_path / "other.keras", stack, outputs, head, shape)
    with pytest.raises(ModelError) as caught:
        opened(project, file)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list((project.path / "models").glob(".partial*")) == []


def test_cancelling_leaves_nothing(project: Project, tmp_path: Path) -> None:
    class Impatient(NullJob):
        def progress(self, done: int, total: int, text: str = "") -> None:
            if done:
                raise Cancelled

    with pytest.raises(Cancelled):
        opened(project, made(tmp_path / "m.keras", conv), Impatient())
    assert list((project.path / "models").iterdir()) == []


def test_code_in_a_file_does_not_run(project: Project, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    plain = made(tmp_path / "plain.keras", lambda x: layers.Activation("tanh", name="act")(x))
    code = compile(f"lambda x: (open({str(marker)!r}, 'w').close(), x)[1]", "evil", "eval").co_consts[0]
    function = {"code": base64.b64encode(marshal.dumps(code)).decode(), "defaults": None, "closure": None}
    with zipfile.ZipFile(plain) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    model = json.loads(members["config.json"])
    (layer,) = (layer for layer in model["config"]["layers"] if layer["config"]["name"] == "act")
    layer["class_name"] = "Lambda"
    layer["config"] = {
        "name": "act",
        "function": {"class_name": "__lambda__", "config": function},
    }
    evil = tmp_path / "evil.keras"
    with zipfile.ZipFile(evil, "w") as archive:
        for name, content in {**members, "config.json": json.dumps(model).encode()}.items():
            archive.writestr(name, content)
    for attempt in (lambda: opened(project, evil), lambda: keras_model.load(evil)):
        with pytest.raises(ModelError, match=r"evil\.keras: holds Python code in a Lambda layer"):
            attempt()
    assert not marker.exists()
    # the file is as dangerous as it is meant to be
    keras.saving.load_model(evil, safe_mode=False)(np.zeros((1, 2, DIM), np.float32))
    assert marker.exists()


@pytest.mark.slow
def test_the_command_line_runs_it_in_a_worker_and_gives_the_reason(
    project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = made(tmp_path / "m.keras", conv), tmp_path / "s.npz"
    given = ["score", str(project.path), "--model", str(file), "--out", str(out)]
    assert cli.main([*given, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["engine"] == "keras"
    assert "Conv1D" in record["engine_reason"]
    with np.load(out) as arrays:
        scores = arrays["probabilities"]
    np.testing.assert_allclose(scores, np.concatenate(oracle(file, project)), rtol=0, atol=1e-6)
    assert cli.main(["evaluate", str(project.path), "--model", str(file), "--json"]) == 0
    evaluated = json.loads(capsys.readouterr().out)
    assert (evaluated["engine"], evaluated["engine_reason"]) == ("keras", record["engine_reason"])
    assert evaluated["if_padding_counted"] is not None
    assert cli.main([*given, "--engine", "packed"]) == 2
    refused = capsys.readouterr().err
    assert "the built-in engine does not support this model" in refused
    assert "Conv1D" in refused
