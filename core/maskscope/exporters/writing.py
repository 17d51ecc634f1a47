"""Writing a file so that it is either whole, checked and in its place, or not there at all."""

import hashlib
import json
import secrets
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from maskscope.errors import ExportError, ReadError
from maskscope.files import replace_durably
from maskscope.jobs import Job

_REPORT_EVERY = 64
_DIGEST_BYTES = 16
_SPOOL_BYTES = 2**20


ReadBack: TypeAlias = Callable[[Path], Iterator[object]]
"""Reads a written file as the values of its records."""


@dataclass(frozen=True, slots=True)
class Record:
    """One sentence on its way into a file.

    Attributes:
        sentence: its id, for messages.
        text: its lines.
        value: what reading those lines must give, as plain JSON values.
    """

    sentence: int
    text: str
    value: object


def write_checked(path: Path, records: Iterable[Record], read_back: ReadBack, job: Job) -> int:
    """Write `records` to `path` and return their number.

    The file is written beside its place, read back by `read_back` and compared record by record; only
    then is it synced and does it replace `path`. Whatever goes wrong, nothing is left behind and `path` is as it was.

    Raises ExportError when it can't be written or differs when read back; Cancelled from `job`.
    """
    if path.is_dir():
        raise ExportError("is a folder", file=path, expected="a file name", received="a folder")
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    # Digests of what was written, on disk once they are many: the records themselves pass only once.
    with tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES) as digests:
        try:
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
            digests.seek(0)
            read = 0
            for value in read_back(partial):
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


def _digest(value: object) -> bytes:
    text = json.dumps(value, sort_keys=True)
    return hashlib.blake2b(text.encode("ascii"), digest_size=_DIGEST_BYTES).digest()
