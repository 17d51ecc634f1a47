"""Which requests have limits, how large they are, and when a watchdog says that one is exceeded."""

import os
from pathlib import Path

import psutil

from maskscope.runs import TrainSettings
from maskscope.worker.limits import Limits, Watchdog, limits_of, process_memory
from maskscope.worker.requests import (
    ArraySource,
    AuditRequest,
    GalleryRequest,
    OpenModelRequest,
    PingRequest,
    ProjectSource,
    RecoverRequest,
    Request,
    Result,
    ScoreRequest,
    TrainRequest,
)


def memory_limit(request: Request[Result]) -> int:
    limits = limits_of(request)
    assert limits is not None
    return limits.memory_bytes


def test_only_jobs_that_run_a_model_file_have_limits(tmp_path: Path) -> None:
    free = (
        TrainRequest(tmp_path, TrainSettings()),
        RecoverRequest(tmp_path, tmp_path),
        GalleryRequest(("M1",)),
        PingRequest(),
    )
    for request in free:
        assert limits_of(request) is None
    small = memory_limit(ScoreRequest(tmp_path, tmp_path / "none.keras", tmp_path / "out.npy"))
    (tmp_path / "some.keras").write_bytes(bytes(1 << 20))
    most = int(0.75 * psutil.virtual_memory().total)
    assert memory_limit(OpenModelRequest(tmp_path, tmp_path / "some.keras", tmp_path)) == min(most, small + (8 << 20))
    (tmp_path / "embeddings.npy").write_bytes(bytes(1 << 20))
    audit = AuditRequest(tmp_path / "none.keras", ProjectSource(tmp_path))
    assert memory_limit(audit) == min(most, small + (1 << 20))
    audit = AuditRequest(tmp_path / "none.keras", ArraySource(tmp_path / "some.keras"))
    assert memory_limit(audit) == min(most, small + (1 << 20))


def test_a_watchdog_says_which_limit_is_exceeded() -> None:
    now, memory = 0.0, 0
    watchdog = Watchdog(Limits(10.0, 1 << 30), lambda: memory, lambda: now)
    now = 9.0
    assert watchdog.exceeded() == ""
    watchdog.reset()
    now = 18.0
    assert watchdog.exceeded() == ""
    now = 20.0
    assert "no sign of progress for 11 seconds" in watchdog.exceeded()
    watchdog.reset()
    memory = (1 << 30) + 1
    assert "more than its limit of 1.0 GB" in watchdog.exceeded()


def test_the_memory_of_a_process_that_is_gone_is_none() -> None:
    assert process_memory(os.getpid()) > 1 << 20
    assert process_memory(2**22 + 1) == 0
