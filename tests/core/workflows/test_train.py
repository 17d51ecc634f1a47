"""Training: what may enter the loss, what comes out, and that the file is a plain Keras model."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from maskscope.engine import packed
from maskscope.errors import Cancelled
from maskscope.jobs import NullJob
from maskscope.keras_io.keras_tagger import KerasTagger
from maskscope.project import Project, ProjectWriter
from maskscope.runs import RunInfo, TrainSettings
from maskscope.types import Sentence
from maskscope.workflows.train import recover_training, train_project
from tests.core.name_corpus import DIM, QUICK, TYPED, corpus

pytestmark = pytest.mark.keras


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
        writer.finish(source="test")
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
        "training.lock",
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
    record = opened.models.adopt(folder)
    assert run.fingerprint == opened.fingerprint
    scores = opened.models.scores(record.id)
    assert scores is not None
    for file in (record.keras_file, record.weights_file):
        own = packed.load(file).score(opened.embeddings, opened.offsets)
        np.testing.assert_allclose(scores, own, rtol=0, atol=2e-6)
    by_keras = KerasTagger.load(record.keras_file).score(opened.embeddings, opened.offsets)
    np.testing.assert_allclose(scores, by_keras, rtol=0, atol=2e-6)
    with zipfile.ZipFile(record.keras_file) as archive:
        assert b"maskscope" not in archive.read("config.json")


@pytest.mark.parametrize("stop_at", [0, 1])
def test_training_cancelled_before_an_epoch_ended_leaves_nothing(project: Path, stop_at: int) -> None:
    with Project.open(project) as opened:
        with pytest.raises(Cancelled):
            train_project(opened, QUICK, Watch(stop_at))
        assert list((project / "models").glob(".partial*")) == []


def test_training_cancelled_later_keeps_the_best_epoch_so_far(project: Path) -> None:
    settings = TrainSettings(units=3, epochs=500, batch_tokens=40, validation=0.25)
    with Project.open(project) as opened:
        record = opened.models.adopt(train_project(opened, settings, Watch(stop_at=20)))
        run = record.run
        assert not run.complete
        assert 1 <= len(run.history) < 10
        losses = [epoch.val_loss for epoch in run.history if epoch.val_loss is not None]
        assert min(losses) == run.history[run.best_epoch - 1].val_loss
        assert run.metrics is not None
        assert run.metrics.loss == pytest.approx(run.history[run.best_epoch - 1].val_loss)
        assert opened.models.scores(record.id) is None, "whoever cancels is not kept waiting for scores"
        assert packed.load(record.keras_file).dim == DIM


def test_training_whose_process_is_killed_keeps_what_its_epochs_had_reached(project: Path) -> None:
    script = (
        "import os, signal, sys\n"
        "from maskscope.jobs import NullJob\n"
        "from maskscope.project import Project\n"
        "from maskscope.runs import TrainSettings\n"
        "from maskscope.workflows.train import recover_training, train_project\n"
        "class Killer(NullJob):\n"
        "    def figure(self, name, step, value):\n"
        "        print(name, step, value, flush=True)\n"
        "        if (name, step) == ('f1', 3):\n"
        "            os.kill(os.getpid(), signal.SIGKILL)\n"
        "with Project.open(sys.argv[1], read_only=True) as project:\n"
        "    train_project(project, TrainSettings(units=3, epochs=500, batch_tokens=40, validation=0.25), Killer())\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", script, str(project)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    losses = [float(line.split()[2]) for line in killed.stdout.splitlines() if line.startswith("val_loss")]
    assert len(losses) == 3, killed.stderr
    with Project.open(project) as opened:
        (folder,) = opened.models.unfinished_trainings()
        record = opened.models.adopt(recover_training(opened, folder))
        assert opened.models.unfinished_trainings() == []
        assert len(record.run.history) == 3
        assert record.run.metrics is not None
        assert record.run.metrics.loss == pytest.approx(min(losses))
        assert not record.run.complete


def test_a_training_that_still_runs_is_not_recovered(project: Path) -> None:
    seen: list[int] = []

    class Looks(NullJob):
        def figure(self, name: str, step: int, value: float) -> None:
            with Project.open(project, read_only=True) as other:
                seen.append(len(other.models.unfinished_trainings()))

    with Project.open(project, read_only=True) as opened:
        folder = train_project(opened, QUICK, Looks())
    assert set(seen) == {0}
    assert not (folder / "checkpoint.npy").exists()
