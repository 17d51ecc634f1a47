"""How long a job may be silent and how much memory it may take: for jobs that run a model file, which may be anyone's.

The process that asked for the job watches, and kills the worker that goes beyond: what a file makes Keras and
TensorFlow do can't be stopped from inside.
"""

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from maskscope.worker.protocol import Value

QUIET_SECONDS = 120.0
"""Loading and tracing a large model takes some tens of seconds on a slow machine, without any report."""
MEMORY_BYTES = 4 << 30
"""TensorFlow itself takes half a gigabyte."""
MEMORY_PER_MODEL_BYTE = 8
"""Keras holds a model's weights some times over while it loads them."""
SHARE_OF_MACHINE = 0.75
CANCEL_SECONDS = 5.0
"""A job that was cancelled has this long to stop by itself."""
LOOK_SECONDS = 0.2

_JOBS = frozenset({"open_model", "score", "audit", "repair", "model_graph", "padding"})


@dataclass(frozen=True, slots=True)
class Limits:
    """What one job may use.

    Attributes:
        quiet_seconds: longest time without any report of progress.
        memory_bytes: largest memory of the worker's own, files that it maps not counted where the system tells.
    """

    quiet_seconds: float
    memory_bytes: int


def limits_of(job: str, arguments: Mapping[str, Value]) -> Limits | None:
    """The limits of a job that runs a model file; None for any other, such as a training of one's own."""
    if job not in _JOBS:
        return None
    import psutil

    memory = MEMORY_BYTES + MEMORY_PER_MODEL_BYTE * _size(arguments.get("model"))
    # scores grow with the project, and not every system tells mapped memory from the worker's own
    project, data = arguments.get("project"), arguments.get("data")
    memory += _size(Path(project) / "embeddings.npy") if isinstance(project, str) else _size(data)
    return Limits(QUIET_SECONDS, min(memory, int(SHARE_OF_MACHINE * psutil.virtual_memory().total)))


class Watchdog:
    """Watches a worker while it has one job.

    Args:
        process_id: of the worker.
        limits: of the job.
    """

    def __init__(self, process_id: int, limits: Limits) -> None:
        # imported here: the window's first picture does not wait for it
        import psutil

        self._gone = psutil.Error
        self.limits = limits
        self._heard = time.monotonic()
        try:
            self._process: psutil.Process | None = psutil.Process(process_id)
        except psutil.Error:
            self._process = None

    def heard(self) -> None:
        """The job has reported."""
        self._heard = time.monotonic()

    def look(self) -> str:
        """ "" while all is well, else one sentence that says which limit the job broke."""
        quiet = time.monotonic() - self._heard
        end = "so its process was stopped; nothing in the project was changed"
        if quiet > self.limits.quiet_seconds:
            return f"The model gave no sign of progress for {quiet:.0f} seconds, {end}."
        if self._memory() > self.limits.memory_bytes:
            return f"The model took more than the {self.limits.memory_bytes / (1 << 30):.1f} GB that it may, {end}."
        return ""

    def _memory(self) -> int:
        if self._process is None:
            return 0
        try:
            told = self._process.memory_info()
        except self._gone:
            # It has ended by itself, and will be heard of in another way.
            return 0
        if sys.platform == "win32":
            return int(told.private)
        return int(told.rss) - int(getattr(told, "shared", 0))


def _size(file: object) -> int:
    if not isinstance(file, str | Path):
        return 0
    try:
        return Path(file).stat().st_size
    except OSError:
        return 0
