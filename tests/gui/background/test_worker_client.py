"""The window's end of the worker: every job ends once, whatever becomes of the process."""

import os
import signal
import sys
from pathlib import Path

import psutil
import pytest
from pytestqt.qtbot import QtBot

from maskscope_gui.background.worker_client import WorkerClient

# Speaks the protocol without TensorFlow. "play" answers as its arguments say.
SCRIPT = """
import json, os, sys, time
def say(**event): print(json.dumps(event), flush=True)
mode = sys.argv[1] if len(sys.argv) > 1 else ""
if mode == "no-tensorflow":
    say(event="failed", id="", kind="ImportError", message="TensorFlow can't be imported: no wheel", detail="")
    sys.exit(1)
if mode == "dies":
    print("no room on the device", file=sys.stderr, flush=True)
    sys.exit(3)
time.sleep(0.05)
warned = {"warning": "Keras 3.16.0 loses masks."} if mode == "loses-masks" else {}
say(event="ready", keras="3.15.1", tensorflow="2.21.0", **warned)
while line := sys.stdin.readline():
    request = json.loads(line)
    if "cancel" in request:
        say(event="cancelled", id=request["cancel"])
        continue
    id, job = request["id"], request["job"]
    if job == "echo":
        say(event="progress", id=id, done=1, total=2, text="steps")
        say(event="figure", id=id, name="loss", step=1, value=0.5)
        say(event="figure", id=id, name="loss", step=2, value=None)
        say(event="progress", id="99", done=1, total=2, text="of another time")
        say(event="done", id=id, result=request["arguments"])
        say(event="done", id=id, result={"again": True})
    elif job == "refuse":
        say(event="failed", id=id, kind="ModelError", message="has no labels", detail="")
    elif job == "noise":
        print("this is no JSON", flush=True)
        say(event="done", id=id, result={})
    elif job == "late":
        sys.stdin.readline()
        say(event="progress", id=id, done=1, total=2, text="steps")
        say(event="done", id=id, result={"folder": "made"})
    elif job == "exit":
        print("E0000 chatter", file=sys.stderr)
        print("Fatal: out of memory", file=sys.stderr)
        print("2026-01-01 00:00:00 I tensorflow/chatter", file=sys.stderr, flush=True)
        os._exit(9)
if mode == "stubborn":
    time.sleep(60)
"""


class Heard:
    """Everything that a client said, in order."""

    def __init__(self, client: WorkerClient) -> None:
        self.states: list[str] = []
        self.events: list[tuple[object, ...]] = []
        client.stateChanged.connect(self.states.append)
        for name in ("ready", "warned", "progressed", "figure_reported", "done", "failed", "cancelled", "late"):
            getattr(client, name).connect(lambda *said, name=name: self.events.append((name, *said)))

    def ends(self, request_id: int) -> list[tuple[object, ...]]:
        return [
            event for event in self.events if event[0] in ("done", "failed", "cancelled") and event[1] == request_id
        ]


@pytest.fixture
def fake(tmp_path: Path) -> Path:
    script = tmp_path / "fake_worker.py"
    script.write_text(SCRIPT, encoding="utf-8", newline="\n")
    return script


def client_of(script: Path, mode: str = "") -> WorkerClient:
    return WorkerClient(command=(sys.executable, "-S", "-E", str(script), mode))


def wait_end(qtbot: QtBot, heard: Heard, request_id: int) -> tuple[object, ...]:
    qtbot.waitUntil(lambda: bool(heard.ends(request_id)), timeout=10_000)
    qtbot.wait(20)
    (end,) = heard.ends(request_id)
    return end


def test_a_job_asked_for_while_starting_waits_and_is_answered(qtbot: QtBot, fake: Path) -> None:
    client = client_of(fake)
    heard = Heard(client)
    try:
        client.start()
        first = client.request("echo", project="p", units=10)
        assert client.state == "starting"
        assert wait_end(qtbot, heard, first) == ("done", first, {"project": "p", "units": 10})
        assert heard.states == ["starting", "ready", "busy", "ready"]
        assert heard.events[0] == ("ready", "3.15.1", "2.21.0")
        assert ("progressed", first, 1, 2, "steps") in heard.events
        figures = [event[2:] for event in heard.events if event[0] == "figure_reported"]
        assert figures[0] == ("loss", 1, 0.5)
        assert str(figures[1][2]) == "nan"
        # The progress of an unknown id, and the second end, were dropped.
        assert [event for event in heard.events if event[0] == "progressed"] == [("progressed", first, 1, 2, "steps")]
    finally:
        client.close()


def test_a_keras_that_loses_masks_is_told_of_and_its_jobs_run(qtbot: QtBot, fake: Path) -> None:
    client = client_of(fake, "loses-masks")
    heard = Heard(client)
    try:
        number = client.request("echo", n=1)
        assert wait_end(qtbot, heard, number) == ("done", number, {"n": 1})
        assert heard.events[:2] == [("warned", "Keras 3.16.0 loses masks."), ("ready", "3.15.1", "2.21.0")]
        assert client.warning == "Keras 3.16.0 loses masks."
    finally:
        client.close()


def test_a_request_starts_the_worker_by_itself_and_answers_keep_their_ids(qtbot: QtBot, fake: Path) -> None:
    client = client_of(fake)
    heard = Heard(client)
    try:
        one, two = client.request("echo", n=1), client.request("refuse")
        assert wait_end(qtbot, heard, one) == ("done", one, {"n": 1})
        assert wait_end(qtbot, heard, two) == ("failed", two, "has no labels")
    finally:
        client.close()


def test_cancelling_a_job_that_waits_never_sends_it(qtbot: QtBot, fake: Path) -> None:
    client = client_of(fake)
    heard = Heard(client)
    try:
        number = client.request("echo")
        client.cancel(number)
        assert heard.ends(number) == [("cancelled", number)]
        client.cancel(number)
        client.cancel(12345)
        other = client.request("echo")
        wait_end(qtbot, heard, other)
        assert heard.ends(number) == [("cancelled", number)]
    finally:
        client.close()


def test_cancelling_a_job_that_runs_is_told_once_it_has_stopped(qtbot: QtBot, fake: Path) -> None:
    client = client_of(fake)
    heard = Heard(client)
    try:
        number = client.request("waits")
        qtbot.waitUntil(lambda: client.state == "busy", timeout=10_000)
        client.cancel(number)
        assert wait_end(qtbot, heard, number) == ("cancelled", number)
        assert client.state == "ready"
    finally:
        client.close()


def test_a_result_after_the_cancel_is_no_result(qtbot: QtBot, fake: Path) -> None:
    client = client_of(fake)
    heard = Heard(client)
    try:
        number = client.request("late")
        qtbot.waitUntil(lambda: client.state == "busy", timeout=10_000)
        client.cancel(number)
        assert wait_end(qtbot, heard, number) == ("cancelled", number)
        assert ("late", number, {"folder": "made"}) in heard.events
        assert not [event for event in heard.events if event[0] == "progressed"]
    finally:
        client.close()


def test_what_is_no_event_is_passed_over(qtbot: QtBot, fake: Path) -> None:
    client = client_of(fake)
    heard = Heard(client)
    try:
        assert wait_end(qtbot, heard, client.request("noise"))[0] == "done"
        assert any("no JSON" in line for line in client.last_lines())
    finally:
        client.close()


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_a_killed_worker_fails_its_job_and_runs_the_next(qtbot: QtBot, fake: Path) -> None:
    client = client_of(fake)
    heard = Heard(client)
    try:
        lost, waiting = client.request("waits"), client.request("echo", n=2)
        qtbot.waitUntil(lambda: client.state == "busy", timeout=10_000)
        os.kill(client.process_id, signal.SIGKILL)
        name, number, words = wait_end(qtbot, heard, lost)
        assert (name, number) == ("failed", lost)
        assert "killed" in str(words)
        assert "\n" not in str(words)
        # What waited behind it gets a new process, and so does what comes later.
        assert wait_end(qtbot, heard, waiting) == ("done", waiting, {"n": 2})
        assert wait_end(qtbot, heard, client.request("echo", n=3))[2] == {"n": 3}
        assert "failed" in heard.states
    finally:
        client.close()


def test_the_last_words_of_a_crash_are_told_without_the_chatter(qtbot: QtBot, fake: Path) -> None:
    client = client_of(fake)
    heard = Heard(client)
    try:
        _, _, words = wait_end(qtbot, heard, client.request("exit"))
        assert "code 9" in str(words)
        assert str(words).endswith("Its last words: Fatal: out of memory")
        assert client.state == "failed"
    finally:
        client.close()


@pytest.mark.parametrize(
    ("mode", "words"), [("no-tensorflow", "TensorFlow can't be imported"), ("dies", "no room on the device")]
)
def test_a_worker_that_cannot_start_fails_what_waits_and_does_not_try_for_ever(
    qtbot: QtBot, fake: Path, mode: str, words: str
) -> None:
    client = client_of(fake, mode)
    heard = Heard(client)
    try:
        one, two = client.request("echo"), client.request("echo")
        for number in (one, two):
            end = wait_end(qtbot, heard, number)
            assert end[0] == "failed"
            assert words in str(end[2])
        assert client.state == "failed"
        assert client.process_id == 0
        assert heard.states == ["starting", "failed"]
    finally:
        client.close()


def test_a_program_that_is_not_there_fails_the_job(qtbot: QtBot, tmp_path: Path) -> None:
    client = WorkerClient(command=(str(tmp_path / "nothing-here"),))
    heard = Heard(client)
    assert "can't be started" in str(wait_end(qtbot, heard, client.request("echo"))[2])
    client.close()


@pytest.mark.parametrize("mode", ["", "stubborn"])
def test_closing_leaves_no_process_and_says_nothing(qtbot: QtBot, fake: Path, mode: str) -> None:
    client = client_of(fake, mode)
    heard = Heard(client)
    number = client.request("waits")
    qtbot.waitUntil(lambda: client.state == "busy", timeout=10_000)
    process = psutil.Process(client.process_id)
    client.close()
    assert not process.is_running()
    assert client.state == "off"
    qtbot.wait(30)
    assert heard.ends(number) == []
    client.close()


def test_closing_while_it_starts_leaves_no_process(qtbot: QtBot, fake: Path) -> None:
    before = psutil.Process().children()
    client = client_of(fake)
    client.start()
    client.close()
    assert psutil.Process().children() == before


@pytest.mark.keras
def test_the_worker_runs_nothing_that_lies_in_the_current_folder(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "queue.py").write_text("open('ran', 'w').close()\n", encoding="utf-8", newline="\n")
    # An empty entry stands for the current folder, too.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", os.environ.get("PYTHONPATH", ""), ""]))
    monkeypatch.chdir(tmp_path)
    client = WorkerClient()
    heard = Heard(client)
    try:
        number = client.request("ping")
        qtbot.waitUntil(lambda: bool(heard.ends(number)), timeout=60_000)
        assert heard.ends(number) == [("done", number, {})], client.last_lines()
        assert not (tmp_path / "ran").exists()
    finally:
        client.close()


@pytest.mark.keras
def test_the_real_worker_imports_tensorflow_and_answers(qtbot: QtBot) -> None:
    client = WorkerClient()
    heard = Heard(client)
    try:
        number = client.request("ping")
        qtbot.waitUntil(lambda: bool(heard.ends(number)), timeout=60_000)
        assert heard.ends(number) == [("done", number, {})], client.last_lines()
        assert heard.events[0][0] == "ready"
        unknown = client.request("no such job")
        assert "there is no job" in str(wait_end(qtbot, heard, unknown)[2])
    finally:
        client.close()
