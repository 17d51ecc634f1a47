"""The output of commands: results on stdout, progress and remarks on stderr."""

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TextIO

from maskscope.jobs import NullJob, format_duration

_REDRAW = 0.1
_SPARSE = 5.0


def say(text: str) -> None:
    """Print a result for a person to stdout."""
    print(text)


def remark(text: str) -> None:
    """Print a remark that is no part of the result to stderr."""
    print(text, file=sys.stderr)


def say_json(record: Mapping[str, object]) -> None:
    """Print one JSON object on one line, in ASCII, which every encoding of a terminal can print."""
    print(json.dumps(record, allow_nan=False))


def table(rows: Sequence[Sequence[str]], gap: str = "  ") -> str:
    """Rows of cells as lines with aligned columns; the last column is not padded."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        gap.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def counted(number: int, unit: str) -> str:
    """Such as "1 token" or "2,000 tokens"."""
    return f"{number:,} {unit}{'' if number == 1 else 's'}"


def printable(token: str) -> str:
    """A token in a line of text, in quotes and with escapes where it can't be seen."""
    visible = all(character.isprintable() for character in token) and token.strip() == token != ""
    if visible and not all(0xFE00 <= ord(character) <= 0xFE0F for character in token):
        return token
    return f'"{token}"' if token.isascii() and token.isprintable() else ascii(token)


@contextmanager
def native_stderr_hidden() -> Iterator[None]:
    """Hide what native code writes to stderr in this block: TensorFlow logs at its start whatever its settings are.

    When the block raises, what was written is shown after all.
    """
    sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:
        # Started without a stderr at all.
        yield
        return
    with tempfile.TemporaryFile() as written:
        os.dup2(written.fileno(), 2)
        failed = True
        try:
            yield
            failed = False
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            if failed:
                written.seek(0)
                sys.stderr.write(written.read().decode(errors="replace"))


class TerminalJob(NullJob):
    """Progress on stderr: one line rewritten in place on a terminal, else a line every few seconds.

    Args:
        stream: to write to; None for stderr.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()
        self._began: dict[str, float] = {}
        # Where lines can't be rewritten, a short job prints none.
        self._next = time.monotonic() + (0.0 if self._live else _SPARSE / 2)
        self._figures: dict[str, float] = {}
        self._width = 0

    def progress(self, done: int, total: int, text: str = "") -> None:
        """Show the progress, its rate and the time left."""
        now = time.monotonic()
        # Numbered phases ("epoch 3") share their start, so that there is a rate.
        began = self._began.setdefault(text.rstrip("0123456789 "), now)
        if now < self._next:
            return
        self._next = now + (_REDRAW if self._live else _SPARSE)
        # A numbered phase ("epoch 3") has no unit, so that only its share is shown.
        phase = text[-1:].isdigit()
        if total and phase:
            parts = [f"{text}: {done / total:.0%}"]
        else:
            parts = [f"{text}: {done:,} of {total:,}" if total else f"{text}: {done:,}" if done else text]
        spent = now - began
        if done and spent > 0.5:
            rate = done / spent
            if not phase:
                parts.append(f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.2g}/s")
            if total:
                parts.append(f"{format_duration((total - done) / rate)} left")
        parts += [f"{name} {value:.4g}" for name, value in self._figures.items()]
        self._write(" · ".join(parts))

    def figure(self, name: str, step: int, value: float) -> None:
        """Show the newest value of a figure next to the progress."""
        self._figures[name] = value

    def warn(self, text: str) -> None:
        """Print a warning on a line of its own."""
        self.end()
        self._stream.write(f"maskscope: {text}\n")
        self._stream.flush()

    def end(self) -> None:
        """Clear the line of progress, so that the next output begins on an empty line."""
        if self._live and self._width:
            self._stream.write("\r" + " " * self._width + "\r")
            self._stream.flush()
            self._width = 0

    def __enter__(self) -> "TerminalJob":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def _write(self, line: str) -> None:
        if self._live:
            line = line[:118]
            self._stream.write("\r" + line.ljust(self._width))
            self._width = max(self._width, len(line))
        else:
            self._stream.write(line + "\n")
        self._stream.flush()
