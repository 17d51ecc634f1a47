"""One job in a worker process, from the command line's side: results, errors, limits, and nothing left over."""

import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from maskscope.errors import Cancelled, ModelError, WorkerError
from maskscope.jobs import NullJob
from maskscope.worker import client, launch
from maskscope.worker.client import run_job
from maskscope.worker.limits import Limits, limits_of

# Speaks the protocol without TensorFlow.
SCRIPT = """
import json, sys, time
def say(**event): print(json.dumps(event), flush=True)
say(event="ready", keras="3", tensorflow="2")
while line := sys.stdin.readline():
    request = json.loads(line)
    if "cancel" in request:
        say(event="cancelled", id=request["cancel"])
        continue
    id, job = request["id"], request["job"]
    say(event="progress", id=id, done=1, total=2, text="steps")
    if job == "echo":
        say(event="figure", id=id, name="loss", step=1, value=0.5)
        print("no event at all", flush=True)
        say(event="done", id=id, result=request["arguments"])
    elif job == "refuse":
        say(event="failed", id=id, kind="ModelError", message="m.keras: is no model", detail="")
    elif job == "hang":
        time.sleep(60)
    elif job == "eat":
        kept = []
        while True:
            kept.append(bytearray(b"x") * (4 << 20))
            say(event="progress", id=id, done=1, total=2, text="steps")
            time.sleep(0.01)
    elif job == "die":
        print("Fatal: no room", file=sys.stderr, flush=True)
        sys.exit(3)
"""


@pytest.fixture
def command(tmp_path: Path) -> tuple[str, ...]:
    script = tmp_path / "fake.py"
    script.write_text(SCRIPT, encoding="utf-8", newline="\n")
    return (sys.executable, "-S", "-E", str(script))


@pytest.fixture(autouse=True)
def _nothing_left():
    threads, children = set(threading.enumerate()), set(psutil.Process().children())
    yield
    assert set(threading.enumerate()) <= threads
    assert set(psutil.Process().children()) <= children


class Watched(NullJob):
    def __init__(self, stop_at: int = 0) -> None:
        self.told: list[tuple[object, ...]] = []
        self.stop_at = stop_at

    def progress(self, done: int, total: int, text: str = "") -> None:
        self.told.append((done, total, text))
        if text == "steps" and self.stop_at:
            raise Cancelled

    def figure(self, name: str, step: int, value: float) -> None:
        self.told.append((name, step, value))


def test_a_job_reports_and_gives_its_results(command: tuple[str, ...]) -> None:
    job = Watched()
    assert run_job("echo", {"a": 1, "b": "ü"}, job, command=command) == {"a": 1, "b": "ü"}
    assert job.told[0] == (0, 0, "starting TensorFlow")
    assert job.told[-2:] == [(1, 2, "steps"), ("loss", 1, 0.5)]


def test_its_errors_are_raised_as_they_were(command: tuple[str, ...]) -> None:
    with pytest.raises(ModelError) as caught:
        run_job("refuse", {}, command=command)
    assert str(caught.value) == "m.keras: is no model"
    with pytest.raises(WorkerError, match=r"ended with code 3.*Its last words: Fatal: no room"):
        run_job("die", {}, command=command)
    with pytest.raises(WorkerError, match="can't be started"):
        run_job("echo", {}, command=(command[-1] + " is not there",))


@pytest.mark.parametrize(
    ("name", "limits", "words"),
    [
        ("hang", Limits(0.5, 1 << 40), "no sign of progress for [01] seconds"),
        ("eat", Limits(60.0, 100 << 20), r"took more than the 0\.1 GB that it may"),
    ],
)
def test_a_job_beyond_its_limits_is_killed_and_says_so(
    command: tuple[str, ...], name: str, limits: Limits, words: str
) -> None:
    began = time.monotonic()
    with pytest.raises(WorkerError, match=words):
        run_job(name, {}, limits=lambda job, given: limits, command=command)
    assert time.monotonic() - began < 20


def test_cancelling_asks_first_and_kills_what_does_not_listen(
    command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "CANCEL_SECONDS", 0.3)
    with pytest.raises(Cancelled):
        run_job("hang", {}, Watched(stop_at=1), command=command)


def test_a_warning_is_no_last_word() -> None:
    warned = ["/lib/keras/layer.py:1039: UserWarning: Layer 'conv' was passed a mask", "  warnings.warn("]
    assert launch.last_words(["Fatal: no room", *warned]) == " Its last words: Fatal: no room"
    assert launch.last_words(warned) == ""


def test_only_jobs_that_run_a_model_file_have_limits(tmp_path: Path) -> None:
    assert limits_of("train", {}) is None
    small = limits_of("score", {"model": str(tmp_path / "none.keras")})
    (tmp_path / "some.keras").write_bytes(bytes(1 << 20))
    larger = limits_of("open_model", {"model": str(tmp_path / "some.keras")})
    assert small is not None
    assert larger is not None
    most = int(0.75 * psutil.virtual_memory().total)
    assert larger.memory_bytes == min(most, small.memory_bytes + (8 << 20))
