"""Limits of time and memory for jobs that run a model file, which may come from anyone.

The client's process watches, and kills a worker that exceeds a limit: what a file makes Keras and TensorFlow do can't
be stopped from inside.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from maskscope.worker.requests import (
    AuditRequest,
    CutModelRequest,
    DescribeModelRequest,
    ModelGraphRequest,
    OpenModelRequest,
    PaddingRequest,
    ProjectSource,
    RepairRequest,
    Request,
    Result,
    ScoreRequest,
)

QUIET_SECONDS = 120.0
"""Without a report; loading and tracing a large model takes some tens of seconds on a slow machine."""
MEMORY_BYTES = 4 << 30
"""TensorFlow itself takes half a gigabyte."""
MEMORY_PER_MODEL_BYTE = 8
"""Keras holds a model's weights some times over while it loads them."""
SHARE_OF_MACHINE = 0.75
"""No job may take more of the machine's memory."""
CANCEL_SECONDS = 5.0
"""A job that was cancelled has this long to stop by itself."""
CHECK_SECONDS = 0.2
"""How often a client checks the limits."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one job may use.

    Attributes:
        quiet_seconds: longest time without any report of progress.
        memory_bytes: most memory of the worker; mapped files don't count, where the system reports them separately.
    """

    quiet_seconds: float
    memory_bytes: int


def limits_of(request: Request[Result]) -> Limits | None:
    """Return the limits of a job that runs a model file; None for any other, such as a training."""
    data: Path | None = None
    match request:
        case (
            DescribeModelRequest(model=model, project=project)
            | OpenModelRequest(model=model, project=project)
            | ScoreRequest(model=model, project=project)
            | PaddingRequest(model=model, project=project)
        ):
            data = project / "embeddings.npy"
        case AuditRequest(model=model, source=source) | RepairRequest(model=model, source=source):
            data = source.project / "embeddings.npy" if isinstance(source, ProjectSource) else source.data
        case ModelGraphRequest(model=model) | CutModelRequest(model=model):
            pass
        case _:
            return None
    import psutil

    # Scores grow with the data, and not every system reports mapped memory separately.
    memory = MEMORY_BYTES + MEMORY_PER_MODEL_BYTE * _file_size(model) + (0 if data is None else _file_size(data))
    return Limits(QUIET_SECONDS, min(memory, int(SHARE_OF_MACHINE * psutil.virtual_memory().total)))


class Watchdog:
    """Checks the limits of one job while it runs.

    Args:
        limits: of the job.
        memory: returns the worker's memory in bytes, such as `process_memory`.
        clock: returns the time in seconds.
    """

    def __init__(self, limits: Limits, memory: Callable[[], int], clock: Callable[[], float]) -> None:
        self._limits, self._memory, self._clock = limits, memory, clock
        self._last_report = clock()

    def reset(self) -> None:
        """Note that the job has reported."""
        self._last_report = self._clock()

    def exceeded(self) -> str:
        """Return which limit the job has exceeded, in one sentence; "" for none."""
        quiet = self._clock() - self._last_report
        end = "so its process was stopped; nothing in the project was changed"
        if quiet > self._limits.quiet_seconds:
            return f"The model showed no sign of progress for {quiet:.0f} seconds, {end}."
        if self._memory() > self._limits.memory_bytes:
            return f"The model took more than its limit of {self._limits.memory_bytes / (1 << 30):.1f} GB, {end}."
        return ""


def process_memory(process_id: int) -> int:
    """Return the memory of a process in bytes, without the files that it maps; 0 for a process that has ended."""
    # Imported here: the window's first picture does not wait for it.
    import psutil

    try:
        memory = psutil.Process(process_id).memory_info()
    except psutil.Error:
        return 0
    if sys.platform == "win32":
        return int(memory.private)
    return int(memory.rss) - int(getattr(memory, "shared", 0))


def _file_size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
