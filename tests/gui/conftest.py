"""Fixtures of all tests of the window, which run offscreen, each with its own settings, and leave nothing behind."""

import os

# Before Qt is imported: the platform is chosen once a process.
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import gc
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PySide6.QtCore import QCoreApplication, QEvent, QSettings, Qt
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from maskscope.engine.packed import PackedTagger
from maskscope.engine.pointwise import DenseWeights
from maskscope.engine.recurrence import RecurrentWeights
from maskscope.engine.weights import TaggerWeights
from maskscope.project import Project, ProjectWriter
from maskscope.runs import OutputMap, RunInfo, TrainSettings
from maskscope.types import Floats, Sentence
from maskscope.worker.conversation import State
from maskscope.worker.requests import Request, Result
from maskscope.workflows.demo import write_demo
from maskscope_gui.app import Program
from maskscope_gui.background.worker_client import WorkerClient
from maskscope_gui.session.session import Session
from maskscope_gui.shell.main_window import MainWindow
from maskscope_gui.theme.theme import Style
from maskscope_resources.colours import LIGHT

SENTENCES = (
    ("Maya took the night train from Lisbon", "name none none none none none name"),
    ("She read Middlemarch", "none none name"),
    ("until Badajoz ️", "none name none"),
    ("nothing happened", "none none"),
)
"""Tokens and gold labels; the last token of the third is a collision."""
DIM = 6


@pytest.fixture(autouse=True)
def _own_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Settings in a folder of the test's own, so that no test sees another's, nor the person's."""
    folder = tmp_path_factory.mktemp("settings")
    QSettings.setDefaultFormat(QSettings.Format.IniFormat)
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(folder))
    QCoreApplication.setOrganizationName("Maskscope")
    QCoreApplication.setApplicationName("maskscope-test")


@pytest.fixture(autouse=True, scope="session")
def _freeze_imported_modules() -> None:
    """Let the collections after each test pass over what is imported by now: 0.12 s each where TensorFlow is."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _nothing_left(qapp: QApplication, _own_settings: None) -> Iterator[None]:
    """Fail a test after which a window, a thread or a child process is still there."""
    threads = set(threading.enumerate())
    # Of another test's making, such as the display that the tests of the real program share.
    others = set(_children())
    yield
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    gc.collect()
    windows = [widget for widget in qapp.topLevelWidgets() if widget.isVisible()]
    assert windows == [], f"windows left open: {windows}"
    left = [thread.name for thread in threading.enumerate() if thread not in threads and thread.is_alive()]
    assert [name for name in left if not name.startswith("Dummy")] == [], "threads left running"
    assert [words for words in _children() if words not in others] == [], "processes left running"


def _children() -> list[str]:
    import psutil

    found = []
    for child in psutil.Process().children(recursive=True):
        try:
            if child.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(child.cmdline()))
        except psutil.NoSuchProcess:
            continue
    return found


@pytest.fixture
def style(qapp: QApplication) -> Style:
    """The light theme at 100 %."""
    return Style(LIGHT, qapp.font())


def embed(n_tokens: int, seed: int) -> np.ndarray:
    """Embeddings (n_tokens, DIM) float32, none of them zero."""
    rows: np.ndarray = np.random.default_rng(seed).normal(size=(n_tokens, DIM)).astype(np.float32)
    return rows


@pytest.fixture
def project_folder(tmp_path: Path) -> Path:
    """A small labelled project with one collision, not open."""
    target = tmp_path / "small.maskscope"
    with ProjectWriter(target, DIM, np.dtype(np.float32)) as writer:
        for seed, (tokens, labels) in enumerate(SENTENCES):
            rows = embed(len(tokens.split()), seed)
            if seed == 2:
                rows[-1] = 0
            writer.add(Sentence(tuple(tokens.split()), rows, tuple(labels.split())))
        writer.finish(source="small.conll", notes=["Four sentences."])
    return target


@pytest.fixture
def project(project_folder: Path) -> Iterator[Project]:
    """The small project, open for writing."""
    with Project.open(project_folder) as opened:
        yield opened


@pytest.fixture
def session(project_folder: Path) -> Iterator[Session]:
    """A session with the small project open."""
    opened = Session()
    opened.open(project_folder)
    yield opened
    opened.close()


@pytest.fixture
def demo_session(tmp_path: Path) -> Iterator[Session]:
    """A session with the demo open, which has a model and its scores."""
    opened = Session()
    opened.open(write_demo(tmp_path / "demo.maskscope"))
    yield opened
    opened.close()


@pytest.fixture
def adopt_values() -> Callable[..., Floats]:
    """Adds a small random model of values to an open project, scored by the engine; returns the values."""

    def add(project: Project, n_outputs: int, names: tuple[str, ...] = ()) -> Floats:
        rng = np.random.default_rng(len(project.models.all()))

        def draw(*shape: int) -> Floats:
            return rng.normal(size=shape).astype(np.float32)

        layer = RecurrentWeights(draw(2, project.dim, 12), draw(2, 3, 12), draw(2, 12))
        tagger = PackedTagger(
            TaggerWeights.chain(0.0, [layer, DenseWeights(draw(6, n_outputs), draw(n_outputs), "linear")])
        )
        values = tagger.score(project.embeddings, project.offsets)
        folder = project.models.new_folder()
        tagger.save_npz(folder / "weights.npz")
        (folder / "model.keras").write_bytes(b"not read here")
        output = OutputMap("values", names=names, n_outputs=n_outputs)
        run = RunInfo("regression", 1.5, None, project.scheme, project.dim, source="regression.keras", output=output)
        (folder / "run.json").write_text(run.to_json(), encoding="utf-8")
        project.models.write_scores(project.models.adopt(folder).id, values)
        return values

    return add


SPAN_PROBS = (
    # By itself each of these tokens is likeliest O, I-loc, I-loc; but I-loc may not follow O.
    ((0.50, 0.40, 0.10), (0.30, 0.25, 0.45), (0.20, 0.10, 0.70)),
    ((0.90, 0.05, 0.05), (0.05, 0.90, 0.05), (0.05, 0.05, 0.90)),
)
"""Probabilities of O, B-loc, I-loc for the two sentences of the fixture `spans`."""


@pytest.fixture
def adopt() -> Callable[..., str]:
    """Adds a small random model to an open project, with scores that the test gives; returns the model's id."""

    def add(project: Project, probs_nc: np.ndarray, held_back: tuple[int, ...] = ()) -> str:
        rng = np.random.default_rng(len(project.models.all()))

        def draw(*shape: int) -> np.ndarray:
            return rng.normal(size=shape).astype(np.float32)

        layer = RecurrentWeights(draw(2, project.dim, 12), draw(2, 3, 12), draw(2, 12))
        n_outputs = project.scheme.n_outputs
        head: Literal["sigmoid", "softmax"] = "sigmoid" if n_outputs == 1 else "softmax"
        folder = project.models.new_folder()
        weights = TaggerWeights.stack(0.0, (layer,), draw(6, n_outputs), draw(n_outputs), head)
        PackedTagger(weights).save_npz(folder / "weights.npz")
        (folder / "model.keras").write_bytes(b"not read here")
        run = RunInfo(
            "BiLSTM 3", 1.5, TrainSettings(units=3), project.scheme, project.dim, validation_sentences=held_back
        )
        (folder / "run.json").write_text(run.to_json(), encoding="utf-8")
        model = project.models.adopt(folder).id
        project.models.write_scores(model, np.asarray(probs_nc, dtype=np.float32))
        return model

    return add


@pytest.fixture
def spans(tmp_path: Path, adopt: Callable[..., str]) -> Path:
    """Two sentences of three tokens with gold O, B-loc, I-loc, and a model whose scores are SPAN_PROBS."""
    target = tmp_path / "spans.maskscope"
    rng = np.random.default_rng(0)
    with ProjectWriter(target, 4, np.dtype(np.float32)) as writer:
        for words in ("to New York", "in Old York"):
            rows = rng.normal(size=(3, 4)).astype(np.float32)
            writer.add(Sentence(tuple(words.split()), rows, ("O", "B-loc", "I-loc")))
        writer.finish()
    with Project.open(target) as project:
        adopt(project, np.reshape(SPAN_PROBS, (-1, 3)))
    return target


@pytest.fixture(scope="session")
def _written_demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_demo(tmp_path_factory.mktemp("demo") / "demo.maskscope", typed=True)


@pytest.fixture
def typed_demo(_written_demo: Path, tmp_path: Path) -> Path:
    """The demo with four types of labels, in a folder of the test's own."""
    return Path(shutil.copytree(_written_demo, tmp_path / "demo.maskscope"))


@pytest.fixture
def open_window(qtbot: QtBot) -> Iterator[Callable[..., MainWindow]]:
    """Opens a window of 1440 x 900 on a project, or on none, with a worker's client; all are closed at the end."""
    opened: list[MainWindow] = []

    def open_one(path: Path | None, client: WorkerClient | None = None) -> MainWindow:
        program = Program(client=client)
        window = program.window
        opened.append(window)
        window.resize(1440, 900)
        if path is not None:
            assert program.projects.open(path)
        window.show()
        window.activateWindow()
        qtbot.waitUntil(window.isActiveWindow)
        if window.pages.shown is None:
            window.setFocus()
        return window

    yield open_one
    for window in opened:
        window.close()
        window.session.close()
        window.deleteLater()


@pytest.fixture
def press(qtbot: QtBot) -> Callable[..., None]:
    """Presses keys one after the other, in the widget that has the focus, as a keyboard does."""

    def press_keys(
        window: MainWindow, *keys: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier
    ) -> None:
        for key in keys:
            qtbot.keyClick(QApplication.focusWidget() or window, key, modifier)

    return press_keys


class ScriptedClient(WorkerClient):
    """A client without a worker process; the test emits the signals."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[Request[Result]] = []
        self.stopped: list[int] = []

    @property
    def state(self) -> State:
        """Always ready."""
        return "ready"

    def request(self, request: Request[Result]) -> int:
        """Note it; ids count from 1."""
        self.requests.append(request)
        return len(self.requests)

    def cancel(self, job_id: int) -> None:
        """Note it."""
        self.stopped.append(job_id)


@pytest.fixture
def client(qapp: QApplication) -> ScriptedClient:
    """A worker that answers as the test says."""
    return ScriptedClient()
