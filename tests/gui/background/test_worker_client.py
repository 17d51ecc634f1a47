"""The window's end of the worker: every job ends once, whatever becomes of the process."""

import os
import signal
import sys
from pathlib import Path

import psutil
import pytest
from pytestqt.qtbot import QtBot

from maskscope.worker.requests import OpenModelRequest, OpenModelResult, PingRequest, PingResult
from maskscope_gui.background.worker_client import WorkerClient

FAKE_WORKER = (sys.executable, "-S", "-E", str(Path(__file__).parents[2] / "fake_worker.py"))


def request(what: str, folder: str = "f") -> OpenModelRequest:
    """A request whose answer by the fake worker `what` chooses."""
    return OpenModelRequest(Path("p"), Path(f"{what}.keras"), Path(folder))


def done(number: int, folder: str = "f") -> tuple[object, ...]:
    """The signal with the result of `request("echo", folder)`."""
    return ("done", number, OpenModelResult(Path(folder)))


class Recorder:
    """Every signal of a client, in order."""

    def __init__(self, client: WorkerClient) -> None:
        self.states: list[str] = []
        self.events: list[tuple[object, ...]] = []
        client.state_changed.connect(self.states.append)
        for name in ("ready", "warned", "progressed", "figure_reported", "done", "failed", "cancelled", "late"):
            getattr(client, name).connect(lambda *values, name=name: self.events.append((name, *values)))

    def ends(self, request_id: int) -> list[tuple[object, ...]]:
        return [
            event for event in self.events if event[0] in ("done", "failed", "cancelled") and event[1] == request_id
        ]


def client_of(*arguments: str) -> WorkerClient:
    """A client of the fake worker."""
    return WorkerClient(command=(*FAKE_WORKER, *arguments))


def wait_end(qtbot: QtBot, recorder: Recorder, request_id: int) -> tuple[object, ...]:
    qtbot.waitUntil(lambda: bool(recorder.ends(request_id)), timeout=10_000)
    qtbot.wait(20)
    (end,) = recorder.ends(request_id)
    return end


def test_a_request_made_while_the_worker_starts_waits_and_is_answered(qtbot: QtBot) -> None:
    client = client_of()
    recorder = Recorder(client)
    try:
        client.start()
        first = client.request(request("echo"))
        assert client.state == "starting"
        assert wait_end(qtbot, recorder, first) == done(first)
        assert recorder.states == ["starting", "ready", "busy", "ready"]
        assert recorder.events[0] == ("ready", "3.15.1", "2.21.0")
        assert ("progressed", first, 1, 4, "steps") in recorder.events
        figures = [event[2:] for event in recorder.events if event[0] == "figure_reported"]
        assert figures[0] == ("loss", 1, 0.5)
        assert str(figures[1][2]) == "nan"
        # The progress of an unknown id, and the second end, were dropped.
        assert [event for event in recorder.events if event[0] == "progressed"] == [
            ("progressed", first, 1, 4, "steps")
        ]
    finally:
        client.close()


def test_a_keras_that_drops_masks_is_reported_and_runs_jobs(qtbot: QtBot) -> None:
    client = client_of("warns", "Keras 3.16.0 loses masks.")
    recorder = Recorder(client)
    try:
        number = client.request(request("echo", "1"))
        assert wait_end(qtbot, recorder, number) == done(number, "1")
        assert recorder.events[:2] == [("warned", "Keras 3.16.0 loses masks."), ("ready", "3.15.1", "2.21.0")]
        assert client.warning == "Keras 3.16.0 loses masks."
    finally:
        client.close()


def test_a_request_starts_the_worker_by_itself_and_answers_keep_their_ids(qtbot: QtBot) -> None:
    client = client_of()
    recorder = Recorder(client)
    try:
        one, two = client.request(request("echo", "1")), client.request(request("refuse"))
        assert wait_end(qtbot, recorder, one) == done(one, "1")
        assert wait_end(qtbot, recorder, two) == ("failed", two, "m.keras: is no model")
    finally:
        client.close()


def test_cancelling_a_job_that_waits_never_sends_it(qtbot: QtBot) -> None:
    client = client_of()
    recorder = Recorder(client)
    try:
        number = client.request(request("echo"))
        client.cancel(number)
        assert recorder.ends(number) == [("cancelled", number)]
        client.cancel(number)
        client.cancel(12345)
        other = client.request(request("echo"))
        wait_end(qtbot, recorder, other)
        assert recorder.ends(number) == [("cancelled", number)]
    finally:
        client.close()


def test_cancelling_a_running_job_is_reported_once_it_has_stopped(qtbot: QtBot) -> None:
    client = client_of()
    recorder = Recorder(client)
    try:
        number = client.request(request("wait"))
        qtbot.waitUntil(lambda: client.state == "busy", timeout=10_000)
        client.cancel(number)
        assert wait_end(qtbot, recorder, number) == ("cancelled", number)
        assert client.state == "ready"
    finally:
        client.close()


def test_a_result_after_the_cancel_is_late(qtbot: QtBot) -> None:
    client = client_of()
    recorder = Recorder(client)
    try:
        number = client.request(request("late"))
        qtbot.waitUntil(lambda: client.state == "busy", timeout=10_000)
        client.cancel(number)
        assert wait_end(qtbot, recorder, number) == ("cancelled", number)
        assert ("late", number, OpenModelResult(Path("made"))) in recorder.events
        assert ("progressed", number, 2, 2, "steps") not in recorder.events
    finally:
        client.close()


def test_a_line_that_is_no_message_is_skipped(qtbot: QtBot) -> None:
    client = client_of()
    recorder = Recorder(client)
    try:
        assert wait_end(qtbot, recorder, client.request(request("echo")))[0] == "done"
        assert any("this is no JSON" in line for line in client.log_lines())
    finally:
        client.close()


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_a_killed_worker_fails_its_job_and_runs_the_next(qtbot: QtBot) -> None:
    client = client_of()
    recorder = Recorder(client)
    try:
        lost, waiting = client.request(request("wait")), client.request(request("echo", "2"))
        qtbot.waitUntil(lambda: client.state == "busy", timeout=10_000)
        os.kill(client.process_id, signal.SIGKILL)
        name, number, words = wait_end(qtbot, recorder, lost)
        assert (name, number) == ("failed", lost)
        assert "killed" in str(words)
        assert "\n" not in str(words)
        # What waited behind it gets a new process, and so does what comes later.
        assert wait_end(qtbot, recorder, waiting) == done(waiting, "2")
        assert wait_end(qtbot, recorder, client.request(request("echo", "3")))[2] == OpenModelResult(Path("3"))
        assert "failed" in recorder.states
    finally:
        client.close()


def test_the_last_output_of_a_crash_is_shown_without_noise(qtbot: QtBot) -> None:
    client = client_of()
    recorder = Recorder(client)
    try:
        _, _, words = wait_end(qtbot, recorder, client.request(request("die")))
        assert "code 9" in str(words)
        assert str(words).endswith("Its last output: Fatal: no room")
        assert client.state == "failed"
    finally:
        client.close()


@pytest.mark.parametrize(
    ("mode", "words"), [("no-tensorflow", "TensorFlow can't be imported"), ("dies", "no room on the device")]
)
def test_a_worker_that_cannot_start_fails_every_job_and_is_not_restarted(qtbot: QtBot, mode: str, words: str) -> None:
    client = client_of(mode)
    recorder = Recorder(client)
    try:
        one, two = client.request(request("echo")), client.request(request("echo"))
        for number in (one, two):
            end = wait_end(qtbot, recorder, number)
            assert end[0] == "failed"
            assert words in str(end[2])
        assert client.state == "failed"
        assert client.process_id == 0
        assert recorder.states == ["starting", "failed"]
    finally:
        client.close()


def test_a_program_that_is_not_there_fails_the_job(qtbot: QtBot, tmp_path: Path) -> None:
    client = WorkerClient(command=(str(tmp_path / "nothing-here"),))
    recorder = Recorder(client)
    assert "can't be started" in str(wait_end(qtbot, recorder, client.request(request("echo")))[2])
    client.close()


@pytest.mark.parametrize("mode", ["", "stubborn"])
def test_closing_leaves_no_process_and_emits_nothing(qtbot: QtBot, mode: str) -> None:
    client = client_of(mode)
    recorder = Recorder(client)
    number = client.request(request("wait"))
    qtbot.waitUntil(lambda: client.state == "busy", timeout=10_000)
    process = psutil.Process(client.process_id)
    client.close()
    assert not process.is_running()
    assert client.state == "off"
    qtbot.wait(30)
    assert recorder.ends(number) == []
    client.close()


def test_closing_while_it_starts_leaves_no_process(qtbot: QtBot) -> None:
    before = psutil.Process().children()
    client = client_of()
    client.start()
    client.close()
    assert psutil.Process().children() == before


@pytest.mark.keras
def test_the_real_worker_imports_tensorflow_but_nothing_that_lies_in_the_current_folder(
    qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "queue.py").write_text("open('ran', 'w').close()\n", encoding="utf-8", newline="\n")
    # An empty entry means the current folder, too.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", os.environ.get("PYTHONPATH", ""), ""]))
    monkeypatch.chdir(tmp_path)
    client = WorkerClient()
    recorder = Recorder(client)
    try:
        number = client.request(PingRequest())
        qtbot.waitUntil(lambda: bool(recorder.ends(number)), timeout=60_000)
        assert recorder.ends(number) == [("done", number, PingResult())], client.log_lines()
        assert recorder.events[0][0] == "ready"
        assert not (tmp_path / "ran").exists()
    finally:
        client.close()
