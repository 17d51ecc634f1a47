"""Training: what may enter the loss, what comes out, and that the file is a plain Keras model."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from maskscope.errors import Cancelled, ModelError
from maskscope.jobs import NullJob
from maskscope.project import Project, ProjectWriter
from maskscope.runs import RunInfo, TrainSettings
from maskscope.tagger import packed
from maskscope.tagger.spec import TaggerSpec
from maskscope.tagger.training import train_project
from maskscope.types import NO_LABEL, Floats, Labels, Offsets, Sentence, TagScheme

pytestmark = pytest.mark.keras
keras = pytest.importorskip("keras")
keras_model = pytest.importorskip("maskscope.tagger.keras_model")

DIM = 4
BINARY = TagScheme("binary", ("O", "name"))
TYPED = TagScheme("multiclass", ("O", "a", "b"))
QUICK = TrainSettings(units=3, epochs=2, batch_tokens=40, validation=0.25)


def corpus(n_sentences: int = 24, seed: int = 0) -> tuple[Floats, Offsets, Labels]:
    """A token is a name (1) when its first number is positive, and 2 when its second is as well."""
    rng = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(rng.integers(1, 9, n_sentences))]).astype(np.int64)
    x: Floats = rng.normal(size=(offsets[-1], DIM)).astype(np.float32)
    labels = np.where(x[:, 0] > 0, np.where(x[:, 1] > 0, 2, 1), 0).astype(np.int16)
    return x, offsets, labels


class Watch(NullJob):
    """Keeps what is reported, and cancels at a report of choice."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.shares: list[float] = []
        self.figures: list[tuple[str, int, float]] = []
        self.stop_at = stop_at

    def progress(self, done: int, total: int, text: str = "") -> None:
        if total and text.startswith("epoch"):
            self.shares.append(done / total)
        if self.stop_at is not None and len(self.shares) > self.stop_at:
            raise Cancelled

    def figure(self, name: str, step: int, value: float) -> None:
        self.figures.append((name, step, value))


def same_weights(a: "keras.Model", b: "keras.Model") -> bool:
    return all(np.array_equal(u, v) for u, v in zip(a.get_weights(), b.get_weights(), strict=True))


def test_the_stack_is_the_classic_one() -> None:
    spec = TaggerSpec(TYPED, DIM, units=3, layers=2, dropout=0.1, recurrent_dropout=0.3)
    layers = keras_model.build(spec).layers
    kinds = [type(layer).__name__ for layer in layers if isinstance(layer, keras.layers.Layer)]
    kinds = [kind for kind in kinds if kind not in ("NotEqual", "Any")]
    assert kinds == ["InputLayer", "Masking", "Bidirectional", "Dropout", "Bidirectional", "Dropout", "Dense"]
    recurrent = [layer for layer in layers if isinstance(layer, keras.layers.Bidirectional)]
    assert [layer.forward_layer.units for layer in recurrent] == [3, 3]
    assert [layer.forward_layer.recurrent_dropout for layer in recurrent] == [0.3, 0.3]
    assert (layers[-1].units, layers[-1].activation.__name__) == (3, "softmax")
    head = keras_model.build(TaggerSpec(BINARY, DIM)).layers[-1]
    assert (head.units, head.activation.__name__) == (1, "sigmoid")


@pytest.mark.parametrize("scheme", [BINARY, TYPED])
def test_unlabelled_and_masked_tokens_never_enter_the_loss(scheme: TagScheme) -> None:
    x, offsets, labels = corpus(12)
    labels = np.minimum(labels, len(scheme.classes) - 1).astype(np.int16)
    spec = TaggerSpec(scheme, DIM, units=3)
    hidden = np.arange(len(labels)) % 3 == 0
    labels[hidden] = NO_LABEL
    collided = np.arange(len(labels)) % 7 == 1
    x[collided] = 0
    watch, other = Watch(), Watch()
    trained = keras_model.train(x, offsets, labels, spec, QUICK, watch)
    flipped = labels.copy()
    flip = collided & ~hidden
    flipped[flip] = (labels[flip] + 1) % len(scheme.classes)
    again = keras_model.train(x, offsets, flipped, spec, QUICK, other)
    assert watch.figures == other.figures
    assert same_weights(trained.model, again.model)
    assert [name for name, _, _ in watch.figures] == ["loss", "val_loss", "f1"] * 2
    assert watch.shares[0] == 0
    assert watch.shares[-1] == 1
    assert watch.shares == sorted(watch.shares)


def test_padding_never_enters_the_loss() -> None:
    # one sentence a batch has no padding at all; without dropout and with the same order, one step over a padded
    # batch must be the step over the mean of its tokens
    x, offsets, labels = corpus(6)
    spec = TaggerSpec(TYPED, DIM, units=3, recurrent_dropout=0.0)
    settings = TrainSettings(epochs=1, batch_tokens=1000, validation=0.0, learning_rate=1e-9)
    watch = Watch()
    trained = keras_model.train(x, offsets, labels, spec, settings, watch)
    loss = watch.figures[0][2]
    printed = packed.PackedTagger(keras_model.stack_weights(trained.model)).score(x, offsets)
    by_hand = -np.log(printed[np.arange(len(labels)), labels]).mean()
    assert loss == pytest.approx(by_hand, abs=1e-5)
    assert trained.validation_sentences == ()
    assert trained.history[0].val_loss is None


def test_training_learns_and_repeats_itself() -> None:
    x, offsets, labels = corpus(60)
    settings = TrainSettings(units=4, epochs=12, batch_tokens=60, learning_rate=0.03, validation=0.2, seed=3)
    spec = TaggerSpec.from_settings(TYPED, DIM, settings)
    trained = keras_model.train(x.astype(np.float16), offsets, labels, spec, settings)
    again = keras_model.train(x.astype(np.float16), offsets, labels, spec, settings)
    assert same_weights(trained.model, again.model)
    assert trained.validation_sentences == again.validation_sentences
    assert len(trained.validation_sentences) == 12
    assert trained.history == again.history
    best = trained.history[trained.best_epoch - 1]
    assert best.f1 is not None
    assert best.f1 > 0.8
    kept = keras_model.validate(
        trained.model, x.astype(np.float16), offsets, labels, np.array(trained.validation_sentences), spec
    )
    assert kept.loss == pytest.approx(best.val_loss)


def test_what_can_not_be_trained_is_refused() -> None:
    x, offsets, labels = corpus(3)
    spec = TaggerSpec(BINARY, DIM)
    with pytest.raises(ModelError, match="nothing to train on"):
        keras_model.train(x, offsets, np.full_like(labels, NO_LABEL), spec, QUICK)
    with pytest.raises(ModelError, match="ids below 2; received 2"):
        keras_model.train(x, offsets, labels, spec, QUICK)


def test_batches_hold_sentences_of_like_length_within_their_limit() -> None:
    rng = np.random.default_rng(0)
    lengths = np.array([5, 1, 30, 2, 5, 4, 5, 1, 2])
    ids = np.array([0, 1, 2, 3, 4, 5, 6, 8])
    batches = keras_model.batches_of_like_length(lengths, ids, 10, rng)
    assert sorted(np.concatenate(batches).tolist()) == ids.tolist()
    for batch in batches:
        assert lengths[batch].max() * len(batch) <= 10 or len(batch) == 1


def test_splitting_holds_back_whole_sentences() -> None:
    rng = np.random.default_rng(0)
    usable = np.array([2, 5, 6, 9])
    train, held = keras_model.split(usable, 0.1, rng)
    assert len(held) == 1
    assert sorted([*train, *held]) == usable.tolist()
    assert keras_model.split(usable, 0.0, rng)[1].size == 0
    assert keras_model.split(usable[:1], 0.5, rng)[0].tolist() == [2]


def test_scoring_by_keras_is_packed_scoring() -> None:
    x, offsets, _ = corpus(10)
    x[3] = 0
    model = keras_model.build(TaggerSpec(TYPED, DIM, units=3, layers=2))
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0, 1, w.shape) for w in model.get_weights()])
    tagger = packed.PackedTagger(keras_model.stack_weights(model))
    np.testing.assert_allclose(keras_model.score_keras(model, x, offsets), tagger.score(x, offsets), rtol=0, atol=2e-6)
    with pytest.raises(ModelError, match=r"\(None, None, 9\)"):
        keras_model.score_keras(model, np.zeros((2, 9), np.float32), np.array([0, 2]))


def test_only_keras_files_are_loaded(tmp_path: Path) -> None:
    for name in ("model.h5", "model.keras", "model.pkl"):
        (tmp_path / name).write_bytes(b"\x89HDF\r\n")
        with pytest.raises(ModelError, match=r"write it anew with model\.save\('NAME\.keras'\)"):
            keras_model.load(tmp_path / name)
    inputs = keras.Input((None, DIM))
    keras.Model(inputs, keras.layers.Lambda(lambda x: x)(inputs)).save(tmp_path / "lambda.keras")
    with pytest.raises(ModelError, match="can't be loaded by Keras in safe mode"):
        keras_model.load(tmp_path / "lambda.keras")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    x, offsets, labels = corpus(30)
    with ProjectWriter(
        tmp_path / "p.maskscope", DIM, np.dtype(np.float32), classes=TYPED.classes, kind="multiclass"
    ) as writer:
        for i in range(len(offsets) - 1):
            part = slice(int(offsets[i]), int(offsets[i + 1]))
            words = tuple(f"w{token}" for token in range(part.start, part.stop))
            names = tuple(TYPED.classes[label] for label in labels[part])
            writer.add(Sentence(words, x[part], names))
        writer.finish({"source": "test", "lengths_from": "source", "notes": "[]"})
    return tmp_path / "p.maskscope"


def test_a_project_trains_read_only_and_its_writer_adopts_the_model(project: Path) -> None:
    # as the window does it: it holds the project, the worker reads it
    with Project.open(project) as writer:
        with Project.open(project, read_only=True) as reader:
            folder = train_project(reader, QUICK)
        check_the_folder(folder)
        adopt_and_compare(writer, folder)


def check_the_folder(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == [
        "model.keras",
        "run.json",
        "scores.npy",
        "weights.npz",
    ]
    run = RunInfo.from_json((folder / "run.json").read_text(encoding="utf-8"))
    assert run.name == "BiLSTM 3"
    assert run.settings == QUICK
    assert len(run.history) == 2
    assert run.metrics is not None
    assert run.keras == keras.__version__
    assert json.loads((folder / "run.json").read_text(encoding="utf-8"))["scheme"]["kind"] == "multiclass"


def adopt_and_compare(opened: Project, folder: Path) -> None:
    run = RunInfo.from_json((folder / "run.json").read_text(encoding="utf-8"))
    record = opened.adopt_model(folder)
    assert run.fingerprint == opened.fingerprint
    scores = opened.scores(record.id)
    assert scores is not None
    for file in (record.keras_file, record.weights_file):
        own = packed.load(file).score(opened.embeddings, opened.offsets)
        np.testing.assert_allclose(scores, own, rtol=0, atol=2e-6)
    by_keras = keras_model.score_keras(keras_model.load(record.keras_file), opened.embeddings, opened.offsets)
    np.testing.assert_allclose(scores, by_keras, rtol=0, atol=2e-6)
    plain = (
        "import sys, keras; m = keras.saving.load_model(sys.argv[1], safe_mode=True); "
        "print('maskscope' in sys.modules, m.output_shape)"
    )
    printed = subprocess.run(
        [sys.executable, "-c", plain, str(record.keras_file)], capture_output=True, text=True, check=True
    )
    assert printed.stdout.split() == ["False", "(None,", "None,", "3)"]


@pytest.mark.parametrize("stop_at", [0, 3])
def test_cancelled_training_leaves_nothing(project: Path, stop_at: int) -> None:
    with Project.open(project) as opened:
        with pytest.raises(Cancelled):
            train_project(opened, QUICK, Watch(stop_at))
        assert list((project / "models").glob(".partial*")) == []
