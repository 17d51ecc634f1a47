"""One job in a worker process, from the command line's side: results, errors, limits, and nothing left over."""

import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from maskscope.errors import Cancelled, MaskscopeError, ModelError, WorkerError
from maskscope.jobs import Job, NullJob
from maskscope.worker import conversation
from maskscope.worker.client import run_job
from maskscope.worker.limits import Limits
from maskscope.worker.requests import OpenModelRequest, OpenModelResult

FAKE_WORKER = (sys.executable, "-S", "-E", str(Path(__file__).parents[2] / "fake_worker.py"))


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    threads, children = set(threading.enumerate()), set(psutil.Process().children())
    yield
    assert set(threading.enumerate()) <= threads
    assert set(psutil.Process().children()) <= children


class Watched(NullJob):
    """Notes every report, and cancels at the first step when `cancel` is set."""

    def __init__(self, cancel: bool = False) -> None:
        self.reports: list[tuple[object, ...]] = []
        self.cancel = cancel

    def progress(self, done: int, total: int, text: str = "") -> None:
        self.reports.append((done, total, text))
        if text == "steps" and self.cancel:
            raise Cancelled

    def figure(self, name: str, step: int, value: float) -> None:
        self.reports.append((name, step, value))


def request(what: str, folder: Path = Path()) -> OpenModelRequest:
    """A request that the fake worker answers as `what` says."""
    return OpenModelRequest(Path("p"), Path(f"{what}.keras"), folder)


def run(what: str, job: Job | None = None, limits: Limits | None = None) -> OpenModelResult:
    return run_job(request(what), job, limits=lambda _: limits, command=FAKE_WORKER)


def test_a_job_reports_and_gives_its_result() -> None:
    job = Watched()
    result = run_job(request("echo", Path("a") / "ü"), job, command=FAKE_WORKER)
    assert result == OpenModelResult(Path("a") / "ü")
    assert job.reports[0] == (0, 0, "starting TensorFlow")
    assert job.reports[-2:] == [(1, 4, "steps"), ("loss", 1, 0.5)]


def test_a_warning_of_the_worker_is_passed_on() -> None:
    warnings: list[str] = []
    run_job(request("echo"), warn=warnings.append, command=(*FAKE_WORKER, "warns", "Keras", "drops masks."))
    assert warnings == ["Keras drops masks."]


@pytest.mark.parametrize(
    ("what", "kind", "text"),
    [
        ("refuse", ModelError, "^m.keras: is no model$"),
        ("fault", WorkerError, "^the job failed$"),
        ("die", WorkerError, "ended with code 9.*Its last output: Fatal: no room"),
        ("other", WorkerError, "expected OpenModelResult; received PingResult"),
    ],
)
def test_an_error_of_the_job_is_raised_with_its_class(what: str, kind: type[MaskscopeError], text: str) -> None:
    with pytest.raises(kind, match=text):
        run(what)


@pytest.mark.parametrize(("mode", "text"), [("no-tensorflow", "no wheel"), ("dies", "code 3.*no room on the device")])
def test_a_worker_that_does_not_get_ready_is_an_error(mode: str, text: str) -> None:
    with pytest.raises(WorkerError, match=text):
        run_job(request("echo"), command=(*FAKE_WORKER, mode))


def test_a_worker_that_cannot_be_started_is_an_error() -> None:
    with pytest.raises(WorkerError, match="can't be started"):
        run_job(request("echo"), command=(FAKE_WORKER[-1] + " is not there",))


@pytest.mark.parametrize(
    ("what", "limits", "text"),
    [
        ("hang", Limits(0.5, 1 << 40), "no sign of progress for [01] seconds"),
        ("eat", Limits(60.0, 100 << 20), r"took more than its limit of 0\.1 GB"),
    ],
)
def test_a_job_that_exceeds_a_limit_is_killed_with_the_reason(what: str, limits: Limits, text: str) -> None:
    began = time.monotonic()
    with pytest.raises(WorkerError, match=text):
        run(what, limits=limits)
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("what", ["hang", "wait", "late"])
def test_a_cancelled_job_that_does_not_stop_is_killed(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "CANCEL_SECONDS", 0.3)
    job = Watched(cancel=True)
    with pytest.raises(Cancelled):
        run(what, job)
    assert job.reports[-1] == (1, 4, "steps")
