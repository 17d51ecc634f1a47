"""What the window and the worker say to each other: one JSON object a line, in UTF-8.

To the worker: a `Request`, answered by any number of `Progress` and `Figure` and then by exactly one of `Done`,
`Failed`, `CancelledReply`; or a `Cancel`. From the worker, before anything else and once: `Ready`, or `Failed`
with id "" when TensorFlow can't be imported. Requests wait their turn; one job runs at a time.
"""

import json
from dataclasses import asdict, dataclass
from typing import ClassVar, TypeAlias

from maskscope.errors import WorkerError

Value: TypeAlias = str | int | float | bool | None
"""What an argument or a result may be on the wire."""
Values: TypeAlias = tuple[tuple[str, Value], ...]
"""Named arguments or results, in order; `dict(values)` looks one up."""


@dataclass(frozen=True, slots=True)
class Request:
    """Asks for a job.

    Attributes:
        id: chosen by the one who asks; every answer carries it, so a late one can be told and dropped.
        job: "train", "score", "audit", "open_model", "padding" or "ping".
        arguments: named; which ones a job takes stands in `worker/jobs.py`.
    """

    id: str
    job: str
    arguments: Values = ()

    def encode(self) -> str:
        """The line, with its line feed."""
        return _line({"id": self.id, "job": self.job, "arguments": dict(self.arguments)})


@dataclass(frozen=True, slots=True)
class Cancel:
    """Asks to stop a job that runs or waits; it stops at its next report."""

    id: str

    def encode(self) -> str:
        """The line, with its line feed."""
        return _line({"cancel": self.id})


@dataclass(frozen=True, slots=True)
class Ready:
    """TensorFlow is imported, jobs can run.

    Attributes:
        keras: its version.
        tensorflow: its version.
        warning: what this Keras does wrong with a mask, as one sentence for a person; "" when it does nothing wrong.
    """

    event: ClassVar[str] = "ready"
    keras: str
    tensorflow: str
    warning: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` of `total` units are done (0: not known); `text` names the unit or the phase."""

    event: ClassVar[str] = "progress"
    id: str
    done: int
    total: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """One live figure, such as ("loss", epoch, 0.31); a value that is no finite number comes as None."""

    event: ClassVar[str] = "figure"
    id: str
    name: str
    step: int
    value: float | None


@dataclass(frozen=True, slots=True)
class Done:
    """The job is done."""

    event: ClassVar[str] = "done"
    id: str
    result: Values = ()


@dataclass(frozen=True, slots=True)
class Failed:
    """The job failed.

    Attributes:
        id: of the request; "" when the worker itself can't go on.
        kind: the error's class, "ModelError" for one.
        message: one sentence for a person.
        detail: the traceback when the error is none of ours, else "".
    """

    event: ClassVar[str] = "failed"
    id: str
    kind: str
    message: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class CancelledReply:
    """The job was cancelled, and what was half done has been taken away."""

    event: ClassVar[str] = "cancelled"
    id: str


Event: TypeAlias = Ready | Progress | Figure | Done | Failed | CancelledReply

_EVENTS: dict[str, type[Event]] = {kind.event: kind for kind in (Ready, Progress, Figure, Done, Failed, CancelledReply)}


def encode_event(event: Event) -> str:
    """The line of an event, with its line feed."""
    record: dict[str, object] = {"event": event.event, **asdict(event)}
    if isinstance(event, Done):
        record["result"] = dict(event.result)
    if isinstance(event, Figure) and event.value is not None and not abs(event.value) < float("inf"):
        record["value"] = None
    return _line(record)


def decode_request(line: str) -> Request | Cancel:
    """What a line asks of the worker. Raises WorkerError for a line that is neither."""
    record = _record(line)
    if isinstance(record.get("cancel"), str):
        return Cancel(str(record["cancel"]))
    arguments = record.get("arguments", {})
    if not isinstance(record.get("id"), str) or not isinstance(record.get("job"), str):
        raise WorkerError("received a line that is no request", received=line[:200])
    return Request(str(record["id"]), str(record["job"]), _values(arguments, line))


def decode_event(line: str) -> Event:
    """What the worker said. Raises WorkerError for a line that is no event."""
    record = _record(line)
    kind = _EVENTS.get(str(record.pop("event", "")))
    if kind is None:
        raise WorkerError("received a line that is no event", received=line[:200])
    if kind is Done:
        record["result"] = _values(record.get("result", {}), line)
    try:
        return kind(**record)  # type: ignore[arg-type]
    except TypeError as error:
        raise WorkerError("received an event with other fields than its own", received=line[:200]) from error


def _record(line: str) -> dict[str, object]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise WorkerError("received a line that is no JSON", received=line[:200]) from error
    if not isinstance(record, dict):
        raise WorkerError("received a line that is no JSON object", received=line[:200])
    return record


def _values(record: object, line: str) -> Values:
    if not isinstance(record, dict) or not all(
        value is None or isinstance(value, str | int | float | bool) for value in record.values()
    ):
        raise WorkerError("received values that are no plain ones", received=line[:200])
    return tuple(record.items())


def _line(record: dict[str, object]) -> str:
    # ASCII only: a pipe's encoding on Windows is then of no matter
    return json.dumps(record, ensure_ascii=True, allow_nan=False) + "\n"
