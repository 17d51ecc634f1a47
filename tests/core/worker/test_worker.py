"""The worker as a process: jobs, cancelling, and its end when the program that started it is gone."""

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import maskscope
from maskscope.engine import packed
from maskscope.project import Project, ProjectWriter
from maskscope.runs import TrainSettings
from maskscope.types import Sentence
from maskscope.worker.protocol import (
    CancelJob,
    CancelledReply,
    Done,
    Failed,
    Figure,
    FromWorker,
    Progress,
    Ready,
    RunJob,
    decode_from_worker,
    encode,
)
from maskscope.worker.requests import (
    AnyRequest,
    AuditRequest,
    AuditResult,
    PingRequest,
    PingResult,
    ProjectSource,
    ScoreRequest,
    ScoreResult,
    TrainRequest,
    TrainResult,
)
from maskscope.workflows.train import recover_training

pytestmark = pytest.mark.keras

SECONDS = 120.0


class Peer:
    """A worker process, and what it sent."""

    def __init__(self) -> None:
        core = str(Path(maskscope.__file__).parents[1])
        self.process = subprocess.Popen(
            [sys.executable, "-m", "maskscope.worker"],
            env={**os.environ, "PYTHONPATH": core},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.received: queue.Queue[FromWorker] = queue.Queue()
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.received.put(decode_from_worker(line))

    def send(self, line: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line)
        self.process.stdin.flush()

    def run(self, number: int, request: AnyRequest) -> None:
        self.send(encode(RunJob(number, request)))

    def wait_for(self, kind: type[FromWorker]) -> FromWorker:
        """The next message of one kind; those before it are dropped."""
        while not isinstance(message := self.received.get(timeout=SECONDS), kind):
            pass
        return message

    def answer(self, number: int) -> tuple[Done | Failed | CancelledReply, list[FromWorker]]:
        """The last answer to a job, and what came before it."""
        before: list[FromWorker] = []
        while True:
            message = self.received.get(timeout=SECONDS)
            if isinstance(message, Done | Failed | CancelledReply) and message.id == number:
                return message, before
            before.append(message)

    def close(self) -> int:
        assert self.process.stdin is not None
        self.process.stdin.close()
        code = self.process.wait(timeout=SECONDS)
        self.reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@pytest.fixture(scope="module")
def peer() -> Iterator[Peer]:
    peer = Peer()
    ready = peer.received.get(timeout=SECONDS)
    assert isinstance(ready, Ready)
    assert ready.keras.startswith("3.")
    yield peer
    assert peer.close() == 0


@pytest.fixture
def project(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    path = tmp_path / "p.maskscope"
    with ProjectWriter(path, 4, np.dtype(np.float32), classes=("O", "name"), kind="binary") as writer:
        for _ in range(20):
            x = rng.normal(size=(int(rng.integers(1, 9)), 4)).astype(np.float32)
            names = tuple("name" if row[0] > 0 else "O" for row in x)
            writer.add(Sentence(tuple("abcdefgh"[: len(x)]), x, names))
        writer.finish(source="test")
    return path


def trained(answer: Done | Failed | CancelledReply) -> Path:
    """The folder of a model that a training has answered with."""
    assert isinstance(answer, Done), answer
    assert isinstance(answer.result, TrainResult)
    return answer.result.folder


def test_the_worker_trains_scores_and_audits_while_the_window_holds_the_lock(peer: Peer, project: Path) -> None:
    with Project.open(project) as opened:
        peer.run(1, TrainRequest(project, TrainSettings(units=3, epochs=2, batch_tokens=60)))
        done, before = peer.answer(1)
        figures = [message for message in before if isinstance(message, Figure)]
        assert [(figure.name, figure.step) for figure in figures] == [
            (name, epoch) for epoch in (1, 2) for name in ("loss", "val_loss", "f1")
        ]
        assert any(isinstance(message, Progress) and message.text == "epoch 2" for message in before)
        record = opened.models.adopt(trained(done))
        out = project.parent / "scores.npy"
        peer.run(2, ScoreRequest(project, record.keras_file, out))
        done, _ = peer.answer(2)
        assert done == Done(2, ScoreResult(0.0))
        own = packed.load(record.weights_file).score(opened.embeddings, opened.offsets)
        np.testing.assert_allclose(np.load(out), own, rtol=0, atol=2e-6)
        peer.run(3, AuditRequest(record.keras_file, ProjectSource(project)))
        done, _ = peer.answer(3)
        assert isinstance(done, Done), done
        assert isinstance(done.result, AuditResult)
        assert "LENGTH" in [finding.check for finding in done.result.report.findings]


def test_a_cancelled_training_returns_its_best_epoch_and_one_that_waited_leaves_nothing(
    peer: Peer, project: Path
) -> None:
    request = TrainRequest(project, TrainSettings(epochs=100_000))
    peer.run(4, request)
    peer.run(5, request)
    peer.wait_for(Figure)
    peer.send(encode(CancelJob(5)) + encode(CancelJob(4)))
    done, _ = peer.answer(4)
    assert isinstance(peer.answer(5)[0], CancelledReply)
    with Project.open(project) as opened:
        record = opened.models.adopt(trained(done))
        assert not record.run.complete
    assert list((project / "models").glob(".partial*")) == []
    peer.run(6, PingRequest())
    assert peer.answer(6)[0] == Done(6, PingResult())


def test_a_job_that_fails_gives_the_reason_and_the_next_one_runs(peer: Peer, tmp_path: Path) -> None:
    peer.run(7, TrainRequest(tmp_path / "nowhere", TrainSettings()))
    failed, _ = peer.answer(7)
    assert isinstance(failed, Failed)
    assert (failed.kind, failed.detail) == ("ProjectError", "")
    assert "nowhere" in failed.message
    peer.send(b'{"type": "run", "id": 8, "request": {"job": "dance"}}\n')
    failed, _ = peer.answer(8)
    assert isinstance(failed, Failed)
    assert "expected a request for train, " in failed.message
    peer.send(b"nonsense\n")
    peer.run(9, PingRequest())
    answer, before = peer.answer(9)
    assert isinstance(answer, Done)
    assert any(isinstance(message, Failed) and message.id is None for message in before)


def test_the_worker_ends_with_the_program_that_started_it(project: Path) -> None:
    peer = Peer()
    peer.run(1, TrainRequest(project, TrainSettings(epochs=100_000)))
    peer.wait_for(Figure)
    assert peer.close() == 0
    # Nobody was there to take the model, but the best epoch is not lost.
    with Project.open(project) as opened:
        (folder,) = opened.models.unfinished_trainings()
        record = opened.models.adopt(recover_training(opened, folder))
        assert record.run.history
        assert opened.models.unfinished_trainings() == []
