"""The messages between a client and the worker: one JSON object a line, in UTF-8.

The worker first sends `Ready`, or `StartFailed` and ends. It answers each `RunJob` with any number of `Progress` and
`Figure`, and then with exactly one of `Done`, `Failed` and `CancelledReply`. It runs one job at a time, in the order
of the requests. Paths travel percent-encoded, since a file's name need not be valid Unicode; numpy arrays as base64 of
the `.npy` format; a float that is no finite number as null.
"""

import base64
import io
import os
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, get_args, get_origin
from urllib.parse import quote, unquote_to_bytes

import msgspec
import numpy as np
import numpy.typing as npt

from maskscope.errors import MaskscopeError, WorkerError
from maskscope.worker.requests import AnyRequest, AnyResult

MessageT = TypeVar("MessageT")

_RECEIVED_SHOWN = 200


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type"):
    """Base of all messages."""


class RunJob(Message, frozen=True, tag="run"):
    """Run a job; `id` is chosen by the client, and every answer carries it."""

    id: int
    request: AnyRequest


class CancelJob(Message, frozen=True, tag="cancel"):
    """Stop a job that runs or waits; it stops at its next report of progress."""

    id: int


ToWorker: TypeAlias = RunJob | CancelJob


class Ready(Message, frozen=True, tag="ready"):
    """TensorFlow is imported, jobs can run.

    Attributes:
        keras: its version.
        tensorflow: its version.
        warning: what this Keras does wrong with a mask, in one sentence; "" when it does nothing wrong.
    """

    keras: str
    tensorflow: str
    warning: str = ""


class StartFailed(Message, frozen=True, tag="start_failed"):
    """TensorFlow can't be imported; `message` says why in one sentence, `detail` is the traceback."""

    message: str
    detail: str = ""


class Progress(Message, frozen=True, tag="progress"):
    """`done` of `total` units are done (0: not known); `text` names the unit or the phase."""

    id: int
    done: int
    total: int
    text: str = ""


class Figure(Message, frozen=True, tag="figure"):
    """One live figure, such as ("loss", epoch, 0.31)."""

    id: int
    name: str
    step: int
    value: float | None


class Done(Message, frozen=True, tag="done"):
    """The job is done."""

    id: int
    result: AnyResult


class Failed(Message, frozen=True, tag="failed"):
    """The job failed.

    Attributes:
        id: of the job; None for a line from the client in which no job's id could be read.
        kind: the error's class, such as "ModelError".
        message: one sentence for a person.
        detail: the traceback of an error that is not a MaskscopeError, else "".
    """

    id: int | None
    kind: str
    message: str
    detail: str = ""


class CancelledReply(Message, frozen=True, tag="cancelled"):
    """The job was cancelled, and what it had half done is removed."""

    id: int


FromWorker: TypeAlias = Ready | StartFailed | Progress | Figure | Done | Failed | CancelledReply


class _JobId(msgspec.Struct):
    """The field that names the job of a message; the other fields are ignored."""

    id: int | None = None


def encode(message: ToWorker | FromWorker) -> bytes:
    """Encode a message as one line, with its line feed."""
    try:
        return _ENCODER.encode(message) + b"\n"
    except UnicodeEncodeError:
        # A file's name that is not valid Unicode, in a text for a person.
        return _ENCODER.encode(_valid_unicode(msgspec.to_builtins(message, enc_hook=_encode_value))) + b"\n"


def decode_to_worker(line: bytes) -> ToWorker:
    """Decode a line from a client. Raises WorkerError for a line that is no such message, or for an unknown job."""
    return _decode(_TO_WORKER, line, f"a request for {', '.join(JOB_NAMES)}, or a cancel")


def decode_from_worker(line: bytes) -> FromWorker:
    """Decode a line from the worker. Raises WorkerError for a line that is no such message."""
    return _decode(_FROM_WORKER, line, "a message of the worker")


def job_id(line: bytes) -> int | None:
    """The id of the job that a line is about, also where the rest of it can't be decoded; None for no such id."""
    try:
        return _JOB_ID.decode(line).id
    except (ValueError, RecursionError):
        return None


def _decode(decoder: "msgspec.json.Decoder[MessageT]", line: bytes, expected: str) -> MessageT:
    try:
        return decoder.decode(line)
    except (ValueError, RecursionError, MaskscopeError) as error:
        received = line[:_RECEIVED_SHOWN].decode("utf-8", "backslashreplace").rstrip("\n")
        raise WorkerError(
            f"received a message that can't be read ({error})", expected=expected, received=received
        ) from error


def _encode_value(value: object) -> object:
    if isinstance(value, Path):
        return quote(os.fsencode(value))
    if isinstance(value, np.ndarray):
        stream = io.BytesIO()
        np.save(stream, value, allow_pickle=False)
        return base64.b64encode(stream.getvalue()).decode("ascii")
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a message can't hold {type(value).__name__}")


def _decode_value(kind: Any, value: object) -> object:
    if not isinstance(value, str):
        raise ValueError(f"expected a text; received {type(value).__name__}")
    if kind is Path:
        return Path(os.fsdecode(unquote_to_bytes(value)))
    if get_origin(kind) is np.ndarray:
        return _decode_array(kind, value)
    raise TypeError(f"a message can't hold {kind}")


def _decode_array(kind: Any, text: str) -> npt.NDArray[np.generic]:
    """Decode an array, whose dtype must be that of the annotation `kind`, such as `npt.NDArray[np.float32]`."""
    stream = io.BytesIO(base64.b64decode(text, validate=True))
    array: npt.NDArray[np.generic] = np.lib.format.read_array(stream, allow_pickle=False)
    (expected,) = get_args(get_args(kind)[1])
    if array.dtype != expected:
        raise ValueError(f"expected an array of {np.dtype(expected)}; received {array.dtype}")
    return array


def _valid_unicode(value: object) -> object:
    """Replace lone surrogates in all texts of a JSON value by their escapes."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {_valid_unicode(key): _valid_unicode(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_valid_unicode(each) for each in value]
    return value


JOB_NAMES = tuple(str(kind.__struct_config__.tag) for kind in get_args(AnyRequest))
"""Names of all jobs, as requests carry them."""

_ENCODER = msgspec.json.Encoder(enc_hook=_encode_value)
_TO_WORKER: "msgspec.json.Decoder[ToWorker]" = msgspec.json.Decoder(ToWorker, dec_hook=_decode_value)
_FROM_WORKER: "msgspec.json.Decoder[FromWorker]" = msgspec.json.Decoder(FromWorker, dec_hook=_decode_value)
_JOB_ID = msgspec.json.Decoder(_JobId)
