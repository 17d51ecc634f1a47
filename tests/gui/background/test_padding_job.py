"""The PADDING panel for a model that only Keras runs: what the worker is asked, when, and what is shown."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from maskscope.engine import packed
from maskscope.engine.padding_probe import MaskSource, PaddingProbe
from maskscope.project import Project
from maskscope.worker.requests import PaddingRequest, PaddingResult, Request, Result
from maskscope.workflows.padding_answer import PaddingAnswer
from maskscope_gui.app import Program
from maskscope_gui.background.padding_job import COARSE, RUNNING
from maskscope_gui.shell.main_window import MainWindow
from maskscope_resources.colours import LIGHT
from tests.gui.background.keras_demo import write_keras_demo
from tests.gui.window_helpers import KEY

if TYPE_CHECKING:
    from tests.gui.conftest import ScriptedClient


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    """The demo, its newest model recorded as one that runs in Keras, because of a Conv1D."""
    return write_keras_demo(tmp_path / "demo.maskscope", scored=True)


@pytest.fixture
def window(qtbot: QtBot, demo: Path, client: "ScriptedClient") -> Iterator[MainWindow]:
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


class Answer(Protocol):
    """Answers a request as Keras would."""

    def __call__(self, request: Request[Result], mask_source: MaskSource = "model") -> PaddingResult: ...


@pytest.fixture
def answer(demo: Path) -> Answer:
    """The built-in engine gives the same outputs for this model; with the mask from "none", padding changes them."""

    def answer_by_packed_engine(request: Request[Result], mask_source: MaskSource = "model") -> PaddingResult:
        assert isinstance(request, PaddingRequest)
        with Project.open(demo, read_only=True) as project:
            tagger = packed.load(project.models.get("m1").weights_file)
            before = project.rows(request.sentence - 1)
            probe = PaddingProbe(tagger, project.rows(request.sentence), request.fill, before)
        runs = {k: probe.run(k, mask_source) for k in request.added}
        changes = np.array([run.largest_change for run in runs.values()], np.float32)
        at = np.array([-1 if run.at is None else run.at for run in runs.values()])
        shown = None if request.shown is None else runs[request.shown]
        return PaddingResult(PaddingAnswer(np.array(request.added), changes, at, shown))

    return answer_by_packed_engine


def requested(client: "ScriptedClient") -> list[tuple[object, ...]]:
    """What each request was about."""
    return [
        (request.sentence, request.fill, request.added, request.shown)
        for request in client.requests
        if isinstance(request, PaddingRequest)
    ]


def test_a_request_is_sent_after_the_last_change_and_its_answer_is_kept(
    qtbot: QtBot, window: MainWindow, client: "ScriptedClient", answer: Answer
) -> None:
    padding, lab = window.padding, window.experiment
    assert padding.verdict.text() == RUNNING
    qtbot.waitUntil(lambda: len(client.requests) == 1)
    for added in (13, 14, 15):
        padding.slider.setValue(added)
    assert client.stopped == [1]
    assert len(client.requests) == 1
    qtbot.waitUntil(lambda: len(client.requests) == 2)
    assert requested(client)[1] == (41, "zeros", (15,), 15)
    client.done.emit(2, answer(client.requests[1]))
    assert padding.figure.text() == "0.000000"
    assert lab.run is not None
    assert window.session.focus is not None
    assert len(lab.run.mask) == window.session.focus.length + 15
    assert requested(client)[2] == (41, "zeros", COARSE, None)
    client.done.emit(3, answer(client.requests[2]))
    assert lab.curves is not None
    assert lab.curves.unmasked is None
    assert lab.curves.added.tolist() == list(COARSE)
    assert "all 15 lengths tried" in padding.verdict.text()
    # A known place is answered at once, and the curve is not asked for again; nor is anything by another redraw.
    qtbot.keyClick(window, KEY.Key_BracketRight)
    qtbot.waitUntil(lambda: len(client.requests) == 4)
    client.done.emit(4, answer(client.requests[3]))
    qtbot.keyClick(window, KEY.Key_BracketLeft)
    window.session.show_class(None)
    qtbot.wait(150)
    assert len(client.requests) == 4
    assert not lab.waiting
    assert lab.curves is not None
    assert client.stopped == [1]


def test_a_late_answer_is_dropped_and_a_request_that_is_not_wanted_is_cancelled(
    qtbot: QtBot, window: MainWindow, client: "ScriptedClient", answer: Answer
) -> None:
    padding, lab = window.padding, window.experiment
    qtbot.waitUntil(lambda: len(client.requests) == 1)
    client.done.emit(1, answer(client.requests[0], "none"))
    assert "✗ padding changes the output" in padding.verdict.text()
    assert LIGHT.fails.lower() in padding.figure.styleSheet()
    assert "No Masking layer" not in padding.explanation.text()
    figure = padding.figure.text()
    assert len(client.requests) == 2
    client.figure_reported.emit(2, "change", 0, 0.0)
    qtbot.keyClick(window, KEY.Key_BracketRight)
    assert client.stopped == [2]
    # The last figure stays, grey; rings are painted where the last answer has any.
    assert (padding.figure.text(), padding.verdict.text()) == (figure, RUNNING)
    assert LIGHT.second.lower() in padding.figure.styleSheet()
    window.tracks.grab()
    qtbot.waitUntil(lambda: len(client.requests) == 3)
    client.done.emit(2, answer(client.requests[1]))
    assert lab.curves is None
    window.session.cursor.reveal(42)
    assert client.stopped == [2, 3]
    assert lab.run is None
    client.done.emit(3, answer(client.requests[2]))
    assert lab.run is None
    assert padding.figure.text() == figure
    qtbot.waitUntil(lambda: len(client.requests) == 4)
    assert requested(client)[3] == (42, "zeros", (13,), 13)


def test_an_error_is_one_sentence_and_the_next_change_sends_a_new_request(
    qtbot: QtBot, window: MainWindow, client: "ScriptedClient", answer: Answer
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
    assert padding.verdict.text() == RUNNING
    qtbot.waitUntil(lambda: len(client.requests) == 2)
    nothing = PaddingAnswer(np.zeros(0, np.int64), np.zeros(0, np.float32), np.zeros(0, np.int64))
    client.done.emit(2, PaddingResult(nothing))
    assert "another request" in padding.explanation.text()
    qtbot.keyClick(window, KEY.Key_BracketRight)
    qtbot.waitUntil(lambda: len(client.requests) == 3)
    client.done.emit(3, answer(client.requests[2]))
    assert padding.figure.text() == "0.000000"
    # An answer stays when the curve behind it fails.
    client.failed.emit(4, words)
    assert padding.figure.text() == "0.000000"
    assert padding.explanation.text() == words


def test_only_the_models_own_mask_is_offered(qtbot: QtBot, window: MainWindow) -> None:
    offered = [window.padding.sources.button(place).isEnabled() for place in range(3)]
    assert offered == [True, False, False]
    assert "tested by the audit (Ctrl+P)" in window.padding.sources.button(1).toolTip()
    for key in (KEY.Key_M, KEY.Key_K):
        window.status_line.message.clear()
        qtbot.keyClick(window, key)
        assert "This model runs in Keras" in window.status_line.message.toolTip() + window.status_line.message.text()
    assert window.experiment.settings.mask_source == "model"
    assert window.experiment.settings.masked == frozenset()
    window.session.use_model("m1")
    assert all(window.padding.sources.button(place).isEnabled() for place in range(3))
    assert window.padding.figure.text() == "0.000000"
    qtbot.waitUntil(lambda: window.experiment.curves is not None, timeout=10_000)
    assert window.experiment.curves is not None
    assert window.experiment.curves.unmasked is not None
    assert window.experiment.curves.unmasked.shape == (201,)
