"""Building, running, saving and loading Keras models."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from maskscope.engine import packed
from maskscope.errors import ModelError
from maskscope.keras_io import keras_model
from maskscope.keras_io.keras_tagger import KerasTagger
from maskscope.runs import TrainSettings
from maskscope.training import trainer
from maskscope.training.spec import TaggerSpec
from maskscope.types import Floats, Labels, Offsets, TagScheme

pytestmark = pytest.mark.keras

DIM = 4
BINARY = TagScheme("binary", ("O", "name"))
TYPED = TagScheme("multiclass", ("O", "a", "b"))
QUICK = TrainSettings(units=3, epochs=2, batch_tokens=40, validation=0.25)


def corpus(n_sentences: int) -> tuple[Floats, Offsets, Labels]:
    """Random embeddings of sentences of 1 to 8 tokens, with random labels."""
    rng = np.random.default_rng(0)
    offsets = np.concatenate([[0], np.cumsum(rng.integers(1, 9, n_sentences))]).astype(np.int64)
    x: Floats = rng.normal(size=(offsets[-1], DIM)).astype(np.float32)
    return x, offsets, rng.integers(0, 3, len(x)).astype(np.int16)


def test_the_layers_of_the_model_that_is_trained() -> None:
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


def test_the_model_that_is_written_scores_as_the_trainer_does() -> None:
    x, offsets, labels = corpus(12)
    x[4] = 0
    for layers in (1, 2):
        spec = TaggerSpec(TYPED, DIM, units=3, layers=layers, dropout=0.2, input_dropout=0.1)
        trained = trainer.train(x, offsets, labels, spec, QUICK)
        ids = np.arange(len(offsets) - 1)
        own, rows, own_offsets = trainer.score(trained.parameters, x, offsets, ids)
        assert np.array_equal(rows, np.arange(len(x)))
        assert np.array_equal(own_offsets, offsets)
        by_keras = KerasTagger(keras_model.with_weights(trained.parameters)).score(x, offsets)
        np.testing.assert_allclose(own, by_keras, rtol=0, atol=2e-6)


def test_scoring_by_keras_is_packed_scoring(tmp_path: Path) -> None:
    x, offsets, _ = corpus(10)
    x[3] = 0
    model = keras_model.build(TaggerSpec(TYPED, DIM, units=3, layers=2))
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0, 1, w.shape) for w in model.get_weights()])
    keras_model.save(model, tmp_path / "model.keras")
    tagger = packed.load(tmp_path / "model.keras")
    np.testing.assert_allclose(KerasTagger(model).score(x, offsets), tagger.score(x, offsets), rtol=0, atol=2e-6)


def test_only_keras_files_are_loaded(tmp_path: Path) -> None:
    for name in ("model.h5", "model.keras", "model.pkl"):
        (tmp_path / name).write_bytes(b"\x89HDF\r\n")
        with pytest.raises(ModelError, match=r"model\.save\('NAME\.keras'\)"):
            keras_model.load(tmp_path / name)
    inputs = keras.Input((None, DIM))
    keras.Model(inputs, keras.layers.Lambda(lambda x: x)(inputs)).save(tmp_path / "lambda.keras")
    with pytest.raises(ModelError, match="holds Python code in a Lambda layer"):
        keras_model.load(tmp_path / "lambda.keras")


@pytest.mark.slow
def test_the_file_is_loaded_by_keras_alone(tmp_path: Path) -> None:
    model = keras_model.build(TaggerSpec(TYPED, DIM, units=3, dropout=0.1))
    keras_model.save(model, tmp_path / "model.keras")
    plain = (
        "import sys, keras; m = keras.saving.load_model(sys.argv[1], safe_mode=True); "
        "print('maskscope' in sys.modules, m.output_shape)"
    )
    printed = subprocess.run(
        [sys.executable, "-c", plain, str(tmp_path / "model.keras")], capture_output=True, text=True, check=True
    )
    assert printed.stdout.split() == ["False", "(None,", "None,", "3)"]
