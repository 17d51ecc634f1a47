"""Whether the installed Keras passes a mask to the loss, and the warning about one that does not."""

import re
from importlib.metadata import requires
from importlib.resources import as_file, files
from pathlib import Path

import keras
import pytest

from maskscope import cli
from maskscope.keras_io.keras_check import INSTALL, keras_mask_warning

pytestmark = pytest.mark.keras

SENTENCE = (
    f"Keras {keras.__version__} does not pass the mask from Masking to the loss, so a model that Keras trains learns"
    " from padding (Maskscope's own training does not); install keras>=3.15.1,<3.16."
)

# The Keras after 3.15 no longer sets this in the constructors of its recurrent layers.
AS_THE_NEXT_KERAS = """
import keras
def deaf(kind):
    init = kind.__init__
    def without(self, *args, **kwargs):
        init(self, *args, **kwargs)
        self.supports_masking = False
    kind.__init__ = without
for kind in (keras.layers.RNN, keras.layers.Bidirectional):
    deaf(kind)
"""


def test_the_installed_keras_passes_the_mask() -> None:
    assert keras_mask_warning() == ""


@pytest.mark.parametrize("kind", ["RNN", "Bidirectional"])
def test_a_keras_without_masks_in_one_recurrent_layer_is_found_out(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = getattr(keras.layers, kind)
    init = layer.__init__

    def as_the_next_keras(self: keras.layers.Layer, *args: object, **kwargs: object) -> None:
        init(self, *args, **kwargs)
        self.supports_masking = False

    monkeypatch.setattr(layer, "__init__", as_the_next_keras)
    assert keras_mask_warning() == SENTENCE


def test_a_mask_that_ends_without_a_warning_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras.layers.Bidirectional, "compute_mask", lambda self, inputs, mask: None)
    assert keras_mask_warning() == SENTENCE


def test_a_keras_that_weighs_the_loss_otherwise_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    own = keras.Model.compute_loss

    def halved(self: keras.Model, **given: object) -> object:
        return own(self, **given) / 2

    monkeypatch.setattr(keras.Model, "compute_loss", halved)
    assert "does not take the mean of the loss over the positions" in keras_mask_warning()


def test_a_keras_that_can_not_be_asked_gets_a_warning_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(self: keras.Model, **given: object) -> object:
        raise TypeError("compute_loss() got an unexpected\nkeyword argument 'y_pred'")

    monkeypatch.setattr(keras.Model, "compute_loss", gone)
    words = keras_mask_warning()
    assert words.startswith(f"It is not known whether Keras {keras.__version__} passes the mask")
    assert words.endswith("(TypeError: compute_loss() got an unexpected keyword argument 'y_pred').")


def test_the_versions_it_names_are_those_that_the_package_asks_for() -> None:
    (pin,) = [each for each in requires("maskscope") or [] if each.startswith("keras")]
    assert sorted(re.split("keras|,", pin)) == sorted(re.split("keras|,", INSTALL))


@pytest.mark.slow
def test_the_command_line_prints_the_warning_and_its_worker_runs_the_job_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sitecustomize.py").write_text(AS_THE_NEXT_KERAS, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with as_file(files("maskscope_resources") / "demo" / "binary" / "model.keras") as model:
        assert cli.main(["model", str(model)]) == 0
    said = capsys.readouterr()
    assert f"maskscope: {SENTENCE}\n" in said.err
    assert "no mask: probabilities -> loss\n" in said.out
