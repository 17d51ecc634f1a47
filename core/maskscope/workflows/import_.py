"""From a source file to a project folder, streaming."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from maskscope.corpus_scan import Verdict, data_verdict
from maskscope.errors import ReadError
from maskscope.jobs import Job, NullJob
from maskscope.project.store import Project
from maskscope.project.writer import ProjectWriter
from maskscope.readers import Note, ReadOptions, open_source
from maskscope.types import OUTSIDE_NAMES, Sentence, TagScheme, span_parts


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import made, and what it has to say about it.

    Attributes:
        path: the new project folder.
        collisions: (sentence, position) of the first thousand real tokens whose embedding is all zeros.
        n_collisions: how many there are.
        lengths_from: "source", or "inferred" from trailing zero rows.
        data: whether the source's array is what its lengths say; "failed" is a note, too.
        free_values: numbers that one could pad with, because no token's embedding consists of one of them alone.
    """

    path: Path
    n_sentences: int
    n_tokens: int
    dim: int
    dtype: str
    scheme: TagScheme
    lengths_from: Literal["source", "inferred"]
    n_collisions: int
    collisions: tuple[tuple[int, int], ...]
    notes: tuple[Note, ...]
    data: Verdict
    free_values: tuple[float, ...]

    @property
    def no_collisions(self) -> str:
        """What it means that there are none."""
        if self.lengths_from == "inferred":
            return "none is seen; with inferred lengths, a token of zeros at a sentence's end would pass for padding."
        return "none; no real token has an embedding of zeros."

    def summary(self) -> str:
        """The import in a few words."""
        return f"{self.n_sentences:,} sentences, {self.n_tokens:,} tokens, {self.dim} numbers each ({self.dtype})"


def import_project(
    target: Path | str,
    source: Path,
    options: ReadOptions | None = None,
    format_name: str | None = None,
    job: Job | None = None,
) -> ImportReport:
    """Read `source` into a new project at `target`, exactly as named; an empty folder of that name is taken.

    Memory is bounded by one sentence or one block of the source, whatever its size. Raises ReadError,
    ProjectError or Cancelled; then nothing stays behind.
    """
    job = job or NullJob()
    with (
        open_source(source, options or ReadOptions(), format_name) as reader,
        ProjectWriter(
            Path(target), reader.dim, np.dtype(reader.dtype), classes=reader.classes, kind=reader.kind
        ) as writer,
    ):
        total = reader.n_sentences or 0
        begun = _SpanBeginnings()
        try:
            for sentence in reader:
                writer.add(sentence)
                begun.look(sentence)
                if writer.n_sentences % 64 == 0:
                    job.progress(writer.n_sentences, total, "sentences")
        except ReadError as error:
            if error.file is None:
                raise ReadError(
                    error.message,
                    file=source,
                    sentence=error.sentence,
                    expected=error.expected,
                    received=error.received,
                ) from error
            raise
        except OSError as error:
            raise ReadError(f"reading failed: {error.strerror or error}", file=source) from error
        scan = reader.scan()
        data = data_verdict(scan, reader.lengths_from)
        notes = (
            *reader.notes(),
            *_data_note(data),
            *_outside_note(writer.scheme()),
            *begun.note(writer.scheme()),
        )
        meta = {
            "source": source.name,
            "lengths_from": reader.lengths_from,
            "notes": json.dumps([note.text for note in notes], ensure_ascii=False),
        }
        job.progress(writer.n_sentences, writer.n_sentences, "sentences")
        scheme = writer.finish(meta)
    with Project.open(writer.target, read_only=True) as project:
        first = [(int(sentence), int(position)) for sentence, position in project.collisions()[:1000]]
        return ImportReport(
            writer.target,
            project.n_sentences,
            project.n_tokens,
            project.dim,
            project.dtype.name,
            scheme,
            project.lengths_from,
            writer.n_collisions,
            tuple(first),
            notes,
            data,
            scan.free_values,
        )


def _data_note(data: Verdict) -> tuple[Note, ...]:
    if data.verdict != "failed":
        return ()
    return (Note("data", data.words(), () if data.sentence is None else (data.sentence,)),)


def _outside_note(scheme: TagScheme) -> tuple[Note, ...]:
    outside = scheme.classes[scheme.outside]
    if outside in OUTSIDE_NAMES:
        return ()
    words = f"No label says “nothing here”, so {outside} was taken for it: key 0 sets it, and F1 leaves it out."
    return (Note("outside-guessed", words),)


class _SpanBeginnings:
    """Counts how spans begin, to tell the two habits called BIO apart.

    In IOB2 (BIO) every span begins with B-; in IOB1, the older one, with I-, and B- only parts two neighbours.
    """

    def __init__(self) -> None:
        self._by_begin = 0
        self._by_inside = 0
        self._first: tuple[int, int] | None = None
        self._sentence = -1

    def look(self, sentence: Sentence) -> None:
        """Take in one more sentence."""
        self._sentence += 1
        open_kind: str | None = None
        for position, name in enumerate(sentence.labels or ()):
            prefix, kind = span_parts(name) if name is not None else ("", "")
            if prefix in ("B", "S", "U"):
                self._by_begin += 1
            elif prefix and kind != open_kind:
                self._by_inside += 1
                self._first = self._first or (self._sentence, position)
            open_kind = kind if prefix and prefix in "BIM" else None

    def note(self, scheme: TagScheme) -> tuple[Note, ...]:
        """What a person should know, if anything."""
        if scheme.spans is None or self._first is None:
            return ()
        sentence, position = self._first
        share = self._by_inside / (self._by_begin + self._by_inside)
        where = f"the first in sentence {sentence}, position {position}"
        if share > 0.5:
            words = (
                f"Most spans begin with I-, as in IOB1 ({where}): predictions are decoded as {scheme.spans}, where "
                "each begins with B-. Convert the labels, or turn decoding off (View menu, or --decoding argmax)."
            )
            return (Note("span-labels", words, (sentence,)),)
        number = f"{self._by_inside:,} span{' begins' if self._by_inside == 1 else 's begin'}"
        return (Note("span-labels", f"{number} without B-, against {scheme.spans} ({where}).", (sentence,)),)
