"""Write an export so that the file is replaced only if the export succeeds and reads back as it was written."""

import hashlib
import json
import secrets
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeAlias

from maskscope.errors import ExportError, ReadError
from maskscope.files import replace_durably
from maskscope.jobs import Job

_REPORT_EVERY = 64
_DIGEST_BYTES = 16
_SPOOL_BYTES = 2**20


ReadBack: TypeAlias = Callable[[Path], Iterator[object]]
"""Reads a written file, and yields the value of each record."""


@dataclass(frozen=True, slots=True)
class Record:
    """One sentence, as it is written to a file.

    Attributes:
        sentence: its id, for messages.
        text: its lines.
        value: what reading these lines must return, as plain JSON values.
    """

    sentence: int
    text: str
    value: object


def write_checked(path: Path, records: Iterable[Record], read_back: ReadBack, job: Job) -> int:
    """Write `records` to `path` and return their number.

    They are written to a temporary file in the same folder, read back by `read_back` and compared one by one; only
    then the file is synced and replaces `path`. On any failure `path` is as it was, and the temporary file is removed.

    Raises ExportError when the file can't be written or differs when read back; Cancelled from `job`.
    """
    if path.is_dir():
        raise ExportError("is a folder", file=path, expected="a file name", received="a folder")
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    with tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES) as digests:
        try:
            n_records = _write(partial, records, digests, path, job)
            digests.seek(0)
            _compare(read_back(partial), digests, n_records, path, job)
            job.progress(n_records, n_records, "sentences")
            replace_durably(partial, path)
        except ReadError as error:
            raise ExportError(f"the file can't be read back: {error}", file=path) from None
        except OSError as error:
            raise ExportError(
                "can't be written",
                file=path,
                expected="a folder that can be written to, with room on the disk",
                received=error.strerror or str(error),
            ) from None
        finally:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
    return n_records


def _write(partial: Path, records: Iterable[Record], digests: IO[bytes], path: Path, job: Job) -> int:
    """Write the lines of `records` to the file `partial`, and a digest and the sentence of each to `digests`.

    The file is compared with the digests, because the records can be read only once and may not fit in memory.
    """
    n_records = 0
    with partial.open("x", encoding="utf-8", newline="\n") as stream:
        for n_records, record in enumerate(records, start=1):
            if n_records % _REPORT_EVERY == 1:
                job.progress(n_records - 1, 0, "sentences")
            digests.write(_digest(record.value))
            digests.write(record.sentence.to_bytes(8, "little"))
            try:
                stream.write(record.text)
            except UnicodeEncodeError as error:
                raise ExportError(
                    "half a surrogate pair can't be written as UTF-8",
                    file=path,
                    sentence=record.sentence,
                    expected="Unicode text",
                    received=f"U+{ord(error.object[error.start]):04X}",
                ) from None
    return n_records


def _compare(values: Iterable[object], digests: IO[bytes], n_records: int, path: Path, job: Job) -> None:
    """Raise ExportError unless the values read back are those of the `n_records` records that were written."""
    read = 0
    for value in values:
        if read % _REPORT_EVERY == 0:
            job.progress(read, n_records, "sentences read back")
        read += 1
        expected, sentence = digests.read(_DIGEST_BYTES), digests.read(8)
        if _digest(value) != expected:
            raise ExportError(
                "the file read back differs from what was written",
                file=path,
                sentence=int.from_bytes(sentence, "little") if sentence else None,
                expected="what was written",
                received=json.dumps(value)[:80],
            )
    if read != n_records:
        raise ExportError(
            "the file read back differs from what was written",
            file=path,
            expected=f"{n_records} sentences",
            received=str(read),
        )


def _digest(value: object) -> bytes:
    text = json.dumps(value, sort_keys=True)
    return hashlib.blake2b(text.encode("ascii"), digest_size=_DIGEST_BYTES).digest()
