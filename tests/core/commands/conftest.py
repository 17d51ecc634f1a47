"""Run a command as the shell does, in this process; a small project, and one with a model."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
import pytest

from maskscope import cli
from maskscope.jobs import Job
from maskscope.project import Project, ProjectWriter
from maskscope.types import Sentence
from maskscope.worker.requests import Request


class Result:
    """What a command returned: exit code, stdout, stderr."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    def json(self) -> dict[str, Any]:
        """The object that a successful command printed, alone on one line."""
        assert self.code == 0, self.err
        assert self.out.count("\n") == 1, "one object, one line, nothing else"
        record: dict[str, Any] = json.loads(self.out)
        return record

    def refused(self) -> str:
        """The one line on stderr of a command that could not run."""
        assert self.code == 2
        assert self.out == ""
        assert self.err.count("\n") == 1, self.err
        assert self.err.startswith("maskscope: ")
        return self.err


class Run(Protocol):
    """Runs ``maskscope`` with arguments."""

    def __call__(self, *arguments: object) -> Result: ...


AddModel: TypeAlias = Callable[[Path], None]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: object) -> Result:
        capsys.readouterr()
        try:
            code = cli.main([str(each) for each in arguments])
        except SystemExit as stop:
            code = int(stop.code or 0)
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return call


@pytest.fixture
def jobs_in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the worker's jobs in this process, which has TensorFlow already."""
    from maskscope.worker import client, jobs

    def run_job(request: Request[Any], job: Job, **_: object) -> object:
        return jobs.run_request(request, job)

    monkeypatch.setattr(client, "run_job", run_job)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo project, shared by the tests of a file."""
    from maskscope.workflows.demo import write_demo

    return write_demo(tmp_path_factory.mktemp("demo") / "d")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Ann(PER) went(O) | to(O) <zero row>(none) Rome(LOC); float16, 4 numbers a token."""
    rng = np.random.default_rng(0)
    with ProjectWriter(tmp_path / "p.maskscope", 4, np.dtype(np.float16)) as writer:
        writer.add(Sentence(("Ann", "went"), rng.normal(size=(2, 4)).astype(np.float16), ("PER", "O"), "s1"))
        rows = rng.normal(size=(3, 4)).astype(np.float16)
        rows[1] = 0
        writer.add(Sentence(("to", "\ufe0f", "Rome"), rows, ("O", None, "LOC")))
        writer.finish(source="x.conll", notes=["A note."])
    return tmp_path / "p.maskscope"


@pytest.fixture
def with_model(project: Path, add_model: AddModel) -> Path:
    """The project with a small random model m1, not scored."""
    add_model(project)
    return project


@pytest.fixture
def add_model() -> AddModel:
    """Adds a small random model to the project at a path."""
    return _add_model


def _add_model(path: Path) -> None:
    from maskscope.engine.packed import PackedTagger
    from maskscope.engine.recurrence import RecurrentWeights
    from maskscope.engine.weights import TaggerWeights
    from maskscope.runs import RunInfo, TrainSettings

    rng = np.random.default_rng(1)

    def draw(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    layer = RecurrentWeights(draw(2, 4, 12), draw(2, 3, 12), draw(2, 12))
    tagger = PackedTagger(TaggerWeights.stack(0.0, (layer,), draw(6, 3), draw(3), "softmax"))
    with Project.open(path) as project:
        folder = project.models.new_folder()
        tagger.save_npz(folder / "weights.npz")
        (folder / "model.keras").write_bytes(b"not read here")
        run = RunInfo("BiLSTM 3", 1.5, TrainSettings(units=3), project.scheme, 4, validation_sentences=(1,))
        (folder / "run.json").write_text(run.to_json(), encoding="utf-8")
        project.models.adopt(folder)
