"""A task for a page: the result of one that was cancelled or replaced is never used."""

import threading
import time

from pytestqt.qtbot import QtBot

from maskscope.errors import ReadError
from maskscope.jobs import Job
from maskscope_gui.background.latest_task import LatestTask


def test_a_result_is_used_and_the_progress_is_shown(qtbot: QtBot) -> None:
    texts: list[str] = []
    results: list[object] = []
    latest = LatestTask()
    latest.progressed.connect(texts.append)

    def work(job: Job) -> str:
        job.progress(1, 4, "sentences")
        return "result"

    latest.start("Comparing", work, results.append)
    assert latest.busy
    qtbot.waitUntil(lambda: bool(results), timeout=5000)
    assert results == ["result"]
    assert not latest.busy
    assert texts == ["Comparing…", "Comparing: 25 %", ""]


def test_starting_another_task_drops_the_result_of_the_first(qtbot: QtBot) -> None:
    go = threading.Event()
    results: list[object] = []
    latest = LatestTask()

    def slow(job: Job) -> str:
        go.wait(5)
        return "first"

    latest.start("First", slow, results.append)
    latest.start("Second", lambda job: "second", results.append)
    go.set()
    qtbot.waitUntil(lambda: bool(results), timeout=5000)
    qtbot.wait(50)
    assert results == ["second"]
    latest.close()


def test_an_error_is_kept_until_the_next_start(qtbot: QtBot) -> None:
    latest = LatestTask()

    def work(job: Job) -> None:
        raise ReadError("is broken", file="x.npy")

    latest.start("Reading", work, lambda result: None)
    qtbot.waitUntil(lambda: not latest.busy, timeout=5000)
    assert latest.error == "x.npy: is broken"
    latest.start("Reading", lambda job: None, lambda result: None)
    assert latest.error == ""
    latest.close()


def test_closing_waits_for_cancelled_threads(qtbot: QtBot) -> None:
    ended = threading.Event()
    results: list[object] = []
    latest = LatestTask()

    def work(job: Job) -> str:
        try:
            while True:
                job.progress(0, 0)
                time.sleep(0.001)
        finally:
            ended.set()

    latest.start("Working", work, results.append)
    latest.cancel()
    assert not latest.busy
    latest.close()
    assert ended.is_set()
    qtbot.wait(20)
    assert results == []
