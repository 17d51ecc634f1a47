"""The PADDING panel on projects that are padded with something else than zeros, in front, and on fixed lengths."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from maskscope.engine.packed import PackedTagger
from maskscope.engine.pointwise import DenseWeights
from maskscope.engine.recurrence import Reading, RecurrentWeights
from maskscope.engine.weights import TaggerWeights
from maskscope.padding import Padding
from maskscope.project import Project, ProjectWriter
from maskscope.runs import RunInfo
from maskscope.types import Floats, Sentence
from maskscope_gui.shell.main_window import MainWindow
from tests.gui.conftest import ScriptedClient
from tests.gui.window_helpers import KEY, OpenWindow, Press

DIM = 4


def add_model(project: Project, reading: Reading = "forward", **run: object) -> None:
    """Adds a model with Masking(-1) and one LSTM."""
    rng = np.random.default_rng(0)

    def draw(*shape: int) -> Floats:
        return rng.normal(size=shape).astype(np.float32)

    cell = RecurrentWeights(draw(1, DIM, 12), draw(1, 3, 12), draw(1, 12), reading=reading)
    tagger = PackedTagger(TaggerWeights.chain(-1.0, [cell, DenseWeights(draw(3, 1), draw(1), "sigmoid")]))
    folder = project.models.new_folder()
    tagger.save_npz(folder / "weights.npz")
    (folder / "model.keras").write_bytes(b"not read here")
    info = RunInfo("LSTM", 1.5, None, project.scheme, DIM, mask_value=-1.0, source="lstm.keras")
    (folder / "run.json").write_text(json.dumps(json.loads(info.to_json()) | run), encoding="utf-8")
    model = project.models.adopt(folder).id
    project.models.write_scores(model, tagger.score(project.embeddings, project.offsets))


@pytest.fixture
def front(tmp_path: Path) -> Path:
    """Sentences of 5 and 3 tokens whose source was padded with -1 in front, and a model with Masking(-1)."""
    rng = np.random.default_rng(1)
    target = tmp_path / "front.maskscope"
    with ProjectWriter(target, DIM, np.dtype(np.float32)) as writer:
        for length in (5, 3):
            rows = rng.normal(size=(length, DIM)).astype(np.float32)
            writer.add(Sentence(tuple("abcde"[:length]), rows, ("O",) * (length - 1) + ("x",)))
        writer.finish(padding=Padding.of_value(-1.0, DIM, "front"))
    with Project.open(target) as project:
        add_model(project)
    return target


def test_padding_is_that_of_the_source_on_its_side(open_window: OpenWindow, press: Press, front: Path) -> None:
    window = open_window(front)
    assert window.padding.fill.text() == "-1 ▾"
    assert window.padding.added_title.text() == "Added in front"
    assert window.padding.figure.text() == "0.000000"
    assert window.padding.explanation.text() == (
        "Padding is added in front of the tokens, as in the source; it is drawn behind them."
    )
    press(window, KEY.Key_X)
    assert window.padding.fill.text() == "zeros ▾"
    # Zeros are tokens for Masking(-1), and a forward LSTM reads them before the sentence.
    assert float(window.padding.figure.text()) > 0.001
    menu = window.padding.fill.menu()
    menu.aboutToShow.emit()
    assert menu.actions()[0].text() == "as in the source: -1"
    window.grab()


def test_padding_of_a_whole_row_fits_into_the_column(open_window: OpenWindow, tmp_path: Path) -> None:
    row = Padding(np.arange(2048, dtype=np.float32)[None], "front")
    with ProjectWriter(tmp_path / "row.maskscope", 2048, np.dtype(np.float32)) as writer:
        writer.add(Sentence(("a", "b"), np.ones((2, 2048), dtype=np.float32), ("O", "x")))
        writer.finish(padding=row)
    window = open_window(tmp_path / "row.maskscope")
    padding = window.padding
    assert padding.fill.text() == "as in the source ▾"
    assert padding.fill.toolTip() == "Padded positions hold one row of 2048 numbers"
    assert padding.minimumSizeHint().width() <= padding.width()
    assert padding.width() <= window.side.width()
    window.experiment.set_fill("previous")
    assert padding.fill.text() == "the previous sentence ▾"
    assert padding.fill.toolTip() == "Padded positions hold the previous sentence"
    # A scroll bar beside it takes some of the column.
    assert padding.minimumSizeHint().width() <= window.side.width() - 16


def test_the_slider_of_a_model_of_a_fixed_length_stops_at_its_end(
    open_window: Callable[..., MainWindow], front: Path, client: ScriptedClient
) -> None:
    with Project.open(front) as project:
        add_model(project, engine="keras", engine_reason="holds layer 'conv'", n_positions=8)
    window = open_window(front, client)
    window.session.cursor.select(1)
    assert window.padding.slider.maximum() == 5
    assert window.experiment.settings.added == 5
    window.session.cursor.select(0)
    assert window.padding.slider.maximum() == 3
    window.experiment.set_added(200)
    assert window.experiment.settings.added == 3


def test_masked_padding_that_changes_the_output_points_to_the_audit(open_window: OpenWindow, front: Path) -> None:
    with Project.open(front) as project:
        add_model(project, "reversed")
    window = open_window(front)
    assert float(window.padding.figure.text()) > 0.001
    assert window.padding.explanation.text() == (
        "These positions are masked, yet they change the output; the audit shows which layer depends on them (Ctrl+P)."
    )
