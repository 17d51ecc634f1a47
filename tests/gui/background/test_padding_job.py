"""The PADDING panel for a model that only Keras runs: what is asked of the worker, when, and what is shown."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from maskscope.engine import packed
from maskscope.engine.padding_probe import PaddingProbe
from maskscope.project import Project
from maskscope.workflows.demo import write_demo
from maskscope.workflows.padding_answer import PaddingAnswer
from maskscope_gui.app import Program
from maskscope_gui.background.padding_job import ASKING, COARSE
from maskscope_gui.shell.main_window import MainWindow
from maskscope_resources.colours import LIGHT

KEY = Qt.Key


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    """The demo, its newest model said to run in Keras, for the reason of a Conv1D."""
    folder = write_demo(tmp_path / "demo.maskscope")
    with Project.open(folder) as project:
        made = project.path / "models" / ".partial-test"
        shutil.copytree(project.models.get("m1").folder, made)
        np.save(made / "scores.npy", project.models.scores("m1"))
        (made / "weights.npz").unlink()
        run = json.loads((made / "run.json").read_text(encoding="utf-8"))
        run |= {"engine": "keras", "engine_reason": "holds layer 'conv1d'"}
        (made / "run.json").write_text(json.dumps(run), encoding="utf-8", newline="\n")
        project.models.adopt(made)
    return folder


@pytest.fixture
def window(qtbot: QtBot, demo: Path, client) -> Iterator[MainWindow]:
    program = Program(LIGHT, client)
    opened = program.window
    assert program.projects.open(demo)
    opened.session.cursor.reveal(41)
    opened.resize(1440, 900)
    opened.add_curve()
    opened.show()
    opened.activateWindow()
    opened.setFocus()
    qtbot.waitUntil(opened.isActiveWindow)
    yield opened
    opened.close()
    opened.session.close()
    opened.deleteLater()


@pytest.fixture
def answers(demo: Path) -> Callable[[dict[str, object]], dict[str, object]]:
    """What Keras would say, by the packed engine: of the classic stack it says the same; with no mask, the change."""

    def answer(given: dict[str, object], rule: str = "model") -> dict[str, object]:
        with Project.open(demo, read_only=True) as project:
            tagger = packed.load(project.models.get("m1").weights_file)
            sentence = int(str(given["sentence"]))
            probe = PaddingProbe(tagger, project.rows(sentence), str(given["fill"]), project.rows(sentence - 1))
        ks = [int(k) for k in str(given["ks"]).split(",")]
        runs = [probe.run(k, rule) for k in ks]
        shown = runs[ks.index(given["shown"])] if given["shown"] in ks else None
        changes = np.array([run.largest_change for run in runs], np.float32)
        return {"answer": PaddingAnswer(np.array(ks), changes, np.array([run.at for run in runs]), shown).to_text()}

    return answer


def asked(client) -> list[tuple[object, ...]]:
    return [(given["sentence"], given["fill"], given["ks"], given["shown"]) for _, given in client.requests]


def test_the_worker_is_asked_once_the_hand_rests_and_its_answers_are_kept(
    qtbot: QtBot, window: MainWindow, client, answers
) -> None:
    padding, lab = window.padding, window.experiment
    assert padding.verdict.text() == ASKING
    qtbot.waitUntil(lambda: len(client.requests) == 1)
    for added in (13, 14, 15):
        padding.slider.setValue(added)
    assert client.stopped == [1]
    assert len(client.requests) == 1
    qtbot.waitUntil(lambda: len(client.requests) == 2)
    assert client.requests[1][0] == "padding"
    assert asked(client)[1] == (41, "zeros", "15", 15)
    client.done.emit(2, answers(client.requests[1][1]))
    assert padding.figure.text() == "0.000000"
    assert len(lab.run.mask) == window.session.focus.length + 15
    assert asked(client)[2] == (41, "zeros", ",".join(map(str, COARSE)), -1)
    client.done.emit(3, answers(client.requests[2][1]))
    assert lab.curves.unmasked is None
    assert lab.curves.added.tolist() == list(COARSE)
    assert "all 15 lengths tried" in padding.verdict.text()
    # A known place is answered at once, and the curve is not asked for again; nor is anything by another redraw.
    qtbot.keyClick(window, KEY.Key_BracketRight)
    qtbot.waitUntil(lambda: len(client.requests) == 4)
    client.done.emit(4, answers(client.requests[3][1]))
    qtbot.keyClick(window, KEY.Key_BracketLeft)
    window.session.show_class(None)
    qtbot.wait(150)
    assert len(client.requests) == 4
    assert not lab.waiting
    assert lab.curves is not None
    assert client.stopped == [1]


def test_a_late_answer_is_dropped_and_what_is_not_wanted_is_cancelled(
    qtbot: QtBot, window: MainWindow, client, answers
) -> None:
    padding, lab = window.padding, window.experiment
    qtbot.waitUntil(lambda: len(client.requests) == 1)
    client.done.emit(1, answers(client.requests[0][1], "none"))
    assert "✗ padding changes the output" in padding.verdict.text()
    assert LIGHT.fails.lower() in padding.figure.styleSheet()
    assert "No Masking layer" not in padding.explanation.text()
    figure = padding.figure.text()
    assert len(client.requests) == 2
    client.figure_reported.emit(2, "change", 0, 0.0)
    qtbot.keyClick(window, KEY.Key_BracketRight)
    assert client.stopped == [2]
    # The last figure stays, grey; rings are painted where the last answer has any.
    assert (padding.figure.text(), padding.verdict.text()) == (figure, ASKING)
    assert LIGHT.second.lower() in padding.figure.styleSheet()
    window.tracks.grab()
    qtbot.waitUntil(lambda: len(client.requests) == 3)
    client.done.emit(2, answers(client.requests[1][1]))
    assert lab.curves is None
    window.session.cursor.reveal(42)
    assert client.stopped == [2, 3]
    assert lab.run is None
    client.done.emit(3, answers(client.requests[2][1]))
    assert lab.run is None
    assert padding.figure.text() == figure
    qtbot.waitUntil(lambda: len(client.requests) == 4)
    assert asked(client)[3] == (42, "zeros", "13", 13)


def test_an_error_is_one_sentence_and_the_next_question_starts_anew(
    qtbot: QtBot, window: MainWindow, client, answers
) -> None:
    padding = window.padding
    qtbot.waitUntil(lambda: len(client.requests) == 1)
    words = "The model took more than the 4.0 GB that it may, so its process was stopped."
    client.failed.emit(1, words)
    assert padding.verdict.text() == "Keras returned no result."
    assert (padding.figure.text(), padding.explanation.text()) == ("–", words)
    qtbot.wait(150)
    assert len(client.requests) == 1
    qtbot.keyClick(window, KEY.Key_BracketRight)
    assert padding.verdict.text() == ASKING
    qtbot.waitUntil(lambda: len(client.requests) == 2)
    client.done.emit(2, {"answer": "damaged"})
    assert "can't be read" in padding.explanation.text()
    qtbot.keyClick(window, KEY.Key_BracketRight)
    qtbot.waitUntil(lambda: len(client.requests) == 3)
    client.done.emit(3, answers(client.requests[2][1]))
    assert padding.figure.text() == "0.000000"
    # An answer stays when the curve behind it fails.
    client.failed.emit(4, words)
    assert padding.figure.text() == "0.000000"
    assert padding.explanation.text() == words


def test_only_the_models_own_mask_is_offered(qtbot: QtBot, window: MainWindow) -> None:
    offered = [window.padding.sources.button(place).isEnabled() for place in range(3)]
    assert offered == [True, False, False]
    assert "the audit does (Ctrl+P)" in window.padding.sources.button(1).toolTip()
    for key in (KEY.Key_M, KEY.Key_K):
        window.status_line.message.clear()
        qtbot.keyClick(window, key)
        assert "This model runs in Keras" in window.status_line.message.toolTip() + window.status_line.message.text()
    assert window.experiment.setting.mask_from == "model"
    assert window.experiment.setting.masked == frozenset()
    window.session.use_model("m1")
    assert all(window.padding.sources.button(place).isEnabled() for place in range(3))
    assert window.padding.figure.text() == "0.000000"
    qtbot.waitUntil(lambda: window.experiment.curves is not None, timeout=10_000)
    assert window.experiment.curves.unmasked.shape == (201,)
