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
from maskscope.types import Sentence
from maskscope.worker.protocol import (
    Cancel,
    CancelledReply,
    Done,
    Event,
    Failed,
    Figure,
    Progress,
    Ready,
    Request,
    decode_event,
)
from maskscope.workflows.train import recover_training

pytestmark = pytest.mark.keras
pytest.importorskip("tensorflow")

SECONDS = 120.0


class Peer:
    """A worker process, and what it said."""

    def __init__(self) -> None:
        core = str(Path(maskscope.__file__).parents[1])
        self.process = subprocess.Popen(
            [sys.executable, "-m", "maskscope.worker"],
            env={**os.environ, "PYTHONPATH": core},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
        )
        self.said: queue.Queue[Event] = queue.Queue()
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.put(decode_event(line))

    def send(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def answer(self, job_id: str) -> tuple[Event, list[Event]]:
        """The last answer to a job, and what was said before it."""
        before: list[Event] = []
        while True:
            event = self.said.get(timeout=SECONDS)
            if isinstance(event, Done | Failed | CancelledReply) and event.id == job_id:
                return event, before
            before.append(event)

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
    ready = peer.said.get(timeout=SECONDS)
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
        writer.finish({"source": "test", "lengths_from": "source", "notes": "[]"})
    return path


def test_it_trains_scores_and_audits_while_the_window_holds_the_lock(peer: Peer, project: Path) -> None:
    with Project.open(project) as opened:
        settings = (("units", 3), ("epochs", 2), ("batch_tokens", 60))
        peer.send(Request("1", "train", (("project", str(project)), *settings)).encode())
        done, before = peer.answer("1")
        assert isinstance(done, Done), done
        figures = [event for event in before if isinstance(event, Figure)]
        assert [(event.name, event.step) for event in figures] == [
            (name, epoch) for epoch in (1, 2) for name in ("loss", "val_loss", "f1")
        ]
        assert any(isinstance(event, Progress) and event.text == "epoch 2" for event in before)
        record = opened.models.adopt(Path(str(dict(done.result)["folder"])))
        out = project.parent / "scores.npy"
        asked = (("project", str(project)), ("model", str(record.keras_file)))
        peer.send(Request("2", "score", (*asked, ("engine", "keras"), ("out", str(out)))).encode())
        done, _ = peer.answer("2")
        assert isinstance(done, Done), done
        own = packed.load(record.weights_file).score(opened.embeddings, opened.offsets)
        np.testing.assert_allclose(np.load(out), own, rtol=0, atol=2e-6)
        peer.send(Request("3", "audit", asked).encode())
        done, _ = peer.answer("3")
        assert isinstance(done, Done), done
        assert '"LENGTH"' in str(dict(done.result)["report"])


def test_a_cancelled_training_hands_over_what_it_has_and_one_that_waited_leaves_nothing(
    peer: Peer, project: Path
) -> None:
    arguments = (("project", str(project)), ("epochs", 100_000))
    peer.send(Request("4", "train", arguments).encode())
    peer.send(Request("5", "train", arguments).encode())
    while not isinstance(peer.said.get(timeout=SECONDS), Figure):
        pass
    peer.send(Cancel("5").encode() + Cancel("4").encode())
    done, _ = peer.answer("4")
    assert isinstance(done, Done)
    assert isinstance(peer.answer("5")[0], CancelledReply)
    with Project.open(project) as opened:
        record = opened.models.adopt(Path(str(dict(done.result)["folder"])))
        assert not record.run.complete
    assert list((project / "models").glob(".partial*")) == []
    peer.send(Request("6", "ping").encode())
    assert peer.answer("6")[0] == Done("6")


def test_a_job_that_fails_says_why_and_the_next_one_runs(peer: Peer, tmp_path: Path) -> None:
    peer.send(Request("7", "train", (("project", str(tmp_path / "nowhere")),)).encode())
    failed, _ = peer.answer("7")
    assert isinstance(failed, Failed)
    assert (failed.kind, failed.detail) == ("ProjectError", "")
    assert "nowhere" in failed.message
    peer.send(Request("8", "dance").encode())
    failed, _ = peer.answer("8")
    assert isinstance(failed, Failed)
    assert "there is train, " in failed.message
    peer.send("nonsense\n")
    peer.send(Request("9", "ping").encode())
    answer, before = peer.answer("9")
    assert isinstance(answer, Done)
    assert any(isinstance(event, Failed) and event.id == "" for event in before)


def test_it_ends_with_the_program_that_started_it(project: Path) -> None:
    peer = Peer()
    peer.send(Request("1", "train", (("project", str(project)), ("epochs", 100_000))).encode())
    while not isinstance(peer.said.get(timeout=SECONDS), Figure):
        pass
    assert peer.close() == 0
    # nobody was there to take the model, but what it had reached is not lost
    with Project.open(project) as opened:
        (folder,) = opened.models.unfinished_trainings()
        record = opened.models.adopt(recover_training(opened, folder))
        assert record.run.history
        assert opened.models.unfinished_trainings() == []
