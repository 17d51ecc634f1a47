"""What a command writes: results on stdout, progress and remarks on stderr."""

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TextIO

from maskscope.jobs import NullJob

_REDRAW = 0.1
_SPARSE = 5.0


def say(text: str) -> None:
    """Print a result for a person to stdout."""
    print(text)


def remark(text: str) -> None:
    """Print what a person should know beside the result to stderr."""
    print(text, file=sys.stderr)


def say_json(record: Mapping[str, object]) -> None:
    """Print one JSON object on one line; ASCII, so that no encoding of the terminal can spoil it."""
    print(json.dumps(record, allow_nan=False))


def table(rows: Sequence[Sequence[str]], gap: str = "  ") -> str:
    """Rows of cells as lines with aligned columns; the last column is not padded."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        gap.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def shown(token: str) -> str:
    """A token as it can stand in a line of text: what can't be seen is written as an escape."""
    visible = all(character.isprintable() for character in token) and token.strip() == token != ""
    if visible and not all(0xFE00 <= ord(character) <= 0xFE0F for character in token):
        return token
    return f'"{token}"' if token.isascii() and token.isprintable() else ascii(token)


@contextmanager
def hushed() -> Iterator[None]:
    """Keep native code from writing to stderr meanwhile, as TensorFlow does at its start whatever it is told.

    What it wrote is shown after all when an error leaves the block.
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
        stream: where to; None for stderr.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()
        self._began: dict[str, float] = {}
        # A short job says nothing at all where lines stay.
        self._next = time.monotonic() + (0.0 if self._live else _SPARSE / 2)
        self._figures: dict[str, float] = {}
        self._width = 0

    def progress(self, done: int, total: int, text: str = "") -> None:
        """Show how far the work is, with its rate and the time left."""
        now = time.monotonic()
        # Phases that count ("epoch 3") share their beginning, so that a rate can be told.
        began = self._began.setdefault(text.rstrip("0123456789 "), now)
        if now < self._next:
            return
        self._next = now + (_REDRAW if self._live else _SPARSE)
        # A numbered phase ("epoch 3") names no unit, so that only the share says something.
        phase = text[-1:].isdigit()
        if total and phase:
            words = [f"{text}: {done / total:.0%}"]
        else:
            words = [f"{text}: {done:,} of {total:,}" if total else f"{text}: {done:,}" if done else text]
        spent = now - began
        if done and spent > 0.5:
            rate = done / spent
            if not phase:
                words.append(f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.2g}/s")
            if total:
                words.append(f"{_duration((total - done) / rate)} left")
        words += [f"{name} {value:.4g}" for name, value in self._figures.items()]
        self._write(" · ".join(words))

    def figure(self, name: str, step: int, value: float) -> None:
        """Show the newest value of a figure beside the progress."""
        self._figures[name] = value

    def warn(self, words: str) -> None:
        """Print a sentence that a person should know on a line of its own."""
        self.end()
        self._stream.write(f"maskscope: {words}\n")
        self._stream.flush()

    def end(self) -> None:
        """Take the live line away, so that what is printed next stands on a line of its own."""
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


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
