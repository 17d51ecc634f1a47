"""Tasks: exactly one signal at the end, emitted in the window's thread."""

import threading
import time
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from maskscope.errors import ReadError
from maskscope.jobs import Job
from maskscope_gui.background.tasks import Task, error_message, rate_and_time_left


class Ends:
    """What a task emitted, and in which thread."""

    def __init__(self, task: Task) -> None:
        self.ends: list[tuple[str, object]] = []
        self.progress: list[tuple[int, int, str]] = []
        self.threads: set[int] = set()
        task.finished.connect(lambda value: self._note("finished", value))
        task.failed.connect(lambda error: self._note("failed", error))
        task.cancelled.connect(lambda: self._note("cancelled", None))
        task.progressed.connect(lambda *report: self.progress.append(report))

    def _note(self, end: str, value: object) -> None:
        self.threads.add(threading.get_ident())
        self.ends.append((end, value))


def until_ended(qtbot: QtBot, task: Task) -> Ends:
    seen = Ends(task)
    task.start()
    qtbot.waitUntil(lambda: bool(seen.ends), timeout=5000)
    qtbot.wait(20)
    return seen


def test_a_result_arrives_in_the_thread_that_started_the_task(qtbot: QtBot) -> None:
    where: list[int] = []

    def work(job: Job) -> int:
        where.append(threading.get_ident())
        return 42

    task = Task(work)
    seen = until_ended(qtbot, task)
    assert seen.ends == [("finished", 42)]
    assert seen.threads == {threading.get_ident()}
    assert where != [threading.get_ident()]
    assert not task.running


def test_progress_is_thinned_out_but_each_phase_and_the_end_are_reported(qtbot: QtBot) -> None:
    def work(job: Job) -> None:
        for done in range(1, 20_001):
            job.progress(done, 20_000, "reading" if done < 10_000 else "writing")

    seen = until_ended(qtbot, Task(work))
    assert len(seen.progress) < 100
    assert seen.progress[-1] == (20_000, 20_000, "writing")
    assert (10_000, 20_000, "writing") in seen.progress


def test_counts_beyond_32_bits_keep_their_share(qtbot: QtBot) -> None:
    seen = until_ended(qtbot, Task(lambda job: job.progress(6 * 10**9, 12 * 10**9, "bytes")))
    ((done, total, _),) = seen.progress
    assert done / total == pytest.approx(0.5)


def test_every_figure_is_reported(qtbot: QtBot) -> None:
    def work(job: Job) -> None:
        for epoch in range(1, 51):
            job.figure("loss", epoch, 1 / epoch)

    task = Task(work)
    figures: list[tuple[str, int, float]] = []
    task.figure_reported.connect(lambda *figure: figures.append(figure))
    until_ended(qtbot, task)
    assert figures == [("loss", epoch, 1 / epoch) for epoch in range(1, 51)]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ReadError("is broken", file=Path("a") / "x.npy"), "x.npy: is broken"),
        (OSError(28, "No space left on device", "out"), "out: No space left on device"),
        (MemoryError(), "There is not enough memory"),
    ],
)
def test_an_error_is_emitted_and_has_a_message(
    qtbot: QtBot, capsys: pytest.CaptureFixture[str], error: Exception, words: str
) -> None:
    def work(job: Job) -> None:
        raise error

    seen = until_ended(qtbot, Task(work))
    assert seen.ends == [("failed", error)]
    assert error_message(error).startswith(words)
    assert capsys.readouterr().err == ""


def test_an_unexpected_error_is_emitted_and_its_traceback_printed(
    qtbot: QtBot, capsys: pytest.CaptureFixture[str]
) -> None:
    def work(job: Job) -> None:
        raise ZeroDivisionError("oh")

    seen = until_ended(qtbot, Task(work))
    assert [end for end, _ in seen.ends] == ["failed"]
    assert "in work" in capsys.readouterr().err
    assert "ZeroDivisionError: oh" in error_message(seen.ends[0][1])


def test_cancelling_stops_at_the_next_report(qtbot: QtBot) -> None:
    stopped = threading.Event()

    def work(job: Job) -> str:
        try:
            for done in range(100_000):
                job.progress(done, 0)
                time.sleep(0.001)
        finally:
            stopped.set()
        return "never"

    task = Task(work)
    seen = Ends(task)
    task.start()
    qtbot.waitUntil(lambda: bool(seen.progress), timeout=5000)
    task.cancel()
    qtbot.waitUntil(lambda: bool(seen.ends), timeout=5000)
    assert seen.ends == [("cancelled", None)]
    assert stopped.is_set()


@pytest.mark.parametrize("when", ["before the work ended", "after the work ended"])
def test_a_result_that_comes_too_late_is_dropped_and_undone(qtbot: QtBot, when: str) -> None:
    go = threading.Event()
    taken: list[object] = []

    def work(job: Job) -> str:
        go.wait(5)
        return "made"

    task = Task(work, undo=taken.append)
    seen = Ends(task)
    task.start()
    if when == "before the work ended":
        task.cancel()
        go.set()
    else:
        go.set()
        assert task.wait(5)
        task.cancel()
    qtbot.waitUntil(lambda: bool(seen.ends), timeout=5000)
    assert seen.ends == [("cancelled", None)]
    assert taken == ["made"]


def test_a_dropped_task_emits_nothing_and_leaves_no_thread(qtbot: QtBot) -> None:
    def work(job: Job) -> None:
        while True:
            job.progress(0, 0)
            time.sleep(0.001)

    task = Task(work)
    seen = Ends(task)
    task.start()
    task.drop()
    qtbot.wait(50)
    assert seen.ends == []
    assert seen.progress == []
    assert "maskscope-task" not in [thread.name for thread in threading.enumerate()]


def test_rate_and_time_left_as_text() -> None:
    assert rate_and_time_left(2480, 17360, 2.0) == "1,240 sentences/s · 12 s left"
    assert rate_and_time_left(3, 0, 2.0) == "1.5 sentences/s"
    assert rate_and_time_left(100, 1000, 10.0, "") == "1 min 30 s left"
    assert rate_and_time_left(0, 10, 5.0) == ""
    assert rate_and_time_left(5, 10, 0.01) == ""
